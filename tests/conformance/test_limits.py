# SPDX-License-Identifier: Apache-2.0
"""Limits of the supervisor's control groups hold for what a runtime starts in them. The groups are made by the
supervisor's own code (cgroup-limits); a controller that this host does not have is a skip that says so."""
import json
import os
import pathlib
import stat
import subprocess
import time

import pytest

from conformance_bundle import mount
from harness.janitor import hierarchies

MEBIBYTE = 1 << 20
DEVICES = ["device=c:1:3", "device=c:1:5", "device=c:1:7", "device=c:1:8", "device=c:1:9", "device=c:5:0",
           "device=c:5:1", "device=c:5:2", "device=c:136:-1"]


class Limited:
    """A group with limits below the test's own group; takes its place in `runtime`."""

    def __init__(self, runtime):
        self.program = runtime.build / "tests" / "cgroup-limits"
        self.outer = runtime.group
        self.paths = []

    def _ask(self, *words):
        done = subprocess.run([self.program, self.outer.name, "limited", *words], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def make(self, *words):
        made = self._ask(*words, *DEVICES)
        if made["unenforced"]:
            pytest.skip("this host has no controller for " + " ".join(words))
        places = [pathlib.Path(root) / self.outer.name / "limited" for root in hierarchies()]
        self.paths = sorted({path for path in places if path.exists()}, key=str)
        assert self.paths
        return self

    def oom(self):
        return self._ask("oom")["oom"]

    def file(self, *names):
        """The first file of this name (v2 or v1) in any hierarchy."""
        found = [path / name for path in self.paths for name in names if (path / name).exists()]
        assert found, names
        return found[0].read_text()

    def words(self):
        return " ".join("cgroup=%s" % path for path in self.paths)

    def members(self):
        return {str(path): set(map(int, (path / "cgroup.procs").read_text().split())) for path in self.paths}

    def close(self):
        left = set().union(*self.members().values()) if self.paths else set()
        return left | self.outer.close()


@pytest.fixture
def limited(runtime):
    if not (runtime.build / "tests" / "cgroup-limits").exists():
        pytest.skip("no cgroup-limits in this build")
    runtime.group = Limited(runtime)
    yield runtime.group
    # The order of teardown: `runtime` comes after this and closes the group.


@pytest.fixture
def host(limited, runtime):
    started = runtime.host()
    yield started
    started.close()


def start(runtime, host, script, change=None):
    bundle = runtime.bundle()
    bundle.sh(script)
    if change:
        change(bundle)
    return runtime.start(host, bundle)


def end(host):
    host.ok("kill c 9")
    host.ok("wait c")
    host.ok("delete c")


# ---- memory ----

def test_too_much_memory_is_killed_and_told(runtime, limited, host):
    limited.make("memory=%d" % (16 * MEBIBYTE))
    assert not limited.oom()
    start(runtime, host, "exec tail /dev/zero")  # a line that never ends is kept whole
    assert host.ok("wait c deadline=30000")["signal"] == 9
    assert limited.oom()
    host.ok("delete c")


def test_killed_child_does_not_end_the_container(runtime, limited, host):
    limited.make("memory=%d" % (16 * MEBIBYTE))
    start(runtime, host, "tail /dev/zero; echo ended with $?")
    assert host.ok("wait c deadline=30000").get("exit") == 0
    assert runtime.output("c.out") == "ended with 137\n"
    assert limited.oom()
    host.ok("delete c")


def test_a_kill_is_no_lack_of_memory(runtime, limited, host):
    limited.make("memory=%d" % (16 * MEBIBYTE))
    start(runtime, host, "sleep 1000")
    end(host)
    assert not limited.oom()


def test_small_limit_is_enough_to_start(runtime, limited, host):
    """Whatever the runtime itself needs is not charged to the container, or is little."""
    limited.make("memory=%d" % (1 * MEBIBYTE if runtime.name == "native" else 8 * MEBIBYTE))
    start(runtime, host, "echo started")
    assert host.ok("wait c").get("exit") == 0
    assert runtime.output("c.out") == "started\n"
    host.ok("delete c")


# ---- processes ----

def test_number_of_processes(runtime, limited, host):
    limited.make("pids=6")
    start(runtime, host, "i=0; while [ $i -lt 20 ]; do sleep 1000 & i=$((i+1)); done; echo all; wait")
    runtime.wait_for(lambda: "fork" in (runtime.output("c.err") or ""))
    assert int(limited.file("pids.current")) <= 6
    assert runtime.output("c.out") == ""
    if host.ok("state c")["state"] == "running":
        host.ok("kill c 9")
    host.ok("wait c")
    runtime.wait_for(lambda: not any(limited.members().values()))
    host.ok("delete c")


def test_fork_bomb_is_bounded_and_ends(runtime, limited, host):
    limited.make("pids=40", "cpu=300")
    start(runtime, host, "bomb() { bomb | bomb & }; bomb; sleep 1000")
    until = time.monotonic() + 2
    highest = 0
    while time.monotonic() < until:
        highest = max(highest, int(limited.file("pids.current")))
        time.sleep(0.02)
    assert 10 < highest <= 40
    if host.ok("state c")["state"] == "running":
        host.ok("kill c 9")
    host.ok("wait c")
    runtime.wait_for(lambda: not any(limited.members().values()))
    host.ok("delete c")


# ---- time of the processor ----

def seconds_used(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as line:
        fields = line.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_time_of_the_processor(runtime, limited, host):
    limited.make("cpu=100")
    quota = limited.file("cpu.max", "cpu.cfs_quota_us").split()[0]
    period = limited.file("cpu.max", "cpu.cfs_period_us").split()[-1]
    assert int(quota) * 10 == int(period)
    pid = start(runtime, host, "while :; do :; done")
    began, used = time.monotonic(), seconds_used(pid)
    time.sleep(2)
    share = (seconds_used(pid) - used) / (time.monotonic() - began)
    # Above zero: it runs. One tenth and a period's worth of slack; without a limit it were all of a processor.
    assert 0.01 < share < 0.2, share
    assert int(limited.file("cpu.stat").split("nr_throttled")[1].split()[0]) > 0
    end(host)


# ---- devices ----

def attempts(runtime, host, change=None):
    """What opening each of these gives, as {name: "ok" or the error's text}."""
    script = "for n in null zero full random urandom; do (: <>/dev/$n) 2>/dev/null && echo $n ok || echo $n no; done; " \
             "for n in kmsg tun disk; do (: </work/$n) 2>/work/err && echo $n ok || echo $n $(tail -n 1 /work/err); done"
    start(runtime, host, script, change)
    assert host.ok("wait c").get("exit") == 0, runtime.output("c.err")
    host.ok("delete c")
    return dict(line.split(" ", 1) for line in runtime.output("c.out").splitlines())


def host_devices(tmp_path):
    """A change of the bundle that binds nodes of the host; without nodev nothing but the group keeps them shut."""
    os.mknod(tmp_path / "disk", 0o600 | stat.S_IFBLK, os.makedev(7, 0))
    os.mknod(tmp_path / "kmsg", 0o600 | stat.S_IFCHR, os.makedev(1, 11))
    os.mknod(tmp_path / "tun", 0o600 | stat.S_IFCHR, os.makedev(10, 200))

    def change(bundle):
        for name in ("kmsg", "tun", "disk"):
            bundle.config["mounts"].append(mount("/work/" + name, "bind", str(tmp_path / name), "bind"))
    return change


def test_devices(runtime, limited, host, tmp_path):
    limited.make()
    found = attempts(runtime, host, host_devices(tmp_path))
    assert {name for name, result in found.items() if result == "ok"} == {"null", "zero", "full", "random", "urandom"}
    for name in ("kmsg", "tun", "disk"):
        assert "Operation not permitted" in found[name], found


def test_devices_without_a_group(runtime, limited, host, tmp_path):
    """Else the test above could pass for another reason."""
    runtime.group = limited.outer
    found = attempts(runtime, host, host_devices(tmp_path))
    runtime.group = limited
    limited.paths = []
    for name in ("tun", "disk"):  # the kernel asks for CAP_SYSLOG before it opens kmsg
        assert "Operation not permitted" not in found[name], found


@pytest.mark.parametrize("kind,numbers", [("c", "1 11"), ("b", "7 0"), ("b", "8 0")])
def test_node_of_another_device_can_not_be_made(runtime, limited, host, kind, numbers):
    limited.make()

    def may_make_nodes(bundle):
        for name in ("bounding", "permitted", "effective"):
            bundle.process["capabilities"][name].append("CAP_MKNOD")
    start(runtime, host, "mknod /work/x %s %s 2>&1; mknod /work/null c 1 3 && echo made" % (kind, numbers),
          may_make_nodes)
    assert host.ok("wait c").get("exit") == 0
    host.ok("delete c")
    out = runtime.output("c.out")
    assert "Operation not permitted" in out and out.endswith("made\n"), out
