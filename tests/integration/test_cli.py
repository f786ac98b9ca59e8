# SPDX-License-Identifier: Apache-2.0
"""The command line against a real fleet: every verb, both outputs, every exit status."""
import hashlib
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
import time

import pytest

from harness.node import IMAGE, die_with_parent, service

CREATING = 0  # enum record_phase of the supervisor


@pytest.fixture
def manifest(tmp_path):
    """Writes a manifest; manifest(document) -> path as text."""
    def write(document, name="manifest.json"):
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return str(path)
    return write


def shop(**services):
    return {"name": "shop", "services": services or {"web": service("echo one; echo two >&2; while true; do sleep 1; done")}}


def test_apply_shows_and_removes(fleet, node, manifest):
    done = node.baton("apply", manifest(shop()))
    assert "shop is running" in done.stdout
    assert "1 of 1" in done.stdout
    listed = json.loads(node.baton("ps", "-o", "json").stdout)["instances"]
    assert [(item["app"], item["service"], item["state"], item["node"]) for item in listed] == [("shop", "web", "running", "n1")]
    assert listed[0]["pid"] == fleet.wait_running("shop", 1)[0]["pid"]
    table = node.baton("ps", "shop").stdout.splitlines()
    assert table[0].split()[:4] == ["INSTANCE", "SERVICE", "NODE", "STATE"] and table[1].split()[1:4] == ["shop/web", "n1", "running"]
    status = json.loads(node.baton("status", "shop", "-o", "json").stdout)
    assert status == fleet.status("shop")
    assert "Document:  accepted" in node.baton("status", "shop").stdout
    assert "shop is removed" in node.baton("rm", "shop").stdout
    assert json.loads(node.baton("ps", "-o", "json").stdout) == {"instances": []}


def published(fleet):
    """All manifests of the application that went through the broker."""
    return [body for _, topic, body in list(fleet.client.history) if topic == "apps/shop/desired"]


def judged(node):
    """The controller has seen what was published before: it takes its messages in order."""
    assert node.baton("scale", "shop/nope=2", check=False).returncode == 3


@pytest.mark.parametrize("quality", [[], ["-q", "1"]], ids=["as-in-the-README", "qos-1"])
def test_the_same_as_mosquitto_pub(fleet, node, manifest, quality):
    """The bytes of a JSON manifest are published as they are, so that both are one revision and nothing restarts."""
    def by_hand(path):
        subprocess.run(["mosquitto_pub", "--unix", str(fleet.socket), *quality, "-r", "-t", fleet.prefix + "/apps/shop/desired",
                        "-f", path], check=True)
    path = manifest(shop())
    with open(path, "rb") as file:
        data = file.read()
    by_hand(path)
    before = fleet.wait_running("shop", 1)[0]
    assert fleet.status("shop")["revision"] == hashlib.sha256(data).hexdigest()
    node.baton("apply", path)
    judged(node)
    by_hand(path)
    fleet.client.wait(lambda: len(published(fleet)) == 3, what="three documents")
    judged(node)
    assert published(fleet) == [data] * 3
    assert fleet.status("shop")["revision"] == hashlib.sha256(data).hexdigest()
    after = fleet.wait_running("shop", 1)[0]
    assert (after["id"], after["pid"], after["restarts"]) == (before["id"], before["pid"], 0)
    other = manifest(shop(web=service("while true; do sleep 2; done")), "other.json")  # what is published again is not ignored
    by_hand(other)
    fleet.client.wait(lambda: fleet.status("shop")["revision"] != hashlib.sha256(data).hexdigest(), what="the other revision")
    assert node.baton("apply", other).returncode == 0
    assert fleet.wait_running("shop", 1)[0]["pid"] != before["pid"]


def test_rejection(fleet, node, manifest):
    path = manifest({"name": "shop", "services": {"web": {"image": IMAGE, "mem_limit": "-5", "comand": []}}})
    for options in ([], ["--dry-run"]):
        done = node.baton("apply", *options, path, check=False)
        assert done.returncode == 3
        assert "$.services.web.mem_limit" in done.stderr and 'did you mean "command"' in done.stderr
    result = json.loads(node.baton("apply", "--dry-run", "-o", "json", path, check=False).stdout)
    assert result["verdict"] == "rejected" and len(result["errors"]) == 2
    assert fleet.status("shop")["state"] == "rejected"


