#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Plays scene N of Documentation/scenes.rst in the emulated host, with one boot; without N
# it lists them.
#
# Usage: tools/scene.sh [N]

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$LODGE_TOP"
scenes=(scenes/[0-9]*-*.sh)

list()
{
	local scene name
	for scene in "${scenes[@]}"; do
		name=${scene#scenes/}
		printf 'make scene N=%s  %s\n' "${name%%-*}" "$(sed -n '3s/^# //p' "$scene")"
	done
}

[ $# -gt 0 ] || { list && exit; }
found=
for scene in "${scenes[@]}"; do
	[ "${scene%%-*}" != "scenes/$1" ] || found=$scene
done
[ -n "$found" ] || die "N=$1: there is no such scene; there are:"$'\n'"$(list)"
make -s host-ready 1>&2
exec python3 -B tools/host/try.py --quiet --no-load --file scenes -- "sh scenes/scene.sh $1"
