// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * quarantine.c - copies whose disk fails time and again: what their nodes say,
 * and what users do about them. Called through routes.c.
 */
#include <string.h>

#include "api/handlers.h"
#include "base/log.h"

static json *note(json *entry, const char *resource, const char *node)
{
	rc_ref(entry, "RscDfn", resource);
	rc_ref(entry, "Node", node);
	return entry;
}

static int failed(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	json *doc = m->call->doc;
	const char *resource = jget_str(doc, "resource", ""), *node = m->call->node;
	bool taken;
	int rv = change_replica_failed(env, t, resource, node, jget_str(doc, "uuid", ""),
				       jget_str(doc, "complaint", ""), &taken, err);

	if (rv < 0)
		return rv;
	if (taken)
		mutation_done(m, RC_MODIFIED, "Quarantined.");
	else
		mutation_done(m, RC_MODIFIED, "No other copy is in sync: it is needed.");
	mutation_what(m, "Copy of '%.48s' on '%.48s' in quarantine: %.120s", resource, node,
		      jget_str(doc, "complaint", ""));
	return 0;
}

static void told(struct mutation *m)
{
	json *doc = m->call->doc;

	log_warn("api", "resource=%.60s node=%s %.160s: %s", jget_str(doc, "resource", ""),
		 m->call->node, jget_str(doc, "complaint", ""), rc_message(m->answer));
	mutation_reply(m);
}

void quarantine_failed(struct api_call *c)
{
	if (call_from_itself(c))
		mutate(c, 200, failed, told);
}

static int repair(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0], *node = m->call->match.arg[1];
	bool was;
	int rv = change_replica_repair(env, t, name, node, &was, err);

	if (rv < 0)
		return rv;
	note(mutation_done(m, RC_MODIFIED,
			   was ? "The copy of '%s' on node '%s' is attached again and catches up."
			       : "The copy of '%s' on node '%s' is not in quarantine.",
			   name, node),
	     name, node);
	return 0;
}

void quarantine_repair(struct api_call *c)
{
	mutate(c, 200, repair, NULL);
}

static int replace(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0], *node = m->call->match.arg[1];
	int rv = change_replica_replace(env, t, name, node, err);

	if (rv < 0)
		return rv;
	note(mutation_done(m, RC_MODIFIED,
			   "The copy of '%s' on node '%s' is made anew and catches up.", name,
			   node),
	     name, node);
	return 0;
}

void quarantine_replace(struct api_call *c)
{
	mutate(c, 200, replace, NULL);
}
