# SPDX-License-Identifier: Apache-2.0
"""Images whose /proc, /sys or /dev is not what a runtime expects there: no runtime may be led out of them."""
import pytest

from conformance_hostile import make_fifo, make_other_device, make_regular, replace, run_or_refuse, targets


@pytest.mark.parametrize("kind", ["root", "up", "outside", "self", "dangling", "up-and-in", "etc"])
@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_link_in_place_of_a_file_system_of_the_kernel(runtime, host, outside, tmp_path, name, kind):
    """CVE-2019-16884, 2023-27561, 2026-41579: it is not followed, not even to a place inside."""
    bundle = runtime.bundle()
    bundle.sh("echo ran")
    replace(bundle, name, targets(tmp_path)[kind])
    assert run_or_refuse(runtime, host, bundle, "ELOOP", "ENOTDIR") is None
    assert (bundle.rootfs / name).is_symlink()


@pytest.mark.parametrize("make", [make_regular, make_fifo, make_other_device, lambda path: path.mkdir(),
                                  lambda path: path.symlink_to("/etc/passwd")],
                         ids=["regular", "fifo", "device", "directory", "link"])
@pytest.mark.parametrize("own_dev", [True, False])
def test_null_device_of_the_image(runtime, host, outside, make, own_dev):
    """CVE-2025-31133: masked paths are never covered with it, and no output of ours goes to it."""
    bundle = runtime.bundle()
    bundle.sh("cat /proc/kcore /proc/keys /proc/timer_list | wc -c; stat -c '%F %t:%T' /dev/null; echo x >/dev/null")
    make(bundle.rootfs / "dev" / "null")
    if not own_dev:
        bundle.config["mounts"] = [item for item in bundle.config["mounts"] if not item["destination"].startswith("/dev")]
    out = run_or_refuse(runtime, host, bundle, "EEXIST")
    assert out == ("0\ncharacter special file 1:3\n" if own_dev else None)
    if make is make_regular:
        assert (bundle.rootfs / "dev" / "null").read_text() == "of the image\n"
