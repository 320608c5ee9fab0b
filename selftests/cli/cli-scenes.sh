# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034
#
# The scenes of Documentation/scenes.rst, as `make scene` plays them. Each loads lodge.ko by
# itself and takes it out again, so none may be loaded before.

# scene N: a command that ends otherwise than it should, or does not say what it should, is
# what the scene's own script finds.
scene()
{
	[ -d /scenes ] || skip "they are played in the emulated host"
	sh /scenes/scene.sh "$1" >"$tmp/scene" 2>&1 || {
		sed 's/^/# /' "$tmp/scene"
		fail "scene $1 did not go as it should"
	}
}

t_reset_to_long_mode()
{
	scene 1
}

t_ept_fault()
{
	scene 2
}

t_interrupt()
{
	scene 3
}

t_triple_fault()
{
	scene 4
}

t_failed_entry()
{
	scene 5
}

run_tests
