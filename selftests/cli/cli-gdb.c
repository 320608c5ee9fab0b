// SPDX-License-Identifier: GPL-2.0
/*
 * The gdb server at a machine whose device is played (fake_kvm.h), asked by a client that
 * also says what no gdb would. What gdb itself makes of it is in cli-gdbreal.c.
 *
 * The hostile packets are the test of bug class 39 (device models).
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_kvm.h"
#include "gdb.h"
#include "units.h"

#define PATIENCE_MS	20000
#define COUNTER		(FAKE_CODE + 0x800)
#define OTHER		(FAKE_CODE + 0x808)

static struct fake_kvm f;
#define guest(gva)	fake_kvm_code(&f, gva)
#define moves(cpu)	fake_kvm_moves(&f, cpu)
#define stands(cpu)	fake_kvm_stands(&f, cpu)

static int client;
static u8 got[4096];		/* of what it said */
static ssize_t next, have;
static char answer[0x8000];

/* ---- a client --------------------------------------------------------------- */

static void attach(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(gdb_port(&f.m)),
	};
	int one = 1;

	next = 0;
	have = 0;
	client = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	CHECK(!connect(client, (struct sockaddr *)&address, sizeof(address)));
}

static void begin(unsigned int cpus)
{
	fake_kvm_create(&f, cpus);
	fake_kvm_program(&f);
	CHECK_EQ(gdb_create(&f.m, "0"), 0);
	fake_kvm_start(&f);
	attach();
}

static void end(void)
{
	close(client);
	fake_kvm_free(&f);
}

static int get_byte(void)
{
	struct pollfd p = { .fd = client, .events = POLLIN };

	if (next < have)
		return got[next++];
	next = 0;
	have = poll(&p, 1, PATIENCE_MS) == 1 ? read(client, got, sizeof(got)) : 0;
	return next < have ? got[next++] : -1;
}

/* The next packet, with its acknowledgement; "" if there is none any more. */
static const char *receive(void)
{
	size_t n = 0;
	int c;

	answer[0] = '\0';
	do
		c = get_byte();
	while (c >= 0 && c != '$');
	while (c >= 0 && (c = get_byte()) != '#' && n < sizeof(answer) - 100) {
		if (c == '}') {
			answer[n++] = get_byte() ^ 0x20;
		} else if (c == '*') {
			int times = get_byte() - 29;

			for (; times > 0 && n; times--, n++)
				answer[n] = answer[n - 1];
		} else {
			answer[n++] = c;
		}
	}
	answer[n] = '\0';
	get_byte();
	get_byte();
	if (c >= 0 && write(client, "+", 1) != 1)
		return "";
	return answer;
}

static void send_bytes(const void *bytes, size_t n)
{
	CHECK_EQ(send(client, bytes, n, MSG_NOSIGNAL), n);
}

static void say(const char *text)
{
	char packet[4096];
	u8 sum = 0;
	size_t i;

	for (i = 0; text[i]; i++)
		sum += text[i];
	send_bytes(packet, snprintf(packet, sizeof(packet), "$%s#%02x", text, sum));
}

static const char *ask(const char *text)
{
	say(text);
	return receive();
}

#define CHECK_IS(got, want)	do {					\
	const char *got_ = (got);					\
									\
	if (strcmp(got_, want)) {					\
		printf("# %s:%d: \"%s\" expected, it is \"%s\"\n", __FILE__, \
		       __LINE__, want, got_);				\
		failures++;						\
	}								\
} while (0)

static const char *__printf(1, 2) askf(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return ask(text);
}

static u64 pc(void)
{
	return __builtin_bswap64(strtoull(ask("p10"), NULL, 16));
}

/* ---- the session ------------------------------------------------------------------ */

