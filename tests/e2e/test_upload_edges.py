"""Uploads of archives where something else has its word: sign-ins, roles, rates, pages of browsers, the bucket, the disk, other requests."""

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlencode, urlsplit

import disks
import pytest
import requests
import tus
from accounts import PASSWORD, alice_and_bob
from archives import crafted, docker_archive, upload
from browser import Browser
from helpers import MIB, Client, Wire, image_of_layers, random_bytes, tar_layer
from sts import Sts
from test_aws import AUDIENCE, ACCOUNT, CI, DEPLOY, POLICY, ROLES, token
from test_cors import ORIGIN
from test_upload_direct import LARGE, PART, begin, left, send
from test_upload_image import contents_below
from test_upload_sessions import WHERE, large
from waiting import until

FINE = crafted.GOOD
ON_MINIO = pytest.mark.parametrize("bucket", ["minio"], indirect=True)
needs_disk = pytest.mark.skipif(disks.why_not() is not None, reason=str(disks.why_not()))


# ---- who may


def test_a_role_is_required_for_uploads_as_for_pushes(new_registry):
    with Sts(CI, DEPLOY) as sts:
        aws = {"audience": AUDIENCE, "accounts": [ACCOUNT], "sts_endpoints": [sts.url], "roles": ROLES}
        registry = new_registry(config={"auth": {"aws": aws}, "policy": POLICY}).start()
        for who, repo, status in ((CI, "dev/app", 201), (CI, "prod/app", 403), (DEPLOY, "prod/app", 201)):
            with Client(registry.url, auth=("AWS", token(who, sts))) as client:
                client.request("PUT", "/upload-image", status, params={"repository": repo, "tag": "v1"}, data=FINE)
                client.request("POST", "/upload-image", status, data={"repository": repo, "tag": "v2"}, files={"file": FINE})
                tus.post(client, status, {"Upload-Length": "5"}, repository=repo, tag="v1")
        registry.stop()


@pytest.mark.config({"limits": {"rate": {"address": 1, "address_burst": 3}}})
def test_uploads_count_among_the_requests_that_a_rate_bounds(registry):
    """Also what a piece is: each is a request."""
    answers = [requests.put(f"{registry.url}/upload-image", params=WHERE, data=FINE, timeout=60) for _ in range(8)]
    answers += [requests.post(f"{registry.url}/api/v1/uploads", headers=tus.VERSION | {"Upload-Length": "5"}, timeout=60)]
    refused = [a for a in answers if a.status_code == 429]
    assert answers[-1] in refused and len(refused) > 3
    assert all(int(a.headers["Retry-After"]) >= 1 for a in refused)


# ---- pages of browsers


def test_a_form_of_somebody_signed_in_needs_the_token_of_the_session(new_registry):
    registry = alice_and_bob(new_registry).registry
    with Browser(registry) as page:
        page.sign_in("alice", PASSWORD)
        fields = {"files": {"file": FINE}, "data": WHERE}
        for headers in ({}, {"X-CSRF-Token": "0" * 64}):
            refused = page.request("POST", "/upload-image", headers=headers, csrf=False, **fields)
            assert refused.status_code == 403 and "X-CSRF-Token" in refused.text
        foreign = page.request("POST", "/upload-image", headers={"Origin": "https://evil.example"}, **fields)
        assert foreign.status_code == 403
        assert page.get("/v2/team/app/tags/list").status_code == 404
        assert page.request("POST", "/upload-image", **fields).status_code == 201


@pytest.mark.config({"http": {"cors": {"origins": [ORIGIN]}}, "auth": {"mode": "none"}})
def test_a_page_of_a_listed_origin_can_speak_tus(client):
    session = tus.Upload.begin(client, 1000, **WHERE)
    wanted = ["tus-resumable", "upload-offset", "upload-length", "upload-metadata", "upload-checksum", "upload-defer-length"]
    asked = {"Origin": ORIGIN, "Access-Control-Request-Headers": ",".join([*wanted, "content-type"])}
    for method, path in (("POST", "/api/v1/uploads"), ("PATCH", session.path), ("HEAD", session.path), ("DELETE", session.path)):
        answer = client.request("OPTIONS", path, 204, headers=asked | {"Access-Control-Request-Method": method})
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert method in answer.headers["Access-Control-Allow-Methods"]
        allowed = {h.strip().lower() for h in answer.headers["Access-Control-Allow-Headers"].split(",")}
        assert allowed >= {*wanted, "content-type"}
    exposed = session.request("HEAD", 200, {"Origin": ORIGIN}).headers["Access-Control-Expose-Headers"]
    assert {h.strip().lower() for h in exposed.split(",")} >= {"upload-offset", "upload-length", "location", "tus-resumable", "upload-expires"}


@pytest.mark.config({"http": {"cors": {"origins": [ORIGIN]}}, "auth": {"mode": "none"}})
def test_a_page_of_another_origin_sends_nothing(client):
    session = tus.Upload.begin(client, 1000, **WHERE)
    answer = session.request("PATCH", 403, {"Origin": "https://evil.example", "Content-Type": tus.TYPE, "Upload-Offset": "0"}, b"x")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert session.offset() == 0


# ---- two requests at once


