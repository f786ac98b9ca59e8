# SPDX-License-Identifier: Apache-2.0
"""broker/session on networks that misbehave: half-open, refused, silent, TLS; CPU time is measured, not guessed."""
import os
import socket
import subprocess
import sys
import time

import pytest
from harness.broker import Broker, Certificates, Proxy, free_port, tls_context
from harness.fake_broker import FakeBroker
from harness.session import Tool

IDLE_CPU_S = 0.15  # of three seconds; a loop that spins uses all of them


@pytest.fixture
def started():
    """Things with close() or kill(), ended after the test in reverse order."""
    things = []
    yield things
    for thing in reversed(things):
        (thing.close if hasattr(thing, "close") else thing.kill)()


@pytest.fixture(scope="module")
def certificates(janitor):
    return Certificates(janitor)


@pytest.fixture
def start(build, started):
    def run(*arguments, **named):
        started.append(Tool(build, *arguments, **named))
        return started[-1]
    return run


@pytest.fixture
def tls_broker(janitor, certificates, started):
    started.append(Broker(janitor, ("unix", "tcp", "tls"), certificates=certificates))
    return started[-1]


def cpu_of(tool, seconds=3.0):
    """CPU seconds that the tool uses while `seconds` pass."""
    before = tool.stat()["cpu"]
    time.sleep(seconds)
    return tool.stat()["cpu"] - before


def silent_listener(started):
    """Accepts into its backlog and never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    started.append(listener)
    return listener.getsockname()[1]


def full_listener(started):
    """Its backlog is full, so that the kernel drops the SYN of whoever else connects."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    started.append(listener)
    for _ in range(4):
        filler = socket.socket()
        started.append(filler)
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    time.sleep(0.1)
    return listener.getsockname()[1]


def slowest_answer(tool, seconds):
    """The longest time that the tool took to answer, asked again and again."""
    slowest = 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        tool.stat()
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.05)
    return slowest


def private_kb(tool):
    tool.stat()
    with open("/proc/%d/smaps_rollup" % tool.process.pid, encoding="ascii") as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith("Private"))


# ---- what is sent ----

def test_connect_packet(start, started):
    """MQTT 5, no session that outlives the connection, all the room that the protocol has for retained messages, the
    will: of the first connection and of all others."""
    broker = FakeBroker()
    started.append(broker)
    one = start("--host", "127.0.0.1", "--port", broker.port, "--id", "node-x", "--keepalive", 7,
                "--user", "someone", "--password", "secret", "--will", "fleet/presence")
    for round_ in range(1, 4):
        one.wait("connected", round_)
        broker.cut()
        one.wait("disconnected", round_)
    assert len(broker.connects) >= 3
    for connect in broker.connects:
        properties = connect.pop("properties")
        assert properties.get("session_expiry", 0) == 0
        assert properties.get("receive_maximum", 65535) == 65535
        assert properties["maximum_packet_size"] == 134217728  # SESSION_PACKET_MAX
        assert set(properties) <= {"session_expiry", "receive_maximum", "maximum_packet_size"}
        assert connect == {"level": 5, "clean_start": True, "keepalive": 7, "client_id": "node-x",
                           "username": "someone", "password": "secret",
                           "will": {"qos": 1, "retain": True, "properties": {}, "topic": "fleet/presence",
                                    "payload": "gone"}}


@pytest.mark.parametrize("identifiers, gap", [
    ([1, 2, None, 3, None], False), ([1, 2, None, 4], True), ([2], False), ([7, 9, 30], False), ([1, 2, 1, 3, 2], False),
])
def test_gap_in_packet_identifiers(start, started, identifiers, gap):
    """Numbers in a row show what was left out; other ways of numbering raise no alarm."""
    broker = FakeBroker()
    started.append(broker)
    one = start("--host", "127.0.0.1", "--port", broker.port, "--sub", "t/#")
    one.wait("connected")
    for number in identifiers:
        broker.deliver("t/x", number)
    one.wait("message", len(identifiers))
    if gap:
        one.wait_stderr("the broker left out messages")
    else:
        one.stat()  # whatever it had to say has been said by now
        assert "left out" not in "".join(one.stderr)


