// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luks.c - see luks.h. The passphrase of the only key slot is random, so its derivation costs
 * nothing; the key of the content is the volume's, not a random one of the header: what nobody has
 * written is then the same on all copies (docs/storage.md, encryption). A file gets a loop device
 * of the library's, which goes with the mapping. What a mapping lies on is asked of the kernel
 * each time.
 */
#include "storage/luks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/dm.h"
#include "storage/step.h"

#define PASS_BYTES 32 /* of the volume's key: what opens the header */
#define CONTENT_BYTES (STORAGE_KEY_BYTES - PASS_BYTES) /* the rest: aes-xts with 2 x 256 bits */
#define SECTOR 512 /* of the mapping: what every device can, so that all copies are alike */
#define ZERO_STEP (64ull << 20)
#define PBKDF_ITERATIONS 1000 /* the least that is allowed: the passphrase has 256 bits */

_Static_assert(CONTENT_BYTES == 64, "aes-xts with 512 bits");

/* what the library said last, of the call under the lock */
static char said[160];

static void on_log(int level, const char *text, void *arg)
{
	if (level == CRYPT_LOG_ERROR)
		snprintf(said, sizeof(said), "%.*s", (int)strcspn(text, "\n"), text);
}

static int failed(struct err *err, int code, const char *what, const char *volume)
{
	return err_set(err, code, "encryption of %s: cannot %s: %s", volume, what,
		       said[0] ? said : err_name(code));
}

static void name_of(const char *volume, char out[LUKS_PATH_MAX])
{
	snprintf(out, LUKS_PATH_MAX, "sdsd-%.63s", volume);
}

static void path_of(const char *volume, char out[LUKS_PATH_MAX])
{
	snprintf(out, LUKS_PATH_MAX, "/dev/mapper/sdsd-%.63s", volume);
}

bool luks_is_open(const char *volume)
{
	char path[LUKS_PATH_MAX];

	path_of(volume, path);
	return access(path, F_OK) == 0;
}

/* --- what a mapping lies on --------------------------------------------- */

/* "/dev/<device under the mapping>"; a LUKS mapping has one */
static int find_lower(const char *volume, char *out, size_t len)
{
	char path[LUKS_PATH_MAX], dir[64];
	struct dirent *d;
	struct stat st;
	int rv = -ENOENT;
	DIR *slaves;

	path_of(volume, path);
	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return -ENOENT;
	snprintf(dir, sizeof(dir), "/sys/dev/block/%u:%u/slaves", major(st.st_rdev),
		 minor(st.st_rdev));
	slaves = opendir(dir);
	if (!slaves)
		return -ENOENT;
	while (rv < 0 && (d = readdir(slaves))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(out, len, "/dev/%s", d->d_name);
		rv = 0;
	}
	closedir(slaves);
	return rv;
}

static bool loop_has(int fd, const struct stat *file)
{
	struct loop_info64 info;

	return ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == file->st_ino &&
	       info.lo_device == file->st_dev;
}

