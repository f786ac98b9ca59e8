#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Structure rules of STYLE.md and DESIGN section 9, checked on every tracked C file and CMake target folder.

Ranks of includes, include cycles, private headers, self-naming first include, file and function sizes, parameter
counts, cognitive complexity (nesting-weighted branches), banned functions, #ifdef inside functions, licence line.
"""
import collections
import os
import re
import subprocess
import sys

RANKS = {
    "plugins/include": 0, "core/base": 0, "core/launch": 0,
    "core/config": 1, "core/model": 1, "core/ipc": 1,
    "broker/session": 2, "broker/embedded": 2, "lua/host": 2, "core/image": 2,
    "core/controller": 3, "core/agent": 3, "core/supervisor": 3,
    "core/batond": 4, "core/control": 4, "core/cli": 4, "core/unpack": 4,
    "plugins/native": 1, "plugins/crun": 1,
}
PLUGIN_MAY = ("core/base", "plugins/include", "plugins/")
BANNED = re.compile(r"\b(system|popen|strcpy|strcat|sprintf|vsprintf|atoi|atol|strtok|alloca|gets)\s*\(")
FILE_LINES, FUNCTION_LINES, PARAMETERS, COMPLEXITY = 600, 80, 6, 25


def folder_of(path):
    """The ranked folder a file belongs to, or None."""
    best = None
    for folder in RANKS:
        if path.startswith(folder + "/") and (best is None or len(folder) > len(best)):
            best = folder
    return best


def strip_code(text):
    """Code with comments, strings and character constants blanked out, line structure kept."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)) if match.group(0)[0] == "/" else
                       '""' if match.group(0)[0] == '"' else "' '", text)


def functions(code):
    """Yields (name, parameters, first line, body lines) of every function definition (brace in column 0)."""
    lines = code.split("\n")
    start = 0
    for number, line in enumerate(lines):
        if line.startswith("{"):
            head = []
            back = number - 1
            while back >= 0 and lines[back].strip() and not lines[back].startswith(("}", "#")):
                head.insert(0, lines[back])
                back -= 1
            start = number
            header = " ".join(head)
        elif line.startswith("}") and start:
            match = re.search(r"(\w+)\s*\((.*)\)\s*$", header.strip())
            if match:
                yield match.group(1), match.group(2), start + 1, lines[start:number + 1]
            start = 0


def complexity(body):
    """Cognitive complexity (Campbell, 2018), approximated: +1 and +nesting per branch, +1 per run of && or ||."""
    total = 0
    for line in body:
        depth = max(len(line) - len(line.lstrip("\t")) - 1, 0)
        code = line.strip()
        if re.match(r"(\} )?else if\b", code):
            total += 1
        elif re.match(r"(if|for|while|do|switch)\b", code):
            total += 1 + depth
        elif re.match(r"(\} )?else\b", code) or code.startswith("goto "):
            total += 1
        operators = re.findall(r"&&|\|\|", code)
        total += sum(1 for index, operator in enumerate(operators) if index == 0 or operators[index - 1] != operator)
        total += len(re.findall(r"\s\?\s", code))
    return total


def parameter_count(text):
    depth, count = 0, 1 if text.strip() and text.strip() != "void" else 0
    for char in text:
        depth += char in "(["
        depth -= char in ")]"
        count += char == "," and depth == 0
    return count


def check_file(path, text):
    """Yields faults of one file."""
    if not text.startswith("/* SPDX-License-Identifier: Apache-2.0 */"):
        yield "%s:1: the licence line is missing" % path
    lines = text.split("\n")
    if len(lines) - 1 > FILE_LINES:
        yield "%s: %d lines, the limit is %d" % (path, len(lines) - 1, FILE_LINES)
    code = strip_code(text)
    for number, line in enumerate(code.split("\n"), 1):
        match = BANNED.search(line)
        if match and not line.startswith("#"):
            yield "%s:%d: %s() is banned" % (path, number, match.group(1))
    for name, parameters, line, body in functions(code):
        if len(body) > FUNCTION_LINES:
            yield "%s:%d: %s() has %d lines, the limit is %d" % (path, line, name, len(body), FUNCTION_LINES)
        if parameter_count(parameters) > PARAMETERS:
            yield "%s:%d: %s() has more than %d parameters" % (path, line, name, PARAMETERS)
        if complexity(body) > COMPLEXITY:
            yield "%s:%d: %s() has a cognitive complexity of %d, the limit is %d" % (
                path, line, name, complexity(body), COMPLEXITY)
        for offset, content in enumerate(body):
            if re.match(r"#\s*if", content):
                yield "%s:%d: #if inside %s(); choose sources in CMake" % (path, line + offset, name)


def check_includes(path, text, known, graph):
    """Yields faults of the includes of one file and fills the graph of headers."""
    folder = folder_of(path)
    includes = re.findall(r'^#include "([^"]+)"', text, re.M)
    for include in includes:
        beside = "%s/%s" % (path.rsplit("/", 1)[0], include)
        if path.startswith("tests/") and beside in known:
            include = beside
        if include not in known:
            yield "%s: includes %s, which is not in the tree" % (path, include)
            continue
        graph[path].append(include)
        other = folder_of(include)
        if not folder or not other:
            continue
        if folder.startswith("plugins/") and not include.startswith(PLUGIN_MAY):
            yield "%s: a plugin may include only <baton/runtime.h> and core/base, not %s" % (path, include)
        if RANKS[other] > RANKS[folder] or (RANKS[other] == RANKS[folder] == 4 and other != folder):
            yield "%s (rank %d) includes %s (rank %d)" % (path, RANKS[folder], include, RANKS[other])
        if include.endswith("-priv.h") and other != folder:
            yield "%s: %s is private to %s" % (path, include, other)
    own = path[:-2] + ".h"
    if path.endswith(".c") and own in known and folder and (not includes or includes[0] != own) and \
            not own.endswith("-priv.h"):
        yield "%s: its own header must be the first include" % path


def cycles(graph):
    """Yields one line per include cycle."""
    state = {}

    def visit(node, trail):
        state[node] = 1
        for other in graph.get(node, []):
            if state.get(other) == 1:
                yield "include cycle: " + " -> ".join(trail[trail.index(other):] + [other])
            elif other not in state:
                yield from visit(other, trail + [other])
        state[node] = 2

    for node in list(graph):
        if node not in state:
            yield from visit(node, [node])


def main():
    top = subprocess.check_output(["git", "rev-parse", "--show-toplevel"], text=True).strip()
    os.chdir(top)
    listed = subprocess.check_output(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.c", "*.h"],
                                     text=True).split()
    known = {path for path in listed if os.path.exists(path)}
    graph = collections.defaultdict(list)
    faults = []
    for path in sorted(known):
        with open(path, encoding="utf-8") as source:
            text = source.read()
        faults += check_file(path, text)
        faults += check_includes(path, text, known, graph)
    faults += cycles(graph)
    print("\n".join(faults) if faults else "layers: %d files, no fault" % len(known))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
