# SPDX-License-Identifier: Apache-2.0
"""Shared by all Python tests: where the build is, private directories, and the fleet harness."""
import os
import pathlib
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests"))

from harness.box import Box  # noqa: E402  (the path above makes it importable)
from harness.janitor import Janitor  # noqa: E402  (the path above makes it importable)
from harness.node import Fleet  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only with ./dev test --all")


@pytest.fixture(scope="session")
def build():
    """The build directory with bin/ and lib/."""
    return pathlib.Path(os.environ.get("BATON_BUILD", REPOSITORY / "build" / "host")).resolve()


@pytest.fixture(scope="session")
def shared():
    """Reference data beside the repository (../shared)."""
    return pathlib.Path(os.environ.get("BATON_SHARED", REPOSITORY.parent / "shared"))


@pytest.fixture(scope="session")
def janitor():
    """Cleans up even when the test run is killed."""
    cleaner = Janitor()
    yield cleaner
    cleaner.close()


@pytest.fixture
def fleet(build, janitor):
    """A private broker and as many nodes as the test starts; all of it is gone afterwards."""
    made = Fleet(build, janitor)
    yield made
    made.close()


@pytest.fixture
def node(fleet):
    """One node with both roles and the image "test/busybox:1", online."""
    one = fleet.start_node("n1")
    one.import_image()
    return one


@pytest.fixture
def boxes(build, janitor):
    """Makes boxes and closes them."""
    made = []

    def make(**overrides):
        made.append(Box(build, janitor, **overrides))
        return made[-1]
    yield make
    for box in made:
        box.close()


@pytest.fixture
def box(boxes):
    return boxes().start()
