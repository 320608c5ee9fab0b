// SPDX-License-Identifier: GPL-2.0
/*
 * entrybreak - the model of VM entry's checks (kmod/vmx/entry_check.c) beside the CPU: a
 * VMCS that is ready to be entered is broken in one field at a time, by the table of the
 * model's own unit test (selftests/unit/entry_mutations.h), and both say what is wrong
 * with it. The CPU says no more than whether it is a control, the host's state, the
 * guest's or an MSR to be loaded: that has to agree. Which check it was, the emulator
 * writes into its own log: what it has to be is demanded of the harness, which reads it.
 *
 * It takes a module that was built for it, lodge-break.ko, which it loads itself.
 *
 * Not tried: what the emulated CPU does not check of the host's state, for it would use
 * it; what needs the host out of 64-bit mode; a guest that waits for a SIPI and so for
 * ever; and the two rules of the link pointer that need the address or the revision of
 * a VMCS.
 */
#include <cpuid.h>
#include <ctype.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/klog.h>
#include <sys/mman.h>

#include "../unit/entry_apply.h"

#include "clock.h"
#include "entry_words.h"
#include "module.h"
#include "state.h"
#include "vmcsview.h"

enum { REASON_CPUID = 10 };		/* SDM vol. 3D appendix C */

/* What a failed entry leaves in the VM-instruction error or the exit reason. */
enum { ERROR_CONTROLS = 7, ERROR_HOST = 8 };

#define REASON_GUEST	0x80000021
#define REASON_MSR_LOAD	0x80000022

/* ---- VMCSs -------------------------------------------------------------------- */

struct broken {
	struct lodge_break head;
	struct lodge_vmcs_field field[LODGE_MAX_BROKEN];
};

static void break_vmcs(struct vcpu *vcpu, struct broken *b, u32 fields)
{
	b->head = (struct lodge_break) { .size = sizeof(b->head), .fields = fields };
	CHECK_EQ(xioctl(vcpu->fd, LODGE_BREAK_VMCS, (uintptr_t)b), 0);
}

/* ---- memory with things that an entry refuses ----------------------------------- */

/* Where it is, the kernel tells root: Documentation/admin-guide/mm/pagemap.rst. */
static u64 physical_address(const void *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	u64 entry;

	CHECK(fd >= 0);
	CHECK_EQ(pread(fd, &entry, 8, (uintptr_t)page / PAGE_SIZE * 8), 8);
	close(fd);
	CHECK(entry & BIT(63));		/* present */
	CHECK(entry & (BIT(55) - 1));
	return (entry & (BIT(55) - 1)) * PAGE_SIZE;
}

/* A page of this process with what the unit test has at @at. */
static u64 copy_of_page(void *opaque, u64 at)
{
	static u8 pages[4][PAGE_SIZE] __aligned(PAGE_SIZE);
	static u64 is_at[ARRAY_SIZE(pages)];
	const void *data;
	size_t size, i;

	for (i = 0; i < ARRAY_SIZE(pages) && is_at[i]; i++)
		if (is_at[i] == at)
			return physical_address(pages[i]);
	CHECK(i < ARRAY_SIZE(pages));
	data = entry_page(at, &size);
	CHECK(data);
	CHECK_EQ(mlock(pages[i], PAGE_SIZE), 0);
	memcpy(pages[i], data, size);
	is_at[i] = at;
	return physical_address(pages[i]);
}

static struct entry_place this_host(void)
{
	struct entry_place place = { .page = copy_of_page };
	u32 a, b, c, d;

	CHECK(__get_cpuid(0x80000008, &a, &b, &c, &d));
	place.physical_bits = a & 0xff;
	return place;
}

/* ---- guests -------------------------------------------------------------------- */

#define CODE	0x8000u

/* In every mode: xor %eax, %eax; cpuid; inc %edi; and again. */
static const u8 counts[] = { 0x31, 0xc0, 0x0f, 0xa2, 0xff, 0xc7, 0xeb, 0xf8 };

static const char *const mode_names[NR_FROM] = {
	"64-bit", "compatibility", "PAE", "protected", "virtual-8086", "real",
};

