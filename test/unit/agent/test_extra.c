// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_extra.c - what placement counts for metadata and headers is what the
 * replication and the storage make (model/resource.c).
 */
#include <criterion/criterion.h>

#include "model/resource.h"
#include "replication/meta_file.h"
#include "storage/luks.h"

TestSuite(extra);

Test(extra, is_what_is_made)
{
	static const int64_t sizes[] = { VOLUME_KIB_MIN,         64,        60 * 1024,
					 60 * 1024 + 4,          1 << 20,   (10 << 20) + 4,
					 123456 * (int64_t)1028, 1ll << 30, VOLUME_KIB_MAX };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int64_t meta = (int64_t)(meta_file_bytes((uint64_t)sizes[i] * 1024) / 1024);

		cr_expect_eq(volume_extra_kib(sizes[i], false), meta, "%lld KiB",
			     (long long)sizes[i]);
		cr_expect_eq(volume_extra_kib(sizes[i], true), meta + LUKS_HEADER_BYTES / 1024,
			     "%lld KiB", (long long)sizes[i]);
	}
}
