"""The cache on disk before a bucket: how many requests to S3 are left, and what becomes of pulls when
the bucket, or the disk of the cache, is not as it should be."""

import hashlib
import os
import shutil
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests

import disks
import s3_proxy
from helpers import MIB, Client, Wire, digest_of, image, random_bytes
from s3_proxy import S3Proxy
from server import AT_ONCE
from waiting import until

BLOB = random_bytes(9 * MIB, "cached")
DIGEST = digest_of(BLOB)
KEY = "blobs/" + DIGEST.replace(":", "/")
OTHER = random_bytes(5 * MIB, "other")

ONE_SERVER = pytest.mark.parametrize("bucket", ["minio"], indirect=True)
needs_disk = pytest.mark.skipif(disks.why_not() is not None, reason=str(disks.why_not()))


@pytest.fixture
def cache(work):
    return work / "cache"


@pytest.fixture
def proxy(bucket):
    with S3Proxy(bucket.endpoint) as made:
        bucket.endpoint = made.endpoint
        yield made


@pytest.fixture
def start(new_registry, bucket, proxy, cache):
    """Starts a registry over the bucket, with the cache before it."""

    def make(path=cache, **s3):
        section = {**bucket.section(**s3), "cache": {"disk_path": str(path), "disk_size_gb": 1}}
        return new_registry(config={"storage": section, **AT_ONCE}).start()

    return make


@pytest.fixture
def registry(start):
    return start()


@pytest.fixture
def pushed(client, bucket, proxy):
    """BLOB is at its key, and no request has been counted yet."""
    client.push_blob("app", BLOB)
    until(lambda: bucket.keys() == [KEY])
    proxy.forget()
    return client


def pull(client, digest=DIGEST):
    """What X-Cache says, and whether the bytes are those of the digest."""
    answer = client.get_blob("app", digest)
    return answer.headers.get("X-Cache"), digest_of(answer.content) == digest


def kept(cache, digest=DIGEST):
    return any((cache / part / digest).exists() for part in ("once", "again"))


def warm(client, cache, digest=DIGEST):
    assert pull(client, digest) == ("MISS", True)
    until(lambda: kept(cache, digest))


def outcome(url, digest):
    """Of a pull: "right", "wrong" for other bytes, "cut off", or the status."""
    try:
        answer = requests.get(f"{url}/v2/app/blobs/{digest}", timeout=60)
    except requests.RequestException:
        return "cut off"
    if answer.status_code != 200:
        return answer.status_code
    if len(answer.content) < int(answer.headers["Content-Length"]):
        return "cut off"
    return "right" if digest_of(answer.content) == digest else "wrong"


def pull_by_many(url, how_many, digest=DIGEST):
    """What came of pulls by so many clients at once, counted."""
    with ThreadPoolExecutor(how_many) as pool:
        return Counter(pool.map(lambda _: outcome(url, digest), range(how_many)))


# Requests


def pull_at_the_same_time(registry, proxy, digest, how_many):
    """Nothing comes from the bucket before all have asked. Returns what came, counted."""
    held = proxy.hold("get")
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(registry.url, 300)) for _ in range(how_many)]
        for wire in wires:
            wire.send_request("GET", f"/v2/app/blobs/{digest}")
        held.wait()
        held.release()
        with ThreadPoolExecutor(how_many) as pool:
            return Counter(pool.map(digest_of_answer, wires))


def digest_of_answer(wire):
    status, headers = wire.read_head()
    assert status == 200
    assert headers["x-cache"] in ("MISS", "HIT")  # who was heard late finds all of it there
    sha, left = hashlib.sha256(), int(headers["content-length"])
    while left > 0:
        piece = wire.read_body(min(left, MIB))
        sha.update(piece)
        left -= len(piece)
    return f"sha256:{sha.hexdigest()}"


@pytest.mark.parametrize("mib", [9, pytest.param(64, marks=pytest.mark.long)])
def test_a_hundred_cold_pulls_at_once_take_one_get(registry, client, bucket, proxy, mib):
    digest = client.push_blob("app", random_bytes(MIB) * mib)
    until(lambda: not any(key.startswith(("moves/", "uploads/")) for key in bucket.keys()))
    proxy.forget()
    assert pull_at_the_same_time(registry, proxy, digest, 100) == {digest: 100}
    assert proxy.of_pulls() == ["get"]
    assert proxy.received_bytes("get") == mib * MIB


