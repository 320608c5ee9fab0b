# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034,SC2016
#
# Every way to look into a machine, with Linux as the guest: lodge list, stat, trace, vmcs,
# explain and dump beside one that works, and lodge step through its first exits. What each
# of them can do otherwise is in cli-stat and cli-step, with small guests.

# Its symbols are right where it was linked.
QUIET="$QUIET nokaslr"

# The guest's memory begins where a large page does, and has some, if the host has any.
expect_large_pages()
{
	case $(cat /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null) in
	"" | *"[never]"*) return ;;
	esac
	awk '/^[0-9a-f]+-/ { ram = 0; first = $1 } /^Size:/ { ram = $2 == 131072 }
		ram && /^AnonHugePages:/ { print first, $2 }' "/proc/$pid/smaps" >"$tmp/out"
	has out "^[0-9a-f]*[02468ace]00000-[0-9a-f]* [1-9][0-9]*$"
}

t_beside_a_linux_that_works()
{
	mkdir -p "$tmp/run"
	export XDG_RUNTIME_DIR="$tmp/run"
	start_linux 'echo at work
		while :; do cat /proc/interrupts /proc/cpuinfo >/dev/null; done' --mem 128M
	await "at work"
	expect_large_pages
	lodge list
	expect_status 0
	has out "^ *$pid .*vmlinuz-$KERNEL"
	lodge stat "$pid" --once --interval 0.5
	expect_status 0
	has out "^ *MSR_WRITE " "^ *EXTERNAL_INTERRUPT \|^ *PREEMPTION_TIMER "
	lodge trace "$pid" --seconds 0.5
	expect_status 0
	has out "MSR_WRITE rip 0xffffffff8"
	if [ -e "$GUESTS/symbols-$KERNEL" ]; then
		lodge trace "$pid" --seconds 0.5 --format html --output "$tmp/trace.html" \
			--vmlinux "$GUESTS/symbols-$KERNEL"
		expect_status 0
		has trace.html "native_write_msr"
	fi
	lodge vmcs "$pid"
	expect_status 0
	has out "^machine $pid, CPU 0\$" "^  guest_cr3 " "^  guest_efer .*LME, LMA" \
		"^  guest_gdtr\|^  gdtr "
	lodge explain "$pid"
	expect_status 0
	has out "rip 0xffffffff8"
	lodge dump "$pid" "$tmp/core"
	expect_status 0
	[ "$(head -c 4 "$tmp/core" | tail -c 3)" = ELF ] || fail "no core"
	kill "$pid"
	end_status
}

# From its first fetch to the first CPUID that it asks for, and a walk through its tables.
t_step_through_its_first_exits()
{
	make_initrd ''
	printf '%s\n' s 'c cpuid' r 'k' 'c cpuid' b q >"$tmp/commands"
	input=$tmp/commands
	lodge step "$GUESTS/vmlinuz-$KERNEL" --initrd "$tmp/initrd" --device "$DEVICE" \
		--unpack --mem 128M --timeout 100 --append "$QUIET"
	input=/dev/null
	expect_status 0
	has out "^#1 EPT_VIOLATION: fetch" "^#[0-9]* CPUID" "cpuid" "^  *EPT of 0x"
}

run_tests
