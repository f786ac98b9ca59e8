# SPDX-License-Identifier: Apache-2.0
"""The way of a manifest: published over MQTT, placed, run, reported, changed, removed. Public interfaces only."""
import hashlib
import json
import subprocess

from harness.janitor import cgroup_members
from harness.node import IMAGE, service


def manifest(name="shop", **services):
    return {"name": name, "services": services}


def test_manifest_to_running_container(fleet, node):
    document = manifest(web=service("echo hello-from-$HOSTNAME; while true; do sleep 1; done", mem_limit="32m"))
    fleet.apply(document)
    found = fleet.wait_running("shop", 1)[0]
    status = fleet.client.wait(lambda: (lambda s: s if s and s["state"] == "running" else None)(fleet.status("shop")),
                               what="status running")
    assert status["document"]["verdict"] == "accepted"
    assert status["document"]["digest"] == hashlib.sha256(json.dumps(document).encode()).hexdigest()
    assert status["revision"] == status["document"]["digest"]
    assert status["services"]["web"]["running"] == 1
    assert found["id"].startswith("shop.web.1.")
    assert found["pid"] in cgroup_members(node.cgroup)
    assert "hello-from-web-1" in node.baton("logs", found["id"]).stdout
    # its own namespaces
    for kind in ("pid", "mnt", "net", "uts", "ipc", "cgroup"):
        ours = subprocess.check_output(["readlink", "/proc/self/ns/" + kind])
        theirs = subprocess.check_output(["readlink", "/proc/%d/ns/%s" % (found["pid"], kind)])
        assert ours != theirs, kind


def test_mosquitto_pub_is_enough(fleet, node, tmp_path):
    document = tmp_path / "manifest.json"
    document.write_text(json.dumps(manifest("plain", one=service())))
    subprocess.run(["mosquitto_pub", "--unix", str(fleet.socket), "-q", "1", "-r", "-t", "baton/v1/apps/plain/desired",
                    "-f", str(document)], check=True)
    fleet.wait_running("plain", 1)


def test_rejected_manifest_lists_every_error_and_leaves_the_old_one(fleet, node):
    fleet.apply(manifest(web=service()))
    before = fleet.wait_running("shop", 1)[0]
    good = fleet.status("shop")["revision"]
    bad = manifest(web={"image": IMAGE, "mem_limit": "-5", "ports": ["80:80"], "comand": ["x"]})
    fleet.apply(bad)
    status = fleet.client.wait(lambda: (lambda s: s if s["document"]["verdict"] == "rejected" else None)(
        fleet.status("shop")), what="a rejection")
    paths = {error["path"] for error in status["document"]["errors"]}
    assert {"$.services.web.mem_limit", "$.services.web.ports", "$.services.web.comand"} <= paths
    assert any("command" in error["reason"] for error in status["document"]["errors"])
    assert status["revision"] == good
    assert fleet.wait_running("shop", 1)[0]["pid"] == before["pid"]


def test_scale_up_and_down_leaves_the_others_alone(fleet, node):
    fleet.apply(manifest(web=service()))
    first = fleet.wait_running("shop", 1)[0]
    node.baton("scale", "shop/web=3")
    three = fleet.wait_running("shop", 3)
    assert first["pid"] in [item["pid"] for item in three]
    node.baton("scale", "shop/web=1")
    assert fleet.wait_running("shop", 1)[0]["pid"] == first["pid"]
    answer = fleet.client.request("apps/shop/command/scale", {"service": "nope", "replicas": 2})
    assert answer["ok"] is False and "nope" in json.dumps(answer["errors"])


def test_change_replaces_instances_one_by_one(fleet, node):
    fleet.apply(manifest(web=service(environment={"V": "1"}, scale=3)))
    old = {item["id"] for item in fleet.wait_running("shop", 3)}
    with fleet.client.changed:
        start = len(fleet.client.history)
    fleet.apply(manifest(web=service(environment={"V": "2"}, scale=3)))
    # Each of the first two has to stay up for a while before the next one is replaced.
    fleet.wait_running("shop", 3, timeout=90, condition=lambda item: item["id"] not in old)
    fewest = 3
    for _, topic, payload in fleet.client.history[start:]:
        if topic == "nodes/n1/reported" and payload:
            states = [item["state"] for item in json.loads(payload)["instances"] if item["app"] == "shop"]
            fewest = min(fewest, states.count("running"))
    assert fewest >= 2, "more than one instance was down at a time"


def test_change_of_another_service_restarts_nothing(fleet, node):
    fleet.apply(manifest(a=service(), b=service()))
    before = {item["service"]: item["pid"] for item in fleet.wait_running("shop", 2)}
    fleet.apply(manifest(a=service(), b=service(environment={"X": "1"})))
    fleet.wait_running("shop", 2, condition=lambda item: item["service"] != "b" or item["pid"] != before["b"])
    assert {item["service"]: item["pid"] for item in fleet.instances("shop")}["a"] == before["a"]


