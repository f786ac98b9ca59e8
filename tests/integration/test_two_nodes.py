# SPDX-License-Identifier: Apache-2.0
"""Two batonds on one broker and one host: one controller, disjoint groups and directories, a node that falls silent or leaves."""
import collections
import json
import os
import signal
import time

import pytest
from harness.janitor import hierarchies, start_time
from harness.node import alive, service

IDLE = "sleep 1000 & wait"  # ends at once on SIGTERM
PREFER_N2 = "return { score = function(node) return node.name == \"n2\" and 1 or 0 end }"
BEAT_S = 5
SILENT_S = 3.5 * BEAT_S


@pytest.fixture
def pair(fleet):
    """n1 with both roles and n2 with an agent only, both with the image."""
    fleet.add_node("n1").start()
    fleet.add_node("n2", roles={"controller": False}).start()
    for node in fleet.nodes:
        node.wait_online().import_image()
    return fleet


def app(scale, name="shop", **more):
    return {"name": name, "services": {"web": service(IDLE, scale=scale, **more)}}


def where(fleet):
    return collections.Counter(node.name for node in fleet.nodes for _ in node.reported()["instances"])


def events(fleet, kind, since=0):
    return [event for event in (json.loads(payload) for _, topic, payload in fleet.client.history[since:]
                                if topic == "events") if event["type"] == kind]


def groups_of(node, start):
    """Control groups below the node's own whose names begin like that."""
    return [folder for root in hierarchies() for folder, _, _ in os.walk(os.path.join(root, node.cgroup))
            if os.path.basename(folder).startswith(start)]


def test_both_nodes_run_what_the_one_controller_places(pair):
    one, two = pair.nodes
    pair.apply(app(6))
    found = pair.wait_running("shop", 6)
    assert where(pair) == {"n1": 3, "n2": 3}
    assert all(groups_of(node, "shop.") for node in pair.nodes)
    pids = {node.name: {item["pid"] for item in node.reported()["instances"]} for node in pair.nodes}
    for node in pair.nodes:
        assert pids[node.name] <= node.container_pids(), "its containers are in its own groups"
        assert len(list((node.run / "containers").iterdir())) == 3
    assert not one.container_pids() & two.container_pids()
    assert {item["slot"] for item in found} == set(range(1, 7))
    assert pair.client.json("controller/leader")["node"] == "n1"
    assert not (two.root / "control/controller").exists(), "an agent keeps no journal of a controller"
    # the loss of one daemon is none of the other's business
    two.kill()
    two.start().wait_online()
    assert {item["pid"] for item in pair.wait_running("shop", 6)} == pids["n1"] | pids["n2"]
    pair.remove("shop")
    pair.client.wait(lambda: not pair.instances() and pair.status("shop") is None, what="removal")
    for node in pair.nodes:
        assert not node.container_pids() and not list((node.run / "containers").iterdir())
        pair.client.wait(lambda node=node: not groups_of(node, "shop."), what="no control group of a container")


def test_commands_reach_the_node_that_they_name(pair):
    pair.apply(app(2))
    for item in pair.wait_running("shop", 2):
        ids = {node.name: [there["id"] for there in node.reported()["instances"]] for node in pair.nodes}
        node, other = sorted(pair.nodes, key=lambda node: item["id"] not in ids[node.name])
        assert pair.client.request("nodes/%s/command/logs" % node.name, {"instance": item["id"]})["ok"] is True
        refused = pair.client.request("nodes/%s/command/logs" % other.name, {"instance": item["id"]})
        assert refused["ok"] is False and "no instance" in refused["errors"][0]["reason"]


def test_silent_node_is_said_to_be_silent_and_heard_again(fleet):
    fleet.add_node("n1").start()
    # The broker waits longer for it than the controller does: no will comes before the silence is noticed.
    two = fleet.add_node("n2", roles={"controller": False}, broker={"keepalive_s": 60}).start()
    for node in fleet.nodes:
        node.wait_online().import_image()
    for name in ("shop", "other"):
        fleet.apply(app(2, name))
        fleet.wait_running(name, 2)
    running = {item["pid"] for item in fleet.instances("shop")}
    control = two.control_pid()
    started = start_time(control)
    os.kill(control, signal.SIGSTOP)
    begun = time.monotonic()
    try:
        silent = fleet.client.wait(lambda: events(fleet, "node.silent") or None, SILENT_S + BEAT_S + 5, "node.silent")
        assert SILENT_S - BEAT_S < time.monotonic() - begun
        assert silent[0]["reason"].startswith("node n2 ")
        assert fleet.client.json("nodes/n2/presence")["state"] == "online"
        # placement goes on without it
        fleet.client.publish("apps/shop/command/scale", {"service": "web", "replicas": 4})
        fleet.client.wait(lambda: sum(item["app"] == "shop" for item in fleet.nodes[0].reported()["instances"]) == 3,
                          what="both new ones on n1")
        # and so does what it runs
        assert alive(control, started) and running <= fleet.nodes[0].container_pids() | two.container_pids()
        # what needs it waits, and says so
        fleet.remove("other")
        fleet.client.wait(lambda: "node n2 is silent" in json.dumps(fleet.status("other")), what="trouble in the status")
    finally:
        os.kill(control, signal.SIGCONT)
    fleet.client.wait(lambda: events(fleet, "node.heard") or None, what="node.heard")
    fleet.client.wait(lambda: fleet.status("other") is None, what="the removal on n2")
    assert running <= {item["pid"] for item in fleet.wait_running("shop", 4)}
    assert where(fleet) == {"n1": 3, "n2": 1} and two.control_pid() == control


def test_node_that_leaves_for_good(pair):
    two = pair.nodes[1]
    pair.client.publish("policies/placement/spread", PREFER_N2, retain=True)
    pair.client.wait(lambda: pair.client.json("policies/placement/spread/status"), what="the policy's verdict")
    pair.apply(app(1))
    pair.wait_running("shop", 1)
    assert where(pair) == {"n2": 1}
    two.kill(signal.SIGTERM)
    pair.client.wait(lambda: (pair.client.json("nodes/n2/presence") or {}).get("state") == "offline", what="offline")
    pair.client.wait(lambda: "node n2 is offline" in json.dumps(pair.status("shop")), what="the reason in the status")
    # an application that is removed meanwhile waits for its node, and says so
    pair.remove("shop")
    pair.client.wait(lambda: "node n2 is offline" in json.dumps(pair.status("shop") or {}), what="a removal that waits")
    assert pair.status("shop")["state"] != "running"
    # the operator clears the node's topics: it is forgotten, and nothing waits for it any more
    for topic in ("presence", "info", "reported"):
        pair.client.publish("nodes/n2/" + topic, b"", retain=True)
    pair.client.wait(lambda: pair.status("shop") is None, what="no application")
    pair.client.wait(lambda: not pair.client.topics.get("nodes/n2/desired"), 20, "no assignment of a forgotten node")
    assert not pair.nodes[0].baton("nodes").stdout.count("n2")
    pair.client.publish("policies/placement/spread", b"", retain=True)
    pair.client.wait(lambda: not pair.client.topics.get("policies/placement/spread/status"), what="no policy")
    pair.apply(app(2))
    pair.client.wait(lambda: pair.status("shop") and pair.status("shop")["state"] == "running", what="running on n1")
    assert sum(item["state"] == "running" for item in pair.nodes[0].reported()["instances"]) == 2
