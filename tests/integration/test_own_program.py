# SPDX-License-Identifier: Apache-2.0
"""The program file of the daemon, which /proc/self/exe of a container's first instant leads to (CVE-2019-5736)."""
import os
import platform
import re
import shutil

import pytest
from image_maker import Layout, config_of, directory, entry, layer

# Where programs of this machine look for their loader.
LOADERS = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}


@pytest.fixture
def attack(build, tmp_path):
    """An image that runs the daemon's own program file, with a loader that looks what can be done to it."""
    source = build / "tests/loader"
    if not source.exists() or platform.machine() not in LOADERS:
        pytest.skip("this build has no static programs: loader")
    loader = LOADERS[platform.machine()]
    layout = Layout(tmp_path / "layout")
    layers = [layer(directory(os.path.dirname(loader)), directory("proc"), directory("dev"), directory("sys"),
                    entry(loader, source.read_bytes(), mode=0o755))]
    layout.image(layers, name="test/attack:1", config=config_of(layers, {"Entrypoint": ["/proc/self/exe"]}))
    return layout.path


def test_a_container_can_not_write_the_daemons_program(fleet, node, attack):
    node.baton("image", "import", str(attack))
    fleet.apply({"name": "shop", "services": {"web": {"image": "test/attack:1", "network_mode": "none", "restart": "no"}}})
    name = fleet.client.wait(lambda: next((item["id"] for item in node.reported()["instances"]
                                           if item["state"] in ("exited", "failed")), None), 20, "the end")
    words = re.findall(r"protected|exposed|unreadable", node.baton("logs", name).stdout)
    assert words == ["protected"]


def test_the_program_may_be_replaced_while_it_runs(build, fleet):
    """An upgrade renames a new file over the old one; the mount of the daemon must not be in its way."""
    folder = fleet.folder / "bin"
    folder.mkdir(mode=0o755)
    for name in ("batond", "baton-control"):
        shutil.copy2(build / "bin" / name, folder / name)
    first = fleet.start_node("n2", program=folder / "batond")
    before = os.stat("/proc/%d/exe" % first.process.pid).st_ino
    shutil.copy2(build / "bin/batond", folder / "new")
    os.replace(folder / "new", folder / "batond")
    assert os.stat("/proc/%d/exe" % first.process.pid).st_ino == before
    first.kill()
    first.start().wait_online()
    assert os.stat("/proc/%d/exe" % first.process.pid).st_ino != before
