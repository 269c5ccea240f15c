/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - one line an event: time, level, subsystem, text of key=value pairs.
 * Objects come first and in this order: volume= peer= epoch=. Only the
 * function that decides to go on logs a failure; the others return it.
 * Thread safe. Secrets (tokens, keys, passphrases) never go in.
 */
#ifndef SDSD_BASE_LOG_H
#define SDSD_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* level: lines above it are dropped. Lines go to standard error. */
void log_init(enum log_level level);
/* "error", "warn", "info", "debug" -> level; -EINVAL */
int log_level_parse(const char *text, enum log_level *ret);
void log_write(enum log_level level, const char *subsystem, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(sub, ...) log_write(LOG_LEVEL_ERROR, sub, __VA_ARGS__)
#define log_warn(sub, ...) log_write(LOG_LEVEL_WARN, sub, __VA_ARGS__)
#define log_info(sub, ...) log_write(LOG_LEVEL_INFO, sub, __VA_ARGS__)
#define log_debug(sub, ...) log_write(LOG_LEVEL_DEBUG, sub, __VA_ARGS__)

#endif