def test_a_second_request_is_told_that_another_one_writes(registry, client):
    session = tus.Upload.begin(client, 1000, **WHERE)
    with Wire(registry.url) as wire:
        headers = tus.VERSION | {"Content-Type": tus.TYPE, "Upload-Offset": 0, "Content-Length": 1000}
        wire.send_request("PATCH", session.path, headers, b"x" * 500)
        until(lambda: client.request("GET", session.path).json()["phase"] == "receiving")
        session.patch(0, b"y" * 1000, 423)
        wire.send(b"x" * 500)
        assert wire.read_response()[0] == 204
    assert session.offset() == 1000


# ---- straight to a bucket


@pytest.fixture
def of_bucket(new_registry, bucket):
    registry = new_registry(config={"storage": bucket.section(part_size=PART)}).start()
    with Client(registry.url) as client:
        yield client
    registry.stop()


@ON_MINIO
def test_with_encryption_a_direct_upload_is_of_parts_and_what_is_stored_is_encrypted(new_registry, bucket):
    registry = new_registry(config={"storage": bucket.section(part_size=PART, sse="s3")}).start()
    with Client(registry.url) as client:
        session, told = begin(client, len(FINE))
        assert len(list(bucket.uploads())) == 1
        send(told["parts"][0], FINE)
        session.result()
        for key in (k for k in bucket.keys() if k.startswith("blobs/")):
            assert bucket.client.head_object(Bucket=bucket.name, Key=key)["ServerSideEncryption"] == "AES256"
        until(lambda: not left(bucket), timeout=60)
    registry.stop()


def changed(url, **query):
    """The URL with other values in its query."""
    parts = urlsplit(url)
    values = {name: value[0] for name, value in parse_qs(parts.query).items()} | query
    return parts._replace(query=urlencode(values)).geturl()


@ON_MINIO
def test_a_presigned_url_is_for_one_put_of_one_object(of_bucket, bucket):
    session, told = begin(of_bucket, len(LARGE))
    url = told["parts"][0]["url"]
    path = urlsplit(url).path
    misused = [
        ("GET", url), ("DELETE", url), ("POST", url),
        ("PUT", url.replace(path, path + "x")),
        ("PUT", url.replace(path, f"/{bucket.name}/blobs/sha256/{'0' * 64}")),
        ("PUT", changed(url, partNumber="2")),
        ("PUT", changed(url, uploadId="other")),
        ("PUT", changed(url, **{"X-Amz-Expires": "604800"})),
        ("PUT", url.split("?")[0]),
    ]  # fmt: skip
    before = set(bucket.keys())
    for method, where in misused:
        assert requests.request(method, where, data=LARGE[:PART], timeout=60).status_code == 403, (method, where)
    assert set(bucket.keys()) == before
    for part in told["parts"]:
        send(part, LARGE)
    session.result()


@ON_MINIO
def test_what_comes_by_such_a_url_after_the_end_changes_nothing(of_bucket, bucket):
    session, told = begin(of_bucket, len(FINE))
    send(told["parts"][0], FINE)
    answer = session.result().json()
    requests.put(told["parts"][0]["url"], data=b"x" * len(FINE), timeout=60)
    assert session.complete(201).json() == answer
    of_bucket.pull_image("team/app", "v1")


# ---- the disk, and memory


@needs_disk
def test_a_full_disk_refuses_an_archive_and_keeps_what_came_of_a_session(work, new_registry):
    disk = disks.Disk(work, 64).mount()
    try:
        registry = new_registry(root=disk.path / "registry", config={"log": {"access": False}}).start()
        data = large(6 * MIB)
        with Client(registry.url) as client:
            upload(client, FINE, repository="other/app", tag="v1")
            session = tus.Upload.begin(client, len(data), **WHERE)
            session.patch(0, data[:MIB])
            before = contents_below(registry.root)
            filler = disk.fill(leave=2 * MIB)
            upload(client, data, expect=507, repository="team/other", tag="v1")
            session.patch(MIB, data[MIB:], 507)
            until(lambda: len(contents_below(registry.root) - before) == 0)
            filler.unlink()
            offset = session.offset()
            assert MIB <= offset < len(data)
            session.patch(offset, data[offset:])
            session.result()
            upload(client, data, repository="team/other", tag="v1")
        registry.stop()
    finally:
        disk.remove()


def resident_mib(registry, what):
    with open(f"/proc/{registry.pid}/status", encoding="ascii") as status:
        return int(re.search(rf"{what}:\s+(\d+)", status.read()).group(1)) / 1024


def test_eight_uploads_at_once_take_little_memory(registry, client):
    """64 MiB above an idle server is the goal."""
    upload(client, FINE, repository="warm/up", tag="v1")
    layers = [tar_layer({f"file-{n}": random_bytes(8 * MIB, n)}) for n in range(2)]
    data = docker_archive(image_of_layers(layers), None)
    idle = resident_mib(registry, "VmRSS")

    def put(n):
        where = {"repository": f"team/app{n}", "tag": "v1"}
        return requests.put(f"{registry.url}/upload-image", params=where, data=data, timeout=120).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(put, range(8))) == [201] * 8
    assert resident_mib(registry, "VmHWM") - idle < 64
