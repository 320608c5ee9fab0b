/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lodge.h - the nouns of the house: a machine, a virtual CPU, and the words
 * for its addresses.  This is the only header that every file may include; it
 * knows no function of any floor above it.
 *
 * Each field says who may touch it:
 *   (C) constant after creation
 *   (V) the task that holds vcpu->lock
 *   (P) that task, with preemption off or under its preempt notifier
 *   (L) vm->lock          (E) vm->ept_lock
 *   (S) read under vm->srcu, written under vm->slots_lock
 *   (A) atomic or ordered by the protocol named beside it
 *
 * Lock order, outermost first:
 *   vcpu->lock -> vm->lock -> vm->slots_lock -> mmap_lock -> vm->ept_lock
 *   vm->lock -> vm->clock_lock
 *   vm->lock -> vm->io_lock; vm->irqfd_lock; irq/pit.c's two locks -> vm->irq_lock
 *   vm->irq_lock: inside it only messages to local APICs, which take none
 *   vm->coalesced_lock: a leaf
 * Documentation/locking.rst tells why.
 */
#ifndef LODGE_H
#define LODGE_H

#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/mm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "stats.h"
#include <asm/page.h>
#include <asm/fpu/types.h>
#include <asm/vmx.h>

#undef pr_fmt
#define pr_fmt(fmt) "lodge: " fmt

/*
 * The words for addresses are the kernel's: gpa_t guest physical, gfn_t its page
 * number, gva_t guest linear, hpa_t host physical, hva_t in the process that
 * owns the VM.
 */

#define LODGE_MAX_VCPUS		1024
#define LODGE_MAX_VCPU_ID	4096	/* ids are below this */
#define LODGE_MAX_SLOTS		32764	/* slot ids are below this, as KVM's */
#define LODGE_MAX_GSIS		4096	/* likewise; and so many routes */
#define LODGE_MAX_CPUID_ENTRIES	256
#define LODGE_MAX_RING_BYTES	(65536 * sizeof(struct kvm_dirty_gfn))
#define LODGE_MCE_BANKS		32
#define LODGE_MAX_MSR_LIST	128
#define LODGE_MSR_SWITCHED	5	/* see vmx/msr.c */

/* Indices of lodge_vcpu.regs: the order in which instructions encode them. */
enum {
	GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
	NR_GPRS
};

/* Indices of segment registers, in the order of their VMCS encodings. */
enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, NR_SEGS };

/* What an exit handler decided.  A negative errno ends KVM_RUN with that error. */
enum exit_fate {
	EXIT_RESUME,		/* enter the guest again */
	EXIT_TO_USER,		/* kvm_run is filled in, return to user space */
};

/* Bits of lodge_vcpu.requests; Documentation/requests.rst has the protocol. */
enum lodge_request {
	REQ_FLUSH_GUEST_TLB,	/* drop this vCPU's linear translations (INVVPID) */
	REQ_DIRTY_LOGGING,	/* the CPU is to begin or end logging written pages */
	REQ_MSR_FILTER,		/* the set of MSRs that need no exit has changed */
	REQ_ARRIVED,		/* an INIT, a SIPI or an NMI is there */
	REQ_EOI_VECTORS,	/* whose EOIs are wanted has changed */
	REQ_CLOCK,		/* what the guest's pvclock page says is not true any more */
	REQ_STEAL,		/* the guest's stolen time has grown */
};

/* Values of lodge_vcpu.mode. */
enum lodge_vcpu_mode {
	VCPU_OUTSIDE,		/* host code; looks at requests before entry */
	VCPU_IN_GUEST,		/* needs an IPI to notice anything */
	VCPU_EXITING,		/* somebody else has sent the IPI already */
};

struct lodge_vm;
struct lodge_vcpu;
struct lodge_lapic;

/*
 * Interrupts on their way to a vCPU: a bit for each vector, and in control a bit
 * that says that there are any.  The CPU takes them out of here by itself while the
 * guest runs with posted interrupts; else irq/lapic.c does.  SDM vol. 3C 29.6.
 */
struct lodge_posted {
	unsigned long requests[4];	/* (A) */
	unsigned long control;		/* (A) bit POSTED_ON; others: unused, zero */
	unsigned long reserved[3];
} __aligned(64);