@pytest.mark.parametrize("qos, deaf", [(1, False), (1, True), (0, True)])
def test_memory_of_publications_that_the_broker_does_not_take(start, started, qos, deaf):
    """Whether it answers pings and reads on, or reads nothing; libmosquitto would queue all, QoS 0 too."""
    broker = FakeBroker(acknowledge=False)
    started.append(broker)
    one = start("--host", "127.0.0.1", "--port", broker.port, "--backoff-min", 20000, "--backoff-max", 20000)
    one.wait("connected")
    if deaf:
        broker.deaf.set()
    assert not one.stat()["congested"]
    one.tell("fill 10 t/x 1000000 %d" % qos)
    one.wait("filled")
    time.sleep(0.5)
    assert one.stat()["congested"]
    for round_ in range(2, 12):
        one.tell("fill 20 t/x 1000000 %d" % qos)
        one.wait("filled", round_)
    assert "acknowledge" in one.wait("disconnected")["reason"]  # SESSION_QUEUE_MAX_KIB are 32 MiB
    with open("/proc/%d/status" % one.process.pid, encoding="ascii") as status:
        peak_kb = int(next(line for line in status if line.startswith("VmHWM")).split()[1])
    assert peak_kb < 100000, "of 210 MB; what libmosquitto has not written yet is there twice"
    assert one.of("filled")[0]["result"] == 0 and one.of("filled")[-1]["result"] == -107


def test_what_is_acknowledged_makes_room(start, started):
    broker = FakeBroker()
    started.append(broker)
    one = start("--host", "127.0.0.1", "--port", broker.port)
    one.wait("connected")
    for round_ in range(1, 21):
        one.tell("fill 4 t/x 1000000 %d" % (round_ % 2))
        one.tell("fill 1 t/x 10 1")
        one.tell("flush")
        one.wait("flushed", round_)
    assert {item["result"] for item in one.of("filled")} == {0}
    assert not one.stat()["congested"]
    assert not one.of("disconnected")


# ---- reachability ----

def test_refused_connections_back_off_with_jitter(start):
    one = start("--host", "127.0.0.1", "--port", free_port(), "--backoff-min", 100, "--backoff-max", 1000)
    one.wait("disconnected", 8)
    assert "refused" in one.of("disconnected")[0]["reason"].lower()
    assert cpu_of(one) < IDLE_CPU_S
    times = [item["at"] for item in one.of("disconnected")]
    waits = [after - before for before, after in zip(times, times[1:])]
    assert max(waits) < 1.5, "longer than backoff-max"
    assert len({round(wait, 2) for wait in waits}) > len(waits) // 3, "no jitter: %s" % waits


def test_no_connack_is_noticed_after_five_seconds(start, started):
    one = start("--host", "127.0.0.1", "--port", silent_listener(started))
    began = time.monotonic()
    assert "no answer" in one.wait("disconnected", timeout=20)["reason"]
    assert 4.5 < time.monotonic() - began < 9


def test_a_connect_that_hangs_does_not_block_the_loop(start, started):
    one = start("--host", "127.0.0.1", "--port", full_listener(started))
    assert slowest_answer(one, 3) < 1
    assert not one.of("disconnected"), "somebody answered: this test shows nothing"
    assert "no answer" in one.wait("disconnected", timeout=20)["reason"]


def test_half_open_connection_is_noticed_by_keepalive(janitor, start, started):
    broker = Broker(janitor, ("unix", "tcp"))
    proxy = Proxy(broker.port)
    started += [broker, proxy]
    one = start("--host", "127.0.0.1", "--port", proxy.port, "--keepalive", 5)
    one.wait("connected")
    proxy.mode = "swallow"
    assert "keep-alive" in one.wait("disconnected", timeout=30)["reason"]
    proxy.cut()
    proxy.mode = "pass"
    one.wait("connected", 2, timeout=30)


def test_idle_connection_is_kept_and_costs_nothing(janitor, start, started):
    broker = Broker(janitor, ("unix", "tcp"))
    started.append(broker)
    one = start("--host", "127.0.0.1", "--port", broker.port, "--keepalive", 5)
    one.wait("connected")
    assert cpu_of(one, 8) < IDLE_CPU_S
    assert not one.of("disconnected")


# ---- names ----

def test_host_name_and_second_address(janitor, start, started):
    """localhost is ::1 first on most machines; the broker listens on 127.0.0.1 only."""
    broker = Broker(janitor, ("unix", "tcp"))
    started.append(broker)
    one = start("--host", "localhost", "--port", broker.port, "--backoff-min", 20000, "--backoff-max", 20000)
    one.wait("connected", timeout=10)


def test_unknown_host_name(start):
    one = start("--host", "no-such-host.invalid", "--port", 1883)
    assert "no-such-host.invalid" in one.wait("disconnected", timeout=60)["reason"]
    one.free()