def test_a_second_pull_takes_no_request(registry, client, bucket, proxy, cache):
    made = image(layers=4)
    client.push_image("app", made, "v1")
    assert client.pull_image("app", "v1") == made
    until(lambda: all(kept(cache, digest) for digest in made.blobs))
    proxy.forget()
    assert client.pull_image("app", "v1") == made
    assert proxy.of_pulls() == []


def test_a_range_of_what_is_kept_takes_no_request(pushed, proxy, cache):
    warm(pushed, cache)
    proxy.forget()
    answer = pushed.get_blob("app", DIGEST, expect=206, Range="bytes=5000000-5000099")
    assert answer.content == BLOB[5_000_000:5_000_100]
    assert answer.headers["X-Cache"] == "HIT"
    assert proxy.of_pulls() == []


def test_what_is_kept_is_served_after_a_restart_without_a_request(registry, pushed, proxy, cache):
    warm(pushed, cache)
    registry.restart()
    proxy.forget()
    assert pull(pushed) == ("HIT", True)
    assert not proxy.of("get")  # at its start it lists what was to be moved


@ONE_SERVER
def test_what_is_kept_is_served_while_the_bucket_is_away(pushed, proxy, cache):
    warm(pushed, cache)
    proxy.leave()
    assert pull(pushed) == ("HIT", True)


@ONE_SERVER
def test_the_log_tells_where_a_layer_came_from(registry, pushed, cache):
    warm(pushed, cache)
    pull(pushed)
    registry.stop()  # which writes the rest of its log
    assert f"Cache MISS for layer {DIGEST} (fetched from S3, cached)" in registry.log
    assert f"Cache HIT for layer {DIGEST} (served from disk)" in registry.log


# A bucket that fails


def test_a_fetch_that_breaks_goes_on_by_range_where_it_was(registry, pushed, proxy):
    broken = proxy.fail("get", s3_proxy.RESET_IN_ANSWER)
    assert pull_by_many(registry.url, 20) == {"right": 20}
    assert broken.hits == 1
    first, second = proxy.of("get")
    begun_at = len(BLOB) - second.received_bytes
    assert second.headers["range"] == f"bytes={begun_at}-{len(BLOB) - 1}"
    assert 0 < begun_at <= first.received_bytes  # a reset takes what was not read yet with it


@ONE_SERVER
def test_a_fetch_that_cannot_go_on_fails_for_all_and_leaves_nothing(start, bucket, proxy, cache):
    registry = start(timeout="4s")
    with Client(registry.url) as client:
        client.push_blob("app", BLOB)
        until(lambda: bucket.keys() == [KEY])
        proxy.fail("get", s3_proxy.RESET_IN_ANSWER)
        proxy.fail("get", s3_proxy.INTERNAL_ERROR, times=None)
        assert pull_by_many(registry.url, 20) == {"cut off": 20}
        until(lambda: not list((cache / "part").iterdir()))
        assert not kept(cache)
        proxy.clear()
        assert pull(client) == ("MISS", True)


@ONE_SERVER
def test_a_fetch_that_does_not_begin_is_503_for_all(start, bucket, proxy, cache):
    registry = start(timeout="4s")
    with Client(registry.url) as client:
        client.push_blob("app", BLOB)
        until(lambda: bucket.keys() == [KEY])
        proxy.fail("get", s3_proxy.UNAVAILABLE, times=None)
        assert pull_by_many(registry.url, 20) == {503: 20}
        until(lambda: not list((cache / "part").iterdir()))
        proxy.clear()
        assert pull(client) == ("MISS", True)


# Other bytes than the digest says


