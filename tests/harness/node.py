# SPDX-License-Identifier: Apache-2.0
"""A private fleet on this machine: a mosquitto on a Unix socket and batond processes, each with its own directories."""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from .janitor import cgroup_members, start_time
from .mqtt import Client

USER = "61234"  # a number without an account: nothing of the machine belongs to it
IMAGE = "test/busybox:1"
REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def command_line(pid):
    """The words of a process, joined with blanks; "" when it is gone."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def children(pid):
    """Direct children of a process as {pid: command line}."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % entry, encoding="ascii", errors="replace") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found[int(entry)] = command_line(int(entry))
        except (OSError, IndexError):
            pass
    return found


def to_libconfig(value):
    """A Python value in libconfig's syntax."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return "%d%s" % (value, "L" if abs(value) >= 2 ** 31 else "")
    if isinstance(value, dict):
        return "{ %s }" % " ".join("%s = %s;" % (key, to_libconfig(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return "[ %s ]" % ", ".join(to_libconfig(item) for item in value)
    return json.dumps(str(value))


class Node:
    """One batond. `overrides` is merged over the test configuration, group by group."""

    def __init__(self, fleet, name, overrides, program=None):
        self.fleet = fleet
        self.program = program or fleet.build / "bin/batond"
        self.name = name
        self.folder = fleet.folder / name
        self.run = pathlib.Path(tempfile.mkdtemp(prefix="baton-%s-" % name, dir="/dev/shm"))
        self.run.chmod(0o755)
        fleet.janitor.add("dir", str(self.run))
        self.root = self.folder / "root"
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.cgroup = "baton-test-%d-%s" % (os.getpid(), self.run.name[-8:])
        fleet.janitor.add("cgroup", self.cgroup)
        self.log = self.folder / "batond.log"
        self.process = None
        self.configure(overrides)

    def configure(self, overrides):
        config = {
            "node": {"name": self.name},
            "prefix": self.fleet.prefix,
            "root": str(self.root),
            "run": str(self.run),
            "user": USER,
            "cgroup_parent": self.cgroup,
            "log_level": "debug",
            "broker": {"mode": "external", "socket": str(self.fleet.socket)},
            "runtimes": {"directory": str(self.fleet.build / "lib/baton/runtimes"), "enabled": ["native", "crun"]},
        }
        for key, value in overrides.items():
            if isinstance(value, dict) and isinstance(config.get(key), dict):
                config[key] = {**config[key], **value}
            else:
                config[key] = value
        self.config = self.folder / "baton.conf"
        self.config.write_text("".join("%s = %s;\n" % (key, to_libconfig(value)) for key, value in config.items()),
                               encoding="utf-8")
        self.config.chmod(0o644)

    def start(self):
        """Starts batond and returns at once."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(self.program), "--config", str(self.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent)
        self.pid_entry = self.fleet.janitor.add_pid(self.process.pid)
        return self

    def wait_online(self, timeout=15):
        topic = "nodes/%s/presence" % self.name
        self.fleet.client.wait(lambda: (self.fleet.client.json(topic) or {}).get("state") == "online", timeout,
                               "%s online; log: %s" % (self.name, self.log_tail()))
        return self

    def control_pid(self, timeout=10):
        """The pid of baton-control."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for pid, command in children(self.process.pid).items():
                if command.split(" ")[0].endswith("baton-control"):
                    return pid
            time.sleep(0.02)
        raise AssertionError("no baton-control below batond; log: " + self.log_tail())

    def kill(self, sig=signal.SIGKILL):
        """Ends batond; containers stay."""
        self.process.send_signal(sig)
        self.process.wait(20)
        self.fleet.janitor.done("pid", self.pid_entry)

    def log_tail(self, size=3000):
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else "(no log)"

    def import_image(self, name=IMAGE, script=""):
        """Imports the small busybox image."""
        layout = self.fleet.folder / ("image-" + name.replace("/", "_").replace(":", "_"))
        if not layout.exists():
            subprocess.run([str(REPOSITORY / "scripts/make-image.sh"), name, str(layout)] + ([script] if script else []),
                           check=True, stdout=subprocess.DEVNULL)
        return self.baton("image", "import", str(layout))

    def baton(self, *arguments, check=True, stdin=None, timeout=60):
        """Runs the command line against this fleet."""
        result = subprocess.run([str(self.fleet.build / "bin/baton"), arguments[0], "--config", str(self.config),
                                 *arguments[1:]], input=stdin, capture_output=True, text=True, timeout=timeout,
                                check=False)
        if check and result.returncode != 0:
            raise AssertionError("baton %s: exit %d\n%s%s\n%s" % (
                " ".join(arguments), result.returncode, result.stdout, result.stderr, self.log_tail()))
        return result

    def reported(self):
        return self.fleet.client.json("nodes/%s/reported" % self.name) or {"instances": []}

    def container_pids(self):
        return cgroup_members(self.cgroup)

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill(signal.SIGTERM)
        self.fleet.janitor.done("cgroup", self.cgroup)
        self.fleet.janitor.done("dir", str(self.run))


class Fleet:
    """Broker, client and nodes of one test."""

    def __init__(self, build, janitor):
        self.build = build
        self.janitor = janitor
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-test-"))
        self.folder.chmod(0o755)
        janitor.add("dir", str(self.folder))
        self.prefix = "baton/v1"
        self.socket = self.folder / "broker.sock"
        self.nodes = []
        self.client = None
        self.broker = None
        self.start_broker()
        self.connect()

    def start_broker(self, extra="", head=""):
        """A plain mosquitto on a Unix socket, as somebody else's broker would be; `head` and `extra` around its lines."""
        config = self.folder / "mosquitto.conf"
        config.write_text("%slistener 0 %s\nallow_anonymous true\npersistence true\npersistence_location %s/\n"
                          "autosave_interval 10\nmax_queued_messages 100000\nuser root\n%s" %
                          (head, self.socket, self.folder, extra), encoding="utf-8")
        with open(self.folder / "mosquitto.log", "ab") as log:
            self.broker = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(config)], stdout=log, stderr=log,
                                           preexec_fn=die_with_parent)
        self.broker_entry = self.janitor.add_pid(self.broker.pid)
        deadline = time.monotonic() + 10
        while not self.socket.exists():
            assert time.monotonic() < deadline and self.broker.poll() is None, "mosquitto did not start"
            time.sleep(0.01)
        self.socket.chmod(0o666)

    def stop_broker(self, sig=signal.SIGTERM):
        self.broker.send_signal(sig)
        self.broker.wait(10)
        self.janitor.done("pid", self.broker_entry)
        self.socket.unlink(missing_ok=True)

    def connect(self):
        deadline = time.monotonic() + 10
        while self.client is None:
            try:
                self.client = Client(str(self.socket), self.prefix)
            except OSError:
                assert time.monotonic() < deadline, "cannot connect to the broker"
                time.sleep(0.02)
        return self.client

    def add_node(self, name, program=None, **overrides):
        one = Node(self, name, overrides, program)
        self.nodes.append(one)
        return one

    def start_node(self, name, **overrides):
        return self.add_node(name, **overrides).start().wait_online()

    # ---- what operators do ----

    def apply(self, manifest):
        """Publishes a manifest as mosquitto_pub would."""
        self.client.publish("apps/%s/desired" % manifest["name"], json.dumps(manifest), retain=True)

    def remove(self, app):
        self.client.publish("apps/%s/desired" % app, b"", retain=True)

    def status(self, app):
        return self.client.json("apps/%s/status" % app)

    def instances(self, app=None):
        """All reported instances of the fleet."""
        found = []
        for one in self.nodes:
            found += [item for item in one.reported()["instances"] if app in (None, item["app"])]
        return found

    def wait_running(self, app, count, timeout=20, condition=lambda item: True):
        """Waits until exactly `count` instances of the app are reported and all run and meet the condition."""
        def check():
            found = self.instances(app)
            good = [item for item in found if item["state"] == "running" and condition(item)]
            return found if len(good) == count == len(found) else None
        return self.client.wait(check, timeout, "%d running instances of %s; logs: %s" % (
            count, app, [one.log_tail(1500) for one in self.nodes]))

    def close(self):
        for one in self.nodes:
            one.close()
        if self.client:
            self.client.close()
        if self.broker.poll() is None:
            self.stop_broker()
        if os.environ.get("BATON_KEEP"):
            print("kept:", self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def service(command="while true; do sleep 1; done", **more):
    """A service that runs a shell command in the busybox image and ends at once on SIGTERM."""
    return {"image": IMAGE, "command": ["/bin/sh", "-c", "trap 'exit 0' TERM; " + command],
            "network_mode": "none", "stop_grace_period": "2s", **more}


def alive(pid, started=None):
    """True while the process is there (and is the same one)."""
    now = start_time(pid)
    return now is not None and started in (None, now)
