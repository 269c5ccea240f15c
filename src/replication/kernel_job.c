// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel_job.c - see kernel_job.h. Begun by kernel_resource.c. The module opens
 * the devices exclusively, so every descriptor of ours is closed before they are
 * given to it; but for those of loop devices, which would go without them.
 */
#include "replication/kernel_job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "replication/attach.h"

/* the devices of one volume of a copy, while they change hands */
struct devices {
	char data[LOOPDEV_PATH_MAX], meta[LOOPDEV_PATH_MAX];
	int data_fd, meta_fd; /* -1: none is needed */
};

/* what ATTACH reads; large */
struct home {
	struct meta_file file;
	u64 size[PLANE_VOLUMES]; /* of the labels */
	u8 state[RVOL_META_PAGE], hot[RVOL_META_PAGE];
};

static struct kernel_request request_of(const struct kernel_job *j, enum rvol_cmd cmd)
{
	struct kernel_request q = { .cmd = cmd };

	memcpy(q.uuid, j->r.uuid, sizeof(q.uuid));
	return q;
}

static int ask(struct kernel_job *j, const struct kernel_request *q)
{
	return j->port->request(j->port, q, &j->err);
}

/* ---- devices ---- */

static void devices_close(struct devices *d)
{
	if (d->data_fd >= 0)
		close(d->data_fd);
	if (d->meta_fd >= 0)
		close(d->meta_fd);
	d->data_fd = d->meta_fd = -1;
}

static int devices_open(struct kernel_job *j, const struct plane_volume *spec, struct devices *ret)
{
	int rv;

	ret->data_fd = ret->meta_fd = -1;
	rv = j->port->device_attach(spec->data_path, ret->data, &ret->data_fd, &j->err);
	if (rv == 0)
		rv = j->port->device_attach(spec->meta_path, ret->meta, &ret->meta_fd, &j->err);
	if (rv < 0)
		devices_close(ret);
	return rv;
}

static int add_volume(struct kernel_job *j, const struct plane_volume *spec, u64 copy_size)
{
	struct kernel_request q = request_of(j, RVOL_CMD_VOLUME_ADD);
	struct devices d;
	int rv;

	q.with = KERNEL_WITH(NUMBER) | KERNEL_WITH(MINOR) | KERNEL_WITH(SIZE);
	q.number = (u8)spec->number;
	q.minor = (u32)spec->minor;
	q.size = spec->size_bytes;
	if (spec->block_bytes)
		q.with |= KERNEL_WITH(BLOCK);
	q.block = spec->block_bytes;
	if (!spec->data_path)
		return ask(j, &q);
	rv = devices_open(j, spec, &d);
	if (rv < 0)
		return rv;
	q.with |= KERNEL_WITH(DATA_PATH) | KERNEL_WITH(META_PATH) | KERNEL_WITH(COPY_SIZE);
	q.data_path = d.data;
	q.meta_path = d.meta;
	q.copy_size = copy_size;
	if (spec->discard_bytes)
		q.with |= KERNEL_WITH(DISCARD);
	q.discard = spec->discard_bytes;
	if (spec->below_path)
		q.with |= KERNEL_WITH(BELOW_PATH) | KERNEL_WITH(BELOW_OFF);
	q.below_path = spec->below_path;
	q.below_off = spec->below_off;
	rv = ask(j, &q);
	devices_close(&d);
	return rv;
}

/* a copy's volume whose files are still being made is added later */
static bool is_ready(const struct kernel_job *j, const struct plane_volume *spec)
{
	return spec->data_path || !plane_has_disk(&j->r);
}

/* ---- attach ---- */

/* The same checks as of the plane that does its I/O itself. A device that is looked at for growth
 * is held by the module, which has opened it exclusively. */
static int check_volume(struct kernel_job *j, const struct plane_volume *spec, bool flush,
			struct home *home, u64 *ret_size)
{
	struct disk d;
	int rv;

