// SPDX-License-Identifier: GPL-2.0
/*
 * emulate_native.c - the emulator against the CPU at hand. A random instruction
 * is emulated on a copy of the memory, then executed for real with the same
 * registers, and everything it left behind is compared: registers, flags, vector
 * registers, memory, where it went, or which fault it raised.
 *
 * 64-bit code runs where it is; 32- and 16-bit code in compatibility mode, with
 * data segments of the local descriptor table that have bases, limits and types
 * of all kinds. Below 4 GiB there is nothing but what is mapped here, so that
 * an address which missed the window faults.
 */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "native.h"
#include "unit.h"

#define CODE_BYTES	(3 * PAGE)
#define EXIT_NEXT_AT	(2 * PAGE)
#define EXIT_BRANCH_AT	(2 * PAGE + 0x40)
#define POINTERS_AT	(2 * PAGE + 0x80)

#define USER_CS		0x33
#define USER32_CS	0x23
#define USER_DS		0x2b
#define LDT_SELECTOR(n)	((n) << 3 | 7)

unsigned long native_cases, native_faults, native_skipped, native_either;
bool native_seen[3][256][8];

static struct native_state *const state = (void *)NATIVE_STATE;
static u8 *const code = (void *)NATIVE_CODE;
static u8 *const window = (void *)NATIVE_WINDOW;

static volatile sig_atomic_t running;
static struct {
	u64 rip, cr2;
	u32 vector, error;
} caught;

/* The emulator's side. */

struct emulated {
	struct world *w;
	struct emu_fault *fault;
	bool astray;		/* an address where anything might be mapped */
};

/* Our own pages outside the window, and all that is not ours to judge. */
static bool is_astray(u64 addr)
{
	return addr >> 32 || addr - NATIVE_STATE < PAGE || addr - NATIVE_CODE < CODE_BYTES;
}

static enum emu_status check(struct emu_ctx *ctx, u64 addr, unsigned int len, bool write)
{
	struct emulated *e = ctx->opaque;
	unsigned int i;

	for (i = 0; i < len; i++) {
		u64 page = (addr + i - NATIVE_WINDOW) / PAGE;

		if (page < WINDOW_WRITABLE || (page < WINDOW_PRESENT && !write))
			continue;
		if (is_astray(addr + i))
			e->astray = true;
		ctx->fault = (struct emu_fault) {
			.vector = X86_TRAP_PF, .has_error = true,
			.error = 4 | (write ? 2 : 0) | (page < WINDOW_PRESENT ? 1 : 0),
			.has_cr2 = true, .cr2 = addr + i,
		};
		return EMU_FAULT;
	}
	return EMU_OK;
}

static enum emu_status op_fetch(struct emu_ctx *ctx, u64 linear, void *buf, unsigned int len)
{
	memcpy(buf, code + (linear - NATIVE_CODE), len);
	return EMU_OK;
}

static enum emu_status op_read(struct emu_ctx *ctx, u64 linear, void *buf, unsigned int len,
			       bool write_intent)
{
	struct emulated *e = ctx->opaque;
	enum emu_status st = check(ctx, linear, len, write_intent);

	if (st == EMU_OK)
		memcpy(buf, e->w->memory + (linear - NATIVE_WINDOW), len);
	return st;
}

static enum emu_status op_write(struct emu_ctx *ctx, u64 linear, const void *buf,
				unsigned int len)
{
	struct emulated *e = ctx->opaque;
	enum emu_status st = check(ctx, linear, len, true);

	if (st == EMU_OK)
		memcpy(e->w->memory + (linear - NATIVE_WINDOW), buf, len);
	return st;
}

static enum emu_status op_cmpxchg(struct emu_ctx *ctx, u64 linear, const void *old,
				  const void *new, unsigned int len, bool *swapped)
{
	struct emulated *e = ctx->opaque;
	enum emu_status st = check(ctx, linear, len, true);
	u8 *p = e->w->memory + (linear - NATIVE_WINDOW);

	if (st != EMU_OK)
		return st;
	*swapped = !memcmp(p, old, len);
	if (*swapped)
		memcpy(p, new, len);
	return st;
}