def test_dry_run_publishes_nothing(fleet, node, manifest):
    assert "would be accepted" in node.baton("apply", "--dry-run", manifest(shop())).stdout
    assert fleet.status("shop") is None


def test_detach_and_timeout(fleet, node, manifest):
    missing = manifest(shop(web={**service(), "image": "not/here:1"}))
    began = time.monotonic()
    node.baton("apply", "--detach", missing)
    assert time.monotonic() - began < 5
    done = node.baton("apply", "--timeout", "2", missing, check=False)
    assert done.returncode == 4 and "not/here" in done.stderr, done.stderr
    done = node.baton("rm", "--detach", "shop")
    assert done.returncode == 0


def test_scale(fleet, node, manifest):
    node.baton("apply", manifest(shop()))
    assert "3 replicas" in node.baton("scale", "shop/web=3").stdout
    assert len(json.loads(node.baton("ps", "-o", "json").stdout)["instances"]) == 3
    assert json.loads(node.baton("scale", "shop", "web=1", "-o", "json").stdout)["replicas"] == 1
    assert node.baton("scale", "shop/nope=2", check=False).returncode == 3
    assert node.baton("scale", "shop/web=99999999", check=False).returncode == 3
    for wrong in ("shop", "shop/web", "shop/web=", "shop/web=-1", "shop/web=1x"):
        assert node.baton("scale", wrong, check=False).returncode == 2, wrong


def test_logs(fleet, node, manifest):
    node.baton("apply", manifest(shop()))
    instance = fleet.wait_running("shop", 1)[0]["id"]
    fleet.client.wait(lambda: "two" in node.baton("logs", instance).stderr, what="both lines")
    done = node.baton("logs", instance)
    assert (done.stdout, done.stderr) == ("one\n", "two\n")
    assert node.baton("logs", "shop").stdout == "%s | one\n" % instance
    assert node.baton("logs", "shop/web", "-n", "1").stderr == "%s | two\n" % instance
    lines = [json.loads(line) for line in node.baton("logs", "shop", "-o", "json").stdout.splitlines()]
    assert [(line["instance"], line["stream"], line["text"]) for line in lines] == [(instance, "stdout", "one"), (instance, "stderr", "two")]
    assert node.baton("logs", "-t", instance).stdout.split()[0] == lines[0]["time"]
    assert node.baton("logs", instance, "--since", "1h").stdout == "one\n"
    assert node.baton("logs", instance, "--since", "2100-01-01T00:00:00Z").stdout == ""
    assert node.baton("logs", instance, "--since", "yesterday", check=False).returncode == 2


