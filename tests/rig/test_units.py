# SPDX-License-Identifier: Apache-2.0
"""The unit tests that user mode emulation cannot run (cmake/unit-test.cmake), on the kernels of the boards."""
import re

import pytest

from conftest import QUICK, SLOW, TOP
from rig.guest import Guest
from rig.initramfs import System
from rig.packages import Apt, dependencies

TABLE = (TOP / "cmake/unit-test.cmake").read_text(encoding="utf-8")
NAMES = re.findall(r'^\t\t"(test_\w+)\|', TABLE, re.M)
LIBRARIES = ("libcmocka0", "libarchive13")
FOLDER = "usr/lib/rig/tests/"
# Those of x86_64 run on this machine in ./dev test, on a kernel with cgroup v1: here they have v2.
BOARDS = [pytest.param(name, marks=[pytest.mark.long] if name in SLOW else []) for name in (*QUICK, "qemu-armhf")]


@pytest.fixture(scope="module", params=BOARDS)
def guest(bases, request, tmp_path_factory):
    base = bases(request.param)
    files = System(base.board.triple, Apt(base.board.architecture).tree([*LIBRARIES, *dependencies(base.package)]))
    built = TOP / "build" / base.name / "tests"
    for path in [*(built / name for name in NAMES), *built.glob("*.so")]:  # some tests load what lies beside them
        files.program(FOLDER + path.name, path)
    with Guest(base, tmp_path_factory.mktemp("units"), files=files, daemon=False) as one:
        yield one


def test_table_is_read():
    """Every row of it, however it is written."""
    rows = TABLE.split("set(tests_for_rigs", 1)[1].split("endif()", 1)[0].count("|")
    assert len(NAMES) == rows > 0


@pytest.mark.parametrize("name", NAMES)
def test_unit(guest, name):
    done = guest.run("cd /tmp && /%s%s" % (FOLDER, name), 240)
    assert done.status == 0, done.output
    assert "[  PASSED  ]" in done.output
