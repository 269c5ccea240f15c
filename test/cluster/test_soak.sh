#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_soak.sh - a few rounds of the soak test, always the same faults; `make soak` goes on for hours.
exec python3 "$(dirname "$0")/../soak/soak.py" --rounds 10 --seed 1
