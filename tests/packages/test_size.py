# SPDX-License-Identifier: Apache-2.0
"""What was recorded in docs/size.json holds, and the comparison can fail."""
import importlib.util
import json
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def size():
    spec = importlib.util.spec_from_file_location("size", TOP / "scripts/size.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sizes(baton=1000, program=1000):
    return {"packages": {"baton": baton}, "programs": {"batond": program}}


def test_no_growth(board):
    done = subprocess.run([TOP / "dev", "size", "--check", board.name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("new, words", [
    (sizes(1050, 1050), []),
    (sizes(500, 500), []),
    (sizes(1051), ["baton grew from 1000 to 1051 bytes"]),
    (sizes(program=1051), ["batond grew from 1000 to 1051 bytes"]),
])
def test_five_percent(size, new, words):
    found = list(size.faults("board", sizes(), new))
    assert len(found) == len(words) and all(word in fault for word, fault in zip(words, found))


def test_limit_and_unknown_board(size):
    large = sizes(400 * 1024 + 1)
    assert len(list(size.faults("board", large, large))) == 1
    assert "run ./dev size" in next(size.faults("board", None, sizes()))


def test_record_and_page_agree(size):
    record = json.loads(size.RECORD.read_text())
    assert set(size.BOARDS) <= set(record)
    assert size.table(record) in size.PAGE.read_text()
