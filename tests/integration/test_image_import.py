# SPDX-License-Identifier: Apache-2.0
"""Import of images: every format, what overlayfs then shows, and what a hostile image may not do."""
import concurrent.futures
import errno
import gzip
import json
import os
import pathlib
import shutil
import signal
import stat
import struct
import subprocess
import tarfile
import time

import pytest
from image_maker import (ARCHITECTURE, COMPRESS, OCI, Layout, config_of, directory, docker_archive, entry, hardlink, layer,
                         sha256, symlink)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="importing images needs root")

BASE = layer(directory("./", mode=0o751), directory("etc"), entry("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
             entry("etc/motd", b"one\n"), directory("data"), entry("data/old", b"old"))


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Store:
    """A private image store, used through the library by the test program."""

    def __init__(self, build, root, helper="baton-unpack"):
        self.build, self.root = build, root
        self.helper = build / "lib/baton" / helper
        self.images = root / "images"

    def run(self, verb, *arguments, wait=True):
        command = [str(self.build / "tests/image_import_tool"), verb, str(self.root), *map(str, arguments)]
        if not wait:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            code, message = done.stderr.strip().split(" ", 1)
            raise Refused(int(code), message)
        return json.loads(done.stdout)

    def import_(self, source, name="-", helper=None, **more):
        return self.run("import", source, name, helper or self.helper, **more)

    def reads(self, *features):
        """False, and that it says so, for what only libarchive reads."""
        return not {"+zstd", "sparse"} & set(features) or self.helper.name == "baton-unpack-formats"

    def layer(self, data):
        return self.images / "layers" / sha256(data)

    def clean(self):
        """Nothing of an import is left but what the store's own names lead to."""
        return not list((self.images / "tmp").iterdir())


@pytest.fixture(params=["baton-unpack", "baton-unpack-formats"])
def store(build, tmp_path, request):
    """Both helpers: our own readers, and libarchive's."""
    return Store(build, tmp_path / "root", request.param)


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "layout")


def refused(store, source, *words, name="-"):
    with pytest.raises(Refused) as caught:
        store.import_(source, name)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    assert store.clean()
    assert store.run("list") == []
    assert not any((store.images / "layers").iterdir())
    return caught.value


def refused_without_formats(store, source):
    assert refused(store, source, "which needs the package baton-image-formats").code == errno.ENOTSUP


# ---- formats ----

@pytest.mark.parametrize("compression", COMPRESS)
def test_layout_directory(store, layout, compression):
    layout.image([BASE], compression=compression)
    if not store.reads(compression):
        refused_without_formats(store, layout.path)
        return
    result = store.import_(layout.path)
    assert result["ref"] == "docker.io/test/image:1"
    assert result["digest"] == layout.manifests[0]["digest"]
    top = store.layer(BASE)
    assert (top / "etc/motd").read_text() == "one\n"
    assert stat.S_IMODE(top.stat().st_mode) == 0o751
    for path in (top / "etc/motd", top / "etc", top / "data"):
        assert path.stat().st_mtime == 1000000000
    assert store.clean()


@pytest.mark.parametrize("outer", COMPRESS)
@pytest.mark.parametrize("inner", COMPRESS)
def test_layout_archive(store, layout, tmp_path, outer, inner):
    top = layer(entry("new", b"x" * 100000))
    layout.image([BASE, top], compression=inner)
    archive = layout.archive(tmp_path / "image.tar", outer)
    if not store.reads(inner, outer):
        refused_without_formats(store, archive)
        return
    store.import_(archive)
    assert store.run("lookup", "test/image:1")["layers"] == [sha256(BASE), sha256(top)]
    assert (store.layer(top) / "new").stat().st_size == 100000


@pytest.mark.parametrize("compression", COMPRESS)
def test_docker_archive(store, tmp_path, compression):
    top = layer(entry("new", b"2"))
    archive = docker_archive(tmp_path / "image.tar", [BASE, top], compression=compression)
    if not store.reads(compression):
        refused_without_formats(store, archive)
        return
    result = store.import_(archive)
    assert result["ref"] == "docker.io/test/docker:1"
    assert result["digest"] == "sha256:" + sha256(json.dumps(config_of([BASE, top])).encode())
    assert (store.layer(top) / "new").read_text() == "2"


def test_docker_archive_with_a_linked_layer(store, tmp_path):
    """docker save writes a layer that several images share as a symbolic link to the first."""
    config = json.dumps(config_of([BASE])).encode()
    manifest = [{"Config": "config.json", "RepoTags": ["a/b:1"], "Layers": ["second/layer.tar"]}]
    archive = tmp_path / "image.tar"
    archive.write_bytes(layer(entry("first/layer.tar", BASE), symlink("second/layer.tar", "../first/layer.tar"),
                              entry("config.json", config), entry("manifest.json", json.dumps(manifest).encode())))
    store.import_(archive)
    assert store.layer(BASE).is_dir()


