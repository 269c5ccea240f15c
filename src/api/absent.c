// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * absent.c - answers about what this product does not have: remotes, backups,
 * error reports, files, LINSTOR's schedules. Clients ask for them in passing and
 * give up the whole operation on an error, so that each is an empty list. Called
 * through routes.c.
 */
#include "api/handlers.h"
#include "api/view.h"

void absent_list(struct api_call *c)
{
	call_reply_json(c, 200, view_list());
}

/* Of what there is none, all is deleted. */
void absent_delete(struct api_call *c)
{
	json *list = rc_list();

	rc_add(list, rc_code(RC_SUCCESS, RC_DEL, RC_CTRL, RC_DELETED),
	       "There are no error reports; nothing to delete.");
	call_reply_rc(c, 200, list);
}

void absent_data(struct api_call *c)
{
	json *o = view_object();

	jset(o, "data", view_list());
	call_reply_json(c, 200, o);
}

void absent_remotes(struct api_call *c)
{
	json *o = view_object();

	jset(o, "s3_remotes", view_list());
	jset(o, "linstor_remotes", view_list());
	jset(o, "ebs_remotes", view_list());
	call_reply_json(c, 200, o);
}
