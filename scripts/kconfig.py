#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a defconfig (or an edited .config) into .config, autoconf.h and CMake variables.

Stock kconfig tools only warn about requests they cannot honour; here an unknown symbol, a value out of range or an
unmet dependency stops the configure step with one line per fault.
"""
import argparse
import os
import re
import sys

try:
    import kconfiglib
except ImportError:
    sys.exit("kconfig.py: python3-kconfiglib is missing for %s: apt-get install python3-kconfiglib" % sys.executable)

ASSIGNMENT = re.compile(r'^CONFIG_([A-Za-z0-9_]+)=(.*)$')
UNSET = re.compile(r'^# CONFIG_([A-Za-z0-9_]+) is not set$')


def requests(path):
    """Yields (line number, symbol, value) of every assignment of a configuration file."""
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.strip()
            match = ASSIGNMENT.match(line)
            unset = UNSET.match(line)
            if match:
                yield number, match.group(1), match.group(2).strip('"')
            elif unset:
                yield number, unset.group(1), "n"
            elif line and not line.startswith("#"):
                yield number, None, line


def last_requests(paths):
    """(place, symbol, value) of every line that no later file replaces."""
    last = {}
    for path in paths:
        for number, name, value in requests(path):
            place = "%s:%d" % (path, number)
            last[name or place] = place, name, value
    return last.values()


def check(kconf, paths):
    """Faults of the configuration files, as sentences."""
    for place, name, value in last_requests(paths):
        if name is None:
            yield "%s: not an assignment: %s" % (place, value)
            continue
        symbol = kconf.syms.get(name)
        if symbol is None or not symbol.nodes:
            yield "%s: unknown symbol CONFIG_%s" % (place, name)
        elif symbol.str_value != value:
            low_high = ", ".join("%s to %s" % (low.str_value, high.str_value) for low, high, _ in symbol.ranges)
            hint = " (range %s)" % low_high if low_high else " (a dependency is not met)"
            yield "%s: CONFIG_%s=%s cannot be honoured, it would be %s%s" % (
                place, name, value, symbol.str_value, hint)


def write_cmake(kconf, path):
    with open(path + ".tmp", "w", encoding="utf-8") as out:
        for symbol in kconf.unique_defined_syms:
            value = symbol.str_value
            if symbol.orig_type == kconfiglib.BOOL:
                value = "ON" if value == "y" else "OFF"
            out.write('set(CONFIG_%s "%s")\n' % (symbol.name, value))
    if not os.path.exists(path) or open(path, encoding="utf-8").read() != open(path + ".tmp", encoding="utf-8").read():
        os.replace(path + ".tmp", path)
    else:
        os.remove(path + ".tmp")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kconfig", required=True)
    parser.add_argument("--input", action="append", required=True, help="files, later ones win")
    parser.add_argument("--config", required=True)
    parser.add_argument("--header", required=True)
    parser.add_argument("--cmake", required=True)
    options = parser.parse_args()
    kconf = kconfiglib.Kconfig(options.kconfig, warn_to_stderr=False)
    for index, path in enumerate(options.input):
        kconf.load_config(path, replace=index == 0)
    faults = list(check(kconf, options.input))
    if faults:
        sys.exit("\n".join(faults))
    kconf.write_config(options.config)
    kconf.write_autoconf(options.header)
    write_cmake(kconf, options.cmake)


if __name__ == "__main__":
    main()
