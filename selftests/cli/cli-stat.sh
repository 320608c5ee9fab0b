# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034
#
# lodge stat and lodge trace with a guest that runs: what they show of it on lodge and on kvm,
# and what they say when they cannot.

# start_busy CPUS: a guest that leaves all the time, in the background; $pid. It ends when
# the descriptor 9 is written a byte 4.
pids=
start_busy()
{
	export XDG_RUNTIME_DIR="$tmp/run"
	mkdir -p "$XDG_RUNTIME_DIR"
	rm -f "$tmp/said" "$tmp/input"
	mkfifo "$tmp/said" "$tmp/input"
	exec 9<>"$tmp/input"
	"$LODGE" run --flat "$GUESTS/busy.bin" --device "$DEVICE" --cpus "$1" --timeout 100 \
		<"$tmp/input" >"$tmp/said" 2>"$tmp/busy.err" &
	pid=$!
	pids="$pids $pid"
	# A check that fails leaves no guest behind.
	trap 'kill $pids 2>/dev/null || :' EXIT
	read -r said <"$tmp/said"
	[ "$said" = "Busy." ] || fail "the guest said '$said'"
}

end_busy()
{
	printf '\004' >&9
	wait "$pid"
	status=$?
	expect_status 0
	exec 9>&-
}

on_lodge()
{
	[ "$DEVICE" = /dev/lodge ]
}

t_stat_once()
{
	start_busy 1
	lodge stat
	expect_status 0
	expect_no_err
	grep -q "^ *$pid  *1  *[0-9.]* .* busy.bin$" "$tmp/out" || fail "no line for the machine"
	for who in $pid busy.bin; do
		lodge stat "$who" --cpus
		expect_status 0
		expect_no_err
		grep -q "^machine $pid, busy.bin: 1 CPUs, 64 MiB; .* s since it was made$" \
			"$tmp/out" || fail "no head"
		grep -q "^CPU 0: [1-9][0-9.]* exits/s, " "$tmp/out" || fail "no CPU 0"
		if on_lodge; then
			[ "$(grep -c "^  CPUID  *[1-9][0-9.]*  *[0-9.]*  *[1-9]" "$tmp/out")" -eq 2 ] ||
				fail "no CPUID with a time, for machine and CPU"
			grep -q "^  IO_INSTRUCTION  *[1-9]" "$tmp/out" || fail "no I/O"
		else
			grep -q "^its device is not lodge: " "$tmp/out" || fail "no word about kvm"
			grep -q "^  io_exits  *[1-9]" "$tmp/out" || fail "no I/O"
		fi
	done
	end_busy
}

# number NAME: the first member of that name in the JSON.
number()
{
	sed -n "s/^[^}]*\"$1\":\([0-9]*\)[,.].*/\1/p" "$tmp/out" | head -n 1
}

t_stat_json()
{
	start_busy 2
	lodge stat busy.bin --json --cpus
	expect_status 0
	[ "$(wc -l <"$tmp/out")" -eq 1 ] || fail "one line expected"
	grep -q "^{\"machines\":\[{\"pid\":$pid,\"name\":\"busy.bin\",\"cpus\":2,\"seconds\":" \
		"$tmp/out" || fail "no machine"
	grep -q '"vcpus":\[{"cpu":0,"exits":.*{"cpu":1,"exits":' "$tmp/out" || fail "no vCPUs"
	[ "$(number exits)" -gt 100 ] || fail "more exits expected"
	grep -q '"since_start":true' "$tmp/out" || fail "not since its start"
	lodge stat --json --once --interval 0.5
	expect_status 0
	[ "$(wc -l <"$tmp/out")" -eq 1 ] || fail "one line expected"
	grep -q '"since_start":false' "$tmp/out" || fail "not of an interval"
	grep -q '"vcpus":\[\]' "$tmp/out" || fail "vCPUs that nobody asked for"
	end_busy
}

