# SPDX-License-Identifier: Apache-2.0
"""A profile is compiled by a child, once: nobody waits for it but those who asked for it."""
import time

RUNTIMES = ["native"]
TIMES = 70  # that often the same rules: libseccomp needs a second or so for them


def light(number):
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": number}]}


def heavy(runtime):
    rules = runtime.generated().linux["seccomp"]["syscalls"]
    names = [name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]]
    return {"defaultAction": "SCMP_ACT_LOG", "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}] * TIMES}


def later_create(runtime, host, name, profile, words=""):
    bundle = runtime.bundle()
    bundle.sh("echo ran")
    if profile:
        bundle.linux["seccomp"] = profile
    assert host("later create %s %s stdout=%s %s %s" % (name, bundle.write(False), runtime.folder / (name + ".out"),
                                                        runtime.group.words(), words))["ok"]


def join(host):
    return [result.get("code", "ok") for result in host.ok("join")["results"]]


def finish(runtime, host, name):
    host.ok("start " + name)
    assert host.ok("wait " + name)["exit"] == 0
    host.ok("delete " + name)
    assert runtime.output(name + ".out") == "ran\n"


def test_others_do_not_wait(runtime, host):
    began = time.monotonic()
    later_create(runtime, host, "slow", heavy(runtime))
    assert host.ok("state slow")["state"] == "creating"
    other = runtime.bundle()
    other.sh("echo ran")
    assert runtime.run(other, host, "other")[1] == "ran\n"
    meanwhile = time.monotonic() - began
    assert join(host) == ["ok"]
    assert meanwhile < (time.monotonic() - began) / 2
    finish(runtime, host, "slow")


def test_many_that_wait(runtime, host):
    """Of two profiles and a bad one: it harms nobody else."""
    profiles = [light(1), light(2), light(1), {"defaultAction": "SCMP_ACT_TRACE"}, light(2), light(1)]
    for number, profile in enumerate(profiles):
        later_create(runtime, host, "c%d" % number, profile)
    assert join(host) == ["ok", "ok", "ok", "EINVAL", "ok", "ok"]
    for number in (0, 1, 2, 4, 5):
        finish(runtime, host, "c%d" % number)
    host.fails("state c3", "ENOENT")
    # From memory now: no child is needed.
    later_create(runtime, host, "again", light(2))
    assert join(host) == ["ok"]
    finish(runtime, host, "again")


def test_deadline(runtime, host):
    """Of the one that asked first; the other one's profile is compiled again."""
    later_create(runtime, host, "first", heavy(runtime), "deadline=100")
    later_create(runtime, host, "second", heavy(runtime))
    later_create(runtime, host, "third", light(3))
    assert join(host) == ["ETIMEDOUT", "ok", "ok"]
    host.fails("state first", "ENOENT")
    finish(runtime, host, "second")
    finish(runtime, host, "third")


def test_close(runtime, host):
    for name in ("a", "b"):
        later_create(runtime, host, name, heavy(runtime))
    host.ok("reopen")
    assert join(host) == ["ECANCELED", "ECANCELED"]
    for name in ("a", "b"):
        host.fails("state " + name, "ENOENT")
    later_create(runtime, host, "c", light(1))
    assert join(host) == ["ok"]
    finish(runtime, host, "c")
