# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034
#
# lodge bench: a few rows of each kind in a few rounds, memory of a few machines, what it
# prints, and what it says when it cannot measure. What things cost is not judged here. Boots
# are in cli-linuxbench.

# bench ARGUMENT...: on the device, two rounds.
bench()
{
	lodge bench exits --device "$DEVICE" --rounds 2 "$@"
}

# median ROW: what the table has for it.
median()
{
	sed -n "s/^$1  *[^ ]*  *\([0-9][0-9]*\) .*/\1/p" "$tmp/out"
}

# is_between ROW LEAST MOST
is_between()
{
	n=$(median "$1")
	[ -n "$n" ] || fail "no figure for $1"
	if [ "$n" -lt "$2" ] || [ "$n" -gt "$3" ]; then
		fail "$1: $2 to $3 expected"
	fi
}

t_rows()
{
	lodge bench rows
	expect_status 0
	expect_no_err
	for row in cpuid out mmio-write ipi-halted page-write vm-create; do
		grep -q "^$row  *[A-Za-z]" "$tmp/out" || fail "no row $row"
	done
}

# What exits takes thousands of instructions or cycles, what does not a few.
t_instructions()
{
	bench --only 'cpuid,cr3,rdmsr*,xsetbv'
	expect_status 0
	expect_no_err
	is_between cpuid 100 100000
	is_between rdmsr 100 100000
	is_between xsetbv 100 100000
	[ "$(median rdmsr-direct)" -lt "$(median rdmsr)" ] || fail "RDMSR of FS_BASE exits"
	grep -q "^Ticks of the time stamp counter .* of 2 rounds" "$tmp/out" || fail "no unit"
}

t_exits_to_user_space()
{
	bench --only 'out,in,mmio-read,outsb-64,hlt-user'
	expect_status 0
	for row in out in mmio-read outsb-64 hlt-user; do
		is_between $row 300 5000000
	done
}

t_writes_that_the_kernel_takes()
{
	bench --only 'out,*-eventfd*,*-coalesced'
	expect_status 0
	[ "$(grep -c "$DEVICE" "$tmp/out")" -eq 7 ] || fail "seven rows expected"
	for row in pio-eventfd pio-eventfd-any mmio-eventfd-any pio-coalesced; do
		[ "$(median $row)" -lt "$(median out)" ] || fail "$row comes to user space"
	done
}

t_interrupts()
{
	bench --only 'self-*,ipi-halted-here,irqfd-*,eoi,deadline*'
	expect_status 0
	expect_no_err
	for row in self-icr ipi-halted-here irqfd-running irqfd-halted deadline; do
		is_between $row 20 10000000
	done
}

t_two_cpus()
{
	bench --only ipi-running,ipi-halted
	expect_status 0
	expect_no_err
	if [ "$(nproc)" -lt 2 ]; then
		grep -q "skipped: it takes two CPUs of the host" "$tmp/out" || fail "no reason"
	else
		is_between ipi-running 20 10000000
		is_between ipi-halted 20 10000000
	fi
}

t_memory()
{
	bench --only 'page-*'
	expect_status 0
	is_between page-write-new 300 200000
	[ "$(median page-write)" -lt "$(median page-write-new)" ] ||
		fail "a page that is there is no quicker"
}

t_calls()
{
	bench --only '*-regs,run-immediate,slot-*-500,vm-*,vcpu-create,irqchip-create'
	expect_status 0
	[ "$(grep -c "$DEVICE" "$tmp/out")" -eq 9 ] || fail "nine rows expected"
	is_between vcpu-create 1000 100000000
}

# Both with the same machine code, so with the same device both cost about the same.
t_a_device_with_itself()
{
	lodge bench exits --device "$DEVICE" --vs "$DEVICE" --only vmcall,cr3 --rounds 5
	expect_status 0
	grep -q '^Geometric mean of the ratios: \(0\.[6-9]\|1\.[0-6]\)' "$tmp/out" ||
		fail "a mean of about 1 expected"
	[ "$(grep -c "$DEVICE" "$tmp/out")" -eq 4 ] || fail "four lines expected"
}

t_json()
{
	bench --json --vs "$DEVICE" --only out,cr3
	expect_status 0
	expect_no_err
	[ "$(wc -l <"$tmp/out")" -eq 1 ] || fail "one line expected"
	number='[0-9][0-9]*\.[0-9]*'
	result="{\"state\":\"measured\",\"median\":$number,\"min\":$number,\"q1\":$number"
	result="$result,\"q3\":$number,\"max\":$number}"
	head="{\"unit\":\"tsc-ticks\",\"rounds\":2,\"devices\":\[\"$DEVICE\",\"$DEVICE\"\],"
	grep -q "^$head\"rows\":\[{\"name\":\"cr3\",\"what\":\"[^\"]*\",\"batch\":16," \
		"$tmp/out" || fail "no head, or no first row"
	grep -q "{\"name\":\"out\",[^{]*\"results\":\[$result,$result\],\"ratio\":$number}\]" \
		"$tmp/out" || fail "no second row"
	grep -q ",\"geometric_mean\":$number}\$" "$tmp/out" || fail "no mean"
}

