# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034
#
# The other commands: help, version, caps, disk, doctor. lodge bench has a test of its own.

t_help()
{
	for arguments in help --help -h; do
		lodge $arguments
		expect_status 0
		expect_no_err
		for word in run step list dump vmcs explain stat trace caps bench disk doctor help; do
			grep -q "^  $word " "$tmp/out" || fail "no word about $word"
		done
	done
	for word in run step list dump vmcs explain stat trace caps bench disk doctor; do
		lodge help $word
		expect_status 0
		grep -q "^usage: lodge $word" "$tmp/out" || fail "no usage"
		cp "$tmp/out" "$tmp/help"
		lodge $word --help
		expect_status 0
		cmp "$tmp/out" "$tmp/help" || fail "--help is not help"
		[ "$(wc -l <"$tmp/out")" -le 24 ] || fail "does not fit a screen"
	done
}

t_version()
{
	lodge --version
	expect_status 0
	grep -q '^lodge [0-9]*\.[0-9]' "$tmp/out" || fail "no version"
}

t_output_full()
{
	for arguments in help --version "caps --device $DEVICE" "doctor --device $DEVICE"; do
		status=0
		# shellcheck disable=SC2086
		"$LODGE" $arguments >/dev/full 2>"$tmp/err" || status=$?
		expect_status 72
		expect_err "output cannot be written: No space left on device*"
	done
}

t_caps()
{
	lodge caps --device "$DEVICE"
	expect_status 0
	expect_no_err
	grep -q "^device: $DEVICE speaks version 12 of KVM's ABI" "$tmp/out" ||
		fail "no word about the device"
	grep -q "^    USER_MEMORY  *yes" "$tmp/out" || fail "no USER_MEMORY"
	grep -q "^    NR_MEMSLOTS  *[1-9][0-9]" "$tmp/out" || fail "no NR_MEMSLOTS"
	grep -q "^VT-x: capability MSRs" "$tmp/out" || fail "no word about VT-x"
}

t_caps_json()
{
	lodge caps --json --device "$DEVICE"
	expect_status 0
	expect_no_err
	[ "$(wc -l <"$tmp/out")" -eq 1 ] || fail "one line expected"
	sed 's/[,{]/\n/g' "$tmp/out" >"$tmp/list"
	[ "$(grep -c '^"KVM_CAP_[A-Z0-9_]*":[0-9]' "$tmp/list")" -ge 200 ] ||
		fail "200 capabilities expected"
	grep -q '^"KVM_CAP_USER_MEMORY":1$' "$tmp/list" || fail "no KVM_CAP_USER_MEMORY"
	grep -q '^"KVM_CAP_PPC_PAPR":0$' "$tmp/list" || fail "no KVM_CAP_PPC_PAPR"
}

t_caps_without_a_device()
{
	lodge caps --device /dev/null
	expect_status 66
	grep -q "^VT-x: " "$tmp/out" || fail "no word about VT-x"
	expect_err "/dev/null: does not speak KVM's ABI *"
	lodge caps --json --device /dev/none
	expect_status 66
	grep -q '"usable":false,"reason":"/dev/none: no such device' "$tmp/out" ||
		fail "no reason"
}

t_doctor_ready()
{
	lodge doctor --device "$DEVICE"
	expect_status 0
	expect_out "ready: $DEVICE makes VMs"
	expect_no_err
}

t_doctor_denied()
{
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mode=$(stat -c %a "$DEVICE")
	chmod 600 "$DEVICE"
	as_nobody doctor --device "$DEVICE"
	chmod "$mode" "$DEVICE"
	expect_status 1
	grep -q "^$DEVICE: permission denied: its mode 0600 gives it to no group: " \
		"$tmp/out" || fail "no word about the permission"
}

t_doctor_other_device()
{
	lodge doctor --device /dev/null
	expect_status 1
	grep -q "^/dev/null: does not speak KVM's ABI" "$tmp/out" || fail "no reason"
}

t_list_and_dump_without_machines()
{
	mkdir "$tmp/run"
	export XDG_RUNTIME_DIR="$tmp/run"
	lodge list
	expect_status 0
	expect_no_err
	expect_out "    PID CPUS   MEMORY        TIME  NAME"
	lodge list --json
	expect_status 0
	expect_out '{"machines":[]}'
	lodge dump 1 "$tmp/core"
	expect_status 64
	expect_err "dump: there is no machine '1': see 'lodge list'"
	lodge dump vmlinuz "$tmp/core"
	expect_status 64
	expect_err "dump: there is no machine 'vmlinuz': *"
	lodge dump 1
	expect_status 64
	expect_err "dump: give a machine and a file: *"
	[ ! -e "$tmp/core" ] || fail "a file was left"
	lodge list more
	expect_status 64
	expect_err "list: 'more' is too much"
}

t_unknown_options()
{
	for command in caps doctor; do
		lodge $command --colour
		expect_status 64
		expect_err "$command: --colour is no option*"
		lodge $command more
		expect_status 64
		expect_err "$command: 'more' is too much"
	done
}

run_tests
