# SPDX-License-Identifier: Apache-2.0
"""Installing, upgrading, removing and purging, in a root of its own: dpkg and the maintainer scripts are the real ones."""
import os
import pathlib
import platform
import shutil
import subprocess

import pytest

from harness.debian import newer

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the packages of qemu-x86_64 are installed")

CONF = "/etc/baton/baton.conf"
ENABLED = "/etc/systemd/system/multi-user.target.wants/batond.service"


@pytest.fixture
def packages(boards):
    return boards("qemu-x86_64")


# In the place of systemd: the one thing that it does with KillMode=process.
INVOKE = """#!/bin/sh
echo "deb-systemd-invoke $*" >>/calls
case $1 in
stop | restart)
	kill "$(cat /batond.pid)"
	while [ -d "/proc/$(cat /batond.pid)" ]; do sleep 0.05; done ;;
esac
case $1 in
start | restart)
	batond >>/tmp/given/log 2>&1 </dev/null &
	echo $! >/batond.pid ;;
esac
"""

# A service manager that knows whether the service runs, below the real deb-systemd-invoke; links are the real one's.
SYSTEMCTL = """#!/bin/sh
case $* in
*preset* | *is-enabled* | *mask*) SYSTEMD_OFFLINE=1 exec systemctl.real "$@" ;;
*is-active*) [ -e /active ] ;;
*try-restart*) ;;
*start*) : >/active ;;
*stop*) rm -f /active ;;
esac
"""
BY_HAND = {
    "nothing": "",
    "stop": "systemctl stop batond.service",
    "disable": "systemctl stop batond.service; rm " + ENABLED,
    "mask": "systemctl stop batond.service; systemctl mask batond.service",
}


# Overlays of images cannot lie on the overlay that the root is: state goes where the packages are given.
RUNNING = """
	sed -i 's/^#root = .*/root = "\\/tmp\\/given\\/root";/; s/^#run = .*/run = "\\/tmp\\/given\\/run";/' /etc/baton/baton.conf
	echo 'cgroup_parent = "%(parent)s";' >>/etc/baton/baton.conf
	pid() { baton ps app -o json | jq -r '.instances[] | select(.state == "running") | .pid'; }
	await() { n=0; until "$@" >/dev/null 2>&1; do n=$((n + 1)); [ $n -lt 300 ] || exit 9; sleep 0.1; done; }
	running() { [ -n "$(pid)" ]; }
	other() { [ "$(cat /batond.pid)" != "$old" ] && baton nodes; }
	deb-systemd-invoke start batond.service
	await baton nodes
	baton image import /tmp/given/image >/dev/null
	printf 'name: app\\nservices:\\n  one:\\n    image: test:1\\n    command: ["sleep", "600"]\\n' >/tmp/app.yaml
	baton apply /tmp/app.yaml >/dev/null
	await running
	old=$(cat /batond.pid) before=$(pid)
	dpkg --force-confold -i /tmp/given/newer.deb >/dev/null
	await other
	await running
	echo "$before $(pid)"
	[ -d "/proc/$before" ] && echo running
	dpkg --purge baton >/dev/null 2>&1
	[ -d "/proc/$before" ] || echo ended
"""


def exists(root, path):
    return root.run("test", "-e", path, check=False).returncode == 0


def test_install(root, packages):
    root.install(packages.baton)
    assert root.sh("getent passwd baton").split(":")[5:] == ["/nonexistent", "/usr/sbin/nologin\n"]
    assert root.sh("stat -c '%U %a' /var/lib/baton") == "root 711\n"
    assert root.run("test", "-L", ENABLED).returncode == 0
    assert root.sh("batond --check-config") == CONF + ": right\n"
    assert root.sh("baton --version").split()[1] == root.sh("dpkg-query -W -f '${Version}' baton")
    assert root.calls() == ["systemctl --system daemon-reload", "deb-systemd-invoke start batond.service"]
    assert root.sh("dpkg --verify baton") == ""


