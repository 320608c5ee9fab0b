# SPDX-License-Identifier: GPL-2.0
#
# What can be done with this tree, from its top.  `make help` lists it.
#
# The file is read in two ways: by people's make, and by the kernel's build when
# the tree was dropped into a kernel (next to Kconfig).

ifneq ($(KERNELRELEASE),)
obj-$(CONFIG_LODGE) += kmod/
else

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
BUILD := $(CURDIR)/build
JOBS ?= $(shell nproc)
# Which kernel the emulated host runs: Debian's 6.1 or 6.12, or debug: 6.1 with
# the kernel's detectors of bugs, built once (needs 2 GB meanwhile).
KERNEL ?=
LANE := $(or $(KERNEL),6.1)
# Which kernel plain `make` builds for: this machine's, or that of KERNEL=.
KDIR ?= $(if $(KERNEL),$(BUILD)/headers-$(KERNEL),/lib/modules/$(shell uname -r)/build)
HOST ?=
TEST ?=
LONG ?=
CPUS ?=
DEVICE ?=
KEEP ?=
# Which scene.
N ?=
# For `make bench`: which measurements; of exits, which rows, and how often.
WHAT ?=
ONLY ?=
ROUNDS ?=
# More arguments for the emulated host's kernel, as slub_debug=FZPU.
ARGS ?=
# Work on with what could be built.  Not for judging a change: a program that
# does not compile any more is then tested as it last did.
KEEP_GOING ?=
DESTDIR ?=
PREFIX ?= /usr/local
UDEVDIR ?= /etc/udev/rules.d
V ?= 0

export LODGE_LANE := $(LANE)

# One build at a time in one tree.
LOCKED := mkdir -p $(BUILD) && flock $(BUILD)/.lock
QUIET := $(if $(filter 0,$(V)),-s)
PY := python3 -B

.PHONY: all module cli selftests check-harness host-ready host-setup host-build test test-clients demo scene \
	bench shell check load unload install uninstall clean distclean help

all:	## the module for this machine's kernel, the CLI and the tests (KDIR=, KERNEL=)
	@tools/deps.sh build
	$(if $(filter $(BUILD)/headers-%,$(KDIR)),@tools/kernel.sh $(LANE) headers)
	@+$(LOCKED) $(MAKE) -j$(JOBS) module cli selftests

module:
	@+tools/kmod.sh $(KDIR) $(QUIET) modules

cli:
	@+$(MAKE) $(QUIET) -C userspace-cli O=$(BUILD)/userspace-cli

selftests:
	@+$(MAKE) $(QUIET) -C selftests O=$(BUILD)/selftests
	@+$(MAKE) $(QUIET) -C clients/guest O=$(BUILD)/clients-guest

# ---- the emulated host ---------------------------------------------------

host-setup:
	@tools/setup.sh $(LANE)

$(BUILD)/host/agent: tools/host/agent.c
	@mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -static -s -o $@ $<

host-build: KDIR := $(BUILD)/headers-$(LANE)
host-build: $(BUILD)/host/agent $(BUILD)/host/vmlinux cli selftests $(if $(filter kvm host,$(DEVICE)),,host-module)

.PHONY: host-module
host-module:
	@+tools/kmod.sh $(BUILD)/headers-$(LANE) $(QUIET) modules
	@+LODGE_KMOD_DIR=$(BUILD)/kmod-break-$(LANE) tools/kmod.sh $(BUILD)/headers-$(LANE) \
		CONFIG_LODGE_BREAK=y $(QUIET) modules
	@mkdir -p $(BUILD)/selftests/host
	@cp $(BUILD)/kmod-break-$(LANE)/kmod/lodge.ko $(BUILD)/selftests/host/lodge-break.ko

# The CLI's code, to take kernels out of bzImages.
$(BUILD)/host/vmlinux: tools/host/vmlinux.c | cli
	@mkdir -p $(@D)
	@+$(MAKE) $(QUIET) -C userspace-cli O=$(BUILD)/userspace-cli $(BUILD)/userspace-cli/lodge.a
	$(CC) -O2 -Wall -Wextra -Iuserspace-cli -D_GNU_SOURCE -o $@ $< \
		$(BUILD)/userspace-cli/lodge.a $$($(MAKE) -s -C userspace-cli print-libs)

