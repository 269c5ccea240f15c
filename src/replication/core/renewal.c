/* SPDX-License-Identifier: GPL-2.0-or-later */
/* renewal.c - see renewal.h. */
#include "replication/core/renewal.h"

bool repl_renewal_switches(struct repl_renewal *n, bool has_next)
{
	if (!has_next || n->ready != n->number || n->switched_out)
		return false;
	n->switched_out = true;
	return true;
}

enum repl_renewal_step repl_renewal_hear(struct repl_renewal *n, const struct wire_link_msg *m)
{
	bool ours = m->renewal == n->number;

	if (m->kind == WIRE_LINK_READY) {
		/* perhaps of one whose socket has not come here yet */
		if (!n->switched_out)
			n->ready = m->renewal;
		return REPL_RENEWAL_NOTHING;
	}
	if (m->kind == WIRE_LINK_SWITCH && ours && n->switched_out && !n->switched_in)
		return REPL_RENEWAL_READ_ON;
	if (m->kind == WIRE_LINK_SWITCHED && ours && n->switched_in)
		return REPL_RENEWAL_OVER;
	return REPL_RENEWAL_WRONG;
}

/* The other side may have seen its end before, and be READY for another already. */
void repl_renewal_end(struct repl_renewal *n)
{
	*n = (struct repl_renewal){ .ready = n->ready == n->number ? 0 : n->ready };
}
