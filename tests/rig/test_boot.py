# SPDX-License-Identifier: Apache-2.0
"""Boots in which something is missing or wrong: the broker, the network, the clock, room on the disk, a controller."""
import json
import re
import subprocess

import pytest

from rig.guest import LAYOUT, make_disk
from rig.network import Lan
from rig_node import manifest, service

EXTERNAL = ('user = "baton";\nruntimes = { enabled = [ "native" ]; };\n'
            'broker = { mode = "external"; host = "127.0.0.1"; };\n')
BROKER = {
    "etc/mosquitto.conf": "listener 1883 127.0.0.1\nallow_anonymous true\n",
    "etc/rig.start": "mosquitto -c /etc/mosquitto.conf 2>/run/rig/mosquitto.log &\n",
}
RUNNING_SECONDS = 60  # from the start of the kernel until everything runs, under software emulation
TODAY = "@1795521600"  # 2026-11-24


def wait_log(node, pattern):
    """The first match in batond's log."""
    return node.wait(lambda: re.search(pattern, node.sh("cat /run/rig/batond.log")), "a line like %s" % pattern)


def test_cold_boot_without_broker_and_network(base, boot, tmp_path, record_property):
    disk = make_disk(tmp_path / "disk")
    first = boot(base, disk=disk, config=EXTERNAL, text=BROKER, broker="127.0.0.1")
    first.guest.wait_online()
    first.import_image()
    for name in ("alpha", "beta", "gamma"):
        first.apply(manifest(name, one=service(), two=service(scale=2)))
    first.close()  # no orderly end
    second = boot(base, disk=disk, config=EXTERNAL)
    found = wait_log(second, r"all 9 instances run, ([0-9.]+) s after the kernel started")
    record_property("seconds from kernel start to all running", found.group(1))
    assert float(found.group(1)) < RUNNING_SECONDS
    groups = second.sh("cd /sys/fs/cgroup/baton; for group in */; do ! grep -q . $group/cgroup.procs || echo $group; done").split()
    assert sorted(group.rsplit(".", 1)[0] for group in groups) == sorted(
        app + slot for app in ("alpha", "beta", "gamma") for slot in (".one.1", ".two.1", ".two.2"))
    assert second.baton("ps", check=False).status == 5  # there is no broker indeed


def test_clock_jumps_disturb_no_timer(base, boot):
    node = boot(base, text={"etc/rig.start": "date -s @1000\n"})
    node.guest.wait_online()
    node.import_image()
    node.apply(manifest("steady", one=service()))
    (before,) = node.instances("steady")
    for jump in ("-s %s" % TODAY, "-s @$(($(date +%s) + 315576000))", "-s @$(($(date +%s) - 86400))"):
        node.sh("date %s; sleep 3" % jump)
        (now,) = node.instances("steady")
        assert now["pid"] == before["pid"] and now["restarts"] == 0
        node.guest.wait_online(1e6)
        # A beat every 5 s, whatever the clock says.
        node.sh("mosquitto_sub --unix /run/baton/broker.sock -V 5 -C 2 -W 15 -t baton/v1/nodes/n1/beat")
    assert node.sh("cat /run/rig/batond.log").count("broker: connected") == 1
    # The wait before a restart is a second, on any day.
    node.sh("kill -9 %d; date -s @$(($(date +%%s) - 86400))" % before["pid"])
    start = node.uptime()
    (healed,) = node.wait_instances("steady", lambda found: found[0]["state"] == "running" and found[0]["pid"] != before["pid"],
                                    "healed")
    assert healed["restarts"] == 1 and node.uptime() - start < 20