#define POSTED_ON	0

/* A VMCS with everything we know about it. */
struct vmcs_ctx {
	struct vmcs *page;		/* (C) */
	unsigned long *msr_bitmap;	/* (C) */
	struct list_head on_cpu;	/* (P) member of that CPU's list of active VMCSs */
	int cpu;			/* (P) where it is active, or -1 */
	bool launched;			/* (P) VMLAUNCH has succeeded since VMCLEAR */
	u32 pin, proc, proc2, exit, entry;	/* (V) control words as written */
	u64 reads, writes;		/* (P) counts of the CPU when it was loaded */
};

/* What the VMCS holds of the host, so that it is written only when it moved. */
struct vmx_host {
	unsigned long cr3, cr4;		/* (P) values in the VMCS */
	unsigned long fs_base, gs_base;	/* (P) likewise */
	unsigned long rsp;		/* (P) likewise */
	u16 fs_sel, gs_sel, ds_sel, es_sel, ldt_sel;	/* (P) to put back by hand */
	u64 kernel_gs_base;		/* (P) the task's, to put back by hand */
	bool loaded;			/* (P) guest values are in the registers */
	int cpu;			/* (P) CPU whose constant fields are written */
};

/* What is injected with an entry. */
enum lodge_event { EVENT_NONE, EVENT_EXCEPTION, EVENT_NMI, EVENT_IRQ };

/* An exception on its way into the guest; at most one of the first two is set. */
struct lodge_exception {
	bool pending;			/* the CPU has not seen it yet */
	bool injected;			/* its delivery has begun, and begins again */
	bool has_error, has_payload;
	u8 vector;
	u32 error;
	u64 payload;			/* for DR6 or CR2 once it is delivered */
};

/* What KVM_SET_GUEST_DEBUG asked for. */
struct lodge_debug {
	u32 control;			/* KVM_GUESTDBG_* */
	unsigned long dr[4], dr7;	/* used instead of the guest's with USE_HW_BP */
	unsigned long step_rip;		/* linear; where single-stepping stands */
	bool arm;			/* TF is to be set when KVM_RUN begins */
	bool guest_tf;			/* TF as the guest believes it to be */
	bool stepped;			/* an instruction is done that user space waits for */
};

/* One access to a device: asked of user space, or to be handed to it. */
struct lodge_mmio {
	gpa_t gpa;
	u8 len;
	u8 data[8];
};

/* Pages that this vCPU wrote, for user space to read; mem/dirty.c. */
struct lodge_ring {
	struct kvm_dirty_gfn *gfns;	/* (C) pointer; shared with user space */
	u32 mask;			/* (C) */
	u32 head;			/* (V), read with acquire: entries ever made */
	u32 tail;			/* vm->slots_lock: entries ever given back */
};

/* A guest's time stamp counter at one moment of the host's raw clock. */
struct lodge_tsc_point {
	u64 value, ns;
};

/* Nanoseconds in ticks: ((ticks << shift) * mul) >> 32, as a pvclock page says it. */
struct lodge_pace {
	u32 mul;
	s8 shift;
};

/* A moment of the host's counter and clock, from which all vCPUs' clocks count. */
struct lodge_anchor {
	bool on;			/* the counters are good for that */
	u64 tsc, ns;
	struct lodge_pace pace;
};

/* The last exits: flight.c.  The pages are shown to user space, which cannot write them. */
struct lodge_flight_ring {
	struct lodge_flight_record *next;	/* (P) */
	struct lodge_flight_record *first, *end;	/* (C) */
	struct lodge_flight *head;	/* (C); its count (P) */
	u64 left;			/* (V) the host's TSC at the last exit; 0: not in KVM_RUN */
};

#define LODGE_MMIO_MAX	12	/* an AVX load split at every border needs 10 */

