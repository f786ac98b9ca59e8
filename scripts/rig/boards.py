# SPDX-License-Identifier: Apache-2.0
"""How QEMU imitates each board, and which of Debian's kernels runs on it."""
import dataclasses

# Programs of the guest beside Baton, by package.
PACKAGES = ("busybox-static", "crun", "mosquitto", "mosquitto-clients")
PROGRAMS = ("usr/bin/crun", "usr/sbin/mosquitto", "usr/bin/mosquitto_pub", "usr/bin/mosquitto_sub")

# crc32c_generic before ext4: busybox modprobe does not know soft dependencies.
LOADED = ("crc32c_generic", "ext4", "overlay", "veth", "bridge")
VIRTIO = ("virtio_pci", "virtio_console", "virtio_rng", "virtio_blk", "virtio_net")
AT_HAND = ("br_netfilter", "nf_tables", "nft_chain_nat", "nft_ct", "nft_masq", "nft_nat", "nft_redir", "nft_reject_inet",
           "nft_fib_inet", "nf_nat", "loop", "macvlan", "sch_netem", "squashfs")


@dataclasses.dataclass(frozen=True)
class Board:
    architecture: str  # Debian's name
    triple: str
    kernel: str        # meta package
    qemu: tuple        # program and machine
    console: str
    append: str = ""
    device_tree: str = ""
    modules: tuple = LOADED + VIRTIO
    virtio: bool = True  # channel, disk and network; otherwise a second serial port, an SD card and USB
    channel: str = "/dev/vport*p1"
    disk: str = "/dev/vda"


X86_64 = {"architecture": "amd64", "triple": "x86_64-linux-gnu"}
ARM64 = {"architecture": "arm64", "triple": "aarch64-linux-gnu"}
ARMHF = {"architecture": "armhf", "triple": "arm-linux-gnueabihf"}
PI = {"virtio": False, "disk": "/dev/mmcblk0", "console": "ttyAMA0"}

BOARDS = {
    "qemu-x86_64": Board(
        **X86_64, kernel="linux-image-amd64", console="ttyS0", append="tsc=unstable",
        qemu=("qemu-system-x86_64", "-M", "q35", "-cpu", "qemu64", "-accel", "tcg,thread=multi", "-m", "768")),
    "qemu-arm64": Board(
        **ARM64, kernel="linux-image-arm64", console="ttyAMA0",
        qemu=("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-m", "768")),
    "qemu-armhf": Board(
        **ARMHF, kernel="linux-image-armmp-lpae", console="ttyAMA0",
        qemu=("qemu-system-arm", "-M", "virt", "-cpu", "cortex-a15", "-m", "768")),
    # With bcm2835_wdt, power-off ends QEMU. The kernel sees the SD card after the modules of its controller.
    "rpi3": Board(
        **ARM64, **PI, kernel="linux-image-arm64", device_tree="bcm2837-rpi-3-b.dtb", channel="/dev/ttyS1",
        modules=LOADED + ("bcm2835_wdt", "sdhci_iproc", "bcm2835", "dwc2", "usbnet", "cdc_ether"),
        qemu=("qemu-system-aarch64", "-M", "raspi3b", "-accel", "tcg,thread=single")),
    "rpi2": Board(
        **ARMHF, **PI, kernel="linux-image-armmp", device_tree="bcm2836-rpi-2-b.dtb", channel="/dev/ttyS1",
        modules=LOADED + ("bcm2835_wdt", "sdhci_iproc", "bcm2835", "dwc2", "usbnet", "cdc_ether"),
        qemu=("qemu-system-arm", "-M", "raspi2b")),
}
