# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2154
#
# What the tests with QEMU share: how a machine is started, what is typed on its serial line
# and its monitor, and how what it says is waited for. Behind lib.sh and the tests' words
# of the command's own tests (subtests.sh in the emulated host).
#
# CPU is the processor (host), LIMIT how many seconds QEMU may live (100), ACCEL another
# accelerator than kvm, to try a test without one.
#
# Debian's programs are in a root folder of their own, in which they find all at its
# Debian place; /tmp is the same in it.

ROOT=${0%/*}/root
GUEST=/guest/guest.elf

# Gone with the namespace that own_dev made.
own_root()
{
	[ -x "$ROOT/usr/bin/qemu-system-x86_64" ] || { echo "1..0 # SKIP no QEMU" && exit 4; }
	for folder in dev proc sys tmp; do
		mkdir -p "$ROOT/$folder"
		mount --rbind "/$folder" "$ROOT/$folder" || exit 1
	done
	mkdir -p "$ROOT/etc" "$ROOT/root" "$ROOT/run" "$ROOT/var/lib"
}

# ---- machines ----------------------------------------------------------------------
#
# Each has a letter. In $tmp: LETTER.said is what the guest wrote on its serial line,
# LETTER.qmp what QEMU answered, LETTER.err its stderr.

# machine LETTER ARGUMENT...: starts QEMU, in the background.
machine()
{
	m=$1
	shift
	command_line=
	trap end_machines EXIT
	rm -f "$tmp/$m".*
	mkfifo "$tmp/$m.com.in" "$tmp/$m.com.out" "$tmp/$m.orders" || fail "mkfifo"
	: >"$tmp/$m.said"
	# What the guest says is in the log at once; the pipe only has to be emptied.
	cat "$tmp/$m.com.out" >/dev/null &
	pids="$pids $!"
	# QEMU holds both ends of its pipes, so that they never end.
	timeout -s KILL "${LIMIT:-100}" chroot "$ROOT" /usr/bin/qemu-system-x86_64 \
		-accel "${ACCEL:-kvm}" -nodefaults -display none -no-user-config \
		-chardev "pipe,id=com1,path=$tmp/$m.com,logfile=$tmp/$m.said" \
		-serial chardev:com1 -qmp stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
		"$@" <>"$tmp/$m.orders" >"$tmp/$m.qmp" 2>"$tmp/$m.err" &
	eval "pid_$m=$!"
	pids="$pids $!"
	order "$m" qmp_capabilities
}

end_machines()
{
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill -KILL $pids 2>/dev/null
	wait
}

# guest LETTER 'WORDS' ARGUMENT...: a machine with our own guest, see guest/guest.c.
guest()
{
	m=$1
	words=$2
	shift 2
	machine "$m" -m 64 -cpu "${CPU:-host}" -kernel "$GUEST" -append "$words" "$@"
}

bad()
{
	for file in "$tmp"/?.said "$tmp"/?.qmp "$tmp"/?.err; do
		[ ! -s "$file" ] || { echo "# ${file##*/}:" && indent 8 "$file"; }
	done
	fail "$@"
}

alive()
{
	eval "kill -0 \$pid_$1" 2>/dev/null
}

# await LETTER FILE PATTERN: until the file has such a line; not longer than QEMU lives.
await()
{
	until grep -q -- "$3" "$tmp/$1.$2"; do
		if ! alive "$1"; then
			# It may have been its last word.
			grep -q -- "$3" "$tmp/$1.$2" && break
			bad "QEMU ended without: $3"
		fi
		usleep 10000
	done
}

# said LETTER TEXT: the guest says it; awaited.
said()
{
	await "$1" said "^guest: $2"
}

said_times()
{
	[ "$(grep -c "^guest: $2" "$tmp/$1.said")" -eq "$3" ] || bad "$3 times expected: $2"
}

keys()
{
	printf '%s' "$2" >"$tmp/$1.com.in"
}

# order LETTER COMMAND [ARGUMENTS]: one of QMP's; $answer is what QEMU returned.
order()
{
	orders=$((${orders:-0} + 1))
	printf '{"execute":"%s","arguments":{%s},"id":%d}\n' "$2" "${3:-}" "$orders" \
		>"$tmp/$1.orders"
	await "$1" qmp "\"id\": ${orders}[,}]"
	answer=$(grep "\"id\": ${orders}[,}]" "$tmp/$1.qmp")
	case $answer in
	*'"error":'*) bad "$2: $answer" ;;
	esac
}

# monitor LETTER 'COMMAND': as a person types it; what is printed is in $tmp/answer.
monitor()
{
	order "$1" human-monitor-command "\"command-line\":\"$2\""
	printf '%s\n' "$answer" | sed -e 's/^{"return": "//' -e 's/", "id".*//' \
		-e 's/\\r\\n/\n/g' -e 's/\\"/"/g' -e 's/\\t/\t/g' >"$tmp/answer"
}

# printed PATTERN: in what the monitor's command printed.
printed()
{
	grep -q -- "$1" "$tmp/answer" || { indent 30 "$tmp/answer" && bad "expected: $1"; }
}

event()
{
	await "$1" qmp "\"event\": \"$2\""
}

# What QEMU says of every machine without the kernel's local APIC, and of one with more
# CPUs than the host.
USUAL="warning: Userspace local APIC is deprecated for KVM
warning: Do not use kernel-irqchip except for the -M isapc machine type
warning: Number of SMP cpus requested (2) exceeds the recommended cpus
warning: Number of hotpluggable cpus requested (2) exceeds the recommended cpus"

# ends LETTER STATUS: QEMU's own. Nothing else has to be on its stderr.
ends()
{
	eval "wait \$pid_$1"
	got=$?
	[ $got -eq "$2" ] || bad "QEMU ended with $got, not with $2"
	! grep -qvF -- "$USUAL" "$tmp/$1.err" || bad "nothing was expected on QEMU's stderr"
}

# The guest's "end" is a 0 at its exit port, of which QEMU makes 1.
ends_well()
{
	said "$1" 'end$'
	ends "$1" 1
}

# debugger LETTER 'COMMANDS': gdb attached to the machine; what it printed is in $tmp/answer.
debugger()
{
	command -v gdb >/dev/null || skip "no gdb"
	printf '%s\n' "set pagination off" "target remote 127.0.0.1:1234" "$2" >"$tmp/commands"
	gdb -nx -batch -x "$tmp/commands" "$ROOT$GUEST" >"$tmp/answer" 2>&1 ||
		{ indent 30 "$tmp/answer" && bad "gdb failed"; }
}

# quits LETTER: on order.
quits()
{
	order "$1" quit
	ends "$1" 0
}