struct lodge_vcpu {
	/* Hot: read or written on every exit. */
	unsigned long regs[NR_GPRS];	/* (V) RSP only while it is cached; first: enter.S */
	unsigned long rip, rflags;	/* (V) valid where reg_avail says so */
	u32 reg_avail, reg_dirty;	/* (V) bits by vmx/regs.h */
	unsigned long requests;		/* (A) kick.c */
	int mode;			/* (A) kick.c */
	u32 exit_reason;		/* (V) with the failed-entry bit */
	u32 exit_insn_len;		/* (V) */
	unsigned long exit_qual;	/* (V) */
	gpa_t exit_gpa;			/* (V) of an EPT violation or misconfiguration, or 0 */
	u32 exit_intr_info;		/* (V) */
	u32 idt_info;			/* (V) */
	u8 fail;			/* (V) VMLAUNCH/VMRESUME did not enter ... */
	u32 insn_error;			/* (V) ... for this reason */
	bool triple_fault;		/* (V) the guest has shut down */
	bool has_run;			/* (V) entered the guest at least once */
	bool has_stops;			/* (V) the client wants to see some exits first */
	bool has_breakpoints;		/* (V) the debug registers must be loaded to enter */
	bool l1d_used;			/* (V) for what no guest may see: vmx/mitigate.c */
	bool to_tell;			/* (V) something in it that settle() has to look at */
	unsigned long rcu_told;		/* (V) jiffies when RCU last heard of an entry */
	enum lodge_event entering;	/* (V) goes in with this entry ... */
	u32 entry_info;			/* (V) ... and as the VMCS says it */
	struct lodge_flight_ring flight;
	bool irq_injected;		/* (V) irq is to be delivered, or was cut short */
	bool nmi_injected;		/* (V) likewise */
	u8 nmi_pending;			/* (V) 0 to 2: one may wait behind a blocked one */
	bool nmi_blocked;		/* (V) without virtual NMIs: its handler runs, it seems, */
	u64 nmi_blocked_ns;		/* (V) ... since then */
	u8 irq;				/* (V) vector */
	bool irq_waiting;		/* (V) one more wants in: open the window */
	bool user_waits;		/* (V) the client has one, and wants to be told when */
	bool posting;			/* (P), read (A): the CPU takes posted interrupts */
	u8 tpr_threshold;		/* (V) as in the VMCS */
	u64 timer_tsc;			/* (V) host TSC when the CPU's timer is to end; 0: never */
	u64 timer_due;			/* (V) it has ended for this moment, perhaps before */
	u32 timer_advance;		/* (V) ticks that it ends early by: irq/lapic_timer.c */
	u32 ple_window;			/* (V) as in the VMCS */
	struct task_struct *task;	/* (A) inside KVM_RUN; read under RCU: yield.c */
	bool preempted;			/* (A) hint: it was running, and is not now */
	s16 eoi_exit;			/* (V) vector to tell the client of, or -1 */
	s16 user_extint;		/* (V) vector from a PIC of the client's, or -1 */
	struct lodge_lapic *apic;	/* (C) NULL: the client has it */
	struct lodge_posted posted;
	struct lodge_exception ex;	/* (V) */

	struct vmcs_ctx vmcs;
	struct vmx_host host;
	u16 vpid;			/* (C) 0: none was left */
	struct lodge_vm *vm;		/* (C) */
	int id;				/* (C) */
	int last_cpu;			/* (P) */
	struct preempt_notifier notifier;	/* (P) */
	struct mutex lock;		/* held by every vCPU ioctl */
	sigset_t sigmask;		/* (V) blocked during KVM_RUN ... */
	bool has_sigmask;		/* (V) ... if this is set */
	struct kvm_run *run;		/* (C) shared with user space: copy once */
	struct page *run_page, *pio_page;	/* (C) */
	void *pio_data;			/* (C) page behind kvm_run, shared likewise */
	struct rcuwait wait;		/* (A) its task, halted; kick.c */
	int mp_state;			/* (V) KVM_MP_STATE_* */
	bool unhalted;			/* (A) kicked out of a halt, this one or the next */
	atomic_t nmi_arrived;		/* (A) NMIs since they were last taken */
	unsigned int halt_poll_ns;	/* (V) how long to look before sleeping */
	bool apic_elsewhere;		/* (V) counted in vm->apics_elsewhere */

