/* SPDX-License-Identifier: GPL-2.0-or-later */
/* print.h - a resource in words; entered. See print.c. */
#ifndef RVOL_PRINT_H
#define RVOL_PRINT_H

#include <linux/seq_file.h>

#include "rvol.h"

#define PRINT_MAX 64u /* lines of one kind */

void print_state(struct seq_file *s, struct rvol *r);
void print_requests(struct seq_file *s, struct rvol *r); /* oldest first; lower operations too */
void print_links(struct seq_file *s, struct rvol *r);
void print_hot(struct seq_file *s, struct rvol *r);

/* lower.c */
void lower_print(struct seq_file *s, const struct rvol *r);

#endif
