// SPDX-License-Identifier: GPL-2.0
/*
 * Loads a flat image and makes the CPUs as boot_flat.h promises. The values of
 * descriptors and control registers are those of SDM volume 3A, chapters 3 to 5
 * and 9 ("Initialization overview", "Initializing IA-32e mode").
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_flat.h"
#include "err.h"

#define GDT_BASE	0x1000ull
#define PML4_BASE	0x2000ull
#define PDPT_BASE	0x3000ull
#define PD_BASE		0x4000ull	/* four of them, one for each GiB */
#define STACK_BASE	0x8000ull	/* to FLAT_BASE */

#define SEL_CODE32	0x08
#define SEL_DATA	0x10
#define SEL_CODE64	0x18

#define REAL_SEGMENT	(FLAT_BASE >> 4)
#define REAL_SP		0xfffe

#define CR0_PE		BIT_ULL(0)
#define CR0_ET		BIT_ULL(4)
#define CR0_NE		BIT_ULL(5)
#define CR0_PG		BIT_ULL(31)
#define CR4_PAE		BIT_ULL(5)
#define EFER_LME	BIT_ULL(8)
#define EFER_LMA	BIT_ULL(10)
#define RFLAGS_ALWAYS	BIT_ULL(1)

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_WRITE	BIT_ULL(1)
#define PTE_LARGE	BIT_ULL(7)

#define TYPE_DATA	3		/* read, write, accessed */
#define TYPE_CODE	11		/* execute, read, accessed */

bool flat_mode_parse(const char *name, enum flat_mode *mode)
{
	static const char * const names[] = {
		[FLAT_REAL] = "real",
		[FLAT_PROTECTED] = "protected",
		[FLAT_LONG] = "long",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i])) {
			*mode = i;
			return true;
		}
	return false;
}

/* ---- the image ---------------------------------------------------------- */

static int too_large(const struct machine *m, const char *path)
{
	return err(STATUS_IMAGE,
		   "%s: the image does not fit into memory, %llu KiB from %#llx: give more with --mem (no more than 3G of it hold an image)",
		   path, (m->memory.ram[0].size - FLAT_BASE) / KIB, FLAT_BASE);
}

/* Fills memory from FLAT_BASE up to the file's end. */
static int read_image(struct machine *m, const char *path, int fd,
		      const struct stat *st)
{
	u64 room = m->memory.ram[0].size - FLAT_BASE, done = 0;
	u8 *to = memory_at(&m->memory, FLAT_BASE, room);
	u8 beyond;
	ssize_t n;

	if (S_ISREG(st->st_mode) && (u64)st->st_size > room)
		return too_large(m, path);
	do {
		/* With memory full, one byte more decides. */
		n = done < room ? read(fd, to + done, room - done) :
		    read(fd, &beyond, 1);
		if (n < 0 && errno != EINTR)
			return err(STATUS_IMAGE, "%s: cannot be read: %s",
				   path, strerror(errno));
		if (n > 0 && done == room)
			return too_large(m, path);
		if (n > 0)
			done += n;
	} while (n);
	if (!done)
		return err(STATUS_IMAGE,
			   "%s: the image is empty: was it built?", path);
	if (S_ISREG(st->st_mode) && done < (u64)st->st_size)
		return err(STATUS_IMAGE,
			   "%s: the image shrank while it was read: try again when nobody writes it",
			   path);
	return 0;
}

static int load_image(struct machine *m, const char *path)
{
	struct stat st;
	int fd, status;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err(STATUS_IMAGE, "%s: the image cannot be opened: %s",
			   path, strerror(errno));
	if (fstat(fd, &st) < 0)
		status = err(STATUS_IMAGE, "%s: %s", path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		status = err(STATUS_IMAGE,
			     "%s: is a directory: give the image itself", path);
	else
		status = read_image(m, path, fd, &st);
	close(fd);
	return status;
}

/* ---- the CPUs ----------------------------------------------------------- */

/* Descriptors: base 0, 4 GiB, present, DPL 0, accessed. */
#define GDT_CODE32	0x00cf9b000000ffffull
#define GDT_DATA	0x00cf93000000ffffull
#define GDT_CODE64	0x00af9b000000ffffull

static void write_tables(struct machine *m)
{
	u64 *gdt = memory_at(&m->memory, GDT_BASE, PAGE_SIZE);
	u64 *pml4 = memory_at(&m->memory, PML4_BASE, PAGE_SIZE);
	u64 *pdpt = memory_at(&m->memory, PDPT_BASE, PAGE_SIZE);
	u64 *pd = memory_at(&m->memory, PD_BASE, 4 * PAGE_SIZE);
	unsigned int i;

	gdt[SEL_CODE32 / 8] = GDT_CODE32;
	gdt[SEL_DATA / 8] = GDT_DATA;
	gdt[SEL_CODE64 / 8] = GDT_CODE64;
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

static void real_mode(struct kvm_sregs *sregs, struct kvm_regs *regs)
{
	struct kvm_segment segment = {
		.base = FLAT_BASE,
		.limit = 0xffff,
		.selector = REAL_SEGMENT,
	};

	set_segments(sregs, segment, segment);
	regs->rip = 0;
	regs->rsp = REAL_SP;
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
	sregs->gdt.limit = SEL_CODE64 + 7;
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

static int start_cpu(struct machine *m, unsigned int index, enum flat_mode mode)
{
	u64 stack = (FLAT_BASE - STACK_BASE) / m->nr_cpus / 16 * 16;
	struct kvm_regs regs = {
		.rip = FLAT_BASE,
		.rsp = FLAT_BASE - index * stack,
		.rdi = index,
		.rsi = m->nr_cpus,
		.rbx = m->memory.size / KIB,
		.rflags = RFLAGS_ALWAYS,
	};
	struct cpu *cpu = &m->cpus[index];
	struct kvm_sregs sregs;

	if (ioctl(cpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return err(STATUS_HOST, "KVM_GET_SREGS: %s", strerror(errno));
	if (mode == FLAT_REAL)
		real_mode(&sregs, &regs);
	else if (mode == FLAT_PROTECTED)
		protected_mode(&sregs);
	else
		long_mode(&sregs);
	if (ioctl(cpu->fd, KVM_SET_SREGS, &sregs) < 0)
		return err(STATUS_HOST,
			   "KVM_SET_SREGS: %s: the device does not start a CPU in this mode",
			   strerror(errno));
	if (ioctl(cpu->fd, KVM_SET_REGS, &regs) < 0)
		return err(STATUS_HOST, "KVM_SET_REGS: %s", strerror(errno));
	return 0;
}

int flat_boot(struct machine *m, const char *path, enum flat_mode mode)
{
	int status = load_image(m, path);
	unsigned int i;

	if (mode != FLAT_REAL)
		write_tables(m);
	for (i = 0; i < m->nr_cpus && !status; i++)
		status = start_cpu(m, i, mode);
	return status;
}
