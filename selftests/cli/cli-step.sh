# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034
#
# Looking into a machine: lodge vmcs and lodge explain beside one that runs, and lodge step
# through the exits of a small guest, with commands from a pipe. On kvm: that it is refused.

on_kvm()
{
	[ "$DEVICE" = /dev/kvm ]
}

# step COMMANDS ARGUMENT...: through a flat guest, the commands apart by ;
step()
{
	echo "$1" | tr ';' '\n' >"$tmp/commands"
	shift
	input=$tmp/commands
	lodge step --flat "$@" --device "$DEVICE" --timeout 100
	input=/dev/null
}

# A guest that runs, in the background: $pid.
start_spinning()
{
	mkdir -p "$tmp/run"
	export XDG_RUNTIME_DIR="$tmp/run"
	mkfifo "$tmp/fifo"
	"$LODGE" run --flat "$GUESTS/spin.bin" --device "$DEVICE" --cpus 2 \
		>"$tmp/fifo" 2>"$tmp/guest.err" &
	pid=$!
	read -r said <"$tmp/fifo"
	rm "$tmp/fifo"
	[ "$said" = "Spinning." ] || fail "the guest said '$said'"
}

stop_spinning()
{
	kill "$pid"
	wait "$pid" 2>/dev/null || :
}

t_vmcs()
{
	start_spinning
	lodge vmcs
	if on_kvm; then
		expect_status 67
		expect_err "vmcs: /dev/kvm does not show it: that is lodge's alone"
		stop_spinning
		return
	fi
	expect_status 0
	expect_no_err
	has out "^machine $pid, CPU 0\$" "^guest state\$" "^host state\$" \
		"^execution controls\$" "^exit controls\$" "^entry controls\$" \
		"^exit information\$" \
		"^  cs   selector 0x0010 base 0x0* limit 0xffffffff rights .*  code, .*64-bit" \
		"^  tr   .*  TSS, busy, DPL 0" \
		"^  guest_rip  *0x000000000001" \
		"^  guest_efer .*LME, LMA" \
		"^  entry_controls .*IA-32e mode guest" \
		"^  eptp .*4 levels, write-back" \
		"^  exit_reason "
	# Its owner is root here; what hides from others is selftests/flight's.
	lodge vmcs "$pid" --cpu 1 --json
	expect_status 0
	[ "$(wc -l <"$tmp/out")" -eq 1 ] || fail "one line expected"
	has out "^{\"pid\":$pid,\"name\":\"spin.bin\",\"cpu\":1,\"fields\":\[{\"name\":\"" \
		'{"name":"guest_cr3","encoding":"0x6802","group":"guest","value":"0x2000","decoded":null}' \
		']}$'
	lodge vmcs spin.bin --diff=0.1
	expect_status 0
	has out "^machine $pid, CPU 0: what changed in 0.1 s"
	lodge vmcs --cpu 2
	expect_status 67
	expect_err "vmcs: the machine has no CPU 2: it has 2"
	lodge vmcs --cpu 64
	expect_status 64
	# Nothing of it has held the guest up for good.
	lodge list
	has out "^ *$pid "
	stop_spinning
	lodge vmcs "$pid"
	expect_status 64
	expect_err "vmcs: there is no machine '$pid': *"
}

# Where the host's kernel is, is not for everybody.
t_vmcs_of_a_user()
{
	on_kvm && skip "lodge alone can"
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mkdir "$tmp/nobody"
	chown 65534:65534 "$tmp/nobody"
	chmod 700 "$tmp/nobody"
	export XDG_RUNTIME_DIR="$tmp/nobody"
	# It makes the user known.
	as_nobody list
	expect_status 0
	mode=$(stat -c %a "$DEVICE")
	chmod 666 "$DEVICE"
	mkfifo "$tmp/fifo"
	# By another name, as start-stop-daemon starts no program twice.
	cp "$LODGE" "$tmp/machine"
	start-stop-daemon -S -c 65534:65534 -x "$tmp/machine" -- run --flat "$GUESTS/spin.bin" \
		--device "$DEVICE" >"$tmp/fifo" 2>"$tmp/guest.err" &
	pid=$!
	read -r said <"$tmp/fifo"
	rm "$tmp/fifo"
	chmod "$mode" "$DEVICE"
	as_nobody vmcs
	kill "$pid"
	wait "$pid" 2>/dev/null || :
	[ "$said" = "Spinning." ] || fail "the guest said '$said'"
	expect_status 0
	has out "^  host_rip  *(hidden)\$" "^  eptp  *(hidden)\$" "^  host_cr0  *0x0*8005" \
		"^  guest_rip  *0x000000000001" "^  tr   selector 0x0040 base (hidden)\$"
	! grep -q "^  host.* 0xffff" "$tmp/out" || fail "an address of the host"
}