static void set_v8086(struct vcpu *vcpu)
{
	const struct kvm_segment seg = { .selector = CODE >> 4, .base = CODE, .limit = 0xffff,
		.type = 3, .s = 1, .dpl = 3, .present = 1 };
	struct kvm_sregs s;
	struct kvm_regs r;

	get_sregs(vcpu, &s);
	s.cs = seg;
	s.ss = seg;
	s.ds = seg;
	s.es = seg;
	s.fs = seg;
	s.gs = seg;
	set_sregs(vcpu, &s);
	get_regs(vcpu, &r);
	r.rip = 0;
	r.rsp = 0x7000;
	r.rflags |= X86_EFLAGS_VM;
	set_regs(vcpu, &r);
}

static void set_compatible(struct vcpu *vcpu)
{
	struct kvm_sregs s;

	get_sregs(vcpu, &s);
	s.cs.selector = SEL_CODE32;
	s.cs.l = 0;
	s.cs.db = 1;
	set_sregs(vcpu, &s);
}

static void set_mode(struct vcpu *vcpu, enum entry_from mode)
{
	const void *code = (const void *)(uintptr_t)CODE;

	switch (mode) {
	case FROM_64:
		vcpu_long_mode_at(vcpu, CODE, 0);
		break;
	case FROM_COMPATIBLE:
		vcpu_long_mode_at(vcpu, CODE, 0);
		set_compatible(vcpu);
		break;
	case FROM_PAE:
		vcpu_protected_mode(vcpu, code, 0, PAGING_PAE);
		break;
	case FROM_PROTECTED:
		vcpu_protected_mode(vcpu, code, 0, PAGING_32);
		break;
	case FROM_V8086:
		vcpu_protected_mode(vcpu, code, 0, PAGING_32);
		set_v8086(vcpu);
		break;
	default:
		vcpu_real_mode(vcpu, CODE >> 4, 0);
	}
}

/* KVM_RUN returns from every exit, before it is dealt with. */
static void stop_at_all(struct vcpu *vcpu)
{
	struct lodge_stops stops = { .size = sizeof(stops), .reasons = { ~0ull, 0xffff } };

	CHECK_EQ(xioctl(vcpu->fd, LODGE_SET_STOPS, (uintptr_t)&stops), 0);
}

static void run_to_cpuid(struct vcpu *vcpu)
{
	do {	/* the host's interrupts are among the exits, and faults of EPT */
		vcpu_run(vcpu, LODGE_EXIT_STOP);
	} while (vcpu->run->hw.hardware_exit_reason != REASON_CPUID);
}

struct guest {
	struct vcpu *vcpu;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

static void check_unchanged(struct guest *g)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	get_regs(g->vcpu, &regs);
	get_sregs(g->vcpu, &sregs);
	CHECK_EQ(regs.rip, g->regs.rip);
	CHECK_EQ(regs.rflags, g->regs.rflags);
	CHECK_EQ(sregs.cr0, g->sregs.cr0);
	CHECK(!memcmp(&regs, &g->regs, sizeof(regs)));
	CHECK(!memcmp(&sregs, &g->sregs, sizeof(sregs)));
}

/* One that has run, and stands behind a CPUID. */
static void start_guest(struct guest *g, enum entry_from mode)
{
	struct vm *vm = vm_create();

	g->vcpu = vcpu_create(vm, 0);
	memcpy(vm_ptr(vm, CODE), counts, sizeof(counts));
	set_mode(g->vcpu, mode);
	stop_at_all(g->vcpu);
	run_to_cpuid(g->vcpu);
	vcpu_complete(g->vcpu);
	get_regs(g->vcpu, &g->regs);
	get_sregs(g->vcpu, &g->sregs);
}

/* As if nothing had been: it counts on. */
static void end_guest(struct guest *g)
{
	struct kvm_regs regs;

	check_unchanged(g);
	for (u64 i = 1; i <= 4; i++) {
		run_to_cpuid(g->vcpu);
		get_regs(g->vcpu, &regs);
		CHECK_EQ(regs.rdi, g->regs.rdi + i);
		CHECK_EQ(regs.rax, 0);
		CHECK_EQ(regs.rbp, g->regs.rbp);
		CHECK_EQ(regs.rsp, g->regs.rsp);
	}
	vm_free(g->vcpu->vm);
}

