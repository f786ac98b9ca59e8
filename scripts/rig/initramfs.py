# SPDX-License-Identifier: Apache-2.0
"""Initial RAM file systems: a list of files, written as the newc archive that the kernel unpacks into its root."""
import os
import pathlib
import re
import stat
import subprocess

from .packages import PackageError

DIRECTORIES = ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "dev", "proc", "sys", "run", "etc", "root", "var/lib", "mnt")
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


def elf_needs(path):
    """Names of the shared libraries of a program and the path of its dynamic loader; nothing for other files."""
    with open(path, "rb") as file:
        if file.read(4) != b"\x7fELF":
            return []
    text = subprocess.run(["readelf", "--wide", "--dynamic", "--program-headers", str(path)], capture_output=True,
                          text=True, check=True).stdout
    loader = re.findall(r"program interpreter: (\S+)\]", text)
    return re.findall(r"\(NEEDED\).*\[(.+)\]", text) + [os.path.basename(one) for one in loader]


class Archive:
    """Files of a guest. Paths are relative to its root; what is added later replaces what was there."""

    def __init__(self):
        self.entries = {}  # path -> (mode, bytes or path of the file on this machine)

    def copy(self):
        other = Archive()
        other.entries.update(self.entries)
        return other

    def directory(self, path, mode=0o755):
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.directory(parent)
        self.entries[path] = (stat.S_IFDIR | mode, b"")

    def link(self, path, target):
        self._parent(path)
        self.entries[path] = (stat.S_IFLNK | 0o777, target.encode())

    def text(self, path, content, mode=0o644):
        self._parent(path)
        self.entries[path] = (stat.S_IFREG | mode, content if isinstance(content, bytes) else content.encode())

    def file(self, path, source, mode=None):
        """A file or symbolic link of this machine."""
        source = pathlib.Path(source)
        found = source.lstat()
        if stat.S_ISLNK(found.st_mode):
            self.link(path, os.readlink(source))
            return
        self._parent(path)
        self.entries[path] = (stat.S_IFREG | (stat.S_IMODE(found.st_mode) if mode is None else mode), source)

    def tree(self, path, source):
        """A folder of this machine with all that is in it."""
        self.directory(path)
        for folder, folders, files in os.walk(source):
            below = os.path.join(path, os.path.relpath(folder, source)).removesuffix("/.")
            for name in folders:
                self.directory(os.path.join(below, name))
            for name in files:
                self.file(os.path.join(below, name), os.path.join(folder, name))

    def _parent(self, path):
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.directory(parent)

    def write(self, output):
        """Appends the archive to an open binary file. Archives that follow each other are unpacked in turn."""
        for number, path in enumerate(sorted(self.entries), start=1):
            mode, content = self.entries[path]
            self._write_entry(output, number, path, mode,
                              content if isinstance(content, bytes) else content.read_bytes())
        self._write_entry(output, 0, "TRAILER!!!", 0, b"")
        output.write(b"\0" * (-output.tell() % 512))

    @staticmethod
    def _write_entry(output, number, path, mode, content):
        name = path.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        output.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
        output.write(b"\0" * (-output.tell() % 4))
        output.write(content)
        output.write(b"\0" * (-output.tell() % 4))


class System(Archive):
    """An archive that begins a guest: merged /usr, programs with the libraries that they need, kernel modules."""

    def __init__(self, triple, tree):
        super().__init__()
        self.triple = triple
        self.roots = [pathlib.Path(tree)]
        self.libraries = set()
        for path in DIRECTORIES:
            self.directory(path)
        for path, target in LINKS.items():
            self.link(path, target)
        self.directory("tmp", 0o1777)

    def find(self, path):
        """A file of the Debian packages by its path on the device."""
        for root in self.roots:
            for one in (root / path, root / path.removeprefix("usr/")):
                if one.exists():
                    return one
        raise PackageError("no /%s in the packages of the rig" % path)

    def program(self, path, source=None):
        """A program at its path below usr/, from the packages unless `source` is given, and its libraries."""
        source = source or self.find(path)
        self.file(path, source.resolve(), 0o755)
        self.needs(source)

    def needs(self, source):
        for name in elf_needs(source):
            if name not in self.libraries:
                self.libraries.add(name)
                library = self._library(name)
                self.file(self._library_target(name), library.resolve(), 0o755)
                self.needs(library)

    def _library(self, name):
        for folder in ("usr/lib/" + self.triple, "usr/lib", "usr/lib64", "usr/lib/%s/systemd" % self.triple):
            try:
                return self.find(folder + "/" + name)
            except PackageError:
                pass
        raise PackageError("no package of the rig has the library %s" % name)

    def _library_target(self, name):
        if name.startswith("ld-linux"):
            return ("usr/lib64/" if "x86-64" in name else "usr/lib/") + name
        return "usr/lib/%s/%s" % (self.triple, name)

    def modules(self, kernel, names):
        """Modules with what they need and the indexes that modprobe reads."""
        for path in kernel.modules(names):
            self.file("usr/" + path, kernel.folder / path)
        index = "lib/modules/" + kernel.release
        for name in ("modules.dep", "modules.alias", "modules.builtin", "modules.symbols"):
            self.file("usr/%s/%s" % (index, name), kernel.folder / index / name)
