#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_pools.py - what people are told of pools: one whose program hangs, while others go on; a thin
pool that is nearly full, or its metadata. The programs of LVM are stand-ins; what real LVM does is in
test/vm/case_storage.py."""
import json
import os
import tempfile

from cluster import Cluster, Tap, need_sdsd, wait_for

need_sdsd()
tap = Tap()

VGS = """#!/bin/sh
while [ ! -e "$(dirname "$0")/go" ]; do sleep 0.1; done
echo '%s'
""" % json.dumps({"report": [{"vg": [{"vg_name": "vg0", "vg_size": "1073741824",
                                      "vg_free": "536870912", "vg_extent_size": "4194304"}]}]})
LVS = """#!/bin/sh
echo '%s'
""" % json.dumps({"report": [{"lv": [{
    "lv_name": "thin", "lv_size": "1073741824", "lv_tags": "", "lv_active": "active",
    "lv_layout": "thin,pool", "lv_role": "private", "lv_attr": "twi-aotz--",
    "data_percent": "50.00", "metadata_percent": "81.25", "lv_health_status": "",
    "lv_when_full": "queue", "pool_lv": ""}]}]})
FULLER = LVS.replace("50.00", "93.75").replace("queue", "error")


def put_programs(folder):
    for name, text in (("vgs", VGS), ("lvs", LVS)):
        path = os.path.join(folder, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o755)


def line_of(node, pool):
    found = [line for line in node.cli("pool", "list").out.splitlines() if pool in line]
    return found[0] if found else ""


with tempfile.TemporaryDirectory() as programs:
    put_programs(programs)
    os.environ["PATH"] = programs + ":" + os.environ["PATH"]
    with Cluster(1) as c:
        n1 = c.nodes[0]
        n1.cli("pool", "create", "n1", "hangs", "--vg", "vg0")
        n1.cli("pool", "create", "n1", "thin", "--thin-pool", "vg1/thin")
        wait_for(lambda: "has run for" in line_of(n1, "hangs"), 30)
        said = line_of(n1, "hangs")
        tap.ok("probe has run for" in said and "(vgs, pid " in said, "a pool that hangs is seen",
               said)
        wait_for(lambda: "ok" not in line_of(n1, "thin") and "GiB" in line_of(n1, "thin"), 10)
        said = line_of(n1, "thin")
        tap.ok("the thin pool's metadata is 81 % full" in said and "512.00 MiB" in said,
               "another one is not held up, and its metadata nearly full", said)
        tap.ok("lvchange --errorwhenfull y vg1/thin" in said, "it would hang when it is full", said)
        tap.ok("Pool n1/" not in n1.cli("status").out, "no news for the cluster's status")
        with open(os.path.join(programs, "lvs"), "w") as f:
            f.write(FULLER)
        wait_for(lambda: "93 % full" in line_of(n1, "thin"), 30)
        said = line_of(n1, "thin")
        tap.ok("93 % full: no new volumes from 95 % on; lvextend -L +1G vg1/thin" in said and
               "errorwhenfull" not in said, "it is filled: said, and what to do", said)
        said = n1.cli("status").out
        tap.ok("Pool n1/thin: 93 % full: no new volumes from 95 % on" in said,
               "the cluster's status shows it", said)
        with open(os.path.join(programs, "lvs"), "w") as f:
            f.write(FULLER.replace("93.75", "96.00"))
        wait_for(lambda: "96 % full" in line_of(n1, "thin"), 30)
        refused = n1.cli("volume", "create", "db", "64M", "--copies", "1", "--pool", "thin")
        said = refused.out + refused.err
        tap.ok("96 % full (983.04 MiB of 1.00 GiB), nothing new from 95 % on" in said,
               "no new volume, with the numbers", said)
        with open(os.path.join(programs, "go"), "w"):
            pass
        wait_for(lambda: line_of(n1, "hangs").endswith(" ok"), 30)
        tap.ok("512.00 MiB" in line_of(n1, "hangs"), "it goes on", line_of(n1, "hangs"))
tap.done()
