// SPDX-License-Identifier: GPL-2.0
/*
 * pio - port I/O: IN, OUT and their string forms, of every width and address
 * size, from RAM, over page borders, from unmapped pages and from MMIO. User
 * space may get a string in pieces of the device's choice: the tests add them up.
 */
#include "selftest.h"

#define PORT	0x3210
#define BUF	0x300000ul		/* guest RAM of the tests' data */

/* ---- single accesses ------------------------------------------------- */

static void guest_out_forms(u64 arg)
{
	u64 v = 0x1122334455667788;

	asm volatile("outb %%al, $0x80" : : "a"(v));
	asm volatile("outw %%ax, $0x80" : : "a"(v));
	asm volatile("outl %%eax, $0x80" : : "a"(v));
	asm volatile("outb %%al, %%dx" : : "a"(v), "d"(0xdead0000 | PORT));
	asm volatile("outw %%ax, %%dx" : : "a"(v), "d"(PORT));
	asm volatile("outl %%eax, %%dx" : : "a"(v), "d"(PORT));
	asm volatile("outb %%al, %%dx" : : "a"(v), "d"(0xffff));
	asm volatile("outl %%eax, %%dx" : : "a"(v), "d"(0xffff));
}

SUBTEST(out_forms)
{
	static const struct { u16 port; u8 size; } want[] = {
		{ 0x80, 1 }, { 0x80, 2 }, { 0x80, 4 },
		{ PORT, 1 }, { PORT, 2 }, { PORT, 4 }, { 0xffff, 1 }, { 0xffff, 4 },
	};
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 value = 0x1122334455667788, got;

	vcpu_long_mode(vcpu, guest_out_forms, 0);
	for (u64 i = 0; i < ARRAY_SIZE(want); i++) {
		u8 *data = vcpu_expect_out(vcpu, want[i].port, want[i].size, 1);

		got = 0;
		memcpy(&got, data, want[i].size);
		CHECK_EQ(got, value & ((1ull << 8 * want[i].size) - 1));
	}
	vcpu_expect_done(vcpu);
}

/* IN of 1 and 2 bytes keeps the rest of RAX, of 4 bytes clears it. */
static void guest_in_forms(u64 arg)
{
	u64 a = 0x1122334455667788, b = a, c = a, d = a, e = a, f = a;

	asm volatile("inb $0x80, %%al" : "+a"(a));
	asm volatile("inw $0x80, %%ax" : "+a"(b));
	asm volatile("inl $0x80, %%eax" : "+a"(c));
	asm volatile("inb %%dx, %%al" : "+a"(d) : "d"(PORT));
	asm volatile("inw %%dx, %%ax" : "+a"(e) : "d"(PORT));
	asm volatile("inl %%dx, %%eax" : "+a"(f) : "d"(PORT));
	GUEST_ASSERT_EQ(a, 0x11223344556677f1);
	GUEST_ASSERT_EQ(b, 0x112233445566e2f1);
	GUEST_ASSERT_EQ(c, 0xc4d3e2f1);
	GUEST_ASSERT_EQ(d, 0x11223344556677f1);
	GUEST_ASSERT_EQ(e, 0x112233445566e2f1);
	GUEST_ASSERT_EQ(f, 0xc4d3e2f1);
}

SUBTEST(in_forms)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u32 value = 0xc4d3e2f1;

	vcpu_long_mode(vcpu, guest_in_forms, 0);
	for (int i = 0; i < 6; i++) {
		u8 size = 1 << i % 3;

		memcpy(vcpu_expect_in(vcpu, i < 3 ? 0x80 : PORT, size, 1), &value,
		       size);
	}
	vcpu_expect_done(vcpu);
}

/* The access is complete, and the registers right, after the next KVM_RUN. */
SUBTEST(in_completes_before_immediate_exit)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	vcpu_long_mode(vcpu, guest_in_forms, 0);
	*vcpu_expect_in(vcpu, 0x80, 1, 1) = 0xf1;
	vcpu_complete(vcpu);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 0x11223344556677f1);
	/* Completed once only: the next exit is the next instruction's. */
	vcpu_complete(vcpu);
	*(u16 *)vcpu_expect_in(vcpu, 0x80, 2, 1) = 0xe2f1;
	vcpu_complete(vcpu);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 0x112233445566e2f1);
}

