# SPDX-License-Identifier: Apache-2.0
"""What is in the packages, for all architectures."""
import re
import stat
import subprocess

import pytest

LIMIT = 400 * 1024
MACHINES = {"amd64": "Advanced Micro Devices X86-64", "arm64": "AArch64", "armhf": "ARM"}
EXPECTED = {
    "baton": """
        etc/baton/baton.conf usr/bin/baton usr/sbin/batond usr/sbin/baton-control usr/lib/baton/baton-init
        usr/lib/baton/baton-unpack usr/lib/baton/runtimes/crun.so usr/lib/baton/runtimes/native.so
        usr/lib/systemd/system/batond.service usr/lib/sysusers.d/baton.conf usr/lib/tmpfiles.d/baton.conf
        usr/share/bash-completion/completions/baton usr/share/doc/baton/changelog.gz usr/share/doc/baton/copyright
        usr/share/lintian/overrides/baton""",
    "baton-image-formats": """
        usr/lib/baton/baton-unpack-formats usr/share/doc/baton-image-formats/changelog.gz
        usr/share/doc/baton-image-formats/copyright""",
}


def field(package, name):
    return subprocess.run(["dpkg-deb", "--field", package, name], check=True, capture_output=True, text=True).stdout.strip()


def depends(package):
    return {re.match(r"[a-z0-9.+-]+", one.strip()).group(0) for one in field(package, "Depends").split(",")}


@pytest.fixture(params=sorted(EXPECTED))
def package(board, request):
    return board.files[request.param]


def test_size(board):
    assert board.baton.stat().st_size <= LIMIT
    assert board.formats.stat().st_size <= LIMIT


def test_fields(board, package):
    assert field(package, "Architecture") == board.architecture
    assert field(package, "Package") == package.name.split("_")[0]
    assert field(package, "Section") == "admin"


def test_dependencies(board):
    """Those of the programs' libraries, from the architecture's own packages; libarchive only where it is read with."""
    wanted = {"libc6", "libcgroup2", "libconfig9", "libevent-core-2.1-7", "libjansson4", "liblua5.4-0", "libmosquitto1",
              "libseccomp2", "libssl3", "libyaml-0-2", "zlib1g", "systemd"}
    assert depends(board.baton) == wanted
    assert depends(board.formats) == {"baton", "libarchive13", "libc6", "libjansson4", "libseccomp2", "libssl3"}
    assert field(board.baton, "Recommends") == "mosquitto"
    assert re.search(r"baton \(= [0-9.]+\)", field(board.formats, "Depends"))


def test_files(package, tmp_path):
    listed = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True).stdout
    assert all(line.split()[1] == "root/root" for line in listed.splitlines())
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    files = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*") if path.is_file()}
    assert set(files) == set(EXPECTED[package.name.split("_")[0]].split())
    for name, path in files.items():
        program = path.read_bytes()[:4] == b"\x7fELF" and not name.endswith(".so")
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if program else 0o644), name


def test_programs(board, package, tmp_path):
    """Of the right machine, stripped, position independent, relocations read-only, no path of the build machine."""
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    programs = [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
    assert programs
    for path in programs:
        text = subprocess.run(["readelf", "-Whld", path], check=True, capture_output=True, text=True).stdout
        assert re.search(r"Machine:\s+(.*)", text).group(1) == MACHINES[board.architecture]
        sections = subprocess.run(["readelf", "-WS", path], check=True, capture_output=True, text=True).stdout
        assert ".debug_info" not in sections and ".symtab" not in sections, path
        assert b"/sysroot-" not in path.read_bytes()
        if path.name != "baton-init":  # linked with nothing, at a fixed address
            assert re.search(r"Type:\s+DYN", text) and "GNU_RELRO" in text and "BIND_NOW" in text, path
            assert "RUNPATH" not in text and "RPATH" not in text, path


def test_lintian(package):
    done = subprocess.run(["lintian", "--fail-on", "error", "--tag-display-limit", "0", package], capture_output=True,
                          text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if line.startswith("E:")]
    assert errors == [] and done.returncode == 0, done.stdout + done.stderr


# Every line of [Service]: what is added is inherited by all containers unless it is known not to be.
SERVICE = {"Type=exec", "ExecStart=/usr/sbin/batond", "Restart=always", "RestartSec=1", "TimeoutStopSec=20", "KillMode=process",
           "Delegate=yes", "OOMScoreAdjust=-500", "ProtectSystem=yes", "KeyringMode=private", "UMask=0077"}


def test_unit(board, tmp_path):
    subprocess.run(["dpkg-deb", "--extract", board.baton, tmp_path], check=True)
    unit = (tmp_path / "usr/lib/systemd/system/batond.service").read_text()
    section = unit.split("[Service]\n")[1].split("[Install]\n")[0].splitlines()
    assert {line for line in section if line and not line.startswith("#")} == SERVICE
    # The program of another architecture does not run here; all other lines must be known and right.
    copy = tmp_path / "batond.service"
    copy.write_text(unit.replace("ExecStart=/usr/sbin/batond", "ExecStart=/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "batond.service" not in done.stderr, done.stderr
