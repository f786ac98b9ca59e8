# SPDX-License-Identifier: Apache-2.0
"""Verbs that are called before the last one was answered, and hosts that die in between."""
import os
import pathlib
import signal
import time

import pytest

from conformance_bundle import mount

SLEEP = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"


def bundle_of(runtime, script):
    bundle = runtime.bundle()
    bundle.sh(script)
    return bundle


def create_line(runtime, bundle, name="c"):
    return "later create %s %s stdout=%s %s" % (name, bundle.write(), runtime.folder / (name + ".out"),
                                                runtime.group.words())


def later(host, line):
    """Calls the verb; its answer comes from join, whether it was accepted or not."""
    host("later " + line)


def join(host):
    return host.ok("join")["results"]


def codes(results):
    return [result.get("code", "ok") for result in results]


def end(runtime, host, name="c"):
    """Whatever became of the container, it can be taken away, and its id is free then."""
    state = host("state " + name)
    if state["ok"]:
        host("kill %s 9" % name)
        if state["pid"]:
            host.ok("wait " + name)
        runtime.wait_for(lambda: host.ok("state " + name)["state"] == "stopped")
        host.ok("delete " + name)
    else:
        assert state["code"] == "ENOENT", state
    runtime.wait_for(lambda: not any(runtime.group.members().values()))
    host.fails("state " + name, "ENOENT")


def test_two_creates_of_one_id(runtime, host):
    for _ in range(2):
        host(create_line(runtime, bundle_of(runtime, "echo ran")))
    results = join(host)
    assert sorted(codes(results)) == ["EEXIST", "ok"], results
    winner = [result for result in results if result["ok"]][0]
    assert host.ok("state c")["pid"] == winner["pid"]
    host.ok("start c")
    assert host.ok("wait c")["exit"] == 0
    host.ok("delete c")
    assert runtime.output("c.out") == "ran\n"


def test_creates_of_many_ids(runtime, host):
    names = ["c%d" % number for number in range(6)]
    for name in names:
        host(create_line(runtime, bundle_of(runtime, "echo " + name), name))
    assert codes(join(host)) == ["ok"] * len(names)
    for name in reversed(names):
        later(host, "start " + name)
    assert codes(join(host)) == ["ok"] * len(names)
    for name in names:
        assert host.ok("wait " + name)["exit"] == 0
        later(host, "delete " + name)
    assert codes(join(host)) == ["ok"] * len(names)
    assert [runtime.output(name + ".out") for name in names] == [name + "\n" for name in names]


@pytest.mark.parametrize("verb,allowed", [
    ("delete c", ("EBUSY", "ENOENT")), ("start c", ("EINVAL", "ENOENT")), ("state c", ("ok", "ENOENT"))])
def test_verb_while_it_is_created(runtime, host, verb, allowed):
    """The create is not harmed."""
    host(create_line(runtime, bundle_of(runtime, "echo ran")))
    later(host, verb)
    created, other = join(host)
    assert created["ok"], created
    assert other.get("code", "ok") in allowed and other.get("state", "creating") in ("creating", "created"), other
    assert host.ok("state c")["state"] == "created"
    host.ok("start c")
    assert host.ok("wait c")["exit"] == 0
    host.ok("delete c")


@pytest.mark.parametrize("pause", [0, 0.002, 0.1])
def test_kill_and_delete_while_it_is_created(runtime, host, pause):
    """Its process may be dead before anybody has heard of it: every verb is answered all the same."""
    host(create_line(runtime, bundle_of(runtime, "echo ran")))
    time.sleep(pause)
    later(host, "kill c 9")
    time.sleep(pause)
    later(host, "delete c")
    created, killed, deleted = join(host)
    assert killed.get("code", "ok") in ("ok", "ESRCH", "ENOENT"), killed
    assert deleted.get("code", "ok") in ("EBUSY", "ENOENT") or created["ok"], (created, deleted)
    if created["ok"] and killed["ok"]:
        assert host.ok("wait c")["signal"] == 9
    end(runtime, host)
    assert runtime.output("c.out") == ""


FREEZER = pathlib.Path("/sys/fs/cgroup/freezer")


