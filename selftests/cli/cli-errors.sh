# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154,SC2317,SC2034
#
# What `lodge run` says to what cannot be: one line, the right status, nothing
# on stdout.

# refused STATUS PATTERN ARGUMENT...
refused()
{
	want=$1 pattern=$2
	shift 2
	lodge "$@"
	expect_status "$want"
	[ ! -s "$tmp/out" ] || fail "nothing expected on stdout"
	expect_err "$pattern"
}

# bad_option PATTERN ARGUMENT...: of `lodge run` with an image and a device.
bad_option()
{
	pattern=$1
	shift
	refused 64 "$pattern" run --flat "$GUESTS/hello.bin" --device "$DEVICE" "$@"
}

bad_image()
{
	refused 65 "$1" run --flat "$2" --device "$DEVICE" --mem 128K
}

bad_device()
{
	refused 66 "$1" run --flat "$GUESTS/hello.bin" --device "$2"
}

t_commands()
{
	refused 64 "walk: there is no such command: *" walk
	refused 64 ": there is no such command: *" ""
	refused 64 "walk: there is no such command: *" help walk
	refused 64 "help: 'b' is too much: *" help a b
}

t_no_command()
{
	lodge
	expect_status 64
	expect_out ""
	grep -q '^usage: lodge' "$tmp/err" || fail "usage expected"
}

t_options()
{
	bad_option "run: --colour is no option*: see 'lodge help run'" --colour
	bad_option "run: there is no option -x: *" -x
	bad_option "run: --mem needs a value: *" --mem
	bad_option "run: --json=1 is no option*" --json=1
	bad_option "run: 'more' is too much: *" more
	bad_option "--mode: there is no mode 'virtual': *" --mode virtual
	bad_option "--mode: there is no mode '': *" --mode ""
}

t_memory_sizes()
{
	for size in "" x M 64X 64MB 64.5M -64M +64M " 64M" 0x1000000 \
		99999999999999999999 17179869184G 18446744073709551616; do
		bad_option "--mem: '$size' is no size: *" --mem "$size"
	done
	for size in 0 0G 4096 124K 131073 200001 4T; do
		case $size in
		4T) bad_option "--mem: '4T' is no size: *" --mem $size ;;
		*) bad_option "--mem: $size cannot be: *" --mem $size ;;
		esac
	done
	for size in 4096G 17179869183G 18446744073709547520; do
		bad_option "--mem: $size cannot be: *" --mem $size
	done
}

t_cpu_numbers()
{
	for cpus in "" 0 65 x 1x -1 1.5 4294967297 18446744073709551617; do
		bad_option "--cpus: '$cpus' cannot be: *" --cpus "$cpus"
	done
}

t_times()
{
	for time in "" 0 0.0 -1 x 1s 1. .5 1e3 99999999999 18446744073709551616; do
		bad_option "--timeout: '$time' is no time: *" --timeout "$time"
	done
}

# bad_linux PATTERN ARGUMENT...: of `lodge run` with a file that is no kernel.
bad_linux()
{
	pattern=$1
	shift
	refused 64 "$pattern" run "$GUESTS/hello.bin" --device "$DEVICE" "$@"
}

t_disks()
{
	bad_linux "--disk: '' cannot be: *" --disk ""
	bad_linux "--disk: '' cannot be: *" --disk ,ro
	bad_linux "--disk: 'rw' cannot be: *" --disk file,rw
	bad_linux "--disk: 'i' cannot be: a machine takes no more than 8" --disk a --disk b \
		--disk c --disk d --disk e --disk f --disk g --disk h --disk i
}

t_networks()
{
	for net in "" users tap tap= tap=anamewhichistoolong; do
		bad_linux "--net: '$net' cannot be: *" --net "$net"
	done
	for ports in "" 80 80: :80 0:80 80:0 65536:80 80:65536 1:2:3 1.2.3.4.5:1:2 \
		80:80/sctp 127.0.0.1:80:80:80 x:80; do
		bad_linux "--publish: '$ports' cannot be: *" --publish "$ports"
	done
	bad_linux "--publish: goes with --net user only: *" --net none --publish 80:80
}

t_consoles()
{
	for console in "" tty socket socket= file= ,virtio stdio,virtual; do
		bad_linux "--console: '*' cannot be: *" --console "$console"
	done
	for port in "" 0 65536 x; do
		bad_linux "--gdb: '$port' cannot be: *" "--gdb=$port"
	done
	bad_linux "--gdb: stdio is the console's already: *" --gdb=stdio
}

t_what_does_not_go_together()
{
	bad_option "--disk: a flat guest has no such thing: *" --disk file
	bad_option "--initrd: a flat guest has no such thing: *" --initrd file
	refused 64 "run: 'b' is too much: *" run a b
}

