# SPDX-License-Identifier: Apache-2.0
"""baton apply: whose verdict it takes, what it shows while it waits, and when it gives up."""
import hashlib
import json
import re
import subprocess
import time

import pytest

from harness.node import die_with_parent, service
from harness.terminal import on_terminal

LIMIT = 262144  # MAX_DOCUMENT_BYTES
ERRORS = [{"path": "$.services", "reason": "wrong"}]


@pytest.fixture
def manifest(tmp_path):
    """Writes a manifest; manifest(document) -> (path, bytes)."""
    def write(document):
        path = tmp_path / "manifest.json"
        data = json.dumps(document).encode()
        path.write_bytes(data)
        return path, data
    return write


def shop(**services):
    return {"name": "shop", "services": services or {"web": service()}}


def large(size):
    """A good document of so many bytes."""
    document = shop(web=service(environment={"A": "x"}))
    padding = size - len(json.dumps(document))
    document["services"]["web"]["environment"]["A"] += "x" * padding
    return document


def command(fleet, *words):
    return [str(fleet.build / "bin/baton"), words[0], "--broker", "unix:%s" % fleet.socket, *map(str, words[1:])]


def status(digest, verdict, **more):
    document = {"digest": digest, "verdict": verdict, "errors": [], "warnings": [], **more}
    state = "running" if verdict == "accepted" else "rejected"
    return {"app": "shop", "document": document, "state": state, "reason": "a test", "services": {}, "instances": []}


