# SPDX-License-Identifier: Apache-2.0
"""The ACL that docs/security.md states, taken out of it: enough for a fleet, and not more for a node than its own topics."""
import json
import re
import subprocess

import pytest
from harness.broker import Certificates, free_port
from harness.node import REPOSITORY, die_with_parent, service

FOLLOWED = "i=0; while true; do i=$((i+1)); echo line-$i; sleep 0.1; done"


def stated_acl():
    text = (REPOSITORY / "docs/security.md").read_text(encoding="utf-8")
    return next(block for block in re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) if "pattern " in block)


class Secured:
    """The fleet's broker with a second listener: TLS, a certificate for each user, and an ACL."""

    def __init__(self, fleet, acl):
        self.fleet = fleet
        self.port = free_port()
        self.certificates = Certificates(fleet.janitor)
        self.users = {name: self.certificates.issue(name, "extendedKeyUsage=clientAuth") for name in ("hub", "n2", "operator")}
        for path in self.certificates.folder.iterdir():
            path.chmod(0o644)
        (self.certificates.folder / "acl").write_text(acl, encoding="ascii")
        (self.certificates.folder / "acl").chmod(0o644)
        fleet.client.close()
        fleet.client = None
        fleet.stop_broker()
        fleet.start_broker(head="per_listener_settings true\n", extra="".join(line + "\n" for line in (
            "listener %d 127.0.0.1" % self.port, "socket_domain ipv4", "allow_anonymous false", "require_certificate true",
            "use_identity_as_username true", "cafile %s" % self.certificates.ca, "certfile %s" % self.certificates.server,
            "keyfile %s" % self.certificates.key, "acl_file %s" % (self.certificates.folder / "acl"))))
        fleet.connect()

    def broker(self, user):
        certificate, key = self.users[user]
        return {"mode": "external", "socket": "", "host": "localhost", "port": self.port,
                "ca_file": str(self.certificates.ca), "cert_file": str(certificate), "key_file": str(key)}

    def start(self, program, user, *arguments):
        """mosquitto_pub or mosquitto_sub with the certificate of that user."""
        certificate, key = self.users[user]
        return subprocess.Popen([program, "-h", "localhost", "-p", str(self.port), "-V", "5", "-q", "1", "--cafile",
                                 str(self.certificates.ca), "--cert", str(certificate), "--key", str(key), *arguments],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=die_with_parent)

    def run(self, program, user, *arguments):
        """The output of the same."""
        with self.start(program, user, *arguments) as process:
            return process.communicate(timeout=20)[0]


@pytest.fixture
def secure(fleet):
    """Makes a Secured with an ACL."""
    made = []

    def make(acl):
        made.append(Secured(fleet, acl))
        return made[-1]
    yield make
    for one in made:
        fleet.janitor.done("dir", str(one.certificates.folder))


@pytest.fixture
def secured(secure):
    return secure(stated_acl())


def test_stated_acl_is_enough_for_a_fleet(fleet, secured):
    hub = fleet.add_node("hub", broker=secured.broker("hub")).start()
    n2 = fleet.add_node("n2", roles={"controller": False}, broker=secured.broker("n2")).start()
    for node in (hub, n2):
        node.wait_online().import_image()
    fleet.client.wait(lambda: "no assignment for this node yet" in n2.log_tail(), what="the barrier of n2")
    operator = fleet.add_node("operator", broker=secured.broker("operator"))  # the command line only
    (fleet.folder / "shop.json").write_text(json.dumps({"name": "shop", "services": {"web": service(FOLLOWED, scale=2)}}))
    assert "shop is running" in operator.baton("apply", str(fleet.folder / "shop.json")).stdout
    fleet.wait_running("shop", 2)
    item = n2.reported()["instances"][0]
    assert "line-1\n" in operator.baton("logs", item["id"]).stdout
    fleet.client.publish("nodes/n2/command/logs", {"instance": item["id"], "follow": True})
    fleet.client.wait(lambda: "nodes/n2/logs/" + item["id"] in fleet.client.topics or None, what="followed lines")
    operator.baton("scale", "shop/web=3")
    fleet.wait_running("shop", 3)
    operator.baton("rm", "shop")
    fleet.client.wait(lambda: not fleet.instances("shop") and fleet.status("shop") is None, what="removal")
    assert {"nodes/n2/beat", "nodes/n2/info", "nodes/n2/presence"} <= set(fleet.client.topics)
    n2.kill()
    fleet.client.wait(lambda: fleet.client.json("nodes/n2/presence")["state"] == "offline", what="the will")
    for node in (hub, n2):
        assert "the broker refuses" not in node.log.read_text(errors="replace")


