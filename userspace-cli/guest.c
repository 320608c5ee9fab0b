// SPDX-License-Identifier: GPL-2.0
/* Finds, reads and loads the images of a guest, at its first start and at each reset. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "acpi.h"
#include "cpu_start.h"
#include "err.h"
#include "guest.h"
#include "mptable.h"

/* No kernel or initrd is larger, and the process does not grow without bound. */
#define MOST_IMAGE	(2 * GIB)
#define RFLAGS_ALWAYS	BIT_ULL(1)

/* ---- the images ----------------------------------------------------------- */

/* Where kernels are, nearest first: a kernel's tree, then this machine's own. */
static const char *find_kernel(char *path, size_t size)
{
	static const char * const names[] = {
		"vmlinuz", "bzImage", "vmlinux", "arch/x86/boot/bzImage",
		"/boot/vmlinuz-%s", "/lib/modules/%s/vmlinuz", "/boot/vmlinuz", "/vmlinuz",
	};
	struct utsname name;
	unsigned int i;

	if (uname(&name))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		const char *release = strstr(names[i], "%s");

		if (release)
			snprintf(path, size, "%.*s%s%s", (int)(release - names[i]), names[i],
				 name.release, release + 2);
		else
			snprintf(path, size, "%s", names[i]);
		if (!access(path, R_OK))
			return path;
	}
	return NULL;
}

static int read_kernel(struct guest *g, const struct run_options *o)
{
	char found[512];
	const char *path = o->kernel;

	if (!path) {
		path = find_kernel(found, sizeof(found));
		if (!path)
			return err(STATUS_USAGE,
				   "run: nothing to run: no kernel was named, and neither here nor in /boot is one: give one, or --flat IMAGE");
		note("run: no kernel was named: taking %s", path);
		path = strdup(path);
		if (!path)
			return err(STATUS_HOST, "run: no memory");
		g->found = (char *)path;
	}
	return image_read(&g->file, path, MOST_IMAGE);
}

/* FILE[,ARGUMENTS]: the text is taken apart where it is. */
static int read_module(struct guest *g, char *text)
{
	struct boot_module *module = &g->request.module[g->request.nr_modules];
	char *arguments = strchr(text, ',');
	int status;

	if (arguments)
		*arguments++ = '\0';
	module->arguments = arguments;
	status = image_read(&module->image, text, MOST_IMAGE);
	if (!status)
		g->request.nr_modules++;
	return status;
}

/* A guest that is told of no console says nothing. */
static int make_command_line(struct guest *g, const struct run_options *o)
{
	const char *console = o->virtio_console ? "console=hvc0" : "console=ttyS0";
	bool told = !strncmp(o->append, "console=", 8) || strstr(o->append, " console=");

	if (told || g->loader == &loader_multiboot)
		g->command_line = strdup(o->append);
	else if (asprintf(&g->command_line, "%s%s%s", console, *o->append ? " " : "",
			  o->append) < 0)
		g->command_line = NULL;
	if (!g->command_line)
		return err(STATUS_HOST, "run: no memory");
	g->request.append = g->command_line;
	return 0;
}

static int choose_loader(struct guest *g, const struct run_options *o)
{
	int status = 0;

	g->request.kernel = g->file;
	if (o->unpack && loader_bzimage.matches(&g->file)) {
		status = bzimage_unpack(&g->file, &g->unpacked);
		g->request.kernel = g->unpacked;
	}
	if (status)
		return status;
	g->loader = loader_find(&g->request.kernel);
	if (!g->loader)
		return err(STATUS_IMAGE,
			   "%s: is no kernel that lodge knows: it takes a bzImage, an ELF vmlinux, or a multiboot image; for code without an operating system there is --flat",
			   g->file.path);
	if (g->request.nr_modules && g->loader != &loader_multiboot)
		return err(STATUS_USAGE,
			   "--module: %s is a %s, which takes none: give --initrd",
			   g->file.path, g->loader->name);
	return 0;
}

int guest_open(struct guest *g, const struct run_options *o)
{
	unsigned int i;
	int status;

	memset(g, 0, sizeof(*g));
	status = read_kernel(g, o);
	if (!status && o->initrd)
		status = image_read(&g->request.initrd, o->initrd, MOST_IMAGE);
	for (i = 0; i < o->nr_modules && !status; i++)
		status = read_module(g, o->module[i]);
	if (!status)
		status = choose_loader(g, o);
	if (!status)
		status = make_command_line(g, o);
	return status;
}

void guest_close(struct guest *g)
{
	unsigned int i;

	image_free(&g->file);
	image_free(&g->unpacked);
	image_free(&g->request.initrd);
	for (i = 0; i < g->request.nr_modules; i++)
		image_free(&g->request.module[i].image);
	free(g->command_line);
	free(g->found);
}

/* ---- a start ---------------------------------------------------------------- */

int guest_load(struct guest *g, struct memory *mem, unsigned int cpus, struct boot_entry *entry)
{
	int status;

	cpu_write_tables(mem);
	status = acpi_write(mem, cpus, &g->request.acpi_rsdp);
	if (!status)
		status = mptable_write(mem, cpus);
	if (!status)
		status = g->loader->load(&g->request, mem, entry);
	return status;
}

int guest_boot(struct machine *m, void *guest)
{
	struct boot_entry entry = { 0 };
	int status = guest_load(guest, &m->memory, m->nr_cpus, &entry);
	struct kvm_regs regs = {
		.rip = entry.rip,
		.rax = entry.rax,
		.rbx = entry.rbx,
		.rsi = entry.rsi,
		.rsp = entry.rsp,
		.rflags = RFLAGS_ALWAYS,
	};
	unsigned int i;

	for (i = 0; i < m->nr_cpus; i++)
		cpu_set_up(&m->cpus[i]);
	/* The others wait for their start-up messages. */
	return status ? status : cpu_start(&m->cpus[0], entry.mode, &regs);
}
