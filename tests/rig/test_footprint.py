# SPDX-License-Identifier: Apache-2.0
"""What a node costs at rest: memory of its daemons, and bytes written to its disk in an idle hour and by a deploy.

Compared with docs/size.json, where `./dev size` (with BATON_RECORD=1) keeps what was found.
"""
import json
import os
import pathlib

import pytest

from rig.guest import make_disk
from rig_node import manifest, service

RECORD = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/size.json"
GROWTH = 1.05
MIB = 1 << 20
LIMITS = {"qemu-arm64": (3 * MIB, 7 * MIB), "qemu-arm64-minimal": (2 * MIB, 5 * MIB)}  # private, proportional
EXTERNAL = 'user = "baton";\nbroker = { mode = "external"; host = "127.0.0.1"; };\n'
BROKER = {"etc/mosquitto.conf": "listener 1883 127.0.0.1\nallow_anonymous true\n",
          "etc/rig.start": "mosquitto -c /etc/mosquitto.conf 2>/run/rig/mosquitto.log &\n"}
# The guest's clock runs ahead while it has nothing to do: its hour takes half a minute here.
FAST = ["-icount", "shift=auto,sleep=off"]


def memory(node):
    """Bytes of batond and baton-control: their own, and with their share of what they share."""
    node.sh("sleep 10")
    text = node.sh("for pid in $(cat /run/rig/batond.pid) $(pidof baton-control); do cat /proc/$pid/smaps_rollup; done")
    rows = [line.split() for line in text.splitlines()]
    total = lambda *names: 1024 * sum(int(row[1]) for row in rows if row[0] in names)  # noqa: E731
    return {"private": total("Private_Clean:", "Private_Dirty:"), "proportional": total("Pss:")}


def written(node):
    """Bytes that the disk was given, after all caches were."""
    return 512 * int(node.sh("sync; cat /sys/block/vda/stat").split()[6])


def measure(node, deploys):
    node.guest.wait_online(1e6)
    found = {"memory": memory(node), "written": {}}
    if deploys:
        node.import_image()
        node.sh("sleep 120")
        before = written(node)
        node.apply(manifest("shop", web=service("sleep 1000000 & wait")))
        node.sh("sleep 120")
        found["written"]["deploy"] = written(node) - before
    before = written(node)
    node.sh("sleep 3600", 600)
    found["written"]["idle hour"] = written(node) - before
    return found


@pytest.mark.parametrize("preset", sorted(LIMITS))
def test_footprint(bases, images, boot, tmp_path, preset):
    base = bases("qemu-arm64", preset)
    minimal = preset.endswith("-minimal")
    options = {"config": EXTERNAL, "text": BROKER, "broker": "127.0.0.1"} if minimal else {}
    node = boot(base, disk=make_disk(tmp_path / "disk"), qemu=FAST, **options)
    found = measure(node, deploys=not minimal)
    print(json.dumps(found))
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    if os.environ.get("BATON_RECORD"):
        record.setdefault(preset, {}).update(found)
        RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    private, proportional = LIMITS[preset]
    assert found["written"]["idle hour"] == 0
    assert found["memory"]["private"] <= private and found["memory"]["proportional"] <= proportional
    for kind in ("memory", "written"):
        for name, value in found[kind].items():
            assert value <= record[preset][kind][name] * GROWTH, (kind, name, value, record[preset][kind][name])
