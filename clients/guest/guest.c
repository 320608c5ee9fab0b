// SPDX-License-Identifier: GPL-2.0
/*
 * guest.c - a small guest for other people's VMMs: works through the words of its command
 * line, one function each, says on the serial line what it found and ends by QEMU's exit
 * port. It has no drivers but for the chips of a PC that hypervisors and VMMs share out
 * among each other: PIC, PIT, IOAPIC, local APIC, serial line, power management.
 *
 *	guest: pit 10
 *	guest: end
 */
#include <stdbool.h>
#include <stdint.h>

#define PORT_EXIT	0xf4		/* QEMU's isa-debug-exit: it ends with 2 * value + 1 */
#define EXIT_GOOD	0
#define EXIT_BAD	1

#define COM1		0x3f8
#define COM1_IRQ	4
#define PIT_IRQ		0
#define SCI_IRQ		9
#define PIC0		0x20
#define PIC1		0xa0
#define PIT_HZ		1193182
#define PM_STATUS	0x600		/* as SeaBIOS places it on pc and q35 */
#define PM_ENABLE	0x602
#define PM_CONTROL	0x604
#define PM_BUTTON	0x100
#define PM_SLEEP	0x2000		/* of type 0: off */

#define LAPIC		0xfee00000
#define LAPIC_ID	0x20
#define LAPIC_EOI	0xb0
#define LAPIC_SVR	0xf0
#define LAPIC_ICR	0x300
#define LAPIC_ICR_HIGH	0x310
#define LAPIC_LVTT	0x320
#define LAPIC_LVT0	0x350
#define LAPIC_TMICT	0x380
#define LAPIC_TDCR	0x3e0
#define ICR_OTHERS	0xc0000
#define ICR_INIT	0x4500
#define ICR_STARTUP	0x4600
#define LVT_PERIODIC	0x20000
#define LVT_MASKED	0x10000
#define LVT_EXTINT	0x700
#define IOAPIC		0xfec00000

#define VECTOR_NMI	2
#define VECTOR_MC	18
#define VECTOR_PIC	0x20
#define VECTOR_TIMER	0x40
#define VECTOR_IPI	0x41
#define VECTOR_IOAPIC	0x42
#define VECTOR_SPURIOUS	0xff

#define MSR_MCG_STATUS	0x17a
#define MSR_MC0_STATUS	0x401
#define CR4_MCE		0x40

#define TRAMPOLINE	0x8000		/* TRAMPOLINE of start.S */
#define WALK_FROM	0x1000000ull
#define WALK_SIZE	0x1000000ull	/* of each CPU */
#define PAGE		4096
#define TICKS		10

struct start_info {
	uint32_t magic, version, flags, modules;
	uint64_t modlist, cmdline, rsdp;
};

struct gate {
	uint16_t low, selector, flags, middle;
	uint32_t high, zero;
};

struct interrupt_frame;

extern const char trampoline[], trampoline_end[];
void boot_main(const struct start_info *info);
void ap_main(void);

static struct gate idt[256];
static volatile unsigned int ticks[16], timer_ticks, ioapic_ticks, nmis, ipis;
static volatile unsigned int machine_checks, ap_ipis, mc_bank;
static volatile uint64_t mc_status, mcg_status;
static volatile bool ap_runs, ap_walks, stop_walking, lost;
static volatile unsigned int input, input_there;

