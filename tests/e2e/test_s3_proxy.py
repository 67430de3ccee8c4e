"""The proxy before S3 servers: what it counts is right, and it fails what it was told to."""

import time

import botocore.config
import botocore.exceptions
import pytest
import requests
from helpers import random_bytes
from s3_buckets import SERVER_NAMES, make_client
from s3_proxy import (
    ACCESS_DENIED,
    CLOCK_SKEW,
    CORRUPT_ANSWER,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    LOSE_ANSWER,
    RESET,
    RESET_IN_ANSWER,
    RESET_IN_REQUEST,
    SLOW_DOWN,
    TIME_OUT,
    UNAVAILABLE,
    Rewrite,
)
from waiting import until

pytestmark = pytest.mark.parametrize("bucket", SERVER_NAMES, indirect=True)

PART_BYTES = 5 << 20
DATA = random_bytes(1_000_000)


class Through:
    """Single requests for keys of a bucket, through the proxy."""

    def __init__(self, bucket, proxy, timeout_s=60):
        self.bucket = bucket
        config = botocore.config.Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            read_timeout=timeout_s,
        )
        self.client = make_client(bucket.server, endpoint=proxy.endpoint, config=config)

    def put(self, data=DATA, key="k"):
        return self.client.put_object(Bucket=self.bucket.name, Key=key, Body=data)

    def get(self, key="k"):
        return self.client.get_object(Bucket=self.bucket.name, Key=key)["Body"].read()

    def call(self, operation, **more):
        return getattr(self.client, operation)(Bucket=self.bucket.name, **more)


@pytest.fixture
def through(bucket, proxy):
    return Through(bucket, proxy)


@pytest.fixture
def impatient(bucket, proxy):
    return Through(bucket, proxy, timeout_s=1)


def multipart(through):
    made = through.call("create_multipart_upload", Key="k")
    where = {"Key": "k", "UploadId": made["UploadId"]}
    parts = []
    for number in (1, 2):
        answer = through.call("upload_part", PartNumber=number, Body=b"x" * PART_BYTES, **where)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    through.call("list_parts", **where)
    through.call("complete_multipart_upload", MultipartUpload={"Parts": parts}, **where)


def test_requests_are_counted_by_kind(through, proxy):
    source = {"Bucket": through.bucket.name, "Key": "k"}
    through.put()
    through.get()
    through.call("head_object", Key="k")
    through.call("copy_object", Key="copied", CopySource=source)
    multipart(through)
    made = through.call("create_multipart_upload", Key="other")
    where = {"Key": "other", "UploadId": made["UploadId"]}
    through.call("upload_part_copy", PartNumber=1, CopySource=source, **where)
    through.call("list_multipart_uploads")
    through.call("abort_multipart_upload", **where)
    through.call("list_objects_v2", Prefix="k")
    through.call("list_object_versions")
    through.call("delete_object", Key="copied")
    through.call("delete_objects", Delete={"Objects": [{"Key": "k"}]})
    through.call("head_bucket")
    through.call("get_bucket_location")
    through.client.list_buckets()
    assert proxy.counts() == {
        "put": 1, "get": 1, "head": 1, "copy": 1, "create": 2, "part": 2, "list_parts": 1,
        "complete": 1, "part_copy": 1, "list_uploads": 1, "abort": 1, "list": 1, "list_versions": 1,
        "delete": 1, "bulk_delete": 1, "head_bucket": 1, "get_location": 1, "service": 1,
    }  # fmt: skip


def test_bytes_are_counted(through, proxy):
    through.put()
    assert through.get() == DATA
    assert [(r.kind, r.status, r.sent_bytes, r.received_bytes) for r in proxy.of("put", "get")] == [
        ("put", 200, len(DATA), 0),
        ("get", 200, 0, len(DATA)),
    ]
    assert proxy.received_bytes("get") == len(DATA)
    proxy.forget()
    assert proxy.counts() == {}


def test_bucket_may_be_a_part_of_the_hosts_name(bucket, proxy):
    port = bucket.endpoint.rpartition(":")[2]
    host = f"{bucket.name}.localhost:{port}"
    requests.get(f"{proxy.endpoint}/a/b", headers={"Host": host})
    requests.get(f"{proxy.endpoint}/?list-type=2", headers={"Host": host})
    assert [r.kind for r in proxy.of()] == ["get", "list"]


@pytest.mark.parametrize(
    "how", [INTERNAL_ERROR, SLOW_DOWN, UNAVAILABLE, EXPIRED_TOKEN, CLOCK_SKEW, ACCESS_DENIED],
    ids=lambda how: how.code,
)  # fmt: skip
def test_error_is_answered_and_nothing_done(through, proxy, how):
    proxy.fail("put", how)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        through.put()
    answer = error.value.response
    assert answer["Error"]["Code"] == how.code
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == how.status
    retry = answer["ResponseMetadata"]["HTTPHeaders"].get("retry-after")
    assert retry == (None if how.retry_after_s is None else str(how.retry_after_s))
    assert through.bucket.keys() == []
    through.put()
    assert through.bucket.get("k") == DATA