static enum emu_status op_read_xmm(struct emu_ctx *ctx, unsigned int reg, void *buf,
				   unsigned int bytes)
{
	struct emulated *e = ctx->opaque;

	memcpy(buf, e->w->vector[reg], bytes);
	return EMU_OK;
}

static enum emu_status op_write_xmm(struct emu_ctx *ctx, unsigned int reg, const void *buf,
				    unsigned int bytes)
{
	struct emulated *e = ctx->opaque;

	memcpy(e->w->vector[reg], buf, bytes);
	return EMU_OK;
}

static const struct emu_ops ops = {
	.fetch = op_fetch, .read = op_read, .write = op_write, .cmpxchg = op_cmpxchg,
	.read_xmm = op_read_xmm, .write_xmm = op_write_xmm,
};

/* The CPU's side. */

static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	/* alignment checks are for the instruction alone */
	asm volatile("pushfq\n	andl $~0x40000, (%%rsp)\n	popfq" : : : "memory", "cc");

	if (!running) {
		signal(sig, SIG_DFL);
		return;
	}
	running = 0;
	caught.rip = g[REG_RIP];
	caught.cr2 = g[REG_CR2];
	caught.vector = g[REG_TRAPNO];
	caught.error = g[REG_ERR];
	g[REG_RIP] = (greg_t)native_exit_fault;
	g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xffffll) | USER_CS;
}

static void catch_faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	static u8 stack[64 * 1024];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	unsigned int i;

	sigaltstack(&ss, NULL);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

static bool map_at(u64 addr, size_t len, int prot)
{
	return mmap((void *)addr, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		    -1, 0) == (void *)addr;
}

/* The jumps back; to 64-bit code they are far ones from elsewhere. */
static void write_exits(void)
{
	static const u8 at[2] = { 0, 0x40 };
	u64 to[2] = { (u64)native_exit_next, (u64)native_exit_branch };
	unsigned int i;

	memcpy(code + POINTERS_AT, to, sizeof(to));
	for (i = 0; i < 2; i++) {
		u8 *p = code + EXIT_NEXT_AT + at[i];
		u32 pointer = NATIVE_CODE + POINTERS_AT + 8 * i;

		/* jmp *pointer, for 64-bit code */
		memcpy(p, "\xff\x24\x25", 3);
		memcpy(p + 3, &pointer, 4);
	}
}

static bool prepare(void)
{
	static int done;

	if (done)
		return done > 0;
	done = -1;
	if (!map_at(NATIVE_STATE, PAGE, PROT_READ | PROT_WRITE) ||
	    !map_at(NATIVE_CODE, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC) ||
	    !map_at(NATIVE_WINDOW, WINDOW_PRESENT * PAGE, PROT_READ | PROT_WRITE))
		return false;
	memset(code, 0xcc, CODE_BYTES);
	write_exits();
	catch_faults();
	done = 1;
	return true;
}

static bool cpu_has_movbe(void)
{
	u32 a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_MOVBE);
}

bool cpu_has_movdiri(void)
{
	u32 a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_MOVDIRI);
}

/* Can it be compared here? */
static bool cpu_has(const struct world *w)
{
	u32 flags = w->pattern->flags;

	return !((flags & P_ONLY64) && w->mode != 64) && !((flags & P_MOVBE) && !w->movbe) &&
	       !((flags & P_MOVDIRI) && !w->movdiri);
}

/* Segments. */

static bool write_ldt(int n, u64 base, u32 limit, int contents, bool read_only, bool big)
{
	struct user_desc d = {
		.entry_number = n, .base_addr = base, .limit = limit, .seg_32bit = big,
		.contents = contents, .read_exec_only = read_only,
	};

	/* a limit in bytes has 20 bits */
	if (limit >> 20) {
		d.limit >>= 12;
		d.limit_in_pages = 1;
	}
	return !syscall(SYS_modify_ldt, 1, &d, sizeof(d));
}

static void flat_segments(struct world *w)
{
	int i;

	for (i = 0; i < EMU_NR_SEGS; i++)
		w->seg[i] = (struct emu_seg) { .limit = ~0u, .ar = 0xc0f3, .selector = USER_DS };
	w->seg[EMU_CS].ar = w->mode == 64 ? 0xa0fb : 0xc0fb;
}

