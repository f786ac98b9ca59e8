# SPDX-License-Identifier: Apache-2.0
"""What hostile images are made of, and how to see that nothing came of it outside of them."""
import os
import stat

OUTSIDE = "conformance-outside-%d" % os.getpid()
UP = "../" * 30


class Outside:
    """A folder of the host and the state of places that an escape would change."""

    def __init__(self, folder):
        self.path = folder / OUTSIDE
        self.path.mkdir()
        self.before = self.look()

    def look(self):
        names = {place: sorted(os.listdir(place)) for place in ("/", "/dev", "/etc", "/sys", self.path)}
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            return names, mounts.read().splitlines()

    def check(self):
        names, mounts = self.look()
        assert names == self.before[0]
        assert mounts == self.before[1]


def replace(bundle, name, target):
    place = bundle.rootfs / name
    if place.is_symlink() or place.is_file():
        place.unlink()
    elif place.exists():
        place.rmdir()
    place.symlink_to(target)


def run_or_refuse(runtime, host, bundle, *code):
    """The output of a container that could be created, or None: then the error is one of these."""
    result = runtime.create(host, bundle, valid=False)
    if not result["ok"]:
        assert result["code"] in code, result
        host.fails("state c", "ENOENT")
        return None
    host.ok("start c")
    assert host.ok("wait c").get("exit") == 0, (runtime.output("c.out"), runtime.output("c.err"))
    host.ok("delete c")
    return runtime.output("c.out")


def targets(tmp_path):
    return {"root": "/", "up": UP, "outside": str(tmp_path / OUTSIDE), "self": ".", "dangling": "/nowhere",
            "up-and-in": UP + str(tmp_path / OUTSIDE).lstrip("/"), "etc": "/etc"}


def make_regular(path):
    path.write_text("of the image\n")


def make_fifo(path):
    os.mkfifo(path)


def make_other_device(path):
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
