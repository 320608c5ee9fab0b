// SPDX-License-Identifier: GPL-2.0
/*
 * The state of a vCPU as user space has it: read, written, compared, and carried
 * over from a machine that is closed to a new one. The order in which a new vCPU
 * takes it is that of vcpu_set_state().
 */
#include "internal.h"
#include "state.h"

#define CALL(fd, cmd, p)	CHECK_EQ(xioctl(fd, cmd, (uintptr_t)(p)), 0)

int get_msr_raw(int fd, u32 index, u64 *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1, .entry.index = index };
	int ret = xioctl(fd, KVM_GET_MSRS, (uintptr_t)&one);

	*value = one.entry.data;
	return ret;
}

int set_msr_raw(struct vcpu *vcpu, u32 index, u64 value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };

	return xioctl(vcpu->fd, KVM_SET_MSRS, (uintptr_t)&one);
}

u64 get_msr(struct vcpu *vcpu, u32 index)
{
	u64 value;
	int ret = get_msr_raw(vcpu->fd, index, &value);

	if (ret != 1)
		FAIL("KVM_GET_MSRS of %#x: expected 1, got %d", index, ret);
	return value;
}

void set_msr(struct vcpu *vcpu, u32 index, u64 value)
{
	int ret = set_msr_raw(vcpu, index, value);

	if (ret != 1)
		FAIL("KVM_SET_MSRS of %#x to %#llx: expected 1, got %d", index,
		     (unsigned long long)value, ret);
}

void get_msr_list(int dev_fd, unsigned long cmd, struct msr_list *list)
{
	list->nmsrs = ARRAY_SIZE(list->index);
	CALL(dev_fd, cmd, list);
	CHECK(list->nmsrs <= ARRAY_SIZE(list->index));
}

bool msr_takes_back(u32 index)
{
	bool hyperv = index >> 12 == 0x40000, kvm = index >> 8 == 0x4b564d;

	return !device_is_kvm() || !(hyperv || kvm);
}

struct kvm_cpuid_entry2 *cpuid_leaf(struct kvm_cpuid2 *cpuid, u32 function,
				    u32 index)
{
	for (u32 i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function &&
		    cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	return NULL;
}

bool cpuid_has(struct vm *vm, u32 function, int reg, int bit)
{
	struct kvm_cpuid_entry2 *e = cpuid_leaf(vm->cpuid, function, 0);

	return e && (&e->eax)[reg] >> bit & 1;
}

void get_events(struct vcpu *vcpu, struct kvm_vcpu_events *e)
{
	CALL(vcpu->fd, KVM_GET_VCPU_EVENTS, e);
}

void set_events(struct vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	CALL(vcpu->fd, KVM_SET_VCPU_EVENTS, e);
}

void get_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *s)
{
	CALL(vcpu->fd, KVM_GET_SREGS2, s);
}

int set_xcr0(struct vcpu *vcpu, u64 value)
{
	struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs[0].value = value };

	return xioctl(vcpu->fd, KVM_SET_XCRS, (uintptr_t)&x);
}

int vm_enable_cap(struct vm *vm, u32 cap, u64 arg0)
{
	struct kvm_enable_cap e = { .cap = cap, .args[0] = arg0 };

	return xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&e);
}

void check_get_writes_all(int fd, unsigned long cmd, size_t size)
{
	u8 *a = malloc(size), *b = malloc(size);

	memset(a, 0x5a, size);
	memset(b, 0xa5, size);
	CALL(fd, cmd, a);
	CALL(fd, cmd, b);
	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i])
			FAIL("byte %zu of %zu: %#x, then %#x", i, size, a[i], b[i]);
	free(a);
	free(b);
}

/* ---- the whole ------------------------------------------------------- */

/* Reads those of @count MSRs from @first on, @step apart, that are there. */
static void add_msrs(struct vcpu *vcpu, struct msrs *m, u32 first, u32 count,
		     u32 step)
{
	u64 value;

	for (u32 i = first; i < first + count * step; i += step) {
		if (get_msr_raw(vcpu->fd, i, &value) != 1)
			continue;
		CHECK(m->head.nmsrs < MSRS_MAX - 1);
		m->entry[m->head.nmsrs++] =
			(struct kvm_msr_entry){ .index = i, .data = value };
	}
}

