"""`registry check` over a bucket and a database that several registries share."""


import pytest

from helpers import Client, image
from postgres_databases import Database
from s3_proxy import ACCESS_DENIED
from test_check import check, codes
from waiting import until

pytestmark = pytest.mark.parametrize("bucket", ["minio"], indirect=True)

LAYER = next(iter(image().blobs))


@pytest.fixture(params=["postgresql", "dynamodb"])
def metadata(request, s3_servers):
    """The section of a database of the test's own."""
    if request.param == "dynamodb":
        yield request.getfixturevalue("table").section()
    else:
        made = Database(s3_servers("postgresql"))
        yield made.section()
        made.remove()


@pytest.fixture
def new(bucket, metadata, new_registry):
    """Makes registries that share all they have."""

    def make():
        return new_registry(
            config={"storage": bucket.section(), "metadata": metadata, "check": {"settle": "500ms"}}
        ).start()

    return make


def key_of(digest, folder="blobs"):
    return f"{folder}/" + digest.replace(":", "/")


def damage(bucket, digest):
    data = bytearray(bucket.get(key_of(digest)))
    data[len(data) // 2] ^= 1
    bucket.put(key_of(digest), bytes(data))


def pushed(registry, *repos):
    with Client(registry.url) as client:
        for repo in repos:
            client.push_image(repo, image(), "v1")


def settled(registry, bucket):
    until(lambda: len([k for k in bucket.keys() if k.startswith("tags/")]) > 0)
    assert codes(registry, status=0) == []


def test_what_was_pushed_is_whole(new, bucket):
    registry = new()
    pushed(registry, "app", "other")
    settled(registry, bucket)
    assert codes(registry, "--deep", status=0) == []


def test_a_damaged_object_is_404_everywhere_and_a_push_to_another_heals_it(new, bucket):
    one, two = new(), new()
    pushed(one, "app", "other")
    settled(one, bucket)
    damage(bucket, LAYER)
    found, counts = check(one, "--deep", "--repair", status=1)
    assert [f["code"] for f in found] == ["blob-corrupt", "image-incomplete", "image-incomplete"]
    assert counts["repaired"] == 1
    assert key_of(LAYER) not in bucket.keys()
    assert key_of(LAYER, "quarantine") in bucket.keys()
    for registry in (one, two):
        with Client(registry.url) as client:
            for repo in ("app", "other"):
                client.request("HEAD", f"/v2/{repo}/blobs/{LAYER}", 404)
                client.request("GET", f"/v2/{repo}/blobs/{LAYER}", 404)
    pushed(two, "app", "other")
    with Client(one.url) as client:
        for repo in ("app", "other"):
            assert client.pull_image(repo, "v1") == image()
    assert codes(one, "--deep", status=0) == []


def test_an_object_that_the_server_refuses_is_told_and_the_others_are_read(new_registry, bucket, metadata, proxy):
    section = bucket.section(endpoint=proxy.endpoint)
    registry = new_registry(config={"storage": section, "metadata": metadata, "check": {"settle": "500ms"}}).start()
    pushed(registry, "app")
    settled(registry, bucket)
    other = list(image().blobs)[1]
    damage(bucket, other)
    refused = proxy.fail("get", ACCESS_DENIED, times=None, target=key_of(LAYER))
    found = check(registry, "--deep", status=1)[0]
    assert {f["code"]: f["digest"] for f in found if f["code"] != "image-incomplete"} == {
        "unreadable": LAYER,
        "blob-corrupt": other,
    }
    assert refused.hits > 0 and "AccessDenied" in next(f["detail"] for f in found if f["code"] == "unreadable")
    bucket.put(key_of(other), image().blobs[other])
    proxy.clear()
    assert codes(registry, "--deep", status=0) == []


def test_repair_puts_back_what_the_bucket_has_lost_of_the_database(new, bucket):
    registry = new()
    pushed(registry, "app")
    settled(registry, bucket)
    for key in bucket.keys():
        if key.startswith(("tags/", "manifests/")):
            bucket.client.delete_object(Bucket=bucket.name, Key=key)
    assert sorted(codes(registry, "--repair", status=0)) == ["manifest-missing", "tag-missing"]
    assert codes(registry, "--deep", status=0) == []


def test_repair_without_a_server_is_done_here(new, bucket):
    registry = new()
    pushed(registry, "app")
    settled(registry, bucket)
    registry.stop()
    bucket.client.delete_object(Bucket=bucket.name, Key="tags/app/_tags/v1")
    assert codes(registry, "--repair", status=0) == ["tag-missing"]
    assert codes(registry, status=0) == []