def start(fleet, path, *options):
    """An apply whose document is published: the test is the controller."""
    process = subprocess.Popen(command(fleet, "apply", *options, path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=die_with_parent)
    fleet.client.wait(lambda: fleet.client.json("apps/shop/desired"), what="the document")
    return process


@pytest.mark.parametrize("options", [[], ["--detach"], ["--dry-run"]])
def test_too_large_is_refused_here(fleet, manifest, options):
    """No controller would read it, so nothing is published and nobody waits."""
    path, data = manifest(large(LIMIT + 1))
    assert len(data) == LIMIT + 1
    began = time.monotonic()
    done = subprocess.run(command(fleet, "apply", *options, path), capture_output=True, text=True, check=False)
    assert done.returncode == 3, done
    assert time.monotonic() - began < 20
    assert re.search(r"^baton: rejected: \$: .*%d" % (LIMIT + 1), done.stderr) and "(limit: %d bytes)" % LIMIT in done.stderr
    result = json.loads(subprocess.run(command(fleet, "apply", *options, "-o", "json", path), capture_output=True, text=True,
                                       check=False).stdout)
    assert result["verdict"] == "rejected" and result["errors"][0]["limit"] == "%d bytes" % LIMIT
    assert fleet.client.json("apps/shop/desired") is None


def test_as_large_as_may_be(fleet, node, manifest):
    path, data = manifest(large(LIMIT))
    assert len(data) == LIMIT
    done = node.baton("apply", "--detach", path)
    assert "published" in done.stdout
    fleet.client.wait(lambda: ((fleet.status("shop") or {}).get("document") or {}).get("digest"), what="a verdict")
    assert fleet.status("shop")["document"]["digest"] == hashlib.sha256(data).hexdigest()


def test_a_verdict_without_a_digest(fleet, manifest):
    """The controller has refused the document unread; the retained verdict of the one before does not count."""
    path, _ = manifest(shop())
    refusal = status(None, "rejected", errors=[{"path": "$", "reason": "no room", "limit": "7 applications"}])
    fleet.client.publish("apps/shop/status", refusal, retain=True)
    process = start(fleet, path)
    time.sleep(1)
    assert process.poll() is None, process.communicate()
    fleet.client.publish("apps/shop/status", refusal, retain=True)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 3
    assert told == "baton: rejected: $: no room (limit: 7 applications)\n"


def test_another_document_is_not_ours(fleet, manifest):
    path, data = manifest(shop())
    process = start(fleet, path)
    fleet.client.publish("apps/shop/status", status("0" * 64, "rejected", errors=ERRORS), retain=True)
    time.sleep(1)
    assert process.poll() is None, process.communicate()
    fleet.client.publish("apps/shop/status", status(hashlib.sha256(data).hexdigest(), "accepted"), retain=True)
    text, told = process.communicate(timeout=20)
    assert (process.returncode, text) == (0, "shop is running: a test\n") and "wrong" not in told


@pytest.mark.parametrize("verdict", ["rejected", "accepted"])
def test_a_list_that_is_cut(fleet, manifest, verdict):
    """By apply, and by status later."""
    what, member = ("errors", "errors") if verdict == "rejected" else ("warnings", "warnings")
    path, data = manifest(shop())
    process = start(fleet, path)
    cut = status(hashlib.sha256(data).hexdigest(), verdict, truncated=True, **{member: ERRORS})
    fleet.client.publish("apps/shop/status", cut, retain=True)
    _, told = process.communicate(timeout=20)
    assert process.returncode == (3 if verdict == "rejected" else 0)
    assert re.search(r"\$\.services: wrong\nbaton: \.\.\. and more %s\n" % what, told), told
    shown = subprocess.run(command(fleet, "status", "shop"), capture_output=True, text=True, check=True).stdout
    assert re.search(r"\$\.services: wrong\n  \.\.\. and more %s\n" % what, shown), shown


def test_a_dry_run_that_is_cut(fleet, manifest):
    path, _ = manifest({"name": "shop", "services": {"web": {"image": "x", **{"bad%03d" % i: 1 for i in range(200)}}}})
    done = subprocess.run(command(fleet, "apply", "--dry-run", path), capture_output=True, text=True, check=False)
    assert done.returncode == 3 and done.stderr.endswith("\nbaton: ... and more errors\n"), done.stderr[-300:]
    done = subprocess.run(command(fleet, "apply", "--dry-run", "-o", "json", path), capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["truncated"] is True
    path, _ = manifest(shop())
    done = subprocess.run(command(fleet, "apply", "--dry-run", "-o", "json", path), capture_output=True, text=True, check=True)
    assert "truncated" not in json.loads(done.stdout)


def test_progress_on_a_terminal(fleet, node, manifest):
    """One line that changes and never wraps; the result is below it, on standard output."""
    path, _ = manifest(shop())
    code, shown, text = on_terminal(command(fleet, "apply", path), ["stderr"], columns=30)
    assert code == 0, shown
    assert text == b"shop is running: 1 of 1 instances run\n"
    lines = shown.split(b"\r\033[K")
    assert lines[0] == b"" or lines[0].startswith(b"baton: warning: "), shown
    assert len(lines) > 1 and lines[-1] == b"shop is running: 1 of 1 insta\n", shown
    assert all(re.fullmatch(rb"shop is [ -~]{1,21}", line.rstrip(b"\n")) for line in lines[1:]), shown
    assert b"\n" not in b"".join(lines[1:-1])
    code, shown, text = on_terminal(command(fleet, "apply", "-o", "json", path), ["stderr"])
    assert code == 0 and b"shop is" not in shown and json.loads(text)["state"] == "running"


def test_a_terminal_obeys_no_controller(fleet, manifest):
    """Escape sequences in reasons, C1 included."""
    path, data = manifest(shop())
    bad = "\033[2J\u009b2J\u00e9"
    document = status(hashlib.sha256(data).hexdigest(), "accepted", warnings=[{"path": bad, "reason": bad}])
    document["reason"] = bad
    document["services"] = {"web": {"replicas": 1, "running": 1, "updated": 1, "policy": bad, "reason": bad}}
    document["instances"] = [{"id": "shop.web.1.0", "service": "web", "node": "n1", "state": bad, "reason": bad}]
    fleet.client.publish("apps/shop/status", document, retain=True)
    for words in (["apply", path], ["status", "shop"], ["ps"], ["status", "-o", "json", "shop"], ["ps", "-o", "json"]):
        code, shown, _ = on_terminal(command(fleet, *words))
        shown = re.sub(rb"\r\033\[K", b"", shown).decode()
        assert code == 0 and not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f]", shown), (words, shown)
        assert "json" in words or "?[2J?2J\u00e9" in shown, (words, shown)


@pytest.mark.timeout(120)
def test_fails_early_when_it_stays_degraded(fleet, node, manifest):
    path, _ = manifest(shop(web=service(deploy={"resources": {"reservations": {"memory": "900G"}}})))
    began = time.monotonic()
    done = node.baton("apply", "--timeout", "100", path, check=False, timeout=110)
    took = time.monotonic() - began
    assert done.returncode == 1 and re.search(r"^baton: shop stays degraded: no node fits ", done.stderr, re.MULTILINE), done
    assert 15 <= took < 60, took