static void get_msrs(struct vcpu *vcpu, struct vcpu_state *s)
{
	static struct msr_list list;
	u64 cap;

	get_msr_list(vcpu->vm->dev_fd, KVM_GET_MSR_INDEX_LIST, &list);
	CHECK(list.nmsrs < MSRS_MAX);
	for (u32 i = 0; i < list.nmsrs; i++)
		if (msr_takes_back(list.index[i]))
			s->msrs.entry[s->msrs.head.nmsrs++].index = list.index[i];
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_MSRS, (uintptr_t)&s->msrs),
		 s->msrs.head.nmsrs);

	/* Those that the list leaves to a reader of the SDM. */
	s->mcg_cap = get_msr_raw(vcpu->fd, MSR_MCG_CAP, &cap) == 1 ? cap : 0;
	add_msrs(vcpu, &s->extra_msrs, MSR_MC0_CTL, 4 * (s->mcg_cap & 0xff), 1);
	add_msrs(vcpu, &s->extra_msrs, MSR_MC0_CTL2, s->mcg_cap & 0xff, 1);
	add_msrs(vcpu, &s->extra_msrs, MSR_XSS, 1, 1);
	add_msrs(vcpu, &s->extra_msrs, MSR_MTRR_BASE0, 16, 1);
	add_msrs(vcpu, &s->extra_msrs, MSR_MTRR_FIX64K, 1, 1);
	add_msrs(vcpu, &s->extra_msrs, 0x258, 2, 1);	/* MTRRs of 16 KiB */
	add_msrs(vcpu, &s->extra_msrs, 0x268, 8, 1);	/* of 4 KiB */
	add_msrs(vcpu, &s->extra_msrs, MSR_MTRR_DEF_TYPE, 1, 1);
}

void vcpu_get_state(struct vcpu *vcpu, struct vcpu_state *s)
{
	int size = check_cap(vcpu->vm, KVM_CAP_XSAVE2);

	*s = (struct vcpu_state){ .xsave_size = size };
	CHECK(size >= (int)sizeof(struct kvm_xsave));
	s->xsave = calloc(1, size);
	s->tsc_khz = xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	CHECK(s->tsc_khz > 0);
	CALL(vcpu->fd, KVM_GET_MP_STATE, &s->mp_state);
	get_regs(vcpu, &s->regs);
	get_sregs2(vcpu, &s->sregs);
	CALL(vcpu->fd, KVM_GET_XSAVE2, s->xsave);
	CALL(vcpu->fd, KVM_GET_XCRS, &s->xcrs);
	CALL(vcpu->fd, KVM_GET_DEBUGREGS, &s->debugregs);
	get_events(vcpu, &s->events);
	if (!(s->events.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT))
		s->events.triple_fault.pending = 0;	/* has no meaning then */
	get_msrs(vcpu, s);
}

static void set_msrs(struct vcpu *vcpu, const struct msrs *m)
{
	int done = xioctl(vcpu->fd, KVM_SET_MSRS, (uintptr_t)m);

	if (done != (int)m->head.nmsrs)
		FAIL("KVM_SET_MSRS took %d of %u; the next is %#x with %#llx", done,
		     m->head.nmsrs, done < 0 ? 0 : m->entry[done].index,
		     done < 0 ? 0ull : m->entry[done].data);
}

void vcpu_set_state(struct vcpu *vcpu, const struct vcpu_state *s)
{
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, s->tsc_khz), 0);
	if (s->mcg_cap)			/* it makes the banks that MSRs then fill */
		CALL(vcpu->fd, KVM_X86_SETUP_MCE, &s->mcg_cap);
	/* The registers first: those that others are checked against. */
	CALL(vcpu->fd, KVM_SET_SREGS2, &s->sregs);
	set_regs(vcpu, &s->regs);
	CALL(vcpu->fd, KVM_SET_XCRS, &s->xcrs);
	CALL(vcpu->fd, KVM_SET_XSAVE, s->xsave);
	set_msrs(vcpu, &s->extra_msrs);
	set_msrs(vcpu, &s->msrs);
	CALL(vcpu->fd, KVM_SET_DEBUGREGS, &s->debugregs);
	CALL(vcpu->fd, KVM_SET_MP_STATE, &s->mp_state);
	/* Last, as SET_REGS drops a pending exception. */
	set_events(vcpu, &s->events);
}

