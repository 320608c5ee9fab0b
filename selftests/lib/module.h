/* SPDX-License-Identifier: GPL-2.0 */
/*
 * module.h - kernel modules for tests that load them: lodge.ko ($LODGE_KO) and kvm's
 * ($KVM_KO_DIR) with parameters, and other test programs run while they are loaded so.
 * Such a test starts with none of them loaded and leaves none.
 */
#ifndef SELFTEST_MODULE_H
#define SELFTEST_MODULE_H

#include "selftest.h"

/* Loads a file with parameters, "name=value name=value": 0 or -errno. */
int module_load(const char *path, const char *params);
/* 0 or -errno; it does not wait until nobody uses it. */
int module_unload(const char *name);
/* Does /sys say that a loaded module has all of @params? A comment tells what differs. */
bool module_took(const char *name, const char *params);

/* lodge.ko: 0 or -errno; skips the subtest if it is not known where it is. */
int load_lodge(const char *params);
/* lodge.ko built with CONFIG_LODGE_BREAK, which lies beside the tests: the same. */
int load_lodge_break(void);
/* kvm's modules, @params for kvm_intel; skips if not known where, fails on error. */
void load_kvm(const char *params);
void unload_kvm(void);
/* None of all these is loaded then, whatever a subtest before has left. */
void unload_all(void);

/* Another test program, which lies beside this one. */
struct program {
	const char *name;
	const char *subtests;		/* a pattern of their names; NULL: all */
};

/*
 * Loads the module of @node (/dev/lodge or /dev/kvm) with @params, runs the programs
 * on it, all of them, so that a report is whole, and unloads it. What a program says
 * of failures is comments here. Fails unless the module has taken the parameters and
 * every program has passed; skips, with nothing loaded, if there is no such program.
 */
void run_with(const char *node, const char *params, const struct program *programs, int nr);

#endif /* SELFTEST_MODULE_H */
