# SPDX-License-Identifier: Apache-2.0
"""broker/session against a real mosquitto: subscriptions, barrier, will, publications, the end of a session."""
import signal
import time

import pytest
from harness.broker import Broker, Proxy
from harness.mqtt import Client
from harness.session import Tool


@pytest.fixture
def started():
    """Things with close() or kill(), ended after the test in reverse order."""
    things = []
    yield things
    for thing in reversed(things):
        (thing.close if hasattr(thing, "close") else thing.kill)()


@pytest.fixture
def broker(janitor, started):
    started.append(Broker(janitor, ("unix", "tcp")))
    return started[0]


@pytest.fixture
def tool(build, broker, started):
    def start(*arguments, **named):
        started.append(Tool(build, "--socket", broker.socket, *arguments, **named))
        return started[-1]
    return start


def test_retained_then_barrier_then_live(broker, tool):
    for name in ("a", "b", "c"):
        broker.publish("t/" + name, "kept", retain=True)
    one = tool("--sub", "t/#", "--barrier", "sync/x")
    assert one.wait("synced")["messages"] == 3
    assert [item["event"] for item in one.events] == ["connected", "message", "message", "message", "synced"]
    assert all(item["retained"] for item in one.of("message"))
    broker.publish("t/d", "live")
    assert one.wait("message", topic="t/d")["retained"] is False
    one.free()


def fill_3000(broker):
    client = Client(str(broker.socket), "fill")
    for i in range(3000):
        client.client.publish("many/%d" % i, "x" * 50, qos=1, retain=True)
    client.publish("end", "x")
    client.wait(lambda: "end" in client.topics)
    client.close()


def test_3000_retained_topics_arrive_whole_before_the_barrier(build, janitor, started):
    started.append(Broker(janitor, extra="max_queued_messages 100000"))
    fill_3000(started[0])
    started.append(Tool(build, "--socket", started[0].socket, "--sub", "many/#", "--barrier", "sync/x", "--quiet"))
    whole = started[1].wait("synced")
    assert whole["messages"] == 3000 and not whole["gap"]


def test_a_queue_that_is_too_short_is_said(broker, tool):
    """mosquitto's default queue of 1000 drops retained messages, and sometimes the barrier behind them: told either way."""
    fill_3000(broker)
    one = tool("--sub", "many/#", "--barrier", "sync/x", "--quiet")
    ended = one.wait_any("disconnected", "synced", timeout=30)
    if ended["event"] == "synced":
        assert ended["messages"] < 3000 and ended["gap"]
        one.wait_stderr("max_queued_messages")
    else:
        assert "max_queued_messages" in ended["reason"]


def test_foreign_messages_on_the_barrier_topic_do_not_count(broker, tool):
    broker.publish("sync/x", "0" * 32, retain=True)
    broker.publish("t/a", "kept", retain=True)
    one = tool("--sub", "t/#", "--barrier", "sync/x")
    assert one.wait("synced")["messages"] == 1
    broker.publish("sync/x", "garbage")
    broker.publish("t/b", "live")
    one.wait("message", topic="t/b")
    assert len(one.of("synced")) == 1


def test_broker_restart(broker, tool):
    one = tool("--sub", "t/#", "--barrier", "sync/x", "--birth", "births/one")
    one.wait("synced")
    for round_ in (2, 3):
        broker.stop(signal.SIGKILL)
        one.wait("disconnected")
        broker.start()
        one.wait("synced", round_)
        broker.publish("t/%d" % round_, "after")
        one.wait("message", topic="t/%d" % round_)
    assert len(one.of("connected")) == 3
    one.free()


def test_the_descriptor_number_is_used_again(build, broker, started):
    """The second socket gets the number of the first: events that were left behind would keep it silent."""
    proxy = Proxy(broker.port)
    started.append(proxy)
    one = Tool(build, "--host", "127.0.0.1", "--port", proxy.port, "--sub", "t/#")
    started.append(one)

    def sockets():
        folder = "/proc/%d/fd" % one.process.pid
        import os
        return {name for name in os.listdir(folder) if "socket" in os.readlink(folder + "/" + name)}

    one.wait("connected")
    before = sockets()
    for round_ in (2, 3, 4):
        proxy.cut()
        one.wait("connected", round_)
        assert sockets() == before, "the test needs the same numbers"
        broker.publish("t/%d" % round_, "x")
        one.wait("message", topic="t/%d" % round_)


