#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs shell commands in the emulated host with the module as it is now: sets
# up and builds what changed, boots, prints the commands' output and the
# kernel's log of that time.  See tools/host/try.py for the options.
#
# Usage: tools/host/try.sh [-s CPUS] [-t SECONDS] [-f FILE]... -- 'commands'

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

make -C "$LODGE_TOP" -s --no-print-directory host-ready 1>&2
exec python3 -B "$LODGE_TOP/tools/host/try.py" "$@"
