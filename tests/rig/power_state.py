# SPDX-License-Identifier: Apache-2.0
"""What a node has to hold after a power cut: the states that a list of orders leads through, and the judge of one."""
import hashlib
import json
import pathlib
import stat
import subprocess
import sys

from cut_disk import DiskFault
from harness.box import Box
from rig.initramfs import Archive

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

import image_maker  # noqa: E402  (the path above makes it importable)

SCRIPT = "trap 'exit 0' TERM; sleep 100000 & wait"
UID = "990"  # of the guest's user baton
HEX = set("0123456789abcdef")
BASE, DATA = "test/base:1", "test/data:1"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def file_sha256(path):
    return sha256(path.read_bytes())


# ---- images ----

def describe(entries):
    """What an unpacked layer holds: {path: (kind, mode, digest or target)}."""
    found = {}
    for info, data in entries:
        if info.issym():
            found[info.name] = ("link", None, info.linkname)
        elif info.isdir():
            found[info.name] = ("folder", info.mode, None)
        else:
            found[info.name] = ("file", info.mode, sha256(data))
    return found


def describe_folder(folder):
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        name = str(path.relative_to(folder))
        if stat.S_ISLNK(mode):
            found[name] = ("link", None, str(path.readlink()))
        elif stat.S_ISDIR(mode):
            found[name] = ("folder", stat.S_IMODE(mode), None)
        else:
            found[name] = ("file", stat.S_IMODE(mode), file_sha256(path))
    return found


def base_entries(busybox):
    return [image_maker.directory("bin"), image_maker.entry("bin/busybox", busybox, mode=0o755),
            image_maker.symlink("bin/sh", "busybox"), image_maker.symlink("bin/sleep", "busybox"),
            *(image_maker.directory(name) for name in ("dev", "proc", "sys", "etc"))]


def data_entries(seed):
    """Many small files and one that takes many writes."""
    block = hashlib.sha512(seed.encode()).digest()
    return [image_maker.directory("data"), image_maker.entry("data/large", block * 12000, mode=0o640),
            *(image_maker.entry("data/small-%d" % number, block[:number + 1]) for number in range(40))]


class Images:
    """OCI layouts for the guest, and what their layers hold: base, and data in two versions under one name."""

    def __init__(self, base, folder):
        busybox = base.system.find("usr/bin/busybox").read_bytes()
        self.folder = pathlib.Path(folder)
        self.layers = {}   # digest of the tar: what it holds
        self.digests = {}  # name of the layout: digest of the image
        self.make("base", BASE, base_entries(busybox))
        for name in ("data-1", "data-2"):
            self.make(name, DATA, base_entries(busybox), data_entries(name))

    def make(self, name, reference, *layers):
        tars = [image_maker.layer(*entries) for entries in layers]
        layout = image_maker.Layout(self.folder / name)
        layout.image(tars, reference, config=image_maker.config_of(tars, {"Env": ["PATH=/bin"]}))
        self.digests[name] = layout.manifests[0]["digest"]
        for tar, entries in zip(tars, layers):
            self.layers[sha256(tar)] = describe(entries)

    def files(self):
        files = Archive()
        for name in self.digests:
            files.tree("images/" + name, self.folder / name)
        return files


# ---- orders ----

def manifest(app, version, replicas=1):
    web = {"image": BASE, "command": ["/bin/sh", "-c", SCRIPT], "network_mode": "none", "stop_grace_period": "2s",
           "environment": {"VERSION": str(version)}, "deploy": {"replicas": replicas}}
    return {"name": app, "services": {"web": web}}


class State:
    """`images` {reference: digest} and `apps` {name: (version, replicas)}."""

    def __init__(self, images=None, apps=None):
        self.images = images or {}
        self.apps = apps or {}

    def after(self, images=None, apps=None):
        def merged(old, changes):
            return {key: value for key, value in {**old, **(changes or {})}.items() if value is not None}
        return State(merged(self.images, images), merged(self.apps, apps))

    def __repr__(self):
        return "images %s, apps %s" % (sorted(self.images), self.apps)


