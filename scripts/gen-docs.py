#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""gen-docs.py [--check] --build DIR: the reference tables of docs/, from the tables of the code.

A document holds hand-written text and blocks between "<!-- generated: NAME -->" and "<!-- end -->"; only the blocks
are written. docs/cli.md is generated as a whole. With --check nothing is written: a difference is shown and fails.
"""
import argparse
import difflib
import json
import pathlib
import re
import subprocess
import sys

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def output(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def table(titles, rows):
    lines = ["| %s |" % " | ".join(titles), "|%s" % ("---|" * len(titles))]
    lines += ["| %s |" % " | ".join(cell(text) for text in row) for row in rows]
    return "\n".join(lines) + "\n"


def attributes(tables):
    """Supported ones first: that is what people look for."""
    order = {"supported": 0, "ignored": 1, "rejected": 2}
    rows = sorted(tables["attributes"], key=lambda row: (order[row["support"]], row["path"]))
    return table(["attribute", "support", "forms, limits, reason"],
                 [("`%s`" % row["path"], row["support"], row["help"] or "Not supported yet.") for row in rows])


def topics(tables):
    return table(["topic", "retained", "who writes", "what"],
                 [("`%s`" % row["pattern"], "yes" if row["retained"] else "no", row["writer"], row["help"])
                  for row in tables["topics"]])


def wanted(path, blocks, build):
    if path.name == "cli.md":
        return output(build / "bin/baton", "help", "--markdown")

    def fill(match):
        if match.group(2) not in blocks:
            sys.exit("%s: there is no generated block \"%s\"" % (path, match.group(2)))
        return match.group(1) + blocks[match.group(2)] + match.group(3)
    return BLOCK.sub(fill, path.read_text(encoding="utf-8"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--build", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    tables = json.loads(output(arguments.build / "tests/model-tables"))
    blocks = {"attributes": attributes(tables), "topics": topics(tables),
              "configuration": output(arguments.build / "bin/batond", "--markdown-config")}
    stale = 0
    for path in sorted({*DOCS.glob("*.md"), DOCS / "cli.md"}):
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        new = wanted(path, blocks, arguments.build)
        if old == new:
            continue
        stale += 1
        if arguments.check:
            sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), str(path), "generated"))
        else:
            path.write_text(new, encoding="utf-8")
            print("written: %s" % path)
    if arguments.check and stale:
        sys.exit("%d documents are not up to date: run scripts/gen-docs.py --build %s" % (stale, arguments.build))


if __name__ == "__main__":
    main()