# kib PART: what the table of memory has for it.
kib()
{
	sed -n "s/^$1  *\([0-9-][0-9]*\)\.[0-9] .*/\1/p" "$tmp/out"
}

# A machine takes some dozens of pages: a hundred times more or less is no figure.
t_memory_of_machines()
{
	lodge bench memory --device "$DEVICE" --machines 24 --rounds 3
	expect_status 0
	expect_no_err
	for part in slab sum; do
		n=$(kib $part)
		[ -n "$n" ] || fail "no figure for $part"
		if [ "$n" -lt 8 ] || [ "$n" -gt 4000 ]; then
			fail "$part: 8 to 4000 KiB expected"
		fi
	done
	[ "$(kib pages)" -ge 8 ] || fail "pages: at least the VMCS and the run page expected"
	[ "$(kib slab)" -lt "$(kib sum)" ] || fail "a part is more than the whole"
	grep -q "^$DEVICE: sums from [0-9.]* to [0-9.]*\$" "$tmp/out" || fail "no spread"
	grep -q "of 24 machines;\$" "$tmp/out" || fail "no number of machines"
}

# The parts make the sum, but for their last digits.
t_memory_json()
{
	lodge bench memory --device "$DEVICE" --vs "$DEVICE" --machines 8 --rounds 1 --json
	expect_status 0
	expect_no_err
	[ "$(wc -l <"$tmp/out")" -eq 1 ] || fail "one line expected"
	head='{"unit":"kib","machines":8,"rounds":1,"devices":\["'
	grep -q "^$head$DEVICE\",\"$DEVICE\"\],\"spread\":\[{\"min\":[0-9.]*,\"max\":[0-9.]*},{" \
		"$tmp/out" || fail "no head"
	sed 's/{"name":/\n&/g' "$tmp/out" | awk -F '[][,]' '
		/^."name"/ { n = match($0, /"values":/); split(substr($0, n + 10), v, ",")
			if ($0 ~ /"sum"/) sum = v[1]; else if (v[1] != "null") all += v[1] }
		END { exit !(sum > 0 && all - sum < 1 && sum - all < 1) }' ||
		fail "the parts do not make the sum"
}

t_no_device()
{
	bench --vs /dev/none
	expect_status 66
	expect_err "/dev/none: no such device: *"
	expect_out ""
	lodge bench exits --device /dev/null --json
	expect_status 66
	expect_err "/dev/null: does not speak KVM's ABI *"
	expect_out ""
	lodge bench memory --device "$DEVICE" --vs /dev/none
	expect_status 66
	expect_err "/dev/none: no such device: *"
	expect_out ""
	lodge bench boot --device "$DEVICE" --vs /dev/none "$GUESTS/hello.bin"
	expect_status 66
	expect_err "/dev/none: no such device: *"
	expect_out ""
}

t_bad_options()
{
	while IFS='|' read -r options text; do
		# shellcheck disable=SC2086
		lodge bench $options
		expect_status 64
		expect_err "bench: $text"
		expect_out ""
	done <<-'END'
		|give exits, boot, memory or rows: see 'lodge help bench'
		walk|there is no 'walk': see 'lodge help bench'
		rows more|'more' is too much
		exits more|'more' is too much
		exits --only|--only needs a value: *
		exits --only none|--only none: there is no such row: see 'lodge bench rows'
		exits --only cpuid,cpuidd|--only cpuidd: there is no such row: *
		exits --rounds 0|--rounds 0: a number from 1 to 200
		exits --rounds 201|--rounds 201: a number from 1 to 200
		exits --rounds ten|--rounds ten: a number from 1 to 200
		exits --colour|--colour is no option*
		exits --machines 8|--machines is no option*
		boot --only cpuid|--only is no option*
		boot one two|'two' is too much
		boot --rounds 51|--rounds 51: a number from 1 to 50
		boot --disk image|--disk is no option*
		boot --net user|--net is no option*
		memory more|'more' is too much
		memory --machines 0|--machines 0: a number from 1 to 256
		memory --machines 257|--machines 257: a number from 1 to 256
		memory --rounds 51|--rounds 51: a number from 1 to 50
		memory --only cpuid|--only is no option*
	END
	# These are judged as those of lodge run.
	while IFS='|' read -r options text; do
		# shellcheck disable=SC2086
		lodge bench boot kernel $options
		expect_status 64
		expect_err "$text"
		expect_out ""
	done <<-'END'
		--mem much|--mem: 'much' is no size: *
		--cpus 0|--cpus: '0' cannot be: *
		--timeout never|--timeout: 'never' is no time: *
	END
	lodge bench boot --device "$DEVICE" "$tmp/none"
	expect_status 65
	expect_err "$tmp/none: *"
	expect_out ""
	lodge bench boot --device "$DEVICE" "$GUESTS/hello.bin"
	expect_status 65
	expect_err "*hello.bin: is no kernel that lodge knows: *"
	expect_out ""
}

run_tests
