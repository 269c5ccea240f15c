// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * access_wait.c - who shows a token or certificate that this node does not know: it may have been
 * made on another node, and the store here be a moment behind. Called by api.c.
 *
 * The leader is asked what it has applied; when this store has got there, it is asked again. One
 * question is under way at a time, for all who wait, and none is begun within ACCESS_ASK_EVERY_MS
 * of the last one: who tries tokens by chance makes no more work than that. A question counts for
 * those who came before it was sent.
 */
#include <stdlib.h>

#include "api/access.h"
#include "api/handlers.h"
#include "api/view.h"

struct stranger {
	struct api_call *call;
	const struct http_request *request;
	bool open;
	uint64_t question; /* the first one that counts for him */
	access_admitted admitted;
};

static void on_told(const struct leader_answer *answer, void *arg)
{
	struct api *a = arg;

	a->door.answered = a->door.asked;
	if (answer->revision > a->door.revision)
		a->door.revision = answer->revision;
}

static bool is_asking(const struct api *a)
{
	return a->door.answered < a->door.asked;
}

static void ask(struct api *a, int64_t now)
{
	if (is_asking(a) || (a->door.asked > 0 && now - a->door.asked_ms < ACCESS_ASK_EVERY_MS))
		return;
	a->door.asked++;
	a->door.asked_ms = now;
	leader_call(a->leader, "GET", "/v1/sds/applied", NULL, NULL, ACCESS_WAIT_MS, on_told, a);
}

static bool is_known(void *arg, int64_t waited_ms)
{
	struct stranger *s = arg;
	struct api *a = s->call->api;

	if (a->door.asked < s->question)
		ask(a, api_mono_ms());
	return a->door.answered >= s->question &&
	       store_applied(a->config.store) >= a->door.revision;
}

static void look_again(void *arg, bool in_time)
{
	struct stranger s = *(struct stranger *)arg;
	struct api *a = s.call->api;
	struct admission m;

	free(arg);
	a->door.waiting--;
	if (a->closing) {
		call_moved(s.call, CALL_MOVED);
		return;
	}
	access_admit(a, s.request, s.open, &m);
	s.admitted(s.call, &m);
}

bool access_wait(struct api_call *c, const struct http_request *r, bool open,
		 const struct admission *m, access_admitted admitted)
{
	struct api *a = c->api;
	struct stranger *s;

	if (!m->unknown || a->closing || consensus_is_leader(a->config.consensus) ||
	    a->door.waiting >= ACCESS_WAITING_MAX)
		return false;
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	a->door.waiting++;
	*s = (struct stranger){ c, r, open, a->door.asked + 1, admitted };
	ask(a, api_mono_ms());
	wait_start(a, ACCESS_WAIT_MS, is_known, look_again, s);
	return true;
}

/* GET /v1/sds/applied: X-Revision says it */
void access_applied(struct api_call *c)
{
	c->revision = store_applied(c->api->config.store);
	call_reply_json(c, 200, view_object());
}
