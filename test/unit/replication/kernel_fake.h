/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_fake.h - a kernel module for tests: a struct kernel_port that keeps
 * what it is told and shows the status that the test wants. For one program.
 */
#ifndef SDSD_TEST_UNIT_KERNEL_FAKE_H
#define SDSD_TEST_UNIT_KERNEL_FAKE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replication/kernel_nl.h"

#define FAKE_RESOURCES 8
#define FAKE_LOG 256

struct fake_resource {
	bool used;
	struct kernel_view view;
	u8 state[RVOL_META_PAGE], hot[RVOL_META_PAGE];
	u32 tag_counter;
	bool event;
};

static struct fake_kernel {
	struct kernel_port port; /* first */
	pthread_mutex_t lock;
	int fd, far;     /* the plane's socket, and the one whose datagrams wake it */
	bool absent;     /* the module is not loaded */
	bool overrun;    /* events were lost */
	bool no_devices; /* the files are no loop devices */
	int refuse;      /* errno of the next command of that kind */
	enum rvol_cmd refuse_cmd;
	struct fake_resource resource[FAKE_RESOURCES];
	struct kernel_request log[FAKE_LOG]; /* pointers in it are not valid */
	u32 n_log;
} fake;

static struct fake_resource *fake_find(const u8 uuid[16])
{
	for (u32 i = 0; i < FAKE_RESOURCES; i++)
		if (fake.resource[i].used && memcmp(fake.resource[i].view.uuid, uuid, 16) == 0)
			return &fake.resource[i];
	return NULL;
}

static struct fake_resource *fake_new(const u8 uuid[16], const char *name)
{
	struct fake_resource *r = fake.resource;

	while (r->used)
		r++;
	*r = (struct fake_resource){ .used = true };
	memcpy(r->view.uuid, uuid, 16);
	snprintf(r->view.status.name, sizeof(r->view.status.name), "%s", name);
	r->view.status.pull_slot = 0xff;
	return r;
}

static void fake_wake(void)
{
	cr_assert_eq(send(fake.far, "", 1, 0), 1);
}

