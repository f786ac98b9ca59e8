# SPDX-License-Identifier: Apache-2.0
"""Guests of QEMU with the packages of this tree, on Debian's kernels: pure cgroup v2, no network to outside."""
import pathlib
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "scripts"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from rig.guest import Base  # noqa: E402  (the paths above make these importable)
from rig.packages import make_package  # noqa: E402
from rig_node import RigNode  # noqa: E402

QUICK = ["qemu-x86_64", "qemu-arm64"]
SLOW = ["qemu-armhf", "rpi3", "rpi2"]


@pytest.fixture(scope="session")
def bases():
    """Makes the base of a board when it is first asked for."""
    made = {}

    def get(board, package=None):
        """`package` is the preset that it comes from, when it is not the board's own."""
        package = package or board
        if (board, package) not in made:
            made[board, package] = Base(board, make_package(TOP, package))
        return made[board, package]
    return get


@pytest.fixture(scope="session", params=[*QUICK, *(pytest.param(name, marks=pytest.mark.long) for name in SLOW)])
def base(bases, request):
    return bases(request.param)


@pytest.fixture(scope="session")
def x86_64(bases):
    """The fastest guests, for what does not depend on the processor."""
    return bases("qemu-x86_64")


@pytest.fixture
def boot(tmp_path):
    """boot(base, ...): starts a RigNode. All end with the test."""
    started = []

    def start(base, name="n1", **options):
        node = RigNode(base, tmp_path, name=name, **options)
        started.append(node)
        return node
    yield start
    for node in started:
        node.close()


@pytest.fixture(scope="module")
def node(base, tmp_path_factory):
    """A guest for all tests of a module, online, with the image imported. Tests leave nothing behind."""
    one = RigNode(base, tmp_path_factory.mktemp("rig"))
    try:
        one.online_seconds = one.guest.wait_online()
        one.import_image()
        yield one
    finally:
        one.close()
