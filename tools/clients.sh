#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Other people's programs that drive machines through /dev/kvm: Debian's QEMU and
# libvirt with the libraries they are linked with, unpacked from their packages and not
# installed. tools/host/clients.py picks out of them what the emulated host is to have.
#
# Usage: tools/clients.sh	leaves build/clients, a root folder

# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The programs; then what QEMU is linked with, and what libvirt needs on top of that.
# qemu-system-common holds only modules that QEMU loads by name when asked for them: of
# these libvirt wants the one of TCG, to ask what it can do.
packages=(qemu-system-x86 qemu-system-data qemu-system-common seabios
	libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients libvirt0
	libaio1 libblkid1 libbpf1 libc6 libcapstone4 libdaxctl1 libelf1 libfdt1 libffi8
	libfuse3-3 libgcc-s1 libglib2.0-0 libgmp10 libgnutls30 libhogweed6 libibverbs1
	libidn2-0 libjpeg62-turbo libkmod2 liblzma5 libmount1 libndctl6 libnettle8
	libnl-3-200 libnl-route-3-200 libnuma1 libp11-kit0 libpcre2-8-0 libpixman-1-0
	libpmem1 libpng16-16 librdmacm1 libsasl2-2 libseccomp2 libselinux1 libslirp0
	libssl3 libtasn1-6 libudev1 libunistring2 liburing2 libuuid1 libvdeplug2 libzstd1
	zlib1g
	libacl1 libapparmor1 libaudit1 libbrotli1 libcap-ng0 libcom-err2 libcurl3-gnutls
	libgssapi-krb5-2 libicu72 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0
	libldap-2.5-0 libnghttp2-14 libpsl5 libreadline8 librtmp1 libssh-4 libssh2-1
	libstdc++6 libtinfo6 libtirpc3 libxml2 libyajl2)

make_clients()
{
	local p
	# One by one only where apt does not know them all, or has old lists.
	(cd "$1" && run_long "  downloading all" apt-get -q download "${packages[@]}") ||
		rm -f "$1"/*.deb
	for p in "${packages[@]}"; do
		[ -e "$(echo "$1/$p"_*.deb)" ] || fetch_deb "$p" "$1"
		dpkg-deb -x "$1/$p"_*.deb "$1"
		# The version, for the table of what was run.
		dpkg-deb -f "$1/$p"_*.deb Package Version >>"$1/versions"
		rm -f "$1/$p"_*.deb
	done
	# Texts, tables of character sets, firmware and programs of other machines.
	rm -rf "$1"/usr/share/{doc,man,locale,icons,bash-completion,augeas,lintian} \
		"$1"/usr/lib/x86_64-linux-gnu/gconv "$1"/usr/libexec/qemu-system-i386 \
		"$1"/usr/share/qemu/{*.lid,slof.bin,openbios-*,hppa-*,opensbi-*,palcode-*,s390-*} \
		"$1"/usr/bin/qemu-storage-daemon "$1"/usr/lib/qemu
}

key=$(printf '%s\n' "${packages[@]}" | sha256sum | cut -c 1-16)
dir=$LODGE_CACHE/clients/$key
[ -d "$dir" ] ||
	say "fetching QEMU, libvirt and their libraries (${#packages[@]} packages, 40 MB)"
cached "$dir" make_clients
point "$LODGE_BUILD/clients" "$dir"
