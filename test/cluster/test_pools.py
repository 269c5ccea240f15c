#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_pools.py - what people are told of pools: one whose program hangs, while others go on; a thin
pool whose metadata is nearly full. The programs of LVM are stand-ins; what real LVM does is in
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
    "data_percent": "50.00", "metadata_percent": "81.25", "lv_health_status": "", "pool_lv": ""}]}]})


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
        tap.ok("metadata of thin pool vg1/thin is full to 81 %" in said and "512.00 MiB" in said,
               "another one is not held up, and its metadata nearly full", said)
        with open(os.path.join(programs, "go"), "w"):
            pass
        wait_for(lambda: line_of(n1, "hangs").endswith(" ok"), 30)
        tap.ok("512.00 MiB" in line_of(n1, "hangs"), "it goes on", line_of(n1, "hangs"))
tap.done()
