// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * survey.c - tells those who do something by themselves on the leader (copies that are to go,
 * schedules, comparisons, upkeep) which resources they have to look at: those of which a document
 * has changed, and all of them when the leader is new or something has changed that concerns all.
 * Nothing is read while nothing changes. Called by api.c, and by the store.
 *
 * To add one who looks: a function of a resource's name in look_at. It must forget what it knew of
 * a resource that is not there any more, and everything in the function that survey_begin calls.
 */
#include <string.h>

#include "api/handlers.h"
#include "api/view.h"
#include "base/log.h"

#define RESOURCE_PREFIX "resource/"
#define SURVEY_SLICE_MS 10 /* then others have their turn, for as long at least */

enum concerns { LOOKED = 1, UPKEPT = 2, EVERYBODY = 4 };

static const struct {
	const char *prefix;
	unsigned whom; /* enum concerns */
} watched[SURVEY_WATCHES] = {
	{ RESOURCE_PREFIX, LOOKED | UPKEPT },
	{ "replica/", LOOKED | UPKEPT },
	{ "record/", UPKEPT },
	{ "scrub/", LOOKED },
	{ "group/", LOOKED | UPKEPT | EVERYBODY },
	{ "controller/", LOOKED | UPKEPT | EVERYBODY },
	{ "node/", UPKEPT | EVERYBODY },
	{ "pool/", UPKEPT | EVERYBODY },
};

static unsigned whom(const char *key)
{
	for (int i = 0; i < SURVEY_WATCHES; i++) {
		if (strncmp(key, watched[i].prefix, strlen(watched[i].prefix)) == 0)
			return watched[i].whom;
	}
	return LOOKED | UPKEPT | EVERYBODY; /* "": the store was replaced */
}

/* key: "<table>/<resource>" or "<table>/<resource>/...", or what concerns everybody */
static void on_store(const char *key, uint64_t revision, void *arg)
{
	char name[NAME_MAX_LEN + 1];
	struct api *a = arg;
	unsigned who = whom(key);
	const char *start;
	size_t len;

	if (!a->members)
		return;
	if (who & EVERYBODY) {
		a->survey.all |= (who & LOOKED) != 0;
		a->upkeep.all = true;
		return;
	}
	start = strchr(key, '/') + 1;
	len = strcspn(start, "/");
	if (len >= sizeof(name))
		return;
	memcpy(name, start, len);
	name[len] = '\0';
	if (who & LOOKED)
		backlog_add(&a->survey.names, name);
	if (who & UPKEPT)
		backlog_add(&a->upkeep.names, name);
}

void survey_watch(struct api *a)
{
	for (int i = 0; i < SURVEY_WATCHES; i++) {
		a->survey.watch[i] = store_watch(a->config.store, watched[i].prefix, on_store, a);
		if (!a->survey.watch[i])
			abort(); /* without it nothing would be done by itself */
	}
}

void survey_unwatch(struct api *a)
{
	for (int i = 0; i < SURVEY_WATCHES; i++)
		store_unwatch(a->config.store, a->survey.watch[i]);
}

void survey_begin(struct api *a)
{
	survey_end(a);
	a->survey.all = a->upkeep.all = true;
}

void survey_end(struct api *a)
{
	a->survey.all = false;
	backlog_clear(&a->survey.names);
	reap_forget(a);
	schedules_forget(a);
	scrub_forget(a);
	upkeep_forget_all(a);
}

static int add_name(const char *key, void *arg)
{
	view_push(arg, json_object_new_string(key + strlen(RESOURCE_PREFIX)));
	return 0;
}

bool survey_all(struct api *a, struct backlog *b)
{
	json *names = view_list();
	int rv = store_list_keys(a->config.store, RESOURCE_PREFIX, add_name, names);

	if (rv < 0) {
		log_error("api", "prefix=%s error=the store cannot be read", RESOURCE_PREFIX);
		json_object_put(names);
		return false;
	}
	backlog_add_all(b, names);
	return true;
}

static void look_at(struct api *a, const char *name)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;

	resource_key(name, key, sizeof(key));
	store_get(a->config.store, key, &doc, NULL);
	reap_look(a, name);
	schedules_look(a, name, doc);
	scrub_look(a, name, doc);
	json_object_put(doc);
}

bool survey_tick(struct api *a)
{
	struct survey *s = &a->survey;
	int64_t end = api_mono_ms() + SURVEY_SLICE_MS;
	const char *name;

	if (s->all && !backlog_has_rest(&s->names) && survey_all(a, &s->names))
		s->all = false;
	while (api_mono_ms() < end && (name = backlog_next(&s->names)) != NULL)
		look_at(a, name);
	return s->all || !backlog_is_empty(&s->names);
}
