#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the end-to-end tests of the CLI share. The Makefile puts this file in
# front of each of them, so that a test is one file in the emulated host.
#
# Usage: TEST [-d DEVICE] [-t PATTERN] [-l]
#
# Every function t_NAME is a subtest and runs in a shell of its own. A check that
# fails ends the subtest and shows what the command said.

DEVICE=/dev/lodge
PATTERN='*'
LIST=
while getopts d:t:l opt; do
	case $opt in
	d) DEVICE=$OPTARG ;;
	t) PATTERN=$OPTARG ;;
	l) LIST=1 ;;
	*) exit 1 ;;
	esac
done

here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$GUESTS" ]; then
	GUESTS=/guest
	[ -d "$here/../guest" ] && GUESTS=$here/../guest
fi
if [ -z "$LODGE" ]; then
	LODGE=lodge
	[ -x "$here/../../userspace-cli/lodge" ] && LODGE=$here/../../userspace-cli/lodge
fi
# By name in a PATH that a program without rights has too.
LODGE=$(command -v "$LODGE")

show()
{
	[ -s "$2" ] || return 0
	echo "# $1:"
	head -n 20 "$2" | cut -c 1-300 | sed 's/^/#   /'
}

fail()
{
	echo "# $*"
	if [ -n "$command_line" ]; then
		echo "# lodge $command_line: status $status"
		show stdout "$tmp/out"
		show stderr "$tmp/err"
	fi
	exit 1
}

skip()
{
	echo "$*" >"$tmp/skip"
	exit 4
}

# lodge ARGUMENT...: runs it with $input as its stdin; sets $status, and leaves
# what it wrote in $tmp/out and $tmp/err.
input=/dev/null
lodge()
{
	command_line=$*
	status=0
	"$LODGE" "$@" <"$input" >"$tmp/out" 2>"$tmp/err" || status=$?
}

# guest NAME [ARGUMENT...]: runs a guest image in the mode of its name.
guest()
{
	image=$1
	shift
	case $image in
	*-real) mode=real ;;
	*-protected) mode=protected ;;
	*) mode=long ;;
	esac
	lodge run --flat "$GUESTS/$image.bin" --mode $mode --device "$DEVICE" \
		--timeout 100 "$@"
}

expect_status()
{
	[ "$status" -eq "$1" ] || fail "status $1 expected"
}

# The whole of stdout, given without its last newline.
expect_out()
{
	[ "$(cat "$tmp/out")" = "$1" ] || fail "stdout expected: $1"
}

expect_no_err()
{
	[ ! -s "$tmp/err" ] || fail "nothing expected on stderr"
}

# make_sum_cgi: for httpd -h "$tmp": cgi-bin/sum answers with the sum of what it is sent.
make_sum_cgi()
{
	mkdir "$tmp/cgi-bin"
	printf '#!/bin/sh\nprintf "Content-type: text/plain\\r\\n\\r\\n"\nmd5sum\n' \
		>"$tmp/cgi-bin/sum"
	chmod 755 "$tmp/cgi-bin/sum"
}

# has FILE PATTERN...: each is found in that file of $tmp.
has()
{
	file=$1
	shift
	for pattern; do
		grep -q -e "$pattern" "$tmp/$file" || fail "no '$pattern' in $file"
	done
}

# expect_err PATTERN: stderr is one line of lodge's that the pattern matches.
expect_err()
{
	[ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "one line expected on stderr"
	# shellcheck disable=SC2254
	case $(cat "$tmp/err") in
	"lodge: "$1) ;;
	*) fail "stderr expected: lodge: $1" ;;
	esac
}

# as_nobody ARGUMENT...: lodge as a user without any rights.
as_nobody()
{
	command_line="(as uid 65534) $*"
	# The emulated host has no users; the command asks for the one's name.
	if [ ! -e /etc/passwd ]; then
		mkdir -p /etc
		echo "nobody:x:65534:65534:nobody:/:/bin/false" >/etc/passwd
		echo "nogroup:x:65534:" >/etc/group
	fi
	status=0
	start-stop-daemon -S -c 65534:65534 -x "$LODGE" -- "$@" \
		</dev/null >"$tmp/out" 2>"$tmp/err" || status=$?
}

run_tests()
{
	names=
	# shellcheck disable=SC2013
	for name in $(sed -n 's/^t_\([a-z0-9_]*\)().*/\1/p' "$0"); do
		# shellcheck disable=SC2254
		case $name in
		$PATTERN) names="$names $name" ;;
		esac
	done
	if [ -n "$LIST" ]; then
		# shellcheck disable=SC2086
		printf '%s\n' $names
		exit 0
	fi
	tmp=$(mktemp -d) || exit 1
	trap 'rm -rf "$tmp"' EXIT
	chmod 755 "$tmp"
	# shellcheck disable=SC2086
	set -- $names
	printf 'KTAP version 1\n1..%d\n# device %s\n' $# "$DEVICE"
	n=0
	failed=0
	skipped=0
	for name; do
		n=$((n + 1))
		rc=0
		("t_$name") || rc=$?
		case $rc in
		0) echo "ok $n $name" ;;
		4)
			echo "ok $n $name # SKIP $(cat "$tmp/skip")"
			skipped=$((skipped + 1))
			;;
		*)
			echo "not ok $n $name"
			failed=$((failed + 1))
			;;
		esac
	done
	[ $failed -eq 0 ] || exit 1
	[ $skipped -ne $n ] || exit 4
	exit 0
}
