# SPDX-License-Identifier: Apache-2.0
"""The native runtime's records and cached filters, when they are not what it wrote."""
import pytest

RUNTIMES = ["native"]
BROKEN = ["", "garbage\n", "1 2 3", "1 99999999999999999999 1 1\n", "2 1 1 1\n", "1234 567890 1\n", "\0" * 64, "1" * 4096]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_broken_record(runtime, host, text):
    """It names no process, so nothing is killed for it; delete makes the id free."""
    record = runtime.state_dir / "c"
    record.write_text(text)
    bundle = runtime.bundle()
    bundle.sh("echo ran")
    assert runtime.create(host, bundle)["code"] == "EEXIST"
    for line in ("state c", "kill c 9"):
        result = host.fails(line, "EBADMSG")
        assert "record" in result["message"], result
    host.fails("start c", "ENOENT")
    host.ok("delete c")
    assert not record.exists()
    host.fails("delete c", "ENOENT")
    assert runtime.run(bundle, host) == (0, "ran\n", "")


def test_record_of_a_process_that_is_another(runtime, host):
    """The number is in use, by a process that started at another time: pids are given again."""
    (runtime.state_dir / "c").write_text("1 %d 1 1\n" % host.process.pid)
    assert host.ok("state c")["state"] == "stopped"
    host.fails("kill c 9", "ESRCH")
    host.ok("delete c")
    assert host.process.poll() is None


def filtered(runtime):
    bundle = runtime.generated(command=["/bin/sh", "-c", "grep ^Seccomp: /proc/self/status; umount /proc 2>&1; true"])
    return bundle


@pytest.mark.parametrize("spoil", [lambda data: b"", lambda data: data[:-8], lambda data: data[:len(data) // 2],
                                   lambda data: bytes(len(data)), lambda data: data + data[-8:],
                                   lambda data: data[:400] + bytes([data[400] ^ 4]) + data[401:]], ids=range(6))
def test_spoilt_filter(runtime, spoil):
    """A filter that flash has spoilt keeps no container from its start, and lets nothing through."""
    expected = "Seccomp:\t2\numount: can't unmount /proc: Operation not permitted\n"
    assert runtime.run(filtered(runtime), name="first")[1] == expected
    cached = list(runtime.state_dir.glob("*.bpf"))
    assert len(cached) == 1
    data = cached[0].read_bytes()
    cached[0].write_bytes(spoil(data))
    assert runtime.run(filtered(runtime), name="second")[1] == expected  # in a new process, with nothing in memory
    assert cached[0].read_bytes() == data
