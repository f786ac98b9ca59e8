# SPDX-License-Identifier: Apache-2.0
"""batond's command line, its locks and directories, and how it keeps baton-control."""
import os
import pathlib
import signal
import subprocess
import time

import pytest
from harness.box import ended
from harness.janitor import hierarchies, start_time
from harness.node import REPOSITORY, USER, alive


def batond(build, *arguments):
    return subprocess.run([str(build / "bin/batond"), *map(str, arguments)], capture_output=True, text=True, timeout=10,
                          check=False)


def test_example_in_the_tree_is_what_batond_writes(build):
    example = batond(build, "--example-config")
    assert example.returncode == 0
    assert example.stdout == (REPOSITORY / "boards/common/files/baton.conf").read_text()


def test_example_is_right(build, boxes):
    box = boxes()
    box.config.write_text(batond(build, "--example-config").stdout + "\nuser = \"%s\";\n" % USER)
    checked = batond(build, "--config", box.config, "--check-config")
    assert (checked.returncode, checked.stdout) == (0, "%s: right\n" % box.config)


@pytest.mark.parametrize("text, complaint", [
    ("prefx = \"a\";", "baton.conf:1: prefx: unknown key, did you mean \"prefix\"?"),
    ("\nbroker = { port = 70000; };", "baton.conf:2: broker.port: must be 1 to 65535"),
    ("user = \"no-such-user-of-baton\";", "user \"no-such-user-of-baton\" does not exist"),
    ("user = \"root\";", "user \"root\" is root"),
])
def test_check_config_refuses(build, boxes, text, complaint):
    box = boxes()
    box.config.write_text(text)
    checked = batond(build, "--config", box.config, "--check-config")
    assert checked.returncode == 1 and complaint in checked.stderr


def test_command_line(build):
    assert batond(build, "--version").stdout.startswith("batond ")
    assert "--check-config" in batond(build, "--help").stdout
    assert batond(build, "--nonsense").returncode == 2
    assert batond(build, "stray").returncode == 2
    assert batond(build, "--config", "/nonexistent").returncode == 1


def test_must_be_root(box):
    tried = subprocess.run(["setpriv", "--reuid=" + USER, "--regid=" + USER, "--clear-groups",
                            str(box.build / "bin/batond"), "--config", str(box.config)], capture_output=True, text=True,
                           timeout=10, check=False)
    assert tried.returncode == 1 and "as root" in tried.stderr


def test_second_batond_is_refused(build, boxes, box):
    box.wait(lambda: "ready" in box.log_text(), "ready")
    second = batond(build, "--config", box.config)
    assert second.returncode == 1
    assert "another batond, pid %d, uses run = \"%s\"" % (box.process.pid, box.run) in second.stderr
    other = boxes(root=str(box.root))
    third = batond(build, "--config", other.config)
    assert third.returncode == 1 and "another batond uses root = \"%s\"" % box.root in third.stderr
    assert box.process.poll() is None


def test_second_batond_with_the_same_control_groups_is_refused(build, boxes, box):
    """It would take the containers of the first one for strays and kill them."""
    box.wait(lambda: "ready" in box.log_text(), "ready")
    other = boxes(cgroup_parent=box.cgroup)
    second = batond(build, "--config", other.config)
    assert second.returncode == 1 and "another batond uses cgroup_parent = \"%s\"" % box.cgroup in second.stderr
    assert box.process.poll() is None
    box.kill(signal.SIGKILL)
    other.start()
    other.wait(lambda: "ready" in other.log_text(), "ready")


def test_control_groups_of_others_are_left_alone(build, boxes):
    """cgroup_parent = "system.slice" does not kill the services of the host."""
    box = boxes()
    folder = next(pathlib.Path(root) for root in hierarchies() if root.endswith(("/pids", "/unified", "/cgroup")))
    group = folder / box.cgroup / "ssh.service"
    group.mkdir(parents=True)
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        (group / "cgroup.procs").write_text(str(stranger.pid))
        started = batond(build, "--config", box.config)
        try:
            assert stranger.poll() is None
            assert started.returncode == 1
            assert "cgroup_parent = \"%s\"" % box.cgroup in started.stderr and "ssh.service" in started.stderr
        finally:
            stranger.kill()
    # Empty, it is what a killed batond may leave, whose RUN has gone with the package.
    box.start()
    box.wait(lambda: "ready" in box.log_text(), "ready")
    box.wait(lambda: not group.exists(), "the end of an empty group")
    # From now on what is there is its own: a leftover of a crash.
    group.mkdir()
    box.kill(signal.SIGKILL)
    box.start()
    box.wait(lambda: not group.exists(), "the end of a stray")