static int fake_socket(const struct sockaddr_in *at, struct sockaddr_in *ret)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*ret);

	cr_assert_eq(bind(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return fd;
}

static void fake_connect(int fd, const struct sockaddr_in *to)
{
	cr_assert_eq(connect(fd, (const struct sockaddr *)to, sizeof(*to)), 0);
}

static void fake_sockets(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in near, far;

	fake.fd = fake_socket(&any, &near);
	fake.far = fake_socket(&any, &far);
	fake_connect(fake.fd, &far);
	fake_connect(fake.far, &near);
}

/* Events were lost: as with netlink the socket has an error, until it is read. With the lock. */
static inline void fake_overrun(void)
{
	struct sockaddr_in near, far;
	socklen_t len = sizeof(near);

	fake.overrun = true;
	cr_assert_eq(getsockname(fake.fd, (struct sockaddr *)&near, &len), 0);
	cr_assert_eq(getsockname(fake.far, (struct sockaddr *)&far, &len), 0);
	close(fake.far);
	cr_assert_eq(send(fake.fd, "", 1, 0), 1); /* nobody is there to take it */
	fake.far = fake_socket(&far, &far);
	fake_connect(fake.far, &near);
}

/* the status of r has changed; with the lock */
static void fake_event(struct fake_resource *r)
{
	r->event = true;
	r->view.status.event++;
	fake_wake();
}

static int fake_add(const struct kernel_request *q)
{
	struct fake_resource *r;

	if (fake_find(q->uuid))
		return -EEXIST;
	r = fake_new(q->uuid, q->name);
	r->view.status.self = q->self;
	r->view.status.copies = q->copies;
	r->view.status.mode = RVOL_NO_COPY;
	r->tag_counter = q->tag_counter;
	if (!(q->with & KERNEL_WITH(STATE_PAGE)))
		return 0;
	r->view.status.flags = RVOL_STATUS_HAS_COPY;
	r->view.status.mode = RVOL_OUT;
	memcpy(r->state, q->state_page, sizeof(r->state));
	memcpy(r->hot, q->hot_page, sizeof(r->hot));
	return 0;
}

static int fake_volume(struct fake_resource *r, const struct kernel_request *q)
{
	struct rvol_volume *v = &r->view.volume[r->view.n_volumes++];

	*v = (struct rvol_volume){ .number = q->number, .minor = q->minor, .size = q->size };
	if (q->with & KERNEL_WITH(COPY_SIZE))
		v->copy_size = q->copy_size;
	return 0;
}

static struct rvol_link_info *fake_link_info(struct fake_resource *r, u32 number)
{
	for (u32 i = 0; i < r->view.n_links; i++)
		if (r->view.link[i].number == number)
			return &r->view.link[i];
	return NULL;
}

static void fake_list(struct fake_resource *r, u32 number, u8 slot, u8 purpose)
{
	r->view.link[r->view.n_links++] =
		(struct rvol_link_info){ .number = number, .slot = slot, .purpose = purpose };
}

static void fake_unlist(struct fake_resource *r, u32 number)
{
	struct rvol_link_info *i = fake_link_info(r, number);

	if (i)
		*i = r->view.link[--r->view.n_links];
}

static int fake_renew(struct fake_resource *r, const struct kernel_request *q)
{
	struct rvol_link_info *i = fake_link_info(r, q->link);

	if (!i || i->renewing)
		return i ? -EBUSY : -ENOENT;
	i->renewing = q->renew;
	return 0;
}

static int fake_link(struct fake_resource *r, const struct kernel_request *q, bool up)
{
	u32 bit = q->link < RVOL_LINK_PULL ? 1u << (q->link - 1) : 0;

	if (q->with & KERNEL_WITH(RENEW))
		return fake_renew(r, q);
	fake_unlist(r, q->link);
	if (up)
		fake_list(r, q->link, q->slot, q->purpose);

	if (q->link == RVOL_LINK_PULL)
		r->view.status.pull_up = up;
	else if (q->link >= RVOL_LINK_FIRST && up)
		r->view.status.accepted[q->slot] = 1;
	else if (up)
		r->view.status.links_up |= bit;
	else if (q->link < RVOL_LINK_PULL)
		r->view.status.links_up &= ~bit;
	return 0;
}

static int fake_token(__u64 *asked, const struct kernel_request *q)
{
	if (*asked != q->token)
		return -ENOENT;
	*asked = 0;
	return 0;
}

#define FAKE_FREEZE (RVOL_STATUS_FREEZING | RVOL_STATUS_FROZEN)

static int fake_freeze(struct rvol_status *s, const struct kernel_request *q)
{
	if (!(s->flags & RVOL_STATUS_SERVING))
		return -EREMOTE;
	if (s->flags & FAKE_FREEZE)
		return -EBUSY;
	s->freeze_token = q->token;
	s->flags = (s->flags & ~RVOL_STATUS_LAPSED) | RVOL_STATUS_FREEZING;
	return 0;
}

static int fake_thaw(struct rvol_status *s, const struct kernel_request *q)
{
	if (q->token != s->freeze_token)
		return -ENOENT;
	if (!(s->flags & FAKE_FREEZE))
		return s->flags & RVOL_STATUS_LAPSED ? -ETIMEDOUT : -EALREADY;
	s->flags &= ~FAKE_FREEZE;
	return 0;
}

static int fake_command(struct fake_resource *r, const struct kernel_request *q)
{
	struct rvol_status *s = &r->view.status;

	switch (q->cmd) {
	case RVOL_CMD_RESOURCE_DEL:
		for (u32 i = 0; i < r->view.n_volumes; i++)
			if (r->view.volume[i].opens && !(q->with & KERNEL_WITH(FORCE)))
				return -EBUSY;
		r->used = false;
		return 0;
	case RVOL_CMD_VOLUME_ADD:
		return fake_volume(r, q);
	case RVOL_CMD_BOOT:
		s->flags |= RVOL_STATUS_BOOTED;
		return 0;
	case RVOL_CMD_VOLUME_GROW:
		r->view.volume[q->number].copy_size = q->copy_size;
		return 0;
	case RVOL_CMD_RECORD:
		return fake_token(&s->read_token, q);
	case RVOL_CMD_CAS_DONE:
		return fake_token(&s->cas_token, q);
	case RVOL_CMD_LINK_ADD:
	case RVOL_CMD_LINK_DEL:
		return fake_link(r, q, q->cmd == RVOL_CMD_LINK_ADD);
	case RVOL_CMD_FREEZE:
		return fake_freeze(s, q);
	case RVOL_CMD_THAW:
		return fake_thaw(s, q);
	case RVOL_CMD_HEAL:
		s->flags = q->on ? s->flags | RVOL_STATUS_HEALING | RVOL_STATUS_SERVING
				 : s->flags & ~(RVOL_STATUS_HEALING | RVOL_STATUS_SERVING);
		s->role = q->on ? RVOL_WRITER : RVOL_IDLE;
		return 0;
	default:
		return 0;
	}
}

static int fake_locked(const struct kernel_request *q)
{
	struct fake_resource *r;
	int rv;

	if (fake.absent)
		return -ENODEV;
	cr_assert_lt(fake.n_log, FAKE_LOG);
	fake.log[fake.n_log++] = *q;
	if (fake.refuse && q->cmd == fake.refuse_cmd) {
		rv = fake.refuse;
		fake.refuse = 0;
		return rv;
	}
	if (q->cmd == RVOL_CMD_RESOURCE_ADD)
		return fake_add(q);
	r = fake_find(q->uuid);
	if (!r)
		return -ENOENT;
	rv = fake_command(r, q);
	if (r->used)
		fake_event(r);
	return rv;
}

static int fake_answer(int rv, struct err *err)
{
	pthread_mutex_unlock(&fake.lock);
	return rv < 0 ? err_set(err, rv, "fake module: %s", err_name(rv)) : 0;
}

static int fake_request(struct kernel_port *port, const struct kernel_request *q, struct err *err)
{
	pthread_mutex_lock(&fake.lock);
	return fake_answer(fake_locked(q), err);
}

static int fake_status(struct kernel_port *port, const u8 uuid[16], struct kernel_view *ret,
		       struct err *err)
{
	struct fake_resource *r;

	pthread_mutex_lock(&fake.lock);
	if (fake.absent)
		return fake_answer(-ENODEV, err);
	r = fake_find(uuid);
	if (!r)
		return fake_answer(-ENOENT, err);
	*ret = r->view;
	return fake_answer(0, err);
}

static int fake_dump(struct kernel_port *port,
		     void (*each)(const struct kernel_view *view, void *arg), void *arg,
		     struct err *err)
{
	struct kernel_view views[FAKE_RESOURCES];
	u32 n = 0;

	pthread_mutex_lock(&fake.lock);
	for (u32 i = 0; i < FAKE_RESOURCES; i++)
		if (fake.resource[i].used)
			views[n++] = fake.resource[i].view;
	pthread_mutex_unlock(&fake.lock);
	for (u32 i = 0; i < n; i++)
		each(&views[i], arg);
	return 0;
}

static int fake_events(struct kernel_port *port, void (*each)(const u8 uuid[16], void *arg),
		       void *arg)
{
	u8 uuid[FAKE_RESOURCES][16];
	char ignored;
	u32 n = 0;
	bool overrun;

	pthread_mutex_lock(&fake.lock);
	while (recv(fake.fd, &ignored, 1, 0) > 0)
		;
	overrun = fake.overrun;
	fake.overrun = false;
	for (u32 i = 0; i < FAKE_RESOURCES; i++) {
		if (!fake.resource[i].event)
			continue;
		fake.resource[i].event = false;
		memcpy(uuid[n++], fake.resource[i].view.uuid, 16);
	}
	pthread_mutex_unlock(&fake.lock);
	if (overrun)
		return -ENOBUFS;
	for (u32 i = 0; i < n; i++)
		each(uuid[i], arg);
	return 0;
}

static int fake_open(struct kernel_port *port, int *ret_fd, struct err *err)
{
	*ret_fd = fake.fd;
	pthread_mutex_lock(&fake.lock);
	return fake_answer(fake.absent ? -ENODEV : 0, err);
}

static int fake_device_find(const char *path, char ret_dev[LOOPDEV_PATH_MAX], struct err *err)
{
	snprintf(ret_dev, LOOPDEV_PATH_MAX, "/dev/loop77");
	return fake.no_devices ? err_set(err, -ENOENT, "no loop device has %s", path) : 0;
}

static int fake_device_attach(const char *path, char ret_dev[LOOPDEV_PATH_MAX], int *ret_fd,
			      struct err *err)
{
	*ret_fd = -1;
	snprintf(ret_dev, LOOPDEV_PATH_MAX, "/dev/loop77");
	return 0;
}

static int fake_device_refresh(const char *path, struct err *err)
{
	return 0;
}

static void fake_free(struct kernel_port *port)
{
}

static struct kernel_port *fake_port(void)
{
	return &fake.port;
}

static void fake_begin(void)
{
	memset(&fake, 0, sizeof(fake));
	pthread_mutex_init(&fake.lock, NULL);
	fake_sockets();
	fake.port = (struct kernel_port){
		.open = fake_open,
		.events = fake_events,
		.request = fake_request,
		.status = fake_status,
		.dump = fake_dump,
		.device_find = fake_device_find,
		.device_attach = fake_device_attach,
		.device_refresh = fake_device_refresh,
		.free = fake_free,
	};
}

static void fake_end(void)
{
	close(fake.fd);
	close(fake.far);
	pthread_mutex_destroy(&fake.lock);
}

/* how often it was told that, and the last time */
static u32 fake_count(enum rvol_cmd cmd, struct kernel_request *ret)
{
	u32 n = 0;

	pthread_mutex_lock(&fake.lock);
	for (u32 i = 0; i < fake.n_log; i++) {
		if (fake.log[i].cmd != cmd)
			continue;
		n++;
		if (ret)
			*ret = fake.log[i];
	}
	pthread_mutex_unlock(&fake.lock);
	return n;
}

#endif
