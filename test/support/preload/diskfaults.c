// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * diskfaults.c - a library for LD_PRELOAD: file I/O of the program above it fails, hangs or is
 * slow, as a small file says that a test rewrites while the program runs. Used by test/soak and
 * test/cluster; needs a program with a shared C library.
 *
 * $DISKFAULTS names the file, one rule on a line, the first that fits counts:
 *
 *   OPS PATTERN PERMILLE ACTION [NUMBER]
 *   write,sync  *-pool/db_00000.meta  1000  error 5
 *
 * OPS of read, write, sync, alloc, joined by commas. PATTERN as for fnmatch(3), of the whole path
 * behind the descriptor. PERMILLE of the operations. ACTION: "error ERRNO" (a write may have been
 * done in part before it), "slow MILLISECONDS", "hang" (until no rule says so any more). A line
 * "seed NUMBER" begins the choice anew. Replaced by rename, so that it is never read half written.
 * Each fault adds a byte to $DISKFAULTS.hits. There is no io_uring for the program above: what goes
 * through it does not pass here.
 */
#undef _FILE_OFFSET_BITS /* else pread() would be another name for pread64(), and both are here */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define RULES_MAX 32
#define PATTERN_MAX 256
#define HANG_LOOK_MS 20
#define SECTOR 512u

enum op { OP_READ = 1, OP_WRITE = 2, OP_SYNC = 4, OP_ALLOC = 8 };
enum action { ACT_NONE, ACT_ERROR, ACT_SLOW, ACT_HANG };

struct rule {
	unsigned ops; /* enum op, several */
	char pattern[PATTERN_MAX];
	unsigned permille;
	enum action action;
	int number; /* errno or milliseconds */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* below: lock */
static struct rule rules[RULES_MAX];
static unsigned n_rules;
static struct timespec rules_time;
static ino_t rules_ino;
static uint64_t dice = 1;

/* the function of the C library that one of ours stands before */
#define BELOW(name) ((__typeof__(&name))below(#name))

static void *below(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (!f) {
		fprintf(stderr, "diskfaults: no %s below\n", name);
		abort();
	}
	return f;
}

static unsigned parse_ops(char *text)
{
	unsigned ops = 0;
	char *word;

	while ((word = strsep(&text, ","))) {
		ops |= strcmp(word, "read") == 0    ? OP_READ
		       : strcmp(word, "write") == 0 ? OP_WRITE
		       : strcmp(word, "sync") == 0  ? OP_SYNC
		       : strcmp(word, "alloc") == 0 ? OP_ALLOC
						    : 0;
	}
	return ops;
}

static void parse_line(const char *line)
{
	struct rule *r = &rules[n_rules];
	unsigned long long seed;
	char ops[64], action[16];

	if (sscanf(line, "seed %llu", &seed) == 1) {
		dice = seed * 2 + 1;
		return;
	}
	*r = (struct rule){ 0 };
	if (n_rules == RULES_MAX || sscanf(line, "%63s %255s %u %15s %d", ops, r->pattern,
					   &r->permille, action, &r->number) < 4)
		return;
	r->ops = parse_ops(ops);
	r->action = strcmp(action, "error") == 0  ? ACT_ERROR
		    : strcmp(action, "slow") == 0 ? ACT_SLOW
		    : strcmp(action, "hang") == 0 ? ACT_HANG
						  : ACT_NONE;
	n_rules++;
}

/* lock held; a file that is missing says nothing */
static void read_rules(void)
{
	const char *path = getenv("DISKFAULTS");
	char line[512];
	struct stat st;
	FILE *f;

	if (!path || stat(path, &st) < 0) {
		n_rules = 0;
		rules_ino = 0;
		return;
	}
	if (st.st_ino == rules_ino && st.st_mtim.tv_sec == rules_time.tv_sec &&
	    st.st_mtim.tv_nsec == rules_time.tv_nsec)
		return;
	f = fopen(path, "re");
	if (!f)
		return;
	rules_ino = st.st_ino;
	rules_time = st.st_mtim;
	n_rules = 0;
	while (fgets(line, sizeof(line), f))
		parse_line(line);
	fclose(f);
}

static unsigned roll(void)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice % 1000);
}

static void count_hit(void)
{
	char path[1024];
	int fd;

	snprintf(path, sizeof(path), "%s.hits", getenv("DISKFAULTS"));
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	(void)!write(fd, "x", 1);
	close(fd);
}

static bool path_of(int fd, char path[1024])
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, 1023);
	path[n > 0 ? n : 0] = '\0';
	return n > 0 && path[0] == '/';
}

