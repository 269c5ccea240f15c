#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""play.py [--guests N] [--disks MIB,MIB,...] - guests to try things in, by hand or from a script.

Reads lines from standard input and prints what they give:

    n1 COMMAND          runs it in n1's shell, waits, prints its output and a status that is not 0
    all COMMAND         in all guests at once
    n1 & COMMAND        in the background
    push n1 FILE PATH   puts a file of ours into a guest; pull n1 PATH FILE: the other way
    cut n1              no power; on n1: again; pause n1, resume n1: time stands still
    unplug n1, plug n1  its network cable
    problems            what the kernels complained about
    quit                as the end of input: all guests are switched off

Guests are n1, n2, ... (10.77.0.1, ...), disks /dev/vda, /dev/vdb, ... of each; build/sdsd is
/usr/bin/sdsd when it is there. Their consoles are in the folder that is named at the start.
"""
import argparse
import os
import shutil
import sys
import tempfile

import image
from channel import GuestGone
from disk import Disk
from guest import Lab


def show(name, result):
    for text in (result.out, result.err):
        for line in text.splitlines():
            print("%s: %s" % (name, line))
    if result.status != 0:
        print("%s: status %d" % (name, result.status))


class Game:
    def __init__(self, lab):
        self.lab = lab
        self.guests = {g.name: g for g in lab.guests}

    def on(self, guest):
        guest.start()
        guest.wait()

    def line(self, text):
        words = text.split(None, 1)
        verbs = {"cut": lambda g: g.power_cut(), "on": self.on, "pause": lambda g: g.pause(),
                 "resume": lambda g: g.resume(), "unplug": lambda g: g.link(False),
                 "plug": lambda g: g.link(True)}
        head, rest = words[0], words[1].strip() if len(words) > 1 else ""
        if head in self.guests and rest.startswith("&"):
            self.guests[head].start_job(rest[1:])
        elif head in self.guests:
            show(head, self.guests[head].run(rest, 3600, check=False))
        elif head == "all":
            for guest, result in zip(self.lab.guests, self.lab.run(rest, 3600, check=False)):
                show(guest.name, result)
        elif head in verbs:
            verbs[head](self.guests[rest])
        elif head == "push":
            name, source, path = rest.split()
            self.guests[name].push(source, path, os.stat(source).st_mode & 0o777)
        elif head == "pull":
            name, path, target = rest.split()
            with open(target, "wb") as f:
                f.write(self.guests[name].pull(path))
        elif head == "problems":
            print("\n".join(self.lab.problems()) or "none")
        else:
            print("? %s; --help tells what there is" % head)


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guests", type=int, default=1)
    parser.add_argument("--disks", default="512", help="MiB of each disk (512)")
    parser.add_argument("--volatile", action="store_true", help="disks lose what is not flushed")
    parser.add_argument("--memory", type=int, default=512, help="MiB of each guest (512)")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--kernel", default="6.1", help="6.1, 6.12 or a folder (image.py)")
    parser.add_argument("--module", action="append", default=[], dest="modules", metavar="KO")
    parser.add_argument("--file", action="append", default=[], metavar="PATH=FILE",
                        help="a file of ours that is in the guests from the start")
    return parser.parse_args()


def main():
    options = parse()
    files = dict(f.split("=", 1) for f in options.file)
    sdsd = os.path.join(image.ROOT, "build/sdsd")
    if os.path.exists(sdsd):
        files.setdefault("/usr/bin/sdsd", sdsd)
    disks = [Disk(int(m), options.volatile) for m in options.disks.split(",") if m]
    folder = tempfile.mkdtemp(prefix="sdsd-play.")
    try:
        made = image.make(options.kernel)
    except image.Missing as e:
        sys.exit("play: %s" % e)
    with Lab(made, folder, guests=options.guests, disks=disks, memory=options.memory,
             cpus=options.cpus, files=files, modules=options.modules) as lab:
        game = Game(lab)
        print("# %d guests run; consoles: %s/n*/console.log" % (options.guests, folder), flush=True)
        for text in sys.stdin:
            if text.strip() == "quit":
                break
            if not text.strip() or text.startswith("#"):
                continue
            try:
                game.line(text)
            except (GuestGone, OSError, RuntimeError, KeyError, ValueError) as e:
                print("! %s: %s" % (type(e).__name__, e))
            sys.stdout.flush()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
