# SPDX-License-Identifier: Apache-2.0
"""What was recorded in docs/size.json holds, and the comparison can fail."""
import json
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "scripts"))

import size  # noqa: E402  (the path above makes it importable)


def sizes(baton=1000, program=1000):
    return {"packages": {"baton": baton}, "programs": {"batond": program}}


@pytest.mark.parametrize("board", size.BOARDS)
def test_no_growth(board):
    done = subprocess.run([TOP / "dev", "size", "--check", "--packages", board], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("board, rests", [("qemu-arm64", True), ("qemu-arm64-minimal", True), ("rpi3", False), ("rpi4", False),
                                          ("host", False)])
def test_boards_without_a_rig(monkeypatch, capsys, board, rests):
    """Their packages are measured, and it is said that nothing else is."""
    monkeypatch.setattr(sys, "argv", ["size", "--check", board])
    monkeypatch.setattr(size, "make_packages", lambda _: [])
    monkeypatch.setattr(size, "measure_rest", lambda *_: at_rest())
    with pytest.raises(SystemExit):
        size.main()
    said = capsys.readouterr()
    assert ("packages alone" in said.err) != rests and ("idle daemons" in said.out) == rests


def at_rest(private=1000, idle_hour=0):
    return {"memory": {"private": private}, "written": {"idle hour": idle_hour}}


@pytest.mark.parametrize("new, words", [
    (sizes(1050, 1050), []),
    (sizes(500, 500), []),
    (sizes(1051), ["baton grew from 1000 to 1051 bytes"]),
    (sizes(program=1051), ["batond grew from 1000 to 1051 bytes"]),
    (at_rest(1050), []),
    (at_rest(1051), ["private grew from 1000 to 1051 bytes"]),
    (at_rest(idle_hour=512), ["512 bytes, 0 are allowed", "idle hour grew from 0 to 512 bytes"]),
    ({"memory": {"proportional": 5}}, ["proportional is not in docs/size.json: run ./dev size"]),
])
def test_five_percent(new, words):
    found = list(size.faults("board", {**sizes(), **at_rest()}, new))
    assert len(found) == len(words) and all(word in fault for word, fault in zip(words, found))


@pytest.mark.parametrize("board, new", [
    ("board", sizes(400 * 1024 + 1)),
    ("board", at_rest(3 * size.MIB + 1)),
    ("board-minimal", at_rest(2 * size.MIB + 1)),
])
def test_limits(board, new):
    (fault,) = size.faults(board, new, new)
    assert "are allowed" in fault


def test_unknown_board():
    assert "run ./dev size" in next(size.faults("board", None, sizes()))


def test_record_and_page_agree():
    record = json.loads(size.RECORD.read_text())
    assert set(size.BOARDS) <= set(record)
    assert size.table(record) in size.PAGE.read_text()
