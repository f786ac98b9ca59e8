# SPDX-License-Identifier: Apache-2.0
"""Every row of DESIGN's "what dies" table that does not need a second node, and what must not be lost."""
import ctypes
import os
import pathlib
import re
import resource
import signal
import time

import pytest
from harness.janitor import hierarchies, start_time
from harness.node import alive, children, command_line, service

PR_SET_CHILD_SUBREAPER = 36
COUNTER = "i=0; while true; do i=$((i+1)); echo line-$i; sleep 0.02; done"


def one(command=COUNTER, **more):
    return {"name": "shop", "services": {"web": service(command, **more)}}


def lines(node, instance):
    text = node.baton("logs", "-n", "1000", instance).stdout
    return [int(number) for number in re.findall(r"line-(\d+)", text)]


def cpu_seconds(pid):
    """Processor time of a process, user and system."""
    with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def linux_version():
    return tuple(int(number) for number in os.uname().release.split(".")[:2])


@pytest.fixture
def orphans():
    """Orphans come to this process, and the test waits for them; the init of a build machine may not."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


def assert_no_gap(numbers):
    assert numbers, "no log lines"
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "log lines were lost or doubled"


def test_kill_of_a_container_is_healed(fleet, node):
    fleet.apply(one())
    first = fleet.wait_running("shop", 1)[0]
    os.kill(first["pid"], signal.SIGKILL)
    second = fleet.wait_running("shop", 1, condition=lambda item: item["pid"] != first["pid"])[0]
    assert second["id"] == first["id"] and second["restarts"] == 1 and second["exit_code"] == 137


def test_kill_of_control_keeps_containers_and_logs(fleet, node):
    fleet.apply(one())
    before = fleet.wait_running("shop", 1)[0]
    started = start_time(before["pid"])
    control = node.control_pid()
    os.kill(control, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while node.control_pid() == control:
        assert time.monotonic() < deadline
    fleet.client.wait(lambda: (fleet.client.json("nodes/n1/presence") or {}).get("state") == "online", what="online")
    time.sleep(0.5)
    after = fleet.wait_running("shop", 1)[0]
    assert after["pid"] == before["pid"] and alive(before["pid"], started) and after["restarts"] == 0
    assert_no_gap(lines(node, before["id"]))


def test_kill_of_batond_keeps_containers_and_logs_and_reports_the_exit(fleet, node):
    fleet.apply(one())
    before = fleet.wait_running("shop", 1)[0]
    started = start_time(before["pid"])
    time.sleep(0.3)
    node.kill(signal.SIGKILL)
    time.sleep(0.5)
    assert alive(before["pid"], started)
    node.start().wait_online()
    after = fleet.wait_running("shop", 1)[0]
    assert after["pid"] == before["pid"] and after["restarts"] == 0
    time.sleep(0.3)
    numbers = lines(node, before["id"])
    assert_no_gap(numbers)
    assert numbers[-1] > 30
    # it is not our child any more: its end is noticed all the same, with the true code or none
    os.kill(before["pid"], signal.SIGKILL)
    healed = fleet.wait_running("shop", 1, condition=lambda item: item["pid"] != before["pid"])[0]
    assert healed["exit_code"] in (137, None)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_half_a_line_survives_a_restart_of_batond(fleet, node, sig):
    fleet.apply(one("trap 'echo def' USR1; printf abc; while true; do sleep 0.1; done"))
    item = fleet.wait_running("shop", 1)[0]
    written = node.run / "logs" / item["id"] / "current"
    deadline = time.monotonic() + 10
    while sig == signal.SIGKILL and " P abc" not in written.read_text():
        assert time.monotonic() < deadline, "half a line stays in batond's memory"
        time.sleep(0.05)
    node.kill(sig)
    node.start().wait_online()
    os.kill(item["pid"], signal.SIGUSR1)
    fleet.client.wait(lambda: "def" in written.read_text(), what="the rest of the line")
    assert "abcdef\n" in node.baton("logs", item["id"]).stdout, written.read_text()


def test_closed_output_costs_nothing(fleet, node):
    """Two streams without a writer: epoll would report their end for ever."""
    fleet.apply(one("exec sleep 1000 >/dev/null 2>&1"))
    fleet.wait_running("shop", 1)
    time.sleep(0.5)
    before = cpu_seconds(node.process.pid)
    time.sleep(1)
    assert cpu_seconds(node.process.pid) - before < 0.3


def restart_batond(node):
    node.kill(signal.SIGKILL)
    node.start().wait_online()


def groups(node):
    """Control groups below the node's own, in all hierarchies."""
    return [entry for root in hierarchies() for entry in pathlib.Path(root, node.cgroup).glob("*/")]


