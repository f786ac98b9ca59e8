# SPDX-License-Identifier: Apache-2.0
"""broker/embedded through batond: what survives what, and the traps of mosquitto 2.0.11 that its settings close."""
import os
import signal
import socket
import subprocess
import threading
import time

import paho.mqtt.client as paho
import pytest
from harness.box import Connected, ended
from harness.janitor import start_time
from harness.mqtt import UnixClient
from harness.node import USER, alive

MANY = 3000


def database(box):
    return box.root / "broker" / "mosquitto.db"


def save(box, pid):
    """What broker_embedded_save() does; the answer of mosquitto is the new file."""
    before = database(box).stat().st_mtime_ns if database(box).exists() else 0
    os.kill(pid, signal.SIGUSR1)
    box.wait(lambda: database(box).exists() and database(box).stat().st_mtime_ns != before, "the database")


def retained(box, prefix="t"):
    """All retained messages below a prefix: subscribe, then the barrier."""
    client = box.connect(prefix)
    client.publish("barrier", str(time.monotonic()))
    client.wait(lambda: "barrier" in client.topics)
    return {topic: payload for topic, payload in client.topics.items() if topic != "barrier"}


def test_what_was_saved_survives_kill_9_of_the_broker(box):
    client = box.connect("t")
    pid = box.broker_pid()
    client.publish("saved", "1", retain=True)
    save(box, pid)
    client.publish("not-saved", "2", retain=True)  # PUBACK is no promise: see DESIGN section 8.6
    os.kill(pid, signal.SIGKILL)
    assert box.broker_pid(other_than=pid) != pid
    assert retained(box) == {"saved": b"1"}
    assert "killed by signal 9, next start in 100 ms" in box.log_text()


def test_baton_control_asks_for_a_save(box):
    """IPC_BROKER_SAVE, some seconds after the last change of its own documents."""
    box.broker_pid()
    box.wait(lambda: database(box).exists() and b"nodes/box/presence" in database(box).read_bytes(), "a save", 40)


def test_orderly_stop_saves(box):
    box.connect("t").publish("kept", "1", retain=True)
    pid = box.broker_pid()
    assert box.kill(signal.SIGTERM) == 0
    assert not alive(pid)
    box.start()
    assert retained(box) == {"kept": b"1"}


def test_kill_9_of_batond_ends_the_broker_orderly(box):
    box.connect("t").publish("kept", "1", retain=True)
    pid = box.broker_pid()
    started = start_time(pid)
    box.kill(signal.SIGKILL)
    box.start()
    assert box.broker_pid() != pid
    assert ended(pid, started)
    assert retained(box) == {"kept": b"1"}


def test_new_batond_waits_for_the_old_broker(box):
    box.connect("t").publish("kept", "1", retain=True)
    pid = box.broker_pid()
    box.janitor.add_pid(pid)
    os.kill(pid, signal.SIGSTOP)  # its SIGTERM waits
    box.kill(signal.SIGKILL)
    box.start()
    box.wait(lambda: "waiting for the one of an earlier batond" in box.log_text(), "the message")
    time.sleep(0.5)
    assert box.child("mosquitto") is None
    assert box.log_text().count("waiting for the one") == 1
    os.kill(pid, signal.SIGCONT)
    assert box.broker_pid() != pid
    assert retained(box) == {"kept": b"1"}


def test_stop_while_waiting_for_the_old_broker(box):
    pid = box.broker_pid()
    box.janitor.add_pid(pid)
    os.kill(pid, signal.SIGSTOP)
    box.kill(signal.SIGKILL)
    box.start()
    box.wait(lambda: "waiting for the one of an earlier batond" in box.log_text(), "the message")
    assert box.kill(signal.SIGTERM) == 0
    os.kill(pid, signal.SIGCONT)


def test_restarts_back_off(box):
    pid = None
    for _ in range(3):
        pid = box.broker_pid(other_than=pid)
        os.kill(pid, signal.SIGKILL)
    box.broker_pid(other_than=pid)
    text = box.log_text()
    assert all("embedded broker: killed by signal 9, next start in %d ms" % wait in text for wait in (100, 200, 400))


def test_save_before_the_broker_handles_signals(boxes):
    """SIGUSR1 is ignored from the first instruction, so an early one does not end it."""
    box = boxes()
    program = box.folder / "slow-broker"
    program.write_text("#!/bin/sh\nkill -USR1 $$\nexec /usr/sbin/mosquitto \"$@\"\n")
    program.chmod(0o755)
    box.write_config({"broker": {"program": str(program)}})
    box.start().broker_pid()
    assert "embedded broker: killed" not in box.log_text()


def fill(box, prefix, payload="x" * 50):
    client = box.connect("fill")
    for i in range(MANY):
        last = client.client.publish("%s/%d" % (prefix, i), payload, qos=1, retain=True)
    last.wait_for_publish(30)


def test_many_retained_topics_arrive_whole_before_the_barrier(box):
    """The default queue of 1000 messages would drop most of them, silently."""
    fill(box, "many")
    assert len(retained(box, "many")) == MANY


