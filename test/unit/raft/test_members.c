// SPDX-License-Identifier: GPL-2.0-or-later
/* test_members.c - the membership policy as a table, and walks to the wished set. */
#include "raft/members.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define SERVERS_MAX 16

/* "1v 2b 3s@": id, role (voter, stand-by, spare); '@': at another address than wished */
static int parse_have(const char *text, struct consensus_server *out)
{
	int n = 0, id, used;
	char role;

	while (sscanf(text, " %d%c%n", &id, &role, &used) == 2) {
		text += used;
		out[n].id = (uint32_t)id;
		out[n].role = role == 'v'   ? CONSENSUS_VOTER
			      : role == 'b' ? CONSENSUS_STANDBY
					    : CONSENSUS_SPARE;
		snprintf(out[n].address, sizeof(out[n].address), "%s%d:7000",
			 *text == '@' ? "old" : "n", id);
		text += *text == '@';
		n++;
	}
	return n;
}

/* "1 2 3-": id; '-': unreachable */
static int parse_want(const char *text, struct member_wish *out)
{
	int n = 0, id, used;

	while (sscanf(text, " %d%n", &id, &used) == 1) {
		text += used;
		out[n].id = (uint32_t)id;
		out[n].reachable = *text != '-';
		snprintf(out[n].address, sizeof(out[n].address), "n%d:7000", id);
		text += *text == '-';
		n++;
	}
	return n;
}

Test(members, voters_wanted)
{
	static const int want[] = { 0, 1, 2, 3, 3, 5, 5, 5, 5 };

	for (int n = 1; n < (int)(sizeof(want) / sizeof(want[0])); n++)
		cr_expect_eq(members_voters_wanted(n), want[n], "%d nodes", n);
	cr_expect_eq(members_voters_wanted(CONSENSUS_SERVERS_MAX), CONSENSUS_VOTERS_MAX);
}

