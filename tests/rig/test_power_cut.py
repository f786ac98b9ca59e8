# SPDX-License-Identifier: Apache-2.0
"""
Power cuts. One boot is recorded down to single writes, and the disk is built as it is when the power goes at any of them,
with what the disk had in its cache partly lost; then QEMU itself is killed.
"""
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading
import time

import pytest

from cut_disk import DiskFault, dump_cut, recover
from power_state import BASE, DATA, Images, Judge, Orders, manifest, version_of
from rig.guest import Guest, GuestError, make_disk
from write_log import Marks, Recording

MEGABYTES = 48
CUTS = 200
MORE_CUTS = 1000
PROBES = 10
KILLS = 5
WORKERS = 2


@pytest.fixture(scope="module")
def rng():
    seed = int(os.environ.get("BATON_SEED") or random.SystemRandom().randrange(1 << 32))
    print("BATON_SEED=%d" % seed)
    return random.Random(seed)


@pytest.fixture(scope="module")
def folder(janitor):
    """In memory, and gone even when the run is killed."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="baton-cut-", dir="/dev/shm"))
    path.chmod(0o755)
    janitor.add("dir", str(path))
    yield path
    janitor.done("dir", str(path))


@pytest.fixture(scope="module")
def images(x86_64, folder):
    return Images(x86_64, folder / "images")


@pytest.fixture(scope="module")
def orders(images):
    """Everything that writes: first starts, updates, one back to an older document, a removal, a name that moves."""
    made = Orders(images)
    made.load("base", BASE)
    made.apply("shop", 1)
    made.apply("shop", 2, replicas=2)
    made.load("data-1", DATA)
    made.apply("side", 1)
    made.scale("shop", 3)
    made.load("data-2", DATA)
    made.save_broker()
    made.apply("shop", 1)
    made.remove("side")
    made.drop_image(DATA)
    made.apply("side", 2)
    return made


def boot(x86_64, folder, janitor, images, disk):
    guest = Guest(x86_64, folder, files=images.files(), disk=disk)
    janitor.add_pid(guest.process.pid)
    guest.wait_online()
    return guest


def record(guest, orders, marks):
    for number, command in enumerate(orders.commands):
        marks.take(2 * number + 1)
        guest.check(command)
        marks.take(2 * number + 2)


def record_probes(guest, first, marks):
    """The same small file written well and written badly."""
    guest.check("mkdir /var/lib/baton/probe; sync")
    for kind, before, after in (("careful", "sync new", "sync ."), ("careless", "", "")):
        for value in range(1, PROBES + 1):
            guest.check("cd /var/lib/baton/probe\necho %d >new\n%s\nmv new %s\n%s" % (value, before, kind, after))
            first += 1
            marks.take(first)


@pytest.fixture(scope="module")
def recording(x86_64, folder, janitor, images, orders):
    disk, base, log = (folder / name for name in ("disk", "base", "log"))
    make_disk(disk, MEGABYTES)
    shutil.copy(disk, base)
    log.touch()
    marks = Marks(log)
    guest = boot(x86_64, folder, janitor, images, [
        "-blockdev", "driver=file,node-name=plain,filename=%s" % disk,
        "-blockdev", "driver=file,node-name=log,filename=%s" % log,
        "-blockdev", "driver=blklogwrites,node-name=disk,file=plain,log=log,log-sector-size=512"])
    try:
        record(guest, orders, marks)
        record_probes(guest, 2 * len(orders.commands), marks)
        guest.power_off()
    finally:
        guest.kill()
    made = Recording(base, marks, MEGABYTES << 20)
    print("%d requests, %d flushes, marks at %s" % (len(made.entries), made.flushes(), sorted(made.marks.values())))
    yield made
    disk.unlink()


def each_cut(recording, cuts, rng, folder, check):
    """Calls check(cut, files) for the files of each disk; returns what was wrong as a list of texts."""
    room = threading.Semaphore(2 * WORKERS)  # each disk is held in memory

    def one(cut, disk, description):
        work = pathlib.Path(tempfile.mkdtemp(prefix="cut-%d-" % cut, dir=folder))
        work.chmod(0o755)
        try:
            check(cut, dump_cut(disk, work))
        except AssertionError as fault:
            return "cut at request %d, mark %d, %s: %s" % (cut, recording.last_mark(cut), description, fault)
        finally:
            room.release()
            shutil.rmtree(work)
        return None

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        running = []
        for disk in recording.disks(cuts, rng):
            room.acquire()  # pylint: disable=consider-using-with  (released by one())
            running.append(pool.submit(one, *disk))
        return [fault for fault in (future.result() for future in running) if fault]


def judge_cuts(number, recording, orders, rng, folder, build, janitor, images):
    # As many cuts in each order as in any other: some write little, and have as much to lose.
    bounds = [0, *(recording.marks[mark] for mark in range(1, 2 * len(orders.commands) + 1))]
    spans = list(zip(bounds, bounds[1:]))
    cuts = [rng.randint(*spans[one % len(spans)]) for one in range(number)]

    def check(cut, files):
        Judge(build, janitor, images, files, orders.allowed(recording.last_mark(cut))).judge()
    faults = each_cut(recording, cuts, rng, folder, check)
    assert not faults, "%d of %d cuts:\n%s" % (len(faults), number, "\n".join(faults[:8]))


@pytest.mark.timeout(600)
def test_power_cut_at_any_write(recording, orders, rng, folder, build, janitor, images):
    judge_cuts(CUTS, recording, orders, rng, folder, build, janitor, images)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_power_cut_at_many_writes(recording, orders, rng, folder, build, janitor, images):
    judge_cuts(MORE_CUTS, recording, orders, rng, folder, build, janitor, images)


def probe_faults(kind, recording, orders, rng, folder):
    first = 2 * len(orders.commands) + (PROBES if kind == "careless" else 0)
    start, end = recording.marks[first + 1], recording.marks[first + PROBES]

    def check(cut, files):
        acknowledged = min(max(recording.last_mark(cut) - first, 0), PROBES)
        path = files / "probe" / kind
        text = path.read_text(encoding="ascii") if path.exists() else ""
        if acknowledged and text not in ("%d\n" % acknowledged, "%d\n" % (acknowledged + 1)):
            raise DiskFault("%r instead of %d" % (text, acknowledged))
    return each_cut(recording, [rng.randrange(start, end + 1) for _ in range(25)], rng, folder, check)


def test_a_writer_without_fsync_is_found(recording, orders, rng, folder):
    """The same program with and without fsync: only the one without loses what it acknowledged."""
    assert probe_faults("careful", recording, orders, rng, folder) == []
    assert probe_faults("careless", recording, orders, rng, folder) != []


def cut_layer(files):
    next((files / "images/layers").rglob("busybox")).write_bytes(b"half")


def lose_name(files):
    next((files / "images/refs").iterdir()).unlink()


def lose_revision(files):
    next((files / "control/agent/revisions").iterdir()).unlink()


def old_assignment(files):
    (files / "control/agent/desired.json").write_text('{"term":1,"revision":1,"instances":[]}', encoding="ascii")


def lose_journal(files):
    """And the broker's copy: only then is it lost."""
    shutil.rmtree(files / "broker")
    shutil.rmtree(files / "control/controller")