/* ---- what the CPU says, and what the model ---------------------------------------- */

/* Names of rules begin with their class. */
static const struct {
	const char *prefix;
	const struct entry_words *words;
} classes[] = {
	{ "controls.", controls_words },
	{ "host.", host_words },
	{ "guest.", guest_words },
	{ "msr_load.", msr_load_words },
};

static size_t class_number(const char *rule)
{
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (!strncmp(rule, classes[i].prefix, strlen(classes[i].prefix)))
			return i;
	FAIL("of which class is %s?", rule);
}

static const char *class_of(const char *rule)
{
	return classes[class_number(rule)].prefix;
}

/* When the last entry was tried, by the emulator's clock. */
static u64 tried_from, tried_to;

/* The class of what the CPU finds wrong, or NULL: it has entered. */
static const char *run_broken(struct vcpu *vcpu, struct failure *f)
{
	struct kvm_run *run = vcpu->run;

	tried_from = rdtsc();
	CHECK_EQ(vcpu_run_raw(vcpu), 0);
	tried_to = rdtsc();
	CHECK_EQ(get_failure(vcpu, f), 0);
	if (run->exit_reason != KVM_EXIT_FAIL_ENTRY) {
		CHECK_EQ(run->exit_reason, LODGE_EXIT_STOP);
		CHECK_EQ(f->head.reason, 0);
		return NULL;
	}
	CHECK_EQ(f->head.reason, run->fail_entry.hardware_entry_failure_reason);
	if (f->head.flags & LODGE_ENTRY_VMFAIL && f->head.reason == ERROR_CONTROLS)
		return "controls.";
	if (f->head.flags & LODGE_ENTRY_VMFAIL && f->head.reason == ERROR_HOST)
		return "host.";
	CHECK_EQ(f->head.flags, 0);
	if (f->head.reason == REASON_GUEST)
		return "guest.";
	CHECK_EQ(f->head.reason, REASON_MSR_LOAD);
	return "msr_load.";
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Does the CPU lack a control, a bit or the field that the change needs? */
static bool cpu_lacks(const struct entry_case *c, const struct dump *d, const struct failure *f)
{
	const char *rule = f->finding[0].rule;
	size_t n = strlen(rule);

	return c->cpu || !find_field(d, c->field) ||
	       (f->head.findings && n > 6 && !strcmp(rule + n - 6, ".zeros"));
}

struct tally {
	int tried, lax, lacking, left_out, agreed, wrong;
	const char *rules[512];		/* that both agree on */
};

static void note_rule(struct tally *t, const char *rule)
{
	for (int i = 0; i < t->agreed; i++)
		if (!strcmp(t->rules[i], rule))
			return;
	t->rules[t->agreed++] = rule;
}

/* @words with the register that @rule, without its class, is about. */
static void fill_in(char *to, size_t size, const char *words, const char *rule)
{
	char name[32] = "";

	for (size_t i = 0; rule[i] && rule[i] != '.' && i < sizeof(name) - 1; i++)
		name[i] = toupper(rule[i]);
	for (; *words && size > sizeof(name); words++) {
		size_t n = 1;

		if (!strncmp(words, "%s", 2)) {
			n = sprintf(to, "%s", name);
			words++;
		} else {
			*to = *words;
		}
		to += n;
		size -= n;
	}
	CHECK(!*words);
	*to = 0;
}

static void words_of(const char *rule, char *to, size_t size)
{
	size_t class = class_number(rule);
	const struct entry_words *w = classes[class].words;
	const char *name = rule + strlen(classes[class].prefix);

	for (; w->rule; w++) {
		if (fnmatch(w->rule, name, 0))
			continue;
		fill_in(to, size, w->words, name);
		return;
	}
	FAIL("what does the emulator write about %s?", rule);
}

/*
 * The harness finds what the emulator wrote while the entry was tried, and compares.
 * Where the model finds several rules broken the CPU may have come by another one first.
 */
static void demand_words(const struct failure *f)
{
	char words[160], all[1024] = "";
	size_t n = 0;

	for (u32 i = 0; i < f->head.findings; i++) {
		words_of(f->finding[i].rule, words, sizeof(words));
		if (strstr(all, words))
			continue;
		n += snprintf(all + n, sizeof(all) - n, "%s%s", n ? " | " : "", words);
		CHECK(n < sizeof(all));
	}
	test_diag("emulator %llu %llu %s", tried_from, tried_to, all);
}

/* What is wrong with that, or NULL. */
static const char *judge(struct tally *t, const struct entry_case *c, const struct dump *d,
			 const struct failure *f, const char *verdict)
{
	const char *rule = f->head.findings ? f->finding[0].rule : NULL;
	bool agree = same(rule ? class_of(rule) : NULL, verdict);

	if (!same(rule, c->rule)) {
		t->lacking++;
		if (!cpu_lacks(c, d, f))
			return "another rule";
		return agree ? NULL : "they differ";
	}
	if (c->lax) {		/* what it says is about something later */
		t->lax++;
		return agree ? "the CPU is not lax" : NULL;
	}
	if (!agree)
		return "they differ";
	note_rule(t, c->rule);
	demand_words(f);
	return NULL;
}

/* All that differ are told, not only the first. */
static void compare(struct tally *t, const struct entry_case *c, const struct dump *d,
		    const struct failure *f, const char *verdict)
{
	const char *wrong = judge(t, c, d, f, verdict);

	t->tried++;
	if (!wrong)
		return;
	t->wrong++;
	test_diag("%s in %s mode: %s: the model says %s, the CPU %s", c->rule,
		  mode_names[c->from], wrong, f->head.findings ? f->finding[0].rule : "nothing",
		  verdict ? verdict : "nothing");
}

/* See the head of the file. */
static bool is_left_out(const struct entry_case *c)
{
	size_t size;

	return (c->lax && same(class_of(c->rule), "host.")) ||
	       (c->cpu & (CPU_OLD | CPU_ACTIVE_ONLY)) || (c->page && !entry_page(c->page, &size));
}

/* True: the guest has run on, and is none to begin with any more. */
static bool try_case(struct tally *t, struct guest *g, unsigned int i, const struct entry_case *c)
{
	struct entry_place place = this_host();
	const char *verdict;
	static struct dump d;
	struct failure f;
	struct broken b;
	int n;

	if (is_left_out(c)) {
		t->left_out++;
		return false;
	}
	test_doing("%s in %s mode", c->rule, mode_names[c->from]);
	get_vmcs(g->vcpu, &d);
	n = entry_changes(i, d.field, d.head.fields, &place, b.field, LODGE_MAX_BROKEN);
	CHECK(n >= 0);
	if (!n) {
		CHECK(!find_field(&d, c->field) || c->cpu);
		t->lacking++;
		return false;
	}
	break_vmcs(g->vcpu, &b, n);
	verdict = run_broken(g->vcpu, &f);
	compare(t, c, &d, &f, verdict);
	if (verdict)
		check_unchanged(g);
	return !verdict;
}

static void try_mode(struct tally *t, const char *class, enum entry_from mode)
{
	struct guest g = {};
	struct entry_case c;

	for (unsigned int i = 0; entry_case(i, &c); i++) {
		if (c.from != mode || !same(class_of(c.rule), class))
			continue;
		if (!g.vcpu)
			start_guest(&g, mode);
		if (try_case(t, &g, i, &c)) {
			vm_free(g.vcpu->vm);
			g.vcpu = NULL;
		}
	}
	if (g.vcpu)
		end_guest(&g);
}

/* @least: on so many different rules of the class the two have to agree. */
static void try_class(const char *class, int least)
{
	struct tally t = {};

	unload_all();
	CHECK_EQ(load_lodge_break(), 0);
	for (int mode = 0; mode < NR_FROM; mode++)
		try_mode(&t, class, mode);
	CHECK_EQ(module_unload("lodge"), 0);
	test_diag("%d rules of this class were named, and the CPU agreed", t.agreed);
	test_diag("%d changes: %d that it does not check, %d for which it lacks something",
		  t.tried, t.lax, t.lacking);
	test_diag("%d others were not tried", t.left_out);
	CHECK_EQ(t.wrong, 0);
	CHECK(t.agreed >= least);
}

/* A few less than the CPU of the tests has. */
SUBTEST(controls)
{
	try_class("controls.", 70);
}

SUBTEST(host)
{
	try_class("host.", 25);
}

SUBTEST(guest)
{
	try_class("guest.", 140);
}

SUBTEST(msr_load)
{
	try_class("msr_load.", 8);
}

/* ---- states that can be entered ---------------------------------------------------- */

#define STATES	400

static u64 below(u64 n)
{
	return test_rand() % n;
}

static bool one_in(u64 n)
{
	return below(n) == 0;
}

static u64 any_canonical(void)
{
	return (u64)((long long)(test_rand() << 16) >> 16);
}

static struct kvm_segment any_segment(u64 base, u8 type, u8 dpl)
{
	struct kvm_segment seg = { .base = base, .selector = test_rand() & ~4ull, .type = type,
		.dpl = dpl, .s = 1, .present = 1, .avl = one_in(2), .g = one_in(2) };

	seg.limit = seg.g ? test_rand() | 0xfff : test_rand() & 0xfffff;
	return seg;
}

static struct kvm_segment any_code(enum entry_from mode, u8 cpl)
{
	struct kvm_segment seg = any_segment((u32)test_rand(), 9 | below(2) << 1, cpl);

	if (!cpl && one_in(3)) {		/* data: an unrestricted guest may */
		seg.type = 3;
	} else if (one_in(3)) {			/* conforming */
		seg.type |= 4;
		seg.dpl = below(cpl + 1);
	}
	seg.l = mode == FROM_64;
	seg.db = mode != FROM_64 && one_in(2);
	return seg;
}

static struct kvm_segment any_stack(u8 cpl)
{
	struct kvm_segment seg = any_segment((u32)test_rand(), 3 | below(2) << 2, cpl);

	seg.db = one_in(2);
	seg.unusable = one_in(4);
	return seg;
}

static struct kvm_segment any_data(bool wide)
{
	u8 type = one_in(4) ? 11 | below(2) << 2 : 1 | below(4) << 1;
	struct kvm_segment seg = any_segment(wide ? any_canonical() : (u32)test_rand(), type,
					     below(4));

	seg.db = one_in(2);
	seg.unusable = one_in(4);
	return seg;
}

static struct kvm_segment any_system(u8 type)
{
	struct kvm_segment seg = any_segment(any_canonical(), type, 0);

	seg.s = 0;
	return seg;
}

static void any_segments(struct kvm_sregs *s, enum entry_from mode)
{
	u8 cpl = mode == FROM_REAL ? 0 : below(4);

	s->tr = any_system(mode > FROM_COMPATIBLE && one_in(2) ? 3 : 11);
	s->ldt = any_system(2);
	s->ldt.unusable = one_in(2);
	if (mode == FROM_V8086)
		return;
	s->cs = any_code(mode, cpl);
	s->ss = any_stack(s->cs.type == 3 ? 0 : cpl);
	s->ds = any_data(false);
	s->es = any_data(false);
	s->fs = any_data(true);
	s->gs = any_data(true);
}

static void any_system_registers(struct kvm_sregs *s)
{
	static const u64 cr4 = X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_MCE |
		X86_CR4_PGE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;

	s->cr0 ^= test_rand() & (X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_AM | X86_CR0_WP);
	s->cr4 ^= test_rand() & cr4;
	s->efer ^= test_rand() & 1;		/* SCE */
	s->gdt.base = any_canonical();
	s->gdt.limit = test_rand();
	s->idt.base = any_canonical();
	s->idt.limit = test_rand();
	s->cr8 = below(16);
}

#define RFLAGS_ANY	0x3d7ed5ull	/* but VM */

static void any_registers(struct kvm_regs *r, enum entry_from mode)
{
	u64 *values = (u64 *)r;

	for (size_t i = 0; i < sizeof(*r) / 8; i++)
		values[i] = test_rand();
	r->rip = mode == FROM_64 ? any_canonical() : (u32)r->rip;
	if (one_in(2))			/* where there is memory */
		r->rip &= RAM_SIZE - 1;
	r->rflags = (r->rflags & RFLAGS_ANY) | 2 | (mode == FROM_V8086 ? X86_EFLAGS_VM : 0);
}

static void any_events(struct vcpu *vcpu, const struct kvm_regs *r, const struct kvm_sregs *s)
{
	struct kvm_vcpu_events e;

	get_events(vcpu, &e);
	memset(&e.exception, 0, sizeof(e.exception));
	memset(&e.interrupt, 0, sizeof(e.interrupt));
	memset(&e.nmi, 0, sizeof(e.nmi));
	if (one_in(4)) {
		e.exception.injected = 1;
		e.exception.nr = one_in(2) ? UD : GP;
		e.exception.has_error_code = e.exception.nr == GP && s->cr0 & X86_CR0_PE;
	} else if (one_in(4) && r->rflags & X86_EFLAGS_IF) {
		e.interrupt.injected = 1;
		e.interrupt.nr = 32 + below(224);
	} else if (one_in(4)) {
		e.nmi.injected = 1;
	} else if (one_in(3)) {
		e.nmi.masked = one_in(2);
		e.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
		if (r->rflags & X86_EFLAGS_IF && one_in(2))
			e.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	}
	e.flags = KVM_VCPUEVENT_VALID_SHADOW;
	set_events(vcpu, &e);
}

static void set_any_state(struct vcpu *vcpu, enum entry_from mode)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	set_mode(vcpu, mode);
	get_sregs(vcpu, &s);
	any_segments(&s, mode);
	any_system_registers(&s);
	any_registers(&r, mode);
	set_sregs(vcpu, &s);
	set_regs(vcpu, &r);
	any_events(vcpu, &r, &s);
}

