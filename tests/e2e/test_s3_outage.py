"""The S3 server is gone for longer than requests are tried again: what was acknowledged of an upload is
still there when it is back."""

import pytest

from helpers import MIB, digest_of, random_bytes
from s3_proxy import INTERNAL_ERROR, LOSE_ANSWER

PART_BYTES = 5 * MIB
DATA = random_bytes(3 * PART_BYTES + MIB, "outage")
DURABLE = 2 * PART_BYTES + 100

pytestmark = pytest.mark.parametrize("bucket", ["minio"], indirect=True)


@pytest.fixture
def registry(new_registry, bucket, proxy):
    bucket.endpoint = proxy.endpoint
    section = bucket.section(part_size=PART_BYTES, timeout="3s")
    return new_registry(config={"storage": section}).start()


def check_served(client):
    assert client.get_blob("app", digest_of(DATA)).content == DATA


def test_a_finish_during_an_outage_can_be_tried_again(client, proxy):
    location = client.patch(client.start_upload("app"), DATA)
    proxy.leave()
    client.finish(location, digest_of(DATA), expect=503)
    proxy.come_back()
    assert client.upload_offset(location) == len(DATA)
    client.finish(location, digest_of(DATA))
    check_served(client)


def test_a_finish_with_the_last_bytes_during_an_outage_can_be_tried_again(client, proxy):
    location = client.patch(client.start_upload("app"), DATA[:DURABLE])
    proxy.leave()
    client.finish(location, digest_of(DATA), DATA[DURABLE:], expect=503)
    proxy.come_back()
    assert client.upload_offset(location) == DURABLE
    client.finish(location, digest_of(DATA), DATA[DURABLE:])
    check_served(client)


def test_a_chunk_during_an_outage_can_be_sent_again(client, proxy):
    location = client.patch(client.start_upload("app"), DATA[:DURABLE])
    proxy.leave()
    client.patch(location, DATA[DURABLE:], start=DURABLE, expect=503)
    proxy.come_back()
    assert client.upload_offset(location) == DURABLE
    location = client.patch(location, DATA[DURABLE:], start=DURABLE)
    client.finish(location, digest_of(DATA))
    check_served(client)


def test_a_first_chunk_during_an_outage_can_be_sent_again(client, proxy, bucket):
    location = client.start_upload("app")
    proxy.leave()
    client.patch(location, DATA, expect=503)
    proxy.come_back()
    assert client.upload_offset(location) == 0
    location = client.patch(location, DATA)
    client.finish(location, digest_of(DATA))
    check_served(client)
    assert bucket.uploads() == []


def test_a_chunk_whose_answer_was_lost_to_the_end_counts(client, proxy):
    location = client.patch(client.start_upload("app"), DATA[:DURABLE])
    proxy.fail("put", LOSE_ANSWER, times=None, target="_tail")
    client.patch(location, DATA[DURABLE:], start=DURABLE, expect=503)
    proxy.clear()
    assert client.upload_offset(location) == len(DATA)
    client.finish(location, digest_of(DATA))
    check_served(client)


def test_a_push_that_could_not_be_cleared_away_begins_anew(client, proxy, bucket):
    location = client.start_upload("app")
    proxy.fail(("part", "abort"), INTERNAL_ERROR, times=None)
    client.finish(location, digest_of(DATA), DATA, expect=503)
    proxy.clear()
    assert client.upload_offset(location) == 0
    assert bucket.uploads() == []
    client.finish(location, digest_of(DATA), DATA)
    check_served(client)


def test_a_finish_whose_parts_became_an_object_before_the_outage_sends_nothing_again(client, proxy):
    location = client.patch(client.start_upload("app"), DATA)
    proxy.fail("copy", INTERNAL_ERROR, times=None)
    client.finish(location, digest_of(DATA), expect=503)
    assert proxy.of("complete")[-1].status == 200
    proxy.clear()
    proxy.forget()
    assert client.upload_offset(location) == len(DATA)
    client.finish(location, digest_of(DATA))
    check_served(client)
    assert "part" not in proxy.counts()
