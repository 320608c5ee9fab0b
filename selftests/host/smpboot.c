// SPDX-License-Identifier: GPL-2.0
/*
 * smpboot - how processors start: the states that user space reads and sets, INIT
 * and SIPI in every order and to every kind of destination, what INIT resets and
 * what it leaves alone, many processors, and ids that only x2APIC mode can name.
 */
#include <sys/resource.h>

#include "apic.h"
#include "cpu.h"
#include "vthread.h"

#define STUB_VECTOR	0x08
#define STUB_GPA	(STUB_VECTOR << 12)
#define DATA_GPA	0x9000ul
#define ID_PORT		0x5e8
#define INIT		(APIC_DM_INIT | APIC_INT_ASSERT)
#define SIPI(vector)	(APIC_DM_STARTUP | APIC_INT_ASSERT | (vector))
#define CACHE_OFF	(X86_CR0_CD | X86_CR0_NW)

/* Three reports, so that it is seen whether a vCPU goes on or starts anew. */
GUEST_ASM(ap_stub, ".code16\n" SYNC_ASM(0x21) SYNC_ASM(0x22) SYNC_ASM(0x23)
	  "	cli\n1:	hlt\n	jmp 1b\n");

static struct { u32 dest, low; } command;

/* Sends what the host has put into command, once between two reports. */
static void guest_sender(u64 x2apic)
{
	if (x2apic)
		guest_x2apic_enable();
	else
		guest_xapic_enable();
	for (;;) {
		GUEST_SYNC(1);
		guest_apic_icr(command.dest, command.low);
	}
}

static void send(struct vm *vm, u32 dest, u32 low)
{
	guest_var(vm, command.dest) = dest;
	guest_var(vm, command.low) = low;
	vcpu_expect_sync(vm->vcpus[0], 1);
}

/* A BSP that sends, @aps others that were never started, the stub in its place. */
static struct vm *sender_machine(int aps, bool x2apic)
{
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	vm_load(vm, STUB_GPA, ap_stub, ap_stub_end);
	vcpu_long_mode(vcpu_create(vm, 0), guest_sender, x2apic);
	for (int i = 1; i <= aps; i++)
		vcpu_create(vm, i);
	vcpu_expect_sync(vm->vcpus[0], 1);
	return vm;
}

static void expect_cs_ip(struct vcpu *vcpu, u8 vector, u64 rip)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	get_sregs(vcpu, &s);
	get_regs(vcpu, &r);
	CHECK_EQ(s.cs.selector, vector << 8);
	CHECK_EQ(s.cs.base, vector << 12);
	CHECK_EQ(r.rip, rip);
}

static void expect_reset_vector(struct vcpu *vcpu)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	get_sregs(vcpu, &s);
	get_regs(vcpu, &r);
	CHECK_EQ(s.cs.selector, 0xf000);
	CHECK_EQ(s.cs.base, 0xffff0000);
	CHECK_EQ(r.rip, 0xfff0);
}

/* ---- states ------------------------------------------------------------------ */

static void expect_states(struct vm *vm, int bsp, int vcpus)
{
	struct kvm_sregs s;

	for (int i = 0; i < vcpus; i++) {
		struct vcpu *vcpu = vcpu_create(vm, i);

		test_doing("vCPU %d, BSP %d", i, bsp);
		CHECK_EQ(get_mp_state(vcpu), i == bsp ? KVM_MP_STATE_RUNNABLE :
			 KVM_MP_STATE_UNINITIALIZED);
		get_sregs(vcpu, &s);
		CHECK_EQ(s.apic_base, APIC_DEFAULT_BASE | APIC_BASE_ENABLE |
			 (i == bsp ? APIC_BASE_BSP : 0));
	}
}

SUBTEST(state_at_creation)
{
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	expect_states(vm, 0, 4);
	vm = vm_create();
	vm_split_irqchip(vm, 24);
	expect_states(vm, 0, 4);
	vm = vm_create();
	for (int i = 0; i < 4; i++)
		CHECK_EQ(get_mp_state(vcpu_create(vm, i)), KVM_MP_STATE_RUNNABLE);
}

