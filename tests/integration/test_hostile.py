# SPDX-License-Identifier: Apache-2.0
"""Bad bytes on every topic the daemons subscribe to: each gets its verdict, the daemons keep pids and bounded memory."""
import collections
import hashlib
import json
import pathlib
import random
import subprocess

import pytest
from harness.node import service

GOOD = {"name": "shop", "services": {"web": service(environment={"A": "b"}, volumes=["data:/data"], mem_limit="16m")},
        "volumes": {"data": {}}}

PAYLOADS = {
    "bad json": b"{\"name\": ",
    "bad utf-8": b"{\"name\": \"\xff\xfe\"}",
    "NUL": b"{\"name\": \"a\\u0000b\", \"services\": {}}",
    "raw NUL": b"\0" * 100,
    "depth": b"[" * 10000 + b"]" * 10000,
    "wrong types": b"{\"name\": 5, \"services\": [1, 2], \"term\": \"x\", \"instances\": {\"id\": []}}",
    "array": b"[]",
    "string": b"\"x\"",
    "huge number": b"{\"term\": 1e999, \"revision\": 99999999999999999999, \"instances\": []}",
    "too long": b"{\"name\": \"evil\", \"x-a\": \"" + b"y" * 300000 + b"\"}",
}


HUGE = 100_000_000
LIMIT = 262144  # CONFIG_MAX_DOCUMENT_BYTES
LIMITS = ("%d bytes" % LIMIT, "32768 bytes")  # of documents, and of policies


def memory(pid, what):
    """A line of /proc/PID/status in KiB."""
    with open("/proc/%d/status" % pid, encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(what + ":"))


def events(fleet, since=0):
    return [json.loads(payload) for _, topic, payload in fleet.client.history[since:] if topic == "events" and payload]


def rejections(fleet, topic, since):
    return [event for event in events(fleet, since)
            if event["type"] == "payload.rejected" and event["topic"] == fleet.prefix + "/" + topic]


def by_event(fleet, topic):
    """For every payload an event that names the topic, from each node that reads it."""
    readers = {"n1", "n2"} if topic == "nodes/n2/desired" else {"n2"} if topic.startswith("nodes/n2/command") else {"n1"}
    found = {}
    for name, payload in PAYLOADS.items():
        with fleet.client.changed:
            since = len(fleet.client.history)
        fleet.client.publish(topic, payload)
        found[name] = fleet.client.wait(
            lambda since=since: (lambda all: all if {event["node"] for event in all} >= readers else None)(
                rejections(fleet, topic, since)), what="events of %s about %s on %s" % (readers, name, topic))
        assert {event["node"] for event in found[name]} == readers
    return found


def by_response(fleet, topic):
    """An answer on the response topic for every payload."""
    answers = {name: fleet.client.request(topic, payload) for name, payload in PAYLOADS.items()}
    assert all(answer["ok"] is False for answer in answers.values())
    return {name: answer["errors"] for name, answer in answers.items()}


def by_status(fleet, topic, status, rejected):
    """The retained status speaks of exactly these bytes; `rejected` takes its errors out of it, or None."""
    found = {}
    for name, payload in PAYLOADS.items():
        digest = hashlib.sha256(payload).hexdigest() if len(payload) <= LIMIT else None
        fleet.client.publish(topic, payload, retain=True)
        found[name] = fleet.client.wait(lambda digest=digest: rejected(fleet.client.json(status) or {}, digest),
                                        what="%s on %s" % (name, status))
    fleet.client.publish(topic, b"", retain=True)
    fleet.client.wait(lambda: fleet.client.json(status) is None, what="no %s" % status)
    return found


def app_rejected(status, digest):
    document = status.get("document", {})
    return document["errors"] if document.get("verdict") == "rejected" and document.get("digest") == digest else None


def policy_rejected(status, digest):
    return status["errors"] if status.get("state") == "rejected" and status.get("digest") == digest else None


def unsupported_policy(status, _):
    return status["errors"] if status.get("state") == "rejected" else None


WAYS = [
    ("apps/evil/desired", lambda fleet, topic: by_status(fleet, topic, "apps/evil/status", app_rejected)),
    ("policies/placement/evil",
     lambda fleet, topic: by_status(fleet, topic, "policies/placement/evil/status", policy_rejected)),
    ("policies/scaling/evil",
     lambda fleet, topic: by_status(fleet, topic, "policies/scaling/evil/status", unsupported_policy)),
    *[(topic, by_event) for topic in (
        "apps/shop/command/scale", "apps/evil/command/scale", "apps/shop/command/nope", "nodes/n2/command/logs",
        "nodes/n2/command/stop", "nodes/n2/command/nope", "nodes/n2/desired", "nodes/n2/presence", "nodes/n2/info",
        "nodes/n2/reported", "nodes/n2/beat", "nodes/n3/desired", "nodes/n3/presence", "nodes/n3/info",
        "nodes/n3/reported", "nodes/n3/beat")],
    *[(topic, by_response) for topic in (
        "apps/shop/command/scale", "apps/evil/command/scale", "apps/shop/command/nope", "nodes/n2/command/logs",
        "nodes/n2/command/stop", "nodes/n2/command/nope")],
]
UNPARSED = ("policies/scaling/evil", "apps/shop/command/nope", "nodes/n2/command/nope")  # refused for their names


