#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up JUnit files and ends with one line, "N passed, N failed, N skipped"; names what failed or was skipped."""
import pathlib
import sys
import xml.etree.ElementTree as tree


def cases(path):
    """Yields (name, outcome, text) of every test case of a JUnit file."""
    for case in tree.parse(path).getroot().iter("testcase"):
        name = "%s %s" % (case.get("classname", ""), case.get("name", ""))
        for outcome in ("failure", "error", "skipped"):
            found = case.find(outcome)
            if found is not None:
                yield name, outcome, found.get("message") or ""
                break
        else:
            disabled = case.get("status") == "disabled"
            yield name, "skipped" if disabled else "passed", "cmake/unit-test.cmake says why" if disabled else ""


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sys.argv[1:]:
        try:
            found = list(cases(path))
        except (OSError, tree.ParseError) as error:
            print("no results in %s: %s" % (path, error))
            counts["failed"] += 1
            continue
        for name, outcome, text in found:
            key = {"passed": "passed", "skipped": "skipped"}.get(outcome, "failed")
            counts[key] += 1
            if key != "passed":
                print("%s: %s: %s: %s" % (key, pathlib.Path(path).stem, name, text.splitlines()[0] if text else ""))
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts)
    return 0 if counts["failed"] == 0 and counts["passed"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
