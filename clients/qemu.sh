#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034,SC2016
#
# Debian's QEMU, unmodified, on the device that is tested. Most guests are a small one of
# our own (guest/guest.c); Linux boots only where it is the point. QEMU may write nothing
# to its stderr in any of these.
#
# Usage: see subtests.sh

# shellcheck source=clients/lib.sh
. "${0%/*}/lib.sh"
own_dev "$@"
# shellcheck source=selftests/cli/lib.sh
. "${0%/*}/subtests.sh"
# shellcheck source=clients/machines.sh
. "${0%/*}/machines.sh"
own_root

MODELS="qemu64 kvm64 Nehalem Westmere SandyBridge IvyBridge,-erms"

# ---- machine types, and who has the interrupt controllers: the kernel, half of them, QEMU

# chips MACHINE IRQCHIP: timers by PIC, IOAPIC and local APIC, a second CPU and IPIs, and a
# byte that wakes a CPU from HLT.
chips()
{
	guest a "pit apic ioapic smp wait" -M "$1,kernel-irqchip=$2" -smp 2
	chips_work "pit" "apic" "ioapic" "smp 10"
}

# The same with all in QEMU, for one CPU: with two QEMU hangs after the start-up IPI on
# kvm_intel, too. Without the kernel's local APIC there is no MSR for asynchronous page
# faults by interrupt, which QEMU sets nevertheless: on kvm_intel, too, it aborts then.
chips_off()
{
	CPU=${CPU:-host},-kvm-asyncpf-int guest a "pit apic ioapic wait" \
		-M "$1,kernel-irqchip=off"
	chips_work "pit" "apic" "ioapic"
}

chips_work()
{
	said a "waits for a byte"
	keys a A
	said a "byte 65"
	ends_well a
	for word; do
		said_times a "$word" 1
	done
}

t_boots_pc_irqchip_on()
{
	chips pc on
}

t_boots_pc_irqchip_split()
{
	chips pc split
}

t_boots_pc_irqchip_off()
{
	chips_off pc
}

t_q35_irqchip_on()
{
	chips q35 on
}

t_q35_irqchip_split()
{
	chips q35 split
}

t_q35_irqchip_off()
{
	chips_off q35
}

t_boots_microvm_irqchip_on()
{
	chips microvm on
}

t_boots_microvm_irqchip_split()
{
	chips microvm split
}

t_boots_microvm_irqchip_off()
{
	chips_off microvm
}

t_one_cpu()
{
	guest a "pit apic ioapic" -M pc
	ends_well a
}

# ---- firmware and processors ---------------------------------------------------------

# boots_sector DISK MACHINE: SeaBIOS speaks on the serial line where there are no graphics,
# and has the disk's first sector say something there.
boots_sector()
{
	# It counts in cylinders: less than one is no disk to it.
	cp "$ROOT/guest/sector.bin" "$tmp/disk"
	truncate -s 2M "$tmp/disk"
	machine a -drive "file=$tmp/disk,format=raw,if=$1" -m 64 -cpu "${CPU:-host}" -M "$2,graphics=off"
	await a said "SeaBIOS (version "
	await a said "Booting from Hard Disk"
	said a "the first sector"
	said a "the second sector"
	ends a 1
}


t_seabios_on_the_serial_line()
{
	boots_sector ide pc
}

t_seabios_and_a_virtio_disk()
{
	boots_sector virtio q35
}

# Each with "enforce": QEMU ends where the device does not give it a feature of the model,
# or one that QEMU adds itself.
t_processor_models()
{
	for model in $MODELS; do
		CPU=$model,enforce guest a pit -M pc
		ends_well a
	done
}

# What it is without -cpu; QEMU warns of each feature that is not there.
t_default_processor()
{
	CPU=qemu64 guest a pit -M pc
	ends_well a
}

# ---- the monitor --------------------------------------------------------------------

# While the guest's CPUs run.
t_info_at_any_time()
{
	guest a "smp walk" -M q35 -smp 2
	said a walking
	for i in 1 2 3; do
		monitor a "info registers -a"
		printed '^CPU#1'
		printed 'CR0=80000011 CR2=0000000000000000 CR3=00000000001'
		printed 'EFER=0000000000000500'
		printed '^CS =0008 .* CS64 '
		monitor a "info lapic 0"
		printed 'SPIV.*APIC enabled.*spurious vec 255'
		monitor a "info lapic 1"
		printed 'local APIC state for CPU 1'
		monitor a "info pic"
		printed 'pic0: irr=.. imr=ff isr=00'
		printed 'ioapic0: ver=0x'
		monitor a "info cpus"
		printed 'CPU #1'
		monitor a "info mem"
		printed '0000000000000000-0000000100000000 .* -rw'
	done
	monitor a "info status"
	printed 'VM status: running'
	keys a x
	said a walked
	ends_well a
}