DEAD_RESOLVER = """
import os, socket, subprocess, sys
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
silent.bind(("127.0.0.1", 53))
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
for name, text in (("resolv.conf", "nameserver 127.0.0.1\\n"), ("nsswitch.conf", "hosts: dns\\n")):
    path = os.path.join(sys.argv[1], name)
    open(path, "w").write(text)
    subprocess.run(["mount", "--bind", path, "/etc/" + name], check=True)
os.set_inheritable(silent.fileno(), True)
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_a_dead_name_server_does_not_block_the_loop(start, tmp_path):
    """getaddrinfo takes ten seconds here; commands are answered meanwhile, and the end does not wait for it."""
    script = tmp_path / "resolver.py"
    script.write_text(DEAD_RESOLVER)
    one = start("--host", "broker.test", "--port", 1883,
                wrapper=["unshare", "--mount", "--net", sys.executable, str(script), str(tmp_path)])
    one.stat()
    time.sleep(1)
    slowest = slowest_answer(one, 1)
    assert not one.of("disconnected"), "the resolver answered: this test shows nothing"
    assert slowest < 1, "the loop was blocked for %.1f s" % slowest
    began = time.monotonic()
    one.free()
    assert time.monotonic() - began < 1, "session_free waited for the resolver"


# ---- TLS ----

@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_tls_by_name_and_by_address(start, tls_broker, certificates, host):
    one = start("--host", host, "--port", tls_broker.tls_port, "--ca", certificates.ca, "--sub", "t/#",
                "--barrier", "sync/x")
    one.wait("synced")
    tls_broker.publish("t/a", "x" * 50000)
    assert one.wait("message", topic="t/a")["length"] == 50000
    one.free()


@pytest.mark.parametrize("names, host", [
    ("DNS:other.example", "localhost"),
    ("DNS:other.example", "127.0.0.1"),
    ("DNS:localhost", "127.0.0.1"),           # right machine, but the certificate has no address
    ("IP:127.0.0.1", "localhost"),            # the number we connect to must not stand in for the name
    ("DNS:*.localhost,DNS:l*", "localhost"),
])
def test_tls_wrong_name_is_refused(janitor, start, started, names, host):
    wrong = Certificates(janitor, names)
    broker = Broker(janitor, ("tls",), certificates=wrong)
    started.append(broker)
    one = start("--host", host, "--port", broker.tls_port, "--ca", wrong.ca)
    lost = one.wait("disconnected")
    assert "certificate" in lost["reason"] and lost["permanent"] is True, lost
    assert "mismatch" in lost["reason"], lost
    time.sleep(0.5)
    assert not one.of("connected")


def test_tls_unknown_ca_is_refused(janitor, start, tls_broker):
    other = Certificates(janitor)
    one = start("--host", "localhost", "--port", tls_broker.tls_port, "--ca", other.ca)
    lost = one.wait("disconnected")
    assert "certificate" in lost["reason"] and lost["permanent"] is True, lost
    assert not one.of("connected")


def test_tls_missing_or_broken_files_are_named(start, tls_broker, certificates, tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text("not a certificate\n")
    for ca in ("/nonexistent/ca.pem", broken):
        one = start("--host", "localhost", "--port", tls_broker.tls_port, "--ca", ca)
        lost = one.wait("disconnected")
        assert str(ca) in lost["reason"] and lost["permanent"] is True, lost
    one = start("--host", "localhost", "--port", tls_broker.tls_port, "--ca", certificates.ca,
                "--cert", certificates.client, "--key", certificates.key)
    assert str(certificates.key) in one.wait("disconnected")["reason"]


def test_tls_client_certificate(janitor, start, started, certificates):
    broker = Broker(janitor, ("tls",), "require_certificate true\nuse_identity_as_username true",
                    certificates=certificates)
    started.append(broker)
    good = start("--host", "localhost", "--port", broker.tls_port, "--ca", certificates.ca,
                 "--cert", certificates.client, "--key", certificates.client_key)
    good.wait("connected")
    without = start("--host", "localhost", "--port", broker.tls_port, "--ca", certificates.ca, "--id", "without")
    without.wait("disconnected", 3)
    assert not without.of("connected")
    assert cpu_of(without) < 1.0, "attempts are spaced, never a busy loop"


def test_tls_server_name_is_the_name(start, started, certificates):
    """Names are resolved beforehand, so libmosquitto would announce "127.0.0.1"."""
    names = []
    proxy = Proxy(None, tls=tls_context(certificates, names))
    started.append(proxy)
    one = start("--host", "localhost", "--port", proxy.port, "--ca", certificates.ca)
    one.wait("disconnected", timeout=20)
    one.free()
    assert names and set(names) == {"localhost"}, names
    names.clear()
    one = start("--host", "127.0.0.1", "--port", proxy.port, "--ca", certificates.ca)
    one.wait("disconnected", timeout=20)
    assert names and set(names) == {None}, names


def test_tls_many_messages_in_one_record(start, started, certificates, tls_broker):
    """Fifty packets in one TLS record: OpenSSL holds them all after the first read, and the socket stays silent."""
    proxy = Proxy(tls_broker.port, tls=tls_context(certificates), batch_s=1.0)
    started.append(proxy)
    one = start("--host", "localhost", "--port", proxy.port, "--ca", certificates.ca, "--sub", "t/#", "--echo", "e/x")
    one.wait("connected")
    # Each publication writes a byte into a socket pair of libmosquitto that nobody reads; when it is full, every
    # publication from inside of `message` leaves EAGAIN in errno, which loop_read takes for the end of the data.
    one.tell("fill 1000 e/y")
    one.wait("filled")
    time.sleep(3)
    writer = start("--socket", tls_broker.socket, "--id", "writer")
    writer.wait("connected")
    proxy.batches.clear()
    for i in range(50):
        writer.tell("pub 1 0 t/%d x" % i)
    one.wait("message", 50, timeout=10)
    assert max(proxy.batches) > 500, "the proxy did not collect them: %s" % proxy.batches
    arrived = [item["at"] for item in one.of("message")]
    assert arrived[-1] - arrived[0] < 0.8, "some waited for the next record"


@pytest.mark.parametrize("peer", ["refused", "reset", "close", "silent", "plain"])
def test_tls_failures_do_not_spin(janitor, start, started, certificates, peer):
    """libmosquitto takes a failed connect or a reset below TLS for "not yet", and the socket is ready for ever."""
    if peer == "refused":
        port = free_port()
    elif peer == "silent":
        port = silent_listener(started)
    elif peer == "plain":
        broker = Broker(janitor, ("tcp",))
        started.append(broker)
        port = broker.port
    else:
        proxy = Proxy(None, mode=peer)
        started.append(proxy)
        port = proxy.port
    one = start("--host", "127.0.0.1", "--port", port, "--ca", certificates.ca, "--backoff-min", 500,
                "--backoff-max", 2000)
    one.stat()
    assert cpu_of(one) < IDLE_CPU_S
    one.wait("disconnected", timeout=20)


def test_tls_broker_restart(start, tls_broker, certificates):
    one = start("--host", "localhost", "--port", tls_broker.tls_port, "--ca", certificates.ca, "--sub", "t/#",
                "--barrier", "sync/x")
    for round_ in range(1, 5):
        one.wait("synced", round_, timeout=20)
        tls_broker.publish("t/%d" % round_, "x")
        one.wait("message", topic="t/%d" % round_)
        tls_broker.stop(9)
        one.wait("disconnected")
        tls_broker.start()
    one.wait("synced", 5, timeout=20)
    one.free()


def test_descriptors_do_not_leak_over_reconnects(start, started, janitor):
    broker = Broker(janitor, ("unix", "tcp"))
    proxy = Proxy(broker.port)
    started += [broker, proxy]
    one = start("--host", "localhost", "--port", proxy.port, "--sub", "t/#")
    counts = []
    for round_ in range(1, 12):
        one.wait("connected", round_)
        counts.append(len(os.listdir("/proc/%d/fd" % one.process.pid)))
        proxy.cut()
    assert len(set(counts[1:])) == 1, counts
    children = subprocess.run(["ps", "--ppid", str(one.process.pid), "-o", "pid="], stdout=subprocess.PIPE, check=False)
    assert children.stdout.split() == [], "a resolver was not reaped"


def test_memory_does_not_grow_while_offline(start):
    one = start("--host", "127.0.0.1", "--port", free_port(), "--backoff-min", 10, "--backoff-max", 10, "--sub", "t/#")

    one.wait("disconnected", 100)
    before = private_kb(one)
    for _ in range(20):
        one.tell("fill 5000 t/x")
    one.wait("filled", 20)
    one.wait("disconnected", 500, timeout=60)
    assert private_kb(one) - before < 4096, "100,000 queued publications take 20 MB and more"
