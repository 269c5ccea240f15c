#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_services.py - services that follow a volume, as far as that goes without the kernel module:
their definitions, refusals, what they keep from being deleted, the command line; and that a node
without block devices says so. That they run is for virtual machines: test/vm/case_kernel_service.py."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from cluster import Cluster, Tap, need_sdsd  # noqa: E402

tap = Tap()


def refusals(c):
    n = c.nodes[0]
    for args, why in (("--volume db --mount /srv/db", "user space"),
                      ("--volume none --mount /srv/db", "no such resource"),
                      ("--volume db/7 --mount /srv/db", "no volume 7"),
                      ("--volume db --mount srv/db", "absolute path"),
                      ("--volume db --mount /srv/db --unit ../x.service", "systemd unit"),
                      ("--volume db --mount /srv/db --vip 10.0.0", "address"),
                      ("--volume db --mount /srv/db --nodes n1,n9", "no node n9")):
        r = n.cli("service", "add", "svc", *args.split())
        tap.ok(r.code == 1 and why in r.err, "refused: %s" % args, r.err)
    r = n.cli("service", "add", "svc", "--mount", "/srv/db")
    tap.ok(r.code == 2 and "--volume" in r.err, "no volume is a wrong command line",
           r.err)
    tap.eq(n.get("/v1/sds/services"), [], "a refusal leaves no trace")


def life(c):
    n = c.nodes[1]
    r = n.cli("service", "add", "svc", "--volume", "db", "--mount", "/srv/db", "--unit", "pg",
              "--vip", "10.0.0.5/24", "--stopped")
    tap.ok("follows volume 'db'" in r.out, "add", r.out)
    one = n.get("/v1/sds/services/SVC")
    tap.eq((one["state"], one["unit"], one["node"]), ("stopped", "pg.service", ""), "stopped")
    tap.ok("svc" in n.cli("service", "list").out, "list")
    r = n.cli("service", "move", "svc")
    tap.ok(r.code == 1 and "stopped" in r.err, "what is stopped does not move", r.err)
    r = n.cli("volume", "delete", "db")
    tap.ok(r.code == 1 and "service svc uses it" in r.err, "its volume stays", r.err)
    r = n.cli("service", "start", "svc")
    tap.ok("does not run yet" in r.err and "user space" in r.err,
           "started, and nobody can have it", r.out + r.err)
    one = n.cli_json("service", "show", "svc")
    tap.eq((one["state"], one["node"]), ("waiting", ""), "it waits")
    tap.ok("Service svc does not run: waiting" in n.cli("status").out, "sdsd status says so")
    tap.ok("Service svc does not run" in n.cli("why", "db").out, "sdsd why says so")
    tap.ok("user space" in n.cli("service", "show", "svc").out, "and sdsd service show why")
    n.cli("service", "stop", "svc")
    n.cli("service", "delete", "svc")
    n.cli("volume", "delete", "db")
    said = n.cli("log").out
    tap.ok("Service 'svc' deleted" in said, "the history has it", said)


def main():
    need_sdsd()
    with Cluster(3) as c:
        c.nodes[0].cli("volume", "create", "db", "8M")
        c.wait_verdict("db")
        refusals(c)
        life(c)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