static void check_same_msrs(const struct msrs *a, const struct msrs *b)
{
	CHECK_EQ(a->head.nmsrs, b->head.nmsrs);
	for (u32 i = 0; i < a->head.nmsrs; i++) {
		test_doing("MSR %#x", a->entry[i].index);
		CHECK_EQ(a->entry[i].index, b->entry[i].index);
		if (a->entry[i].index == MSR_TSC)
			CHECK(b->entry[i].data >= a->entry[i].data);
		else
			CHECK_EQ(b->entry[i].data, a->entry[i].data);
	}
	test_doing("the rest of the state");
}

static void check_same_part(const char *what, const void *a, const void *b,
			    size_t size)
{
	const u8 *pa = a, *pb = b;

	for (size_t i = 0; i < size; i++)
		if (pa[i] != pb[i])
			FAIL("%s: byte %zu of %zu was %#x and is %#x", what, i, size,
			     pa[i], pb[i]);
}

void check_same_state(const struct vcpu_state *a, const struct vcpu_state *b)
{
#define SAME(part)	check_same_part(#part, &a->part, &b->part, sizeof(a->part))
	SAME(regs);
	SAME(sregs);
	SAME(xcrs);
	SAME(debugregs);
	SAME(events);
	SAME(mp_state);
#undef SAME
	CHECK_EQ(a->tsc_khz, b->tsc_khz);
	CHECK_EQ(a->mcg_cap, b->mcg_cap);
	CHECK_EQ(a->xsave_size, b->xsave_size);
	check_same_part("xsave", a->xsave, b->xsave, a->xsave_size);
	check_same_msrs(&a->msrs, &b->msrs);
	check_same_msrs(&a->extra_msrs, &b->extra_msrs);
}

static void reopen(struct vm *vm)
{
	vm->dev_fd = open_device();
	vm->fd = xioctl(vm->dev_fd, KVM_CREATE_VM, 0);
	CHECK(vm->fd >= 0);
	for (struct region *r = vm->regions; r < vm->regions + vm->nr_regions; r++)
		CHECK_EQ(set_region(vm, r->slot, r->flags, r->gpa, r->size, r->hva), 0);
	for (int i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = vm->vcpus[i];

		v->fd = xioctl(vm->fd, KVM_CREATE_VCPU, v->id);
		CHECK(v->fd >= 0);
		v->run = mmap(NULL, vm->mmap_size, PROT_READ | PROT_WRITE,
			      MAP_SHARED, v->fd, 0);
		CHECK(v->run != MAP_FAILED);
		CALL(v->fd, KVM_SET_CPUID2, vm->cpuid);
	}
}

void vm_rebuild(struct vm *vm)
{
	static struct vcpu_state states[4];

	CHECK(vm->nr_vcpus <= (int)ARRAY_SIZE(states));
	for (int i = 0; i < vm->nr_vcpus; i++)
		vcpu_get_state(vm->vcpus[i], &states[i]);
	for (int i = 0; i < vm->nr_vcpus; i++) {
		munmap(vm->vcpus[i]->run, vm->mmap_size);
		close(vm->vcpus[i]->fd);
	}
	close(vm->fd);
	close(vm->dev_fd);
	reopen(vm);
	for (int i = 0; i < vm->nr_vcpus; i++) {
		static struct vcpu_state again;

		vcpu_set_state(vm->vcpus[i], &states[i]);
		vcpu_get_state(vm->vcpus[i], &again);
		check_same_state(&states[i], &again);
		free(states[i].xsave);
		free(again.xsave);
	}
}