def test_many_retained_topics_with_mqtt_3(box):
    fill(box, "many")
    topics = set()
    done = threading.Event()
    client = UnixClient(str(box.socket), client_id="old", protocol=paho.MQTTv311)

    def on_message(_client, _userdata, message):
        topics.add(message.topic)
        if len(topics) == MANY:
            done.set()
    client.on_message = on_message
    client.on_connect = lambda *_: client.subscribe("many/#", 1)
    client.connect("localhost")
    client.loop_start()
    assert done.wait(20), "%d of %d topics" % (len(topics), MANY)
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("protocol", [paho.MQTTv5, paho.MQTTv311])
def test_rejected_publication_does_not_close_the_connection(box, protocol):
    """max_queued_messages 0 makes this build of mosquitto do so."""
    box.broker_pid()
    lost = []
    up = threading.Event()
    client = UnixClient(str(box.socket), client_id="p", protocol=protocol)
    client.on_connect = lambda *_: up.set()
    client.on_disconnect = lambda *arguments: lost.append(arguments)
    client.connect("localhost")
    client.loop_start()
    assert up.wait(5)
    client.publish("$SYS/forbidden", "x", qos=1).wait_for_publish(5)
    client.publish("t/after", "x", qos=1).wait_for_publish(5)
    time.sleep(0.3)
    assert not lost
    client.disconnect()
    client.loop_stop()


def test_one_order_for_all_subscribers(box):
    readers = [box.connect("o") for _ in range(3)]
    writers = [box.connect("w%d" % i) for i in range(3)]
    for i in range(200):
        for number, writer in enumerate(writers):
            writer.client.publish("o/%d" % (i % 7), "%d-%d" % (number, i), qos=1)
    for reader in readers:
        reader.wait(lambda reader=reader: len(reader.history) == 600, what="600 messages")
    orders = [[payload for _, _, payload in reader.history] for reader in readers]
    assert orders[0] == orders[1] == orders[2]


def test_same_client_id_takes_over(box):
    """The lock of DESIGN section 8.1."""
    box.broker_pid()
    closed = threading.Event()
    first = UnixClient(str(box.socket), client_id="leader", protocol=paho.MQTTv5)
    first.on_disconnect = lambda *_: closed.set()
    second = UnixClient(str(box.socket), client_id="leader", protocol=paho.MQTTv5)
    first.connect("localhost")
    first.loop_start()
    time.sleep(0.2)
    second.connect("localhost")
    second.loop_start()
    assert closed.wait(5)
    for client in (first, second):
        client.disconnect()
        client.loop_stop()


def fingerprint(box):
    folder = box.root / "broker"
    return {path: (path.stat().st_ino, path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ctime_ns)
            for path in [folder, *folder.rglob("*")]}


def written(pid):
    with open("/proc/%d/io" % pid, encoding="ascii") as text:
        return next(line for line in text if line.startswith("write_bytes"))


def test_idle_writes_nothing(box):
    client = box.connect("t")
    client.publish("kept", "1", retain=True)
    pid = box.broker_pid()
    save(box, pid)
    # baton-control asks for a save some time after its own last change, once
    box.wait(lambda: time.time() - database(box).stat().st_mtime > 15, "15 s without a save", 90)
    client.publish("changed", "1", retain=True)  # not even now: autosave would write sooner or later
    before = fingerprint(box), written(pid)
    time.sleep(20)
    assert (fingerprint(box), written(pid)) == before


def status_of(pid):
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as text:
        return dict(line.rstrip("\n").split(":\t", 1) for line in text if ":\t" in line)


def test_broker_is_an_ordinary_user(box):
    status = status_of(box.broker_pid())
    assert status["Uid"].split() == status["Gid"].split() == [USER] * 4
    assert status["Groups"].split() == []
    assert status["NoNewPrivs"] == "1"
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (box.root / "broker").stat().st_mode & 0o7777 == 0o700


def can_connect_as(uid, path):
    return subprocess.run(["setpriv", "--reuid=%s" % uid, "--regid=%s" % uid, "--clear-groups", "/usr/bin/python3", "-c",
                           "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])", str(path)],
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


def test_socket_is_for_root_and_the_group_only(box):
    box.broker_pid()
    for path in (box.socket, box.socket.resolve()):
        assert can_connect_as(USER, path)
        assert not can_connect_as(int(USER) + 1, path)
        with Connected(path):
            pass


def test_only_one_socket_and_no_port(box):
    pid = box.broker_pid()
    inodes = set()
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            inodes.add(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
        except FileNotFoundError:  # a connection that has ended meanwhile
            pass
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with open("/proc/net/" + table, encoding="ascii") as lines:
            assert not [line for line in lines if "socket:[%s]" % line.split()[9] in inodes]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_tcp_listener_is_ipv4_loopback_only(boxes):
    """"listener PORT 127.0.0.1" alone would bind [::] too."""
    port = free_port()
    box = boxes(broker={"tcp_port": port}).start()
    box.broker_pid()
    with socket.create_connection(("127.0.0.1", port), 5):
        pass
    suffix = ":%04X" % port
    bound = []
    for table in ("tcp", "tcp6"):
        with open("/proc/net/" + table, encoding="ascii") as lines:
            bound += [line.split()[1] for line in lines if line.split()[1].endswith(suffix) and line.split()[3] == "0A"]
    assert bound == ["0100007F" + suffix]


def test_program_that_is_missing_is_tried_again(boxes):
    box = boxes(broker={"program": "/nonexistent/mosquitto"}).start()
    box.wait(lambda: box.log_text().count("cannot start \"/nonexistent/mosquitto\"") >= 3, "three tries")
    assert box.process.poll() is None


def test_foreign_file_at_the_socket_is_not_removed(boxes):
    box = boxes()
    box.socket.write_text("precious")
    box.start()
    box.wait(lambda: "exists and is neither socket nor link" in box.log_text(), "the message")
    assert box.socket.read_text() == "precious"
