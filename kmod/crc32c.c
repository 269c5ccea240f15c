// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * crc32c.c - shared/crc32c.h for the kernel: one instruction for eight bytes where the CPU has it
 * (SSE 4.2), the kernel's own code otherwise. Without the kernel's crypto layer between: headers of
 * 60 bytes are most of what it is called for.
 */
#include <linux/crc32.h>
#ifdef CONFIG_X86_64
#include <asm/cpufeature.h>
#endif

#include "compat.h"
#include "shared/crc32c.h"

#ifdef CONFIG_X86_64
#define WORD sizeof(u64)

static inline u64 add_word(u64 sum, const u8 *data)
{
	asm("crc32q %1, %0" : "+r"(sum) : "rm"(get_unaligned((const u64 *)data)));
	return sum;
}

static u32 by_instruction(u32 crc, const u8 *data, size_t len)
{
	u64 sum = crc;

	/* pages of the metadata: four in a turn, or the loop costs more than the sum */
	for (; len >= 4 * WORD; len -= 4 * WORD, data += 4 * WORD)
		for (u32 i = 0; i < 4; i++)
			sum = add_word(sum, data + i * WORD);
	for (; len >= WORD; len -= WORD, data += WORD)
		sum = add_word(sum, data);
	for (; len > 0; len--, data++)
		asm("crc32b %1, %k0" : "+r"(sum) : "qm"(*data));
	return (u32)sum;
}
#endif

u32 shared_crc32c(u32 crc, const void *data, size_t len)
{
#ifdef CONFIG_X86_64
	if (static_cpu_has(X86_FEATURE_XMM4_2))
		return ~by_instruction(~crc, data, len);
#endif
	return ~__crc32c_le(~crc, data, len);
}
