"""Layers that are made to be pulled in pieces: eStargz and zstd:chunked, by ctr-remote 0.12.0 (of the stargz snapshotter), and
those that skopeo 1.9.3 makes. They stay byte for byte as they are, are looked into, and unpacked by containerd 1.6.20."""

import gzip
import io
import tarfile

import pytest
from archives import upload
from helpers import digest_of, image_of_layers, tar_layer

FILES = {f"usr/share/file-{n}": bytes([65 + n]) * 5000 for n in range(20)}
LAYER = tar_layer(FILES)
LAYER = LAYER.rstrip(b"\0") + bytes(-len(LAYER.rstrip(b"\0")) % 512) + bytes(1024)  # Python adds zeros, and Go does not
IMAGE = image_of_layers([LAYER])
TOC = "containerd.io/snapshot/stargz/toc.digest"


@pytest.fixture
def source(registry, client):
    client.push_image("from/app", IMAGE, "v1")
    return f"{registry.address}/from/app:v1"


def convert(containerd, source, form):
    """The name of the converted image."""
    containerd.pull(source)
    made = source.replace("from/app", "made/app")
    containerd("images", "convert", form, "--oci", source, made, program="ctr-remote")
    return made


def layer_of(client, repository):
    (layer,) = client.get_manifest(repository, "v1").json()["layers"]
    return layer


def check_is_looked_into(client, repository):
    where = f"/api/v1/images/{repository}/v1"
    folder = client.request("GET", f"{where}/tree", params={"path": "/usr/share"}).json()
    assert {"usr/share/" + entry["name"] for entry in folder["entries"]} == FILES.keys()
    file = client.request("GET", f"{where}/file", params={"path": "/usr/share/file-7"})
    assert file.content == FILES["usr/share/file-7"]


def check_is_unpacked(containerd, name):
    containerd("images", "rm", name)
    containerd.pull(name)
    assert FILES.items() <= containerd.files().items()


@pytest.mark.parametrize("form, kind", [("--estargz", "gzip"), ("--zstdchunked", "zstd")])
def test_what_was_converted_comes_as_an_archive(registry, client, work, containerd, source, form, kind):
    containerd("images", "export", work / "image.tar", convert(containerd, source, form))
    upload(client, (work / "image.tar").read_bytes(), repository="to/app", tag="v1")
    layer = layer_of(client, "to/app")
    assert layer["mediaType"].endswith(f"tar+{kind}") and layer["annotations"][TOC].startswith("sha256:")
    check_is_looked_into(client, "to/app")
    check_is_unpacked(containerd, source.replace("from/app", "to/app"))


@pytest.mark.parametrize("form", ["--estargz", "--zstdchunked"])
def test_what_was_converted_is_pushed(registry, client, containerd, source, form):
    made = convert(containerd, source, form)
    containerd("images", "push", "--plain-http", made)
    check_is_looked_into(client, "made/app")
    check_is_unpacked(containerd, made)


def test_the_table_of_an_estargz_is_read_from_the_end_of_its_blob(registry, client, containerd, source):
    """As a snapshotter does that pulls files when they are asked for."""
    made = convert(containerd, source, "--estargz")
    containerd("images", "push", "--plain-http", made)
    layer = layer_of(client, "made/app")
    blob = f"/v2/made/app/blobs/{layer['digest']}"
    footer = client.request("GET", blob, (206,), headers={"Range": "bytes=-51"}).content
    assert footer[32:38] == b"STARGZ"
    start = int(footer[16:32], 16)
    end = layer["size"] - 51
    table = client.request("GET", blob, (206,), headers={"Range": f"bytes={start}-{end - 1}"}).content
    assert digest_of(table_of(table)) == layer["annotations"][TOC]


def table_of(member):
    """Of the gzip member, a tar with one file."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(member))) as tar:
        return tar.extractfile("stargz.index.json").read()


@pytest.mark.parametrize("form", ["zstd", "zstd:chunked"])
def test_layers_of_zstd_by_skopeo(registry, client, work, containers, containerd, source, form):
    path = work / "image.tar"
    containers.skopeo("copy", f"--dest-compress-format={form}", f"docker://{source}", f"oci-archive:{path}")
    upload(client, path.read_bytes(), repository="to/app", tag="v1")
    assert layer_of(client, "to/app")["mediaType"].endswith("tar+zstd")
    check_is_looked_into(client, "to/app")
    check_is_unpacked(containerd, source.replace("from/app", "to/app"))


@pytest.mark.config({"upload": {"compress": "zstd"}})
def test_an_estargz_stays_as_it_is_where_layers_are_packed(registry, client, work, containerd, source):
    containerd("images", "export", work / "image.tar", convert(containerd, source, "--estargz"))
    containerd("images", "push", "--plain-http", source.replace("from/app", "made/app"))
    upload(client, (work / "image.tar").read_bytes(), repository="to/app", tag="v1")
    assert layer_of(client, "to/app") == layer_of(client, "made/app")
