// SPDX-License-Identifier: GPL-2.0
/*
 * The control socket of a machine and those who use it: where the socket is and whose, what
 * clients may send and what they may not, that none of them holds the machine up, and a core
 * of a machine that runs, also out of the sandbox. The vCPUs are played.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"
#include "err.h"
#include "fake_kvm.h"
#include "recorders.h"
#include "sandbox.h"
#include "units.h"

#define PATIENCE_MS	20000

static struct fake_kvm f;
static char home[32];		/* of sockets: XDG_RUNTIME_DIR */
static struct control_places places;

/* ---- a machine with a socket ------------------------------------------------ */

static void begin_home(void)
{
	strcpy(home, "/tmp/lodge-test-XXXXXX");
	CHECK(mkdtemp(home) && !setenv("XDG_RUNTIME_DIR", home, 1));
}

static char *in_home(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", home, name);
	return path;
}

static void end_home(void)
{
	CHECK(!rmdir(in_home("lodge")));
	CHECK(!rmdir(home));
}

static pid_t self;		/* also where a child plays a client */

static char *own_socket(void)
{
	char name[48];

	snprintf(name, sizeof(name), "lodge/%d.sock", self);
	return in_home(name);
}

/* Not yet started: what is there, is there. */
static struct control *make_machine(void)
{
	struct control *c;

	fake_kvm_create(&f, 2);
	fake_kvm_program(&f);
	c = control_create(&f.m, "/boot/vmlinuz-test");
	CHECK(c);
	return c;
}

static void begin(void)
{
	begin_home();
	make_machine();
	fake_kvm_start(&f);
	control_places_open(&places);
	CHECK(places.nr > 0);
}

static void end(void)
{
	control_places_close(&places);
	fake_kvm_free(&f);
	CHECK(access(own_socket(), F_OK) < 0);
	end_home();
}

