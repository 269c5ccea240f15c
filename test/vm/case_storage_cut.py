# SPDX-License-Identifier: GPL-2.0-or-later
"""The backends of src/storage are cut: at each step that they name, and in the middle of a program of
LVM. Done again, each call finishes and leaves nothing over."""
from case_storage import MIB, Storage, pair
from rig import at_most

SIZES = "--size %d" % (32 * MIB)
PAIR = pair("db_00000")
# what is there before; the call; what is there afterwards; how it goes away
CREATED = ["create db_00000"]
TAKEN = CREATED + ["snapshot db_00000 db_00000_one"]
REMOVED = ["remove db_00000"]
CALLS = {
    "create": ([], "create db_00000", PAIR, REMOVED),
    "grow": (CREATED, "grow db_00000 " + SIZES, PAIR, REMOVED),
    "remove": (CREATED, "remove db_00000", (), []),
    "snapshot": (CREATED, "snapshot db_00000 db_00000_one", ("db_00000_one",) + PAIR,
                 ["snapshot-remove db_00000 db_00000_one"] + REMOVED),
    "restore": (TAKEN, "restore new_00000 db_00000_one --owner 2 " + SIZES,
                ("db_00000_one",) + PAIR + pair("new_00000"),
                ["remove new_00000 --owner 2", "snapshot-remove db_00000 db_00000_one"] + REMOVED),
    "snapshot-remove": (TAKEN, "snapshot-remove db_00000 db_00000_one", PAIR, REMOVED),
}


def begin(s, before):
    for words in before:
        made = s.ok(words)
        if words.startswith("create"):
            s.put(made["data"], "a")


def finish(s, call, wanted, after):
    """the call again, and what must hold then"""
    s.ok(call)
    s.left(*wanted)
    if "db_00000" in wanted:
        data = s.ok("locate db_00000")["data"]
        s.holds(data, "\\0" if call.startswith("create") else "a")
        s.holds(data, "\\0", at=1, mib=15)
    for words in after:
        s.ok(words)


def steps_of(s, call):
    """How many places there are to cut this call; it is done now."""
    s.ok(call, environment="STORAGE_STEPS=1")
    told = s.guest.run("grep -c ^step /tmp/said").out
    return int(told)


def cut_everywhere(s, name):
    """The number of places"""
    before, call, wanted, after = CALLS[name]
    begin(s, before)
    n = steps_of(s, call)
    finish(s, call, wanted, after)
    for at in range(1, n + 1):
        begin(s, before)
        code, said = s.call(call, environment="STORAGE_END_AT=%d" % at)
        s.rig.check(code == "cut", "%s step %d: not cut: %s %s" % (call, at, code, said))
        finish(s, call, wanted, after)
    s.left()
    return n


def cut(s):
    kind, found = s.kind, []
    for name in CALLS:
        if kind == "LVM" and name in ("snapshot", "restore", "snapshot-remove"):
            continue
        found.append("%s %d" % (name, cut_everywhere(s, name)))
    print("     %s: cut at all steps of %s" % (kind, ", ".join(found)))


@at_most(1800)
def case_storage_cut_thin(rig):
    """Thin volumes: kill -9 at each step of each operation, then the operation again."""
    cut(Storage(rig, "LVM_THIN"))


@at_most(1200)
def case_storage_cut_plain(rig):
    """The same for plain volumes."""
    cut(Storage(rig, "LVM"))


@at_most(1200)
def case_storage_cut_file(rig):
    """The same for files of both kinds, on xfs."""
    cut(Storage(rig, "FILE_THIN"))
    cut(Storage(rig, "FILE"))


# A program of LVM that is killed after so many seconds.
KILLER = """mkdir -p /tmp/cut && for t in lvcreate lvextend lvchange lvremove; do
printf '#!/bin/sh\\nexec timeout -s KILL $CUT /sbin/%s "$@"\\n' $t >/tmp/cut/$t
chmod 755 /tmp/cut/$t; done"""
MOMENTS = 4


@at_most(2400)
def case_storage_cut_tool(rig):
    """LVM's programs are killed in the middle, sooner and later: what they leave is put right by the
    next call."""
    s = Storage(rig, "LVM_THIN")
    s.guest.run(KILLER)
    whole = s.lvm("lvcreate -q -y --type thin -V 8M --thinpool thin -n timed vg").seconds
    s.lvm("lvremove -q -y vg/timed")
    cuts = {}
    for name, (before, call, wanted, after) in CALLS.items():
        cuts[name] = 0
        for moment in range(1, MOMENTS + 1):
            begin(s, before)
            code, _ = s.call(call, environment="CUT=%.3f PATH=/tmp/cut:$PATH"
                             % (whole * moment / (MOMENTS + 1)))
            cuts[name] += code != "ok"
            if name == "snapshot" and code != "ok":
                s.ok("snapshot-remove db_00000 db_00000_one")      # as its caller must
            finish(s, call, wanted, after)
        s.left()
    print("     cut: " + ", ".join("%s %d" % c for c in cuts.items()))
    rig.check(all(cuts.values()), "nothing was cut: %s" % cuts)