static void outb(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void outw(uint16_t port, uint16_t value)
{
	asm volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t inb(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static uint16_t inw(uint16_t port)
{
	uint16_t value;

	asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static void wrmsr(uint32_t msr, uint64_t value)
{
	asm volatile("wrmsr" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(msr));
}

static uint32_t apic_read(uint32_t reg)
{
	return *(volatile uint32_t *)(uintptr_t)(LAPIC + reg);
}

static void apic_write(uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)(LAPIC + reg) = value;
}

static void ioapic_write(uint32_t reg, uint32_t value)
{
	volatile uint32_t *ioapic = (volatile uint32_t *)(uintptr_t)IOAPIC;

	ioapic[0] = reg;
	ioapic[4] = value;
}

/* ---- what it says -------------------------------------------------------------- */

static void put(char c)
{
	outb(COM1, c);
}

static void text(const char *s)
{
	while (*s)
		put(*s++);
}

static void number(uint64_t value, unsigned int base)
{
	char digits[20];
	unsigned int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		put(digits[--n]);
}

static void say(const char *what)
{
	text("guest: ");
	text(what);
	text("\n");
}

static void say_number(const char *what, uint64_t value)
{
	text("guest: ");
	text(what);
	put(' ');
	number(value, 10);
	text("\n");
}

static void leave(uint8_t status)
{
	say(status == EXIT_GOOD ? "end" : "bad end");
	for (;;) {
		outb(PORT_EXIT, status);
		asm volatile("cli; hlt");
	}
}

/* ---- interrupts ---------------------------------------------------------------- */

static void pic_irq(unsigned int irq)
{
	ticks[irq]++;
	if (irq == COM1_IRQ) {
		input = inb(COM1);
		input_there = 1;
	}
	/* The button's status stays set until it is cleared, and the line with it. */
	if (irq == SCI_IRQ)
		outw(PM_STATUS, PM_BUTTON);
	if (irq >= 8)
		outb(PIC1, 0x20);
	outb(PIC0, 0x20);
}

#define PIC_HANDLER(irq)						\
static __attribute__((interrupt)) void on_irq##irq(struct interrupt_frame *frame) \
{									\
	pic_irq(irq);							\
}

PIC_HANDLER(0)
PIC_HANDLER(4)
PIC_HANDLER(9)

static __attribute__((interrupt)) void on_timer(struct interrupt_frame *frame)
{
	timer_ticks++;
	apic_write(LAPIC_EOI, 0);
}

static __attribute__((interrupt)) void on_ioapic(struct interrupt_frame *frame)
{
	ioapic_ticks++;
	apic_write(LAPIC_EOI, 0);
}

/* To the other CPU, and back from it. */
static __attribute__((interrupt)) void on_ipi(struct interrupt_frame *frame)
{
	apic_write(LAPIC_EOI, 0);
	if (apic_read(LAPIC_ID) >> 24) {
		ap_ipis++;
		apic_write(LAPIC_ICR_HIGH, 0);
		apic_write(LAPIC_ICR, VECTOR_IPI);
	} else {
		ipis++;
	}
}

static __attribute__((interrupt)) void on_nmi(struct interrupt_frame *frame)
{
	nmis++;
}

/* The first bank that has something is told and cleared. */
static __attribute__((interrupt)) void on_machine_check(struct interrupt_frame *frame)
{
	unsigned int bank;

	mcg_status = rdmsr(MSR_MCG_STATUS);
	for (bank = 0; bank < 10; bank++) {
		mc_status = rdmsr(MSR_MC0_STATUS + 4 * bank);
		if (mc_status >> 63)
			break;
	}
	mc_bank = bank;
	wrmsr(MSR_MC0_STATUS + 4 * bank, 0);
	wrmsr(MSR_MCG_STATUS, 0);
	machine_checks++;
}

static __attribute__((interrupt)) void on_spurious(struct interrupt_frame *frame)
{
}

static __attribute__((interrupt)) void on_exception(struct interrupt_frame *frame)
{
	say("an exception");
	leave(EXIT_BAD);
}

static void set_gate(unsigned int vector, void (*handler)(struct interrupt_frame *))
{
	uint64_t address = (uintptr_t)handler;

	idt[vector] = (struct gate){
		.low = address, .selector = 0x08, .flags = 0x8e00,
		.middle = address >> 16, .high = address >> 32,
	};
}

static void load_idt(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} pointer = { sizeof(idt) - 1, (uintptr_t)idt };

	asm volatile("lidt %0" : : "m"(pointer));
}

static void set_gates(void)
{
	unsigned int i;

	for (i = 0; i < 32; i++)
		set_gate(i, on_exception);
	set_gate(VECTOR_NMI, on_nmi);
	set_gate(VECTOR_MC, on_machine_check);
	set_gate(VECTOR_PIC + PIT_IRQ, on_irq0);
	set_gate(VECTOR_PIC + COM1_IRQ, on_irq4);
	set_gate(VECTOR_PIC + SCI_IRQ, on_irq9);
	set_gate(VECTOR_TIMER, on_timer);
	set_gate(VECTOR_IPI, on_ipi);
	set_gate(VECTOR_IOAPIC, on_ioapic);
	set_gate(VECTOR_SPURIOUS, on_spurious);
	load_idt();
}

static void pic_mask(uint16_t mask)
{
	outb(PIC0 + 1, mask);
	outb(PIC1 + 1, mask >> 8);
}

static void pic_setup(void)
{
	outb(PIC0, 0x11);
	outb(PIC1, 0x11);
	outb(PIC0 + 1, VECTOR_PIC);
	outb(PIC1 + 1, VECTOR_PIC + 8);
	outb(PIC0 + 1, 4);
	outb(PIC1 + 1, 2);
	outb(PIC0 + 1, 1);
	outb(PIC1 + 1, 1);
	pic_mask(0xffff);
}

/* The PIC comes in by the local APIC's first pin, as firmware leaves it, or not. */
static void apic_setup(void)
{
	apic_write(LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
	if (!(apic_read(LAPIC_ID) >> 24))
		apic_write(LAPIC_LVT0, LVT_EXTINT);
}

/* Asleep until the counter is there. No interrupt fits between the look and the HLT. */
static void sleep_until(volatile unsigned int *counter, unsigned int value)
{
	asm volatile("cli" : : : "memory");
	while (*counter < value)
		asm volatile("sti; hlt; cli" : : : "memory");
	asm volatile("sti" : : : "memory");
}

/* ---- the words of the command line --------------------------------------------- */

static void pit_rate(unsigned int hz)
{
	outb(0x43, 0x34);
	outb(0x40, (PIT_HZ / hz) & 0xff);
	outb(0x40, (PIT_HZ / hz) >> 8);
}

static void pit_stop(void)
{
	outb(0x43, 0x30);
}

static void word_pit(void)
{
	pic_mask(~(1 << PIT_IRQ));
	pit_rate(1000);
	sleep_until(&ticks[PIT_IRQ], TICKS);
	pit_stop();
	pic_mask(0xffff);
	say("pit");
}

static void word_apic(void)
{
	apic_write(LAPIC_TDCR, 0xb);
	apic_write(LAPIC_LVTT, LVT_PERIODIC | VECTOR_TIMER);
	apic_write(LAPIC_TMICT, 1000000);
	sleep_until(&timer_ticks, TICKS);
	apic_write(LAPIC_LVTT, LVT_MASKED);
	say("apic");
}

static void ioapic_pins(uint32_t low)
{
	unsigned int pin;

	for (pin = 0; pin <= 2; pin += 2) {
		ioapic_write(0x10 + 2 * pin + 1, 0);
		ioapic_write(0x10 + 2 * pin, low);
	}
}

/* The PIT is at pin 2 on a PC, and at pin 0 where the VMM leaves the kernel's routes. */
static void word_ioapic(void)
{
	ioapic_pins(VECTOR_IOAPIC);
	pit_rate(1000);
	sleep_until(&ioapic_ticks, TICKS);
	pit_stop();
	ioapic_pins(LVT_MASKED);
	say("ioapic");
}

/* Each CPU writes to all its pages what follows from what it wrote before; a page that
 * got lost on the way, or came back from the past, shows.
 */
static bool walk(uint64_t from, uint64_t pass)
{
	uint64_t at;

	for (at = from; at < from + WALK_SIZE; at += PAGE) {
		volatile uint64_t *page = (volatile uint64_t *)at;

		if (pass && *page != (at ^ (pass - 1)))
			return false;
		*page = at ^ pass;
	}
	return true;
}

void ap_main(void)
{
	uint64_t pass = 0;

	load_idt();
	apic_setup();
	ap_runs = true;
	for (;;) {
		if (!ap_walks || stop_walking) {
			asm volatile("sti; hlt" : : : "memory");
			continue;
		}
		if (!walk(WALK_FROM + WALK_SIZE, pass++))
			lost = true;
	}
}

static void start_ap(void)
{
	const char *from = trampoline;
	char *to = (char *)(uintptr_t)TRAMPOLINE;

	while (from < trampoline_end)
		*to++ = *from++;
	apic_write(LAPIC_ICR, ICR_OTHERS | ICR_INIT);
	apic_write(LAPIC_ICR, ICR_OTHERS | ICR_STARTUP | TRAMPOLINE >> 12);
	while (!ap_runs)
		asm volatile("pause" : : : "memory");
}

static void word_smp(void)
{
	unsigned int i;

	start_ap();
	for (i = 1; i <= TICKS; i++) {
		apic_write(LAPIC_ICR, ICR_OTHERS | VECTOR_IPI);
		sleep_until(&ipis, i);
	}
	say_number("smp", ap_ipis);
}

/* Until a byte comes on the serial line. */
static void word_walk(void)
{
	uint64_t pass = 0;

	say("walking");
	if (ap_runs) {
		ap_walks = true;
		apic_write(LAPIC_ICR, ICR_OTHERS | VECTOR_IPI);
	}
	while (!(inb(COM1 + 5) & 1))
		if (!walk(WALK_FROM, pass++))
			lost = true;
	inb(COM1);
	stop_walking = true;
	if (lost || pass < 2) {
		say("pages were lost");
		leave(EXIT_BAD);
	}
	say("walked");
}

static void word_nmi(void)
{
	say("waits for an NMI");
	sleep_until(&nmis, 1);
	say_number("nmi", nmis);
}

static void word_mce(void)
{
	uint64_t cr4;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_MCE));
	say("waits for a machine check");
	sleep_until(&machine_checks, 1);
	say_number("machine check in bank", mc_bank);
	text("guest: status ");
	number(mc_status, 16);
	put(' ');
	number(mcg_status, 16);
	text("\n");
}

/* A byte by interrupt; the CPU sleeps meanwhile. */
static void word_wait(void)
{
	input_there = 0;
	pic_mask(~(1 << COM1_IRQ));
	outb(COM1 + 4, 0x0b);
	outb(COM1 + 1, 1);
	say("waits for a byte");
	sleep_until(&input_there, 1);
	outb(COM1 + 1, 0);
	pic_mask(0xffff);
	say_number("byte", input);
}

static void word_button(void)
{
	pic_mask(~(1 << SCI_IRQ | 1 << 2));
	outw(PM_STATUS, PM_BUTTON);
	outw(PM_ENABLE, inw(PM_ENABLE) | PM_BUTTON);
	say("waits for the power button");
	sleep_until(&ticks[SCI_IRQ], 1);
	say("power button");
	outw(PM_CONTROL, PM_SLEEP);
	for (;;)
		asm volatile("hlt");
}

/* A triple fault. */
static void word_triple(void)
{
	const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} none = { 0, 0 };

	say("falls");
	asm volatile("lidt %0; ud2" : : "m"(none));
}