SUBTEST(boot_cpu_id)
{
	struct vm *vm = vm_create();

	CHECK_EQ(check_cap(vm, KVM_CAP_SET_BOOT_CPU_ID), 1);
	vm_irqchip(vm);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 3), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 2), 0);
	expect_states(vm, 2, 4);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 2), -EBUSY);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 0), -EBUSY);
	/* One that never comes. */
	vm = vm_create();
	vm_irqchip(vm);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 100), 0);
	expect_states(vm, -1, 2);
	/* Without an APIC in the kernel all run, and the bit is the same. */
	vm = vm_create();
	CHECK_EQ(xioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 1), 0);
	for (int i = 0; i < 2; i++) {
		struct vcpu *vcpu = vcpu_create(vm, i);
		struct kvm_sregs s;

		CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_RUNNABLE);
		get_sregs(vcpu, &s);
		CHECK_EQ(!!(s.apic_base & APIC_BASE_BSP), i == 1);
	}
}

static void set_sipi_vector(struct vcpu *vcpu, u32 vector)
{
	struct kvm_vcpu_events e;

	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, (uintptr_t)&e), 0);
	CHECK_EQ(e.sipi_vector, 0);
	CHECK_EQ(e.flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR, 0);
	e.flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	e.sipi_vector = vector;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, (uintptr_t)&e), 0);
}

SUBTEST(class12_every_state_is_set)
{
	static const u32 kept[] = {
		KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_HALTED,
		KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_AP_RESET_HOLD,
	}, refused[] = {
		KVM_MP_STATE_STOPPED, KVM_MP_STATE_CHECK_STOP, KVM_MP_STATE_OPERATING,
		KVM_MP_STATE_LOAD, KVM_MP_STATE_SUSPENDED, 11, 0x80000000, ~0u,
	};
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	for (int id = 0; id < 2; id++) {
		struct vcpu *vcpu = vcpu_create(vm, id);

		for (u64 i = 0; i < ARRAY_SIZE(kept); i++) {
			test_doing("vCPU %d, state %u", id, kept[i]);
			CHECK_EQ(set_mp_state(vcpu, kept[i]), 0);
			CHECK_EQ(get_mp_state(vcpu), kept[i]);
		}
		for (u64 i = 0; i < ARRAY_SIZE(refused); i++) {
			test_doing("vCPU %d, state %u", id, refused[i]);
			CHECK_EQ(set_mp_state(vcpu, refused[i]), -EINVAL);
			CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_AP_RESET_HOLD);
		}
		CHECK_EQ(xioctl(vcpu->fd, KVM_SET_MP_STATE, 0), -EFAULT);
		CHECK_EQ(xioctl(vcpu->fd, KVM_GET_MP_STATE, 0), -EFAULT);
	}
}

/* A SIPI that user space saw on another machine is delivered here. */
SUBTEST(sipi_received_is_a_sipi)
{
	static const u8 vectors[] = { 0, 1, STUB_VECTOR, 0x9f, 0xff };
	struct vm *vm = sender_machine(1, false);
	struct vcpu *ap = vm->vcpus[1];

	for (u64 i = 0; i < ARRAY_SIZE(vectors); i++) {
		set_sipi_vector(ap, vectors[i]);
		CHECK_EQ(set_mp_state(ap, KVM_MP_STATE_SIPI_RECEIVED), 0);
		CHECK_EQ(get_mp_state(ap), KVM_MP_STATE_RUNNABLE);
		expect_cs_ip(ap, vectors[i], 0);
	}
	set_sipi_vector(ap, STUB_VECTOR);
	CHECK_EQ(set_mp_state(ap, KVM_MP_STATE_SIPI_RECEIVED), 0);
	vcpu_expect_sync(ap, 0x21);
	expect_cs_ip(ap, STUB_VECTOR, 2);
}

