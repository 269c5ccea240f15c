# SPDX-License-Identifier: GPL-2.0-or-later
"""zfs.py - guests with OpenZFS, for cases: zfs_lab(rig). What it takes comes from
`tools/vm-deps --zfs <series>`; without that, cases that ask for it are skipped."""
import os

import image
from rig import Skip

CACHE = os.path.join(image.CACHE, "zfs")
PROGRAMS = "sbin/zfs sbin/zpool sbin/zdb lib/udev/zvol_id".split()
RULES = "lib/udev/rules.d/60-zvol.rules"
MODULES = "spl.ko", "zfs.ko"
MEMORY = 1024


class Land(image.Userland):
    """The guests' userland with what ZFS brings beside it; collects {path: file}, as an archive."""

    def __init__(self):
        super().__init__()
        self.base, self.entries = self.folder, {}

    def source(self, path):
        for self.folder in (os.path.join(CACHE, "userland"), self.base):
            found = super().source(path)
            if found:
                return found
        return None

    def copy(self, path, source):
        self.entries[path] = source


def zfs_lab(rig, **wishes):
    """A lab whose guests can use ZFS: the modules are loaded, udev runs. The module of the project
    is there when the case has asked for it."""
    series = rig.image.kernel.name
    modules = [os.path.join(CACHE, series, name) for name in MODULES]
    if not all(os.path.exists(p) for p in modules + [CACHE + "/userland/stamp"]):
        raise Skip("no ZFS for guests with kernel %s: tools/vm-deps --zfs %s" % (series, series))
    land = Land()
    for path in PROGRAMS:
        land.add(land, path)
    land.copy(RULES, land.source(RULES))
    wishes["modules"] = wishes.get("modules", rig.modules) + modules
    wishes["files"] = {**land.entries, **wishes.get("files", {})}
    wishes.setdefault("memory", MEMORY)
    return rig.lab(**wishes)


# after each start of a guest
BEGIN = """
modprobe zfs && mkdir -p /etc/zfs /run/udev && /lib/systemd/systemd-udevd --daemon && \
    udevadm trigger && udevadm settle
"""
