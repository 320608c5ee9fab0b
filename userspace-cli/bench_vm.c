// SPDX-License-Identifier: GPL-2.0
/*
 * A machine for measuring in: memory, the guest's code, vCPUs in 64-bit mode.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench_vm.h"
#include "cpu_start.h"
#include "cpuid.h"

#define SEL_CODE64	0x10	/* cpu_start.h */
#define GATE_INTERRUPT	0x8e00
#define RFLAGS_IF	0x200

bool bench_fail(struct bench_vm *vm, const char *fmt, ...)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	va_list ap;

	pthread_mutex_lock(&lock);
	if (!vm->why[0]) {
		va_start(ap, fmt);
		vsnprintf(vm->why, sizeof(vm->why), fmt, ap);
		va_end(ap);
		vm->failed = true;
	}
	pthread_mutex_unlock(&lock);
	return false;
}

bool bench_refused(struct bench_vm *vm, const char *what)
{
	return bench_fail(vm, "%s: %s", what, strerror(errno));
}

bool bench_ioctl(struct bench_vm *vm, int fd, unsigned long request, const char *name,
		 void *arg)
{
	return ioctl(fd, request, arg) >= 0 || bench_refused(vm, name);
}

/* ---- memory ------------------------------------------------------------------ */

bool bench_slot(struct bench_vm *vm, unsigned int slot, u64 gpa, void *host, u64 size,
		unsigned int flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .userspace_addr = (uintptr_t)host,
	};

	return BENCH_IOCTL(vm, vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

bool bench_area(struct bench_vm *vm, u64 size, bool huge, unsigned int flags)
{
	vm->area = memory_map(size);
	if (!vm->area)
		return bench_refused(vm, "mmap");
	vm->area_size = size;
	/* A kernel without huge pages says so here; one that has none left later. */
	if (madvise(vm->area, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) && huge)
		return bench_refused(vm, "this host has no transparent huge pages: madvise");
	return bench_slot(vm, BENCH_SLOT_AREA, BENCH_AREA, vm->area, size, flags);
}

bool bench_area_is_huge(struct bench_vm *vm)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long start, end, kib, huge = 0;
	bool within = false;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			within = start < (uintptr_t)vm->area + vm->area_size &&
				 end > (uintptr_t)vm->area;
		else if (within && sscanf(line, "AnonHugePages: %lu", &kib) == 1)
			huge += kib;
	}
	if (f)
		fclose(f);
	return huge * KIB >= vm->area_size ||
	       bench_fail(vm, "this host gave no huge pages");
}

static void write_gate(u64 *idt, unsigned int vector, const u8 *handler)
{
	u64 at = bench_address(handler);

	idt[2 * vector] = (at & 0xffff) | (u64)SEL_CODE64 << 16 |
			  (u64)GATE_INTERRUPT << 32 | (at & 0xffff0000) << 32;
	idt[2 * vector + 1] = 0;
}

static bool write_memory(struct bench_vm *vm)
{
	u64 *idt = memory_at(&vm->memory, BENCH_IDT, PAGE_SIZE);
	unsigned int i;

	cpu_write_tables(&vm->memory);
	for (i = 0; i < 32; i++)
		write_gate(idt, i, bench_guest_trap);
	write_gate(idt, BENCH_VECTOR, bench_guest_irq);
	write_gate(idt, BENCH_VECTOR_EOI, bench_guest_irq_eoi);
	write_gate(idt, BENCH_VECTOR_BACK, bench_guest_irq_back);
	write_gate(idt, BENCH_VECTOR_SPURIOUS, bench_guest_irq_spurious);
	return memory_write(&vm->memory, BENCH_CODE, bench_guest,
			    bench_guest_end - bench_guest);
}

/* ---- making and ending --------------------------------------------------------- */