	disk_init(&d, NULL, NULL, NULL);
	d.shared = !flush && kernel_view_volume(&j->view, (u32)spec->number);
	rv = attach_open(&d, &j->r, spec, ret_size, &j->err);
	if (rv == 0 && flush) {
		rv = attach_flush(&d, &j->err);
		j->flush_lost |= rv < 0;
	}
	/* last: it counts that it was attached */
	if (rv == 0 && home)
		rv = meta_file_attach(d.meta_fd, j->r.mark_path, &home->file, &j->err);
	disk_close(&d);
	return rv;
}

static int check_copy(struct kernel_job *j, struct home *home)
{
	int rv = 0;

	for (int i = j->r.n_volumes - 1; rv == 0 && i >= 0; i--) {
		const struct plane_volume *spec = &j->r.volume[i];

		if (spec->data_path)
			rv = check_volume(j, spec, true,
					  spec->number == (int)REPL_META_HOME ? home : NULL,
					  &home->size[spec->number]);
	}
	if (rv < 0)
		return rv;
	meta_put_state(home->state, &home->file.disk.state);
	meta_put_hot(home->hot, home->file.disk.hot_generation, home->file.disk.hot,
		     home->file.disk.n_hot);
	return 0;
}

static int add_resource(struct kernel_job *j, const struct home *home)
{
	struct kernel_request q = request_of(j, RVOL_CMD_RESOURCE_ADD);

	q.with = KERNEL_WITH(NAME) | KERNEL_WITH(SELF) | KERNEL_WITH(COPIES) | KERNEL_WITH(NODE) |
		 KERNEL_WITH(BOOT) | KERNEL_WITH(TAG_COUNTER) | KERNEL_WITH(SEED) |
		 KERNEL_WITH(READ_POLICY);
	q.name = j->r.name;
	q.self = (u8)j->r.self;
	q.copies = plane_copies(&j->r);
	q.node = j->node;
	q.boot = j->boot;
	/* boot is the process's: another life of the resource in it has other tags */
	rand_bytes(&q.tag_counter, sizeof(q.tag_counter));
	rand_bytes(&q.seed, sizeof(q.seed));
	q.read_policy = (u8)j->r.read_policy;
	if (plane_has_disk(&j->r)) {
		q.with |= KERNEL_WITH(STATE_PAGE) | KERNEL_WITH(STATE_COPY) |
			  KERNEL_WITH(HOT_PAGE) | KERNEL_WITH(HOT_COPY);
		q.state_page = home->state;
		q.state_copy = (u8)home->file.disk.state_copy;
		q.hot_page = home->hot;
		q.hot_copy = (u8)home->file.disk.hot_copy;
	}
	return ask(j, &q);
}

/* what was begun is of no use: the sentence of what failed stays */
static void undo(struct kernel_job *j)
{
	struct kernel_request q = request_of(j, RVOL_CMD_RESOURCE_DEL);

	q.with = KERNEL_WITH(FORCE);
	j->port->request(j->port, &q, NULL);
}

static int attach(struct kernel_job *j)
{
	struct home *home = calloc(1, sizeof(*home));
	int rv = 0;

	if (!home)
		return err_set(&j->err, -ENOMEM, "no memory");
	if (plane_has_disk(&j->r))
		rv = check_copy(j, home);
	if (rv == 0)
		rv = add_resource(j, home);
	if (rv == 0) {
		for (int i = 0; rv == 0 && i < j->r.n_volumes; i++) {
			const struct plane_volume *spec = &j->r.volume[i];

			if (is_ready(j, spec))
				rv = add_volume(j, spec, home->size[spec->number]);
		}
		if (rv < 0)
			undo(j);
	}
	free(home);
	return rv;
}

/* ---- check ---- */

/* The module may have had another replica's files of the same names, which were removed since. A
 * block device that it has open cannot have been replaced. */
static int check_file(struct kernel_job *j, const char *path)
{
	char dev[LOOPDEV_PATH_MAX];
	struct stat st;
	int rv;

	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		return 0;
	rv = j->port->device_find(path, dev, &j->err);

	if (rv == -ENOENT && access(path, F_OK) == 0)
		j->check = KERNEL_FOREIGN;
	return rv;
}

