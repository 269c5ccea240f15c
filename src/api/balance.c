// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * balance.c - has the leader move copies from full pools to emptier ones, one at a time
 * (model/change_balance.c), while nothing else is to be done for copies. Called once a second by
 * api.c, and through routes.c.
 */
#include "model/balance.h"

#include <stdio.h>

#include "api/handlers.h"
#include "api/view.h"
#include "base/log.h"
#include "model/upkeep.h"

#define BALANCE_EVERY_MS 10000
#define BALANCE_CALL_MS 10000

static int decide(struct api *a, struct change_env *env, struct txn *t, char why[BALANCE_TEXT_MAX],
		  struct err *err)
{
	struct upkeep_sight sight = upkeep_sight(a);

	return change_balance(env, t, &sight, why, BALANCE_TEXT_MAX, err);
}

static void on_asked(const struct leader_answer *answer, void *arg)
{
	struct api *a = arg;

	a->balance.asked = false;
}

static void ask(struct api *a)
{
	json *body = view_object();

	a->balance.asked = true;
	leader_call(a->leader, "POST", "/v1/sds/balance", json_text(body), NULL, BALANCE_CALL_MS,
		    on_asked, a);
	json_object_put(body);
}

void balance_tick(struct api *a)
{
	struct balancer *b = &a->balance;
	int64_t now = api_mono_ms();
	struct change_env env = api_env(a);
	struct txn *t;

	if (b->asked || now < b->due_ms || upkeep_is_busy(a))
		return;
	b->due_ms = now + BALANCE_EVERY_MS;
	t = txn_new("", "balance");
	if (decide(a, &env, t, b->note, NULL) == 0 && !txn_is_empty(t))
		ask(a);
	txn_free(t);
}

void balance_stop(struct api *a)
{
	a->balance.note[0] = '\0';
	a->balance.due_ms = 0;
}

static int step(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	char why[BALANCE_TEXT_MAX];
	int rv = decide(m->call->api, env, t, why, err);

	if (rv < 0)
		return rv;
	if (!txn_is_empty(t) && why[0])
		log_info("api", "balance: %s", why);
	mutation_done(m, RC_MODIFIED, "%s", why[0] ? why : "Nothing to do.");
	return 0;
}

void balance_step(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 200, step, NULL);
}
