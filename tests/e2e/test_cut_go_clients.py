"""The connection of crane, regctl or oras breaks in the middle of a push: their own retry ends it
well. oras has none; the same command once more does it."""

import pytest

from clients import ClientFailed
from cutting_proxy import CuttingProxy
from helpers import Client, artifact, random_bytes, write_oci_layout

# Both larger than what passes before a cut within a body: it does not matter which comes first.
CONFIG = ("application/vnd.example.config", random_bytes(300_000, "config"))
LAYER = ("application/vnd.example.layer", random_bytes(400_000, "layer"))

POST = [("POST", "before the answer", "/blobs/")]
PATCH = [
    ("PATCH", phase, "/blobs/")
    for phase in ("before the request", "within the body", "before the answer")
]
PUT = [
    ("PUT", "before the request", "/blobs/"),
    ("PUT", "before the answer", "/blobs/"),
    ("PUT", "before the request", "/manifests/"),
    ("PUT", "before the answer", "/manifests/"),
]
PUT_WITH_BODY = [("PUT", "within the body", "/blobs/")]


@pytest.fixture
def made(work):
    image = artifact("application/vnd.example.cut", config=CONFIG, layers=[LAYER])
    write_oci_layout(work / "layout", image, "v1")
    return image


@pytest.fixture
def proxy(registry):
    host, port = registry.address.split(":")
    with CuttingProxy(host, int(port)) as made:
        yield made


def check_pushed(registry, made, proxy):
    assert proxy.cuts == 1
    with Client(registry.url) as client:
        assert client.pull_image("app", "v1") == made


@pytest.mark.parametrize("cut", POST + PATCH + PUT, ids=" ".join)
def test_crane_ends_its_push(registry, go_clients, work, made, proxy, cut):
    proxy.cut(*cut)
    go_clients.crane("push", work / "layout", f"{proxy.address}/app:v1")
    check_pushed(registry, made, proxy)


@pytest.mark.parametrize("cut", POST + PUT_WITH_BODY + PUT, ids=" ".join)
def test_regctl_ends_its_copy(registry, go_clients, work, made, proxy, cut):
    go_clients.regctl("registry", "set", proxy.address, "--tls=disabled", "--skip-check")
    proxy.cut(*cut)
    go_clients.regctl("image", "copy", f"ocidir://{work}/layout:v1", f"{proxy.address}/app:v1")
    check_pushed(registry, made, proxy)


@pytest.mark.parametrize("cut", PATCH + PUT[:2], ids=" ".join)
def test_regctl_ends_its_copy_in_chunks(registry, go_clients, work, made, proxy, cut):
    chunks = ["--blob-chunk=100000", "--blob-max=100000"]
    go_clients.regctl("registry", "set", proxy.address, "--tls=disabled", "--skip-check", *chunks)
    proxy.cut(*cut)
    go_clients.regctl("image", "copy", f"ocidir://{work}/layout:v1", f"{proxy.address}/app:v1")
    check_pushed(registry, made, proxy)


@pytest.mark.parametrize("cut", POST + PUT_WITH_BODY + PUT, ids=" ".join)
def test_oras_ends_its_copy_when_it_is_called_again(
    registry, go_clients, work, made, proxy, cut
):
    def copy():
        there = f"{proxy.address}/app:v1"
        go_clients.oras_copy("--from-oci-layout", f"{work}/layout:v1", there)

    proxy.cut(*cut)
    with pytest.raises(ClientFailed):
        copy()
    copy()
    check_pushed(registry, made, proxy)


# Within one registry, where blobs are mounted


@pytest.fixture
def pushed(registry, made):
    with Client(registry.url) as client:
        client.push_image("source", made, "v1")


def test_crane_ends_its_copy_of_what_is_there(registry, go_clients, made, pushed, proxy):
    proxy.cut("POST", "before the answer", "mount=")
    go_clients.crane("copy", f"{proxy.address}/source:v1", f"{proxy.address}/app:v1")
    check_pushed(registry, made, proxy)


def test_regctl_ends_its_copy_of_what_is_there(registry, go_clients, made, pushed, proxy):
    go_clients.regctl("registry", "set", proxy.address, "--tls=disabled", "--skip-check")
    proxy.cut("POST", "before the answer", "mount=")
    go_clients.regctl("image", "copy", f"{proxy.address}/source:v1", f"{proxy.address}/app:v1")
    check_pushed(registry, made, proxy)


def test_oras_ends_its_copy_of_what_is_there(registry, go_clients, made, pushed, proxy):
    copy = [f"{proxy.address}/source:v1", f"{proxy.address}/app:v1"]
    proxy.cut("POST", "before the answer", "mount=")
    with pytest.raises(ClientFailed):
        go_clients.oras_copy(*copy)
    go_clients.oras_copy(*copy)
    check_pushed(registry, made, proxy)
