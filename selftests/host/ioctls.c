// SPDX-License-Identifier: GPL-2.0
/*
 * ioctls - every call of <linux/kvm.h> on every kind of descriptor: those of
 * another kind, of another size or unknown, bad pointers, bad values, counts at
 * their limits, what a GET leaves in the caller's buffer, and who may call.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>

#include "selftest.h"
#include "../../uapi/linux/lodge.h"

enum { SYS = 1, VM = 2, VCPU = 4, NONE = 0 };

struct ioc {
	const char *name;
	unsigned long cmd;
	u8 kinds;		/* of descriptor that take it */
	u8 have;		/* of which lodge has it; KVM has it for all of kinds */
};

#define HAVE(n, k)	{ #n, KVM_##n, k, k }
#define PART(n, k, l)	{ #n, KVM_##n, k, l }
#define LACK(n, k)	{ #n, KVM_##n, k, 0 }

static const struct ioc iocs[] = {
	/* offered */
	HAVE(GET_API_VERSION, SYS),
	HAVE(CREATE_VM, SYS),
	HAVE(CHECK_EXTENSION, SYS | VM),
	HAVE(GET_VCPU_MMAP_SIZE, SYS),
	HAVE(GET_SUPPORTED_CPUID, SYS),
	HAVE(CREATE_VCPU, VM),
	HAVE(SET_USER_MEMORY_REGION, VM),
	HAVE(RUN, VCPU),
	HAVE(GET_REGS, VCPU),
	HAVE(SET_REGS, VCPU),
	HAVE(GET_SREGS, VCPU),
	HAVE(SET_SREGS, VCPU),
	HAVE(SET_CPUID2, VCPU),
	HAVE(IOEVENTFD, VM),
	HAVE(REGISTER_COALESCED_MMIO, VM),
	HAVE(UNREGISTER_COALESCED_MMIO, VM),
	HAVE(GET_DIRTY_LOG, VM),
	HAVE(CLEAR_DIRTY_LOG, VM),
	HAVE(RESET_DIRTY_RINGS, VM),
	HAVE(TRANSLATE, VCPU),
	HAVE(INTERRUPT, VCPU),
	HAVE(GET_MSRS, SYS | VCPU),
	HAVE(SET_MSRS, VCPU),
	HAVE(GET_FPU, VCPU),
	HAVE(SET_FPU, VCPU),
	HAVE(GET_CPUID2, VCPU),
	HAVE(GET_MP_STATE, VCPU),
	HAVE(SET_MP_STATE, VCPU),
	HAVE(NMI, VCPU),
	HAVE(SET_GUEST_DEBUG, VCPU),
	HAVE(X86_SETUP_MCE, VCPU),
	HAVE(X86_GET_MCE_CAP_SUPPORTED, SYS),
	HAVE(X86_SET_MCE, VCPU),
	HAVE(GET_VCPU_EVENTS, VCPU),
	HAVE(SET_VCPU_EVENTS, VCPU),
	HAVE(GET_DEBUGREGS, VCPU),
	HAVE(SET_DEBUGREGS, VCPU),
	HAVE(ENABLE_CAP, VM | VCPU),
	HAVE(GET_XSAVE, VCPU),
	HAVE(SET_XSAVE, VCPU),
	HAVE(GET_XCRS, VCPU),
	HAVE(SET_XCRS, VCPU),
	HAVE(GET_SREGS2, VCPU),
	HAVE(SET_SREGS2, VCPU),
	HAVE(GET_XSAVE2, VCPU),
	HAVE(GET_MSR_INDEX_LIST, SYS),
	HAVE(GET_EMULATED_CPUID, SYS),
	HAVE(GET_MSR_FEATURE_INDEX_LIST, SYS),
	HAVE(SET_TSC_KHZ, VM | VCPU),
	HAVE(GET_TSC_KHZ, VM | VCPU),
	HAVE(X86_SET_MSR_FILTER, VM),
	HAVE(SET_CLOCK, VM),
	HAVE(GET_CLOCK, VM),
	HAVE(KVMCLOCK_CTRL, VCPU),
	HAVE(CREATE_IRQCHIP, VM),
	HAVE(IRQ_LINE, VM),
	HAVE(GET_IRQCHIP, VM),
	HAVE(SET_IRQCHIP, VM),
	HAVE(CREATE_PIT, VM),
	HAVE(GET_PIT, VM),
	HAVE(SET_PIT, VM),
	HAVE(IRQ_LINE_STATUS, VM),
	HAVE(SET_GSI_ROUTING, VM),
	HAVE(REINJECT_CONTROL, VM),
	HAVE(IRQFD, VM),
	HAVE(CREATE_PIT2, VM),
	HAVE(SET_BOOT_CPU_ID, VM),
	HAVE(GET_PIT2, VM),
	HAVE(SET_PIT2, VM),
	HAVE(SIGNAL_MSI, VM),
	HAVE(GET_LAPIC, VCPU),
	HAVE(SET_LAPIC, VCPU),
	PART(SET_DEVICE_ATTR, VM | VCPU, VCPU),
	PART(GET_DEVICE_ATTR, SYS | VM | VCPU, SYS | VCPU),
	PART(HAS_DEVICE_ATTR, SYS | VM | VCPU, SYS | VCPU),
	HAVE(SET_NR_MMU_PAGES, VM),
	HAVE(GET_NR_MMU_PAGES, VM),
	HAVE(SET_TSS_ADDR, VM),
	HAVE(SET_IDENTITY_MAP_ADDR, VM),
	HAVE(SET_SIGNAL_MASK, VCPU),
	HAVE(TPR_ACCESS_REPORTING, VCPU),
	HAVE(SET_VAPIC_ADDR, VCPU),
	HAVE(GET_STATS_FD, VM | VCPU),
	/* KVM's on x86, not offered yet */
	LACK(XEN_HVM_CONFIG, VM),
	LACK(SET_PMU_EVENT_FILTER, VM),
	LACK(CREATE_DEVICE, VM),
	LACK(SET_CPUID, VCPU),
	LACK(SMI, VCPU),
	LACK(MEMORY_ENCRYPT_OP, VM),
	LACK(MEMORY_ENCRYPT_REG_REGION, VM),
	LACK(MEMORY_ENCRYPT_UNREG_REGION, VM),
	LACK(HYPERV_EVENTFD, VM),
	LACK(GET_NESTED_STATE, VCPU),
	LACK(SET_NESTED_STATE, VCPU),
	LACK(GET_SUPPORTED_HV_CPUID, SYS | VCPU),
	LACK(XEN_HVM_GET_ATTR, VM),
	LACK(XEN_HVM_SET_ATTR, VM),
	LACK(XEN_VCPU_GET_ATTR, VCPU),
	LACK(XEN_VCPU_SET_ATTR, VCPU),
	LACK(XEN_HVM_EVTCHN_SEND, VM),
	/* of other architectures, or of the past; some have no struct on x86 */
	LACK(S390_ENABLE_SIE, NONE),
	LACK(SET_MEMORY_REGION, NONE),
	LACK(SET_MEMORY_ALIAS, NONE),
	LACK(S390_UCAS_MAP, NONE),
	LACK(S390_UCAS_UNMAP, NONE),
	LACK(S390_VCPU_FAULT, NONE),
	LACK(ASSIGN_PCI_DEVICE, NONE),
	LACK(ASSIGN_DEV_IRQ, NONE),
	LACK(DEASSIGN_PCI_DEVICE, NONE),
	LACK(ASSIGN_SET_MSIX_NR, NONE),
	LACK(ASSIGN_SET_MSIX_ENTRY, NONE),
	LACK(DEASSIGN_DEV_IRQ, NONE),
	LACK(PPC_GET_PVINFO, NONE),
	LACK(ASSIGN_SET_INTX_MASK, NONE),
	LACK(PPC_GET_SMMU_INFO, NONE),
	LACK(PPC_ALLOCATE_HTAB, NONE),
	LACK(ARM_SET_DEVICE_ADDR, NONE),
	LACK(PPC_RESIZE_HPT_PREPARE, NONE),
	LACK(PPC_RESIZE_HPT_COMMIT, NONE),
	LACK(PPC_SVM_OFF, NONE),
	LACK(S390_INTERRUPT, NONE),
	LACK(S390_STORE_STATUS, NONE),
	LACK(S390_SET_INITIAL_PSW, NONE),
	LACK(S390_INITIAL_RESET, NONE),
	LACK(DIRTY_TLB, NONE),
	LACK(GET_ONE_REG, NONE),
	LACK(SET_ONE_REG, NONE),
	LACK(GET_REG_LIST, NONE),
	LACK(S390_MEM_OP, NONE),
	LACK(S390_GET_SKEYS, NONE),
	LACK(S390_SET_SKEYS, NONE),
	LACK(S390_IRQ, NONE),
	LACK(S390_SET_IRQ_STATE, NONE),
	LACK(S390_GET_IRQ_STATE, NONE),
	LACK(S390_GET_CMMA_BITS, NONE),
	LACK(S390_SET_CMMA_BITS, NONE),
	LACK(ARM_VCPU_FINALIZE, NONE),
	LACK(S390_NORMAL_RESET, NONE),
	LACK(S390_CLEAR_RESET, NONE),
	LACK(S390_PV_COMMAND, NONE),
	LACK(S390_PV_CPU_COMMAND, NONE),
	LACK(S390_ZPCI_OP, NONE),
};

