#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034
#
# Debian's libvirt, unmodified, on the device that is tested: what it thinks of the host,
# and a domain of QEMU's that it starts and ends. It has a daemon of its own here.
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

DEBIAN=/usr/sbin:/usr/bin:/sbin:/bin
BUSYBOX=$(command -v busybox)

# Programs look for others in their PATH.
in_root()
{
	PATH=$DEBIAN "$BUSYBOX" chroot "$ROOT" "$@"
}

# There are no users, no polkit, no cgroups and no other daemons in this host.
configure()
{
	mkdir -p "$ROOT/etc/libvirt" "$ROOT/run" "$ROOT/var/log" "$ROOT/var/cache"
	[ -e "$ROOT/var/run" ] || ln -s /run "$ROOT/var/run"
	printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' \
		'libvirt-qemu:x:64055:104:libvirt:/var/lib/libvirt:/bin/false' >"$ROOT/etc/passwd"
	printf '%s\n' root:x:0: kvm:x:104: libvirt-qemu:x:64055: >"$ROOT/etc/group"
	printf 'auth_unix_ro = "none"\nauth_unix_rw = "none"\n' >"$ROOT/etc/libvirt/libvirtd.conf"
	cat >"$ROOT/etc/libvirt/qemu.conf" <<-END
		user = "root"
		group = "root"
		security_driver = "none"
		cgroup_controllers = []
		namespaces = []
		stdio_handler = "file"
	END
}

# daemon: started; it ends with the subtest.
daemon()
{
	trap end_machines EXIT
	configure
	rm -rf "$ROOT/run/libvirt"
	timeout -s KILL 200 env "PATH=$DEBIAN" "$BUSYBOX" chroot "$ROOT" libvirtd >"$tmp/daemon.out" 2>&1 &
	pids=$!
	until [ -S "$ROOT/run/libvirt/libvirt-sock" ]; do
		kill -0 "$pids" 2>/dev/null || libvirt_failed "libvirtd ended"
		usleep 20000
	done
}

libvirt_failed()
{
	for file in answer daemon.out d.said; do
		[ ! -s "$tmp/$file" ] || { echo "# $file:" && indent 20 "$tmp/$file"; }
	done
	fail "$@"
}

virsh()
{
	in_root virsh -q -c qemu:///system "$@" >"$tmp/answer" 2>&1 ||
		libvirt_failed "virsh $*"
}

answered()
{
	grep -q -- "$1" "$tmp/answer" || libvirt_failed "expected: $1"
}

# It fails for what this host has not, as cgroups; it is the device that counts.
t_virt_host_validate()
{
	configure
	in_root virt-host-validate qemu >"$tmp/answer" 2>&1
	answered 'hardware virtualization *: PASS'
	answered '/dev/kvm exists *: PASS'
	answered '/dev/kvm is accessible *: PASS'
}

capabilities()
{
	virsh capabilities
	answered "<domain type='kvm'"
	virsh domcapabilities --virttype kvm --machine q35
	answered '<domain>kvm</domain>'
	answered "<mode name='host-passthrough' supported='yes'>"
	answered "<mode name='host-model' supported='yes'>"
}

domain()
{
	cat >"$tmp/domain.xml" <<-END
		<domain type='kvm'>
		  <name>d</name>
		  <memory unit='MiB'>64</memory>
		  <vcpu>2</vcpu>
		  <os>
		    <type arch='x86_64' machine='$1'>hvm</type>
		    <kernel>/guest/guest.elf</kernel>
		    <cmdline>$2</cmdline>
		  </os>
		  <features><acpi/><apic/></features>
		  <cpu mode='$3'/>
		  <on_reboot>destroy</on_reboot>
		  <devices>
		    <emulator>/usr/bin/qemu-system-x86_64</emulator>
		    <serial type='file'><source path='$tmp/d.said'/></serial>
		    <memballoon model='none'/>
		    <video><model type='none'/></video>
		  </devices>
		</domain>
	END
}

await_domain()
{
	until grep -q "^guest: $1" "$tmp/d.said" 2>/dev/null; do
		virsh domstate d
		answered running
		usleep 50000
	done
}

until_shut_off()
{
	until in_root virsh -q -c qemu:///system list --all --name >"$tmp/answer" \
		2>&1 && ! grep -q '^d$' "$tmp/answer"; do
		kill -0 "$pids" 2>/dev/null || libvirt_failed "libvirtd ended"
		usleep 50000
	done
}

# Its power button is pressed, and it goes off.
domain_shuts_down()
{
	domain pc "pit apic smp button" host-passthrough
	virsh create "$tmp/domain.xml"
	await_domain "waits for the power button"
	virsh dominfo d
	answered 'CPU(s): *2'
	virsh vcpuinfo d
	answered 'VCPU: *1'
	virsh shutdown d
	until_shut_off
	grep -q '^guest: power button' "$tmp/d.said" || libvirt_failed "no power button"
}

# suspend and resume, then its end by force; its processor is the host's as libvirt knows it.
domain_is_destroyed()
{
	rm -f "$tmp/d.said"
	domain q35 "smp walk" host-model
	virsh create "$tmp/domain.xml"
	await_domain walking
	virsh suspend d
	virsh domstate d
	answered paused
	virsh resume d
	virsh domstate d
	answered running
	virsh destroy d
	until_shut_off
}

# One daemon for all: it asks QEMU for so much first that this takes a minute here.
t_capabilities_and_domains()
{
	daemon
	capabilities
	domain_shuts_down
	domain_is_destroyed
}

run_tests
