// SPDX-License-Identifier: GPL-2.0
/*
 * The sandbox: no new privileges, and a list of system calls (seccomp). A call that is not
 * on it ends the process by SIGSYS, for nothing here makes it (and the terminal is given
 * back, which SIGKILL would not do); calls that open files or make sockets fail instead,
 * for libraries try some of them and go on without.
 */
#include <errno.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/vhost.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../uapi/linux/lodge.h"
#include "err.h"
#include "sandbox.h"

static const int always[] = {
	/* the guest and what it is waited for with */
	SCMP_SYS(futex), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(pwrite64), SCMP_SYS(pwritev),
	SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime),
	SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(fcntl), SCMP_SYS(fstat),
	/* memory */
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(mprotect), SCMP_SYS(brk),
	/* threads, signals, time */
	SCMP_SYS(gettid), SCMP_SYS(getpid),
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(getrandom),
	SCMP_SYS(exit), SCMP_SYS(exit_group),
	/* dumps: the file is open */
	SCMP_SYS(ftruncate), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	/* sockets that are open */
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(shutdown),
};

static const int for_disks[] = {
	SCMP_SYS(io_uring_enter), SCMP_SYS(fallocate), SCMP_SYS(statx), SCMP_SYS(newfstatat),
	SCMP_SYS(flock),
};

static const int for_accept[] = {
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(unlink),	/* the console's own */
};

/* fstat() is newfstatat() in some C libraries. */
static const int for_dumps[] = {
	SCMP_SYS(newfstatat), SCMP_SYS(linkat),
};

static const int for_control[] = {
	SCMP_SYS(accept4), SCMP_SYS(getsockopt), SCMP_SYS(newfstatat),
};

static const int for_sockets[] = {
	SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen),
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg),
};

/* These get an errno and their caller goes on without what it wanted. */
static const int refused[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(socket),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(access),
	SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(clone), SCMP_SYS(clone3),
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(prlimit64), SCMP_SYS(sysinfo),
	SCMP_SYS(uname), SCMP_SYS(prctl),
};

/* ioctl() is a thousand calls: those of the hypervisor and its helpers, and a few more. */
static const struct {
	u64 mask, value;
} ioctls[] = {
	{ 0xff00, KVMIO << 8 },
	{ 0xff00, LODGE_IOCTL_TYPE << 8 },
	{ 0xff00, VHOST_VIRTIO << 8 },
	{ ~0ull, TCGETS }, { ~0ull, TCSETS }, { ~0ull, TCSETSW }, { ~0ull, TCSETSF },
	{ ~0ull, TIOCGWINSZ }, { ~0ull, TIOCGPGRP }, { ~0ull, TCFLSH },
	{ ~0ull, FIONREAD }, { ~0ull, FIONBIO },
	{ ~0ull, BLKDISCARD }, { ~0ull, BLKZEROOUT }, { ~0ull, BLKGETSIZE64 },
	{ ~0ull, TUNSETOFFLOAD }, { ~0ull, TUNSETVNETHDRSZ },
};

static int allow_ioctls(scmp_filter_ctx ctx)
{
	unsigned int i;
	int error = 0;

	for (i = 0; i < ARRAY_SIZE(ioctls) && !error; i++)
		error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					 SCMP_A1(SCMP_CMP_MASKED_EQ, ioctls[i].mask & 0xffffffff,
						 ioctls[i].value));
	return error;
}

/* Signals are for its own threads: kicks of vCPUs, and a terminal that is stopped. */
static int allow_signals(scmp_filter_ctx ctx)
{
	int error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				     SCMP_A0(SCMP_CMP_EQ, getpid()));

	return error ? error : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1,
						SCMP_A0(SCMP_CMP_EQ, getpid()));
}

static int allow(scmp_filter_ctx ctx, const int *calls, unsigned int nr)
{
	unsigned int i;
	int error = 0;

	for (i = 0; i < nr && !error; i++)
		error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	return error;
}

/* Those that another list allows stay allowed: libseccomp takes the first word. */
static int refuse(scmp_filter_ctx ctx, const struct sandbox_needs *needs)
{
	unsigned int i;
	int error = 0;

	for (i = 0; i < ARRAY_SIZE(refused) && !error; i++) {
		if ((refused[i] == SCMP_SYS(socket) && needs->sockets) ||
		    (refused[i] == SCMP_SYS(unlink) && needs->accept) ||
		    (refused[i] == SCMP_SYS(unlinkat) && needs->control) ||
		    (refused[i] == SCMP_SYS(newfstatat) &&
		     (needs->disks || needs->link || needs->control)))
			continue;
		error = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), refused[i], 0);
	}
	return error;
}

static int fill(scmp_filter_ctx ctx, const struct sandbox_needs *needs)
{
	int error = allow(ctx, always, ARRAY_SIZE(always));

	if (!error)
		error = allow_ioctls(ctx);
	if (!error)
		error = allow_signals(ctx);
	if (!error && needs->disks)
		error = allow(ctx, for_disks, ARRAY_SIZE(for_disks));
	if (!error && needs->accept)
		error = allow(ctx, for_accept, ARRAY_SIZE(for_accept));
	if (!error && needs->sockets)
		error = allow(ctx, for_sockets, ARRAY_SIZE(for_sockets));
	if (!error && needs->link)
		error = allow(ctx, for_dumps, ARRAY_SIZE(for_dumps));
	if (!error && needs->control)
		error = allow(ctx, for_control, ARRAY_SIZE(for_control));
	if (!error && needs->control)
		error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(unlinkat), 1,
					 SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff,
						 (u32)needs->control_dir));
	if (!error)
		error = refuse(ctx, needs);
	/* All threads get it, those of libraries, too. */
	if (!error)
		error = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	return error;
}

int sandbox_enter(const struct sandbox_needs *needs)
{
	scmp_filter_ctx ctx;
	int error;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err(STATUS_HOST,
			   "sandbox: no_new_privs: %s: run with --no-sandbox to go without",
			   strerror(errno));
	ctx = seccomp_init(SCMP_ACT_TRAP);
	if (!ctx)
		return err(STATUS_HOST, "sandbox: no memory");
	error = fill(ctx, needs);
	if (!error)
		error = seccomp_load(ctx);
	seccomp_release(ctx);
	if (error)
		return err(STATUS_HOST,
			   "sandbox: the kernel does not take it: %s: run with --no-sandbox to go without",
			   strerror(-error));
	return 0;
}