def test_offline_publications_are_refused_and_never_sent(broker, tool):
    one = tool("--sub", "t/#")
    one.wait("connected")
    broker.stop()
    one.wait("disconnected")
    for _ in range(50):
        one.tell("pub 1 0 t/offline x")
    one.tell("flush")
    assert {one.wait("published", i + 1)["result"] for i in range(50)} == {-107}  # ENOTCONN
    one.wait("flush failed")
    broker.start()
    one.wait("connected", 2)
    one.tell("pub 1 0 t/online x")
    one.wait("message", topic="t/online")
    assert not [item for item in one.of("message") if item["topic"] == "t/offline"]


def test_what_was_not_acknowledged_is_not_sent_over_the_next_connection(build, broker, started):
    """libmosquitto sends its backlog after on_connect, so an old document would overwrite the newer one that the
    owner publishes in `connected`."""
    proxy = Proxy(broker.port)
    started.append(proxy)
    one = Tool(build, "--host", "127.0.0.1", "--port", proxy.port, "--sub", "t/#", "--birth", "t/state")
    started.append(one)
    one.wait("message", topic="t/state")
    proxy.mode = "swallow"
    one.tell("pub 1 0 t/stale x")
    assert one.wait("published")["result"] == 0
    time.sleep(0.3)
    proxy.cut()
    proxy.mode = "pass"
    one.wait("message", 2, topic="t/state")
    one.tell("pub 1 0 t/end x")
    one.wait("message", topic="t/end")
    assert not [item for item in one.of("message") if item["topic"] == "t/stale"]


def test_will_only_when_killed(broker, tool):
    one = tool("--will", "w/one", "--id", "one")
    two = tool("--will", "w/two", "--id", "two")
    one.wait("connected")
    two.wait("connected")
    one.free()
    two.kill()
    deadline = time.monotonic() + 10
    while broker.retained("w/two") is None and time.monotonic() < deadline:
        pass
    assert broker.retained("w/two") == "gone"
    assert broker.retained("w/one") is None


def test_too_large_comes_without_data(broker, tool):
    one = tool("--sub", "t/#", "--max", "100")
    one.wait("connected")
    broker.publish("t/fits", "x" * 100)
    broker.publish("t/large", "x" * 101)
    assert one.wait("message", topic="t/fits")["too_large"] is False
    large = one.wait("message", topic="t/large")
    assert large["too_large"] is True and large["length"] == 101


@pytest.mark.parametrize("qos", [0, 1])
def test_publish_inside_message_with_properties(broker, tool, qos):
    """A QoS 0 or 1 publication from inside of a callback of libmosquitto: sent, in order, with its properties."""
    listener = tool("--sub", "echo/#", "--id", "listener")
    one = tool("--sub", "t/#", "--echo", "echo/t", "--echo-qos", qos, "--id", "one")
    listener.wait("connected")
    one.wait("connected")
    client = Client(str(broker.socket), "t")
    for i in range(200):
        client.client.publish("t/%d" % i, "x" * i, qos=1)
    listener.wait("message", 200)
    client.close()
    answers = listener.of("message")
    assert [item["length"] for item in answers] == list(range(200))
    assert {(item["response_topic"], item["correlation"]) for item in answers} == {("answers/here", "id-1")}
    assert not one.of("echo failed")


@pytest.mark.parametrize("handler", ["connected", "synced", "message", "disconnected"])
def test_session_free_inside_a_handler(broker, tool, handler):
    for i in range(20):
        broker.publish("t/%d" % i, "kept", retain=True)
    if handler == "disconnected":
        broker.stop()
    one = tool("--sub", "t/#", "--barrier", "sync/x", "--free-in", handler, "--echo", "echo/t", "--will", "w/one")
    one.wait("freed")
    time.sleep(0.2)
    assert one.events[-1]["event"] == "freed", "a handler was called after session_free"
    one.free()
    if handler != "disconnected":
        assert broker.retained("w/one") is None, "DISCONNECT was not sent"


def test_flush(broker, tool):
    one = tool("--sub", "t/#", "--quiet")
    one.wait("connected")
    one.tell("flush")
    one.wait("flushed")  # nothing to wait for
    one.tell("fill 2000 t/x")
    one.tell("flush")
    one.wait("flushed", 2)
    one.tell("pub 0 0 t/x zero")
    one.tell("flush")
    one.wait("flushed", 3)
    one.free()
    assert one.of("filled")[0]["result"] == 0