@pytest.fixture
def frozen(janitor):
    """A frozen group: SIGKILL reaches its processes when it is thawed, as one in uninterruptible sleep."""
    if not (FREEZER / "cgroup.procs").exists():
        pytest.skip("the freezer of cgroup v2 lets SIGKILL through")
    name = "baton-conformance-frozen-%d" % os.getpid()
    path = FREEZER / name
    janitor.add("cgroup", name)
    path.mkdir()
    (path / "freezer.state").write_text("FROZEN")
    yield path
    (path / "freezer.state").write_text("THAWED")
    janitor.done("cgroup", name)


def test_create_that_can_not_be_killed(runtime, host, frozen):
    """Past its deadline it is answered when its process has ended, and keeps nobody else waiting."""
    host(create_line(runtime, bundle_of(runtime, "echo never")) + " cgroup=%s deadline=100" % frozen)
    runtime.wait_for(lambda: (frozen / "cgroup.procs").read_text().split())
    host.ok("sleep 500")
    assert runtime.run(bundle_of(runtime, "echo ran"), host, "other")[1] == "ran\n"
    assert host("state c").get("state", "creating") == "creating"
    assert (frozen / "cgroup.procs").read_text().split()
    (frozen / "freezer.state").write_text("THAWED")
    assert codes(join(host)) == ["ETIMEDOUT"]
    end(runtime, host)
    assert runtime.output("c.out") == ""


def test_two_starts(runtime, host):
    assert runtime.create(host, bundle_of(runtime, "echo ran"))["ok"]
    later(host, "start c")
    later(host, "start c")
    assert sorted(codes(join(host))) == ["EINVAL", "ok"]
    assert host.ok("wait c")["exit"] == 0
    host.ok("delete c")
    assert runtime.output("c.out") == "ran\n"


def test_delete_while_it_is_started(runtime, host):
    assert runtime.create(host, bundle_of(runtime, SLEEP))["ok"]
    later(host, "start c")
    later(host, "delete c")
    assert codes(join(host)) == ["ok", "EBUSY"]
    runtime.wait_for(lambda: runtime.output("c.out") == "ready\n")
    end(runtime, host)


def test_kill_while_it_is_started(runtime, host):
    for _ in range(5):
        assert runtime.create(host, bundle_of(runtime, SLEEP))["ok"]
        later(host, "start c deadline=2000")
        later(host, "kill c 9")
        started, killed = join(host)
        assert killed["ok"], killed
        # ETIMEDOUT: crun 1.8.1 can wait for ever in start for a process that is dead, and is killed for that.
        assert started.get("code", "ok") in ("ok", "EIO", "EINVAL", "ETIMEDOUT"), started
        assert host.ok("wait c")["signal"] == 9
        end(runtime, host)


def test_stop_and_kill(runtime, host):
    """The two signals of a stop whose grace period is over at once; one may come too late."""
    runtime.start(host, bundle_of(runtime, SLEEP))
    runtime.wait_for(lambda: runtime.output("c.out") == "ready\n")
    later(host, "kill c %d" % signal.SIGTERM)
    later(host, "kill c %d" % signal.SIGKILL)
    results = codes(join(host))  # a runtime of its own program may deliver them in any order
    assert "ok" in results and set(results) <= {"ok", "ESRCH"}, results
    ended = host.ok("wait c")
    assert ended.get("exit") == 3 or ended.get("signal") == 9, ended
    host.fails("kill c 9", "ESRCH")
    host.ok("delete c")


def test_two_deletes(runtime, host):
    runtime.start(host, bundle_of(runtime, "true"))
    host.ok("wait c")
    later(host, "delete c")
    later(host, "delete c")
    results = sorted(codes(join(host)))
    assert "ok" in results and set(results) <= {"ok", "ENOENT", "EBUSY", "EIO"}, results
    host.fails("state c", "ENOENT")


def test_create_while_the_old_one_is_deleted(runtime, host):
    runtime.start(host, bundle_of(runtime, "true"))
    host.ok("wait c")
    later(host, "delete c")
    host(create_line(runtime, bundle_of(runtime, "echo second")))
    deleted, created = join(host)
    assert deleted["ok"] and created.get("code", "ok") in ("ok", "EEXIST"), (deleted, created)
    if created["ok"]:
        host.ok("start c")
        assert host.ok("wait c")["exit"] == 0
        assert runtime.output("c.out") == "second\n"
    end(runtime, host)


