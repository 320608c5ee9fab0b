// SPDX-License-Identifier: GPL-2.0
/*
 * Machines, their memory and their vCPUs, by raw ioctls of the KVM ABI: what a
 * test needs before its guest runs. Modes and page tables are in modes.c.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>

#include "internal.h"

int xioctl(int fd, unsigned long cmd, unsigned long arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

int open_device(void)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		SKIP("no %s", device);
	if (fd < 0)
		FAIL("open %s: %s", device, strerror(errno));
	return fd;
}

int check_cap(struct vm *vm, long cap)
{
	return xioctl(vm->dev_fd, KVM_CHECK_EXTENSION, cap);
}

/* Copies the loaded parts of this program to the same addresses of the guest. */
static int copy_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct vm *vm = arg;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const Elf64_Phdr *p = &info->dlpi_phdr[i];
		u64 end = p->p_vaddr + p->p_memsz;

		if (p->p_type != PT_LOAD || info->dlpi_addr || end > SZ_4G)
			continue;
		if (p->p_vaddr < LIB_PAGES_END || end > RAM_SIZE)
			FAIL("program segment at %#lx is outside guest RAM",
			     (unsigned long)p->p_vaddr);
		memcpy(vm->ram + p->p_vaddr, (void *)p->p_vaddr, p->p_memsz);
	}
	return 0;
}

struct vm *vm_create_bare(void)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	vm->dev_fd = open_device();
	vm->fd = xioctl(vm->dev_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		FAIL("KVM_CREATE_VM: %s", strerror(-vm->fd));
	vm->mmap_size = xioctl(vm->dev_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	CHECK(vm->mmap_size >= (int)sizeof(struct kvm_run));
	return vm;
}

struct vm *vm_create(void)
{
	struct vm *vm = vm_create_bare();
	int nent = 256;

	vm->cpuid = calloc(1, sizeof(*vm->cpuid) +
			   nent * sizeof(vm->cpuid->entries[0]));
	vm->cpuid->nent = nent;
	CHECK_EQ(xioctl(vm->dev_fd, KVM_GET_SUPPORTED_CPUID,
			(uintptr_t)vm->cpuid), 0);
	vm->ram = vm_add_mem(vm, 0, 0, RAM_SIZE, MEM_ANON);
	vm->next_page = LIB_PAGES;
	dl_iterate_phdr(copy_segments, vm);
	vm_setup_tables(vm);
	return vm;
}

void vm_free(struct vm *vm)
{
	while (vm->nr_vcpus)
		vcpu_free(vm->vcpus[vm->nr_vcpus - 1]);
	close(vm->fd);
	close(vm->dev_fd);
	for (int i = 0; i < vm->nr_regions; i++) {
		munmap(vm->regions[i].hva, vm->regions[i].size);
		if (vm->regions[i].fd >= 0)
			close(vm->regions[i].fd);
	}
	free(vm->cpuid);
	free(vm);
}

struct vcpu *vcpu_create_bare(struct vm *vm, int id)
{
	struct vcpu *vcpu = calloc(1, sizeof(*vcpu));

	CHECK(vm->nr_vcpus < (int)ARRAY_SIZE(vm->vcpus));
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = xioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (vcpu->fd < 0)
		FAIL("KVM_CREATE_VCPU(%d): %s", id, strerror(-vcpu->fd));
	vcpu->run = mmap(NULL, vm->mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	CHECK(vcpu->run != MAP_FAILED);
	vm->vcpus[vm->nr_vcpus++] = vcpu;
	return vcpu;
}

struct vcpu *vcpu_create(struct vm *vm, int id)
{
	struct vcpu *vcpu = vcpu_create_bare(vm, id);
	struct guest_percpu *p;

	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_CPUID2, (uintptr_t)vm->cpuid), 0);
	vcpu->percpu = vm_alloc_page(vm);
	p = vm_ptr(vm, vcpu->percpu);
	p->self = vcpu->percpu;
	p->id = id;
	for (int i = 0; i < 4; i++)
		vcpu->stack = vm_alloc_page(vm) + PAGE_SIZE;
	return vcpu;
}

