// SPDX-License-Identifier: GPL-2.0
/*
 * The guest of agent.h, and the orders that its host side gives it: each vCPU has
 * one place in memory for the order at hand.
 */
#include "agent.h"

static struct agent_order orders[64];

static u64 port_access(u64 what, u64 size, u16 port, u32 value)
{
	if (what == AGENT_IN)
		value = 0;
	if (what == AGENT_IN && size == 1)
		asm volatile("inb %1, %b0" : "+a"(value) : "d"(port) : "memory");
	else if (what == AGENT_IN && size == 2)
		asm volatile("inw %1, %w0" : "+a"(value) : "d"(port) : "memory");
	else if (what == AGENT_IN)
		asm volatile("inl %1, %0" : "+a"(value) : "d"(port) : "memory");
	else if (size == 1)
		asm volatile("outb %b0, %1" : : "a"(value), "d"(port) : "memory");
	else if (size == 2)
		asm volatile("outw %w0, %1" : : "a"(value), "d"(port) : "memory");
	else
		asm volatile("outl %0, %1" : : "a"(value), "d"(port) : "memory");
	return value;
}

static u64 mem_read(u64 size, u64 addr)
{
	u64 value = 0;

	if (size == 1)
		asm volatile("movb (%1), %b0" : "+r"(value) : "r"(addr) : "memory");
	else if (size == 2)
		asm volatile("movw (%1), %w0" : "+r"(value) : "r"(addr) : "memory");
	else if (size == 4)
		asm volatile("movl (%1), %k0" : "+r"(value) : "r"(addr) : "memory");
	else
		asm volatile("movq (%1), %0" : "+r"(value) : "r"(addr) : "memory");
	return value;
}

static void mem_write(u64 size, u64 addr, u64 value)
{
	if (size == 1)
		asm volatile("movb %b0, (%1)" : : "r"(value), "r"(addr) : "memory");
	else if (size == 2)
		asm volatile("movw %w0, (%1)" : : "r"(value), "r"(addr) : "memory");
	else if (size == 4)
		asm volatile("movl %k0, (%1)" : : "r"(value), "r"(addr) : "memory");
	else
		asm volatile("movq %0, (%1)" : : "r"(value), "r"(addr) : "memory");
}

static void guest_agent(u64 slot)
{
	struct agent_order *o = &orders[slot];
	u64 v;

	for (;;) {
		v = 0;
		if (o->what == AGENT_IN || o->what == AGENT_OUT)
			v = port_access(o->what, o->size, o->addr, o->value);
		else if (o->what == AGENT_READ)
			v = mem_read(o->size, o->addr);
		else if (o->what == AGENT_WRITE)
			mem_write(o->size, o->addr, o->value);
		else if (o->what == AGENT_WINDOW)
			asm volatile("sti; nop; nop; nop; nop; cli" : : : "memory");
		else if (o->what == AGENT_HALT)
			asm volatile("sti; hlt; cli" : : : "memory");
		else
			v = ((u64 (*)(u64))o->addr)(o->value);
		GUEST_SYNC_VALUE(AGENT_SYNC, v);
	}
}

static u64 slot_of(struct vcpu *vcpu)
{
	return vcpu->id % ARRAY_SIZE(orders);
}

void agent_start(struct vcpu *vcpu)
{
	struct kvm_mp_state run = { .mp_state = KVM_MP_STATE_RUNNABLE };

	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_MP_STATE, (uintptr_t)&run), 0);
	vcpu_long_mode(vcpu, guest_agent, slot_of(vcpu));
}

void agent_order(struct vcpu *vcpu, enum agent_what what, u32 size, u64 addr, u64 value)
{
	guest_var(vcpu->vm, orders)[slot_of(vcpu)] = (struct agent_order){
		.what = what, .size = size, .addr = addr, .value = value };
}

u64 agent_do(struct vcpu *vcpu, enum agent_what what, u32 size, u64 addr, u64 value)
{
	agent_order(vcpu, what, size, addr, value);
	return vcpu_expect_sync(vcpu, AGENT_SYNC);
}