def test_flush_before_the_end_delivers_everything(broker, tool):
    listener = tool("--sub", "t/#", "--quiet", "--id", "listener")
    listener.wait("connected")
    one = tool("--id", "one")
    one.wait("connected")
    one.tell("fill 3000 t/x")
    one.tell("flush")
    one.wait("flushed")
    one.free()
    deadline = time.monotonic() + 10
    while listener.stat()["messages"] < 3000:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_broker_that_does_not_acknowledge_is_given_up(build, broker, started):
    proxy = Proxy(broker.port)
    started.append(proxy)
    one = Tool(build, "--host", "127.0.0.1", "--port", proxy.port)
    started.append(one)
    one.wait("connected")
    proxy.mode = "swallow"
    one.tell("fill 17000 t/x")
    assert one.wait("filled")["result"] == -107
    assert "acknowledge" in one.wait("disconnected")["reason"]


def test_unsubscribe_and_late_subscribe(broker, tool):
    one = tool("--sub", "a/#")
    one.wait("connected")
    one.tell("sub b/#")
    one.tell("unsub a/#")
    one.tell("pub 1 0 a/x 1")
    one.tell("pub 1 0 b/x 1")
    one.wait("message", topic="b/x")
    broker.stop()
    broker.start()
    one.wait("connected", 2)
    one.tell("pub 1 0 a/y 1")
    one.tell("pub 1 0 b/y 1")
    one.wait("message", topic="b/y")
    assert not [item for item in one.of("message") if item["topic"].startswith("a/")]


def test_wrong_password_is_permanent_and_backs_off(build, janitor, started, tmp_path):
    import subprocess
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "baton", "right"], check=True)
    broker = Broker(janitor, extra="password_file %s" % passwords, anonymous=False)
    started.append(broker)
    wrong = Tool(build, "--socket", broker.socket, "--user", "baton", "--password", "wrong",
                 "--backoff-min", 100, "--backoff-max", 2000)
    started.append(wrong)
    lost = wrong.wait("disconnected")
    assert lost["permanent"] is True and "Not authorized" in lost["reason"], lost
    time.sleep(3)
    assert 2 <= len(wrong.of("disconnected")) <= 30
    right = Tool(build, "--socket", broker.socket, "--user", "baton", "--password", "right")
    started.append(right)
    right.wait("connected")


@pytest.mark.parametrize("acl, said", [
    ("topic readwrite t/#", "refuses"),             # neither subscribe nor publish
    ("topic read sync/#", "refuses to publish"),  # the nonce itself is refused
])
def test_refused_barrier_is_said(build, janitor, started, tmp_path, acl, said):
    rules = tmp_path / "acl"
    rules.write_text(acl + "\n")
    broker = Broker(janitor, extra="acl_file %s" % rules)
    started.append(broker)
    one = Tool(build, "--socket", broker.socket, "--sub", "t/#", "--barrier", "sync/x")
    started.append(one)
    lost = one.wait("disconnected")
    assert lost["permanent"] is True and said in lost["reason"], lost


def test_refused_publication_is_logged(build, janitor, started, tmp_path):
    rules = tmp_path / "acl"
    rules.write_text("topic read t/#\n")
    broker = Broker(janitor, extra="acl_file %s" % rules)
    started.append(broker)
    one = Tool(build, "--socket", broker.socket, "--sub", "t/#")
    started.append(one)
    one.wait("connected")
    one.tell("pub 1 0 forbidden/x 1")
    one.tell("flush")
    one.wait("flushed")
    one.free()
    assert any("refuses a publication" in line for line in one.stderr), one.stderr


def test_takeover_by_the_same_id_does_not_spin(broker, tool):
    """mosquitto just closes the older connection; two clients with one id must not chase each other at full speed."""
    one = tool("--id", "same", "--backoff-min", "50", "--backoff-max", "3000")
    one.wait("connected")
    two = tool("--id", "same", "--backoff-min", "50", "--backoff-max", "3000")
    two.wait("connected")
    one.wait("disconnected")
    time.sleep(4)
    assert len(one.of("connected")) + len(two.of("connected")) < 40
