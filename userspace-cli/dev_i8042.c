// SPDX-License-Identifier: GPL-2.0
/*
 * The keyboard controller without a keyboard or a mouse: what is left of it is the line
 * that resets the machine. A driver that looks for keyboards gets its answers at once, the
 * ones a controller gives when nothing is plugged in, so that it need not wait for any.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "devices.h"
#include "err.h"

#define STATUS_OUTPUT_FULL	0x01
#define STATUS_SYSTEM		0x04	/* the self test has passed */
#define STATUS_COMMAND		0x08	/* what came last went to the command port */
#define STATUS_UNLOCKED		0x10
#define STATUS_FROM_MOUSE	0x20
#define STATUS_NO_ANSWER	0x40	/* a device said nothing in time */

#define CONTROL_KEYBOARD_IRQ	0x01
#define CONTROL_SYSTEM		0x04
#define CONTROL_NO_KEYBOARD	0x10
#define CONTROL_NO_MOUSE	0x20

#define OUTPUT_NO_RESET		0x01	/* the line is low active */
#define OUTPUT_A20		0x02

#define RAM			32
#define RESEND			0xfe	/* what a device's silence reads as */
#define TEST_PASSED		0x55
#define LINE_GOOD		0x00
#define CLOCK_STUCK		0x01

/* Commands; those that are not here do nothing. */
enum command {
	READ_RAM = 0x20,		/* and the 31 behind it */
	WRITE_RAM = 0x60,
	MOUSE_OFF = 0xa7,
	MOUSE_ON = 0xa8,
	TEST_MOUSE = 0xa9,
	SELF_TEST = 0xaa,
	TEST_KEYBOARD = 0xab,
	KEYBOARD_OFF = 0xad,
	KEYBOARD_ON = 0xae,
	READ_INPUTS = 0xc0,
	READ_OUTPUTS = 0xd0,
	WRITE_OUTPUTS = 0xd1,
	LOOP_KEYBOARD = 0xd2,
	LOOP_MOUSE = 0xd3,
	TO_MOUSE = 0xd4,
	READ_TESTS = 0xe0,
	PULSE = 0xf0,			/* and the 15 behind it: the low bits are lines */
};

struct i8042 {
	struct machine *machine;
	unsigned int source;
	pthread_mutex_t lock;		/* of all below */
	u8 status;
	u8 output;			/* what a read of the data port gives */
	u8 ram[RAM];			/* its first byte controls */
	u8 wants;			/* the command whose byte comes next, or 0 */
	bool reset;			/* to be asked for once the lock is free */
};

static void update_line(struct i8042 *k)
{
	bool high = k->status & STATUS_OUTPUT_FULL && !(k->status & STATUS_FROM_MOUSE) &&
		    k->ram[0] & CONTROL_KEYBOARD_IRQ;

	if (k->machine->irqs)
		irqs_line(k->machine->irqs, IRQ_KEYBOARD, k->source, high);
}

static void answer(struct i8042 *k, u8 byte, u8 flags)
{
	k->status &= ~(STATUS_FROM_MOUSE | STATUS_NO_ANSWER);
	k->status |= STATUS_OUTPUT_FULL | flags;
	k->output = byte;
}

static void drive_outputs(struct i8042 *k, u8 outputs)
{
	if (!(outputs & OUTPUT_NO_RESET))
		k->reset = true;
}

static void command(struct i8042 *k, u8 value)
{
	k->status |= STATUS_COMMAND;
	k->wants = 0;
	switch (value) {
	case READ_RAM ... READ_RAM + RAM - 1:
		answer(k, k->ram[value % RAM], 0);
		break;
	case WRITE_RAM ... WRITE_RAM + RAM - 1:
	case WRITE_OUTPUTS:
	case LOOP_KEYBOARD:
	case LOOP_MOUSE:
	case TO_MOUSE:
		k->wants = value;
		break;
	case MOUSE_OFF:
		k->ram[0] |= CONTROL_NO_MOUSE;
		break;
	case MOUSE_ON:
		k->ram[0] &= ~CONTROL_NO_MOUSE;
		break;
	case TEST_MOUSE:
		answer(k, CLOCK_STUCK, 0);
		break;
	case SELF_TEST:
		k->status |= STATUS_SYSTEM;
		answer(k, TEST_PASSED, 0);
		break;
	case TEST_KEYBOARD:
		answer(k, LINE_GOOD, 0);
		break;
	case KEYBOARD_OFF:
		k->ram[0] |= CONTROL_NO_KEYBOARD;
		break;
	case KEYBOARD_ON:
		k->ram[0] &= ~CONTROL_NO_KEYBOARD;
		break;
	case READ_INPUTS:
	case READ_TESTS:
		answer(k, 0, 0);
		break;
	case READ_OUTPUTS:
		answer(k, OUTPUT_A20 | OUTPUT_NO_RESET, 0);
		break;
	case PULSE ... PULSE + 15:
		drive_outputs(k, value);
		break;
	}
}