	/* CPU state that the VMCS does not hold. */
	unsigned long cr0, cr4;		/* (V) as the guest sees them, less owned bits */
	unsigned long cr2, cr8;		/* (V) */
	u64 efer, apic_base;		/* (V) */
	u64 xcr0, xss;			/* (V) */
	u32 pkru;			/* (V) */
	unsigned long dr[4], dr6, dr7;	/* (V) the guest's own */
	struct lodge_debug debug;	/* (V) */
	u64 switched_msrs[LODGE_MSR_SWITCHED];	/* (V) vmx/msr.c */
	u64 kernel_gs_base;		/* (V) while host.loaded is clear */
	u64 tsc_offset;			/* (V), written under vm->clock_lock */
	u64 tsc_mult;			/* likewise; 0: the host's frequency */
	u64 tsc_adjust;			/* (V) */
	u32 tsc_khz;			/* (V) */
	struct lodge_tsc_point tsc_set;	/* (V) when it was last set */
	u64 tsc_left;			/* (P) what it was when its task left a CPU */
	int tsc_cpu;			/* (P) where it was last loaded, or -1 */
	u64 pvclock_msr;		/* (V) where its page is; bit 0: there is one */
	bool pvclock_stopped;		/* (V) the guest is to be told that it was stopped */
	unsigned long pvclock_time;	/* (V) jiffies when the page was written */
	u64 steal_msr;			/* (V) where its stolen time is; bit 0: wanted */
	u64 steal_seen;			/* (P) run_delay of that task when it was last added */
	const void *steal_task;		/* (P) the task that it was; never followed */
	bool steal_flagged;		/* (P) the guest sees that it was preempted */
	u64 pv_eoi_msr;			/* (V) where it ends interrupts; bit 0: there */
	bool pv_eoi_offered;		/* (V) it may have done so since the entry */
	u64 vapic_addr;			/* (V) a word instead of its priority; 0: none */
	bool tpr_reporting;		/* (V) accesses to the priority are told to the client */
	struct {
		u64 rip;
		bool write, pending;
	} tpr_access;			/* (V) to be told */
	u64 async_pf_msr;		/* (V) kept for whoever asks: cpu/async_pf.c */
	u8 async_pf_vector;		/* (V) likewise */
	u64 poll_control;		/* (V) bit 0: the host may look before it sleeps */
	u32 pv_features;		/* (V) CPUID leaf 0x40000001 */
	bool pv_enforce;		/* (V) what is not in there does not exist */
	bool spec_ctrl_open;		/* (V) the guest reaches SPEC_CTRL without an exit */
	u64 spec_ctrl;			/* (V) the guest's value, while the host runs */
	u64 misc_enable;		/* (V) */
	u64 misc_features;		/* (V) */
	u64 platform_info;		/* (V) */
	u64 power_ctl;			/* (V) stored, never acted upon */
	u64 arch_capabilities;		/* (V) */
	u64 ucode_rev;			/* (V) */
	u64 mcg_cap, mcg_status, mcg_ctl;	/* (V) cpu/mce.c */
	u64 mce_banks[LODGE_MCE_BANKS * 4];	/* (V) */
	u64 mce_ctl2[LODGE_MCE_BANKS];	/* (V) */
	u64 mtrr_def_type;		/* (V) */
	u64 mtrr_var[16], mtrr_fixed[11];	/* (V) stored, never acted upon */
	struct fpu_guest fpu;		/* (V) */
	bool fpu_loaded;		/* (V) */

	struct kvm_cpuid_entry2 *cpuid;	/* (V) */
	int cpuid_count;		/* (V) */
	u64 guest_xcr0_mask;		/* (V) XCR0 bits that CPUID gives */
	u64 cr4_reserved;		/* (V) CR4 bits that CPUID does not give */
	u8 maxphyaddr;			/* (V) */

	struct lodge_broken *broken;	/* (V) break.c; NULL: the next entry is as it should be */
	struct lodge_entry_note *entry_note;	/* (V) entry_failure.c; NULL: none has failed */
	u64 stops[2];			/* (V) which, by basic reason */

