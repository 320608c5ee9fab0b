# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Words shared by the scripts of tools/: where things are, how a long step
# tells that it is alive, how a cached thing is made once by one process, how a
# Debian package is fetched without being installed, and where the kernel's source is.
#
# Sourced, never run.  Nothing here changes the machine except lodge_apt_update,
# and that only refreshes apt's lists.

set -euo pipefail

LODGE_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LODGE_BUILD=$LODGE_TOP/build
LODGE_CACHE=${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/lodge
export LODGE_TOP LODGE_BUILD LODGE_CACHE

say()
{
	printf '%s\n' "lodge: $*"
}

die()
{
	printf '%s\n' "lodge: $*" >&2
	exit 1
}

# run_long LABEL COMMAND...: runs the command with its output in a log; says
# every few seconds that it is still going, and how far where RUN_LONG_LINES tells
# how many lines the whole output has; shows the log's end if it fails.
run_long()
{
	local label=$1 log start pid rc=0 far
	shift
	log=$(mktemp)
	start=$SECONDS
	say "$label"
	"$@" </dev/null >"$log" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		# Wakes at once when the command ends.
		timeout 10 tail --pid="$pid" -f /dev/null || true
		if kill -0 "$pid" 2>/dev/null; then
			far=$(tail -n 1 "$log" | cut -c 1-70)
			[ -z "${RUN_LONG_LINES:-}" ] ||
				far="$((100 * $(wc -l <"$log") / RUN_LONG_LINES)) %"
			say "  ... still going, $((SECONDS - start)) s: $far"
		fi
	done
	wait "$pid" || rc=$?
	if [ "$rc" -ne 0 ]; then
		tail -n 30 "$log" >&2
		rm -f "$log"
		say "failed ($rc): $label" >&2
		return "$rc"
	fi
	rm -f "$log"
}

# cached DIR FUNCTION [ARG...]: makes DIR by calling FUNCTION TEMP-DIR ARG...,
# once, even when several clones ask for it at the same time.  DIR appears
# complete or not at all.
cached()
{
	local dir=$1 make=$2 tmp fd
	shift 2
	[ -d "$dir" ] && return 0
	mkdir -p "$(dirname "$dir")" "$LODGE_CACHE/locks"
	exec {fd}>"$LODGE_CACHE/locks/$(basename "$(dirname "$dir")")-$(basename "$dir")"
	if ! flock -n "$fd"; then
		say "waiting: another lodge is making $(basename "$dir")"
		flock "$fd"
	fi
	if [ ! -d "$dir" ]; then
		tmp=$dir.$$.tmp
		rm -rf "$tmp"
		mkdir -p "$tmp"
		# In the background, because a condition would switch set -e off.
		"$make" "$tmp" "$@" &
		if ! wait $!; then
			rm -rf "$tmp"
			die "could not make $dir"
		fi
		mv "$tmp" "$dir"
	fi
	exec {fd}>&-
}

# point LINK TARGET: a symbolic link replaced in one move.
point()
{
	[ "$(readlink "$1" 2>/dev/null || true)" = "$2" ] && return 0
	mkdir -p "$(dirname "$1")"
	ln -sfnT "$2" "$1.$$"
	mv -T "$1.$$" "$1"
}

lodge_apt_update()
{
	if [ "$(id -u)" -ne 0 ]; then
		die "apt does not know $1: run 'apt-get update' as root, then try again"
	fi
	run_long "refreshing apt's package lists (apt-get update)" apt-get -q update
}

# fetch_deb PACKAGE DIR: the package's .deb into DIR.  Nothing is installed.
fetch_deb()
{
	local log
	apt-cache show "$1" >/dev/null 2>&1 || lodge_apt_update "package $1"
	if (cd "$2" && run_long "  downloading package $1" apt-get -q download "$1") \
		2>"$2/fetch.log"; then
		rm -f "$2/fetch.log"
		return 0
	fi
	log=$(<"$2/fetch.log")
	rm -f "$2/fetch.log"
	# Lists older than the archive name files that are gone from it.
	if [ "$(id -u)" -eq 0 ]; then
		printf '%s\n' "$log" >&2
		lodge_apt_update "package $1"
		(cd "$2" && run_long "  downloading package $1" apt-get -q download "$1")
	else
		printf '%s\n' "$log" >&2
		die "package $1 cannot be downloaded: run 'apt-get update' as root, then try again"
	fi
}

# unpack_deb PACKAGE DIR: the package's files into DIR, as they would lie in a root folder.
# Nothing is installed.
unpack_deb()
{
	mkdir -p "$2"
	fetch_deb "$1" "$2"
	dpkg-deb -x "$2/$1"_*.deb "$2"
	rm -f "$2/$1"_*.deb
}

# newest_built KIND KEY: of what was built in $LODGE_CACHE/KIND from a package of any
# version, the newest.  It serves as well as what apt would give today.
newest_built()
{
	local dir newest=
	for dir in "$LODGE_CACHE/$1/"*"-$2"; do
		[ ! -d "$dir" ] || newest+=$dir$'\n'
	done
	printf '%s' "$newest" | sort -V | tail -n 1
}

KERNEL_SOURCE=linux-source-6.1

known_source()
{
	apt-cache show --no-all-versions "$KERNEL_SOURCE" 2>/dev/null | sed -n 's/^Version: //p'
}

make_source()
{
	local tmp=$1
	fetch_deb "$KERNEL_SOURCE" "$tmp"
	dpkg-deb -f "$tmp/$KERNEL_SOURCE"_*.deb Version >"$tmp/version"
	dpkg-deb --fsys-tarfile "$tmp/$KERNEL_SOURCE"_*.deb |
		tar -x -C "$tmp" --strip-components 3 "./usr/src/$KERNEL_SOURCE.tar.xz"
	rm -f "$tmp/$KERNEL_SOURCE"_*.deb
}

# Sets version and tarball: of the installed package, else of a downloaded one (140 MB).
find_kernel_source()
{
	local dir known
	tarball=/usr/src/$KERNEL_SOURCE.tar.xz
	version=$(dpkg-query -W -f '${Version}' "$KERNEL_SOURCE" 2>/dev/null || true)
	[ -z "$version" ] || [ ! -e "$tarball" ] || return 0
	known=$(known_source)
	if [ -z "$known" ]; then
		lodge_apt_update "package $KERNEL_SOURCE"
		known=$(known_source)
	fi
	[ -n "$known" ] || die "this machine's package sources have no $KERNEL_SOURCE" \
		"(Debian 12 with bookworm-security has it)"
	dir=$LODGE_CACHE/source/$KERNEL_SOURCE-$known
	cached "$dir" make_source
	tarball=$dir/$KERNEL_SOURCE.tar.xz
	version=$(<"$dir/version")
}
