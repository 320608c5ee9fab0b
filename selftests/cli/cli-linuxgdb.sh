# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034,SC2016
#
# Debian's gdb, as it is packed, at a Linux guest that boots: what a person does with it.
# The kernel's symbols are those that it carries itself (tools/host/kallsyms.py); they are
# right where it was linked, so the guest is told not to move.

QUIET="$QUIET nokaslr"
PORT=1234

have_gdb()
{
	[ -e "$GUESTS/symbols-$KERNEL" ] || skip "no symbols of the guest's kernel"
	command -v gdb >/dev/null || skip "no gdb"
}

# write_script: gdb's commands, from the standard input.
write_script()
{
	{
		echo "set confirm off"
		echo "set pagination off"
		echo "set width 0"
		echo "file $GUESTS/symbols-$KERNEL"
		cat
	} >"$tmp/script"
}

# start_gdb: in the background, as $gdb; what it says is in $tmp/gdb.
start_gdb()
{
	gdb -nx -q -batch -x "$tmp/script" </dev/null >"$tmp/gdb" 2>&1 &
	gdb=$!
}

end_gdb()
{
	wait "$gdb" || gdb_failed "gdb has failed"
}

gdb_failed()
{
	sed 's/^/# gdb: /' "$tmp/gdb" | cut -c 1-200
	fail "$*"
}

# gdb_said PATTERN: a line of gdb's, whole.
gdb_said()
{
	grep -qx -- "$1" "$tmp/gdb" || gdb_failed "gdb was to say: $1"
}

gdb_never_said()
{
	! grep -qi -- "$1" "$tmp/gdb" || gdb_failed "gdb was not to say: $1"
}

# The kernel's first function in C: nothing is mapped where it will be when gdb is asked
# for it, and the kernel has just been unpacked when it gets there.
t_break_print_step_continue()
{
	have_gdb
	start_linux 'grep -c ^processor /proc/cpuinfo; complaints; echo "went on"' \
		--cpus 2 --net none --gdb=$PORT
	write_script <<-END
		target remote 127.0.0.1:$PORT
		info threads
		break start_kernel
		continue
		info symbol \$pc
		printf "banner: %.13s\n", (char *)&linux_banner
		printf "jiffies: %d\n", *(int *)&jiffies
		printf "panic_timeout: %d\n", *(int *)&panic_timeout
		stepi
		info symbol \$pc
		stepi
		stepi
		info symbol \$pc
		nexti
		printf "stepped: %d\n", \$pc - (long)&start_kernel
		info registers
		info threads
		delete
		hbreak *rest_init
		continue
		backtrace 1
		printf "panic_timeout: %d\n", *(int *)&panic_timeout
		printf "command line: %s\n", *(char **)&saved_command_line
		delete
		break *kernel_init
		continue
		x/2xb kernel_init
		delete
		detach
	END
	start_gdb
	end_gdb
	end_status
	expect_status 0
	gdb_said '. 1  *Thread 1 (CPU 0, running, 32-bit mode) .*'
	gdb_said '  2  *Thread 2 (CPU 1, not started, real mode) .*'
	gdb_said "Thread 1 hit Breakpoint 1, 0x[0-9a-f]* in start_kernel ()"
	gdb_said "start_kernel in section .init.text"
	gdb_said "banner: Linux version"
	gdb_said "jiffies: -75000"
	gdb_said "panic_timeout: 0"
	gdb_said "__fentry__ in section .text"
	gdb_said "start_kernel + 5 in section .init.text"
	gdb_said "stepped: 7"
	gdb_said 'rip  *0x[0-9a-f]* *0x[0-9a-f]* <start_kernel+7>'
	gdb_said 'cr0  *0x80050033  *\[ PE MP ET NE WP AM PG \]'
	gdb_said 'cr3  *0x[0-9a-f]*000 .*'
	gdb_said 'fs_base  *0x0 .*'
	gdb_said 'gs_base  *0xffffffff8[0-9a-f]* .*'
	gdb_said "Hardware assisted breakpoint 2 at .*"
	gdb_said "Thread 1 hit Breakpoint 2, 0x[0-9a-f]* in rest_init ()"
	gdb_said "panic_timeout: -1"
	gdb_said "command line: console=ttyS0 $QUIET"
	gdb_said "Thread 1 hit Breakpoint 3, 0x[0-9a-f]* in kernel_init ()"
	gdb_said '0x[0-9a-f]* <kernel_init>:	0x0f	0x1f'
	gdb_never_said "warning"
	said 2
	said "went on"
	never_said complaint
}

