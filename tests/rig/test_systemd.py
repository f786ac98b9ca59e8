# SPDX-License-Identifier: Apache-2.0
"""The unit, sysusers.d, tmpfiles.d and the maintainer scripts under the real systemd and dpkg. The tests follow each other."""
import json
import re

import pytest

from harness.debian import newer
from rig_node import RigNode, manifest, service
from systemd_system import system_files

DPKG = "DEBIAN_FRONTEND=noninteractive dpkg --force-depends --force-confold "


@pytest.fixture(scope="module")
def node(x86_64, tmp_path_factory):
    folder = tmp_path_factory.mktemp("systemd")
    (folder / "control").mkdir()
    files = system_files(x86_64, folder / "control")
    files.file("root/newer.deb", newer(x86_64.package, folder))
    one = RigNode(x86_64, folder, files=files, daemon=False)
    try:
        one.online_seconds = one.guest.wait_online()
        one.import_image()
        yield one
    finally:
        one.close()


def show(node, name):
    return node.sh("systemctl show -P %s batond.service" % name).strip()


def alive(node, pid):
    return node.guest.run("kill -0 %d" % pid).status == 0


@pytest.fixture(scope="module")
def steady(node):
    """The process of a container that every test but the last finds as it was."""
    node.apply(manifest("steady", one=service()))
    (one,) = node.instances("steady")
    return one["pid"]


def expect_steady(node, steady):
    (one,) = node.wait_instances("steady", lambda found: found and found[0]["state"] == "running", "reported")
    assert one["pid"] == steady and one["restarts"] == 0


def test_boot(node):
    """The service is up by itself, with the user and the directories of the package's own files."""
    assert node.online_seconds <= 60
    assert (show(node, "ActiveState"), show(node, "NRestarts")) == ("active", "0")
    assert node.sh("getent passwd baton || grep ^baton: /etc/passwd").split(":")[4:] == [
        "Baton orchestrator", "/nonexistent", "/usr/sbin/nologin\n"]
    assert node.sh("stat -c '%U %a' /var/lib/baton /run/baton").split("\n")[:2] == ["root 711"] * 2
    assert node.sh("systemctl --failed --no-legend") == ""


def test_the_unit_takes_nothing_from_containers(node):
    """What the node's configuration allows: every capability, no filter but the container's own, writing below /etc."""
    node.sh("mkdir -m 777 /etc/rig.app")
    script = "cat /proc/self/status; touch /app/written; echo touch: $?; sleep 1000"
    node.apply(manifest("mighty", one=service(script, cap_add=["ALL"], volumes=["/etc/rig.app:/app"])))
    log = node.wait(lambda: (lambda text: "touch:" in text and text)(node.baton("logs", "mighty").output), "the script's end")
    found = dict(re.findall(r"(\w+):\s+(\w+)", log))
    (last,) = re.findall(r"CapBnd:\s+(\w+)", node.sh("cat /proc/1/status"))
    assert found["CapBnd"] == last and found["Seccomp_filters"] == "1" and found["touch"] == "0", log
    node.remove("mighty")


def test_upgrade(node, steady):
    """The real dpkg and the package's own scripts: another batond, the same container."""
    before = show(node, "MainPID")
    node.sh(DPKG + "-i /root/newer.deb")
    assert show(node, "ActiveState") == "active" and show(node, "MainPID") != before
    node.guest.wait_online(1e6)
    expect_steady(node, steady)


def test_killed_service_comes_back(node, steady):
    before = show(node, "MainPID")
    node.sh("kill -9 " + before)
    node.wait(lambda: show(node, "MainPID") not in (before, "0"), "another batond")
    node.guest.wait_online(1e6)
    expect_steady(node, steady)


def test_stop_leaves_containers_running(node, steady):
    node.sh("systemctl stop batond.service")
    assert node.sh("pidof batond baton-control mosquitto || echo none") == "none\n"
    assert alive(node, steady)
    node.sh("systemctl start batond.service")
    node.guest.wait_online(1e6)
    expect_steady(node, steady)


def test_remove_and_install(node, steady):
    node.sh(DPKG + "--remove baton")
    assert not alive(node, steady) and node.sh("ls -d /sys/fs/cgroup/baton 2>/dev/null || echo gone") == "gone\n"
    node.sh(DPKG + "-i /root/newer.deb")
    assert show(node, "ActiveState") == "active"
    node.guest.wait_online(1e6)
    (again,) = node.wait_instances("steady", lambda found: found and found[0]["state"] == "running", "started again")
    assert again["pid"] != steady
    assert json.loads(node.baton("nodes", "-o", "json").output)["nodes"][0]["state"] == "online"
