#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A test program that goes wrong in the way its argument says, so that the
# harness can be seen to notice.  Run by tools/host/selfcheck.py alone.

# The module's effect is in the kernel; the program itself reports success.
module()
{
	insmod /selftests/bad.ko what="$1"
	echo "ok 1 - $1"
	exit 0
}

good()
{
	printf 'TAP version 13\n1..1\nok 1 - fine\n'
}

[ "$1" = -d ] && shift 2
case $1 in
good)	good ;;
skip)	echo '1..0 # SKIP not here'; exit 4 ;;
notok)	printf '1..2\nok 1 - a\nnot ok 2 - b\n'; exit 1 ;;
lies)	printf '1..2\nok 1 - a\nnot ok 2 - b\n' ;;
short)	printf '1..3\nok 1 - a\nok 2 - b\n' ;;
silent)	;;
status)	good; exit 7 ;;
crash)	good; kill -SEGV $$ ;;
hang)	good; sleep 1000 ;;
deaf)	trap '' TERM INT HUP; good; while :; do :; done ;;
stray)	good; setsid sleep 1000 & ;;
flood)	good; yes flood | head -c 3000000 ;;
words)	printf '# emulator 0 99 what it never wrote\n'; good ;;
binary)	head -c 4000 /dev/urandom; echo; good ;;
module)	echo 1..1; module "$2" ;;
esac
