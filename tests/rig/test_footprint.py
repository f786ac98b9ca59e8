# SPDX-License-Identifier: Apache-2.0
"""What a node costs at rest, compared with docs/size.json, which `./dev size` writes."""
import json

import pytest

import size
from rig.footprint import measure


QUICK = ("qemu-arm64", "qemu-arm64-minimal")


@pytest.mark.parametrize("preset", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in size.BOARDS])
def test_footprint(bases, tmp_path, preset):
    found = measure(bases(size.rig_of(preset), preset), tmp_path, minimal=preset != size.rig_of(preset))
    print(json.dumps(found))
    record = json.loads(size.RECORD.read_text(encoding="utf-8"))
    assert list(size.faults(preset, record[preset], found)) == []
