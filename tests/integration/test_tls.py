# SPDX-License-Identifier: Apache-2.0
"""Daemons and command line against a broker that wants TLS with a client certificate, or a password."""
import json
import socket
import subprocess

import pytest

from harness.janitor import cgroup_members
from harness.node import service


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def certificates(fleet):
    """ca.pem, server.pem for localhost, client.pem, and their keys; readable by the daemons' user."""
    folder = fleet.folder / "tls"
    folder.mkdir()
    folder.chmod(0o755)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test ca", "-days", "2")
    for name, subject, extra in (("server", "/CN=localhost", "subjectAltName=DNS:localhost"),
                                 ("client", "/CN=node", "subjectAltName=DNS:node")):
        openssl(folder, "req", *key, "-keyout", name + ".key", "-out", name + ".csr", "-subj", subject)
        (folder / (name + ".ext")).write_text(extra)
        openssl(folder, "x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", name + ".pem", "-days", "2", "-extfile", name + ".ext")
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def tls_port(fleet, certificates):
    """The fleet's broker again, with a second listener that wants a certificate."""
    port = free_port()
    fleet.stop_broker()
    fleet.start_broker("listener %d 127.0.0.1\nallow_anonymous true\ncafile %s/ca.pem\ncertfile %s/server.pem\nkeyfile %s/server.key\n"
                       "require_certificate true\n" % (port, certificates, certificates, certificates))
    return port


def broker(port, folder, **more):
    return {"mode": "external", "socket": "", "host": "localhost", "port": port, "ca_file": str(folder / "ca.pem"), **more}


def test_client_certificate(fleet, certificates, tls_port):
    node = fleet.start_node("n1", broker=broker(tls_port, certificates, cert_file=str(certificates / "client.pem"),
                                                key_file=str(certificates / "client.key")))
    node.import_image()
    (fleet.folder / "shop.json").write_text(json.dumps({"name": "shop", "services": {"web": service()}}))
    assert "shop is running" in node.baton("apply", str(fleet.folder / "shop.json")).stdout
    assert cgroup_members(node.cgroup)


def test_without_a_certificate_nothing_is_said(fleet, certificates, tls_port):
    node = fleet.add_node("n1", broker=broker(tls_port, certificates)).start()
    done = node.baton("ps", check=False)
    assert done.returncode == 5 and "localhost:%d" % tls_port in done.stderr
    assert node.process.poll() is None
    assert fleet.client.json("nodes/n1/presence") is None


def test_a_certificate_of_another_name_is_refused(fleet, certificates, tls_port):
    node = fleet.add_node("n1", broker={**broker(tls_port, certificates, cert_file=str(certificates / "client.pem"),
                                                 key_file=str(certificates / "client.key")), "host": "127.0.0.1"}).start()
    done = node.baton("ps", check=False)
    assert done.returncode == 5 and "127.0.0.1" in done.stderr


@pytest.mark.parametrize("word, status", [("secret", 0), ("wrong", 5)])
def test_password(fleet, word, status):
    port = free_port()
    passwords = fleet.folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "edge", "secret"], check=True, capture_output=True)
    fleet.stop_broker()
    fleet.start_broker("password_file %s\nlistener %d 127.0.0.1\n" % (passwords, port))
    path = fleet.folder / "word"
    path.write_text(word + "\n")
    path.chmod(0o644)
    node = fleet.add_node("n1", broker={"mode": "external", "socket": "", "host": "127.0.0.1", "port": port, "username": "edge",
                                        "password_file": str(path)}).start()
    if status == 0:
        node.wait_online()
    done = node.baton("nodes", check=False)
    assert done.returncode == status, done.stderr
