// SPDX-License-Identifier: GPL-2.0
/*
 * Writes an ELF core: a header, a segment of notes with the registers of each vCPU, and a
 * segment for each range of memory, at its physical address. Of a vCPU there are two notes:
 * what any core has of a thread, and the system's registers in the form that QEMU gave them,
 * which crash knows; and where the device has a flight recorder, its ring.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

/* That of <sys/user.h> is written differently. */
#undef PAGE_SIZE
#include "dump.h"
#include "err.h"
#include "recorders.h"

#define SEGMENTS	(1 + ARRAY_SIZE(((struct memory *)0)->ram))
#define MOST_AT_ONCE	MIB
#define MSR_KERNEL_GS_BASE	0xc0000102
#define NOTE_FLIGHT		1	/* of those named LODGE */

/* ---- the notes ------------------------------------------------------------- */

struct system_segment {
	u32 selector;
	u32 limit;
	u32 flags;		/* the upper half of a descriptor, without base and limit */
	u32 pad;
	u64 base;
};

/* The note named QEMU, version 1. */
struct system_note {
	u32 version;
	u32 size;
	u64 rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp;
	u64 r8_to_r15[8];
	u64 rip, rflags;
	struct system_segment cs, ds, es, fs, gs, ss;
	struct system_segment ldt, tr, gdt, idt;
	u64 cr[5];
	u64 kernel_gs_base;
};

struct cpu_picture {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	u64 kernel_gs_base;
};

static bool look_at(struct cpu *cpu, struct cpu_picture *p)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } msr = {
		.head.nmsrs = 1, .entry.index = MSR_KERNEL_GS_BASE,
	};

	if (ioctl(cpu->fd, KVM_GET_REGS, &p->regs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_SREGS, &p->sregs) < 0)
		return false;
	/* A CPU without 64-bit mode has none. */
	p->kernel_gs_base = ioctl(cpu->fd, KVM_GET_MSRS, &msr) == 1 ? msr.entry.data : 0;
	return true;
}

static void put_note(FILE *f, const char *name, u32 type, const void *data, u32 size)
{
	static const char zeroes[4];
	Elf64_Nhdr head = {
		.n_namesz = strlen(name) + 1, .n_descsz = size, .n_type = type,
	};

	fwrite(&head, sizeof(head), 1, f);
	fwrite(name, 1, head.n_namesz, f);
	fwrite(zeroes, 1, -head.n_namesz & 3, f);
	fwrite(data, 1, size, f);
	fwrite(zeroes, 1, -size & 3, f);
}

/* The order of <sys/user.h>, which is that of the array. */
static void put_thread(FILE *f, const struct cpu *cpu, const struct cpu_picture *p)
{
	const struct kvm_regs *r = &p->regs;
	const struct kvm_sregs *s = &p->sregs;
	const u64 values[] = {
		r->r15, r->r14, r->r13, r->r12, r->rbp, r->rbx, r->r11, r->r10, r->r9, r->r8,
		r->rax, r->rcx, r->rdx, r->rsi, r->rdi, ~0ull,
		r->rip + (s->cs.l ? 0 : s->cs.base), s->cs.selector, r->rflags, r->rsp,
		s->ss.selector, s->fs.base, s->gs.base, s->ds.selector, s->es.selector,
		s->fs.selector, s->gs.selector,
	};
	struct elf_prstatus note;

	memset(&note, 0, sizeof(note));
	note.pr_pid = cpu->index + 1;
	_Static_assert(sizeof(values) == sizeof(note.pr_reg), "registers of a thread");
	memcpy(&note.pr_reg, values, sizeof(values));
	put_note(f, "CORE", NT_PRSTATUS, &note, sizeof(note));
}

static struct system_segment segment(const struct kvm_segment *s)
{
	return (struct system_segment){
		.selector = s->selector,
		.limit = s->limit,
		.flags = (s->type & 15) << 8 | (s->s & 1) << 12 | (s->dpl & 3) << 13 |
			 (s->present & 1) << 15 | (s->avl & 1) << 20 | (s->l & 1) << 21 |
			 (s->db & 1) << 22 | (s->g & 1) << 23,
		.base = s->base,
	};
}

