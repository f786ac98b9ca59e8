# SPDX-License-Identifier: Apache-2.0
"""Placement policies over a real broker, on two nodes: published, swapped, failing, removed."""
import collections
import hashlib
import json
import uuid

import pytest
from harness.node import Fleet, service

PREFER = "return { score = function(node) return node.name == \"%s\" and 1 or 0 end }"
SOURCE_MAX = 32768
IDLE = "sleep 1000 & wait"  # ends at once on SIGTERM


@pytest.fixture(scope="module")
def pair(build, janitor):
    """n1 with both roles and n2 with an agent only; tests leave neither applications nor policies behind."""
    fleet = Fleet(build, janitor)
    try:
        for name, roles in (("n1", {"controller": True}), ("n2", {"controller": False})):
            fleet.add_node(name, roles=roles).start()
        for node in fleet.nodes:
            node.wait_online().import_image()
        yield fleet
    finally:
        fleet.close()


@pytest.fixture
def clean(pair):
    """The same fleet; what the test applied and published is removed."""
    pair.applied = []
    pair.published = set()
    yield pair
    for app in pair.applied:
        pair.remove(app)
    for name in pair.published:
        pair.client.publish("policies/placement/" + name, b"", retain=True)
    pair.client.wait(lambda: not pair.instances() and not any(pair.status(app) for app in pair.applied), what="removal")


def publish(fleet, name, source, state="active"):
    """Publishes a policy and returns its status."""
    digest = hashlib.sha256(source.encode()).hexdigest()
    fleet.published.add(name)
    fleet.client.publish("policies/placement/" + name, source, retain=True)
    return fleet.client.wait(lambda: (lambda s: s if s and s["digest"] == digest and s["state"] == state else None)(
        policy(fleet, name)), what="policy %s %s" % (name, state))


def policy(fleet, name):
    return fleet.client.json("policies/placement/%s/status" % name)


def place(fleet, name=None, scale=1, **more):
    """Runs a new application with that policy; the number of its instances on each node."""
    app = "app-" + uuid.uuid4().hex[:8]
    extension = {"x-baton": {"placement": {"policy": name}}} if name else {}
    fleet.applied.append(app)
    fleet.apply({"name": app, "services": {"web": service(IDLE, scale=scale, **extension, **more)}})
    fleet.wait_running(app, scale)
    return app, where(fleet, app)


def where(fleet, app):
    return collections.Counter({node.name: sum(item["app"] == app for item in node.reported()["instances"])
                                for node in fleet.nodes})


def service_note(fleet, app, word):
    """Waits until the status of the application's service speaks of the policy."""
    return fleet.client.wait(lambda: (lambda s: s if word in s else None)(json.dumps(fleet.status(app)["services"])),
                             what="\"%s\" in the status of %s" % (word, app))


def test_binpack_fills_one_node_and_spread_takes_both(clean):
    assert place(clean, "binpack", 4)[1] == {"n1": 4, "n2": 0}
    assert place(clean, "spread", 4)[1] == {"n1": 2, "n2": 2}
    assert place(clean, None, 2)[1] == {"n1": 1, "n2": 1}