static void write_ram(struct i8042 *k, unsigned int at, u8 value)
{
	k->ram[at] = value;
	if (at)
		return;
	k->status &= ~STATUS_SYSTEM;
	if (value & CONTROL_SYSTEM)
		k->status |= STATUS_SYSTEM;
}

static void data(struct i8042 *k, u8 value)
{
	u8 wants = k->wants;

	k->status &= ~STATUS_COMMAND;
	k->wants = 0;
	switch (wants) {
	case 0:				/* for the keyboard */
		answer(k, RESEND, STATUS_NO_ANSWER);
		break;
	case WRITE_OUTPUTS:
		drive_outputs(k, value);
		break;
	case LOOP_KEYBOARD:
	case LOOP_MOUSE:		/* without a mouse's port all comes from the other */
		answer(k, value, 0);
		break;
	case TO_MOUSE:
		answer(k, RESEND, STATUS_NO_ANSWER | STATUS_FROM_MOUSE);
		break;
	default:
		write_ram(k, wants % RAM, value);
		break;
	}
}

/* The ranges are one byte long, and so is each access. */
static void data_read(void *dev, u64 off, void *to, unsigned int size)
{
	struct i8042 *k = dev;

	(void)off;
	(void)size;
	pthread_mutex_lock(&k->lock);
	*(u8 *)to = k->output;
	k->status &= ~(STATUS_OUTPUT_FULL | STATUS_FROM_MOUSE | STATUS_NO_ANSWER);
	update_line(k);
	pthread_mutex_unlock(&k->lock);
}

static void status_read(void *dev, u64 off, void *to, unsigned int size)
{
	struct i8042 *k = dev;

	(void)off;
	(void)size;
	pthread_mutex_lock(&k->lock);
	*(u8 *)to = k->status | STATUS_UNLOCKED;
	pthread_mutex_unlock(&k->lock);
}

static void give(struct i8042 *k, void (*to)(struct i8042 *k, u8 value), u8 value)
{
	bool reset;

	pthread_mutex_lock(&k->lock);
	to(k, value);
	update_line(k);
	reset = k->reset;
	k->reset = false;
	pthread_mutex_unlock(&k->lock);
	if (reset)
		machine_reset(k->machine);
}

static void data_write(void *dev, u64 off, const void *from, unsigned int size)
{
	(void)off;
	(void)size;
	give(dev, data, *(const u8 *)from);
}

static void command_write(void *dev, u64 off, const void *from, unsigned int size)
{
	(void)off;
	(void)size;
	give(dev, command, *(const u8 *)from);
}

static void i8042_reset(void *arg)
{
	struct i8042 *k = arg;

	pthread_mutex_lock(&k->lock);
	k->status = 0;
	k->output = 0;
	memset(k->ram, 0, sizeof(k->ram));
	k->wants = 0;
	k->reset = false;
	update_line(k);
	pthread_mutex_unlock(&k->lock);
}

bool i8042_create(struct machine *m)
{
	struct i8042 *k = calloc(1, sizeof(*k));
	struct bus_range data_port = {
		.base = PORT_I8042_DATA,
		.len = 1,
		.read = data_read,
		.write = data_write,
		.dev = k,
	};
	struct bus_range command_port = {
		.base = PORT_I8042_COMMAND,
		.len = 1,
		.read = status_read,
		.write = command_write,
		.dev = k,
	};
	struct machine_part part = { .reset = i8042_reset, .free = free, .arg = k };

	if (k) {
		k->machine = m;
		if (m->irqs)
			k->source = irqs_source(m->irqs);
		pthread_mutex_init(&k->lock, NULL);
		if (bus_add(&m->ports, &data_port) && bus_add(&m->ports, &command_port) &&
		    machine_add(m, &part))
			return true;
	}
	free(k);
	return !err(STATUS_HOST, "keyboard controller: no memory, or no room in the machine");
}