struct fds {
	struct vm *vm;
	struct vcpu *vcpu;
	struct { const char *name; int fd, kind; } fd[3];
	bool lodge;
};

/* A machine with all that calls can be about, or without interrupt controllers. */
static void fds_open_with(struct fds *f, bool chips)
{
	struct kvm_pit_config pit = { 0 };

	f->vm = vm_create();
	if (chips) {
		CHECK_EQ(xioctl(f->vm->fd, KVM_CREATE_IRQCHIP, 0), 0);
		CHECK_EQ(xioctl(f->vm->fd, KVM_CREATE_PIT2, (uintptr_t)&pit), 0);
	}
	f->vcpu = vcpu_create(f->vm, 0);
	f->fd[0].name = "system";
	f->fd[0].fd = f->vm->dev_fd;
	f->fd[0].kind = SYS;
	f->fd[1].name = "VM";
	f->fd[1].fd = f->vm->fd;
	f->fd[1].kind = VM;
	f->fd[2].name = "vCPU";
	f->fd[2].fd = f->vcpu->fd;
	f->fd[2].kind = VCPU;
	f->lodge = xioctl(f->vm->dev_fd, LODGE_GET_VERSION, 0) > 0;
}

static void fds_open(struct fds *f)
{
	fds_open_with(f, false);
}

static bool takes_pointer(const struct ioc *c)
{
	return _IOC_DIR(c->cmd) != _IOC_NONE;
}

static void guest_three_syncs(u64 arg)
{
	for (int i = 1; i <= 3; i++)
		GUEST_SYNC(i);
}

/* Whatever was tried before: the machine works. */
static void check_runs(struct fds *f)
{
	vcpu_long_mode(f->vcpu, guest_three_syncs, 0);
	vcpu_expect_sync(f->vcpu, 1);
	vcpu_expect_sync(f->vcpu, 2);
	vcpu_expect_sync(f->vcpu, 3);
	vcpu_expect_done(f->vcpu);
}

/* KVM also says EINVAL (device, vCPU), and EOPNOTSUPP for what it had once. */
static void check_unknown(struct fds *f, int ret)
{
	if (f->lodge || (ret != -EINVAL && ret != -EOPNOTSUPP))
		CHECK_EQ(ret, -ENOTTY);
}

/* ---- which calls exist ------------------------------------------------ */

SUBTEST(class12_wrong_kind_of_descriptor)
{
	struct fds f;

	fds_open(&f);
	for (const struct ioc *c = iocs; c < iocs + ARRAY_SIZE(iocs); c++) {
		for (int i = 0; i < 3; i++) {
			if (c->kinds & f.fd[i].kind)
				continue;
			test_doing("KVM_%s on the %s descriptor", c->name, f.fd[i].name);
			check_unknown(&f, xioctl(f.fd[i].fd, c->cmd, 0));
		}
	}
	check_runs(&f);
}

/* A lodge that takes a call of which this table knows nothing fails here. */
SUBTEST(calls_that_are_not_offered)
{
	static u8 zeros[16384];
	struct fds f;

	fds_open(&f);
	if (!f.lodge)
		SKIP("KVM offers nearly all");
	for (const struct ioc *c = iocs; c < iocs + ARRAY_SIZE(iocs); c++) {
		for (int i = 0; i < 3; i++) {
			if (c->have & f.fd[i].kind)
				continue;
			test_doing("KVM_%s on the %s descriptor", c->name, f.fd[i].name);
			CHECK_EQ(xioctl(f.fd[i].fd, c->cmd, 0), -ENOTTY);
			CHECK_EQ(xioctl(f.fd[i].fd, c->cmd, (uintptr_t)zeros), -ENOTTY);
		}
	}
	check_runs(&f);
}

