#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""./dev bench [NAME]: medians of one run on this machine, as ratios to a floor that the same run measures.

Absolute times mean nothing on a noisy machine; a ratio to what the kernel alone needs does. Every bench prints a
table and writes RESULTS/NAME.json: a list of {name, value, unit, baseline, ratio, target, ok}.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness.janitor import Janitor  # noqa: E402
from harness.node import Fleet  # noqa: E402

KIB = 1024


def row(name, value, unit, target=None, baseline=None, ratio_target=None):
    """One result; `target` is an upper limit of the value, `ratio_target` one of value / baseline."""
    ratio = value / baseline if baseline else None
    limit = ratio_target if ratio_target is not None else target
    measured = ratio if ratio_target is not None else value
    return {"name": name, "value": round(value, 3), "unit": unit, "baseline": round(baseline, 3) if baseline else None,
            "ratio": round(ratio, 2) if ratio else None, "target": limit,
            "ok": None if limit is None else measured <= limit}


def smaps(pid):
    """(private, pss) of a process in KiB."""
    private = pss = 0
    with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as rollup:
        for line in rollup:
            fields = line.split()
            if fields[0] in ("Private_Clean:", "Private_Dirty:"):
                private += int(fields[1])
            elif fields[0] == "Pss:":
                pss += int(fields[1])
    return private, pss


def written(pid):
    """Bytes that a process caused to be sent to storage."""
    with open("/proc/%d/io" % pid, encoding="ascii") as counters:
        return next(int(line.split()[1]) for line in counters if line.startswith("write_bytes"))


def stamp_image(fleet, build):
    """An image whose only program is the time stamp."""
    layout = fleet.folder / "stamp-image"
    subprocess.run([str(HERE.parent.parent / "scripts/make-image.sh"), "bench/stamp:1", str(layout),
                    "cp %s stamp" % (build / "tests/bench_stamp")], check=True, stdout=subprocess.DEVNULL)
    return layout


def stamp_manifest(number, replicas=1):
    return {"name": "bench", "services": {"stamp": {
        "image": "bench/stamp:1", "command": ["/stamp"], "network_mode": "none", "scale": replicas,
        "stop_signal": "SIGKILL", "stop_grace_period": "0s", "environment": {"NUMBER": str(number)}}}}


def bench_start(context):
    """Plugin request to the first instruction, against a loop of clone3 + the same mounts + pivot_root + exec."""
    tests = context.build / "tests"
    stamp, runtimes = str(tests / "bench_stamp"), str(context.build / "lib/baton/runtimes")

    def measure(*command):
        return json.loads(subprocess.check_output(command, text=True))["exec_ms"]
    floor = measure(str(tests / "start_floor"), stamp)
    rows = [row("kernel floor: clone3, mounts, pivot_root, exec", floor, "ms")]
    for name, target in (("native", 2.5), ("crun", None)):
        value = measure(str(tests / "plugin_start"), stamp, runtimes, name)
        rows.append(row(name + ": create request to first instruction", value, "ms", baseline=floor, ratio_target=target))
    return rows


def bench_publish(context):
    """Publication of a manifest to the first instruction of its container, image present."""
    fleet = context.fleet()
    node = fleet.start_node("n1", log_level="warning")
    node.baton("image", "import", str(stamp_image(fleet, context.build)))
    times = []
    for number in range(60):
        published = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        fleet.apply(stamp_manifest(number))
        found = fleet.wait_running("bench", 1, condition=lambda item, n=number: item["id"] not in seen(times))[0]
        text = ""
        while not text.strip():
            text = (node.run / "logs" / found["id"] / "current").read_text(encoding="ascii")
        stamp = int(text.split()[-1])
        times.append((found["id"], (stamp - published) / 1e6))
        fleet.remove("bench")
        fleet.client.wait(lambda: not fleet.instances("bench") and not fleet.client.topics.get("apps/bench/status"))
    values = [value for _, value in times[5:]]
    join = join_v1_groups(fleet)
    return [row("publish to first instruction, median", statistics.median(values), "ms"),
            row("publish to first instruction, 90th percentile", statistics.quantiles(values, n=10)[8], "ms"),
            row("of it, the kernel's join of the v1 control groups (0 on a v2 host)", join, "ms"),
            row("publish to first instruction, without that join", statistics.median(values) - join, "ms", target=15)]


def join_v1_groups(fleet):
    """What the kernel takes to move a process into a group of each v1 hierarchy: it waits for RCU. v2 has clone3 for it."""
    wanted = {"memory", "cpu", "pids", "devices", "cpuacct"}
    with open("/proc/self/mounts", encoding="ascii", errors="replace") as mounts:
        roots = [fields[1] for fields in map(str.split, mounts)
                 if fields[2] == "cgroup" and wanted & set(fields[3].split(","))]
    name = "baton-test-%d-join" % os.getpid()
    fleet.janitor.add("cgroup", name)
    groups = [pathlib.Path(root, name) for root in roots]
    times = []
    for group in groups:
        group.mkdir()
    for _ in range(20 if groups else 0):
        time.sleep(0.3)  # as between two manifests: the next one waits for a grace period again
        process = subprocess.Popen(["sleep", "5"])
        began = time.monotonic()
        for group in groups:
            (group / "cgroup.procs").write_text(str(process.pid))
        times.append((time.monotonic() - began) * 1e3)
        process.kill()
        process.wait()
    for group in groups:
        group.rmdir()
    fleet.janitor.done("cgroup", name)
    return statistics.median(times) if times else 0


