// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * api_metrics.c - counts requests. Called by call.c at the end of each, and by
 * metrics.c. What one node sends on for a user counts where the user asked.
 */
#include "api/api_metrics.h"

#include <stdio.h>

#include "api/metric.h"
#include "api/state.h"
#include "base/clock.h"

static const double bounds[API_BUCKETS] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
					    0.1,   0.25,   0.5,   1,    2.5,   10 };
static const char *const class_names[API_CLASSES] = { "read", "change", "node", "other" };

static int class_of(const struct api_call *c)
{
	if (c->who == WHO_NODE)
		return 2;
	if (!c->match.route)
		return 3;
	return c->match.route->op == 0 ? 0 : 1;
}

static void count_code(struct api_counts *n, int class, int code)
{
	for (int i = 0; i < API_CODES_MAX; i++) {
		if (n->code[class][i].n == 0)
			n->code[class][i].code = i < API_CODES_MAX - 1 ? code : 0;
		if (n->code[class][i].code == code || i == API_CODES_MAX - 1) {
			n->code[class][i].n++;
			return;
		}
	}
}

void api_count_begin(struct api_call *c)
{
	c->begun_ns = clock_boot_ns();
	c->api->counts.in_flight++;
}

void api_count_end(struct api_call *c, int status)
{
	struct api_counts *n = &c->api->counts;
	double seconds = (double)(clock_boot_ns() - c->begun_ns) / 1e9;
	int class = class_of(c), i = 0;

	n->in_flight--;
	if (status == 0 || (c->hop && c->who != WHO_NODE))
		return;
	count_code(n, class, status);
	while (i < API_BUCKETS && seconds > bounds[i])
		i++;
	n->bucket[class][i]++;
	n->seconds[class] += seconds;
}

static void write_codes(const struct api_counts *n, struct buf *out)
{
	static const char name[] = "sdsd_api_requests_total";

	metric_begin(out, name, "counter", "Requests answered, by class and HTTP code.");
	for (int k = 0; k < API_CLASSES; k++) {
		for (int i = 0; i < API_CODES_MAX && n->code[k][i].n > 0; i++) {
			char code[12];

			snprintf(code, sizeof(code), "%d", n->code[k][i].code);
			metric_add(out, name, "", (double)n->code[k][i].n, "class", class_names[k],
				   "code", code, NULL);
		}
	}
}

static void write_times(const struct api_counts *n, struct buf *out)
{
	static const char name[] = "sdsd_api_request_duration_seconds";

	metric_begin(out, name, "histogram", "Time from a request to its answer.");
	for (int k = 0; k < API_CLASSES; k++) {
		uint64_t sum = 0;

		for (int i = 0; i <= API_BUCKETS; i++) {
			char le[16] = "+Inf";

			if (i < API_BUCKETS)
				snprintf(le, sizeof(le), "%g", bounds[i]);
			sum += n->bucket[k][i];
			metric_add(out, name, "_bucket", (double)sum, "class", class_names[k], "le",
				   le, NULL);
		}
		metric_add(out, name, "_sum", n->seconds[k], "class", class_names[k], NULL);
		metric_add(out, name, "_count", (double)sum, "class", class_names[k], NULL);
	}
}

void api_counts_write(const struct api_counts *n, struct buf *out)
{
	write_codes(n, out);
	write_times(n, out);
	metric_one(out, "sdsd_api_requests_in_flight", "gauge", "Requests being answered.",
		   n->in_flight);
}
