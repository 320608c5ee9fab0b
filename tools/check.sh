#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every check that needs no boot.  Each says in one line how it went; one that
# fails shows why.  All are run, whatever the first says.
#
# Usage: tools/check.sh [CHECK...]	default: all, in the order of the table

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$LODGE_TOP"
out=$LODGE_BUILD/check
mkdir -p "$out"
failed=0

checks=(rules house checkpatch shell python harness headers user kernel_6_1 kernel_6_12)

# What checkpatch calls wrong and is right here, with the reason:
# in kmod/ the question for the kernel's version (only compat.h may ask, see
# check_rules), the kernel's own names in mixed case, and what macros around
# `asm goto` and tables of registers cannot do without: an argument used twice, a
# jump;
# in trace.h how the kernel's tracepoints are written everywhere;
# in user space there is no <linux/compiler.h> and no BIT(), the types of C are
# the ones at hand, a test may want a volatile or a long list in a macro, and
# assembler in a string is laid out as assembler.
kernel_ignores=LINUX_VERSION_CODE,CONSTANT_COMPARISON,CAMELCASE,MACRO_ARG_REUSE
kernel_ignores+=,MACRO_WITH_FLOW_CONTROL
trace_ignores=COMPLEX_MACRO,PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE
user_ignores=PREFER_DEFINED_ATTRIBUTE_MACRO,BIT_MACRO,PREFER_KERNEL_TYPES,VOLATILE
user_ignores+=,LEADING_SPACE,CONST_STRUCT,PREFER_FALLTHROUGH,SPLIT_STRING,CAMELCASE,STRLCPY,SSCANF_TO_KSTRTO
user_ignores+=,TYPO_SPELLING,EMBEDDED_FUNCTION_NAME,AVOID_EXTERNS,ENOSYS,MACRO_ARG_REUSE,COMPLEX_MACRO,MACRO_ARG_PRECEDENCE

sources()
{
	find "$@" -name '*.[chS]' ! -name '*.mod.c' -type f 2>/dev/null | sort
}

check_rules()
{
	local f bad=0
	while IFS= read -r f; do
		case $f in COPYING | *.md | *.rst | *.png | .gitattributes | .gitignore) continue ;; esac
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: ' && continue
		case $f in *.patch | *.json | *.txt | *.expect) continue ;; esac
		echo "$f: no SPDX-License-Identifier in its first lines"
		bad=1
	done < <(git ls-files --cached --others --exclude-standard)
	git ls-files -z --cached --others --exclude-standard -- ':!COPYING' ':!*.patch' |
		xargs -0 grep -nIE '[[:blank:]]+$' && bad=1
	if grep -rnE '\bBUG(_ON)?\(' kmod --include='*.[chS]'; then
		echo "kmod: a BUG() takes the machine down; WARN_ON_ONCE and end the VM instead"
		bad=1
	fi
	if grep -rlE 'LINUX_VERSION_CODE|KERNEL_VERSION' kmod --include='*.[chS]' |
		grep -v '/compat\.h$'; then
		echo "kmod: only compat.h may ask for the kernel's version"
		bad=1
	fi
	return $bad
}

