// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * joint.c - the record of one resource, asked for by the data planes of
 * test/joint: each question is a client of its own, which asks the cluster as
 * src/records.c does until it is answered.
 */
#include <stdlib.h>
#include <string.h>

#include "raftsim/world.h"

struct ctl_joint ctl_joint;

void joint_found(struct txn *t)
{
	struct record first = { .epoch = 1, .writer = WRITER_NONE, .in_sync = ctl.o.joint_in_sync };
	char key[STORE_KEY_MAX];

	for (u32 k = 0; k < ctl.o.joint_copies; k++) {
		struct replica r = { .slot = (int)k, .made = 1 };

		snprintf(r.resource, sizeof(r.resource), JOINT_RESOURCE);
		snprintf(r.node, sizeof(r.node), "n%u", k + 1);
		snprintf(r.uuid, sizeof(r.uuid), "44444444-4444-4444-8444-%012u", k);
		snprintf(r.pool, sizeof(r.pool), "ssd");
		replica_key(JOINT_RESOURCE, r.node, key, sizeof(key));
		txn_put(t, key, replica_doc(&r));
	}
	record_key(JOINT_RESOURCE, key, sizeof(key));
	txn_put(t, key, record_doc(&first, JOINT_UUID));
}

static bool record_at(struct server *s, struct record *ret)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	record_key(JOINT_RESOURCE, key, sizeof(key));
	rv = store_get(s->store, key, &doc, NULL);
	if (rv == 0)
		rv = record_parse(doc, ret, NULL);
	json_object_put(doc);
	return rv == 0;
}

void joint_ask(u64 ticket, const struct record *next)
{
	struct ctl_event e = { .kind = EV_CLIENT };
	struct client *c = NULL;

	for (u32 k = CLIENTS_MAX; k < CLIENTS_MAX + ASKS_MAX && !c; k++)
		if (!ctl.client[k].busy)
			c = &ctl.client[k];
	if (!c) {
		ctl_fail("more than %d questions at a time", ASKS_MAX);
		return;
	}
	c->id = (u32)(c - ctl.client);
	c->number++;
	c->tries = 0;
	c->busy = true;
	c->asked = false;
	c->verb = VERB_ASK;
	c->ticket = ticket;
	c->reads = !next;
	if (next)
		c->next = *next;
	snprintf(c->name, sizeof(c->name), JOINT_RESOURCE);
	snprintf(c->request, sizeof(c->request), "c%u-%u", c->id, c->number);
	e.arg = c->id;
	e.life = ++c->turn;
	ctl_schedule(1, &e);
}

int joint_decide(struct client *c, struct change_env *env, struct txn *t, struct err *err)
{
	struct record present;

	if (c->reads)
		return 0; /* nothing to change: a barrier, then the answer */
	return change_record(env, t, JOINT_RESOURCE, JOINT_UUID, &c->next, &present, err);
}

/* done: the change is in. Else s has passed a barrier: what its store says is so. */
void joint_answer(struct client *c, struct server *s, bool done)
{
	struct record present = c->next;

	if (!done && !record_at(s, &present)) {
		ctl_fail("s%u has no record", s->slot);
		return;
	}
	c->busy = false;
	c->asked = false;
	ctl_joint.answered(c->ticket, done, &present);
}

void joint_written(const char *key, json *doc)
{
	struct record r;

	if (ctl_joint.decided && strcmp(key, "record/" JOINT_RESOURCE) == 0 &&
	    record_parse(doc, &r, NULL) == 0)
		ctl_joint.decided(&r);
}
