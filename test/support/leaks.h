/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * leaks.h - lets a leak fail a test: criterion alone would only print it. Give
 * it as .fini of a suite. Does nothing without the address sanitizer.
 */
#ifndef SDSD_TEST_SUPPORT_LEAKS_H
#define SDSD_TEST_SUPPORT_LEAKS_H

#include <stdlib.h>

extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

__attribute__((unused)) static void test_no_leaks(void)
{
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		abort();
}

#endif
