// SPDX-License-Identifier: GPL-2.0
/*
 * support - the tables of support in Documentation/api.rst against what the
 * device answers: the value of every capability, and which kinds of descriptor
 * take which call. The tables come as a header that support.py makes of the page.
 */
#include <limits.h>

#include "selftest.h"
#include "../../uapi/linux/lodge.h"

enum { SYS = 1, VM = 2, VCPU = 4 };
#define ONLINE	-1			/* the number of online CPUs */
#define LAST_CAP	300		/* beyond all that the header knows */

struct cap {
	const char *name;
	int number, least, most;
};

struct call {
	const char *name;
	unsigned long cmd;
	int kinds;			/* of descriptor that take it */
};

#include "support.h"

static const struct cap *find_cap(int number)
{
	for (const struct cap *c = caps; c < caps + ARRAY_SIZE(caps); c++)
		if (c->number == number)
			return c;
	return NULL;
}

static void check_value(const char *where, int number, int got)
{
	const struct cap *c = find_cap(number);
	int least = c ? c->least : 0, most = c ? c->most : 0;

	if (least == ONLINE) {
		least = sysconf(_SC_NPROCESSORS_ONLN);
		most = least;
	}
	if (got < least || got > most)
		FAIL("capability %d (%s) on the %s: %d, documented %d to %d", number,
		     c ? c->name : "no row", where, got, least, most);
}

SUBTEST(every_capability)
{
	struct vm *vm = vm_create_bare();

	for (int number = 0; number <= LAST_CAP; number++) {
		check_value("device", number,
			    xioctl(vm->dev_fd, KVM_CHECK_EXTENSION, number));
		check_value("machine", number, xioctl(vm->fd, KVM_CHECK_EXTENSION, number));
	}
}

/* Numbers are 32 bits wide in the table and 64 in the register. */
SUBTEST(numbers_that_are_none)
{
	struct vm *vm = vm_create_bare();

	CHECK_EQ(xioctl(vm->dev_fd, KVM_CHECK_EXTENSION, BIT(32) + KVM_CAP_HLT), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_CHECK_EXTENSION, BIT(32) + KVM_CAP_HLT), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_CHECK_EXTENSION, -1ul), 0);
}

/*
 * 8 is no pointer, and no number that any of these calls acts upon but
 * KVM_CREATE_VCPU; what matters is whether it is looked at.
 */
static void check_call(const struct call *c, const char *where, int fd, int kind)
{
	int ret = xioctl(fd, c->cmd, 8);
	bool offered = ret != -ENOTTY;

	if (offered != !!(c->kinds & kind))
		FAIL("%s on the %s: %d, documented as %s", c->name, where, ret,
		     c->kinds & kind ? "offered" : "not offered");
}

SUBTEST(every_call)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	for (const struct call *c = calls; c < calls + ARRAY_SIZE(calls); c++) {
		check_call(c, "device", vm->dev_fd, SYS);
		check_call(c, "machine", vm->fd, VM);
		check_call(c, "vCPU", vcpu->fd, VCPU);
	}
}
