# SPDX-License-Identifier: Apache-2.0
"""What needs a kernel of the board's own width, or may break the guest: who a container is, and what of the node it can
change."""
from rig_node import manifest, service, unique


def output(node, script, word, **more):
    """The log of a container up to a line with `word`."""
    app = unique("isolated")
    node.apply(manifest(app, one=service(script + "; echo %s; sleep 1000" % word, **more)))
    log = node.wait(lambda: (lambda text: word in text and text)(node.baton("logs", app).output), "the script's end")
    node.remove(app)
    return log


def test_users_above_16_bits(node):
    """On 32-bit ARM the plain system calls have 16-bit arguments: 65536 would be root."""
    for user in (65535, 65536, 70000):
        log = output(node, "grep -E '^(Uid|Gid|Groups):' /proc/self/status | tr -s '\t ' ' '", "told",
                     user="%d:%d" % (user, user))
        numbers = " ".join([str(user)] * 4)
        assert "Uid: " + numbers in log and "Gid: " + numbers in log, log
        assert " 0" not in log, log


def test_null_device_of_the_node(node):
    """Standard input and masked files are one: root of a container, with CAP_FOWNER and CAP_CHOWN, cannot change it."""
    look = "stat -c '%a %u:%g %Z' /dev/null"
    before = node.sh(look)
    log = output(node, "for f in /dev/stdin /proc/kcore /proc/interrupts /proc/keys; do chmod 0 $f; chown 7:7 $f; done; "
                 "cat /proc/kcore /proc/keys /proc/interrupts | wc -c", "tried")
    assert node.sh(look) == before
    assert "Read-only file system" in log, log