/* met: a rule has met this operation before, and no dice are rolled any more */
static struct rule find(int fd, enum op op, bool met)
{
	struct rule found = { .action = ACT_NONE };
	char path[1024];

	pthread_mutex_lock(&lock);
	read_rules();
	if (n_rules > 0 && path_of(fd, path)) {
		for (unsigned i = 0; i < n_rules; i++) {
			if (!(rules[i].ops & op) || fnmatch(rules[i].pattern, path, 0) != 0)
				continue;
			if (met || roll() < rules[i].permille)
				found = rules[i];
			break;
		}
	}
	pthread_mutex_unlock(&lock);
	return found;
}

static void pause_ms(int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L };

	nanosleep(&t, NULL);
}

/* true: the operation fails, errno is set */
static bool fault(int fd, enum op op)
{
	int before = errno;
	struct rule r = find(fd, op, false);

	if (r.action != ACT_NONE)
		count_hit();
	while (r.action == ACT_HANG) {
		pause_ms(HANG_LOOK_MS);
		r = find(fd, op, true);
	}
	if (r.action == ACT_SLOW)
		pause_ms(r.number);
	errno = r.action == ACT_ERROR ? r.number : before;
	return r.action == ACT_ERROR;
}

/* What fails may have been done in part: of a write the first half is, in whole sectors. */
static ssize_t fail_write(int fd, const void *data, size_t len, off_t off)
{
	int code = errno;

	if (len >= 2 * SECTOR)
		(void)!BELOW(pwrite)(fd, data, len / 2 / SECTOR * SECTOR, off);
	errno = code;
	return -1;
}

/* ---- what stands before the C library ---- */

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags);
int io_uring_queue_init_params(unsigned entries, void *ring, void *params);

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags)
{
	return -ENOSYS;
}

int io_uring_queue_init_params(unsigned entries, void *ring, void *params)
{
	return -ENOSYS;
}

ssize_t pread(int fd, void *data, size_t len, off_t off)
{
	return fault(fd, OP_READ) ? -1 : BELOW(pread)(fd, data, len, off);
}

ssize_t pread64(int fd, void *data, size_t len, off64_t off)
{
	return pread(fd, data, len, off);
}

ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	struct rule r;

	/* this one must not wait: a rule sends it the long way, where the fault is */
	if (flags & RWF_NOWAIT) {
		r = find(fd, OP_READ, false);
		if (r.action == ACT_NONE)
			return BELOW(preadv2)(fd, iov, n, off, flags);
		errno = EAGAIN;
		return -1;
	}
	return fault(fd, OP_READ) ? -1 : BELOW(preadv2)(fd, iov, n, off, flags);
}

ssize_t preadv64v2(int fd, const struct iovec *iov, int n, off64_t off, int flags)
{
	return preadv2(fd, iov, n, off, flags);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t off)
{
	return fault(fd, OP_WRITE) ? fail_write(fd, data, len, off)
				   : BELOW(pwrite)(fd, data, len, off);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t off)
{
	return pwrite(fd, data, len, off);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
	return fault(fd, OP_WRITE) ? -1 : BELOW(pwritev)(fd, iov, n, off);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t off)
{
	return pwritev(fd, iov, n, off);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	if (fault(fd, OP_WRITE))
		return fail_write(fd, iov[0].iov_base, iov[0].iov_len, off);
	/* a write that is durable when it returns is a sync too */
	if ((flags & RWF_DSYNC) && fault(fd, OP_SYNC))
		return -1;
	return BELOW(pwritev2)(fd, iov, n, off, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *iov, int n, off64_t off, int flags)
{
	return pwritev2(fd, iov, n, off, flags);
}

int fdatasync(int fd)
{
	return fault(fd, OP_SYNC) ? -1 : BELOW(fdatasync)(fd);
}

int fsync(int fd)
{
	return fault(fd, OP_SYNC) ? -1 : BELOW(fsync)(fd);
}

int fallocate(int fd, int mode, off_t off, off_t len)
{
	return fault(fd, OP_ALLOC) ? -1 : BELOW(fallocate)(fd, mode, off, len);
}

int fallocate64(int fd, int mode, off64_t off, off64_t len)
{
	return fallocate(fd, mode, off, len);
}

int posix_fallocate(int fd, off_t off, off_t len)
{
	return fault(fd, OP_ALLOC) ? errno : BELOW(posix_fallocate)(fd, off, len);
}

int posix_fallocate64(int fd, off64_t off, off64_t len)
{
	return posix_fallocate(fd, off, len);
}