static void get_latched_init(struct vcpu *vcpu, struct kvm_vcpu_events *e, int want)
{
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, (uintptr_t)e), 0);
	CHECK(e->flags & KVM_VCPUEVENT_VALID_SMM);
	CHECK_EQ(e->smi.latched_init, want);
}

static int init_by_message(struct vm *vm, int id)
{
	return signal_msi(vm, MSI_ADDR | id << 12, APIC_DM_INIT);
}

/* An INIT that came and was not yet acted upon is part of the state. */
SUBTEST(pending_init_is_an_event)
{
	struct vm *vm = sender_machine(1, false);
	struct vcpu *ap = vm->vcpus[1];
	struct kvm_vcpu_events e;
	struct kvm_regs regs;

	vcpu_long_mode(ap, guest_sender, 0);
	CHECK_EQ(set_mp_state(ap, KVM_MP_STATE_RUNNABLE), 0);
	get_latched_init(ap, &e, 0);
	CHECK_EQ(init_by_message(vm, 1), 1);
	get_latched_init(ap, &e, 1);
	e.smi.latched_init = 0;
	e.flags = 0;			/* does not say that it means it */
	CHECK_EQ(xioctl(ap->fd, KVM_SET_VCPU_EVENTS, (uintptr_t)&e), 0);
	get_latched_init(ap, &e, 1);
	e.smi.latched_init = 0;
	CHECK_EQ(xioctl(ap->fd, KVM_SET_VCPU_EVENTS, (uintptr_t)&e), 0);
	get_latched_init(ap, &e, 0);
	CHECK_EQ(get_mp_state(ap), KVM_MP_STATE_RUNNABLE);
	get_regs(ap, &regs);
	CHECK_EQ(regs.rip, (uintptr_t)guest_sender);
	e.smi.latched_init = 1;
	CHECK_EQ(xioctl(ap->fd, KVM_SET_VCPU_EVENTS, (uintptr_t)&e), 0);
	get_latched_init(ap, &e, 1);
	CHECK_EQ(get_mp_state(ap), KVM_MP_STATE_INIT_RECEIVED);
	get_latched_init(ap, &e, 0);
	expect_reset_vector(ap);
}

/* ---- waiting ------------------------------------------------------------------- */

/* A KVM_RUN of a vCPU in this state sleeps until a signal comes, and changes nothing. */
static void sleeps_until_kicked(struct vcpu *vcpu)
{
	u32 state = get_mp_state(vcpu);
	struct kvm_regs before, after;
	struct vthread r;

	get_regs(vcpu, &before);
	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	vthread_start_once(&r, vcpu, -1);
	vthread_wait_asleep(&r);
	thread_kick(&r.t);
	vthread_join(&r);
	CHECK_EQ(r.ret, -EINTR);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_INTR);
	CHECK_EQ(get_mp_state(vcpu), state);
	get_regs(vcpu, &after);
	CHECK(!memcmp(&before, &after, sizeof(before)));
}

SUBTEST(a_vcpu_that_waits_sleeps)
{
	static const u32 states[] = {
		KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED,
		KVM_MP_STATE_HALTED, KVM_MP_STATE_AP_RESET_HOLD,
	};
	struct vm *vm = sender_machine(1, false);
	struct vcpu *ap = vm->vcpus[1];

	sleeps_until_kicked(ap);
	vcpu_complete(vm->vcpus[0]);
	for (int id = 0; id < 2; id++)
		for (u64 i = 0; i < ARRAY_SIZE(states); i++) {
			test_doing("vCPU %d, state %u", id, states[i]);
			CHECK_EQ(set_mp_state(vm->vcpus[id], states[i]), 0);
			sleeps_until_kicked(vm->vcpus[id]);
		}
	CHECK_EQ(set_mp_state(ap, KVM_MP_STATE_UNINITIALIZED), 0);
	ap->run->immediate_exit = 1;
	CHECK_EQ(vcpu_run_raw(ap), -EINTR);
	ap->run->immediate_exit = 0;
}