struct vcpu *vcpu_of_lodge(void)
{
	struct vm *vm = vm_create();

	if (device_is_kvm())
		SKIP("KVM has nothing like it");
	return vcpu_create(vm, 0);
}

void vcpu_free(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	int i = 0;

	while (vm->vcpus[i] != vcpu)
		i++;
	vm->vcpus[i] = vm->vcpus[--vm->nr_vcpus];
	if (current_vcpu == vcpu)
		current_vcpu = NULL;
	munmap(vcpu->run, vm->mmap_size);
	close(vcpu->fd);
	free(vcpu);
}

int set_region(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .userspace_addr = (uintptr_t)hva,
	};

	return xioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&r);
}

/* Anonymous memory whose address is 2 MiB aligned, so that a THP may back it. */
static void *alloc_aligned(size_t size, int fd)
{
	int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	u8 *area = mmap(NULL, size + SZ_2M, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	u8 *p = (u8 *)(((uintptr_t)area + SZ_2M - 1) & -SZ_2M);

	CHECK(area != MAP_FAILED);
	munmap(area, p - area);
	munmap(p + size, area + SZ_2M - p);
	CHECK(mmap(p, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) == p);
	return p;
}

void *mem_alloc(size_t size, enum backing backing, int *fd)
{
	int memfd = -1;
	void *p;

	if (backing == MEM_HUGETLB) {
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
		if (p == MAP_FAILED)
			SKIP("no hugetlb pages: %s", strerror(errno));
	} else {
		if (backing == MEM_MEMFD) {
			memfd = memfd_create("guest", MFD_CLOEXEC);
			CHECK(memfd >= 0);
			CHECK_EQ(ftruncate(memfd, size), 0);
		}
		p = alloc_aligned(size, memfd);
		if (madvise(p, size, backing == MEM_THP ? MADV_HUGEPAGE :
			    MADV_NOHUGEPAGE) && backing == MEM_THP)
			SKIP("no transparent huge pages: %s", strerror(errno));
	}
	if (fd)
		*fd = memfd;
	return p;
}

void *vm_add_mem(struct vm *vm, u32 slot, u64 gpa, size_t size,
		 enum backing backing)
{
	struct region *r = &vm->regions[vm->nr_regions];

	CHECK(vm->nr_regions < (int)ARRAY_SIZE(vm->regions));
	*r = (struct region){ .slot = slot, .gpa = gpa, .size = size };
	r->hva = mem_alloc(size, backing, &r->fd);
	CHECK_EQ(set_region(vm, slot, 0, gpa, size, r->hva), 0);
	vm->nr_regions++;
	return r->hva;
}

void vm_del_mem(struct vm *vm, u32 slot)
{
	struct region *r = vm->regions;

	while (r < vm->regions + vm->nr_regions && r->slot != slot)
		r++;
	CHECK(r < vm->regions + vm->nr_regions);
	CHECK_EQ(set_region(vm, slot, 0, r->gpa, 0, r->hva), 0);
	munmap(r->hva, r->size);
	if (r->fd >= 0)
		close(r->fd);
	*r = vm->regions[--vm->nr_regions];
}

void *vm_ptr(struct vm *vm, u64 gpa)
{
	for (struct region *r = vm->regions; r < vm->regions + vm->nr_regions; r++)
		if (gpa - r->gpa < r->size)
			return (u8 *)r->hva + (gpa - r->gpa);
	FAIL("the test asks for guest physical %#llx, where no memory is",
	     (unsigned long long)gpa);
}

void vm_load(struct vm *vm, u64 gpa, const void *start, const void *end)
{
	memcpy(vm_ptr(vm, gpa), start, (const u8 *)end - (const u8 *)start);
}