t_kernels()
{
	refused 65 "$GUESTS/hello.bin: is no kernel that lodge knows: *" run \
		"$GUESTS/hello.bin" --device "$DEVICE"
	refused 65 "/none/such: *: No such file or directory*" run /none/such
	refused 65 "/tmp: *is a directory*" run /tmp
}

# Who names no kernel gets the nearest of those that are there, and is told which.
t_kernels_that_are_found()
{
	cd "$tmp" || fail "cd"
	mkdir -p arch/x86/boot
	for name in arch/x86/boot/bzImage vmlinux bzImage vmlinuz; do
		echo "no kernel" >$name
		lodge run --device "$DEVICE"
		expect_status 65
		expect_out ""
		[ "$(head -n 1 "$tmp/err")" = "lodge: run: no kernel was named: taking $name" ] ||
			fail "expected: taking $name"
		sed -i 1d "$tmp/err"
		expect_err "$name: is no kernel that lodge knows: *"
	done
}

t_nothing_to_run()
{
	release=$(uname -r)
	for path in "/boot/vmlinuz-$release" "/lib/modules/$release/vmlinuz" /boot/vmlinuz \
		/vmlinuz; do
		[ ! -e "$path" ] || skip "this machine has a kernel for who names none: $path"
	done
	mkdir "$tmp/without"
	cd "$tmp/without" || fail "cd"
	refused 64 "run: nothing to run: *" run --device "$DEVICE"
}

t_image_missing()
{
	bad_image "/none/such: the image cannot be opened: No such file or directory" /none/such
	bad_image ": the image cannot be opened: *" ""
}

t_image_is_a_directory()
{
	bad_image "/tmp: is a directory: *" /tmp
}

t_image_empty()
{
	bad_image "/dev/null: the image is empty: *" /dev/null
	: >"$tmp/empty"
	bad_image "$tmp/empty: the image is empty: *" "$tmp/empty"
}

# 128 KiB of memory have room for 64 KiB from 0x10000.
t_image_too_large()
{
	dd if=/dev/zero of="$tmp/large" bs=65537 count=1 2>/dev/null
	bad_image "$tmp/large: the image does not fit into memory, 64 KiB from 0x10000: *" \
		"$tmp/large"
	bad_image "/dev/zero: the image does not fit into memory, *" /dev/zero
	# One that fits to the byte: its zeroes are instructions (add), which run
	# into the end of memory and beyond.
	dd if=/dev/zero of="$tmp/fits" bs=65536 count=1 2>/dev/null
	cat "$GUESTS/hello.bin" >"$tmp/image"
	size=$(wc -c <"$tmp/image")
	dd if=/dev/zero bs=$((65536 - size)) count=1 2>/dev/null >>"$tmp/image"
	lodge run --flat "$tmp/image" --device "$DEVICE" --mem 128K
	expect_status 0
}

t_image_of_another_user()
{
	cp "$GUESTS/hello.bin" "$tmp/secret"
	chmod 600 "$tmp/secret"
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mode=$(stat -c %a "$DEVICE")
	chmod 666 "$DEVICE"
	as_nobody run --flat "$tmp/secret" --device "$DEVICE"
	chmod "$mode" "$DEVICE"
	expect_status 65
	expect_err "$tmp/secret: the image cannot be opened: Permission denied"
}

t_device_missing()
{
	bad_device "/dev/none: no such device: *" /dev/none
	bad_device "/dev/null/kvm: no such device: *" /dev/null/kvm
	bad_device ": no such device: *" ""
}

t_device_is_something_else()
{
	bad_device "/dev/null: does not speak KVM's ABI (*): *" /dev/null
	bad_device "/dev: not a character device: *" /dev
	bad_device "$GUESTS/hello.bin: not a character device: *" "$GUESTS/hello.bin"
	mkfifo "$tmp/pipe"
	bad_device "$tmp/pipe: not a character device: *" "$tmp/pipe"
}

t_device_without_a_driver()
{
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	# A misc device that nobody has registered, as lodge's when it is not loaded.
	minor=250
	while grep -q "^ *$minor " /proc/misc; do
		minor=$((minor - 1))
	done
	mknod "$tmp/node" c 10 $minor || skip "no device nodes can be made here"
	bad_device "$tmp/node: the node is there, its driver is not: *" "$tmp/node"
}

t_device_denied()
{
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mode=$(stat -c %a "$DEVICE")
	chmod 660 "$DEVICE"
	as_nobody run --flat "$GUESTS/hello.bin" --device "$DEVICE"
	chmod 600 "$DEVICE"
	expect_status 66
	expect_err "$DEVICE: permission denied: it belongs to the group *: join it *"
	as_nobody run --flat "$GUESTS/hello.bin" --device "$DEVICE"
	chmod "$mode" "$DEVICE"
	expect_status 66
	expect_err "$DEVICE: permission denied: its mode 0600 gives it to no group: *"
}

run_tests
