# SPDX-License-Identifier: Apache-2.0
"""A guest in QEMU and the channel on which it takes orders."""
import os
import pathlib
import re
import secrets
import select
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from .boards import AT_HAND, BOARDS, PACKAGES, PROGRAMS
from .initramfs import Archive, System
from .kernel import Kernel
from .packages import Apt, dependencies, unpack

HERE = pathlib.Path(__file__).resolve().parent
BOOT_SECONDS = 120  # a loaded machine needs ten times what an idle one does
ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nbaton:x:990:990::/:/bin/false\nmosquitto:x:991:991::/:/bin/false\n"
GROUPS = "root:x:0:\nbaton:x:990:\nmosquitto:x:991:\n"
CONFIG = 'user = "baton";\nruntimes = { enabled = [ "native", "crun" ]; };\n'
# What `baton image import` takes in every guest: busybox under this name.
IMAGE, LAYOUT = "test/busybox:1", "/images/busybox"


class GuestError(Exception):
    pass


class Result:
    def __init__(self, status, output):
        self.status = status
        self.output = output


def files_below(folder):
    return sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file())


class Base:
    """What all guests of one board and one package of Baton have in common: kernel and system, made once."""

    def __init__(self, name, package):
        self.name = name
        self.package = package
        self.board = BOARDS[name]
        self.kernel = Kernel(self.board.architecture, self.board.kernel)
        apt = Apt(self.board.architecture)
        self.system = System(self.board.triple, apt.tree([*PACKAGES, *dependencies(package)]))
        self.tree = self.system.roots[0]
        self.system.program("usr/bin/busybox")
        for path in PROGRAMS:
            self.system.program(path)
        self.system.modules(self.kernel, self.board.modules + AT_HAND)
        self.system.file("init", HERE / "init.sh", 0o755)
        for name in ("online.sh", "orders.sh"):
            self.system.file("usr/lib/rig/" + name, HERE / name)
        self.system.text("etc/passwd", ACCOUNTS)
        self.system.text("etc/group", GROUPS)
        self.system.text("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        self.system.text("etc/nsswitch.conf", "hosts: files dns\n")
        self._add_package(package)
        self._add_image()

    def _add_package(self, package):
        with tempfile.TemporaryDirectory() as work:
            unpack(package, work, "./usr/share/*")
            for path in files_below(work):
                self.system.needs(path)
                self.system.text(str(path.relative_to(work)), path.read_bytes(), path.stat().st_mode & 0o7777)

    def _add_image(self):
        """An OCI layout for the guest's processor, to try things with."""
        environment = {**os.environ, "BUSYBOX": str(self.system.find("usr/bin/busybox")),
                       "ARCHITECTURE": {"armhf": "arm"}.get(self.board.architecture, self.board.architecture)}
        with tempfile.TemporaryDirectory() as work:
            layout = pathlib.Path(work, "layout")
            subprocess.run([HERE.parent / "make-image.sh", IMAGE, layout], check=True, env=environment,
                           stdout=subprocess.DEVNULL)
            for path in files_below(layout):
                self.system.text(LAYOUT.lstrip("/") + "/" + str(path.relative_to(layout)), path.read_bytes())


class Guest:
    """
    One boot. `folder` gets the console log. `files` (an Archive) and `text` ({path: content}) are laid over the system.
    `network` is a list of QEMU arguments that name the netdev "lan"; without it there is no network card at all. `broker` is the address of
    the fleet's broker when it is not the node's own.
    """

    def __init__(self, base, folder, *, name="n1", config=CONFIG, files=None, text=None, disk=None, append="", address="", network=(),
                 broker="", daemon=True, shell=False, qemu=(), pass_fds=()):
        self.base = base
        self.folder = pathlib.Path(folder)
        self.console = self.folder / (name + ".console")
        board = base.board
        own = files.copy() if files else Archive()
        for path, content in (text or {}).items():
            own.text(path, content)
        own.text("etc/rig.conf", "".join("%s=%s\n" % (key, shlex.quote(value)) for key, value in {
            "name": name, "modules": " ".join(board.modules), "channel": board.channel,
            "disk": board.disk if disk else "", "address": address, "broker": broker, "daemon": "yes" if daemon else "no",
            "shell": "yes" if shell else "no"}.items()))
        own.text("etc/baton/baton.conf", 'node = { name = "%s"; };\n%s' % (name, config))
        self.shell = shell
        self.pending = b""
        self.booted = None
        # Without a name: guests of one folder do not meet, and nothing stays when this process is killed.
        with tempfile.TemporaryFile(dir=self.folder) as initrd:
            base.system.write(initrd)
            own.write(initrd)
            initrd.flush()
            self._start(initrd.fileno(), [*self._devices(disk, network), *qemu], append, pass_fds)

    # ---- QEMU ----

    def _start(self, initrd, devices, append, pass_fds):
        board = self.base.board
        ours, theirs = socket.socketpair()
        # However this process ends, QEMU does.
        command = ["setpriv", "--pdeathsig", "KILL", *board.qemu, "-nodefaults", "-no-reboot", "-display", "none",
                   "-kernel", str(self.base.kernel.image), "-initrd", "/proc/self/fd/%d" % initrd,
                   "-append", "console=%s quiet panic=-1 %s %s" % (board.console, board.append, append)]
        tree = tempfile.TemporaryFile(dir=self.folder)  # pylint: disable=consider-using-with  (closed below)
        if board.device_tree:
            tree.write(self.base.kernel.device_tree(board.device_tree))
            tree.flush()
            command += ["-dtb", "/proc/self/fd/%d" % tree.fileno()]
        if self.shell:
            command += ["-chardev", "stdio,id=console,signal=off,logfile=%s" % self.console]
        else:
            command += ["-chardev", "file,id=console,path=%s" % self.console]
        command += ["-serial", "chardev:console", "-chardev", "socket,id=channel,fd=%d" % theirs.fileno()]
        command += devices
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdin=None if self.shell else subprocess.DEVNULL,
                                        stdout=None if self.shell else subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        pass_fds=(theirs.fileno(), initrd, tree.fileno(), *pass_fds))
        tree.close()
        theirs.close()
        self.channel = ours

    def _devices(self, disk, network):
        """Devices of a board; `disk` is a path or the arguments that name the drive "disk"."""
        drive = ["-drive", "if=none,id=disk,format=raw,file=%s" % disk] if isinstance(disk, (str, os.PathLike)) else disk
        if not self.base.board.virtio:
            card = ["-drive", "if=sd,format=raw,file=%s" % disk] if disk else []
            return ["-serial", "chardev:channel", *card, *network, *(["-device", "usb-net,netdev=lan"] if network else [])]
        devices = ["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=channel,name=rig",
                   "-device", "virtio-rng-pci"]
        if drive:
            devices += [*drive, "-device", "virtio-blk-pci,drive=disk"]
        if network:
            devices += [*network, "-device", "virtio-net-pci,netdev=lan,mac=52:54:00:00:00:%02x" % secrets.randbelow(256)]
        else:
            devices += ["-nic", "none"]
        return devices

    # ---- orders ----

    def _receive(self, deadline):
        """More bytes of the guest, b"" when it is gone; GuestError after the deadline."""
        left = None if deadline == float("inf") else max(deadline - time.monotonic(), 0)
        if not select.select([self.channel], [], [], left)[0]:
            raise GuestError("no answer of the guest in time; console: %s" % self.console_tail())
        try:
            return self.channel.recv(65536)
        except ConnectionError:
            return b""

    def wait_up(self, timeout=BOOT_SECONDS):
        """Waits until the guest takes orders; returns its seconds since the kernel started."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.pending:
            more = self._receive(deadline)
            if not more:
                raise GuestError("the guest ended: %s%s" % (self.process.stderr.read().decode(errors="replace"),
                                                            self.console_tail()))
            self.pending += more
        line, self.pending = self.pending.split(b"\n", 1)
        self.booted = float(line.split()[-1])
        return self.booted

    def run(self, script, timeout=120, on_output=None):
        """Runs a shell script in the guest. Returns a Result; on_output gets the bytes as they come."""
        if self.booted is None:
            self.wait_up()
        marker = secrets.token_hex(8)
        body = script.encode() + b"\n"
        self.channel.sendall(b"run %s %d\n" % (marker.encode(), len(body)) + body)
        end = b"\n%s " % marker.encode()
        output = bytearray(self.pending)
        shown = 0
        deadline = time.monotonic() + timeout
        while True:
            found = output.find(end)
            if found >= 0 and b"\n" in output[found + len(end):]:
                break
            if on_output and len(output) - len(end) > shown:
                on_output(bytes(output[shown:len(output) - len(end)]))
                shown = len(output) - len(end)
            more = self._receive(deadline)
            if not more:
                raise GuestError("the guest ended while it ran a script; console: %s" % self.console_tail())
            output += more
        if on_output:
            on_output(bytes(output[shown:found]))
        status, self.pending = bytes(output[found + len(end):]).split(b"\n", 1)
        return Result(int(status), bytes(output[:found]).decode(errors="replace"))

    def check(self, script, timeout=120):
        """Output of a script that has to succeed."""
        result = self.run(script, timeout)
        if result.status != 0:
            raise GuestError("exit %d of: %s\n%s\n%s" % (result.status, script, result.output, self.log_tail()))
        return result.output

    def wait_online(self, timeout=60):
        """Waits until the node says that it is online; returns its seconds since the kernel started."""
        return float(self.check(". /usr/lib/rig/online.sh; wait_online %d" % timeout, timeout * 3 + 60).split()[-1])

    def console_tail(self, size=1500):
        return self.console.read_text(errors="replace")[-size:] if self.console.exists() else ""

    def log_tail(self):
        try:
            return self.run("tail -c 3000 /run/rig/batond.log", 60).output
        except GuestError as problem:
            return str(problem)

    def wait_shell(self):
        """Waits for the end of a guest that has a shell on the console; returns the status of the shell."""
        said = b""
        while more := self._receive(float("inf")):
            said += more
        found = re.search(rb"rig shell (\d+)\n", said)
        if not found:
            raise GuestError("the guest ended before its shell did")
        return int(found.group(1))

    # ---- the end ----

    def power_off(self, timeout=60):
        """The orderly way."""
        if self.process.poll() is None and not self.shell:
            try:
                self.channel.sendall(b"off\n")
            except OSError:
                pass
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            print("rig: the guest did not power off", file=sys.stderr)
        self.kill()

    def kill(self):
        """As a power cut, except that this machine's page cache survives."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def make_disk(path, megabytes=128):
    """An empty ext4 disk; raw, sparse."""
    with open(path, "wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run([shutil.which("mkfs.ext4") or "/sbin/mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0",
                    str(path)], check=True)
    return path
