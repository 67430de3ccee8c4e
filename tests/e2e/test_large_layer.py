"""A large layer, pushed and pulled by skopeo; and a blob of more bytes than 31 bits count."""

import hashlib
import json
import os
import tarfile

import pytest

from helpers import (
    MIB,
    OCI_CONFIG,
    OCI_MANIFEST,
    Image,
    canonical,
    descriptor,
    hash_file,
    random_bytes,
    write_oci_layout,
)

LAYER = "application/vnd.oci.image.layer.v1.tar"
SIZE, LONG_SIZE = 256 * MIB, 2048 * MIB


def write_large_layer(path, size):
    """A tar archive of so many bytes: one file, sixteen random MiB over and over. Returns its digest.

    Uncompressed, so that the client does not spend the test compressing.
    """
    pattern = random_bytes(16 * MIB, "large")
    # The header of a tar with one file; what follows it is the file, then two blocks of zeros.
    info = tarfile.TarInfo("large")
    info.size = size - 3 * 512
    sha = hashlib.sha256()
    with open(path, "wb") as f:

        def write(data):
            sha.update(data)
            f.write(data)

        write(info.tobuf(tarfile.GNU_FORMAT))  # one block, also over 8 GiB
        left = info.size
        while left:
            part = pattern[:left]
            write(part)
            left -= len(part)
        write(bytes(2 * 512))
    assert os.path.getsize(path) == size
    return f"sha256:{sha.hexdigest()}"


@pytest.mark.parametrize("size", [SIZE, pytest.param(LONG_SIZE, marks=pytest.mark.long)])
def test_an_image_of_one_large_layer(registry, client, containers, work, size):
    layout = work / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    layer = write_large_layer(layout / "layer", size)
    (layout / "layer").rename(layout / "blobs" / "sha256" / layer.removeprefix("sha256:"))
    config = canonical(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [layer]},
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, OCI_CONFIG),
        "layers": [{"mediaType": LAYER, "digest": layer, "size": size}],
    }
    pushed = Image(canonical(manifest), OCI_MANIFEST, {descriptor(config, "")["digest"]: config})
    write_oci_layout(layout, pushed)

    # Otherwise skopeo would compress the layer on its way.
    source, name = f"oci:{layout}:latest", f"docker://{registry.address}/large"
    containers.skopeo("copy", "--preserve-digests", source, name)
    stored = registry.root / "repositories" / "large" / "blobs" / layer
    assert stored.stat().st_size == size

    # skopeo checks the digest of what it pulls; dir: keeps the layer as it came.
    pulled = work / "pulled"
    (layout / "blobs" / "sha256" / layer.removeprefix("sha256:")).unlink()
    containers.skopeo("copy", name, f"dir:{pulled}")
    assert (pulled / layer.removeprefix("sha256:")).stat().st_size == size
    assert json.loads((pulled / "manifest.json").read_bytes()) == manifest
    assert hash_file(stored) == layer
    assert client.tags("large") == ["latest"]


ZEROS = 2**31 + 1
DIGEST_OF_ZEROS = "sha256:b8030a8ab89280935633d8d991da3d9907c0f12e8b6fc3bfc515f4d440872b6e"


def test_a_blob_of_more_bytes_than_31_bits_count(client, work):
    with open(work / "zeros", "w+b") as file:
        file.truncate(ZEROS)  # takes no room
        client.finish(client.start_upload("large"), DIGEST_OF_ZEROS, file)
    path = f"/v2/large/blobs/{DIGEST_OF_ZEROS}"
    assert client.request("HEAD", path).headers["Content-Length"] == str(ZEROS)
    last = client.request("GET", path, 206, headers={"Range": f"bytes={ZEROS - 3}-"})
    assert last.content == bytes(3)
    assert last.headers["Content-Range"] == f"bytes {ZEROS - 3}-{ZEROS - 1}/{ZEROS}"
