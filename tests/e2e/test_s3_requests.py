"""How many requests to S3 an operation takes: bounds, and what the table of docs/s3.md says."""

import json
import re
from collections import Counter

import pytest

from helpers import MIB, Client, digest_of, image, random_bytes
from s3_proxy import INTERNAL_ERROR
from server import TOP
from waiting import until


@pytest.fixture
def registry(new_registry, bucket, proxy):
    bucket.endpoint = proxy.endpoint
    made = new_registry(config={"storage": bucket.section()}).start()
    proxy.forget()
    return made


def settled(bucket):
    """Nothing is on its way to its key, or about to be deleted."""
    return not any(key.startswith(("moves/", "uploads/")) for key in bucket.keys())


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
    assert counts(proxy).total() <= 36, proxy.counts()


def test_a_push_of_ten_layers_with_their_digests_takes_at_most_36(client, bucket, proxy):
    client.push_image("app", image(layers=10), "v1")
    until(lambda: settled(bucket))
    assert counts(proxy).total() <= 36, proxy.counts()


def test_a_cold_pull_of_ten_layers_takes_a_get_each(registry, client, bucket, proxy):
    made = image(layers=10)
    client.push_image("app", made, "v1")
    until(lambda: settled(bucket))
    proxy.forget()
    assert client.pull_image("app", "v1") == made
    assert proxy.of_pulls() == ["get"] * 11


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


RANGED = random_bytes(20 * MIB + 7, "ranged")


@pytest.mark.parametrize(
    "wanted, asked",
    [
        ("0-99", ["0-99"]),
        ("1000000-1000999", ["1000000-1000999"]),
        ("-10", [f"{len(RANGED) - 10}-{len(RANGED) - 1}"]),
        ("0-9,20000000-20000009", ["0-9", "20000000-20000009"]),
    ],
)
def test_a_range_of_a_large_blob_takes_no_more_than_its_bytes(client, bucket, proxy, wanted, asked):
    digest = client.push_blob("app", RANGED)
    until(lambda: settled(bucket))
    proxy.forget()
    answer = client.get_blob("app", digest, expect=206, Range=f"bytes={wanted}")
    gets = proxy.of("get")
    assert [get.headers["range"] for get in gets] == [f"bytes={one}" for one in asked]
    pieces = [RANGED[int(one.split("-")[0]) : int(one.split("-")[1]) + 1] for one in asked]
    assert proxy.received_bytes("get") == sum(map(len, pieces))
    assert all(piece in answer.content for piece in pieces)


def test_a_manifest_takes_none(client, proxy):
    made = image()
    client.push_image("app", made, "v1")
    proxy.forget()
    client.get_manifest("app", "v1")
    client.head_manifest("app", made.digest)
    assert proxy.of_pulls() == []


def test_heads_of_blobs_take_none(client, proxy):
    digest = client.push_blob("app", b"some bytes")
    proxy.forget()
    assert client.has_blob("app", digest)
    assert not client.has_blob("app", digest_of(b"others"))
    assert proxy.of_pulls() == []


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


def test_a_large_blob_that_was_deleted_is_pushed_again_without_a_write_to_its_key(client, bucket, proxy):
    data = random_bytes(33 * MIB)
    digest = client.push_blob("app", data)
    client.delete_blob("app", digest)
    until(lambda: settled(bucket))
    proxy.forget()
    push_with_digest_at_the_end(client, data)
    until(lambda: settled(bucket))
    of_its_key = {request.kind for request in proxy.of() if "/blobs/" in request.target}
    assert of_its_key == {"head"}
    assert client.get_blob("app", digest).content == data


# What the log says at the end

OF_THE_BUCKET = ("head_bucket", "get_lifecycle", "get_versioning")


def test_the_log_tells_at_the_end_how_many_requests_of_which_kind_there_were(new_registry, bucket, proxy):
    bucket.endpoint = proxy.endpoint
    registry = new_registry(config={"storage": bucket.section(part_size=5 * MIB)}).start()
    proxy.fail("put", INTERNAL_ERROR)
    proxy.fail("get", INTERNAL_ERROR, target="/blobs/")
    with Client(registry.url) as client:
        data = random_bytes(21 * MIB)
        push_with_digest_at_the_end(client, data)
        until(lambda: settled(bucket))
        pull(client, digest_of(data))
    registry.stop()
    lines = [json.loads(line) for line in registry.log.splitlines()]
    told = next(line for line in lines if line["message"].startswith("requests to the server"))
    wanted = Counter(proxy.counts())
    wanted["bucket"] = sum(wanted.pop(kind) for kind in OF_THE_BUCKET)
    assert {kind: told[kind] for kind in wanted} == wanted
    assert told["tried_again"] == 2


# The table of docs/s3.md