static void put_system(FILE *f, const struct cpu_picture *p)
{
	const struct kvm_regs *r = &p->regs;
	const struct kvm_sregs *s = &p->sregs;
	struct system_note note = {
		.version = 1, .size = sizeof(note),
		.rax = r->rax, .rbx = r->rbx, .rcx = r->rcx, .rdx = r->rdx,
		.rsi = r->rsi, .rdi = r->rdi, .rsp = r->rsp, .rbp = r->rbp,
		.r8_to_r15 = { r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 },
		.rip = r->rip, .rflags = r->rflags,
		.cs = segment(&s->cs), .ds = segment(&s->ds), .es = segment(&s->es),
		.fs = segment(&s->fs), .gs = segment(&s->gs), .ss = segment(&s->ss),
		.ldt = segment(&s->ldt), .tr = segment(&s->tr),
		.gdt = { .limit = s->gdt.limit, .base = s->gdt.base },
		.idt = { .limit = s->idt.limit, .base = s->idt.base },
		.cr = { s->cr0, 0, s->cr2, s->cr3, s->cr4 },
		.kernel_gs_base = p->kernel_gs_base,
	};

	put_note(f, "QEMU", 0, &note, sizeof(note));
}

/* The rings as they are: <linux/lodge.h> has the layout. */
static void put_rings(FILE *f, const struct recorders *r)
{
	unsigned int i;

	for (i = 0; r && i < r->nr; i++)
		if (r->cpu[i].flight.head)
			put_note(f, "LODGE", NOTE_FLIGHT, r->cpu[i].flight.head,
				 LODGE_FLIGHT_BYTES);
}

static bool put_notes(FILE *f, struct machine *m)
{
	struct cpu_picture p;
	unsigned int i;

	for (i = 0; i < m->nr_cpus; i++) {
		if (!look_at(&m->cpus[i], &p))
			return false;
		put_thread(f, &m->cpus[i], &p);
	}
	for (i = 0; i < m->nr_cpus; i++)
		if (look_at(&m->cpus[i], &p))
			put_system(f, &p);
	put_rings(f, m->recorders);
	return true;
}

/* ---- headers ------------------------------------------------------------------ */

static u64 whole_pages(u64 size)
{
	return (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

static void put_headers(FILE *f, const struct memory *mem, u64 notes)
{
	u64 at = sizeof(Elf64_Ehdr) + SEGMENTS * sizeof(Elf64_Phdr);
	Elf64_Ehdr head = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr), .e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = SEGMENTS,
	};
	Elf64_Phdr note = { .p_type = PT_NOTE, .p_offset = at, .p_filesz = notes };
	unsigned int i;

	fwrite(&head, sizeof(head), 1, f);
	fwrite(&note, sizeof(note), 1, f);
	at = whole_pages(at + notes);
	for (i = 0; i < ARRAY_SIZE(mem->ram); i++) {
		const struct ram *ram = &mem->ram[i];
		Elf64_Phdr load = {
			.p_type = ram->size ? PT_LOAD : PT_NULL,
			.p_flags = PF_R | PF_W | PF_X, .p_offset = at,
			.p_vaddr = ram->gpa, .p_paddr = ram->gpa,
			.p_filesz = ram->size, .p_memsz = ram->size, .p_align = PAGE_SIZE,
		};

		fwrite(&load, sizeof(load), 1, f);
		at += ram->size;
	}
}

/* ---- the file ------------------------------------------------------------------- */

struct out {
	int fd;
	bool sparse;
	u64 at;
	int error;
};

static void put(struct out *o, const u8 *bytes, u64 n)
{
	while (n && !o->error) {
		ssize_t done = write(o->fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		/* One that takes nothing and has no reason is full. */
		if (done <= 0) {
			o->error = done ? errno : ENOSPC;
			return;
		}
		bytes += done;
		o->at += done;
		n -= done;
	}
}

static void leave_hole(struct out *o, u64 n)
{
	static const u8 zeroes[64 * KIB];

	if (o->sparse) {
		o->at += n;
		if (lseek(o->fd, o->at, SEEK_SET) < 0)
			o->error = errno;
		return;
	}
	while (n && !o->error) {
		u64 part = n < sizeof(zeroes) ? n : sizeof(zeroes);

		put(o, zeroes, part);
		n -= part;
	}
}

static bool is_zero(const u8 *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE_SIZE - 1);
}

