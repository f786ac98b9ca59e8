# SPDX-License-Identifier: Apache-2.0
"""From manifest to isolated container on pure cgroup v2: limits, devices, what is hostile, what dies."""
import json

import pytest

from rig_node import IMAGE, manifest, service, unique

SPIN = "while true; do :; done"
ONLINE_SECONDS = 60  # from the start of the kernel, under software emulation


def test_online_in_time(node):
    assert node.online_seconds <= ONLINE_SECONDS


def test_pure_cgroup_v2(node):
    assert "cgroup2 /sys/fs/cgroup" in node.sh("cut -d ' ' -f 1-2 /proc/mounts | grep cgroup").replace("cgroup /", "cgroup2 /")
    assert "WARN" not in [line.split()[0] for line in node.baton("doctor").output.splitlines() if "cgroups" in line]


def test_no_network_to_outside(node):
    assert node.sh("ls /sys/class/net") == "lo\n"


def whole_life(node, runtime):
    app = unique("shop")
    node.apply(manifest(app, web=service("n=0; while true; do n=$((n+1)); echo line $n; sleep 1; done")))
    (one,) = node.instances(app)
    assert one["state"] == "running" and one["runtime"] == runtime
    assert node.wait(lambda: "line 2" in node.baton("logs", app).output, "two lines logged")
    node.sh("kill -9 %d" % one["pid"])
    (healed,) = node.wait_instances(
        app, lambda found: found[0]["state"] == "running" and found[0]["pid"] != one["pid"], "healed")
    assert healed["restarts"] == 1
    node.baton("scale", app, "web=3")
    node.wait_instances(app, lambda found: sum(item["state"] == "running" for item in found) == 3, "three running")
    node.remove(app)
    assert node.instances(app) == []
    assert node.sh("find /sys/fs/cgroup/baton -name '%s*'" % app) == ""


def test_manifest_to_container(node):
    whole_life(node, "native")


def test_manifest_to_container_by_crun(base, boot):
    node = boot(base, config='user = "baton";\nruntimes = { enabled = [ "crun" ]; };\n')
    node.guest.wait_online()
    node.import_image()
    whole_life(node, "crun")


def test_memory_limit_kills(node):
    app = unique("greedy")
    greedy = service("sleep 1; tail /dev/zero", mem_limit="8m", restart="no")
    node.apply(manifest(app, eats=greedy), "--detach")
    (one,) = node.wait_instances(app, lambda found: found and found[0]["state"] == "exited", "killed")
    assert one["exit_code"] == 137 and one["oom_killed"] and "memory limit" in one["reason"]
    node.remove(app)


def test_memory_limit_is_left_alone(node):
    app = unique("modest")
    node.apply(manifest(app, eats=service(mem_limit="8m")))
    (one,) = node.instances(app)
    assert node.sh("cat %s/memory.max" % node.group(one["id"])).strip() == str(8 << 20)
    assert one["state"] == "running"
    node.remove(app)


def test_pids_limit_holds(node):
    app = unique("forks")
    node.apply(manifest(app, forks=service("sh -c 'for i in $(seq 30); do sleep 1000 & done'; sleep 1000", pids_limit=12)))
    (one,) = node.instances(app)
    group = node.group(one["id"])
    node.wait(lambda: node.sh("cat %s/pids.events" % group).split() > ["max", "0"], "a refused fork")
    assert len(node.pids(one["id"])) <= 12
    node.remove(app)


def test_cpu_limit_holds(node):
    app = unique("spins")
    node.apply(manifest(app, spins=service(SPIN, cpus=0.2)))
    (one,) = node.instances(app)
    read = "head -n 1 %s/cpu.stat; cat /proc/uptime" % node.group(one["id"])
    before, after = (node.sh("sleep 1; " + read).split(), node.sh("sleep 5; " + read).split())
    used = (int(after[1]) - int(before[1])) / 1e6
    share = used / (float(after[2]) - float(before[2]))
    assert 0.1 < share < 0.25, share
    node.remove(app)


def test_devices_are_denied(node):
    """The process may make nodes (CAP_MKNOD), but only those that its group may use."""
    app = unique("pries")
    script = ("cd /dev; mknod nil c 1 3 && echo x >nil && echo null works; mknod kmsg c 1 11; "
              "mknod disk b 254 0; head -c 1 /dev/zero >/dev/null && echo zero works; sleep 1000")
    node.apply(manifest(app, pries=service(script, cap_add=["MKNOD"])))
    log = node.wait(lambda: (lambda text: "zero works" in text and text)(node.baton("logs", app).output), "the script's end")
    assert "null works" in log, log
    assert "kmsg: Operation not permitted" in log and "disk: Operation not permitted" in log, log
    node.remove(app)


def test_nodes_that_are_there_are_denied(node):
    """The node's root makes them: in the container's /dev its group decides, below a bind mount none is a device."""
    app = unique("pries")
    folder = "/run/rig/" + app
    make = "mknod -m 666 nil c 1 3; mknod -m 666 log c 1 11; : <log"
    node.sh("mkdir -m 755 %s; cd %s; %s" % (folder, folder, make))
    script = ("until [ -e /dev/made ]; do sleep 0.1; done; "
              "for path in /dev/nil /dev/log /bound/nil /bound/log; do true <$path && echo $path opens; done; echo end; sleep 1000")
    node.apply(manifest(app, pries=service(script, volumes=[folder + ":/bound"], cap_add=["SYS_ADMIN", "SYSLOG"])))
    (one,) = node.instances(app)
    node.sh("cd /proc/%d/root/dev; %s; touch made" % (one["pid"], make))
    log = node.wait(lambda: (lambda text: "| end" in text and text)(node.baton("logs", app).output), "the script's end")
    assert "/dev/nil opens" in log, log
    for path, reason in (("/dev/log", "Operation not permitted"), ("/bound/nil", "Permission denied"), ("/bound/log", "Permission denied")):
        assert "open %s: %s" % (path, reason) in log, log
    node.remove(app)