static void test_session(void)
{
	begin(2);
	CHECK_HAS(ask("qSupported:swbreak+;hwbreak+"), "PacketSize=4000");
	CHECK_HAS(answer, "qXfer:features:read+");
	CHECK_IS(ask("?"), "T05thread:1;");
	CHECK_IS(ask("qfThreadInfo"), "m1,2");
	CHECK_IS(ask("qsThreadInfo"), "l");
	CHECK_IS(ask("qC"), "QC1");
	CHECK_IS(ask("T2"), "OK");
	CHECK_IS(ask("T3"), "E03");
	CHECK_IS(ask("Hg2"), "OK");
	CHECK_IS(ask("Hg3"), "E16");
	CHECK_EQ(pc(), FAKE_CODE + 0x100);
	CHECK_IS(ask("Hg0"), "OK");
	CHECK_IS(ask("Hc-1"), "OK");
	CHECK_IS(ask("qAttached"), "1");
	CHECK_IS(ask("vMustReplyEmpty"), "");
	CHECK_IS(ask("vCont?"), "vCont;c;C;s;S;r");
	CHECK_IS(ask("QStartNoAckMode"), "OK");
	CHECK_IS(ask("qThreadExtraInfo,2"),
		 "43505520312c2072756e6e696e672c2036342d626974206d6f6465");
	CHECK(stands(0) && stands(1));
	CHECK_EQ(f.cpu[0].executed, 0);
	end();
}

/* Sums that are wrong are asked again; the last answer is to be had again. */
static void test_acknowledgements(void)
{
	begin(1);
	send_bytes("$qC#00", 6);
	CHECK_EQ(get_byte(), '-');
	send_bytes("$qC#b4", 6);
	CHECK_EQ(get_byte(), '+');
	CHECK_IS(receive(), "QC1");
	send_bytes("-", 1);
	CHECK_IS(receive(), "QC1");
	/* Asked again before it has heard: that is one question. */
	say("qC");
	say("qC");
	CHECK_IS(receive(), "QC1");
	CHECK_IS(ask("qAttached"), "1");
	end();
}

static void test_registers(void)
{
	begin(1);
	CHECK_IS(ask("P0=8877665544332211"), "OK");
	CHECK_EQ(f.cpu[0].regs.rax, 0x1122334455667788);
	CHECK_IS(ask("p0"), "8877665544332211");
	CHECK_IS(ask("P6=0100000000000000"), "OK");	/* gdb's order: rbp before rsp */
	CHECK_EQ(f.cpu[0].regs.rbp, 1);
	CHECK_IS(ask("p12"), "10000000");		/* cs */
	CHECK_IS(ask("P12=10000000"), "OK");
	CHECK_IS(ask("P12=18000000"), "E16");		/* that would take a descriptor */
	CHECK_IS(ask("p20"), "7f030000");		/* fctrl */
	CHECK_IS(ask("p22"), "ffff0000");		/* ftag: all empty */
	CHECK_IS(ask("P28=000102030405060708090a0b0c0d0e0f"), "OK");	/* xmm0 */
	CHECK(((u8 *)&f.cpu[0].xsave)[160 + 15] == 15);
	CHECK_EQ(((u8 *)&f.cpu[0].xsave)[512], 2);
	CHECK_IS(ask("p38"), "801f0000");		/* mxcsr */
	CHECK_IS(ask("P39=000102030405060708090a0b0c0d0e0f"), "OK");	/* ymm0h */
	CHECK(((u8 *)&f.cpu[0].xsave)[576 + 15] == 15);
	CHECK_EQ(((u8 *)&f.cpu[0].xsave)[512], 6);
	CHECK_IS(ask("P49=0000000000800000"), "OK");	/* fs_base */
	CHECK_EQ(f.cpu[0].sregs.fs.base, 0x800000000000);
	CHECK_IS(ask("P4b=efbe000000000000"), "OK");	/* k_gs_base */
	CHECK_EQ(f.cpu[0].kernel_gs_base, 0xbeef);
	CHECK_IS(ask("p4e"), "0010000000000000");	/* cr3 */
	CHECK_IS(ask("p51"), "0005000000000000");	/* efer */
	CHECK_IS(ask("p52"), "E16");
	CHECK_IS(ask("P52=00"), "E16");
	CHECK_IS(ask("P0=00"), "E16");
	CHECK_IS(ask("P0=00112233445566778"), "E16");
	ask("g");
	CHECK_EQ(strlen(answer), 2 * (17 * 8 + 4 + 6 * 4 + 8 * 10 + 8 * 4 + 33 * 16 - 16 + 4 +
				      3 * 8 + 6 * 8));
	CHECK(!strncmp(answer, "8877665544332211", 16));
	end();
}

