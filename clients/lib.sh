# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2034,SC2016
#
# What the tests with other people's programs share.  Those open /dev/kvm: here a test
# gets a /dev of its own, in which /dev/kvm is the device that is tested, and which is
# gone when the test's processes are.
#
# Usage: TEST [-d DEVICE] [-t PATTERN] [-g GROUP]

DEVICE=/dev/kvm
PATTERN='*'
GROUP='*'

options()
{
	while getopts d:t:g: opt; do
		case $opt in
		d) DEVICE=$OPTARG ;;
		t) PATTERN=$OPTARG ;;
		g) GROUP=$OPTARG ;;
		*) exit 1 ;;
		esac
	done
}

# own_dev ARGUMENT...: with the test's own arguments; starts it anew in such a /dev.
own_dev()
{
	[ -z "$CLIENTS_DEV" ] || { CLIENTS_TMP=$CLIENTS_DEV/tmp && return 0; }
	[ "$(id -u)" -eq 0 ] || { echo "1..0 # SKIP only root can have a /dev of its own" && exit 4; }
	CLIENTS_DEV=$(mktemp -d) || exit 1
	export CLIENTS_DEV
	unshare -m sh -c '. "${0%/*}/lib.sh"; options "$@"; make_dev; exec "$0" "$@"' "$0" "$@"
	status=$?
	# Empty here, outside: no rm -rf where /dev itself could be.
	rmdir "$CLIENTS_DEV/old" "$CLIENTS_DEV/new" && rm -rf "$CLIENTS_DEV"
	exit $status
}

# All that is in /dev, by links to it, and a node of the device's number.
make_dev()
{
	mkdir "$CLIENTS_DEV/old" "$CLIENTS_DEV/new" "$CLIENTS_DEV/tmp"
	mount --rbind /dev "$CLIENTS_DEV/old" || exit 1
	mount -t tmpfs tmpfs "$CLIENTS_DEV/new" || exit 1
	for node in "$CLIENTS_DEV"/old/*; do
		ln -s "$node" "$CLIENTS_DEV/new/"
	done
	rm -f "$CLIENTS_DEV/new/kvm"
	mknod "$CLIENTS_DEV/new/kvm" c "$(printf %d "0x$(stat -c %t "$DEVICE")")" \
		"$(printf %d "0x$(stat -c %T "$DEVICE")")" || exit 1
	mount --move "$CLIENTS_DEV/new" /dev || exit 1
}

indent()
{
	tail -n "$1" "$2" | cut -c 1-300 | sed 's/^/#   /'
}
