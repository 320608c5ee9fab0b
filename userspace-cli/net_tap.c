// SPDX-License-Identifier: GPL-2.0
/*
 * A tap interface of the host. Frames come and go with the kernel's virtio-net header, so
 * what a guest leaves to the hardware (checksums, segments) is left to the host's kernel,
 * which checks the header: nothing here looks into frames. While the guest has no buffers
 * the interface is not read, and its own queue in the kernel holds what comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"
#include "net.h"
#include "vring.h"

/* Frames at once, before the device's queues have their turn. */
#define BATCH		32

#define HEADER		sizeof(struct virtio_net_hdr_v1)

/* What the guest may leave to the kernel, and what the kernel may then leave to it. */
static const struct { unsigned int feature; unsigned int tun; } receives[] = {
	{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
	{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
	{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
	{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
};

#define SENDS	(BIT_ULL(VIRTIO_NET_F_CSUM) | BIT_ULL(VIRTIO_NET_F_HOST_TSO4) | \
		 BIT_ULL(VIRTIO_NET_F_HOST_TSO6) | BIT_ULL(VIRTIO_NET_F_HOST_ECN))

struct net_tap {
	struct net_backend backend;
	struct net_guest guest;
	int fd;
	char name[IFNAMSIZ];
	bool gone;		/* somebody deleted the interface */
	/* A frame that waits for the guest, with its header; size 0: none does. */
	size_t size;
	u8 frame[HEADER + NET_FRAME_MOST];
};

static struct net_tap *of(struct net_backend *b)
{
	return (struct net_tap *)b;
}

/* ---- frames ------------------------------------------------------------------- */

/* False: the one at hand has to wait. */
static bool deliver(struct net_tap *t)
{
	struct virtio_net_hdr_v1 header;

	if (!t->size)
		return true;
	memcpy(&header, t->frame, HEADER);
	if (!t->guest.receive(t->guest.arg, &header, t->frame + HEADER, t->size - HEADER))
		return false;
	t->size = 0;
	return true;
}

static bool wanted(void *arg)
{
	struct net_tap *t = arg;
	bool wants;

	pthread_mutex_lock(t->guest.lock);
	wants = !t->size && !t->backend.delegated && !t->gone;
	pthread_mutex_unlock(t->guest.lock);
	return wants;
}

static void lost(struct net_tap *t, int error)
{
	t->gone = true;
	note("--net tap=%s: the interface is gone: %s: the guest goes on without", t->name,
	     strerror(error));
}

static void ready(void *arg, short revents)
{
	struct net_tap *t = arg;
	unsigned int i;

	(void)revents;
	pthread_mutex_lock(t->guest.lock);
	for (i = 0; i < BATCH && deliver(t) && !t->backend.delegated; i++) {
		ssize_t n = read(t->fd, t->frame, sizeof(t->frame));

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			lost(t, errno);
		if (n < (ssize_t)(HEADER + NET_FRAME_LEAST))
			break;
		t->size = n;
	}
	deliver(t);
	pthread_mutex_unlock(t->guest.lock);
}

/* A frame that the kernel does not take is lost, as on a wire. */
static void send_frame(struct net_backend *b, const struct virtio_net_hdr_v1 *header,
		       const struct iovec *iov, unsigned int nr, u64 len)
{
	struct virtio_net_hdr_v1 copy = *header;
	struct iovec all[1 + VRING_PIECES];

	(void)len;
	copy.num_buffers = 0;
	all[0] = (struct iovec){ .iov_base = &copy, .iov_len = HEADER };
	memcpy(all + 1, iov, nr * sizeof(*iov));
	if (writev(of(b)->fd, all, 1 + nr) < 0)
		return;
}

static void room(struct net_backend *b, bool stop)
{
	if (stop)
		of(b)->size = 0;
	else
		deliver(of(b));
}

/* ---- making ---------------------------------------------------------------------- */

static int start(struct net_backend *b, u64 features)
{
	unsigned int i, offload = 0;

	for (i = 0; i < ARRAY_SIZE(receives); i++)
		if (features & BIT_ULL(receives[i].feature))
			offload |= receives[i].tun;
	/* Segments without checksums left to do are no offer. */
	if (!(offload & TUN_F_CSUM))
		offload = 0;
	return ioctl(of(b)->fd, TUNSETOFFLOAD, (unsigned long)offload) < 0 ? -errno : 0;
}

static u64 offloads_of(int fd)
{
	u64 features = SENDS;
	unsigned int i, all = 0;

	for (i = 0; i < ARRAY_SIZE(receives); i++) {
		features |= BIT_ULL(receives[i].feature);
		all |= receives[i].tun;
	}
	if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)all) < 0)
		features = SENDS;
	ioctl(fd, TUNSETOFFLOAD, 0ul);
	return features;
}