/* Interrupts do not start what only INIT and SIPI start. */
SUBTEST(interrupts_start_nobody)
{
	struct vm *vm = sender_machine(1, false);

	for (int i = 0; i < 2; i++) {
		u32 state = i ? KVM_MP_STATE_INIT_RECEIVED : KVM_MP_STATE_UNINITIALIZED;

		CHECK_EQ(set_mp_state(vm->vcpus[1], state), 0);
		send(vm, 1, APIC_INT_ASSERT | 0x40);
		sleeps_until_kicked(vm->vcpus[1]);
	}
}

/* A sleeping KVM_RUN of an uninitialised vCPU ends with EAGAIN when INIT comes. */
SUBTEST(init_wakes_then_sipi_starts)
{
	struct vm *vm = sender_machine(1, false);
	struct vcpu *ap = vm->vcpus[1];
	struct vthread r;

	vthread_start_once(&r, ap, -1);
	vthread_wait_asleep(&r);
	send(vm, 1, INIT);
	vthread_join(&r);
	CHECK_EQ(r.ret, -EAGAIN);
	CHECK_EQ(get_mp_state(ap), KVM_MP_STATE_INIT_RECEIVED);
	vthread_start_once(&r, ap, -1);
	vthread_wait_asleep(&r);
	send(vm, 1, SIPI(STUB_VECTOR));
	vthread_join(&r);
	CHECK_EQ(r.ret, 0);
	expect_cs_ip(ap, STUB_VECTOR, 2);
	CHECK_EQ(get_mp_state(ap), KVM_MP_STATE_RUNNABLE);
}

/* ---- INIT and SIPI in every order ---------------------------------------------- */

SUBTEST(orders_of_init_and_sipi)
{
	enum { I = 1, S, LOOK };	/* LOOK: user space asks for the state */
	enum { U = KVM_MP_STATE_UNINITIALIZED, R = KVM_MP_STATE_RUNNABLE,
	       W = KVM_MP_STATE_INIT_RECEIVED };
	static const struct { u8 steps[6]; u8 state; } cases[] = {
		{ { S }, U }, { { S, S }, U }, { { I }, W }, { { I, I }, W },
		{ { I, S }, R }, { { I, S, S }, R }, { { I, LOOK, S }, R },
		{ { S, I }, W }, { { S, LOOK, I }, W }, { { S, I, S }, R },
		{ { I, S, I }, W }, { { I, LOOK, S, I }, W }, { { I, I, S, S }, R },
		{ { I, S, LOOK, I }, W }, { { I, S, LOOK, S }, R },
		{ { I, S, LOOK, I, S }, R }, { { I, S, LOOK, I, LOOK, S }, R },
	};
	struct vm *vm = sender_machine(1, false);
	struct vcpu *ap = vm->vcpus[1];

	for (u64 i = 0; i < ARRAY_SIZE(cases); i++) {
		test_doing("%llu", (unsigned long long)i);
		CHECK_EQ(set_mp_state(ap, U), 0);
		for (const u8 *step = cases[i].steps; *step; step++)
			if (*step == LOOK)
				get_mp_state(ap);
			else
				send(vm, 1, *step == I ? INIT : SIPI(STUB_VECTOR));
		CHECK_EQ(get_mp_state(ap), cases[i].state);
		if (cases[i].state == R)
			vcpu_expect_sync(ap, 0x21);
	}
}

SUBTEST(sipi_vectors)
{
	struct vm *vm = sender_machine(1, false);

	for (int v = 0; v < 256; v += v == 0x20 ? 0x20 : 1) {
		test_doing("vector %#x", v);
		send(vm, 1, INIT);
		send(vm, 1, SIPI(v));
		CHECK_EQ(get_mp_state(vm->vcpus[1]), KVM_MP_STATE_RUNNABLE);
		expect_cs_ip(vm->vcpus[1], v, 0);
		v += v >= 0x40 && v < 0xe0 ? 0x1f : 0;
	}
}

