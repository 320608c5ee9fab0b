// SPDX-License-Identifier: GPL-2.0
/*
 * manyvcpus - machines of hundreds of processors: as many as the device says, ids
 * that need x2APIC mode, all of them started by interrupts of the first one.
 */
#include <sys/resource.h>

#include "apic.h"
#include "vthread.h"

#define STUB_VECTOR	0x08
#define DATA_GPA	0x9000ul
#define ID_PORT		0x5e8
#define INIT		(APIC_DM_INIT | APIC_INT_ASSERT)
#define SIPI		(APIC_DM_STARTUP | APIC_INT_ASSERT | STUB_VECTOR)
#define MANY		288
#define IDS_32BIT	KVM_X2APIC_API_USE_32BIT_IDS
#define NO_QUIRK	KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK

/* Counts itself, goes to x2APIC mode and reports its id, then how often it ran. */
GUEST_ASM(id_stub, ".code16\n	cli\n	xor %ax, %ax\n	mov %ax, %ds\n"
	  "	lock incl 0x9000\n"
	  "	mov $0x1b, %ecx\n	rdmsr\n	or $0xc00, %eax\n	wrmsr\n"
	  "	mov $0x802, %ecx\n	rdmsr\n"
	  "	mov $0x5e8, %dx\n	out %eax, %dx\n"
	  "	mov $0x80d, %ecx\n	rdmsr\n"
	  "	mov $0x5e8, %dx\n	out %eax, %dx\n"
	  "1:	hlt\n	jmp 1b\n");

static struct { u32 first, last, low; } command;

static void guest_sender(u64 arg)
{
	guest_x2apic_enable();
	for (;;) {
		GUEST_SYNC(1);
		for (u64 id = command.first; id <= command.last; id++)
			guest_apic_icr(id, command.low);
	}
}

/* Interrupts to all these ids. */
static void send(struct vm *vm, u32 first, u32 last, u32 low)
{
	guest_var(vm, command.first) = first;
	guest_var(vm, command.last) = last;
	guest_var(vm, command.low) = low;
	vcpu_expect_sync(vm->vcpus[0], 1);
}

static struct vm *sender_machine(u64 api)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X2APIC_API, .args = { api } };
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	CHECK_EQ(xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), 0);
	vm_load(vm, STUB_VECTOR << 12, id_stub, id_stub_end);
	vcpu_long_mode(vcpu_create(vm, 0), guest_sender, 0);
	vcpu_expect_sync(vm->vcpus[0], 1);
	return vm;
}

/*
 * A vCPU that is not among those that the library can count. Its APIC is set to what
 * it is, as clients do with a new one: before that, KVM of Linux 6.1 may not find
 * the last vCPU that was made by its id.
 */
static struct vcpu *add_vcpu(struct vm *vm, int id)
{
	struct vcpu *vcpu = calloc(1, sizeof(*vcpu));
	struct kvm_lapic_state s;

	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = xioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (vcpu->fd < 0)
		FAIL("KVM_CREATE_VCPU(%d): %s", id, strerror(-vcpu->fd));
	vcpu->run = mmap(NULL, vm->mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	CHECK(vcpu->run != MAP_FAILED);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_CPUID2, (uintptr_t)vm->cpuid), 0);
	get_lapic(vcpu, &s);
	set_lapic(vcpu, &s);
	return vcpu;
}

static u32 reported(struct vcpu *vcpu)
{
	u32 value;

	memcpy(&value, vcpu_expect_out(vcpu, ID_PORT, 4, 1), sizeof(value));
	return value;
}

/* The id as the guest sees it in both registers of x2APIC mode: SDM 3, 11.12.10.2. */
static void expect_started(struct vcpu *vcpu)
{
	u32 id = vcpu->id;

	test_doing("id %u", id);
	CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_RUNNABLE);
	CHECK_EQ(reported(vcpu), id);
	CHECK_EQ(reported(vcpu), (id >> 4 << 16) | 1 << (id & 15));
}

static u32 *started(struct vm *vm)
{
	return vm_ptr(vm, DATA_GPA);
}

static void allow_files(rlim_t n)
{
	struct rlimit limit = { n, n };

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* ---- ids that fill no byte ------------------------------------------------------ */

static void expect_lapic_id(struct vcpu *vcpu, u32 want)
{
	struct kvm_lapic_state s;

	get_lapic(vcpu, &s);
	CHECK_EQ(lapic_reg(&s, APIC_ID), want);
}

SUBTEST(ids_above_255)
{
	static const int ids[] = { 256, 257, 300, 511, 1023, 4095 };
	struct vm *vm = sender_machine(IDS_32BIT | NO_QUIRK);
	struct vcpu *low = add_vcpu(vm, 44);

	for (u64 i = 0; i < ARRAY_SIZE(ids); i++) {
		struct vcpu *vcpu = add_vcpu(vm, ids[i]);

		test_doing("id %d", ids[i]);
		CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_UNINITIALIZED);
		/* Only these 8 bits are there until it is in x2APIC mode. */
		expect_lapic_id(vcpu, (u32)ids[i] << 24);
		send(vm, ids[i], ids[i], INIT);
		CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_INIT_RECEIVED);
		send(vm, ids[i], ids[i], SIPI);
		expect_started(vcpu);
		expect_lapic_id(vcpu, ids[i]);
		CHECK_EQ(*started(vm), i + 1);
	}
	/* 44 are the lower bits of 300, and still it is another one. */
	CHECK_EQ(get_mp_state(low), KVM_MP_STATE_UNINITIALIZED);
	send(vm, 44, 44, INIT);
	send(vm, 44, 44, SIPI);
	expect_started(low);
}

