// SPDX-License-Identifier: GPL-2.0
/*
 * The tables a guest starts with (paging of three kinds, GDT, IDT, TSS) and the
 * functions that put a vCPU into a mode. Chapters 3 to 6 of SDM volume 3.
 */
#include "internal.h"

u64 vm_alloc_page(struct vm *vm)
{
	u64 gpa = vm->next_page;

	CHECK(gpa < LIB_PAGES_END);
	vm->next_page += PAGE_SIZE;
	return gpa;
}

/* The lower 4 GiB one to one: long mode and PAE share the page directories. */
static void make_identity(struct vm *vm)
{
	u64 *pml4, *pdpt, *pae, *pd;
	u64 pdpt_gpa, gpa = 0;
	u32 *pd32;

	vm->pml4 = vm_alloc_page(vm);
	vm->pae_pdpt = vm_alloc_page(vm);
	vm->pd32 = vm_alloc_page(vm);
	pdpt_gpa = vm_alloc_page(vm);
	pml4 = vm_ptr(vm, vm->pml4);
	pdpt = vm_ptr(vm, pdpt_gpa);
	pae = vm_ptr(vm, vm->pae_pdpt);
	pd32 = vm_ptr(vm, vm->pd32);
	pml4[0] = pdpt_gpa | PTE_P | PTE_W | PTE_U;
	for (int i = 0; i < 4; i++) {
		u64 pd_gpa = vm_alloc_page(vm);

		pdpt[i] = pd_gpa | PTE_P | PTE_W | PTE_U;
		pae[i] = pd_gpa | PTE_P;	/* the other bits are reserved */
		pd = vm_ptr(vm, pd_gpa);
		for (int j = 0; j < 512; j++, gpa += SZ_2M)
			pd[j] = gpa | PTE_P | PTE_W | PTE_U | PTE_PS;
	}
	for (u32 i = 0; i < 1024; i++)
		pd32[i] = i << 22 | PTE_P | PTE_W | PTE_U | PTE_PS;
}

u64 *vm_pte(struct vm *vm, u64 gva)
{
	u64 *table = vm_ptr(vm, vm->pml4);

	CHECK(gva >= SZ_4G);
	for (int shift = 39; shift > 12; shift -= 9) {
		u64 *entry = &table[gva >> shift & 511];

		if (!(*entry & PTE_P))
			*entry = vm_alloc_page(vm) | PTE_P | PTE_W | PTE_U;
		table = vm_ptr(vm, *entry & PTE_ADDR);
	}
	return &table[gva >> 12 & 511];
}

void vm_map(struct vm *vm, u64 gva, u64 gpa, size_t size, u64 flags)
{
	for (size_t off = 0; off < size; off += PAGE_SIZE)
		*vm_pte(vm, gva + off) = (gpa + off) | flags;
}

/* GDT: type and flags of each selector as the upper descriptor word's bits. */
static const u64 gdt_entries[] = {
	[SEL_CODE64 / 8] = 0x00af9b000000ffff,
	[SEL_DATA / 8] = 0x00cf93000000ffff,
	[SEL_CODE32 / 8] = 0x00cf9b000000ffff,
	[SEL_CODE16 / 8] = 0x00009b000000ffff,
	[SEL_DATA16 / 8] = 0x000093000000ffff,
	[SEL_USER_DATA / 8] = 0x00cff3000000ffff,
	[SEL_USER_CODE64 / 8] = 0x00affb000000ffff,
	[SEL_USER_CODE32 / 8] = 0x00cffb000000ffff,
};

struct tss64 {
	u32 reserved0;
	u64 rsp[3], reserved1, ist[7], reserved2;
	u16 reserved3, iomap;
} __packed;

static void make_gdt(struct vm *vm)
{
	u64 tss_gpa = vm_alloc_page(vm), *gdt;
	struct tss64 *tss = vm_ptr(vm, tss_gpa);

	vm->gdt = vm_alloc_page(vm);
	gdt = vm_ptr(vm, vm->gdt);
	memcpy(gdt, gdt_entries, sizeof(gdt_entries));
	gdt[SEL_TSS / 8] = 0x00008b0000000067 | (tss_gpa & 0xffffff) << 16 |
			   (tss_gpa >> 24 & 0xff) << 56;
	tss->rsp[0] = vm_alloc_page(vm) + PAGE_SIZE;
	tss->ist[0] = vm_alloc_page(vm) + PAGE_SIZE;
	tss->iomap = sizeof(*tss);
}

struct gate64 {
	u16 offset0, selector;
	u8 ist, type;
	u16 offset16;
	u32 offset32, reserved;
} __packed;

static void make_idt(struct vm *vm)
{
	struct gate64 *gate;

	vm->idt = vm_alloc_page(vm);
	gate = vm_ptr(vm, vm->idt);
	for (int i = 0; i < 256; i++) {
		u32 stub = (uintptr_t)guest_vectors + 16 * i;

		/* #DF may come with a broken stack, so it has one of its own. */
		gate[i] = (struct gate64){ .offset0 = stub, .offset16 = stub >> 16,
			.selector = SEL_CODE64, .ist = i == DF, .type = i == 0x80 ? 0xee : 0x8e };
	}
}

