# SPDX-License-Identifier: Apache-2.0
"""What a container of the native runtime can not do, with the configuration that the supervisor generates."""
import ctypes
import os
import platform
import socket

import pytest

RUNTIMES = ["native"]
# capabilities(7), in the order of linux/capability.h
NUMBERS = {"CAP_" + name: number for number, name in enumerate(
    """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
    NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
    SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
    MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split())}
DEFAULT = ["CAP_" + name for name in "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE "
           "SYS_CHROOT SETFCAP".split()]
DENIED = """mount umount2 pivot_root open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr
    unshare-user unshare-cgroup unshare-net
    setns keyctl add_key request_key bpf perf_event_open io_uring_setup io_uring_enter io_uring_register userfaultfd init_module finit_module
    delete_module kexec_load reboot swapon acct quotactl syslog open_by_handle_at settimeofday sethostname
    socket-alg socket-vsock personality mknod""".split() + (["iopl", "ioperm"] if platform.machine() == "x86_64" else [])
KEY_CALLS = {"x86_64": (248, 250), "aarch64": (217, 219)}
CLONES = ["clone-" + kind for kind in "user mount pid net ipc uts cgroup".split()]


def mask(names):
    return "%016x" % sum(1 << NUMBERS[name] for name in names)


def inside(runtime, script, change=None, **service):
    """Standard output of a shell script in a generated container; it must succeed."""
    bundle = runtime.generated(command=["/bin/sh", "-c", script], **service)
    if change:
        change(bundle)
    # A name of its own, because the files of the output are appended to.
    code, out, err = runtime.run(bundle, name="c%d" % runtime.bundles)
    assert code == 0, (code, out, err)
    return out


def program(runtime, name):
    path = runtime.build / "tests" / name
    if not path.exists():
        pytest.skip("this build has no static programs: " + name)
    return path


def attempts(runtime, names, change=None, **service):
    """{attempt: what came of it}, see probe.c."""
    source = program(runtime, "probe")

    def prepare(bundle):
        place = bundle.rootfs / "bin" / "probe"
        place.write_bytes(source.read_bytes())
        place.chmod(0o755)
        if change:
            change(bundle)
    out = inside(runtime, "exec /bin/probe " + " ".join(names), prepare, **service)
    return dict(line.split() for line in out.splitlines())


# ---- identity ----

def status(runtime, **service):
    wanted = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
    lines = [line.split(":", 1) for line in inside(runtime, "cat /proc/self/status", **service).splitlines()]
    return {name: value.strip() for name, value in lines if name in wanted}


def test_default_is_eleven_capabilities_no_new_privileges_and_a_filter(runtime):
    full = mask(DEFAULT)
    assert len(DEFAULT) == 11
    assert status(runtime) == {"CapInh": mask([]), "CapAmb": mask([]), "CapPrm": full, "CapEff": full, "CapBnd": full,
                               "NoNewPrivs": "1", "Seccomp": "2"}


@pytest.mark.parametrize("service,expected", [
    ({"cap_drop": ["ALL"]}, []),
    ({"cap_drop": ["CHOWN", "KILL"]}, [name for name in DEFAULT if name not in ("CAP_CHOWN", "CAP_KILL")]),
    ({"cap_add": ["NET_RAW"]}, [*DEFAULT, "CAP_NET_RAW"]),
    ({"cap_add": ["NET_RAW"], "cap_drop": ["ALL"]}, ["CAP_NET_RAW"]),
])
def test_capabilities_of_the_manifest(runtime, service, expected):
    found = status(runtime, **service)
    assert found["CapBnd"] == found["CapPrm"] == found["CapEff"] == mask(expected)
    assert found["CapInh"] == found["CapAmb"] == mask([])  # CVE-2022-29162, 24769


def test_another_user_has_no_capabilities(runtime):
    found = status(runtime, user="1000:1000")
    assert found["CapPrm"] == found["CapEff"] == found["CapAmb"] == mask([])


@pytest.mark.parametrize("wanted,expected", [(True, "EPERM"), (False, "ok")])
def test_set_user_id_gives_nothing(runtime, wanted, expected):
    """no_new_privs: a set-uid program of the image does not become root."""
    def change(bundle):
        (bundle.rootfs / "bin" / "probe").chmod(0o4755)
        bundle.process["noNewPrivileges"] = wanted
    assert attempts(runtime, ["setuid-0"], change, user="1000:1000") == {"setuid-0": expected}


@pytest.mark.parametrize("uid", [-1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 1.5, "0", None, True])
def test_user_that_would_wrap_to_root(runtime, host, uid):
    """CVE-2016-3697, CVE-2024-40635."""
    bundle = runtime.generated()
    bundle.process["user"]["uid"] = uid
    result = runtime.create(host, bundle, valid=False)
    assert result["code"] == "EINVAL" and "uid" in result["message"], result


def test_exactly_these_groups(runtime):
    """CVE-2022-36109: none of the daemon's."""
    def groups(bundle):
        bundle.process["user"].update(uid=1000, gid=1001, additionalGids=[7, 9])
    assert inside(runtime, "id -G", groups).split() == ["1001", "7", "9"]


def test_umask(runtime):
    """Whatever the daemon's is."""
    before = os.umask(0)
    try:
        assert inside(runtime, "umask; touch /tmp/file; stat -c %a /tmp/file").split() == ["0022", "644"]
    finally:
        os.umask(before)


# ---- system calls ----

def test_denied_system_calls(runtime):
    assert attempts(runtime, DENIED) == {name: "EPERM" for name in DENIED}


def test_allowed_system_calls(runtime):
    names = ["getpid", "socket-unix", "setuid-0"]
    assert attempts(runtime, names) == {name: "ok" for name in names}


def test_clone_makes_no_namespace(runtime):
    assert attempts(runtime, ["clones", "clone3"]) == {**{name: "EPERM" for name in CLONES}, "clone-plain": "ok",
                                                       "clone3": "ENOSYS"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="foreign system call tables of x86_64")
def test_foreign_system_call_tables(runtime):
    assert attempts(runtime, ["x32", "int80"]) == {"x32": "SIGSYS", "int80": "SIGSYS"}


def test_the_filter_denies_not_the_kernel(runtime):
    """The same attempts with every capability and no filter: else the tests above could pass for another reason."""
    def open_up(bundle):
        del bundle.linux["seccomp"]
        with open("/proc/self/status", encoding="ascii") as lines:
            bounding = int([line for line in lines if line.startswith("CapBnd")][0].split()[1], 16)
        for kind in ("bounding", "permitted", "effective"):
            names = bundle.process["capabilities"][kind]
            bundle.process["capabilities"][kind] = [name for name in names if bounding >> NUMBERS[name] & 1]
    found = attempts(runtime, DENIED, open_up, cap_add=["ALL"])
    assert [name for name, result in found.items() if result == "EPERM"] == []


@pytest.mark.skipif(platform.machine() not in KEY_CALLS, reason="numbers of add_key(2) and keyctl(2)")
def test_keys_of_the_daemon_are_not_the_containers(runtime):
    """A session keyring is inherited over clone and exec. The filter denies keyctl; without it the key must be gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    add_key, keyctl = KEY_CALLS[platform.machine()]
    assert libc.syscall(keyctl, 1, None) > 0  # KEYCTL_JOIN_SESSION_KEYRING: a new one, for this process
    assert libc.syscall(add_key, b"user", b"baton-conformance", b"secret", 6, -3) > 0  # KEY_SPEC_SESSION_KEYRING
    assert libc.syscall(keyctl, 10, -3, b"user", b"baton-conformance", 0) > 0  # KEYCTL_SEARCH
    found = attempts(runtime, ["session-key"], lambda bundle: bundle.linux.pop("seccomp"))
    assert found == {"session-key": "ENOKEY"}


def test_processes_outside_can_not_be_seen_or_traced(runtime):
    """ptrace itself is allowed, as every container runtime does since Linux 4.8; there is nobody else to trace."""
    out = inside(runtime, "ls -d /proc/[0-9]*; kill -0 %d 2>/dev/null || echo nobody" % os.getpid())
    assert len([line for line in out.splitlines() if line.startswith("/proc/")]) <= 3
    assert out.endswith("nobody\n")


# ---- /proc, /sys, /dev ----

def test_namespaces_are_not_the_hosts(runtime):
    names = ["cgroup", "ipc", "mnt", "net", "pid", "uts"]
    out = inside(runtime, "for n in %s; do readlink /proc/self/ns/$n; done" % " ".join(names)).split()
    for name, identity in zip(names, out):
        assert identity.startswith(name + ":[") and identity != os.readlink("/proc/self/ns/" + name)


def test_dev_has_the_default_devices_and_no_more(runtime):
    """config-linux.md, "Default Devices"."""
    found = set(inside(runtime, "ls -A /dev").split())
    assert found == {"null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx", "shm", "mqueue", "fd", "stdin",
                     "stdout", "stderr"}
    assert inside(runtime, "for f in /dev/*; do [ ! -b $f ] || echo $f; done") == ""


def test_masked(runtime):
    """Each of them is there and empty, or this kernel has none: then the host has none either."""
    bundle = runtime.generated()
    masked = bundle.linux["maskedPaths"]
    out = inside(runtime, "for p in %s; do echo $p $([ -e $p ] && (ls -A $p/ 2>/dev/null || cat $p) | wc -c); done" %
                 " ".join(masked))
    found = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert found == {path: ["0"] if os.path.exists(path) else [] for path in masked}
    assert found["/proc/interrupts"] == ["0"], "no kernel is without it"


@pytest.mark.parametrize("path", ["/dev/stdin", "/proc/interrupts", "/proc/keys"])
@pytest.mark.parametrize("words", ["", "stdin=/dev/null"])
def test_null_device_of_the_host_can_not_be_changed(runtime, host, path, words):
    """Root of a container has CAP_FOWNER and CAP_CHOWN, and there is no user namespace in between. The attempts set what
    is set already, so that they harm nobody when they succeed: the time of the change tells."""
    before = os.stat("/dev/null")
    mode = before.st_mode & 0o7777
    bundle = runtime.generated(command=["/bin/sh", "-c", "chmod %o %s; chown %d:%d %s; echo x >/dev/null; "
                                        "echo x >/proc/interrupts; cat /proc/keys; cat; exit 0" %
                                        (mode, path, before.st_uid, before.st_gid, path)])
    code, out, err = runtime.run(bundle, host, words=words)
    assert os.stat("/dev/null").st_ctime_ns == before.st_ctime_ns, (out, err)
    assert code == 0 and not out, (code, out, err)
    refused = "Read-only file system" in err
    assert refused == path.startswith("/proc"), err


def test_null_stdin_is_the_containers_own(runtime):
    out = inside(runtime, "readlink /proc/self/fd/0; stat -L -c '%d %i' /dev/null /dev/stdin")
    link, first, second = out.splitlines()
    assert link == "/dev/null" and first == second


@pytest.mark.parametrize("path", ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname",
                                  "/proc/irq/default_smp_affinity", "/sys/kernel/uevent_helper",
                                  "/sys/kernel/mm/ksm/run", "/sys/class/net/lo/mtu"])
def test_kernel_settings_can_not_be_written(runtime, path):
    script = "[ -e %s ] || { echo missing; exit 0; }; (echo x >%s) 2>&1" % (path, path)
    out = inside(runtime, script + "; true")
    assert "Read-only file system" in out or out == "missing\n", out


def test_no_control_group_can_be_changed(runtime):
    """CVE-2022-0492: no writable cgroupfs, and none can be mounted."""
    out = inside(runtime, "grep cgroup /proc/mounts; ls /sys/fs/cgroup 2>/dev/null; mkdir /work/cg && "
                          "mount -t cgroup -o pids none /work/cg 2>&1; ls /work/cg; true")
    assert out == "mount: permission denied (are you root?)\n"


def test_network_of_the_host_is_out_of_sight(runtime):
    """CVE-2020-15257: abstract sockets belong to the network namespace."""
    name = "baton-conformance-%d" % os.getpid()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name)
        server.listen()
        with open("/proc/net/unix", encoding="ascii", errors="replace") as sockets:
            assert name in sockets.read()
        assert name not in inside(runtime, "cat /proc/net/unix")
    assert inside(runtime, "ls /sys/class/net").split() == ["lo"]


# ---- settings of the manifest ----

def test_limits(runtime):
    out = inside(runtime, "grep -E '^Max (open files|core|processes)' /proc/self/limits",
                 ulimits={"nofile": {"soft": 100, "hard": 200}})
    values = {line[:26].strip(): line[26:].split()[:2] for line in out.splitlines()}
    assert values["Max open files"] == ["100", "200"]
    assert values["Max core file size"] == ["0", "0"]


def test_unlimited(runtime):
    out = inside(runtime, "grep -E '^Max (core|stack)' /proc/self/limits", ulimits={"core": -1, "stack": -1})
    assert [line[26:].split()[:2] for line in out.splitlines()] == [["unlimited", "unlimited"]] * 2


def test_read_only_root_with_volumes(runtime, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "fixed").mkdir()
    out = inside(runtime, "for f in /x /etc/x /data/x /fixed/x /scratch/x /dev/shm/x; do (echo 1 >$f) 2>/dev/null && "
                          "echo $f; done; true", read_only=True, tmpfs=["/scratch:size=64k"],
                 volumes=["data:/data", "fixed:/fixed:ro"])
    assert out.split() == ["/data/x", "/scratch/x", "/dev/shm/x"]
    assert os.listdir(tmp_path / "data") == ["x"] and os.listdir(tmp_path / "fixed") == []


def test_volumes_honour_no_set_user_id_and_no_device(runtime, tmp_path):
    (tmp_path / "data").mkdir()
    out = inside(runtime, "grep -E ' /(data|scratch) ' /proc/mounts | cut -d' ' -f4", tmpfs=["/scratch"],
                 volumes=["data:/data"])
    for options in out.split():
        assert {"nosuid", "nodev"} <= set(options.split(","))


@pytest.mark.parametrize("key", ["kernel.core_pattern", "kernel.modprobe", "vm.overcommit_memory", "fs.file-max",
                                 "net/../kernel/core_pattern", "net...kernel.core_pattern", "net.ipv4/../x",
                                 "kernel.shm_rmid_forced=1+kernel.core_pattern", "net.\n", "", "kernel.sem.x"])
def test_setting_of_the_host(runtime, host, key):
    """CVE-2022-0811 and its kin."""
    bundle = runtime.generated()
    bundle.linux["sysctl"] = {key: "1"}
    result = runtime.create(host, bundle, valid=False)
    assert result["code"] == "EINVAL" and "sysctl" in result["message"], result


def test_setting_with_a_line_break(runtime, host):
    bundle = runtime.generated()
    bundle.linux["sysctl"] = {"kernel.shmmax": "1\n2"}
    host_result = runtime.create(host, bundle)
    assert host_result["code"] == "EINVAL", host_result


# ---- what the configuration may not weaken in silence ----

@pytest.mark.parametrize("change", [
    lambda config: config["process"].update(terminal=True, consoleSize={"height": 1, "width": 1}),
    lambda config: config["process"].update(apparmorProfile="unconfined"),
    lambda config: config["process"].update(selinuxLabel="x"),
    lambda config: config["linux"].update(uidMappings=[{"containerID": 0, "hostID": 1, "size": 1}]),
    lambda config: config["linux"].update(rootfsPropagation="shared"),
    lambda config: config["linux"]["namespaces"].append({"type": "user"}),
    lambda config: config["linux"]["namespaces"].append({"type": "pid", "path": "/proc/1/ns/pid"}),
    lambda config: config["linux"].update(namespaces=[{"type": "pid"}]),
    lambda config: config["mounts"].append({"destination": "/m", "type": "ext4", "source": "/dev/sda"}),
    lambda config: config["mounts"].append({"destination": "/m", "type": "overlay", "source": "x"}),
    lambda config: config["mounts"].append({"destination": "/proc/sys", "type": "tmpfs", "source": "x"}),
    lambda config: config["mounts"].append({"destination": "/proc", "type": "tmpfs", "source": "x"}),
    lambda config: config["mounts"].append({"destination": "/a/../b", "type": "tmpfs", "source": "x"}),
    lambda config: config["mounts"].append({"destination": "/", "type": "tmpfs", "source": "x"}),
    lambda config: config["mounts"].append({"destination": "/m", "type": "bind", "source": "/", "options": ["unknown"]}),
    lambda config: config["hooks"].update(prestart=[{"path": "/bin/true"}]),
    lambda config: config["linux"].update(devices=[{"path": "/dev/../x", "type": "b", "major": 8, "minor": 0}]),
    lambda config: config["linux"].update(devices=[{"path": "/etc/x", "type": "b", "major": 8, "minor": 0}]),
    lambda config: config["process"]["capabilities"].update(bounding=["CAP_NOT_YET"]),
    lambda config: config["process"].update(cwd="work"),
    lambda config: config["linux"]["seccomp"].update(defaultAction="SCMP_ACT_TRACE"),
    lambda config: config["linux"]["seccomp"].update(flags=["SECCOMP_FILTER_FLAG_LOG"]),
], ids=range(22))
def test_refused(runtime, host, change):
    bundle = runtime.generated()
    bundle.config["hooks"] = {}
    change(bundle.config)
    result = runtime.create(host, bundle, valid=False)
    assert result["code"] in ("EINVAL", "EOPNOTSUPP", "EPERM") and result["message"], result
    host.fails("state c", "ENOENT")
