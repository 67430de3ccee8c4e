"""Real clients over a bucket, where what came can't be read back: a push that is cut and begins again, and content
whose digest is another one than uploads begin with (sha512)."""

import subprocess

import pytest

from clients import ClientFailed
from cutting_proxy import CuttingProxy
from helpers import MIB, OCI_MANIFEST, Client, Image, artifact, canonical, descriptor, digest_of, random_bytes, write_oci_layout
from waiting import until

CONFIG = ("application/vnd.example.config", random_bytes(300_000, "config"))
SIZES = {"up to a part": 400_000, "of parts": 12 * MIB}
sizes = pytest.mark.parametrize("layer", SIZES.values(), ids=SIZES, indirect=True)
WITHIN = "within the body"
LOST = "before the answer"


@pytest.fixture
def registry(new_registry, bucket):
    return new_registry(config={"storage": bucket.section(part_size=5 * MIB)}).start()


@pytest.fixture
def layer(request):
    return ("application/vnd.example.layer", random_bytes(request.param, "layer"))


@pytest.fixture
def made(work, layer):
    image = artifact("application/vnd.example.cut", config=CONFIG, layers=[layer])
    write_oci_layout(work / "layout", image, "v1")
    return image


@pytest.fixture
def proxy(registry):
    host, port = registry.address.split(":")
    with CuttingProxy(host, int(port)) as made:
        yield made


def left_over(bucket):
    return [key for key in bucket.keys() if key.startswith(("uploads/", "moves/"))]


def check_pushed(registry, made):
    with Client(registry.url) as client:
        assert client.pull_image("app", "v1") == made


# A push that is cut


@sizes
@pytest.mark.parametrize("phase", [WITHIN, LOST])
def test_crane_ends_its_push(registry, go_clients, work, made, proxy, phase):
    proxy.cut("PATCH", phase, "/blobs/")
    go_clients.crane("push", work / "layout", f"{proxy.address}/app:v1")
    assert proxy.cuts == 1
    check_pushed(registry, made)


@sizes
@pytest.mark.parametrize("phase", [WITHIN, LOST])
def test_oras_ends_its_copy_when_it_is_called_again(registry, go_clients, work, made, proxy, phase):
    copy = ["--from-oci-layout", f"{work}/layout:v1", f"{proxy.address}/app:v1"]
    proxy.cut("PUT", phase, "/blobs/")
    with pytest.raises(ClientFailed):
        go_clients.oras_copy(*copy)
    go_clients.oras_copy(*copy)
    assert proxy.cuts == 1
    check_pushed(registry, made)


# sha512


def sha512_image(data):
    """All of it but the manifest by that."""
    config_type, config = CONFIG
    blobs = {digest_of(content, "sha512"): content for content in (config, data)}

    def by_sha512(content, media_type):
        return {**descriptor(content, media_type), "digest": digest_of(content, "sha512")}

    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.sha512",
        "config": by_sha512(config, config_type),
        "layers": [by_sha512(data, "application/vnd.example.layer")],
    }
    return Image(canonical(manifest), OCI_MANIFEST, blobs)


def write_layout(directory, image):
    """As write_oci_layout(), with blobs of sha512."""
    write_oci_layout(directory, Image(image.manifest, image.media_type), "v1")
    (directory / "blobs" / "sha512").mkdir()
    for digest, data in image.blobs.items():
        (directory / "blobs" / "sha512" / digest.removeprefix("sha512:")).write_bytes(data)


def check_sha512(registry, bucket, image):
    with Client(registry.url) as client:
        assert client.get_manifest("app", "v1").content == image.manifest
        for digest, data in image.blobs.items():
            assert client.get_blob("app", digest).content == data
        until(lambda: not left_over(bucket))
        for digest, data in image.blobs.items():
            assert bucket.get(f"blobs/{digest.replace(':', '/')}") == data


@sizes
def test_oras_pushes_sha512(registry, go_clients, work, bucket, layer):
    image = sha512_image(layer[1])
    write_layout(work / "layout", image)
    go_clients.oras_copy("--from-oci-layout", f"{work}/layout:v1", f"{registry.address}/app:v1")
    check_sha512(registry, bucket, image)


@sizes
def test_regctl_pushes_sha512(registry, go_clients, work, bucket, layer):
    image = sha512_image(layer[1])
    write_layout(work / "layout", image)
    go_clients.regctl("registry", "set", registry.address, "--tls=disabled", "--skip-check")
    go_clients.regctl("image", "copy", f"ocidir://{work}/layout:v1", f"{registry.address}/app:v1")
    check_sha512(registry, bucket, image)


@sizes
def test_curl_ends_an_upload_with_sha512(registry, work, bucket, layer):
    data = layer[1]
    (work / "data").write_bytes(data)

    def curl(*words):
        command = ["curl", "-sS", "--fail", *words]
        return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout

    with Client(registry.url) as client:
        location = client.start_upload("app")
    stream = ["-H", "Content-Type: application/octet-stream", "--data-binary", f"@{work}/data"]
    curl("-X", "PATCH", *stream, location)
    digest = digest_of(data, "sha512")
    curl("-X", "PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}")
    assert curl(f"{registry.url}/v2/app/blobs/{digest}") == data
    until(lambda: not left_over(bucket))
    assert curl(f"{registry.url}/v2/app/blobs/{digest}") == data
