"""containerd 2.4.2, which is built first, so with --long: what it pulls, exports and imports, all of it unpacked."""

import pytest

from archives import docker_archive, upload
from clients import Containerd
from go_programs import go_program
from helpers import Client, image, index

pytestmark = pytest.mark.long

IMAGE = image(seed="containerd 2", layers=3)
FILES = {"file-0", "file-1", "file-2"}


@pytest.fixture
def containerd(work):
    made = Containerd(work, go_program("containerd2"), go_program("ctr2")).start()
    yield made
    made.stop()


@pytest.fixture
def source(registry, client):
    client.push_image("from/app", IMAGE, "v1")
    return f"{registry.address}/from/app:v1"


def test_what_it_exports_comes_back(client, work, containerd, source):
    containerd.pull(source)
    containerd("images", "export", work / "image.tar", source)
    upload(client, (work / "image.tar").read_bytes(), repository="to/app", tag="v1")
    assert client.pull_image("to/app", "v1") == IMAGE


def test_it_imports_and_unpacks_archives_of_the_registry(client, work, containerd, source):
    (work / "image.tar").write_bytes(client.request("GET", "/api/v1/archive/from/app:v1").content)
    containerd.load(work / "image.tar")
    listed = containerd("images", "list")
    assert "docker.io/from/app:v1" in listed and IMAGE.digest in listed
    assert containerd.files().keys() == FILES


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
def test_it_unpacks_layers_as_they_were_packed(new_registry, containerd, compress):
    registry = new_registry(config={"upload": {"compress": compress}}).start()
    with Client(registry.url) as client:
        upload(client, docker_archive(IMAGE, ["app:v1"]), repository="to/app", tag="v1")
    containerd.pull(f"{registry.address}/to/app:v1")
    assert containerd.files().keys() == FILES


def test_of_an_index_of_which_it_has_one_platform_that_one_comes_back(registry, client, work, containerd):
    ours, other = image(seed="a"), image(seed="b", architecture="arm64")
    client.push_image("from/multi", index([ours, other]), "v1")
    name = f"{registry.address}/from/multi:v1"
    containerd.pull(name)
    containerd("images", "export", "--platform", "linux/amd64", work / "image.tar", name)
    (stored,) = upload(client, (work / "image.tar").read_bytes(), repository="to/multi", tag="v1")["images"]
    assert stored["digest"] == ours.digest and stored["platform"] == "linux/amd64"
