// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * status_page.c - lays out sdsd status. Called by status.c. The layouts are tried in order, the one
 * that tells most first, until one fits the screen.
 */
#include "cli/status_page.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/show.h"

#define WIDE 100       /* columns from which on size and writer are shown beside the reason */
#define NARROW 64      /* columns below which reason and next step share a column */
#define LINE_ROOM 1024 /* bytes of a line of names; what is longer is cut */
#define HIDDEN_LINE 1  /* "and so many more" */

struct layout {
	bool fold_nodes; /* those online in one line */
	bool fold_fine;  /* volumes that are fine in one line, the others the worst first */
	bool tall;       /* the next step has a line of its own, so that less is cut */
	bool gaps;       /* blank lines between the parts */
	bool few;        /* as many volumes as have room */
};

static const struct layout layouts[] = {
	{ .tall = true, .gaps = true },
	{ .fold_nodes = true, .tall = true, .gaps = true },
	{ .fold_nodes = true, .fold_fine = true, .tall = true, .gaps = true },
	{ .fold_nodes = true, .fold_fine = true, .gaps = true },
	{ .fold_nodes = true, .fold_fine = true },
	{ .fold_nodes = true, .fold_fine = true, .few = true },
};

struct page {
	struct layout layout;
	struct screen screen;
	struct buf *out;
	size_t began; /* bytes in out before it */
};