/* G gives back what g gave, and then with another first register. */
static void test_all_registers(void)
{
	static char text[4096];
	struct fake_cpu before;

	begin(1);
	f.cpu[0].regs.r15 = 15;
	before = f.cpu[0];
	snprintf(text, sizeof(text), "G%s", ask("g"));
	CHECK_IS(ask(text), "OK");
	CHECK(!memcmp(&before.regs, &f.cpu[0].regs, sizeof(before.regs)));
	CHECK(!memcmp(&before.sregs, &f.cpu[0].sregs, sizeof(before.sregs)));
	CHECK(!memcmp(&before.xsave, &f.cpu[0].xsave, sizeof(before.xsave)));
	memcpy(text + 1, "ff", 2);
	CHECK_IS(ask(text), "OK");
	CHECK_EQ(f.cpu[0].regs.rax, 0xff);
	CHECK_EQ(f.cpu[0].regs.r15, 15);
	text[20] = 'x';
	CHECK_IS(ask(text), "E16");
	end();
}

static void test_x87_tags(void)
{
	u8 *area = (u8 *)&f.cpu[0].xsave;

	begin(1);
	area[2] = 0;
	area[3] = 6 << 3;		/* TOP is 6: st0 is register 6 */
	area[4] = 0xc0;			/* 6 and 7 are used */
	memcpy(area + 32, "\0\0\0\0\0\0\0\x80\xff\x3f", 10);	/* st0 = 1 */
	memset(area + 48, 0, 10);				/* st1 = 0 */
	CHECK_IS(ask("p22"), "ff4f0000");
	CHECK_IS(ask("P22=ffff0000"), "OK");
	CHECK_EQ(area[4], 0);
	CHECK_IS(ask("P22=fffc0000"), "OK");
	CHECK_EQ(area[4], 0x10);
	CHECK_EQ(area[512] & 1, 1);
	end();
}

/* In real mode rip is where the instruction is. */
static void test_real_mode(void)
{
	begin(1);
	f.cpu[0].sregs.cr0 = 0x10;
	f.cpu[0].sregs.efer = 0;
	f.cpu[0].sregs.cs.l = 0;
	f.cpu[0].sregs.cs.selector = 0x1000;
	f.cpu[0].sregs.cs.base = 0x10000;
	f.cpu[0].regs.rip = 0x34;
	memory_write(&f.m.memory, 0x10034, "\xde\xad", 2);
	CHECK_EQ(pc(), 0x10034);
	CHECK_IS(ask("m10034,2"), "dead");
	CHECK_IS(ask("m100000000,1"), "E0e");
	CHECK_IS(ask("P10=4000010000000000"), "OK");
	CHECK_EQ(f.cpu[0].regs.rip, 0x40);
	CHECK_IS(ask("P14=00200000"), "OK");		/* ds */
	CHECK_EQ(f.cpu[0].sregs.ds.base, 0x20000);
	CHECK_IS(ask("qThreadExtraInfo,1"), "43505520302c2072756e6e696e672c207265616c206d6f6465");
	end();
}

static void check_memory(void)
{
	memcpy(memory_at(&f.m.memory, FAKE_PHYS + 0xffe, 2), "ab", 2);
	memcpy(memory_at(&f.m.memory, FAKE_PHYS_1, 2), "cd", 2);
	CHECK_IS(askf("m%llx,4", FAKE_CODE + 0xffe), "61626364");
	CHECK_IS(askf("M%llx,4:31323334", FAKE_CODE + 0xffe), "OK");
	CHECK(!memcmp(memory_at(&f.m.memory, FAKE_PHYS + 0xffe, 2), "12", 2));
	CHECK(!memcmp(memory_at(&f.m.memory, FAKE_PHYS_1, 2), "34", 2));
	/* Up to the end of what is there, or nothing. */
	CHECK_EQ(strlen(askf("m%llx,10", FAKE_CODE + 0x1ff8)), 16);
	CHECK_IS(askf("m%llx,10", FAKE_CODE + 0x2000), "E0e");
	CHECK_IS(askf("m%llx,1", FAKE_CODE + 0x3000), "E0e");
	CHECK_IS(askf("M%llx,2:0000", FAKE_CODE + 0x1fff), "E0e");
	CHECK_IS(askf("m%llx,0", FAKE_CODE), "");
	CHECK_IS(ask("mffffffffffffffff,2"), "E0e");
	CHECK_IS(ask("m8000000000000000,2"), "E0e");
	CHECK_EQ(strlen(askf("m%llx,ffffffffffff", FAKE_CODE)), 0x4000);
	CHECK_IS(askf("X%llx,0:", FAKE_CODE), "OK");
	CHECK_IS(askf("X%llx,3:}\x03}]x", FAKE_CODE + 0x400), "OK");
	CHECK(!memcmp(guest(FAKE_CODE + 0x400), "#}x", 3));
	CHECK_IS(askf("X%llx,3:xx", FAKE_CODE), "E16");
	CHECK_IS(askf("M%llx,3:0000", FAKE_CODE), "E16");
}