static bool in_table(unsigned long cmd)
{
	for (const struct ioc *c = iocs; c < iocs + ARRAY_SIZE(iocs); c++)
		if (c->cmd == cmd)
			return true;
	return false;
}

SUBTEST(class29_wrong_size_or_direction)
{
	static const int deltas[] = { -8, -1, 1, 4, 8, 4096 };
	struct fds f;

	fds_open(&f);
	for (const struct ioc *c = iocs; c < iocs + ARRAY_SIZE(iocs); c++) {
		unsigned int nr = _IOC_NR(c->cmd), size = _IOC_SIZE(c->cmd);

		for (u64 i = 0; c->have && i < ARRAY_SIZE(deltas) + 4; i++) {
			bool by_size = i < ARRAY_SIZE(deltas);
			unsigned int dir = by_size ? _IOC_DIR(c->cmd) :
					   i - ARRAY_SIZE(deltas);
			unsigned int s = by_size ? size + deltas[i] : size;
			unsigned long cmd = _IOC(dir, KVMIO, nr, s);

			if (s >= 1 << 14 || in_table(cmd))
				continue;
			for (int j = 0; j < 3; j++) {
				test_doing("KVM_%s as size %u, direction %u on %s",
					   c->name, s, dir, f.fd[j].name);
				check_unknown(&f, xioctl(f.fd[j].fd, cmd, 0));
			}
		}
	}
	check_runs(&f);
}

/* The calls that KVM has not: uapi/linux/lodge.h. */
static bool is_lodges(unsigned long cmd)
{
	static const unsigned long lodges[] = {
		LODGE_GET_VERSION, LODGE_GET_FLIGHT_FD, LODGE_GET_VMCS, LODGE_SET_STOPS,
		LODGE_WALK_EPT, LODGE_GET_ENTRY_FAILURE, LODGE_BREAK_VMCS,
	};

	for (u64 i = 0; i < ARRAY_SIZE(lodges); i++)
		if (cmd == lodges[i])
			return true;
	return false;
}

SUBTEST(unknown_numbers)
{
	static const u8 types[] = { KVMIO, KVMIO + 1, 0xeb, 0x7f };
	struct fds f;

	fds_open(&f);
	for (u64 t = 0; t < ARRAY_SIZE(types); t++) {
		for (int nr = 0; nr < 256; nr++) {
			const unsigned long cmds[] = {
				_IO(types[t], nr), _IOR(types[t], nr, u32),
				_IOW(types[t], nr, u32), _IOWR(types[t], nr, u64[99]),
			};

			for (u64 i = 0; i < 4 * 3; i++) {
				unsigned long cmd = cmds[i / 3];

				if (in_table(cmd) || is_lodges(cmd))
					continue;
				test_doing("%#lx on %s", cmd, f.fd[i % 3].name);
				check_unknown(&f, xioctl(f.fd[i % 3].fd, cmd, 0));
			}
		}
	}
	check_runs(&f);
}

SUBTEST(lodge_version)
{
	struct fds f;

	fds_open(&f);
	if (!f.lodge)
		SKIP("%s is not lodge", device);
	CHECK_EQ(xioctl(f.vm->dev_fd, LODGE_GET_VERSION, 0), LODGE_VERSION);
	CHECK_EQ(xioctl(f.vm->fd, LODGE_GET_VERSION, 0), -ENOTTY);
	CHECK_EQ(xioctl(f.vcpu->fd, LODGE_GET_VERSION, 0), -ENOTTY);
}

/* Not a file to read, write or seek in. */
SUBTEST(no_other_file_operations)
{
	struct fds f;
	char byte = 0;

	fds_open(&f);
	for (int i = 0; i < 3; i++) {
		test_doing("%s descriptor", f.fd[i].name);
		CHECK_EQ(read(f.fd[i].fd, &byte, 1), -1);
		CHECK_EQ(errno, EINVAL);
		CHECK_EQ(write(f.fd[i].fd, &byte, 1), -1);
		CHECK_EQ(errno, EINVAL);
		CHECK_EQ(ftruncate(f.fd[i].fd, 1), -1);
	}
	check_runs(&f);
}

/* ---- pointers --------------------------------------------------------- */

/* A page between two that cannot be touched. */
static u8 *lone_page(int prot)
{
	u8 *p = mmap(NULL, 3 * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(mprotect(p + PAGE_SIZE, PAGE_SIZE, prot), 0);
	return p + PAGE_SIZE;
}

static void check_bad_pointers(struct fds *f, const struct ioc *c, int fd, u8 *page)
{
	const u64 bad[] = {
		0, 8, (uintptr_t)page - 1, (uintptr_t)page + PAGE_SIZE,
		(uintptr_t)page + PAGE_SIZE - _IOC_SIZE(c->cmd) + 1,
		0x00007ffffffff000ull, 0x0000800000000000ull,
		0x8000000000000000ull, 0xffff888000000000ull,
		0xffffffff81000000ull, 0xfffffffffffff000ull, ~0ull,
	};

	/* refused with a vCPU before it is looked at */
	if (c->cmd == KVM_SET_IDENTITY_MAP_ADDR)
		return;
	/* no mask at all is said by no pointer */
	for (u64 i = c->cmd == KVM_SET_SIGNAL_MASK; i < ARRAY_SIZE(bad); i++) {
		test_doing("KVM_%s, pointer %#llx", c->name, (unsigned long long)bad[i]);
		CHECK_EQ(xioctl(fd, c->cmd, bad[i]), -EFAULT);
	}
}

SUBTEST(class34_bad_pointers)
{
	u8 *page = lone_page(PROT_READ | PROT_WRITE);
	struct kvm_sregs s0, s1;
	struct kvm_regs r0, r1;
	struct fds f;

	fds_open_with(&f, true);
	vcpu_long_mode(f.vcpu, guest_three_syncs, 5);
	get_regs(f.vcpu, &r0);
	get_sregs(f.vcpu, &s0);
	for (const struct ioc *c = iocs; c < iocs + ARRAY_SIZE(iocs); c++)
		for (int i = 0; takes_pointer(c) && i < 3; i++)
			if (c->have & f.fd[i].kind)
				check_bad_pointers(&f, c, f.fd[i].fd, page);
	get_regs(f.vcpu, &r1);
	get_sregs(f.vcpu, &s1);
	CHECK_EQ(memcmp(&r0, &r1, sizeof(r0)), 0);
	CHECK_EQ(memcmp(&s0, &s1, sizeof(s0)), 0);
	check_runs(&f);
}

SUBTEST(class34_read_only_buffers)
{
	u8 *page = lone_page(PROT_READ);
	struct fds f;

	fds_open(&f);
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_GET_REGS, (uintptr_t)page), -EFAULT);
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_GET_SREGS, (uintptr_t)page), -EFAULT);
	mprotect(page, PAGE_SIZE, PROT_READ | PROT_WRITE);
	((struct kvm_cpuid2 *)page)->nent = 90;		/* fit into the page */
	mprotect(page, PAGE_SIZE, PROT_READ);
	CHECK_EQ(xioctl(f.vm->dev_fd, KVM_GET_SUPPORTED_CPUID, (uintptr_t)page),
		 -EFAULT);
	mprotect(page, PAGE_SIZE, PROT_NONE);
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_REGS, (uintptr_t)page), -EFAULT);
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_SREGS, (uintptr_t)page), -EFAULT);
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_CPUID2, (uintptr_t)page), -EFAULT);
	check_runs(&f);
}

