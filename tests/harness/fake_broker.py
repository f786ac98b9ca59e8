# SPDX-License-Identifier: Apache-2.0
"""The least of an MQTT 5 broker, for what a real one does not show or do: what is in CONNECT, and no answers."""
import socket
import struct
import threading

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP = 1, 2, 3, 4, 8, 9, 12, 13

# MQTT 5 section 2.2.2.2: of CONNECT and of the will. Formats of struct; "s" is a string or binary data.
PROPERTIES = {0x01: ("payload_format", ">B"), 0x02: ("message_expiry", ">I"), 0x03: ("content_type", "s"),
              0x08: ("response_topic", "s"), 0x09: ("correlation", "s"), 0x11: ("session_expiry", ">I"),
              0x15: ("auth_method", "s"), 0x16: ("auth_data", "s"), 0x17: ("request_problem", ">B"),
              0x18: ("will_delay", ">I"), 0x19: ("request_response", ">B"), 0x21: ("receive_maximum", ">H"),
              0x22: ("topic_alias_maximum", ">H"), 0x27: ("maximum_packet_size", ">I")}


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        assert self.at + count <= len(self.data), "the packet ends too soon"
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self):
        return self.take(self.number(">H"))

    def variable(self):
        value = shift = 0
        while True:
            byte = self.number(">B")
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    def properties(self):
        end = self.variable() + self.at
        found = {}
        while self.at < end:
            name, form = PROPERTIES[self.number(">B")]
            assert name not in found
            found[name] = self.text() if form == "s" else self.number(form)
        return found


def decode_connect(body):
    reader = Reader(body)
    assert reader.text() == b"MQTT"
    connect = {"level": reader.number(">B")}
    flags = reader.number(">B")
    assert flags & 1 == 0, "the reserved flag"
    connect["clean_start"] = bool(flags & 2)
    connect["keepalive"] = reader.number(">H")
    connect["properties"] = reader.properties()
    connect["client_id"] = reader.text().decode()
    if flags & 4:
        connect["will"] = {"qos": flags >> 3 & 3, "retain": bool(flags & 0x20), "properties": reader.properties(),
                           "topic": reader.text().decode(), "payload": reader.text().decode()}
    if flags & 0x80:
        connect["username"] = reader.text().decode()
    if flags & 0x40:
        connect["password"] = reader.text().decode()
    assert reader.at == len(body), "bytes behind CONNECT"
    return connect


class FakeBroker:
    """On 127.0.0.1. `connects`: every CONNECT. Subscriptions are granted, pings answered; publications are acknowledged while `acknowledge` is set, and nothing is read at all while `deaf` is."""

    def __init__(self, acknowledge=True):
        self.acknowledge = acknowledge
        self.deaf = threading.Event()
        self.connects = []
        self.pings = 0
        self.links = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.links.append(link)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link):
        try:
            with link.makefile("rb") as stream:
                while self._packet(link, stream):
                    pass
        except (OSError, ValueError):
            pass

    def _packet(self, link, stream):
        while self.deaf.is_set():
            threading.Event().wait(0.05)
        first = stream.read(1)
        if not first:
            return False
        length = shift = 0
        while True:
            byte = stream.read(1)[0]
            length |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                break
        body = stream.read(length)
        kind = first[0] >> 4
        if kind == CONNECT:
            self.connects.append(decode_connect(body))
            link.sendall(bytes([CONNACK << 4, 3, 0, 0, 0]))
        elif kind == SUBSCRIBE:
            link.sendall(bytes([SUBACK << 4, 4]) + body[:2] + b"\0\1")
        elif kind == PINGREQ:
            self.pings += 1
            link.sendall(bytes([PINGRESP << 4, 0]))
        elif kind == PUBLISH and first[0] >> 1 & 3 and self.acknowledge:
            reader = Reader(body)
            reader.text()
            link.sendall(bytes([PUBACK << 4, 2]) + reader.take(2))
        return True

    def deliver(self, topic, identifier=None):
        """An empty message to every connection: QoS 1 with that packet identifier, QoS 0 without one."""
        body = struct.pack(">H", len(topic)) + topic.encode()
        if identifier is not None:
            body += struct.pack(">H", identifier)
        body += b"\0"  # no properties
        for link in self.links:
            link.sendall(bytes([PUBLISH << 4 | (2 if identifier else 0), len(body)]) + body)

    def cut(self):
        for link in self.links:
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.links.clear()

    def close(self):
        self.deaf.clear()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