def seen(times):
    return {name for name, _ in times}


def bench_memory(context):
    """Idle memory of batond + baton-control in both roles with one app, beside empty programs with the same libraries."""
    floors = []
    for program in ("bench_empty_batond", "bench_empty_control"):
        process = subprocess.Popen([str(context.build / "tests" / program)], stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        floors.append(smaps(process.pid))
        process.kill()
        process.wait()
    fleet = context.fleet()
    node = fleet.start_node("n1", log_level="warning")
    node.baton("image", "import", str(stamp_image(fleet, context.build)))
    fleet.apply(stamp_manifest(0))
    fleet.wait_running("bench", 1)
    time.sleep(3)
    pids = [node.process.pid, node.control_pid()]
    idle = [smaps(pid) for pid in pids]
    fleet.apply(stamp_manifest(0, replicas=51))
    fleet.wait_running("bench", 51, timeout=120)
    time.sleep(3)
    loaded = [smaps(pid) for pid in pids]
    private, pss = sum(item[0] for item in idle), sum(item[1] for item in idle)
    floor_private, floor_pss = sum(item[0] for item in floors), sum(item[1] for item in floors)
    return [row("idle private memory, both daemons", private / KIB, "MiB", target=3, baseline=floor_private / KIB),
            row("idle PSS, both daemons", pss / KIB, "MiB", target=7, baseline=floor_pss / KIB),
            row("private memory of each further instance", (sum(item[0] for item in loaded) - private) / 50, "KiB",
                target=64)]


def bench_boot(context):
    """Start of batond to `presence: online`, broker already up."""
    fleet = context.fleet()
    node = fleet.add_node("n1", log_level="warning")
    values = []
    for _ in range(15):
        with fleet.client.changed:
            start = len(fleet.client.history)
        began = time.monotonic()
        node.start()

        def online(start=start):
            return next((when for when, topic, payload in fleet.client.history[start:]
                         if topic == "nodes/n1/presence" and b'"online"' in payload), None)
        values.append((fleet.client.wait(online) - began) * 1000)
        node.kill(15)
        fleet.client.wait(lambda: (fleet.client.json("nodes/n1/presence") or {}).get("state") == "offline")
    return [row("batond start to presence online, median", statistics.median(values), "ms", target=60)]


def bench_idle(context):
    """Bytes written to disk in 60 idle seconds: daemons, embedded broker, one running app."""
    fleet = context.fleet()
    node = fleet.add_node("n1", log_level="warning", broker={"mode": "embedded", "socket": str(fleet.folder / "own.sock")})
    fleet.stop_broker()
    fleet.client.close()
    fleet.client = None
    fleet.socket = fleet.folder / "own.sock"
    node.start()
    fleet.connect()
    node.wait_online()
    node.baton("image", "import", str(stamp_image(fleet, context.build)))
    fleet.apply(stamp_manifest(0))
    fleet.wait_running("bench", 1)
    time.sleep(15)  # the broker saves retained state once, 10 s after the last change
    with open("/proc/%d/task/%d/children" % (node.process.pid, node.process.pid), encoding="ascii") as kids:
        pids = [node.process.pid] + [int(pid) for pid in kids.read().split()]
    before = {pid: written(pid) for pid in pids}
    times = {str(path): path.stat().st_mtime_ns for path in node.root.rglob("*")}
    time.sleep(60)
    total = sum(written(pid) - before[pid] for pid in pids)
    changed = [str(path) for path in node.root.rglob("*") if times.get(str(path)) != path.stat().st_mtime_ns]
    return [row("bytes written in 60 idle seconds", total, "B", target=0),
            row("files below ROOT changed in 60 idle seconds", len(changed), "files", target=0)]


BENCHES = {"start": bench_start, "publish": bench_publish, "memory": bench_memory, "boot": bench_boot,
           "idle": bench_idle}


class Context:
    """What a bench gets: the build, and private fleets that are closed after it."""

    def __init__(self, build, janitor):
        self.build, self.janitor, self.fleets = build, janitor, []

    def fleet(self):
        self.fleets.append(Fleet(self.build, self.janitor))
        return self.fleets[-1]

    def close(self):
        for fleet in self.fleets:
            fleet.close()


def print_table(name, rows):
    print("\n%s" % name)
    for item in rows:
        against = "  = %.2f x floor of %.3f" % (item["ratio"], item["baseline"]) if item["ratio"] else ""
        limit = "" if item["target"] is None else "  (target %s: %s)" % (item["target"], "ok" if item["ok"] else "MISSED")
        print("  %-52s %10.3f %-5s%s%s" % (item["name"], item["value"], item["unit"], against, limit))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of " + ", ".join(BENCHES))
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--results", type=pathlib.Path, required=True)
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        sys.exit("bench: no bench \"%s\"; there are %s" % (unknown[0], ", ".join(BENCHES)))
    options.results.mkdir(parents=True, exist_ok=True)
    janitor = Janitor()
    missed = 0
    try:
        for name in options.names or BENCHES:
            context = Context(options.build.resolve(), janitor)
            try:
                rows = BENCHES[name](context)
            finally:
                context.close()
            print_table(name, rows)
            missed += sum(1 for item in rows if item["ok"] is False)
            (options.results / (name + ".json")).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    finally:
        janitor.close()
    print("\n%d targets missed" % missed)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