	/* The second half of an exit to user space. */
	int (*complete)(struct lodge_vcpu *vcpu);	/* (V) */
	unsigned long complete_rip;	/* (V) linear; void if user space moved on */
	struct {
		unsigned int size, count;
		u16 port;
		bool in;
		bool wanted;		/* to be announced in kvm_run */
		bool asked;		/* announced by a string instruction that waits */
		bool ready;		/* user space has supplied the data */
	} pio;				/* (V) own copy of what kvm_run announces */
	struct emu_ctx *emu;		/* (C) pointer, (V) contents */
	struct {
		u64 linear;
		gpa_t gpa;
		bool write, valid;
		bool device;		/* and there was no memory for it */
	} emu_known;			/* (V) a page that the CPU has translated */
	bool emu_no_memory;		/* (V) the process had no page for an access */
	bool emu_race;			/* (V) guest page tables would not hold still */
	struct lodge_mmio mmio_read[LODGE_MMIO_MAX];	/* (V) answers, in order */
	struct lodge_mmio mmio_write[LODGE_MMIO_MAX];	/* (V) to be handed over */
	u8 mmio_reads, mmio_cursor;	/* (V) answers there, and used this time */
	u8 mmio_writes, mmio_sent;	/* (V) */

	struct lodge_vcpu_stats stats;	/* (V), read by anybody: stats.c */

	u64 *pml;			/* (C) page that the CPU writes; NULL: it does not */
	struct lodge_ring ring;
	struct list_head ept_cache;	/* (V) zeroed pages for the next mapping */
	int ept_cached;			/* (V) */
};

struct io_table;
struct lodge_slots;
struct lodge_msr_filter;
struct lodge_ioapic;
struct lodge_pic;
struct lodge_pit;
struct route_table;

/* Which interrupt controllers the kernel has for a machine. */
enum lodge_irqchip {
	IRQCHIP_NONE,			/* the client has them all */
	IRQCHIP_SPLIT,			/* a local APIC for each vCPU */
	IRQCHIP_KERNEL,			/* and two PICs and an IOAPIC */
};

struct lodge_vm {
	struct mm_struct *mm;		/* (C) the process whose memory this is */
	pid_t creator;			/* (C) its number, for people */
	struct dentry *debugfs;		/* (C) its folder there, or an error */
	refcount_t users;		/* (A) VM fd, vCPU fds */
	struct mutex lock;		/* creation of vCPUs */
	struct mutex slots_lock;	/* one change of slots at a time */
	struct srcu_struct srcu;
	struct lodge_slots __rcu *slots;	/* (S) mem/slots.c */
	struct lodge_slots *slots_spare;	/* slots_lock; the same, to be changed next */
	struct xarray slot_ids;		/* slots_lock; first page of each slot by its id */
	int nr_logging;			/* slots_lock; slots that log dirty pages */

	struct lodge_vcpu *vcpus[LODGE_MAX_VCPUS];	/* written (L), read (A): publish */
	int nr_vcpus;			/* (L), read with acquire */
	struct xarray vcpu_ids;		/* (L), read without: vCPUs by id */
	u32 boot_id;			/* (L) until the first vCPU: the one that boots */
	u32 max_id;			/* (L) ids are below this, if it is not 0 */
	int last_boosted;		/* hint, without a lock: who was yielded to; yield.c */

	spinlock_t ept_lock;		/* entries of the EPT, invalidation counts */
	u64 *ept_root;			/* (C); entries (E) */
	hpa_t eptp;			/* (C) */
	u64 ept_pages[3];		/* (E), read by anybody: mapped, of 4K, 2M, 1G */
	bool nx_huge;			/* (C) once there is a vCPU: no code from large pages */
	struct list_head nx_list;	/* (E) tables split for that; mem/ept.c */
	u64 nx_splits;			/* (E), read by anybody: how many */
	struct delayed_work nx_recovery;	/* mem/nx_huge.c */
	atomic64_t ept_gen;		/* (A) mem/ept.c */
	u64 *ept_gen_seen;		/* (A) one per possible CPU, by that CPU only */
	struct mmu_notifier mn;
	unsigned long inval_seq;	/* (E), read before a fault; mem/notifier.c */
	int inval_active;		/* (E) */
	struct mutex io_lock;		/* devices come and go */
	struct io_table __rcu *io[2];	/* read under srcu, written io_lock; io/bus.c */
	int io_devs[2];			/* io_lock, read without: how many each has */
	int doorbells;			/* io_lock, read without: how many in memory */
	bool ept_traps;			/* (A) set once: the EPT may have trapping entries */
	struct page *coalesced_page;	/* (C); shared with user space */
	spinlock_t coalesced_lock;	/* contents of that page */

