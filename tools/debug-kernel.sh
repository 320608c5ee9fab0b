#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the debugging kernel (KERNEL=debug): Debian's source of Linux 6.1 with
# the options of tools/debug.config.  Nothing is installed but the packages a
# kernel's build needs, and those only where it has to be built.
#
# The result is cached by the version of the source and by what is done with it.
# An interrupted build goes on where it was.
#
# Usage: tools/debug-kernel.sh	leaves what tools/kernel.sh leaves:
#	build/headers-debug	a KDIR for out-of-tree modules
#	build/kernel-debug	vmlinuz, config, System.map, the modules of KVM

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

recipe=1		# raise it with what is done here with source and options
need_gb=2		# source, objects and result, while it is built
lines=1690		# of the build's output, to tell how far it is
config=$LODGE_TOP/tools/debug.config
modules=(virt/lib/irqbypass.ko arch/x86/kvm/kvm.ko arch/x86/kvm/kvm-intel.ko
	arch/x86/kernel/msr.ko)
# Not unpacked: two thirds of the source that no file of this kernel comes from.
# Kconfig files and Makefiles are read everywhere and stay.
unwanted=('Documentation/*/*' 'arch/[a-tv-wyz]*/*.[chS]' 'arch/[a-tv-wyz]*/*.dts*'
	'tools/testing' 'tools/perf' 'drivers/gpu/*.[ch]' 'drivers/net/ethernet/*.[ch]'
	'drivers/net/wireless/*.[ch]' 'drivers/staging/*.[ch]' 'drivers/media/*.[ch]'
	'drivers/infiniband/*.[ch]' 'drivers/scsi/*.[ch]' 'sound/*.[ch]')

# What runs in the background does not hear Ctrl-C and would build on unseen.
end_with_jobs()
{
	local pids
	mapfile -t pids < <(jobs -p)
	[ "${#pids[@]}" -eq 0 ] || kill "${pids[@]}" 2>/dev/null
	exit 130
}

unpack_source()
{
	local work=$1
	[ ! -e "$work/unpacked" ] || return 0
	rm -rf "$work"
	mkdir -p "$work/linux"
	LC_ALL=C run_long "  unpacking the source" tar -xJf "$tarball" -C "$work/linux" \
		--strip-components 1 --wildcards-match-slash "${unwanted[@]/#/--exclude=$KERNEL_SOURCE/}"
	# The compiler of Debian's kernels of this version; the tests' module has to
	# be built with the same, so it is written down where both builds look.
	# shellcheck disable=SC2016	# $(CROSS_COMPILE) is for make
	sed -i 's/^CC\([[:blank:]]*\)= \$(CROSS_COMPILE)gcc$/CC\1= gcc-12/' "$work/linux/Makefile"
	grep -q '^CC.*= gcc-12$' "$work/linux/Makefile"
	touch "$work/unpacked"
}

# An option whose dependency is missing would go without a word.
check_config()
{
	local line bad=0
	while IFS= read -r line; do
		case $line in
		CONFIG_*=n) ! grep -q "^${line%n}" "$1/.config" && continue ;;
		CONFIG_*) grep -qxF -- "$line" "$1/.config" && continue ;;
		*) continue ;;
		esac
		say "tools/debug.config: $line cannot be had" >&2
		bad=1
	done <"$config"
	return $bad
}

# The part of a built tree that modules are built with.
copy_kdir()
{
	local src=$1 kdir=$2
	mkdir "$kdir"
	(
		cd "$src"
		find . arch/x86 -maxdepth 1 -type f -name 'Makefile*' -print0
		find include scripts arch/x86/include \( -type f -o -type l \) ! -name '*.cmd' -print0
		printf '%s\0' .config Module.symvers tools/objtool/objtool
	) | tar -C "$src" --null -T - -c | tar -C "$kdir" -x
}

make_kernel()
{
	local tmp=$1 work=$2 local_version=$3 src=$2/linux
	trap end_with_jobs TERM
	# Not with the flags of the make that called this.
	local build=(env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL nice -n 15
		make -C "$src" "LOCALVERSION=$local_version")
	unpack_source "$work"
	run_long "  configuring it" "${build[@]}" KCONFIG_ALLCONFIG="$config" allnoconfig
	check_config "$src"
	RUN_LONG_LINES=$lines run_long "  compiling it (7 minutes on two idle cores)" \
		"${build[@]}" -j"$(nproc)" bzImage modules
	cp "${modules[@]/#/$src/}" "$src/System.map" "$tmp/"
	cp "$src/arch/x86/boot/bzImage" "$tmp/vmlinuz"
	cp "$src/.config" "$tmp/config"
	cp "$src/include/config/kernel.release" "$tmp/release"
	copy_kdir "$src" "$tmp/kdir"
}

check_space()
{
	local free
	mkdir -p "$LODGE_CACHE"
	free=$(df -P -k "$LODGE_CACHE" | awk 'NR == 2 { print int($4 / 1048576) }')
	[ "$free" -ge "$need_gb" ] ||
		die "building the debugging kernel needs $need_gb GB in $LODGE_CACHE, $free GB are free"
}

# What other builds that were broken off have left: a changed option starts anew.
drop_left_overs()
{
	local old name
	mkdir -p "$LODGE_CACHE/locks"
	for old in "$LODGE_CACHE/debug/"*.work "$LODGE_CACHE/debug/"*.tmp; do
		name=$(basename "$old")
		name=${name%.work}
		name=${name%.*.tmp}
		[ ! -d "$old" ] || [ "$old" = "$1.work" ] ||
			flock -n "$LODGE_CACHE/locks/debug-$name" rm -rf "$old" || true
	done
}

trap end_with_jobs INT TERM
key=$({ printf '%s\n' "$recipe"; grep '^CONFIG_' "$config"; } | sha256sum | cut -c 1-8)
dir=$(newest_built debug "$key")
if [ -z "$dir" ]; then
	check_space
	say "building the debugging kernel, once: needs $need_gb GB in $LODGE_CACHE, leaves 0.3 GB"
	"$LODGE_TOP/tools/deps.sh" build kernel
	find_kernel_source
	dir=$LODGE_CACHE/debug/$version-$key
	drop_left_overs "$dir"
	cached "$dir" make_kernel "$dir.work" "-debug-$key"
	rm -rf "$dir.work"
fi
point "$LODGE_BUILD/headers-debug" "$dir/kdir"
point "$LODGE_BUILD/kernel-debug" "$dir"
