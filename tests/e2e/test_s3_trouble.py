"""The bucket is full, read-only, gone, or somebody else's: clients, log and /readyz say so, and when it is
mended all goes on."""

import json

import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from helpers import Client, digest_of, random_bytes
from s3_proxy import ACCESS_DENIED, Answer
from waiting import until

EVERY_SERVER = pytest.mark.parametrize("bucket", ["minio", "ceph", "versitygw"], indirect=True)
ONE_SERVER = pytest.mark.parametrize("bucket", ["minio"], indirect=True)
ONLY_CEPH = pytest.mark.parametrize("bucket", ["ceph"], indirect=True)

WRITES = ("put", "copy", "create", "part", "part_copy", "complete")
DATA = random_bytes(10_000, "there before")
MORE = random_bytes(10_000, "more")


@pytest.fixture
def registry(new_registry, bucket, proxy):
    bucket.endpoint = proxy.endpoint
    return new_registry(config={"storage": bucket.section()}).start()


@pytest.fixture(autouse=True)
def no_secrets(registry, bucket):
    """Whatever happens."""
    yield
    for secret in (bucket.server["secret_key"], "Signature=", "X-Amz-Credential"):
        assert secret not in registry.log


def readiness(registry):
    return requests.get(registry.url + "/readyz", timeout=30).status_code


def push(client, expect=201):
    location = client.start_upload("app")
    return client.finish(location, digest_of(MORE), MORE, expect)


def check_works(registry, client):
    until(lambda: readiness(registry) == 200)
    push(client)
    for data in (DATA, MORE):
        assert client.get_blob("app", digest_of(data)).content == data


def message(answer):
    return json.loads(answer.content)["errors"][0]["message"]


@ONE_SERVER
@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, "XMinioAdminBucketQuotaExceeded"),
        Answer(507, "XMinioStorageFull"),
        Answer(403, "QuotaExceeded"),  # radosgw's
    ],
    ids=lambda answer: answer.code,
)
def test_a_full_bucket_takes_nothing_and_gives_what_it_has(registry, client, proxy, answer):
    client.push_blob("app", DATA)
    proxy.fail(WRITES, answer, times=None)
    assert message(push(client, 507)) == "storage is full"
    assert answer.code in registry.log
    assert readiness(registry) == 507
    assert client.get_blob("app", digest_of(DATA)).content == DATA
    proxy.clear()
    check_works(registry, client)


def set_quota(bucket, size):
    """As `mc quota set` does it; 0 takes it away."""
    url = f"{bucket.server['endpoint']}/minio/admin/v3/set-bucket-quota?bucket={bucket.name}"
    body = json.dumps({"quota": size, "quotatype": "hard" if size else ""}).encode()
    request = AWSRequest("PUT", url, data=body)
    keys = Credentials(bucket.server["access_key"], bucket.server["secret_key"])
    S3SigV4Auth(keys, "s3", bucket.server["region"]).add_auth(request)
    answer = requests.put(url, data=body, headers=dict(request.headers), timeout=30)
    assert answer.status_code == 200, answer.text


@ONE_SERVER
@pytest.mark.parametrize("chunked", [False, True], ids=["digest before", "digest at the end"])
def test_a_quota_of_minio_takes_nothing_and_gives_what_there_is(registry, client, bucket, chunked):
    """It counts what there is now and then only; what is larger than all of it is refused at once, and what
    is small is taken until then: so the registry is ready."""
    client.push_blob("app", DATA)
    set_quota(bucket, len(MORE) // 2)
    location = client.start_upload("app")
    if chunked:
        refused = client.patch(location, MORE, expect=507)
    else:
        refused = client.finish(location, digest_of(MORE), MORE, 507)
    assert message(refused) == "storage is full"
    assert "XMinioAdminBucketQuotaExceeded" in registry.log
    assert client.get_blob("app", digest_of(DATA)).content == DATA
    set_quota(bucket, 0)
    check_works(registry, client)


@ONE_SERVER
def test_a_key_that_may_only_read_takes_nothing_and_gives_what_there_is(registry, client, proxy):
    client.push_blob("app", DATA)
    proxy.fail((*WRITES, "delete", "bulk_delete", "abort"), ACCESS_DENIED, times=None)
    refused = push(client, 503)
    assert "read-only" in message(refused) and int(refused.headers["Retry-After"]) > 0
    assert "AccessDenied" in registry.log
    assert readiness(registry) == 503
    assert client.get_blob("app", digest_of(DATA)).content == DATA
    proxy.clear()
    check_works(registry, client)


@ONLY_CEPH
def test_a_policy_that_allows_only_reading(registry, client, bucket):
    client.push_blob("app", DATA)
    where = f"arn:aws:s3:::{bucket.name}/*"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": where}
    policy = {"Version": "2012-10-17", "Statement": [deny]}
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))
    assert "read-only" in message(push(client, 503))
    assert readiness(registry) == 503
    assert client.get_blob("app", digest_of(DATA)).content == DATA
    bucket.client.delete_bucket_policy(Bucket=bucket.name)
    check_works(registry, client)


@EVERY_SERVER
def test_a_bucket_that_is_gone(registry, client, bucket):
    bucket.remove()
    refused = push(client, 503)
    assert int(refused.headers["Retry-After"]) > 0
    assert "there is no such bucket" in registry.log
    until(lambda: readiness(registry) == 503)
    bucket.create()
    client.push_blob("app", DATA)
    check_works(registry, client)


@ONE_SERVER
def test_a_bucket_that_belongs_to_somebody_else(registry, client, proxy):
    client.push_blob("app", DATA)
    proxy.fail("*", ACCESS_DENIED, times=None)
    push(client, 503)
    client.get_blob("app", digest_of(DATA), expect=503)
    assert "AccessDenied" in registry.log
    assert readiness(registry) == 503
    proxy.clear()
    check_works(registry, client)


@ONE_SERVER
def test_a_signed_address_is_in_no_log(new_registry, bucket):
    section = bucket.section(prefix="sending/", redirect={"enabled": True, "min_size": 1})
    sending = new_registry(config={"storage": section, "log": {"level": "debug"}}).start()
    with Client(sending.url) as client:
        client.push_blob("app", DATA)
        address = client.get_blob("app", digest_of(DATA), expect=307).headers["Location"]
    assert "X-Amz-Signature" in address
    until(lambda: '"status":307' in sending.log)
    assert "X-Amz-Signature" not in sending.log
    assert bucket.server["secret_key"] not in sending.log
