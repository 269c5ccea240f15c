/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * step.h - the places where a backend may be cut: each program that it runs and
 * each change of a file or device is between two of them. test/vm/storagectl.c
 * is compiled with STORAGE_STEPS and ends itself at one after the other; in the
 * daemon they are places of base/crash.h.
 */
#ifndef SDSD_STORAGE_STEP_H
#define SDSD_STORAGE_STEP_H

#ifdef STORAGE_STEPS
void storage_step(const char *what);
#else
#include "base/crash.h"
#define storage_step(what) crash_point("storage", what)
#endif

#endif