/* SDM volume 3, 9.4.4: only a processor that waits for it takes one. */
SUBTEST(second_sipi_is_ignored)
{
	struct vm *vm = sender_machine(1, false);
	struct vcpu *ap = vm->vcpus[1];

	send(vm, 1, INIT);
	send(vm, 1, SIPI(STUB_VECTOR));
	CHECK_EQ(vcpu_run_raw(ap), -EAGAIN);
	vcpu_expect_sync(ap, 0x21);
	send(vm, 1, SIPI(STUB_VECTOR));
	vcpu_expect_sync(ap, 0x22);
	send(vm, 1, SIPI(STUB_VECTOR));
	vcpu_expect_sync(ap, 0x23);
	expect_cs_ip(ap, STUB_VECTOR, 10);
	send(vm, 1, INIT);
	send(vm, 1, SIPI(STUB_VECTOR));
	vcpu_expect_sync(ap, 0x21);
}

/* A de-assertion, which old processors took for another thing, is none. */
SUBTEST(init_level_deassert)
{
	struct vm *vm = sender_machine(1, false);
	struct vcpu *ap = vm->vcpus[1];

	CHECK_EQ(set_mp_state(ap, KVM_MP_STATE_RUNNABLE), 0);
	send(vm, 1, APIC_DM_INIT | APIC_INT_LEVELTRIG);
	CHECK_EQ(get_mp_state(ap), KVM_MP_STATE_RUNNABLE);
	send(vm, 1, APIC_DM_INIT | APIC_INT_LEVELTRIG | APIC_INT_ASSERT);
	CHECK_EQ(get_mp_state(ap), KVM_MP_STATE_INIT_RECEIVED);
}

/* ---- INIT to vCPUs that run ------------------------------------------------------- */

static u64 spins;

static void guest_spin(u64 arg)
{
	for (;;)
		WRITE_ONCE(spins, spins + 1);
}

SUBTEST(init_stops_a_running_vcpu)
{
	struct vm *vm = sender_machine(1, false);
	struct vcpu *ap = vm->vcpus[1];
	struct vthread r;

	vcpu_long_mode(ap, guest_spin, 0);
	CHECK_EQ(set_mp_state(ap, KVM_MP_STATE_RUNNABLE), 0);
	vthread_start(&r, ap, nr_cpus() - 1);
	wait_until(READ_ONCE(guest_var(vm, spins)));
	for (u64 i = 1; i <= 3; i++) {
		send(vm, 1, INIT);
		vthread_wait_asleep(&r);
		CHECK_EQ(r.syncs, 3 * (i - 1));
		send(vm, 1, SIPI(STUB_VECTOR));
		/* The stub reports three times and halts, interrupts disabled. */
		vthread_wait_syncs(&r, 3 * i);
		vthread_wait_asleep(&r);
	}
	vthread_stop(&r);
	CHECK_EQ(get_mp_state(ap), KVM_MP_STATE_HALTED);
}

/* The BSP does not wait for a SIPI: it begins at the reset vector. */
SUBTEST(init_to_the_bsp)
{
	struct vm *vm = sender_machine(1, false);
	struct vcpu *bsp = vm->vcpus[0];
	u8 *rom = vm_add_mem(vm, 1, 0xffff0000, 0x10000, MEM_ANON);

	memcpy(rom + 0xfff0, ap_stub, ap_stub_end - ap_stub);
	CHECK_EQ(init_by_message(vm, 0), 1);
	CHECK_EQ(get_mp_state(bsp), KVM_MP_STATE_RUNNABLE);
	expect_reset_vector(bsp);
	vcpu_expect_sync(bsp, 0x21);
	/* The same while it sleeps in HLT with interrupts disabled. */
	vcpu_expect_sync(bsp, 0x22);
	vcpu_expect_sync(bsp, 0x23);
	for (int i = 0; i < 2; i++) {
		struct vthread r;

		vthread_start(&r, bsp, -1);
		vthread_wait_asleep(&r);
		CHECK_EQ(init_by_message(vm, 0), 1);
		vthread_wait_syncs(&r, 3);
		vthread_wait_asleep(&r);
		vthread_stop(&r);
		CHECK_EQ(get_mp_state(bsp), KVM_MP_STATE_HALTED);
	}
	/* A guest may do it to itself. */
	vcpu_long_mode(bsp, guest_sender, 0);
	CHECK_EQ(set_mp_state(bsp, KVM_MP_STATE_RUNNABLE), 0);
	vcpu_expect_sync(bsp, 1);
	guest_var(vm, command.dest) = 0;
	guest_var(vm, command.low) = INIT;
	vcpu_expect_sync(bsp, 0x21);
}

