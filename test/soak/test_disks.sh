#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_disks.sh - a few rounds of the soak test on disks that fail, hang and are slow.
exec python3 "$(dirname "$0")/soak.py" --rounds 3 --seed 9 --net none --fs none --pace 0.5 \
	--faults eio,nospace,hang,slow
