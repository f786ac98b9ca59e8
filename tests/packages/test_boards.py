# SPDX-License-Identifier: Apache-2.0
"""Board folders are complete and say nothing twice; sysroots lead nowhere else."""
import json
import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BOARDS = sorted(path.parent.name for path in TOP.glob("boards/*/defconfig"))
COMMON = {path.name for path in (TOP / "boards/common/files").iterdir()}


def kconfig(folder, *inputs):
    """The configuration that the inputs give, as a set of lines, or the faults as one text."""
    outputs = [folder / name for name in ("config", "header", "variables")]
    done = subprocess.run(["/usr/bin/python3", TOP / "scripts/kconfig.py", "--kconfig", TOP / "Kconfig",
                           *("--input=%s" % path for path in inputs), "--config", outputs[0], "--header", outputs[1],
                           "--cmake", outputs[2]], capture_output=True, text=True, check=False,
                          env={**os.environ, "srctree": str(TOP)})
    return set(outputs[0].read_text().splitlines()) if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("board", BOARDS)
def test_folder(board):
    folder = TOP / "boards" / board
    presets = json.loads((TOP / "CMakePresets.json").read_text())
    for kind in ("configurePresets", "buildPresets"):
        assert board in {preset["name"] for preset in presets[kind]}
    assert (folder / "board.cmake").exists() and "# " in (folder / "README.md").read_text()
    assert "(../boards/%s/README.md)" % board in (TOP / "docs/boards.md").read_text()
    for path in folder.glob("files/*"):
        assert path.name in COMMON and path.read_bytes() != (TOP / "boards/common/files" / path.name).read_bytes()


@pytest.mark.parametrize("board", [*BOARDS, "minimal"])
def test_only_what_differs(board, tmp_path):
    """Each line of a defconfig or fragment changes something."""
    path = TOP / "boards" / board / ("config" if board == "minimal" else "defconfig")
    empty = tmp_path / "empty"
    empty.touch()
    default = kconfig(tmp_path, empty)
    lines = [line for line in path.read_text().splitlines() if "CONFIG_" in line]
    assert lines
    for line in lines:
        assert line == 'CONFIG_BOARD="host"' or line not in default, line
    if board != "minimal":
        assert 'CONFIG_BOARD="%s"' % board in lines


def test_minimal_fits_every_board(tmp_path):
    for board in BOARDS:
        found = kconfig(tmp_path, TOP / "boards" / board / "defconfig", TOP / "boards/minimal/config")
        assert "# CONFIG_MQTT_TLS is not set" in found and 'CONFIG_BOARD="%s"' % board in found


@pytest.mark.parametrize("line, word", [
    ("CONFIG_NO_SUCH=y", "unknown symbol CONFIG_NO_SUCH"), ("CONFIG_BEAT_MS=1", "range 100 to 60000"),
    ("CONFIG_BEAT_MS", "not an assignment")])
def test_faults_of_every_input(tmp_path, line, word):
    """In the first input as well as in the last one; a later file may put an earlier one right."""
    wrong, right = tmp_path / "wrong", tmp_path / "right"
    wrong.write_text(line + "\n")
    right.write_text("CONFIG_BEAT_MS=500\n")
    assert word in kconfig(tmp_path, right, wrong)
    if "BEAT_MS=" in line:
        assert "CONFIG_BEAT_MS=500" in kconfig(tmp_path, wrong, right)
    else:
        assert word in kconfig(tmp_path, wrong, right)


@pytest.mark.parametrize("architecture", ["amd64", "arm64", "armhf"])
def test_sysroot(architecture):
    made = pathlib.Path(subprocess.run([TOP / "scripts/sysroot.sh", architecture], check=True, capture_output=True,
                                       text=True).stdout.strip())
    links = [path for path in made.rglob("*") if path.is_symlink()]
    assert links
    assert [path for path in links if os.readlink(path).startswith("/")] == []
    top = str(made.resolve()) + "/"
    assert [path for path in links if not os.path.normpath(path.parent.resolve() / os.readlink(path)).startswith(top)] == []
    again = subprocess.run([TOP / "scripts/sysroot.sh", architecture], check=True, capture_output=True, text=True)
    assert again.stdout.strip() == str(made) and again.stderr == ""


def test_sysroot_of_an_unknown_architecture():
    done = subprocess.run([TOP / "scripts/sysroot.sh", "sparc"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "usage:" in done.stderr
