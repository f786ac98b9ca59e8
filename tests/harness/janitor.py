# SPDX-License-Identifier: Apache-2.0
"""A second process that undoes what tests made when the test run ends, however it ends.

The run tells it, over a pipe, what to remove: "cgroup NAME" (a parent group in every hierarchy), "dir PATH",
"pid PID START". When the pipe closes (normal end, or kill -9), everything still listed is removed.
"""
import os
import shutil
import signal
import subprocess
import sys
import time


def start_time(pid):
    """Field 22 of /proc/PID/stat: with the pid it names a process for ever. None when it is gone."""
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def hierarchies():
    """Mount points of every cgroup hierarchy of this machine."""
    with open("/proc/self/mounts", encoding="ascii", errors="replace") as mounts:
        return [line.split()[1] for line in mounts if line.split()[2] in ("cgroup", "cgroup2")]


def kill_pid(pid, started):
    if start_time(pid) == started:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def cgroup_members(name):
    """Pids in the group `name` and below, in all hierarchies."""
    pids = set()
    for root in hierarchies():
        for folder, _, files in os.walk(os.path.join(root, name)):
            if "cgroup.procs" in files:
                with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as procs:
                    pids.update(int(line) for line in procs)
    return pids


def thaw(name):
    """A task that the freezer of cgroup v1 holds ignores SIGKILL."""
    for root in hierarchies():
        state = os.path.join(root, name, "freezer.state")
        if os.path.exists(state):
            with open(state, "w", encoding="ascii") as file:
                file.write("THAWED")


def remove_cgroup(name):
    """Kills what is in the group and below, then removes the groups."""
    thaw(name)
    for _ in range(100):
        members = cgroup_members(name)
        for pid in members:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not members:
            break
        time.sleep(0.02)
    for root in hierarchies():
        for folder, _, _ in os.walk(os.path.join(root, name), topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass


def undo(kind, value):
    if kind == "pid":
        pid, started = value.split()
        kill_pid(int(pid), started)
    elif kind == "cgroup":
        remove_cgroup(value)
    elif kind == "dir":
        subprocess.run(["umount", "-R", "-l", "-q", value], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(value, ignore_errors=True)


def serve():
    """Body of the second process: reads "+kind value" and "-kind value" lines until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    todo = []
    for line in sys.stdin:
        kind, value = line[1:].rstrip("\n").split(" ", 1)
        if line[0] == "+":
            todo.append((kind, value))
        elif (kind, value) in todo:
            todo.remove((kind, value))
    for order in ("pid", "cgroup", "dir"):
        for kind, value in todo:
            if kind == order:
                undo(kind, value)


class Janitor:
    """The test run's end of the pipe."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE,
                                        start_new_session=True, text=True)

    def _tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def add(self, kind, value):
        self._tell("+%s %s" % (kind, value))

    def add_pid(self, pid):
        value = "%d %s" % (pid, start_time(pid))
        self.add("pid", value)
        return value

    def done(self, kind, value):
        """Undoes it now."""
        undo(kind, value)
        self._tell("-%s %s" % (kind, value))

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


if __name__ == "__main__":
    serve()
