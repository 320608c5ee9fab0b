/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What /dev/lodge offers beyond KVM's ABI.  Everything that KVM has keeps its
 * number, struct and meaning from <linux/kvm.h>; only what KVM has not may
 * stand here, under an ioctl type of its own so that the two can never meet.
 *
 * Structs begin with their size.  A later version only adds to their ends.  Who
 * reads a longer one than it knows leaves out the rest; lodge takes a longer one
 * than it knows if the rest is 0 (else E2BIG), and refuses a shorter one (EINVAL).
 */
#ifndef _UAPI_LINUX_LODGE_H
#define _UAPI_LINUX_LODGE_H

#include <linux/ioctl.h>
#include <linux/kvm.h>
#include <linux/types.h>

/* KVM owns type 0xAE; lodge's own calls have this one. */
#define LODGE_IOCTL_TYPE 0xEB

/*
 * LODGE_GET_VERSION: (device) the version of this header that the module was
 * built from.  KVM answers ENOTTY, so a client can tell the two apart.
 */
#define LODGE_GET_VERSION	_IO(LODGE_IOCTL_TYPE, 0x00)
#define LODGE_VERSION		2

/*
 * LODGE_GET_FLIGHT_FD: (vCPU) a descriptor of its flight recorder: the last exits,
 * in a ring that lodge writes at each of them and that the descriptor's mmap()
 * shows, read-only.  It gives no other right, and may be handed to somebody else.
 */
#define LODGE_GET_FLIGHT_FD	_IO(LODGE_IOCTL_TYPE, 0x10)

#define LODGE_FLIGHT_BYTES	8192	/* to be mapped */

/* At the beginning of the ring; the records follow. */
struct lodge_flight {
	__u32 size;			/* of this struct, which is where records begin */
	__u32 version;			/* LODGE_VERSION of the writer */
	__u32 record_size;
	__u32 records;			/* how many the ring holds */
	__u32 vcpu;			/* its id */
	__u32 tsc_khz;			/* of the host: ticks of the times below, in 1 ms */
	/*
	 * Exits ever recorded, written after each record: the newest is number
	 * (count - 1) % records.  Who copies records reads this again afterwards:
	 * those up to the new count - records may have been overwritten.
	 */
	__u64 count;
	__u64 reserved[4];
};

struct lodge_flight_record {
	__u64 entered;			/* the host's TSC before the entry ... */
	__u64 left;			/* ... and after the exit */
	__u64 rip;
	__u64 cr3;
	__u64 qualification;		/* or VM-instruction error, with LODGE_FLIGHT_VMFAIL */
	__u64 gpa;			/* with EPT violations and misconfigurations */
	__u32 reason;			/* as in the VMCS, with its flags */
	__u32 event;			/* what went in: VM-entry interruption information */
	__u32 cpu;			/* of the host */
	__u32 flags;			/* LODGE_FLIGHT_* */
};

/* The CPU refused VMLAUNCH or VMRESUME itself; there was no exit and no reason. */
#define LODGE_FLIGHT_VMFAIL	0x1

/*
 * LODGE_GET_VMCS: (vCPU) its VMCS, each field that the CPU has.  Fields says how
 * many there is room for, and then how many there are; E2BIG if that is more.
 * They follow the struct, at the size that the caller has given.  Nothing writes a
 * VMCS but lodge.
 */
#define LODGE_GET_VMCS		_IO(LODGE_IOCTL_TYPE, 0x11)

/* Where the host's kernel or its memory is: the value is 0 without CAP_SYS_ADMIN. */
#define LODGE_VMCS_HIDDEN	0x1

struct lodge_vmcs_field {
	__u32 encoding;			/* SDM vol. 3D appendix B */
	__u32 flags;			/* LODGE_VMCS_* */
	__u64 value;
};

struct lodge_vmcs {
	__u32 size;			/* of this struct */
	__u32 fields;
	struct lodge_vmcs_field field[];
};

/*
 * LODGE_SET_STOPS: (vCPU) KVM_RUN returns at each exit whose basic reason has its
 * bit here, before anything is done about it, with LODGE_EXIT_STOP.  Registers may
 * be changed then.  The next KVM_RUN deals with the exit, or, if RIP is another,
 * does not.
 */
#define LODGE_SET_STOPS		_IO(LODGE_IOCTL_TYPE, 0x12)

struct lodge_stops {
	__u32 size;			/* of this struct */
	__u32 reserved;			/* 0 */
	__u64 reasons[2];		/* SDM vol. 3D appendix C */
};

/* In kvm_run.exit_reason; the exit's reason is in kvm_run.hw.hardware_exit_reason. */
#define LODGE_EXIT_STOP		0x1eb00001

/*
 * LODGE_WALK_EPT: (machine) the entries of the extended page tables that lead to a
 * guest-physical address, from the root to the first that maps something or nothing.
 */
#define LODGE_WALK_EPT		_IO(LODGE_IOCTL_TYPE, 0x13)

/* The entries are without their addresses, for want of CAP_SYS_ADMIN. */
#define LODGE_EPT_HIDDEN	0x1

struct lodge_ept_walk {
	__u32 size;			/* of this struct */
	__u32 flags;			/* out: LODGE_EPT_* */
	__u64 gpa;			/* in */
	__u32 levels;			/* out: how many entries there are */
	__u32 reserved;			/* 0 */
	__u64 entry[4];			/* out: SDM vol. 3C 28.2.2; the root's first */
};

/*
 * LODGE_GET_ENTRY_FAILURE: (vCPU) why its last entry failed: the rules of VM entry
 * that its VMCS broke then, in the order in which the CPU checks.  Findings says how
 * many there is room for behind the struct, and then how many there are; E2BIG if
 * that is more, ENOENT if no entry has failed.
 */
#define LODGE_GET_ENTRY_FAILURE	_IO(LODGE_IOCTL_TYPE, 0x14)

#define LODGE_MAX_FINDINGS	8	/* more are not looked for */

struct lodge_entry_finding {
	__u32 field;			/* its number */
	__u32 flags;			/* LODGE_VMCS_HIDDEN */
	__u64 value;			/* of the field, or of the MSR to be loaded */
	__u32 index;			/* of the MSR in its list, from 1; else 0 */
	__u32 reserved;
	char rule[48];			/* its name, which never changes */
	char sdm[16];			/* section of volume 3C */
	char text[184];			/* what must hold */
};

/* The CPU refused the instruction; reason is the VM-instruction error. */
#define LODGE_ENTRY_VMFAIL	0x1

struct lodge_entry_failure {
	__u32 size;			/* of this struct */
	__u32 findings;
	__u32 reason;			/* else the exit reason with bit 31 */
	__u32 flags;			/* LODGE_ENTRY_* */
	struct lodge_entry_finding finding[];
};

/*
 * LODGE_BREAK_VMCS: (vCPU) the next entry is made with these values in these fields,
 * and then the old ones are written back; LODGE_GET_ENTRY_FAILURE tells which rules
 * that breaks, even if the CPU enters.  It can crash the host: EOPNOTSUPP but in a
 * module that was built for it (CONFIG_LODGE_BREAK), EPERM without CAP_SYS_ADMIN.
 */
#define LODGE_BREAK_VMCS	_IO(LODGE_IOCTL_TYPE, 0x1f)

#define LODGE_MAX_BROKEN	16

struct lodge_break {
	__u32 size;			/* of this struct */
	__u32 fields;			/* 1 to LODGE_MAX_BROKEN; they follow */
	struct lodge_vmcs_field field[];
};

#endif