/* The list behind the head is where the kernel cannot reach. */
SUBTEST(class34_bad_list_pointers)
{
	u8 *page = lone_page(PROT_READ | PROT_WRITE);
	struct kvm_cpuid2 *c = (void *)(page + PAGE_SIZE - sizeof(*c));
	struct fds f;

	fds_open(&f);
	c->nent = 256;
	CHECK_EQ(xioctl(f.vm->dev_fd, KVM_GET_SUPPORTED_CPUID, (uintptr_t)c), -EFAULT);
	c->nent = 1;
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_CPUID2, (uintptr_t)c), -EFAULT);
	c->nent = 256;
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_CPUID2, (uintptr_t)c), -EFAULT);
	check_runs(&f);
}

/* ---- values ----------------------------------------------------------- */

SUBTEST(value_arguments)
{
	static const u64 values[] = { 1, 2, 0x1000, 0x80000000, 0xffffffff, ~0ull };
	struct fds f;

	fds_open(&f);
	CHECK_EQ(xioctl(f.vm->dev_fd, KVM_GET_API_VERSION, 0), KVM_API_VERSION);
	CHECK_EQ(KVM_API_VERSION, 12);
	for (u64 i = 0; i < ARRAY_SIZE(values); i++) {
		u64 v = values[i];

		test_doing("argument %#llx", (unsigned long long)v);
		CHECK_EQ(xioctl(f.vm->dev_fd, KVM_GET_API_VERSION, v), -EINVAL);
		CHECK_EQ(xioctl(f.vm->dev_fd, KVM_GET_VCPU_MMAP_SIZE, v), -EINVAL);
		CHECK_EQ(xioctl(f.vm->dev_fd, KVM_CREATE_VM, v), -EINVAL);
		CHECK_EQ(xioctl(f.vcpu->fd, KVM_RUN, v), -EINVAL);
	}
	check_runs(&f);
}

#define LAST_CAP	300	/* well above the last one of this kernel's header */

SUBTEST(check_extension)
{
	static const u64 odd[] = { 0x7fffffff, 0x80000000, 0xffffffff,
		0x100000000, 1ull << 63, ~0ull };
	struct fds f;
	int dev, vm;

	fds_open(&f);
	for (u64 cap = 0; cap < 1024; cap++) {
		test_doing("capability %llu", (unsigned long long)cap);
		dev = xioctl(f.vm->dev_fd, KVM_CHECK_EXTENSION, cap);
		vm = xioctl(f.vm->fd, KVM_CHECK_EXTENSION, cap);
		CHECK(dev >= 0);
		CHECK(vm >= 0);
		CHECK_EQ(xioctl(f.vm->dev_fd, KVM_CHECK_EXTENSION, cap), dev);
		CHECK_EQ(xioctl(f.vm->fd, KVM_CHECK_EXTENSION, cap), vm);
		if (cap > LAST_CAP)
			CHECK_EQ(dev | vm, 0);
	}
	for (u64 i = 0; i < ARRAY_SIZE(odd); i++) {
		test_doing("capability %#llx", (unsigned long long)odd[i]);
		CHECK_EQ(xioctl(f.vm->dev_fd, KVM_CHECK_EXTENSION, odd[i]), 0);
		CHECK_EQ(xioctl(f.vm->fd, KVM_CHECK_EXTENSION, odd[i]), 0);
	}
}