/* ---- all at once -------------------------------------------------------------------- */

#define AP_MAX		32
#define TO_BSP		0x60
#define TO_APS		0x61

u64 ap_percpu[AP_MAX], ap_stack[AP_MAX];	/* by APIC id, for ap_entry */
void ap_main(u64 id);
extern const char ap_entry[];

static u64 arrived, leaving, rounds, ap_count;
static bool all_x2apic;

/* From the SIPI to 64-bit C code, with the tables of the library. */
GUEST_ASM(ap_boot, ".code16\n"
	  "	cli\n	xor %ax, %ax\n	mov %ax, %ds\n"
	  "	lgdtl 0x9000\n"
	  "	mov $0x620, %eax\n	mov %eax, %cr4\n"
	  "	mov 0x9008, %eax\n	mov %eax, %cr3\n"
	  "	mov $0xc0000080, %ecx\n	rdmsr\n	or $0x900, %eax\n	wrmsr\n"
	  "	mov $0x80010033, %eax\n	mov %eax, %cr0\n"
	  "	ljmpl *0x9010\n");
asm(".pushsection .text\n.balign 16\n"
    "ap_entry:\n"
    "	mov $0x10, %eax\n	mov %eax, %ss\n	mov %eax, %ds\n	mov %eax, %es\n"
    "	lidt 0x9018\n"
    "	mov $0xfee00020, %edx\n	mov (%rdx), %ebx\n	shr $24, %ebx\n"
    "	mov ap_percpu(,%rbx,8), %rax\n	mov %rax, %rdx\n	shr $32, %rdx\n"
    "	mov $0xc0000101, %ecx\n	wrmsr\n"
    "	mov ap_stack(,%rbx,8), %rsp\n	mov %ebx, %edi\n"
    "	push $0\n	push $guest_returned\n	jmp ap_main\n"
    ".popsection\n");

struct boot_data {			/* at DATA_GPA, the offsets are in the code above */
	u16 gdt_limit;
	u32 gdt_base;
	u16 pad0;
	u32 cr3, pad1;
	u32 entry;
	u16 entry_cs, pad2;
	u16 idt_limit;
	u64 idt_base;
} __packed;

static void load_boot_code(struct vm *vm)
{
	struct boot_data *data = vm_ptr(vm, DATA_GPA);

	vm_load(vm, STUB_GPA, ap_boot, ap_boot_end);
	*data = (struct boot_data){
		.gdt_limit = GDT_BYTES - 1, .gdt_base = vm->gdt, .cr3 = vm->pml4,
		.entry = (uintptr_t)ap_entry, .entry_cs = SEL_CODE64,
		.idt_limit = PAGE_SIZE - 1, .idt_base = vm->idt,
	};
}

static void enable_apic(void)
{
	if (all_x2apic)
		guest_x2apic_enable();
	else
		guest_xapic_enable();
}

static void count_up(u64 *counter)
{
	asm volatile("lock incq %0" : "+m"(*counter) : : "memory");
}

/* Sleeps until @counter is @want; who counts up sends an interrupt after it. */
static void sleep_until(u64 *counter, u64 want)
{
	while (READ_ONCE(*counter) < want)
		guest_halt();
	GUEST_ASSERT_EQ(READ_ONCE(*counter), want);
}

void ap_main(u64 id)
{
	enable_apic();
	GUEST_ASSERT_EQ(guest_percpu()->id, id);
	count_up(&arrived);
	guest_apic_icr(0, APIC_INT_ASSERT | TO_BSP);
	while (!guest_irqs[id][TO_APS])
		guest_halt();
	GUEST_ASSERT_EQ(guest_irqs[id][TO_APS], 1);
	count_up(&leaving);
	guest_apic_icr(0, APIC_INT_ASSERT | TO_BSP);
}

