/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link_priv.h - what the files of a link share: link.c (life, greeting, frames) and link_renew.c
 * (the change to another socket). Nobody else includes it.
 */
#ifndef SDSD_REPLICATION_LINK_PRIV_H
#define SDSD_REPLICATION_LINK_PRIV_H

#include "replication/link.h"

/* link.c */
extern const struct conn_ops link_conn_ops;
void link_put(struct link *l, const void *data, size_t len);
void link_uncork(struct link *l);
void link_end(struct link *l);
/* ends it with a reason that the owner hears: what is queued is lost */
void link_fail(struct link *l, const char *why);

/* link_renew.c */
void renewal_begin(struct link *l); /* the spare was greeted */
void renewal_on_message(struct link *l, const struct wire_link_msg *m);
/* SWITCH was read, and so many bytes came behind it */
void renewal_read_on(struct link *l, size_t behind);
void renewal_spare_down(struct link *spare, const char *why); /* it is ending */
/* l is ending: its spare does, too; flush: what was sent still goes out */
void renewal_drop(struct link *l, bool flush);
bool renewal_is_old(const struct link *spare); /* the old socket, all of it was read */

#endif