/* How long what is there goes on to be zero, or not to be. */
static u64 stretch(const u8 *bytes, u64 n, bool zero)
{
	u64 len = PAGE_SIZE;

	while (len < n && len < MOST_AT_ONCE && is_zero(bytes + len) == zero)
		len += PAGE_SIZE;
	return len;
}

static void put_ram(struct out *o, const struct ram *ram)
{
	u64 at = 0;

	while (at < ram->size && !o->error) {
		bool zero = is_zero(ram->host + at);
		u64 len = stretch(ram->host + at, ram->size - at, zero);

		if (zero)
			leave_hole(o, len);
		else
			put(o, ram->host + at, len);
		at += len;
	}
}

/* All in front of the memory, as one piece. */
static u8 *make_head(struct machine *m, size_t *size)
{
	char *notes = NULL, *head = NULL;
	size_t len, padding;
	bool complete;
	FILE *f = open_memstream(&notes, &len);

	if (!f)
		return NULL;
	complete = put_notes(f, m);
	complete = !fclose(f) && complete;
	f = complete ? open_memstream(&head, size) : NULL;
	if (!f) {
		free(notes);
		return NULL;
	}
	put_headers(f, &m->memory, len);
	fwrite(notes, 1, len, f);
	padding = sizeof(Elf64_Ehdr) + SEGMENTS * sizeof(Elf64_Phdr) + len;
	for (padding = whole_pages(padding) - padding; padding; padding--)
		fputc(0, f);
	free(notes);
	if (!fclose(f))
		return (u8 *)head;
	free(head);
	return NULL;
}

int dump_save(struct machine *m, int fd, char *why, size_t room)
{
	struct out o = { .fd = fd };
	size_t size;
	unsigned int i;
	u8 *head = make_head(m, &size);

	if (!head) {
		snprintf(why, room, "dump: the CPUs' state cannot be read: %s", strerror(errno));
		return STATUS_HOST;
	}
	/* A file that can be cut off can have holes; the sandbox lets nobody ask fstat(). */
	o.sparse = !ftruncate(fd, 0) && !lseek(fd, 0, SEEK_SET);
	put(&o, head, size);
	free(head);
	for (i = 0; i < ARRAY_SIZE(m->memory.ram); i++)
		put_ram(&o, &m->memory.ram[i]);
	/* The last hole, and what the disk says only now. */
	if (!o.error && o.sparse && (ftruncate(fd, o.at) < 0 || fsync(fd) < 0))
		o.error = errno;
	if (!o.error)
		return 0;
	if (o.sparse && ftruncate(fd, 0) < 0)
		note("dump: what was written cannot be taken back: %s", strerror(errno));
	snprintf(why, room, "dump: cannot be written: %s: there is none now", strerror(o.error));
	return STATUS_HOST;
}

int dump_write(struct machine *m, int fd)
{
	char why[128];
	int status = dump_save(m, fd, why, sizeof(why));

	return status ? err(status, "%s", why) : 0;
}

/* A file without a name, in the folder that is to have it. */
static int open_nameless(const char *path)
{
	char *copy = strdup(path);
	/* Only for its owner: all that the guest knows is in there. */
	int fd = copy ? open(dirname(copy), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;

	free(copy);
	return fd;
}

int dump_open(struct dump *d, const char *path)
{
	struct stat st;

	*d = (struct dump){ .path = path };
	d->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (d->fd >= 0 && !fstat(d->fd, &st) && S_ISREG(st.st_mode)) {
		dump_close(d, false);
		return err(STATUS_USAGE, "dump: '%s' is there already: name a file that is not",
			   path);
	}
	if (d->fd < 0 && errno == ENOENT) {
		d->fd = open_nameless(path);
		d->nameless = true;
	}
	if (d->fd < 0)
		return err(STATUS_HOST, "dump: '%s' cannot be written: %s", path,
			   strerror(errno));
	return 0;
}

int dump_close(struct dump *d, bool keep)
{
	char self[32];
	int status = 0;

	if (d->fd < 0)
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", d->fd);
	if (keep && d->nameless &&
	    linkat(AT_FDCWD, self, AT_FDCWD, d->path, AT_SYMLINK_FOLLOW))
		status = err(STATUS_HOST, "dump: '%s' cannot be named: %s", d->path,
			     strerror(errno));
	close(d->fd);
	d->fd = -1;
	return status;
}
