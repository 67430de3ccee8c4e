"""Content for collectors (scripts/bench --gc): many small images, half of them without a tag, written as files
in the layouts of this registry, of distribution and of zot."""

import hashlib
import json
import os
from dataclasses import dataclass

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
HEX = [f"{n:02x}" for n in range(256)]


@dataclass(frozen=True)
class Shape:
    """How much of it. No blob is of two images."""

    repositories: int
    manifests: int
    blobs: int

    def of_repository(self, n):
        """How many images the n-th has."""
        return self.manifests // self.repositories + (n < self.manifests % self.repositories)

    @property
    def layers(self):
        return self.blobs // self.manifests - 1

    def text(self):
        return f"{self.blobs:,} blobs, {self.manifests:,} manifests, {self.repositories:,} repositories"


@dataclass
class Image:
    tag: str  # "": none
    manifest: tuple  # of hex and bytes, as each of the blobs
    blobs: list


def addressed(data):
    return hashlib.sha256(data).hexdigest(), data


def descriptor(media_type, blob):
    return {"mediaType": media_type, "digest": f"sha256:{blob[0]}", "size": len(blob[1])}


def image(repository, n, layers):
    config = addressed(json.dumps({"os": "linux", "architecture": "amd64", "of": f"{repository}/{n}"}).encode())
    others = [addressed(f"layer {k} of image {n} of {repository}".ljust(64, ".").encode()) for k in range(layers)]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(CONFIG_TYPE, config),
        "layers": [descriptor(LAYER_TYPE, layer) for layer in others],
    }
    tag = "" if n % 2 else f"v{n}"
    return Image(tag, addressed(json.dumps(manifest).encode()), [config, *others])


def write(path, data, directory=None):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640, dir_fd=directory)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


class Directory:
    """Files are made below it by short names."""

    def __init__(self, path):
        os.makedirs(path, exist_ok=True)
        self.fd = os.open(path, os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def write(self, path, data):
        write(path, data, self.fd)

    def make(self, path):
        os.mkdir(path, dir_fd=self.fd)


class OurFiles:
    """docs/operate.md, "What is on the disk". The database comes by `registry reindex`."""

    def __init__(self, root):
        self.root = root

    def repository(self, name, images):
        base = os.path.join(self.root, "repositories", name)
        with Directory(os.path.join(base, "manifests")) as manifests, Directory(os.path.join(base, "blobs")) as blobs:
            for one in images:
                hexadecimal, data = one.manifest
                manifests.write(f"sha256:{hexadecimal}", data)
                if one.tag:
                    os.symlink(f"sha256:{hexadecimal}", one.tag, dir_fd=manifests.fd)
                for blob, data in one.blobs:
                    blobs.write(f"sha256:{blob}", data)


class DistributionFiles:
    """Blobs once, links to them in each repository; a directory for each of both."""

    def __init__(self, root):
        self.root = os.path.join(root, "docker/registry/v2")
        for name in HEX:
            os.makedirs(os.path.join(self.root, "blobs/sha256", name), exist_ok=True)

    def repository(self, name, images):
        base = os.path.join(self.root, "repositories", name)
        with (
            Directory(os.path.join(self.root, "blobs/sha256")) as content,
            Directory(os.path.join(base, "_layers/sha256")) as layers,
            Directory(os.path.join(base, "_manifests/revisions/sha256")) as revisions,
            Directory(os.path.join(base, "_manifests/tags")) as tags,
        ):
            for one in images:
                for blob in one.blobs:
                    self.store(content, blob)
                    self.link(layers, "", blob[0])
                self.store(content, one.manifest)
                self.link(revisions, "", one.manifest[0])
                if one.tag:
                    self.tag(tags, one.tag, one.manifest[0])

    @staticmethod
    def store(content, blob):
        path = f"{blob[0][:2]}/{blob[0]}"
        content.make(path)
        content.write(f"{path}/data", blob[1])

    @staticmethod
    def link(directory, below, hexadecimal):
        directory.make(f"{below}{hexadecimal}")
        directory.write(f"{below}{hexadecimal}/link", f"sha256:{hexadecimal}".encode())

    def tag(self, tags, name, hexadecimal):
        for part in (name, f"{name}/current", f"{name}/index", f"{name}/index/sha256"):
            tags.make(part)
        tags.write(f"{name}/current/link", f"sha256:{hexadecimal}".encode())
        self.link(tags, f"{name}/index/sha256/", hexadecimal)


class ZotFiles:
    """An OCI layout for each repository; what has no tag is in its index as well."""

    def __init__(self, root):
        self.root = root

    def repository(self, name, images):
        base = os.path.join(self.root, name)
        entries = []
        with Directory(os.path.join(base, "blobs/sha256")) as blobs:
            for one in images:
                for blob, data in [one.manifest, *one.blobs]:
                    blobs.write(blob, data)
                entries.append(descriptor(MANIFEST_TYPE, one.manifest))
                if one.tag:
                    entries[-1]["annotations"] = {"org.opencontainers.image.ref.name": one.tag}
        write(os.path.join(base, "oci-layout"), b'{"imageLayoutVersion":"1.0.0"}')
        write(os.path.join(base, "index.json"), json.dumps({"schemaVersion": 2, "manifests": entries}).encode())


def make(shape, layouts):
    """All of it, in each of the layouts."""
    for r in range(shape.repositories):
        name = f"team{r % 20}/app{r}"
        images = [image(name, n, shape.layers) for n in range(shape.of_repository(r))]
        for layout in layouts:
            layout.repository(name, images)
