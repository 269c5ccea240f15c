/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watermark.h - how full a pool is in per cent, and which marks that has reached.
 * Pure: placement, what is told of pools and the log of a node go by the same marks.
 */
#ifndef SDSD_MODEL_WATERMARK_H
#define SDSD_MODEL_WATERMARK_H

#include <stddef.h>
#include <stdint.h>

#define WATERMARK_LOW 75  /* of a thin pool: from here on it is said */
#define WATERMARK_HIGH 90 /* others are preferred, and the cluster's status shows it */
#define WATERMARK_STOP 95 /* nothing new, and nothing grows */
#define WATERMARK_CALM 2  /* it has to fall by so much below a mark to be there again */

#define WATERMARK_TEXT_MAX 160

/* rounded down; -1: not known, or a pool of no size */
int watermark_used(int64_t free_kib, int64_t total_kib);
/* the highest mark that is reached: 0, WATERMARK_LOW, _HIGH, _STOP or 100 */
int watermark_of(int percent);
/* The mark to go on with, when `mark` was the last one: one that is passed up and down all the time
 * is passed once. An unknown percentage changes nothing. */
int watermark_next(int mark, int percent);
/* "93 % full: no new volumes from 95 % on"; "" below WATERMARK_LOW */
const char *watermark_text(int percent, char *out, size_t len);

#endif