def test_upgrade_restarts_and_keeps_the_configuration(root, packages, tmp_path):
    root.install(packages.baton)
    root.sh("echo 'log_level = \"debug\";' >>%s; mkdir /var/lib/baton/images; : >/calls" % CONF)
    root.install(newer(packages.baton, tmp_path))
    assert 'log_level = "debug";' in root.sh("cat " + CONF)
    assert exists(root, "/var/lib/baton/images")
    # Never a stop: KillMode=process lets containers run on through a restart only.
    assert root.calls() == ["systemctl --system daemon-reload", "systemctl --system daemon-reload",
                            "deb-systemd-invoke restart batond.service"]


def test_upgrade_leaves_containers_running(root, packages, tmp_path):
    """The real batond of the package, with the real broker and a real container, before and after an upgrade."""
    subprocess.run([TOP / "scripts/make-image.sh", "test:1", root.folder / "given/image"], check=True)
    root.install(packages.baton)
    root.write("usr/bin/deb-systemd-invoke", INVOKE, 0o755)
    shutil.copy(newer(packages.baton, tmp_path), root.folder / "given")
    done = root.sh(RUNNING % {"parent": "baton-test-packages-%d" % os.getpid()}, check=False).splitlines()
    log = (root.folder / "given/log").read_text()
    assert done[1:] == ["running", "ended"], log
    before, after = done[0].split()
    assert before == after, log


def test_disabled_service_stays_disabled(root, packages, tmp_path):
    root.install(packages.baton)
    root.sh("rm " + ENABLED)
    root.install(newer(packages.baton, tmp_path))
    assert not exists(root, ENABLED)


@pytest.mark.parametrize("between", ["upgrade", "remove and install"])
@pytest.mark.parametrize("by_hand", sorted(BY_HAND))
def test_runs_again_unless_disabled(root, packages, tmp_path, between, by_hand):
    """As every service of Debian: what is enabled runs after an upgrade and after it came back, and nothing else does."""
    root.write("usr/bin/systemctl", SYSTEMCTL, 0o755)
    root.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n", 0o755)  # containers of developers forbid services
    shutil.copy("/usr/bin/deb-systemd-invoke", root.folder / "upper/usr/bin")
    root.install(packages.baton)
    assert exists(root, "/active")
    root.sh(BY_HAND[by_hand])
    if between != "upgrade":
        root.run("dpkg", "--remove", "baton")
        assert not exists(root, "/active")
    root.install(newer(packages.baton, tmp_path))
    assert exists(root, "/active") == (by_hand in ("nothing", "stop"))


def test_remove_keeps_state_and_purge_does_not(root, packages):
    root.install(packages.baton)
    root.sh("mkdir -p /var/lib/baton/images; touch /var/lib/baton/images/one; : >/calls")
    root.run("dpkg", "--remove", "baton")
    assert root.calls() == ["deb-systemd-invoke stop batond.service", "systemctl --system daemon-reload"]
    assert exists(root, "/var/lib/baton/images/one") and exists(root, CONF)
    assert not exists(root, "/usr/sbin/batond")
    root.run("dpkg", "--purge", "baton")
    for path in ("/var/lib/baton", "/run/baton", "/etc/baton", ENABLED, "/usr/lib/baton"):
        assert not exists(root, path), path
    assert root.sh("getent passwd baton")  # files elsewhere may be his
    assert root.run("dpkg", "-s", "baton", check=False).returncode != 0


def test_purge_of_a_mount_point(root, packages):
    """State on a partition of its own: what is in it goes, the mount point cannot."""
    root.install(packages.baton)
    done = root.sh("""
        mount -t tmpfs tmpfs /var/lib/baton
        mkdir -p /var/lib/baton/images/.hidden; touch /var/lib/baton/.one
        dpkg --purge baton >/dev/null
        ls -A /var/lib/baton
        mountpoint -q /var/lib/baton && echo mounted
    """)
    assert done == "mounted\n"
    assert root.run("dpkg", "-s", "baton", check=False).returncode != 0


