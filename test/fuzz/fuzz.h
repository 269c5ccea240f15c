/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz.h - what the targets of libFuzzer share: an input taken apart bit by
 * bit, a check that stays in every build, a directory of the process. A target
 * is one file fuzz_<name>.c; how it is run: tools/fuzz. What a target does must
 * depend on its input alone, or a finding cannot be repeated.
 */
#ifndef SDSD_TEST_FUZZ_H
#define SDSD_TEST_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/scratch_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* a rule of ours that must hold whatever the input is */
#define FUZZ_CHECK(cond)                                                                   \
	do {                                                                               \
		if (!(cond)) {                                                             \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                           \
		}                                                                          \
	} while (0)

struct input {
	const uint8_t *at;
	size_t left;
};

/* little-endian; zeros when the input is used up */
__attribute__((unused)) static uint64_t input_take(struct input *in, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes && in->left > 0; i++, in->left--)
		v |= (uint64_t)*in->at++ << (8 * i);
	return v;
}

__attribute__((unused)) static uint8_t input_u8(struct input *in)
{
	return (uint8_t)input_take(in, 1);
}

/* The next line, without its end, as a text of exactly its size: reading beyond it is seen. Owned
 * by the caller. A NUL ends the text, as it would for its reader. */
__attribute__((unused)) static char *input_line(struct input *in)
{
	const uint8_t *end = in->left > 0 ? memchr(in->at, '\n', in->left) : NULL;
	size_t len = end ? (size_t)(end - in->at) : in->left;
	char *text = strndup(len > 0 ? (const char *)in->at : "", len);

	FUZZ_CHECK(text);
	in->at += len + (end != NULL);
	in->left -= len + (end != NULL);
	return text;
}

static char fuzz_dir_path[64];

__attribute__((unused)) static void fuzz_dir_remove(void)
{
	scratch_remove(fuzz_dir_path);
}

/* a directory for this process, gone when it ends well */
__attribute__((unused)) static const char *fuzz_dir(void)
{
	scratch_make(fuzz_dir_path);
	atexit(fuzz_dir_remove);
	return fuzz_dir_path;
}

#endif
