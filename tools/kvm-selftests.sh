#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the KVM selftests of the kernel's source package (tools/testing/selftests/kvm),
# as they are: programs of other people's that have to run on lodge.  Which of them are
# run, and how, is in clients/kvm-selftests.list.
#
# The result is cached by the version of the source and by what is done with it.
#
# Usage: tools/kvm-selftests.sh	leaves build/kvm-selftests, a folder of programs

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

recipe=1		# raise it with what is done here
# The part of the source that they are made of, the kernel's headers included.
wanted=(Makefile Kbuild Kconfig 'scripts/*' usr/include/Makefile
	'include/uapi/*' 'include/asm-generic/*'
	'arch/x86/Makefile*' 'arch/x86/include/*' 'arch/x86/entry/syscalls/*' 'arch/x86/tools/*'
	'lib/rbtree.c' 'tools/lib/rbtree.c' 'tools/build/*' 'tools/scripts/*' 'tools/include/*'
	'tools/arch/x86/include/*' 'tools/testing/selftests/*.h' tools/testing/selftests/lib.mk
	'tools/testing/selftests/kvm/*' 'tools/testing/selftests/rseq/*')

# build_tests FOLDER OPTION...: make in there, with make's variables and targets.
build_tests()
{
	local dir=$1
	shift
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C "$dir" -j"$(nproc)" "$@"
}

# Two of them call a macro by its later name, and one comes without a header's guard.
build_odd_ones()
{
	local dir=$1
	build_tests "$dir" LDFLAGS=-static "$dir/dirty_log_test" "$dir/steal_time" \
		EXTRA_CFLAGS="-DTEST_ASSERT_EQ=ASSERT_EQ -include $2/usr/include/linux/stddef.h"
}

make_selftests()
{
	local tmp=$1 src=$1/src dir=$1/src/tools/testing/selftests/kvm f
	find_kernel_source
	mkdir "$src"
	LC_ALL=C run_long "  unpacking what they need of the source" tar -xJf "$tarball" -C "$src" \
		--strip-components 1 --wildcards --wildcards-match-slash \
		"${wanted[@]/#/$KERNEL_SOURCE/}"
	run_long "  the kernel's headers" build_tests "$src" ARCH=x86 HOSTCC=gcc CC=gcc headers
	run_long "  the odd ones" build_odd_ones "$dir" "$src"
	run_long "  the tests" build_tests "$dir" LDFLAGS=-static
	while IFS= read -r f; do
		strip -o "$tmp/${f##*/}" "$f"
	done < <(find "$dir" -type f -perm -1 -size +100k)
	rm -rf "$src"
}

key=$(declare -p recipe wanted | sha256sum | cut -c 1-8)
dir=$(newest_built kvm-selftests "$key")
if [ -z "$dir" ]; then
	say "building the kernel's KVM selftests, once (a minute)"
	find_kernel_source
	dir=$LODGE_CACHE/kvm-selftests/$version-$key
	cached "$dir" make_selftests
fi
point "$LODGE_BUILD/kvm-selftests" "$dir"