SUBTEST(capabilities_that_must_be)
{
	static const struct { int cap, least; } need[] = {
		{ KVM_CAP_USER_MEMORY, 1 }, { KVM_CAP_SYNC_MMU, 1 },
		{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
		{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
		{ KVM_CAP_READONLY_MEM, 1 }, { KVM_CAP_EXT_CPUID, 1 },
		{ KVM_CAP_IMMEDIATE_EXIT, 1 }, { KVM_CAP_HLT, 1 },
		{ KVM_CAP_NR_VCPUS, 1 }, { KVM_CAP_MAX_VCPUS, 2 },
		{ KVM_CAP_MAX_VCPU_ID, 2 }, { KVM_CAP_NR_MEMSLOTS, 32 },
		{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	};
	struct fds f;

	fds_open(&f);
	for (u64 i = 0; i < ARRAY_SIZE(need); i++) {
		test_doing("capability %d", need[i].cap);
		CHECK(check_cap(f.vm, need[i].cap) >= need[i].least);
	}
	test_doing("numbers of vCPUs");
	CHECK(check_cap(f.vm, KVM_CAP_NR_VCPUS) <= check_cap(f.vm, KVM_CAP_MAX_VCPUS));
	CHECK(check_cap(f.vm, KVM_CAP_MAX_VCPUS) <= check_cap(f.vm, KVM_CAP_MAX_VCPU_ID));
}

/* A capability is there if, and on lodge only if, its call is. */
SUBTEST(capabilities_match_calls)
{
	static const struct { int cap; unsigned long cmd; u8 kind; } pairs[] = {
		{ KVM_CAP_IRQCHIP, KVM_GET_IRQCHIP, VM },
		{ KVM_CAP_USER_MEMORY, KVM_SET_USER_MEMORY_REGION, VM },
		{ KVM_CAP_EXT_CPUID, KVM_SET_CPUID2, VCPU },
		{ KVM_CAP_EXT_CPUID, KVM_GET_SUPPORTED_CPUID, SYS },
		{ KVM_CAP_MP_STATE, KVM_GET_MP_STATE, VCPU },
		{ KVM_CAP_IRQ_ROUTING, KVM_SET_GSI_ROUTING, VM },
		{ KVM_CAP_IRQFD, KVM_IRQFD, VM },
		{ KVM_CAP_IOEVENTFD, KVM_IOEVENTFD, VM },
		{ KVM_CAP_PIT_STATE2, KVM_GET_PIT2, VM },
		{ KVM_CAP_VCPU_EVENTS, KVM_GET_VCPU_EVENTS, VCPU },
		{ KVM_CAP_DEBUGREGS, KVM_GET_DEBUGREGS, VCPU },
		{ KVM_CAP_SET_GUEST_DEBUG, KVM_SET_GUEST_DEBUG, VCPU },
		{ KVM_CAP_XSAVE, KVM_GET_XSAVE, VCPU },
		{ KVM_CAP_XCRS, KVM_GET_XCRS, VCPU },
		{ KVM_CAP_SIGNAL_MSI, KVM_SIGNAL_MSI, VM },
		{ KVM_CAP_ADJUST_CLOCK, KVM_GET_CLOCK, VM },
		{ KVM_CAP_GET_MSR_FEATURES, KVM_GET_MSR_FEATURE_INDEX_LIST, SYS },
		{ KVM_CAP_ENABLE_CAP_VM, KVM_ENABLE_CAP, VM },
		{ KVM_CAP_SREGS2, KVM_GET_SREGS2, VCPU },
		{ KVM_CAP_XSAVE2, KVM_GET_XSAVE2, VCPU },
	};
	struct fds f;

	fds_open(&f);
	for (u64 i = 0; i < ARRAY_SIZE(pairs); i++) {
		int fd = pairs[i].kind == SYS ? f.vm->dev_fd :
			 pairs[i].kind == VM ? f.vm->fd : f.vcpu->fd;
		int ret = xioctl(fd, pairs[i].cmd, 0);

		test_doing("capability %d", pairs[i].cap);
		if (check_cap(f.vm, pairs[i].cap))
			CHECK(ret != -ENOTTY);
		else if (f.lodge)
			CHECK_EQ(ret, -ENOTTY);
	}
	check_runs(&f);
}

/* ---- registers -------------------------------------------------------- */

SUBTEST(set_regs_forces_the_fixed_flag)
{
	struct kvm_regs r;
	struct fds f;

	fds_open(&f);
	vcpu_long_mode(f.vcpu, guest_three_syncs, 0);
	get_regs(f.vcpu, &r);
	r.rflags = 0;
	set_regs(f.vcpu, &r);
	get_regs(f.vcpu, &r);
	CHECK_EQ(r.rflags, 2);
	vcpu_expect_sync(f.vcpu, 1);
}

struct bad_sregs {
	const char *what;
	u64 cr0_set, cr0_clear, cr4_set, cr4_clear, efer_set, efer_clear;
	bool l_set;
};

static const struct bad_sregs bad_sregs[] = {
	{ "CR0 bit 32", .cr0_set = BIT(32) },
	{ "CR0 bit 63", .cr0_set = BIT(63) },
	{ "NW without CD", .cr0_set = X86_CR0_NW, .cr0_clear = X86_CR0_CD },
	{ "PG without PE", .cr0_clear = X86_CR0_PE },
	{ "LME, PG, no PAE", .cr4_clear = X86_CR4_PAE },
	{ "LME, PG, no LMA", .efer_clear = EFER_LMA },
	{ "LMA without LME", .efer_clear = EFER_LME },
	{ "LMA without PG", .cr0_clear = X86_CR0_PG },
	{ "CS.L outside long mode", .efer_clear = EFER_LME | EFER_LMA, .l_set = true },
	{ "CR4 bit 15", .cr4_set = BIT(15) },
	{ "CR4 bit 19", .cr4_set = BIT(19) },
	{ "CR4 bit 26", .cr4_set = BIT(26) },
	{ "CR4 bit 31", .cr4_set = BIT(31) },
	{ "CR4 bit 32", .cr4_set = BIT(32) },
	{ "CR4 bit 63", .cr4_set = BIT(63) },
	{ "LA57 of a 48-bit guest", .cr4_set = X86_CR4_LA57 },
};

static void refuse_sregs(struct fds *f, const struct kvm_sregs *good,
			 const struct kvm_sregs *bad)
{
	struct kvm_sregs now;

	CHECK_EQ(xioctl(f->vcpu->fd, KVM_SET_SREGS, (uintptr_t)bad), -EINVAL);
	get_sregs(f->vcpu, &now);
	CHECK_EQ(memcmp(&now, good, sizeof(now)), 0);
}

SUBTEST(class19_bad_control_registers)
{
	struct kvm_sregs good, bad;
	struct fds f;

	fds_open(&f);
	vcpu_long_mode(f.vcpu, guest_three_syncs, 0);
	vcpu_expect_sync(f.vcpu, 1);
	get_sregs(f.vcpu, &good);
	for (u64 i = 0; i < ARRAY_SIZE(bad_sregs); i++) {
		const struct bad_sregs *b = &bad_sregs[i];

		test_doing("%s", b->what);
		bad = good;
		bad.cr0 = (good.cr0 | b->cr0_set) & ~b->cr0_clear;
		bad.cr4 = (good.cr4 | b->cr4_set) & ~b->cr4_clear;
		bad.efer = (good.efer | b->efer_set) & ~b->efer_clear;
		bad.cs.l |= b->l_set;
		/* Of the rest nothing may be taken over either. */
		bad.cr2 = 0x1234000;
		bad.gs.base = 0x5000;
		bad.idt.limit = 7;
		refuse_sregs(&f, &good, &bad);
	}
	test_doing("CR3 beyond the guest's address width");
	bad = good;
	bad.cr3 = BIT(62);
	refuse_sregs(&f, &good, &bad);
	test_doing("APIC base with reserved bits");
	bad = good;
	bad.apic_base |= BIT(0) | BIT(63);
	refuse_sregs(&f, &good, &bad);
	vcpu_expect_sync(f.vcpu, 2);
	vcpu_expect_sync(f.vcpu, 3);
}

/* CR4 bits of features that the vCPU's CPUID does not have. */
SUBTEST(class24_cr4_without_cpuid)
{
	struct kvm_sregs good, bad;
	struct kvm_cpuid2 empty = { .nent = 0 };
	const u64 bits[] = { X86_CR4_OSXSAVE, X86_CR4_SMEP, X86_CR4_SMAP,
		X86_CR4_PKE, X86_CR4_FSGSBASE, X86_CR4_PCIDE, X86_CR4_VMXE };
	struct fds f;

	fds_open(&f);
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_CPUID2, (uintptr_t)&empty), 0);
	vcpu_real_mode(f.vcpu, 0x800, 0);
	get_sregs(f.vcpu, &good);
	for (u64 i = 0; i < ARRAY_SIZE(bits); i++) {
		test_doing("CR4 bit %d", __builtin_ctzll(bits[i]));
		bad = good;
		bad.cr4 |= bits[i];
		refuse_sregs(&f, &good, &bad);
	}
}

/*
 * State that SET_SREGS takes and the CPU does not: the entry fails, says so, and
 * the vCPU can be given a good state again.
 */
SUBTEST(class27_entry_failure)
{
	struct kvm_sregs good, bad;
	struct fds f;

	fds_open(&f);
	for (int i = 0; i < 5; i++) {
		vcpu_long_mode(f.vcpu, guest_three_syncs, 0);
		vcpu_expect_sync(f.vcpu, 1);
		get_sregs(f.vcpu, &good);
		bad = good;
		if (i == 0)
			bad.cs.type = 0;
		else if (i == 1)
			bad.tr.type = 3;
		else if (i == 2)
			bad.tr.unusable = 1;
		else if (i == 3)
			bad.gs.base = 0x8000000000000000ull;
		else
			bad.ss.dpl = 3;
		test_doing("case %d", i);
		set_sregs(f.vcpu, &bad);
		for (int j = 0; j < 2; j++) {
			vcpu_run(f.vcpu, KVM_EXIT_FAIL_ENTRY);
			CHECK_EQ(f.vcpu->run->fail_entry.hardware_entry_failure_reason,
				 0x80000021);
			CHECK(f.vcpu->run->fail_entry.cpu < 2);
		}
		set_sregs(f.vcpu, &good);
		vcpu_expect_sync(f.vcpu, 2);
	}
	check_runs(&f);
}

static struct vcpu *fuzzed;

static void on_alarm_kick(int sig)
{
	fuzzed->run->immediate_exit = 1;
}

static void flip(void *state, size_t size, int bits)
{
	while (bits--)
		((u8 *)state)[test_rand() % size] ^= 1 << test_rand() % 8;
}

/* Any state, run for a while: any exit will do, no complaint, no hang. */
static void run_fuzzed(struct fds *f)
{
	struct itimerval timer = { { 0, 500 }, { 0, 2000 } };
	struct itimerval off = { { 0 } };
	int ret;

	fuzzed = f->vcpu;
	f->vcpu->run->immediate_exit = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; i < 20; i++) {
		ret = xioctl(f->vcpu->fd, KVM_RUN, 0);
		if (ret && ret != -EINTR && ret != -EINVAL && ret != -EFAULT)
			FAIL("KVM_RUN: unexpected %s, exit %s", strerrorname_np(-ret),
			     exit_name(f->vcpu->run->exit_reason));
		if (ret == -EINTR)
			break;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	f->vcpu->run->immediate_exit = 0;
	f->vcpu->run->cr8 = 0;
}

SUBTEST(class33_random_state)
{
	struct sigaction sa = { .sa_handler = on_alarm_kick };
	struct kvm_sregs s;
	struct kvm_regs r;
	int taken = 0, ret;
	struct fds f;

	sigaction(SIGALRM, &sa, NULL);
	fds_open(&f);
	for (int i = 0; i < 300; i++) {
		test_doing("round %d of seed %llu", i, (unsigned long long)seed);
		vcpu_long_mode(f.vcpu, guest_three_syncs, 0);
		get_sregs(f.vcpu, &s);
		get_regs(f.vcpu, &r);
		if (i % 3 == 0)
			for (u64 j = 0; j < sizeof(s); j++)
				((u8 *)&s)[j] = test_rand();
		else
			flip(&s, offsetof(struct kvm_sregs, interrupt_bitmap), i % 4);
		flip(&r, sizeof(r), i % 5);
		set_regs(f.vcpu, &r);
		ret = xioctl(f.vcpu->fd, KVM_SET_SREGS, (uintptr_t)&s);
		if (ret != -EINVAL)
			CHECK_EQ(ret, 0);
		taken += !ret;
		run_fuzzed(&f);
	}
	test_diag("%d states taken", taken);
	/* This one's memory, code and all, is what random code has made of it. */
	fds_open(&f);
	check_runs(&f);
}

/* ---- CPUID ------------------------------------------------------------ */

#define MAX_CPUID	256		/* KVM_MAX_CPUID_ENTRIES */

static struct kvm_cpuid2 *cpuid_alloc(void)
{
	struct kvm_cpuid2 *c = malloc(sizeof(*c) + (MAX_CPUID + 2) * sizeof(c->entries[0]));

	CHECK(c);
	memset(c, 0x5a, sizeof(*c) + (MAX_CPUID + 2) * sizeof(c->entries[0]));
	return c;
}

static int get_supported(struct fds *f, struct kvm_cpuid2 *c, u32 nent)
{
	c->nent = nent;
	return xioctl(f->vm->dev_fd, KVM_GET_SUPPORTED_CPUID, (uintptr_t)c);
}

/* Is every byte of the entry @i still the poison of cpuid_alloc()? */
static bool untouched(const struct kvm_cpuid2 *c, u32 i)
{
	const u8 *p = (const u8 *)&c->entries[i];

	for (u64 j = 0; j < sizeof(c->entries[0]); j++)
		if (p[j] != 0x5a)
			return false;
	return true;
}

SUBTEST(class29_get_supported_cpuid_counts)
{
	static const u32 huge[] = { MAX_CPUID + 1, 1000, 0x10000, 1u << 26, 1u << 31,
		~0u };
	struct kvm_cpuid2 *c = cpuid_alloc();
	struct fds f;
	u32 n;

	fds_open(&f);
	CHECK_EQ(get_supported(&f, c, MAX_CPUID), 0);
	n = c->nent;
	CHECK(n > 5 && n <= MAX_CPUID);
	if (n < MAX_CPUID)
		CHECK(untouched(c, n));
	c = cpuid_alloc();
	for (u32 nent = 0; nent < n; nent++) {
		test_doing("%u of %u", nent, n);
		CHECK_EQ(get_supported(&f, c, nent), -E2BIG);
		CHECK(untouched(c, nent));
	}
	CHECK_EQ(get_supported(&f, c, n), 0);
	CHECK_EQ(c->nent, n);
	CHECK(untouched(c, n));
	for (u64 i = 0; i < ARRAY_SIZE(huge); i++) {
		test_doing("%u", huge[i]);
		CHECK_EQ(get_supported(&f, c, huge[i]), 0);
		CHECK_EQ(c->nent, n);
		CHECK(untouched(c, n));
	}
}

SUBTEST(class28_get_supported_cpuid_padding)
{
	struct kvm_cpuid2 *a = cpuid_alloc(), *b = cpuid_alloc();
	struct fds f;

	fds_open(&f);
	memset(b->entries, 0xa5, MAX_CPUID * sizeof(b->entries[0]));
	a->padding = 0;
	b->padding = 0;
	CHECK_EQ(get_supported(&f, a, MAX_CPUID), 0);
	CHECK_EQ(get_supported(&f, b, MAX_CPUID), 0);
	CHECK_EQ(a->nent, b->nent);
	CHECK_EQ(a->padding, 0);
	CHECK_EQ(memcmp(a->entries, b->entries, a->nent * sizeof(a->entries[0])), 0);
	for (u32 i = 0; i < a->nent; i++) {
		struct kvm_cpuid_entry2 *e = &a->entries[i];

		test_doing("leaf %#x", e->function);
		CHECK_EQ(e->padding[0] | e->padding[1] | e->padding[2], 0);
		CHECK_EQ(e->flags & ~KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 0);
		for (u32 j = 0; j < i; j++)
			CHECK(e->function != a->entries[j].function ||
			      e->index != a->entries[j].index);
	}
}

SUBTEST(class29_set_cpuid2_counts)
{
	static const u32 too_many[] = { MAX_CPUID + 1, 1000, 0x10000, 0x6666667, 1u << 31,
		~0u };
	struct kvm_cpuid2 *c = cpuid_alloc();
	struct fds f;

	fds_open(&f);
	for (u64 i = 0; i < ARRAY_SIZE(too_many); i++) {
		test_doing("%u", too_many[i]);
		c->nent = too_many[i];
		CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_CPUID2, (uintptr_t)c), -E2BIG);
	}
	memset(c->entries, 0, MAX_CPUID * sizeof(c->entries[0]));
	for (int i = 0; i < MAX_CPUID; i++)
		c->entries[i].function = 0x40000100 + i;
	c->nent = MAX_CPUID;
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_CPUID2, (uintptr_t)c), 0);
	c->nent = 0;
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_CPUID2, (uintptr_t)c), 0);
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_CPUID2, (uintptr_t)f.vm->cpuid), 0);
	check_runs(&f);
}