# Into a pipe as often as it is asked for, until the machine ends; then that is no error.
t_stat_interval()
{
	start_busy 1
	"$LODGE" stat $pid --interval 0.3 >"$tmp/out" 2>"$tmp/err" &
	stat=$!
	until [ "$(grep -c ^machine "$tmp/out")" -ge 3 ]; do
		kill -0 $stat 2>/dev/null || fail "it ended by itself"
		sleep 0.1
	done
	end_busy
	wait $stat
	status=$?
	expect_status 0
	expect_err "stat: the machine has ended"
	[ "$(grep -c "since it was made" "$tmp/out")" -eq 1 ] || fail "only the first is of all"
}

t_trace_text()
{
	on_lodge || skip "the flight recorder is lodge's"
	start_busy 2
	lodge trace $pid --seconds 1
	expect_status 0
	expect_out "$(cat "$tmp/out")"
	grep -q "^ *[0-9.]*  *0  *[0-9.]*  *[0-9.]*  CPUID rip 0x100[0-9a-f]* cr3 0x" "$tmp/out" ||
		fail "no CPUID of CPU 0"
	grep -q "^ *[0-9.]*  *1  *[0-9.]*  *[0-9.]*  CPUID rip 0x100[0-9a-f]* cr3 0x" "$tmp/out" ||
		fail "no CPUID of CPU 1"
	grep -q "IO_INSTRUCTION rip 0x[0-9a-f]* cr3 0x[0-9a-f]* qualification 0x3fd0008" \
		"$tmp/out" || fail "no IN from the console"
	tail -n 1 "$tmp/out" | grep -q "^# [1-9][0-9]* exits in [0-9.]* s; [0-9]* more were " ||
		fail "no sum"
	# They are in the order of time.
	grep -v '^#' "$tmp/out" | awk '$1 < last { exit 1 } { last = $1 }' ||
		fail "not in the order of time"
	end_busy
}

t_trace_files()
{
	on_lodge || skip "the flight recorder is lodge's"
	start_busy 1
	lodge trace --seconds 0.5 --format perfetto --output "$tmp/trace.json"
	expect_status 0
	expect_out ""
	grep -q '"traceEvents"' "$tmp/trace.json" || fail "no events"
	grep -q '"name":"CPUID","cat":"host"' "$tmp/trace.json" || fail "no host slices"
	grep -q '"name":"guest","cat":"guest"' "$tmp/trace.json" || fail "no guest slices"
	[ "$(tail -n 1 "$tmp/trace.json" | cut -c 1-13)" = '],"otherData"' ] || fail "no end"
	lodge trace --seconds 0.5 --format html --output "$tmp/trace.html"
	expect_status 0
	grep -q "<svg" "$tmp/trace.html" || fail "no drawing"
	[ "$(tail -n 1 "$tmp/trace.html")" = "</body></html>" ] || fail "no end"
	# What is there stays as it is.
	cp "$tmp/trace.html" "$tmp/before"
	lodge trace --seconds 0.5 --format html --output "$tmp/trace.html"
	expect_status 64
	expect_err "trace: '$tmp/trace.html' is there already: *"
	cmp "$tmp/before" "$tmp/trace.html" || fail "it was written over"
	end_busy
}

t_trace_machine_ends()
{
	on_lodge || skip "the flight recorder is lodge's"
	start_busy 1
	"$LODGE" trace $pid --output "$tmp/trace" 2>"$tmp/err" &
	trace=$!
	until [ -s "$tmp/trace" ]; do
		kill -0 $trace 2>/dev/null || fail "it ended by itself"
		sleep 0.1
	done
	machine=$pid
	end_busy
	wait $trace
	status=$?
	expect_status 0
	grep -q "^lodge: trace: machine $machine has ended$" "$tmp/err" || fail "no word of the end"
	# The exit that ended it, OUT to port 0xf4, and the sum are there.
	tail -n 2 "$tmp/trace" | grep -q "IO_INSTRUCTION .* qualification 0xf40040" ||
		fail "the last exit is missing"
	tail -n 1 "$tmp/trace" | grep -q "^# [1-9][0-9]* exits in " || fail "no sum"
}

t_trace_is_ended()
{
	on_lodge || skip "the flight recorder is lodge's"
	start_busy 1
	"$LODGE" trace $pid --format perfetto --output "$tmp/ended" 2>"$tmp/err" &
	trace=$!
	until [ -s "$tmp/ended" ]; do
		kill -0 $trace 2>/dev/null || fail "it ended by itself"
		sleep 0.1
	done
	kill $trace
	wait $trace
	status=$?
	expect_status 0
	[ "$(tail -n 1 "$tmp/ended" | cut -c 1-13)" = '],"otherData"' ] || fail "no end"
	end_busy
}

