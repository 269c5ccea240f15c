#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# core-symbols.sh ARCHIVE... - the archives given (shared/, replication/core/) are compiled into the
# kernel module too, so together they may need nothing but the functions the kernel's own port layer
# has. Anything else that is undefined, a malloc, a clock, a log, a socket, fails the run.
set -euo pipefail

[ $# -gt 0 ] || { echo "usage: $0 ARCHIVE..." >&2; exit 2; }

allowed='memcpy|memset|memcmp|memmove|__assert_fail|_GLOBAL_OFFSET_TABLE_'
hooks='__asan_.*|__ubsan_.*|__lsan_.*|__sanitizer_.*|__stack_chk_fail|__gcov_.*|__sancov_.*'

defined=$(nm --defined-only -g "$@" | awk 'NF == 3 { print $3 }' | sort -u)
undefined=$(nm -A -u "$@" | awk 'NF > 1 && $(NF - 1) ~ /^[Uwv]$/ { print $NF, $1 }')
bad=$(awk 'NR == FNR { own[$1] = 1; next } !($1 in own) { print $1, $2 }' \
	<(printf '%s\n' "$defined") <(printf '%s\n' "$undefined") |
	grep -vE "^($allowed|$hooks) " | awk '{ print $2 " needs " $1 }' | sort -u) || true
[ -n "$defined" ] || { echo "no symbols in $*" >&2; exit 1; }

if [ -n "$bad" ]; then
	echo "symbols the kernel module cannot have:"
	echo "$bad"
	exit 1
fi
echo "core-symbols: $(wc -w <<<"$defined") own symbols, nothing foreign"
