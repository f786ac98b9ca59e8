# SPDX-License-Identifier: Apache-2.0
"""./dev rig BOARD [options] [-- COMMAND...]: a guest for hands and scripts."""
import argparse
import os
import pathlib
import shlex
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from rig.boards import BOARDS  # noqa: E402  (the path above makes it importable)
from rig.guest import Base, Guest, GuestError, make_disk  # noqa: E402
from rig.network import Lan  # noqa: E402
from rig.packages import PackageError, make_package  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(prog="./dev rig", description="Boots Debian's kernel for a board in QEMU with Baton.",
                                     usage="./dev rig BOARD [options] [-- COMMAND...]",
                                     epilog="Without a command: a shell on the console. The exit status is the command's.")
    parser.add_argument("board", choices=sorted(BOARDS))
    parser.add_argument("--package", help="the .deb with Baton (default: made from this tree)")
    parser.add_argument("--two", action="store_true",
                        help="two guests on one virtual network: n1 (10.77.0.1) with broker and controller, and n2, "
                             "an agent; the command runs on n1")
    parser.add_argument("--bare", action="store_true", help="do not start batond")
    parser.add_argument("--disk", metavar="FILE", help="ext4 image for /var/lib/baton, made when it is not there")
    parser.add_argument("--append", default="", help="more words for the kernel's command line")
    parser.add_argument("--console", metavar="FOLDER", help="where the console logs go (default: build/rig/BOARD)")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for the command (default: 600)")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    chosen = parser.parse_args(words[:end])
    chosen.command = words[end + 1:]
    if chosen.two and not chosen.command:
        parser.error("--two needs a command")
    return chosen


def show(output):
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()


def start(chosen, base, folder):
    """The guest that runs the command, and all guests."""
    options = {"append": chosen.append, "daemon": not chosen.bare}
    if chosen.disk:
        if not os.path.exists(chosen.disk):
            make_disk(chosen.disk)
        options["disk"] = chosen.disk
    if not chosen.two:
        one = Guest(base, folder, shell=not chosen.command, **options)
        return one, [one]
    lan = Lan(base)
    first = lan.broker_node(folder, **options)
    options.pop("disk", None)
    return first, [first, lan.agent_node(folder, **options)]


def run(chosen, base, folder):
    guest, guests = start(chosen, base, folder)
    try:
        if not chosen.command:
            return guest.wait_shell()
        if not chosen.bare:
            for one in guests:
                one.wait_online()
        result = guest.run(" ".join(map(shlex.quote, chosen.command)), chosen.timeout, show)
        for one in guests:
            one.power_off()
        return result.status
    finally:
        for one in guests:
            one.kill()
        print("rig: console in %s" % ", ".join(str(one.console) for one in guests), file=sys.stderr)


def main():
    chosen = arguments()
    top = pathlib.Path(__file__).resolve().parent.parent.parent
    folder = pathlib.Path(chosen.console or top / "build/rig" / chosen.board)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return run(chosen, Base(chosen.board, chosen.package or make_package(top, chosen.board)), folder)
    except (GuestError, PackageError) as problem:
        print("rig: %s" % problem, file=sys.stderr)
        return 125


if __name__ == "__main__":
    sys.exit(main())
