# SPDX-License-Identifier: Apache-2.0
"""What is on an ext4 image after a power cut: journal replay, check, and a copy of its files. No mount, no loop device."""
import os
import pathlib
import shutil
import subprocess


class DiskFault(AssertionError):
    """The file system is damaged, or its contents are not what they have to be."""


def tool(name):
    return shutil.which(name) or "/sbin/" + name


def run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    return done.returncode, done.stdout + done.stderr


def recover(image):
    """
    Replays the journal, as mount does, and says what is wrong then. Preen alone replays, and completes deletions that
    were under way; a file system that is marked clean it does not look at, so that the second run finds every fault.
    """
    status, output = run(tool("e2fsck"), "-p", str(image))
    if status not in (0, 1):
        raise DiskFault("the journal cannot be replayed: %s" % output)
    check(image)


def check(image):
    """A full check that repairs nothing."""
    status, output = run(tool("e2fsck"), "-f", "-n", str(image))
    if status != 0:
        raise DiskFault("fsck finds faults: %s" % output)


def dump(image, folder, inside="/"):
    """Copies a folder of the image with owners and modes into `folder`."""
    os.makedirs(folder, exist_ok=True)
    _, output = run(tool("debugfs"), "-R", "rdump %s %s" % (inside, folder), str(image))
    complaints = [line for line in output.splitlines() if line and not line.startswith("debugfs ")]
    if complaints:
        raise DiskFault("the files cannot be read: %s" % complaints)
    shutil.rmtree(pathlib.Path(folder) / "lost+found", ignore_errors=True)


def dump_cut(disk, folder):
    """Writes a disk (a bytearray) to folder/disk, recovers it and copies its files to folder/files."""
    image = pathlib.Path(folder) / "disk"
    image.write_bytes(disk)
    recover(image)
    dump(image, pathlib.Path(folder) / "files")
    image.unlink()
    return pathlib.Path(folder) / "files"