def test_binpack_goes_on_with_the_next_node_when_one_is_full(clean):
    memory = clean.client.json("nodes/n1/info")["memory"]
    reserved = {"resources": {"reservations": {"memory": "%db" % (memory * 6 // 10)}}}
    app, places = place(clean, "binpack", 2, deploy=reserved)
    assert places == {"n1": 1, "n2": 1}
    clean.client.publish("apps/%s/command/scale" % app, {"service": "web", "replicas": 3})
    reason = service_note(clean, app, "unreserved")
    assert "n1: needs" in reason and "n2: needs" in reason


def test_published_policy_is_used_and_its_successor_for_what_comes_next(clean):
    first = publish(clean, "mine", PREFER % "n2")
    assert (first["policy"], first["type"], first["errors"]) == ("mine", "placement", []) and first["since"]
    app, places = place(clean, "mine", 2)
    assert places == {"n1": 0, "n2": 2}
    running = {item["pid"] for item in clean.instances(app)}
    publish(clean, "mine", PREFER % "n1")
    assert place(clean, "mine", 2)[1] == {"n1": 2, "n2": 0}
    assert {item["pid"] for item in clean.instances(app)} == running, "a new policy moves nothing that runs"


def test_filter_keeps_nodes_out_and_the_status_says_so(clean):
    publish(clean, "none", "return { filter = function() return false end, score = function() return 0 end }")
    clean.applied.append("kept-out")
    clean.apply({"name": "kept-out", "services": {"web": service(IDLE, **{"x-baton": {"placement": {"policy": "none"}}})}})
    clean.client.wait(lambda: clean.status("kept-out"), what="a status")
    service_note(clean, "kept-out", "refused by the policy's filter")
    publish(clean, "none", PREFER % "n2")
    clean.wait_running("kept-out", 1)
    assert where(clean, "kept-out") == {"n1": 0, "n2": 1}


def test_published_policy_hides_the_built_in_until_it_is_removed(clean):
    publish(clean, "spread", PREFER % "n2")
    assert place(clean, None, 2)[1] == {"n1": 0, "n2": 2}
    clean.client.publish("policies/placement/spread", b"", retain=True)
    clean.client.wait(lambda: policy(clean, "spread") is None, what="no status of a removed policy")
    assert place(clean, "spread", 4)[1]["n1"] >= 2


@pytest.mark.parametrize("body, complaint", [
    ("error(\"no idea\")", ":2: no idea"),
    ("while true do end", "budget"),
    ("return \"far\"", "number"),
    ("return 0 / 0", "number"),
    ("return node.nope.nope", ":2: attempt to index a nil"),
], ids=["error", "endless", "text", "nan", "nil"])
def test_failing_policy_never_stops_placement(clean, body, complaint):
    name = "bad-" + uuid.uuid4().hex[:8]
    with clean.client.changed:
        seen = len(clean.client.history)
    publish(clean, name, "return { score = function(node, service)\n%s\nend }" % body)
    app, places = place(clean, name, 2)
    assert places == {"n1": 1, "n2": 1}, "the built-in spread decides"
    status = clean.client.wait(lambda: (lambda s: s if s["state"] == "failing" else None)(policy(clean, name)),
                               what="state failing")
    assert complaint in status["errors"][0]["reason"], status
    assert "stack traceback" in status["errors"][0]["reason"]
    assert "the built-in spread is used" in service_note(clean, app, name)
    assert any(event["type"] == "policy.failed" and name in event["reason"] for event in (
        json.loads(payload) for _, topic, payload in clean.client.history[seen:] if topic == "events"))


def test_policy_that_fails_too_often_is_out_until_it_is_replaced(clean):
    publish(clean, "tired", "return { score = function() error(\"tired\") end }")
    for _ in range(3):
        assert place(clean, "tired", 2)[1] == {"n1": 1, "n2": 1}
    assert policy(clean, "tired")["state"] == "failed"
    publish(clean, "tired", PREFER % "n2")
    assert place(clean, "tired", 2)[1] == {"n1": 0, "n2": 2}


@pytest.mark.parametrize("source, complaint", [
    ("return { score = ", "unexpected symbol"),
    ("return 5", "table"),
    ("return { filter = function() return true end }", "score"),
    ("os.exit(1)", "os"),
    ("\x1bLua", "binary"),
], ids=["syntax", "number", "no score", "no os", "byte code"])
def test_bad_source_is_rejected_and_the_built_in_is_used(clean, source, complaint):
    publish(clean, "binpack", PREFER % "n2")
    status = publish(clean, "binpack", source, "rejected")
    assert complaint in status["errors"][0]["reason"], status
    app, places = place(clean, "binpack", 2)
    assert places == {"n1": 2, "n2": 0}
    assert "was rejected, the built-in binpack is used" in service_note(clean, app, "binpack")


def test_source_at_the_limit_and_above(clean):
    source = PREFER % "n2"
    publish(clean, "long", source + " " * (SOURCE_MAX - len(source)))
    for size in (SOURCE_MAX + 1, 300000):  # the second one is too large for any document
        clean.client.publish("policies/placement/long", "-" * size, retain=True)
        clean.client.wait(lambda: policy(clean, "long")["state"] == "rejected", what="a rejection")
        error = policy(clean, "long")["errors"][0]
        assert error["limit"] == "%d bytes" % SOURCE_MAX and " large" in error["reason"]
        publish(clean, "long", source)


def test_unknown_names_are_answered(clean):
    app, places = place(clean, "nobody", 2)
    assert places == {"n1": 1, "n2": 1}
    assert "policy nobody is not known" in service_note(clean, app, "nobody")
    clean.client.publish("policies/scaling/fast", "return {}", retain=True)
    status = clean.client.wait(lambda: clean.client.json("policies/scaling/fast/status"), what="a verdict on scaling")
    assert status["state"] == "rejected" and "known: placement" in status["errors"][0]["reason"]
    clean.client.publish("policies/scaling/fast", b"", retain=True)
    clean.client.wait(lambda: clean.client.json("policies/scaling/fast/status") is None, what="no status")


def test_published_policy_outlives_the_controller(clean):
    publish(clean, "mine", PREFER % "n2")
    publish(clean, "broken", "return 5", "rejected")
    node = clean.nodes[0]
    node.kill()
    clean.client.publish("policies/placement/broken", b"", retain=True)
    node.start().wait_online()
    clean.client.wait(lambda: policy(clean, "broken") is None, what="the status of what was removed meanwhile")
    assert place(clean, "mine", 2)[1] == {"n1": 0, "n2": 2}
    assert policy(clean, "mine")["state"] == "active"