void vm_setup_tables(struct vm *vm)
{
	make_identity(vm);
	make_gdt(vm);
	make_idt(vm);
}

void get_regs(struct vcpu *vcpu, struct kvm_regs *regs)
{
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_REGS, (uintptr_t)regs), 0);
}

void set_regs(struct vcpu *vcpu, const struct kvm_regs *regs)
{
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_REGS, (uintptr_t)regs), 0);
}

void get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_SREGS, (uintptr_t)sregs), 0);
}

void set_sregs(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_SREGS, (uintptr_t)sregs), 0);
}

static void set_data_segments(struct kvm_sregs *s, struct kvm_segment seg)
{
	s->ds = seg;
	s->es = seg;
	s->fs = seg;
	s->gs = seg;
	s->ss = seg;
}

void vcpu_real_mode(struct vcpu *vcpu, u16 cs, u16 ip)
{
	struct kvm_segment seg = { .limit = 0xffff, .type = 3, .s = 1, .present = 1 };
	struct kvm_regs regs = { .rip = ip, .rsp = 0x7000, .rflags = 2 };
	struct kvm_sregs s;

	get_sregs(vcpu, &s);
	set_data_segments(&s, seg);
	seg.type = 0xb;
	seg.selector = cs;
	seg.base = cs << 4;
	s.cs = seg;
	s.cr0 = X86_CR0_ET | X86_CR0_NE;
	s.cr3 = 0;
	s.cr4 = 0;
	s.efer = 0;
	s.idt.base = 0;
	s.idt.limit = 0x3ff;
	set_sregs(vcpu, &s);
	set_regs(vcpu, &regs);
}

/* What protected and long mode share: the lib's tables, flat data segments. */
static void set_tables(struct vcpu *vcpu, struct kvm_sregs *s)
{
	const struct kvm_segment flat = { .selector = SEL_DATA, .limit = ~0u,
		.type = 3, .s = 1, .db = 1, .g = 1, .present = 1 };
	struct vm *vm = vcpu->vm;

	set_data_segments(s, flat);
	s->tr = (struct kvm_segment){ .selector = SEL_TSS, .limit = 0x67,
		.type = 11, .present = 1 };
	s->ldt = (struct kvm_segment){ .unusable = 1 };
	s->gdt.base = vm->gdt;
	s->gdt.limit = GDT_BYTES - 1;
	s->idt.base = vm->idt;
	s->idt.limit = PAGE_SIZE - 1;
}

void vcpu_protected_mode(struct vcpu *vcpu, const void *eip, u32 arg,
			 enum paging paging)
{
	struct kvm_regs regs = { .rip = (uintptr_t)eip, .rdi = arg,
		.rsp = vcpu->stack, .rflags = 2 };
	struct kvm_sregs s;

	get_sregs(vcpu, &s);
	set_tables(vcpu, &s);
	s.cs = s.ds;
	s.cs.selector = SEL_CODE32;
	s.cs.type = 11;
	s.idt.limit = 0;
	s.cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE;
	s.cr4 = 0;
	s.cr3 = 0;
	s.efer = 0;
	if (paging == PAGING_32) {
		s.cr0 |= X86_CR0_PG;
		s.cr4 = X86_CR4_PSE;
		s.cr3 = vcpu->vm->pd32;
	} else if (paging == PAGING_PAE) {
		s.cr0 |= X86_CR0_PG;
		s.cr4 = X86_CR4_PAE;
		s.cr3 = vcpu->vm->pae_pdpt;
	}
	set_sregs(vcpu, &s);
	set_regs(vcpu, &regs);
}

void vcpu_long_mode_at(struct vcpu *vcpu, u64 rip, u64 arg)
{
	struct kvm_regs regs = { .rip = rip, .rdi = arg, .rflags = 2,
		.rsp = vcpu->stack - 8 };
	struct vm *vm = vcpu->vm;
	struct kvm_sregs s;
	u64 *tss_desc;

	get_sregs(vcpu, &s);
	set_tables(vcpu, &s);
	tss_desc = (u64 *)vm_ptr(vm, vm->gdt) + SEL_TSS / 8;
	s.tr.base = (*tss_desc >> 16 & 0xffffff) | (*tss_desc >> 56) << 24;
	s.cs = s.ds;
	s.cs.selector = SEL_CODE64;
	s.cs.type = 11;
	s.cs.db = 0;
	s.cs.l = 1;
	/* Data segments of user code, so that IRET to CPL 3 leaves them alone. */
	s.ds.selector = SEL_USER_DATA;
	s.ds.dpl = 3;
	s.es = s.ds;
	s.fs = s.ds;
	s.gs = s.ds;
	s.gs.base = vcpu->percpu;
	s.cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE | X86_CR0_PG | X86_CR0_WP |
		X86_CR0_MP;
	s.cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	s.cr3 = vm->pml4;
	s.efer = EFER_LME | EFER_LMA | EFER_NX;
	set_sregs(vcpu, &s);
	*(u64 *)vm_ptr(vm, regs.rsp) = (uintptr_t)guest_returned;
	set_regs(vcpu, &regs);
}