def test_links_in_a_circle(store, tmp_path):
    config = json.dumps(config_of([BASE])).encode()
    manifest = [{"Config": "config.json", "RepoTags": ["a/b:1"], "Layers": ["a/layer.tar"]}]
    archive = tmp_path / "image.tar"
    archive.write_bytes(layer(symlink("a/layer.tar", "../b/layer.tar"), symlink("b/layer.tar", "../a/layer.tar"),
                              entry("config.json", config), entry("manifest.json", json.dumps(manifest).encode())))
    refused(store, archive, "a/layer.tar")


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_skopeo(store, build, tmp_path, kind):
    made = tmp_path / "made"
    subprocess.run([str(pathlib.Path(__file__).parents[2] / "scripts/make-image.sh"), "made:3", str(made)], check=True)
    target = tmp_path / "copy"
    names = {"oci": f"oci:{target}:reg.local/app:7", "oci-archive": f"oci-archive:{target}:reg.local/app:7",
             "docker-archive": f"docker-archive:{target}:reg.local/app:7"}
    if not shutil.which("skopeo"):
        pytest.skip("no skopeo")
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"oci:{made}:made:3", names[kind]], check=True)
    assert store.import_(target)["ref"] == "reg.local/app:7"
    assert store.import_(made)["ref"] == "docker.io/library/made:3"
    record = store.run("lookup", "reg.local/app:7")
    assert (store.images / "layers" / record["layers"][0] / "bin/sh").exists()
    assert len(list((store.images / "layers").iterdir())) == 1


@pytest.mark.skipif(not shutil.which("umoci"), reason="no umoci")
def test_umoci(store, tmp_path):
    """umoci writes whiteouts and several layers, and names an image by its tag only."""
    image = f"{tmp_path}/u:latest"

    def umoci(*arguments):
        subprocess.run(["umoci", *arguments], check=True, capture_output=True)

    umoci("init", "--layout", f"{tmp_path}/u")
    umoci("new", "--image", image)
    for step in ("first", "second"):
        bundle = tmp_path / step
        umoci("unpack", "--image", image, str(bundle))
        if step == "first":
            (bundle / "rootfs/gone").write_text("gone")
            (bundle / "rootfs/kept").write_text("kept")
        else:
            (bundle / "rootfs/gone").unlink()
        umoci("repack", "--image", image, str(bundle))
    umoci("config", "--image", image, "--config.cmd", "/kept", "--config.user", "5:6", "--config.env", "A=b")
    assert store.import_(tmp_path / "u", "app")["ref"] == "docker.io/library/app:latest"
    record = store.run("lookup", "app")
    assert record["config"]["cmd"] == ["/kept"] and record["config"]["user"] == "5:6" and "A=b" in record["config"]["env"]
    with mounted(store, "app", tmp_path) as root:
        assert not (root / "gone").exists() and (root / "kept").read_text() == "kept"


# ---- which image ----

def test_several_platforms(store, layout):
    other = layer(entry("wrong", b""))
    layout.image([other], platform={"os": "linux", "architecture": "mips64le"})
    layout.image([BASE], platform={"os": "linux", "architecture": ARCHITECTURE})
    layout.image([other], platform={"os": "windows", "architecture": ARCHITECTURE})
    store.import_(layout.path)
    assert store.run("lookup", "test/image:1")["layers"] == [sha256(BASE)]


def test_nested_index(store, layout):
    layout.image([BASE], name=None, platform={"os": "linux", "architecture": ARCHITECTURE})
    inner = layout.document({"schemaVersion": 2, "manifests": layout.manifests}, f"{OCI}.index.v1+json")
    layout.write({"schemaVersion": 2, "manifests": [
        {**inner, "annotations": {"org.opencontainers.image.ref.name": "multi:1"}}]})
    assert store.import_(layout.path)["ref"] == "docker.io/library/multi:1"


def test_index_in_itself(store, layout):
    """A digest can not name itself; the chain of indexes is limited all the same."""
    inner = layout.image([BASE], name=None).manifests[0]
    for _ in range(6):
        inner = layout.document({"manifests": [inner]}, f"{OCI}.index.v1+json")
    layout.write({"manifests": [inner]})
    refused(store, layout.path, "indexes within each other")


