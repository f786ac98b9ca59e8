# SPDX-License-Identifier: Apache-2.0
"""The verbs of a runtime plugin: order, errors, deadlines, second processes."""
import os
import signal
import subprocess
import time

import pytest


def test_create_start_wait_delete(runtime, host):
    bundle = runtime.bundle()
    bundle.sh("echo out; echo err >&2")
    pid = runtime.start(host, bundle)
    assert pid > 0
    assert host.ok("wait c")["exit"] == 0
    state = host.ok("state c")
    assert (state["state"], state["pid"]) == ("stopped", 0)
    host.ok("delete c")
    assert runtime.output("c.out") == "out\n"
    assert runtime.output("c.err") == "err\n"


def test_nothing_runs_before_start(runtime, host):
    bundle = runtime.bundle()
    bundle.sh("echo ran")
    created = runtime.create(host, bundle)
    state = host.ok("state c")
    assert (state["state"], state["pid"]) == ("created", created["pid"])
    host.ok("sleep 200")
    assert runtime.output("c.out") == ""
    host.ok("start c")
    host.ok("wait c")
    assert runtime.output("c.out") == "ran\n"
    host.ok("delete c")


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code(runtime, host, code):
    bundle = runtime.bundle()
    bundle.sh("exit %d" % code)
    assert runtime.run(bundle, host)[0] == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])
def test_kill(runtime, host, number):
    bundle = runtime.bundle()
    # The first process of a pid namespace takes only signals that it has a handler for.
    bundle.sh("trap 'exit 3' TERM USR1; echo ready; while :; do sleep 0.05; done")
    runtime.start(host, bundle)
    runtime.wait_for(lambda: runtime.output("c.out") == "ready\n")
    host.ok("kill c %d" % number)
    ended = host.ok("wait c")
    assert ended.get("signal") == 9 if number == signal.SIGKILL else ended.get("exit") == 3
    host.fails("kill c 9", "ESRCH")
    host.ok("delete c")


def test_kill_takes_the_whole_pid_namespace_along(runtime, host):
    bundle = runtime.bundle()
    bundle.sh("sleep 1000 & sleep 1000 & echo ready; wait")
    runtime.start(host, bundle)
    runtime.wait_for(lambda: runtime.output("c.out") == "ready\n")
    host.ok("kill c 9")
    host.ok("wait c")
    runtime.wait_for(lambda: not any(runtime.group.members().values()))
    host.ok("delete c")


def test_kill_before_start(runtime, host):
    bundle = runtime.bundle()
    bundle.sh("echo ran")
    runtime.create(host, bundle)
    host.ok("kill c 9")
    host.ok("wait c")
    assert host.ok("state c")["state"] == "stopped"
    host.fails("start c", "EINVAL")
    host.ok("delete c")
    assert runtime.output("c.out") == ""


def test_duplicate_id(runtime, host):
    bundle = runtime.bundle()
    bundle.sh("sleep 1000")
    pid = runtime.start(host, bundle)
    assert runtime.create(host, runtime.bundle())["code"] == "EEXIST"
    assert host.ok("state c") == {"verb": "state", "id": "c", "ok": True, "state": "running", "pid": pid}
    host.ok("kill c 9")
    host.ok("wait c")
    assert runtime.create(host, runtime.bundle())["code"] == "EEXIST"  # until it is deleted
    host.ok("delete c")
    assert runtime.run(bundle_true(runtime), host)[0] == 0  # and then it is free


def bundle_true(runtime):
    bundle = runtime.bundle()
    bundle.sh("true")
    return bundle


@pytest.mark.parametrize("verb", ["start nope", "state nope", "kill nope 9", "delete nope"])
def test_missing_id(host, verb):
    host.fails(verb, "ENOENT")


@pytest.mark.parametrize("name", ["..", ".hidden", "-x", "a/b", "''", "a" * 129, "a\u00e4"])
def test_hostile_id(runtime, host, name):
    bundle = runtime.bundle()
    bundle.write()
    result = host("create %s %s" % (name, bundle.path))
    assert not result["ok"] and result["code"] in ("EINVAL", "ENAMETOOLONG"), result


def test_longest_id(runtime, host):
    name = "a.b-c_" + "x" * 122
    assert runtime.run(bundle_true(runtime), host, name)[0] == 0


def test_start_twice(runtime, host):
    bundle = runtime.bundle()
    bundle.sh("sleep 1000")
    runtime.start(host, bundle)
    host.fails("start c", "EINVAL")
    assert host.ok("state c")["state"] == "running"
    host.ok("kill c 9")
    host.ok("wait c")
    host.fails("start c", "EINVAL")
    host.ok("delete c")


