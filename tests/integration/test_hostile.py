# SPDX-License-Identifier: Apache-2.0
"""Bad bytes on every topic the daemons subscribe to: they keep their pids, their memory stays bounded, they answer."""
import json
import random

from harness.node import service

GOOD = {"name": "shop", "services": {"web": service(environment={"A": "b"}, volumes=["data:/data"], mem_limit="16m")},
        "volumes": {"data": {}}}

TOPICS = ["apps/evil/desired", "apps/evil/command/scale", "apps/evil/command/nope", "apps/evil/revisions/" + "0" * 64,
          "nodes/n1/desired", "nodes/n2/desired", "nodes/n2/presence", "nodes/n2/info", "nodes/n2/reported",
          "nodes/n2/beat", "nodes/n1/command/logs", "nodes/n1/command/stop", "nodes/n1/command/nope",
          "policies/placement/evil", "policies/scaling/evil", "sync/someone", "controller/leader", "signals/evil/x"]

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


def rss(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def test_hostile_payloads_on_every_topic(fleet, node):
    fleet.apply(GOOD)
    running = fleet.wait_running("shop", 1)[0]
    control = node.control_pid()
    for topic in TOPICS:
        for name, payload in PAYLOADS.items():
            fleet.client.publish(topic, payload, retain=topic.endswith("desired"))
            assert node.process.poll() is None, (topic, name)
    def verdict():
        document = (fleet.status("evil") or {}).get("document", {})
        return document if document.get("verdict") == "rejected" and "limit" in document["errors"][0] else None
    # The last manifest is too long; those before have no limit in their verdicts.
    error = fleet.client.wait(verdict, what="a verdict for the last manifest")["errors"][0]
    assert error["path"] and error["reason"] and error["limit"]
    assert node.control_pid() == control
    assert fleet.wait_running("shop", 1)[0]["pid"] == running["pid"]

    def rejected():
        events = [json.loads(payload) for _, topic, payload in list(fleet.client.history)
                  if topic == "events" and b"payload.rejected" in payload]
        return events if any(event["topic"] == "baton/v1/nodes/n1/desired" for event in events) else None
    events = fleet.client.wait(rejected, what="an event of the agent, which is later than the verdict")
    assert all(event["reason"] for event in events)


def test_payload_of_100_megabytes(fleet, node):
    control = node.control_pid()
    before = rss(control)
    info = fleet.client.client.publish("baton/v1/apps/evil/desired", b"x" * 100_000_000, qos=1)
    info.wait_for_publish(60)
    status = fleet.client.wait(lambda: fleet.status("evil"), timeout=60, what="a verdict for 100 MB")
    assert status["document"]["verdict"] == "rejected"
    assert "262144" in json.dumps(status["document"]["errors"])
    assert node.control_pid() == control
    fleet.client.wait(lambda: rss(control) < before + 16384, timeout=20, what="memory given back")


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
    before = rss(control)
    for number in range(10000):
        fleet.client.client.publish("baton/v1/apps/evil/desired", mutate(rng, valid), qos=1)
        if number % 500 == 499:
            fleet.client.publish("apps/evil/desired", b"", retain=True)
    marker = json.dumps({"name": "evil", "services": {"last": {"image": "x", "nope": 1}}})
    fleet.client.publish("apps/evil/desired", marker)
    fleet.client.wait(lambda: "$.services.last.nope" in json.dumps(fleet.status("evil")), timeout=120,
                      what="the verdict of the last document")
    assert node.control_pid() == control and node.process.poll() is None
    assert rss(control) < before + 8192, "memory grew by more than 8 MiB"