/* What user space writes to the exit's description is not the kernel's. */
SUBTEST(class07_hostile_io_fields)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_run *r = vcpu->run;
	u32 value = 0xc4d3e2f1;

	vcpu_long_mode(vcpu, guest_in_forms, 0);
	for (int i = 0; i < 6; i++) {
		u8 size = 1 << i % 3;

		memcpy(vcpu_expect_in(vcpu, i < 3 ? 0x80 : PORT, size, 1), &value,
		       size);
		r->io.size = 0xff;
		r->io.count = 0xffffffff;
		r->io.port = 0;
		r->io.direction = 7;
		r->io.data_offset = i & 1 ? ~0ull : 1ull << 40;
		r->exit_reason = KVM_EXIT_MMIO;
	}
	vcpu_expect_done(vcpu);
}

/* ---- every port ------------------------------------------------------ */

GUEST_ASM(sweep_in,
	  ".code64\n"
	  "xor %edx, %edx\n"
	  "1: xor %eax, %eax\n"
	  "in %dx, %al\n"
	  "mov %edx, %ecx\n"
	  "xor %ch, %cl\n"
	  "xor $0x5a, %cl\n"
	  "cmp %cl, %al\n"
	  "jne 2f\n"
	  "inc %edx\n"
	  "test $0xffff, %dx\n"
	  "jnz 1b\n"
	  "hlt\n"
	  "2: ud2\n");

/* No port reaches the host's hardware: each access comes out (CVE-2017-1000407). */
SUBTEST(class23_every_port_exits_on_in)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, sweep_in, 0);
	for (u32 port = 0; port < 0x10000; port++)
		*vcpu_expect_in(vcpu, port, 1, 1) = port ^ port >> 8 ^ 0x5a;
	vcpu_run(vcpu, KVM_EXIT_HLT);
}

GUEST_ASM(sweep_out,
	  ".code64\n"
	  "xor %edx, %edx\n"
	  "1: mov %edx, %eax\n"
	  "out %al, %dx\n"
	  "add %edi, %edx\n"
	  "test $0xffff0000, %edx\n"
	  "jz 1b\n"
	  "hlt\n");

SUBTEST(class23_ports_exit_on_out)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u32 port, step = 5;

	vcpu_long_mode(vcpu, sweep_out, step);
	for (port = 0; port < 0x10000; port += step)
		CHECK_EQ(*vcpu_expect_out(vcpu, port, 1, 1), port & 0xff);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	/* 0x80 in its neighbourhood, which the step above may have missed. */
	vcpu_long_mode(vcpu, sweep_out, 1);
	for (port = 0; port < 0x100; port++)
		CHECK_EQ(*vcpu_expect_out(vcpu, port, 1, 1), port & 0xff);
}

/* ---- strings --------------------------------------------------------- */

struct string_job {
	u64 addr, count;		/* in: where and how many elements */
	u8 size;
	bool in, down;			/* INS; DF set */
};

struct string_result {
	u64 addr, count;		/* RSI or RDI, RCX */
};

static struct string_job job;
static struct string_result result;

#define STRING(insn, reg)						\
	asm volatile(insn : "+" reg(addr), "+c"(count) : "d"(PORT) : "memory", "cc")

static void do_string(void)
{
	u64 addr = job.addr, count = job.count;

	if (job.down)
		asm volatile("std");
	if (job.in) {
		if (job.size == 1)
			STRING("rep insb", "D");
		else if (job.size == 2)
			STRING("rep insw", "D");
		else
			STRING("rep insl", "D");
	} else {
		if (job.size == 1)
			STRING("rep outsb", "S");
		else if (job.size == 2)
			STRING("rep outsw", "S");
		else
			STRING("rep outsl", "S");
	}
	asm volatile("cld");
	result.addr = addr;
	result.count = count;
}

static void guest_string(u64 arg)
{
	do_string();
}

/*
 * Plays the device of port PORT until another exit comes: OUT appends to @data,
 * IN takes from it. Returns the number of bytes.
 */
