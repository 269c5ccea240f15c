# SPDX-License-Identifier: GPL-2.0-or-later
"""kmod.py - guests with the kernel module, for cases: kmod_lab(rig), status(guest).

What is tested comes from `make kmod`: build/kmod/<series>/rvol.ko (or run.py's --module), and the
programs of TOOLS in build/test.
"""
import os
import re

import image
from rig import Skip

TOOLS = ("rvolctl", "nlcheck", "renewcheck", "churn", "freezecheck")


def built(path):
    full = os.path.join(image.ROOT, "build", path)
    if not os.path.exists(full):
        raise Skip("no build/%s: make kmod" % path)
    return full


def kmod_lab(rig, ram=4, ram_kib=65536, plain=True, **wishes):
    """A lab whose guests have loaded the module and have /dev/ram0 and on, of ram_kib each."""
    if not any(os.path.basename(m) == "rvol.ko" for m in rig.modules):
        rig.modules = rig.modules + [built("kmod/%s/rvol.ko" % rig.image.kernel.name)]
    # a cache of the module's that shares another's slabs would not say what is left in it
    wishes["append"] = wishes.get("append", "") + " slab_nomerge"
    files = dict(wishes.pop("files", {}))
    files.update({"usr/bin/" + t: built("test/" + t) for t in TOOLS})
    lab = rig.lab(files=files, **wishes)
    for guest in lab.guests:
        guest.run("ip link set lo up; modprobe brd rd_nr=%d rd_size=%d; modprobe rvol plain=%d"
                  % (ram, ram_kib, plain))
    return lab


def status_of(text):
    """What `rvolctl status` says: {slot: {key: value}}; numbers of the volumes are left out."""
    found = {}
    for line in text.splitlines():
        if not line.startswith(" "):
            pairs = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', line))
            found[int(pairs["slot"])] = pairs
    return found


def status(guest):
    return status_of(guest.run("rvolctl status").out)


def in_sync(guest, mask):
    """Everybody says that these copies, by slot, are in sync."""
    return all(int(s["in_sync"], 16) == mask for s in status(guest).values())
