# SPDX-License-Identifier: Apache-2.0
"""baton logs: which lines, on which stream, and what a terminal gets to see."""
import json
import subprocess
import threading

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from harness.node import die_with_parent, service
from harness.terminal import on_terminal

ID = "shop.web.1.0123456789"
ESCAPES = "\033[2J\u009b31m\177\u00e9\t\u6bdb"  # CSI twice, DEL; then what people write
CLEAN = "?[2J?31m?\u00e9\t\u6bdb"
UNKNOWN = {"ok": False, "errors": [{"path": "$.instance", "reason": 'no instance "%s" on node n1' % ID}]}


def line(text, stream="stdout", second=0, partial=False):
    return {"time": "2026-01-01T00:00:%02d.000Z" % second, "stream": stream, "text": text, "partial": partial}


def lines(*what, end=True):
    return {"ok": True, "instance": ID, "lines": list(what), "end": end}


class FakeNode:
    """What the topics of a node look like; `answers` are given to the requests for logs, the last one again and again."""

    def __init__(self, fleet, *answers):
        self.fleet = fleet
        self.answers = list(answers)
        self.requests = []
        fleet.client.client.message_callback_add(fleet.prefix + "/nodes/n1/command/logs", self._on_request)
        fleet.client.publish("nodes/n1/presence", {"state": "online"}, retain=True)
        self.list([{"id": ID, "service": "web", "slot": 1, "node": "n1", "state": "pending", "reason": "none"}])

    def list(self, instances):
        """The status of the application."""
        self.fleet.client.publish("apps/shop/status", {"app": "shop", "state": "progressing", "instances": instances}, retain=True)

    def _on_request(self, client, _userdata, message):
        properties = message.properties
        self.requests.append(json.loads(message.payload))
        if not getattr(properties, "CorrelationData", None):
            return  # a renewal: nobody looks at the answer
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        client.publish(properties.ResponseTopic, json.dumps(answer), qos=1, properties=properties_of(properties.CorrelationData))

    def say(self, *what, end=False):
        """Followed lines."""
        self.fleet.client.publish("nodes/n1/logs/" + ID, lines(*what, end=end))

    def logs(self, *options):
        return [str(self.fleet.build / "bin/baton"), "logs", "--broker", "unix:%s" % self.fleet.socket, *options, "shop"]


def properties_of(correlation):
    properties = Properties(PacketTypes.PUBLISH)
    properties.CorrelationData = correlation
    return properties


