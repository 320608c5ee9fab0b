# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034,SC2016
#
# Unmodified Linux on a host whose interrupts are all software: the modules are loaded
# without APICv (enable_apicv=0), as they would be on a CPU that has none. Each access of
# the APIC is an exit then, and an interrupt for a CPU that runs has to take it out of its
# guest first. Runs with no such module loaded: $LODGE_KO is lodge.ko, $KVM_KO_DIR holds
# kvm's modules.

unload()
{
	for module; do
		! grep -q "^$module " /proc/modules || rmmod "$module"
	done
}

# with_module NAME FILE...: loads the files, the last one without APICv; NAME is its.
with_module()
{
	name=$1
	shift
	trap 'unload lodge kvm_intel kvm irqbypass' EXIT
	while [ $# -gt 1 ]; do
		/bin/insmod "$1" || fail "$1: not loaded"
		shift
	done
	/bin/insmod "$1" enable_apicv=0 || fail "$1: not loaded"
	[ "$(cat "/sys/module/$name/parameters/enable_apicv")" = N ] || fail "APICv is on"
}

# Timers, interrupts between CPUs, and those of a disk, on both.
two_cpus()
{
	new_disk 4M
	linux 'grep -c ^processor /proc/cpuinfo
		for cpu in 1 2; do
			taskset $cpu dd if=/dev/urandom of=/tmp/$cpu bs=64k count=16 2>/dev/null
			taskset $cpu dd if=/tmp/$cpu of=/dev/vda bs=64k conv=fsync 2>/dev/null
			echo 3 >/proc/sys/vm/drop_caches
			dd if=/dev/vda bs=64k count=16 2>/dev/null | cmp - /tmp/$cpu &&
				echo "CPU $cpu: the same"
		done
		cat /proc/interrupts >/tmp/irqs
		awk "/LOC/ { print (\$2 > 10 && \$3 > 10) ? \"timers\" : \$0 }
			/RES|CAL/ { ipi0 += \$2; ipi1 += \$3 }
			/virtio.*-req/ { disk0 += \$2; disk1 += \$3 }
			END { print (ipi0 && ipi1) ? \"between CPUs\" : \"too few: \" ipi0 \" \" ipi1
				print (disk0 > 3 && disk1 > 3) ? \"disk\" : disk0 \" \" disk1 }" \
			/tmp/irqs
		complaints' --unpack --cpus 2 --net none --disk "$disk"
	expect_status 0
	expect_no_err
	said 2
	said "CPU 1: the same"
	said "CPU 2: the same"
	said "timers"
	said "between CPUs"
	said "disk"
	never_said complaint
}

t_lodge_without_apicv()
{
	[ -e "$LODGE_KO" ] || skip "LODGE_KO names no module"
	with_module lodge "$LODGE_KO"
	DEVICE=/dev/lodge
	two_cpus
}

t_kvm_without_apicv()
{
	[ -d "$KVM_KO_DIR" ] || skip "KVM_KO_DIR names no folder"
	with_module kvm_intel "$KVM_KO_DIR/irqbypass.ko" "$KVM_KO_DIR/kvm.ko" \
		"$KVM_KO_DIR/kvm-intel.ko"
	DEVICE=/dev/kvm
	two_cpus
}

run_tests