PARTS = 3  # of a large blob here
SMALL, LARGE = random_bytes(MIB, "small"), random_bytes(2 * 16 * MIB + MIB, "large")
KINDS = {
    **{"PUT": "put", "GET": "get", "HEAD": "head", "copy": "copy", "begin": "create"},
    **{"each part": "part", "complete": "complete", "delete": "delete", "bulk delete": "bulk_delete"},
}


def table():
    """What each row has as its operation, with what it has as its requests."""
    text = (TOP / "docs" / "s3.md").read_text().partition("## What it asks the server for")[2]
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return {cells[1]: cells[2] for cells in (re.split(r" *\| *", line) for line in lines[2:])}


def wanted(requests):
    """That, as counts by kind."""
    found = Counter()
    for entry in requests.removesuffix(" or more").split(", ") if requests != "none" else []:
        number, kind = re.fullmatch(r"(?:(\d+) )?(.+)", entry).groups()
        found[KINDS[kind]] += int(number or 1) * (PARTS if kind == "each part" else 1)
    return found


def push_with_digest_at_the_end(client, data):
    client.finish(client.patch(client.start_upload("app"), data), digest_of(data))


def push_and(data, what):
    """what(), once that blob is there and has settled."""

    def prepare(client):
        digest = client.push_blob("app", data)
        return lambda: what(client, digest)

    return prepare


def at_once(what):
    return lambda client: lambda: what(client)


def delete_and_push_again(client, digest, data):
    client.delete_blob("app", digest)
    assert not client.has_blob("app", digest)
    client.push_blob("app", data)
    assert client.has_blob("app", digest)


def pull(client, digest):
    assert digest_of(client.get_blob("app", digest).content) == digest


def pull_a_range(client, digest):
    client.get_blob("app", digest, expect=206, Range="bytes=5-5000")


def push_of_manifest(client):
    made = image()
    for data in made.blobs.values():
        client.push_blob("app", data)
    return lambda: client.push_manifest("app", "v1", made)


def pull_of_manifest(client):
    client.push_image("app", image(), "v1")
    return lambda: client.get_manifest("app", "v1")


def pull_again(client):
    digest = client.push_blob("app", SMALL)
    until(lambda: client.get_blob("app", digest).headers["X-Cache"] == "HIT")
    return lambda: pull(client, digest)


OPERATIONS = {  # each: what is there before; returns the operation
    "a blob of up to one part, with its digest at the end (docker, podman)": at_once(
        lambda client: push_with_digest_at_the_end(client, SMALL)
    ),
    "a blob of up to one part, with its digest before": at_once(lambda client: client.push_blob("app", SMALL)),
    "the same, of a blob that was deleted and whose bytes are still there": push_and(
        SMALL, lambda client, digest: delete_and_push_again(client, digest, SMALL)
    ),
    "a larger one, with its digest before": at_once(lambda client: client.push_blob("app", LARGE)),
    "a larger one, with its digest at the end": at_once(
        lambda client: push_with_digest_at_the_end(client, LARGE)
    ),
    "a manifest with a tag": push_of_manifest,
    "asking whether a blob is there": push_and(SMALL, lambda client, digest: client.has_blob("app", digest)),
    "pulling a manifest": pull_of_manifest,
    "pulling a blob of up to 16 MiB": push_and(random_bytes(16 * MIB, "whole"), pull),
    "pulling a larger one": push_and(LARGE, pull),
    "a client's range of one": push_and(LARGE, pull_a_range),
    "pulling a blob that the cache on disk has": pull_again,
    "a mount": push_and(SMALL, lambda client, digest: client.mount("other", digest, "app")),
}


def test_every_row_of_the_table_is_counted():
    assert list(table()) == list(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_takes_what_the_table_in_docs_says(new_registry, bucket, proxy, work, operation):
    bucket.endpoint = proxy.endpoint
    section = bucket.section()
    if "cache" in operation:
        section["cache"] = {"disk_path": str(work / "cache")}
    with Client(new_registry(config={"storage": section}).start().url) as client:
        run = OPERATIONS[operation](client)
        until(lambda: settled(bucket) and tags_compared(proxy))
        proxy.forget()
        run()
        requests = table()[operation]
        if requests.endswith(" or more"):
            assert counts(proxy) >= wanted(requests) and set(counts(proxy)) == set(wanted(requests))
            return
        until(lambda: settled(bucket) and counts(proxy).total() >= wanted(requests).total())
        assert counts(proxy) == wanted(requests)


def counts(proxy):
    """Without lists: the server looks for what is left over by itself, some time after its start."""
    return Counter({kind: n for kind, n in proxy.counts().items() if not kind.startswith("list")})


def tags_compared(proxy):
    """The thread that compares tags with the database some time after a push has been there."""
    tags = [request.kind for request in proxy.of() if "/_tags/" in request.target]
    return tags.count("get") == 2 * tags.count("put")