t_stop_and_cont()
{
	guest a walk -M pc
	said a walking
	for i in 1 2 3; do
		monitor a stop
		monitor a "info registers"
		cp "$tmp/answer" "$tmp/first"
		monitor a "info registers"
		cmp -s "$tmp/first" "$tmp/answer" || bad "a stopped CPU moved"
		monitor a cont
	done
	keys a x
	said a walked
	ends_well a
}

t_nmi()
{
	guest a "nmi wait" -M pc
	said a "waits for an NMI"
	monitor a nmi
	said a 'nmi 1'
	keys a x
	ends_well a
}

# Bank 2, uncorrected, with its address; the CPU can go on.
t_machine_check()
{
	guest a "mce wait" -M pc
	said a "waits for a machine check"
	monitor a "mce 0 2 0xb600000000000135 0x5 0x123000 0x0"
	said a "machine check in bank 2"
	said a "status b600000000000135 5"
	keys a x
	ends_well a
}

t_system_reset()
{
	guest a "smp wait" -M pc -smp 2
	for i in 1 2 3; do
		until [ "$(grep -c "waits for a byte" "$tmp/a.said")" -eq "$i" ]; do
			alive a || bad "QEMU ended"
			usleep 10000
		done
		[ "$i" -eq 3 ] || monitor a system_reset
	done
	keys a A
	ends_well a
	said_times a start 3
}

# A CPU that is added to a running machine answers like the first two.
t_cpu_is_plugged_in()
{
	guest a "wait smp" -M q35 -smp 1,maxcpus=2
	said a "waits for a byte"
	monitor a "device_add ${CPU_TYPE:-host}-x86_64-cpu,socket-id=0,core-id=1,thread-id=0"
	printed '^$'
	keys a A
	said a "smp 10"
	ends_well a
}

t_system_powerdown()
{
	guest a button -M pc
	said a "waits for the power button"
	monitor a system_powerdown
	said a "power button"
	event a SHUTDOWN
	ends a 0
}

t_triple_fault_with_no_reboot()
{
	guest a triple -M pc -no-reboot
	said a falls
	ends a 0
	said_times a start 1
}

# ---- memory that is written while it is copied ---------------------------------------

# From machine a to b, which takes over.
migrate()
{
	order a migrate-set-parameters '"downtime-limit":2000'
	order a migrate "\"uri\":\"unix:$tmp/b.socket\""
	until
		order a query-migrate
		case $answer in
		*'"status": "completed"'*) true ;;
		*'"status": "failed"'*) bad "the migration failed" ;;
		*) false ;;
		esac
	do
		usleep 50000
	done
	event b RESUME
	monitor b "info status"
	printed 'VM status: running'
	monitor a "info migrate"
	printed '^dirty sync count: [2-9]'
	quits a
}

t_migrate_under_load()
{
	guest b "smp walk" -M pc -smp 2 -incoming "unix:$tmp/b.socket"
	guest a "smp walk" -M pc -smp 2
	said a walking
	migrate
	keys b x
	said b walked
	ends_well b
}

# snapshots LETTER FILE: gives the machine a disk that can hold them. There is no other
# tool here that makes one.
snapshots()
{
	order "$1" blockdev-create "\"job-id\":\"file\",\"options\":{\"driver\":\"file\",
		\"filename\":\"$2\",\"size\":0}"
	job_ends "$1" file
	order "$1" blockdev-add "\"driver\":\"file\",\"node-name\":\"file\",\"filename\":\"$2\""
	order "$1" blockdev-create '"job-id":"qcow2","options":{"driver":"qcow2",
		"file":"file","size":1048576}'
	job_ends "$1" qcow2
	order "$1" blockdev-add '"driver":"qcow2","node-name":"disk","file":"file"'
}

job_ends()
{
	await "$1" qmp "\"status\": \"concluded\", \"id\": \"$2\""
	order "$1" job-dismiss "\"id\":\"$2\""
}