/* A data segment around the window: of any type, its limit near the interesting. */
static void random_segment(struct world *w, int seg)
{
	bool down = !below(5), ro = seg != EMU_SS && !below(5), big = below(4);
	u64 base = NATIVE_WINDOW - below(3 * PAGE);
	u32 limit = below(4) ? 0xffff : WINDOW_WRITABLE * PAGE + below(0x200);

	/* the stack stays as wide as ESP, so that the upper half needs no care */
	big |= seg == EMU_SS;
	if (down)
		limit = below(2) ? 0 : below(PAGE);
	if (w->mode == 32 && !down && below(2))
		limit = ~0u;
	w->seg[seg] = (struct emu_seg) {
		.base = base, .limit = limit, .selector = LDT_SELECTOR(seg),
		.ar = 0xf1 | (ro ? 0 : 2) | (down ? 4 : 0) | (big ? 0x4000 : 0),
	};
	if (!write_ldt(seg, base, limit, down, ro, big))
		FAIL("modify_ldt refuses a data segment");
}

static void load_selector(int seg, u16 selector)
{
	switch (seg) {
	case EMU_DS:
		asm volatile("mov %0, %%ds" : : "rm" (selector));
		break;
	case EMU_ES:
		asm volatile("mov %0, %%es" : : "rm" (selector));
		break;
	case EMU_GS:
		asm volatile("mov %0, %%gs" : : "rm" (selector));
		break;
	}
}

static bool change_segments(struct world *w)
{
	static const int segs[] = { EMU_ES, EMU_SS, EMU_DS, EMU_GS };
	unsigned int i;

	flat_segments(w);
	if (w->mode == 64) {
		w->seg[EMU_GS].base = NATIVE_WINDOW - below(1 << 20);
		return !syscall(SYS_arch_prctl, ARCH_SET_GS, w->seg[EMU_GS].base);
	}
	for (i = 0; i < ARRAY_SIZE(segs); i++) {
		random_segment(w, segs[i]);
		load_selector(segs[i], w->seg[segs[i]].selector);
	}
	/* now and then none at all */
	if (!below(3)) {
		w->seg[EMU_GS] = (struct emu_seg) { .ar = 0x10000 };
		load_selector(EMU_GS, 0);
	}
	w->seg[EMU_CS].selector = USER32_CS;
	if (w->mode == 32)
		return true;
	w->seg[EMU_CS] = (struct emu_seg) {
		.base = NATIVE_CODE, .limit = CODE_BYTES - 1, .selector = LDT_SELECTOR(EMU_CS),
		.ar = 0xfb,
	};
	return write_ldt(EMU_CS, NATIVE_CODE, CODE_BYTES - 1, 2, false, false);
}

/* Back to what 64-bit code has. */
static void restore_segments(void)
{
	load_selector(EMU_DS, 0);
	load_selector(EMU_ES, 0);
	load_selector(EMU_GS, 0);
}

bool native_available(unsigned int mode, const char **why)
{
	*why = "no memory that is executable, or none at the addresses wanted";
	if (!prepare())
		return false;
	*why = "the kernel has no modify_ldt";
	return mode == 64 || write_ldt(0, 0, 0xffff, 0, false, true);
}

/* The code, at a random place, followed by a jump back. */
static void place_code(struct world *w)
{
	u8 *p;
	u32 to;

	w->rip += w->seg[EMU_CS].base;
	p = code + (w->rip - NATIVE_CODE);
	w->rip -= w->seg[EMU_CS].base;
	memcpy(p, w->code, w->code_len);
	p += w->code_len;
	if (w->mode == 16)
		*p++ = 0x66;
	*p++ = 0xe9;
	to = code + EXIT_NEXT_AT - (p + 4);
	memcpy(p, &to, 4);
}

/* In compatibility mode the exits are far jumps to their 64-bit twins. */
static void place_exits(struct world *w)
{
	static const u32 at[2] = { EXIT_NEXT_AT, EXIT_BRANCH_AT };
	unsigned int i;
	u8 *p;

	write_exits();
	for (i = 0; i < 2 && w->mode != 64; i++) {
		u32 to = NATIVE_CODE + at[i] + 0x20;

		p = code + at[i];
		memcpy(p + 0x20, p, 7);
		if (w->mode == 16)
			*p++ = 0x66;
		*p++ = 0xea;
		memcpy(p, &to, 4);
		memcpy(p + 4, "\x33", 2);
	}
	w->target = NATIVE_CODE + EXIT_BRANCH_AT - w->seg[EMU_CS].base;
}

