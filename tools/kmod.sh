#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds lodge.ko for one kernel in a folder of its own, so that builds for
# several kernels do not meet and kmod/ stays clean: mirrors kmod/ and uapi/
# there, copying only what changed, and calls the kernel's build on the mirror.
#
# Usage: tools/kmod.sh KDIR [MAKE-ARGUMENT...]
# Leaves build/kmod-RELEASE/kmod/lodge.ko; LODGE_KMOD_DIR names another folder.

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

kdir=${1:?usage: kmod.sh KDIR [MAKE-ARGUMENT...]}
shift
case $LODGE_TOP in
*[[:space:]:]*) die "the kernel's build cannot work in a path with blanks or colons: $LODGE_TOP" ;;
esac
if [ ! -e "$kdir/Makefile" ]; then
	die "no kernel headers at $kdir: install linux-headers-$(uname -r), or name others" \
		"with KDIR=, or 'make KERNEL=6.1' for the headers of the emulated host"
fi
kdir=$(cd "$kdir" && pwd -P)
release=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' "$kdir/include/generated/utsrelease.h")
[ -n "$release" ] || die "the headers at $kdir are not complete: no release in utsrelease.h"
out=${LODGE_KMOD_DIR:-$LODGE_BUILD/kmod-$release}

# mirror FOLDER: makes out/FOLDER the same as FOLDER as far as sources go.
mirror()
{
	local f
	while IFS= read -r -d '' f; do
		cmp -s "$LODGE_TOP/$f" "$out/$f" && continue
		mkdir -p "$out/$(dirname "$f")"
		cp "$LODGE_TOP/$f" "$out/$f"
	done < <(cd "$LODGE_TOP" && find "$1" -type f \
		\( -name '*.[chS]' -o -name Makefile -o -name Kbuild -o -name Kconfig \) -print0)
	# What is gone from the source must not be built on.
	while IFS= read -r -d '' f; do
		[ -e "$LODGE_TOP/$f" ] || rm -f "$out/$f"
	done < <(cd "$out" && find "$1" -type f \
		\( -name '*.[chS]' -o -name Makefile -o -name Kbuild -o -name Kconfig \) \
		! -name '*.mod.c' -print0)
}

mkdir -p "$out/kmod" "$out/uapi"
mirror kmod
mirror uapi
# No BTF: the headers come without the vmlinux it would be made from.
if ! make -C "$kdir" M="$out/kmod" CONFIG_LODGE=m CONFIG_DEBUG_INFO_BTF_MODULES= "$@"; then
	rm -f "$out/kmod/lodge.ko"	# an old one would be tested in its place
	exit 1
fi
[ "${LODGE_KMOD_DIR:-}" ] || [ ! -e "$out/kmod/lodge.ko" ] ||
	point "$LODGE_BUILD/lodge.ko" "kmod-$release/kmod/lodge.ko"
