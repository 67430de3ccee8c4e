"""An archive with a layer of 9 GiB, more than the octal digits of a tar header and 32 bits can say: taken in constant memory."""

import hashlib
import json
import tarfile

import pytest
import requests
from archives import crafted
from helpers import MIB
from test_upload_edges import resident_mib

pytestmark = pytest.mark.long

SIZE = 9 << 30
PIECE = bytes(4 * MIB)
BUSY_MIB = 32


def header(name, size):
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def layer(size):
    """A tar of one file of zeros, in pieces."""
    yield header("zeros", size)
    for at in range(0, size, len(PIECE)):
        yield PIECE[: size - at]
    yield bytes(1024)


def archive(size, config):
    """Such as docker save writes, in pieces. The layer is of whole blocks, so nothing pads it."""
    yield header("layer.tar", size + 1536)
    yield from layer(size)
    item = {"Config": "config.json", "RepoTags": None, "Layers": ["layer.tar"]}
    yield crafted.file("config.json", config)
    yield crafted.file("manifest.json", json.dumps([item]).encode())
    yield bytes(1024)


def test_a_layer_of_nine_gib_is_taken_in_constant_memory(registry, client):
    sha = hashlib.sha256()
    for piece in layer(SIZE):
        sha.update(piece)
    digest = f"sha256:{sha.hexdigest()}"
    document = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest]}}
    where = {"repository": "team/huge", "tag": "v1"}
    idle = resident_mib(registry, "VmRSS")
    body = archive(SIZE, json.dumps(document).encode())
    answer = requests.put(f"{registry.url}/upload-image", params=where, data=body, timeout=3600)
    assert answer.status_code == 201, answer.text
    assert resident_mib(registry, "VmHWM") - idle < BUSY_MIB
    head = client.request("HEAD", f"/v2/team/huge/blobs/{digest}")
    assert int(head.headers["Content-Length"]) == SIZE + 1536
    last = client.request("GET", f"/v2/team/huge/blobs/{digest}", 206, headers={"Range": f"bytes={SIZE + 1535}-"})
    assert last.content == b"\0"
