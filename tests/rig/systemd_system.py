# SPDX-License-Identifier: Apache-2.0
"""A guest in which Debian's own systemd is process 1 and Debian's dpkg has the package installed."""
import os
import pathlib
import subprocess

from rig.initramfs import LINKS, Archive
from rig.packages import Apt

# What the maintainer scripts and dpkg call, beside systemd.
PACKAGES = ("systemd", "dpkg", "init-system-helpers", "perl-base", "dash", "coreutils", "findutils", "grep", "sed", "mawk", "tar",
            "libc-bin", "util-linux", "mount")
# No user "baton": systemd-sysusers makes it at boot, from the package's file.
ACCOUNTS = {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nmosquitto:x:991:991::/:/bin/false\n",
            "etc/group": "root:x:0:\nmosquitto:x:991:\n"}
ORDERS = """[Unit]
Description=Orders of the rig
[Service]
ExecStart=/usr/bin/sh -c '. /etc/rig.conf; . /usr/lib/rig/orders.sh; open_channel; take_orders; systemctl poweroff -ff'
KillMode=process
"""
UNITS = "etc/systemd/system/"


def merged(path):
    """Where Debian 12 has a file of a package."""
    first = path.split("/", 1)[0]
    return "usr/" + path if first in LINKS else path


def add_tree(archive, tree):
    for folder, folders, files in os.walk(tree):
        for name in [*folders, *files]:
            source = pathlib.Path(folder, name)
            path = merged(str(source.relative_to(tree)))
            if source.is_symlink() or source.is_file():
                archive.file(path, source)
            elif path not in LINKS.values():
                archive.directory(path, source.stat().st_mode & 0o7777)


def add_database(archive, package, work):
    """The package as dpkg knows it after it was installed."""
    subprocess.run(["dpkg-deb", "--control", package, work], check=True)
    control = pathlib.Path(work, "control").read_text(encoding="utf-8")
    conffiles = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True).stdout
    listed = subprocess.run(["tar", "-t"], input=conffiles, check=True, capture_output=True).stdout.decode()
    info = "var/lib/dpkg/info/baton."
    archive.text("var/lib/dpkg/status", control.replace("\n", "\nStatus: install ok installed\n", 1) + "\n")
    archive.text(info + "list", "".join("/." if line == "./" else line.rstrip("/").removeprefix(".") + "\n"
                                        for line in listed.splitlines()))
    for path in pathlib.Path(work).iterdir():
        if path.name != "control":
            archive.text(info + path.name, path.read_bytes(), path.stat().st_mode & 0o7777)
    for name in ("updates", "triggers"):
        archive.directory("var/lib/dpkg/" + name)
    archive.text("var/lib/dpkg/available", "")
    archive.directory("var/log")


def system_files(base, work):
    """What is laid over the system of the rig; `work` is an empty folder."""
    archive = Archive()
    add_tree(archive, Apt(base.board.architecture).tree(PACKAGES))
    add_database(archive, base.package, work)
    archive.text("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    archive.text("etc/rig.start", "exec /usr/lib/systemd/systemd\n")
    for path, text in ACCOUNTS.items():
        archive.text(path, text)
    archive.text(UNITS + "rig.service", ORDERS)
    archive.link(UNITS + "basic.target.wants/rig.service", "/" + UNITS + "rig.service")
    archive.link(UNITS + "multi-user.target.wants/batond.service", "/usr/lib/systemd/system/batond.service")
    archive.link(UNITS + "default.target", "/usr/lib/systemd/system/multi-user.target")
    archive.link(UNITS + "getty.target", "/dev/null")  # the console is a log
    return archive
