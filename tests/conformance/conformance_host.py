# SPDX-License-Identifier: Apache-2.0
"""Drives tests/runtime-host, one line of its script after the other."""
import itertools
import json
import os
import pathlib
import subprocess

CGROUP = pathlib.Path("/sys/fs/cgroup")
NUMBERS = itertools.count()


class Host:
    """A process that has loaded the plugin. Call it with a line; it returns the line's result."""

    def __init__(self, program, plugin, state_dir, *options):
        self.process = subprocess.Popen(
            [str(program), "--set", "state-dir=%s" % state_dir, "--set", "cache-dir=%s" % state_dir, *options,
             str(plugin)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __call__(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "runtime-host ended with %s: %s" % (self.process.wait(), self.process.stderr.read())
        result = json.loads(answer)
        assert result["verb"] != "broken", result["rule"]
        return result

    def ok(self, line):
        result = self(line)
        assert result["ok"], result
        return result

    def fails(self, line, code):
        """The result of a line that must fail with this errno name."""
        result = self(line)
        assert not result["ok"] and result["code"] == code, result
        return result

    def close(self):
        """Ends the script; what was printed last, if anything."""
        rest, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, (self.process.returncode, rest, errors)

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Group:
    """A control group in every hierarchy that the supervisor would use."""

    def __init__(self, janitor):
        self.janitor = janitor
        self.name = "baton-conformance-%d-%d" % (os.getpid(), next(NUMBERS))
        v1 = [CGROUP / name for name in ("memory", "cpu", "pids", "devices")]
        unified = [CGROUP] if (CGROUP / "cgroup.controllers").exists() else [CGROUP / "unified"]
        roots = [path for path in v1 if (path / "cgroup.procs").exists()]
        roots += [path for path in unified if (path / "cgroup.controllers").exists()]
        self.paths = [path / self.name for path in roots]
        janitor.add("cgroup", self.name)
        for path in self.paths:
            path.mkdir()

    def words(self):
        return " ".join("cgroup=%s" % path for path in self.paths)

    def members(self):
        """For each hierarchy the pids in the group."""
        return {str(path.parent): set(map(int, (path / "cgroup.procs").read_text().split())) for path in self.paths}

    def close(self):
        left = set().union(*self.members().values())
        self.janitor.done("cgroup", self.name)
        return left