def test_purge_at_once_and_install_again(root, packages):
    root.install(packages.baton)
    root.run("dpkg", "--purge", "baton")
    root.install(packages.baton)
    assert root.sh("batond --check-config") == CONF + ": right\n"


def test_remove_ends_containers(root, packages):
    """Nobody would watch over them: TERM, and KILL for what ignores it."""
    root.install(packages.baton)
    parent = "baton-test-packages-%d" % os.getpid()
    root.sh("echo 'cgroup_parent = \"%s\";' >>%s" % (parent, CONF))
    done = root.sh("""
        hierarchy=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
        mkdir -p "$hierarchy/%s/instance"
        sh -c 'echo $$ >"$0/cgroup.procs"; exec sleep 300' "$hierarchy/%s/instance" &
        polite=$!
        sh -c 'echo $$ >"$0/cgroup.procs"; trap "" TERM; sleep 300; sleep 300' "$hierarchy/%s/instance" &
        stubborn=$!
        until [ "$(wc -l <"$hierarchy/%s/instance/cgroup.procs")" -ge 3 ]; do sleep 0.1; done
        dpkg --remove baton >/dev/null
        wait $polite || echo "polite: $?"
        wait $stubborn || echo "stubborn: $?"
        [ -e "$hierarchy/%s" ] || echo gone
    """ % ((parent,) * 5))
    assert done.split("\n")[:3] == ["polite: 143", "stubborn: 137", "gone"]


def freezers():
    """Hierarchies that can freeze a group, with the file for it and what stops and what starts it again."""
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup" and "freezer" in options.split(","):
            yield where, "freezer.state", "FROZEN", "THAWED"
        elif kind == "cgroup2":
            yield where, "cgroup.freeze", "1", "0"


@pytest.mark.parametrize("where, file, frozen, thawed", freezers())
def test_remove_ends_frozen_containers(root, packages, where, file, frozen, thawed):
    """A task that the freezer of cgroup v1 holds does not even notice a KILL."""
    root.install(packages.baton)
    parent = "baton-test-packages-%d" % os.getpid()
    root.sh("echo 'cgroup_parent = \"%s\";' >>%s" % (parent, CONF))
    done = root.sh("""
        parent=%s/%s
        mkdir -p "$parent/instance"
        sh -c 'echo $$ >"$0/cgroup.procs"; exec sleep 300' "$parent/instance" &
        held=$!
        until grep -q . "$parent/instance/cgroup.procs"; do sleep 0.1; done
        echo %s >"$parent/instance/%s"
        dpkg --remove baton >/dev/null
        [ ! -e "$parent/instance" ] || {
            echo "left behind"
            echo %s >"$parent/instance/%s"
            kill -9 $held
        }
        wait $held || echo "held: $?"
        [ -e "$parent" ] || echo gone
        rmdir "$parent/instance" "$parent" 2>/dev/null || true
    """ % (where, parent, frozen, file, thawed, file))
    assert done.split("\n")[:2] == ["held: 143", "gone"]


def test_image_formats(root, packages):
    root.install(packages.baton)
    assert not exists(root, "/usr/lib/baton/baton-unpack-formats")
    root.install(packages.formats)
    assert exists(root, "/usr/lib/baton/baton-unpack-formats")
    root.run("dpkg", "--purge", "baton-image-formats")
    assert not exists(root, "/usr/lib/baton/baton-unpack-formats")


def test_image_formats_need_baton(root, packages):
    given = root.folder / "given" / packages.formats.name
    given.write_bytes(packages.formats.read_bytes())
    done = root.run("dpkg", "-i", "/tmp/given/" + given.name, check=False)
    assert done.returncode != 0 and "depends on baton" in done.stderr
