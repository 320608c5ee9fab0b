// SPDX-License-Identifier: GPL-2.0
/* Rows of `lodge bench exits`: single instructions of the guest's, of the CPU alone. */
#include "bench.h"

#define MSR_APIC_BASE	0x1b
#define MSR_PAT		0x277
#define PAT		0x0007040600070406ull	/* as after RESET */
#define MSR_EFER	0xc0000080
#define EFER		0x500			/* 64-bit mode */
#define MSR_LSTAR	0xc0000082
#define MSR_FS_BASE	0xc0000100
#define CR0_TS		BIT_ULL(3)
#define CR0_CD		BIT_ULL(30)
#define CR4_PSE		BIT_ULL(4)
#define CR4_PGE		BIT_ULL(7)
#define CR4_OSXSAVE	BIT_ULL(18)
#define UNKNOWN_CALL	0x1234

static bool allow_xsetbv(struct bench_test *t)
{
	struct bench_cpu *cpu = &t->vm.cpu[0];
	struct kvm_sregs sregs;

	if (!BENCH_IOCTL(&t->vm, cpu->fd, KVM_GET_SREGS, &sregs))
		return false;
	sregs.cr4 |= CR4_OSXSAVE;
	return BENCH_IOCTL(&t->vm, cpu->fd, KVM_SET_SREGS, &sregs);
}

const struct bench_row bench_rows_cpu[] = {
	{
		.name = "cpuid", .what = "CPUID, leaf 0",
		.code = bench_guest_cpuid,
	}, {
		.name = "cpuid-last", .what = "CPUID, leaf 0x80000008",
		.code = bench_guest_cpuid, .arg = { 0x80000008 },
	}, {
		.name = "vmcall", .what = "VMCALL, a number that nobody knows",
		.code = bench_guest_vmcall, .arg = { UNKNOWN_CALL },
	}, {
		.name = "rdmsr-direct", .what = "RDMSR of FS_BASE (passed through)",
		.code = bench_guest_rdmsr, .arg = { MSR_FS_BASE },
	}, {
		.name = "wrmsr-direct", .what = "WRMSR of FS_BASE (passed through)",
		.code = bench_guest_wrmsr, .arg = { MSR_FS_BASE },
	}, {
		.name = "rdmsr", .what = "RDMSR of APIC_BASE (intercepted)",
		.code = bench_guest_rdmsr, .arg = { MSR_APIC_BASE },
	}, {
		.name = "wrmsr", .what = "WRMSR of PAT (intercepted)",
		.code = bench_guest_wrmsr, .arg = { MSR_PAT, PAT },
	}, {
		.name = "wrmsr-lstar", .what = "WRMSR of LSTAR (intercepted)",
		.code = bench_guest_wrmsr, .arg = { MSR_LSTAR, BENCH_CODE },
	}, {
		.name = "wrmsr-efer", .what = "WRMSR of EFER, what it has (intercepted)",
		.code = bench_guest_wrmsr, .arg = { MSR_EFER, EFER },
	}, {
		.name = "cr0-cd", .what = "CR0.CD set and cleared",
		.code = bench_guest_cr0, .arg = { CR0_CD },
	}, {
		.name = "cr0-ts", .what = "CR0.TS set and cleared (no exit)",
		.code = bench_guest_cr0, .arg = { CR0_TS },
	}, {
		.name = "cr3", .what = "CR3 written with what it has (no exit)",
		.code = bench_guest_cr3,
	}, {
		.name = "cr4-pse", .what = "CR4.PSE set and cleared",
		.code = bench_guest_cr4, .arg = { CR4_PSE },
	}, {
		.name = "cr4-pge", .what = "CR4.PGE set and cleared (no exit)",
		.code = bench_guest_cr4, .arg = { CR4_PGE },
	}, {
		.name = "cr8", .what = "CR8 written, no interrupt controllers",
		.code = bench_guest_cr8,
	}, {
		.name = "invlpg", .what = "INVLPG (no exit)",
		.code = bench_guest_invlpg, .arg = { BENCH_DATA },
	}, {
		.name = "xsetbv", .what = "XSETBV, what XCR0 has",
		.code = bench_guest_xsetbv, .arg = { 1 }, .prepare = allow_xsetbv,
	}, {
		.name = "wbinvd", .what = "WBINVD",
		.code = bench_guest_wbinvd,
	}, {
		.name = "hlt-user", .what = "HLT without interrupt controllers: to user space",
		.code = bench_guest_hlt,
	},
	{ .name = NULL }
};
