# SPDX-License-Identifier: Apache-2.0
"""What the process of a container finds: OCI runtime specification, config.md and config-linux.md."""
import os
import platform
import subprocess

import pytest

from conformance_bundle import CAPABILITIES, MASKED, READONLY, mount


def change_process(**values):
    return lambda bundle: bundle.process.update(values)


def test_arguments(runtime):
    def change(bundle):
        bundle.process["args"] = ["/bin/sh", "-c", 'printf "%s|" "$@"', "zero", "", " a  b ", '"', "$HOME", "\u00e4\n"]
    assert runtime.sh("", change) == '| a  b |"|$HOME|\u00e4\n|'


def test_program_is_found_in_path_of_the_container(runtime):
    def change(bundle):
        bundle.process["args"] = ["echo", "found"]
    assert runtime.sh("", change) == "found\n"


def test_environment_is_exactly_the_given_one(runtime):
    env = ["PATH=/bin", "EMPTY=", "EQUALS=a=b", "SPACE= x "]
    def change(bundle):
        bundle.process["args"] = ["/bin/cat", "/proc/self/environ"]
        bundle.process["env"] = env
    assert set(runtime.sh("", change).rstrip("\0").split("\0")) - {"HOME=/root", "HOME=/"} == set(env)


def test_working_directory(runtime):
    assert runtime.sh("pwd", change_process(cwd="/work")) == "/work\n"


def test_user_and_groups(runtime):
    user = {"uid": 1234, "gid": 5678, "additionalGids": [11, 22], "umask": 0o077}
    assert runtime.sh("grep -E '^(Uid|Gid|Groups):' /proc/self/status | tr -s '\\t ' ' '; umask",
                      change_process(user=user)) == \
        "Uid: 1234 1234 1234 1234\nGid: 5678 5678 5678 5678\nGroups: 11 22 \n0077\n"


def test_groups_of_the_host_are_dropped(runtime):
    assert runtime.sh("grep ^Groups: /proc/self/status | tr -s '\\t ' ' '").split(":")[1].split() in ([], ["0"])


def test_hostname_and_its_namespace(runtime):
    assert runtime.sh("hostname", lambda bundle: bundle.config.update(hostname="other-name")) == "other-name\n"
    assert platform.node() != "other-name"


@pytest.mark.parametrize("name", ["pid", "ipc", "uts", "mnt", "cgroup", "net"])
def test_new_namespace(runtime, name):
    assert runtime.sh("readlink /proc/self/ns/" + name).strip() != os.readlink("/proc/self/ns/" + name)


def test_namespace_of_the_host(runtime):
    def change(bundle):
        bundle.linux["namespaces"] = [item for item in bundle.linux["namespaces"] if item["type"] != "network"]
        bundle.config["mounts"] = [item for item in bundle.config["mounts"] if item["type"] != "sysfs"]
        bundle.linux["maskedPaths"] = [path for path in MASKED if path.startswith("/proc")]
    assert runtime.sh("readlink /proc/self/ns/net", change).strip() == os.readlink("/proc/self/ns/net")


def test_given_network_namespace(runtime, tmp_path):
    """netns of the request wins over config.json."""
    place = tmp_path / "netns"
    place.touch()
    subprocess.run(["unshare", "--net=%s" % place, "true"], check=True)
    try:
        identity = "net:[%d]" % os.stat(place).st_ino
        assert runtime.sh("readlink /proc/self/ns/net", words="netns=%s" % place).strip() == identity
    finally:
        subprocess.run(["umount", place], check=True)


def test_pid_1_of_a_private_namespace(runtime):
    assert runtime.sh("echo $$; ls -d /proc/[0-9]* | wc -l").split()[0] == "1"
    assert int(runtime.sh("echo $$; ls -d /proc/[0-9]* | wc -l").split()[1]) <= 3


def test_standard_input_is_null(runtime):
    assert runtime.sh("cat; echo end") == "end\n"


def test_standard_input(runtime, tmp_path):
    source = tmp_path / "input"
    source.write_text("from outside\n")
    assert runtime.sh("cat", words="stdin=%s" % source) == "from outside\n"


def test_no_other_descriptors(runtime):
    # The ":" keeps the shell from becoming ls; 10 is the shell's own copy of its terminal or script.
    assert sorted(runtime.sh("ls /proc/$$/fd; :").split()) in (["0", "1", "2"], ["0", "1", "10", "2"])


def test_signals_are_default_and_unblocked(runtime):
    # runtime-host inherits an ignored SIGPIPE from Python.
    out = runtime.sh("grep -E '^Sig(Blk|Ign):' /proc/self/status | tr -s '\\t' ' '")
    assert out == "SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n"


# ---- mounts ----

def test_writable_root(runtime):
    bundle = runtime.bundle()
    bundle.sh("echo x >/written")
    assert runtime.run(bundle)[0] == 0
    assert (bundle.rootfs / "written").read_text() == "x\n"


