# SPDX-License-Identifier: Apache-2.0
"""A node in a guest: what an operator does with it and what can be seen from outside. Times are the guest's."""
import itertools
import json
import shlex
import time

from rig.guest import CONFIG, IMAGE, LAYOUT, Guest

NUMBERS = itertools.count(1)
# What tests bind into containers, and what they need to make devices.
ALLOW = 'allow = { bind_paths = [ "/run/rig", "/etc/rig.app" ]; privileged_capabilities = true; };\n'
PATIENCE = 120  # seconds of this machine for what takes few in the guest


def service(script="while true; do sleep 1; done", **more):
    """A service that runs a shell script in the image and ends at once on SIGTERM."""
    return {"image": IMAGE, "command": ["/bin/sh", "-c", "trap 'exit 0' TERM; " + script], "network_mode": "none",
            "stop_grace_period": "2s", **more}


def manifest(name, **services):
    return {"name": name, "services": services}


def unique(word):
    """A name of an application that no other test of this run uses."""
    return "%s-%d" % (word, next(NUMBERS))


class RigNode:
    """`options` are those of Guest."""

    def __init__(self, base, folder, *, config=CONFIG, **options):
        self.base = base
        self.guest = Guest(base, folder, config=config + ALLOW, **options)
        self.online_seconds = None

    def close(self):
        self.guest.kill()

    def sh(self, script, timeout=PATIENCE):
        """Output of a script that has to succeed."""
        return self.guest.check(script, timeout)

    def baton(self, *words, check=True, timeout=PATIENCE):
        command = shlex.join(["baton", *map(str, words)])
        result = self.guest.run(command, timeout)
        assert not check or result.status == 0, "%s: exit %d\n%s\n%s" % (
            command, result.status, result.output, self.guest.log_tail())
        return result

    def import_image(self):
        self.baton("image", "import", LAYOUT)

    def write(self, path, text):
        self.sh("cat >%s <<'END-OF-FILE'\n%s\nEND-OF-FILE" % (path, text))

    def apply(self, document, *words, check=True):
        """Publishes a manifest and waits until it runs, as `baton apply` does."""
        self.write("/run/rig/manifest.json", json.dumps(document))
        return self.baton("apply", "--timeout", 90, *words, "/run/rig/manifest.json", check=check)

    def remove(self, app):
        self.baton("rm", "--timeout", 60, app)

    def instances(self, app):
        output = self.baton("ps", "-o", "json").output
        return [one for one in json.loads(output)["instances"] if one["app"] == app]

    def status(self, app):
        return json.loads(self.baton("status", "-o", "json", app).output)

    def wait(self, condition, what, timeout=PATIENCE):
        """Calls until the answer is true, and returns it."""
        deadline = time.monotonic() + timeout
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < deadline, "not %s in %d s; log: %s" % (what, timeout, self.guest.log_tail())
            time.sleep(0.2)

    def wait_instances(self, app, condition, what):
        """Waits until the app's instances as a list meet the condition."""
        return self.wait(lambda: (lambda found: condition(found) and found)(self.instances(app)), what)

    # ---- the kernel's view ----

    def group(self, instance):
        """The control group of an instance."""
        return "/sys/fs/cgroup/baton/" + instance

    def pids(self, instance):
        return list(map(int, self.sh("cat %s/cgroup.procs" % self.group(instance)).split()))

    def uptime(self):
        return float(self.sh("cat /proc/uptime").split()[0])
