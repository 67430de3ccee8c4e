"""A deletion in a bucket that comes late: pushes of the same blob meanwhile are done, and outlive it."""

import pytest

from helpers import MIB, Client, digest_of, random_bytes
from waiting import until

DATA = random_bytes(6 * MIB, "removal")
CONFIG = {"gc": {"grace": "0s", "linger": "0s"}, "maintenance": {"interval": "200ms"}}


def key_of(data):
    return "blobs/" + digest_of(data).replace(":", "/")


@pytest.fixture
def registry(new_registry, bucket, proxy):
    bucket.endpoint = proxy.endpoint
    return new_registry(config={"storage": bucket.section(), **CONFIG}).start()


@pytest.fixture
def late(client, proxy):
    """The DELETE of DATA, which is on its way to the bucket, and stays so."""
    held = proxy.hold("delete", target="/blobs/")
    client.push_blob("app", DATA)
    client.delete_blob("app", digest_of(DATA))
    held.wait()
    return held


def on_its_way(bucket):
    return [key for key in bucket.keys() if key.startswith(("moves/", "uploads/"))]


def test_what_is_pushed_while_a_deletion_is_on_its_way_outlives_it(client, bucket, late):
    digest = client.push_blob("app", DATA)
    client.push_blob("other", DATA)
    late.release()
    until(lambda: not on_its_way(bucket) and key_of(DATA) in bucket.keys())
    for name in "app", "other":
        assert client.get_blob(name, digest).content == DATA


def test_a_deletion_whose_sender_was_killed_keeps_no_push_away(registry, bucket, late):
    registry.kill()
    registry.start()
    with Client(registry.url) as client:
        digest = client.push_blob("app", DATA)
        bucket.client.delete_object(Bucket=bucket.name, Key=key_of(DATA))  # as what was on its way does
        assert client.get_blob("app", digest).content == DATA
        # Another request of the one that was killed might come still: it is not at its key before that is too old.
        assert len(on_its_way(bucket)) == 2
    registry.restart()
    with Client(registry.url) as client:
        assert client.get_blob("app", digest).content == DATA


def test_what_was_deleted_again_meanwhile_goes(client, bucket, late):
    digest = client.push_blob("app", DATA)
    client.delete_blob("app", digest)
    late.release()
    until(lambda: not on_its_way(bucket) and key_of(DATA) not in bucket.keys())
