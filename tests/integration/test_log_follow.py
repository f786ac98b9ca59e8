# SPDX-License-Identifier: Apache-2.0
"""Followed logs as any client sees them on the topics."""
import json
import shutil

import pytest

from harness.node import service

LOUD = "while true; do echo line; sleep 0.1; done"
QUIET = "while true; do sleep 1; done"


def followed(fleet, instance):
    """What was published for who follows, oldest first."""
    return [json.loads(body) for _, topic, body in list(fleet.client.history) if topic == "nodes/n1/logs/" + instance]


def follow(fleet, script):
    """An application whose log is followed; the id of its instance."""
    fleet.apply({"name": "shop", "services": {"web": service(script)}})
    instance = fleet.wait_running("shop", 1)[0]["id"]
    answer = fleet.client.request("nodes/n1/command/logs", {"instance": instance, "lines": 0, "follow": True})
    assert answer["ok"] and answer["end"], answer
    if script == LOUD:
        fleet.client.wait(lambda: any(message["lines"] for message in followed(fleet, instance)), what="a line")
    return instance


@pytest.mark.parametrize("script", [LOUD, QUIET])
def test_the_end_is_told(fleet, node, script):
    """The instance goes, and its log with it: whoever follows need not wait for the lease."""
    instance = follow(fleet, script)
    assert not any(message["end"] for message in followed(fleet, instance))
    fleet.remove("shop")
    fleet.client.wait(lambda: any(message["end"] for message in followed(fleet, instance)), what="the end")
    fleet.client.wait(lambda: not fleet.instances("shop"), what="the end of the instance")
    assert not (node.run / "logs" / instance).exists()
    ends = [message["end"] for message in followed(fleet, instance)]
    assert ends[-1] and ends.count(True) == 1, ends
    again = fleet.client.request("nodes/n1/command/logs", {"instance": instance, "lines": 0, "follow": True})
    assert not again["ok"] and again["errors"][0]["path"] == "$.instance", again


@pytest.mark.parametrize("script", [LOUD, QUIET])
def test_the_directory_is_removed(fleet, node, script):
    """By whatever hand, while the instance runs on."""
    instance = follow(fleet, script)
    shutil.rmtree(node.run / "logs" / instance)
    fleet.client.wait(lambda: any(message["end"] for message in followed(fleet, instance)), what="the end")
    assert [item["id"] for item in fleet.wait_running("shop", 1)] == [instance]
