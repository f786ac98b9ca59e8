# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the conformance suite. BATON_RUNTIMES names the plugins (default: native and crun), BATON_RUNTIMES_DIR
the folder with the shared objects, BATON_RUNTIME_HOST the program that drives them. A test module with RUNTIMES is only
for the plugins that it names."""
import os
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from conformance_bundle import Bundle, Validator  # noqa: E402  (the path above makes it importable)
from conformance_generate import generate  # noqa: E402
from conformance_host import Group, Host  # noqa: E402
from conformance_hostile import Outside  # noqa: E402


def pytest_generate_tests(metafunc):
    if "runtime_name" in metafunc.fixturenames:
        names = os.environ.get("BATON_RUNTIMES", "native crun").split()
        only = getattr(metafunc.module, "RUNTIMES", names)
        metafunc.parametrize("runtime_name", [name for name in names if name in only])


@pytest.fixture(scope="session")
def validator(shared):
    return Validator(shared / "data" / "oci-runtime-spec")


def mounts_below(path):
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        return [line.split()[1] for line in mounts if line.split()[1].startswith(str(path) + "/")]


class Runtime:
    """One plugin with a private state directory, and all that a test may leave behind."""

    def __init__(self, name, build, folder, validator, group):
        self.name = name
        self.build = build
        self.program = os.environ.get("BATON_RUNTIME_HOST", build / "tests" / "runtime-host")
        self.plugin = pathlib.Path(os.environ.get("BATON_RUNTIMES_DIR", build / "lib/baton/runtimes")) / (name + ".so")
        self.folder = folder
        self.state_dir = folder / "state"
        self.state_dir.mkdir(mode=0o700)
        self.validator = validator
        self.group = group
        self.hosts = []
        self.bundles = 0

    def host(self, *options):
        started = Host(self.program, self.plugin, self.state_dir, *options)
        self.hosts.append(started)
        return started

    def bundle(self):
        self.bundles += 1
        return Bundle(self.folder / ("bundle%d" % self.bundles), self.validator)

    def generated(self, **service):
        """A bundle whose configuration the supervisor makes of one service of a Compose document."""
        bundle = self.bundle()
        bundle.use(generate(self.build, bundle.rootfs, self.folder, {"one": service})["one"])
        return bundle

    def output(self, name):
        path = self.folder / name
        return path.read_text() if path.exists() else None

    def create(self, host, bundle, name="c", words="", valid=True):
        return host("create %s %s stdout=%s stderr=%s %s %s" % (
            name, bundle.write(valid), self.folder / (name + ".out"), self.folder / (name + ".err"),
            self.group.words(), words))

    def start(self, host, bundle, name="c", words=""):
        """create and start; both must succeed. The pid."""
        created = self.create(host, bundle, name, words)
        assert created["ok"], created
        host.ok("start " + name)
        return created["pid"]

    def run(self, bundle, host=None, name="c", words=""):
        """From create to delete; the exit code (negative: signal) and what the container wrote."""
        own = host or self.host()
        self.start(own, bundle, name, words)
        ended = own.ok("wait " + name)
        own.ok("delete " + name)
        if not host:
            own.close()
        return ended.get("exit", -ended.get("signal", 0)), self.output(name + ".out"), self.output(name + ".err")

    def sh(self, script, change=None, words=""):
        """Standard output of a script in a container of the base configuration; it must succeed."""
        bundle = self.bundle()
        bundle.sh(script)
        if change:
            change(bundle)
        code, out, err = self.run(bundle, words=words)
        assert code == 0, (code, out, err)
        return out

    def wait_for(self, condition):
        for _ in range(500):
            if condition():
                return
            time.sleep(0.01)
        raise AssertionError("waited 5 s in vain")


@pytest.fixture
def runtime(runtime_name, build, tmp_path, validator, janitor):
    """After the test nothing is left: no process, mount or state, whatever the test did."""
    group = Group(janitor)
    janitor.add("dir", str(tmp_path))
    made = Runtime(runtime_name, build, tmp_path, validator, group)
    yield made
    for host in made.hosts:
        if host.process.poll() is None:
            host.close()
    left = group.close()
    mounts = mounts_below(tmp_path)
    state = sorted(path.name for path in made.state_dir.iterdir() if not path.name.endswith(".bpf"))
    janitor.done("dir", str(tmp_path))
    assert not left, "processes are left in the control group: %s" % left
    assert not mounts, "mounts are left: %s" % mounts
    assert not state, "state is left: %s" % state


@pytest.fixture
def host(runtime):
    """A loaded plugin that must give back what it took, and leave no child."""
    started = runtime.host()
    before = started.ok("resources")
    yield started
    assert started.ok("resources") == before
    started.close()


@pytest.fixture
def outside(tmp_path):
    made = Outside(tmp_path)
    yield made
    made.check()
