#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Debian's gdb for the emulated host, unpacked from its package (the small one, without
# Python) and not installed; the libraries it is linked with are in tools/deps.sh.
#
# Usage: tools/gdb.sh	leaves build/gdb

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_gdb()
{
	local tmp=$1
	unpack_deb gdb-minimal "$tmp/all"
	mv "$tmp/all/usr/bin/gdb" "$tmp/gdb"
	rm -rf "$tmp/all"
}

dir=$LODGE_CACHE/gdb/1
[ -d "$dir" ] || say "unpacking gdb (one package, 3 MB)"
cached "$dir" make_gdb
point "$LODGE_BUILD/gdb" "$dir/gdb"