static void test_memory(void)
{
	begin(1);
	check_memory();
	memcpy(memory_at(&f.m.memory, FAKE_LARGE + 0x12345, 2), "\x12\x34", 2);
	CHECK_IS(askf("m%llx,2", FAKE_CODE + FAKE_LARGE + 0x12345), "1234");
	end();
}

static void test_memory_by_device(void)
{
	begin(1);
	f.translates = true;
	check_memory();
	end();
}

static void test_description(void)
{
	static char text[0x4000], rest[0x4000];

	begin(1);
	CHECK_EQ(*ask("qXfer:features:read:target.xml:0,ffff"), 'l');
	strcpy(text, answer + 1);
	CHECK_HAS(text, "org.gnu.gdb.i386.avx");
	CHECK_HAS(text, "name=\"ymm15h\"");
	CHECK_HAS(text, "</target>\n");
	CHECK_EQ(*ask("qXfer:features:read:target.xml:0,10"), 'm');
	strcpy(rest, answer + 1);
	CHECK_EQ(*ask("qXfer:features:read:target.xml:10,ffff"), 'l');
	strcat(rest, answer + 1);
	CHECK(!strcmp(rest, text));
	CHECK_IS(askf("qXfer:features:read:target.xml:%zx,10", strlen(text)), "l");
	CHECK_IS(askf("qXfer:features:read:target.xml:%zx,10", strlen(text) + 1), "E16");
	CHECK_IS(ask("qXfer:features:read:other.xml:0,10"), "");
	end();
}

/* ---- stops -------------------------------------------------------------------------- */

static void test_soft_breakpoint(void)
{
	begin(2);
	CHECK_IS(askf("Z0,%llx,1", FAKE_CODE + 9), "OK");
	CHECK_EQ(*guest(FAKE_CODE + 9), 0xcc);
	CHECK_IS(askf("m%llx,2", FAKE_CODE + 9), "9048");
	/* As if the guest had loaded its code only now. */
	*guest(FAKE_CODE + 9) = 0x90;
	CHECK_IS(ask("vCont;c"), "T05swbreak:;thread:1;");
	CHECK_EQ(pc(), FAKE_CODE + 9);
	CHECK_EQ(*guest(COUNTER), 1);
	CHECK(stands(0) && stands(1));
	/* As gdb does: out, one step, in again. */
	CHECK_IS(askf("z0,%llx,1", FAKE_CODE + 9), "OK");
	CHECK_EQ(*guest(FAKE_CODE + 9), 0x90);
	CHECK_IS(ask("vCont;s:1"), "T05thread:1;");
	CHECK_EQ(pc(), FAKE_CODE + 10);
	CHECK_IS(askf("Z0,%llx,1", FAKE_CODE + 9), "OK");
	CHECK_IS(ask("vCont;c"), "T05swbreak:;thread:1;");
	CHECK_EQ(*guest(COUNTER), 2);
	CHECK_IS(ask("?"), "T05swbreak:;thread:1;");
	/* The other one comes to it, too; nobody stays inside. */
	CHECK_IS(askf("Z0,%llx,1", FAKE_CODE + 0x100), "OK");
	CHECK_IS(askf("z0,%llx,1", FAKE_CODE + 9), "OK");
	CHECK_IS(ask("vCont;c"), "T05swbreak:;thread:2;");
	CHECK_IS(askf("z0,%llx,1", FAKE_CODE + 0x100), "OK");
	CHECK_IS(askf("z0,%llx,1", FAKE_CODE + 0x100), "OK");
	end();
}