static size_t len_of(json *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

/* one line, cut to the screen */
static void line(struct page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line(struct page *p, const char *fmt, ...)
{
	char text[LINE_ROOM];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_tame(text);
	print_cut(p->out, text, p->screen.columns);
	buf_printf(p->out, "\n");
}

static void gap(struct page *p)
{
	if (p->layout.gaps)
		buf_printf(p->out, "\n");
}

static int lines_of(const struct page *p)
{
	int n = 0;

	for (size_t i = p->began; i < p->out->len; i++)
		n += p->out->data[i] == '\n';
	return n;
}

/* appends " word" */
static void add_word(char *text, size_t len, const char *word)
{
	size_t used = strlen(text);

	snprintf(text + used, len - used, "%s%s", used ? " " : "", word);
}

/* ---- the cluster ---- */

static void put_cluster(struct page *p, json *c)
{
	const char *leader = jget_str(c, "leader", "");
	char age[32];

	if (jget_bool(c, "quorum", false))
		line(p,
		     "Cluster %s: %lld of %lld nodes online, leader %s, %lld of %lld voters answer",
		     jget_str(c, "name", ""), (long long)jget_i64_or(c, "online", 0),
		     (long long)jget_i64_or(c, "nodes", 0), leader[0] ? leader : "-",
		     (long long)jget_i64_or(c, "voters_online", 0),
		     (long long)jget_i64_or(c, "voters", 0));
	else
		line(p,
		     "Cluster %s: NO LEADER since %s: changes wait until more than half of the "
		     "%lld voters run",
		     jget_str(c, "name", ""),
		     text_age(jget_i64_or(c, "no_leader_ms", 0), age, sizeof(age)),
		     (long long)jget_i64_or(c, "voters", 0));
}

/* of a new cluster for a moment; longer when nodes do not answer while they are to become voters */
static void put_few_voters(struct page *p, json *c)
{
	long long voters = (long long)jget_i64_or(c, "voters", 0);
	long long wanted = (long long)jget_i64_or(c, "voters_wanted", voters);

	if (jget_bool(c, "quorum", false) && voters < wanted)
		line(p, "Only %lld of %lld nodes vote so far: %s", voters, wanted,
		     voters < 3 ? "if one of those fails, nothing can be changed"
				: "one may fail, not two");
}

static void put_balance(struct page *p, json *c)
{
	const char *note = jget_str(c, "balance", "");

	if (note[0])
		line(p, "Balance: %s", note);
}

/* those that somebody should do something about */
static void put_pools(struct page *p, json *pools)
{
	int n = (int)len_of(pools), most = p->layout.fold_fine ? STATUS_NOTES_MAX : n;

	for (int i = 0; i < n && i < most; i++) {
		json *o = json_object_array_get_idx(pools, (size_t)i);

		line(p, "Pool %s/%s: %s", jget_str(o, "node", ""), jget_str(o, "name", ""),
		     jget_str(o, "text", ""));
	}
	if (n > most)
		line(p, "and %d pools more: sdsd pool list", n - most);
}

/* of this node: addresses that should be served and are not */
static void put_listeners(struct page *p, json *local)
{
	json *list = jget(local, "listeners");

	for (size_t i = 0; i < len_of(list); i++) {
		json *o = json_object_array_get_idx(list, i);
		const char *error = jget_str(o, "error", "");

		if (error[0])
			line(p, "Node %s does not serve %s: %s", jget_str(local, "node", ""),
			     jget_str(o, "url", ""), error);
	}
}

/* those that do not run and should */
static void put_services(struct page *p, json *services)
{
	char text[LINE_ROOM];
	int n = 0;

	for (size_t i = 0; i < len_of(services); i++) {
		json *o = json_object_array_get_idx(services, i);

		if (!show_service_trouble(o, NULL, text, sizeof(text)))
			continue;
		if (!p->layout.fold_fine || n < STATUS_NOTES_MAX)
			line(p, "%s", text);
		n++;
	}
	if (p->layout.fold_fine && n > STATUS_NOTES_MAX)
		line(p, "and %d services more: sdsd service list", n - STATUS_NOTES_MAX);
}

/* ---- nodes ---- */

static void put_nodes_line(struct page *p, json *nodes)
{
	char online[LINE_ROOM] = "", others[LINE_ROOM] = "", word[256], age[32];

	for (size_t i = 0; i < len_of(nodes); i++) {
		json *n = json_object_array_get_idx(nodes, i);
		const char *name = jget_str(n, "name", ""), *state = jget_str(n, "state", "");

		if (strcmp(state, "online") == 0) {
			add_word(online, sizeof(online), name);
			continue;
		}
		text_age(jget_i64_or(n, "age_ms", -1), age, sizeof(age));
		snprintf(word, sizeof(word), "%.64s %.32s%s%s%s,", name, state, age[0] ? " (" : "",
			 age, age[0] ? ")" : "");
		add_word(others, sizeof(others), word);
	}
	line(p, "Nodes: %s%s%s%s", others, others[0] ? " " : "", online[0] ? "online " : "",
	     online);
}

static void put_nodes(struct page *p, json *nodes)
{
	struct table t;

	if (p->layout.fold_nodes) {
		put_nodes_line(p, nodes);
		return;
	}
	show_fill_nodes(&t, nodes);
	gap(p);
	table_format(&t, p->screen.columns, p->out);
	table_release(&t);
}

/* ---- volumes ---- */

static bool is_fine(json *r)
{
	return strcmp(jget_str(r, "verdict", ""), "safe") == 0 && !jget_str(r, "reason", "")[0] &&
	       !jget_str(r, "upkeep", "")[0];
}

/* the worst first */
static int rank_of(json *r)
{
	static const char *const verdicts[] = { "unavailable", "at risk", "degraded" };
	const char *verdict = jget_str(r, "verdict", "");

	for (int i = 0; i < 3; i++) {
		if (strcmp(verdict, verdicts[i]) == 0)
			return i;
	}
	return is_fine(r) ? 4 : 3;
}

struct shown { /* volumes that have lines of their own, and those that are told in one */
	json **volume;
	int n;
	char fine[LINE_ROOM]; /* names */
	int n_fine;
};

static int compare(const void *a, const void *b)
{
	json *x = *(json *const *)a, *y = *(json *const *)b;
	int d = rank_of(x) - rank_of(y);

	return d ? d : strcmp(jget_str(x, "name", ""), jget_str(y, "name", ""));
}

static void choose(const struct page *p, json *resources, struct shown *s)
{
	size_t n = len_of(resources);

	memset(s, 0, sizeof(*s));
	s->volume = calloc(n + 1, sizeof(*s->volume));
	if (!s->volume)
		abort();
	for (size_t i = 0; i < n; i++) {
		json *r = json_object_array_get_idx(resources, i);

		if (!p->layout.fold_fine || !is_fine(r)) {
			s->volume[s->n++] = r;
			continue;
		}
		add_word(s->fine, sizeof(s->fine), jget_str(r, "name", ""));
		s->n_fine++;
	}
	if (p->layout.fold_fine)
		qsort(s->volume, (size_t)s->n, sizeof(*s->volume), compare);
}

static const char *const wide_heads[] = { "VOLUME",  ">SIZE",  "VERDICT",
					  "IN SYNC", "WRITER", "REASON AND NEXT STEP",
					  NULL };
static const char *const tall_heads[] = { "VOLUME", "VERDICT", "IN SYNC", "REASON AND NEXT STEP",
					  NULL };
static const char *const flat_heads[] = { "VOLUME",  "VERDICT",   "IN SYNC",
					  "~REASON", "NEXT STEP", NULL };

static void put_first_cells(struct table *t, json *r, bool wide)
{
	char size[32];

	table_cell(t, "%s", jget_str(r, "name", ""));
	if (wide)
		table_cell(t, "%s",
			   text_size_kib(jget_i64_or(r, "size_kib", 0), size, sizeof(size)));
	table_cell(t, "%s", jget_str(r, "verdict", ""));
	table_cell(t, "%lld/%lld", (long long)jget_i64_or(r, "in_sync", 0),
		   (long long)jget_i64_or(r, "copies", 0));
	if (wide)
		table_cell(t, "%s", jget_str(r, "writer", ""));
}

/* a row that goes on with the one before */
static void put_more(struct table *t, const char *what, const char *text)
{
	if (!text[0])
		return;
	for (int i = 0; i + 1 < t->n_columns; i++)
		table_cell(t, " ");
	table_cell(t, "%s: %s", what, text);
}

/* reason, next step and what upkeep waits for, in a line for each */
static void put_tall_row(struct table *t, json *r, bool wide)
{
	const char *next = jget_str(r, "next", ""), *upkeep = jget_str(r, "upkeep", "");
	const char *reason = jget_str(r, "reason", "");

	put_first_cells(t, r, wide);
	if (!reason[0] && !next[0]) {
		table_cell(t, "%s", upkeep);
		return;
	}
	table_cell(t, "%s", reason);
	put_more(t, "next", next);
	put_more(t, "upkeep", upkeep);
}

static void put_flat_row(struct table *t, json *r, bool narrow)
{
	const char *next = jget_str(r, "next", ""), *upkeep = jget_str(r, "upkeep", "");

	put_first_cells(t, r, false);
	if (narrow) {
		show_reason_cell(t, r);
		return;
	}
	table_cell(t, "%s", jget_str(r, "reason", ""));
	table_cell(t, "%s", next[0] ? next : upkeep);
}

/* all of it in one line: where nothing is cut, and where that has room */
static void put_joined_row(struct table *t, json *r)
{
	put_first_cells(t, r, true);
	show_reason_cell(t, r);
}

static bool fits_joined(const struct page *p, const struct shown *s, int n)
{
	struct table t;
	int width;

	if (!p->screen.columns)
		return true;
	if (p->screen.columns < WIDE)
		return false;
	table_init(&t, wide_heads);
	for (int i = 0; i < n; i++)
		put_joined_row(&t, s->volume[i]);
	width = table_width(&t);
	table_release(&t);
	return width <= p->screen.columns;
}

static const char *const *heads_of(const struct page *p, bool joined)
{
	if (joined)
		return wide_heads;
	if (!p->layout.tall && p->screen.columns >= NARROW)
		return flat_heads;
	return p->screen.columns < WIDE ? tall_heads : wide_heads;
}

/* the first n */
static void put_table(struct page *p, const struct shown *s, int n)
{
	bool joined = fits_joined(p, s, n);
	struct table t;

	if (n == 0)
		return;
	gap(p);
	table_init(&t, heads_of(p, joined));
	for (int i = 0; i < n; i++) {
		if (joined)
			put_joined_row(&t, s->volume[i]);
		else if (p->layout.tall)
			put_tall_row(&t, s->volume[i], p->screen.columns >= WIDE);
		else
			put_flat_row(&t, s->volume[i], p->screen.columns < NARROW);
	}
	table_format(&t, p->screen.columns, p->out);
	table_release(&t);
}

static void put_volumes(struct page *p, json *resources)
{
	int room = p->screen.rows - lines_of(p) - 1; /* without the table's head */
	struct shown s;
	int n;

	if (len_of(resources) == 0) {
		gap(p);
		line(p, "No volumes yet. A first one: sdsd volume create db 10G");
		return;
	}
	choose(p, resources, &s);
	n = s.n;
	room -= s.n_fine > 0;
	if (p->layout.few && n > room)
		n = room > HIDDEN_LINE ? room - HIDDEN_LINE : 1;
	put_table(p, &s, n);
	if (n < s.n)
		line(p, "and %d more: sdsd volume list", s.n - n);
	if (s.n_fine > 0) {
		gap(p);
		line(p, "%d %s safe: %s", s.n_fine, s.n_fine == 1 ? "volume is" : "volumes are",
		     s.fine);
	}
	free(s.volume);
}

static bool put_page(struct page *p, json *status, json *local)
{
	put_cluster(p, jget(status, "cluster"));
	put_few_voters(p, jget(status, "cluster"));
	put_balance(p, jget(status, "cluster"));
	put_pools(p, jget(status, "full_pools"));
	put_services(p, jget(status, "services"));
	put_listeners(p, local);
	put_nodes(p, jget(status, "nodes"));
	put_volumes(p, jget(status, "resources"));
	return p->screen.rows == 0 || lines_of(p) <= p->screen.rows;
}

void status_page(json *status, json *local, struct screen screen, struct buf *out)
{
	size_t n = sizeof(layouts) / sizeof(layouts[0]);

	for (size_t i = 0; i < n; i++) {
		struct page p = {
			.layout = layouts[i], .screen = screen, .out = out, .began = out->len
		};

		if (put_page(&p, status, local) || i + 1 == n)
			return;
		out->len = p.began;
	}
}