static int check_label(struct kernel_job *j, const struct plane_volume *spec)
{
	int fd = open(spec->meta_path, O_RDONLY | O_CLOEXEC);
	struct meta_label label;
	int rv;

	if (fd < 0)
		return err_set(&j->err, -errno, "cannot open %s: %s", spec->meta_path,
			       err_name(-errno));
	rv = meta_file_label(fd, &label, &j->err);
	close(fd);
	if (rv == 0) {
		rv = attach_check_label(&j->r, spec, &label, &j->err);
		j->check = rv < 0 ? KERNEL_FOREIGN : j->check;
	}
	return rv;
}

static int check(struct kernel_job *j)
{
	int rv = 0;

	j->check = KERNEL_UNCHECKED;
	for (int i = 0; rv == 0 && i < j->r.n_volumes; i++) {
		const struct plane_volume *spec = &j->r.volume[i];

		if (!spec->data_path || !kernel_view_volume(&j->view, (u32)spec->number))
			continue;
		rv = check_file(j, spec->data_path);
		if (rv == 0)
			rv = check_file(j, spec->meta_path);
		if (rv == 0)
			rv = check_label(j, spec);
	}
	if (rv == 0)
		j->check = KERNEL_OURS;
	return rv;
}

/* ---- volumes ---- */

static int grow_volume(struct kernel_job *j, const struct plane_volume *spec, u64 size)
{
	struct kernel_request q = request_of(j, RVOL_CMD_VOLUME_GROW);
	int rv;

	rv = j->port->device_refresh(spec->data_path, &j->err);
	if (rv == 0)
		rv = j->port->device_refresh(spec->meta_path, &j->err);
	if (rv < 0)
		return rv;
	q.with = KERNEL_WITH(NUMBER) | KERNEL_WITH(COPY_SIZE);
	q.number = (u8)spec->number;
	q.copy_size = size;
	return ask(j, &q);
}

static int see_volume(struct kernel_job *j, const struct plane_volume *spec)
{
	const struct rvol_volume *have = kernel_view_volume(&j->view, (u32)spec->number);
	u64 size = 0;
	int rv = 0;

	if (spec->data_path)
		rv = check_volume(j, spec, false, NULL, &size);
	if (rv < 0)
		return rv;
	if (!have)
		return add_volume(j, spec, size);
	return size > have->copy_size ? grow_volume(j, spec, size) : 0;
}

/* one that cannot be used does not keep the others back */
static int volumes(struct kernel_job *j)
{
	struct err first = { 0 };

	for (int i = 0; i < j->r.n_volumes; i++) {
		const struct plane_volume *spec = &j->r.volume[i];

		if (is_ready(j, spec) && see_volume(j, spec) < 0 && !first.code)
			first = j->err;
	}
	j->err = first;
	return first.code;
}

/* ---- delete ---- */

static int delete (struct kernel_job *j)
{
	struct kernel_request q = request_of(j, RVOL_CMD_RESOURCE_DEL);
	int rv;

	if (j->force)
		q.with = KERNEL_WITH(FORCE);
	rv = ask(j, &q);
	return rv == -ENOENT ? 0 : rv;
}

/* ---- jobs ---- */

int kernel_job_run(void *job)
{
	struct kernel_job *j = job;

	switch (j->kind) {
	case KERNEL_JOB_ATTACH:
		j->status = attach(j);
		break;
	case KERNEL_JOB_CHECK:
		j->status = check(j);
		break;
	case KERNEL_JOB_VOLUMES:
		j->status = volumes(j);
		break;
	case KERNEL_JOB_DELETE:
		j->status = delete (j);
		break;
	}
	return j->status;
}

struct kernel_job *kernel_job_new(enum kernel_job_kind kind, struct kernel_port *port,
				  const struct plane_resource *r)
{
	struct kernel_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->kind = kind;
	j->port = port;
	plane_resource_copy(&j->r, r);
	return j;
}

void kernel_job_free(struct kernel_job *j)
{
	if (!j)
		return;
	plane_resource_release(&j->r);
	free(j);
}