t_explain_a_machine()
{
	start_spinning
	lodge explain "$pid"
	expect_status 0
	expect_no_err
	has out "^machine $pid, spin.bin\$"
	if on_kvm; then
		has out "^  CPU 1: its device has no flight recorder: that is lodge's\$"
	else
		has out "^  CPU 0: [0-9]* exits, the last of them:\$" "^  CPU 1: [0-9]* exits" \
			"^    rip 0x1[0-9a-f]*: " "^  no entry has failed\$"
	fi
	stop_spinning
}

t_explain_numbers()
{
	lodge explain 48 --qualification 0x181
	expect_status 0
	expect_no_err
	has out "^exit reason 0x30 (48): EPT_VIOLATION\$" \
		"qualification 0x181: read, the page is ---, of a linear address\$"
	lodge explain 0x80000021
	expect_status 0
	has out "INVALID_STATE, the entry failed\$" "SDM 26.3.1"
	lodge explain --vmfail 7
	expect_status 0
	expect_out "VM-instruction error 7: invalid control fields in the VMCS (SDM 30.4)"
	lodge explain nothing
	expect_status 64
	lodge explain --qualification x
	expect_status 64
	lodge explain --qualification 1
	expect_status 64
	lodge explain --vmfail 7 8
	expect_status 64
}

t_step_is_lodge_s()
{
	on_kvm || return 0
	step "s" "$GUESTS/hello.bin"
	expect_status 66
	expect_err "step: /dev/kvm cannot stop a guest at its exits: *"
	expect_out ""
}

# The first exits of a guest, with what is known of each.
t_step()
{
	on_kvm && skip "lodge alone can"
	step "s;c io;r rax;x rip 2;w rip;v cs;v information;b 3;h;q" "$GUESTS/hello.bin"
	expect_status 0
	expect_no_err
	has out "^#1 EPT_VIOLATION: " "^  rip 0x10000: b9 80 00 00 c0  movl \$0xc0000080, %ecx\$" \
		"^  walk 0x10000, 4 levels\$" \
		"^    PML4 \[  0\] at 0x2000: 0x3003 write" \
		"^    -> 0x10000, in a page of 2048 KiB\$" \
		"^  EPT of 0x2000\$" "^    PML4 \[  0\]: 0 --- not mapped\$" \
		"^(step) s\$" "^#2 EPT_VIOLATION: " "^(step) c io\$" \
		"^#3 IO_INSTRUCTION: IN of 1 byte, port 0x3fd (DX)\$" \
		"^  rip 0x[0-9a-f]*: ec  inb %dx, %al\$" "^  changed: .*rip 0x10000 -> 0x" \
		"^  rax 0xfedcba98765432" "^  0x100[0-9a-f]*: ec a8  *\.\.\$" \
		"^  cs   selector 0x0010 " "^  exit_reason  *0x0000001e  IO_INSTRUCTION\$" \
		"^  IO_INSTRUCTION rip 0x" "^  k  *skip the instruction"
	# Nothing was said before it was to be.
	! grep -q Hello "$tmp/out" || fail "the guest went on"
}

# The letter that is to be printed is left out, and another one put in its place.
t_step_skips_and_edits()
{
	on_kvm && skip "lodge alone can"
	{
		# The ports of "He": status, letter, status, letter.
		echo "c io"
		echo "k"
		echo "c io"
		echo "c io"
		echo "r rax 0x41"
		echo "c"
	} >"$tmp/commands"
	lodge step --flat "$GUESTS/hello.bin" --device "$DEVICE" --at io \
		--commands "$tmp/commands" --timeout 100
	expect_status 0
	expect_no_err
	has out "OUT of 1 byte, port 0x3f8 (DX)" "^(step) k\$" "^  rip 0x[0-9a-f]*: c3  retq*\$"
	[ "$(tail -n 1 "$tmp/out")" = "Allo from a guest in long mode. CPUs: 1, memory: 65536 KiB." ] ||
		fail "no 'Allo'"
}

