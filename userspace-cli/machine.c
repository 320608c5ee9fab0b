// SPDX-License-Identifier: GPL-2.0
/*
 * Makes a machine out of the device and takes it apart again. What happens in
 * between is in threads.c.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu_state.h"
#include "cpuid.h"
#include "err.h"
#include "files.h"
#include "irqs_kvm.h"
#include "machine.h"
#include "recorders.h"

/* Where kvm_intel may keep pages of its own; lodge has no need of any. */
#define TSS_ADDRESS		0xfffbd000ull
#define IDENTITY_MAP_ADDRESS	0xfffbc000ull

static int host_error(const char *what)
{
	return err(STATUS_HOST, "%s: %s: the kernel's log (dmesg) may tell more",
		   what, strerror(errno));
}

static int create_events(struct machine *m)
{
	m->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->end_fd < 0 || m->wake_fd < 0)
		return host_error("eventfd");
	return 0;
}

static int create_vm(struct machine *m, const char *path)
{
	u64 identity_map = IDENTITY_MAP_ADDRESS;
	char text[512];
	int size;

	if (!device_open(&m->device, path))
		return err(STATUS_DEVICE, "%s", m->device.text);
	if (!device_cap(&m->device, KVM_CAP_IMMEDIATE_EXIT))
		return err(STATUS_DEVICE,
			   "%s: lacks KVM_CAP_IMMEDIATE_EXIT, without which a guest cannot be stopped safely: use a newer module",
			   path);
	m->vm_fd = device_create_vm(&m->device, text, sizeof(text));
	if (m->vm_fd < 0)
		return err(STATUS_DEVICE, "%s", text);

	size = ioctl(m->device.fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < 0)
		return host_error("KVM_GET_VCPU_MMAP_SIZE");
	if ((size_t)size < sizeof(struct kvm_run))
		return err(STATUS_DEVICE,
			   "%s: its run page has %d bytes, struct kvm_run has %zu: rebuild the module or lodge",
			   path, size, sizeof(struct kvm_run));
	m->run_size = size;

	if (device_cap(&m->device, KVM_CAP_SET_IDENTITY_MAP_ADDR) &&
	    ioctl(m->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return host_error("KVM_SET_IDENTITY_MAP_ADDR");
	if (device_cap(&m->device, KVM_CAP_SET_TSS_ADDR) &&
	    ioctl(m->vm_fd, KVM_SET_TSS_ADDR, TSS_ADDRESS) < 0)
		return host_error("KVM_SET_TSS_ADDR");
	return 0;
}

static int add_slot(struct machine *m, unsigned int slot)
{
	const struct ram *ram = &m->memory.ram[slot];
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = ram->gpa,
		.memory_size = ram->size,
		.userspace_addr = (uintptr_t)ram->host,
	};

	if (ioctl(m->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return err(STATUS_HOST,
			   "memory: the device does not take %llu KiB at %#llx: %s: give less to --mem",
			   ram->size / KIB, ram->gpa, strerror(errno));
	return 0;
}

/* A guest without an operating system is small, and one looks at each page that it touches. */
static int create_memory(struct machine *m, u64 size, bool large)
{
	int error = memory_create(&m->memory, size);
	int status = 0;
	unsigned int i;

	if (error)
		return err(STATUS_HOST,
			   "memory: %llu KiB cannot be had: %s: give less to --mem",
			   size / KIB, strerror(-error));
	memory_large_pages(&m->memory, large);
	for (i = 0; i < ARRAY_SIZE(m->memory.ram) && !status; i++)
		if (m->memory.ram[i].size)
			status = add_slot(m, i);
	return status;
}

/* Before the vCPUs, as the ABI wants it. */
static int create_chips(struct machine *m)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(m->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return host_error("KVM_CREATE_IRQCHIP");
	if (ioctl(m->vm_fd, KVM_CREATE_PIT2, &pit) < 0)
		return host_error("KVM_CREATE_PIT2");
	m->irqs = irqs_create(m->vm_fd);
	if (!m->irqs)
		return host_error("routes of interrupts");
	return 0;
}

static unsigned int most_cpus(const struct machine *m)
{
	int max = device_cap(&m->device, KVM_CAP_MAX_VCPUS);

	/* The ABI's rules for devices that do not say. */
	if (!max)
		max = device_cap(&m->device, KVM_CAP_NR_VCPUS);
	return max ? max : 4;
}

static int create_cpu(struct machine *m, unsigned int index)
{
	struct cpu *cpu = &m->cpus[index];

	cpu->machine = m;
	cpu->index = index;
	cpu->fd = ioctl(m->vm_fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (cpu->fd < 0)
		return host_error("KVM_CREATE_VCPU");
	cpu->run = mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			cpu->fd, 0);
	if (cpu->run == MAP_FAILED) {
		cpu->run = NULL;
		return host_error("run page of a vCPU");
	}
	cpuid_for_cpu(m->cpuid, index, m->nr_cpus,
		      m->irqs && device_cap(&m->device, KVM_CAP_TSC_DEADLINE_TIMER));
	if (ioctl(cpu->fd, KVM_SET_CPUID2, m->cpuid) < 0)
		return host_error("KVM_SET_CPUID2");
	return 0;
}

static int create_cpus(struct machine *m, unsigned int nr)
{
	unsigned int i, most = most_cpus(m);
	int status = 0;

	if (nr > most)
		return err(STATUS_USAGE,
			   "--cpus: %u are more than the %u that %s offers: give fewer",
			   nr, most, m->device.path);
	m->cpuid = cpuid_supported(&m->device);
	if (!m->cpuid)
		return host_error("KVM_GET_SUPPORTED_CPUID");
	m->cpus = calloc(nr, sizeof(*m->cpus));
	if (!m->cpus)
		return host_error("memory for the vCPUs");
	m->nr_cpus = nr;
	for (i = 0; i < nr; i++)
		m->cpus[i].fd = -1;
	for (i = 0; i < nr && !status; i++)
		status = create_cpu(m, i);
	return status;
}

int machine_prepare(struct machine *m, bool verbose)
{
	memset(m, 0, sizeof(*m));
	m->device.fd = -1;
	m->vm_fd = -1;
	m->end_fd = -1;
	m->wake_fd = -1;
	pthread_mutex_init(&m->end_lock, NULL);
	pthread_mutex_init(&m->run_lock, NULL);
	pthread_cond_init(&m->run_cond, NULL);
	bus_init(&m->ports, "port", verbose);
	bus_init(&m->addresses, "address", verbose);
	return create_events(m);
}

int machine_create(struct machine *m, const struct machine_config *config)
{
	int status = machine_prepare(m, config->verbose);

	m->no_reboot = config->no_reboot;
	if (!status)
		status = create_vm(m, config->device);
	if (!status)
		status = create_memory(m, config->memory, config->platform);
	if (!status && config->platform)
		status = create_chips(m);
	if (!status)
		status = create_cpus(m, config->cpus);
	if (!status)
		m->recorders = recorders_create(m);
	return status;
}

bool machine_add(struct machine *m, const struct machine_part *part)
{
	if (m->nr_parts == MACHINE_PARTS)
		return false;
	m->part[m->nr_parts++] = *part;
	return true;
}

int machine_boot(struct machine *m)
{
	unsigned int i;
	int status;

	status = m->boot(m, m->boot_arg);
	for (i = 0; i < m->nr_cpus && !status; i++) {
		m->cpus[i].birth = cpu_state_get(&m->cpus[i]);
		if (!m->cpus[i].birth)
			status = host_error("reading the state of a vCPU");
	}
	if (!status && m->irqs) {
		m->birth = chips_state_get(m);
		if (!m->birth)
			status = host_error("reading the state of the interrupt controllers");
	}
	return status;
}

void machine_destroy(struct machine *m)
{
	unsigned int i;

	while (m->nr_parts) {
		const struct machine_part *part = &m->part[--m->nr_parts];

		if (part->free)
			part->free(part->arg);
	}
	recorders_free(m->recorders);
	free(m->end.entry);
	for (i = 0; i < m->nr_cpus; i++) {
		free(m->cpus[i].birth);
		if (m->cpus[i].run)
			munmap(m->cpus[i].run, m->run_size);
		close_fd(&m->cpus[i].fd);
	}
	free(m->cpus);
	free(m->cpuid);
	free(m->birth);
	irqs_free(m->irqs);
	close_fd(&m->vm_fd);
	memory_destroy(&m->memory);
	device_close(&m->device);
	close_fd(&m->end_fd);
	close_fd(&m->wake_fd);
	memset(m, 0, sizeof(*m));
}

bool machine_ended(struct machine *m)
{
	return atomic_load(&m->ended);
}

static void signal_event(int fd)
{
	u64 one = 1;

	/* Full means that the reader has not looked yet, and that is enough. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

void machine_wake(struct machine *m)
{
	signal_event(m->wake_fd);
}

void machine_stop(struct machine *m, enum end_kind kind, int status,
		  const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&m->end_lock);
	if (m->end.kind == END_NONE) {
		m->end.kind = kind;
		m->end.status = status;
		if (fmt) {
			va_start(ap, fmt);
			vsnprintf(m->end.text, sizeof(m->end.text), fmt, ap);
			va_end(ap);
		}
		atomic_store(&m->ended, true);
		signal_event(m->end_fd);
		machine_wake(m);
	}
	pthread_mutex_unlock(&m->end_lock);
}
