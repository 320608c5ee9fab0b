# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034
#
# `lodge run` with every guest image: what the guest says, how it ends, and that
# a guest can be stopped whatever it does.

greeting()
{
	echo "Hello from a guest in long mode. CPUs: $1, memory: $2 KiB."
}

t_real_mode()
{
	guest hello-real
	expect_status 0
	expect_out "Hello from a guest in real mode."
	expect_no_err
}

t_protected_mode()
{
	guest hello-protected
	expect_status 0
	expect_out "Hello from a guest in protected mode."
	expect_no_err
}

t_long_mode()
{
	guest hello
	expect_status 0
	expect_out "$(greeting 1 65536)"
	expect_no_err
}

t_long_mode_is_the_default()
{
	lodge run --flat "$GUESTS/hello.bin" --device "$DEVICE"
	expect_status 0
	expect_out "$(greeting 1 65536)"
}

t_least_memory()
{
	guest hello --mem 128K
	expect_status 0
	expect_out "$(greeting 1 128)"
}

# Above 3 GiB memory goes on at 4 GiB.
t_memory_on_both_sides_of_the_hole()
{
	guest high-memory --mem 3100M
	expect_status 0
	expect_out "Memory goes on at 4 GiB."
	guest hello --mem 4g
	expect_status 0
	expect_out "$(greeting 1 4194304)"
}

t_cpu_count()
{
	for cpus in 2 3 8; do
		guest hello --cpus $cpus --mem 2097152
		expect_status 0
		expect_out "$(greeting $cpus 2048)"
	done
}

t_image_from_a_pipe()
{
	# shellcheck disable=SC2002 # a file would not be a pipe
	cat "$GUESTS/hello.bin" | "$LODGE" run --flat /proc/self/fd/0 --device "$DEVICE" \
		>"$tmp/out" 2>"$tmp/err"
	status=$?
	expect_status 0
	expect_out "$(greeting 1 65536)"
}

# The exit port takes 1, 2 and 4 bytes, and the lowest one counts.
t_exit_status()
{
	input=$tmp/number
	for number in 0 1 63 64 124 200 255 256 511 65535 65536 70000; do
		echo $number >"$input"
		guest status
		expect_status $((number % 256))
		expect_no_err
	done
}

t_halt()
{
	for cpus in 1 2 5; do
		guest halt --cpus $cpus
		expect_status 0
		expect_out "Good night."
		expect_no_err
	done
}

# expect_crash PATTERN: the first line on stderr, and behind it, if the device is lodge, the
# last exits of CPU 0 with that as the last one.
expect_crash()
{
	cp "$tmp/err" "$tmp/all"
	head -n 1 "$tmp/all" >"$tmp/err"
	expect_err "$1"
	cp "$tmp/all" "$tmp/err"
	if [ "$DEVICE" != /dev/lodge ]; then
		[ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "one line expected on stderr"
		return
	fi
	sed -n 2p "$tmp/err" | grep -q "^lodge: run: the last exits of CPU 0, " ||
		fail "no word about the last exits"
	tail -n 1 "$tmp/err" | grep -q "^lodge: run:  *0\.000 $2 rip 0x" ||
		fail "$2 expected as the last exit"
	[ "$(wc -l <"$tmp/err")" -le 18 ] || fail "16 exits are enough"
	tail -n +3 "$tmp/err" | grep -vq "^lodge: run:  *-*[0-9][0-9]*\.[0-9]* [A-Z_]*.* rip 0x" &&
		fail "these are not all exits"
	return 0
}

t_triple_fault()
{
	guest triple
	expect_status 68
	expect_out "Faulting."
	expect_crash "guest: triple fault on CPU 0 in 64-bit mode at 0x100*: *: *" TRIPLE_FAULT
}

t_jump_to_nowhere()
{
	guest no-memory
	expect_status 70
	expect_out ""
	expect_crash "guest: internal error 1 on CPU 0 in 64-bit mode at 0xd0000000: *" \
		EPT_VIOLATION
}

t_string_output()
{
	guest outsb
	expect_status 0
	expect_no_err
	awk 'BEGIN {
		for (i = 0; i < 9000; i++)
			printf "%c", i % 27 == 26 ? 10 : 97 + i % 27
		print "\nAnd backwards."
		print "And words."
	}' >"$tmp/expected"
	cmp "$tmp/out" "$tmp/expected" || fail "string output differs"
}

t_cpuid()
{
	guest cpuid --cpus 3
	expect_status 0
	expect_no_err
	[ "$(grep -c '^vendor [A-Za-z]*, highest leaf 000000[0-9a-f]*, APIC id [012]' \
		"$tmp/out")" -eq 3 ] || fail "three lines expected"
	[ "$(sed 's/.*APIC id \([0-9]*\).*/\1/' "$tmp/out" | tr -d '\n')" = 012 ] ||
		fail "APIC ids 0, 1, 2 expected"
}

t_nothing_there()
{
	guest mmio
	expect_status 0
	expect_out "Nothing is there."
	expect_no_err
}

# Each address and port is named once, however often it is touched.
t_verbose_names_what_is_not_there()
{
	guest mmio --verbose
	expect_status 0
	for what in "address 0xd0000000: read of 1 byte" \
		"address 0xd0000008: write of 8 bytes" \
		"port 0x5a0: read of 1 byte" "port 0x400: read of 1 byte"; do
		[ "$(grep -c "^lodge: guest: $what, nothing is there" \
			"$tmp/err")" -eq 1 ] || fail "once expected: $what"
	done
	[ "$(grep -c 'address 0xd0000000:' "$tmp/err")" -eq 1 ] ||
		fail "an address was named twice"
	grep -q '^lodge: run: exit, status 0; exits: io [0-9]*, mmio 9$' "$tmp/err" ||
		fail "no count of the exits"
}

