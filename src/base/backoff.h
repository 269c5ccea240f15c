/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backoff.h - how long something that has failed is left alone before it is tried again. Pure.
 */
#ifndef SDSD_BASE_BACKOFF_H
#define SDSD_BASE_BACKOFF_H

#include <stdint.h>

/* least_ms (> 0) after the first failure in a row, twice as long after each further one, at most
 * most_ms. failures: in a row, this one included; less than 1 counts as 1. */
uint64_t backoff_ms(int failures, uint64_t least_ms, uint64_t most_ms);

#endif
