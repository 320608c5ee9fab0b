# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034,SC2016
#
# Unmodified Linux as a guest: Debian's kernels with their own drivers, and a busybox that
# does what people do with a machine. The same on lodge and on kvm_intel. A boot takes a
# while in an emulator, so each looks at several things.

# ---- kernels and their sizes --------------------------------------------------------

# As Debian packs it: the kernel unpacks itself, and tests its own cryptography, which uses
# all that the FPU has.
t_bzimage()
{
	QUIET="quiet panic=-1"
	linux 'echo "release $(uname -r)"
		cat /proc/cmdline
		grep -c ^processor /proc/cpuinfo
		complaints
		grep "16550A" /proc/tty/driver/serial | cut -c 1-2
		status 7' --net none
	expect_status 7
	said "console=ttyS0 $QUIET"
	said 1
	said "0:"
	never_said complaint
}

# The ELF kernel out of it, by its PVH entry; two CPUs; what a PC has. Its end is a reset.
t_elf_with_two_cpus()
{
	linux 'grep -c ^processor /proc/cpuinfo
		taskset 2 sh -c "echo ran on CPU 1"
		grep -o kvm-clock /sys/devices/system/clocksource/clocksource0/available_clocksource
		[ "$(date +%Y)" -ge 2024 ] && echo "time of day"
		grep -q "timer\|LOC" /proc/interrupts && echo "interrupts"
		[ -e /sys/firmware/acpi/tables/FACP ] && echo "ACPI"
		complaints
		echo "end"; reboot -f; echo "after it"' \
		--unpack --cpus 2 --net none --no-reboot
	expect_status 0
	expect_no_err
	said 2
	said "ran on CPU 1"
	said "kvm-clock"
	said "time of day"
	said "interrupts"
	said "ACPI"
	never_said complaint
	said "end"
	never_said "after it"
}

# It asks for nothing any more, and yet it is a process like any other.
t_newer_kernel_with_four_spinning_cpus()
{
	KERNEL=6.12
	start_linux 'grep -c ^processor /proc/cpuinfo; uname -r | cut -c 1-5; complaints
		for cpu in 1 2 4; do taskset $cpu sh -c "while :; do :; done" & done
		echo ready
		while :; do :; done' --cpus 4 --net none
	await ready
	kill -INT "$pid"
	end_status
	expect_status 130
	said 4
	said 6.12.
	never_said complaint
}

# Above 4 GiB there is more: it is written and read there.
t_much_memory()
{
	linux 'read -r name kib unit </proc/meminfo; [ "$kib" -gt 3800000 ] && echo "large"
		grep -qi "100000000-.*System RAM" /proc/iomem && echo "above 4 GiB"' \
		--unpack --mem 4G --net none
	expect_status 0
	said "large"
	said "above 4 GiB"
}

t_multiboot()
{
	[ -e "$GUESTS/multiboot.elf" ] || skip "no multiboot image"
	printf 'one\n' >"$tmp/one"
	printf 'two\n' >"$tmp/two"
	lodge run "$GUESTS/multiboot.elf" --device "$DEVICE" --append "its command line" \
		--module "$tmp/one" --module "$tmp/two,with arguments" --net none
	expect_status 0
	tr -d '\r' <"$tmp/out" | sed "s|$tmp|TMP|" >"$tmp/said"
	[ "$(sed 1d "$tmp/said")" = "$(printf 'TMP/one\none\nTMP/two with arguments\ntwo')" ] ||
		fail "other modules expected"
	grep -q 'its command line$' "$tmp/said" || fail "its command line expected"
}

# Little memory, and a user who may open the device and nothing else.
t_little_memory_of_an_ordinary_user()
{
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	make_initrd 'grep MemTotal /proc/meminfo; echo alive; status 3'
	chmod 644 "$tmp/initrd"
	mode=$(stat -c %a "$DEVICE")
	chmod 666 "$DEVICE"
	as_nobody run "$GUESTS/vmlinuz-$KERNEL" --initrd "$tmp/initrd" --device "$DEVICE" \
		--timeout 100 --append "$QUIET" --unpack --mem 96M
	chmod "$mode" "$DEVICE"
	expect_status 3
	said alive
}

# ---- disks, network, entropy, console ------------------------------------------------

t_disk_network_and_more()
{
	new_disk 16M
	printf 'a page of the host\n' >"$tmp/index.html"
	httpd -f -p 127.0.0.1:8099 -h "$tmp" &
	http=$!
	linux 'mke2fs -q /dev/vda >/dev/null && mount /dev/vda /mnt && echo "mounted"
		dd if=/dev/urandom of=/mnt/file bs=1M count=4 2>/dev/null
		sum=$(md5sum </mnt/file)
		umount /mnt; echo 3 >/proc/sys/vm/drop_caches; mount /dev/vda /mnt
		[ "$sum" = "$(md5sum </mnt/file)" ] && echo "the same again"
		umount /mnt
		grep -q "virtio.*-req.0" /proc/interrupts && echo "its own interrupt"
		network && echo "network"
		wget -q -O - http://10.0.2.2:8099/index.html
		cat /sys/class/misc/hw_random/rng_current
		dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c' \
		--unpack --cpus 2 --disk "$disk" --rng
	kill "$http"
	expect_status 0
	said "mounted"
	said "the same again"
	said "its own interrupt"
	said "network"
	said "a page of the host"
	said "virtio_rng.0"
	said 64
	"$LODGE" disk info "$disk" >"$tmp/info" || fail "lodge disk info"
}