static size_t serve_string(struct vcpu *vcpu, u8 *data, size_t max, u8 size, bool out)
{
	struct kvm_run *r = vcpu->run;
	size_t done = 0, n;

	for (;;) {
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		if (r->exit_reason != KVM_EXIT_IO || r->io.port != PORT)
			return done;
		CHECK_EQ(r->io.direction, out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN);
		CHECK_EQ(r->io.size, size);
		n = (size_t)r->io.count * size;
		CHECK(n > 0);
		CHECK(r->io.data_offset + n <= (size_t)vcpu->vm->mmap_size);
		CHECK(done + n <= max);
		if (out)
			memcpy(data + done, (u8 *)r + r->io.data_offset, n);
		else
			memcpy((u8 *)r + r->io.data_offset, data + done, n);
		done += n;
	}
}

static void fill(u8 *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = test_rand();
}

/* Element order of @n bytes turned around, as DF does. */
static void reverse(u8 *p, size_t n, u8 size)
{
	u8 t[4];

	for (size_t i = 0, j = n - size; n && i < j; i += size, j -= size) {
		memcpy(t, p + i, size);
		memcpy(p + i, p + j, size);
		memcpy(p + j, t, size);
	}
}

#define MAX_STRING	10000

/* Runs @job with memory @mem (linear in the host) and checks data and registers. */
static void check_string(struct vcpu *vcpu, u64 addr, u8 *mem, u32 count, u8 size,
			 bool in, bool down)
{
	size_t n = (size_t)count * size, got;
	static u8 want[MAX_STRING], port[MAX_STRING];
	struct vm *vm = vcpu->vm;
	struct ucall uc;

	guest_var(vm, job) = (struct string_job){
		.addr = down && n ? addr + n - size : addr,
		.count = count, .size = size, .in = in, .down = down,
	};
	fill(mem, n);
	fill(port, n);
	memcpy(want, in ? port : mem, n);
	if (down)
		reverse(want, n, size);
	vcpu_long_mode(vcpu, guest_string, 0);
	got = serve_string(vcpu, port, in ? n : sizeof(port), size, !in);
	get_ucall(vcpu, &uc);
	CHECK_EQ(uc.cmd, UCALL_DONE);
	CHECK_EQ(got, n);
	CHECK(!memcmp(in ? mem : port, want, n));
	CHECK_EQ(guest_var(vm, result).count, 0);
	CHECK_EQ(guest_var(vm, result).addr,
		 guest_var(vm, job).addr + (down ? -n : n));
}

static void string_matrix(bool in)
{
	static const u32 counts[] = { 0, 1, 2, 3, 100, 1024, 1025, 2500 };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *mem = vm_ptr(vm, BUF);

	for (u64 i = 0; i < ARRAY_SIZE(counts); i++) {
		for (u8 size = 1; size <= 4; size *= 2) {
			for (int down = 0; down < 2; down++) {
				size_t n = counts[i] * size;

				/* Guards around the string: not to be touched. */
				memset(mem, 0xee, n + 64);
				check_string(vcpu, BUF + 32, mem + 32, counts[i],
					     size, in, down);
				for (int k = 0; k < 32; k++) {
					CHECK_EQ(mem[k], 0xee);
					CHECK_EQ(mem[32 + n + k], 0xee);
				}
			}
		}
	}
}

SUBTEST(rep_outs_widths_counts_directions)
{
	string_matrix(false);
}

SUBTEST(rep_ins_widths_counts_directions)
{
	string_matrix(true);
}

/* User space changes the count of INS while it is being asked for data. */
static void guest_ins(u64 count)
{
	u64 addr = BUF;

	STRING("rep insb", "D");
	GUEST_SYNC_VALUE(1, count);
	GUEST_DONE();
}

static void change_count(u32 from, u64 to)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *mem = vm_ptr(vm, BUF), *data;
	struct kvm_regs regs;

	memset(mem, 0xee, 0x3000);
	vcpu_long_mode(vcpu, guest_ins, from);
	data = vcpu_expect_in(vcpu, PORT, 1, from);
	memset(data, 0xaa, from);
	get_regs(vcpu, &regs);
	regs.rcx = to;
	set_regs(vcpu, &regs);
	/* what it has still to get, it asks for: nothing comes that nobody gave */
	for (u64 left = to > from ? to - from : 0; left; ) {
		vcpu_run(vcpu, KVM_EXIT_IO);
		CHECK_EQ(vcpu->run->io.direction, KVM_EXIT_IO_IN);
		CHECK(vcpu->run->io.count <= left);
		memset((u8 *)vcpu->run + vcpu->run->io.data_offset, 0xbb, vcpu->run->io.count);
		left -= vcpu->run->io.count;
	}
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), 0);
	for (u64 i = 0; i < 0x3000; i++)
		CHECK_EQ(mem[i], i >= to ? 0xee : i < from ? 0xaa : 0xbb);
	vcpu_expect_done(vcpu);
}

