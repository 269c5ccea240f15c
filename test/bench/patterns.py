# SPDX-License-Identifier: GPL-2.0-or-later
"""patterns.py - what fio does to a device in a guest, and what that costs: for path.py and
rates.py. To add one: a Pattern in the list of whoever runs it."""
import json

FIO = ("fio --name=t --rw=%s --bs=%d --direct=1 --ioengine=libaio --iodepth=%d "
       "--iodepth_batch_submit=%d --iodepth_batch_complete_min=%d --norandommap "
       "--group_reporting --output-format=json --filename=%s %s %s")
TIME = "--time_based=1 --runtime=%dms --ramp_time=%dms"
RAMP = 0.5      # times the time that is measured


class Pattern:
    """batch: so many are submitted, and awaited, at a time; more: further words for fio; warm: so
    many requests are made before; times: of the usual time, for few and large ones."""

    def __init__(self, name, rw, depth, batch=1, block=4096, more="", warm=0, times=1):
        self.name = name
        self.rw = rw
        self.depth = depth
        self.batch = batch
        self.block = block
        self.more = more
        self.warm = warm
        self.times = times

    def command(self, device, time):
        return FIO % (self.rw, self.block, self.depth, self.batch, self.batch, device, time,
                      self.more)


class Counters:
    """What a guest's kernel has counted until now."""

    def __init__(self, guest):
        text = guest.run("grep '^Tcp:' /proc/net/snmp; grep -e '^cpu ' -e '^ctxt ' /proc/stat").out
        names, values, cpu, switches = [line.split() for line in text.splitlines()]
        self.segments = int(dict(zip(names, values))["OutSegs"])
        self.switches = int(switches[1])
        # user, nice, system, idle, iowait, irq, softirq: in ticks of 10 ms
        self.busy_ms = 10 * sum(int(cpu[i]) for i in (1, 2, 3, 6, 7))


class Cost:
    """Of one request: TCP segments sent, context switches, milliseconds of CPU of all programs."""

    def __init__(self, before, after, requests):
        self.segments = (after.segments - before.segments) / requests
        self.switches = (after.switches - before.switches) / requests
        self.busy_ms = (after.busy_ms - before.busy_ms) / requests


def run(guest, device, pattern, milliseconds):
    """(fio's own figures after the ramp, Cost). What is counted is of the ramp, too, and as many
    requests are taken to be in it as in an equal time after it: not all devices count theirs."""
    if pattern.warm:
        guest.run(pattern.command(device, "--number_ios=%d" % pattern.warm), 1200)
    before = Counters(guest)
    out = guest.run(pattern.command(device, TIME % (milliseconds, milliseconds * RAMP)), 1200).out
    after = Counters(guest)
    job = json.loads(out[out.index("{"):])["jobs"][0]
    side = job["read"] if job["read"]["total_ios"] else job["write"]
    return side, Cost(before, after, side["total_ios"] * (1 + RAMP))