def test_every_hostile_payload_gets_its_own_verdict(fleet):
    """A controller on n1 and an agent on n2, so that it is known who reads what."""
    fleet.add_node("n1", roles={"agent": False}).start()
    fleet.start_node("n2", roles={"controller": False}).import_image()
    fleet.apply(GOOD)
    running = fleet.wait_running("shop", 1)[0]
    controls = [node.control_pid() for node in fleet.nodes]
    for topic, verdicts in WAYS:
        for name, errors in verdicts(fleet, topic).items():
            assert errors and all(error["path"].startswith("$") and error["reason"] for error in errors), (topic, name, errors)
            if name == "too long" and topic not in UNPARSED:
                assert all(error.get("limit") in LIMITS for error in errors), (topic, errors)
        assert controls == [node.control_pid() for node in fleet.nodes], topic
    del fleet.client.topics["nodes/n2/reported"]  # ours
    fleet.nodes[0].baton("scale", "shop/web=2")
    after = {item["id"]: (item["pid"], item["restarts"]) for item in fleet.wait_running("shop", 2)}
    assert after[running["id"]] == (running["pid"], 0)


@pytest.mark.parametrize("topic", ["apps/evil/desired", "nodes/n1/desired"])
def test_payload_of_100_megabytes(fleet, node, tmp_path, topic):
    control = node.control_pid()
    client = fleet.client.client
    client.unsubscribe(fleet.prefix + "/#")  # its way back to us would take longer than all the rest
    client.subscribe([(fleet.prefix + "/events", 1), (fleet.prefix + "/apps/evil/status", 1)])
    pathlib.Path("/proc/%d/clear_refs" % control).write_text("5", encoding="ascii")  # proc(5): resets VmHWM
    before = memory(control, "VmHWM")
    with open(tmp_path / "payload", "wb") as payload:
        payload.truncate(HUGE)
    # paho takes a quarter of a minute for it
    subprocess.run(["mosquitto_pub", "--unix", str(fleet.socket), "-V", "5", "-q", "1", "-t", fleet.prefix + "/" + topic,
                    "-f", str(tmp_path / "payload")], check=True, timeout=60)
    if topic.startswith("apps/"):
        error = fleet.client.wait(lambda: fleet.status("evil"), 60, "a verdict for 100 MB")["document"]["errors"][0]
    else:
        error = fleet.client.wait(lambda: rejections(fleet, topic, 0) or None, 60, "an event about 100 MB")[0]
    assert error["limit"] == "%d bytes" % LIMIT
    assert node.control_pid() == control
    # The bound: libmosquitto holds the packet and a copy of its payload (Kconfig, SESSION_PACKET_MAX); Baton adds nothing.
    assert memory(control, "VmHWM") - before < 2 * HUGE // 1024 + 4096
    fleet.client.wait(lambda: memory(control, "VmRSS") < before + 16384, timeout=20, what="memory given back")


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at:at + rng.randint(1, 8)]
        elif kind == 2:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
        else:
            other = rng.randrange(len(data))
            data[at:at] = data[other:other + rng.randint(1, 20)]
        if not data:
            return b"{}"
    return bytes(data)


def test_ten_thousand_mutations_of_a_manifest(fleet, node):
    rng = random.Random(20261124)
    control = node.control_pid()
    valid = json.dumps(GOOD | {"name": "evil"}).encode()
    before = memory(control, "VmRSS")
    last, changes, removals = None, 0, 0
    for number in range(10000):
        payload = mutate(rng, valid)
        changes += payload != last
        last = payload
        fleet.client.client.publish("baton/v1/apps/evil/desired", payload, qos=1)
        if number % 500 == 499:
            fleet.client.publish("apps/evil/desired", b"", retain=True)
            last = None
            removals += 1
    marker = json.dumps({"name": "evil", "services": {"last": {"image": "x", "nope": 1}}})
    fleet.client.publish("apps/evil/desired", marker)
    fleet.client.wait(lambda: "$.services.last.nope" in json.dumps(fleet.status("evil")), timeout=120,
                      what="the verdict of the last document")
    counts = fleet.client.wait(lambda: (lambda all: all if all["app.rejected"] + all["app.accepted"] > changes else None)(
        collections.Counter(event["type"] for event in events(fleet))), what="%d verdicts" % (changes + 1))
    # one for every document that differs from the one before it, and one for the marker
    assert counts["app.rejected"] + counts["app.accepted"] == changes + 1 and counts["app.removed"] == removals
    assert counts["app.accepted"] > 0, "some mutations are harmless"
    assert node.control_pid() == control and node.process.poll() is None
    assert memory(control, "VmRSS") < before + 8192, "memory grew by more than 8 MiB"
