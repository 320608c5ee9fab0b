#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Unpacks a Debian kernel and its headers from their packages, without
# installing them: the machine's boot, modules and package sources stay as they
# are.  The headers name each other by absolute paths below /usr; those are
# rewritten to the place they were unpacked to, so that
# `make -C build/headers-6.1 M=...` works with nothing installed.
#
# Usage: tools/kernel.sh LANE [headers|all]	LANE: 6.1, 6.12 or debug, which is no
#	package's and is built (tools/debug-kernel.sh)
#
# Leaves  build/headers-LANE   the headers, a KDIR for out-of-tree modules
#         build/kernel-LANE    vmlinuz, config, the modules of KVM; in guest/ those that
#                              a guest needs for its devices, in vhost/ those with which
#                              a host serves them itself; numbered as they are loaded

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

lane=${1:?usage: kernel.sh LANE [headers|all]}
what=${2:-all}
case $lane in
6.1 | 6.12) ;;
debug) exec "$LODGE_TOP/tools/debug-kernel.sh" ;;
*) die "KERNEL=$lane: only 6.1, 6.12 and debug are known" ;;
esac

# The newest cloud kernel of the lane that apt knows of.
newest_known()
{
	apt-cache pkgnames "linux-headers-$lane." |
		sed -n 's/^linux-headers-\(.*-cloud-amd64\)$/\1/p' | sort -V | tail -n 1
}

# What was unpacked earlier serves as well as what apt would give today: a
# fresh clone downloads nothing.  To have a newer one, remove the folder.
newest_cached()
{
	local kind=$1 dir newest=
	for dir in "$LODGE_CACHE/$kind/$lane."*; do
		case $dir in *.tmp) continue ;; esac
		[ -d "$dir" ] && newest+=$(basename "$dir")$'\n'
	done
	printf '%s' "$newest" | sort -V | tail -n 1
}

# make_headers TEMP RELEASE FINAL: FINAL is where TEMP will be moved to.
make_headers()
{
	local tmp=$1 release=$2 final=$3 abi kbuild src
	abi=${release%-cloud-amd64}
	# 6.1 has one kbuild package for all its releases, 6.12 one for each.
	kbuild=linux-kbuild-$lane
	[ "$lane" = 6.1 ] || kbuild=linux-kbuild-$abi
	unpack_deb "linux-headers-$release" "$tmp"
	unpack_deb "linux-headers-$abi-common" "$tmp"
	unpack_deb "$kbuild" "$tmp"
	src=$tmp/usr/src/linux-headers-$release
	sed -i "s|/usr/src/|$final/usr/src/|" "$src/Makefile"
	# Type information of another kernel's vmlinux is of no use to a module
	# under test, and making it needs one more tool.
	rm -f "$src/vmlinux"
	ln -s "usr/src/linux-headers-$release" "$tmp/kdir"
	if grep -rIl '^include /usr/' "$src" --include=Makefile; then
		say "the headers of $release still point into /usr"
		return 1
	fi
}

# Those that this kernel has as modules; each behind the ones that it needs.
GUEST_MODULES=(
	virtio/virtio_ring virtio/virtio virtio/virtio_pci_legacy_dev
	virtio/virtio_pci_modern_dev virtio/virtio_pci
	virtio/virtio_mmio virtio/virtio_balloon
	block/virtio_blk core/failover net/net_failover net/virtio_net
	char/virtio_console hw_random/virtio-rng
	acpi/button input/evdev pvpanic/pvpanic pvpanic/pvpanic-pci
)
VHOST_MODULES=(net/tun net/tap vhost/vhost_iotlb vhost/vhost vhost/vhost_net)

# pick_modules FROM TO NAME...
pick_modules()
{
	local from=$1 to=$2 name file n=10
	shift 2
	mkdir "$to"
	for name; do
		for file in "$from"/drivers/"$name".ko* "$from"/drivers/*/"$name".ko* \
			"$from"/net/"$name".ko*; do
			[ -e "$file" ] || continue
			cp "$file" "$to/$n-${file##*/}"
			n=$((n + 1))
			break
		done
	done
	for file in "$to"/*.xz; do
		[ ! -e "$file" ] || xz -d "$file"
	done
}

make_image()
{
	local tmp=$1 release=$2 mod
	unpack_deb "linux-image-$release" "$tmp/all"
	for mod in vmlinuz config; do
		mv "$tmp/all/boot/$mod-$release" "$tmp/$mod"
	done
	mod=$tmp/all
	[ ! -d "$mod/usr/lib/modules" ] || mod=$mod/usr
	mod=$mod/lib/modules/$release/kernel
	pick_modules "$mod" "$tmp/guest" "${GUEST_MODULES[@]}"
	pick_modules "$mod" "$tmp/vhost" "${VHOST_MODULES[@]}"
	mv "$mod/virt/lib/irqbypass.ko"* "$mod/arch/x86/kvm/kvm.ko"* \
		"$mod/arch/x86/kvm/kvm-intel.ko"* "$mod/arch/x86/kernel/msr.ko"* "$tmp/"
	for mod in "$tmp"/*.ko.xz; do
		[ ! -e "$mod" ] || xz -d "$mod"
	done
	printf '%s\n' "$release" >"$tmp/release"
	rm -rf "$tmp/all"
}

release=$(newest_cached headers)
if [ -z "$release" ]; then
	release=$(newest_known)
	if [ -z "$release" ]; then
		lodge_apt_update "a Linux $lane cloud kernel"
		release=$(newest_known)
	fi
	[ -n "$release" ] || die "this machine's package sources have no Linux $lane cloud kernel" \
		"(Debian 12 with bookworm-security has 6.1 and 6.12)"
	say "unpacking the headers of Linux $release (three packages, 15 MB)"
fi
dir=$LODGE_CACHE/headers/$release
cached "$dir" make_headers "$release" "$dir"
point "$LODGE_BUILD/headers-$lane" "$dir/kdir"

if [ "$what" = all ]; then
	# a number for what is taken out of the package: raise it with make_image
	dir=$LODGE_CACHE/kernel/$release.5
	[ -d "$dir" ] || say "unpacking Linux $release (one package, 30 MB)"
	cached "$dir" make_image "$release"
	point "$LODGE_BUILD/kernel-$lane" "$dir"
fi