	/* Interrupts: irq/. */
	enum lodge_irqchip irqchip;	/* written (L) before the first vCPU, with release */
	spinlock_t irq_lock;		/* with interrupts off: state of PIC and IOAPIC */
	struct page *apic_access;	/* (C) once there is a vCPU: the CPU recognises its use */
	atomic_t apics_elsewhere;	/* (A) vCPUs for whom it must not be in the EPT */
	struct lodge_pic *pic;		/* (C) once it is there; contents irq_lock */
	struct lodge_ioapic *ioapic;	/* (C) likewise */
	struct lodge_pit *pit;		/* (C) likewise */
	struct route_table __rcu *routes;	/* read under srcu, written irqfd_lock */
	struct mutex irqfd_lock;	/* eventfds and the table of routes come and go */
	struct list_head irqfds;	/* irqfd_lock */
	struct list_head resamplers;	/* irqfd_lock, read under srcu */
	struct work_struct irqfd_reaper;	/* drops those whose eventfd is closed */
	u32 split_pins;			/* (C) routes whose EOIs a split chip's client wants */
	bool x2apic_ids;		/* (L), read without: 32-bit ids in APIC states, MSIs */
	bool no_broadcast_quirk;	/* (L), read without: ffh is an x2APIC id like others */

	/* Time: cpu/clock.c, cpu/pvclock.c. */
	struct mutex clock_lock;	/* counters of different vCPUs, and their common clock */
	struct lodge_tsc_point tsc_last;	/* clock_lock; last value by user space */
	u64 tsc_last_offset;		/* clock_lock; what came of it */
	u32 tsc_last_khz;		/* clock_lock; of the vCPU that got it */
	struct lodge_anchor anchor;	/* clock_lock; anchor.on is read without */
	u64 clock_offset;		/* clock_lock; the guest's clock less the host's */
	u64 wall_clock;			/* clock_lock; address that the guest gave */
	bool old_kvmclock;		/* clock_lock; vCPU 0 uses the first pair of MSRs */
	struct list_head clocks;	/* in the list of cpu/pvclock.c, under its lock */

	bool logging;			/* slots_lock; the CPUs are to log written pages */
	u32 ring_entries;		/* fixed by the first vCPU; 0: bitmaps */
	bool manual_protect;		/* (L) GET_DIRTY_LOG clears nothing */
	bool initially_set;		/* (L) a new log has all pages marked */
	bool dead;			/* (A) set once: no vCPU enters again */

	/* What KVM_ENABLE_CAP changed; written (L), read without: either value will do. */
	bool exception_payload;
	bool triple_fault_event;
	bool platform_info_hidden;
	u32 user_msr_mask;		/* KVM_MSR_EXIT_REASON_* */
	u64 quirks_off;			/* KVM_X86_QUIRK_* */
	u32 exits_off;			/* KVM_X86_DISABLE_EXITS_*; fixed by the first vCPU */
	u32 tsc_khz;			/* of new vCPUs; 0: the host's */
	u32 nr_mmu_pages;		/* (A) by KVM_SET_NR_MMU_PAGES; nobody looks at it */
	struct lodge_msr_filter __rcu *msr_filter;	/* read under srcu, written (L) */
};

/* Its guest is beyond continuing. */
static inline void vcpu_shuts_down(struct lodge_vcpu *vcpu)
{
	vcpu->triple_fault = true;
	vcpu->to_tell = true;
}

void vm_kick_all(struct lodge_vm *vm);	/* kick.c */

/* This VM is broken beyond repair; say why once and let no vCPU enter again. */
#define vm_kill(vm, fmt, ...) do {					\
	struct lodge_vm *__vm = (vm);					\
									\
	if (!READ_ONCE(__vm->dead)) {					\
		pr_warn_ratelimited("VM of task %d stopped: " fmt "\n",	\
				    task_tgid_nr(current), ##__VA_ARGS__); \
		WRITE_ONCE(__vm->dead, true);				\
		vm_kick_all(__vm);					\
	}								\
} while (0)

#endif
