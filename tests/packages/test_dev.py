# SPDX-License-Identifier: Apache-2.0
"""What ./dev and its scripts owe those who start them: no half results, no files of root, an end when it is asked for."""
import os
import pathlib
import shutil
import subprocess
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent


def test_packages_are_whole_at_any_time(boards):
    """Two make them at once while a third reads."""
    package = boards("qemu-x86_64").baton
    making = [subprocess.Popen([TOP / "dev", "package", "qemu-x86_64"], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    while any(one.poll() is None for one in making):
        subprocess.run(["dpkg-deb", "--info", package], check=True, stdout=subprocess.DEVNULL)
        time.sleep(0.01)
    for one in making:
        assert str(package) in one.communicate()[0].split() and one.returncode == 0
    assert {path.suffix for path in package.parent.iterdir()} == {".deb"}


@pytest.mark.parametrize("user", [0, 12345])
def test_what_root_makes_is_given_back(tmp_path, user):
    for name in ("scripts", "build", "cache"):
        (tmp_path / name).mkdir()
    shutil.copy(TOP / "scripts/as-root.sh", tmp_path / "scripts")
    (tmp_path / "build/link").symlink_to("/etc/passwd")
    done = subprocess.run([tmp_path / "scripts/as-root.sh", "sh", "-c", 'touch "$0/build/made" "$BATON_CACHE/made"; exit 7', tmp_path],
                          env={**os.environ, "SUDO_UID": str(user), "SUDO_GID": str(user), "BATON_CACHE": str(tmp_path / "cache")},
                          check=False)
    assert done.returncode == 7
    assert [(tmp_path / name).stat().st_uid for name in ("build/made", "cache/made")] == [user] * 2
    assert os.stat("/etc/passwd").st_uid == 0


@pytest.mark.parametrize("script, program, arguments, later", [
    ("test.sh", "ctest", ["build", "tests/packages/test_dev.py::test_none"], "passed,"), ("check.sh", "clang-format", [], "layers")])
def test_asked_to_end(tmp_path, script, program, arguments, later):
    """A signal ends the whole run, not only the program of the moment."""
    (tmp_path / program).write_text("#!/bin/sh\nkill -TERM $PPID\nexit 1\n")
    (tmp_path / program).chmod(0o755)
    done = subprocess.run([TOP / "scripts" / script, *arguments], capture_output=True, text=True, check=False,
                          env={**os.environ, "PATH": "%s:%s" % (tmp_path, os.environ["PATH"]), "TMPDIR": str(tmp_path)})
    assert done.returncode == 143 and later not in done.stdout, done.stdout
    assert [path.name for path in tmp_path.iterdir()] == [program]
