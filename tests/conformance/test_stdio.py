# SPDX-License-Identifier: Apache-2.0
"""Standard output through FIFOs, as the supervisor gives them: open for reading and writing in the container itself,
so that neither a reader that goes away nor a supervisor that dies ends the container or loses a line."""
import os
import select
import time

import pytest

PACED = "i=0; while [ $i -lt %d ]; do echo line $i; i=$((i+1)); sleep 0.005; done"


class Fifo:
    def __init__(self, path, uid=0):
        self.path = path
        os.mkfifo(path, 0o600)
        os.chown(path, uid, uid)
        self.fd = None

    def open(self):
        self.fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self):
        os.close(self.fd)
        self.fd = None

    def read(self, size, seconds=10):
        """Exactly this many bytes, or what came until the end of the file or of the time."""
        data = b""
        until = time.monotonic() + seconds
        while len(data) < size and time.monotonic() < until:
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(self.fd, size - len(data))
            except BlockingIOError:
                continue
            if not piece:
                break
            data += piece
        return data

    def lines(self, count):
        data = b""
        while data.count(b"\n") < count:
            piece = self.read(1)
            assert piece, data
            data += piece
        return data.decode().splitlines()


@pytest.fixture
def fifo(tmp_path):
    made = Fifo(tmp_path / "fifo")
    yield made
    if made.fd is not None:
        made.close()


def start(runtime, host, script, fifo, user=None):
    bundle = runtime.bundle()
    bundle.sh(script)
    if user is not None:
        bundle.process["user"] = {"uid": user, "gid": user}
    host.ok("create c %s stdout=%s stderr=%s %s" % (bundle.write(), fifo.path, fifo.path, runtime.group.words()))
    host.ok("start c")


def end(host, code=0):
    assert host.ok("wait c").get("exit") == code
    host.ok("delete c")


def test_both_streams(runtime, host, fifo):
    fifo.open()
    start(runtime, host, "echo out; echo err >&2", fifo)
    assert fifo.lines(2) == ["out", "err"]
    end(host)
    assert fifo.read(1) == b""  # nobody has it open for writing any more


def test_reader_that_goes_and_comes_back(runtime, host, fifo):
    """No line is lost or doubled, and no SIGPIPE ends the writer."""
    start(runtime, host, PACED % 200, fifo)
    seen = []
    for count in (50, 70, 80):
        fifo.open()
        seen += fifo.lines(count)
        fifo.close()
        time.sleep(0.05)
    assert seen == ["line %d" % number for number in range(200)]
    end(host)


def test_nobody_reads_at_first(runtime, host, fifo):
    start(runtime, host, "echo early; sleep 0.5; echo late", fifo)
    time.sleep(0.2)
    fifo.open()
    assert fifo.lines(2) == ["early", "late"]
    end(host)


def test_nobody_reads_at_all(runtime, host, fifo):
    start(runtime, host, "echo early; sleep 0.2; echo late", fifo)
    end(host)


def test_dead_host(runtime, host, fifo):
    """What batond's kill -9 does: the container goes on, and a later reader gets the rest."""
    first = runtime.host()
    fifo.open()
    start(runtime, first, PACED % 100, fifo)
    seen = fifo.lines(10)
    fifo.close()
    first.kill()
    time.sleep(0.1)
    fifo.open()
    seen += fifo.lines(90)
    assert seen == ["line %d" % number for number in range(100)]
    runtime.wait_for(lambda: host.ok("state c")["state"] == "stopped")
    host.ok("delete c")


def test_full_pipe_blocks_and_goes_on(runtime, host, fifo):
    """pipe(7): 64 KiB fit. The writer waits for a reader and loses nothing."""
    start(runtime, host, "dd if=/dev/zero bs=1k count=300 2>/dev/null | tr '\\0' x; echo", fifo)
    host.ok("sleep 300")
    assert host.ok("state c")["state"] == "running"
    fifo.open()
    data = fifo.read(300 * 1024 + 1)
    assert data == b"x" * (300 * 1024) + b"\n"
    end(host)


def test_user_opens_dev_stdout(runtime, host, tmp_path):
    """/dev/stdout leads to the FIFO itself: who may open it is the FIFO's owner, hence the chown in the supervisor."""
    fifo = Fifo(tmp_path / "owned", 1000)
    fifo.open()
    start(runtime, host, "echo through-the-link >/dev/stdout", fifo, 1000)
    end(host)
    assert fifo.read(1000, 1) == b"through-the-link\n"
    fifo.close()


def test_standard_input_is_a_fifo(runtime, host, tmp_path):
    source = Fifo(tmp_path / "input")
    writer = os.open(source.path, os.O_RDWR | os.O_CLOEXEC)
    bundle = runtime.bundle()
    bundle.sh("read line; echo got $line; cat; echo end")
    assert runtime.create(host, bundle, words="stdin=%s" % source.path)["ok"]
    host.ok("start c")
    os.write(writer, b"first\nsecond\n")
    runtime.wait_for(lambda: runtime.output("c.out") == "got first\nsecond\n")
    os.close(writer)  # the last one: end of file
    end(host)
    assert runtime.output("c.out") == "got first\nsecond\nend\n"
