/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compat.h - what differs between the kernels we build for (6.1, 6.12), and
 * nothing else: the only place that asks for a version.
 */
#ifndef RVOL_COMPAT_H
#define RVOL_COMPAT_H

#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/version.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include <net/tls.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#include <net/tls_prot.h>
#endif

/* ---- a lower device, opened exclusively ---- */

struct lower_dev {
	struct block_device *bdev; /* NULL: not open */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	struct file *file;
#else
	fmode_t mode;
#endif
};

/* exclusively for holder; NULL: beside whoever has it */
static inline int compat_bdev_open(struct lower_dev *d, const char *path, void *holder)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	struct file *file =
		bdev_file_open_by_path(path, BLK_OPEN_READ | BLK_OPEN_WRITE, holder, NULL);

	if (IS_ERR(file))
		return PTR_ERR(file);
	d->file = file;
	d->bdev = file_bdev(file);
#else
	fmode_t mode = FMODE_READ | FMODE_WRITE | (holder ? FMODE_EXCL : 0);
	struct block_device *bdev = blkdev_get_by_path(path, mode, holder);

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	d->bdev = bdev;
	d->mode = mode;
#endif
	return 0;
}

static inline void compat_bdev_close(struct lower_dev *d)
{
	if (!d->bdev)
		return;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	bdev_fput(d->file);
#else
	blkdev_put(d->bdev, d->mode);
#endif
	d->bdev = NULL;
}

/* ---- a disk of ours ---- */

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define COMPAT_OPEN_ARGS struct gendisk *disk, blk_mode_t mode
#define COMPAT_OPEN_DISK disk
#define COMPAT_RELEASE_ARGS struct gendisk *disk
#define COMPAT_RELEASE_DISK disk
#define COMPAT_FOR_WRITING(mode) ((mode)&BLK_OPEN_WRITE)
#else
#define COMPAT_OPEN_ARGS struct block_device *bdev, fmode_t mode
#define COMPAT_OPEN_DISK bdev->bd_disk
#define COMPAT_RELEASE_ARGS struct gendisk *disk, fmode_t mode
#define COMPAT_RELEASE_DISK disk
#define COMPAT_FOR_WRITING(mode) ((mode)&FMODE_WRITE)
#endif

struct compat_limits {
	u32 logical, physical; /* bytes */
	u32 chunk_sectors, max_sectors;
	u32 max_discard_sectors;
};

/* NULL: no memory */
static inline struct gendisk *compat_alloc_disk(const struct compat_limits *l)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	struct queue_limits lim = {
		.logical_block_size = l->logical,
		.physical_block_size = l->physical,
		.io_min = l->physical,
		.chunk_sectors = l->chunk_sectors,
		.max_hw_sectors = l->max_sectors,
		.max_segments = BIO_MAX_VECS,
		.max_segment_size = UINT_MAX,
		.seg_boundary_mask = ULONG_MAX,
		.max_hw_discard_sectors = l->max_discard_sectors,
		.discard_granularity = l->physical,
		.max_write_zeroes_sectors = l->max_discard_sectors,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
		.features = BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA | BLK_FEAT_STABLE_WRITES,
#endif
	};
	struct gendisk *disk = blk_alloc_disk(&lim, NUMA_NO_NODE);

	if (IS_ERR(disk))
		return NULL;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
	blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, disk->queue);
	blk_queue_write_cache(disk->queue, true, true);
#endif
	return disk;
#else
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);
	struct request_queue *q;

	if (!disk)
		return NULL;
	q = disk->queue;
	blk_queue_logical_block_size(q, l->logical);
	blk_queue_physical_block_size(q, l->physical);
	blk_queue_io_min(q, l->physical);
	blk_queue_chunk_sectors(q, l->chunk_sectors);
	blk_queue_max_hw_sectors(q, l->max_sectors);
	blk_queue_max_segments(q, BIO_MAX_VECS);
	blk_queue_max_segment_size(q, UINT_MAX);
	blk_queue_max_discard_sectors(q, l->max_discard_sectors);
	q->limits.discard_granularity = l->physical;
	blk_queue_max_write_zeroes_sectors(q, l->max_discard_sectors);
	blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, q);
	blk_queue_write_cache(q, true, true);
	return disk;
#endif
}

/* ---- sockets ---- */

static inline void compat_sock_no_task_frag(struct sock *sk)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	sk->sk_use_task_frag = false;
#endif
}

/* Sends n whole or part pages without a copy: the socket takes a reference of each. As sendmsg:
 * bytes, fewer when there is no room, or an error when there are none. flags: MSG_DONTWAIT... */
static inline int compat_send_pages(struct socket *sock, struct bio_vec *vec, u32 n, u32 bytes,
				    int flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	struct msghdr msg = { .msg_flags = flags | MSG_SPLICE_PAGES };

	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, vec, n, bytes);
	return READ_ONCE(sock->ops)->sendmsg(sock, &msg, bytes);
#else
	u32 sent = 0;
	int rv = 0;

	lock_sock(sock->sk); /* once for all: what comes meanwhile waits, nothing goes in between */
	for (u32 i = 0; i < n; i++) {
		int more = i + 1 < n ? MSG_MORE | MSG_SENDPAGE_NOTLAST : 0;

		rv = kernel_sendpage_locked(sock->sk, vec[i].bv_page, (int)vec[i].bv_offset,
					    vec[i].bv_len, flags | more);
		if (rv > 0)
			sent += (u32)rv;
		if (rv < (int)vec[i].bv_len)
			break;
	}
	release_sock(sock->sk);
	if (sent == 0)
		return rv;
	return (int)sent;
#endif
}

#endif