SUBTEST(x2apic_api_flags)
{
	static const u64 bad[] = { BIT(2), BIT(31), BIT(63), ~0ull };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X2APIC_API };
	struct vm *vm = vm_create();

	CHECK_EQ(check_cap(vm, KVM_CAP_X2APIC_API), IDS_32BIT | NO_QUIRK);
	vm_irqchip(vm);
	for (u64 i = 0; i < ARRAY_SIZE(bad); i++) {
		cap.args[0] = bad[i];
		CHECK_EQ(xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), -EINVAL);
	}
	for (u64 flags = 0; flags < 4; flags++) {
		cap.args[0] = flags;
		CHECK_EQ(xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), 0);
	}
	cap.args[0] = 0;
	cap.flags = 1;
	CHECK_EQ(xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), -EINVAL);
}

/* Messages reach them by the address's upper half, the lower 8 bits of it 0. */
SUBTEST(message_to_id_above_255)
{
	struct vm *vm = sender_machine(IDS_32BIT | NO_QUIRK);
	struct vcpu *low = add_vcpu(vm, 44), *vcpu = add_vcpu(vm, 300);
	const u64 address = 0x100ull << 32 | MSI_ADDR | 44 << 12;

	CHECK_EQ(signal_msi(vm, address, APIC_DM_INIT), 1);
	CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_INIT_RECEIVED);
	CHECK_EQ(get_mp_state(low), KVM_MP_STATE_UNINITIALIZED);
	CHECK_EQ(signal_msi(vm, address | 1ull << 32, APIC_DM_INIT), -EINVAL);
	CHECK_EQ(signal_msi(vm, address + (1ull << 40), APIC_DM_INIT), 0);
	/* Without the format the upper half says nothing. */
	vm = sender_machine(0);
	low = add_vcpu(vm, 44);
	vcpu = add_vcpu(vm, 300);
	CHECK_EQ(signal_msi(vm, address | 0xffull << 32, APIC_DM_INIT), 1);
	CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_UNINITIALIZED);
	CHECK_EQ(get_mp_state(low), KVM_MP_STATE_INIT_RECEIVED);
}

/* ---- many ------------------------------------------------------------------------ */

SUBTEST(all_of_288_are_started)
{
	struct vcpu *vcpus[MANY];
	struct vm *vm;

	allow_files(MANY + 100);
	vm = sender_machine(IDS_32BIT | NO_QUIRK);
	for (int i = 1; i < MANY; i++)
		vcpus[i] = add_vcpu(vm, i);
	send(vm, 1, MANY - 1, INIT);
	send(vm, 1, MANY - 1, SIPI);
	send(vm, 1, MANY - 1, SIPI);
	for (int i = 1; i < MANY; i++)
		expect_started(vcpus[i]);
	CHECK_EQ(*started(vm), MANY - 1);
	/* All are in x2APIC mode now; a broadcast of it starts them once more. */
	send(vm, 0, 0, INIT | APIC_DEST_ALLBUT);
	send(vm, 0, 0, SIPI | APIC_DEST_ALLBUT);
	for (int i = MANY - 1; i >= 1; i--)
		expect_started(vcpus[i]);
	CHECK_EQ(*started(vm), 2 * (MANY - 1));
}

/* Without the quirk 255 is an id like any other to who sends in x2APIC mode. */
SUBTEST(id_255)
{
	struct vm *vm = sender_machine(IDS_32BIT | NO_QUIRK);
	struct vcpu *vcpu = add_vcpu(vm, 255), *other = add_vcpu(vm, 254);

	send(vm, 255, 255, INIT);
	send(vm, 255, 255, SIPI);
	CHECK_EQ(get_mp_state(other), KVM_MP_STATE_UNINITIALIZED);
	expect_started(vcpu);
	CHECK_EQ(*started(vm), 1);
}

SUBTEST(class12_as_many_as_the_device_says)
{
	struct vm *vm = vm_create();
	int max = check_cap(vm, KVM_CAP_MAX_VCPUS);
	int max_id = check_cap(vm, KVM_CAP_MAX_VCPU_ID);
	int fd = -1;

	CHECK(max >= MANY);
	allow_files(max + 100);
	vm_irqchip(vm);
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, max_id), -EINVAL);
	for (int i = 0; i < max; i++) {
		fd = xioctl(vm->fd, KVM_CREATE_VCPU, i == 5 ? max_id - 1 : i);
		if (fd < 0)
			FAIL("vCPU %d of %d: %s", i, max, strerror(-fd));
		if (i == 100) {
			CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, 100), -EEXIST);
			CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, max_id - 1), -EEXIST);
		}
	}
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, 5), -EINVAL);
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, max), -EINVAL);
	/* A descriptor that is closed makes no room. */
	close(fd);
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, 5), -EINVAL);
}
