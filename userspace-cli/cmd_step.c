// SPDX-License-Identifier: GPL-2.0
/* `lodge step`: `lodge run` with a stop at each exit of the guest, and a prompt there. */
#include "commands.h"
#include "run.h"

const struct command cmd_step = {
	.name = "step",
	.summary = "run a guest from one VM exit to the next",
	.help =
"usage: lodge step [KERNEL] [--at REASON[,REASON]...] [--commands FILE] [options]\n"
"       lodge step --flat IMAGE ...\n"
"\n"
"Runs a guest as 'lodge run' does, with its options and one CPU, and stops at its\n"
"VM exits before anything is done about them. Shows the exit, the instruction and\n"
"what changed, and takes commands. The guest's console is shown, without input.\n"
"\n"
"  --at REASON,...  only at exits of these reasons, such as io,cpuid or 48; else\n"
"                   at all but external interrupts and the preemption timer\n"
"  --commands FILE  takes the commands from there, not from stdin\n"
"\n"
"  s (or nothing)   to the next exit     c [REASON]       to the next of that kind\n"
"  k                skip it              r [REG [VALUE]]  show or set a register\n"
"  x ADDR [N]       memory               v [NAME]         the VMCS, a part of it\n"
"  w ADDR           walk page tables     b [N]            the last exits\n"
"  q                end                  h                help\n"
"\n"
"The end of the commands ends the machine. It takes lodge: kvm cannot do it.\n",
	.main = run_main,
};