# Arrows between floors, and documents against the code they speak of.
check_house()
{
	local f rc=0
	for f in tools/check/*.py; do
		python3 -B "$f" || rc=1
	done
	return $rc
}

make_checkpatch()
{
	local tmp=$1 want=(checkpatch.pl spelling.txt const_structs.checkpatch)
	find_kernel_source
	run_long "  taking checkpatch out of it" tar --occurrence=1 -xJf "$tarball" -C "$tmp" \
		--strip-components 2 "${want[@]/#/$KERNEL_SOURCE/scripts/}"
}

check_checkpatch()
{
	local dir=$LODGE_CACHE/checkpatch/6.1 said
	[ -d "$dir" ] || say "fetching checkpatch: it comes in the kernel's source package (140 MB)"
	cached "$dir" make_checkpatch
	# It takes the % of an operand of `asm goto` for an operator.
	said=$(checkpatch_all 2>&1 | grep -v "SPACING: spaces preferred around that '%' (ctx:WxV)")
	[ -z "$said" ] || { printf '%s\n' "$said" && return 1; }
}

checkpatch_all()
{
	local files run=(perl "$LODGE_CACHE/checkpatch/6.1/checkpatch.pl" --no-tree --strict
		--terse --quiet --no-summary --show-types -f)
	mapfile -t files < <(sources kmod uapi | grep -v '/trace\.h$')
	[ "${#files[@]}" -eq 0 ] || "${run[@]}" --ignore "$kernel_ignores" "${files[@]}"
	"${run[@]}" --ignore "$kernel_ignores,$trace_ignores" kmod/trace.h
	mapfile -t files < <(sources userspace-cli selftests tools clients)
	[ "${#files[@]}" -eq 0 ] || "${run[@]}" --ignore "$user_ignores" "${files[@]}"
}
check_shell()
{
	local f scripts=()
	while IFS= read -r f; do
		case $(head -c 64 "$f" | head -n 1) in
		'#!'*sh | '#!'*sh' '*) scripts+=("$f") ;;
		*) case $f in *.sh | *.bash-completion) scripts+=("$f") ;; esac ;;
		esac
	done < <(git ls-files --cached --others --exclude-standard)
	shellcheck -x "${scripts[@]}"
}

check_python()
{
	local f rc=0
	while IFS= read -r f; do
		python3 -c 'import ast, pathlib, sys
ast.parse(pathlib.Path(sys.argv[1]).read_text(), sys.argv[1])' "$f" || rc=1
		if grep -nE '.{101,}' "$f"; then
			echo "$f: lines longer than 100"
			rc=1
		fi
	done < <(git ls-files --cached --others --exclude-standard '*.py')
	return $rc
}

check_harness()
{
	python3 -B -m unittest discover -s tools/host -p 'test_*.py' 2>&1
}

# Every header must compile on its own, whoever includes it first.
check_headers()
{
	local h n=0 rc=0 dir=$out/headers names=()
	rm -rf "$dir"
	mkdir -p "$dir/kmod"
	while IFS= read -r h; do
		case $h in */trace.h) continue ;; esac	# read many times by its own design
		n=$((n + 1))
		# twice: a header must guard itself
		printf '#include "%s"\n#include "%s"\n' "$LODGE_TOP/$h" "$LODGE_TOP/$h" \
			>"$dir/kmod/h$n.c"
		names+=("h$n.o")
	done < <(sources kmod | grep '\.h$')
	if [ $n -gt 0 ]; then
		printf 'obj-m += headers.o\nheaders-y := %s\nccflags-y := -I%s -I%s -I%s\n' \
			"${names[*]}" "$LODGE_TOP/kmod" "$LODGE_TOP/uapi" "$LODGE_TOP/kmod/.." \
			>"$dir/kmod/Makefile"
		make -s -C "$LODGE_BUILD/headers-6.1" M="$dir/kmod" "${names[@]}" 2>&1 || rc=1
	fi
	while IFS= read -r h; do
		printf '#include "%s"\n#include "%s"\n' "$LODGE_TOP/$h" "$LODGE_TOP/$h" |
			gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused -fsyntax-only \
				-I"$(dirname "$h")" -Iuapi -x c - 2>&1 || rc=1
	done < <(sources uapi userspace-cli selftests/lib | grep '\.h$')
	return $rc
}

# The CLI and the tests, built anew, any warning an error.
check_user()
{
	rm -rf "$out/userspace-cli" "$out/selftests"
	make -s -j"$(nproc)" -C userspace-cli O="$out/userspace-cli" EXTRA_CFLAGS=-Werror 2>&1 &&
		make -s -j"$(nproc)" -C selftests O="$out/selftests" EXTRA_CFLAGS=-Werror 2>&1 &&
		gcc -O2 -Wall -Wextra -Werror -fsyntax-only tools/host/agent.c
}

# check_kernel LANE: the module with W=1 and under sparse, no word from either.
check_kernel()
{
	local log=$out/kernel-$1.log
	rm -rf "$out/kmod-$1"
	if ! LODGE_KMOD_DIR=$out/kmod-$1 tools/kmod.sh "$LODGE_BUILD/headers-$1" \
		-s -j"$(nproc)" W=1 C=2 CF=-Wsparse-error modules >"$log" 2>&1; then
		cat "$log"
		return 1
	fi
	! grep . "$log"
}

check_kernel_6_1()
{
	check_kernel 6.1
}

check_kernel_6_12()
{
	check_kernel 6.12
}

for name in "${@:-${checks[@]}}"; do
	start=$SECONDS
	if text=$("check_$name" 2>&1); then
		printf 'ok    check %s (%d s)\n' "$name" $((SECONDS - start))
	else
		printf 'FAIL  check %s (%d s)\n' "$name" $((SECONDS - start))
		printf '%s\n' "$text" | sed 's/^/      | /'
		failed=$((failed + 1))
	fi
done
[ $failed -eq 0 ] || die "$failed of the checks failed"
