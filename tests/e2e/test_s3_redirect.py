"""storage.s3.redirect: who is sent to the bucket itself, and gets the blob there."""

import time
from urllib.parse import urlsplit

import pytest
import requests

from helpers import MIB, Client, digest_of, random_bytes
from s3_proxy import INTERNAL_ERROR, S3Proxy
from server import AT_ONCE
from waiting import until

DATA = random_bytes(100_000, "redirected")
EVERY_SERVER = pytest.mark.parametrize("bucket", ["minio", "ceph", "versitygw"], indirect=True)
ONE_SERVER = pytest.mark.parametrize("bucket", ["minio"], indirect=True)


@pytest.fixture
def pull(new_registry, bucket):
    """Starts a registry with such redirects, and asks it for a blob of 100,000 bytes."""

    def ask(redirect, method="GET", **headers):
        section = bucket.section()
        section["s3"]["redirect"] = {"enabled": True, "min_size": 1, **redirect}
        registry = new_registry(config={"storage": section}).start()
        with Client(registry.url) as client:
            client.push_blob("app", DATA)
        url = f"{registry.url}/v2/app/blobs/{digest_of(DATA)}"
        return requests.request(method, url, headers=headers, allow_redirects=False, timeout=30)

    return ask


@EVERY_SERVER
def test_a_client_gets_the_blob_at_the_address_it_is_sent_to(pull):
    answer = pull({})
    assert answer.status_code == 307
    assert answer.headers["Docker-Content-Digest"] == digest_of(DATA)
    there = requests.get(answer.headers["Location"], timeout=30)
    assert there.status_code == 200 and there.content == DATA
    part = requests.get(answer.headers["Location"], headers={"Range": "bytes=5-9"}, timeout=30)
    assert part.status_code == 206 and part.content == DATA[5:10]


@pytest.mark.parametrize("bucket", ["minio", "versitygw"], indirect=True)  # which know "localhost"
def test_the_bucket_may_be_a_part_of_the_hosts_name(new_registry, bucket):
    server = urlsplit(bucket.endpoint)
    bucket.endpoint = f"http://localhost:{server.port}"
    section = bucket.section(path_style=False, redirect={"enabled": True, "min_size": 1})
    registry = new_registry(config={"storage": section}).start()
    with Client(registry.url) as client:
        client.push_blob("app", DATA)
        address = urlsplit(client.get_blob("app", digest_of(DATA), expect=307).headers["Location"])
    assert address.netloc == f"{bucket.name}.localhost:{server.port}"
    # not every machine knows names below "localhost"
    there = address._replace(netloc=server.netloc).geturl()
    assert requests.get(there, headers={"Host": address.netloc}, timeout=30).content == DATA


@ONE_SERVER
def test_the_address_stays_the_same_so_that_caches_can_keep_what_is_there(new_registry, bucket):
    redirect = {"enabled": True, "min_size": 1, "expiry": "7d"}  # for half of that
    registry = new_registry(config={"storage": bucket.section(redirect=redirect)}).start()
    with Client(registry.url) as client:
        client.push_blob("app", DATA)

        def address():
            return client.get_blob("app", digest_of(DATA), expect=307).headers["Location"]

        first, second = address(), int(time.time())
        until(lambda: int(time.time()) > second)  # the address says of which second it is
        assert address() == first


@ONE_SERVER
def test_nobody_is_sent_there_with_HEAD(pull):
    answer = pull({}, method="HEAD")
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(len(DATA))


@ONE_SERVER
@pytest.mark.parametrize(
    "redirect, agent, status",
    [
        ({"min_size": 100_000}, "curl/8", 307),
        ({"min_size": 100_001}, "curl/8", 200),
        ({"networks": ["127.0.0.0/8"]}, "curl/8", 307),
        ({"networks": ["10.0.0.0/8"]}, "curl/8", 200),
        ({"user_agents": ["docker/", "containerd/"]}, "containerd/1.7", 307),
        ({"user_agents": ["docker/", "containerd/"]}, "curl/8", 200),
        ({"enabled": False}, "curl/8", 200),
    ],
)
def test_who_is_sent_there(pull, redirect, agent, status):
    answer = pull(redirect, **{"User-Agent": agent})
    assert answer.status_code == status
    if status == 200:
        assert answer.content == DATA


@ONE_SERVER
def test_a_blob_is_looked_at_once_for_many_who_are_sent_there(new_registry, bucket, proxy):
    bucket.endpoint = proxy.endpoint
    section = bucket.section(redirect={"enabled": True, "min_size": 1})
    registry = new_registry(config={"storage": section}).start()
    with Client(registry.url) as client:
        digest = client.push_blob("app", DATA)
        proxy.forget()
        for _ in range(5):
            client.get_blob("app", digest, expect=307)
        assert [r.kind for r in proxy.of() if "/blobs/" in r.target] == ["head"]


@ONE_SERVER
def test_nobody_is_sent_to_a_blob_that_was_deleted_and_has_been_pushed_again(new_registry, bucket, proxy):
    """It is not at its key yet."""
    bucket.endpoint = proxy.endpoint
    large = random_bytes(20 * MIB, "deleted")
    section = bucket.section(part_size=5 * MIB, redirect={"enabled": True, "min_size": 1})
    registry = new_registry(config={"storage": section, **AT_ONCE}).start()
    with Client(registry.url) as client:
        digest = client.push_blob("app", large)
        client.get_blob("app", digest, expect=307)
        client.delete_blob("app", digest)
        until(lambda: bucket.keys() == [])
        held = proxy.hold("copy")
        client.finish(client.patch(client.start_upload("app"), large), digest)
        held.wait()
        assert client.get_blob("app", digest).content == large


def ask_for(registry, data):
    url = f"{registry.url}/v2/app/blobs/{digest_of(data)}"
    return requests.get(url, allow_redirects=False, timeout=60)


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
@ONE_SERVER
def test_nobody_is_sent_to_a_blob_that_is_not_at_its_key_yet(new_registry, bucket, restart):
    """Also where the registry does not know yet what is to be moved."""
    large = random_bytes(20 * MIB, "moved after the answer")
    with S3Proxy(bucket.endpoint) as proxy:
        bucket.endpoint = proxy.endpoint
        redirect = {"enabled": True, "min_size": 1}
        section = bucket.section(part_size=5 * MIB, redirect=redirect)
        registry = new_registry(config={"storage": section}).start()
        held = proxy.hold("copy")
        with Client(registry.url) as client:
            client.finish(client.patch(client.start_upload("app"), large), digest_of(large))
        held.wait()
        if restart:
            registry.kill()
            proxy.fail("get", INTERNAL_ERROR, times=None, target="/moves/")
            registry.start()
        answer = ask_for(registry, large)
        assert answer.status_code == 200 and answer.content == large
        proxy.clear()
        until(lambda: ask_for(registry, large).status_code == 307)
        address = ask_for(registry, large).headers["Location"]
        assert "/blobs/sha256/" in address
        assert requests.get(address, timeout=60).content == large
