// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * backoff.c - see backoff.h. Called by whoever tries again.
 */
#include "base/backoff.h"

uint64_t backoff_ms(int failures, uint64_t least_ms, uint64_t most_ms)
{
	uint64_t ms = least_ms;

	for (int i = 1; i < failures && ms < most_ms; i++)
		ms *= 2;
	return ms < most_ms ? ms : most_ms;
}
