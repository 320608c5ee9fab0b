#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the emulator of the test host: Bochs 3.0, from the source Debian
# carries, with the fixes of vmx.patch and speed.patch.  The result is cached by
# what made it (source, patches, options), so a change to any builds anew.
#
# Also fetches what the emulated machine needs beside the emulator: its BIOS
# images, the boot loader and busybox, unpacked from their packages and not
# installed (busybox-static would push the machine's own busybox out).
#
# Usage: tools/bochs/build.sh [parts]	leaves build/bochs (emulator), build/parts;
#	parts: only these

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

version=3.0+dfsg
sum=78f6c73d4a6472d5130a87ab9dc306d02c7c71ed8e25b3a8ef642e2a7acd282b
tarball=bochs_$version.orig.tar.xz
here=$LODGE_TOP/tools/bochs
options=(--enable-cpu-level=6 --enable-x86-64 --enable-smp --enable-vmx=2
	--enable-avx --enable-evex --enable-cet --enable-memtype
	--enable-protection-keys --enable-uintr --enable-all-optimizations
	--enable-handlers-chaining --enable-pci --disable-plugins
	--disable-docbook --with-nogui)
patches=(vmx.patch speed.patch)
parts=(bochsbios vgabios isolinux syslinux-common busybox-static)

# The mirror this machine already uses for Debian, whatever its sources say
# about releases: the pool of a mirror is one for all of them.
mirror()
{
	# shellcheck disable=SC2016	# $(SITE) is apt's word, not the shell's
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' |
		grep -v security | grep debian | sort | uniq -c | sort -rn |
		awk 'NR == 1 { print $2 }'
}

make_source()
{
	local site
	site=$(mirror)
	[ -n "$site" ] || site=http://deb.debian.org/debian
	run_long "  downloading the source of Bochs (5 MB) from $site" \
		/usr/lib/apt/apt-helper download-file \
		"${site%/}/pool/main/b/bochs/$tarball" "$1/$tarball" "SHA256:$sum"
}

make_bochs()
{
	local tmp=$1 src=$1/src p
	mkdir "$src"
	tar -xJf "$LODGE_CACHE/source/bochs-$version/$tarball" -C "$src" --strip-components 1
	for p in "${patches[@]}"; do
		patch -s -d "$src" -p1 <"$here/$p"
	done
	cd "$src"
	run_long "  configuring Bochs" ./configure "${options[@]}"
	RUN_LONG_LINES=1046 run_long "  compiling Bochs (a minute on two cores)" make -j"$(nproc)"
	strip -o "$tmp/bochs" bochs
	cd /
	rm -rf "$src"
}

make_parts()
{
	local p
	for p in "${parts[@]}"; do
		unpack_deb "$p" "$1/$p"
	done
	cp "$1/bochsbios/usr/share/bochs/BIOS-bochs-latest" \
		"$1/vgabios/usr/share/vgabios/vgabios.bin" \
		"$1/isolinux/usr/lib/ISOLINUX/isolinux.bin" \
		"$1/syslinux-common/usr/lib/syslinux/modules/bios/ldlinux.c32" \
		"$1/busybox-static/bin/busybox" "$1/"
	for p in "${parts[@]}"; do
		rm -rf "${1:?}/$p"
	done
}

key=$({ printf '%s\n' "$sum" "${options[@]}"; cat "${patches[@]/#/$here/}"; } | sha256sum | cut -c 1-16)
dir=$LODGE_CACHE/bochs/$key
if [ "${1:-}" != parts ]; then
	if [ ! -d "$dir" ]; then
		say "building the emulator, Bochs $version with the fixes of tools/bochs"
		cached "$LODGE_CACHE/source/bochs-$version" make_source
		cached "$dir" make_bochs
	fi
	point "$LODGE_BUILD/bochs" "$dir/bochs"
fi

dir=$LODGE_CACHE/parts/1
[ -d "$dir" ] || say "fetching the emulated machine's BIOS, boot loader and busybox"
cached "$dir" make_parts
point "$LODGE_BUILD/parts" "$dir"