static u32 out_of_guest[4];

static void guest_cpuid(u64 leaf)
{
	for (;;) {
		u32 eax = leaf, ebx, ecx = 0, edx;

		asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
		out_of_guest[0] = eax;
		out_of_guest[1] = ebx;
		out_of_guest[2] = ecx;
		out_of_guest[3] = edx;
		GUEST_SYNC(1);
	}
}

SUBTEST(set_cpuid2_is_what_the_guest_sees)
{
	struct kvm_cpuid2 *c = cpuid_alloc();
	struct fds f;

	fds_open(&f);
	memcpy(c, f.vm->cpuid, sizeof(*c) + f.vm->cpuid->nent * sizeof(c->entries[0]));
	CHECK(c->nent < MAX_CPUID);
	for (u32 i = 0; i < c->nent; i++)
		if (c->entries[i].function == 0x40000000)
			c->entries[i].function = 0x40000f00;
	c->entries[c->nent++] = (struct kvm_cpuid_entry2){ .function = 0x40000000,
		.eax = 0x40000001, .ebx = 0x11111111, .ecx = 0x22222222,
		.edx = 0x33333333 };
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_CPUID2, (uintptr_t)c), 0);
	vcpu_long_mode(f.vcpu, guest_cpuid, 0x40000000);
	vcpu_expect_sync(f.vcpu, 1);
	CHECK_EQ(guest_var(f.vm, out_of_guest)[0], 0x40000001);
	CHECK_EQ(guest_var(f.vm, out_of_guest)[1], 0x11111111);
	CHECK_EQ(guest_var(f.vm, out_of_guest)[2], 0x22222222);
	CHECK_EQ(guest_var(f.vm, out_of_guest)[3], 0x33333333);
}

