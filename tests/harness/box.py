# SPDX-License-Identifier: Apache-2.0
"""A batond of its own with an embedded broker, for tests of batond itself: private directories, nothing shared."""
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

from .mqtt import Client
from .node import USER, children, die_with_parent, to_libconfig

PREFIX = "baton/v1"


class Box:
    """Folders, configuration file and process of one batond."""

    def __init__(self, build, janitor, **overrides):
        self.build = build
        self.janitor = janitor
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-box-"))
        self.folder.chmod(0o755)
        self.run = pathlib.Path(tempfile.mkdtemp(prefix="baton-box-", dir="/dev/shm"))
        self.root = self.folder / "root"
        self.socket = self.run / "broker.sock"
        self.log = self.folder / "batond.log"
        self.config = self.folder / "baton.conf"
        self.cgroup = "baton-box-%d-%s" % (os.getpid(), self.run.name[-8:])
        for kind, value in (("dir", str(self.folder)), ("dir", str(self.run)), ("cgroup", self.cgroup)):
            janitor.add(kind, value)
        self.clients = []
        self.process = None
        self.write_config(overrides)

    def write_config(self, overrides):
        config = {
            "node": {"name": "box"}, "prefix": PREFIX, "root": str(self.root), "run": str(self.run), "user": USER,
            "cgroup_parent": self.cgroup, "log_level": "debug", "broker": {"mode": "embedded"},
            "runtimes": {"directory": str(self.build / "lib/baton/runtimes"), "enabled": ["native"]},
        }
        for key, value in overrides.items():
            config[key] = {**config[key], **value} if isinstance(value, dict) and key in config else value
        self.config.write_text("".join("%s = %s;\n" % (key, to_libconfig(value)) for key, value in config.items()),
                               encoding="utf-8")

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(self.build / "bin/batond"), "--config", str(self.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent)
        self.entry = self.janitor.add_pid(self.process.pid)
        return self

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self, condition, what, timeout=15):
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < deadline, "waited %.0f s in vain for %s; log:\n%s" % (
                timeout, what, self.log_text()[-3000:])
            time.sleep(0.02)

    def child(self, name):
        """Pid of the child of batond with this program name, or None."""
        return next((pid for pid, command in children(self.process.pid).items()
                     if name in [word.rsplit("/", 1)[-1] for word in command.split(" ")[:2]]), None)

    def broker_pid(self, other_than=None):
        def ready():
            pid = self.child("mosquitto")
            return pid if pid and pid != other_than and self.can_connect() else None
        return self.wait(ready, "mosquitto")

    def can_connect(self):
        try:
            with Connected(self.socket):
                return True
        except OSError:
            return False

    def connect(self, prefix=PREFIX):
        self.broker_pid()
        self.clients.append(Client(str(self.socket), prefix))
        return self.clients[-1]

    def kill(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        code = self.process.wait(20)
        self.janitor.done("pid", self.entry)
        return code

    def close(self):
        for client in self.clients:
            client.close()
        if self.process and self.process.poll() is None:
            self.kill(signal.SIGTERM)
        for kind, value in (("cgroup", self.cgroup), ("dir", str(self.run)), ("dir", str(self.folder))):
            self.janitor.done(kind, value)


def ended(pid, started):
    """True when the process is gone; one that nobody has reaped yet is."""
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except OSError:
        return True
    return fields[0] == "Z" or fields[19] != started


class Connected:
    """A bare connection to a Unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.path = str(path)

    def __enter__(self):
        self.socket.connect(self.path)
        return self.socket

    def __exit__(self, *_):
        self.socket.close()