def test_directories(box):
    box.wait(lambda: "ready" in box.log_text(), "ready")
    uid = int(USER)
    for path, mode, owner, group in ((box.root, 0o711, 0, 0), (box.run, 0o711, 0, 0),
                                     (box.root / "control", 0o700, uid, uid), (box.run / "logs", 0o750, 0, uid)):
        found = path.stat()
        assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (mode, owner, group), path
    # CVE-2021-41091: what containers write may be setuid, so users of the host must not get to it.
    for path in [box.root / name for name in ("containers", "volumes", "cache")] + \
            [box.run / name for name in ("containers", "runtimes")]:
        found = path.stat()
        assert (found.st_mode & 0o7777, found.st_uid) == (0o700, 0), path
        (path / "probe").touch(mode=0o666)
        tried = subprocess.run(["setpriv", "--reuid=" + USER, "--regid=" + USER, "--clear-groups", "cat",
                                str(path / "probe")], capture_output=True, text=True, timeout=10, check=False)
        (path / "probe").unlink()
        assert tried.returncode == 1 and "Permission denied" in tried.stderr, path


def sockets(pid):
    """Inodes of the sockets of a process."""
    links = [os.readlink(entry) for entry in pathlib.Path("/proc/%d/fd" % pid).iterdir()]
    return {link[len("socket:["):-1] for link in links if link.startswith("socket:[")}


def test_no_abstract_socket(box):
    """CVE-2020-15257: a container in the network namespace of the host could connect to it."""
    broker = box.broker_pid()
    control = box.wait(lambda: box.child("baton-control"), "baton-control")
    box.connect()
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
        rows = [line.split() for line in table][1:]
    named = {row[6] for row in rows if len(row) > 7}
    abstract = {row[6] for row in rows if len(row) > 7 and row[7].startswith("@")}
    ours = sockets(box.process.pid) | sockets(control) | sockets(broker)
    assert ours & named, "the broker's own socket is not seen: the test cannot see the others either"
    assert not ours & abstract


def test_own_mount_namespace_as_slave(box, tmp_path):
    box.wait(lambda: "ready" in box.log_text(), "ready")
    pid = box.process.pid
    assert os.readlink("/proc/%d/ns/mnt" % pid) != os.readlink("/proc/self/ns/mnt")
    with open("/proc/%d/mountinfo" % pid, encoding="utf-8", errors="replace") as lines:
        assert not [line for line in lines if " shared:" in line.split(" - ")[0]]


def process_status(pid):
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as text:
        return dict(line.rstrip("\n").split(":\t", 1) for line in text if ":\t" in line)


def test_control_is_an_ordinary_user(box):
    pid = box.wait(lambda: box.child("baton-control"), "baton-control")
    status = box.wait(lambda: (lambda found: found if found["Seccomp"] == "2" else None)(process_status(pid)),
                      "the seccomp filter of baton-control")
    assert status["Uid"].split() == status["Gid"].split() == [USER] * 4
    assert status["Groups"].split() == []
    assert status["NoNewPrivs"] == "1"
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}


def test_control_comes_back(box):
    pid = None
    for wait in (100, 200):
        pid = box.wait(lambda old=pid: (lambda new: new if new != old else None)(box.child("baton-control")),
                       "baton-control")
        os.kill(pid, signal.SIGKILL)
        box.wait(lambda wait=wait: "baton-control: killed by signal 9, next start in %d ms" % wait in box.log_text(),
                 "the message")
    box.wait(lambda: box.child("baton-control"), "baton-control")


def test_control_dies_with_batond(box):
    pid = box.wait(lambda: box.child("baton-control"), "baton-control")
    started = start_time(pid)
    box.kill(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while not ended(pid, started):
        assert time.monotonic() < deadline, "baton-control outlives batond"
        time.sleep(0.01)


def test_hung_control_is_killed_at_the_end(box):
    pid = box.wait(lambda: box.child("baton-control"), "baton-control")
    os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    assert box.kill(signal.SIGTERM) == 0
    assert 4 < time.monotonic() - begun < 15
    assert not alive(pid)


def test_lock_outlives_no_child(box):
    """Neither baton-control nor mosquitto inherits the locks: a new batond can start at once."""
    box.wait(lambda: "ready" in box.log_text(), "ready")
    broker = box.broker_pid()
    box.janitor.add_pid(broker)
    os.kill(broker, signal.SIGSTOP)
    box.kill(signal.SIGKILL)
    box.start()
    box.wait(lambda: box.log_text().count("ready") == 2, "ready")
    os.kill(broker, signal.SIGCONT)
