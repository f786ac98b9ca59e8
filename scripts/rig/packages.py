# SPDX-License-Identifier: Apache-2.0
"""Debian packages of any architecture, fetched and unpacked in the cache. Nothing is installed on this machine."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

MIRRORS = pathlib.Path(__file__).resolve().parent.parent / "mirrors.sh"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LISTS_AGE = 24 * 3600  # what apt knows is asked for again after a day


class PackageError(Exception):
    pass


def cache_folder():
    """As scripts/sysroot.sh has it."""
    chosen = os.environ.get("BATON_CACHE")
    if chosen:
        return pathlib.Path(chosen)
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "baton"


@contextlib.contextmanager
def locked(folder):
    """One process at a time works in a folder of the cache."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def unpack(package, target, *exclude):
    """The files of a .deb below `target`."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "--extract", "--directory", str(target), "--no-same-owner",
                        *("--exclude=" + pattern for pattern in exclude)], stdin=archive.stdout, check=True)
    if archive.returncode != 0:
        raise PackageError("%s is damaged" % package)


def control_field(package, field):
    done = subprocess.run(["dpkg-deb", "--field", str(package), field], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise PackageError("%s is no package: %s" % (package, done.stderr.strip()))
    return done.stdout.strip()


def dependencies(package):
    """Names that a .deb depends on; of alternatives the first."""
    text = control_field(package, "Depends")
    return [re.match(r"\s*([a-z0-9.+-]+)", one).group(1) for one in text.split(",") if one.strip()]


def make_package(top, board):
    """The .deb of Baton for a board, made from the tree at `top`."""
    done = subprocess.run([top / "dev", "package", board], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise PackageError("./dev package %s failed" % board)
    return next(path for path in done.stdout.split() if os.path.basename(path).startswith("baton_"))


class Apt:
    """apt with lists, cache and status of its own for one architecture; the dpkg of this machine never hears of it."""

    def __init__(self, architecture, cache=None):
        self.architecture = architecture
        self.cache = cache or cache_folder()
        self.root = self.cache / "rig-apt" / architecture
        self.lists = self.root / "lists"

    def options(self, sources):
        values = {
            "Dir::Etc::sourcelist": self.root / sources, "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::parts": "/dev/null", "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State::lists": self.lists, "Dir::State::status": self.root / "status",
            "Dir::Cache::archives": self.root / "archives", "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "",
            "APT::Architecture": self.architecture, "APT::Architectures::": self.architecture,
            "APT::Install-Recommends": "false", "APT::Keep-Downloaded-Packages": "true", "APT::Sandbox::User": "root",
            "Acquire::Languages": "none", "Acquire::Retries": "3", "Debug::NoLocking": "1",
        }
        return [word for name, value in values.items() for word in ("-o", "%s=%s" % (name, value))]

    def run(self, program, sources, *arguments, folder="."):
        done = subprocess.run([program, *self.options(sources), *arguments], capture_output=True, text=True,
                              cwd=self.root / folder, check=False)
        if done.returncode != 0:
            raise PackageError("%s %s (%s): %s" % (program, " ".join(arguments[:4]), self.architecture,
                                                   done.stderr.strip()))
        return done.stdout

    def write_sources(self):
        """"main-only" leaves out security, see update()."""
        suites = subprocess.run([MIRRORS], check=True, capture_output=True, text=True).stdout.splitlines()
        lines = ["deb [arch=%s signed-by=%s] %s main\n" % (self.architecture, KEYRING, suite) for suite in suites]
        (self.root / "all").write_text("".join(lines), encoding="ascii")
        (self.root / "main-only").write_text("".join(line for line in lines if "security" not in line), encoding="ascii")

    def update(self, age=LISTS_AGE):
        """Fetches the lists unless they are younger than `age` seconds; returns the name of the sources that are usable."""
        for folder in ("lists/partial", "archives/partial"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        stamp = self.root / "updated"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < age:
            return stamp.read_text(encoding="ascii")
        self.write_sources()
        # The security index of an architecture that few use can be out of step with its Release file for hours.
        for sources in ("all", "main-only"):
            try:
                self.run("apt-get", sources, "-q", "-o", "APT::Update::Error-Mode=any", "update")
                stamp.write_text(sources, encoding="ascii")
                return sources
            except PackageError as problem:
                last = problem
        if not stamp.exists():
            raise last
        print("rig: no new package lists, going on with those of %s: %s" % (time.ctime(stamp.stat().st_mtime), last),
              file=sys.stderr)
        return stamp.read_text(encoding="ascii")

    def with_lists(self, action):
        """action(sources), and once more with new lists when it fails: a mirror keeps no package that was replaced."""
        with locked(self.root):
            try:
                return action(self.update())
            except PackageError:
                return action(self.update(age=0))

    def kernel(self, meta):
        """The .deb of the kernel that a package like linux-image-arm64 stands for."""
        return self.with_lists(lambda sources: self._kernel(sources, meta))

    def _kernel(self, sources, meta):
        found = re.search(r"Depends: (linux-image-[0-9]\S*)", self.run("apt-cache", sources, "depends", meta))
        if not found:
            raise PackageError("%s depends on no kernel" % meta)
        name = self.run("apt-get", sources, "--print-uris", "download", found.group(1)).split()[1]
        package = self.root / "archives" / name
        if not package.exists():
            # Under its name only when it is whole: apt writes what it downloads where it is to be.
            with tempfile.TemporaryDirectory(dir=self.root) as folder:
                self.run("apt-get", sources, "-q", "download", found.group(1), folder=folder)
                (pathlib.Path(folder) / name).rename(package)
        return package

    def tree(self, names):
        """A folder with the files of the packages and of all that they depend on."""
        return self.with_lists(lambda sources: self._tree(sources, names))

    def _tree(self, sources, names):
        uris = self.run("apt-get", sources, "-o", "Dir::Cache::archives=%s/none" % self.root, "--print-uris", "-y",
                        "install", *names)
        closure = sorted(line.split()[1] for line in uris.splitlines() if line.startswith("'"))
        key = hashlib.sha256("\n".join(closure).encode()).hexdigest()[:16]
        target = self.cache / "rig-tree" / ("%s-%s" % (self.architecture, key))
        if target.exists():
            return target
        self.run("apt-get", sources, "-q", "-y", "--download-only", "install", *names)
        work = target.with_suffix(".work")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        for name in closure:
            unpack(self.root / "archives" / name, work, "./usr/share/*")
        work.rename(target)
        return target
