# SPDX-License-Identifier: Apache-2.0
"""Images that lead the runtime out of their root file system; nothing on the host may be made, changed or mounted."""
import os
import pathlib
import subprocess
import sys
import time

import pytest

from conformance_bundle import mount
from conformance_hostile import UP, make_fifo, make_other_device, make_regular, replace, run_or_refuse, targets

RUNTIMES = ["native"]
SECONDS = float(os.environ.get("BATON_RACE_SECONDS", "2"))  # of each race


@pytest.mark.parametrize("kind", ["root", "up", "outside", "self", "up-and-in"])
def test_link_in_place_of_etc(runtime, host, outside, tmp_path, kind):
    """The supervisor binds files there: into the container's own tree, wherever the link leads in it."""
    (tmp_path / "hosts").write_text("ours\n")
    bundle = runtime.bundle()
    bundle.sh("cat /etc/conformance-hosts; echo more >/etc/conformance-more")
    (bundle.rootfs / "etc" / "passwd").unlink()
    replace(bundle, "etc", targets(tmp_path)[kind])
    if kind in ("outside", "up-and-in"):
        (bundle.rootfs / str(outside.path).lstrip("/")).mkdir(parents=True)
    bundle.config["mounts"].append(mount("/etc/conformance-hosts", "bind", str(tmp_path / "hosts"), "bind", "ro"))
    assert run_or_refuse(runtime, host, bundle, "ELOOP") in ("ours\n", None)
    assert not os.path.exists("/conformance-hosts") and not os.path.exists("/conformance-more")


def test_link_below_dev(runtime, host, outside):
    """Without a tmpfs on /dev what the image has there is met: links are no devices, and nothing is made behind."""
    for name, target in (("null", "/etc/passwd"), ("zero", UP + "etc/passwd"), ("pts", "/"), ("fd", "/")):
        bundle = runtime.bundle()
        bundle.sh("echo ran")
        bundle.config["mounts"] = [item for item in bundle.config["mounts"] if not item["destination"].startswith("/dev")]
        replace(bundle, "dev/" + name, target)
        run_or_refuse(runtime, host, bundle, "EEXIST", "ELOOP", "ENOTDIR")


@pytest.mark.parametrize("number", range(0, 24))
def test_working_directory_through_a_descriptor(runtime, host, outside, number):
    """CVE-2024-21626: none of the daemon's descriptors is a way out, and 0 is a directory of the host here."""
    bundle = runtime.bundle()
    bundle.process["cwd"] = "/proc/self/fd/%d" % number
    bundle.sh("pwd; ls")
    result = runtime.create(host, bundle, words="stdin=%s" % outside.path)
    assert not result["ok"] and result["message"].startswith("working directory"), result
    host.fails("state c", "ENOENT")


@pytest.mark.parametrize("target", ["/proc/self/fd/0", "/proc/1/cwd", "/proc/self/root", UP, "/proc/self/exe"])
def test_working_directory_through_a_link_of_the_image(runtime, host, outside, target):
    bundle = runtime.bundle()
    replace(bundle, "work", target)
    bundle.process["cwd"] = "/work"
    bundle.sh("pwd -P; cat /proc/self/mountinfo | head -n 1 | cut -d' ' -f5")
    result = runtime.create(host, bundle, words="stdin=%s" % outside.path)
    if not result["ok"]:
        assert "working directory" in result["message"], result
        return
    host.ok("start c")
    assert host.ok("wait c").get("exit") == 0
    host.ok("delete c")
    assert runtime.output("c.out") == "/\n/\n"


@pytest.mark.parametrize("target", ["/", "real", "..", "/etc"])
def test_root_that_is_a_link(runtime, host, outside, target):
    """The supervisor's root is a mount point that it made. A link in its place is somebody else's doing."""
    bundle = runtime.bundle()
    bundle.sh("echo ran")
    bundle.rootfs.rename(bundle.path / "real")
    bundle.rootfs.symlink_to(target)
    result = runtime.create(host, bundle)
    assert not result["ok"] and "root" in result["message"], result
    host.fails("state c", "ENOENT")


@pytest.mark.parametrize("kind", ["file", "fifo", "device"])
def test_root_that_is_no_directory(runtime, host, outside, kind):
    bundle = runtime.bundle()
    bundle.rootfs.rename(bundle.path / "real")
    {"file": make_regular, "fifo": make_fifo, "device": make_other_device}[kind](bundle.rootfs)
    result = runtime.create(host, bundle)
    assert not result["ok"] and "root" in result["message"], result


@pytest.mark.parametrize("target", ["/proc/self/fd", "/proc/sys", "/proc", "/proc/self/attr", "/proc/1/root/etc"])
def test_mount_through_a_link_into_proc(runtime, host, outside, target):
    """The configuration names a harmless place; the image makes a link of it."""
    bundle = runtime.bundle()
    bundle.sh("echo ran")
    replace(bundle, "work", target)
    bundle.config["mounts"].append(mount("/work", "tmpfs", "tmpfs", "size=64k"))
    result = runtime.create(host, bundle)
    assert not result["ok"] and "/work" in result["message"], result


# ---- a target that changes while it is looked at (CVE-2021-30465) ----

RACER = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
one, other = (name.encode() for name in sys.argv[1:3])
print("ready", flush=True)
while libc.renameat2(-100, one, -100, other, 2) == 0:  # RENAME_EXCHANGE
    pass
"""


@pytest.mark.parametrize("target", ["/", UP, "/proc", "/dev", "/etc"])
def test_target_that_is_exchanged(runtime, host, outside, tmp_path, target):
    """A volume that two containers share: in one of them a folder and a link change places all the time, and below it
    the other one is to get a mount."""
    marker = "race-%d" % os.getpid()
    shared = tmp_path / "shared"
    (shared / "folder").mkdir(parents=True)
    (shared / "link").symlink_to(target)
    bundle = runtime.bundle()
    bundle.sh("cat /proc/self/mountinfo")
    bundle.config["mounts"] += [mount("/work", "bind", str(shared), "rbind"),
                                mount("/work/folder/" + marker, "tmpfs", marker, "size=64k")]
    mounted = refused = 0
    with subprocess.Popen([sys.executable, "-c", RACER, str(shared / "folder"), str(shared / "link")],
                          stdout=subprocess.PIPE) as racer:
        try:
            assert racer.stdout.readline() == b"ready\n"
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                name = "c%d" % (mounted + refused)
                result = runtime.create(host, bundle, name)
                if not result["ok"]:
                    assert result["code"] in ("EAGAIN", "ELOOP", "ENOENT", "EPERM", "ENOTDIR", "EROFS", "EACCES"), result
                    refused += 1
                    continue
                host.ok("start " + name)
                assert host.ok("wait " + name).get("exit") == 0
                host.ok("delete " + name)
                lines = [line.split() for line in runtime.output(name + ".out").splitlines()]
                places = [line[4] for line in lines if marker in line]
                # In the container's tree, or it would not be seen from inside; never over the kernel's files.
                assert len(places) == 1 and not places[0].startswith("/proc"), places
                mounted += 1
        finally:
            racer.kill()
    assert mounted > 5, (mounted, refused)
    for place in ("/" + marker, "/etc/" + marker, "/dev/" + marker):
        assert not pathlib.Path(place).exists(), place
