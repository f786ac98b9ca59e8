# SPDX-License-Identifier: Apache-2.0
"""The user of a container: names of the image's own passwd and group files, numbers, and what is not there."""
import pytest
from harness.node import service

IMAGE = "test/users:1"
FILES = """
printf 'web:x:1234:1235::/:/bin/sh\\n' >>etc/passwd
printf 'web:x:1235:\\nextra:x:1240:root,web\\nother:x:1241:root\\n' >>etc/group
"""
USERS = {  # of `user`: what id(1) prints in the container
    "web": "uid=1234(web) gid=1235(web) groups=1235(web),1240(extra)",
    "1234:1235": "uid=1234(web) gid=1235(web) groups=1235(web)",
    "web:other": "uid=1234(web) gid=1241(other) groups=1241(other)",
    "web:4000": "uid=1234(web) gid=4000 groups=4000",
    "4000:4001": "uid=4000 gid=4001 groups=4001",
}
UNKNOWN = {"nobody-here": "nobody-here", "web:nogroup-here": "nogroup-here"}


def services(users, runtime):
    return {"s%d" % number: service("id; echo end; sleep 1000 & wait", image=IMAGE, user=user, **{"x-baton": {"runtime": runtime}})
            for number, user in enumerate(users)}


@pytest.fixture
def users_node(fleet):
    node = fleet.start_node("n1")
    node.import_image(IMAGE, FILES)
    return node


@pytest.mark.parametrize("runtime", ["native", "crun"])
def test_user_and_groups_are_those_of_the_image(fleet, users_node, runtime):
    fleet.apply({"name": "shop", "services": services(USERS, runtime)})
    found = {item["service"]: item for item in fleet.wait_running("shop", len(USERS))}
    for number, (user, expected) in enumerate(USERS.items()):
        instance = found["s%d" % number]["id"]
        text = fleet.client.wait(lambda instance=instance: (lambda text: text if "end" in text else None)(
            users_node.baton("logs", instance).stdout), what="id of " + user)
        assert text.splitlines()[-2].endswith(expected), user
        # what the kernel says of it, not a program of the image
        with open("/proc/%d/status" % found["s%d" % number]["pid"], encoding="ascii") as status:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
        uid, gid = (part.split("=")[1].split("(")[0] for part in expected.split()[:2])
        groups = sorted(part.split("(")[0] for part in expected.split("groups=")[1].split(","))
        assert (fields["Uid"].split(), fields["Gid"].split(), fields["Groups"].split()) == ([uid] * 4, [gid] * 4, groups), user


def test_unknown_names_are_refused_with_the_name(fleet, users_node):
    fleet.apply({"name": "shop", "services": services(UNKNOWN, "native")})
    for number, name in enumerate(UNKNOWN.values()):
        reason = fleet.client.wait(lambda number=number: next(
            (item["reason"] for item in fleet.instances("shop") if item["service"] == "s%d" % number
             and item["state"] in ("failed", "backoff")), None), what="a refusal of " + name)
        assert "\"%s\"" % name in reason and ("/etc/passwd" in reason or "/etc/group" in reason), reason
    assert not users_node.container_pids()
