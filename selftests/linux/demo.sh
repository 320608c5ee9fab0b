# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# What the guest of `make demo` does, as /guest.sh of selftests/linux/init: every command
# is shown as if it had been typed. tools/host/demo.py judges what is said here. Its disk
# is the root of Debian's own programs; $page, from the kernel's command line, is a page
# of the host's.

run()
{
	echo "# $1"
	eval "$1" || echo "demo: failed, status $?: $1"
}

run "uname -sr"
run "grep -E '^(processor|model name)' /proc/cpuinfo"
run "mount /dev/vda /mnt && cat /mnt/NOTE"
mount -o bind /dev /mnt/dev

run "ip link set eth0 up && udhcpc -q -n -i eth0 -s /dhcp 2>&1 | tail -n 1"
# shellcheck disable=SC2154 # the kernel hands it over
run "wget -q -O - $page"

run "grep -E 'CPU0|virtio.*(req|input)|LOC|RES' /proc/interrupts"
awk 'NF > 4 { cpu0 = $2; cpu1 = $3; $1 = $2 = $3 = ""
	gsub("\"", ""); sub("^ +", ""); print cpu0 "," cpu1 ",\"" $0 "\"" }' \
	/proc/interrupts >/mnt/interrupts.csv
cat >/mnt/query.sql <<'END'
create table interrupts (cpu0 integer, cpu1 integer, name);
.import --csv interrupts.csv interrupts
select 'most often: ' || name || ', ' || (cpu0 + cpu1) || ' times'
	from interrupts order by cpu0 + cpu1 desc limit 1;
select 'all together: CPU 0 ' || sum(cpu0) || ', CPU 1 ' || sum(cpu1) from interrupts;
END
run "chroot /mnt sqlite3 guest.db </mnt/query.sql"
run "chroot /mnt sqlite3 guest.db 'pragma integrity_check'"
run "mount -o remount,ro /mnt && chroot /mnt e2fsck -fn /dev/vda 2>&1 | tail -n 1"
echo "# poweroff -f"
