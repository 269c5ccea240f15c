// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * metric.c - the text format of Prometheus. Called by metrics.c and
 * api_metrics.c. It knows no objects.
 */
#include "api/metric.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

void metric_begin(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* backslash, quote and newline have a form of their own; other bytes travel as they are */
static void add_escaped(struct buf *line, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			buf_append(line, "\\n", 2);
		else if (*text == '\\' || *text == '"')
			buf_printf(line, "\\%c", *text);
		else
			buf_append(line, text, 1);
	}
}

static void add_value(struct buf *line, double value)
{
	if (isnan(value))
		buf_printf(line, " NaN\n");
	else if (value == floor(value) && fabs(value) < 9e15)
		buf_printf(line, " %lld\n", (long long)value);
	else
		buf_printf(line, " %.15g\n", value);
}

void metric_add(struct buf *out, const char *name, const char *suffix, double value, ...)
{
	const char *label;
	bool any = false;
	struct buf line;
	va_list ap;

	buf_init(&line, 4096);
	buf_printf(&line, "%s%s", name, suffix);
	va_start(ap, value);
	while ((label = va_arg(ap, const char *)) != NULL) {
		buf_printf(&line, "%s%s=\"", any ? "," : "{", label);
		add_escaped(&line, va_arg(ap, const char *));
		buf_append(&line, "\"", 1);
		any = true;
	}
	va_end(ap);
	if (any)
		buf_append(&line, "}", 1);
	add_value(&line, value);
	/* whole or not at all */
	if (line.len > 0 && line.data[line.len - 1] == '\n')
		buf_append(out, line.data, line.len);
	buf_release(&line);
}

void metric_one(struct buf *out, const char *name, const char *type, const char *help, double value)
{
	metric_begin(out, name, type, help);
	metric_add(out, name, "", value, NULL);
}