# Back to the past, twice: the pages as they were then, and the interrupt chips.
t_savevm_and_loadvm()
{
	guest a "smp walk apic pit" -M pc -smp 2
	said a walking
	snapshots a "$tmp/disk"
	monitor a "savevm then"
	printed '^$'
	monitor a "info snapshots"
	printed ' then '
	for i in 1 2; do
		monitor a "loadvm then"
		printed '^$'
		monitor a "info status"
		printed 'VM status: running'
	done
	keys a x
	said a walked
	ends_well a
	said_times a pit 1
}

# ---- the debugger's door ---------------------------------------------------------------

t_gdb_software_breakpoint()
{
	guest a steps -M pc -gdb tcp:127.0.0.1:1234 -S
	debugger a 'break step
		continue
		printf "at %d of step\n", $pc - (long)step
		printf "first %d\n", $rdi
		ignore 1 98
		continue
		printf "then %d\n", $rdi
		delete
		detach'
	printed "^at 0 of step"
	printed "^first 0$"
	printed "^then 99$"
	said a "stepped 1000"
	ends_well a
}

t_gdb_hardware_breakpoint_and_watchpoint()
{
	guest a steps -M pc -gdb tcp:127.0.0.1:1234 -S
	debugger a 'hbreak step if $rdi == 7
		continue
		printf "first %d\n", $rdi
		delete
		watch watched
		continue
		printf "watched %d\n", watched
		continue
		printf "watched %d\n", watched
		delete
		detach'
	printed "^first 7$"
	printed "^watched 7$"
	printed "^watched 8$"
	said a "stepped 1000"
	ends_well a
}

t_gdb_single_step()
{
	guest a steps -M pc -gdb tcp:127.0.0.1:1234 -S
	debugger a 'hbreak step
		continue
		delete
		set $n = 0
		while $pc >= (long)step && $pc < (long)step + 12
			stepi
			set $n = $n + 1
		end
		printf "out after %d\n", $n
		info symbol $pc
		printf "result %d\n", $rax
		set $rax = 900
		stepi 100
		detach'
	printed "^out after 3$"
	printed "^word_steps"
	printed "^result 1$"
	said a "stepped 1000"
	ends_well a
}

t_gdb_other_cpu()
{
	guest a "smp walk" -M pc -smp 2 -gdb tcp:127.0.0.1:1234
	said a walking
	debugger a 'info threads
		thread 2
		backtrace
		thread 1
		backtrace
		detach'
	printed "Thread 1.2"
	printed "ap_main ()"
	printed "boot_main (info"
	keys a x
	said a walked
	ends_well a
}

# ---- Linux ---------------------------------------------------------------------------

# linux LETTER 'COMMANDS' ARGUMENT...: Debian's kernel; what the commands may call is in
# selftests/linux/init.
linux()
{
	m=$1
	mkdir -p "$tmp/extra"
	printf '%s\n' "$2" >"$tmp/extra/guest.sh"
	(cd "$tmp/extra" && find . -type f | cpio -o -H newc 2>/dev/null) >"$tmp/extra.cpio" ||
		fail "cpio"
	cat "$ROOT/guest/initrd" "$tmp/extra.cpio" >"$tmp/initrd"
	shift 2
	machine "$m" -m 192 -cpu "${CPU:-host}" -kernel /guest/vmlinuz -initrd "$tmp/initrd" \
		-append "console=ttyS0 quiet panic=-1 reboot=t" "$@"
}

t_linux_with_disk_network_and_balloon()
{
	truncate -s 16M "$tmp/disk"
	printf 'guest: a page of the host\n' >"$tmp/index.html"
	httpd -f -p 127.0.0.1:8097 -h "$tmp" &
	pids=$!
	linux a 'echo "guest: cpus $(grep -c ^processor /proc/cpuinfo)"
		grep -o kvm-clock /sys/devices/system/clocksource/clocksource0/available_clocksource |
			sed "s/^/guest: /"
		taskset 2 sh -c "echo guest: ran on CPU 1"
		mke2fs -q /dev/vda >/dev/null && mount /dev/vda /mnt
		dd if=/dev/urandom of=/mnt/file bs=1M count=4 2>/dev/null
		sum=$(md5sum </mnt/file)
		umount /mnt; echo 3 >/proc/sys/vm/drop_caches; mount /dev/vda /mnt
		[ "$sum" = "$(md5sum </mnt/file)" ] && echo "guest: the same again"
		umount /mnt
		network && wget -q -O - http://10.0.2.2:8097/index.html
		echo "guest: $(cat /sys/class/misc/hw_random/rng_current)"
		total() { sed -n "s/^MemTotal: *\([0-9]*\) kB/\1/p" /proc/meminfo; }
		before=$(total)
		echo "guest: asks for the balloon"
		until [ "$(total)" -lt $((before - 60000)) ]; do usleep 20000; done
		echo "guest: balloon"
		complaints | sed "s/^/guest: /"' \
		-M pc -smp 2 -drive "file=$tmp/disk,format=raw,if=virtio" \
		-netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
		-device virtio-rng-pci -device virtio-balloon-pci
	said a "asks for the balloon"
	monitor a "balloon 96"
	said a balloon
	ends a 0
	said a "cpus 2"
	said a kvm-clock
	said a "ran on CPU 1"
	said a "the same again"
	said a "a page of the host"
	said a virtio_rng.0
	said_times a complaint 0
}

