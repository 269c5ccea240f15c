/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lvm_report.h - what LVM's reports say, and the tags by which we know what is
 * ours. Pure.
 */
#ifndef SDSD_STORAGE_LVM_REPORT_H
#define SDSD_STORAGE_LVM_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

#define LVM_NAME_MAX 127
#define LVM_TAG_MAX 160

enum lvm_tag {
	LVM_TAG_REPLICA,  /* whose data or metadata it is */
	LVM_TAG_VOLUME,   /* of which volume */
	LVM_TAG_SNAPSHOT, /* which snapshot it is */
	LVM_TAGS
};
#define LVM_TAG_MAKING "sdsd.making" /* of metadata: its pair is not complete yet */

#define LVM_TAG_CACHE "sdsd.cache." /* of metadata: in which volume group its write cache is */

struct lvm_tags {
	bool has[LVM_TAGS], making;
	char cache[LVM_NAME_MAX + 1]; /* "": none */
	uint8_t uuid[LVM_TAGS][16];
};
struct lvm_lv {
	bool there;
	char name[LVM_NAME_MAX + 1];
	uint64_t size_bytes;
	struct lvm_tags tags;
	bool active;
	bool thin, pool; /* what it is; neither: a plain one or something else */
	char type;       /* lv_attr's first: '-' linear or striped, 'V' thin ... */
	bool writable, snapshot;
	char in[LVM_NAME_MAX + 1]; /* a thin one: its pool */
	bool origin;               /* others need it and would go with it: no thin snapshots */
	bool zeroes;               /* a pool: what is newly allocated reads as zeros */
	bool queues;               /* a pool: when it is full, writes wait before they fail */
	int data_cent, meta_cent;  /* a pool: used, in hundredths of a percent; -1: not known */
	char health[32];           /* "": well; "partial", "failed", "out_of_data" ... */
};
struct lvm_group {
	uint64_t size_bytes, free_bytes, extent_bytes;
};

/* the fields that lvm_report_lvs and lvm_report_group want */
#define LVM_LV_FIELDS                                                               \
	"lv_name,lv_size,lv_tags,lv_active,lv_layout,lv_role,lv_attr,data_percent," \
	"metadata_percent,lv_health_status,lv_when_full,pool_lv"
#define LVM_GROUP_FIELDS "vg_name,vg_size,vg_free,vg_extent_size"

/* Of those of the report whose name is one of names[n]: into ret[n], there false where there is
 * none. -E_CORRUPT with a sentence when it is no such report. */
int lvm_report_lvs(json *report, const char *const names[], int n, struct lvm_lv ret[],
		   struct err *err);
/* -ENOENT: the report has none */
int lvm_report_group(json *report, struct lvm_group *ret, struct err *err);

void lvm_tag(enum lvm_tag tag, const uint8_t uuid[16], char out[LVM_TAG_MAX]);
/* of the texts of a report, separated by commas; what is not ours is passed over, and of ours what
 * nobody can have written counts as no tag */
void lvm_tags_parse(const char *text, struct lvm_tags *ret);

/* what a sentence of LVM means: -ENOSPC, -ENOENT (of the group), -EBUSY, else code */
int lvm_meaning(const char *sentence, int code);

#endif