def test_removal_leaves_nothing(fleet, node):
    fleet.apply(manifest(web=service(scale=2)))
    fleet.wait_running("shop", 2)
    fleet.remove("shop")
    fleet.client.wait(lambda: not fleet.instances("shop") and not fleet.client.topics.get("apps/shop/status"),
                      what="no instance and no status")
    assert not node.container_pids()
    assert not list((node.run / "containers").iterdir())
    assert not list((node.run / "logs").iterdir())


def test_missing_image_is_pending_with_what_to_do_and_starts_when_it_comes(fleet):
    node = fleet.start_node("n1")
    fleet.apply(manifest(web=service()))
    fleet.client.wait(lambda: any(item["state"] == "pending" and "baton image import" in item["reason"]
                                  for item in fleet.instances("shop")), what="pending with a hint")
    node.import_image()
    fleet.wait_running("shop", 1)


def test_both_runtimes(fleet, node):
    fleet.apply(manifest(n=service(**{"x-baton": {"runtime": "native"}}), c=service(**{"x-baton": {"runtime": "crun"}})))
    found = {item["service"]: item for item in fleet.wait_running("shop", 2)}
    assert found["n"]["runtime"] == "native" and found["c"]["runtime"] == "crun"
    fleet.remove("shop")
    fleet.client.wait(lambda: not fleet.instances("shop"), what="removal")


def test_volume_outlives_its_instance_and_tmpfs_does_not(fleet, node):
    script = "cat /data/mark /scratch/mark 2>/dev/null; echo kept >/data/mark; echo gone >/scratch/mark; echo ready; " \
             "while true; do sleep 1; done"
    one = service(script, volumes=["data:/data"], tmpfs="/scratch", environment={"V": "1"})
    fleet.apply({**manifest(db=one), "volumes": {"data": {}}})
    first = fleet.wait_running("shop", 1)[0]
    fleet.client.wait(lambda: "ready" in node.baton("logs", first["id"]).stdout, what="the first mark")
    fleet.apply({**manifest(db={**one, "environment": {"V": "2"}}), "volumes": {"data": {}}})
    second = fleet.wait_running("shop", 1, condition=lambda item: item["id"] != first["id"])[0]
    fleet.client.wait(lambda: "ready" in node.baton("logs", second["id"]).stdout, what="the second mark")
    text = node.baton("logs", second["id"]).stdout
    assert "kept" in text and "gone" not in text


def test_new_volume_is_filled_from_the_image(fleet, node):
    node.import_image("test/filled:1", "mkdir -p data/sub; echo of-the-image >data/sub/file; chmod 640 data/sub/file; "
                                       "ln -s sub/file data/link; chmod 1770 data")
    shell = service("stat -c '%a %u' /data /data/sub/file; readlink /data/link; cat /data/link; echo ready; "
                    "while true; do sleep 1; done", volumes=["data:/data"], hostname="edge-1.example")
    fleet.apply({**manifest(db={**shell, "image": "test/filled:1"}), "volumes": {"data": {}}})
    found = fleet.wait_running("shop", 1)[0]
    fleet.client.wait(lambda: "ready" in node.baton("logs", found["id"]).stdout, what="the output")
    text = node.baton("logs", found["id"]).stdout
    for line in ("1770 0", "640 0", "sub/file", "of-the-image"):
        assert line in text
    assert [path.name for path in (node.root / "volumes/shop").iterdir()] == ["data"]
    with open("/proc/%d/root/etc/hostname" % found["pid"], encoding="ascii") as name:
        assert name.read() == "edge-1.example\n"


def test_node_refuses_what_it_does_not_allow(fleet, node):
    fleet.apply(manifest(h=service() | {"network_mode": "host"}, b=service(volumes=["/etc:/host:ro"]),
                         c=service(cap_add=["SYS_ADMIN"])))
    def refused():
        found = {item["service"]: item for item in fleet.instances("shop") if item["state"] == "failed"}
        return found if len(found) == 3 else None
    found = fleet.client.wait(refused, what="three refusals")
    assert "allow.host_network" in found["h"]["reason"]
    assert "allow.bind_paths" in found["b"]["reason"]
    assert "allow.privileged_capabilities" in found["c"]["reason"]


def test_memory_limit_kills_and_says_so(fleet, node):
    fleet.apply(manifest(hog=service("x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done", mem_limit="8m", restart="no")))
    fleet.client.wait(lambda: any(item.get("oom_killed") and "memory" in item["reason"]
                                  for item in fleet.instances("shop")), timeout=30, what="an OOM kill")


def test_init_reaps_and_forwards(fleet, node):
    script = "(sleep 0.1 &) ; sleep 1; ps; echo done; while true; do sleep 1; done"
    fleet.apply(manifest(i=service(script, init=True)))
    found = fleet.wait_running("shop", 1)[0]
    text = fleet.client.wait(lambda: (lambda t: t if "done" in t else None)(node.baton("logs", found["id"]).stdout),
                             what="output")
    assert "[sleep]" not in text
