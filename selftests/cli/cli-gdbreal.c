// SPDX-License-Identifier: GPL-2.0
/*
 * gdb itself at a machine whose device is played: it takes the target description without a
 * word, and all that a person does with it works. Where there is no gdb it is not tried.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_kvm.h"
#include "gdb.h"
#include "units.h"

static struct fake_kvm f;
static char said[64 * 1024];

/* All that it says to the commands. That it has no program is told first, and not ours. */
static bool real_gdb(const char *commands)
{
	char script[] = "/tmp/lodge-gdb-XXXXXX", line[256];
	int fd = mkstemp(script);
	FILE *to = fdopen(fd, "w"), *from;
	char *start;
	size_t n;

	fprintf(to, "set confirm off\nset pagination off\nset tcp auto-retry off\n"
		"target remote 127.0.0.1:%u\necho BEGIN\\n\n%s", gdb_port(&f.m), commands);
	fclose(to);
	snprintf(line, sizeof(line), "timeout 60 gdb -nx -q -batch -x %s 2>&1 </dev/null", script);
	from = popen(line, "r");
	n = from ? fread(said, 1, sizeof(said) - 1, from) : 0;
	said[n] = '\0';
	if (from)
		pclose(from);
	unlink(script);
	start = strstr(said, "BEGIN\n");
	if (!start)
		return false;
	memmove(said, start, strlen(start) + 1);
	return true;
}

static void begin_gdb(unsigned int cpus)
{
	fake_kvm_create(&f, cpus);
	fake_kvm_program(&f);
	CHECK_EQ(gdb_create(&f.m, "0"), 0);
	fake_kvm_start(&f);
}

static bool no_gdb(void)
{
	if (!system("command -v gdb >/dev/null"))
		return false;
	printf("# skipped: there is no gdb here\n");
	return true;
}

static void tell_failure(int before)
{
	char *line, *rest = said;

	if (failures == before)
		return;
	while ((line = strsep(&rest, "\n")))
		printf("# gdb: %s\n", line);
}

static void test_gdb_registers(void)
{
	u8 *area = (u8 *)&f.cpu[0].xsave;
	int before = failures;

	if (no_gdb())
		return;
	begin_gdb(2);
	f.cpu[0].regs.rbx = 0x1234;
	f.cpu[0].sregs.gs.base = 0xffff888000000000;
	area[512] = 7;
	memcpy(area + 160, "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 16);
	memcpy(area + 576, "\3\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0", 16);
	CHECK(real_gdb("info registers\np $ymm0.v4_int64\np $xmm0.v2_int64\np $mxcsr\np $st0\n"
		       "p $cr0\np $efer\np/x $cr3\np/x $gs_base\np/x $k_gs_base\n"
		       "info threads\nset var $rax = 77\nset var $xmm1.v2_int64[0] = 5\n"
		       "set var $ymm2.v4_int64[3] = 6\nset var $cr2 = 0x1000\n"
		       "info registers float\ninfo all-registers\ndetach\n"));
	CHECK_HAS(said, "rbx            0x1234");
	CHECK_HAS(said, "{1, 2, 3, 4}");
	CHECK_HAS(said, "{1, 2}\n");
	CHECK_HAS(said, "[ IM DM ZM OM UM PM ]");
	CHECK_HAS(said, "[ PE ET PG ]");
	CHECK_HAS(said, "[ LME LMA ]");
	CHECK_HAS(said, "0x1000\n");
	CHECK_HAS(said, "0xffff888000000000\n");
	CHECK_HAS(said, "CPU 1, running, 64-bit mode");
	CHECK(!strcasestr(said, "warning"));
	CHECK(!strcasestr(said, "error"));
	CHECK(!strstr(said, "<unavailable>"));
	CHECK(fake_kvm_moves(&f, 0));
	CHECK_EQ(f.cpu[0].sregs.cr2, 0x1000);
	CHECK_EQ(((u64 *)(area + 160))[2], 5);
	CHECK_EQ(((u64 *)(area + 576))[5], 6);
	tell_failure(before);
	fake_kvm_free(&f);
}

static void test_gdb_runs(void)
{
	int before = failures;

	if (no_gdb())
		return;
	begin_gdb(2);
	CHECK(real_gdb("x/3i $pc\nbreak *0xffffffff81000009\ncontinue\np $pc\n"
		       "p *(long *)0xffffffff81000800\nx/2xb 0xffffffff81000009\nstepi\np $pc\n"
		       "continue\np *(long *)0xffffffff81000800\ndelete\n"
		       "hbreak *0xffffffff81000101\ncontinue\ndelete\n"
		       "watch *(long *)0xffffffff81000800\ncontinue\ndelete\n"
		       "thread 1\nrwatch *(long *)0xffffffff81000808\ncontinue\ndelete\n"
		       "awatch *(int *)0xffffffff81000808\ncontinue\ndelete\n"
		       "set var *(int *)0xffffffff81000900 = 0x11223344\n"
		       "p/x *(int *)0xffffffff81000900\nmonitor cpus\n"
		       "x/2xb 0xffffffff81000fff\nx/xb 0xffffffff81002000\ndetach\n"));
	CHECK_HAS(said, "=> 0xffffffff81000000:\tnop");
	CHECK_HAS(said, "incq   0xffffffff81000800");
	CHECK_HAS(said, "hit Breakpoint 1");
	CHECK_HAS(said, "(void (*)()) 0xffffffff81000009");
	CHECK_HAS(said, "0xffffffff81000009:\t0x90\t0x48");
	CHECK_HAS(said, "(void (*)()) 0xffffffff8100000a");
	CHECK_HAS(said, " = 2\n");
	CHECK_HAS(said, "Thread 2 hit Breakpoint 2");
	CHECK_HAS(said, "Hardware watchpoint 3");
	CHECK_HAS(said, "Old value = ");
	CHECK_HAS(said, "Hardware read watchpoint 4");
	CHECK_HAS(said, "Value = 0");
	CHECK_HAS(said, "Hardware access (read/write) watchpoint 5");
	CHECK_HAS(said, "0x11223344");
	CHECK_HAS(said, "CPU 1, running, 64-bit mode");
	CHECK_HAS(said, "Cannot access memory at address 0xffffffff81002000");
	CHECK(!strcasestr(said, "warning"));
	CHECK(fake_kvm_moves(&f, 0) && fake_kvm_moves(&f, 1));
	CHECK_EQ(*fake_kvm_code(&f, FAKE_CODE + 9), 0x90);
	tell_failure(before);
	fake_kvm_free(&f);
}

/* Its own Ctrl-C, and a kill. */
static void test_gdb_interrupts(void)
{
	int before = failures;

	if (no_gdb())
		return;
	begin_gdb(2);
	CHECK(real_gdb("python\nimport gdb, threading, os, signal\n"
		       "threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
		       "end\ncontinue\np $pc\nkill\n"));
	CHECK_HAS(said, "received signal SIGINT");
	CHECK_HAS(said, "(void (*)()) 0xffffffff81000");
	pthread_join(f.main, NULL);
	f.running = false;
	CHECK_EQ(f.m.end.kind, END_SIGNAL);
	tell_failure(before);
	fake_kvm_free(&f);
}

static const struct unit units[] = {
	{ "gdb_registers", test_gdb_registers },
	{ "gdb_runs", test_gdb_runs },
	{ "gdb_interrupts", test_gdb_interrupts },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
