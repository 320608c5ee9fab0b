#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the Debian packages the build and the emulated host need, and
# nothing where they are all there.  As root through apt-get, else through sudo
# after asking, else it names them in one line to copy.
#
# Usage: tools/deps.sh [GROUP...]	groups: build host check (default: these),
#	guest, for Linux guests, and kernel, for building the debugging kernel

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# group, package, what it is for
table()
{
	cat <<-'END'
	build	make		runs the Makefiles
	build	gcc		the module, the CLI, the selftests
	build	gcc-12		the compiler the Debian kernels were built with
	build	libc6-dev	static programs, and <linux/kvm.h>
	build	libelf1		objtool, which the kernel's build runs
	build	libssl3		the kernel's build tools are linked with it
	build	acpica-tools	iasl compiles the ACPI tables of guests
	build	libcapstone-dev	the CLI: instructions in words
	build	libslirp-dev	the CLI: user networking
	build	liburing-dev	the CLI: requests to disks
	build	libseccomp-dev	the CLI: the sandbox
	build	zlib1g-dev	the CLI: kernels packed with gzip,
	build	liblzma-dev	... xz and lzma,
	build	libbz2-dev	... bzip2,
	build	libzstd-dev	... zstd,
	build	liblz4-dev	... lz4,
	build	liblzo2-dev	... lzo
	build	python3		plans the test boots and reads their results
	host	g++		Bochs is C++
	host	patch		applies the fixes to Bochs
	host	xz-utils	unpacks the source of Bochs
	host	xorriso		writes the boot image of the emulated host
	host	libdebuginfod1	gdb is linked with it, in the emulated host
	host	libexpat1	gdb
	host	libgmp10	gdb
	host	libipt2		gdb
	host	libreadline8	gdb
	host	libxxhash0	gdb
	guest	e2fsprogs	makes the disks of Linux guests
	guest	binutils	tells the libraries of their programs
	guest	xz-utils	unpacks their drivers
	kernel	bc		the kernel's build computes with it
	kernel	bison		parsers of the kernel's build tools
	kernel	flex		their scanners
	kernel	libelf-dev	objtool
	kernel	libssl-dev	the kernel's build tools
	kernel	perl		the kernel's build runs scripts in it
	kernel	xz-utils	unpacks the kernel's source
	check	perl		checkpatch
	check	sparse		make C=1
	check	shellcheck	the scripts of tools/
	END
}

missing_packages()
{
	local group package rest groups=" ${*:-build host check} "
	while read -r group package rest; do
		case $groups in *" $group "*) ;; *) continue ;; esac
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] ||
			printf '%s\n' "$package"
	done < <(table)
}

# apt-get remembers what it last knew; only a package it does not know, or
# cannot fetch, is a reason to ask the archive.
install_packages()
{
	local as_root=() p
	[ "$(id -u)" -eq 0 ] || as_root=(sudo)
	as_root+=(env DEBIAN_FRONTEND=noninteractive)
	for p in "$@"; do
		apt-cache show "$p" >/dev/null 2>&1 && continue
		run_long "refreshing apt's package lists (apt-get update)" \
			"${as_root[@]}" apt-get -q update
		break
	done
	if ! run_long "installing: $*" "${as_root[@]}" apt-get -q install -y \
		--no-install-recommends "$@"; then
		run_long "apt's lists may be old: refreshing them" \
			"${as_root[@]}" apt-get -q update
		run_long "installing: $*" "${as_root[@]}" apt-get -q install -y \
			--no-install-recommends "$@"
	fi
}

command -v dpkg-query >/dev/null ||
	die "this is not Debian: install by hand what the table in tools/deps.sh names"
mapfile -t missing < <(missing_packages "$@")
[ "${#missing[@]}" -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ]; then
	install_packages "${missing[@]}"
elif command -v sudo >/dev/null && [ -t 0 ] && [ -t 1 ]; then
	printf 'lodge: needs these packages: %s\nInstall them with sudo apt-get? [y/N] ' \
		"${missing[*]}"
	read -r answer
	case $answer in
	[yY]*)	sudo true && install_packages "${missing[@]}" ;;
	*)	die "not installed. To do it yourself: sudo apt-get install ${missing[*]}" ;;
	esac
else
	die "packages are missing. As root: apt-get install --no-install-recommends ${missing[*]}"
fi