def follow(node, *options):
    """`baton logs -f`, and what it has written so far."""
    process = subprocess.Popen(node.logs("-f", *options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               preexec_fn=die_with_parent)
    entry = node.fleet.janitor.add_pid(process.pid)
    written = []
    reader = threading.Thread(target=lambda: written.extend(iter(lambda: process.stdout.read(1), "")), daemon=True)
    reader.start()

    def end():
        code = process.wait(30)
        reader.join(30)
        process.stdout.close()
        node.fleet.janitor.done("pid", entry)
        return code
    return written, end


@pytest.mark.parametrize("shown", ["stdout", "stderr"])
def test_a_terminal_obeys_no_container(fleet, shown):
    """Each stream for itself: the other one goes into a file, as the container wrote it."""
    node = FakeNode(fleet, lines(line(ESCAPES + "out"), line(ESCAPES + "err", "stderr", 1)))
    code, terminal, file = on_terminal(node.logs(), [shown])
    assert code == 0
    on_it, beside = ("out", "err") if shown == "stdout" else ("err", "out")
    assert terminal.decode() == "%s | %s%s\n" % (ID, CLEAN, on_it)
    assert file.decode() == "%s | %s%s\n" % (ID, ESCAPES, beside)


def test_a_terminal_obeys_no_json(fleet):
    node = FakeNode(fleet, lines(line(ESCAPES)))
    _, terminal, _ = on_terminal(node.logs("-o", "json"), ["stdout"])
    assert json.loads(terminal)["text"] == ESCAPES
    assert all(byte < 0x80 and byte != 0x1B for byte in terminal)


def test_streams_share_no_line(fleet):
    """A line without an end is ended, on its own stream, before another stream or instance goes on."""
    node = FakeNode(fleet, lines(line("a", partial=True), line("b", "stderr", 1, partial=True), line("c", "stderr", 2),
                                 line("d", "stdout", 3, partial=True), line("e", "stdout", 4)))
    _, terminal, _ = on_terminal(node.logs())
    assert terminal.decode() == "".join("%s | %s\n" % (ID, text) for text in ("a", "bc", "de"))
    done = subprocess.run(node.logs(), capture_output=True, text=True, check=True)
    assert done.stdout == "%s | a\n%s | de\n" % (ID, ID)
    assert done.stderr == "%s | bc\n" % ID


def test_an_instance_that_its_node_does_not_know_yet(fleet):
    """The status names it first: it is followed as soon as its node has it."""
    node = FakeNode(fleet, UNKNOWN, UNKNOWN, lines(line("early")))
    written, end = follow(node)
    fleet.client.wait(lambda: "early\n" in "".join(written), 20, "the lines so far")
    node.say(line("late"))
    fleet.client.wait(lambda: "late\n" in "".join(written), 20, "a followed line")
    node.say(end=True)
    node.list([])
    assert end() == 0
    assert "".join(written) == "%s | early\n%s | late\n" % (ID, ID)
    asked = [request for request in node.requests if request["lines"] > 0]
    assert len(asked) == 3, asked


def test_an_instance_that_never_comes(fleet):
    node = FakeNode(fleet, UNKNOWN)
    written, end = follow(node)
    fleet.client.wait(lambda: len(node.requests) >= 3, 20, "questions")
    node.list([])
    assert end() == 0 and "".join(written) == ""
    done = subprocess.run(node.logs(), capture_output=True, text=True, check=False)
    assert done.returncode == 6
    node.list([{"id": ID, "service": "web", "slot": 1, "node": "n1", "state": "pending", "reason": "none"}])
    done = subprocess.run(node.logs(), capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no instance" in done.stderr


def test_a_refusal_ends_it(fleet):
    """Anything but an instance that is not known would be refused again."""
    node = FakeNode(fleet, {"ok": False, "errors": [{"path": "$.follow", "reason": "too many follow"}]})
    written, end = follow(node)
    assert end() == 1
    assert "".join(written).count("too many follow") == 1 and len(node.requests) == 1


def test_since_counts_no_lines(fleet, node, tmp_path):
    """Of 300 lines, those after a time, however many they are; -n still cuts."""
    manifest = tmp_path / "shop.json"
    script = "for i in $(seq 150); do echo old $i; done; sleep 2; for i in $(seq 150); do echo new $i; done; while true; do sleep 1; done"
    manifest.write_text(json.dumps({"name": "shop", "services": {"web": service(script)}}), encoding="utf-8")
    node.baton("apply", manifest)
    instance = fleet.wait_running("shop", 1)[0]["id"]
    fleet.client.wait(lambda: "new 150\n" in node.baton("logs", instance, "-n", "1").stdout, 30, "all lines")
    told = [json.loads(text) for text in node.baton("logs", instance, "-n", "300", "-o", "json").stdout.splitlines()]
    assert len(told) == 300
    between = told[150]["time"]  # of the first new one
    assert told[149]["time"] < between
    after = node.baton("logs", instance, "--since", between)
    assert after.stdout.splitlines() == ["new %d" % i for i in range(1, 151)] and after.stderr == ""
    assert node.baton("logs", instance, "--since", told[0]["time"]).stdout.count("\n") == 300
    assert node.baton("logs", instance, "--since", "100000d").stdout.count("\n") == 300
    assert node.baton("logs", instance, "--since", between, "-n", "2").stdout == "new 149\nnew 150\n"
    assert node.baton("logs", instance).stdout.count("\n") == 100


def test_since_says_when_it_is_cut(fleet):
    node = FakeNode(fleet, lines(*[line("x", second=1)] * 1000))
    done = subprocess.run(node.logs("--since", "2026-01-01T00:00:00Z"), capture_output=True, text=True, check=True)
    assert node.requests[0]["lines"] == 1000 and done.stdout.count("\n") == 1000
    assert "1000 lines at most" in done.stderr
    done = subprocess.run(node.logs("--since", "2026-01-01T00:00:00Z", "-n", "1000"), capture_output=True, text=True, check=True)
    assert done.stderr == ""