def test_logs_are_followed(fleet, node, manifest):
    node.baton("apply", manifest(shop(web=service("i=0; while true; do i=$((i+1)); echo line $i; sleep 0.1; done"))))
    follower = subprocess.Popen([str(fleet.build / "bin/baton"), "logs", "--config", str(node.config), "-f", "-n", "2", "shop"],
                                stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    entry = fleet.janitor.add_pid(follower.pid)
    numbers = [int(follower.stdout.readline().split()[-1]) for _ in range(15)]
    assert numbers == list(range(numbers[0], numbers[0] + 15))
    node.baton("rm", "shop")
    assert follower.wait(20) == 0  # what it followed is gone
    follower.stdout.close()
    fleet.janitor.done("pid", entry)


def test_events(fleet, node, manifest):
    watcher = subprocess.Popen([str(fleet.build / "bin/baton"), "events", "--config", str(node.config), "-o", "json"],
                               stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    entry = fleet.janitor.add_pid(watcher.pid)
    lines = queue.Queue()
    reader = threading.Thread(target=lambda: [lines.put(line) for line in watcher.stdout], daemon=True)
    reader.start()
    for _ in range(100):  # until it has subscribed
        fleet.client.publish("events", {"time": "2026-01-01T00:00:00Z", "type": "test.ready", "reason": "none"})
        try:
            assert json.loads(lines.get(timeout=0.3))["type"] == "test.ready"
            break
        except queue.Empty:
            continue
    node.baton("apply", manifest(shop()))
    types = []
    while "instance.running" not in types:
        types.append(json.loads(lines.get(timeout=60))["type"])
    assert "app.accepted" in types
    watcher.send_signal(signal.SIGINT)
    assert watcher.wait(60) == -signal.SIGINT
    reader.join(60)
    watcher.stdout.close()
    fleet.janitor.done("pid", entry)


def test_nodes(fleet, node):
    listed = json.loads(node.baton("nodes", "-o", "json").stdout)["nodes"]
    assert [(item["node"], item["state"]) for item in listed] == [("n1", "online")]
    assert listed[0]["info"]["runtimes"] == ["native", "crun"]
    node.kill(signal.SIGTERM)
    fleet.client.wait(lambda: fleet.client.json("nodes/n1/presence")["state"] == "offline", what="offline")
    done = node.baton("nodes", check=False)
    assert done.returncode == 6 and "offline" in done.stdout


def test_images(fleet, node, manifest):
    listed = json.loads(node.baton("image", "ls", "-o", "json").stdout)["images"]
    assert [image["name"] for image in listed] == ["docker.io/" + IMAGE]
    assert listed[0]["digest"].startswith("sha256:") and listed[0]["size"] > 0
    assert node.baton("image", "ls").stdout.splitlines()[1].startswith("docker.io/" + IMAGE)
    node.baton("apply", manifest(shop()))
    done = node.baton("image", "rm", IMAGE, check=False)
    assert done.returncode == 1 and "shop.web.1" in done.stderr
    node.baton("rm", "shop")
    assert "removed" in node.baton("image", "rm", IMAGE).stdout
    assert node.baton("image", "rm", IMAGE, check=False).returncode == 6
    assert node.baton("image", "import", "/no/such/file", check=False).returncode in (1, 6)
    for wrong in (["import"], ["ls", "x"], ["rm"], ["push"]):
        assert node.baton("image", *wrong, check=False).returncode == 2


def test_layers_of_a_container_whose_image_lost_its_name(fleet, node, manifest):
    """Another image has the name now: that one goes, and what the container runs stays."""
    layers = node.root / "images/layers"
    needed = set(os.listdir(layers))
    node.baton("apply", manifest(shop()))
    shutil.rmtree(fleet.folder / "image-test_busybox_1")
    node.import_image(IMAGE, "echo new >new")
    assert len(set(os.listdir(layers)) - needed) == 1
    assert "removed" in node.baton("image", "rm", IMAGE).stdout
    assert set(os.listdir(layers)) == needed
    node.baton("rm", "shop")


def test_the_image_of_a_container_that_is_being_made(fleet, node, manifest):
    """Its record has no digest yet: what it is called counts."""
    other = "test/other:1"
    node.import_image(other, "echo other >other")
    node.baton("apply", manifest(shop()))
    made = next((node.run / "containers").glob("shop.web.1.*"))
    record = json.loads((made / "record.json").read_text(encoding="utf-8"))
    assert record["image_digest"] and record["image"] == IMAGE
    node.baton("rm", "shop")
    fleet.client.wait(lambda: not made.exists(), what="the end of the container")
    making = made.with_name("shop.web.2.0123456789")
    making.mkdir()
    (making / "record.json").write_text(json.dumps({**record, "phase": CREATING, "image_digest": ""}), encoding="utf-8")
    done = node.baton("image", "rm", IMAGE, check=False)
    assert done.returncode == 1 and done.stderr == 'baton: %s runs "%s"; remove its application first\n' % (making.name, IMAGE)
    assert "removed" in node.baton("image", "rm", other).stdout
    (making / "record.json").write_text(json.dumps({**record, "phase": CREATING, "image_digest": "", "image": "no name!"}), encoding="utf-8")
    assert "removed" in node.baton("image", "rm", IMAGE).stdout  # it will not start


def test_not_found(fleet, node):
    for words in (["ps", "nope"], ["status", "nope"], ["rm", "nope"], ["logs", "nope"], ["scale", "nope/web=1"]):
        done = node.baton(*words, check=False)
        assert done.returncode == 6 and "nope" in done.stderr, words


def test_broker_that_is_not_there(fleet, node, manifest):
    fleet.stop_broker()
    for words in (["ps"], ["nodes"], ["apply", manifest(shop())], ["rm", "shop"], ["logs", "shop"], ["events"]):
        done = node.baton(*words, check=False)
        assert done.returncode == 5 and str(fleet.socket) in done.stderr, (words, done.stderr)
    fleet.start_broker()


@pytest.mark.parametrize("words", [["nonsense"], ["ps", "a", "b"], ["ps", "--nonsense"], ["apply"], ["status"], ["ps", "A/b"],
                                   ["ps", "-o", "xml"], ["apply", "--timeout", "x", "-"], ["completion", "fish"], ["help", "nonsense"]])
def test_wrong_usage(build, words, tmp_path):
    done = subprocess.run([str(build / "bin/baton"), *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and done.stderr.startswith("baton: ")


def test_broker_and_prefix_by_option_and_environment(fleet, node, build):
    words = [str(build / "bin/baton"), "nodes", "-o", "json"]
    environment = {"PATH": os.environ["PATH"]}
    by_option = subprocess.run([*words, "--broker", "unix:%s" % fleet.socket], capture_output=True, text=True, check=True,
                               env=environment)
    by_environment = subprocess.run(words, capture_output=True, text=True, check=True,
                                    env={**environment, "BATON_BROKER": "unix:%s" % fleet.socket, "BATON_PREFIX": fleet.prefix})
    assert json.loads(by_option.stdout)["nodes"][0]["node"] == json.loads(by_environment.stdout)["nodes"][0]["node"] == "n1"
    other = subprocess.run([*words, "--broker", "unix:%s" % fleet.socket, "--prefix", "other"], capture_output=True, text=True,
                           check=False, env=environment)
    assert other.returncode == 6


def test_doctor(fleet, node):
    done = node.baton("doctor", "-o", "json", check=False)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0, checks
    assert checks["broker"]["state"] == "OK" and checks["runtimes"]["text"] == "native, crun"
    assert {"kernel", "system calls", "namespaces", "seccomp", "overlayfs", "cgroups", "configuration", "user"} <= set(checks)
    node.config.write_text(node.config.read_text() + "nonsense = 1;\n")
    done = node.baton("doctor", check=False)
    assert done.returncode == 1 and "nonsense" in done.stdout and "->" in done.stdout


def test_standard_input(fleet, node, manifest):
    text = "name: shop\nservices:\n  web:\n    image: %s\n    command: [sleep, $TIME]\n" % IMAGE
    done = subprocess.run([str(fleet.build / "bin/baton"), "apply", "--config", str(node.config), "-"], input=text, text=True,
                          capture_output=True, check=False, env={**os.environ, "TIME": "1000"})
    assert done.returncode == 0, done.stderr
    desired = fleet.client.json("apps/shop/desired")
    assert desired["services"]["web"]["command"] == ["sleep", "1000"]


def test_version(build):
    baton = str(build / "bin/baton")
    version = json.loads(subprocess.check_output([baton, "version", "-o", "json"], text=True))["version"]
    assert version in subprocess.check_output([baton, "version"], text=True)


def test_help_and_completion(build):
    baton = str(build / "bin/baton")
    usage = subprocess.check_output([baton, "--help"], text=True)
    markdown = subprocess.check_output([baton, "help", "--markdown"], text=True)
    script = subprocess.check_output([baton, "completion", "bash"], text=True)
    for verb in ("apply", "completion", "doctor", "events", "help", "image", "logs", "nodes", "ps", "rm", "scale", "status", "version"):
        assert verb in usage and "## baton " + verb in markdown
        assert "Usage: baton " + verb in subprocess.check_output([baton, verb, "--help"], text=True)
    completed = subprocess.check_output(["bash", "-c", script + "\nCOMP_WORDS=(baton st); COMP_CWORD=1; _baton; echo ${COMPREPLY[@]}\n"
                                         "COMP_WORDS=(baton logs --fo); COMP_CWORD=2; _baton; echo ${COMPREPLY[@]}"], text=True)
    assert completed.split() == ["status", "--follow"]