/* At an address that is mapped only later, by a register. */
static void test_soft_breakpoint_unmapped(void)
{
	begin(1);
	CHECK_IS(askf("Z0,%llx,1", FAKE_CODE + 0x2000), "OK");
	CHECK_IS(ask("vCont;s"), "T05thread:1;");
	CHECK(f.cpu[0].debug.arch.debugreg[0] == FAKE_CODE + 0x2000);
	CHECK_EQ(f.cpu[0].debug.arch.debugreg[7] & 3, 2);
	CHECK_IS(askf("z0,%llx,1", FAKE_CODE + 0x2000), "OK");
	CHECK_IS(ask("vCont;s"), "T05thread:1;");
	CHECK_EQ(f.cpu[0].debug.arch.debugreg[7] & 0xff, 0);
	end();
}

static void test_hard_breakpoint(void)
{
	begin(2);
	CHECK_IS(askf("Z1,%llx,1", FAKE_CODE + 9), "OK");
	CHECK_EQ(*guest(FAKE_CODE + 9), 0x90);
	CHECK_IS(ask("c"), "T05hwbreak:;thread:1;");
	CHECK_EQ(pc(), FAKE_CODE + 9);
	CHECK_IS(askf("z1,%llx,1", FAKE_CODE + 9), "OK");
	CHECK_IS(askf("Z1,%llx,1", FAKE_CODE + 0x101), "OK");
	CHECK_IS(ask("c"), "T05hwbreak:;thread:2;");
	CHECK_IS(askf("Z5,%llx,1", FAKE_CODE), "");
	CHECK_IS(askf("Z1,%llx", FAKE_CODE), "E16");
	end();
}

static void test_watchpoints(void)
{
	char want[80];

	begin(1);
	CHECK_IS(askf("Z2,%llx,8", COUNTER), "OK");
	snprintf(want, sizeof(want), "T05watch:%llx;thread:1;", COUNTER);
	CHECK_IS(ask("vCont;c"), want);
	CHECK_EQ(pc(), FAKE_CODE + 9);
	CHECK_IS(askf("z2,%llx,8", COUNTER), "OK");
	CHECK_IS(askf("Z4,%llx,4", OTHER), "OK");
	snprintf(want, sizeof(want), "T05awatch:%llx;thread:1;", OTHER);
	CHECK_IS(ask("vCont;c"), want);
	CHECK_EQ(pc(), FAKE_CODE + 0x12);
	CHECK_IS(askf("z4,%llx,4", OTHER), "OK");
	CHECK_IS(askf("Z3,%llx,1", OTHER), "OK");
	snprintf(want, sizeof(want), "T05rwatch:%llx;thread:1;", OTHER);
	CHECK_IS(ask("vCont;c"), want);
	CHECK_IS(askf("Z2,%llx,100", OTHER), "E1c");
	end();
}

/* Both write to what is watched: gdb hears of both, one after the other. */
static void test_watch_of_two(void)
{
	unsigned int i, heard[2] = { 0 };

	begin(2);
	f.cpu[1].regs.rip = FAKE_CODE;
	CHECK_IS(askf("Z2,%llx,8", COUNTER), "OK");
	for (i = 0; i < 50; i++) {
		ask("vCont;c");
		CHECK(!strncmp(answer, "T05watch:", 9));
		heard[strstr(answer, "thread:2") ? 1 : 0]++;
	}
	CHECK_IS(askf("z2,%llx,8", COUNTER), "OK");
	/* None is left untold, or told twice. */
	CHECK(*(u64 *)guest(COUNTER) - i <= 1);
	CHECK(heard[0] && heard[1]);
	end();
}

