#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The demonstration: sets up all it needs, loads lodge.ko, runs a guest with the
# CLI and shows the guest's console.  Ends with 0 only if the guest said what it
# should and the CLI ended with the guest's own status.
#
# HOST=emulated (or nothing): in the emulated host.  HOST=local: this machine.

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${HOST:-emulated} in
emulated)
	say "step 1 of 3: what is needed (the first time: packages, a test kernel, the emulator)"
	make -C "$LODGE_TOP" host-setup
	say "step 2 of 3: building the module, the CLI and the guest"
	make -C "$LODGE_TOP" host-ready
	say "step 3 of 3: the emulated host"
	exec python3 -B "$LODGE_TOP/tools/host/demo.py"
	;;
local)
	say "step 1 of 2: building for this machine's kernel"
	make -C "$LODGE_TOP" all
	say "step 2 of 2: this machine"
	[ -c /dev/lodge ] || "$LODGE_TOP/tools/local.sh" load
	exec python3 -B "$LODGE_TOP/tools/host/demo.py" --local
	;;
qemu)
	die "HOST=qemu is not there yet: run lodge in a virtual machine of your own with HOST=local," \
		"or leave HOST away for the emulated host"
	;;
*)
	die "HOST=$HOST: emulated (the default) or local"
	;;
esac
