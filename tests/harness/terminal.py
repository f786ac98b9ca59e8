# SPDX-License-Identifier: Apache-2.0
"""A program on a pseudo terminal."""
import fcntl
import os
import pty
import struct
import subprocess
import tempfile
import termios
import threading

from .node import die_with_parent


def on_terminal(words, streams=("stdout", "stderr"), columns=80, timeout=60, **more):
    """Runs a program whose `streams` are a terminal and whose others are files.

    Returns its exit status, the bytes that the terminal got ("\\n" as the program wrote it), and the bytes in the files.
    """
    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    with tempfile.TemporaryFile() as file:
        process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, preexec_fn=die_with_parent,
                                   **{name: slave if name in streams else file for name in ("stdout", "stderr")}, **more)
        os.close(slave)
        killer = threading.Timer(timeout, process.kill)
        killer.start()
        shown = b""
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:  # EIO: nobody has the other end any more
                break
            if not data:
                break
            shown += data
        code = process.wait()
        killer.cancel()
        os.close(master)
        file.seek(0)
        return code, shown, file.read()
