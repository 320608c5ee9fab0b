# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034,SC2016
#
# A host that runs out of memory while guests run: the machine that wants too much ends,
# and says so where it still can; the host and other machines live on. A memory cgroup
# is the host that is too small, so that nothing else is in want.

LIMIT=$((24 << 20))

# A cgroup with little memory, $group, for as long as the subtest runs.
new_group()
{
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mkdir "$tmp/cgroup"
	mount -t cgroup -o memory cgroup "$tmp/cgroup" 2>/dev/null ||
		skip "no memory cgroups of version 1"
	group=$tmp/cgroup/lodge-test
	trap remove_group EXIT
	mkdir "$group" || fail "no cgroup"
	echo $LIMIT >"$group/memory.limit_in_bytes" || fail "no limit"
	mkfifo "$tmp/fifo"
}

remove_group()
{
	while read -r one; do
		kill -KILL "$one"
	done <"$group/cgroup.procs"
	until [ -z "$(cat "$group/cgroup.procs")" ]; do
		sleep 0.02
	done
	rmdir "$group"
	umount "$tmp/cgroup"
	rmdir "$tmp/cgroup"
	rm "$tmp/fifo"
}

# in_group ARGUMENT...: lodge run, one of the group's processes.
in_group()
{
	exec sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" \
		"$LODGE" run --device "$DEVICE" --timeout 100 "$@"
}

# Another machine in the same cgroup, $other; and one that writes to all of its memory,
# which is more than there is, $pid.
start_two()
{
	(in_group --flat "$GUESTS/spin.bin") >"$tmp/fifo" 2>"$tmp/other.err" &
	other=$!
	read -r said <"$tmp/fifo"
	[ "$said" = "Spinning." ] || fail "the other guest said '$said'"
	command_line="(a guest that writes to all of its memory)"
	(in_group --flat "$GUESTS/all-memory.bin" --mem 128M) >"$tmp/out" 2>"$tmp/err" &
	pid=$!
}

end_first()
{
	status=0
	wait "$pid" 2>/dev/null || status=$?
	expect_out "Filling memory."
}

# The other machine runs as before, and the device is as good as before.
expect_others_alive()
{
	kill -0 "$other" || fail "the other machine has ended"
	guest all-memory
	expect_status 0
	expect_out "$(printf 'Filling memory.\nAll memory is there.')"
	kill -TERM "$other"
	status=0
	wait "$other" 2>/dev/null || status=$?
	expect_status 143
	grep -q "^lodge: run: ended by SIGTERM: " "$tmp/other.err" ||
		fail "the other machine ended otherwise"
}

t_enough_memory()
{
	new_group
	(in_group --flat "$GUESTS/all-memory.bin" --mem 8M) >"$tmp/out" 2>"$tmp/err" ||
		fail "8 MiB are too much already"
	expect_no_err
}

# The kernel's own way: it kills the largest, and its log has the message.
t_out_of_memory_kills_one_machine()
{
	new_group
	start_two
	end_first
	expect_status 137
	[ "$(dmesg | grep -c "Memory cgroup out of memory: Killed process $pid (lodge)")" \
		-eq 1 ] || fail "the kernel's log does not name the machine"
	expect_others_alive
}

# Where it must not kill, KVM_RUN fails, and the command says why the machine ends.
t_out_of_memory_is_told()
{
	new_group
	echo 1 >"$group/memory.oom_control" || skip "the kernel kills in any case"
	start_two
	# The command's own pages wait for somebody who makes room; a guest's do not.
	until grep -q "under_oom 1" "$group/memory.oom_control"; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.02
	done
	echo $((LIMIT + (1 << 20))) >"$group/memory.limit_in_bytes" || fail "no more memory"
	end_first
	expect_status 67
	# Where on the CPU is not to be had from a device that needs memory for the answer.
	expect_err "run: KVM_RUN: * on CPU 0*: *no memory left*"
	expect_others_alive
}

t_no_room_for_so_much_memory()
{
	status=0
	(ulimit -v 200000
	exec "$LODGE" run --flat "$GUESTS/hello.bin" --device "$DEVICE" --mem 1G) \
		>"$tmp/out" 2>"$tmp/err" || status=$?
	expect_status 67
	expect_out ""
	expect_err "memory: 1048576 KiB cannot be had*"
}

run_tests