def test_no_platform_fits(store, layout):
    layout.image([BASE], platform={"os": "linux", "architecture": "arm", "variant": "v9"})
    layout.image([BASE], platform={"os": "linux", "architecture": "mips"})
    refused(store, layout.path, "linux/arm/v9", "linux/mips", "linux/" + ARCHITECTURE)


def test_other_architecture_in_the_configuration(store, layout):
    layout.image([BASE], config=config_of([BASE], architecture="s390x"))
    refused(store, layout.path, "s390x", ARCHITECTURE)


def test_several_images_need_a_name(store, layout):
    other = layer(entry("other", b"1"))
    layout.image([BASE], name="a:1").image([other], name="b:1")
    refused(store, layout.path, "a:1", "b:1")
    store.import_(layout.path, "docker.io/library/b:1")
    assert store.run("lookup", "b:1")["layers"] == [sha256(other)]


def test_no_name(store, layout):
    layout.image([BASE], name=None)
    refused(store, layout.path, "no name")
    assert store.import_(layout.path, "given")["ref"] == "docker.io/library/given:latest"


@pytest.mark.parametrize("name", ["UPPER", "a b", "../x", "a:", "a:" + "t" * 129, "x" * 300, "a//b", "é", "a@sha256:12"])
def test_bad_name(store, layout, name):
    layout.image([BASE])
    with pytest.raises(Refused) as caught:
        store.import_(layout.path, name)
    assert caught.value.code == errno.EINVAL


def test_lookup_by_digest(store, layout):
    layout.image([BASE])
    digest = store.import_(layout.path)["digest"]
    assert store.run("lookup", "whatever@" + digest)["digest"] == digest
    with pytest.raises(Refused) as caught:
        store.run("lookup", "whatever@sha256:" + "0" * 64)
    assert caught.value.code == errno.ENOENT


# ---- configuration ----

def test_configuration(store, layout):
    config = {"Entrypoint": ["/bin/app", "-x"], "Cmd": None, "Env": ["A=1", "B=x=y"], "WorkingDir": "srv", "User": "u:g",
              "StopSignal": "SIGUSR1", "Volumes": {"/data": {}}}
    layout.image([BASE], config=config_of([BASE], config))
    store.import_(layout.path)
    assert store.run("lookup", "test/image:1")["config"] == {
        "entrypoint": ["/bin/app", "-x"], "cmd": [], "env": ["A=1", "B=x=y"], "working_dir": "/srv", "user": "u:g",
        "stop_signal": "SIGUSR1", "volumes": ["/data"]}


@pytest.mark.parametrize("config", [
    {"Entrypoint": "text"}, {"Cmd": [1]}, {"Env": ["NOVALUE"]}, {"Env": ["=x"]}, {"User": ["root"]}, {"User": "a\nb"},
    {"WorkingDir": "/a/../../b"}, {"Volumes": {"relative": {}}}, {"StopSignal": "SIG; rm"}, {"Cmd": ["x"] * 1025},
    {"Env": ["A=" + "x" * 131072]}, {"User": "u" * 256}])
def test_bad_configuration(store, layout, config):
    layout.image([BASE], config=config_of([BASE], config))
    assert refused(store, layout.path).code == errno.EINVAL


def test_nul_in_the_configuration(store, layout):
    layout.image([BASE], config=config_of([BASE], {"Cmd": ["a\0b"]}))
    refused(store, layout.path, "u0000")


# ---- content checks ----

def test_wrong_blob_digest(store, layout):
    data = COMPRESS["+gzip"](BASE)
    layout.image([BASE], blobs=[layout.blob(data, digest="1" * 64)])
    refused(store, layout.path, "sha256:" + "1" * 64)


def test_wrong_blob_size(store, layout):
    data = COMPRESS["+gzip"](BASE)
    layout.image([BASE], blobs=[{**layout.blob(data), "size": len(data) + 1}])
    refused(store, layout.path, "should have")
    layout.manifests.clear()
    layout.image([BASE], blobs=[{**layout.blob(data), "size": len(data) - 1}])
    refused(store, layout.path, "larger than")


def test_wrong_diff_id(store, layout):
    layout.image([BASE], config=config_of([BASE + b"\0"]))
    refused(store, layout.path, sha256(BASE))


def test_wrong_manifest_and_configuration(store, layout):
    manifest = layout.image([BASE]).manifests[0]
    path = layout.path / "blobs/sha256" / manifest["digest"][7:]
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"schemaVersion": 2', b'"schemaVersion": 3'))
    refused(store, layout.path, "digest")
    path.write_bytes(good)
    path = layout.path / "blobs/sha256" / json.loads(good)["config"]["digest"][7:]
    path.write_bytes(path.read_bytes().replace(b'"os"', b'"oS"'))
    refused(store, layout.path, "digest")