# ---- a plugin that is closed ----

@pytest.mark.parametrize("pause", [0, 0.002, 0.02])
def test_close_while_it_is_created(runtime, pause):
    """The host is told, and the id can be used again after what follows a crash as well."""
    own = runtime.host()
    bundle = bundle_of(runtime, "sleep 1000")
    for number in range(40):
        bundle.config["mounts"].append(mount("/work/m%d" % number, "tmpfs", "tmpfs", "size=64k"))
    own(create_line(runtime, bundle))
    time.sleep(pause)
    own.ok("reopen")
    created, = join(own)
    assert created.get("code") == "ECANCELED", created
    if runtime.name == "native":
        own.fails("state c", "ENOENT")  # all of it is undone at once
        assert own.ok("resources")["children"] == 0
    runtime.wait_for(lambda: recover(runtime, own))
    own.fails("state c", "ENOENT")
    assert runtime.run(bundle_of(runtime, "true"), own)[0] == 0
    own.close()


def test_close_while_it_is_started(runtime):
    own = runtime.host()
    assert runtime.create(own, bundle_of(runtime, SLEEP))["ok"]
    later(own, "start c")
    own.ok("reopen")
    assert codes(join(own)) == ["ECANCELED"]
    if runtime.name == "native":
        assert own.ok("wait c")["signal"] == 9
        assert own.ok("state c")["state"] == "stopped"
    runtime.wait_for(lambda: recover(runtime, own))
    own.fails("state c", "ENOENT")
    own.close()


@pytest.mark.parametrize("verb", ["state c", "kill c 9"])
def test_close_before_the_answer(runtime, verb):
    own = runtime.host()
    assert runtime.create(own, bundle_of(runtime, SLEEP))["ok"]
    own.ok("start c")
    later(own, verb)
    own.ok("reopen")
    assert codes(join(own))[0] in ("ok", "ECANCELED")
    runtime.wait_for(lambda: recover(runtime, own))
    own.close()


# ---- a host that dies ----

def recover(runtime, host):
    """What batond does with a container whose record says that it was being created."""
    pids = set().union(*runtime.group.members().values())
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    if any(runtime.group.members().values()):
        return False
    result = host("delete c")
    assert result["ok"] or result["code"] in ("ENOENT", "EBUSY"), result
    return result["ok"] or result["code"] == "ENOENT"


@pytest.mark.parametrize("after", ["create", "start"])
def test_host_is_killed_in_the_middle(runtime, after):
    """At another moment each time. Many mounts make the create long enough to be hit."""
    for step in range(12):
        bundle = bundle_of(runtime, "sleep 1000")
        for number in range(40):
            bundle.config["mounts"].append(mount("/work/m%d" % number, "tmpfs", "tmpfs", "size=64k"))
        first = runtime.host()
        if after == "start":
            assert runtime.create(first, bundle)["ok"]
            later(first, "start c")
        else:
            first(create_line(runtime, bundle))
        time.sleep(step * 0.002)
        first.kill()
        second = runtime.host()
        runtime.wait_for(lambda host=second: recover(runtime, host))
        time.sleep(0.05)  # a helper of the runtime that has outlived the host would act now
        assert recover(runtime, second)
        second.fails("state c", "ENOENT")
        assert runtime.run(bundle_of(runtime, "true"), second)[0] == 0  # the id is free
        second.close()


def test_host_that_is_killed_takes_what_nobody_started_along(runtime):
    """Without anybody who recovers: no process stays for ever that waits for a host that is gone."""
    if runtime.name != "native":
        pytest.skip("a runtime of its own program keeps a created container")
    first = runtime.host()
    assert runtime.create(first, bundle_of(runtime, "sleep 1000"))["ok"]
    first.kill()
    runtime.wait_for(lambda: not any(runtime.group.members().values()))
    second = runtime.host()
    assert second.ok("state c")["state"] == "stopped"
    second.ok("delete c")
    second.close()
