/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * process.h - what is set for the process as such, whoever runs in it: threads,
 * heaps, open files, signals.
 */
#ifndef SDSD_PROCESS_H
#define SDSD_PROCESS_H

#define PROCESS_FILES_MAX 65536
#define PROCESS_NICE (-20)    /* as workers of the kernel's that go first have it */
#define PROCESS_TRIM_MS 30000 /* process_trim is to be called this often */

/* Sets what must be set before libuv is first used. Called once, first thing in main. */
void process_prepare(void);
/* As many open files as are allowed, up to PROCESS_FILES_MAX. With fewer it runs too. */
void process_raise_files(void);
/* The calling thread, and all that it makes from now on, go before applications, where that is
 * allowed: a node that is too busy to say that it lives is taken for dead. Programs it runs
 * (base/proc.h) do not, nor does a plane that moves data. */
void process_precede(void);
/* Heaps give back what is free. */
void process_trim(void);

#endif