# 100 MB in one transfer, and some the other way, with checksums: what slirp, the rings and
# TCP do with much data. To make it all random would take too long: each copy of what is
# lies a little further. The console is virtio's.
t_much_network_and_virtio_console()
{
	dd if=/dev/urandom of="$tmp/random" bs=1M count=4 2>/dev/null
	i=0
	while [ $i -lt 24 ]; do
		i=$((i + 1))
		echo "$i"
		cat "$tmp/random"
	done >"$tmp/many"
	rm "$tmp/random"
	make_sum_cgi
	sum=$(md5sum <"$tmp/many")
	httpd -f -p 127.0.0.1:8098 -h "$tmp" &
	http=$!
	linux 'exec >/dev/hvc0
		cat /proc/cmdline
		network
		wget -q -O - http://10.0.2.2:8098/many | md5sum
		base64 /dev/urandom | head -c 4000000 >/tmp/text
		wget -q -O - --post-file /tmp/text http://10.0.2.2:8098/cgi-bin/sum >/tmp/sum
		[ "$(md5sum </tmp/text)" = "$(cat /tmp/sum)" ] && echo "and back"' --unpack \
		--console stdio,virtio
	kill "$http"
	rm -rf "$tmp/many" "$tmp/cgi-bin"
	expect_status 0
	said "console=hvc0 $QUIET"
	said "$sum"
	said "and back"
}

# ---- how machines end --------------------------------------------------------------------

# Each start differs by what the one before has left on the disk. The second ends by a panic,
# behind which the guest resets itself (panic=-1), as it has no panic device any more.
t_reboot_starts_again()
{
	new_disk 1M
	echo 0 | dd of="$disk" conv=notrunc 2>/dev/null
	linux 'read -r n </dev/vda; n=$((n + 1)); echo "start $n"
		echo "$n" | dd of=/dev/vda conv=notrunc,sync 2>/dev/null; sync
		[ "$n" -ne 1 ] || reboot -f
		[ "$n" -ne 2 ] || { rmmod pvpanic_pci; echo c >/proc/sysrq-trigger; }' \
		--unpack --cpus 2 --net none --disk "$disk"
	expect_status 0
	expect_no_err
	said "start 1"
	said "start 2"
	said "start 3"
	tr -d '\r' <"$tmp/out" | grep -q "Kernel panic" || fail "a panic expected"
}

# expect_core FILE: an ELF core of the user's alone, with holes in it.
expect_core()
{
	[ "$(head -c 4 "$1" | tail -c 3)" = ELF ] || fail "an ELF file expected: $1"
	[ "$(stat -c %a "$1")" = 600 ] || fail "mode 600 expected: $1"
	[ "$(stat -c %s "$1")" -gt 134217728 ] || fail "128 MiB of memory expected: $1"
	[ "$(($(stat -c %b "$1") * 512))" -lt 134217728 ] || fail "holes expected: $1"
}

# The kernel's panic handler tells the machine before it resets it.
t_panic_dumps()
{
	rm -f "$tmp/core"
	linux 'echo "device $(ls /sys/bus/pci/drivers/pvpanic-pci | grep -c :)"
		echo c >/proc/sysrq-trigger' --unpack --net none --mem 128M \
		--dump-on-crash "$tmp/core"
	expect_status 73
	said "device 1"
	tr -d '\r' <"$tmp/out" | grep -q "Kernel panic" || fail "a panic expected"
	grep -q "guest: its kernel panicked" "$tmp/err" || fail "no word about the panic"
	expect_core "$tmp/core"
}

# It is found by its PID and by its name, and lives on, until its power button is pressed.
t_dump_of_a_running_guest()
{
	rm -f "$tmp/core"
	start_linux 'echo ready; n=0
		while [ ! -e /tmp/pressed ]; do n=$((n + 1)); done &
		dd if=/dev/input/event0 bs=24 count=1 >/dev/null 2>&1
		echo "pressed"; : >/tmp/pressed; wait; echo "lives on"' --net none --mem 128M --cpus 2
	await ready
	"$LODGE" list --json >"$tmp/list" || fail "lodge list"
	grep -q "{\"pid\":$pid,\"name\":\"vmlinuz-$KERNEL\",\"cpus\":2,\"memory\":134217728," \
		"$tmp/list" || fail "not in the list: $(cat "$tmp/list")"
	"$LODGE" dump "$pid" "$tmp/core" || fail "lodge dump $pid"
	expect_core "$tmp/core"
	"$LODGE" dump "vmlinuz-$KERNEL" "$tmp/core2" || fail "lodge dump vmlinuz-$KERNEL"
	expect_core "$tmp/core2"
	! "$LODGE" dump "$pid" "$tmp/core" 2>"$tmp/again" || fail "a core was overwritten"
	grep -q "is there already" "$tmp/again" || fail "no word about the file"
	kill -TERM "$pid"
	end_status
	expect_status 0
	said "pressed"
	said "lives on"
	[ "$("$LODGE" list --json)" = '{"machines":[]}' ] || fail "still in the list"
}

# What the guest was told is on disk, is there when the VMM dies without a word.
t_kill_9_after_fsync()
{
	new_disk 8M
	start_linux 'dd if=/dev/urandom of=/tmp/data bs=64k count=32 2>/dev/null
		md5sum </tmp/data
		dd if=/tmp/data of=/dev/vda bs=64k conv=fsync 2>/dev/null
		echo "on disk"
		dd if=/dev/urandom of=/dev/vda bs=64k seek=32 2>/dev/null' \
		--net none --disk "$disk"
	await "on disk"
	kill -KILL "$pid"
	end_status
	expect_status 137
	sum=$(head -c 2097152 "$disk" | md5sum)
	said "$sum"
}

run_tests
