# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034,SC2016
#
# What the tests with Linux as a guest share: how one is started with commands for it, and
# what it is to say. The Makefile puts this file behind lib.sh in cli-linux*.

KERNEL=6.1
# The tests of the kernel's own cryptography are two thirds of a boot here.
QUIET="quiet panic=-1 cryptomgr.notests=1"

# linux 'COMMANDS' ARGUMENT...: a guest of $KERNEL that runs the commands; what they may
# call is in selftests/linux/init.
linux()
{
	make_initrd "$1"
	shift
	lodge run "$GUESTS/vmlinuz-$KERNEL" --initrd "$tmp/initrd" --device "$DEVICE" \
		--timeout 100 --append "$QUIET" "$@"
}

# new_disk SIZE: $disk, empty.
new_disk()
{
	disk=$tmp/disk
	rm -f "$disk"
	"$LODGE" disk create "$disk" "$1" || fail "lodge disk create"
}

make_initrd()
{
	[ -e "$GUESTS/vmlinuz-$KERNEL" ] || skip "no kernel for guests"
	mkdir -p "$tmp/extra"
	printf '%s\n' "$1" >"$tmp/extra/guest.sh"
	(cd "$tmp/extra" && find . -type f | cpio -o -H newc 2>/dev/null) >"$tmp/extra.cpio" ||
		fail "cpio"
	cat "$GUESTS/initrd-$KERNEL" "$tmp/extra.cpio" >"$tmp/initrd"
}

# said TEXT: a line of the guest's, whole.
said()
{
	tr -d '\r' <"$tmp/out" | grep -qxF -- "$1" || fail "the guest was to say: $1"
}

never_said()
{
	! grep -q -- "$1" "$tmp/out" || fail "the guest was not to say: $1"
}

# start_linux 'COMMANDS' ARGUMENT...: the same in the background, as $pid; its output is
# in $tmp/out.
start_linux()
{
	make_initrd "$1"
	shift
	: >"$tmp/out"
	command_line="$* (in the background)"
	"$LODGE" run "$GUESTS/vmlinuz-$KERNEL" --initrd "$tmp/initrd" --device "$DEVICE" \
		--timeout 100 --append "$QUIET" --unpack "$@" \
		</dev/null >"$tmp/out" 2>"$tmp/err" &
	pid=$!
}

# Returns when the guest has said it, or the command is gone.
await()
{
	until tr -d '\r' <"$tmp/out" | grep -qxF -- "$1"; do
		kill -0 "$pid" 2>/dev/null || fail "the guest was to say: $1"
		sleep 0.02
	done
}

end_status()
{
	status=0
	wait "$pid" || status=$?
}
