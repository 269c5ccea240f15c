// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tool.c - see tool.h. Called by the backends that need programs (lvm_tool.c,
 * zfs_tool.c); it knows none of them. Nothing is ever answered to a program: it
 * reads from /dev/null, and who calls says on the command line what it may do unasked.
 */
#include "storage/tool.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/step.h"

#define SENTENCE_MAX 300

static bool is_noise(const char *line, size_t len)
{
	static const char *const noise[] = { "WARNING", "File descriptor", "TELEMETRY" };

	for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++) {
		if (len >= strlen(noise[i]) && strncasecmp(line, noise[i], strlen(noise[i])) == 0)
			return true;
	}
	return len == 0;
}

void tool_sentence(const char *complaints, char *out, size_t len)
{
	out[0] = 0;
	while (*complaints) {
		size_t line = strcspn(complaints, "\n"), n = line;
		const char *text = complaints;

		while (n > 0 && isspace((unsigned char)*text)) {
			text++;
			n--;
		}
		while (n > 0 && (isspace((unsigned char)text[n - 1]) || text[n - 1] == '.'))
			n--;
		if (!is_noise(text, n)) {
			snprintf(out, len, "%.*s", (int)n, text);
			return;
		}
		complaints += line + (complaints[line] == '\n');
	}
}

static const char *text_of(const struct buf *b)
{
	return b->data ? (const char *)b->data : "";
}

static int fail(const struct storage_pool *p, const char *tool, int deadline_ms,
		const struct proc_result *r, struct err *err)
{
	char sentence[SENTENCE_MAX];

	tool_sentence(text_of(&r->errout), sentence, sizeof(sentence));
	if (r->status > 0 && sentence[0])
		return err_set(err, -EIO, "pool %s: %s: %s", p->name, tool, sentence);
	if (r->status > 0)
		return err_set(err, -EIO, "pool %s: %s failed with status %d and without a word",
			       p->name, tool, r->status);
	if (!r->started && r->status == -ENOENT)
		return err_set(err, -ENOENT, "pool %s: the program %s is not installed here",
			       p->name, tool);
	if (!r->started)
		return err_set(err, r->status, "pool %s: %s cannot be run: %s", p->name, tool,
			       err_name(r->status));
	if (r->status == -ETIMEDOUT)
		return err_set(err, -ETIMEDOUT,
			       "pool %s: %s did not end within %d s and was killed: does something "
			       "hold a lock of %s, or does a disk hang?",
			       p->name, tool, deadline_ms / 1000, p->source);
	if (r->status == -EMSGSIZE)
		return err_set(err, -EMSGSIZE, "pool %s: %s said more than %u bytes and was killed",
			       p->name, tool, PROC_OUTPUT_MAX);
	return err_set(err, -EIO, "pool %s: %s was ended by signal %d", p->name, tool, -r->status);
}

static int take_json(const struct storage_pool *p, const char *tool, const struct buf *out,
		     json **ret, struct err *err)
{
	struct err why = { 0 };

	if (json_parse(text_of(out), out->len, ret, &why) == 0)
		return 0;
	return err_set(err, -E_CORRUPT, "pool %s: the answer of %s is not understood: %s", p->name,
		       tool, why.text);
}

int tool_result(const struct storage_pool *p, const char *const argv[], int deadline_ms,
		struct proc_result *ret, struct err *err)
{
	struct proc_options o = { .deadline_ms = deadline_ms, .watch = p->watch };
	int rv = 0;

	storage_step(argv[0]);
	if (proc_run(argv, &o, ret) != 0)
		rv = fail(p, argv[0], deadline_ms, ret, err);
	storage_step(argv[0]);
	return rv;
}

int tool_run(const struct storage_pool *p, const char *const argv[], int deadline_ms,
	     json **ret_json, struct err *err)
{
	struct proc_result r;
	int rv = tool_result(p, argv, deadline_ms, &r, err);

	if (rv == 0 && ret_json)
		rv = take_json(p, argv[0], &r.out, ret_json, err);
	proc_release(&r);
	return rv;
}
