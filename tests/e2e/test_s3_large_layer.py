"""A layer of 10 GiB, which is over what one copy within S3 may take, to a bucket by curl and by docker."""

import re
import subprocess
import time

import pytest

from test_large_layer import write_large_layer
from waiting import until

pytestmark = [
    pytest.mark.long,
    pytest.mark.parametrize("bucket", ["minio"], indirect=True),
]

SIZE = 10 << 30
TIMEOUT_S = 3600


@pytest.fixture
def registry(new_registry, bucket):
    limits = {"limits": {"blob_size": "11GiB"}}  # gzip makes it a little larger
    return new_registry(config={"storage": bucket.section(), **limits}).start()


@pytest.fixture
def layer(work):
    """(path, digest) of a tar archive."""
    path = work / "layer.tar"
    return path, write_large_layer(path, SIZE)


def moved(bucket, digest):
    """It has come to its key, and its upload is gone."""
    key = "blobs/" + digest.replace(":", "/")
    left = [k for k in bucket.keys() if k.startswith(("moves/", "uploads/"))]
    return key in bucket.keys() and not left and not bucket.uploads()


def check_copied_in_parts(bucket, digest):
    key = "blobs/" + digest.replace(":", "/")
    found = bucket.client.head_object(Bucket=bucket.name, Key=key)
    assert found["ContentLength"] > 5 << 30
    assert re.fullmatch('"[0-9a-f]{32}-[0-9]+"', found["ETag"])  # made of parts


def pulled_digest(registry, repo, digest):
    """Of the bytes that curl gets."""
    url = f"{registry.url}/v2/{repo}/blobs/{digest}"
    command = f"set -o pipefail; curl -sSf {url} | sha256sum"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True,
                          timeout=TIMEOUT_S)
    return f"sha256:{done.stdout.split()[0]}"


def peak_mib(registry):
    status = open(f"/proc/{registry.pid}/status", encoding="ascii").read()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) // 1024


@pytest.fixture
def told(record_property):
    """Times a step and reports it."""

    def tell(name, step):
        begun = time.monotonic()
        value = step()
        took = time.monotonic() - begun
        record_property(name, f"{took:.0f} s")
        print(f"{name}: {took:.0f} s, {SIZE / took / 1e6:.0f} MB/s")
        return value

    return tell


def test_curl_sends_it_in_one_PATCH(registry, client, bucket, layer, told):
    path, digest = layer
    location = client.start_upload("app")
    sent = ["curl", "-sSf", "-X", "PATCH", "-H", "Content-Type: application/octet-stream", "-T", path]
    told("PATCH", lambda: subprocess.run([*sent, location], check=True, timeout=TIMEOUT_S))
    told("PUT", lambda: client.finish(location, digest))
    path.unlink()
    assert told("pulled", lambda: pulled_digest(registry, "app", digest)) == digest
    told("at its key", lambda: until(lambda: moved(bucket, digest), timeout=TIMEOUT_S, interval=1))
    check_copied_in_parts(bucket, digest)
    assert told("pulled again", lambda: pulled_digest(registry, "app", digest)) == digest
    print("peak of the registry:", peak_mib(registry), "MiB")
    assert peak_mib(registry) < 48


def test_docker_pushes_and_pulls_it(registry, client, bucket, docker, layer, told):
    path, digest = layer
    name = f"{registry.address}/large:v1"
    docker("import", path, name, timeout=TIMEOUT_S)
    path.unlink()
    before = docker.layers(name)
    assert before == [digest]
    told("docker push", lambda: docker("push", name, timeout=TIMEOUT_S))
    docker.remove(name)
    told("docker pull", lambda: docker("pull", name, timeout=TIMEOUT_S))
    assert docker.layers(name) == before
    docker.remove(name)

    [compressed] = client.get_manifest("large", "v1").json()["layers"]
    assert compressed["size"] > 9 << 30
    until(lambda: moved(bucket, compressed["digest"]), timeout=TIMEOUT_S, interval=1)
    check_copied_in_parts(bucket, compressed["digest"])
    assert pulled_digest(registry, "large", compressed["digest"]) == compressed["digest"]
    print("peak of the registry:", peak_mib(registry), "MiB")
    assert peak_mib(registry) < 48