bool bench_vm_create(struct bench_vm *vm, const struct device *device, bool irqchip)
{
	char text[BENCH_WHY] = "";
	int error, size;

	*vm = (struct bench_vm){ .device = device, .fd = -1 };
	error = memory_create(&vm->memory, BENCH_MEMORY);
	if (error) {
		errno = -error;
		return bench_refused(vm, "memory");
	}
	vm->fd = device_create_vm(device, text, sizeof(text));
	if (vm->fd < 0)
		return bench_fail(vm, "%s", text);
	size = ioctl(device->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return bench_fail(vm, "KVM_GET_VCPU_MMAP_SIZE: %d", size);
	vm->run_size = size;
	/* the same on every host; what large ones cost has rows of its own */
	memory_large_pages(&vm->memory, false);
	return bench_slot(vm, 0, 0, vm->memory.ram[0].host, BENCH_MEMORY, 0) &&
	       write_memory(vm) &&
	       (!irqchip || BENCH_IOCTL(vm, vm->fd, KVM_CREATE_IRQCHIP, 0));
}

static bool set_cpuid(struct bench_cpu *cpu)
{
	struct kvm_cpuid2 *cpuid = cpuid_supported(cpu->vm->device);
	bool ok;

	if (!cpuid)
		return bench_refused(cpu->vm, "KVM_GET_SUPPORTED_CPUID");
	cpuid_for_cpu(cpuid, cpu->index, BENCH_CPUS, true);
	ok = BENCH_IOCTL(cpu->vm, cpu->fd, KVM_SET_CPUID2, cpuid);
	free(cpuid);
	return ok;
}

bool bench_cpu_host_time(struct bench_cpu *cpu)
{
	u64 zero = 0;
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)&zero,
	};

	return BENCH_IOCTL(cpu->vm, cpu->fd, KVM_SET_DEVICE_ATTR, &attr);
}

static bool set_registers(struct bench_cpu *cpu, bool interrupts)
{
	struct bench_vm *vm = cpu->vm;
	struct kvm_regs regs = {
		.rip = bench_address(cpu->entry),
		.rsp = BENCH_STACK - cpu->index * PAGE_SIZE,
		.rbp = BENCH_SHARED + cpu->index * PAGE_SIZE,
		.rflags = 2 | (interrupts ? RFLAGS_IF : 0),
	};
	struct cpu start = { .fd = cpu->fd };
	struct kvm_sregs sregs;

	cpu_set_up(&start);
	if (cpu_start(&start, ENTRY_LONG, &regs))
		return bench_fail(vm, "the vCPU cannot be started");
	if (!BENCH_IOCTL(vm, cpu->fd, KVM_GET_SREGS, &sregs))
		return false;
	sregs.idt.base = BENCH_IDT;
	sregs.idt.limit = PAGE_SIZE - 1;
	return BENCH_IOCTL(vm, cpu->fd, KVM_SET_SREGS, &sregs);
}

/* CPUs other than the first wait for INIT where there are local APICs. */
static bool set_runnable(struct bench_cpu *cpu)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };

	return !cpu->index ||
	       BENCH_IOCTL(cpu->vm, cpu->fd, KVM_SET_MP_STATE, &state);
}

bool bench_cpu_create(struct bench_vm *vm, const u8 *entry, bool interrupts)
{
	struct bench_cpu *cpu = &vm->cpu[vm->nr_cpus];
	int ring;

	*cpu = (struct bench_cpu){
		.vm = vm, .index = vm->nr_cpus, .entry = entry,
		.shared = memory_at(&vm->memory,
				    BENCH_SHARED + vm->nr_cpus * PAGE_SIZE, PAGE_SIZE),
	};
	cpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, cpu->index);
	if (cpu->fd < 0)
		return bench_refused(vm, "KVM_CREATE_VCPU");
	vm->nr_cpus++;
	cpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
	if (cpu->run == MAP_FAILED) {
		cpu->run = NULL;
		return bench_refused(vm, "mmap of a vCPU");
	}
	ring = device_cap(vm->device, KVM_CAP_COALESCED_MMIO);
	if (ring && !cpu->index && (ring + 1) * PAGE_SIZE <= vm->run_size)
		vm->ring = (void *)((u8 *)cpu->run + ring * PAGE_SIZE);
	return set_cpuid(cpu) && set_registers(cpu, interrupts) && set_runnable(cpu);
}

static void destroy_cpu(struct bench_cpu *cpu)
{
	if (cpu->has_thread)
		bench_join(cpu, true);
	if (cpu->run)
		munmap(cpu->run, cpu->vm->run_size);
	close(cpu->fd);
}

void bench_vm_destroy(struct bench_vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nr_cpus; i++)
		destroy_cpu(&vm->cpu[i]);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->area)
		munmap(vm->area, vm->area_size);
	memory_destroy(&vm->memory);
	vm->nr_cpus = 0;
	vm->fd = -1;
	vm->area = NULL;
}
