# SPDX-License-Identifier: Apache-2.0
"""A small MQTT 5 client for tests: keeps the newest payload of every topic and waits for conditions."""
import json
import socket
import threading
import time
import uuid

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


class UnixClient(paho.Client):
    """paho 1.6 has no Unix sockets: connect one by hand."""

    def __init__(self, path, **arguments):
        super().__init__(**arguments)
        self.path = path

    def _create_socket_connection(self):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(5)
        sock.connect(self.path)
        return sock


class Client:
    """Connected to `broker` (path of a Unix socket), subscribed to everything below `prefix`."""

    def __init__(self, broker, prefix):
        self.prefix = prefix
        self.topics = {}
        self.history = []  # (monotonic time, topic, payload)
        self.changed = threading.Condition()
        self.name = "test-" + uuid.uuid4().hex[:8]
        self.client = UnixClient(broker, client_id=self.name, protocol=paho.MQTTv5)
        self.client.on_message = self._on_message
        self.client.on_connect = self._on_connect
        self.connected = threading.Event()
        properties = Properties(PacketTypes.CONNECT)
        properties.ReceiveMaximum = 65535
        self.client.connect("localhost", properties=properties)
        self.client.loop_start()
        assert self.connected.wait(10), "no connection to the broker at %s" % broker

    def _on_connect(self, client, _userdata, _flags, _code, _properties):
        client.subscribe([(self.prefix + "/#", 1), ("responses/" + self.name, 1)])
        self.connected.set()

    def _on_message(self, _client, _userdata, message):
        with self.changed:
            topic = message.topic
            if topic.startswith(self.prefix + "/"):
                topic = topic[len(self.prefix) + 1:]
            self.topics[topic] = message.payload
            self.history.append((time.monotonic(), topic, message.payload))
            self.changed.notify_all()

    def json(self, topic):
        """Newest payload of a topic as JSON; None when there is none or it is empty."""
        payload = self.topics.get(topic)
        return json.loads(payload) if payload else None

    def publish(self, topic, payload, retain=False, qos=1):
        """Publishes below the prefix and waits for the acknowledgement."""
        if not isinstance(payload, (bytes, str)):
            payload = json.dumps(payload)
        info = self.client.publish(self.prefix + "/" + topic, payload, qos=qos, retain=retain)
        info.wait_for_publish(10)
        return info

    def request(self, topic, payload, timeout=10):
        """A command with response topic and correlation data; the answer as JSON."""
        if not isinstance(payload, (bytes, str)):
            payload = json.dumps(payload)
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = "responses/" + self.name
        properties.CorrelationData = uuid.uuid4().bytes
        with self.changed:
            seen = len(self.history)
        self.client.publish(self.prefix + "/" + topic, payload, qos=1, properties=properties)
        return self.wait(lambda: next((json.loads(body) for _, where, body in self.history[seen:]
                                       if where == "responses/" + self.name), None), timeout, "an answer to " + topic)

    def wait(self, condition, timeout=15, what="the condition"):
        """Waits until condition() is neither None nor False and returns it."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                value = condition()
                if value is not None and value is not False:
                    return value
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError("waited %.0f s in vain for %s; topics: %s" % (timeout, what, {
                        topic: payload[:600] for topic, payload in self.topics.items() if payload}))
                self.changed.wait(min(left, 0.5))

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()