def test_removal_after_a_kill_of_batond_leaves_no_group(fleet, node):
    fleet.apply(one())
    fleet.wait_running("shop", 1)
    assert groups(node)
    restart_batond(node)
    fleet.wait_running("shop", 1)
    fleet.remove("shop")
    fleet.client.wait(lambda: not fleet.instances("shop"), what="removal")
    fleet.client.wait(lambda: not groups(node), what="removal of the groups, there are %s" % groups(node))


def test_out_of_memory_after_a_kill_of_batond_is_reported(fleet, node):
    fleet.apply(one("until [ -e /tmp/go ]; do sleep 0.1; done; exec tail -c 1000m /dev/zero", mem_limit="16m",
                    restart="no"))
    item = fleet.wait_running("shop", 1)[0]
    restart_batond(node)
    fleet.wait_running("shop", 1)
    pathlib.Path("/proc/%d/root/tmp/go" % item["pid"]).touch()
    fleet.client.wait(lambda: any(found.get("oom_killed") for found in fleet.instances("shop")), what="out of memory")


def test_memory_of_a_child_does_not_explain_the_end(fleet, node):
    """The kernel counts for the whole life of the group; the program went on and ended by itself."""
    fleet.apply(one("tail -c 1000m /dev/zero; echo survived; exit 0", mem_limit="16m", restart="no"))
    ended = fleet.client.wait(lambda: next((found for found in fleet.instances("shop") if found["state"] == "exited"),
                                           None), what="the end")
    assert "survived" in node.baton("logs", ended["id"]).stdout
    assert ended["exit_code"] == 0 and not ended.get("oom_killed"), ended


def test_exit_code_after_a_kill_of_batond(fleet, node, orphans):
    fleet.apply(one("until [ -e /tmp/go ]; do sleep 0.1; done; exit 3", restart="no"))
    item = fleet.wait_running("shop", 1)[0]
    restart_batond(node)
    fleet.wait_running("shop", 1)
    pathlib.Path("/proc/%d/root/tmp/go" % item["pid"]).touch()
    assert os.waitpid(item["pid"], 0)[1] >> 8 == 3
    ended = fleet.client.wait(lambda: next((found for found in fleet.instances("shop") if found["state"] != "running"),
                                           None), what="the end")
    # 3 where the kernel tells it of a process that is not ours (PIDFD_GET_INFO, Linux 6.15), else nothing.
    assert ended["exit_code"] == (3 if linux_version() >= (6, 15) else None), ended


