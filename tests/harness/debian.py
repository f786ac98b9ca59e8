# SPDX-License-Identifier: Apache-2.0
"""Debian packages of the tests."""
import subprocess


def newer(package, folder, version="99.0"):
    """The same package with a higher version, as newer.deb in `folder`."""
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = (tree / "DEBIAN/control").read_text()
    old = [line for line in control.splitlines() if line.startswith("Version: ")][0]
    (tree / "DEBIAN/control").write_text(control.replace(old, "Version: " + version))
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, folder / "newer.deb"], check=True, capture_output=True)
    return folder / "newer.deb"
