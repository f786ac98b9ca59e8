# SPDX-License-Identifier: Apache-2.0
"""What a node's retained documents say when it, or its connection, is gone: the Last Will, and reports after an outage."""
import json
import os
import pathlib
import signal
import time

from harness.janitor import start_time
from harness.mqtt import Client
from harness.node import alive, service

IDLE = "sleep 1000 & wait"  # ends at once on SIGTERM


def presence(fleet):
    return fleet.client.json("nodes/n1/presence")


def wait_presence(fleet, state, timeout=15):
    return fleet.client.wait(lambda: (lambda p: p if p and p["state"] == state else None)(presence(fleet)), timeout, state)


def kill_both(node):
    """kill -9 of batond and of its baton-control, which must not notice that batond is gone."""
    control = node.control_pid()
    started = start_time(control)
    os.kill(control, signal.SIGSTOP)
    node.kill(signal.SIGKILL)
    assert alive(control, started)
    os.kill(control, signal.SIGKILL)


def test_last_will_of_a_killed_node(fleet, node):
    fleet.apply({"name": "shop", "services": {"web": service(IDLE)}})
    pid = fleet.wait_running("shop", 1)[0]["pid"]
    first = presence(fleet)
    assert first["boot"] == pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    kill_both(node)
    will = wait_presence(fleet, "offline")
    assert (will["boot"], will["session"]) == (first["boot"], first["session"]), "the will is of that life"
    # whoever comes later is told too
    late = Client(str(fleet.socket), fleet.prefix)
    try:
        assert late.wait(lambda: late.json("nodes/n1/presence"), what="the retained will") == will
    finally:
        late.close()
    assert alive(pid), "containers run without both"
    node.start().wait_online()
    second = presence(fleet)
    assert second["session"] != first["session"] and second["boot"] == first["boot"]
    assert fleet.wait_running("shop", 1)[0]["pid"] == pid


def test_every_connection_is_a_session_of_its_own(fleet, node):
    """Killed twice: each will carries the session that it belongs to, and an old one takes nobody offline."""
    sessions = []
    for _ in range(2):
        sessions.append(wait_presence(fleet, "online")["session"])
        control = node.control_pid()
        os.kill(control, signal.SIGKILL)
        fleet.client.wait(lambda: presence(fleet)["state"] == "online" and presence(fleet)["session"] not in sessions,
                          what="another session")
    history = [json.loads(payload) for _, topic, payload in fleet.client.history if topic == "nodes/n1/presence"]
    assert [item["session"] for item in history if item["state"] == "offline"] == sessions
    # the will of the first life, late: a node that is online stays so for the controller
    with fleet.client.changed:
        seen = len(fleet.client.history)
    fleet.client.publish("nodes/n1/presence", {**history[-1], "state": "offline", "session": sessions[0]}, retain=True)
    fleet.apply({"name": "shop", "services": {"web": service(IDLE)}})
    fleet.wait_running("shop", 1)
    assert not [payload for _, topic, payload in fleet.client.history[seen:] if topic == "events"
                and b"node.offline" in payload]


def test_reports_of_an_outage_are_one_report(fleet, node):
    fleet.apply({"name": "shop", "services": {"web": service(IDLE)}})
    before = fleet.wait_running("shop", 1)[0]
    fleet.client.close()
    fleet.client = None
    fleet.stop_broker()
    lines = node.log.read_text().count("starting -> running")  # of batond and of baton-control
    os.kill(before["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not node.container_pids() - {before["pid"]} or node.log.read_text().count("starting -> running") < 2 * lines:
        assert time.monotonic() < deadline, "not restarted without a broker: " + node.log_tail()
        time.sleep(0.05)
    fleet.start_broker()
    fleet.connect()
    after = fleet.wait_running("shop", 1, condition=lambda item: item["restarts"] == 1)[0]
    assert after["pid"] in node.container_pids() and after["exit_code"] == 137 and after["id"] == before["id"]
    # what was retained by the broker before, and then the newest state: nothing in between
    reports = [json.loads(payload) for _, topic, payload in fleet.client.history if topic == "nodes/n1/reported"]
    assert [report["instances"][0]["restarts"] for report in reports][-1] == 1
    assert {report["instances"][0]["state"] for report in reports} == {"running"} and len(reports) <= 3
    fleet.client.wait(lambda: fleet.status("shop")["state"] == "running", what="state running")
