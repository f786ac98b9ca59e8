#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""./dev size [--check] [--packages] [BOARD...]: what each board's programs and packages weigh, and what a node costs at rest.

Without --check, docs/size.json and the table in docs/boards.md are written; with it, what grew by more than 5 % since
then, or is above its limit, fails. --packages leaves out what takes a guest in QEMU to measure.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from rig import footprint
from rig.boards import BOARDS as RIGS
from rig.guest import Base

TOP = pathlib.Path(__file__).resolve().parent.parent
RECORD = TOP / "docs/size.json"
PAGE = TOP / "docs/boards.md"
# One of each architecture, and the smallest: boards of one architecture differ in limits only.
BOARDS = ("qemu-x86_64", "qemu-arm64", "qemu-armhf", "qemu-arm64-minimal")
GROWTH = 1.05
KIB, MIB = 1 << 10, 1 << 20
# kind, name, what stands in the table, the most that is allowed, and for a -minimal board
FIGURES = (
    ("packages", "baton", "package `baton`", 400 * KIB, 400 * KIB),
    ("packages", "baton-image-formats", "package `baton-image-formats`", None, None),
    *(("programs", name, "`%s`" % name, None, None) for name in (
        "baton", "batond", "baton-control", "baton-init", "baton-unpack", "baton-unpack-formats", "native.so", "crun.so")),
    ("memory", "private", "idle daemons, private memory", 3 * MIB, 2 * MIB),
    ("memory", "proportional", "idle daemons, PSS", 7 * MIB, 5 * MIB),
    ("written", "idle hour", "written to disk in an idle hour", 0, 0),
    ("written", "deploy", "written to disk by a deploy", None, None),
)
PROGRAMS = [name for kind, name, *_ in FIGURES if kind == "programs"]
BLOCK = re.compile(r"(<!-- sizes, written by ./dev size -->\n).*?(<!-- end -->\n)", re.S)


def make_packages(board):
    made = subprocess.run([TOP / "dev", "package", board], check=True, stdout=subprocess.PIPE, text=True).stdout
    return list(map(pathlib.Path, made.split()))


def measure_packages(packages):
    """Sizes of the packages and of the stripped programs in them."""
    sizes = {"packages": {}, "programs": {}}
    for package in packages:
        sizes["packages"][package.name.split("_")[0]] = package.stat().st_size
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
            for path in sorted(pathlib.Path(folder).rglob("*")):
                if path.name in PROGRAMS and path.is_file() and path.read_bytes()[:4] == b"\x7fELF":
                    sizes["programs"][path.name] = path.stat().st_size
    return sizes


def rig_of(board):
    """The rig that imitates a board, with or without a fragment laid over it."""
    return board.removesuffix("-minimal")


def can_rest(board):
    """Whether there is a rig for it, with a disk that counts what it is given."""
    rig = RIGS.get(rig_of(board))
    return rig is not None and rig.virtio


def measure_rest(board, packages):
    """Boots the board's rig with the package of `board`; a minute, and nearly two hours of the guest."""
    base = Base(rig_of(board), next(path for path in packages if path.name.startswith("baton_")))
    with tempfile.TemporaryDirectory() as folder:
        return footprint.measure(base, pathlib.Path(folder), minimal=board != rig_of(board))


def faults(board, old, new):
    """Sentences for what is too large or has grown; `new` may hold some kinds of figures only."""
    if old is None:
        yield "%s is not in %s: run ./dev size" % (board, RECORD.relative_to(TOP))
        return
    for kind, name, _, limit, minimal_limit in FIGURES:
        value = new.get(kind, {}).get(name)
        if value is None:
            continue
        most = minimal_limit if board != rig_of(board) else limit
        if most is not None and value > most:
            yield "%s: %s, %s: %d bytes, %d are allowed" % (board, kind, name, value, most)
        before = old.get(kind, {}).get(name)
        if before is None:
            yield "%s: %s, %s is not in %s: run ./dev size" % (board, kind, name, RECORD.relative_to(TOP))
        elif value > before * GROWTH:
            yield "%s: %s, %s grew from %d to %d bytes (%+.1f %%)" % (
                board, kind, name, before, value, 100 * (value - before) / max(before, 1))


def table(record):
    """The figures in KiB as Markdown: a row a figure, a column a board."""
    boards = [board for board in BOARDS if board in record] + sorted(set(record) - set(BOARDS))
    lines = ["| KiB | " + " | ".join(boards) + " |", "|---|" + "---:|" * len(boards)]
    for kind, name, label, *_ in FIGURES:
        values = [record[board].get(kind, {}).get(name) for board in boards]
        if any(value is not None for value in values):
            lines.append("| %s | %s |" % (label, " | ".join("" if value is None else "%.0f" % (value / KIB) for value in values)))
    return "\n".join(lines) + "\n"


def write_page(record):
    text = PAGE.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        sys.exit("%s has no block of sizes" % PAGE)
    PAGE.write_text(BLOCK.sub(lambda match: match.group(1) + table(record) + match.group(2), text), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(prog="./dev size", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with docs/size.json instead of writing it")
    parser.add_argument("--packages", action="store_true", help="no guests: sizes of packages and programs alone")
    parser.add_argument("boards", nargs="*", metavar="BOARD", help="default: " + ", ".join(BOARDS))
    chosen = parser.parse_args()
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    found = {}
    for board in chosen.boards or BOARDS:
        packages = make_packages(board)
        found[board] = measure_packages(packages)
        if not chosen.packages and not can_rest(board):
            print("size: %s: no rig that counts what it writes, packages alone" % board, file=sys.stderr)
        elif not chosen.packages:
            found[board].update(measure_rest(board, packages))
    sys.stdout.write(table(found))
    if chosen.check:
        wrong = [fault for board, sizes in found.items() for fault in faults(board, record.get(board), sizes)]
        sys.exit("\n".join(wrong) if wrong else 0)
    for board, sizes in found.items():
        record.setdefault(board, {}).update(sizes)
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    write_page(record)


if __name__ == "__main__":
    main()
