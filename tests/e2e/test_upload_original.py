"""upload.keep_original: an accepted archive is kept as it came, in the store, for whoever sent it and for admins."""

import gzip
import hashlib
import re

import disks
import pytest
from accounts import OTHER, PASSWORD, Accounts, Caller, alice_and_bob
from archives import crafted, docker_archive, upload
from below import files_below
from helpers import MIB, Client, Wire, image_of_layers, random_bytes, tar_layer
from places import NAMES, place
from s3_buckets import Bucket
from s3_servers import KMS_KEY
from waiting import until

KEEP = {"upload": {"keep_original": True}}
FINE = crafted.GOOD
ORIGINALS = "/api/v1/originals"


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def listed(client, **params):
    return client.request("GET", ORIGINALS, params=params).json()["originals"]


def download(client, original, expect=200, **headers):
    return client.request("GET", f"{ORIGINALS}/{original['id']}/archive", (expect,), headers=headers)


def files(registry):
    return {str(p.relative_to(registry.root / "images")) for p in files_below(registry.root / "images")}


def received(registry):
    return [p for p in files_below(registry.root / "temp") if "_probe" not in p.name]


FORMS = {
    "tar": (bytes, ".tar.gz"),
    "gzip": (crafted.packed, ".tar.gz"),
    "zstd": (crafted.zstd, ".tar.zst"),
}


@pytest.mark.parametrize("where", NAMES)
def test_an_accepted_archive_is_kept_and_comes_back_byte_for_byte(where, new_registry, s3_servers):
    with place(where, s3_servers) as config:
        registry = new_registry(config={**config, **KEEP}).start()
        with Client(registry.url) as client:
            for form, (pack, ending) in FORMS.items():
                data = pack(FINE)
                answer = upload(client, data, repository=f"team/{form}", tag="v1")
                told = answer["original"]
                assert re.fullmatch(rf"images/~anonymous/\d{{8}}T\d{{6}}Z/[0-9a-f-]{{36}}{re.escape(ending)}", told["path"])
                (found,) = [x for x in listed(client) if x["id"] == told["id"]]
                assert found == client.request("GET", f"{ORIGINALS}/{told['id']}").json()
                assert found["repository"] == f"team/{form}" and found["user"] == "anonymous"
                assert found["format"] == form and found["received"] == {"size": len(data), "digest": sha(data)}
                assert found["images"] == [answer["images"][0]["digest"]]
                assert client.request("GET", f"/api/v1/uploads/{answer['id']}").json()["original"] == told["path"]
                got = download(client, told)
                assert told["path"].endswith(got.headers["Content-Disposition"].split('"')[1])
                assert found["digest"] == sha(got.content) and found["size"] == len(got.content)
                assert (gzip.decompress(got.content) if form == "tar" else got.content) == data
                assert download(client, told, 206, Range="bytes=10-19").content == got.content[10:20]
        registry.stop()


SSE = {"s3": {"sse": "s3"}, "kms": {"sse": "kms", "kms_key_id": KMS_KEY}}
SAID = {"s3": ("AES256", None), "kms": ("aws:kms", KMS_KEY)}


@pytest.mark.parametrize("kind", SSE)
@pytest.mark.parametrize("size", [1000, 6 * MIB], ids=["put", "parts"])
def test_in_a_bucket_it_is_encrypted_as_everything_there(new_registry, s3_servers, kind, size):
    bucket = Bucket(s3_servers("minio")).create()
    try:
        config = {"storage": bucket.section(part_size="5MiB", **SSE[kind]), **KEEP}
        registry = new_registry(config=config).start()
        made = docker_archive(image_of_layers([tar_layer({"a": random_bytes(size)})]), ["team/app:v1"])
        data = crafted.packed(made)
        with Client(registry.url) as client:
            told = upload(client, data)["original"]
            head = bucket.client.head_object(Bucket=bucket.name, Key=told["path"])
            algorithm, key = SAID[kind]
            assert head["ServerSideEncryption"] == algorithm
            assert key is None or head["SSEKMSKeyId"].endswith(key)
            assert download(client, told).content == data
        registry.stop()
    finally:
        bucket.remove()


def test_in_a_bucket_a_large_one_has_a_checksum_and_lies_below_the_prefix(new_registry, s3_servers):
    bucket = Bucket(s3_servers("minio")).create()
    rules = {"expire_originals_days": 30}
    try:
        config = {"storage": bucket.section(prefix="some/where", part_size="5MiB", lifecycle=rules), **KEEP}
        registry = new_registry(config=config).start()
        data = docker_archive(image_of_layers([tar_layer({"a": random_bytes(12 * MIB)})]), ["a:1"])
        with Client(registry.url) as client:
            small = upload(client, FINE, repository="team/a", tag="v1")["original"]
            large = upload(client, data, repository="team/a")["original"]
            assert gzip.decompress(download(client, large).content) == data
        for told, parts in (small, ""), (large, "-"):
            key = "some/where/" + told["path"]
            head = bucket.client.head_object(Bucket=bucket.name, Key=key, ChecksumMode="ENABLED")
            assert head["ContentLength"] == told["size"]
            assert (parts in head["ChecksumSHA256"]) if parts else head["ChecksumSHA256"].endswith("=")
        (rule,) = [r for r in bucket.client.get_bucket_lifecycle_configuration(Bucket=bucket.name)["Rules"]
                   if "originals" in r["ID"]]  # fmt: skip
        assert rule["Filter"]["Prefix"] == "some/where/images/" and rule["Expiration"]["Days"] == 30
        registry.stop()
    finally:
        bucket.remove()


