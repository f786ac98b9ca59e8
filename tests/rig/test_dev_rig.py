# SPDX-License-Identifier: Apache-2.0
"""./dev rig as users start it: what it prints, its exit status, and what it leaves behind."""
import contextlib
import json
import pathlib
import re
import signal
import subprocess
import time

import pytest

from rig.boards import BOARDS

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BOARD = "qemu-x86_64"
SECONDS = 240


@pytest.fixture
def rig(bases, tmp_path):
    """rig([options], command): a finished ./dev rig with the package that the other tests have."""
    def run(options, *command, board=BOARD, **more):
        package = bases(board).package
        return subprocess.run(["./dev", "rig", board, "--package", package, "--console", tmp_path, *options,
                               *(("--", *command) if command else ())],
                              cwd=TOP, capture_output=True, text=True, check=False, timeout=SECONDS, **more)
    return run


def test_status_and_console(rig, tmp_path):
    done = rig([], "sh", "-c", "echo 'one  word'; exit 7")
    assert done.returncode == 7 and done.stdout == "one  word\n", done.stderr
    assert "rig: up after" in (tmp_path / "n1.console").read_text()
    assert "rig: console in %s/n1.console" % tmp_path in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["n1.console"]


def test_doctor_on_arm64(rig):
    """As the first page of the documentation says."""
    done = rig([], "baton", "doctor", board="qemu-arm64")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cgroups" in done.stdout and "broker" in done.stdout


def test_two_nodes(rig, tmp_path):
    done = rig(["--two"], "baton", "nodes", "-o", "json")
    nodes = json.loads(done.stdout)["nodes"]
    assert sorted((one["node"], one["state"]) for one in nodes) == [("n1", "online"), ("n2", "online")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["n1.console", "n2.console"]


def test_bare_and_a_disk_that_is_kept(rig, tmp_path):
    disk = tmp_path / "disk"
    assert rig(["--bare", "--disk", disk], "sh", "-c", "! pidof batond && echo here >/var/lib/baton/kept").returncode == 0
    done = rig(["--bare", "--disk", disk], "cat", "/var/lib/baton/kept")
    assert done.stdout == "here\n", done.stderr


def test_failures_of_the_rig(rig, bases, tmp_path):
    """125, as no command that ran: what has no answer in time, and what is no package."""
    late = rig(["--bare", "--timeout", "1"], "sleep", "100")
    assert late.returncode == 125 and "no answer of the guest in time" in late.stderr
    wrong = tmp_path / "wrong.deb"
    wrong.write_text("no archive")
    done = subprocess.run(["./dev", "rig", BOARD, "--package", wrong, "--", "true"], cwd=TOP, capture_output=True,
                          text=True, check=False, timeout=SECONDS)
    assert done.returncode == 125 and "rig: " in done.stderr and "Traceback" not in done.stderr
    assert rig(["--two"]).returncode == 2


def test_page_has_every_option():
    said = subprocess.run(["./dev", "rig", "--help"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    page = (TOP / "docs/rigs.md").read_text(encoding="utf-8")
    options = set(re.findall(r"--[a-z]+", said)) - {"--help"}
    assert len(options) > 5 and [name for name in options if "| `%s" % name not in page] == []
    assert [board for board in BOARDS if "| `%s` |" % board not in page] == []


@contextlib.contextmanager
def started(bases, folder, *command):
    """A running ./dev rig with pipes; it is this very process from the start to the end."""
    with subprocess.Popen(["./dev", "rig", BOARD, "--package", bases(BOARD).package, "--console", folder, "--bare", *command],
                          cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(stream, word):
    said = b""
    while word not in said:
        more = stream.read1(4096)
        assert more, said
        said += more


@pytest.mark.timeout(SECONDS)
def test_shell(bases, tmp_path):
    """Without a command there is a shell on the console, and its status is the rig's."""
    with started(bases, tmp_path) as process:
        read_until(process.stdout, b"# ")
        process.stdin.write(b"echo $((6 * 7))th\n")
        process.stdin.flush()
        read_until(process.stdout, b"42th")
        process.stdin.write(b"exit 9\n")
        process.stdin.flush()
        read_until(process.stdout, b"power off after")
        assert process.wait(60) == 9
    assert "42th" in (tmp_path / "n1.console").read_text()


def children(pid):
    text = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text(encoding="ascii")
    return {int(child): pathlib.Path("/proc", child, "comm").read_text(encoding="ascii").strip() for child in text.split()}


def lives(pid):
    """A process that nobody waits for is as dead as one that is gone."""
    try:
        return pathlib.Path("/proc/%d/stat" % pid).read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.timeout(SECONDS)
def test_guests_end_with_a_killed_rig(bases, tmp_path):
    with started(bases, tmp_path, "--", "sh", "-c", "printf %0100d; sleep 1000") as process:
        read_until(process.stdout, b"0" * 50)
        (guest,) = [pid for pid, name in children(process.pid).items() if name.startswith("qemu-system")]
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 10
        while lives(guest):
            assert time.monotonic() < deadline, "QEMU lives on"
            time.sleep(0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["n1.console"]
