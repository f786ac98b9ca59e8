# SPDX-License-Identifier: Apache-2.0
"""What every verb writes: -o json is JSON everywhere, and the ways to name a broker lead to one."""
import contextlib
import json
import re
import socket
import subprocess
import threading
import time

import pytest

from harness.node import IMAGE, Fleet, die_with_parent, service

VERBS = [  # in this order; (words, has "app" in its answer)
    ("version", ["version"]), ("doctor", ["doctor"]), ("nodes", ["nodes"]), ("image-ls", ["image", "ls"]),
    ("image-import", ["image", "import", "LAYOUT"]), ("apply-dry-run", ["apply", "--dry-run", "MANIFEST"]),
    ("apply", ["apply", "MANIFEST"]), ("apply-detach", ["apply", "--detach", "MANIFEST"]), ("ps", ["ps"]), ("ps-app", ["ps", "shop"]),
    ("status", ["status", "shop"]), ("logs", ["logs", "shop"]), ("scale", ["scale", "shop/web=2"]),
    ("scale-detach", ["scale", "--detach", "shop/web=1"]), ("rm", ["rm", "shop"]), ("apply-again", ["apply", "MANIFEST"]),
    ("rm-detach", ["rm", "--detach", "shop"]), ("image-rm", ["image", "rm", IMAGE]),
]
MEMBERS = {  # what a script may rely on
    "version": {"version"}, "doctor": {"checks"}, "nodes": {"nodes"}, "image-ls": {"images"}, "image-import": {"name", "digest"},
    "apply-dry-run": {"app", "verdict", "errors", "warnings", "manifest"}, "apply": {"app", "document", "state", "reason"},
    "apply-detach": {"app", "digest"}, "ps": {"instances"}, "ps-app": {"instances"}, "status": {"app", "document", "state"},
    "logs": {"instance", "time", "stream", "text"}, "scale": {"app", "service", "replicas"},
    "scale-detach": {"app", "service", "replicas"}, "rm": {"app", "removed"}, "apply-again": {"app", "document", "state"},
    "rm-detach": {"app", "removed"}, "image-rm": {"removed", "freed"},
}


@pytest.fixture(scope="module")
def place(build, janitor, tmp_path_factory):
    """One fleet for all verbs, with words to replace."""
    fleet = Fleet(build, janitor)
    node = fleet.start_node("n1")
    node.import_image()
    manifest = tmp_path_factory.mktemp("json") / "shop.json"
    manifest.write_text(json.dumps({"name": "shop", "services": {"web": service("echo one; echo two >&2; while true; do sleep 1; done")}}),
                        encoding="utf-8")
    yield node, {"MANIFEST": str(manifest), "LAYOUT": str(next(fleet.folder.glob("image-*")))}
    fleet.close()


@pytest.mark.parametrize("name,words", VERBS, ids=[name for name, _ in VERBS])
def test_json_of_every_verb(place, name, words):
    node, replace = place
    words = [replace.get(word, word) for word in words]
    if name == "logs":
        node.fleet.client.wait(lambda: "two" in node.baton("logs", "shop").stderr, what="both lines")
    if name == "image-rm":
        node.fleet.client.wait(lambda: not node.container_pids(), 30, "the end of the containers")
    done = node.baton(words[0], "-o", "json", *words[1:])
    lines = done.stdout.splitlines()
    assert len(lines) == (2 if name == "logs" else 1), done
    for text in lines:
        answer = json.loads(text)
        assert MEMBERS[name] <= set(answer), answer
    if name.startswith("rm"):
        assert answer == {"app": "shop", "removed": name == "rm"}


def test_no_verb_is_forgotten(build):
    markdown = subprocess.check_output([str(build / "bin/baton"), "help", "--markdown"], text=True)
    assert set(re.findall(r"^## baton (\w+)$", markdown, re.MULTILINE)) == {words[0] for _, words in VERBS} | {
        "events", "completion", "help"}  # events: below; the others write no data


@contextlib.contextmanager
def events(fleet, *options):
    """Lines of `baton events`, once it has subscribed."""
    process = subprocess.Popen([str(fleet.build / "bin/baton"), "events", "--broker", "unix:%s" % fleet.socket, *options],
                               stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    entry = fleet.janitor.add_pid(process.pid)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
    reader.start()

    try:
        for _ in range(150):  # until it has subscribed
            fleet.client.publish("events", {"time": "T", "type": "test.ready"})
            if any("test.ready" in line for line in lines):
                break
            time.sleep(0.1)
        yield lines
    finally:
        process.kill()
        process.wait()
        reader.join(10)
        process.stdout.close()
        fleet.janitor.done("pid", entry)


EVENT = {"time": "2026-01-01T00:00:00Z", "type": "app.rejected", "app": "shop", "path": "$.services", "reason": "a\033[2J\u009b2J",
         "other": 7}


def wait_event(fleet, lines):
    fleet.client.publish("events", "no JSON")
    fleet.client.publish("events", EVENT)
    return fleet.client.wait(lambda: next((line for line in lines if "app.rejected" in line), None), what="the event")


def test_events_as_text(fleet):
    with events(fleet) as lines:
        assert wait_event(fleet, lines) == "2026-01-01T00:00:00Z app.rejected shop $.services a?[2J?2J\n"
        assert "T test.ready\n" in lines


def test_events_as_json(fleet):
    with events(fleet, "-o", "json") as lines:
        assert json.loads(wait_event(fleet, lines)) == EVENT
        assert all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize("family,form", [(socket.AF_INET, "127.0.0.1:%d"), (socket.AF_INET6, "[::1]:%d"), (socket.AF_INET, "localhost:%d")])
def test_a_broker_by_address(fleet, node, family, form):
    with socket.socket(family) as probe:
        try:
            probe.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        except OSError as error:
            assert family == socket.AF_INET6, error
            pytest.skip("this machine has no ::1: %s" % error)
        port = probe.getsockname()[1]
    fleet.stop_broker()
    fleet.start_broker("listener %d %s\n" % (port, "::1" if family == socket.AF_INET6 else "127.0.0.1"))
    node.wait_online()
    done = subprocess.run([str(fleet.build / "bin/baton"), "nodes", "-o", "json", "--broker", form % port], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["nodes"][0]["node"] == "n1"
    fleet.stop_broker()
    done = subprocess.run([str(fleet.build / "bin/baton"), "nodes", "--broker", form % port], capture_output=True, text=True, check=False)
    assert done.returncode == 5 and "broker " in done.stderr and str(port) in done.stderr
    fleet.start_broker()