SUBTEST(class05_count_changed_meanwhile)
{
	change_count(2, 1);
	if (device_is_kvm())
		return;		/* KVM fills all that is wanted with what it was given */
	change_count(3, 8192);
	change_count(100, 101);
	change_count(3, 3);
}

static void guest_single_string(u64 arg)
{
	u64 addr = BUF, count = 7;

	/* Without REP, RCX does not matter. */
	STRING("outsb", "S");
	GUEST_ASSERT_EQ(addr, BUF + 1);
	GUEST_ASSERT_EQ(count, 7);
	STRING("outsw", "S");
	GUEST_ASSERT_EQ(addr, BUF + 3);
	STRING("outsl", "S");
	GUEST_ASSERT_EQ(addr, BUF + 7);
	STRING("insb", "D");
	GUEST_ASSERT_EQ(addr, BUF + 8);
	STRING("insw", "D");
	GUEST_ASSERT_EQ(addr, BUF + 10);
	STRING("insl", "D");
	GUEST_ASSERT_EQ(addr, BUF + 14);
	GUEST_ASSERT_EQ(count, 7);
	/* Operand-size of 8 bytes does not exist: REX.W means 4. */
	STRING(".byte 0x48, 0x6f", "S");
	GUEST_ASSERT_EQ(addr, BUF + 18);
}

SUBTEST(single_strings)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *mem = vm_ptr(vm, BUF);

	for (int i = 0; i < 20; i++)
		mem[i] = i;
	vcpu_long_mode(vcpu, guest_single_string, 0);
	CHECK(!memcmp(vcpu_expect_out(vcpu, PORT, 1, 1), mem, 1));
	CHECK(!memcmp(vcpu_expect_out(vcpu, PORT, 2, 1), mem + 1, 2));
	CHECK(!memcmp(vcpu_expect_out(vcpu, PORT, 4, 1), mem + 3, 4));
	memcpy(vcpu_expect_in(vcpu, PORT, 1, 1), "a", 1);
	memcpy(vcpu_expect_in(vcpu, PORT, 2, 1), "bc", 2);
	memcpy(vcpu_expect_in(vcpu, PORT, 4, 1), "defg", 4);
	CHECK(!memcmp(vcpu_expect_out(vcpu, PORT, 4, 1), mem + 14, 4));
	vcpu_expect_done(vcpu);
	CHECK(!memcmp(mem + 7, "abcdefg", 7));
}

/*
 * Two pages that follow each other in the guest's linear memory and not in its
 * physical memory: elements before, on and behind the border.
 */
SUBTEST(class06_pio_string_over_page_border)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *first = vm_ptr(vm, BUF + 4 * PAGE_SIZE), *second = vm_ptr(vm, BUF);
	u8 data[64];

	vm_map(vm, TEST_GVA, BUF + 4 * PAGE_SIZE, PAGE_SIZE, PTE_P | PTE_W);
	vm_map(vm, TEST_GVA + PAGE_SIZE, BUF, PAGE_SIZE, PTE_P | PTE_W);
	for (u32 before = 0; before <= 6; before++) {
		for (u8 size = 1; size <= 4; size *= 2) {
			for (int k = 0; k < 4; k++) {
				bool in = k & 1, down = k & 2;
				u64 addr = TEST_GVA + PAGE_SIZE - before;
				struct ucall uc;
				size_t n = 6 * size;

				fill(data, n);
				guest_var(vm, job) = (struct string_job){
					.addr = down ? addr + n - size : addr,
					.count = 6, .size = size, .in = in,
					.down = down };
				memcpy(first + PAGE_SIZE - before, data, before);
				memcpy(second, data + before, n - before);
				if (in)
					fill(data, n);
				if (down && in)
					reverse(data, n, size);
				vcpu_long_mode(vcpu, guest_string, 0);
				CHECK_EQ(serve_string(vcpu, data, n, size, !in), n);
				get_ucall(vcpu, &uc);
				CHECK_EQ(uc.cmd, UCALL_DONE);
				if (down)
					reverse(data, n, size);
				CHECK(!memcmp(first + PAGE_SIZE - before, data, before));
				CHECK(!memcmp(second, data + before, n - before));
			}
		}
	}
}

