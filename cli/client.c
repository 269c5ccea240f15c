// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * client.c - the CLI's end of the API. Called by the verbs. It knows HTTP answers
 * and ApiCallRc lists, no objects. A loop of its own lives for one request.
 */
#include "cli/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/text.h"
#include "net/http.h"
#include "net/httpc.h"

struct client_settings client_settings;

#define DETAIL_ABOUT_MAX 128  /* bytes of "node/pool" */
#define CLIENT_SILENT_MS 2000 /* for so long nothing is said of an answer that does not come */

struct exchange {
	uint64_t began_ms; /* of the loop's clock */
	bool done;
	int status;
	int error;
	bool sent;
	char why[ERR_TEXT_MAX];
	json *doc;
};

static void on_answer(const struct httpc_answer *a, void *arg)
{
	struct exchange *x = arg;

	x->done = true;
	x->status = a->status;
	x->error = a->error.code;
	x->sent = a->sent;
	snprintf(x->why, sizeof(x->why), "%s", a->error.text);
	if (a->error.code == 0 && a->body->len > 0)
		json_parse((const char *)a->body->data, a->body->len, &x->doc, NULL);
}

void client_clear_line(void)
{
	if (client_settings.line_stands)
		fputs("\r\033[K", stderr);
	client_settings.line_stands = false;
}

