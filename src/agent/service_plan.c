// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service_plan.c - see service_plan.h. Called by services.c. Up: device, mount, address, unit.
 * Down: the reverse, but the address first when another node may take it meanwhile.
 */
#include "agent/service_plan.h"

static enum service_step down(const struct service_want *w, const struct service_sight *s)
{
	if (w->urgent && s->address)
		return SERVICE_STEP_UNADDRESS;
	if (s->unit != SERVICE_UNIT_OFF)
		return SERVICE_STEP_STOP;
	if (s->address)
		return SERVICE_STEP_UNADDRESS;
	return s->mounted ? SERVICE_STEP_UNMOUNT : SERVICE_STEP_NONE;
}

static enum service_step up(const struct service_want *w, const struct service_sight *s)
{
	if (w->address && !s->address)
		return SERVICE_STEP_ADDRESS;
	if (!w->unit || s->unit == SERVICE_UNIT_ON)
		return SERVICE_STEP_NONE;
	return s->unit == SERVICE_UNIT_BETWEEN ? SERVICE_STEP_WAIT : SERVICE_STEP_START;
}

bool service_plan_clear(const struct service_sight *s)
{
	return !s->mounted && !s->address && s->unit == SERVICE_UNIT_OFF;
}

enum service_step service_plan_next(const struct service_want *w, const struct service_sight *s)
{
	if (!w->run || (s->mounted && s->broken))
		return down(w, s);
	if (s->mounted)
		return up(w, s);
	/* a unit that runs without its volume writes into the folder below */
	if (!service_plan_clear(s))
		return down(w, s);
	if (s->occupied)
		return SERVICE_STEP_BLOCKED;
	return w->device ? SERVICE_STEP_MOUNT : SERVICE_STEP_WAIT;
}

const char *service_step_name(enum service_step step)
{
	static const char *const names[SERVICE_STEPS] = {
		[SERVICE_STEP_NONE] = "none",       [SERVICE_STEP_WAIT] = "wait",
		[SERVICE_STEP_BLOCKED] = "blocked", [SERVICE_STEP_MOUNT] = "mount",
		[SERVICE_STEP_ADDRESS] = "address", [SERVICE_STEP_START] = "start",
		[SERVICE_STEP_STOP] = "stop",       [SERVICE_STEP_UNADDRESS] = "remove address",
		[SERVICE_STEP_UNMOUNT] = "unmount",
	};

	return names[step];
}