static void run_native(const struct world *w)
{
	memcpy(state->gpr, w->gpr, sizeof(state->gpr));
	memcpy(state->vector, w->vector, sizeof(state->vector));
	state->rflags = w->rflags;
	state->avx = w->avx;
	state->exit = 0;
	state->ss = USER_DS;
	if (w->mode == 64) {
		state->entry = (u64)native_enter64;
		state->code = w->rip;
	} else {
		state->entry = (u64)native_enter_far;
		state->ss = w->seg[EMU_SS].selector;
		state->far_offset = w->rip;
		state->far_selector = w->seg[EMU_CS].selector;
	}
	running = 1;
	native_run();
	running = 0;
}

/* Comparison. */

static bool same_fault(const struct emu_ctx *ctx)
{
	const struct emu_fault *f = &ctx->fault;

	if (f->vector != caught.vector)
		return false;
	if (f->vector == X86_TRAP_UD || f->vector == X86_TRAP_DE)
		return !f->has_error;
	if (!f->has_error)
		return false;
	if (f->vector != X86_TRAP_PF)
		return f->error == caught.error && !f->has_cr2;
	/* whether an absent page counts as present is the kernel's affair */
	return f->has_cr2 && f->cr2 == caught.cr2 && (f->error & 6) == (caught.error & 6);
}

/*
 * Where two addresses are bad, or one is bad in two ways, a CPU may report either:
 * vol. 3A 6.9.  It happens rarely, and is counted.
 */
static bool has_two_reasons(const struct world *w, const struct emu_ctx *ctx)
{
	const struct pattern *p = w->pattern;

	if (p->flags & (P_VECTOR | P_REXW))
		return ctx->fault.vector == X86_TRAP_SS && caught.vector == X86_TRAP_GP;
	if ((p->flags & P_STACK) && (p->flags & P_RM))
		return true;
	/* some look at the address without the bit's offset as well */
	if (p->flags & P_BITS)
		return ctx->fault.vector == X86_TRAP_AC && caught.vector == X86_TRAP_GP;
	return (p->flags & P_STRING) && w->opcode < 0xa8;
}

static bool same_outcome(const struct world *w, const struct emu_ctx *ctx, enum emu_status st)
{
	u64 end = w->rip + w->code_len;

	if (state->exit == NATIVE_FAULT) {
		if (st != EMU_FAULT || ctx->rip != w->rip || caught.rip != w->rip)
			return false;
		if (same_fault(ctx))
			return true;
		native_either += has_two_reasons(w, ctx);
		return has_two_reasons(w, ctx);
	}
	if (st != EMU_OK)
		return false;
	return ctx->rip == (state->exit == NATIVE_BRANCH ? w->target : end);
}

static bool same_registers(const struct world *w, const struct emu_ctx *ctx)
{
	u64 mask = w->mode == 64 ? ~0ull : 0xffffffff;
	unsigned int i;

	/* an unfinished count of zero clears upper halves on some CPUs */
	if (w->mode == 64 && w->addr_bytes == 4 && w->prefix_rep && !(u32)w->gpr[RCX])
		mask = 0xffffffff;
	for (i = 0; i < 16; i++) {
		if (((ctx->gpr[i] ^ state->gpr[i]) & mask))
			return false;
		/* what the kernel would write back is all that changed */
		if (ctx->gpr[i] != w->gpr[i] && !(ctx->gpr_dirty & BIT(i)))
			return false;
	}
	return true;
}

static bool same_flags(const struct world *w, const struct emu_ctx *ctx, enum emu_status st)
{
	u64 mask = ~(undefined_flags(w) | X86_EFLAGS_RF);

	/* a fault in the middle of REP CMPS leaves them old or new: vol. 2B, REP */
	if (st == EMU_FAULT && w->prefix_rep)
		mask &= ~0x8d5ull;
	return !((ctx->rflags ^ state->rflags) & mask);
}

static void note_seen(const struct world *w)
{
	unsigned int ext = (w->pattern->flags & P_RM) ? (w->modrm >> 3) & 7 : 0;

	native_seen[w->pattern->map][w->opcode][ext] = true;
}

