#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run.sh [WORLD] - compile the model checker in a folder of its own and run it, at low priority.
# Called by make model. Exit status: that of the checker.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${CC:-gcc}" -O2 -std=gnu11 -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes \
	-Wshadow -Wvla -Wpointer-arith -Wno-unused-parameter -o "$work/model" "$here"/*.c
nice -n 15 "$work/model" "$@"
