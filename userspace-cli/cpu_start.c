// SPDX-License-Identifier: GPL-2.0
/*
 * Readies a CPU for its first instruction. The values of descriptors and control registers
 * are those of SDM volume 3A, chapters 3 to 5 and 9 ("Initialization overview",
 * "Initializing IA-32e mode").
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cpu_start.h"
#include "err.h"

#define GDT_BASE	0x1000ull
#define PML4_BASE	0x2000ull
#define PDPT_BASE	0x3000ull
#define PD_BASE		0x4000ull	/* four of them, one for each GiB */

#define SEL_CODE32	0x08
#define SEL_CODE64	0x10
#define SEL_DATA	0x18

/* Descriptors: base 0, 4 GiB, present, DPL 0, accessed. */
#define GDT_CODE32	0x00cf9b000000ffffull
#define GDT_CODE64	0x00af9b000000ffffull
#define GDT_DATA	0x00cf93000000ffffull

#define CR0_PE		BIT_ULL(0)
#define CR0_ET		BIT_ULL(4)
#define CR0_NE		BIT_ULL(5)
#define CR0_PG		BIT_ULL(31)
#define CR4_PAE		BIT_ULL(5)
#define EFER_LME	BIT_ULL(8)
#define EFER_LMA	BIT_ULL(10)

/* SDM volume 4, 2.1: IA32_MISC_ENABLE; volume 3A, 11.11.2.1: IA32_MTRR_DEF_TYPE. */
#define MSR_MISC_ENABLE		0x1a0
#define MISC_FAST_STRING	BIT_ULL(0)
#define MSR_MTRR_DEF_TYPE	0x2ff
#define MTRR_WRITE_BACK		6
#define MTRR_ENABLE		BIT_ULL(11)

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_WRITE	BIT_ULL(1)
#define PTE_LARGE	BIT_ULL(7)

#define TYPE_DATA	3		/* read, write, accessed */
#define TYPE_CODE	11		/* execute, read, accessed */

void cpu_write_tables(struct memory *mem)
{
	u64 *gdt = memory_at(mem, GDT_BASE, PAGE_SIZE);
	u64 *pml4 = memory_at(mem, PML4_BASE, PAGE_SIZE);
	u64 *pdpt = memory_at(mem, PDPT_BASE, PAGE_SIZE);
	u64 *pd = memory_at(mem, PD_BASE, 4 * PAGE_SIZE);
	unsigned int i;

	gdt[SEL_CODE32 / 8] = GDT_CODE32;
	gdt[SEL_CODE64 / 8] = GDT_CODE64;
	gdt[SEL_DATA / 8] = GDT_DATA;
	pml4[0] = PDPT_BASE | PTE_PRESENT | PTE_WRITE;
	for (i = 0; i < 4; i++)
		pdpt[i] = (PD_BASE + i * PAGE_SIZE) | PTE_PRESENT | PTE_WRITE;
	for (i = 0; i < 4 * 512; i++)
		pd[i] = (u64)i * 2 * MIB | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
}

/* Puts one segment into CS, another into all the rest. */
static void set_segments(struct kvm_sregs *sregs, struct kvm_segment code,
			 struct kvm_segment data)
{
	code.present = 1;
	code.s = 1;
	code.type = TYPE_CODE;
	data.present = 1;
	data.s = 1;
	data.type = TYPE_DATA;
	sregs->cs = code;
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
}

static void real_mode(struct kvm_sregs *sregs, u64 base)
{
	struct kvm_segment segment = {
		.base = base,
		.limit = 0xffff,
		.selector = base >> 4,
	};

	set_segments(sregs, segment, segment);
}

static void protected_mode(struct kvm_sregs *sregs)
{
	struct kvm_segment flat = { .limit = 0xffffffff, .g = 1, .db = 1 };
	struct kvm_segment code = flat, data = flat;

	code.selector = SEL_CODE32;
	data.selector = SEL_DATA;
	set_segments(sregs, code, data);
	sregs->cr0 = CR0_PE | CR0_ET | CR0_NE;
	sregs->gdt.base = GDT_BASE;
	sregs->gdt.limit = SEL_DATA + 7;
}

/* Protected mode, and then what SDM volume 3A, 9.8.5 adds to it. */
static void long_mode(struct kvm_sregs *sregs)
{
	protected_mode(sregs);
	sregs->cs.selector = SEL_CODE64;
	sregs->cs.db = 0;
	sregs->cs.l = 1;
	sregs->cr3 = PML4_BASE;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
	sregs->cr0 |= CR0_PG;
}

void cpu_set_up(struct cpu *cpu)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry[2]; } msrs = {
		.head.nmsrs = 2,
		.entry = { { .index = MSR_MTRR_DEF_TYPE }, { .index = MSR_MISC_ENABLE } },
	};

	/* A guest can do without: what the device does not have stays as it is. */
	if (ioctl(cpu->fd, KVM_GET_MSRS, &msrs) != 2)
		return;
	msrs.entry[0].data = MTRR_ENABLE | MTRR_WRITE_BACK;
	msrs.entry[1].data |= MISC_FAST_STRING;
	ioctl(cpu->fd, KVM_SET_MSRS, &msrs);
}

static int get_sregs(struct cpu *cpu, struct kvm_sregs *sregs)
{
	if (ioctl(cpu->fd, KVM_GET_SREGS, sregs) < 0)
		return err(STATUS_HOST, "KVM_GET_SREGS: %s", strerror(errno));
	return 0;
}

static int set_all(struct cpu *cpu, struct kvm_sregs *sregs, const struct kvm_regs *regs)
{
	if (ioctl(cpu->fd, KVM_SET_SREGS, sregs) < 0)
		return err(STATUS_HOST,
			   "KVM_SET_SREGS: %s: the device does not start a CPU in this mode",
			   strerror(errno));
	if (ioctl(cpu->fd, KVM_SET_REGS, regs) < 0)
		return err(STATUS_HOST, "KVM_SET_REGS: %s", strerror(errno));
	return 0;
}

int cpu_start(struct cpu *cpu, enum entry_mode mode, const struct kvm_regs *regs)
{
	struct kvm_sregs sregs;
	int status = get_sregs(cpu, &sregs);

	if (status)
		return status;
	if (mode == ENTRY_PROTECTED)
		protected_mode(&sregs);
	else
		long_mode(&sregs);
	return set_all(cpu, &sregs, regs);
}

int cpu_start_real(struct cpu *cpu, u64 base, const struct kvm_regs *regs)
{
	struct kvm_sregs sregs;
	int status = get_sregs(cpu, &sregs);

	if (status)
		return status;
	real_mode(&sregs, base);
	return set_all(cpu, &sregs, regs);
}