static void compare(const struct world *w, const struct emu_ctx *ctx, enum emu_status st,
		    const u8 *vectors)
{
	const char *what = NULL;
	unsigned int i;

	if (!same_outcome(w, ctx, st))
		what = "outcome";
	else if (!same_registers(w, ctx))
		what = "registers";
	else if (!same_flags(w, ctx, st))
		what = "flags";
	else if (memcmp(vectors, state->vector, sizeof(state->vector)))
		what = "vector registers";
	else if (memcmp(w->memory, window, WINDOW_PRESENT * PAGE))
		what = "memory";
	if (st == EMU_OK && state->exit != NATIVE_FAULT)
		note_seen(w);
	if (!what)
		return;
	FAIL("the CPU has other %s than the emulator", what);
	print_case(w);
	printf("#   emulated: status %d rip %#llx flags %#llx vector %u error %#x cr2 %#llx\n#  ",
	       st, ctx->rip, ctx->rflags, ctx->fault.vector, ctx->fault.error, ctx->fault.cr2);
	for (i = 0; i < 16; i++)
		if (ctx->gpr[i] != w->gpr[i])
			printf(" r%u=%llx", i, ctx->gpr[i]);
	printf("\n#   the CPU: exit %u flags %#llx vector %u error %#x cr2 %#llx rip %#llx\n#  ",
	       state->exit, state->rflags, caught.vector, caught.error, caught.cr2, caught.rip);
	for (i = 0; i < 16; i++)
		if (state->gpr[i] != w->gpr[i])
			printf(" r%u=%llx", i, state->gpr[i]);
	printf("\n");
}

static void one_case(struct world *w)
{
	static struct emu_ctx ctx;
	u8 before[16][32], after[16][32];
	struct emulated e = { .w = w };
	enum emu_status st;

	w->rip = NATIVE_CODE + below(2 * PAGE - 64) - w->seg[EMU_CS].base;
	if (below(4) == 0)
		w->rip = NATIVE_CODE + PAGE - below(16) - w->seg[EMU_CS].base;
	make_case(w, &patterns[below(nr_patterns)]);
	if (!cpu_has(w))
		return;
	place_code(w);
	memcpy(window, w->memory, WINDOW_WRITABLE * PAGE);
	memcpy(before, w->vector, sizeof(before));
	load_world(&ctx, w, &ops, &e);
	st = emu_decode(&ctx);
	if (st == EMU_OK) {
		do
			st = emu_execute(&ctx);
		while (st == EMU_REP);
	}
	/* nor do we let the CPU jump anywhere */
	if (e.astray ||
	    ((w->pattern->flags & P_BRANCH) && st == EMU_OK && ctx.rip != w->target)) {
		native_skipped++;
		memcpy(w->memory, window, WINDOW_WRITABLE * PAGE);
		memcpy(w->vector, before, sizeof(before));
		return;
	}
	memcpy(after, w->vector, sizeof(after));
	memcpy(w->vector, before, sizeof(before));
	run_native(w);
	native_cases++;
	native_faults += state->exit == NATIVE_FAULT;
	compare(w, &ctx, st, after[0]);
	/* on, from one truth */
	memcpy(w->memory, window, WINDOW_WRITABLE * PAGE);
}

void native_compare(unsigned int mode, unsigned int cases)
{
	static struct world w;
	unsigned int i;

	w.mode = mode;
	w.window = NATIVE_WINDOW;
	w.avx = __builtin_cpu_supports("avx");
	w.movbe = cpu_has_movbe();
	w.movdiri = cpu_has_movdiri();
	mprotect(window, WINDOW_PRESENT * PAGE, PROT_READ | PROT_WRITE);
	for (i = 0; i < sizeof(w.memory); i++)
		w.memory[i] = rnd();
	memcpy(window, w.memory, sizeof(w.memory));
	mprotect(window + WINDOW_WRITABLE * PAGE, PAGE, PROT_READ);
	for (i = 0; i < cases; i++) {
		if (i % 512 == 0) {
			if (!change_segments(&w)) {
				FAIL("cannot set up segments");
				break;
			}
			place_exits(&w);
		}
		one_case(&w);
	}
	restore_segments();
}