/* device: a block device, or the file behind a loop device */
static bool lies_on(const char *volume, const char *device)
{
	char lower[300];
	struct stat want, have;
	bool same;
	int fd;

	if (find_lower(volume, lower, sizeof(lower)) < 0 || stat(device, &want) < 0)
		return false;
	if (S_ISBLK(want.st_mode))
		return stat(lower, &have) == 0 && have.st_rdev == want.st_rdev;
	fd = open(lower, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	same = loop_has(fd, &want);
	close(fd);
	return same;
}

/* The file behind it has been made longer. A block device needs no word. */
static int refresh_loop(const char *volume, const char *device, struct err *err)
{
	char lower[300];
	struct stat st;
	int fd, rv;

	if (stat(device, &st) < 0 || S_ISBLK(st.st_mode))
		return 0;
	if (find_lower(volume, lower, sizeof(lower)) < 0)
		return failed(err, -ENOENT, "find the loop device", volume);
	fd = open(lower, O_RDONLY | O_CLOEXEC);
	rv = fd < 0 || ioctl(fd, LOOP_SET_CAPACITY) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return rv < 0 ? failed(err, rv, "enlarge the loop device", volume) : 0;
}

/* Without it every block of a file would be in the page cache twice. A file system without direct
 * I/O refuses: then that is how it is. */
static void loop_direct(const char *volume, const char *device)
{
	char lower[300];
	struct stat st;
	int fd;

	if (stat(device, &st) < 0 || S_ISBLK(st.st_mode) ||
	    find_lower(volume, lower, sizeof(lower)) < 0)
		return;
	fd = open(lower, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (ioctl(fd, LOOP_SET_DIRECT_IO, 1ul) < 0)
		log_debug("storage", "volume=%s %s: no direct I/O: %s", volume, lower,
			  err_name(-errno));
	close(fd);
}

int luks_below(const char *volume, char *ret_path, size_t len, struct err *err)
{
	if (find_lower(volume, ret_path, len) == 0)
		return 0;
	return err_set(err, -ENOENT, "encryption of %s: cannot tell what the mapping lies on",
		       volume);
}

/* --- the header --------------------------------------------------------- */

static int begin(const char *device, const char *volume, struct crypt_device **ret, struct err *err)
{
	int rv;

	said[0] = '\0';
	crypt_set_log_callback(NULL, on_log, NULL);
	/* the key goes with the table into the kernel, and is not kept in a thread's keyring, which
	 * ends with the thread */
	crypt_volume_key_keyring(NULL, 0);
	rv = crypt_init(ret, device);
	if (rv < 0)
		return failed(err, rv, "open its device", volume);
	crypt_set_log_callback(*ret, on_log, NULL);
	crypt_set_rng_type(*ret, CRYPT_RNG_URANDOM);
	return 0;
}

static bool has_slot(struct crypt_device *cd)
{
	for (int i = 0; i < crypt_keyslot_max(CRYPT_LUKS2); i++) {
		if (crypt_keyslot_status(cd, i) >= CRYPT_SLOT_ACTIVE)
			return true;
	}
	return false;
}

static int format(struct crypt_device *cd, const char *volume, const uint8_t *key, struct err *err)
{
	static const struct crypt_pbkdf_type pbkdf = {
		.type = CRYPT_KDF_PBKDF2,
		.hash = "sha256",
		.iterations = PBKDF_ITERATIONS,
		.flags = CRYPT_PBKDF_NO_BENCHMARK,
	};
	struct crypt_params_luks2 params = { .pbkdf = &pbkdf, .sector_size = SECTOR };
	int rv = crypt_set_data_offset(cd, LUKS_HEADER_BYTES / SECTOR);

	if (rv == 0)
		rv = crypt_format(cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL,
				  (const char *)key + PASS_BYTES, CONTENT_BYTES, &params);
	if (rv < 0)
		return failed(err, rv, "make the LUKS header", volume);
	storage_step("luks header");
	rv = crypt_keyslot_add_by_volume_key(cd, CRYPT_ANY_SLOT, NULL, 0, (const char *)key,
					     PASS_BYTES);
	storage_step("luks slot");
	return rv < 0 ? failed(err, rv, "make the LUKS key slot", volume) : 0;
}

/* A header without a key slot is one whose making was cut: nothing was ever stored under it. The
 * library makes none with what it has loaded one into: *cd becomes another one then, NULL when that
 * fails. */
static int load(struct crypt_device **cd, const char *device, const char *volume,
		const uint8_t *key, enum luks_header header, struct err *err)
{
	int rv = crypt_load(*cd, CRYPT_LUKS2, NULL);

	if (rv == 0 && has_slot(*cd))
		return 0;
	if (rv < 0 && rv != -EINVAL)
		return failed(err, rv, "read the LUKS header", volume);
	if (header == LUKS_MAY_MAKE) {
		crypt_free(*cd);
		*cd = NULL;
		rv = begin(device, volume, cd, err);
		return rv < 0 ? rv : format(*cd, volume, key, err);
	}
	return err_set(err, -E_CORRUPT,
		       "encryption of %s: the LUKS header on %s is damaged; nothing was changed. "
		       "Delete this copy and make another one from the good ones",
		       volume, device);
}

/* name NULL: only whether the key fits */
static int unlock(struct crypt_device *cd, const char *device, const char *volume, const char *name,
		  const uint8_t *key, struct err *err)
{
	int rv;

	storage_step("luks open");
	rv = crypt_activate_by_passphrase(cd, name, CRYPT_ANY_SLOT, (const char *)key, PASS_BYTES,
					  0);
	storage_step("luks opened");
	if (rv >= 0)
		return 0;
	if (rv == -EPERM || rv == -ENOENT)
		return err_set(err, -E_CORRUPT,
			       "encryption of %s: the LUKS header on %s does not open with the "
			       "volume's key: it is damaged, or of something else. Nothing was "
			       "changed. Delete this copy and make another one from the good ones",
			       volume, device);
	return failed(err, rv, "open the LUKS device", volume);
}

static int open_new(const char *device, const char *volume, const uint8_t *key,
		    enum luks_header header, struct err *err)
{
	char name[LUKS_PATH_MAX];
	struct crypt_device *cd;
	int rv = begin(device, volume, &cd, err);

	if (rv < 0)
		return rv;
	name_of(volume, name);
	rv = load(&cd, device, volume, key, header, err);
	if (rv == 0)
		rv = unlock(cd, device, volume, name, key, err);
	if (rv == 0)
		loop_direct(volume, device);
	crypt_free(cd);
	return rv;
}

int luks_open(const char *device, const char *volume, const uint8_t *key, enum luks_header header,
	      char ret_path[LUKS_PATH_MAX], struct err *err)
{
	int rv;

	dm_library_enter();
	if (luks_is_open(volume))
		rv = lies_on(volume, device)
			     ? 0
			     : err_set(err, -E_EXISTS,
				       "encryption of %s: /dev/mapper/sdsd-%s is there already and "
				       "does not lie on %s: close it (cryptsetup close)",
				       volume, volume, device);
	else if (!key)
		rv = err_set(err, -E_LOCKED,
			     "locked: this node does not have the master key: sdsd encryption "
			     "enter-passphrase");
	else
		rv = open_new(device, volume, key, header, err);
	dm_library_leave();
	if (rv == 0)
		path_of(volume, ret_path);
	return rv;
}

/* --- an open one -------------------------------------------------------- */

static int resize(const char *device, const char *volume, struct err *err)
{
	char name[LUKS_PATH_MAX];
	struct crypt_device *cd;
	int rv;

	rv = refresh_loop(volume, device, err);
	if (rv == 0)
		rv = begin(device, volume, &cd, err);
	if (rv < 0)
		return rv;
	crypt_free(cd);
	name_of(volume, name);
	rv = crypt_init_by_name(&cd, name);
	if (rv < 0)
		return failed(err, rv, "find the open LUKS device", volume);
	crypt_set_log_callback(cd, on_log, NULL);
	storage_step("luks resize");
	rv = crypt_resize(cd, name, 0);
	storage_step("luks resized");
	crypt_free(cd);
	return rv < 0 ? failed(err, rv, "enlarge the open LUKS device", volume) : 0;
}

int luks_fit(const char *device, const char *volume, struct err *err)
{
	int rv;

	dm_library_enter();
	said[0] = '\0';
	rv = lies_on(volume, device) ? resize(device, volume, err)
				     : failed(err, -ENOENT, "find the open LUKS device", volume);
	dm_library_leave();
	return rv;
}

static int open_mapping(const char *volume, int flags)
{
	char path[LUKS_PATH_MAX];
	int fd;

	path_of(volume, path);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* no library call and so outside the lock: this may take long */
static int io_failed(struct err *err, int code, const char *what, const char *volume)
{
	return err_set(err, code, "encryption of %s: cannot %s: %s", volume, what, err_name(code));
}

int luks_zero(const char *volume, uint64_t from, uint64_t to, struct err *err)
{
	int fd = open_mapping(volume, O_RDWR), rv = 0;

	if (fd < 0)
		return io_failed(err, fd, "open its device", volume);
	while (rv == 0 && from < to) {
		uint64_t range[2] = { from, to - from < ZERO_STEP ? to - from : ZERO_STEP };

		storage_step("luks zero");
		if (ioctl(fd, BLKZEROOUT, range) < 0)
			rv = -errno;
		from += range[1];
	}
	if (rv == 0 && fsync(fd) < 0)
		rv = -errno;
	storage_step("luks zeroed");
	close(fd);
	return rv < 0 ? io_failed(err, rv, "write zeros behind its former end", volume) : 0;
}

int luks_sync(const char *volume, struct err *err)
{
	int fd = open_mapping(volume, O_RDONLY), rv;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return io_failed(err, fd, "open its device", volume);
	rv = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rv < 0 ? io_failed(err, rv, "sync its device", volume) : 0;
}

int luks_close(const char *device, const char *volume, struct err *err)
{
	char name[LUKS_PATH_MAX];
	int rv = 0;

	name_of(volume, name);
	dm_library_enter();
	said[0] = '\0';
	if (luks_is_open(volume) && lies_on(volume, device)) {
		crypt_set_log_callback(NULL, on_log, NULL);
		rv = crypt_deactivate(NULL, name);
		storage_step("luks closed");
		if (rv < 0)
			rv = failed(err, rv, "close the LUKS device", volume);
	}
	dm_library_leave();
	return rv;
}
