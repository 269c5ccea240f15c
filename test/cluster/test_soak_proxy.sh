#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_soak_proxy.sh - the same without root: faults of the network through the proxy.
exec python3 "$(dirname "$0")/../soak/soak.py" --rounds 3 --seed 89 --net proxy --fs none --copies 2 \
	--pace 0.5 --faults cut,oneway,delay,throttle,unplug,kill
