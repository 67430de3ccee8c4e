"""Filling the servers with what is measured."""

import hashlib
import http.client
import io
import json
import os
import socket
import tarfile
import threading
from urllib.parse import urlsplit

from servers import BenchError
from tools import MANIFEST_TYPE

REPOSITORY = "bench"
TAGS_REPOSITORY = "many"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Client:
    """A plain, checked HTTP client on one connection."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=600)
        self.credentials = server.credentials

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def request(self, method, target, wanted, body=None, headers=None):
        headers = {**self.credentials, **(headers or {})}
        self.connection.request(method, target, body=body, headers=headers)
        response = self.connection.getresponse()
        text = response.read()
        if response.status != wanted:
            raise BenchError(f"{method} {target}: {response.status} {text[:500]!r}")
        return response, text

    def push_blob(self, repository, body, blob_digest, size=None):
        response, _ = self.request("POST", f"/v2/{repository}/blobs/uploads/", 202, b"")
        at = urlsplit(response.headers["Location"])
        query = (at.query + "&" if at.query else "") + f"digest={blob_digest}"
        self.request(
            "PUT",
            f"{at.path}?{query}",
            201,
            body,
            {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(len(body) if size is None else size),
            },
        )

    def push_manifest(self, repository, reference, body):
        self.request(
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            201,
            body,
            {"Content-Type": MANIFEST_TYPE},
        )


def manifest(layers, **annotations):
    """An image manifest of about the usual size; its config is the first layer's bytes."""
    rows = [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": digest(layer),
            "size": len(layer),
        }
        for layer in layers
    ]
    config = dict(rows[0], mediaType="application/vnd.oci.image.config.v1+json")
    body = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": rows}
    if annotations:
        body["annotations"] = annotations
    return json.dumps(body, separators=(",", ":")).encode()


LAYERS = [json.dumps({"layer": i}).encode() for i in range(9)]
IMAGE = manifest(LAYERS)


def write_file(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def seed_image(server):
    """REPOSITORY:latest, nine small layers; IMAGE is its manifest."""
    if not server.can_push:
        write_file(os.path.join(server.content, f"v2/{REPOSITORY}/manifests/latest"), IMAGE)
        return
    with Client(server) as client:
        for layer in LAYERS:
            client.push_blob(REPOSITORY, layer, digest(layer))
        client.push_manifest(REPOSITORY, "latest", IMAGE)


def blob_path(blob_digest):
    return f"/v2/{REPOSITORY}/blobs/{blob_digest}"


def seed_blob(server, path, blob_digest):
    """A blob from a file."""
    if not server.can_push:
        target = server.content + blob_path(blob_digest)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.link(path, target)
        return
    with Client(server) as client, open(path, "rb") as f:
        client.push_blob(REPOSITORY, f, blob_digest, os.path.getsize(path))


class LayeredImage:
    """An image that clients can unpack: each layer a tar archive of one file that nobody can compress."""

    def __init__(self, directory, tag, count, size):
        self.tag = tag
        self.size = count * size
        self.paths = [os.path.join(directory, f"{tag}-{i}.tar") for i in range(count)]
        for path in self.paths:
            with tarfile.open(path, "w") as tar:
                member = tarfile.TarInfo(os.path.basename(path))
                member.size = size
                tar.addfile(member, io.BytesIO(os.urandom(size)))
        self.digests = [file_digest(path) for path in self.paths]
        root = {"type": "layers", "diff_ids": self.digests}
        config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": root}
        self.config = json.dumps(config).encode()

    def manifest(self):
        def part(kind, of, size):
            return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": of, "size": size}

        layers = zip(self.digests, self.paths)
        body = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": part("config.v1+json", digest(self.config), len(self.config)),
            "layers": [part("layer.v1.tar", of, os.path.getsize(path)) for of, path in layers],
        }
        return json.dumps(body).encode()

    def seed(self, server):
        with Client(server) as client:
            client.push_blob(REPOSITORY, self.config, digest(self.config))
            for of, path in zip(self.digests, self.paths):
                with open(path, "rb") as f:
                    client.push_blob(REPOSITORY, f, of, os.path.getsize(path))
            client.push_manifest(REPOSITORY, self.tag, self.manifest())

    def remove(self):
        for path in self.paths:
            os.unlink(path)


def file_digest(path):
    with open(path, "rb") as f:
        return "sha256:" + hashlib.file_digest(f, "sha256").hexdigest()


def tag_name(i):
    return f"v{i:06d}"


def tagged_manifest(i):
    return manifest(LAYERS[:2], number=str(i))


def put_pipelined(server, numbers, depth, errors):
    """One manifest and tag for each of the numbers, `depth` requests at once on one connection."""
    try:
        with socket.create_connection((server.host, server.port), 120) as s:
            answers = s.makefile("rb")
            for at in range(0, len(numbers), depth):
                batch = numbers[at : at + depth]
                request = bytearray()
                for i in batch:
                    body = tagged_manifest(i)
                    request += (
                        f"PUT /v2/{TAGS_REPOSITORY}/manifests/{tag_name(i)} HTTP/1.1\r\n"
                        f"Host: {server.address}\r\nContent-Type: {MANIFEST_TYPE}\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n"
                    ).encode() + body
                s.sendall(request)
                for _ in batch:
                    read_created(answers)
    except (OSError, BenchError) as error:
        errors.append(error)


def read_created(answers):
    status = answers.readline()
    length = 0
    while (line := answers.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    body = answers.read(length)
    if b" 201 " not in status:
        raise BenchError(f"seeding a tag: {status!r} {body[:300]!r}")


def seed_tags_by_api(server, count, connections=4, depth=32):
    """TAGS_REPOSITORY with `count` manifests, each under a tag."""
    with Client(server) as client:
        for layer in LAYERS[:2]:
            client.push_blob(TAGS_REPOSITORY, layer, digest(layer))
    errors = []
    threads = [
        threading.Thread(
            target=put_pipelined, args=(server, range(n, count, connections), depth, errors)
        )
        for n in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def seed_tags_in_layout(server, count):
    """The same tags for a peer, all of one manifest, written into its directories: by its API they
    would take many minutes."""
    with Client(server) as client:
        for layer in LAYERS[:2]:
            client.push_blob(TAGS_REPOSITORY, layer, digest(layer))
        client.push_manifest(TAGS_REPOSITORY, tag_name(0), tagged_manifest(0))
    WRITE_TAGS[server.layout](server.content, digest(tagged_manifest(0)), count)


def write_docker_tags(content, target, count):
    tags = f"docker/registry/v2/repositories/{TAGS_REPOSITORY}/_manifests/tags"
    for i in range(1, count):
        write_file(os.path.join(content, tags, tag_name(i), "current/link"), target.encode())


def write_oci_tags(content, target, count):
    path = os.path.join(content, TAGS_REPOSITORY, "index.json")
    with open(path) as f:
        index = json.load(f)
    first = index["manifests"][0]
    for i in range(1, count):
        name = {"org.opencontainers.image.ref.name": tag_name(i)}
        index["manifests"].append({**first, "digest": target, "annotations": name})
    write_file(path, json.dumps(index).encode())


WRITE_TAGS = {"docker": write_docker_tags, "oci": write_oci_tags}