# The host's kernel takes the guest's packets from its rings: a thread of its own is told by
# an ioeventfd and tells by an irqfd, QEMU sees none of it.
t_linux_with_vhost_net()
{
	[ -e "${0%/*}/vhost" ] || skip "the host's kernel has no vhost"
	for module in "${0%/*}"/vhost/*.ko; do
		name=${module##*/??-}
		grep -q "^${name%.ko} " /proc/modules || insmod "$module" || fail "$module: not loaded"
	done
	# This /dev was there before they were.
	[ -e /dev/vhost-net ] || ln -s "$CLIENTS_DEV/old/vhost-net" /dev/vhost-net
	[ -e /dev/net ] || ln -s "$CLIENTS_DEV/old/net" /dev/net
	head -c 2000000 /dev/urandom >"$tmp/file"
	sum=$(md5sum <"$tmp/file")
	make_sum_cgi
	httpd -f -p 8096 -h "$tmp" &
	pids=$!
	linux a 'ip addr add 192.168.77.2/24 dev eth0; ip link set eth0 up
		echo "guest: up"
		read -r go
		echo "guest: got $(wget -q -O - http://192.168.77.1:8096/file | md5sum)"
		base64 /dev/urandom | head -c 1000000 >/tmp/text
		wget -q -O - --post-file /tmp/text http://192.168.77.1:8096/cgi-bin/sum >/tmp/sum
		[ "$(md5sum </tmp/text)" = "$(cat /tmp/sum)" ] && echo "guest: and back"
		complaints | sed "s/^/guest: /"' \
		-M pc -smp 2 -netdev tap,id=net,ifname=tap0,script=no,downscript=no,vhost=on \
		-device virtio-net-pci,netdev=net,romfile=
	said a up
	ip addr add 192.168.77.1/24 dev tap0 || bad "no tap0"
	ip link set tap0 up
	# shellcheck disable=SC2010	# no file of /proc has a strange name
	ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q "vhost-net$" || bad "nobody uses vhost"
	keys a "go
"
	ends a 0
	said a "got $sum"
	said a "and back"
	said_times a complaint 0
}

t_linux_on_microvm()
{
	truncate -s 1M "$tmp/disk"
	linux a 'echo "guest: up"
		echo "guest: written" >/dev/vda; sync
		complaints | sed "s/^/guest: /"
		reboot -f' \
		-M microvm -no-reboot -drive "id=disk,file=$tmp/disk,format=raw,if=none" \
		-device virtio-blk-device,drive=disk
	ends a 0
	said a up
	said_times a complaint 0
	[ "$(head -n 1 "$tmp/disk")" = "guest: written" ] || bad "nothing on the disk"
}

# It goes on where it was, and misses nothing that it counts.
t_linux_migrates()
{
	work='n=0
		while [ $n -lt 400 ]; do
			head -c 20000 /dev/urandom >/tmp/a && cp /tmp/a /tmp/b && cmp /tmp/a /tmp/b ||
				echo "guest: lost"
			n=$((n + 1))
			[ $n -ne 20 ] || echo "guest: at work"
		done
		echo "guest: counted $n"
		complaints | sed "s/^/guest: /"'
	linux b "$work" -M q35 -smp 2 -incoming "unix:$tmp/b.socket"
	linux a "$work" -M q35 -smp 2
	said a "at work"
	migrate
	said b "counted 400"
	ends b 0
	said_times b lost 0
	said_times b complaint 0
}

run_tests