int client_fail(int status, const char *fmt, ...)
{
	va_list ap;

	client_clear_line();
	fputs("sdsd: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

const char *client_path(char *out, size_t len, const char *pattern, const char *a, const char *b)
{
	size_t n = 0;

	for (; *pattern && n + 1 < len; pattern++) {
		if (*pattern != '%') {
			out[n++] = *pattern;
			continue;
		}
		if (http_escape(a, out + n, len - n) < 0)
			break;
		n += strlen(out + n);
		a = b;
	}
	out[n] = '\0';
	return out;
}

void client_print_json(json *doc)
{
	puts(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
							 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(doc);
}

/* severity in the two highest bits: 3 error, 2 warning, 1 information, 0 success */
static unsigned severity(json *entry)
{
	return (uint64_t)jget_i64_or(entry, "ret_code", 0) >> 62;
}

/* Where the message begins to say what the details say, in another order perhaps: at what the first
 * of their lines to come is about. Its length when it does not. */
static size_t before_details(const char *message, const char *details)
{
	size_t least = strlen(message);
	char about[DETAIL_ABOUT_MAX];

	for (const char *at = details; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		int len = (int)strcspn(at, ":\n");
		const char *found;

		snprintf(about, sizeof(about), ": %.*s", len, at);
		found = len > 0 ? strstr(message, about) : NULL;
		if (found && (size_t)(found - message) < least)
			least = (size_t)(found - message);
	}
	return least;
}

/* Details of several lines, which the message may have in one: then they stand there once. */
static void print_details(FILE *to, const char *what, const char *message, const char *details)
{
	fprintf(to, "%s%.*s\n", what, (int)before_details(message, details), message);
	for (const char *at = details; *at; at += strcspn(at, "\n"), at += *at == '\n')
		fprintf(to, "  %.*s\n", (int)strcspn(at, "\n"), at);
}

static void print_entry(FILE *to, const char *what, json *entry)
{
	static const char *const more[] = { "cause", "correction" };
	const char *details = jget_str(entry, "details", "");

	client_clear_line();
	if (details[0])
		print_details(to, what, jget_str(entry, "message", ""), details);
	else
		fprintf(to, "%s%s\n", what, jget_str(entry, "message", ""));
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		const char *text = jget_str(entry, more[i], "");

		if (text[0])
			fprintf(to, "  %s: %s\n", more[i], text);
	}
}

static size_t list_len(json *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

void client_print_messages(json *list)
{
	for (size_t i = 0; i < list_len(list); i++) {
		json *entry = json_object_array_get_idx(list, i);

		if (severity(entry) < 2)
			printf("%s\n", jget_str(entry, "message", ""));
	}
}

/* errors and warnings; also those inside a 2xx answer */
static void print_troubles(json *list)
{
	for (size_t i = 0; i < list_len(list); i++) {
		json *entry = json_object_array_get_idx(list, i);

		if (!json_object_is_type(entry, json_type_object) || !jget(entry, "ret_code"))
			continue;
		if (severity(entry) == 3)
			print_entry(stderr, "sdsd: ", entry);
		else if (severity(entry) == 2)
			print_entry(stderr, "sdsd: warning: ", entry);
	}
}

/* While an answer is long in coming: nobody shall think that nothing happens. */
static void on_second(uv_timer_t *t)
{
	const struct exchange *x = t->data;

	client_clear_line();
	fprintf(stderr, "waiting for the daemon's answer, %llu s",
		(unsigned long long)(uv_now(t->loop) - x->began_ms) / 1000);
	fflush(stderr);
	client_settings.line_stands = true;
}

static void wait_for_answer(struct exchange *x, uv_loop_t *loop)
{
	uv_timer_t second = { .data = x };
	bool tell = !client_settings.line_stands && isatty(STDERR_FILENO);

	x->began_ms = uv_now(loop);
	uv_timer_init(loop, &second);
	if (tell)
		uv_timer_start(&second, on_second, CLIENT_SILENT_MS, 1000);
	while (!x->done && uv_run(loop, UV_RUN_ONCE))
		;
	if (tell)
		client_clear_line();
	uv_close((uv_handle_t *)&second, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
}

static int run(struct exchange *x, const char *method, const char *path, const char *body,
	       int timeout_ms)
{
	char id[UUID_TEXT_LEN + 1], headers[128];
	struct httpc *h;
	uv_loop_t loop;

	if (uv_loop_init(&loop) < 0)
		return client_fail(CLI_FAILED, "no memory for an event loop");
	h = httpc_new_unix(&loop, client_settings.socket);
	text_uuid(id);
	snprintf(headers, sizeof(headers), "X-Request-Id: %s\r\n", id);
	httpc_request(h, method, path, headers, body, body ? strlen(body) : 0, timeout_ms,
		      on_answer, x);
	wait_for_answer(x, &loop);
	httpc_free(h);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return CLI_OK;
}

static int unreachable(const struct exchange *x, const char *method)
{
	if (x->error == -ETIMEDOUT || (x->sent && strcmp(method, "GET") != 0))
		return client_fail(CLI_UNKNOWN,
				   "no answer from the daemon (%s): whether it was done is not "
				   "known; look with sdsd status",
				   x->why);
	if (x->error == -ENOENT || x->error == -ECONNREFUSED)
		return client_fail(
			CLI_UNREACHABLE,
			"no daemon answers on %s: is it running (systemctl status sdsd)? "
			"Another socket: --socket PATH or SDSD_SOCKET",
			client_settings.socket);
	if (x->error == -EACCES || x->error == -EPERM)
		return client_fail(CLI_UNREACHABLE, "not allowed to use %s: run as root",
				   client_settings.socket);
	return client_fail(CLI_UNREACHABLE, "cannot reach the daemon on %s: %s",
			   client_settings.socket, x->why);
}

static int judge(struct exchange *x, const char *method, json **ret)
{
	if (!x->done || x->error < 0)
		return unreachable(x, method);
	if (x->status >= 200 && x->status < 300) {
		print_troubles(x->doc);
		if (ret)
			*ret = x->doc;
		else
			json_object_put(x->doc);
		return CLI_OK;
	}
	if (list_len(x->doc) > 0)
		print_troubles(x->doc);
	else
		client_fail(CLI_FAILED, "the daemon answered HTTP status %d", x->status);
	if (client_settings.json && x->doc)
		client_print_json(x->doc);
	else
		json_object_put(x->doc);
	return x->status == 504 ? CLI_UNKNOWN : CLI_FAILED;
}

int client_call(const char *method, const char *path, json *body, json **ret)
{
	struct exchange x = { 0 };
	int rv = run(&x, method, path, body ? json_text(body) : NULL, CLIENT_TIMEOUT_MS);

	json_object_put(body);
	return rv != CLI_OK ? rv : judge(&x, method, ret);
}

int client_look(const char *path, int timeout_ms, json **ret, struct err *err)
{
	struct exchange x = { 0 };

	if (run(&x, "GET", path, NULL, timeout_ms) != CLI_OK)
		return err_set(err, -ENOMEM, "no memory");
	if (x.done && x.error == 0 && x.status >= 200 && x.status < 300 && x.doc) {
		*ret = x.doc;
		return 0;
	}
	if (x.error < 0)
		err_set(err, x.error, "no answer on %s: %s", client_settings.socket, x.why);
	else if (list_len(x.doc) > 0)
		err_set(err, -E_INVALID, "%s",
			jget_str(json_object_array_get_idx(x.doc, 0), "message", ""));
	else
		err_set(err, -E_INVALID, "the daemon answered HTTP status %d", x.status);
	json_object_put(x.doc);
	return err->code;
}
