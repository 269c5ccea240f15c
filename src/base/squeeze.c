// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * squeeze.c - the one place that knows LZ4. Called by api/view_texts.c.
 */
#include "base/squeeze.h"

#include <assert.h>
#include <lz4.h>
#include <stdlib.h>

uint8_t *squeeze(const void *data, size_t len, size_t *ret_len)
{
	uint8_t *block, *less;
	int most, used;

	assert(len <= SQUEEZE_MAX);
	most = LZ4_compressBound((int)len);
	block = malloc((size_t)most);
	if (!block)
		abort();
	used = LZ4_compress_default(data, (char *)block, (int)len, most);
	assert(used > 0);
	less = realloc(block, (size_t)used);
	*ret_len = (size_t)used;
	return less ? less : block;
}

void unsqueeze(const uint8_t *block, size_t block_len, void *out, size_t len)
{
	int n;

	assert(block_len <= (size_t)LZ4_COMPRESSBOUND(SQUEEZE_MAX) && len <= SQUEEZE_MAX);
	n = LZ4_decompress_safe((const char *)block, out, (int)block_len, (int)len);
	assert(n == (int)len);
}