@pytest.mark.parametrize("size", [1000, len(BLOB)])
def test_an_object_with_other_bytes_is_neither_kept_nor_passed_on(
    registry, client, bucket, cache, size
):
    data = BLOB[:size]
    digest = client.push_blob("app", data)
    key = "blobs/" + digest.replace(":", "/")
    until(lambda: bucket.keys() == [key])
    bucket.put(key, data[:-1] + bytes([data[-1] ^ 1]))
    refused = "cut off" if size > MIB else 500  # before the first byte it can be told
    assert pull_by_many(registry.url, 20, digest) == {refused: 20}
    assert not kept(cache, digest)
    until(lambda: "has the digest" in registry.log)
    bucket.put(key, data)
    assert pull(client, digest) == ("MISS", True)


@pytest.mark.parametrize("size", [len(BLOB) - 1, len(BLOB) + 1])
def test_an_object_of_another_size_is_neither_kept_nor_passed_on(pushed, bucket, cache, size):
    bucket.put(KEY, (BLOB + b"+")[:size])
    pushed.get_blob("app", DIGEST, expect=500)
    assert not kept(cache)


def test_bytes_that_change_on_their_way_reach_nobody_whole(registry, pushed, proxy, cache):
    proxy.fail("get", s3_proxy.CORRUPT_ANSWER)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(outcome, registry.url, DIGEST)
        rest = pull_by_many(registry.url, 20)  # of which some may come to the next fetch
    assert first.result() == "cut off" or rest["cut off"] > 0
    assert set(rest) <= {"cut off", "right"}


# Deletion


def test_a_deleted_blob_is_gone_from_the_cache(pushed, cache):
    warm(pushed, cache)
    pushed.delete_blob("app", DIGEST)
    pushed.get_blob("app", DIGEST, expect=404)
    until(lambda: not kept(cache))


@ONE_SERVER
def test_a_blob_that_is_deleted_while_it_is_fetched_is_not_kept(registry, client, bucket, proxy, cache):
    # So small that the server is done with it: MinIO deletes nothing that is being read.
    digest = client.push_blob("app", BLOB[:100_000])
    held = proxy.hold("get", after=True)
    with ThreadPoolExecutor(1) as pool:
        pulled = pool.submit(outcome, registry.url, digest)
        held.wait()
        client.delete_blob("app", digest)
        until(lambda: bucket.keys() == [])
        held.release()
        assert pulled.result() == "right"
    until(lambda: not list((cache / "part").iterdir()))
    assert not kept(cache, digest)
    client.get_blob("app", digest, expect=404)


@ONE_SERVER
def test_a_blob_that_another_repository_has_stays_in_the_cache(pushed, cache):
    warm(pushed, cache)
    assert pushed.mount("other", DIGEST, "app")
    pushed.delete_blob("other", DIGEST)
    assert pull(pushed) == ("HIT", True)
    pushed.get_blob("other", DIGEST, expect=404)


# The cache's disk


@pytest.fixture
def small_disk(work):
    """A file system in memory with room for OTHER but not for BLOB."""
    path = work / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=7m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


@needs_disk
@ONE_SERVER
def test_a_full_disk_of_the_cache_makes_pulls_slower_never_wrong(start, small_disk, proxy):
    registry = start(small_disk)
    with Client(registry.url) as client:
        client.push_blob("app", BLOB)
        client.push_blob("app", OTHER)
        assert pull_by_many(registry.url, 10) == {"right": 10}
        assert pull(client) == ("MISS", True)
        warm(client, small_disk, digest_of(OTHER))
        assert pull(client, digest_of(OTHER)) == ("HIT", True)
        assert pull_by_many(registry.url, 10) == {"right": 10}
        assert not kept(small_disk) and not list((small_disk / "part").iterdir())
    until(lambda: "No space left on device" in registry.log)


@needs_disk
@ONE_SERVER
def test_a_disk_of_the_cache_that_goes_read_only_makes_pulls_slower_never_wrong(start, small_disk):
    registry = start(small_disk)
    with Client(registry.url) as client:
        client.push_blob("app", BLOB)
        client.push_blob("app", OTHER)
        warm(client, small_disk, digest_of(OTHER))
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        assert pull(client, digest_of(OTHER)) == ("HIT", True)
        assert pull_by_many(registry.url, 10) == {"right": 10}
        client.delete_blob("app", digest_of(OTHER))
        client.get_blob("app", digest_of(OTHER), expect=404)


