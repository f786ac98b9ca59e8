# SPDX-License-Identifier: Apache-2.0
"""The demo as `./dev demo --once` runs it: it says what it promises, and leaves nothing, however it ends."""
import os
import pathlib
import re
import signal
import subprocess

import pytest

from harness.janitor import cgroup_members, hierarchies
from harness.node import REPOSITORY, command_line

TIME_LIMIT_S = 180  # some 7 s on an idle machine


class Demo:
    """One run of the script in a session of its own, as on a terminal of its own."""

    def __init__(self, build, janitor):
        self.janitor = janitor
        self.process = subprocess.Popen([str(REPOSITORY / "scripts/demo.sh"), str(build), "--once"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        self.cgroup = "baton-demo-%d" % self.process.pid
        self.entries = [("pid", janitor.add_pid(self.process.pid)), ("cgroup", self.cgroup)]
        janitor.add("cgroup", self.cgroup)
        self.text = ""

    def read_until(self, pattern):
        """Reads lines until one matches; all that was read is in `text`."""
        for line in self.process.stdout:
            self.text += line
            if re.search(pattern, line):
                return
        raise AssertionError("no line %r in:\n%s" % (pattern, self.text))

    @property
    def folder(self):
        return pathlib.Path(re.search(r"--config (/dev/shm/baton-demo-\w+)/baton.conf", self.text).group(1))

    def end(self):
        """Exit status."""
        self.text += self.process.stdout.read()
        return self.process.wait(TIME_LIMIT_S)

    def left(self):
        """What the demo has not taken away."""
        processes = ["%s %s" % (pid, command_line(int(pid))) for pid in os.listdir("/proc")
                     if pid.isdigit() and str(self.folder) in command_line(int(pid))]
        mounts = [line for line in pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
                  if str(self.folder) in line]
        groups = [root for root in hierarchies() if os.path.exists(os.path.join(root, self.cgroup))]
        files = [str(self.folder)] if self.folder.exists() else []
        return processes + mounts + groups + sorted(cgroup_members(self.cgroup)) + files

    def close(self):
        self.process.stdout.close()
        if re.search("--config", self.text):
            self.entries.append(("dir", str(self.folder)))
        for kind, value in self.entries:
            self.janitor.done(kind, value)


@pytest.fixture
def demo(build, janitor):
    run = Demo(build, janitor)
    yield run
    run.close()


@pytest.mark.timeout(TIME_LIMIT_S)
def test_the_whole_demo(demo):
    code = demo.end()
    assert code == 0, demo.text
    for line in (r"^demo +online ", r"^docker\.io/baton/hello:1 sha256:", r"^hello is running: 1 of 1 instances run$",
                 r"^Document: +accepted, ", r"^hello \d+ from hello-1$", r"^hello\.hello\.1\.\w+ .* running +1 ",
                 r"^   same pid as before: \d+$", r"^hello/hello has 3 replicas$", r"^hello\.hello\.3\.\w+ .* running ",
                 r"rejected: \$\.services\.hello\.mem_limit: ", r'rejected: \$\.services\.hello\.comand: .*"command"',
                 r"^   exit status 3$", r"^crunned is running: |^   crun does not work on this host: .*\w",
                 r"^crunned is removed$", r"^hello is removed$", r"^demo: done$"):
        assert re.search(line, demo.text, re.MULTILINE), "no line %r in:\n%s" % (line, demo.text)
    assert demo.left() == []


@pytest.mark.timeout(TIME_LIMIT_S)
@pytest.mark.parametrize("where", [r"^\$ baton nodes", r"^hello/hello: . of 3 run", r"^crunned is (progressing|running)"])
def test_interrupted(demo, where):
    """Ctrl-C reaches every process of the terminal at once."""
    demo.read_until(where)
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.end() == 130, demo.text
    assert "demo: done" not in demo.text
    assert demo.left() == []