def test_delete_is_refused_until_it_is_stopped(runtime, host):
    bundle = runtime.bundle()
    bundle.sh("sleep 1000")
    runtime.create(host, bundle)
    host.fails("delete c", "EBUSY")
    assert host.ok("state c")["state"] == "created"
    host.ok("start c")
    host.fails("delete c", "EBUSY")
    assert host.ok("state c")["state"] == "running"
    host.ok("kill c 9")
    host.ok("wait c")
    host.ok("delete c")
    host.fails("delete c", "ENOENT")


def test_missing_program_is_named(runtime, host):
    bundle = runtime.bundle()
    bundle.process["args"] = ["/bin/no-such-program"]
    result = runtime.create(host, bundle)
    if result["ok"]:
        result = host("start c")
        host.ok("wait c")
        host.ok("delete c")
    assert not result["ok"]
    assert "no-such-program" in result["message"] and "no such file" in result["message"].lower(), result


def test_program_that_cannot_be_executed(runtime, host):
    bundle = runtime.bundle()
    program = bundle.rootfs / "bin" / "garbage"
    program.write_bytes(b"\x7fELF but no more")
    program.chmod(0o755)
    bundle.process["args"] = ["/bin/garbage"]
    assert runtime.create(host, bundle)["ok"]
    result = host("start c")
    # A runtime that is another program may learn of it only from the container's end: see runtime.h.
    assert result["ok"] or "exec" in result["message"], result
    assert host.ok("wait c")["exit"] != 0
    assert host.ok("state c")["state"] == "stopped"
    host.ok("delete c")


def test_no_bundle(host, tmp_path):
    result = host("create c %s" % (tmp_path / "missing"))
    assert not result["ok"] and "missing" in result["message"], result


def test_relative_bundle(host):
    host.fails("create c some/bundle", "EINVAL")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\x00", '{"ociVersion": "1.0.2"}', "[" * 100000, "nonsense",
                                  '{"ociVersion": "1.0.2", "process": 5, "root": [], "linux": true}'])
def test_bad_configuration(runtime, host, text):
    bundle = runtime.bundle()
    (bundle.path / "config.json").write_text(text)
    result = host("create c %s %s" % (bundle.path, runtime.group.words()))
    assert not result["ok"] and result["message"], result
    host.fails("state c", "ENOENT")


def test_root_that_is_missing(runtime, host):
    bundle = runtime.bundle()
    bundle.config["root"]["path"] = "no-such-root"
    result = runtime.create(host, bundle)
    assert not result["ok"] and "no-such-root" in result["message"], result
    host.fails("state c", "ENOENT")


def test_mount_that_fails(runtime, host):
    bundle = runtime.bundle()
    bundle.config["mounts"].append({"destination": "/work", "type": "bind", "source": "/no-such-source",
                                    "options": ["bind"]})
    result = runtime.create(host, bundle)
    assert not result["ok"] and ("/no-such-source" in result["message"] or "/work" in result["message"]), result
    host.fails("state c", "ENOENT")
    assert runtime.run(bundle_true(runtime), host)[0] == 0  # the id is free again


def test_deadline_of_create(runtime, host):
    """A hook that hangs: create is undone, and its processes are gone."""
    bundle = runtime.bundle()
    bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "1000"]}]}
    began = time.monotonic()
    result = runtime.create(host, bundle, words="deadline=300")
    if result.get("code") != "ETIMEDOUT":
        # Hooks are optional for a plugin, but one that does not run them must say so.
        assert not result["ok"] and "hook" in result["message"], result
    assert time.monotonic() - began < 10
    runtime.wait_for(lambda: not any(runtime.group.members().values()))
    host.fails("state c", "ENOENT")
    assert runtime.run(bundle_true(runtime), host)[0] == 0


def test_deadline_of_create_that_hangs(runtime, host):
    """The runtime waits for a file that nobody opens for writing: it is killed, and nothing of it is left."""
    place = runtime.folder / "netns"
    os.mkfifo(place)
    bundle = bundle_true(runtime)
    bundle.linux["namespaces"] = [{**item, "path": str(place)} if item["type"] == "network" else item
                                  for item in bundle.linux["namespaces"]]
    began = time.monotonic()
    result = runtime.create(host, bundle, words="deadline=300")
    assert result["code"] == "ETIMEDOUT", result
    assert 0.3 <= time.monotonic() - began < 10
    runtime.wait_for(lambda: not any(runtime.group.members().values()))
    host.fails("state c", "ENOENT")
    assert runtime.run(bundle_true(runtime), host)[0] == 0


def can_look_into(pid, uid):
    """Whether a process of that user without any capability may read what ptrace(2) could."""
    words = ["setpriv", "--reuid=%d" % uid, "--regid=%d" % uid, "--clear-groups", "--bounding-set=-all",
             "--inh-caps=-all", "--no-new-privs", "cat", "/proc/%d/environ" % pid]
    return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.parametrize("uid", [0, 1000])
