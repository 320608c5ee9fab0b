#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2317
#
# The kernel's own KVM selftests, unmodified, one subtest each: those of
# kvm-selftests.list that are for this number of CPUs, or of one group.  What each is to
# do on either device stands there; anything else is a failure, better or worse.
#
# Usage: see lib.sh

# shellcheck source=clients/lib.sh
. "${0%/*}/lib.sh"
own_dev "$@"
options "$@"

here=$(cd "${0%/*}" && pwd)
LIST=$here/kvm-selftests.list
PROGRAMS=$here/kvm-selftests
[ -d "$PROGRAMS" ] || PROGRAMS=$here/../build/kvm-selftests
out=$CLIENTS_TMP/out

# The rows to run, without their notes.
rows()
{
	cpus=$(nproc)
	[ "$cpus" -le 2 ] || cpus=2
	sed -e '/^#/d' -e 's/ *;.*//' -e '/^$/d' "$LIST" | while read -r group name on rest; do
		case ,$on, in *,"$cpus",*) ;; *) continue ;; esac
		# shellcheck disable=SC2254
		case $group in $GROUP) ;; *) continue ;; esac
		# shellcheck disable=SC2254
		case $name in $PATTERN) echo "$name $rest" ;; esac
	done
}

# ---- what a test needs of the host --------------------------------------------------

# nx_huge_pages ON RATIO PERIOD: both modules have these parameters.
nx_huge_pages()
{
	cd /sys/module/lodge/parameters 2>/dev/null || cd /sys/module/kvm/parameters || return
	echo "$1" >nx_huge_pages
	echo "$2" >nx_huge_pages_recovery_ratio
	echo "$3" >nx_huge_pages_recovery_period_ms
}

# What the kernel's nx_huge_pages_test.sh does, for a host without sudo. The program asks a
# parameter of kvm_intel whether there is EPT, and skips where the module is not.
before_nx_huge_pages_test()
{
	echo 3 >/proc/sys/vm/nr_hugepages
	nx_huge_pages 1 1 100
	[ ! -d /sys/module/kvm_intel ] || return 0
	mount -t tmpfs none /sys/module
	mkdir -p /sys/module/kvm_intel/parameters
	echo Y >/sys/module/kvm_intel/parameters/ept
}

after_nx_huge_pages_test()
{
	[ -d /sys/module/kvm ] || umount /sys/module
	echo 0 >/proc/sys/vm/nr_hugepages
	nx_huge_pages 0 60 0
}

hook()
{
	! command -v "$1" >/dev/null || ("$1")
}

# ---- one test -----------------------------------------------------------------------

# session COMMAND...: in the background, in a session of its own, so that all it starts
# can be ended with it; $! is the session.
session()
{
	setsid "$@" </dev/null &
}

end_session()
{
	kill -KILL "-$1" 2>/dev/null || kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# run_one NAME SECONDS ARGUMENT...: sets $got to pass, skip, or how it failed.
run_one()
{
	name=$1
	seconds=$2
	shift 2
	hook "before_$name"
	cd "$PROGRAMS" || exit 1
	session "./$name" "$@" >"$out" 2>&1
	test=$!
	# Not busybox's timeout: it leaves a process behind for a second.
	session sh -c "sleep $seconds; kill -KILL -$test"
	clock=$!
	wait $test
	status=$?
	end_session $clock
	# What it has left behind has to go before the next.
	end_session $test
	hook "after_$name"
	case $status in
	0) got=pass ;;
	4) got=skip ;;
	126 | 127) got="nothing: it cannot be run" ;;
	137) got="that it was killed after $seconds s" ;;
	*) got="fail: status $status" ;;
	esac
}

# What the program said, in one line.
reason()
{
	sed -n -e 's/.*# SKIP *-* *//p' -e 's/, skipping test$//p' "$out" | head -n 1
}

# Why it is known to fail, or the word for why it is skipped.
note()
{
	grep -w -- "$name" "$LIST" | sed -n 's/.*; *//p'
}

verdict()
{
	case $got in
	pass) echo "ok $1 $name" ;;
	skip) echo "ok $1 $name # SKIP $(reason)" ;;
	*) echo "ok $1 $name # XFAIL $(note)" ;;
	esac
}

# Skipped on lodge for what the list says; kvm_intel has reasons of its own.
reason_is_known()
{
	[ "$got" = skip ] || return 0
	[ "$DEVICE" != /dev/kvm ] || return 0
	case $(reason) in *"$(note)"*) ;; *) return 1 ;; esac
}

one()
{
	number=$1
	want=$4
	[ "$DEVICE" != /dev/kvm ] || want=$5
	what=$2
	limit=$3
	shift 5
	run_one "$what" "$limit" "$@"
	if [ "${got%%:*}" = "$want" ] && reason_is_known; then
		verdict "$number"
		return 0
	fi
	why=$(note)
	echo "# $name${*:+ $*}: expected $want${why:+ ($why)}, seen $got"
	indent 20 "$out"
	echo "not ok $number $name"
	return 1
}

rows >"$CLIENTS_TMP/rows"
total=$(wc -l <"$CLIENTS_TMP/rows")
[ "$total" -gt 0 ] || { echo "1..0 # SKIP no such test" && exit 4; }
printf 'KTAP version 1\n1..%d\n# device %s\n' "$total" "$DEVICE"
n=0
failed=0
while read -r row; do
	n=$((n + 1))
	# shellcheck disable=SC2086
	one $n $row || failed=1
done <"$CLIENTS_TMP/rows"
exit $failed