static void test_steps(void)
{
	u64 other;

	begin(2);
	other = f.cpu[1].executed;
	CHECK_IS(ask("vCont;s:1"), "T05thread:1;");
	CHECK_EQ(pc(), FAKE_CODE + 1);
	CHECK_IS(ask("vCont;s:1"), "T05thread:1;");
	CHECK_EQ(pc(), FAKE_CODE + 9);
	CHECK_EQ(f.cpu[0].executed, 2);
	CHECK_EQ(f.cpu[1].executed, other);
	CHECK_EQ(f.cpu[0].debug.control & KVM_GUESTDBG_BLOCKIRQ, KVM_GUESTDBG_BLOCKIRQ);
	/* All others run meanwhile, or the first is only one of them. */
	CHECK_IS(ask("vCont;s:1;c"), "T05thread:1;");
	CHECK_IS(ask("vCont;s:2"), "T05thread:2;");
	CHECK_IS(ask("Hc1"), "OK");
	CHECK_IS(askf("s%llx", FAKE_CODE), "T05thread:1;");
	CHECK_EQ(pc(), FAKE_CODE + 1);
	CHECK_IS(ask("S05"), "T05thread:1;");
	CHECK_EQ(pc(), FAKE_CODE + 9);
	/* As long as it is in a range. */
	CHECK_IS(askf("vCont;r%llx,%llx:1", FAKE_CODE + 9, FAKE_CODE + 0x12), "T05thread:1;");
	CHECK_EQ(pc(), FAKE_CODE + 0x12);
	CHECK_IS(ask("vCont;t:1"), "E16");
	CHECK_IS(ask("vCont;"), "E16");
	CHECK_IS(ask("vCont"), "E16");
	CHECK_IS(ask("vCont;c:9"), "E16");
	CHECK_IS(ask("vCont;r1"), "E16");
	end();
}

static void test_interrupt(void)
{
	begin(2);
	say("vCont;c");
	CHECK(moves(0) && moves(1));
	/* What is asked meanwhile is refused. */
	CHECK_IS(ask("g"), "E10");
	send_bytes("\x03", 1);
	CHECK_IS(receive(), "T02thread:1;");
	CHECK(stands(0) && stands(1));
	send_bytes("\x03", 1);		/* when it stands already: nothing */
	CHECK_IS(ask("qC"), "QC1");
	end();
}

/* INT3 and #DB that are the guest's own reach it. */
static void test_own_exceptions(void)
{
	begin(1);
	f.cpu[0].regs.rip = FAKE_CODE + 0x200;
	CHECK_IS(askf("Z0,%llx,1", FAKE_CODE + 0x202), "OK");
	CHECK_IS(ask("vCont;c"), "T05swbreak:;thread:1;");
	CHECK_EQ(pc(), FAKE_CODE + 0x202);
	CHECK_EQ(f.cpu[0].own_int3, 1);
	end();
}

static void test_detach(void)
{
	begin(2);
	CHECK_IS(askf("Z0,%llx,1", FAKE_CODE + 9), "OK");
	CHECK_IS(askf("Z1,%llx,1", FAKE_CODE + 0x100), "OK");
	CHECK_IS(ask("D"), "OK");
	CHECK(moves(0) && moves(1));
	CHECK_EQ(*guest(FAKE_CODE + 9), 0x90);
	CHECK_EQ(f.cpu[0].debug.control, 0);
	CHECK_EQ(get_byte(), -1);
	close(client);
	/* The next one finds a guest without a trace of the first. */
	attach();
	CHECK_IS(ask("?"), "T05thread:1;");
	CHECK(stands(0) && stands(1));
	/* It is gone without a word. */
	CHECK_IS(askf("Z0,%llx,1", FAKE_CODE + 9), "OK");
	close(client);
	CHECK(moves(0) && moves(1));
	CHECK_EQ(*guest(FAKE_CODE + 9), 0x90);
	attach();
	say("vCont;c");
	close(client);
	CHECK(moves(0));
	attach();
	end();
}

static void test_kill(void)
{
	begin(1);
	say("k");
	CHECK_EQ(get_byte(), '+');
	CHECK_EQ(get_byte(), -1);
	pthread_join(f.main, NULL);
	f.running = false;
	CHECK_EQ(f.m.end.kind, END_SIGNAL);
	CHECK_HAS(f.m.end.text, "ended by the debugger");
	end();
	begin(1);
	CHECK_IS(ask("vKill;1"), "OK");
	end();
}

