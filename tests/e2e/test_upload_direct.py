"""Archives that clients send to the bucket themselves, by URLs that the registry has signed."""

import hashlib
import re
import subprocess
import sys

import pytest
import requests
import tus
from archives import crafted, upload
from helpers import MIB, Client
from server import TOP
from test_upload_sessions import WHERE, large
from waiting import until

FINE = crafted.GOOD
PART = 5 * MIB
LARGE = large(11 * MIB, "direct")

pytestmark = pytest.mark.parametrize("bucket", ["minio"], indirect=True)


@pytest.fixture
def registry(new_registry, bucket, request):
    marked = request.node.get_closest_marker("config")
    config = {"storage": bucket.section(part_size=PART)} | (marked.args[0] if marked else {})
    return new_registry(config=config).start()


def begin(client, length, expect=201, **params):
    """The session, and what was answered."""
    headers = {"Upload-Length": str(length)}
    params = WHERE | {"direct": "true"} | params
    answer = client.request("POST", "/api/v1/uploads", expect, headers=headers, params=params)
    return tus.Upload(client, answer.headers["Location"]) if expect == 201 else None, answer.json()


def send(part, data):
    chunk = data[part["offset"] : part["offset"] + part["size"]]
    requests.put(part["url"], data=chunk, timeout=60).raise_for_status()


def left(bucket):
    """What lies where uploads do, unfinished ones among it."""
    return [key for key in bucket.keys() if "uploads/" in key] + list(bucket.uploads())


def test_a_small_archive_is_sent_by_one_put(registry, client, bucket):
    session, told = begin(client, len(FINE))
    assert [(p["offset"], p["size"]) for p in told["parts"]] == [(0, len(FINE))]
    send(told["parts"][0], FINE)
    answer = session.result()
    whole = upload(client, FINE, repository="other/app", tag="v1")
    assert answer.json()["images"] == [i | {"repository": "team/app"} for i in whole["images"]]
    assert session.complete(201).json() == answer.json()
    until(lambda: not left(bucket), timeout=60)


def test_a_large_one_is_sent_in_parts_in_any_order(registry, client, bucket):
    session, told = begin(client, len(LARGE))
    assert [p["size"] for p in told["parts"]] == [PART, PART, len(LARGE) - 2 * PART]
    for part in reversed(told["parts"]):
        send(part, LARGE)
    session.result()
    assert client.tags("team/app") == ["v1"]
    until(lambda: not left(bucket), timeout=60)


def test_complete_is_refused_until_all_has_come(registry, client, bucket):
    for data in (FINE, LARGE):
        session, told = begin(client, len(data))
        for part in told["parts"][:-1]:
            send(part, data)
        error = session.complete(409).json()["errors"][0]
        assert f"{told['parts'][-1]['offset']} of {len(data)} bytes" in error["message"]
        send(told["parts"][-1], data)
        session.result()


def test_one_that_is_not_as_long_as_was_said_is_refused(registry, client, bucket):
    session, told = begin(client, len(FINE))
    requests.put(told["parts"][0]["url"], data=FINE + b"x", timeout=60).raise_for_status()
    session.complete(409)


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_the_digest_is_checked_when_it_was_said(registry, client, bucket, right):
    digest = "sha256:" + hashlib.sha256(FINE if right else LARGE).hexdigest()
    session, told = begin(client, len(FINE), digest=digest)
    send(told["parts"][0], FINE)
    if right:
        session.result()
    else:
        assert session.result(400).json()["errors"][0]["code"] == "DIGEST_INVALID"


def test_what_is_no_image_is_refused_as_ever(registry, client, bucket):
    session, told = begin(client, 3000)
    send(told["parts"][0], FINE[:3000])
    assert session.result(400).json()["errors"][0]["detail"]["code"] == "CUT"
    until(lambda: not left(bucket), timeout=60)


def test_one_that_is_given_up_is_removed_from_the_bucket(registry, client, bucket):
    for data in (FINE, LARGE):
        session, told = begin(client, len(data))
        send(told["parts"][0], data)
        assert left(bucket)
        session.delete()
        session.complete(404)
        assert not left(bucket)


@pytest.mark.config({"upload": {"timeout": "5s"}, "maintenance": {"interval": "1s"}})
def test_one_that_nobody_ends_expires_and_is_removed(registry, client, bucket):
    session, told = begin(client, len(LARGE))
    requests.put(told["parts"][0]["url"], data=LARGE[:PART], timeout=60)  # 403 where a machine is as slow as that
    until(lambda: session.head((200, 404)).status_code == 404, timeout=60)
    until(lambda: not left(bucket), timeout=60)


def test_one_that_was_ended_is_taken_after_a_kill(registry, client, bucket):
    session, told = begin(client, len(LARGE))
    for part in told["parts"]:
        send(part, LARGE)
    session.complete()
    registry.kill()
    registry.start()
    with Client(registry.url) as again:
        session.at(again).result()
        assert again.tags("team/app") == ["v1"]


def test_its_bytes_do_not_come_to_the_registry(registry, client, bucket):
    session, _ = begin(client, len(FINE))
    session.patch(0, FINE, 409)
    client.request("PUT", f"/v2/team/app/blobs/uploads/{session.path[-36:]}", 404, params={"digest": "sha256:" + 64 * "0"})


def test_the_example_of_the_page_sends_one(registry, client, bucket, work):
    page = (TOP / "docs" / "upload.md").read_text()
    (example,) = [text for text in re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S) if "direct=true" in text]
    (work / "app.tar").write_bytes(LARGE)
    code = example.replace("127.0.0.1:5000", registry.address)
    subprocess.run([sys.executable, "-c", code], cwd=work, timeout=60, check=True)
    assert client.tags("team/app") == ["v1"]


@pytest.mark.parametrize("length", ["0", None], ids=["nothing", "not told"])
def test_its_length_is_needed(registry, client, bucket, length):
    headers = {"Upload-Length": length} if length else {"Upload-Defer-Length": "1"}
    client.request("POST", "/api/v1/uploads", 400, headers=headers, params=WHERE | {"direct": "true"})