/* A guest that has run keeps its CPU: the same table is taken, another not. */
SUBTEST(set_cpuid2_after_run)
{
	struct kvm_cpuid2 *c;
	struct fds f;

	fds_open(&f);
	c = f.vm->cpuid;
	vcpu_long_mode(f.vcpu, guest_three_syncs, 0);
	vcpu_expect_sync(f.vcpu, 1);
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_CPUID2, (uintptr_t)c), 0);
	c->entries[0].ebx ^= 1;
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_CPUID2, (uintptr_t)c), -EINVAL);
	c->entries[0].ebx ^= 1;
	c->nent--;
	CHECK_EQ(xioctl(f.vcpu->fd, KVM_SET_CPUID2, (uintptr_t)c), -EINVAL);
	vcpu_expect_sync(f.vcpu, 2);
}

/* ---- bug class 28: what a GET leaves in the buffer --------------------- */

#define GET_MAX		16384

/* Fills the kernel's stack with other things between two calls. */
static void stir(struct fds *f)
{
	char path[256];
	struct stat st;

	memset(path, 'x', sizeof(path));
	path[255] = 0;
	stat(path, &st);
	xioctl(f->vm->fd, KVM_CHECK_EXTENSION, 0x5555);
	get_supported(f, cpuid_alloc(), 3);
}

static void check_get(struct fds *f, const struct ioc *c)
{
	static u8 a[GET_MAX], b[GET_MAX];
	u32 size = _IOC_SIZE(c->cmd);

	memset(a, 0x5a, sizeof(a));
	memset(b, 0xa5, sizeof(b));
	if (xioctl(f->vcpu->fd, c->cmd, (uintptr_t)a))
		return;
	test_doing("KVM_%s", c->name);
	stir(f);
	CHECK_EQ(xioctl(f->vcpu->fd, c->cmd, (uintptr_t)b), 0);
	for (u32 i = 0; i < GET_MAX; i++) {
		bool kept = a[i] == 0x5a && b[i] == 0xa5;

		if (i >= size ? !kept : !kept && a[i] != b[i])
			FAIL("KVM_%s: byte %u of %u: %#x, then %#x", c->name, i, size,
			     a[i], b[i]);
	}
}