def test_pause_and_resume(node):
    """The operator's freezer: a frozen container keeps its process, goes on when thawed, and can be removed frozen."""
    app = unique("pausing")
    node.apply(manifest(app, counts=service("n=0; while true; do n=$((n+1)); echo line $n; sleep 0.1; done")))
    (one,) = node.instances(app)
    group = node.group(one["id"])
    freeze = "echo %d >" + group + "/cgroup.freeze"
    lines = "baton logs -n 1000 %s | wc -l; sleep 1" % app
    node.sh(freeze % 1)
    node.wait(lambda: "frozen 1" in node.sh("cat %s/cgroup.events" % group), "frozen")
    node.sh("sleep 0.5")
    assert node.sh(lines) == node.sh(lines)
    node.sh(freeze % 0)
    node.wait(lambda: "frozen 0" in node.sh("cat %s/cgroup.events" % group), "thawed")
    assert node.sh(lines) != node.sh(lines)
    (same,) = node.instances(app)
    assert same["pid"] == one["pid"] and same["restarts"] == 0 and same["state"] == "running"
    node.sh(freeze % 1)
    node.remove(app)
    assert node.sh("ls -d %s 2>/dev/null || true" % group) == ""


HOSTILE = {
    "not JSON": "{",
    "deep": "[" * 4000,
    "type": json.dumps({"services": {"x": {"image": 5}}}),
    "climbing name": json.dumps({"name": "../../etc", "services": {}}),
    "climbing volume": json.dumps({"services": {"x": {"image": IMAGE, "volumes": ["../../etc:/x"]}}}),
    "kernel's sysctl": json.dumps({"services": {"x": {"image": IMAGE, "sysctls": {"kernel.core_pattern": "|/x"}}}}),
    "privileged": json.dumps({"services": {"x": {"image": IMAGE, "privileged": True}}}),
    "numbers": json.dumps({"services": {"x": {"image": IMAGE, "mem_limit": 1e300, "pids_limit": -5, "scale": 10**9}}}),
}


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_hostile_manifest(node, kind):
    app = unique("bad")
    pid = node.sh("cat /run/rig/batond.pid")
    node.write("/run/rig/hostile", HOSTILE[kind])
    topic = "baton/v1/apps/%s/" % app
    node.sh("mosquitto_pub --unix /run/baton/broker.sock -V 5 -q 1 -r -t %sdesired -f /run/rig/hostile" % topic)
    status = json.loads(node.sh("mosquitto_sub --unix /run/baton/broker.sock -V 5 -C 1 -W 30 -t %sstatus" % topic))
    assert status["document"]["verdict"] == "rejected" and status["state"] == "rejected"
    assert all(error["path"] and error["reason"] for error in status["document"]["errors"])
    assert node.sh("cat /run/rig/batond.pid") == pid
    node.remove(app)


DAEMONS = {
    "batond": "cat /run/rig/batond.pid",
    "baton-control": "pidof baton-control",
    "mosquitto": "pidof mosquitto",
}


def expect_code(ended, code, parent_died):
    """Only the parent learns an exit code before Linux 6.15, and Debian 12 has 6.1."""
    if parent_died:
        assert ended["exit_code"] is None and "exit code unknown" in ended["reason"]
    else:
        assert ended["exit_code"] == code


@pytest.mark.parametrize("daemon", sorted(DAEMONS))
def test_kill_of_a_daemon(node, daemon):
    """The container keeps its process, no line of its log is lost, and its end is reported."""
    app = unique("steady")
    counts = service("n=0; while [ ! -e /stop/now ]; do n=$((n+1)); echo line $n; sleep 0.2; done; exit 7", restart="no",
                     volumes=["/run/rig/%s:/stop" % app])
    node.sh("mkdir -m 755 /run/rig/" + app)
    node.apply(manifest(app, counts=counts))
    (one,) = node.instances(app)
    victim = int(node.sh(DAEMONS[daemon]))
    node.sh("kill -9 %d; sleep 2" % victim)
    node.guest.wait_online(1e6)
    assert int(node.sh(DAEMONS[daemon])) != victim
    (same,) = node.wait_instances(app, len, "reported again")
    assert same["pid"] == one["pid"] and same["restarts"] == 0
    node.sh("touch /run/rig/%s/now" % app)
    (ended,) = node.wait_instances(app, lambda found: found and found[0]["state"] == "exited", "its end reported")
    expect_code(ended, 7, daemon == "batond")
    numbers = [int(line.split()[-1]) for line in node.baton("logs", "-n", "1000", app).output.splitlines()]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 10
    node.remove(app)


def test_end_while_batond_is_dead(node):
    app = unique("brief")
    node.sh("mkdir -m 755 /run/rig/" + app)
    waits = service("until [ -e /stop/now ]; do sleep 0.1; done; exit 9", restart="no", volumes=["/run/rig/%s:/stop" % app])
    node.apply(manifest(app, waits=waits))
    (one,) = node.instances(app)
    node.sh("kill -9 $(cat /run/rig/batond.pid); touch /run/rig/%s/now; while kill -0 %d 2>/dev/null; do sleep 0.02; done"
            % (app, one["pid"]))
    node.guest.wait_online(1e6)
    (ended,) = node.wait_instances(app, lambda found: found and found[0]["state"] == "exited", "its end reported")
    expect_code(ended, 9, True)
    node.remove(app)