# The guest that is up: both CPUs come to a breakpoint in a system call, in a program's own
# address space; a variable that is written is watched, and one that gdb writes is read.
t_running_guest()
{
	have_gdb
	start_linux 'echo 77 >/proc/sys/kernel/panic
		taskset 1 hostname one
		taskset 2 hostname two
		hostname
		echo "interrupt me"
		until [ "$(cat /proc/sys/kernel/panic)" = 99 ]; do usleep 50000; done
		complaints; echo "went on"' \
		--cpus 2 --net none --gdb=$PORT
	write_script <<-END
		target remote 127.0.0.1:$PORT
		hbreak *run_init_process
		continue
		delete
		watch *(int *)&panic_timeout
		continue
		delete
		break *__x64_sys_sethostname
		continue
		info threads
		x/xb __x64_sys_sethostname
		printf "user's fs_base: %d\n", \$fs_base != 0 && \$fs_base < 0x800000000000
		printf "kernel's stack: %d\n", (unsigned long)\$rsp >= 0xffff800000000000
		printf "program's cr3: %d\n", ((long)\$cr3 & ~0xfff) != (long)&init_top_pgt - 0xffffffff80000000
		stepi
		nexti
		info symbol \$pc
		continue
		stepi
		delete
		continue
		info threads
		printf "panic_timeout: %d\n", *(int *)&panic_timeout
		set var *(int *)&panic_timeout = 99
		detach
	END
	start_gdb
	await "interrupt me"
	kill -INT "$gdb"
	end_gdb
	end_status
	expect_status 0
	gdb_said "Thread . hit Hardware watchpoint 2: .*"
	gdb_said "Old value = -1"
	gdb_said "New value = 77"
	gdb_said "Thread 1 hit Breakpoint 3, 0x[0-9a-f]* in __x64_sys_sethostname ()"
	gdb_said "Thread 2 hit Breakpoint 3, 0x[0-9a-f]* in __x64_sys_sethostname ()"
	gdb_said '\* 1  *Thread 1 (CPU 0, running, 64-bit mode) .*'
	gdb_said '  2  *Thread 2 (CPU 1, [a-z]*, 64-bit mode) .*'
	gdb_said '0x[0-9a-f]* <__x64_sys_sethostname>:	0x0f'
	gdb_said "user's fs_base: 1"
	gdb_said "kernel's stack: 1"
	gdb_said "program's cr3: 1"
	gdb_said "__x64_sys_sethostname + [0-9]* in section .text"
	gdb_said "Thread . received signal SIGINT, Interrupt."
	gdb_said "panic_timeout: 77"
	gdb_never_said "warning"
	said "two"
	said "went on"
	never_said complaint
}

# The machine as gdb's own child, with the newer kernel and four CPUs.
t_newer_kernel_through_a_pipe()
{
	KERNEL=6.12
	have_gdb
	make_initrd 'grep -c ^processor /proc/cpuinfo; echo "went on"'
	command_line="run $GUESTS/vmlinuz-$KERNEL --initrd $tmp/initrd --device $DEVICE"
	command_line="$command_line --timeout 100 --append '$QUIET' --unpack --cpus 4 --net none"
	command_line="$command_line --gdb=stdio --console file=$tmp/out"
	status=0
	write_script <<-END
		target remote | $LODGE $command_line
		break start_kernel
		continue
		info symbol \$pc
		printf "banner: %.18s\n", (char *)&linux_banner
		stepi
		stepi
		delete
		break *kernel_init
		continue
		stepi
		delete
		hbreak *run_init_process
		continue
		info threads
		delete
		continue
	END
	: >"$tmp/out"
	start_gdb
	end_gdb
	gdb_said "Thread 1 hit Breakpoint 1, 0x[0-9a-f]* in start_kernel ()"
	gdb_said "start_kernel.* in section .init.text"
	gdb_said "banner: Linux version 6.12"
	gdb_said "Thread 1 hit Breakpoint 2, 0x[0-9a-f]* in kernel_init ()"
	gdb_said "Thread . hit Breakpoint 3, 0x[0-9a-f]* in run_init_process ()"
	gdb_said '. 4  *Thread 4 (CPU 3, [a-z]*, 64-bit mode) .*'
	gdb_said ".*exited normally.*"
	gdb_never_said "warning"
	said 4
	said "went on"
}

run_tests
