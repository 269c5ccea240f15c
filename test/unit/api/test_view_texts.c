// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_view_texts.c - what lists of resources show, kept (api/view_texts.c): as much as may be, for
 * as long as somebody asks, and never what is not so any more.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "api/state.h"
#include "api/view_texts.h"
#include "support/modelworld.h"

TestSuite(view_texts);

#define RESOURCES 12

static struct world w;
static struct api api;
static struct texts *texts;

static void start(size_t max_bytes)
{
	struct change_place place = { .copies = 2 };
	const int64_t size = GIB;
	char name[16];

	world_cluster(&w, 3);
	for (int i = 0; i < RESOURCES; i++) {
		snprintf(name, sizeof(name), "r%02d", i);
		cr_assert_eq(WORLD(&w, change_spawn, NULL, name, &size, 1, false, NULL, &place), 0,
			     "%s", w.err.text);
	}
	api = (struct api){ .config = { .store = w.store, .node = "n1" },
			    .observed = w.observed,
			    .led_since_ms = 1 };
	texts = texts_new(&api, max_bytes);
}

static void stop(void)
{
	texts_free(texts);
	world_close(&w);
}

static void ask_for_all(void)
{
	const struct view_texts *v;
	char name[16];

	for (int i = 0; i < RESOURCES; i++) {
		snprintf(name, sizeof(name), "r%02d", i);
		v = texts_of(texts, name);
		cr_assert(v && v->n == 2, "%s is shown, kept or not", name);
		cr_assert(strstr(v->text[0].json, name), "%s: %s", name, v->text[0].json);
		cr_assert_eq(strlen(v->text[0].json), v->text[0].len);
	}
}

Test(view_texts, as_many_as_may_be)
{
	size_t all, some;

	start(TEXTS_KEPT_MAX);
	ask_for_all();
	all = texts_bytes(texts);
	cr_expect_gt(all, RESOURCES * 200);
	ask_for_all();
	cr_expect_eq(texts_bytes(texts), all, "they were kept");
	texts_free(texts);
	texts = texts_new(&api, all / 2);
	ask_for_all();
	some = texts_bytes(texts);
	cr_expect(some <= all / 2 && some > all / 4, "%zu of %zu", some, all);
	ask_for_all();
	cr_expect_eq(texts_bytes(texts), some);
	stop();
}

Test(view_texts, for_as_long_as_somebody_asks)
{
	int64_t asked_ms;

	start(TEXTS_KEPT_MAX / 2);
	ask_for_all();
	asked_ms = api_mono_ms();
	texts_tick(texts, asked_ms + TEXTS_IDLE_MS - 1000);
	cr_expect_gt(texts_bytes(texts), 0);
	texts_tick(texts, asked_ms + TEXTS_IDLE_MS + 1);
	cr_expect_eq(texts_bytes(texts), 0);
	ask_for_all();
	stop();
}

Test(view_texts, until_it_changes)
{
	json *body = world_json("{\"override_props\":{\"Aux/owner\":\"me\"}}");
	size_t all;

	start(TEXTS_KEPT_MAX);
	ask_for_all();
	all = texts_bytes(texts);
	cr_assert_eq(WORLD(&w, change_resource_modify, "r03", body), 0, "%s", w.err.text);
	cr_expect_lt(texts_bytes(texts), all, "one was dropped");
	cr_expect_gt(texts_bytes(texts), all / 2, "and no other");
	cr_assert_eq(WORLD(&w, change_resource_delete, "r04"), 0, "%s", w.err.text);
	cr_expect_null(texts_of(texts, "r04"));
	json_object_put(body);
	stop();
}
