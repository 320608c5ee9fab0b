// SPDX-License-Identifier: GPL-2.0
/*
 * From facts to findings. One finding is one line, "what: why: what to do", the
 * deepest cause first.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "doctor.h"

static void __printf(2, 3) find(struct doctor_findings *f, const char *fmt, ...)
{
	va_list ap;

	if (f->nr == DOCTOR_FINDINGS)
		return;
	va_start(ap, fmt);
	vsnprintf(f->text[f->nr++], sizeof(f->text[0]), fmt, ap);
	va_end(ap);
}

/* False when no module can help. */
static bool judge_cpu(const struct doctor_facts *facts,
		      struct doctor_findings *f)
{
	if (facts->cpu_vmx == NO && facts->in_vm == YES) {
		find(f,
		     "CPU: no VT-x: this is a virtual machine that does not pass it on: turn on nested virtualization in its host, or use the emulated host (make demo)");
		return false;
	}
	if (facts->cpu_vmx == NO) {
		find(f,
		     "CPU: no VT-x: it is not an Intel CPU, or an old one: use another machine, or the emulated host (make demo)");
		return false;
	}
	if (facts->cpu_vmx == YES && facts->kernel_vmx == NO) {
		find(f,
		     "firmware: VT-x is disabled: turn it on in the firmware's set-up (\"Intel Virtualization Technology\"), then power the machine off and on");
		return false;
	}
	if (facts->is_kvm || facts->kernel_vmx != YES)
		return true;
	if (facts->ept == NO)
		find(f,
		     "CPU: no EPT: lodge needs it: use a CPU that has it (Intel Core of 2008 or later)");
	if (facts->unrestricted == NO)
		find(f,
		     "CPU: no unrestricted guest: lodge needs it: use a CPU that has it (Intel Core of 2010 or later)");
	return facts->ept != NO && facts->unrestricted != NO;
}

static void judge_module(const struct doctor_facts *facts,
			 struct doctor_findings *f)
{
	const char *sudo = facts->root ? "" : "sudo ";

	if (facts->loaded != NO)
		return;
	if (facts->is_kvm) {
		find(f, "module: kvm_intel is not loaded: load it: %smodprobe kvm_intel",
		     sudo);
		return;
	}
	if (facts->installed == YES) {
		find(f, "module: lodge is not loaded: load it: %smodprobe lodge",
		     sudo);
		return;
	}
	if (facts->headers == NO)
		find(f,
		     "headers: those of the running kernel %s are missing, without them no module can be built: %sapt-get install linux-headers-%s",
		     facts->release, sudo, facts->release);
	find(f,
	     "module: lodge is neither loaded nor installed for the kernel %s: in lodge's source tree: make, then %smake load (or make install, and modprobe lodge)",
	     facts->release, sudo);
}

static void judge_device(const struct doctor_facts *facts,
			 struct doctor_findings *f)
{
	if (facts->device == DEVICE_MISSING && facts->loaded == YES)
		find(f,
		     "%s: the module is loaded, the node is not there: is devtmpfs mounted on /dev, and was the module loaded without another name (device=)?",
		     facts->is_kvm ? "/dev/kvm" : "/dev/lodge");
	else if (facts->device != DEVICE_MISSING || facts->loaded == UNKNOWN)
		find(f, "%s", facts->device_text);
}

static void judge_create(const struct doctor_facts *facts,
			 struct doctor_findings *f)
{
	if (facts->create_error != EBUSY || facts->kvm_intel != YES)
		find(f, "%s", facts->create_text);
	else if (facts->kvm_intel_users > 0)
		find(f,
		     "VT-x: kvm_intel holds it, with %ld users: end its VMs, then unload it: modprobe -r kvm_intel (as root)",
		     facts->kvm_intel_users);
	else
		find(f, "VT-x: kvm_intel holds it%s: unload it: modprobe -r kvm_intel (as root)",
		     facts->kvm_holds_vmx == YES ?
		     " as long as it is loaded (kvm's parameter enable_virt_at_load)" : "");
}

void doctor_judge(const struct doctor_facts *facts,
		  struct doctor_findings *f)
{
	f->nr = 0;
	/* A device that makes VMs answers every question. */
	if (facts->device == DEVICE_OPEN && !facts->create_error)
		return;
	if (facts->device == DEVICE_OPEN) {
		judge_create(facts, f);
		return;
	}
	/* With its module loaded, a closed door is all that is wrong. */
	if ((facts->device != DEVICE_DENIED || facts->loaded != YES) &&
	    judge_cpu(facts, f))
		judge_module(facts, f);
	judge_device(facts, f);
	if (!f->nr)
		find(f, "%s", facts->device_text);
}
