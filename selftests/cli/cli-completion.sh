# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034
#
# The completion for bash: a line is taken apart as readline does it, and the
# replies are compared. No device is needed.

COMPLETION=${COMPLETION:-$here/../../../userspace-cli/lodge.bash-completion}

# What readline does: words end at blanks, and = and : are words of their own.
# shellcheck disable=SC2016 # bash is to expand it
READLINE='
. "$1" || exit 1
COMP_LINE=$2 COMP_POINT=${3:-${#2}} COMP_WORDS=() COMP_WORDBREAKS=" =:"
rest=$2 left=$COMP_POINT
while [[ $rest =~ ^(" "*)([=:]+|[^ =:]+) ]]; do
	COMP_WORDS+=("${BASH_REMATCH[2]}")
	((left > ${#BASH_REMATCH[1]})) && COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	((left -= ${#BASH_REMATCH[0]}))
	rest=${rest:${#BASH_REMATCH[0]}}
done
if [[ -n $rest ]]; then
	COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
fi
_lodge
printf "%s\n" "${COMPREPLY[@]}"
'

# offers LINE WORD...: these replies and no others, in any order.
offers()
{
	command -v bash >/dev/null || skip "no bash"
	line=$1
	shift
	bash --norc -c "$READLINE" bash "$COMPLETION" "$line" "$position" >"$tmp/replies" ||
		fail "$line: bash fails"
	sort "$tmp/replies" >"$tmp/sorted"
	printf '%s\n' "$@" | sort >"$tmp/wanted"
	cmp -s "$tmp/sorted" "$tmp/wanted" && return
	show replies "$tmp/replies"
	fail "'$line' was to offer: $*"
}
position=

t_commands()
{
	offers "lodge r" run
	offers "lodge d" dump disk doctor
	offers "lodge --v" --version
	offers "lodge help ca" caps
	offers "lodge help run "
	offers "lodge e" explain
	offers "lodge walk "
}

# Those that the command itself tells.
t_all_commands()
{
	lodge help
	expect_status 0
	sed -n 's/^  \([a-z]*\) .*/\1/p' "$tmp/out" >"$tmp/commands"
	# shellcheck disable=SC2046
	offers "lodge " $(cat "$tmp/commands") --version --help
}

t_all_options_of_run()
{
	lodge help run
	expect_status 0
	grep -o -e '--[a-z][a-z-]*' "$tmp/out" | sort -u >"$tmp/options"
	[ "$(wc -l <"$tmp/options")" -gt 15 ] || fail "more options expected"
	# shellcheck disable=SC2046
	offers "lodge run --" $(cat "$tmp/options")
}

t_options()
{
	offers "lodge run --no-" --no-reboot --no-sandbox
	offers "lodge run kernel --cp" --cpus
	offers "lodge caps --" --device --json
	offers "lodge doctor --" --device
	offers "lodge vmcs --" --cpu --diff --json
	offers "lodge step --flat image --a" --at --append
	offers "lodge run --at"
	offers "lodge run --x"
}

t_looking_at_machines()
{
	offers "lodge st" stat step
	offers "lodge stat --" --interval --once --cpus --json
	offers "lodge stat --cpus --j" --json
	offers "lodge stat --interval "
	offers "lodge trace --" --seconds --output --format --vmlinux
	offers "lodge trace 1 --format " text perfetto html
	offers "lodge trace --format=p" perfetto
	cd "$tmp" || fail "cd"
	: >vmlinux
	offers "lodge trace --vmlinux vml" vmlinux
}

t_values()
{
	offers "lodge run --mode " real protected long
	offers "lodge run --mode p" protected
	offers "lodge run --console " stdio pty none socket= file=
	offers "lodge run --console pty," pty,virtio
	offers "lodge run --net n" none
	offers "lodge run --net t" tap=
}

t_values_behind_an_equals_sign()
{
	offers "lodge run --mode=l" long
	offers "lodge run --mode=" real protected long
	offers "lodge run --console=s" stdio socket=
	offers "lodge run --gdb=" stdio
	offers "lodge run --mode=long --js" --json
}

t_nothing_where_anything_goes()
{
	: >"$tmp/1"
	cd "$tmp" || fail "cd"
	for option in --mem --cpus --timeout --append --publish; do
		offers "lodge run $option "
		offers "lodge run $option=1"
	done
}

t_files()
{
	mkdir "$tmp/files"
	cd "$tmp/files" || fail "cd"
	mkdir sub
	: >image
	: >"with blanks"
	offers "lodge run i" image
	offers "lodge run --verbose " image sub "with blanks"
	for option in --flat --initrd --module --disk --dump-on-crash; do
		offers "lodge run $option w" "with blanks"
		offers "lodge run $option=s" sub
	done
	# Behind a = readline has only what follows it.
	offers "lodge run --console file=i" image
	offers "lodge run --console=socket=i" image
	offers "lodge run --device ./i" ./image
}

t_words_behind_a_file()
{
	offers "lodge run --disk a.img," a.img,ro a.img,direct
	offers "lodge run --disk a.img,ro," a.img,ro,direct
	offers "lodge run --disk=a.img,d" a.img,direct
	offers "lodge run --module a.bin,"
}

t_disk()
{
	mkdir "$tmp/disk"
	cd "$tmp/disk" || fail "cd"
	: >image
	offers "lodge disk " create resize info
	offers "lodge disk info " image
	offers "lodge disk resize im" image
	offers "lodge disk resize image "
	offers "lodge disk resize image 1G --" --shrink
	offers "lodge disk info --" --json
	offers "lodge disk create image --"
}

t_bench()
{
	offers "lodge bench " exits boot memory rows
	offers "lodge bench rows "
	offers "lodge bench memory --" --device --vs --machines --rounds --json
	offers "lodge bench memory --machines "
	offers "lodge bench boot --m" --mem
	mkdir "$tmp/kernels"
	: >"$tmp/kernels/vmlinuz"
	offers "lodge bench boot --initrd $tmp/kernels/v" "$tmp/kernels/vmlinuz"
	offers "lodge bench boot $tmp/kernels/v" "$tmp/kernels/vmlinuz"
	offers "lodge bench exits --" --device --vs --only --rounds --json
	offers "lodge bench exits --rounds "
	# It asks the command itself.
	PATH=$(dirname "$LODGE"):$PATH
	offers "lodge bench exits --only cpu" cpuid cpuid-last
	offers "lodge bench exits --only out,cpuid-" out,cpuid-last
	offers "lodge bench exits --only=wb" wbinvd
}

# What is behind the cursor does not count.
t_cursor_within_a_line()
{
	position=14
	offers "lodge run --module --mem 64M" --mode --module
	offers "lodge run --mo=x --mem 64M" --mode --module
	position=21
	offers "lodge run --mode=long --mem 64M" long
}

run_tests
