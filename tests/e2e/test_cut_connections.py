"""The connection of a real client breaks in the middle of a push, and its own retry ends it well."""

import pytest

from clients import ClientFailed
from cutting_proxy import CuttingProxy
from helpers import Client, image, random_bytes, write_oci_layout

CUTS = [
    ("POST", "before the answer"),
    ("PATCH", "before the request"),
    ("PATCH", "within the body"),
    ("PATCH", "before the answer"),
    ("PUT", "before the request"),
    ("PUT", "before the answer"),
]


@pytest.fixture
def proxy(registry):
    host, port = registry.address.split(":")
    with CuttingProxy(host, int(port)) as made:
        yield made


@pytest.fixture
def built(docker, work):
    context = work / "context"
    context.mkdir()
    (context / "data").write_bytes(random_bytes(400_000, "cut"))
    (context / "Dockerfile").write_text("FROM scratch\nCOPY data /\n")
    docker.build(context, "cut")
    yield "cut"
    docker.remove("cut")


@pytest.mark.parametrize("method, phase", CUTS)
def test_docker_ends_its_push(registry, docker, built, proxy, method, phase):
    name = f"{proxy.address}/app:v1"
    docker("tag", built, name)
    proxy.cut(method, phase, "/blobs/")
    try:
        docker("push", name)
    finally:
        docker.remove(name)
    assert proxy.cuts == 1
    with Client(registry.url) as client:
        client.pull_image("app", "v1")


@pytest.mark.parametrize("phase", ["before the request", "before the answer"])
def test_docker_ends_its_push_when_the_manifest_is_cut(registry, docker, built, proxy, phase):
    """The engine does not repeat the push of a manifest; a second `docker push` ends it."""
    name = f"{proxy.address}/app:v1"
    docker("tag", built, name)
    proxy.cut("PUT", phase, "/manifests/")
    try:
        docker("push", name, check=False)
        docker("push", name)
    finally:
        docker.remove(name)
    assert proxy.cuts == 1
    with Client(registry.url) as client:
        client.pull_image("app", "v1")


def again_if_it_gave_up(push):
    """containers/image 5.23 repeats no request that it could not write to its end; the same command
    once more, as people do it, goes on."""
    try:
        push()
    except ClientFailed as gave_up:
        assert "writing blob: Patch" in gave_up.output or "uploading manifest" in gave_up.output
        push()


@pytest.mark.parametrize("method, phase", CUTS)
def test_skopeo_ends_its_copy(registry, containers, work, proxy, method, phase):
    made = image(seed="skopeo", layers=1, layer_size=400_000)
    write_oci_layout(work / "layout", made, "v1")
    proxy.cut(method, phase)
    here, there = f"oci:{work}/layout:v1", f"docker://{proxy.address}/app:v1"
    again_if_it_gave_up(lambda: containers.skopeo("copy", "--retry-times=3", here, there))
    assert proxy.cuts == 1
    with Client(registry.url) as client:
        assert client.pull_image("app", "v1").blobs == made.blobs


@pytest.mark.parametrize("method, phase", CUTS)
def test_buildah_ends_its_push(registry, containers, work, proxy, method, phase):
    context = work / "context"
    context.mkdir()
    (context / "data").write_bytes(random_bytes(400_000, "buildah"))
    (context / "Containerfile").write_text("FROM scratch\nCOPY data /\n")
    containers.buildah("bud", "-t", "built", context)
    proxy.cut(method, phase)
    name = f"docker://{proxy.address}/app:v1"
    again_if_it_gave_up(lambda: containers.buildah("push", "built", name))
    assert proxy.cuts == 1
    with Client(registry.url) as client:
        client.pull_image("app", "v1")
