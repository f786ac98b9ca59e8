# SPDX-License-Identifier: Apache-2.0
"""baton doctor: what is missing is found, and the advice is one that helps."""
import json
import subprocess

import pytest


def checks(node, code, *before):
    """The checks by name; `before` runs the doctor (unshare …)."""
    done = subprocess.run([*before, str(node.fleet.build / "bin/baton"), "doctor", "--config", str(node.config), "-o", "json"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == code, done
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


@pytest.fixture
def still(fleet):
    """A node that is not running: the doctor needs its configuration only."""
    return fleet.add_node("n1")


def reconfigure(node, **overrides):
    node.configure(overrides)
    return node


def test_the_broker_is_stopped(fleet, still):
    assert checks(still, 0)["broker"]["state"] == "OK"
    fleet.stop_broker()
    broker = checks(still, 1)["broker"]
    assert (broker["state"], broker["text"]) == ("FAIL", "unix:%s does not answer" % fleet.socket)
    assert broker["advice"] == "start it, or correct broker.host, broker.port and the credentials"
    text = subprocess.run([str(fleet.build / "bin/baton"), "doctor", "--config", str(still.config)], capture_output=True, text=True,
                          check=False).stdout
    assert "FAIL  broker" in text and "-> start it, or correct broker.host" in text and text.endswith(", 1 failed\n")
    fleet.start_broker()


def test_the_embedded_broker_is_stopped(still):
    broker = checks(reconfigure(still, broker={"mode": "embedded", "socket": ""}), 1)["broker"]
    assert (broker["state"], broker["advice"]) == ("FAIL", "start batond: the embedded broker is its child")


def test_the_user_is_missing(still):
    user = checks(reconfigure(still, user="nobody-of-that-name"), 1)["user"]
    assert user["state"] == "FAIL" and "nobody-of-that-name" in user["text"]
    assert user["advice"] == "useradd --system --no-create-home --shell /usr/sbin/nologin nobody-of-that-name"
    user = checks(reconfigure(still, user="root"), 1)["user"]
    assert user["state"] == "FAIL" and "is root" in user["text"] and user["advice"] == "name another user in the configuration"


def test_crun_is_absent(still):
    """The native runtime works without it."""
    runtimes = {"directory": str(still.fleet.build / "lib/baton/runtimes"), "enabled": ["native", "crun"], "crun_path": "/nowhere/crun"}
    found = checks(reconfigure(still, runtimes=runtimes), 0)["runtimes"]
    assert (found["state"], found["advice"]) == ("WARN", "apt-get install crun: there is no /nowhere/crun")
    runtimes["enabled"] = ["native"]
    found = checks(reconfigure(still, runtimes=runtimes), 0)["runtimes"]
    assert (found["state"], found["advice"]) == ("OK", "")


def test_overlayfs_is_a_module(still, tmp_path):
    """One that nobody has used yet is in no list; the first mount would load it."""
    listed = tmp_path / "filesystems"
    listed.write_text("nodev\tproc\n", encoding="ascii")
    script = "mount --bind %s /proc/filesystems && exec \"$@\"" % listed
    assert checks(still, 0, "unshare", "-m", "sh", "-c", script, "sh")["overlayfs"]["state"] == "OK"
    # Without the right to ask for it, it cannot be known.
    found = checks(still, 1, "unshare", "-m", "sh", "-c", script.replace("exec", "exec setpriv --bounding-set -sys_admin"), "sh")
    assert found["overlayfs"]["state"] == "FAIL" and "modprobe overlay" in found["overlayfs"]["advice"]
