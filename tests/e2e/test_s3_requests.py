"""How many requests to S3 an operation takes."""

import pytest

from helpers import MIB, digest_of, image, random_bytes
from s3_proxy import S3Proxy
from waiting import until


@pytest.fixture
def proxy(bucket):
    with S3Proxy(bucket.endpoint) as made:
        yield made


@pytest.fixture
def registry(new_registry, bucket, proxy):
    bucket.endpoint = proxy.endpoint
    made = new_registry(config={"storage": bucket.section()}).start()
    proxy.forget()
    return made


def settled(bucket):
    """Nothing is on its way to its key, or about to be deleted."""
    return not any(key.startswith(("moves/", "uploads/")) for key in bucket.keys())


def of_pulls(proxy):
    """All but those of the thread that compares tags with the database some time after a push."""
    return [request.kind for request in proxy.of() if "/_tags/" not in request.target]


def push_in_chunks(client, repo, made):
    """As docker and podman do: HEAD, POST, PATCH, PUT."""
    for digest, data in made.blobs.items():
        if not client.has_blob(repo, digest):
            location = client.patch(client.start_upload(repo), data)
            client.finish(location, digest)
    client.push_manifest(repo, "v1", made)


def test_a_push_of_ten_layers_takes_at_most_36(client, bucket, proxy):
    push_in_chunks(client, "app", image(layers=10))
    until(lambda: settled(bucket))
    assert sum(proxy.counts().values()) <= 36, proxy.counts()


def test_a_push_of_ten_layers_with_their_digests_takes_at_most_36(client, bucket, proxy):
    client.push_image("app", image(layers=10), "v1")
    until(lambda: settled(bucket))
    assert sum(proxy.counts().values()) <= 36, proxy.counts()


def test_a_cold_pull_of_ten_layers_takes_a_get_each(registry, client, bucket, proxy):
    made = image(layers=10)
    client.push_image("app", made, "v1")
    until(lambda: settled(bucket))
    proxy.forget()
    assert client.pull_image("app", "v1") == made
    assert of_pulls(proxy) == ["get"] * 11


def covered(requests, size):
    """The bytes that GETs ask for, in the order of the blob."""
    ranges = []
    for request in requests:
        text = request.headers.get("range", f"bytes=0-{size - 1}")
        begin, last = text.removeprefix("bytes=").split("-")
        ranges.append((int(begin), int(last)))
    return sorted(ranges)


def test_a_large_blob_is_pulled_in_ranges_that_ask_for_each_byte_once(registry, client, bucket, proxy):
    data = random_bytes(41 * MIB)
    digest = client.push_blob("app", data)
    until(lambda: settled(bucket))
    registry.restart()
    proxy.forget()
    assert client.get_blob("app", digest).content == data
    ranges = covered(proxy.of("get"), len(data))
    assert 2 <= len(ranges) <= 6
    assert proxy.received_bytes("get") == len(data)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(data) - 1
    assert all(before[1] + 1 == after[0] for before, after in zip(ranges, ranges[1:]))


def test_a_manifest_takes_none(client, proxy):
    made = image()
    client.push_image("app", made, "v1")
    proxy.forget()
    client.get_manifest("app", "v1")
    client.head_manifest("app", made.digest)
    assert of_pulls(proxy) == []


def test_heads_of_blobs_take_none(client, proxy):
    digest = client.push_blob("app", b"some bytes")
    proxy.forget()
    assert client.has_blob("app", digest)
    assert not client.has_blob("app", digest_of(b"others"))
    assert not proxy.of()


def test_a_mount_takes_a_look_at_the_object(client, proxy):
    digest = client.push_blob("app", b"some bytes")
    proxy.forget()
    assert client.mount("other", digest, "app")
    assert [request.kind for request in proxy.of() if "/blobs/" in request.target] == ["head"]


def test_a_large_blob_with_its_digest_is_not_copied(client, bucket, proxy):
    data = random_bytes(33 * MIB)
    client.push_blob("app", data)
    until(lambda: settled(bucket))
    counts = proxy.counts()
    assert counts["part"] == 3
    assert "copy" not in counts and "part_copy" not in counts, counts