@pytest.mark.parametrize("damage", [cut_layer, lose_name, lose_revision, old_assignment, lose_journal])
def test_the_judge_finds(damage, recording, orders, rng, folder, build, janitor, images):
    mark = 2 * len(orders.commands)

    def check(_, files):
        judge = Judge(build, janitor, images, files, orders.allowed(mark))
        damage(files)
        judge.judge()
    assert len(each_cut(recording, [recording.marks[mark]], rng, folder, check)) == 1


# ---- real kills ----

# Padded, because the host sees all but the last bytes of the output while the script runs.
LOOP = """
n=%d
pad=$(printf '%%064d')
while true; do
    n=$((n + 1))
    echo "begin $n $pad"
    sed "s/NUMBER/$n/" /run/rig/loop.json >/run/rig/m.json
    baton apply /run/rig/m.json >/dev/null || exit
    echo "done $n $pad"
    baton image import /images/data-$((n %% 2 + 1)) >/dev/null || exit
done"""


def kill_in_loop(guest, last, seconds):
    """Kills QEMU while updates run; returns the number of the last update that was acknowledged, and of the last begun."""
    output = []
    guest.check("cat >/run/rig/loop.json <<'END'\n%s\nEND" % json.dumps(manifest("shop", "NUMBER")))
    timer = threading.Timer(seconds, guest.process.kill)
    timer.start()
    try:
        result = guest.run(LOOP % last, 120, output.append)
        raise AssertionError("the loop ended: %s" % result.output)
    except GuestError:
        pass
    finally:
        timer.cancel()
        guest.kill()
    words = b"".join(output).decode().split()
    done, begun = ([int(words[i + 1]) for i, word in enumerate(words[:-1]) if word == kind] for kind in ("done", "begin"))
    return max(done, default=last), max(begun, default=last)


def check_disk(disk, folder):
    copy = folder / "copy"
    subprocess.run(["cp", "--sparse=always", disk, copy], check=True)
    recover(copy)
    copy.unlink()


def version_after_boot(guest):
    """Waits until the instance runs; returns the version that it is of."""
    deadline = time.monotonic() + 60
    while '"1 of 1 instances run"' not in guest.run("baton status -o json shop").output:
        assert time.monotonic() < deadline, guest.run("baton status shop").output + guest.log_tail()
        time.sleep(0.2)
    instances = json.loads(guest.check("baton ps -o json"))["instances"]
    assert [one["state"] for one in instances] == ["running"], instances
    topic = "mosquitto_sub --unix /run/baton/broker.sock -V 5 -C 1 -W 30 -t baton/v1/apps/shop/desired"
    return int(version_of(json.loads(guest.check(topic))))


@pytest.mark.timeout(600)
def test_kills_of_qemu(x86_64, folder, janitor, images, rng):
    disk = folder / "killed"
    make_disk(disk, MEGABYTES)
    guest = boot(x86_64, folder, janitor, images, disk)
    try:
        guest.check("baton image import /images/base; baton image import /images/data-1")
        # A kill that comes before the loop has changed anything finds this one.
        guest.check("cat >/run/rig/m.json <<'END'\n%s\nEND\nbaton apply /run/rig/m.json" % json.dumps(manifest("shop", 0)))
        last = acknowledged = 0
        for _ in range(KILLS):
            done, begun = kill_in_loop(guest, last, rng.uniform(1.0, 9.0))
            acknowledged += done - last
            check_disk(disk, folder)
            guest = boot(x86_64, folder, janitor, images, disk)
            last = version_after_boot(guest)
            assert done <= last <= begun
            listed = {one["name"]: one["digest"] for one in json.loads(guest.check("baton image ls -o json"))["images"]}
            assert listed["docker.io/" + BASE] == images.digests["base"]
            assert listed["docker.io/" + DATA] in (images.digests["data-1"], images.digests["data-2"])
        assert acknowledged > 0, "no update was acknowledged before a kill: nothing was at stake"
    finally:
        guest.kill()
