#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Real programs for Linux guests, beside busybox: unpacked from Debian's packages with
# the libraries they need, and not installed.  tools/host/guest.py picks out of them
# what a guest is to have.
#
# Usage: tools/programs.sh	leaves build/programs, a root folder

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A database, the tools of ext4, a measurer of networks; then what they are linked with.
packages=(sqlite3 e2fsprogs iperf3
	libc6 libsqlite3-0 libreadline8 libtinfo6 zlib1g
	libext2fs2 libcom-err2 libss2 libuuid1 libblkid1
	libiperf0 libsctp1 libssl3)

make_programs()
{
	local p
	for p in "${packages[@]}"; do
		unpack_deb "$p" "$1"
	done
	# Texts, translations and tables of character sets are no part of a guest.
	rm -rf "${1:?}/usr/share" "${1:?}/etc" "${1:?}/usr/lib/x86_64-linux-gnu/gconv"
}

key=$(printf '%s\n' "${packages[@]}" | sha256sum | cut -c 1-16)
dir=$LODGE_CACHE/programs/$key
[ -d "$dir" ] || say "fetching programs for guests: ${packages[*]:0:3} and their libraries (8 MB)"
cached "$dir" make_programs
point "$LODGE_BUILD/programs" "$dir"
