#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Plays a scene in the emulated host: its commands as one would type them, and what they
# say. Status 1: a command ended otherwise than the scene says, or said something else.
#
# Usage: scene.sh N		plays N-*.sh beside this file
#
# A scene is a script of the calls below, each in a line of its own and with one word in '',
# so that tools/check/scenes.py can hold it against Documentation/scenes.rst.

here=$(cd "$(dirname "$0")" && pwd)
title=
for scene in "$here/$1"-*.sh; do
	[ -e "$scene" ] && title=$(sed -n '3s/^# //p' "$scene")
done
[ -n "$title" ] || { echo "scene.sh: there is no scene '$1'" >&2; exit 1; }

tmp=$(mktemp -d) || exit 1
session=
mine=
# The flat guests are in the folder in which commands are typed.
cd /guest || exit 1
export XDG_RUNTIME_DIR="$tmp"

leave()
{
	# The end of its commands ends a session.
	exec 9>&-
	wait
	[ -z "$mine" ] || rmmod lodge
	rm -rf "$tmp"
}
trap leave EXIT

wrong()
{
	echo "scene.sh: $*" >&2
	exit 1
}

# By its full name: busybox's shell takes its own for the bare word.
insmod()
{
	/bin/insmod "$@"
}

# run [-s STATUS] COMMAND: it is to end with that status (0).
run()
{
	want=0
	[ "$1" != -s ] || { want=$2; shift 2; }
	[ -z "$started" ] || echo
	started=1
	echo "host # $1"
	status=0
	eval "$1" >"$tmp/out" 2>&1 </dev/null || status=$?
	cat "$tmp/out"
	[ $status -eq "$want" ] || wrong "'$1' ended with $status, not $want"
}
started=

# begin COMMAND: one that asks for commands of its own, behind the prompt (step).
begin()
{
	[ -z "$started" ] || echo
	started=1
	echo "host # $1"
	rm -f "$tmp/in" "$tmp/ended"
	mkfifo "$tmp/in"
	: >"$tmp/said"
	(
		status=0
		eval "$1" <"$tmp/in" >>"$tmp/said" 2>&1 || status=$?
		echo $status >"$tmp/ended"
	) &
	session=$!
	exec 9>"$tmp/in"
	until_prompt
}

# What the session says up to its next prompt, or its end. At a prompt it waits, so that
# nothing is written to the file meanwhile.
until_prompt()
{
	until [ "$(tail -c 7 "$tmp/said")" = "(step) " ] || [ -e "$tmp/ended" ]; do
		sleep 0.1
	done
	cp "$tmp/said" "$tmp/out"
	: >"$tmp/said"
	sed '$s/^(step) $//' "$tmp/out" | sed '${/^$/d}'
}

# type COMMAND: to the session. The prompt was there already; the session repeats what
# it reads.
type()
{
	echo "$1" >&9
	printf '(step) '
	until_prompt
}

# beside COMMAND: at another terminal.
beside()
{
	echo
	echo "other # $1"
	eval "$1" >"$tmp/out" 2>&1 </dev/null || wrong "'$1' ended with $?"
	cat "$tmp/out"
	echo
}

# ends STATUS: the session has.
ends()
{
	exec 9>&-
	wait "$session"
	session=
	[ "$(cat "$tmp/ended")" -eq "$1" ] || wrong "it ended with $(cat "$tmp/ended"), not $1"
}

# shows TEXT: it is in what the last call has shown.
shows()
{
	grep -qF -e "$1" "$tmp/out" || wrong "'$1' is not there"
}

# lacks TEXT: it is not.
lacks()
{
	! grep -qF -e "$1" "$tmp/out" || wrong "'$1' is there"
}

echo "Scene $1: $title"
echo
if ! grep -q "^lodge " /proc/modules; then
	mine=1
	insmod "$LODGE_KO" || exit 1
fi
# shellcheck source=/dev/null
. "$scene"
