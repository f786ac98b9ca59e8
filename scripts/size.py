#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""./dev size [--check] [BOARD...]: what each board's programs and packages weigh.

Without --check, docs/size.json and the table in docs/boards.md are written; with it, a size that grew by more than
5 % since then, or a main package above its limit, fails. What the rigs measure stands in the same file, under the
board, and is left alone.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
RECORD = TOP / "docs/size.json"
PAGE = TOP / "docs/boards.md"
# One of each architecture, and the smallest: boards of one architecture differ in limits only.
BOARDS = ("qemu-x86_64", "qemu-arm64", "qemu-armhf", "qemu-arm64-minimal")
GROWTH = 1.05
PACKAGE_MAX = 400 * 1024
PROGRAMS = ("baton", "batond", "baton-control", "baton-init", "baton-unpack", "baton-unpack-formats", "native.so",
            "crun.so")
BLOCK = re.compile(r"(<!-- sizes, written by ./dev size -->\n).*?(<!-- end -->\n)", re.S)


def measure(board):
    """Builds the packages of a board; sizes of the packages and of the stripped programs in them."""
    made = subprocess.run([TOP / "dev", "package", board], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    sizes = {"packages": {}, "programs": {}}
    for package in map(pathlib.Path, made):
        sizes["packages"][package.name.split("_")[0]] = package.stat().st_size
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
            for path in sorted(pathlib.Path(folder).rglob("*")):
                if path.name in PROGRAMS and path.is_file() and path.read_bytes()[:4] == b"\x7fELF":
                    sizes["programs"][path.name] = path.stat().st_size
    return sizes


def faults(board, old, new):
    """Sentences for what is too large."""
    if new["packages"]["baton"] > PACKAGE_MAX:
        yield "%s: the package baton has %d bytes, %d are allowed" % (board, new["packages"]["baton"], PACKAGE_MAX)
    if old is None:
        yield "%s is not in %s: run ./dev size" % (board, RECORD.relative_to(TOP))
        return
    for kind in ("packages", "programs"):
        for name, size in sorted(new[kind].items()):
            before = old.get(kind, {}).get(name)
            if before is not None and size > before * GROWTH:
                yield "%s: %s grew from %d to %d bytes (%+.1f %%)" % (
                    board, name, before, size, 100 * (size - before) / before)


def table(record):
    """The sizes in KiB as Markdown: a row a file, a column a board."""
    boards = [board for board in BOARDS if board in record] + sorted(set(record) - set(BOARDS))
    lines = ["| KiB | " + " | ".join(boards) + " |", "|---|" + "---:|" * len(boards)]
    for kind in ("packages", "programs"):
        names = [name for name in ("baton", "baton-image-formats", *PROGRAMS)
                 if any(name in record[board].get(kind, {}) for board in boards)]
        for name in dict.fromkeys(names):
            cells = ["%.0f" % (record[board][kind][name] / 1024) if name in record[board].get(kind, {}) else ""
                     for board in boards]
            label = "package `%s`" % name if kind == "packages" else "`%s`" % name
            lines.append("| %s | %s |" % (label, " | ".join(cells)))
    return "\n".join(lines) + "\n"


def write_page(record):
    text = PAGE.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        sys.exit("%s has no block of sizes" % PAGE)
    PAGE.write_text(BLOCK.sub(lambda match: match.group(1) + table(record) + match.group(2), text), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(prog="./dev size", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with docs/size.json instead of writing it")
    parser.add_argument("boards", nargs="*", metavar="BOARD", help="default: " + ", ".join(BOARDS))
    chosen = parser.parse_args()
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    found = {board: measure(board) for board in chosen.boards or BOARDS}
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
