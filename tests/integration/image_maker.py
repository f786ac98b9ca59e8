# SPDX-License-Identifier: Apache-2.0
"""OCI layouts and docker-archives made by hand, so that every byte of them can be wrong on purpose."""
import gzip
import hashlib
import io
import json
import pathlib
import platform
import subprocess
import tarfile

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}[platform.machine()]
OCI = "application/vnd.oci.image"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def entry(name, data=None, type=tarfile.REGTYPE, mode=0o644, **more):
    """One tar entry as (TarInfo, data)."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = type, mode, more.pop("mtime", 1000000000)
    info.pax_headers = more.pop("pax", {})
    for key, value in more.items():
        setattr(info, key, value)
    if data is not None:
        info.size = len(data)
    return info, data


def directory(name, mode=0o755, **more):
    return entry(name, type=tarfile.DIRTYPE, mode=mode, **more)


def symlink(name, target, **more):
    return entry(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777, **more)


def hardlink(name, target):
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def layer(*entries, format=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


COMPRESS = {"": lambda data: data, "+gzip": lambda data: gzip.compress(data, 1, mtime=0), "+zstd": zstd}


def config_of(layers, config=None, **more):
    return {"architecture": ARCHITECTURE, "os": "linux", "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(data) for data in layers]}, **more}


class Layout:
    """An OCI image layout in a directory; blobs are added under their true digest unless told otherwise."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        (self.path / "blobs/sha256").mkdir(parents=True)
        (self.path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.manifests = []

    def blob(self, data, media_type=None, digest=None):
        digest = digest or sha256(data)
        (self.path / "blobs/sha256" / digest).write_bytes(data)
        descriptor = {"digest": "sha256:" + digest, "size": len(data)}
        if media_type:
            descriptor["mediaType"] = media_type
        return descriptor

    def document(self, value, media_type):
        return self.blob(json.dumps(value).encode(), media_type)

    def image(self, layers, name="test/image:1", compression="+gzip", config=None, blobs=None, **more):
        """Adds one image; `blobs` replaces the descriptors of the layers."""
        blobs = blobs or [self.blob(COMPRESS[compression](data), f"{OCI}.layer.v1.tar{compression}") for data in layers]
        config = self.document(config or config_of(layers), f"{OCI}.config.v1+json")
        manifest = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "config": config, "layers": blobs}
        descriptor = self.document(manifest, f"{OCI}.manifest.v1+json")
        if name:
            descriptor["annotations"] = {"org.opencontainers.image.ref.name": name}
        descriptor.update(more)
        self.manifests.append(descriptor)
        return self.write()

    def write(self, index=None):
        index = index or {"schemaVersion": 2, "manifests": self.manifests}
        (self.path / "index.json").write_text(json.dumps(index))
        return self

    def archive(self, path, compression=""):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            tar.add(self.path, arcname=".")
        pathlib.Path(path).write_bytes(COMPRESS[compression](out.getvalue()))
        return path


def docker_archive(path, layers, tags=("test/docker:1",), compression="", config=None, extra=()):
    config = json.dumps(config or config_of(layers)).encode()
    names = [f"{sha256(data)[:8]}{i}/layer.tar" for i, data in enumerate(layers)]
    manifest = [{"Config": sha256(config) + ".json", "RepoTags": list(tags) or None, "Layers": names}]
    parts = [entry(name, data) for name, data in zip(names, layers)]
    parts += [entry(sha256(config) + ".json", config), *extra, entry("manifest.json", json.dumps(manifest).encode())]
    pathlib.Path(path).write_bytes(COMPRESS[compression](layer(*parts)))
    return path