@pytest.fixture
def few_descriptors():
    """As systemd starts services: a low soft limit below a high hard one."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = (200, before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, few)
    yield few
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def descriptor_limits(pid):
    with open("/proc/%d/limits" % pid, encoding="ascii") as limits:
        words = next(line for line in limits if line.startswith("Max open files")).split()
    return int(words[3]), int(words[4])


def test_descriptors(few_descriptors, fleet, node):
    """batond takes what it may, containers get what they would have had, and a running one costs few."""
    assert descriptor_limits(node.process.pid) == (few_descriptors[1], few_descriptors[1])
    before = len(os.listdir("/proc/%d/fd" % node.process.pid))
    fleet.apply({"name": "shop", "services": {runtime: service(scale=2, **{"x-baton": {"runtime": runtime}})
                                              for runtime in ("native", "crun")}})
    for item in fleet.wait_running("shop", 4):
        assert descriptor_limits(item["pid"]) == few_descriptors
    assert len(os.listdir("/proc/%d/fd" % node.process.pid)) - before <= 4 * 8
    fleet.apply(one(ulimits={"nofile": 77}))
    assert descriptor_limits(fleet.wait_running("shop", 1)[0]["pid"]) == (77, 77)


def test_exit_while_batond_is_down_is_reported_not_invented(fleet, node):
    fleet.apply(one())
    before = fleet.wait_running("shop", 1)[0]
    node.kill(signal.SIGKILL)
    os.kill(before["pid"], signal.SIGKILL)
    time.sleep(0.2)
    node.start()
    after = fleet.wait_running("shop", 1, condition=lambda item: item["pid"] != before["pid"])[0]
    # Null where nobody could see it; the true one where the kernel still tells (PIDFD_GET_INFO, Linux 6.15).
    assert after["exit_code"] in (None, 128 + signal.SIGKILL)


def test_stop_of_batond_leaves_containers(fleet, node):
    fleet.apply(one())
    before = fleet.wait_running("shop", 1)[0]
    node.kill(signal.SIGTERM)
    assert alive(before["pid"])
    fleet.client.wait(lambda: (fleet.client.json("nodes/n1/presence") or {}).get("state") == "offline", what="offline")
    node.start().wait_online()
    assert fleet.wait_running("shop", 1)[0]["pid"] == before["pid"]


def test_broker_restart_is_survived(fleet, node):
    fleet.apply(one())
    before = fleet.wait_running("shop", 1)[0]
    fleet.client.close()
    fleet.client = None
    fleet.stop_broker()
    time.sleep(0.5)
    assert alive(before["pid"])
    fleet.start_broker()
    fleet.connect()
    fleet.client.wait(lambda: (fleet.client.json("nodes/n1/presence") or {}).get("state") == "online", timeout=20,
                      what="online again")
    assert fleet.wait_running("shop", 1)[0]["pid"] == before["pid"]
    # Refused while the controller reads what the broker has kept.
    fleet.client.wait(lambda: node.baton("scale", "shop/web=2", check=False).returncode == 0, what="scaling")
    fleet.wait_running("shop", 2)


def test_restart_goes_on_without_a_broker(fleet, node):
    fleet.apply(one())
    before = fleet.wait_running("shop", 1)[0]
    fleet.client.close()
    fleet.client = None
    fleet.stop_broker()
    os.kill(before["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not node.container_pids() - {before["pid"]}:
        assert time.monotonic() < deadline, "not restarted without a broker: " + node.log_tail()
        time.sleep(0.05)
    fleet.start_broker()
    fleet.connect()


def test_boot_with_no_broker_starts_everything(fleet, node):
    fleet.apply(one(scale=2))
    fleet.wait_running("shop", 2)
    node.kill(signal.SIGKILL)
    fleet.client.close()
    fleet.client = None
    fleet.stop_broker()
    # what a power cut leaves: no processes, nothing on tmpfs
    fleet.janitor.done("cgroup", node.cgroup)
    fleet.janitor.add("cgroup", node.cgroup)
    for entry in node.run.iterdir():
        if entry.is_dir():
            import shutil
            shutil.rmtree(entry)
        else:
            entry.unlink()
    node.start()
    deadline = time.monotonic() + 10
    while len([pid for pid in node.container_pids() if "line-" in command_line(pid)]) < 2:
        assert time.monotonic() < deadline, "not started without a broker: " + node.log_tail()
        time.sleep(0.05)
    fleet.start_broker()
    fleet.connect()
    fleet.wait_running("shop", 2)


def test_removal_while_the_node_was_off_is_not_resurrected(fleet, node):
    fleet.apply(one())
    fleet.wait_running("shop", 1)
    node.kill(signal.SIGKILL)
    fleet.remove("shop")
    node.start().wait_online()
    fleet.client.wait(lambda: not fleet.instances("shop") and not node.container_pids(), what="removal")


def test_no_zombie_stays(fleet, node):
    fleet.apply(one("exit 3", restart="no"))
    fleet.client.wait(lambda: any(item["state"] == "exited" and item["exit_code"] == 3
                                  for item in fleet.instances("shop")), what="exit code 3")
    with open("/proc/%d/task/%d/children" % (node.process.pid, node.process.pid), encoding="ascii") as kids:
        pids = [int(pid) for pid in kids.read().split()]
    assert set(pids) == set(children(node.process.pid)), "zombies below batond"
