# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels: fetched as packages, unpacked into the cache."""
import lzma
import pathlib
import shutil
import subprocess

from .packages import Apt, PackageError, locked, unpack


def decompress_vmlinux(image):
    """
    The ELF kernel inside an x86 bzImage. QEMU starts it at its PVH entry and the guest does not unpack it in
    emulated code, which halves the time to boot. Debian 12 packs it with xz.
    """
    start = image.find(b"\xfd7zXZ\0")
    while start >= 0:
        try:
            kernel = lzma.LZMADecompressor().decompress(image[start:])
            if kernel.startswith(b"\x7fELF"):
                return kernel
        except lzma.LZMAError:
            pass
        start = image.find(b"\xfd7zXZ\0", start + 1)
    return None


def enable_second_uart(tree):
    """
    A device tree in which the small UART of the Raspberry Pi, which carries the rig's channel, is switched on: only boards
    whose first one is for Bluetooth have it. The property keeps its length; the kernel compares up to the first NUL.
    """
    start = tree.find(b"\0\0\0\1serial@7e215040\0")
    found = tree.find(b"disabled\0", start, tree.find(b"\0\0\0\2", start)) if start >= 0 else -1
    return tree if found < 0 else tree[:found] + b"okay".ljust(9, b"\0") + tree[found + 9:]


class Kernel:
    """Attributes: image (what QEMU loads), folder (lib/modules below it), release, device_tree(name)."""

    def __init__(self, architecture, meta):
        apt = Apt(architecture)
        package = apt.kernel(meta)
        self.folder = apt.cache / "rig-kernel" / package.stem
        with locked(self.folder.parent):
            if not self.folder.exists():
                self._unpack(package)
        self.release = next((self.folder / "lib/modules").iterdir()).name
        plain = self.folder / "boot" / "vmlinux"
        self.image = plain if plain.exists() else self.folder / "boot" / ("vmlinuz-" + self.release)

    def _unpack(self, package):
        work = self.folder.with_suffix(".work")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        unpack(package, work, "./usr/share/*")
        release = next((work / "lib/modules").iterdir()).name
        if "amd64" in release:
            kernel = decompress_vmlinux((work / "boot" / ("vmlinuz-" + release)).read_bytes())
            if kernel:
                (work / "boot/vmlinux").write_bytes(kernel)
        subprocess.run(["depmod", "-b", str(work), release], check=True)
        work.rename(self.folder)

    def device_tree(self, name):
        """Bytes of what QEMU gives the kernel."""
        return enable_second_uart(next((self.folder / "usr/lib").glob("linux-image-*/**/" + name)).read_bytes())

    def modules(self, names):
        """Files of the modules and of what they need, in the order in which they can be loaded, relative to folder."""
        files = []
        for name in names:
            done = subprocess.run(["modprobe", "-S", self.release, "-d", str(self.folder), "--show-depends", name],
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise PackageError("the kernel %s has no module %s" % (self.release, name))
            for line in done.stdout.splitlines():
                word = line.split()
                if word[0] == "insmod" and word[1] not in files:
                    files.append(word[1])
        return [str(pathlib.Path(name).relative_to(self.folder)) for name in files]