Test(members, next_step)
{
	/* node 1 is the leader */
	static const struct {
		const char *name, *have, *want;
		enum member_verb verb;
		uint32_t id;
	} rows[] = {
		{ "alone", "1v", "1", MEMBER_NOTHING, 0 },
		{ "a newcomer", "1v", "1 2", MEMBER_ADD, 2 },
		{ "spare becomes stand-by", "1v 2s", "1 2", MEMBER_STANDBY, 2 },
		{ "two voters of two", "1v 2b", "1 2", MEMBER_PROMOTE, 2 },
		{ "an unreachable one is not promoted", "1v 2b", "1 2-", MEMBER_NOTHING, 0 },
		{ "lowest id first", "1v 3b 2b", "1 2 3", MEMBER_PROMOTE, 2 },
		{ "reachable first", "1v 3b 2b", "1 2- 3", MEMBER_PROMOTE, 3 },
		{ "three of three", "1v 2v 3v", "1 2 3", MEMBER_NOTHING, 0 },
		{ "fourth stands by", "1v 2v 3v 4b", "1 2 3 4", MEMBER_NOTHING, 0 },
		{ "fifth joins: the fourth votes", "1v 2v 3v 4b 5b", "1 2 3 4 5", MEMBER_PROMOTE,
		  4 },
		{ "then the fifth", "1v 2v 3v 4v 5b", "1 2 3 4 5", MEMBER_PROMOTE, 5 },
		{ "sixth stands by", "1v 2v 3v 4v 5v 6b", "1 2 3 4 5 6", MEMBER_NOTHING, 0 },
		{ "five became four", "1v 2v 3v 4v", "1 2 3 4", MEMBER_DEMOTE, 4 },
		{ "and a dead one goes first", "1v 2v 3v 4v", "1 2- 3 4", MEMBER_DEMOTE, 2 },
		{ "stand-by left", "1v 2v 3v 4b", "1 2 3", MEMBER_REMOVE, 4 },
		{ "voter left, none to replace it", "1v 2v 3v", "1 2", MEMBER_REMOVE, 3 },
		{ "voter left, replaced first", "1v 2v 3v 4b", "1 2 4", MEMBER_PROMOTE, 4 },
		{ "then it goes", "1v 2v 3v 4v", "1 2 4", MEMBER_REMOVE, 3 },
		{ "voter left, its replacement is dead", "1v 2v 3v 4b", "1 2 4-", MEMBER_REMOVE,
		  3 },
		{ "dead voter, stand-by there", "1v 2v 3v 4b", "1 2 3- 4", MEMBER_DEMOTE, 3 },
		{ "then the stand-by votes", "1v 2v 3b 4b", "1 2 3- 4", MEMBER_PROMOTE, 4 },
		{ "dead voter, no stand-by", "1v 2v 3v", "1 2 3-", MEMBER_NOTHING, 0 },
		{ "dead voter, dead stand-by", "1v 2v 3v 4b", "1 2 3- 4-", MEMBER_NOTHING, 0 },
		{ "dead voter back as stand-by", "1v 2v 3b 4v", "1 2 3 4", MEMBER_NOTHING, 0 },
		{ "address changed: out", "1v 2v 3b@", "1 2 3", MEMBER_REMOVE, 3 },
		{ "and in again", "1v 2v", "1 2 3", MEMBER_ADD, 3 },
		{ "the leader stays though not wished", "1v 2v 3v", "2 3", MEMBER_NOTHING, 0 },
		{ "the leader stays at its address", "1v@ 2v 3v", "1 2 3", MEMBER_NOTHING, 0 },
		{ "nobody wished", "1v 2v", "", MEMBER_REMOVE, 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct consensus_server have[SERVERS_MAX];
		struct member_wish want[SERVERS_MAX];
		int n_have = parse_have(rows[i].have, have),
		    n_want = parse_want(rows[i].want, want);
		struct member_step s = members_decide(have, n_have, want, n_want, 1);

		cr_expect_eq(s.verb, rows[i].verb, "row '%s': %d", rows[i].name, s.verb);
		cr_expect_eq(s.id, rows[i].id, "row '%s': id %u", rows[i].name, s.id);
		if (s.verb == MEMBER_ADD) {
			char address[32];

			snprintf(address, sizeof(address), "n%u:7000", s.id);
			cr_expect_str_eq(s.address, address);
		}
	}
}

Test(members, an_address_in_use_waits_for_its_owner_to_go)
{
	struct consensus_server have[3];
	struct member_wish want[3];
	struct member_step s;

	parse_have("1v 2v 3v", have);
	parse_want("1 2 9", want);
	memcpy(want[2].address, have[2].address, sizeof(want[2].address));
	s = members_decide(have, 3, want, 3, 1);
	cr_expect_eq(s.verb, MEMBER_REMOVE);
	cr_expect_eq(s.id, 3);
}

Test(members, no_more_than_fit)
{
	static struct consensus_server have[CONSENSUS_SERVERS_MAX];
	static struct member_wish want[CONSENSUS_SERVERS_MAX + 1];

	for (int i = 0; i <= CONSENSUS_SERVERS_MAX; i++) {
		want[i].id = (uint32_t)i + 1;
		want[i].reachable = true;
		snprintf(want[i].address, sizeof(want[i].address), "n%d:1", i + 1);
		if (i == CONSENSUS_SERVERS_MAX)
			break;
		have[i].id = want[i].id;
		have[i].role = i < 5 ? CONSENSUS_VOTER : CONSENSUS_STANDBY;
		memcpy(have[i].address, want[i].address, sizeof(have[i].address));
	}
	cr_expect_eq(members_decide(have, CONSENSUS_SERVERS_MAX, want, CONSENSUS_SERVERS_MAX + 1, 1)
			     .verb,
		     MEMBER_NOTHING);
}

static void play(struct consensus_server *have, int *n, const struct member_step *s)
{
	int at = 0;

	while (at < *n && have[at].id != s->id)
		at++;
	switch (s->verb) {
	case MEMBER_NOTHING:
		break;
	case MEMBER_ADD:
		cr_assert_eq(at, *n);
		have[(*n)++] = (struct consensus_server){ .id = s->id, .role = CONSENSUS_SPARE };
		memcpy(have[at].address, s->address, sizeof(have[at].address));
		break;
	case MEMBER_PROMOTE:
		have[at].role = CONSENSUS_VOTER;
		break;
	case MEMBER_DEMOTE:
	case MEMBER_STANDBY:
		have[at].role = CONSENSUS_STANDBY;
		break;
	case MEMBER_REMOVE:
		have[at] = have[--*n];
		break;
	}
}

/* From any start every wish is reached in few steps and then rest; the leader votes throughout. */
Test(members, always_comes_to_rest)
{
	uint32_t seed = 7;

	for (int round = 0; round < 20000; round++) {
		struct consensus_server have[SERVERS_MAX] = { 0 };
		struct member_wish want[SERVERS_MAX] = { 0 };
		int n_have = 0, n_want = 0, steps = 0, voters = 0, live = 0;
		struct member_step s;

		for (uint32_t id = 1; id <= 8; id++) {
			seed = seed * 1664525 + 1013904223;
			if (id == 1 || (seed >> 28) % 3) {
				have[n_have].id = id;
				have[n_have].role =
					id == 1 ? CONSENSUS_VOTER
						: (enum consensus_role)((seed >> 20) % 3);
				snprintf(have[n_have++].address, 32, "n%u:%d", id,
					 (seed >> 16) % 5 ? 1 : 2);
			}
			if (id == 1 || (seed >> 24) % 3) {
				want[n_want].id = id;
				want[n_want].reachable = id == 1 || (seed >> 12) % 4;
				live += want[n_want].reachable;
				snprintf(want[n_want++].address, 32, "n%u:1", id);
			}
		}
		while ((s = members_decide(have, n_have, want, n_want, 1)).verb != MEMBER_NOTHING) {
			cr_assert_lt(steps++, 60, "round %d does not come to rest", round);
			cr_assert(s.id != 1);
			play(have, &n_have, &s);
		}
		cr_assert_eq(n_have, n_want);
		for (int i = 0; i < n_have; i++)
			voters += have[i].role == CONSENSUS_VOTER;
		cr_assert_leq(voters, members_voters_wanted(n_want));
		cr_assert_geq(voters, live < members_voters_wanted(n_want)
					      ? live
					      : members_voters_wanted(n_want));
	}
}