@pytest.fixture
def certificates(tmp_path):
    """Files of a guest: a certificate of the broker that is good for ten days from yesterday, and its authority."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=rig ca", "-days", "10")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem",
            "-days", "10", "-copy_extensions", "copy")
    return {"etc/tls/" + name: (tmp_path / name).read_text() for name in ("ca.pem", "server.pem", "server.key")}


def test_certificates_and_clock(base, boot, certificates):
    """A certificate that the clock makes invalid is named, again and again tried, and works once the clock is right."""
    now = int(subprocess.run(["date", "+%s"], capture_output=True, text=True, check=True).stdout)
    broker = "mosquitto -c /etc/mosquitto.conf 2>>/run/rig/mosquitto.log &\n"
    node = boot(base, config='user = "baton";\nbroker = { mode = "external"; host = "localhost"; port = 8883; '
                'ca_file = "/etc/tls/ca.pem"; };\n', text={
                    **certificates, "etc/rig.start": "date -s @1000\nchmod 644 /etc/tls/*\n" + broker,
                    "etc/mosquitto.conf": "listener 8883 127.0.0.1\nallow_anonymous true\ncafile /etc/tls/ca.pem\n"
                                          "certfile /etc/tls/server.pem\nkeyfile /etc/tls/server.key\nuser root\n"})
    wait_log(node, "certificate is refused: .*not yet valid")
    node.sh("date -s @%d" % (now + 60))
    wait_log(node, "broker: connected")
    # An existing connection does not care; the next one does.
    node.sh("date -s @$(($(date +%s) + 315576000)); sleep 3")
    log = node.sh("cat /run/rig/batond.log")
    assert log.count("broker: connected") == 1 and "expired" not in log
    node.sh("kill -9 $(pidof mosquitto); sleep 1; " + broker)
    wait_log(node, "certificate is refused: .*expired")
    node.sh("date -s @%d" % (now + 120))
    wait_log(node, "(?s)broker: connected.*broker: connected")


def fill(node):
    """Leaves no byte for anybody but root, who has the reserved blocks."""
    node.sh("dd if=/dev/zero of=/var/lib/baton/fill bs=64k count=$(($(df -k /var/lib/baton | awk 'NR==2{print $4}') / 64 - 4)) "
            "2>/dev/null; sync")


def test_disk_full(x86_64, boot, tmp_path):
    node = boot(x86_64, disk=make_disk(tmp_path / "disk", 48))
    node.guest.wait_online()
    node.import_image()
    node.apply(manifest("shop", web=service()))
    (before,) = node.instances("shop")
    fill(node)

    refused = node.apply(manifest("shop", web=service(environment={"VERSION": "2"})), check=False)
    assert refused.status == 3 and "KiB left" in refused.output and "1024 KiB" in refused.output, refused.output
    refused = node.apply(manifest("other", web=service()), check=False)
    assert refused.status == 3 and "KiB left" in refused.output, refused.output
    failed = node.baton("image", "import", "--name", "test/other:1", LAYOUT, check=False)
    assert failed.status == 0, failed.output  # root has the reserved blocks, and the layers are there
    # More of what is in force: the node keeps the new ones waiting and says why.
    node.baton("scale", "--detach", "shop", "web=2")
    found = node.wait_instances("shop", lambda found: len(found) == 2, "a second instance")
    waiting = [one for one in found if one["state"] == "pending"]
    assert len(waiting) == 1 and "KiB left" in waiting[0]["reason"], found
    (same,) = [one for one in found if one["state"] == "running"]
    assert same["pid"] == before["pid"] and same["restarts"] == 0

    node.sh("rm /var/lib/baton/fill; sync")
    node.wait_instances("shop", lambda found: [one["state"] for one in found] == ["running"] * 2, "both running")
    node.apply(manifest("shop", web=service(environment={"VERSION": "2"})))
    (new,) = node.instances("shop")
    assert new["id"] != before["id"]


def test_image_import_on_a_full_disk(x86_64, boot, tmp_path):
    node = boot(x86_64, disk=make_disk(tmp_path / "disk", 48))
    node.guest.wait_online()
    node.sh("! dd if=/dev/zero of=/var/lib/baton/fill bs=64k 2>/dev/null; sync")  # with the blocks for root, who imports
    failed = node.baton("image", "import", LAYOUT, check=False)
    assert failed.status == 1 and "No space left" in failed.output, failed.output
    assert json.loads(node.baton("image", "ls", "-o", "json").output)["images"] == []
    node.sh("rm /var/lib/baton/fill; sync")
    assert int(node.sh("du -sk /var/lib/baton/images | cut -f 1")) < 200
    node.import_image()


def test_without_memory_controller(base, boot):
    node = boot(base, append="cgroup_disable=memory")
    node.guest.wait_online()
    node.import_image()
    (doctor,) = [line for line in node.baton("doctor", check=False).output.splitlines() if "cgroups" in line]
    assert not doctor.startswith("OK") and "memory" in doctor
    (info,) = json.loads(node.baton("nodes", "-o", "json").output)["nodes"]
    assert any("memory" in what for what in info["info"]["missing"])
    node.apply(manifest("free", one=service(pids_limit=20)))
    limited = node.apply(manifest("limited", one=service(mem_limit="16m")), check=False)
    assert limited.status == 1 and "memory" in limited.output, limited.output
    (one,) = node.instances("limited")
    assert one["state"] != "running" and "memory" in one["reason"], one
    assert node.sh("cat /sys/fs/cgroup/baton/limited.*/cgroup.procs 2>/dev/null || true") == ""


def test_two_nodes(x86_64, tmp_path):
    lan = Lan(x86_64)
    first = lan.broker_node(tmp_path)
    second = lan.agent_node(tmp_path)
    try:
        for guest in (first, second):
            guest.wait_online()
            guest.check("baton image import " + LAYOUT)
        first.check("cat >/run/rig/m.json <<'END'\n%s\nEND\nbaton apply --timeout 90 /run/rig/m.json" %
                    json.dumps(manifest("pair", one=service("echo here; while true; do sleep 1; done", scale=2))))
        for guest in (first, second):  # one network card, and no way beyond the other end
            assert len(guest.check("ls /sys/class/net").split()) == 2
            assert guest.check("ip route | cut -d ' ' -f 1") == "10.77.0.0/24\n"
        found = json.loads(first.check("baton ps -o json"))["instances"]
        assert sorted(one["node"] for one in found) == ["n1", "n2"]
        (away,) = [one for one in found if one["node"] == "n2"]
        assert "here" in first.check("baton logs " + away["id"])
        assert second.check("cat /sys/fs/cgroup/baton/%s/cgroup.procs" % away["id"])
    finally:
        first.kill()
        second.kill()
