/* SPDX-License-Identifier: GPL-2.0 */
/*
 * state.h - all the state of a vCPU that the ABI lets user space read and write:
 * single pieces for tests of one call, the whole for tests that move a machine
 * (state.c). Include it after selftest.h.
 */
#ifndef SELFTEST_STATE_H
#define SELFTEST_STATE_H

#include "selftest.h"

enum {					/* MSRs that tests name */
	MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_TSC_ADJUST = 0x3b,
	MSR_MTRR_CAP = 0xfe, MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP,
	MSR_SYSENTER_EIP, MSR_MCG_CAP = 0x179, MSR_MCG_STATUS, MSR_MCG_CTL,
	MSR_MISC_ENABLE = 0x1a0, MSR_MTRR_BASE0 = 0x200, MSR_MTRR_MASK0,
	MSR_MTRR_FIX64K = 0x250, MSR_PAT = 0x277, MSR_MC0_CTL2 = 0x280,
	MSR_MTRR_DEF_TYPE = 0x2ff, MSR_MC0_CTL = 0x400, MSR_XSS = 0xda0
};

#define MSR_EFER		0xc0000080u
#define MSR_STAR		0xc0000081u
#define MSR_LSTAR		0xc0000082u
#define MSR_CSTAR		0xc0000083u
#define MSR_FMASK		0xc0000084u
#define MSR_FS_BASE		0xc0000100u
#define MSR_GS_BASE		0xc0000101u
#define MSR_KERNEL_GS_BASE	0xc0000102u
#define MSR_TSC_AUX		0xc0000103u

/* One KVM_GET_MSRS or KVM_SET_MSRS takes fewer than this. */
#define MSRS_MAX		256

struct msrs {
	struct kvm_msrs head;
	struct kvm_msr_entry entry[MSRS_MAX];
};

struct msr_list {
	u32 nmsrs;
	u32 index[4 * MSRS_MAX];
};

/* What KVM_GET_MSRS and KVM_SET_MSRS of one MSR return: 1, 0 if it is refused. */
int get_msr_raw(int fd, u32 index, u64 *value);
int set_msr_raw(struct vcpu *vcpu, u32 index, u64 value);
/* The same for one that must work. */
u64 get_msr(struct vcpu *vcpu, u32 index);
void set_msr(struct vcpu *vcpu, u32 index, u64 value);
/* KVM_GET_MSR_INDEX_LIST or KVM_GET_MSR_FEATURE_INDEX_LIST. */
void get_msr_list(int dev_fd, unsigned long cmd, struct msr_list *list);
/*
 * May what was read of a listed MSR be written back? On KVM not so for some of
 * its paravirtual MSRs (without an interrupt controller in the kernel) and of
 * Hyper-V's (clocks), which no guest of these tests uses.
 */
bool msr_takes_back(u32 index);

/* A register of what CPUID shall say: NULL if the leaf is not there. */
struct kvm_cpuid_entry2 *cpuid_leaf(struct kvm_cpuid2 *cpuid, u32 function,
				    u32 index);
/* Feature words as numbers of function, register (0 EAX to 3 EDX) and bit. */
bool cpuid_has(struct vm *vm, u32 function, int reg, int bit);

void get_events(struct vcpu *vcpu, struct kvm_vcpu_events *e);
void set_events(struct vcpu *vcpu, const struct kvm_vcpu_events *e);
void get_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *s);
int set_xcr0(struct vcpu *vcpu, u64 value);
int vm_enable_cap(struct vm *vm, u32 cap, u64 arg0);

/*
 * Calls a GET twice, with the buffer of @size bytes poisoned differently, and
 * requires that every byte of it was written: uninitialised ones differ.
 */
void check_get_writes_all(int fd, unsigned long cmd, size_t size);

struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs2 sregs;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct msrs msrs, extra_msrs;	/* of the index list, and others */
	u64 mcg_cap;
	u8 *xsave;
	size_t xsave_size;
	int tsc_khz;
};

void vcpu_get_state(struct vcpu *vcpu, struct vcpu_state *state);
/* Into a new vCPU, whose CPUID is set. */
void vcpu_set_state(struct vcpu *vcpu, const struct vcpu_state *state);
/* Fails and names the first part that differs; the TSC may go on. */
void check_same_state(const struct vcpu_state *a, const struct vcpu_state *b);

/*
 * Closes all descriptors of the machine and makes it anew with the same memory:
 * @vm and its vCPUs stay, with other descriptors. No access may be half done.
 */
void vm_rebuild(struct vm *vm);

#endif /* SELFTEST_STATE_H */
