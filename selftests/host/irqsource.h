/* SPDX-License-Identifier: GPL-2.0 */
/*
 * irqsource.h - what tests that merely use the I/O APIC and GSI routing need of them:
 * a pin as the guest sets it, routes as user space sets them, eventfds as sources.
 */
#ifndef TEST_IRQSOURCE_H
#define TEST_IRQSOURCE_H

#include <sys/eventfd.h>

#include "apic.h"

#define IOAPIC_ADDR	0xfec00000ul
#define IOAPIC_PINS	24
#define IOAPIC_LEVEL	BIT(15)
#define IOAPIC_MASKED	BIT(16)

/* ---- guest side: registers of the 82093AA data sheet, section 3.2 --------------- */

static inline void guest_ioapic_write(u8 reg, u32 value)
{
	*(volatile u32 *)IOAPIC_ADDR = reg;
	*(volatile u32 *)(IOAPIC_ADDR + 0x10) = value;
}

/* The redirection entry of @pin: to the APIC id @dest with @low (vector and more). */
static inline void guest_ioapic_pin(int pin, u8 dest, u32 low)
{
	guest_ioapic_write(0x11 + 2 * pin, (u32)dest << 24);
	guest_ioapic_write(0x10 + 2 * pin, low);
}

/* ---- host side -------------------------------------------------------------------- */

struct routes {
	struct kvm_irq_routing head;
	struct kvm_irq_routing_entry entry[64];
};

static inline void route_msi(struct routes *r, u32 gsi, u64 addr, u32 data)
{
	r->entry[r->head.nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = addr, .address_hi = addr >> 32, .data = data },
	};
}

static inline void route_ioapic(struct routes *r, u32 gsi, u32 pin)
{
	r->entry[r->head.nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = pin },
	};
}

/* All pins of the I/O APIC, GSI = pin, without the PICs. */
static inline void route_all_pins(struct routes *r)
{
	for (int pin = 0; pin < IOAPIC_PINS; pin++)
		route_ioapic(r, pin, pin);
}

static inline int set_routes(struct vm *vm, struct routes *r)
{
	return xioctl(vm->fd, KVM_SET_GSI_ROUTING, (uintptr_t)r);
}

static inline int irqfd(struct vm *vm, int fd, u32 gsi, u32 flags, int resamplefd)
{
	struct kvm_irqfd arg = { .fd = fd, .gsi = gsi, .flags = flags,
		.resamplefd = resamplefd };

	return xioctl(vm->fd, KVM_IRQFD, (uintptr_t)&arg);
}

static inline int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static inline void signal_eventfd(int fd)
{
	u64 one = 1;

	CHECK_EQ(write(fd, &one, sizeof(one)), sizeof(one));
}

/* How often it was signalled since the last look. */
static inline u64 eventfd_signals(int fd)
{
	u64 n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

#endif /* TEST_IRQSOURCE_H */