@needs_disk
@ONE_SERVER
def test_what_is_deleted_on_a_read_only_disk_of_the_cache_is_fetched_when_it_is_pushed_anew(
    start, small_disk, proxy
):
    registry = start(small_disk)
    with Client(registry.url) as client:
        client.push_blob("app", OTHER)
        warm(client, small_disk, digest_of(OTHER))
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        client.delete_blob("app", digest_of(OTHER))
        registry.restart()
        client.get_blob("app", digest_of(OTHER), expect=404)
        client.push_blob("app", OTHER)
        assert pull(client, digest_of(OTHER))[1]


@needs_disk
@ONE_SERVER
def test_a_disk_of_the_cache_that_breaks_makes_pulls_slower_never_wrong(start, work):
    disk = disks.Disk(work, 64).mount()
    try:
        registry = start(disk.path / "cache")
        with Client(registry.url) as client:
            client.push_blob("app", BLOB)
            warm(client, disk.path / "cache")
            assert pull(client) == ("HIT", True)
            disk.cut_power()  # from here on the kernel answers with errors
            for _ in range(3):
                assert pull(client)[1]
            assert pull_by_many(registry.url, 10) == {"right": 10}
        registry.stop()
    finally:
        disk.remove()


@ONE_SERVER
def test_a_directory_of_the_cache_that_is_removed_makes_pulls_slower_never_wrong(
    registry, pushed, cache
):
    warm(pushed, cache)
    shutil.rmtree(cache)
    assert pull_by_many(registry.url, 10) == {"right": 10}
    assert pull(pushed) == ("MISS", True)
    registry.restart()
    warm(pushed, cache)
    assert pull(pushed) == ("HIT", True)


@ONE_SERVER
def test_a_kept_file_that_was_cut_short_is_fetched_again(pushed, cache):
    warm(pushed, cache)
    for path in cache.glob(f"*/{DIGEST}"):
        with open(path, "r+b") as f:
            f.truncate(1_000_000)
    warm(pushed, cache)
    assert pull(pushed) == ("HIT", True)


def kept_file(cache, digest):
    [path] = [p for p in (cache / "once" / digest, cache / "again" / digest) if p.exists()]
    return path


@ONE_SERVER
def test_a_kept_file_that_is_cut_short_while_it_is_served_goes_on_from_the_bucket(
    registry, client, bucket, cache
):
    data = random_bytes(MIB) * 64  # more than lies between the two ends of a connection
    digest = client.push_blob("app", data)
    until(lambda: not any(key.startswith(("moves/", "uploads/")) for key in bucket.keys()))
    warm(client, cache, digest)
    with Wire(registry.url) as wire:
        wire.send_request("GET", f"/v2/app/blobs/{digest}")
        status, headers = wire.read_head()
        assert (status, headers["x-cache"]) == (200, "HIT")
        os.truncate(kept_file(cache, digest), 0)
        assert digest_of(wire.read_body(len(data))) == digest
    warm(client, cache, digest)


@ONE_SERVER
def test_a_kept_file_with_other_bytes_is_found_out_where_content_is_verified(
    registry, pushed, cache
):
    registry.stop()
    registry.config["storage"]["verify_on_read"] = True
    registry.start()
    warm(pushed, cache)
    with open(kept_file(cache, DIGEST), "r+b") as f:
        f.seek(1_000_000)
        f.write(b"other bytes")
    assert outcome(registry.url, DIGEST) == "cut off"
    warm(pushed, cache)
    assert pull(pushed) == ("HIT", True)


@ONE_SERVER
def test_a_kill_while_a_blob_is_fetched_leaves_nothing_of_it(registry, pushed, proxy, cache):
    held = proxy.hold("get", after=True)
    with ThreadPoolExecutor(1) as pool:
        pulled = pool.submit(outcome, registry.url, DIGEST)
        held.wait()
        registry.kill()
        held.release()
        assert pulled.result() == "cut off"
    registry.start()
    assert not list((cache / "part").iterdir())
    warm(pushed, cache)
