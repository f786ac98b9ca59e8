# SPDX-License-Identifier: Apache-2.0
"""Where Debian's packages for sysroots and rigs come from, and what happens when they do not come."""
import os
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "scripts"))

from rig import packages  # noqa: E402  (the path above makes it importable)
from rig.kernel import enable_second_uart  # noqa: E402

DEBIAN = "http://mirror.example/debian/ bookworm"
TARGETS = [DEBIAN + " Debian", DEBIAN + " Debian", DEBIAN + "-updates Debian", DEBIAN + "-backports Debian Backports",
           DEBIAN + "-proposed-updates Debian", "https://download.docker.com/linux/debian/ bookworm Docker",
           "http://other.example/ bookworm-security Other", "http://mirror.example/debian/ trixie Debian"]


def mirrors(folder, targets):
    """What scripts/mirrors.sh prints when apt knows `targets`."""
    apt = folder / "apt-get"
    apt.write_text("#!/bin/sh\ncat <<'END'\n%s\nEND\n" % "\n".join(targets))
    apt.chmod(0o755)
    return subprocess.run([packages.MIRRORS], env={"PATH": "%s:%s" % (folder, os.environ["PATH"])}, check=True,
                          capture_output=True, text=True).stdout.splitlines()


def test_only_debian_itself(tmp_path):
    assert mirrors(tmp_path, TARGETS) == [DEBIAN, DEBIAN + "-updates"]


def test_debians_own_mirrors_otherwise(tmp_path):
    assert [line.split()[1] for line in mirrors(tmp_path, TARGETS[5:])] == [
        "bookworm", "bookworm-updates", "bookworm-security"]


@pytest.mark.parametrize("environment, expected", [
    ({"BATON_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"), ({"XDG_CACHE_HOME": "/b"}, "/b/baton"),
    ({}, "/home/one/.cache/baton")])
def test_cache_folder(monkeypatch, environment, expected):
    for name in ("BATON_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/one", **environment}.items():
        monkeypatch.setenv(name, value)
    assert str(packages.cache_folder()) == expected


class Apt(packages.Apt):
    """Without a network: fails as often as it is told to, and then has what it is asked for."""

    def __init__(self, cache):
        super().__init__("arm64", cache)
        self.failures = {"update": 0, "download": 0}
        self.done = []

    def run(self, program, sources, *arguments, folder="."):
        if "depends" in arguments:
            return "  Depends: linux-image-6.1.0\n"
        if "--print-uris" in arguments:
            return "'http://mirror.example/k.deb' k.deb 5 SHA256:0\n"
        verb = "update" if "update" in arguments else "download"
        self.done.append(verb)
        if verb == "download":
            (self.root / folder / "k.deb").write_text("par" if self.failures[verb] else "whole")
        if self.failures[verb]:
            self.failures[verb] -= 1
            raise packages.PackageError("no route to the mirror")
        return ""


@pytest.fixture
def apt(tmp_path):
    return Apt(tmp_path)


def test_kernel_is_fetched_once(apt):
    for _ in range(2):
        assert apt.kernel("linux-image-arm64").read_text() == "whole"
    assert apt.done == ["update", "download"]


def test_half_a_kernel_is_none(apt):
    apt.failures["download"] = 2
    with pytest.raises(packages.PackageError):
        apt.kernel("linux-image-arm64")
    assert apt.kernel("linux-image-arm64").read_text() == "whole"


def test_lists_are_fetched_again_when_a_package_is_gone(apt):
    apt.kernel("linux-image-arm64").unlink()
    apt.done.clear()
    apt.failures["download"] = 1
    assert apt.kernel("linux-image-arm64").read_text() == "whole"
    assert apt.done == ["download", "update", "download"]


def test_old_lists_do_without_a_network(apt, capsys):
    apt.kernel("linux-image-arm64")
    os.utime(apt.root / "updated", (0, 0))
    apt.failures["update"] = 2
    assert apt.kernel("linux-image-arm64").read_text() == "whole"
    assert "going on with those of" in capsys.readouterr().err


def test_no_lists_at_all(apt):
    apt.failures["update"] = 9
    with pytest.raises(packages.PackageError, match="no route"):
        apt.kernel("linux-image-arm64")


@pytest.mark.parametrize("uart, status, expected", [
    (b"serial@7e215040", b"disabled", b"okay"), (b"serial@7e215040", b"okay", b"okay"), (b"serial@7e201000", b"disabled", b"disabled")])
def test_second_uart_is_switched_on(uart, status, expected):
    """And nothing behind it, nor the length of anything."""
    node = b"\0\0\0\1%s\0\0\0\0\3....%s\0\0\0\0\0\2"
    other = node % (b"spi@0", b"disabled")
    tree = node % (uart, status) + other
    found = enable_second_uart(tree)
    assert len(found) == len(tree) and found.endswith(other)
    assert found.split(b"....")[1].split(b"\0")[0] == expected