t_two_cpus_hand_over()
{
	guest two-cpu --cpus 2
	expect_status 0
	expect_out "Two CPUs counted to 400."
}

t_third_cpu_halts()
{
	guest two-cpu --cpus 3
	expect_status 0
	expect_out "Two CPUs counted to 400."
}

t_console_input()
{
	input=$tmp/input
	# More than the console holds at a time.
	awk 'BEGIN { for (i = 0; i < 300; i++) print "line", i; printf "\004" }' >"$input"
	guest echo
	expect_status 0
	awk 'BEGIN { for (i = 0; i < 300; i++) print "line", i }' >"$tmp/expected"
	cmp "$tmp/out" "$tmp/expected" || fail "the echo differs"
}

t_input_at_its_end()
{
	guest echo --timeout 0.3
	expect_status 124
	expect_out ""
}

t_input_closed()
{
	status=0
	"$LODGE" run --flat "$GUESTS/hello.bin" --device "$DEVICE" <&- \
		>"$tmp/out" 2>"$tmp/err" || status=$?
	expect_status 0
	expect_out "$(greeting 1 65536)"
}

t_output_closed()
{
	status=0
	"$LODGE" run --flat "$GUESTS/hello.bin" --device "$DEVICE" \
		>&- 2>"$tmp/err" || status=$?
	expect_status 72
	expect_err "console: output cannot be written: *"
}

t_output_full()
{
	status=0
	"$LODGE" run --flat "$GUESTS/hello.bin" --device "$DEVICE" \
		>/dev/full 2>"$tmp/err" || status=$?
	expect_status 72
	expect_err "console: output cannot be written: No space left on device: *"
}

t_output_without_a_reader()
{
	mkfifo "$tmp/fifo"
	# shellcheck disable=SC2094
	exec 3<>"$tmp/fifo" 4>"$tmp/fifo" 3<&-
	status=0
	"$LODGE" run --flat "$GUESTS/hello.bin" --device "$DEVICE" \
		>&4 2>"$tmp/err" || status=$?
	rm "$tmp/fifo"
	expect_status 72
	expect_err "console: output cannot be written: Broken pipe: *"
}

# The pipe is full and nobody reads: the guest waits, but it can be ended.
t_output_stalled()
{
	mkfifo "$tmp/fifo"
	exec 3<>"$tmp/fifo"
	dd if=/dev/zero of="$tmp/fifo" bs=4096 count=16 2>/dev/null
	status=0
	"$LODGE" run --flat "$GUESTS/hello.bin" --device "$DEVICE" --timeout 0.3 \
		>&3 2>"$tmp/err" || status=$?
	rm "$tmp/fifo"
	expect_status 124
	expect_err "run: ended after 0.3 s by --timeout: *"
}

t_timeout()
{
	for cpus in 1 3; do
		guest spin --cpus $cpus --timeout 0.3
		expect_status 124
		expect_out "Spinning."
		expect_err "run: ended after 0.3 s by --timeout: *"
	done
}

# start_spinning: a guest in the background that is known to run; $pid.
start_spinning()
{
	mkfifo "$tmp/fifo"
	"$LODGE" run --flat "$GUESTS/spin.bin" --device "$DEVICE" --cpus 2 --json \
		>"$tmp/fifo" 2>"$tmp/err" &
	pid=$!
	read -r said <"$tmp/fifo"
	rm "$tmp/fifo"
	[ "$said" = "Spinning." ] || fail "the guest said '$said'"
}

t_signals()
{
	for signal in TERM:15 HUP:1 INT:2; do
		start_spinning
		kill -"${signal%:*}" $pid
		wait $pid
		status=$?
		expect_status $((128 + ${signal#*:}))
		grep -q "^lodge: run: ended by SIG${signal%:*}: " "$tmp/err" ||
			fail "no line about the signal"
		grep -q '^{"end":"signal",' "$tmp/err" || fail "no JSON"
	done
}

t_kill_9()
{
	start_spinning
	kill -9 $pid
	# The shell's own word about it is no output of the test.
	wait $pid 2>/dev/null
	status=$?
	expect_status 137
	# The device is as good as before.
	guest hello
	expect_status 0
}

t_two_machines_at_once()
{
	start_spinning
	guest hello
	expect_status 0
	expect_out "$(greeting 1 65536)"
	kill $pid
	wait $pid
	status=$?
	expect_status 143
}

# json_of END STATUS: the last line of stderr.
json_of()
{
	tail -n 1 "$tmp/err" |
		grep -q "^{\"end\":\"$1\",\"status\":$2,\"message\":\".*\",\"exits\":{.*},\"last_exits\":\[.*\]}$" ||
		fail "JSON with end $1 and status $2 expected"
}

t_json()
{
	guest hello --json
	expect_status 0
	json_of exit 0
	[ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "one line expected on stderr"
	guest halt --json
	json_of halt 0
	guest triple --json
	json_of shutdown 68
	[ "$DEVICE" != /dev/lodge ] ||
		tail -n 1 "$tmp/err" | grep -q '"cpu":0,"reason":"TRIPLE_FAULT","number":2,.*}\]}$' ||
		fail "the last exit is not in the JSON"
	guest no-memory --json
	json_of internal-error 70
	guest spin --json --timeout 0.1
	json_of timeout 124
}

# What a machine left behind in the device would add up.
t_many_in_a_row()
{
	i=0
	while [ $i -lt 20 ]; do
		guest hello-real
		expect_status 0
		i=$((i + 1))
	done
}

run_tests
