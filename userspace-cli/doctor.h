/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What keeps a machine from running guests. Gathering the facts is
 * cmd_doctor.c's; what follows from them is pure, so that a test can ask about
 * machines that it does not have.
 */
#ifndef LODGE_CLI_DOCTOR_H
#define LODGE_CLI_DOCTOR_H

#include "device.h"

enum answer { UNKNOWN, NO, YES };

struct doctor_facts {
	enum device_state device;
	const char *device_text;	/* unless open */
	int create_error;		/* errno of KVM_CREATE_VM, or 0 */
	const char *create_text;	/* with create_error */
	bool is_kvm;			/* the device is kvm's own */
	bool root;
	const char *release;		/* of the kernel */

	enum answer cpu_vmx;		/* says CPUID */
	enum answer in_vm;		/* a hypervisor is below this kernel */
	enum answer kernel_vmx;		/* says the kernel: firmware allows it */
	enum answer ept;
	enum answer unrestricted;

	enum answer loaded;		/* the device's module */
	enum answer installed;		/* where modprobe finds it */
	enum answer headers;		/* of this kernel */
	enum answer kvm_intel;		/* loaded */
	long kvm_intel_users;
	enum answer kvm_holds_vmx;	/* also without users */
};

#define DOCTOR_FINDINGS	10

struct doctor_findings {
	unsigned int nr;
	char text[DOCTOR_FINDINGS][512];
};

/* No findings: the machine is ready. */
void doctor_judge(const struct doctor_facts *facts,
		  struct doctor_findings *findings);

#endif