class Orders:
    """Commands for the guest. Mark 2k - 1 says that command k begins, mark 2k that it was acknowledged."""

    def __init__(self, images):
        self.digests = images.digests
        self.commands = []
        self.states = [State()]

    def add(self, command, **changes):
        self.commands.append(command)
        self.states.append(self.states[-1].after(**changes))

    def load(self, layout, reference):
        self.add("baton image import /images/" + layout, images={reference: self.digests[layout]})

    def drop_image(self, reference):
        self.add("baton image rm " + reference, images={reference: None})

    def apply(self, app, version, replicas=1):
        self.add("cat >/run/rig/m.json <<'END'\n%s\nEND\nbaton apply /run/rig/m.json" % json.dumps(
            manifest(app, version, replicas)), apps={app: (str(version), replicas)})

    def scale(self, app, replicas):
        version = self.states[-1].apps[app][0]
        self.add("baton scale %s/web=%d" % (app, replicas), apps={app: (version, replicas)})

    def remove(self, app):
        self.add("baton rm " + app, apps={app: None})

    def save_broker(self):
        """From here on the broker's database is older than what is ordered next, until it is saved some time later."""
        self.commands[-1] += "\nkill -USR1 $(pidof mosquitto); sleep 1"

    def allowed(self, mark):
        """States in which a disk may be whose newest mark is this one."""
        return self.states[mark // 2:(mark + 1) // 2 + 1]


# ---- the judge ----

def need(condition, text, *values):
    if not condition:
        raise DiskFault(text % values)


def parsed(path):
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise DiskFault("%s: %s" % (path, problem)) from problem


class Judge:
    """
    Looks at the files of one disk with the programs of this machine's build: the image store, what agent and
    controller keep, and then a batond that has nothing but these files.
    """

    def __init__(self, build, janitor, images, files, allowed):
        self.build = build
        self.janitor = janitor
        self.images = images
        self.files = files
        self.allowed = allowed

    def judge(self):
        self.files.chmod(0o711)
        self.whole_layers()
        self.agent_files()
        self.controller_files()
        box = Box(self.build, self.janitor, node={"name": "n1"}, user=UID, root=str(self.files))
        try:
            self.image_list(box)
            self.running_node(box)
        finally:
            box.close()

    def is_allowed(self, name, value):
        need(value in [getattr(state, name) for state in self.allowed], "%s: %s is none of %s", name, value, self.allowed)

    # ---- files ----

    def whole_layers(self):
        layers = self.files / "images/layers"
        for layer in layers.iterdir() if layers.exists() else ():
            need(set(layer.name) <= HEX and layer.name in self.images.layers, "layers/%s is no layer", layer.name)
            need(describe_folder(layer) == self.images.layers[layer.name], "layers/%s is not whole", layer.name)
        for record in (self.files / "images/images").glob("[!.]*"):
            for layer in parsed(record)["layers"]:
                need((layers / layer).is_dir(), "image %s has no layer %s", record.name, layer)

    def image_list(self, box):
        done = subprocess.run([self.build / "bin/baton", "image", "--config", box.config, "ls", "-o", "json"],
                              capture_output=True, text=True, check=False)
        need(done.returncode == 0, "baton image ls: %s", done.stderr)
        listed = json.loads(done.stdout)["images"]
        self.is_allowed("images", {one["name"].removeprefix("docker.io/"): one["digest"] for one in listed})
        for one in listed:
            need((self.files / "images/images" / (one["digest"].removeprefix("sha256:") + ".json")).exists(),
                 "image %s has no record", one["name"])

    def agent_files(self):
        """What the node starts with no broker: each instance with its revision, byte for byte."""
        folder = self.files / "control/agent"
        if not (folder / "desired.json").exists():
            need({} in [state.apps for state in self.allowed], "the agent has no assignment")
            return
        found = {}
        for one in parsed(folder / "desired.json")["instances"]:
            revision = folder / "revisions" / (one["digest"] + ".json")
            need(revision.exists() and file_sha256(revision) == one["digest"], "agent: revision %s of %s is missing or damaged",
                 one["digest"], one["id"])
            found.setdefault(one["app"], []).append(version_of(parsed(revision)))
        if len(self.allowed) == 1:
            self.is_allowed("apps", {app: (versions[0], len(versions)) for app, versions in found.items()})

    def controller_files(self):
        for path in (self.files / "control").rglob("app.*.json"):
            document = parsed(path)
            app = path.name.removeprefix("app.").removesuffix(".json")
            if document["desired"] and document["in_force"]:
                revision = path.with_name("revision.%s.%s" % (app, document["in_force"]))
                need(revision.exists() and file_sha256(revision) == document["in_force"],
                     "controller: revision %s of %s is missing or damaged", document["in_force"], app)

    # ---- a batond with these files ----

    def running_node(self, box):
        client = box.start().connect()
        # The answer comes after the sync with the broker, and what the sync changed was published before it.
        box.wait(lambda: controller_answers(client), "the controller")
        try:
            client.wait(lambda: settled(client), 30, "a settled node")
        except AssertionError as problem:
            raise DiskFault("%s\n%s" % (problem, box.log_text()[-3000:])) from problem
        self.is_allowed("apps", apps_of(client))


def controller_answers(client):
    """False too when the controller had not subscribed yet: it never saw the request."""
    try:
        answer = client.request("apps/nothing/command/scale", {"service": "x", "replicas": 1}, timeout=0.3)
    except AssertionError:
        return False
    return "there is no application" in json.dumps(answer)


def version_of(document):
    return document["services"]["web"]["environment"]["VERSION"]


def documents(client, start, end):
    """{name: (bytes, parsed)} of the retained documents of a kind."""
    with client.changed:
        return {topic[len(start):-len(end)]: (payload, json.loads(payload)) for topic, payload in client.topics.items()
                if payload and topic.startswith(start) and topic.endswith(end)}


def settled(client):
    """What is desired is accepted, assigned and runs, and nothing else does. An update of several replicas that goes on may
    wait for one to have been up for long enough: that is not waited for here."""
    desired = documents(client, "apps/", "/desired")
    statuses = documents(client, "apps/", "/status")
    assigned = (client.json("nodes/n1/desired") or {"instances": []})["instances"]
    reported = (client.json("nodes/n1/reported") or {"instances": None})["instances"]
    if set(desired) != set(statuses) or reported is None:
        return False
    for app, (text, _) in desired.items():
        status = statuses[app][1]
        goes_on = status["state"] == "progressing" and "has been up for" in json.dumps(status)
        if (status["revision"], status["document"]["digest"]) != (sha256(text), sha256(text)):
            return False
        if not goes_on and (status["state"] != "running" or
                            any(one["digest"] != sha256(text) for one in assigned if one["app"] == app)):
            return False
    running = {one["id"] for one in reported if one["state"] == "running"}
    return running == {one["id"] for one in reported} == {one["id"] for one in assigned} and \
        {one["app"] for one in assigned} == set(desired)


def apps_of(client):
    assigned = (client.json("nodes/n1/desired") or {"instances": []})["instances"]
    return {app: (version_of(document), sum(one["app"] == app for one in assigned))
            for app, (_, document) in documents(client, "apps/", "/desired").items()}
