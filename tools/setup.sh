#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Everything the emulated host needs before anything of this tree is built:
# packages, the test kernel, the emulator.  Says nothing where all is there.
#
# Usage: tools/setup.sh [LANE]

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

lane=${1:-6.1}
first=
[ -e "$LODGE_BUILD/bochs" ] && [ -e "$LODGE_BUILD/kernel-$lane" ] || first=1

step()
{
	[ -z "$first" ] || say "set-up, step $1 of 3: $2"
}

step 1 "packages"
"$LODGE_TOP/tools/deps.sh" build host
step 2 "the test kernel, Linux ${lane/debug/6.1 with its detectors of bugs}"
"$LODGE_TOP/tools/kernel.sh" "$lane"
# Guests run both.
for guest in 6.1 6.12; do
	[ "$guest" = "$lane" ] || "$LODGE_TOP/tools/kernel.sh" "$guest"
done
step 3 "the emulator, and a debugger for guests"
"$LODGE_TOP/tools/bochs/build.sh"
"$LODGE_TOP/tools/gdb.sh"