t_trace_of_kvm()
{
	! on_lodge || skip "this device has the flight recorder"
	start_busy 1
	lodge trace $pid --seconds 1
	expect_status 66
	expect_out ""
	expect_err "trace: machine $pid: its device has no flight recorder: lodge's has, *"
	end_busy
}

t_full_disk()
{
	on_lodge || skip "the flight recorder is lodge's"
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mkdir "$tmp/small"
	mount -t tmpfs -o size=16k none "$tmp/small" || skip "no tmpfs can be mounted"
	start_busy 1
	for format in text perfetto; do
		lodge trace $pid --seconds 20 --format $format --output "$tmp/small/trace"
		[ ! -e "$tmp/small/trace" ] || left=1
		expect_status 67
		expect_out ""
		grep -q "^lodge: trace: '$tmp/small/trace' cannot be written: No space left on device: there is none now$" \
			"$tmp/err" || fail "no word about the disk"
		[ -z "$left" ] || fail "a part of it was left"
	done
	end_busy
	umount "$tmp/small"
	status=0
	"$LODGE" stat >/dev/full 2>"$tmp/err" || status=$?
	expect_status 72
	expect_err "output cannot be written: No space left on device*"
}

t_another_user()
{
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	start_busy 1
	# start-stop-daemon starts no program that runs already.
	cp "$LODGE" "$tmp/another"
	LODGE=$tmp/another
	as_nobody stat $pid
	expect_status 64
	expect_err "stat: there is no machine '$pid': see 'lodge list'"
	as_nobody trace $pid --seconds 1
	expect_status 64
	expect_err "trace: there is no machine '$pid': see 'lodge list'"
	end_busy
}

t_unknown_machines()
{
	export XDG_RUNTIME_DIR="$tmp/none"
	mkdir "$tmp/none"
	for command in stat trace; do
		lodge $command 1
		expect_status 64
		expect_err "$command: there is no machine '1': see 'lodge list'"
		lodge $command vmlinuz
		expect_status 64
		expect_err "$command: there is no machine 'vmlinuz': *"
		lodge $command a b
		expect_status 64
		expect_err "$command: 'b' is too much"
	done
	lodge trace
	expect_status 64
	expect_err "trace: there is no machine: see 'lodge list'"
	lodge stat
	expect_status 0
	[ "$(wc -l <"$tmp/out")" -eq 1 ] || fail "nothing but the head expected"
}

# Of two machines of one name none is meant.
t_which_machine()
{
	start_busy 1
	first=$pid
	exec 8>&9
	start_busy 1
	for command in "stat busy.bin" "trace busy.bin"; do
		# shellcheck disable=SC2086
		lodge $command
		expect_status 64
		expect_err "${command% *}: 'busy.bin' is the name of 2 machines: give a PID, *"
	done
	lodge trace
	expect_status 64
	expect_err "trace: there are 2 machines: say which, see 'lodge list'"
	lodge stat
	expect_status 0
	[ "$(grep -c busy.bin "$tmp/out")" -eq 2 ] || fail "two machines expected"
	end_busy
	printf '\004' >&8
	wait $first
}

t_options()
{
	lodge stat --interval 0
	expect_status 64
	expect_err "--interval: '0' is no time: *"
	lodge trace --seconds x
	expect_status 64
	expect_err "--seconds: 'x' is no time: *"
	lodge trace --format svg
	expect_status 64
	expect_err "--format: there is no 'svg': give text, perfetto or html"
	lodge trace --vmlinux /none/such
	expect_status 65
	expect_err "/none/such: cannot be opened: *"
	lodge trace --vmlinux "$LODGE"
	expect_status 65
	expect_err "$LODGE: is an ELF file of type 3, no kernel: *"
	lodge trace --vmlinux "$GUESTS/busy.bin"
	expect_status 65
	expect_err "$GUESTS/busy.bin: is no ELF file: *"
}

run_tests