/* Bit 0 of @how: name each instead of a broadcast. */
static void guest_boots_all(u64 how)
{
	static const u32 commands[] = { INIT, SIPI(STUB_VECTOR), SIPI(STUB_VECTOR) };

	enable_apic();
	for (u64 c = 0; c < ARRAY_SIZE(commands); c++) {
		if (!(how & 1))
			guest_apic_icr(0, commands[c] | APIC_DEST_ALLBUT);
		for (u64 id = 1; how & 1 && id <= ap_count; id++)
			guest_apic_icr(id, commands[c]);
	}
	sleep_until(&arrived, ap_count);
	guest_apic_icr(0, APIC_INT_ASSERT | APIC_DEST_ALLBUT | TO_APS);
	sleep_until(&leaving, ap_count);
}

static void boot_all(int aps, bool x2apic, int how)
{
	struct vthread r[AP_MAX];
	struct vm *vm;

	test_doing("%d APs, %s, %s", aps, x2apic ? "x2APIC" : "xAPIC",
		   how ? "each" : "broadcast");
	all_x2apic = x2apic;
	ap_count = aps;
	vm = vm_create();
	vm_irqchip(vm);
	vm_count_irqs(vm);
	load_boot_code(vm);
	for (int i = 0; i <= aps; i++) {
		struct vcpu *vcpu = vcpu_create(vm, i);

		guest_var(vm, ap_percpu)[i] = vcpu->percpu;
		guest_var(vm, ap_stack)[i] = vcpu->stack;
	}
	vcpu_long_mode(vm->vcpus[0], guest_boots_all, how);
	for (int i = aps; i >= 0; i--)
		vthread_start(&r[i], vm->vcpus[i], i % nr_cpus());
	for (int i = 0; i <= aps; i++)
		vthread_join(&r[i]);
	CHECK_EQ(guest_var(vm, arrived), aps);
	CHECK_EQ(guest_var(vm, leaving), aps);
	vm_free(vm);
}

SUBTEST(one_boots_the_others)
{
	for (int how = 0; how < 2; how++) {
		boot_all(1, false, how);
		boot_all(1, true, how);
		boot_all(3, false, how);
		boot_all(3, true, how);
	}
}

SUBTEST(sixteen_vcpus)
{
	boot_all(15, false, 0);
	boot_all(15, true, 1);
}

/* Who starts anew all the time comes up each time. */
GUEST_ASM(ap_counts, ".code16\n	xor %ax, %ax\n	mov %ax, %ds\n"
	  "	lock incl 0x9000\n	cli\n1:	pause\n	jmp 1b\n");

static void guest_storms(u64 arg)
{
	enable_apic();
	for (u64 n = 1; n <= rounds; n++) {
		guest_apic_icr(1, INIT);
		guest_apic_icr(1, SIPI(STUB_VECTOR));
		while (READ_ONCE(*(u32 *)DATA_GPA) < n)
			cpu_relax();
		GUEST_ASSERT_EQ(READ_ONCE(*(u32 *)DATA_GPA), n);
	}
}

SUBTEST(class37_restarted_all_the_time)
{
	struct vthread r[2];
	struct vm *vm;

	/* With one CPU the two take turns by the clock's tick. */
	rounds = nr_cpus() > 1 ? 1000 : 60;
	vm = vm_create();
	vm_irqchip(vm);
	vm_load(vm, STUB_GPA, ap_counts, ap_counts_end);
	vcpu_long_mode(vcpu_create(vm, 0), guest_storms, 0);
	vcpu_create(vm, 1);
	vthread_start(&r[1], vm->vcpus[1], nr_cpus() - 1);
	vthread_start(&r[0], vm->vcpus[0], 0);
	vthread_join(&r[0]);
	vthread_stop(&r[1]);
	CHECK_EQ(*(u32 *)vm_ptr(vm, DATA_GPA), rounds);
}
