# SPDX-License-Identifier: Apache-2.0
"""tests/unit/session/session_tool.c from Python."""
import json
import os
import subprocess
import threading
import time

from .node import die_with_parent


class Tool:
    """A running session_tool; events are collected in the background."""

    def __init__(self, build, *arguments, wrapper=()):
        self.events = []
        self.changed = threading.Condition()
        self.ended = False
        self.process = subprocess.Popen([*wrapper, str(build / "tests" / "session_tool"), *map(str, arguments)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, preexec_fn=die_with_parent, env=dict(os.environ, ASAN_OPTIONS=""))
        self.stderr = []
        self.readers = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=self._read_stderr, daemon=True)]
        for reader in self.readers:
            reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.events.append(dict(json.loads(line), at=time.monotonic()))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _read_stderr(self):
        for line in self.process.stderr:
            self.stderr.append(line)

    def of(self, event):
        return [item for item in self.events if item["event"] == event]

    def wait(self, event, count=1, timeout=15, **members):
        """Waits for the count-th event of that kind whose members match, and returns it."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                found = [item for item in self.of(event)
                         if all(item.get(name) == value for name, value in members.items())]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if left <= 0 or self.ended:
                    raise AssertionError("no %s %s after %.0f s; events: %s; stderr: %s" % (
                        event, members, timeout, self.events[-20:], "".join(self.stderr[-20:])))
                self.changed.wait(min(left, 0.5))

    def wait_any(self, *events, timeout=15):
        """The first event of these kinds."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                found = [item for item in self.events if item["event"] in events]
                if found:
                    return found[0]
                assert time.monotonic() < deadline and not self.ended, self.stderr[-20:]
                self.changed.wait(0.5)

    def wait_stderr(self, text, timeout=15):
        deadline = time.monotonic() + timeout
        while text not in "".join(self.stderr):
            assert time.monotonic() < deadline and not self.ended, self.stderr[-20:]
            time.sleep(0.05)

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def stat(self):
        before = len(self.of("stat"))
        self.tell("stat")
        return self.wait("stat", before + 1)

    def free(self):
        """Orderly end; the exit status shows what a sanitizer found."""
        if self.process.poll() is None:
            self.tell("free")
        status = self.process.wait(10)
        for reader in self.readers:
            reader.join(5)
        assert status == 0, "".join(self.stderr)

    def kill(self):
        self.process.kill()
        self.process.wait(10)
