# SPDX-License-Identifier: Apache-2.0
"""What a node costs at rest, in bytes: memory of its daemons, and what its disk is given in an idle hour and by a deploy."""
import copy
import dataclasses
import json

from .guest import CONFIG, IMAGE, LAYOUT, Guest, make_disk

# The guest's clock runs ahead while it has nothing to do: its hour takes half a minute here.
FAST = ("-icount", "shift=auto,sleep=off")
# A minimal node is an agent of a broker elsewhere.
EXTERNAL = 'user = "baton";\nbroker = { mode = "external"; host = "127.0.0.1"; };\n'
BROKER = {"etc/mosquitto.conf": "listener 1883 127.0.0.1\nallow_anonymous true\n",
          "etc/rig.start": "mosquitto -c /etc/mosquitto.conf 2>/run/rig/mosquitto.log &\n"}
MANIFEST = {"name": "shop", "services": {"web": {"image": IMAGE, "network_mode": "none",
                                                 "command": ["/bin/sh", "-c", "sleep 1000000 & wait"]}}}
DAEMONS = "$(cat /run/rig/batond.pid) $(pidof baton-control)"


def one_thread(base):
    """The same with an emulator of one thread: no other counts instructions."""
    single = copy.copy(base)
    single.board = dataclasses.replace(base.board, qemu=tuple(word.replace("thread=multi", "thread=single")
                                                              for word in base.board.qemu))
    return single


def memory(guest):
    """Of batond and baton-control: their own, and with their share of what they share with others."""
    guest.check("sleep 10")
    text = guest.check("for pid in %s; do cat /proc/$pid/smaps_rollup; done" % DAEMONS)
    rows = [line.split() for line in text.splitlines()]
    total = lambda *names: 1024 * sum(int(row[1]) for row in rows if row[0] in names)  # noqa: E731
    return {"private": total("Private_Clean:", "Private_Dirty:"), "proportional": total("Pss:")}


def written(guest):
    """What the disk was given, after all caches were."""
    return 512 * int(guest.check("sync; cat /sys/block/vda/stat").split()[6])


def deploy(guest):
    guest.check("baton image import %s; sleep 120" % LAYOUT)
    before = written(guest)
    guest.check("cat >/run/rig/m.json <<'END'\n%s\nEND\nbaton apply /run/rig/m.json; sleep 120" % json.dumps(MANIFEST))
    return written(guest) - before


def measure(base, folder, minimal):
    """Boots a guest of `base` with its disk and logs in `folder`."""
    text, config, broker = (BROKER, EXTERNAL, "127.0.0.1") if minimal else ({}, CONFIG, "")
    with Guest(one_thread(base), folder, text=text, config=config, broker=broker, disk=make_disk(folder / "disk"), qemu=FAST) as guest:
        guest.wait_online(1e6)
        found = {"memory": memory(guest), "written": {}}
        if not minimal:  # it takes a controller elsewhere to deploy something
            found["written"]["deploy"] = deploy(guest)
        before = written(guest)
        guest.check("sleep 3600", 600)
        found["written"]["idle hour"] = written(guest) - before
    return found
