"""Uploads to a bucket whose bytes have to be read back before they become a blob: parts can't be read."""

import pytest

from helpers import MIB, Client, Wire, digest_of, random_bytes
from waiting import until

SIZES = pytest.mark.parametrize("size", [300_000, 21 * MIB + 5], ids=["small", "of parts"])


@pytest.fixture
def registry(new_registry, bucket):
    config = {"storage": bucket.section(part_size=5 * MIB)}
    return new_registry(config=config).start()


def left_over(bucket):
    kept = [key for key in bucket.keys() if not key.startswith("blobs/")]
    return kept + bucket.uploads()


@SIZES
def test_an_upload_may_end_with_a_digest_of_another_algorithm(registry, client, bucket, size):
    data = random_bytes(size, "algorithms")
    digest = digest_of(data, "sha512")
    location = client.patch(client.start_upload("app"), data)
    client.finish(location, digest)
    assert client.get_blob("app", digest).content == data
    until(lambda: not left_over(bucket))
    assert client.get_blob("app", digest).content == data


@SIZES
def test_such_an_upload_may_end_with_bytes_too_and_after_a_restart(registry, bucket, size):
    data = random_bytes(size, "restart")
    digest = digest_of(data, "sha512")
    with Client(registry.url) as client:
        location = client.patch(client.start_upload("app"), data[:-1000])
    registry.restart()
    with Client(registry.url) as client:
        client.finish(location, digest, data[-1000:])
        until(lambda: not left_over(bucket))
        assert client.get_blob("app", digest).content == data


@SIZES
@pytest.mark.parametrize("cut", [0.4, 0.9])
def test_a_body_that_was_cut_and_sent_again_as_a_whole_makes_its_blob(registry, client, bucket, size, cut):
    data = random_bytes(size, "again")
    came = int(size * cut)
    location = client.start_upload("app")
    with Wire(registry.url) as wire:
        path = location.removeprefix(registry.url)
        wire.send_request("PATCH", path, {"Content-Length": size}, data[:came])
    until(lambda: client.upload_offset(location) == came)
    client.patch(location, data)
    client.finish(location, digest_of(data))
    until(lambda: "the body was cut and sent again as a whole" in registry.log)
    until(lambda: not left_over(bucket))
    assert client.get_blob("app", digest_of(data)).content == data


@SIZES
def test_a_wrong_digest_of_either_kind_leaves_nothing(registry, client, bucket, size):
    data = random_bytes(size, "wrong")
    for algorithm in ("sha256", "sha512"):
        location = client.patch(client.start_upload("app"), data[:-10])
        location = client.patch(location, data[-10:])
        client.finish(location, digest_of(b"other", algorithm), expect=400)
        until(lambda: not left_over(bucket))
        client.finish(location, digest_of(data), expect=404)
    assert bucket.keys() == []