def test_node_writes_and_reads_nothing_of_others(fleet, secured):
    fleet.start_node("hub", broker=secured.broker("hub")).import_image()
    fleet.apply({"name": "shop", "services": {"web": service()}})
    fleet.wait_running("shop", 1)
    own = ["nodes/n2/reported", "nodes/n2/logs/x", "events", "sync/anybody"]
    others = ["nodes/hub/reported", "nodes/hub/presence", "nodes/hub/desired", "nodes/hub/command/stop", "nodes/n2/desired",
              "nodes/n2/command/stop", "apps/evil/desired", "apps/shop/status", "apps/shop/command/scale",
              "apps/shop/revisions/" + "0" * 64, "policies/placement/evil", "controller/leader", "sync"]
    for topic in own + others:
        output = secured.run("mosquitto_pub", "n2", "-t", fleet.prefix + "/" + topic, "-m", "{}")
        # MQTT 5: PUBACK with reason code 0x87
        assert ("Not authorized" in output) == (topic in others), (topic, output)
    assert not {"nodes/hub/command/stop", "apps/evil/desired", "policies/placement/evil"} & set(fleet.client.topics)
    assert fleet.client.json("nodes/hub/presence")["state"] == "online"
    # the broker grants the subscription to everything, and delivers what the ACL lets the node read
    fleet.client.publish("nodes/n2/desired", {"term": 0, "revision": 0, "instances": []}, retain=True)
    with secured.start("mosquitto_sub", "n2", "-t", "#", "-F", "%t", "-W", "2") as reader:
        assert reader.stdout.readline()
        for topic in own + others:
            if topic != "nodes/n2/desired":  # that one is read by right
                fleet.client.publish(topic, "{}")
        seen = set(reader.communicate(timeout=20)[0].splitlines()) - {"Timed out"}
    assert not [topic for topic in seen if not re.fullmatch(
        fleet.prefix + "/(nodes/n2/(desired|command/stop)|apps/shop/revisions/[0-9a-f]{64})", topic)]
    assert fleet.prefix + "/nodes/n2/command/stop" in seen


def test_certificate_of_another_node_is_no_help(fleet, secured):
    node = fleet.add_node("n3", roles={"controller": False}, broker=secured.broker("n2")).start()
    fleet.client.wait(lambda: "not authori" in node.log_tail().lower(), what="the reason in the log")
    assert fleet.client.json("nodes/n3/presence") is None and fleet.client.json("nodes/n3/reported") is None
    assert node.process.poll() is None


@pytest.mark.parametrize("without, complaint", [
    ("sync/", "the broker refuses to publish to \"%s\": Not authorized"),
    ("read baton/v1/sync/", "\"%s\" did not come back: .* or its ACL forbids to read it"),
], ids=["write", "read"])
def test_barrier_that_the_acl_forbids_is_named_in_the_log(fleet, secure, without, complaint):
    secured = secure("\n".join(line for line in stated_acl().splitlines() if without not in line) + "\n")
    node = fleet.add_node("n2", roles={"controller": False}, broker=secured.broker("n2")).start()
    fleet.client.wait(lambda: re.search(complaint % (fleet.prefix + "/sync/baton-node-n2"), node.log_tail()), 25,
                      what="the topic in the log")
    assert node.process.poll() is None


def test_client_id_of_another_node_ends_its_connection_only(fleet, secured):
    """What the document warns of; the node comes back."""
    node = fleet.start_node("hub", broker=secured.broker("hub"))
    session = fleet.client.json("nodes/hub/presence")["session"]
    secured.run("mosquitto_sub", "n2", "-i", "baton-node-hub", "-t", "x", "-W", "1")
    fleet.client.wait(lambda: fleet.client.json("nodes/hub/presence") not in (None, session)
                      and fleet.client.json("nodes/hub/presence")["session"] != session, what="another session")
    node.wait_online()
