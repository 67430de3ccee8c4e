"""Content in a bucket, as clients use it: pushes, pulls, ranges, mounts, deletes, over restarts."""

import pytest

import stories
from helpers import MIB, Client, artifact, digest_of, image, index, random_bytes, write_oci_layout
from server import AT_ONCE
from waiting import until

EVERY_SERVER = pytest.mark.parametrize("bucket", ["minio", "ceph", "versitygw"], indirect=True)

PART_BYTES = 16 * MIB
LARGE = random_bytes(2 * PART_BYTES + MIB, "large")


@pytest.fixture
def registry(new_registry, bucket):
    return new_registry(config={"storage": bucket.section(), **AT_ONCE}).start()


def moves(bucket):
    return [key for key in bucket.keys() if key.startswith("moves/")]


@EVERY_SERVER
def test_an_image_is_served_before_and_after_a_restart(registry, client):
    stories.an_image_is_served_before_and_after_a_restart(registry, client)


@EVERY_SERVER
@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, len(LARGE)])
@pytest.mark.parametrize("how", ["PATCH, then PUT", "PUT"])
def test_a_blob_around_the_size_of_a_part_comes_back(client, size, how):
    data = LARGE[:size]
    location = client.start_upload("app")
    if how == "PUT":
        client.finish(location, digest_of(data), data)
    else:
        client.finish(client.patch(location, data), digest_of(data))
    assert client.get_blob("app", digest_of(data)).content == data


@EVERY_SERVER
def test_a_large_blob_is_served_while_and_after_it_is_moved_to_its_key(client, bucket):
    location = client.patch(client.start_upload("app"), LARGE)
    client.finish(location, digest_of(LARGE))
    assert client.get_blob("app", digest_of(LARGE)).content == LARGE
    until(lambda: not moves(bucket))
    assert client.get_blob("app", digest_of(LARGE)).content == LARGE
    key = "blobs/" + digest_of(LARGE).replace(":", "/")
    until(lambda: bucket.keys() == [key])
    assert bucket.uploads() == []


@EVERY_SERVER
def test_ranges_of_a_large_blob(client):
    digest = client.push_blob("app", LARGE)
    for first, last in ((0, 0), (5, PART_BYTES + 5), (len(LARGE) - 1, len(LARGE) - 1)):
        answer = client.get_blob("app", digest, expect=206, Range=f"bytes={first}-{last}")
        assert answer.content == LARGE[first : last + 1]
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(LARGE)}"
    assert client.get_blob("app", digest, expect=206, Range="bytes=-7").content == LARGE[-7:]
    client.get_blob("app", digest, expect=416, Range=f"bytes={len(LARGE)}-")


@EVERY_SERVER
def test_head_tells_size_and_digest(client):
    digest = client.push_blob("app", LARGE)
    answer = client.request("HEAD", f"/v2/app/blobs/{digest}")
    assert answer.headers["Content-Length"] == str(len(LARGE))
    assert answer.headers["Docker-Content-Digest"] == digest


@EVERY_SERVER
def test_a_blob_of_two_repositories_goes_with_the_last_of_them(client, bucket):
    data = random_bytes(10_000, "shared")
    digest = client.push_blob("one", data)
    assert client.mount("other", digest, "one")
    client.delete_blob("one", digest)
    assert not client.has_blob("one", digest)
    assert client.get_blob("other", digest).content == data
    client.delete_blob("other", digest)
    assert not client.has_blob("other", digest)
    until(lambda: bucket.keys() == [])


@EVERY_SERVER
def test_a_wrong_digest_leaves_nothing(client, bucket):
    wrong = digest_of(b"other bytes")
    client.finish(client.start_upload("app"), wrong, LARGE, expect=400)
    assert not client.has_blob("app", wrong)
    until(lambda: bucket.keys() == [] and bucket.uploads() == [])


@EVERY_SERVER
def test_indexes_and_referrers(registry, client):
    both = index([image(seed=1), image(seed=2)])
    client.push_image("app", both, "multi")
    bill = artifact("application/vnd.example.bill", subject=both.descriptor())
    client.push_image("app", bill)
    registry.restart()
    with Client(registry.url) as again:
        assert again.pull_image("app", "multi") == both
        assert [r["digest"] for r in again.referrers("app", both.digest)] == [bill.digest]


@EVERY_SERVER
def test_a_deleted_tag_and_manifest_leave_the_bucket(client, bucket):
    made = image()
    client.push_image("app", made, "v1")
    assert "tags/app/_tags/v1" in bucket.keys()
    client.delete_manifest("app", made.digest)
    client.get_manifest("app", "v1", expect=404)
    until(lambda: all(key.startswith("blobs/") for key in bucket.keys()))


def test_crane_pushes_and_pulls(registry, go_clients, work):
    made = image(layers=3, layer_size=9 * MIB)
    write_oci_layout(work / "layout", made, "v1")
    name = f"{registry.address}/app:v1"
    go_clients.crane("push", work / "layout", name)
    go_clients.crane("validate", "--remote", name)


def test_skopeo_copies_in_and_out(registry, containers, work):
    made = image(layers=3, layer_size=9 * MIB)
    write_oci_layout(work / "layout", made, "v1")
    name = f"docker://{registry.address}/app:v1"
    containers.skopeo("copy", f"oci:{work}/layout:v1", name)
    containers.skopeo("copy", name, f"oci:{work}/back:v1")
    for digest, data in made.blobs.items():
        assert (work / "back/blobs/sha256" / digest.split(":")[1]).read_bytes() == data
