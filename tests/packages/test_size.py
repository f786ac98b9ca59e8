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


def test_no_growth(board):
    done = subprocess.run([TOP / "dev", "size", "--check", "--packages", board.name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


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