SUBTEST(class28_get_into_poisoned_buffer)
{
	struct fds f;

	fds_open(&f);
	vcpu_long_mode(f.vcpu, guest_three_syncs, 0);
	vcpu_expect_sync(f.vcpu, 1);
	for (const struct ioc *c = iocs; c < iocs + ARRAY_SIZE(iocs); c++)
		if (c->kinds == VCPU && _IOC_DIR(c->cmd) == _IOC_READ &&
		    c->cmd != KVM_GET_XSAVE2)	/* it writes more than its size says */
			check_get(&f, c);
}

SUBTEST(class28_padding_of_sregs)
{
	struct kvm_segment *seg;
	struct kvm_sregs s;
	struct fds f;

	fds_open(&f);
	vcpu_long_mode(f.vcpu, guest_three_syncs, 0);
	vcpu_expect_sync(f.vcpu, 1);
	memset(&s, 0x5a, sizeof(s));
	get_sregs(f.vcpu, &s);
	for (seg = &s.cs; seg <= &s.ldt; seg++)
		CHECK_EQ(seg->padding, 0);
	CHECK_EQ(s.gdt.padding[0] | s.gdt.padding[1] | s.gdt.padding[2], 0);
	CHECK_EQ(s.idt.padding[0] | s.idt.padding[1] | s.idt.padding[2], 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(s.interrupt_bitmap[i], 0);
}

/* The pages shared with user space hold nothing of anyone else's. */
SUBTEST(class28_fresh_run_pages)
{
	struct fds f;

	fds_open(&f);
	for (int id = 1; id < 40; id++) {
		struct vcpu *v = vcpu_create_bare(f.vm, id);
		u8 *p = (u8 *)v->run;

		/* kvm_run's page and the port data's: further ones are the VM's. */
		for (u32 i = sizeof(struct kvm_run); i < 2 * PAGE_SIZE; i++)
			if (p[i])
				FAIL("vCPU %d: byte %#x of the mapping is %#x", id, i, p[i]);
		for (u32 i = 0; i < sizeof(v->run->padding); i++)
			CHECK_EQ(v->run->padding[i], 0);
		memset(p, 0xee, 2 * PAGE_SIZE);
		vcpu_free(v);
	}
}

/* ---- bug class 34: who may call --------------------------------------- */

SUBTEST(class34_device_node)
{
	struct stat st;
	pid_t pid;
	int fd;

	CHECK_EQ(stat(device, &st), 0);
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(major(st.st_rdev), 10);
	CHECK_EQ(st.st_uid, 0);
	CHECK_EQ(st.st_mode & 0007, 0);		/* nothing for all others */
	pid = fork();
	if (!pid) {
		if (setgid(65534) || setuid(65534))
			_exit(EXIT_FAIL);
		fd = open(device, O_RDWR);
		_exit(fd < 0 && errno == EACCES ? EXIT_PASS : EXIT_FAIL);
	}
	child_join(pid);
}

/* ioctl() as a 32-bit program makes it: the other system call table. */
static int compat_ioctl(int fd, unsigned int cmd, u32 arg)
{
	int ret = 54;

	asm volatile("int $0x80" : "+a"(ret) : "b"(fd), "c"(cmd), "d"(arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static struct {			/* below 4 GiB, as the program is */
	struct kvm_regs r, r2;
	struct kvm_sregs s, s2;
	struct kvm_userspace_memory_region m;
} low;

static void no_compat(int sig)
{
	SKIP("this kernel has no 32-bit system calls");
}

static void check_compat_bad_pointers(struct fds *f)
{
	static const u32 bad[] = { 0, 8, 0xfffff000, 0xffffffff };

	for (u64 i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(compat_ioctl(f->vcpu->fd, KVM_GET_REGS, bad[i]), -EFAULT);
		CHECK_EQ(compat_ioctl(f->vcpu->fd, KVM_SET_SREGS, bad[i]), -EFAULT);
		CHECK_EQ(compat_ioctl(f->vm->fd, KVM_SET_USER_MEMORY_REGION, bad[i]),
			 -EFAULT);
	}
}

SUBTEST(class34_calls_of_a_32_bit_program)
{
	struct fds f;
	int fd;

	signal(SIGSEGV, no_compat);
	fds_open(&f);
	CHECK((uintptr_t)&low < SZ_4G);
	fd = compat_ioctl(f.vm->dev_fd, KVM_GET_API_VERSION, 0);
	if (fd == -ENOSYS)
		no_compat(0);
	CHECK_EQ(fd, KVM_API_VERSION);
	fd = compat_ioctl(f.vm->dev_fd, KVM_CREATE_VM, 0);
	CHECK(fd >= 0);
	close(fd);
	vcpu_long_mode(f.vcpu, guest_three_syncs, 0x1122334455667788);
	CHECK_EQ(compat_ioctl(f.vcpu->fd, KVM_GET_REGS, (uintptr_t)&low.r), 0);
	get_regs(f.vcpu, &low.r2);
	CHECK_EQ(memcmp(&low.r, &low.r2, sizeof(low.r)), 0);
	CHECK_EQ(compat_ioctl(f.vcpu->fd, KVM_GET_SREGS, (uintptr_t)&low.s), 0);
	get_sregs(f.vcpu, &low.s2);
	CHECK_EQ(memcmp(&low.s, &low.s2, sizeof(low.s)), 0);
	CHECK_EQ(compat_ioctl(f.vcpu->fd, KVM_SET_SREGS, (uintptr_t)&low.s), 0);
	low.m = (struct kvm_userspace_memory_region){ .slot = 2,
		.guest_phys_addr = TEST_GPA, .memory_size = PAGE_SIZE,
		.userspace_addr = (uintptr_t)f.vm->ram };
	CHECK_EQ(compat_ioctl(f.vm->fd, KVM_SET_USER_MEMORY_REGION,
			      (uintptr_t)&low.m), 0);
	CHECK_EQ(compat_ioctl(f.vcpu->fd, KVM_RUN, 0), 0);
	CHECK_EQ(f.vcpu->run->exit_reason, KVM_EXIT_IO);
	check_compat_bad_pointers(&f);
	check_unknown(&f, compat_ioctl(f.vcpu->fd, _IO(KVMIO, 0xff), 0));
	check_runs(&f);
}
