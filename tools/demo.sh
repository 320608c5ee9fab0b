#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The demonstration: sets up all it needs, loads lodge.ko and boots Debian's cloud kernel
# with the CLI as a guest with two CPUs, a disk and a network, its console shown.  Ends
# with 0 only if the guest said what it should and powered down.
#
# HOST=emulated (or nothing): in the emulated host, of CPUS=1 (or nothing) or 2; the
# guest's two are quicker on one than on two, which the emulator has to take turns with.
# HOST=local: this machine.
# DEVICE=/dev/lodge (or nothing), or /dev/kvm to have kvm_intel do the same; also without
# the /dev/.

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

device=${DEVICE:-lodge}
device=/dev/${device#/dev/}

# The guest's kernel, and what it runs.
guest()
{
	local lane=${LODGE_LANE:-6.1}
	[ "$lane" != debug ] || lane=6.1
	"$LODGE_TOP/tools/deps.sh" guest
	"$LODGE_TOP/tools/kernel.sh" "$lane"
	"$LODGE_TOP/tools/bochs/build.sh" parts
	"$LODGE_TOP/tools/programs.sh"
}

case ${HOST:-emulated} in
emulated)
	case $device in
	/dev/lodge | /dev/kvm) ;;
	*) die "DEVICE=$DEVICE: /dev/lodge (the default) or /dev/kvm" ;;
	esac
	say "step 1 of 3: what is needed (the first time: packages, kernels, the emulator)"
	make -C "$LODGE_TOP" host-setup
	guest
	say "step 2 of 3: building the module and the command"
	make -C "$LODGE_TOP" host-ready
	say "step 3 of 3: the emulated host"
	exec python3 -B "$LODGE_TOP/tools/host/demo.py" --device "$device" ${CPUS:+--cpus "$CPUS"}
	;;
local)
	say "step 1 of 2: building for this machine's kernel; what the guest needs"
	make -C "$LODGE_TOP" all
	guest
	say "step 2 of 2: this machine"
	[ "$device" != /dev/lodge ] || [ -c /dev/lodge ] || "$LODGE_TOP/tools/local.sh" load
	exec python3 -B "$LODGE_TOP/tools/host/demo.py" --local --device "$device"
	;;
qemu)
	die "HOST=qemu is not there yet: run lodge in a virtual machine of your own with HOST=local," \
		"or leave HOST away for the emulated host"
	;;
*)
	die "HOST=$HOST: emulated (the default) or local"
	;;
esac
