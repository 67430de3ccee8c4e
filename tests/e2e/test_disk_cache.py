"""Blobs in a cache on disk before the store: told in X-Cache and the log, and never wrong."""

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers import Client
from server import AT_ONCE
from waiting import until

pytestmark = pytest.mark.sanitize

DATA = bytes(range(251)) * 20000


@pytest.fixture
def cache(work):
    return work / "cache"


@pytest.fixture
def cached(new_registry, cache):
    """A registry whose content lies behind a cache."""
    section = {"disk_path": str(cache), "disk_size_gb": 1}
    return new_registry(config={"storage": {"cache": section}, **AT_ONCE}).start()


@pytest.fixture
def client(cached):
    with Client(cached.url) as c:
        yield c


def kept(cache, digest):
    """Waits for the blob's file."""
    until(lambda: any((cache / part / digest).exists() for part in ("once", "again")))


def get(client, digest, expect=200, **headers):
    answer = client.get_blob("a/b", digest, expect=expect, **headers)
    return answer.headers.get("X-Cache"), answer.content


def test_a_second_pull_is_a_hit_and_is_logged(cached, client, cache):
    digest = client.push_blob("a/b", DATA)
    assert get(client, digest) == ("MISS", DATA)
    kept(cache, digest)
    assert get(client, digest) == ("HIT", DATA)
    cached.stop()
    assert f"Cache MISS for layer {digest} (fetched from the store, cached)" in cached.log
    assert f"Cache HIT for layer {digest} (served from disk)" in cached.log


def test_what_is_kept_is_there_after_a_restart(cached, client, cache):
    digest = client.push_blob("a/b", DATA)
    get(client, digest)
    kept(cache, digest)
    cached.restart()
    assert get(client, digest) == ("HIT", DATA)


def test_ranges_are_right_hit_or_not(client, cache):
    digest = client.push_blob("a/b", DATA)
    cold = get(client, digest, expect=206, Range="bytes=4000000-4000099")
    assert cold == ("MISS", DATA[4000000:4000100])
    get(client, digest)
    kept(cache, digest)
    assert get(client, digest, expect=206, Range="bytes=-5") == ("HIT", DATA[-5:])


def test_a_deleted_blob_is_gone_from_the_cache(client, cache):
    digest = client.push_blob("a/b", DATA)
    get(client, digest)
    kept(cache, digest)
    client.delete_blob("a/b", digest)
    get(client, digest, expect=404)
    until(lambda: not list(cache.glob("*/sha256:*")))


def test_a_repository_without_the_blob_gets_nothing_from_the_cache(client, cache):
    digest = client.push_blob("a/b", DATA)
    get(client, digest)
    kept(cache, digest)
    client.push_blob("c/d", b"something else")
    client.get_blob("c/d", digest, expect=404)


def test_a_cache_that_is_gone_costs_nothing_but_time(client, cache):
    digest = client.push_blob("a/b", DATA)
    get(client, digest)
    kept(cache, digest)
    shutil.rmtree(cache)
    for _ in range(3):
        assert get(client, digest)[1] == DATA


def test_a_cache_that_cannot_be_made_is_warned_of(new_registry, work):
    (work / "file").write_text("in the way")
    config = {"storage": {"cache": {"disk_path": str(work / "file")}}}
    registry = new_registry(config=config).start()
    with Client(registry.url) as client:
        digest = client.push_blob("a/b", DATA)
        assert get(client, digest) == (None, DATA)
    assert "the cache on disk can't be used" in registry.log


def test_many_pulls_at_once_get_the_same_bytes(cached, client):
    digest = client.push_blob("a/b", DATA)

    def pull(_):
        with Client(cached.url) as c:
            return hashlib.sha256(get(c, digest)[1]).hexdigest()

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(pull, range(60))) == {digest.split(":")[1]}


def test_what_is_verified_on_read_may_come_from_the_cache(new_registry, cache):
    config = {"storage": {"verify_on_read": True, "cache": {"disk_path": str(cache)}}}
    registry = new_registry(config=config).start()
    with Client(registry.url) as client:
        digest = client.push_blob("a/b", DATA)
        assert get(client, digest) == ("MISS", DATA)
        kept(cache, digest)
        assert get(client, digest) == ("HIT", DATA)
        assert get(client, digest, expect=206, Range="bytes=-5") == ("HIT", DATA[-5:])