def test_number_of_layers_differs(store, layout):
    layout.image([BASE], config=config_of([BASE, BASE]))
    refused(store, layout.path, "2 layers", "manifest 1")


def test_truncated(store, layout, tmp_path):
    data = COMPRESS["+gzip"](BASE)
    for cut in (data[:-1], data[:len(data) // 2], data[:5], b""):
        layout.manifests.clear()
        layout.image([BASE], blobs=[layout.blob(cut)])
        refused(store, layout.path)
    layout.manifests.clear()
    layout.image([BASE])
    archive = pathlib.Path(layout.archive(tmp_path / "whole.tar"))
    whole = archive.read_bytes()
    for cut in (1, 511, 700, len(whole) // 2):
        archive.write_bytes(whole[:cut])
        refused(store, archive)


def test_tar_cut_within_a_file(store, layout):
    data = layer(entry("big", b"x" * 5000))[:3000]
    layout.image([data])
    refused(store, layout.path, "damaged archive")


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"not an archive at all", b"\x1f\x8b\x08" + b"\0" * 50])
def test_not_an_archive(store, tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    refused(store, path)


def test_neither_format(store, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(store, tmp_path / "empty", "neither an OCI image layout")


def test_odd_sources(store, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", "/dev/zero", tmp_path / "missing"):
        with pytest.raises(Refused):
            store.import_(path)


def test_blob_is_a_link_or_fifo(store, layout, tmp_path):
    """The helper must neither follow a link out of the layout nor wait for a writer."""
    secret = tmp_path / "secret"
    data = COMPRESS["+gzip"](BASE)
    secret.write_bytes(data)
    layout.image([BASE])
    blob = layout.path / "blobs/sha256" / sha256(data)
    blob.unlink()
    blob.symlink_to(secret)
    refused(store, layout.path, sha256(data))
    blob.unlink()
    os.mkfifo(blob)
    refused(store, layout.path, "not a regular file")


# ---- hostile layers ----

HOSTILE = {
    "dotdot": ([entry("../../escape", b"x")], ".."),
    "dotdot inside": ([directory("a"), entry("a/../../escape", b"x")], ".."),
    "symlink parent": ([symlink("out", "/tmp"), entry("out/escape", b"x")], "below a symbolic link"),
    "relative symlink parent": ([symlink("a", "../.."), directory("a/b")], "below a symbolic link"),
    "file parent": ([entry("f", b"x"), entry("f/below", b"x")], "not a directory"),
    "hard link outside": ([hardlink("shadow", "../../../etc/shadow")], ".."),
    "hard link through a link": ([symlink("etc", "/etc"), hardlink("shadow", "etc/shadow")], "hard link"),
    "hard link to a missing file": ([hardlink("a", "etc/passwd")], "hard link"),
    "hard link to a directory": ([directory("d"), hardlink("a", "d")], "not a file"),
    "hard link to itself": ([entry("a", b"x"), hardlink("a", "./a")], "itself"),
    "hard link to a whiteout": ([entry(".wh.x", b""), hardlink("a", "x")], "not a file"),
    "character device": ([entry("dev/sda", type=tarfile.CHRTYPE, devmajor=8)], "dev/sda\": images must not hold device"),
    "null device": ([entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)], "device"),
    "forged whiteout": ([entry("x", type=tarfile.CHRTYPE)], "device"),
    "block device": ([entry("sda", type=tarfile.BLKTYPE, devmajor=8)], "device"),
    "whiteout of nothing": ([entry(".wh.", b"")], "whiteout"),
    "whiteout of the parent": ([directory("a"), entry("a/.wh...", b"")], "whiteout"),
    "below a whiteout": ([entry("a/.wh.b/c", b"")], "below a whiteout"),
    "long symlink": ([symlink("a", "x" * 4096)], "symbolic link"),
    "empty symlink": ([symlink("a", "")], "symbolic link"),
    "long path": ([entry("/".join(["d" * 100] * 50), b"")], "longer than"),
    "long name": ([entry("n" * 256, b"")], "name"),
    "deep path": ([entry("/".join(["d"] * 129), b"")], "levels deep"),
    "root is a file": ([entry(".", b"x")], "not a directory"),
    "owner": ([entry("a", b"", uid=2 ** 32 - 1)], "owner"),
    "negative owner": ([entry("a", b"", pax={"uid": "-1"})], "owner"),
    "huge sparse file": ([entry("a", b"0\n", pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                                                  "GNU.sparse.name": "a", "GNU.sparse.realsize": str(1 << 50)})], ""),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_layer(store, layout, case):
    entries, words = HOSTILE[case]
    layout.image([layer(*entries)])
    refused(store, layout.path, words)
    assert not os.path.exists("/tmp/escape") and not (store.root / "escape").exists()


def test_absolute_paths_stay_inside(store, layout):
    data = layer(entry("/etc//./absolute", b"x"), symlink("/link", "/etc/absolute"))
    layout.image([data])
    store.import_(layout.path)
    assert (store.layer(data) / "etc/absolute").read_text() == "x"
    assert os.readlink(store.layer(data) / "link") == "/etc/absolute"


def test_symlinks_are_never_followed(store, layout, tmp_path):
    """What replaces a symbolic link replaces the link and not what it points to."""
    outside = tmp_path / "outside"
    outside.write_text("safe")
    data = layer(symlink("a", str(outside)), entry("a", b"new"), symlink("d", str(tmp_path)), directory("d", mode=0o700),
                 symlink("h", str(outside)), hardlink("h2", "h"))
    layout.image([data])
    store.import_(layout.path)
    assert outside.read_text() == "safe" and (store.layer(data) / "a").read_text() == "new"
    assert not (store.layer(data) / "a").is_symlink() and (store.layer(data) / "d").is_dir()
    assert (store.layer(data) / "h2").is_symlink()


def test_bomb(store, layout, tmp_path):
    """5 GiB of zeros in 5 MiB: stopped at the limit, and nothing is left on the disk."""
    header = tarfile.TarInfo("zeros")
    header.size = 5 << 30
    compressor = subprocess.Popen(["gzip", "-1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    reader = concurrent.futures.ThreadPoolExecutor(1).submit(compressor.stdout.read)
    compressor.stdin.write(header.tobuf())
    for _ in range(80):
        compressor.stdin.write(b"\0" * (1 << 20))
    compressor.stdin.close()
    data = reader.result() + gzip.compress(b"\0" * (1 << 20)) * 6000
    layout.image([BASE], blobs=[layout.blob(data)])
    refused(store, layout.path, "larger than")


def test_bomb_after_the_end_of_the_archive(store, layout):
    data = COMPRESS["+gzip"](BASE) + gzip.compress(b"\0" * (16 << 20), 1) * 300
    layout.image([BASE], blobs=[layout.blob(data)])
    refused(store, layout.path, "larger than")


def test_too_many_layers(store, layout):
    layout.image([BASE] * 129)
    refused(store, layout.path, "129 layers", "128")


def test_large_documents(store, layout):
    layout.image([BASE])
    (layout.path / "index.json").write_bytes(b" " * ((1 << 20) + 1))
    refused(store, layout.path, "index.json")
    (layout.path / "index.json").write_bytes(b"[" * 100000)
    refused(store, layout.path, "nested")
    (layout.path / "index.json").write_bytes(b'{"manifests": [')
    refused(store, layout.path, "not valid JSON")


# ---- what is kept ----

def test_metadata(store, layout):
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    data = layer(
        directory("d", mode=0o555, uid=1000, gid=1001), entry("d/f", b"x", mode=0o4755, uid=1000, gid=1001),
        entry("g", b"x", mode=0o2755, gid=7), entry("c", b"x", pax={
            "SCHILY.xattr.security.capability": capability.decode("latin-1"), "SCHILY.xattr.user.note": "hello",
            "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.security.selinux": "x",
            "SCHILY.xattr.user.overlay.opaque": "y"}, mode=0o755),
        entry("fifo", type=tarfile.FIFOTYPE, mode=0o620, uid=3), symlink("s", "nowhere", uid=9), hardlink("h", "d/f"),
        directory("sticky", mode=0o1777), entry("old", b"", mtime=-5))
    layout.image([data])
    result = store.import_(layout.path)
    top = store.layer(data)
    at = (top / "d/f").stat()
    assert (at.st_mode, at.st_uid, at.st_gid, at.st_nlink) == (0o104755, 1000, 1001, 2)
    assert (top / "d").stat().st_mode == 0o40555 and (top / "d").stat().st_mtime == 1000000000
    assert (top / "g").stat().st_mode == 0o102755 and (top / "sticky").stat().st_mode == 0o41777
    assert (top / "fifo").stat().st_mode == 0o10620 and (top / "fifo").stat().st_uid == 3
    assert (top / "s").lstat().st_uid == 9 and (top / "s").lstat().st_mtime == 1000000000
    assert (top / "old").stat().st_mtime == -5
    assert os.getxattr(top / "c", "security.capability") == capability
    assert sorted(os.listxattr(top / "c")) == ["security.capability", "user.note"]
    assert result["xattrs"] == 3


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_names_are_bytes(store, layout, format):
    """Neither converted, nor normalised, nor refused: composed, decomposed, not UTF-8, control characters, long."""
    names = ["caf\u00e9", "cafe\u0301", "new\nline", "x" * 255, "d" * 120 + "/" + "e" * 120, "\u65e5\u672c"]
    names += ["raw\udcff\udcfe"] if format == tarfile.GNU_FORMAT else []
    data = layer(*[entry(name, b"") for name in names], *[symlink(f"s{i}", name) for i, name in enumerate(names)],
                 format=format)
    layout.image([data])
    store.import_(layout.path)
    found = {str(path.relative_to(store.layer(data))) for path in store.layer(data).rglob("*")}
    assert set(names) <= found
    for i, name in enumerate(names):
        assert os.readlink(store.layer(data) / f"s{i}") == name


def test_sparse_file(store, layout, tmp_path):
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.seek(1 << 20)
        file.write(b"middle")
        file.truncate(4 << 20)
    for format in ("gnu", "posix"):
        data = subprocess.run(["tar", "-C", str(tmp_path), "-S", f"--format={format}", "-cf-", "sparse"], check=True,
                              capture_output=True).stdout
        layout.manifests.clear()
        layout.image([data])
        if not store.reads("sparse"):
            refused_without_formats(store, layout.path)
            continue
        store.import_(layout.path)
        assert (store.layer(data) / "sparse").read_bytes() == path.read_bytes()
        assert (store.layer(data) / "sparse").stat().st_blocks < 4096


# ---- overlay ----

class mounted:
    """The image as a container sees it, in this mount namespace below a private directory."""

    def __init__(self, store, ref, path, mode="rw"):
        self.store, self.ref, self.mode = store, ref, mode
        self.root, self.upper = path / "mnt", path / "layer"

    def __enter__(self):
        self.root.mkdir(exist_ok=True)
        self.upper.mkdir()
        self.store.run("mount", self.ref, self.upper, self.root, self.mode)
        return self.root

    def __exit__(self, *error):
        subprocess.run(["umount", str(self.root)], check=True)
        shutil.rmtree(self.upper)


UPPER = layer(
    directory("etc"), entry("etc/.wh.motd", b""), entry("etc/new", b"2"),
    directory("data"), entry("data/.wh..wh..opq", b""), entry("data/fresh", b"3"),
    directory(".wh..wh.plnk"), entry(".wh..wh.plnk/1.2", b""))


@pytest.mark.parametrize("mode", ["rw", "ro"])
def test_overlay(store, layout, tmp_path, mode):
    layout.image([BASE, UPPER])
    store.import_(layout.path)
    with mounted(store, "test/image:1", tmp_path, mode) as root:
        assert sorted(os.listdir(root)) == ["data", "etc"]
        assert sorted(os.listdir(root / "etc")) == ["new", "passwd"]
        assert os.listdir(root / "data") == ["fresh"]
        assert (root / "data").stat().st_mtime == 1000000000
        assert stat.S_IMODE(root.stat().st_mode) == 0o755
        if mode == "ro":
            with pytest.raises(OSError) as caught:
                (root / "write").write_text("x")
            assert caught.value.errno == errno.EROFS
        else:
            (root / "etc/new").write_text("changed")
            os.rename(root / "etc", root / "moved")
            os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            with pytest.raises(PermissionError):
                (root / "null").read_bytes()
    assert (store.layer(UPPER) / "etc/new").read_text() == "2"


def test_read_only_with_one_layer(store, layout, tmp_path):
    layout.image([BASE])
    store.import_(layout.path)
    with mounted(store, "test/image:1", tmp_path, "ro") as root:
        assert (root / "etc/motd").read_text() == "one\n" and stat.S_IMODE(root.stat().st_mode) == 0o751


def test_writable_layer_is_used_once(store, layout, tmp_path):
    layout.image([BASE])
    store.import_(layout.path)
    (tmp_path / "layer/upper").mkdir(parents=True)
    (tmp_path / "mnt").mkdir()
    with pytest.raises(Refused) as caught:
        store.run("mount", "test/image:1", tmp_path / "layer", tmp_path / "mnt", "rw")
    assert caught.value.code == errno.EEXIST


def test_whiteout_then_directory_of_the_same_name(store, layout, tmp_path):
    """In whichever order they come: the directory is there, and hides what was below."""
    first = layer(directory("a"), entry("a/low", b""), directory("b"), entry("b/low", b""), entry("c", b"low"))
    second = layer(entry(".wh.a", b""), directory("a"), entry("a/high", b""),
                   directory("b"), entry("b/high", b""), entry(".wh.b", b""), entry("c", b"high"), entry(".wh.c", b""))
    layout.image([first, second])
    store.import_(layout.path)
    with mounted(store, "test/image:1", tmp_path) as root:
        assert os.listdir(root / "a") == ["high"] and os.listdir(root / "b") == ["high"]
        assert (root / "c").read_text() == "high"


def test_opaque_root(store, layout, tmp_path):
    data = layer(directory("./"), entry("./.wh..wh..opq", b""), entry("only", b""))
    layout.image([BASE, data])
    store.import_(layout.path)
    for mode in ("rw", "ro"):
        with mounted(store, "test/image:1", tmp_path, mode) as root:
            assert os.listdir(root) == ["only"]


def test_many_layers(store, layout, tmp_path):
    layers = [layer(entry(f"f{i}", b"%d" % i), entry("top", b"%d" % i)) for i in range(128)]
    layout.image(layers)
    store.import_(layout.path)
    with mounted(store, "test/image:1", tmp_path) as root:
        assert len(os.listdir(root)) == 129 and (root / "top").read_text() == "127"


# ---- the store ----

def snapshot(path):
    return {str(item): (item.lstat().st_mtime_ns, item.lstat().st_ctime_ns, item.lstat().st_ino)
            for item in path.rglob("*") if item.name not in ("tmp", "lock") and "images/tmp" not in str(item)}


def test_import_twice_writes_nothing(store, layout):
    layout.image([BASE])
    first = store.import_(layout.path)
    before = snapshot(store.images)
    assert store.import_(layout.path) == first
    assert snapshot(store.images) == before


def test_known_layers_are_not_read_again(store, layout):
    layout.image([BASE])
    store.import_(layout.path)
    (layout.path / "blobs/sha256" / sha256(COMPRESS["+gzip"](BASE))).unlink()
    top = layer(entry("x", b"x"))
    layout.manifests.clear()
    layout.image([BASE, top], name="test/second:1", blobs=[
        {"digest": "sha256:" + "2" * 64, "size": 1}, layout.blob(COMPRESS["+gzip"](top))])
    store.import_(layout.path)
    assert store.run("lookup", "test/second:1")["layers"] == [sha256(BASE), sha256(top)]


def test_name_moves_to_a_new_image(store, layout):
    layout.image([BASE])
    store.import_(layout.path)
    other = layer(entry("other", b"x"))
    layout.manifests.clear()
    layout.image([other])
    store.import_(layout.path)
    assert store.run("lookup", "test/image:1")["layers"] == [sha256(other)]
    assert len(store.run("list")) == 1


def test_two_at_once(store, tmp_path):
    running = []
    for i in range(4):
        made = Layout(tmp_path / f"l{i}")
        made.image([BASE, layer(entry(f"f{i}", os.urandom(1 << 20)))], name=f"test/p:{i}")
        running.append(store.import_(made.path, wait=False))
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert [item["ref"] for item in store.run("list")] == [f"docker.io/test/p:{i}" for i in range(4)]
    assert store.clean()


def test_leftovers_are_removed(store, layout):
    (store.images / "tmp/import/deep/er").mkdir(parents=True)
    (store.images / "tmp/other").write_text("x")
    layout.image([BASE])
    store.import_(layout.path)
    assert store.clean()


def slow_helper(path):
    path.write_text("#!/bin/sh\nexec sleep 100\n")
    path.chmod(0o755)
    return path


def test_killed_import(store, layout, tmp_path):
    """SIGKILL of the importer ends the helper; the next import finds the lock free and a clean store."""
    layout.image([BASE])
    importer = store.import_(layout.path, helper=slow_helper(tmp_path / "helper"), wait=False)
    deadline = time.monotonic() + 10
    children = pathlib.Path(f"/proc/{importer.pid}/task/{importer.pid}/children")
    while not children.read_text().split():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    helper = int(children.read_text().split()[0])
    with pytest.raises(Refused) as caught:
        store.run("remove", "test/image:1", "-")
    assert caught.value.code == errno.EBUSY
    importer.send_signal(signal.SIGKILL)
    importer.wait()
    importer.stdout.close()
    importer.stderr.close()
    while os.path.exists(f"/proc/{helper}") and pathlib.Path(f"/proc/{helper}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    store.import_(layout.path)
    assert store.clean()


def fake_helper(path, report, layers=""):
    """A helper that was taken over by an image: it may report and leave whatever it likes."""
    path.write_text(f"#!/bin/sh\ncd /proc/self/fd/4\n{layers}\ncat >&5 <<'END'\n{report}\nEND\n")
    path.chmod(0o755)
    return path


HEX = "a" * 64


def report_of(**more):
    record = {"digest": "sha256:" + HEX, "architecture": "amd64", "size": 0, "layers": [HEX], "config": {
        "entrypoint": [], "cmd": [], "env": [], "working_dir": "", "user": "", "stop_signal": "", "volumes": []}}
    record.update(more)
    return json.dumps({"image": record, "name": "taken:1"})


def test_honest_fake_helper(store, layout, tmp_path):
    helper = fake_helper(tmp_path / "helper", report_of(), f"mkdir {HEX}")
    layout.image([BASE])
    assert store.import_(layout.path, helper=helper)["ref"] == "docker.io/library/taken:1"


@pytest.mark.parametrize("report, layers", [
    (report_of(layers=["../../../../tmp"]), "true"), (report_of(layers=[HEX, ".."]), f"mkdir {HEX}"),
    (report_of(layers=[]), "true"), (report_of(digest="../x"), f"mkdir {HEX}"), (report_of(), "true"),
    (report_of(), f"ln -s / {HEX}"), (report_of(), f"echo >{HEX}"), (report_of(config={}), f"mkdir {HEX}"),
    (report_of(), f"mkdir {HEX}; mknod {HEX}/sda b 8 0"), (report_of(), f"mkdir {HEX}; mknod {HEX}/null c 1 3"),
    (report_of(size=-1), f"mkdir {HEX}"), ("not json", "true"), ("", "true"), ("[]", "true"), ('{"error": 5}', "true"),
    ('{"error": "\\u001b[2J\\u0007evil", "code": 99999999}', "true"),
    (report_of(), f"mkdir {HEX}; d={HEX}; i=0; while [ $i -lt 130 ]; do d=$d/d; mkdir $d; i=$((i+1)); done"),
    (report_of(), "exit 3"), (report_of(), "kill -9 $$")])
def test_report_is_not_trusted(store, layout, tmp_path, report, layers):
    layout.image([BASE])
    with pytest.raises(Refused) as caught:
        store.import_(layout.path, helper=fake_helper(tmp_path / "helper", report, layers))
    assert str(caught.value).isprintable()
    assert store.clean() and store.run("list") == [] and not any((store.images / "layers").iterdir())


def test_helper_alone_says_what_it_is(build):
    for arguments in ([], ["--help"], ["--import"], ["--import", "x"]):
        done = subprocess.run([str(build / "lib/baton/baton-unpack"), *arguments], capture_output=True, text=True)
        assert done.returncode == 2 and "baton image import" in done.stderr


def test_remove(store, layout):
    top = layer(entry("top", b"x" * 100000))
    layout.image([BASE], name="a:1").image([BASE, top], name="b:1")
    store.import_(layout.path, "a:1")
    store.import_(layout.path, "b:1")
    with pytest.raises(Refused) as caught:
        store.run("remove", "c:1", "-")
    assert caught.value.code == errno.ENOENT
    assert store.run("remove", "b:1", sha256(top))["freed"] == 0
    assert store.layer(top).is_dir() and len(store.run("list")) == 1
    store.import_(layout.path, "b:1")
    assert store.run("remove", "b:1", "-")["freed"] >= 100000
    assert not store.layer(top).exists() and store.layer(BASE).is_dir()
    assert store.run("remove", "a:1", "-")["freed"] > 0
    assert not any((store.images / "layers").iterdir()) and not any((store.images / "images").iterdir())
    assert store.clean()


def test_damaged_record_stops_the_clean_up(store, layout):
    other = layer(entry("other", b"x"))
    layout.image([BASE], name="a:1").image([other], name="b:1")
    digests = [store.import_(layout.path, name)["digest"] for name in ("a:1", "b:1")]
    (store.images / "images" / (digests[0][7:] + ".json")).write_text("{")
    with pytest.raises(Refused):
        store.run("remove", "b:1", "-")
    assert store.layer(BASE).is_dir() and store.layer(other).is_dir()
    with pytest.raises(Refused):
        store.run("lookup", "a:1")
    store.import_(layout.path, "a:1")
    assert store.run("lookup", "a:1")["layers"] == [sha256(BASE)]


def test_store_is_private(store, layout):
    store.images.mkdir(parents=True, mode=0o755)
    layout.image([BASE])
    store.import_(layout.path)
    assert stat.S_IMODE(store.images.stat().st_mode) == 0o700
