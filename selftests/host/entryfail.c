// SPDX-License-Identifier: GPL-2.0
/*
 * entryfail - a VM entry that failed is explained: the rule, the field and its value, to
 * the machine's owner, and what tells of the host's addresses to nobody else.
 */
#include "selftest.h"
#include "state.h"
#include "vmcsview.h"

/* VMCS encodings: SDM vol. 3D appendix B. */
enum { GUEST_CS_AR = 0x4816, GUEST_TR_AR = 0x4822, GUEST_BLOCKING = 0x4824 };

static void guest_one_sync(u64 unused)
{
	GUEST_SYNC(1);
	GUEST_DONE();
}

static void check_named(struct vcpu *vcpu, const char *rule, u32 field, const char *sdm)
{
	struct failure f;

	vcpu_run(vcpu, KVM_EXIT_FAIL_ENTRY);
	CHECK_EQ(get_failure(vcpu, &f), 0);
	CHECK_EQ(f.head.reason, vcpu->run->fail_entry.hardware_entry_failure_reason);
	CHECK_EQ(f.head.reason, 0x80000021);
	CHECK_EQ(f.head.flags, 0);
	CHECK(f.head.findings >= 1);
	test_diag("%s: %s", f.finding[0].rule, f.finding[0].text);
	CHECK(!strcmp(f.finding[0].rule, rule));
	CHECK_EQ(f.finding[0].field, field);
	CHECK(!strncmp(f.finding[0].sdm, sdm, strlen(sdm)));
	CHECK(strlen(f.finding[0].text) > 10);
	CHECK_EQ(f.finding[0].flags, 0);
}

static void check_broken(struct vcpu *vcpu, const struct kvm_sregs *bad, const char *rule,
			 u32 field, const char *sdm)
{
	test_doing("%s", rule);
	set_sregs(vcpu, bad);
	check_named(vcpu, rule, field, sdm);
}

SUBTEST(rules_are_named)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	struct kvm_sregs good, bad;
	struct failure f;

	CHECK_EQ(get_failure(vcpu, &f), -ENOENT);
	vcpu_long_mode(vcpu, guest_one_sync, 0);
	get_sregs(vcpu, &good);
	bad = good;
	bad.tr.type = 3;
	check_broken(vcpu, &bad, "guest.tr.type", GUEST_TR_AR, "26.3.1.2");
	bad = good;
	bad.cs.type = 1;
	check_broken(vcpu, &bad, "guest.cs.type", GUEST_CS_AR, "26.3.1.2");
	bad = good;
	bad.tr.limit = 0x100fff;
	bad.tr.g = 0;
	check_broken(vcpu, &bad, "guest.tr.g.set", GUEST_TR_AR, "26.3.1.2");
	/* what was, remains until the next one fails */
	set_sregs(vcpu, &good);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(get_failure(vcpu, &f), 0);
	CHECK(!strcmp(f.finding[0].rule, "guest.tr.g.set"));
	vcpu_expect_done(vcpu);
}

/* An NMI behind a MOV to SS: what was to be injected is known still. */
SUBTEST(the_event_is_looked_at)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	struct kvm_vcpu_events none, e;

	vcpu_long_mode(vcpu, guest_one_sync, 0);
	get_events(vcpu, &none);
	none.flags = KVM_VCPUEVENT_VALID_SHADOW;
	e = none;
	e.nmi.injected = 1;
	e.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	set_events(vcpu, &e);
	check_named(vcpu, "guest.interruptibility.nmi_mov_ss", GUEST_BLOCKING, "26.3.1.5");
	set_events(vcpu, &none);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_done(vcpu);
}

SUBTEST(class29_failures_of_any_size)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	struct kvm_sregs bad;
	struct failure f;
	u32 n;

	vcpu_long_mode(vcpu, guest_one_sync, 0);
	get_sregs(vcpu, &bad);
	bad.tr.type = 3;
	set_sregs(vcpu, &bad);
	vcpu_run(vcpu, KVM_EXIT_FAIL_ENTRY);
	CHECK_EQ(get_failure(vcpu, &f), 0);
	n = f.head.findings;
	memset(&f, 0xa5, sizeof(f));
	f.head.size = sizeof(f.head);
	f.head.findings = n - 1;
	CHECK_EQ(xioctl(vcpu->fd, LODGE_GET_ENTRY_FAILURE, (uintptr_t)&f), -E2BIG);
	CHECK_EQ(f.head.findings, n);
	CHECK_EQ(f.finding[0].value, 0xa5a5a5a5a5a5a5a5);
	for (u32 size = 0; size < 16; size++) {
		f.head.size = size;
		CHECK_EQ(xioctl(vcpu->fd, LODGE_GET_ENTRY_FAILURE, (uintptr_t)&f), -EINVAL);
	}
	CHECK_EQ(xioctl(vcpu->fd, LODGE_GET_ENTRY_FAILURE, 0), -EFAULT);
}

/* A module that was not built for it breaks nothing. */
SUBTEST(class33_breaking_is_for_tests)
{
	struct {
		struct lodge_break head;
		struct lodge_vmcs_field field[LODGE_MAX_BROKEN + 1];
	} b = { { .size = sizeof(b.head) } };
	struct vcpu *vcpu = vcpu_of_lodge();

	vcpu_long_mode(vcpu, guest_one_sync, 0);
	CHECK_EQ(xioctl(vcpu->fd, LODGE_BREAK_VMCS, (uintptr_t)&b), -EINVAL);
	b.head.fields = LODGE_MAX_BROKEN + 1;
	CHECK_EQ(xioctl(vcpu->fd, LODGE_BREAK_VMCS, (uintptr_t)&b), -EINVAL);
	b.head.fields = 1;
	b.field[0].encoding = GUEST_TR_AR;
	CHECK_EQ(xioctl(vcpu->fd, LODGE_BREAK_VMCS, (uintptr_t)&b), -EOPNOTSUPP);
	CHECK_EQ(seteuid(65534), 0);
	CHECK_EQ(xioctl(vcpu->fd, LODGE_BREAK_VMCS, (uintptr_t)&b), -EPERM);
	CHECK_EQ(seteuid(0), 0);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_done(vcpu);
}
