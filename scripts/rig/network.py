# SPDX-License-Identifier: Apache-2.0
"""Two guests on one virtual network that leads nowhere else."""
import socket

from .guest import CONFIG, Guest

BROKER = "10.77.0.1"
# The broker of the fleet is one of its own here, so that the other guest reaches it.
MOSQUITTO = "listener 1883 %s\nallow_anonymous true\nmax_queued_messages 100000\nlog_dest stderr\n" % BROKER
EXTERNAL = 'broker = { mode = "external"; host = "%s"; };\n' % BROKER


class Lan:
    """A pair of connected sockets: each guest's network card has one end."""

    def __init__(self, base):
        self.base = base
        self.ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def _guest(self, end, folder, name, address, config, **options):
        card = ["-netdev", "socket,id=lan,fd=%d" % end.fileno()]
        guest = Guest(self.base, folder, name=name, config=config, address=address, broker=BROKER, network=card,
                      pass_fds=(end.fileno(),), **options)
        end.close()
        return guest

    def broker_node(self, folder, **options):
        """Node n1: mosquitto for both, agent and controller."""
        text = {"etc/mosquitto.conf": MOSQUITTO,
                "etc/rig.start": "mosquitto -c /etc/mosquitto.conf 2>/run/rig/mosquitto.log &\n"}
        return self._guest(self.ends[0], folder, "n1", BROKER + "/24", CONFIG + EXTERNAL, text=text, **options)

    def agent_node(self, folder, **options):
        """Node n2: an agent that reaches the broker of n1."""
        config = CONFIG + EXTERNAL + "roles = { controller = false; };\n"
        return self._guest(self.ends[1], folder, "n2", "10.77.0.2/24", config, **options)