/* ---- faults within a string ------------------------------------------ */

static void guest_outs_fault(u64 arg)
{
	u64 addr = TEST_GVA + PAGE_SIZE - 3, count = 8;

	GUEST_TRY("rep outsb", "+S"(addr), "+c"(count) : "d"(PORT) : "memory");
	GUEST_ASSERT_EQ(guest_ex()->vector, PF);
	GUEST_ASSERT_EQ(guest_ex()->error, 0);
	GUEST_ASSERT_EQ(guest_ex()->cr2, TEST_GVA + PAGE_SIZE);
	GUEST_ASSERT_EQ(addr, TEST_GVA + PAGE_SIZE);
	GUEST_ASSERT_EQ(count, 5);
	/* An element that lies on both pages. */
	addr = TEST_GVA + PAGE_SIZE - 2;
	GUEST_TRY("outsl", "+S"(addr) : "d"(PORT) : "memory");
	GUEST_ASSERT_EQ(guest_ex()->vector, PF);
	GUEST_ASSERT_EQ(guest_ex()->cr2, TEST_GVA + PAGE_SIZE);
	GUEST_ASSERT_EQ(addr, TEST_GVA + PAGE_SIZE - 2);
}

SUBTEST(outs_from_unmapped_page_faults)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 data[8], *mem = vm_ptr(vm, BUF);
	struct ucall uc;

	vm_map(vm, TEST_GVA, BUF, PAGE_SIZE, PTE_P | PTE_W);
	fill(mem, PAGE_SIZE);
	vcpu_long_mode(vcpu, guest_outs_fault, 0);
	CHECK_EQ(serve_string(vcpu, data, sizeof(data), 1, true), 3);
	CHECK(!memcmp(data, mem + PAGE_SIZE - 3, 3));
	get_ucall(vcpu, &uc);
	CHECK_EQ(uc.cmd, UCALL_DONE);
}

static void guest_ins_fault(u64 error)
{
	u64 addr = TEST_GVA + PAGE_SIZE, count = 4;

	GUEST_TRY("rep insb", "+D"(addr), "+c"(count) : "d"(PORT) : "memory");
	GUEST_ASSERT_EQ(guest_ex()->vector, PF);
	GUEST_ASSERT_EQ(guest_ex()->error, error);
	GUEST_ASSERT_EQ(guest_ex()->cr2, TEST_GVA + PAGE_SIZE);
	GUEST_ASSERT_EQ(addr, TEST_GVA + PAGE_SIZE);
}

/* Whether the port is read before the fault is the device's choice. */
SUBTEST(ins_to_unmapped_and_read_only_page_faults)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 data[16] = { 0 };
	struct ucall uc;

	vm_map(vm, TEST_GVA + PAGE_SIZE, 0, PAGE_SIZE, 0);
	vcpu_long_mode(vcpu, guest_ins_fault, 2);
	serve_string(vcpu, data, sizeof(data), 1, false);
	get_ucall(vcpu, &uc);
	CHECK_EQ(uc.cmd, UCALL_DONE);
	vm_map(vm, TEST_GVA + PAGE_SIZE, BUF, PAGE_SIZE, PTE_P);
	vcpu_long_mode(vcpu, guest_ins_fault, 3);
	serve_string(vcpu, data, sizeof(data), 1, false);
	get_ucall(vcpu, &uc);
	CHECK_EQ(uc.cmd, UCALL_DONE);
	CHECK_EQ(*(u8 *)vm_ptr(vm, BUF), 0);
}