static int connect_raw(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", own_socket());
	CHECK(!connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

/* False: the other end is closed already. */
static bool send_raw(int fd, const void *bytes, size_t len, const int *files, unsigned int nr)
{
	u8 room[CMSG_SPACE(64 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr) {
		struct cmsghdr *c = (struct cmsghdr *)room;

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr * sizeof(int));
		memcpy(CMSG_DATA(c), files, nr * sizeof(int));
		msg.msg_control = room;
		msg.msg_controllen = CMSG_SPACE(nr * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)len;
}

/* What the answer is to bytes that come with files: its length, 0 when there is none. */
static ssize_t exchange(const void *bytes, size_t len, const int *files, unsigned int nr,
			struct control_reply *reply)
{
	int fd = connect_raw();
	ssize_t n = 0;

	memset(reply, 0, sizeof(*reply));
	if (send_raw(fd, bytes, len, files, nr))
		n = recv(fd, reply, sizeof(*reply), 0);
	/* Closed with something unread, it is reset. */
	if (n < 0 && errno == ECONNRESET)
		n = 0;
	CHECK(n >= 0);
	close(fd);
	return n;
}

static struct control_request request(u16 op)
{
	return (struct control_request){
		.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .op = op };
}

static bool answers(void)
{
	struct control_reply reply;

	return !control_ask(places.fd[0], getpid(), CONTROL_INFO, -1, PATIENCE_MS, &reply) &&
	       !reply.status;
}

static unsigned int open_files(void)
{
	unsigned int fd, nr = 0;

	for (fd = 0; fd < 512; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

/* The machine closes what it has behind the answer. */
static bool at_most_open(unsigned int most)
{
	unsigned int i;

	for (i = 0; i < PATIENCE_MS / 10 && open_files() > most; i++)
		usleep(1000);
	return open_files() <= most;
}

/* ---- what it is for --------------------------------------------------------- */

static void test_list(void)
{
	struct control_machine *found;
	struct stat st;

	begin();
	CHECK(!stat(in_home("lodge"), &st) && (st.st_mode & 07777) == 0700);
	CHECK(!stat(own_socket(), &st) && S_ISSOCK(st.st_mode) && (st.st_mode & 07777) == 0600);
	CHECK_EQ(control_list(&places, &found), 1);
	CHECK_EQ(found->pid, getpid());
	CHECK_EQ(found->info.cpus, 2);
	CHECK_EQ(found->info.memory, FAKE_MEMORY);
	CHECK(found->info.running_ns && found->info.running_ns < 3600 * 1000000000ull);
	CHECK(!strcmp(found->info.name, "vmlinuz-test"));
	free(found);
	end();
}

static int new_file(char *path)
{
	strcpy(path, "/tmp/lodge-control-XXXXXX");
	return mkostemp(path, O_CLOEXEC);
}

static void check_core(int fd)
{
	Elf64_Ehdr head;
	struct stat st;

	CHECK_EQ(pread(fd, &head, sizeof(head), 0), sizeof(head));
	CHECK(!memcmp(head.e_ident, ELFMAG, SELFMAG) && head.e_type == ET_CORE);
	CHECK(!fstat(fd, &st) && st.st_size > (off_t)FAKE_MEMORY);
	CHECK(st.st_blocks * 512 < (off_t)MIB);
}

/* It runs before and after; the counter in its memory and RIP are of one moment. */
static void test_dump(void)
{
	struct control_reply reply;
	char path[32];
	unsigned int i;
	int fd;

	begin();
	for (i = 0; i < 3; i++) {
		fd = new_file(path);
		CHECK(fake_kvm_moves(&f, 0) && fake_kvm_moves(&f, 1));
		CHECK_EQ(control_ask(places.fd[0], getpid(), CONTROL_DUMP, fd, 0, &reply), 0);
		CHECK_EQ(reply.status, 0);
		check_core(fd);
		CHECK(fake_kvm_moves(&f, 0) && fake_kvm_moves(&f, 1));
		close(fd);
		unlink(path);
	}
	end();
}

#define MANY	35

/* Recorders that can be told apart: an eventfd whose count is a number; every third lacks. */
static int numbered_file(unsigned int n)
{
	return n % 3 ? eventfd(n, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
}

static bool is_numbered_file(int fd, unsigned int n)
{
	eventfd_t have = 0;

	return n % 3 ? !eventfd_read(fd, &have) && have == n : fd < 0;
}

static void add_recorders(unsigned int nr)
{
	struct recorders *r = calloc(1, sizeof(*r) + nr * sizeof(r->cpu[0]));
	unsigned int i;

	r->nr = nr;
	r->stats_fd = numbered_file(1000);
	for (i = 0; i < nr; i++)
		r->cpu[i] = (struct recorder){ .flight_fd = numbered_file(2 * i + 1),
					       .stats_fd = numbered_file(2 * i + 2) };
	f.m.recorders = r;
}

/* All of them, in their places, of few vCPUs and of many, and closed again on both sides. */
static void test_recorders(void)
{
	static const unsigned int numbers[] = { 1, CONTROL_PIECE, CONTROL_PIECE + 1, MANY };
	unsigned int i, j, before = open_files();
	struct control_recorders r;
	struct control_machine m;
	struct control_reply why;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		begin_home();
		make_machine();
		add_recorders(numbers[i]);
		fake_kvm_start(&f);
		control_places_open(&places);
		m = (struct control_machine){ .dir = places.fd[0], .pid = getpid(),
					      .info.cpus = numbers[i] };
		CHECK_EQ(control_recorders_open(&m, &r, &why), 0);
		CHECK_EQ(r.nr, numbers[i]);
		CHECK(is_numbered_file(r.stats_fd, 1000));
		for (j = 0; j < r.nr; j++)
			CHECK(is_numbered_file(r.cpu[j].flight_fd, 2 * j + 1) &&
			      is_numbered_file(r.cpu[j].stats_fd, 2 * j + 2));
		CHECK(r.process_fd >= 0);
		control_recorders_close(&r);
		end();
	}
	CHECK(at_most_open(before));
}

/* A machine that has none says so, and one that is asked for a vCPU that it has not. */
static void test_recorders_refused(void)
{
	struct control_request request_of = request(CONTROL_FILES);
	struct control_recorders r;
	struct control_machine m;
	struct control_reply why;

	begin();
	m = (struct control_machine){ .dir = places.fd[0], .pid = getpid(), .info.cpus = 2 };
	CHECK_EQ(control_recorders_open(&m, &r, &why), -EOPNOTSUPP);
	CHECK_HAS(why.text, "nothing written down of CPU 0");
	CHECK(!r.nr && r.process_fd < 0);
	end();
	begin_home();
	make_machine();
	add_recorders(2);
	fake_kvm_start(&f);
	control_places_open(&places);
	request_of.argument = 2;
	CHECK_EQ(exchange(&request_of, sizeof(request_of), NULL, 0, &why), sizeof(why));
	CHECK_EQ(why.status, STATUS_HOST);
	request_of.argument = ~0ull;
	CHECK_EQ(exchange(&request_of, sizeof(request_of), NULL, 0, &why), sizeof(why));
	CHECK_EQ(why.status, STATUS_HOST);
	m.dir = places.fd[0];
	m.pid = 1;
	CHECK_EQ(control_recorders_open(&m, &r, &why), -ENOENT);
	end();
}

/* What was killed leaves a socket, which goes; what is no socket of ours stays. */
static void test_left_over(void)
{
	struct control_machine *found;
	int status = -1;
	char path[128];

	begin();
	if (!fork()) {
		fake_kvm_create(&f, 1);
		_exit(!control_create(&f.m, "x"));
	}
	CHECK(wait(&status) > 0 && !status);
	snprintf(path, sizeof(path), "%s", in_home("lodge/01.sock"));
	close(open(path, O_CREAT | O_WRONLY, 0600));
	CHECK_EQ(control_list(&places, &found), 1);
	free(found);
	CHECK(!access(path, F_OK) && !unlink(path));
	end();
	/* One that has this very PID is replaced. */
	begin_home();
	CHECK(!mkdir(in_home("lodge"), 0700));
	close(open(own_socket(), O_CREAT | O_WRONLY, 0600));
	make_machine();
	control_places_open(&places);
	fake_kvm_start(&f);
	CHECK(answers());
	end();
}

/* ---- directories ------------------------------------------------------------ */

/* A directory that others may use, or that is a link to one, is none for us. */
static void test_class34_unsafe_places(void)
{
	char elsewhere[] = "/tmp/lodge-else-XXXXXX";
	int fd;

	begin_home();
	CHECK(!mkdir(in_home("lodge"), 0755) && !chmod(in_home("lodge"), 0755));
	fd = control_place_make();
	CHECK(fd < 0 || faccessat(fd, "here", F_OK, 0) < 0);
	close(open(in_home("lodge/here"), O_CREAT | O_WRONLY, 0600));
	CHECK(fd < 0 || faccessat(fd, "here", F_OK, 0) < 0);
	if (fd >= 0)
		close(fd);
	CHECK(!unlink(in_home("lodge/here")) && !rmdir(in_home("lodge")));
	CHECK(mkdtemp(elsewhere) && !symlink(elsewhere, in_home("lodge")));
	fd = control_place_make();
	close(open(in_home("lodge/here"), O_CREAT | O_WRONLY, 0600));
	CHECK(fd < 0 || faccessat(fd, "here", F_OK, 0) < 0);
	if (fd >= 0)
		close(fd);
	CHECK(!unlink(in_home("lodge/here")) && !unlink(in_home("lodge")));
	CHECK(!rmdir(elsewhere));
	/* Of another user. */
	if (!geteuid()) {
		CHECK(!mkdir(in_home("lodge"), 0700) && !chown(in_home("lodge"), 65534, 65534));
		fd = control_place_make();
		close(open(in_home("lodge/here"), O_CREAT | O_WRONLY, 0600));
		CHECK(fd < 0 || faccessat(fd, "here", F_OK, 0) < 0);
		if (fd >= 0)
			close(fd);
		CHECK(!unlink(in_home("lodge/here")) && !rmdir(in_home("lodge")));
		CHECK(!chown(home, 65534, 65534));
		control_places_open(&places);
		CHECK(access(in_home("lodge"), F_OK) < 0);
		control_places_close(&places);
	}
	CHECK(!rmdir(home));
}

/* The directory is put away and another put there: nothing of the latter is removed. */
static void test_class34_directory_is_changed(void)
{
	char elsewhere[64];

	begin();
	snprintf(elsewhere, sizeof(elsewhere), "%s/other", home);
	CHECK(!rename(in_home("lodge"), elsewhere) && !mkdir(in_home("lodge"), 0700));
	close(open(own_socket(), O_CREAT | O_WRONLY, 0600));
	CHECK(answers());
	control_places_close(&places);
	fake_kvm_free(&f);
	CHECK(!unlink(own_socket()));
	CHECK(!rmdir(elsewhere));
	end_home();
}

/* ---- clients that lie ------------------------------------------------------- */

static void test_versions(void)
{
	struct control_request r = request(CONTROL_INFO);
	struct control_reply reply;

	begin();
	CHECK_EQ(exchange(&r, sizeof(r), NULL, 0, &reply), sizeof(reply));
	CHECK_EQ(reply.status, 0);
	r.version = 2;
	CHECK_EQ(exchange(&r, sizeof(r), NULL, 0, &reply), sizeof(reply));
	CHECK_EQ(reply.status, STATUS_HOST);
	CHECK_HAS(reply.text, "speaks version 1 of its protocol, not 2");
	/* Another version's requests may be of any length. */
	CHECK_EQ(exchange(&r, 8, NULL, 0, &reply), sizeof(reply));
	CHECK_HAS(reply.text, "speaks version 1");
	r = request(77);
	CHECK_EQ(exchange(&r, sizeof(r), NULL, 0, &reply), sizeof(reply));
	CHECK_HAS(reply.text, "no operation 77");
	r = request(0);
	CHECK_EQ(exchange(&r, sizeof(r), NULL, 0, &reply), sizeof(reply));
	CHECK_EQ(reply.status, STATUS_HOST);
	r = request(CONTROL_INFO);
	r.argument = 1;
	CHECK_EQ(exchange(&r, sizeof(r), NULL, 0, &reply), sizeof(reply));
	CHECK_EQ(reply.status, STATUS_HOST);
	end();
}

static void test_class39_hostile_requests(void)
{
	unsigned int i, before, n = rounds(300);
	struct control_reply reply;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	u8 bytes[64];

	begin();
	CHECK(answers());
	before = open_files();
	for (i = 0; i < n && !failures; i++) {
		struct control_request r = request(random_below(4));
		size_t j, len = random_below(sizeof(bytes)) + 1;
		int files[64];
		unsigned int nr = random_below(2) ? random_below(ARRAY_SIZE(files)) : 0;

		for (j = 0; j < sizeof(bytes); j++)
			bytes[j] = next_random();
		if (random_below(4))
			memcpy(bytes, &r, sizeof(r));
		if (random_below(2))
			len = sizeof(r);
		for (j = 0; j < nr; j++)
			files[j] = null;
		exchange(bytes, len, files, nr, &reply);
	}
	CHECK(answers());
	/* Nothing of what they sent is kept. */
	CHECK(at_most_open(before));
	close(null);
	end();
}

static void refused_file(int fd, const char *why)
{
	struct control_reply reply = { 0 };

	CHECK(fd >= 0);
	CHECK_EQ(control_ask(places.fd[0], getpid(), CONTROL_DUMP, fd, PATIENCE_MS, &reply), 0);
	CHECK_EQ(reply.status, STATUS_HOST);
	CHECK_HAS(reply.text, why);
	close(fd);
}

/* A pipe that nobody reads would hold the machine up for ever. */
static void test_class39_hostile_files(void)
{
	struct control_reply reply;
	char path[32];
	int pipe_fd[2], fd, files[2];
	struct control_request r = request(CONTROL_DUMP);

	begin();
	CHECK(!pipe2(pipe_fd, O_CLOEXEC));
	refused_file(pipe_fd[1], "regular file");
	close(pipe_fd[0]);
	refused_file(open("/dev/null", O_WRONLY | O_CLOEXEC), "regular file");
	refused_file(open("/tmp", O_RDONLY | O_CLOEXEC), "regular file");
	fd = new_file(path);
	refused_file(open(path, O_RDONLY | O_CLOEXEC), "regular file");
	refused_file(open(path, O_WRONLY | O_APPEND | O_CLOEXEC), "regular file");
	refused_file(open(path, O_PATH | O_CLOEXEC), "regular file");
	/* None, and one too many. */
	CHECK_EQ(exchange(&r, sizeof(r), NULL, 0, &reply), sizeof(reply));
	CHECK_EQ(reply.status, STATUS_HOST);
	files[0] = fd;
	files[1] = fd;
	CHECK_EQ(exchange(&r, sizeof(r), files, 2, &reply), sizeof(reply));
	CHECK_EQ(reply.status, STATUS_HOST);
	unlink(path);
	close(fd);
	/* One that does not grow. */
	fd = memfd_create("full", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	CHECK(!fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	refused_file(fd, "cannot be written");
	CHECK(fake_kvm_moves(&f, 0) && answers());
	end();
}

/* ---- clients that are slow -------------------------------------------------- */

static void test_silent_clients(void)
{
	int fd[40];
	unsigned int i, before;

	begin();
	CHECK(answers());
	before = open_files();
	for (i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = connect_raw();
		CHECK(answers());
	}
	/* So many of their other ends at most. */
	CHECK(at_most_open(before + ARRAY_SIZE(fd) + 4));
	for (i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	CHECK(answers());
	/* Gone before the answer. */
	for (i = 0; i < 100; i++) {
		struct control_request r = request(CONTROL_INFO);
		int gone = connect_raw();

		CHECK(send_raw(gone, &r, sizeof(r), NULL, 0));
		close(gone);
	}
	CHECK(answers());
	end();
}

/* A vCPU that does not come back, as one whose console is full. */
static void test_cpu_that_does_not_rest(void)
{
	struct control_reply reply;
	int status = -1, fd;
	char path[32];
	pid_t child;

	fd = new_file(path);
	begin_home();
	make_machine();
	/* In the place of a thread that is elsewhere. */
	f.m.cpus[1].started = true;
	f.m.cpus[1].thread = pthread_self();
	control_places_open(&places);
	signal(SIGUSR1, SIG_IGN);
	child = fork();
	if (!child) {
		int error = control_ask(places.fd[0], self, CONTROL_DUMP, fd, PATIENCE_MS,
					&reply);

		_exit(!(!error && reply.status == STATUS_HOST &&
			strstr(reply.text, "does not stand still")));
	}
	while (!waitpid(child, &status, WNOHANG))
		if (!fake_poll(&f.m))
			usleep(1000);
	CHECK_EQ(status, 0);
	CHECK_EQ(f.m.cpus[0].pauses + f.m.cpus[1].pauses, 0);
	f.m.cpus[1].started = false;
	unlink(path);
	close(fd);
	end();
}

/* ---- users ------------------------------------------------------------------ */

/* 0: he was answered; 1: he was not. */
static int ask_as(uid_t uid)
{
	struct control_reply reply;
	int status = -1;

	if (!fork()) {
		struct control_request r = request(CONTROL_INFO);

		if (setresuid(uid, uid, uid))
			_exit(2);
		_exit(exchange(&r, sizeof(r), NULL, 0, &reply) != sizeof(reply));
	}
	CHECK(wait(&status) > 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The modes would keep them out; here they are opened to see the other lock. */
static void test_class34_other_users(void)
{
	if (geteuid()) {
		printf("# not root: other users cannot be played\n");
		return;
	}
	begin();
	CHECK(!chmod(home, 0755) && !chmod(in_home("lodge"), 0755) && !chmod(own_socket(), 0666));
	CHECK_EQ(ask_as(0), 0);
	CHECK_EQ(ask_as(65534), 1);
	CHECK(answers());
	end();
}

/* Somebody else listens where a machine should: he is told nothing. */
static void test_class34_false_machine(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct control_reply reply;
	int fd;

	if (geteuid())
		return;
	begin_home();
	CHECK(!mkdir(in_home("lodge"), 0700));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_home("lodge/7.sock"));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	CHECK(!bind(fd, (struct sockaddr *)&address, sizeof(address)));
	/* Who listens is who he is at that moment. */
	CHECK(!seteuid(65534) && !listen(fd, 4) && !seteuid(0));
	control_places_open(&places);
	CHECK_EQ(control_ask(places.fd[0], 7, CONTROL_INFO, -1, PATIENCE_MS, &reply), -EPERM);
	control_places_close(&places);
	close(fd);
	CHECK(!unlink(in_home("lodge/7.sock")));
	end_home();
}

/* ---- machines that lie ------------------------------------------------------ */

static int false_reply(const void *bytes, size_t len, struct control_reply *reply)
{
	struct sockaddr_un address;
	int error, client, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	control_address(&address, places.fd[0], "7.sock");
	CHECK(!bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 4));
	if (!fork()) {
		client = accept(fd, NULL, NULL);
		recv(client, &address, sizeof(address), 0);
		_exit(send(client, bytes, len, 0) != (ssize_t)len);
	}
	error = control_ask(places.fd[0], 7, CONTROL_INFO, -1, PATIENCE_MS, reply);
	CHECK(wait(NULL) > 0);
	close(fd);
	CHECK(!unlinkat(places.fd[0], "7.sock", 0));
	return error;
}

static void test_class39_false_replies(void)
{
	struct control_reply lie = { .magic = CONTROL_MAGIC, .version = CONTROL_VERSION }, reply;

	begin();
	memset(lie.text, 0x1b, sizeof(lie.text));
	memset(lie.info.name, 0x07, sizeof(lie.info.name));
	CHECK_EQ(false_reply(&lie, sizeof(lie), &reply), 0);
	CHECK_EQ(strspn(reply.text, "?"), sizeof(reply.text) - 1);
	CHECK_EQ(strspn(reply.info.name, "?"), sizeof(reply.info.name) - 1);
	CHECK_EQ(false_reply(&lie, sizeof(lie) - 1, &reply), -EPROTO);
	CHECK_EQ(false_reply(&lie, 3, &reply), -EPROTO);
	lie.version++;
	CHECK_EQ(false_reply(&lie, sizeof(lie), &reply), -EPROTO);
	/* A refusal is understood of every version. */
	lie.status = STATUS_HOST;
	strcpy(lie.text, "no");
	CHECK_EQ(false_reply(&lie, offsetof(struct control_reply, info), &reply), 0);
	CHECK(reply.status == STATUS_HOST && !strcmp(reply.text, "no"));
	lie.magic++;
	CHECK_EQ(false_reply(&lie, sizeof(lie), &reply), -EPROTO);
	end();
}

/* One that brings @nr files with its answer. */
static int false_files(const struct control_reply *lie, unsigned int nr,
		       struct control_recorders *r)
{
	struct control_machine m = { .dir = places.fd[0], .pid = 7, .info.cpus = 60 };
	struct sockaddr_un address;
	struct control_reply why;
	int error, client, files[64], fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	unsigned int i;

	control_address(&address, places.fd[0], "7.sock");
	CHECK(!bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 4));
	if (!fork()) {
		client = accept(fd, NULL, NULL);
		recv(client, &address, sizeof(address), 0);
		for (i = 0; i < nr; i++)
			files[i] = STDIN_FILENO;
		_exit(!send_raw(client, lie, sizeof(*lie), files, nr));
	}
	error = control_recorders_open(&m, r, &why);
	CHECK(wait(NULL) > 0);
	close(fd);
	CHECK(!unlinkat(places.fd[0], "7.sock", 0));
	return error;
}

/* Files that are other than it says: none of them is kept. */
static void test_class39_false_files(void)
{
	struct control_reply lie = { .magic = CONTROL_MAGIC, .version = CONTROL_VERSION };
	unsigned int i, j, nr, before, n = rounds(60);
	struct control_recorders r;

	begin();
	CHECK(answers());
	before = open_files();
	for (i = 0; i < n && !failures; i++) {
		lie.files = (struct control_files){ .cpus = random_below(20) };
		nr = random_below(2);
		lie.files.machine_stats = nr;
		for (j = 0; j < CONTROL_PIECE; j++) {
			lie.files.flight[j] = random_below(2);
			lie.files.stats[j] = random_below(2);
			if (j < lie.files.cpus)
				nr += lie.files.flight[j] + lie.files.stats[j];
		}
		if (random_below(2))
			nr = random_below(60);
		else if (!random_below(4))
			lie.files.next = random_below(2) ? 100 : lie.files.cpus + 1;
		if (!false_files(&lie, nr, &r)) {
			CHECK(r.nr == lie.files.cpus && r.nr && r.nr <= CONTROL_PIECE);
			CHECK(!lie.files.next);
			control_recorders_close(&r);
		}
		CHECK(!r.nr && !r.cpu);
	}
	CHECK(answers());
	CHECK(at_most_open(before));
	end();
}

/* ---- the sandbox ------------------------------------------------------------ */

static struct sandbox_needs needs;

static int shut(void *unused)
{
	(void)unused;
	return sandbox_enter(&needs);
}

/* The machine's process: it is told by a byte when to end, and says what went wrong. */
static void sandboxed(int told)
{
	struct control *c = make_machine();
	char byte;

	needs = (struct sandbox_needs){
		.control = true, .control_dir = control_directory(c) };
	f.m.ready = shut;
	fake_kvm_start(&f);
	while (read(told, &byte, 1) < 0)
		;
	fake_kvm_free(&f);
	_exit(failures ? 1 : 0);
}

static void test_in_the_sandbox(void)
{
	struct control_machine *found = NULL;
	struct control_reply reply;
	int told[2], fd, status = -1, nr, i;
	char path[32];
	pid_t child;

	begin_home();
	CHECK(!pipe(told));
	child = fork();
	if (!child)
		sandboxed(told[0]);
	for (i = 0, nr = 0; i < PATIENCE_MS && nr < 1; i++) {
		usleep(1000);
		control_places_open(&places);
		free(found);
		nr = control_list(&places, &found);
		if (nr < 1)
			control_places_close(&places);
	}
	CHECK_EQ(nr, 1);
	fd = new_file(path);
	if (nr == 1) {
		CHECK_EQ(found->pid, child);
		CHECK_EQ(control_ask(found->dir, child, CONTROL_DUMP, fd, PATIENCE_MS, &reply), 0);
		CHECK_EQ(reply.status, 0);
		check_core(fd);
		control_places_close(&places);
	}
	free(found);
	CHECK_EQ(write(told[1], "x", 1), 1);
	CHECK(waitpid(child, &status, 0) == child);
	CHECK_EQ(status, 0);
	unlink(path);
	close(fd);
	close(told[0]);
	close(told[1]);
	/* The socket has gone with it. */
	end_home();
}

static const struct unit units[] = {
	{ "list", test_list },
	{ "dump", test_dump },
	{ "recorders", test_recorders },
	{ "recorders_refused", test_recorders_refused },
	{ "left_over", test_left_over },
	{ "class34_unsafe_places", test_class34_unsafe_places },
	{ "class34_directory_is_changed", test_class34_directory_is_changed },
	{ "versions", test_versions },
	{ "class39_hostile_requests", test_class39_hostile_requests },
	{ "class39_hostile_files", test_class39_hostile_files },
	{ "silent_clients", test_silent_clients },
	{ "cpu_that_does_not_rest", test_cpu_that_does_not_rest },
	{ "class34_other_users", test_class34_other_users },
	{ "class34_false_machine", test_class34_false_machine },
	{ "class39_false_replies", test_class39_false_replies },
	{ "class39_false_files", test_class39_false_files },
	{ "in_the_sandbox", test_in_the_sandbox },
};

int main(int argc, char **argv)
{
	self = getpid();
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
