# SPDX-License-Identifier: Apache-2.0
"""How containers are stopped: the signal, the grace period, SIGKILL; and what is left of those of an earlier batond."""
import os
import re
import signal
import time

import pytest
from harness.janitor import hierarchies
from harness.node import IMAGE, service

IDLE = "sleep 1000 & wait"  # ends at once on SIGTERM
RUNTIMES = ["native", "crun"]


def one(command, runtime, **more):
    return {"name": "shop", "services": {"web": {"image": IMAGE, "command": ["/bin/sh", "-c", command], "network_mode": "none",
                                                 "x-baton": {"runtime": runtime}, **more}}}


def groups(node):
    """Control groups of its containers."""
    return [folder for root in hierarchies() for folder, _, _ in os.walk(os.path.join(root, node.cgroup))
            if os.path.basename(folder).startswith("shop.")]


def stop(fleet, item):
    """Stops the instance on command, which starts it again; the next report of it and the seconds that it took."""
    begun = time.monotonic()
    assert fleet.client.request("nodes/n1/command/stop", {"instance": item["id"]})["ok"] is True
    again = fleet.wait_running("shop", 1, condition=lambda now: now["pid"] != item["pid"])[0]
    return again, time.monotonic() - begun


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_grace_period_and_then_kill(fleet, node, runtime):
    fleet.apply(one("trap '' TERM; echo ready; while true; do sleep 0.1; done", runtime, stop_grace_period="1s"))
    item = fleet.wait_running("shop", 1)[0]
    fleet.client.wait(lambda: "ready" in node.baton("logs", item["id"]).stdout, what="the trap")
    again, took = stop(fleet, item)
    assert again["exit_code"] == 128 + signal.SIGKILL
    assert 1 <= took < 15
    assert "still there after its grace period: SIGKILL" in node.log_tail()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_stop_signal_reaches_the_handler(fleet, node, runtime):
    script = "trap 'echo \"got USR1\"; exit 0' USR1; trap 'exit 3' TERM; echo ready; while true; do sleep 0.1; done"
    fleet.apply(one(script, runtime, stop_signal="SIGUSR1", stop_grace_period="20s"))
    item = fleet.wait_running("shop", 1)[0]
    fleet.client.wait(lambda: "ready" in node.baton("logs", item["id"]).stdout, what="the trap")
    again, took = stop(fleet, item)
    assert again["exit_code"] == 0 and took < 10
    assert "got USR1" in node.baton("logs", item["id"]).stdout


def test_removal_waits_for_the_grace_period_too(fleet, node):
    fleet.apply(one("trap '' TERM; echo ready; while true; do sleep 0.1; done", "native", stop_grace_period="1s"))
    item = fleet.wait_running("shop", 1)[0]
    fleet.client.wait(lambda: "ready" in node.baton("logs", item["id"]).stdout, what="the trap")
    begun = time.monotonic()
    fleet.remove("shop")
    fleet.client.wait(lambda: any(now["state"] == "stopping" for now in fleet.instances("shop")), what="stopping")
    fleet.client.wait(lambda: not fleet.instances("shop"), what="removal")
    assert 1 <= time.monotonic() - begun < 15 and not node.container_pids()


def test_nothing_is_left_of_containers_of_an_earlier_batond(fleet, node):
    """One that is alive when the next batond comes, and one that ended while there was none."""
    fleet.apply({"name": "shop", "services": {"a": service(IDLE), "b": service(IDLE)}})
    before = {item["service"]: item["pid"] for item in fleet.wait_running("shop", 2)}
    node.kill()
    os.kill(before["b"], signal.SIGKILL)
    node.start().wait_online()
    after = fleet.wait_running("shop", 2, condition=lambda item: item["pid"] != before["b"])
    assert {item["service"]: item["pid"] for item in after}["a"] == before["a"]
    assert len({os.path.basename(folder) for folder in groups(node)}) == 2
    fleet.remove("shop")
    fleet.client.wait(lambda: not fleet.instances("shop"), what="removal")
    deadline = time.monotonic() + 5
    while groups(node) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not groups(node)
    assert not re.search(r"control group .*stays", node.log.read_text(errors="replace"))
