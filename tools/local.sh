#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the Makefile does to this machine when it is asked to: load, unload,
# install, uninstall.  Nothing else in tools/ touches the machine's modules.
#
# Usage: tools/local.sh load|unload|install|uninstall

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

release=$(uname -r)
module=$LODGE_BUILD/kmod-$release/kmod/lodge.ko
cli=$LODGE_BUILD/userspace-cli/lodge
rules=99-lodge.rules
manuals=(lodge.1 lodge-run.1 lodge.4 lodge.8)
completion=share/bash-completion/completions/lodge

as_root()
{
	[ "$(id -u)" -eq 0 ] || die "$1 needs root: sudo make $1"
}

# Why this machine cannot run the module, in words; nothing if it may.
obstacle()
{
	local flags
	flags=" $(sed -n 's/^flags[^:]*: *//p' /proc/cpuinfo | head -n 1) "
	case $flags in
	*" vmx "*) ;;
	*)	if grep -q GenuineIntel /proc/cpuinfo; then
			echo "this CPU shows no VT-x: switch it on in the firmware set-up;" \
				"a virtual machine needs nested virtualisation"
		else
			echo "this CPU is not Intel's, it has no VT-x"
		fi
		return ;;
	esac
	[ -e "$module" ] || echo "lodge.ko is not built for Linux $release: run make"
}

load()
{
	local why
	if [ -d /sys/module/lodge ]; then
		say "lodge.ko is already loaded"
		return 0
	fi
	why=$(obstacle)
	[ -z "$why" ] ||
		die "not loaded: $why. Without VT-x, make demo and make test use an emulated host"
	as_root load
	if ! insmod "$module"; then
		dmesg | grep 'lodge:' | tail -n 5 >&2
		die "not loaded: the kernel's reason is above (dmesg)"
	fi
	say "loaded; the device is /dev/lodge"
}

unload()
{
	if [ ! -d /sys/module/lodge ]; then
		say "lodge.ko is not loaded"
		return 0
	fi
	as_root unload
	rmmod lodge || die "not unloaded: a virtual machine still runs ($(cat \
		/sys/module/lodge/refcnt) users); lsof /dev/lodge names who has it open"
	say "unloaded"
}

# The folders of the two kinds of installation: into DESTDIR for a package, or
# into this machine.
install_all()
{
	local kdir=${KDIR:?} kmod_release f
	kmod_release=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' \
		"$kdir/include/generated/utsrelease.h")
	module=$LODGE_BUILD/kmod-$kmod_release/kmod/lodge.ko
	if [ ! -e "$module" ] || [ ! -e "$cli" ]; then
		die "nothing to install for Linux $kmod_release: run make first"
	fi
	[ -n "${DESTDIR:-}" ] || as_root install
	install -D -m 644 "$module" "${DESTDIR:-}/lib/modules/$kmod_release/updates/lodge.ko"
	strip --strip-debug "${DESTDIR:-}/lib/modules/$kmod_release/updates/lodge.ko"
	[ -n "${DESTDIR:-}" ] || depmod -a "$kmod_release"
	install -D -m 755 "$cli" "${DESTDIR:-}$PREFIX/bin/lodge"
	install -D -m 644 "$LODGE_TOP/tools/$rules" "${DESTDIR:-}$UDEVDIR/$rules"
	for f in "${manuals[@]}"; do
		install -D -m 644 "$LODGE_TOP/Documentation/$f" \
			"${DESTDIR:-}$PREFIX/share/man/man${f##*.}/$f"
	done
	install -D -m 644 "$LODGE_TOP/userspace-cli/lodge.bash-completion" \
		"${DESTDIR:-}$PREFIX/$completion"
	if [ -z "${DESTDIR:-}" ] && command -v udevadm >/dev/null; then
		udevadm control --reload || true
	fi
	say "installed: lodge.ko for Linux $kmod_release, ${DESTDIR:-}$PREFIX/bin/lodge," \
		"${DESTDIR:-}$UDEVDIR/$rules, manual pages and completion below" \
		"${DESTDIR:-}$PREFIX/share"
}

uninstall_all()
{
	local f
	[ -n "${DESTDIR:-}" ] || as_root uninstall
	for f in "${DESTDIR:-}"/lib/modules/*/updates/lodge.ko; do
		[ -e "$f" ] || continue
		rm -f "$f"
		[ -n "${DESTDIR:-}" ] || depmod -a "$(basename "$(dirname "$(dirname "$f")")")"
	done
	rm -f "${DESTDIR:-}$PREFIX/bin/lodge" "${DESTDIR:-}$UDEVDIR/$rules" \
		"${DESTDIR:-}$PREFIX/$completion"
	for f in "${manuals[@]}"; do
		rm -f "${DESTDIR:-}$PREFIX/share/man/man${f##*.}/$f"
	done
	say "uninstalled"
}

case ${1:-} in
load) load ;;
unload) unload ;;
install) install_all ;;
uninstall) uninstall_all ;;
*) die "usage: local.sh load|unload|install|uninstall" ;;
esac
