# SPDX-License-Identifier: Apache-2.0
"""OCI bundles from busybox; base_config() is what the supervisor generates, without its seccomp profile."""
import json
import os
import pathlib
import shutil

import jsonschema

APPLETS = ("cat chmod chown cp cut dd df echo env false grep head hostname id kill ln ls mkdir mknod mount mv ps pwd "
           "readlink rm sh sleep sort stat sync tail test touch tr true umask uname unshare wc").split()
CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
                "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT"]
MASKED = ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
          "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
          "/sys/devices/virtual/powercap", "/sys/firmware"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def mount(destination, kind, source, *options):
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def base_config():
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0, "umask": 0o022, "additionalGids": []},
            "args": ["/bin/true"],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"],
            "cwd": "/",
            "noNewPrivileges": True,
            "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
            "capabilities": {"bounding": list(CAPABILITIES), "effective": list(CAPABILITIES),
                             "permitted": list(CAPABILITIES), "inheritable": [], "ambient": []},
        },
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "conformance",
        "mounts": [
            mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
            mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
                  "gid=5"),
            mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
            mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
            mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        ],
        "linux": {
            "namespaces": [{"type": name} for name in ("pid", "ipc", "uts", "mount", "cgroup", "network")],
            "maskedPaths": list(MASKED),
            "readonlyPaths": list(READONLY),
        },
    }


class Validator:
    """The OCI runtime specification's own schema; without that file (a plugin author's machine) all is valid."""

    def __init__(self, folder):
        self.validator = None
        if not (folder / "config-schema.json").exists():
            return
        schema = json.loads((folder / "config-schema.json").read_text())
        resolver = jsonschema.RefResolver(base_uri=folder.as_uri() + "/", referrer=schema)
        self.validator = jsonschema.Draft4Validator(schema, resolver=resolver)

    def check(self, config):
        if self.validator:
            self.validator.validate(config)


class Bundle:
    """A folder with config.json and a root file system; change `config`, then write()."""

    def __init__(self, path, validator):
        self.path = pathlib.Path(path)
        self.rootfs = self.path / "rootfs"
        self.validator = validator
        self.use(base_config())
        self._make_rootfs()

    def use(self, config):
        self.config = config
        self.process = config["process"]
        self.linux = config["linux"]

    def _make_rootfs(self):
        for folder in ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "work"):
            (self.rootfs / folder).mkdir(parents=True)
        (self.rootfs / "tmp").chmod(0o1777)
        shutil.copy2("/bin/busybox", self.rootfs / "bin" / "busybox")
        for applet in APPLETS:
            os.symlink("busybox", self.rootfs / "bin" / applet)
        (self.rootfs / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")

    def sh(self, script):
        self.process["args"] = ["/bin/sh", "-c", script]

    def write(self, valid=True):
        if valid:
            self.validator.check(self.config)
        (self.path / "config.json").write_text(json.dumps(self.config))
        return str(self.path)