def test_read_only_root(runtime):
    out = runtime.sh("touch /written 2>&1 || echo refused; touch /dev/shm/x && echo shm",
                     lambda bundle: bundle.config["root"].update(readonly=True))
    assert "Read-only file system" in out and out.endswith("refused\nshm\n")


def test_root_is_pivoted(runtime):
    """No way back to the host's root, and none of the host's mounts."""
    out = runtime.sh("cat /proc/self/mountinfo; ls /..")
    roots = [line.split()[4] for line in out.splitlines() if " - " in line]
    assert roots[0] == "/"
    assert not [path for path in roots if path.startswith(("/work/main", "/home", "/usr", "/run"))]
    assert "busybox" not in out.splitlines()[-9:]


def test_mounts_as_asked(runtime):
    lines = runtime.sh("cut -d' ' -f2-4 /proc/mounts").splitlines()
    mounts = {line.split()[0]: (line.split()[1], set(line.split()[2].split(","))) for line in lines}
    for path, kind, options in (
            ("/proc", "proc", {"nosuid", "noexec", "nodev"}), ("/dev", "tmpfs", {"nosuid", "mode=755"}),
            ("/dev/pts", "devpts", {"nosuid", "noexec", "gid=5", "ptmxmode=666"}),
            ("/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev"}), ("/dev/mqueue", "mqueue", {"nosuid"}),
            ("/sys", "sysfs", {"ro", "nosuid", "noexec", "nodev"})):
        assert mounts[path][0] == kind and options <= mounts[path][1], (path, mounts[path])


def test_tmpfs(runtime):
    def change(bundle):
        bundle.config["mounts"].append(mount("/new/deep", "tmpfs", "tmpfs", "nosuid", "nodev", "noexec", "mode=1700",
                                             "size=64k"))
    out = runtime.sh("stat -c %a /new/deep; dd if=/dev/zero of=/new/deep/x bs=1k count=100 2>/dev/null; stat -c %s "
                     "/new/deep/x", change)
    assert out.split() == ["1700", "65536"]


@pytest.mark.parametrize("option,expected", [("rw", "written"), ("ro", "refused")])
def test_bind(runtime, tmp_path, option, expected):
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("content\n")

    def change(bundle):
        bundle.config["mounts"].append(mount("/new/bind", "bind", str(source), "rbind", "rprivate", option))
    out = runtime.sh("cat /new/bind/file; (touch /new/bind/x) 2>/dev/null && echo written || echo refused", change)
    assert out == "content\n%s\n" % expected
    assert (source / "x").exists() == (option == "rw")


def test_bind_of_a_file(runtime, tmp_path):
    source = tmp_path / "source-file"
    source.write_text("content\n")
    assert runtime.sh("cat /etc/new-file", lambda bundle: bundle.config["mounts"].append(
        mount("/etc/new-file", "bind", str(source), "bind", "ro"))) == "content\n"


def test_mount_target_through_a_link_stays_inside(runtime, tmp_path):
    """/work points to an absolute path that exists on the host too: only the container's is used."""
    outside = tmp_path / "outside"
    outside.mkdir()

    def change(bundle):
        (bundle.rootfs / "work").rmdir()
        os.symlink(str(outside), bundle.rootfs / "work")
        (bundle.rootfs / str(outside).lstrip("/")).mkdir(parents=True)
        bundle.config["mounts"].append(mount("/work/target", "tmpfs", "tmpfs", "size=64k"))
    runtime.sh("echo x >/work/target/x", change)
    assert list(outside.iterdir()) == []


def test_host_sees_no_mount(runtime, host, tmp_path):
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        before = mounts.read()
    bundle = runtime.bundle()
    bundle.config["mounts"].append(mount("/work", "tmpfs", "tmpfs", "size=64k"))
    bundle.sh("sleep 1000")
    runtime.start(host, bundle)
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        assert [line for line in mounts if str(tmp_path) in line] == \
            [line for line in before.splitlines(True) if str(tmp_path) in line]
    host.ok("kill c 9")
    host.ok("wait c")
    host.ok("delete c")


def test_default_devices(runtime):
    names = ["null", "zero", "full", "random", "urandom", "tty"]
    out = runtime.sh("stat -c '%n %F %a %t:%T' " + " ".join("/dev/" + name for name in names))
    numbers = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
    assert out == "".join("/dev/%s character special file 666 %s\n" % (name, numbers[name]) for name in names)


def test_links_in_dev(runtime):
    out = runtime.sh("for name in fd stdin stdout stderr ptmx; do readlink /dev/$name; done")
    assert out.split() == ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "pts/ptmx"]


# ---- what is taken away ----

def test_masked_paths(runtime):
    script = "for path in %s; do [ -e $path ] || continue; if [ -d $path ]; then ls -A $path; else cat $path; fi; done"
    assert runtime.sh(script % " ".join(MASKED)) == ""


def test_masked_path_can_not_be_unmasked(runtime):
    assert "refused" in runtime.sh("mount -t tmpfs none /proc 2>/dev/null || echo refused")


