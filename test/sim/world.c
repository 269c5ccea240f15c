/* SPDX-License-Identifier: GPL-2.0-or-later */
/* world.c - what every part of the simulator uses: the generator, the trace,
 * payloads. */
#include "sim/world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

u64 sim_random(struct sim_world *w, u64 below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return below ? (w->random >> 11) % below : 0;
}

bool chance(struct sim_world *w, u32 of_million)
{
	return sim_random(w, 1000000) < of_million;
}

/* as likely below a tenth of max as above it */
u64 sim_delay(struct sim_world *w, u64 max)
{
	return sim_random(w, sim_random(w, 2) ? max : max / 10 + 1);
}

u32 sim_regions(const struct sim_world *w)
{
	return (w->opt.device_blocks + SIM_PER_REGION - 1) / SIM_PER_REGION;
}

u32 sim_volume_base(u32 volume)
{
	return volume ? SIM_SPLIT_BLOCKS : 0;
}

u64 sim_volume_bytes(u32 volume, u32 blocks)
{
	if (volume >= SIM_VOLUMES || blocks <= sim_volume_base(volume))
		return 0;
	blocks -= sim_volume_base(volume);
	return (u64)(volume ? blocks : PORT_MIN(blocks, SIM_SPLIT_BLOCKS)) * SIM_BLOCK;
}

u64 sim_address(u32 block)
{
	u32 volume = block >= SIM_SPLIT_BLOCKS;

	return REPL_ADDRESS(volume, (u64)(block - sim_volume_base(volume)) * SIM_BLOCK);
}

u32 sim_block(u64 address)
{
	return sim_volume_base(REPL_ADDRESS_VOLUME(address)) +
	       (u32)(REPL_ADDRESS_OFF(address) / SIM_BLOCK);
}

u32 sim_region(u32 region)
{
	return (u32)(sim_address(region * SIM_PER_REGION) / REPL_REGION_BYTES);
}

/* the page of the map with the region's stamp, its number in its volume, the stamp's place */
u8 *sim_map_page(u8 (*meta)[REPL_META_PAGE], u32 region, u32 *ret_number, u32 *ret_at)
{
	u32 core = sim_region(region), in_volume = core % REPL_REGIONS_PER_VOLUME;

	*ret_number = in_volume / REPL_STAMPS_PER_PAGE;
	*ret_at = in_volume % REPL_STAMPS_PER_PAGE;
	return meta[core / REPL_REGIONS_PER_VOLUME * SIM_META_PAGES + REPL_META_HEAD_PAGES +
		    *ret_number];
}

u64 node_now(const struct sim_world *w, u8 n)
{
	s64 drift = (s64)(w->now / 1000) * w->node[n].drift_ppm / 1000;

	return (u64)((s64)(w->now + w->node[n].clock_offset) + drift);
}

u32 sim_device_block(const struct sim_world *w, u32 block)
{
	u32 each = w->opt.blocks / w->opt.extents, extent = block / each;
	u32 room = PORT_MIN(w->opt.device_blocks, SIM_PER_EXTENT);

	u32 span = (each - 1) * w->opt.stride + 1;

	return extent * SIM_PER_EXTENT + (extent * 37) % (room - span + 1) +
	       block % each * w->opt.stride;
}

void sim_trace(struct sim_world *w, const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (int i = 0; i < n && i < (int)sizeof(line) - 1; i++)
		w->hash = (w->hash ^ (u8)line[i]) * 1099511628211ull;
	if (w->opt.trace)
		printf("%10.4f %s\n", (double)w->now / 1e9, line);
}

void sim_fail(struct sim_world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(w->failure, sizeof(w->failure), fmt, ap);
	va_end(ap);
	sim_trace(w, "FAILURE %s", w->failure);
}

/* freed ones are chained by their first block, the last one comes back first */
repl_buf sim_payload_new(struct sim_world *w, u32 n)
{
	u32 i = w->payload_free;

	if (i) {
		w->payload_free = w->payload[i].block[0];
	} else if (w->payload_top < SIM_PAYLOADS - 1) {
		i = ++w->payload_top;
	} else {
		sim_fail(w, "payloads leak");
		return 1;
	}
	w->payload[i].refs = 1;
	w->payload[i].n = n;
	w->n_payloads++;
	return i;
}

struct sim_payload *sim_payload(struct sim_world *w, repl_buf b)
{
	return &w->payload[b % SIM_PAYLOADS];
}

void sim_payload_ref(struct sim_world *w, repl_buf b)
{
	sim_payload(w, b)->refs++;
}

void sim_payload_drop(struct sim_world *w, repl_buf b)
{
	struct sim_payload *p = sim_payload(w, b);

	if (!b)
		return;
	if (!p->refs)
		sim_fail(w, "payload %u dropped twice", (u32)b);
	else if (!--p->refs) {
		w->n_payloads--;
		p->block[0] = w->payload_free;
		w->payload_free = (u32)b;
	}
}