static void guest_not_canonical(u64 arg)
{
	u64 addr = 0x800000000000, count = 3;

	GUEST_TRY("rep outsb", "+S"(addr), "+c"(count) : "d"(PORT) : "memory");
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);
	GUEST_ASSERT_EQ(guest_ex()->error, 0);
	GUEST_ASSERT_EQ(addr, 0x800000000000);
	GUEST_ASSERT_EQ(count, 3);
	GUEST_TRY("rep insb", "+D"(addr), "+c"(count) : "d"(PORT) : "memory");
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);
	GUEST_TRY("outsb %%ss:(%%rsi), %%dx", "+S"(addr) : "d"(PORT) : "memory");
	GUEST_ASSERT(guest_ex()->vector == SS || guest_ex()->vector == GP);
}

SUBTEST(class04_string_address_is_not_canonical)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 data[16] = { 0 };
	struct ucall uc;

	vcpu_long_mode(vcpu, guest_not_canonical, 0);
	serve_string(vcpu, data, sizeof(data), 1, false);
	CHECK_EQ(get_ucall(vcpu, &uc), UCALL_DONE);
}

/* ---- source or destination in MMIO ----------------------------------- */

static void guest_string_mmio(u64 arg)
{
	u64 addr = MMIO_GPA + 16, count = 5;

	STRING("rep outsw", "S");
	GUEST_ASSERT_EQ(addr, MMIO_GPA + 26);
	GUEST_ASSERT_EQ(count, 0);
	addr = MMIO_GPA + 0x100;
	count = 3;
	STRING("rep insl", "D");
	GUEST_ASSERT_EQ(addr, MMIO_GPA + 0x10c);
	GUEST_ASSERT_EQ(count, 0);
}

SUBTEST(strings_from_and_to_mmio)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_run *r = vcpu->run;
	u8 data[PAGE_SIZE], out[10], in[12];
	struct mmio_dev dev = { MMIO_GPA, sizeof(data), data };
	size_t n, n_out = 0, n_in = 0;
	struct ucall uc;

	fill(data, sizeof(data));
	fill(in, sizeof(in));
	vcpu_long_mode(vcpu, guest_string_mmio, 0);
	for (;;) {
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		if (mmio_dev_serve(&dev, r))
			continue;
		if (get_ucall(vcpu, &uc) == UCALL_DONE)
			break;
		CHECK_EQ(r->exit_reason, KVM_EXIT_IO);
		CHECK_EQ(r->io.port, PORT);
		n = r->io.size * r->io.count;
		if (r->io.direction == KVM_EXIT_IO_OUT) {
			CHECK_EQ(r->io.size, 2);
			CHECK(n_out + n <= sizeof(out));
			memcpy(out + n_out, (u8 *)r + r->io.data_offset, n);
			n_out += n;
		} else {
			CHECK_EQ(r->io.size, 4);
			CHECK(n_in + n <= sizeof(in));
			memcpy((u8 *)r + r->io.data_offset, in + n_in, n);
			n_in += n;
		}
	}
	CHECK_EQ(n_out, sizeof(out));
	CHECK_EQ(n_in, sizeof(in));
	CHECK(!memcmp(out, data + 16, sizeof(out)));
	CHECK(!memcmp(in, data + 0x100, sizeof(in)));
	CHECK_EQ(dev.bytes_read, sizeof(out));
	CHECK_EQ(dev.bytes_written, sizeof(in));
}

/* ---- address sizes, segments ----------------------------------------- */

static void guest_addr32(u64 arg)
{
	u64 addr = 0xabcd00000000 | BUF, count = 0x100000000 | 3;

	/* The upper halves of RSI and RCX do not take part. */
	STRING("addr32 rep outsb", "S");
	GUEST_ASSERT_EQ((u32)addr, BUF + 3);
	GUEST_ASSERT_EQ((u32)count, 0);
	addr = 0xabcd00000000 | (BUF + 8);
	count = 0x100000000 | 2;
	STRING("addr32 rep insw", "D");
	GUEST_ASSERT_EQ((u32)addr, BUF + 12);
}