def test_read_only_paths(runtime):
    out = runtime.sh("for path in %s; do [ -e $path ] && grep -q \" $path [^ ]* ro[ ,]\" /proc/mounts || [ ! -e $path ] "
                     "|| echo $path; done; (echo 1 >/proc/sys/kernel/hostname) 2>/dev/null || echo refused" %
                     " ".join(READONLY))
    assert out == "refused\n"


def capability_mask(names):
    numbers = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3, "CAP_FSETID": 4, "CAP_KILL": 5,
               "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SETPCAP": 8, "CAP_NET_BIND_SERVICE": 10, "CAP_SYS_CHROOT": 18,
               "CAP_SETFCAP": 31}
    return "%016x" % sum(1 << numbers[name] for name in names)


def capabilities(runtime, change=None):
    out = runtime.sh("grep ^Cap /proc/self/status", change)
    return dict(line.replace(":", "").split() for line in out.splitlines())


def test_capabilities(runtime):
    full = capability_mask(CAPABILITIES)
    assert capabilities(runtime) == {"CapInh": "0" * 16, "CapPrm": full, "CapEff": full, "CapBnd": full,
                                     "CapAmb": "0" * 16}


def test_capabilities_of_another_user(runtime):
    full = capability_mask(CAPABILITIES)
    found = capabilities(runtime, change_process(user={"uid": 1000, "gid": 1000}))
    assert found == {"CapInh": "0" * 16, "CapPrm": "0" * 16, "CapEff": "0" * 16, "CapBnd": full, "CapAmb": "0" * 16}


def test_no_capabilities(runtime):
    none = {name: [] for name in ("bounding", "effective", "permitted", "inheritable", "ambient")}
    assert set(capabilities(runtime, change_process(capabilities=none)).values()) == {"0" * 16}


@pytest.mark.parametrize("wanted", [True, False])
def test_no_new_privileges(runtime, wanted):
    assert runtime.sh("grep ^NoNewPrivs: /proc/self/status",
                      change_process(noNewPrivileges=wanted)).split()[1] == str(int(wanted))


def test_rlimits(runtime):
    limits = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
              {"type": "RLIMIT_FSIZE", "soft": 4096, "hard": 8192}]
    out = runtime.sh("grep -E '^Max (open files|file size|core)' /proc/self/limits", change_process(rlimits=limits))
    assert [line.split()[-3:-1] for line in sorted(out.splitlines())] == \
        [["0", "0"], ["4096", "8192"], ["100", "200"]]


def test_seccomp(runtime):
    machine = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}[platform.machine()]
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": [machine],
               "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
    out = runtime.sh("grep ^Seccomp: /proc/self/status; mkdir /work/x 2>&1; echo $?",
                     lambda bundle: bundle.linux.update(seccomp=profile))
    assert out.split()[1] == "2"
    assert "Function not implemented" in out and out.endswith("1\n")


def test_no_seccomp_without_a_profile(runtime):
    assert runtime.sh("grep ^Seccomp: /proc/self/status").split()[1] == "0"


def test_sysctl(runtime):
    assert runtime.sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
                      lambda bundle: bundle.linux.update(sysctl={"net.ipv4.ip_unprivileged_port_start": "77"})) == "77\n"


def test_oom_score_adj(runtime):
    # Raising needs no privilege; lowering needs CAP_SYS_RESOURCE, which a CI host may lack.
    assert runtime.sh("cat /proc/self/oom_score_adj", change_process(oomScoreAdj=500)) == "500\n"


# ---- the control group ----

def test_every_hierarchy_is_joined(runtime, host):
    bundle = runtime.bundle()
    bundle.sh("sleep 1000")
    pid = runtime.start(host, bundle)
    for place, members in runtime.group.members().items():
        assert pid in members, place
        assert len(members) <= 2, (place, members)  # sh and sleep, or sh became sleep: nothing of the runtime
    host.ok("kill c 9")
    host.ok("wait c")
    host.ok("delete c")


def test_control_group_is_the_root_of_its_namespace(runtime):
    for line in runtime.sh("cat /proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("memory", "pids", "cpu", "devices", ""):
            assert path == "/", line


def test_container_is_a_child_of_the_host(runtime, host):
    """Only so the host can wait for its exit status."""
    bundle = runtime.bundle()
    bundle.sh("sleep 1000")
    pid = runtime.start(host, bundle)
    with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as stat:
        assert int(stat.read().rsplit(")", 1)[1].split()[1]) == host.process.pid
    host.ok("kill c 9")
    assert host.ok("wait c")["signal"] == 9
    host.ok("delete c")


def test_dead_parent_does_not_end_it(runtime, host):
    bundle = runtime.bundle()
    bundle.sh("sleep 1000")
    first = runtime.host()
    pid = runtime.start(first, bundle)
    first.kill()
    os.kill(pid, 0)
    assert host.ok("state c")["state"] == "running"
    host.ok("kill c 9")
    runtime.wait_for(lambda: host.ok("state c")["state"] == "stopped")
    host.ok("delete c")