@pytest.mark.config(KEEP)
def test_a_refused_archive_leaves_no_original(registry, client):
    upload(client, FINE[: len(FINE) // 2], expect=400, repository="team/app")
    upload(client, FINE, expect=400, repository="team/app", image="no:such")
    upload(client, crafted.packed(FINE)[:-3], expect=400, repository="team/app", tag="v1")
    assert listed(client) == [] and files(registry) == set()
    until(lambda: received(registry) == [])


@pytest.mark.config({**KEEP, "quotas": [{"namespace": "team", "bytes": "4KiB"}]})
def test_what_a_quota_refuses_leaves_no_original(registry, client):
    upload(client, FINE, expect=403, repository="team/app", tag="v1")
    assert listed(client) == [] and files(registry) == set()


def test_nothing_is_kept_that_was_not_asked_for(registry, client):
    assert "original" not in upload(client, FINE, repository="team/app", tag="v1")
    assert listed(client) == [] and not (registry.root / "images").exists()


@pytest.mark.config({**KEEP, "maintenance": {"interval": "100ms"}, "upload": {**KEEP["upload"], "timeout": "1s"}})
def test_a_kill_leaves_no_part_of_one(registry, client):
    data = docker_archive(image_of_layers([tar_layer({"a": random_bytes(400_000)})]), ["a:1"])
    with Wire(registry.url) as wire:
        wire.send(b"PUT /upload-image?repository=team/app HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data))
        wire.send(data[:200_000])
        until(lambda: received(registry))
        registry.kill()
    registry.start()
    assert files(registry) == set()
    until(lambda: received(registry) == [], timeout=60)


@pytest.mark.config({"upload": {"keep_original": True, "original_keep": "1s"}, "maintenance": {"interval": "100ms"}})
def test_an_original_expires_and_its_image_stays(registry, client):
    told = upload(client, FINE, repository="team/app", tag="v1")["original"]
    until(lambda: listed(client) == [] and files(registry) == set(), timeout=60)
    client.request("GET", f"{ORIGINALS}/{told['id']}", (404,))
    assert client.tags("team/app") == ["v1"]


@pytest.mark.config(KEEP)
def test_neither_collection_nor_a_check_minds_originals(registry, client):
    told = upload(client, FINE, repository="team/app", tag="v1")["original"]
    client.delete_manifest("team/app", "v1")
    command = Accounts(registry)
    command("check")
    command("gc", "--delete", "--older-than", "0s")
    assert download(client, told).content


def test_who_may_see_originals(new_registry):
    accounts = alice_and_bob(new_registry, **KEEP, policy=[{"subjects": ["*"], "actions": ["pull", "push"], "repositories": ["**"]}])
    registry = accounts.registry
    accounts.add("carol", password=OTHER)
    robot = accounts.token("--robot", "ci", "--scope", "dev/app:pull,push")
    with Client(registry.url, auth=("bob", OTHER)) as bob, Client(registry.url, auth=("carol", OTHER)) as carol:
        told = upload(bob, FINE, repository="dev/app", tag="v1")["original"]
        assert told["path"].startswith("images/bob/")
        assert [x["id"] for x in listed(bob)] == [told["id"]] and listed(carol) == []
        assert download(bob, told).content
        for path in ("", "/archive"):
            carol.request("GET", f"{ORIGINALS}/{told['id']}{path}", (404,))
        bob.request("DELETE", f"{ORIGINALS}/{told['id']}", (403,))
    with Client(registry.url, auth=("ci", robot)) as ci:
        assert upload(ci, FINE, repository="dev/app", tag="v2")["original"]["path"].startswith("images/robot~ci/")
        assert listed(ci) == []  # it is narrowed
    alice = Caller(registry, "alice", PASSWORD)
    assert {x["user"] for x in alice.get(ORIGINALS)["originals"]} == {"user:bob", "robot:ci"}
    assert [x["user"] for x in alice.get(ORIGINALS, user="robot:ci")["originals"]] == ["robot:ci"]
    alice("DELETE", f"{ORIGINALS}/{told['id']}", expect=204)
    assert len(alice.get(ORIGINALS)["originals"]) == 1 and len(files(registry)) == 1


@pytest.mark.config(KEEP)
def test_pages_of_a_list_follow_each_other(client):
    made = [upload(client, FINE, repository=f"team/n{i % 2}", tag="v1")["original"]["id"] for i in range(4)]
    first = client.request("GET", ORIGINALS, params={"n": 3, "repository": "team/n0"})
    assert len(first.json()["originals"]) == 2 and "Link" not in first.headers
    first = client.request("GET", ORIGINALS, params={"n": 3})
    ids = [x["id"] for x in first.json()["originals"]]
    assert f"last={ids[-1]}" in first.headers["Link"]
    assert sorted(ids + [x["id"] for x in listed(client, last=ids[-1])]) == sorted(made)


@pytest.mark.skipif(disks.why_not() is not None, reason=str(disks.why_not()))
def test_a_full_disk_refuses_the_upload_and_leaves_nothing(work, new_registry):
    disk = disks.Disk(work, 64).mount()
    try:
        registry = new_registry(root=disk.path / "registry", config=KEEP).start()
        data = docker_archive(image_of_layers([tar_layer({"a": random_bytes(22 * MIB)})]), ["a:1"])
        with Client(registry.url) as client:  # a layer fits, and not its original beside it
            upload(client, data, expect=507, repository="team/app", tag="v1")
            assert files(registry) == set()
            until(lambda: received(registry) == [])
            upload(client, FINE, repository="team/app", tag="v1")
        registry.stop()
    finally:
        disk.remove()