def test_process_that_waits_for_start_can_not_be_looked_into(runtime, host, uid):
    """CVE-2016-9962: its memory is still the runtime's, and others of the same user may be about."""
    bundle = runtime.bundle()
    bundle.process["user"].update(uid=uid, gid=uid)
    bundle.process["capabilities"] = {}
    bundle.sh("exec sleep 1000")
    created = runtime.create(host, bundle)
    assert created["ok"], created
    assert os.stat("/proc/%d/mem" % created["pid"]).st_uid == 0
    assert not can_look_into(created["pid"], uid)
    host.ok("start c")
    runtime.wait_for(lambda: os.stat("/proc/%d/mem" % created["pid"]).st_uid == uid)
    runtime.wait_for(lambda: can_look_into(created["pid"], uid))  # the test can tell
    host.ok("kill c 9")
    host.ok("wait c")
    host.ok("delete c")


def test_deadline_that_is_over_at_once(runtime, host):
    for verb in ("state c", "start c"):
        assert runtime.create(host, bundle_true(runtime))["ok"]
        result = host(verb + " deadline=1")
        assert result["ok"] or result["code"] == "ETIMEDOUT", result
        host("kill c 9")
        host.ok("wait c")
        host.ok("delete c")


def test_another_process_takes_over(runtime, host):
    """state, kill and delete of a container that an earlier process created; its exit is not lost to others."""
    bundle = runtime.bundle()
    bundle.sh("trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    first = runtime.host()
    pid = runtime.start(first, bundle, "a")
    other = runtime.bundle()
    other.sh("echo started late")
    assert runtime.create(first, other, "b")["ok"]
    runtime.wait_for(lambda: runtime.output("a.out") == "ready\n")
    first.kill()
    os.kill(pid, 0)
    state = host.ok("state a")
    assert (state["state"], state["pid"]) == ("running", pid)
    # What nobody has started yet may go on or end with its creator.
    time.sleep(0.5)
    assert host.ok("state b")["state"] in ("created", "stopped")
    created = host.ok("state b")["state"] == "created"
    assert runtime.create(host, bundle, "a")["code"] == "EEXIST"
    host.fails("start a", "EINVAL")
    if created:
        host.ok("start b")
        runtime.wait_for(lambda: runtime.output("b.out") == "started late\n")
    runtime.wait_for(lambda: host.ok("state b")["state"] == "stopped")
    host.ok("kill a %d" % signal.SIGTERM)
    runtime.wait_for(lambda: host.ok("state a")["state"] == "stopped")
    host.ok("delete a")
    host.ok("delete b")


def test_reopen(runtime, host):
    bundle = runtime.bundle()
    bundle.sh("sleep 1000")
    runtime.start(host, bundle)
    host.ok("reopen")
    assert host.ok("state c")["state"] == "running"
    host.ok("kill c 9")
    host.ok("wait c")
    host.ok("delete c")


def test_many(runtime, host):
    names = ["c%d" % number for number in range(12)]
    bundle = runtime.bundle()
    bundle.sh("sleep 1000")
    for name in names:
        runtime.start(host, bundle, name)
    assert [host.ok("state " + name)["state"] for name in names] == ["running"] * len(names)
    for name in names:
        host.ok("kill %s 9" % name)
        host.ok("wait " + name)
        host.ok("delete " + name)


def test_again_and_again(runtime, host):
    bundle = bundle_true(runtime)
    for _ in range(10):
        assert runtime.run(bundle, host)[0] == 0


# ---- the boundary ----

def refused(runtime, *options):
    done = subprocess.run([runtime.program, "--set", "state-dir=%s" % runtime.state_dir, *options, runtime.plugin],
                          input="", capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_host_of_another_major_version(runtime):
    for major in (0, 2):
        code, out = refused(runtime, "--abi-major", str(major))
        assert code == 1 and "refuses" in out, out


def test_host_of_a_later_minor_version(runtime):
    code, out = refused(runtime, "--abi-minor", "9", "--host-size", "4096")
    assert (code, out) == (0, "")


def test_host_without_all_services(runtime):
    """Every service is there in 1.0, so a shorter table is refused rather than read behind its end."""
    code, _ = refused(runtime, "--host-size", "32")
    assert code == 1


@pytest.mark.parametrize("size", [48, 4096])
def test_request_of_another_size(runtime, size):
    """48 bytes end before the cgroup: an older host. 4096: a later one."""
    host = runtime.host("--create-size", str(size))
    bundle = runtime.bundle()
    bundle.sh("echo hello")
    assert runtime.run(bundle, host) == (0, "hello\n", "")


def test_only_the_entry_is_exported(runtime):
    symbols = subprocess.run(["nm", "-D", "--defined-only", runtime.plugin], capture_output=True, text=True,
                             check=True).stdout.split("\n")
    assert [line.split()[2] for line in symbols if line] == ["baton_runtime_entry"]