def test_nth_request_fails_and_as_many_as_wanted(through, proxy):
    rule = proxy.fail("put", INTERNAL_ERROR, nth=2, times=2)
    succeeded = []
    for number in range(5):
        try:
            through.put(b"x", key=str(number))
            succeeded.append(number)
        except botocore.exceptions.ClientError:
            pass
    assert succeeded == [0, 3, 4]
    assert rule.hits == 2


def test_all_fail_until_it_is_cleared(through, proxy):
    rule = proxy.fail("*", UNAVAILABLE, times=None)
    for call in (through.put, through.get):
        with pytest.raises(botocore.exceptions.ClientError):
            call()
    proxy.clear()
    through.put()
    assert rule.hits == 2


def test_only_requests_for_a_key_fail(through, proxy):
    proxy.fail("put", INTERNAL_ERROR, target="/other:key", times=None)
    through.put()
    with pytest.raises(botocore.exceptions.ClientError):
        through.put(key="other:key")


def test_time_out_passes_nothing_on(impatient, proxy):
    proxy.fail("put", TIME_OUT)
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        impatient.put()
    assert impatient.bucket.keys() == []


@pytest.mark.parametrize("how", [RESET, RESET_IN_REQUEST], ids=["before", "within"])
def test_reset_request_stores_nothing(through, proxy, how):
    proxy.fail("put", how)
    with pytest.raises(botocore.exceptions.HTTPClientError):
        through.put()
    assert proxy.of("put")[0].sent_bytes == (len(DATA) // 2 if how is RESET_IN_REQUEST else 0)
    assert through.bucket.keys() == []


def test_answer_is_reset_in_its_middle(through, proxy):
    through.put()
    rule = proxy.fail("get", RESET_IN_ANSWER)
    with pytest.raises(botocore.exceptions.HTTPClientError):
        through.get()
    assert rule.hits == 1
    assert proxy.received_bytes("get") == len(DATA) // 2
    assert through.get() == DATA


def test_lost_answer_is_of_something_done(through, proxy):
    proxy.fail("put", LOSE_ANSWER)
    with pytest.raises(botocore.exceptions.HTTPClientError):
        through.put()
    assert through.bucket.get("k") == DATA


def test_lost_answer_of_a_completion_is_of_an_object(through, proxy):
    proxy.fail("complete", LOSE_ANSWER)
    with pytest.raises(botocore.exceptions.HTTPClientError):
        multipart(through)
    assert through.bucket.get("k") == b"x" * (2 * PART_BYTES)


def test_corrupt_answer_differs_by_a_bit(through, proxy):
    through.put()
    proxy.fail("get", CORRUPT_ANSWER)
    got = through.get()
    assert [n for n in range(len(DATA)) if got[n] != DATA[n]] == [len(DATA) // 2]
    assert through.get() == DATA


def test_answer_has_other_words(through, proxy):
    through.put(b"one day, one life")
    proxy.fail("get", Rewrite(b"one", b"any"))
    assert through.get() == b"any day, any life"
    assert through.get() == b"one day, one life"


def test_request_is_held_before_it_is_passed_on(impatient, proxy):
    hold = proxy.hold("put")
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        impatient.put()
    hold.wait()
    assert impatient.bucket.keys() == []


def test_request_is_held_when_it_is_done(impatient, proxy):
    hold = proxy.hold("put", after=True)
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        impatient.put()
    hold.wait()
    assert impatient.bucket.get("k") == DATA


def test_held_request_goes_on_when_it_is_released(through, proxy):
    hold = proxy.hold("put")
    hold.release()
    through.put()
    assert hold.reached.is_set() and through.bucket.get("k") == DATA


def test_nobody_can_connect_until_it_comes_back(through, proxy):
    through.put()
    proxy.leave()
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        through.get()
    proxy.come_back()
    assert through.get() == DATA


def test_body_is_sent_only_when_the_server_asks_for_it(through, proxy):
    def is_quick():
        before = time.monotonic()
        through.put()  # botocore waits a second for the server to ask, each time
        return time.monotonic() - before < 0.9

    until(is_quick)  # on a machine that is busy the first may not be
    assert "expect" in proxy.of("put")[0].headers


def test_wrong_signature_is_refused_behind_it(bucket, proxy):
    stranger = make_client({**bucket.server, "secret_key": "x" * 40}, endpoint=proxy.endpoint)
    with pytest.raises(botocore.exceptions.ClientError):
        stranger.put_object(Bucket=bucket.name, Key="k", Body=b"x")
    assert proxy.of("put")[0].status == 403
    assert bucket.keys() == []


def test_connections_end_with_their_clients(through, proxy):
    through.put()
    through.client.close()
    until(lambda: not proxy.connections)