t_step_only_at()
{
	on_kvm && skip "lodge alone can"
	step "s;s;q" "$GUESTS/cpuid.bin" --at cpuid
	expect_status 0
	has out "^#1 CPUID\$" "^  rip 0x[0-9a-f]*: 0f a2  cpuid" "^#3 CPUID\$"
	! grep -q "^#.*EPT" "$tmp/out" || fail "another stop"
	# What CPUID answers can be edited once it is skipped.
	step "k;r rbx 0x41414141;r rcx 0x41414141;r rdx 0x41414141;c" "$GUESTS/cpuid.bin" --at cpuid
	expect_status 0
	has out "^vendor AAAAAAAAAAAA, "
}

# As the guest's own state is broken, the next entry fails, and it is told why.
t_step_breaks_a_guest()
{
	on_kvm && skip "lodge alone can"
	step "r tr.type 3;s" "$GUESTS/hello.bin" --at io --json
	expect_status 69
	has err "^lodge: guest: VM entry failed on CPU 0 in 64-bit mode at 0x1" \
		"^lodge: entry: exit reason 0x80000021: VM entry failed: " \
		"^lodge: entry: guest.tr.type: .*; guest_tr_access_rights is 0x83 (SDM 26\." \
		'"entry_failure":{"reason":2147483681,"vmfail":false,.*"rule":"guest.tr.type"'
}

t_step_other_modes()
{
	on_kvm && skip "lodge alone can"
	step "c io;w rip;r cs;q" "$GUESTS/hello-real.bin" --mode real
	expect_status 0
	has out "^  walk 0x[0-9a-f]*: paging is off\$" "^  cs 0x1000\$"
	step "c io;w rip;q" "$GUESTS/hello-protected.bin" --mode protected
	expect_status 0
	has out "^  walk 0x[0-9a-f]*: paging is off\$" "^#2 IO_INSTRUCTION: "
}

# Commands that are none, or end too soon.
t_step_bad_commands()
{
	on_kvm && skip "lodge alone can"
	step "z;r nothing;r rax nothing;r cs.dpl 4;c nothing;x;x 0xffffffffffff0000;w nothing;v nothing;s s s s" \
		"$GUESTS/hello.bin"
	expect_status 0
	expect_no_err
	has out "^  there is no command 'z': h helps\$" "^  there is no register 'nothing'\$" \
		"^  'nothing' is no number and no register\$" "^  cs.dpl cannot be 0x4: " \
		"^  'nothing' is no exit reason\$" "^  give an address\$" \
		"^  0xffffffffffff0000: no memory is there\$" \
		"^  'nothing' is no field, group or segment\$" "^  's' is too much\$" "^(step) \$"
	head -c 3000 /dev/zero | tr '\0' 'r' >"$tmp/commands"
	input=$tmp/commands
	lodge step --flat "$GUESTS/hello.bin" --device "$DEVICE"
	input=/dev/null
	expect_status 0
	has out "^  there is no command 'rrrr"
	: >"$tmp/commands"
	lodge step --flat "$GUESTS/hello.bin" --device "$DEVICE" --commands "$tmp/commands"
	expect_status 0
	lodge step --flat "$GUESTS/hello.bin" --device "$DEVICE" --commands "$tmp/none"
	expect_status 64
	expect_err "--commands: $tmp/none: No such file or directory"
	lodge step --flat "$GUESTS/hello.bin" --device "$DEVICE" --cpus 2
	expect_status 64
	lodge step --flat "$GUESTS/hello.bin" --device "$DEVICE" --at nothing
	expect_status 64
	expect_err "--at: 'nothing' cannot be: *"
	[ ! -e "$tmp/core" ] || fail "a core"
}

# It stands at a prompt, and can be looked at and ended.
t_step_beside_others()
{
	on_kvm && skip "lodge alone can"
	mkdir -p "$tmp/run"
	export XDG_RUNTIME_DIR="$tmp/run"
	mkfifo "$tmp/in" "$tmp/said"
	"$LODGE" step --flat "$GUESTS/hello.bin" --device "$DEVICE" --at io \
		<"$tmp/in" >"$tmp/said" 2>"$tmp/step.err" &
	pid=$!
	exec 3>"$tmp/in" 4<"$tmp/said"
	echo "s" >&3
	line=
	while [ "${line#\#2 }" = "$line" ]; do
		read -r line <&4 || fail "no second stop"
	done
	lodge vmcs "$pid"
	expect_status 0
	has out "^  exit_reason  *0x0000001e  IO_INSTRUCTION\$"
	lodge dump "$pid" "$tmp/core"
	expect_status 0
	kill "$pid"
	status=0
	wait "$pid" || status=$?
	exec 3>&- 4<&-
	expect_status 143
	has step.err "run: ended by SIGTERM"
}

run_tests