static void test_end_is_told(void)
{
	begin(2);
	say("vCont;c");
	CHECK(moves(0));
	machine_stop(&f.m, END_EXIT, 42, NULL);
	CHECK_IS(receive(), "W2a");
	end();
	/* In the middle of a session that gets no answer any more. */
	begin(1);
	CHECK_IS(ask("qC"), "QC1");
	end();
	/* A guest that dies by itself. */
	begin(1);
	*guest(FAKE_CODE) = 0x0f;
	CHECK_IS(ask("vCont;c"), "W47");
	end();
}

static int boot_again(struct machine *m, void *arg)
{
	(void)m;
	(void)arg;
	fake_kvm_tables(&f);
	fake_kvm_program(&f);
	return 0;
}

/* The breakpoints are not in the memory of the guest that starts anew. */
static void test_reset(void)
{
	struct machine *m = &f.m;

	begin(2);
	m->boot = boot_again;
	CHECK_IS(askf("Z0,%llx,1", FAKE_CODE + 9), "OK");
	CHECK_IS(askf("Z1,%llx,1", FAKE_CODE + 0x12), "OK");
	CHECK_IS(ask("vCont;c"), "T05swbreak:;thread:1;");
	CHECK_HAS(ask("qRcmd,7265736574"), "74686520677565737420776173207265736574");
	CHECK_EQ(*guest(FAKE_CODE + 9), 0x90);
	CHECK_EQ(*guest(COUNTER), 0);
	CHECK_EQ(pc(), FAKE_CODE);
	CHECK(stands(0) && stands(1));
	CHECK_IS(ask("vCont;c"), "T05hwbreak:;thread:1;");
	CHECK_EQ(pc(), FAKE_CODE + 0x12);
	CHECK_IS(askf("z0,%llx,1", FAKE_CODE + 9), "OK");
	/* One that the guest asks for itself, while it runs. */
	CHECK_IS(askf("z1,%llx,1", FAKE_CODE + 0x12), "OK");
	CHECK_IS(askf("Z0,%llx,1", FAKE_CODE + 0x1fff), "OK");
	say("vCont;c");
	CHECK(moves(0));
	machine_reset(m);
	CHECK(moves(0) && moves(1));
	send_bytes("\x03", 1);
	CHECK_IS(receive(), "T02thread:1;");
	CHECK_IS(askf("m%llx,1", FAKE_CODE + 0x1fff), "00");
	CHECK_EQ(*guest(FAKE_CODE + 9), 0x90);
	end();
}

static void test_monitor(void)
{
	begin(1);
	CHECK_HAS(ask("qRcmd,68656c70"), "68656c70");
	CHECK_HAS(ask("qRcmd,63707573"), "435055");
	CHECK_HAS(ask("qRcmd,00"), "6e6f20737563682063");
	CHECK_HAS(ask("qRcmd,"), "6e6f20737563682063");
	CHECK_HAS(ask("qRcmd,zz"), "6e6f20737563682063");
	end();
}

/* The device refuses: gdb is told, and nothing runs. */
static void test_device_refuses(void)
{
	begin(2);
	f.refuses_debug = true;
	CHECK_IS(ask("vCont;c"), "E16");
	CHECK(stands(0) && stands(1));
	CHECK_IS(ask("?"), "T05thread:1;");
	f.refuses_debug = false;
	end();
}

/* The standard files instead of a port. */
static void test_stdio(void)
{
	int ends[2], in = dup(0), out = dup(1);

	fake_kvm_create(&f, 1);
	fake_kvm_program(&f);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	CHECK(dup2(ends[1], 0) == 0 && dup2(ends[1], 1) == 1);
	close(ends[1]);
	CHECK_EQ(gdb_create(&f.m, "stdio"), 0);
	fake_kvm_start(&f);
	client = ends[0];
	next = 0;
	have = 0;
	CHECK_IS(ask("qC"), "QC1");
	CHECK_IS(ask("vCont;s"), "T05thread:1;");
	CHECK_IS(ask("D"), "OK");
	CHECK(moves(0));
	CHECK_EQ(gdb_port(&f.m), 0);
	fake_kvm_free(&f);
	close(client);
	CHECK(dup2(in, 0) == 0 && dup2(out, 1) == 1);
	close(in);
	close(out);
}

