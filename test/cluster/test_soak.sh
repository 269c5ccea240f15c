#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_soak.sh - a few rounds of the soak test, always the same faults, with the best network that
# this machine can make; `make soak` goes on for hours.
exec python3 "$(dirname "$0")/../soak/soak.py" --rounds 5 --seed 241 --pace 0.5
