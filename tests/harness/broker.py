# SPDX-License-Identifier: Apache-2.0
"""A private mosquitto with any listeners, certificates for it, and proxies that misbehave on purpose."""
import pathlib
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

from .node import die_with_parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def scratch(janitor, prefix="baton-broker-"):
    folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    janitor.add("dir", str(folder))
    return folder


class Broker:
    """listeners: "unix", "tcp", "tls". `extra` goes to the end of mosquitto.conf."""

    def __init__(self, janitor, listeners=("unix",), extra="", anonymous=True, certificates=None):
        self.janitor = janitor
        self.folder = scratch(janitor)
        self.socket = self.folder / "broker.sock"
        self.listeners = listeners
        self.extra = extra
        self.anonymous = anonymous
        self.certificates = certificates
        self.port = self.tls_port = None
        self.process = None
        self.start()

    def write_config(self):
        lines = ["user root", "allow_anonymous %s" % ("true" if self.anonymous else "false"),
                 "persistence true", "persistence_location %s/" % self.folder]
        if "unix" in self.listeners:
            lines.append("listener 0 %s" % self.socket)
        if "tcp" in self.listeners:
            self.port = self.port or free_port()
            lines += ["listener %d 127.0.0.1" % self.port, "socket_domain ipv4"]
        if "tls" in self.listeners:
            self.tls_port = self.tls_port or free_port()
            lines += ["listener %d 127.0.0.1" % self.tls_port, "socket_domain ipv4",
                      "cafile %s" % self.certificates.ca, "certfile %s" % self.certificates.server,
                      "keyfile %s" % self.certificates.key]
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n" + self.extra + "\n", encoding="utf-8")

    def start(self):
        for _ in range(5):  # somebody else may take a free port before mosquitto does
            self.write_config()
            with open(self.folder / "mosquitto.log", "ab") as log:
                self.process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(self.folder / "mosquitto.conf")],
                                                stdout=log, stderr=log, preexec_fn=die_with_parent)
            self.entry = self.janitor.add_pid(self.process.pid)
            if self.wait_ready():
                return
            self.port = self.tls_port = None
        raise AssertionError("mosquitto did not start: " + (self.folder / "mosquitto.log").read_text())

    def ready(self):
        for port in (self.port, self.tls_port):
            if port:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                except OSError:
                    return False
        return "unix" not in self.listeners or self.socket.exists()

    def wait_ready(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.ready():
                return True
            time.sleep(0.01)
        return False

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        self.process.wait(10)
        self.janitor.done("pid", self.entry)
        self.socket.unlink(missing_ok=True)

    def log(self):
        return (self.folder / "mosquitto.log").read_text(errors="replace")

    def publish(self, topic, payload, retain=False):
        subprocess.run(["mosquitto_pub", "--unix", str(self.socket), "-V", "5", "-q", "1", "-t", topic, "-m", payload]
                       + (["-r"] if retain else []), check=True, timeout=20)

    def retained(self, topic):
        """Payload of a retained topic, None without one."""
        done = subprocess.run(["mosquitto_sub", "--unix", str(self.socket), "-t", topic, "-C", "1", "-W", "1", "-N"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=False)
        return done.stdout.decode() if done.returncode == 0 else None

    def close(self):
        if self.process.poll() is None:
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


class Certificates:
    """A CA and certificates signed by it, in one folder."""

    def __init__(self, janitor, names="DNS:localhost,IP:127.0.0.1"):
        self.folder = scratch(janitor, "baton-tls-")
        self.ca = self.folder / "ca.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.pem")
        self.server, self.key = self.issue("server", "subjectAltName=" + names)
        self.client, self.client_key = self.issue("client", "extendedKeyUsage=clientAuth")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, stderr=subprocess.DEVNULL, timeout=60)

    def issue(self, name, extension):
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr")
        (self.folder / (name + ".ext")).write_text(extension + "\n", encoding="ascii")
        self._openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "2", "-extfile", name + ".ext", "-out", name + ".pem")
        return self.folder / (name + ".pem"), self.folder / (name + ".key")


class Proxy:
    """
    TCP on 127.0.0.1 to a broker. mode: "pass", "swallow" (accept everything, answer nothing, forward nothing),
    "reset" (RST after the first bytes), "close" (FIN after the first bytes). With `tls`, a server-side SSLContext,
    it ends TLS; `batch_s` then collects what the broker sends that long and writes it as one TLS record.
    """

    def __init__(self, target_port=None, mode="pass", tls=None, batch_s=0.0):
        self.target_port = target_port
        self.mode = mode
        self.tls = tls
        self.batch_s = batch_s
        self.accepted = []  # monotonic times
        self.batches = []   # sizes of what was written in one go
        self.links = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.closing:
                client.close()
                return
            self.accepted.append(time.monotonic())
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        server = None
        try:
            if self.mode in ("reset", "close"):
                client.recv(1)
                if self.mode == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if self.tls and self.mode == "pass":
                client = self.tls.wrap_socket(client, server_side=True)
            if self.target_port:
                server = socket.create_connection(("127.0.0.1", self.target_port))
            self.links.append((client, server))
            self._pump(client, server)
        except OSError:
            pass
        finally:
            client.close()
            if server:
                server.close()

    def _pump(self, client, server):
        while True:
            sources = [client] + ([server] if server else [])
            ready, _, _ = select.select(sources, [], [], 0.1)
            if isinstance(client, ssl.SSLSocket) and client.pending():
                ready = list(set(ready) | {client})
            for source in ready:
                if source is server and self.mode == "pass" and self.batch_s:
                    data = self._collect(server)
                else:
                    data = source.recv(65536)
                if not data:
                    return
                if self.mode != "pass" or not server:
                    continue
                if source is server:
                    self.batches.append(len(data))
                (client if source is server else server).sendall(data)

    def _collect(self, server):
        """Everything that arrives within batch_s, up to what fits into one TLS record."""
        data = b""
        deadline = time.monotonic() + self.batch_s
        while len(data) < 16000:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([server], [], [], left)[0]:
                break
            more = server.recv(16000 - len(data))
            if not more:
                break
            data += more
        return data

    def cut(self):
        """Closes every connection that is open now."""
        for client, server in self.links:
            for end in (client, server):
                if end:
                    try:
                        end.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
        self.links.clear()

    def close(self):
        self.closing = True
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()  # wakes accept()
        except OSError:
            pass
        self.listener.close()
        self.cut()


def tls_context(certificates, names=None):
    """A server's context; the names that clients ask for (SNI) are appended to `names`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.key)
    if names is not None:
        context.sni_callback = lambda _socket, name, _context: names.append(name)
    return context