/* ---- hostile -------------------------------------------------------------------------- */

static void random_packet(char *text, size_t room)
{
	static const char * const starts[] = {
		"m", "M", "X", "Z0,", "Z1,", "Z2,", "Z3,", "z0,", "p", "P", "G", "H", "T", "g", "?",
		"qXfer:features:read:target.xml:", "qThreadExtraInfo,", "qRcmd,", "vCont;r", "H",
		"vCont;q", "qSupported:", "Hg", "Hc", "Z", "c!", "s!", "S", "C", "vCont;S", "",
	};
	static const char letters[] = "0123456789abcdef,:;=-f0ffffffff8100zx+?";
	size_t n = snprintf(text, room, "%s", starts[random_below(ARRAY_SIZE(starts))]);
	size_t len = random_below(random_below(10) ? 30 : room - n - 1);

	if (random_below(2))
		n += snprintf(text + n, room - n, "%llx,%llx", FAKE_CODE + random_below(0x4000),
			      next_random() >> random_below(64));
	while (len-- && n < room - 1)
		text[n++] = letters[random_below(sizeof(letters) - 1)];
	text[n] = '\0';
}

/* Every packet is answered, whatever it says; the vCPUs' code may be lost over it. */
static void test_hostile_packets_class_39(void)
{
	unsigned int i, n = rounds(3000);

	begin(2);
	f.forgives = true;
	for (i = 0; i < n; i++) {
		char text[2000];

		random_packet(text, sizeof(text));
		say(text);
		/* If it lets the guest run, this is what is answered. */
		send_bytes("\x03", 1);
		receive();
	}
	CHECK(!machine_ended(&f.m));
	CHECK(!strncmp(ask("qC"), "QC", 2));
	end();
}

static void test_hostile_bytes_class_39(void)
{
	unsigned int i, n = rounds(300);

	begin(1);
	f.forgives = true;
	for (i = 0; i < n; i++) {
		u8 bytes[200];
		size_t j;

		for (j = 0; j < sizeof(bytes); j++)
			bytes[j] = random_below(2) ? (u8)"$#}+-\x03mg?"[random_below(9)] :
				   (u8)next_random();
		if (send(client, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0 || i % 50 == 49) {
			close(client);
			attach();
		}
	}
	close(client);
	attach();
	CHECK_IS(ask("qC"), "QC1");
	end();
}

/* One that never reads does not keep the machine from ending. */
static void test_deaf_client(void)
{
	unsigned int i;

	begin(1);
	for (i = 0; i < 2000; i++)
		if (send(client, "$m0,2000#e3$g#67$qXfer:features:read:target.xml:0,ffff#7d", 57,
			 MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
	/* The machine goes while the client is still there. */
	fake_kvm_free(&f);
	close(client);
}

static const struct unit units[] = {
	{ "session", test_session },
	{ "acknowledgements", test_acknowledgements },
	{ "registers", test_registers },
	{ "all_registers", test_all_registers },
	{ "x87_tags", test_x87_tags },
	{ "real_mode", test_real_mode },
	{ "memory", test_memory },
	{ "memory_by_device", test_memory_by_device },
	{ "description", test_description },
	{ "soft_breakpoint", test_soft_breakpoint },
	{ "soft_breakpoint_unmapped", test_soft_breakpoint_unmapped },
	{ "hard_breakpoint", test_hard_breakpoint },
	{ "watchpoints", test_watchpoints },
	{ "watch_of_two", test_watch_of_two },
	{ "steps", test_steps },
	{ "interrupt", test_interrupt },
	{ "own_exceptions", test_own_exceptions },
	{ "detach", test_detach },
	{ "kill", test_kill },
	{ "end_is_told", test_end_is_told },
	{ "reset", test_reset },
	{ "monitor", test_monitor },
	{ "device_refuses", test_device_refuses },
	{ "stdio", test_stdio },
	{ "hostile_packets_class_39", test_hostile_packets_class_39 },
	{ "hostile_bytes_class_39", test_hostile_bytes_class_39 },
	{ "deaf_client", test_deaf_client },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