/* What goes wrong here is mostly a matter of rights. */
static int attach_error(const char *name)
{
	switch (errno) {
	case EPERM:
		return err(STATUS_HOST,
			   "--net tap=%s: it is another user's: make it this user's: ip tuntap add dev %s mode tap user %u",
			   name, name, getuid());
	case EBUSY:
		return err(STATUS_HOST, "--net tap=%s: another program has it: give another", name);
	case EINVAL:
		return err(STATUS_USAGE,
			   "--net tap=%s: this is no tap interface, or one with several queues: make one: ip tuntap add dev NAME mode tap",
			   name);
	default:
		return err(STATUS_HOST, "--net tap=%s: %s: try --net user", name, strerror(errno));
	}
}

static int attach(struct net_tap *t, const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int header = HEADER;

	if (!name[0] || strlen(name) >= IFNAMSIZ)
		return err(STATUS_USAGE,
			   "--net: '%s' is no interface: its name has 1 to %d characters",
			   name, IFNAMSIZ - 1);
	/* The kernel would make one that nobody has set up. */
	if (!if_nametoindex(name))
		return err(STATUS_USAGE,
			   "--net tap=%s: there is no such interface: make it: ip tuntap add dev %s mode tap user %u && ip link set %s up",
			   name, name, getuid(), name);
	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t->fd < 0)
		return err(STATUS_HOST, "--net tap=%s: /dev/net/tun: %s: %s", name,
			   strerror(errno), errno == ENOENT || errno == ENODEV ?
			   "load the module: modprobe tun" : "let this user open it");
	strcpy(t->name, name);
	strcpy(request.ifr_name, name);
	if (ioctl(t->fd, TUNSETIFF, &request) < 0)
		return attach_error(name);
	if (ioctl(t->fd, TUNSETVNETHDRSZ, &header) < 0)
		return attach_error(name);
	return 0;
}

/* Of the host's end, which the guest's has to have, too. */
static void look_at(struct net_tap *t, const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_flags = 0 };

	if (fd < 0)
		return;
	strcpy(request.ifr_name, name);
	if (!ioctl(fd, SIOCGIFFLAGS, &request) && !(request.ifr_flags & IFF_UP))
		note("--net tap=%s: it is down: turn it on: ip link set %s up", name, name);
	if (!ioctl(fd, SIOCGIFMTU, &request) && request.ifr_mtu >= 68 &&
	    request.ifr_mtu <= UINT16_MAX)
		t->backend.mtu = request.ifr_mtu;
	close(fd);
}

static void net_tap_free(struct net_backend *b)
{
	if (of(b)->fd >= 0)
		close(of(b)->fd);
	free(b);
}

struct net_backend *net_tap_create(const struct net_config *config,
				   const struct net_guest *guest, struct events *ev)
{
	struct net_tap *t = calloc(1, sizeof(*t));

	if (!t) {
		err(STATUS_HOST, "--net: no memory");
		return NULL;
	}
	t->fd = -1;
	t->guest = *guest;
	if (attach(t, config->tap)) {
		net_tap_free(&t->backend);
		return NULL;
	}
	look_at(t, config->tap);
	t->backend.offloads = offloads_of(t->fd);
	t->backend.tap_fd = t->fd;
	t->backend.start = start;
	t->backend.send = send_frame;
	t->backend.room = room;
	t->backend.free = net_tap_free;
	events_add(ev, &(struct event_source){
		.fd = t->fd, .wanted = wanted, .ready = ready, .arg = t });
	return &t->backend;
}