/* One of the guest's state, written with the value that it has. */
static void break_nothing(struct vcpu *vcpu)
{
	static struct dump d;
	struct broken b;
	u32 i;

	get_vmcs(vcpu, &d);
	do {
		i = below(d.head.fields);
	} while ((d.field[i].encoding >> 10 & 3) != 2);
	b.field[0] = d.field[i];
	break_vmcs(vcpu, &b, 1);
}

SUBTEST(valid_states)
{
	struct vcpu *vcpu;
	struct failure f;
	int exits = 0;

	unload_all();
	CHECK_EQ(load_lodge_break(), 0);
	vcpu = vcpu_create(vm_create(), 0);
	stop_at_all(vcpu);
	for (int i = 0; i < STATES; i++) {
		enum entry_from mode = below(NR_FROM);
		const char *verdict;

		test_doing("state %d, %s mode", i, mode_names[mode]);
		set_any_state(vcpu, mode);
		break_nothing(vcpu);
		verdict = run_broken(vcpu, &f);
		if (f.head.findings)
			FAIL("the model finds %s: field %#x is %#llx", f.finding[0].rule,
			     f.finding[0].field, f.finding[0].value);
		CHECK(!verdict);
		exits |= 1 << (vcpu->run->hw.hardware_exit_reason & 31);
	}
	test_diag("exits with these numbers modulo 32: %#x", exits);
	vm_free(vcpu->vm);
	CHECK_EQ(module_unload("lodge"), 0);
}

#define MARK	"entrybreak: from here on"

/* Nobody shall have this module by mistake. */
SUBTEST(the_module_says_what_it_is)
{
	static char log[1 << 20];
	const char *mark;
	int n;

	unload_all();
	CHECK(write_text("/dev/kmsg", MARK));
	CHECK_EQ(load_lodge_break(), 0);
	n = klogctl(3, log, sizeof(log) - 1);	/* all of it */
	CHECK(n > 0);
	mark = strstr(log, MARK);
	CHECK(mark && strstr(mark, "lodge: built for tests"));
	CHECK_EQ(module_unload("lodge"), 0);
}