# Everything a boot of the emulated host needs.
host-ready: host-setup
	@+$(LOCKED) $(MAKE) -j$(JOBS) $(if $(KEEP_GOING),-k) host-build $(if $(KEEP_GOING),|| \
		echo "lodge: not all was built; going on because of KEEP_GOING")

test:	## the tests (LONG=1: all); TEST=name CPUS=1|2 DEVICE=lodge|kvm|none|host|boot KERNEL=6.1|6.12|debug V=1
	@+$(if $(filter local,$(HOST)),$(MAKE) all,$(MAKE) host-ready)
	@$(PY) tools/host/test.py $(if $(TEST),--test '$(TEST)') $(if $(CPUS),--cpus $(CPUS)) \
		$(if $(LONG),--long) \
		$(if $(DEVICE),--device $(DEVICE)) $(if $(filter local,$(HOST)),--host local) \
		$(if $(ARGS),--args '$(ARGS)') $(if $(KEEP),--keep) $(if $(filter 0,$(V)),,--verbose)

# The machine of the programs' own tests has 2 GB.
test-clients:	## the kernel's KVM selftests and QEMU on lodge and kvm_intel, a table (TEST=, CPUS=, DEVICE=)
	@+$(MAKE) host-ready
	@$(PY) tools/host/test.py --plan clients/plan --table --memory 2048 \
		$(if $(TEST),--test '$(TEST)') $(if $(CPUS),--cpus $(CPUS)) $(if $(LONG),--long) \
		$(if $(DEVICE),--device $(DEVICE)) $(if $(ARGS),--args '$(ARGS)') \
		$(if $(KEEP),--keep) $(if $(filter 0,$(V)),,--verbose)

demo:	## boots Debian's kernel as a guest in the emulated host; DEVICE=lodge|kvm, HOST=local
	@HOST=$(HOST) DEVICE=$(DEVICE) CPUS=$(CPUS) tools/demo.sh

scene:	## plays scene N of Documentation/scenes.rst in the emulated host: guests, looked at closely; lists them
	@tools/scene.sh $(if $(N),'$(N)')

bench:	## lodge beside kvm_intel, into Documentation/performance.rst; WHAT=exits,boot,memory ONLY=rows ROUNDS=n ARGS=
	@+$(MAKE) host-ready
	@$(PY) tools/host/bench.py $(if $(WHAT),--what '$(WHAT)') $(if $(ONLY),--only '$(ONLY)') \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ARGS),--args '$(ARGS)')

shell:	## a root shell in the emulated host, the module loaded (CPUS=2, KERNEL=6.12)
	@+$(MAKE) host-ready
	@$(PY) tools/host/shell.py $(if $(CPUS),--cpus $(CPUS))

check:	## checkpatch, sparse, W=1 for both kernels, headers alone, shellcheck, python
	@tools/deps.sh build check
	@tools/kernel.sh 6.1 headers
	@tools/kernel.sh 6.12 headers
	@+mkdir -p $(BUILD) && flock $(BUILD)/.check.lock tools/check.sh

check-harness: host-setup $(BUILD)/host/agent	## breaks all on purpose: the harness must notice (3 min; KERNEL=debug)
	@$(PY) tools/host/selfcheck.py

# ---- this machine --------------------------------------------------------

load:	## insmod lodge.ko on this machine (after `make`)
	@tools/local.sh load

unload:	## rmmod lodge on this machine
	@tools/local.sh unload

install:	## module, CLI, manual pages, completion, udev rule (DESTDIR=, PREFIX=, UDEVDIR=)
	@KDIR=$(KDIR) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) UDEVDIR=$(UDEVDIR) tools/local.sh install

uninstall:	## takes away what install put there
	@KDIR=$(KDIR) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) UDEVDIR=$(UDEVDIR) tools/local.sh uninstall

# ---- housekeeping --------------------------------------------------------

clean:	## removes what was built here, not what was downloaded
	rm -rf $(BUILD)

distclean: clean	## also removes the cache all clones share: kernels, emulator
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/lodge"

help:	## this list
	@awk -F ':.*##' '/^[a-z-]+:.*##/ { sub(/^ */, "", $$2); printf "make %-14s %s\n", $$1, $$2 }' Makefile

endif
