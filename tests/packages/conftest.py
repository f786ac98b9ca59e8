# SPDX-License-Identifier: Apache-2.0
"""Packages of boards, made once for all tests, and roots to install them in."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
ARCHITECTURES = {"qemu-x86_64": "amd64", "qemu-arm64": "arm64", "qemu-armhf": "armhf"}

# One mount namespace for each command: the files of this machine below, what the command writes in `upper`.
ENTER = """
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount --rbind /sys "$1/root/sys"
mount -t tmpfs tmpfs "$1/root/tmp"
mkdir "$1/root/tmp/given"
mount --bind "$1/given" "$1/root/tmp/given"
shift
exec chroot "$0/root" "$@"
"""


class Board:
    def __init__(self, name):
        self.name = name
        self.architecture = ARCHITECTURES[name]
        done = subprocess.run([TOP / "dev", "package", name], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.files = {pathlib.Path(path).name.split("_")[0]: pathlib.Path(path) for path in done.stdout.split()}
        self.baton = self.files["baton"]
        self.formats = self.files["baton-image-formats"]


class Root:
    """This machine's root, below an overlay that takes every change. Nothing of it is seen outside."""

    def __init__(self):
        # Neither layer of an overlay may hold the other: not on the file system of "/".
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-root-", dir="/dev/shm"))
        self.folder.chmod(0o755)
        for name in ("upper", "work", "root", "given"):
            (self.folder / name).mkdir()
        # What the maintainer scripts ask the service manager for, which does not run in here. "preset" only makes links.
        self.write("usr/bin/deb-systemd-invoke", '#!/bin/sh\necho "deb-systemd-invoke $*" >>/calls\n', 0o755)
        shutil.copy("/usr/bin/systemctl", self.folder / "upper/usr/bin/systemctl.real")
        self.write("usr/bin/systemctl", """#!/bin/sh
case $* in *preset*) SYSTEMD_OFFLINE=1 exec systemctl.real "$@" ;; esac
echo "systemctl $*" >>/calls
""", 0o755)
        self.write("calls", "")
        (self.folder / "upper/run/systemd/system").mkdir(parents=True)

    def write(self, path, text, mode=0o644):
        target = self.folder / "upper" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)

    def run(self, *command, check=True):
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "sh", "-c", ENTER,
                               self.folder, self.folder, *map(str, command)], capture_output=True, text=True, check=False,
                              env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin"})
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def sh(self, text, check=True):
        return self.run("sh", "-ec", text, check=check).stdout

    def install(self, package):
        shutil.copy(package, self.folder / "given")
        return self.run("dpkg", "--force-confdef", "--force-confold", "-i", "/tmp/given/" + pathlib.Path(package).name)

    def calls(self):
        """What the service manager was asked for since the last call."""
        return self.sh("cat /calls; : >/calls").splitlines()

    def remove(self):
        shutil.rmtree(self.folder)


@pytest.fixture(scope="session")
def boards():
    """Makes packages when they are first asked for."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = Board(name)
        return made[name]
    return get


@pytest.fixture(params=sorted(ARCHITECTURES))
def board(boards, request):
    return boards(request.param)


@pytest.fixture
def root():
    one = Root()
    yield one
    one.remove()
