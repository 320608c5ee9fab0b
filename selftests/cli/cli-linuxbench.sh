# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034,SC2016
#
# lodge bench boot: Linux as a guest that ends by itself, and guests that do not. What boots
# cost is not judged here.

# boot 'COMMANDS' ARGUMENT...: a guest of $KERNEL that runs the commands.
boot()
{
	make_initrd "$1"
	shift
	lodge bench boot "$GUESTS/vmlinuz-$KERNEL" --initrd "$tmp/initrd" --device "$DEVICE" \
		--timeout 100 --append "$QUIET" --unpack "$@"
}

# value GROUP NAME: what the table has for it.
value()
{
	sed -n "s/^$1  *$2  *\([0-9.]*\)\$/\1/p" "$tmp/out"
}

# at_least GROUP NAME LEAST
at_least()
{
	n=$(value "$1" "$2")
	[ -n "$n" ] || fail "no figure for $1 $2"
	[ "$n" -ge "$3" ] || fail "$1 $2: at least $3 expected"
}

t_to_its_end()
{
	boot ''
	expect_status 0
	expect_no_err
	at_least time ticks 10000000
	at_least time ticks-to-init 10000000
	[ "$(value time ticks-to-init)" -lt "$(value time ticks)" ] ||
		fail "its init is to come before its end"
	at_least user-exits io 100
	[ "$(value user-exits all)" -ge "$(value user-exits io)" ] || fail "all are less than io"
	at_least counters exits "$(value user-exits all)"
	# Only some devices tell the processor's reasons; who does, counts the same.
	if grep -q "^cpu-exits" "$tmp/out"; then
		at_least cpu-exits IO_INSTRUCTION "$(value user-exits io)"
		sum=$(awk '$1 == "cpu-exits" { n += $3 } END { printf "%d", n }' "$tmp/out")
		[ "$sum" -eq "$(value counters exits)" ] || fail "reasons make $sum"
	elif [ "$DEVICE" = /dev/lodge ]; then
		fail "no exits by reason"
	fi
	grep -q "vmlinuz-$KERNEL, from its first instruction to its end; of 1 round " "$tmp/out" ||
		fail "no word on what was measured"
}

# Two boots on each of two devices, which are one here; a reset is an end, too.
t_json_of_two()
{
	boot 'reboot -f' --vs "$DEVICE" --rounds 2 --cpus 2 --mem 128M --json
	expect_status 0
	expect_no_err
	[ "$(wc -l <"$tmp/out")" -eq 1 ] || fail "one line expected"
	head="{\"unit\":\"tsc-ticks\",\"rounds\":2,\"kernel\":\"[^\"]*\",\"devices\":"
	spread='{"min":[0-9]*,"max":[0-9]*}'
	grep -q "^$head\[\"$DEVICE\",\"$DEVICE\"\],\"spread\":\[$spread,$spread\],\"rows\":\[{" \
		"$tmp/out" || fail "no head"
	row='{"of":"time","name":"ticks","values":\[[0-9]*,[0-9]*\],"ratio":[0-9.]*}'
	grep -q "\"rows\":\[$row," "$tmp/out" || fail "no ticks"
	grep -q '{"of":"user-exits","name":"io","values":\[[1-9][0-9]*,[1-9][0-9]*\],' "$tmp/out" ||
		fail "no exits"
}

t_bad_ends()
{
	boot 'status 7'
	expect_status 67
	expect_err "bench: $DEVICE: the guest ended with status 7: see it with 'lodge run'"
	expect_out ""
	boot 'while :; do sleep 1; done' --timeout 15
	expect_status 67
	expect_err "bench: $DEVICE: run: ended after 15 s by --timeout: *"
	expect_out ""
}

run_tests