/* Something to step through and to break at. */
__attribute__((noinline)) uint64_t step(uint64_t n);
uint64_t watched;

uint64_t step(uint64_t n)
{
	watched = n;
	return n + 1;
}

static void word_steps(void)
{
	uint64_t n = 0;

	say("steps");
	while (n < 1000)
		n = step(n);
	say_number("stepped", n);
}

static const struct {
	const char *name;
	void (*run)(void);
} words[] = {
	{ "pit", word_pit }, { "apic", word_apic }, { "ioapic", word_ioapic },
	{ "smp", word_smp }, { "walk", word_walk }, { "nmi", word_nmi }, { "mce", word_mce },
	{ "wait", word_wait }, { "button", word_button }, { "triple", word_triple },
	{ "steps", word_steps }, { }
};

/* The length of the word if the line begins with it. */
static unsigned int starts_with(const char *line, const char *word)
{
	unsigned int n;

	for (n = 0; word[n]; n++)
		if (line[n] != word[n])
			return 0;
	return !line[n] || line[n] == ' ' ? n : 0;
}

static const char *run_word(const char *line)
{
	unsigned int i, n;

	for (i = 0; words[i].name; i++) {
		n = starts_with(line, words[i].name);
		if (!n)
			continue;
		words[i].run();
		return line + n;
	}
	/* VMMs add words of their own. */
	while (*line && *line != ' ')
		line++;
	return line;
}

void boot_main(const struct start_info *info)
{
	const char *line = (const char *)(uintptr_t)info->cmdline;

	set_gates();
	pic_setup();
	apic_setup();
	say("start");
	while (line && *line)
		line = *line == ' ' ? line + 1 : run_word(line);
	leave(EXIT_GOOD);
}