SUBTEST(address_size_32_in_long_mode)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *mem = vm_ptr(vm, BUF), data[8] = "wxyz";
	struct kvm_run *r = vcpu->run;
	struct ucall uc;

	memcpy(mem, "abc", 3);
	vcpu_long_mode(vcpu, guest_addr32, 0);
	/* The first exit of INS ends the OUT part: look at both in turn. */
	for (size_t n = 0; n < 3; n += r->io.count) {
		vcpu_run(vcpu, KVM_EXIT_IO);
		CHECK_EQ(r->io.direction, KVM_EXIT_IO_OUT);
		CHECK(!memcmp((u8 *)r + r->io.data_offset, mem + n, r->io.count));
	}
	CHECK_EQ(serve_string(vcpu, data, 4, 2, false), 4);
	get_ucall(vcpu, &uc);
	CHECK_EQ(uc.cmd, UCALL_DONE);
	CHECK(!memcmp(mem + 8, "wxyz", 4));
}

/* In 32-bit code, with 16-bit addresses: SI wraps at 64 KiB, CX counts. */
GUEST_ASM(addr16_code,
	  ".code32\n"
	  "mov $0x5fffe, %esi\n"
	  "mov $0x70004, %ecx\n"
	  "mov $0x3210, %edx\n"
	  "addr16 rep outsb\n"
	  "hlt\n");

SUBTEST(address_size_16_in_protected_mode)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;
	u8 data[4];

	memcpy(vm_ptr(vm, 0xfffe), "ab", 2);
	memcpy(vm_ptr(vm, 0), "cd", 2);
	vcpu_protected_mode(vcpu, addr16_code, 0, NO_PAGING);
	CHECK_EQ(serve_string(vcpu, data, sizeof(data), 1, true), 4);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
	CHECK(!memcmp(data, "abcd", 4));
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rsi, 0x50002);
	CHECK_EQ(regs.rcx, 0x70000);
}

/* Real mode: DS and ES bases, an override, and the segment limit. */
GUEST_ASM(real_strings,
	  ".code16\n"
	  "mov $0x1000, %ax\n	mov %ax, %ds\n"
	  "mov $0x2000, %ax\n	mov %ax, %es\n"
	  "mov $0x3210, %dx\n"
	  "mov $4, %si\n	mov $2, %cx\n"
	  "rep outsw\n"
	  "mov $8, %si\n	mov $1, %cx\n"
	  "rep outsw %es:(%si), %dx\n"
	  "hlt\n"
	  "mov $6, %di\n	mov $2, %cx\n"
	  "rep insw\n"
	  "hlt\n"
	  "mov $0xffff, %si\n"
	  "outsw\n"
	  "hlt\n");

SUBTEST(real_mode_segments_and_limit)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 data[8], in[4] = "5678";
	struct kvm_sregs s;

	memcpy(vm_ptr(vm, 0x10004), "abcd", 4);
	memcpy(vm_ptr(vm, 0x20008), "ef", 2);
	vm_load(vm, 0x8000, real_strings, real_strings_end);
	vcpu_real_mode(vcpu, 0x800, 0);
	CHECK_EQ(serve_string(vcpu, data, sizeof(data), 2, true), 6);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
	CHECK(!memcmp(data, "abcdef", 6));
	CHECK_EQ(serve_string(vcpu, in, sizeof(in), 2, false), 4);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
	CHECK(!memcmp(vm_ptr(vm, 0x20006), "5678", 4));
	/* #GP at the limit, and no IDT: shutdown instead of an OUT. */
	get_sregs(vcpu, &s);
	s.idt.limit = 0;
	set_sregs(vcpu, &s);
	vcpu_run(vcpu, KVM_EXIT_SHUTDOWN);
}

static void guest_fs_string(u64 arg)
{
	u64 addr = 0x10, count = 4;

	STRING("rep outsb %%fs:(%%rsi), %%dx", "S");
	GUEST_ASSERT_EQ(addr, 0x14);
}

SUBTEST(fs_override_in_long_mode)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs s;
	u8 data[4];
	struct ucall uc;

	memcpy(vm_ptr(vm, BUF + 0x10), "fsfs", 4);
	vcpu_long_mode(vcpu, guest_fs_string, 0);
	get_sregs(vcpu, &s);
	s.fs.base = BUF;
	set_sregs(vcpu, &s);
	CHECK_EQ(serve_string(vcpu, data, sizeof(data), 1, true), 4);
	get_ucall(vcpu, &uc);
	CHECK_EQ(uc.cmd, UCALL_DONE);
	CHECK(!memcmp(data, "fsfs", 4));
}
