// SPDX-License-Identifier: GPL-2.0
/* A disk of a fake machine with its driver: see drive.h. */
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <unistd.h>

#include "drive.h"
#include "pci.h"

#define RINGS_AT	0x10000

/* ---- a machine with a disk -------------------------------------------------------------- */

void make_image(struct drive *d)
{
	const char *dir = getenv("TMPDIR");

	snprintf(d->path, sizeof(d->path), "%s/cli-blk.XXXXXX", dir ? dir : "/tmp");
	d->fd = mkstemp(d->path);
	CHECK(d->fd >= 0 && !ftruncate(d->fd, DISK_BYTES));
}

u8 *arena(struct drive *d)
{
	return memory_at(&d->m.memory, ARENA, ARENA_SIZE);
}

void clear_arena(struct drive *d)
{
	u64 dirty = d->room - ARENA;

	/* What tests wrote there without asking for room is at the beginning. */
	memset(arena(d), 0xa5, dirty < 64 * KIB ? 64 * KIB : dirty);
	d->room = ARENA;
}

bool ready(struct drive *d, u64 features)
{
	unsigned int i;

	if (!guest_negotiate(&d->v, features & guest_features(&d->v)))
		return false;
	for (i = 0; i < d->nr_queues; i++)
		if (!guest_queue(&d->v, i, RING, RINGS_AT * (i + 1), GUEST_NO_VECTOR, &d->q[i]))
			return false;
	guest_add_status(&d->v, VIRTIO_CONFIG_S_DRIVER_OK);
	d->room = ARENA + ARENA_SIZE;
	clear_arena(d);
	return true;
}

/* With an image of its own, that is there already if it has a path. */
bool plug(struct drive *d, struct disk_config config, u64 features)
{
	int status;

	if (!d->path[0])
		make_image(d);
	config.path = d->path;
	fake_machine(&d->m, &d->cpu);
	fake_irqs(&d->m);
	fake_memory(&d->m, 16 * MIB);
	CHECK(pci_create(&d->m));
	/* As many queues as vCPUs; the fake one has to do for all. */
	d->m.nr_cpus = QUEUES;
	status = virtio_blk_create(&d->m, &config);
	d->m.nr_cpus = 1;
	if (status)
		return false;
	d->nr_queues = QUEUES;
	CHECK(guest_find(&d->m, VIRTIO_ID_BLOCK, 0, &d->v));
	return ready(d, features);
}

void unplug(struct drive *d)
{
	fake_free(&d->m, &d->cpu);
	close(d->fd);
	if (!d->device)
		unlink(d->path);
	memset(d, 0, sizeof(*d));
}

/* ---- requests --------------------------------------------------------------------------- */

/* Room for @len bytes in so many pieces at least, with gaps between them. */
static void lay_out(struct drive *d, struct request *r, u64 len, bool in)
{
	unsigned int left = 1 + random_below(PIECES);
	u32 n;

	for (; len; left--) {
		n = left == 1 ? len : 1 + random_below(len);
		/* Often the pieces that drivers make. */
		if (left > 1 && len > 512 && random_below(2))
			n = 512 * (1 + random_below(len / 512));
		d->room += random_below(2) ? random_below(64) : -d->room % 512;
		r->piece[r->nr++] = (struct guest_piece){ .gpa = d->room, .len = n, .in = in };
		d->room += n;
		len -= n;
		if (left == 1)
			break;
	}
	CHECK(!len && d->room <= ARENA + ARENA_SIZE);
}

void fill(struct drive *d, struct request *r, u64 off, const void *from, u32 len)
{
	unsigned int i;

	for (i = 0; i < r->nr_out && len; i++) {
		u64 n = r->piece[i].len;

		if (off >= n) {
			off -= n;
			continue;
		}
		n = n - off < len ? n - off : len;
		memory_write(&d->m.memory, r->piece[i].gpa + off, from, n);
		from = (const u8 *)from + n;
		len -= n;
		off = 0;
	}
}

void submit(struct drive *d, struct guest_queue *q, struct request *r)
{
	struct virtio_blk_outhdr head = { .type = r->type, .sector = r->sector };

	r->q = q;
	r->nr = 0;
	r->done = false;
	r->status = 0xee;
	lay_out(d, r, sizeof(head) + r->out_len, false);
	r->nr_out = r->nr;
	lay_out(d, r, r->in_len + 1, true);
	fill(d, r, 0, &head, sizeof(head));
	fill(d, r, sizeof(head), r->out, r->out_len);
	r->head = guest_add(q, r->piece, r->nr);
}

static void collect(struct drive *d, struct request *r, u32 used)
{
	u64 off = 0;
	unsigned int i;

	for (i = r->nr_out; i < r->nr; i++) {
		const struct guest_piece *p = &r->piece[i];
		const u8 *at = memory_at(&d->m.memory, p->gpa, p->len);
		u64 n = p->len < r->in_len - off ? p->len : r->in_len - off;

		if (n)
			memcpy((u8 *)r->in + off, at, n);
		off += n;
		if (n < p->len)
			r->status = at[n];
	}
	r->done = true;
	/* So many bytes were written, without a gap. */
	if (r->status == VIRTIO_BLK_S_OK && (r->type == VIRTIO_BLK_T_IN || !r->in_len))
		CHECK_EQ(used, r->in_len + 1);
	else
		CHECK(!used || used == r->in_len + 1);
}

/* Waits for all that was submitted to the queues. */
void wait_for(struct drive *d, struct request *r, unsigned int nr)
{
	unsigned int i, j;
	u16 head;
	u32 used;

	for (i = 0; i < nr; i++) {
		struct guest_queue *q = r[i].q;

		if (r[i].done)
			continue;
		do {
			if (!guest_wait(q, &head, &used)) {
				CHECK(!"a request came back");
				return;
			}
			for (j = 0; j < nr; j++)
				if (!r[j].done && r[j].q == q && r[j].head == head)
					break;
			CHECK(j < nr);
			if (j == nr)
				return;
			collect(d, &r[j], used);
		} while (!r[i].done);
	}
}

u8 ask(struct drive *d, struct request r)
{
	clear_arena(d);
	submit(d, &d->q[0], &r);
	guest_kick(&d->q[0]);
	wait_for(d, &r, 1);
	return r.status;
}

u8 transfer(struct drive *d, u32 type, u64 sector, void *data, u32 len)
{
	struct request r = { .type = type, .sector = sector };

	if (type == VIRTIO_BLK_T_OUT) {
		r.out = data;
		r.out_len = len;
	} else {
		r.in = data;
		r.in_len = len;
	}
	return ask(d, r);
}

u8 ask_ranges(struct drive *d, u32 type, const void *ranges, u32 len)
{
	return ask(d, (struct request){ .type = type, .out = ranges, .out_len = len });
}

u8 ask_range(struct drive *d, u32 type, u64 sector, u32 nr, u32 flags)
{
	struct virtio_blk_discard_write_zeroes range = { sector, nr, flags };

	return ask_ranges(d, type, &range, sizeof(range));
}

u8 flush(struct drive *d)
{
	return ask(d, (struct request){ .type = VIRTIO_BLK_T_FLUSH });
}
