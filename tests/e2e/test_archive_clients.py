"""Archives of the registry, as engines and tools load them: the images are those that a pull would give."""

import json

import pytest

from helpers import digest_of, image, index

IMAGE = image(seed="archives in tools", layers=3)
IMAGE_ID = IMAGE.document["config"]["digest"]


def download(client, work, what="team/app:v1", **params):
    """The archive as a file."""
    path = work / "image.tar"
    path.write_bytes(client.request("GET", f"/api/v1/archive/{what}", params=params).content)
    return path


@pytest.fixture
def pushed(client):
    client.push_image("team/app", IMAGE, "v1")
    return IMAGE


def test_docker_loads_it(client, pushed, work, docker):
    path = download(client, work)
    assert "Loaded image: team/app:v1" in docker("load", "-i", path)
    assert docker.image_id("team/app:v1") == IMAGE_ID
    docker.remove("team/app:v1")


def test_docker_loads_what_is_left_of_it_when_it_has_the_layers(client, pushed, work, docker):
    docker("load", "-i", download(client, work))
    have = [l["digest"] for l in IMAGE.document["layers"]]
    path = download(client, work, have=",".join(have), name="team/app:again")
    assert path.stat().st_size < 16_384
    docker("load", "-i", path)
    assert docker.image_id("team/app:again") == IMAGE_ID
    docker.remove("team/app:v1", "team/app:again")


def test_docker_loads_it_without_a_name_by_digest(client, pushed, work, docker):
    assert IMAGE_ID in docker("load", "-i", download(client, work, f"team/app@{IMAGE.digest}"))
    docker.remove(IMAGE_ID)


def test_podman_loads_it(client, pushed, work, containers):
    path = download(client, work, name="localhost/team/app:v1")
    assert "localhost/team/app:v1" in containers.podman("load", "-i", path)
    assert json.loads(containers.podman("inspect", "localhost/team/app:v1"))[0]["Id"] == IMAGE_ID.removeprefix("sha256:")


@pytest.mark.parametrize("transport, form", [("docker-archive", "docker"), ("oci-archive", "docker"), ("oci-archive", "oci")])
def test_skopeo_copies_it(client, pushed, work, containers, transport, form):
    path = download(client, work, format=form)
    containers.skopeo("copy", f"{transport}:{path}", f"dir:{work / 'copy'}")
    copied = json.loads((work / "copy/manifest.json").read_text())
    assert copied["config"]["digest"] == IMAGE_ID
    if transport == "oci-archive":
        assert digest_of((work / "copy/manifest.json").read_bytes()) == IMAGE.digest


def test_skopeo_copies_all_platforms(registry, client, work, containers):
    both = index([image(seed="a"), image(seed="b", architecture="arm64")])
    client.push_image("multi", both, "v1")
    path = download(client, work, "multi:v1", format="oci")
    containers.skopeo("copy", "--all", f"oci-archive:{path}", f"docker://{registry.address}/copied:v1")
    assert client.pull_image("copied", "v1") == both


def test_containerd_imports_and_unpacks_it(client, pushed, work, containerd):
    containerd.load(download(client, work))
    listed = containerd("images", "list")
    assert "docker.io/team/app:v1" in listed and IMAGE.digest in listed
    assert containerd.files().keys() == {"file-0", "file-1", "file-2"}
