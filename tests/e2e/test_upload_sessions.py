"""Archives that are uploaded piece by piece: the requests of tus 1.0.0, and what comes of an archive that has come."""

import pytest
import tus
from accounts import htpasswd
from archives import crafted, docker_archive, upload
from helpers import Client, Wire, image_of_layers, random_bytes, tar_layer
from places import NAMES, place
from test_upload_image import contents_below
from waiting import until

FINE = crafted.GOOD
WHERE = {"repository": "team/app", "tag": "v1"}


def large(n=400_000, seed="session"):
    return docker_archive(image_of_layers([tar_layer({"a": random_bytes(n, seed)})]), ["a:1"])


@pytest.fixture(params=NAMES)
def anywhere(request, s3_servers, new_registry):
    """A registry on files, and one on a bucket."""
    with place(request.param, s3_servers) as config:
        registry = new_registry(config=config).start()
        yield registry
        registry.kill()


# ---- core


def test_an_archive_in_pieces_becomes_the_image_that_it_is_as_a_whole(anywhere):
    with Client(anywhere.url) as client:
        whole = upload(client, large(), repository="other/app", tag="v1")
        session = tus.Upload.begin(client, len(large()), **WHERE)
        for at in range(0, len(large()), 150_000):
            answer = session.patch(at, large()[at : at + 150_000])
            assert int(answer.headers["Upload-Offset"]) == min(at + 150_000, len(large()))
        answer = session.result()
        assert answer.json()["images"] == [i | {"repository": "team/app"} for i in whole["images"]] and answer.json()["repository"] == "team/app"
        assert answer.headers["Docker-Content-Digest"] == whole["images"][0]["digest"]
        assert client.get_manifest("team/app", "v1").headers["Docker-Content-Digest"] == whole["images"][0]["digest"]


def test_its_bytes_are_gone_when_it_became_an_image(registry, client):
    upload(client, FINE, repository="other/app", tag="v1")
    upload(client, FINE, **WHERE)
    before = contents_below(registry.root)
    session = tus.Upload.begin(client, len(FINE), **WHERE)
    session.patch(0, FINE)
    session.result()
    until(lambda: contents_below(registry.root) == before)
    assert session.offset() == len(FINE)


def test_head_says_what_was_said_and_is_not_cached(client):
    session = tus.Upload.begin(client, 1000, **WHERE, filename="app.tar")
    session.patch(0, b"x" * 10)
    headers = session.head().headers
    assert (headers["Upload-Offset"], headers["Upload-Length"]) == ("10", "1000")
    assert headers["Upload-Metadata"] == tus.metadata(**WHERE, filename="app.tar")
    assert headers["Cache-Control"] == "no-store" and headers["Tus-Resumable"] == "1.0.0"
    assert headers["Upload-Expires"].endswith(" GMT")


def test_another_offset_is_a_conflict_and_changes_nothing(client):
    session = tus.Upload.begin(client, 1000, **WHERE)
    session.patch(0, b"x" * 10)
    for wrong in (0, 9, 11):
        answer = session.patch(wrong, b"y" * 10, 409)
        assert answer.headers["Upload-Offset"] == "10"
    assert session.offset() == 10


@pytest.mark.parametrize("headers", [{}, {"Upload-Offset": "-1"}, {"Upload-Offset": "0x1"}], ids=["none", "negative", "hex"])
def test_an_offset_has_to_be_a_number(client, headers):
    session = tus.Upload.begin(client, 1000, **WHERE)
    session.request("PATCH", 400, headers | {"Content-Type": tus.TYPE}, b"x")


def test_a_chunk_of_another_media_type_is_refused(client):
    session = tus.Upload.begin(client, 1000, **WHERE)
    session.request("PATCH", 415, {"Content-Type": "application/octet-stream", "Upload-Offset": "0"}, b"x")
    assert session.offset() == 0


def test_another_version_of_the_protocol_is_refused(client):
    session = tus.Upload.begin(client, 1000, **WHERE)
    for method in ("HEAD", "PATCH", "DELETE"):
        for headers in ({"Tus-Resumable": "0.2.2"}, {}):
            answer = client.request(method, session.path, 412, headers=headers)
            assert answer.headers["Tus-Version"] == answer.headers["Tus-Resumable"] == "1.0.0"
    assert session.offset() == 0


def test_more_than_was_said_is_refused(client):
    session = tus.Upload.begin(client, 10, **WHERE)
    session.patch(0, b"x" * 11, 413)
    session.patch(0, iter([b"x" * 6, b"x" * 6]), 413)
    assert session.offset() == 0


def test_unknown_uploads_are_not_found(client):
    session = tus.Upload(client, "/api/v1/uploads/00000000-0000-4000-8000-000000000000")
    session.head(404)
    session.patch(0, b"x", 404)
    session.delete(404)
    session.complete(404)


def test_a_post_can_stand_for_patch_and_delete(client):
    session = tus.Upload.begin(client, 1000, **WHERE)
    headers = {"X-HTTP-Method-Override": "PATCH", "Content-Type": tus.TYPE, "Upload-Offset": "0"}
    session.request("POST", 204, headers, b"x" * 10)
    assert session.offset() == 10
    session.request("POST", 204, {"X-HTTP-Method-Override": "DELETE"})
    session.head(404)


def test_options_tell_what_is_spoken(client):
    for path in ("/api/v1/uploads", "/api/v1/uploads/00000000-0000-4000-8000-000000000000"):
        headers = client.request("OPTIONS", path, 204).headers
        assert headers["Tus-Version"] == "1.0.0" and headers["Tus-Max-Size"].isdecimal()
        assert set(headers["Tus-Extension"].split(",")) == {
            "creation", "creation-with-upload", "creation-defer-length", "checksum", "termination", "expiration"
        }  # fmt: skip
        assert "sha1" in headers["Tus-Checksum-Algorithm"].split(",")


# ---- creation


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 400),
        ({"Upload-Length": "x"}, 400),
        ({"Upload-Defer-Length": "2"}, 400),
        ({"Upload-Length": "5", "Upload-Defer-Length": "1"}, 400),
        ({"Upload-Length": str(1 << 60)}, 413),
        ({"Upload-Length": "5", "Upload-Metadata": "image !"}, 400),
        ({"Upload-Length": "5", "Upload-Metadata": "a,a"}, 400),
    ],
)
def test_a_creation_that_is_not_to_the_protocol_is_refused(client, headers, status):
    tus.post(client, status, headers, **WHERE)


def test_a_creation_names_a_repository_in_its_metadata_or_query(client):
    tus.post(client, 201, {"Upload-Length": "5"}, **WHERE)
    tus.post(client, 400, {"Upload-Length": "5", "Upload-Metadata": tus.metadata(repository="Not/A/Name")})


def test_a_length_may_be_told_with_a_later_chunk_and_stays(client):
    session = tus.Upload.begin(client, **WHERE)
    assert session.head().headers["Upload-Defer-Length"] == "1"
    session.patch(0, FINE[:1000])
    session.patch(1000, FINE[1000:2000], Upload_Length=str(len(FINE)))
    assert session.head().headers["Upload-Length"] == str(len(FINE))
    session.patch(2000, FINE[2000:3000], 400, Upload_Length=str(len(FINE) + 1))
    session.patch(2000, FINE[2000:])
    session.result()


def test_complete_ends_an_upload_of_unknown_length(client):
    session = tus.Upload.begin(client, **WHERE)
    session.patch(0, FINE)
    session.result()
    assert client.tags("team/app") == ["v1"]


def test_complete_is_refused_while_bytes_are_missing(client):
    session = tus.Upload.begin(client, len(FINE), **WHERE)
    session.patch(0, FINE[:100])
    assert session.complete(409).headers["Upload-Offset"] == "100"


def test_bytes_may_come_with_the_creation(client):
    headers = {"Upload-Length": str(len(FINE)), "Upload-Metadata": tus.metadata(**WHERE), "Content-Type": tus.TYPE}
    answer = tus.post(client, 201, headers, FINE[:1000])
    assert answer.headers["Upload-Offset"] == "1000"
    session = tus.Upload(client, answer.headers["Location"])
    session.patch(1000, FINE[1000:])
    session.result()


def test_a_whole_archive_may_come_with_the_creation(client):
    headers = {"Upload-Length": str(len(FINE)), "Upload-Metadata": tus.metadata(**WHERE), "Content-Type": tus.TYPE}
    tus.Upload(client, tus.post(client, 201, headers, FINE).headers["Location"]).result()


@pytest.mark.config({"upload": {"sessions": 2}})
def test_a_user_may_have_so_many_open(client):
    first = [tus.Upload.begin(client, 1000, **WHERE) for _ in range(2)][0]
    tus.post(client, 429, {"Upload-Length": "5"}, **WHERE)
    first.delete()
    tus.Upload.begin(client, 1000, **WHERE)


# ---- checksum


@pytest.mark.parametrize("algorithm", ["sha1", "md5", "sha256", "sha512"])
def test_a_chunk_with_its_checksum_is_taken_and_any_other_leaves_nothing(client, algorithm):
    session = tus.Upload.begin(client, len(FINE), **WHERE)
    session.patch(0, FINE[:1000], Upload_Checksum=tus.checksum(FINE[:1000], algorithm))
    session.patch(1000, b"x" * 1000, 460, Upload_Checksum=tus.checksum(FINE[1000:2000], algorithm))
    assert session.offset() == 1000
    session.patch(1000, FINE[1000:], Upload_Checksum=tus.checksum(FINE[1000:], algorithm))
    session.result()


@pytest.mark.parametrize("value", ["crc99 AAAA", "sha1", "sha1 AAAA", "sha1 !", "shake128 AAAA"])
def test_a_checksum_that_is_none_is_refused(client, value):
    session = tus.Upload.begin(client, 1000, **WHERE)
    session.patch(0, b"x", 400, Upload_Checksum=value)
    assert session.offset() == 0


def test_of_a_large_chunk_with_a_wrong_checksum_nothing_stays(anywhere):
    data = large(6_000_000)
    with Client(anywhere.url) as client:
        session = tus.Upload.begin(client, len(data), **WHERE)
        session.patch(0, data[:1000])
        session.patch(1000, data[1001:], 460, Upload_Checksum=tus.checksum(data[1000:]))
        assert session.offset() == 1000
        session.patch(1000, data[1000:], Upload_Checksum=tus.checksum(data[1000:]))
        session.result()


# ---- termination, expiration


def test_what_is_terminated_is_gone_with_its_bytes(registry, client):
    before = contents_below(registry.root)
    session = tus.Upload.begin(client, 1_000_000, **WHERE)
    session.patch(0, random_bytes(300_000, "gone"))
    session.delete()
    session.head(404)
    session.patch(300_000, b"x", 404)
    session.delete(404)
    assert contents_below(registry.root) == before


@pytest.mark.config({"upload": {"timeout": "3s"}, "maintenance": {"interval": "1s"}})
def test_what_nobody_continues_expires_with_its_bytes(registry, client):
    before = contents_below(registry.root)
    session = tus.Upload.begin(client, 1_000_000, **WHERE)
    session.patch(0, random_bytes(300_000, "expires"), (204, 404))  # a machine may be as slow as that
    until(lambda: session.head((200, 404)).status_code == 404, timeout=60)
    until(lambda: not contents_below(registry.root) - before, timeout=60)


# ---- what comes of it


def test_a_refusal_is_that_of_upload_image_and_is_told_again(client):
    for name, data, found in crafted.cases():
        if found not in ("CUT", "DIFF_ID", "MISSING"):
            continue
        direct = upload(client, data, expect=400, **WHERE)
        session = tus.Upload.begin(client, len(data), **WHERE)
        session.patch(0, data)
        direct["detail"]["upload"] = session.path[-36:]
        assert session.result(400).json()["errors"] == [direct], name
        assert session.complete(400).json()["errors"] == [direct], name


def known(client, session):
    """What GET /api/v1/uploads tells of it."""
    return client.request("GET", session.path).json()


def test_what_is_known_of_it_has_its_id(client):
    session = tus.Upload.begin(client, len(FINE), **WHERE)
    found = known(client, session)
    assert (found["phase"], found["way"], found["expected"]) == ("waiting", "session", len(FINE))
    session.patch(0, FINE[:1000])
    assert (known(client, session)["phase"], known(client, session)["received"]) == ("waiting", 1000)
    session.patch(1000, FINE[1000:])
    answer = session.result().json()
    found = known(client, session)
    assert answer["id"] == found["id"] == session.path[-36:]
    assert (found["phase"], found["received"]) == ("done", len(FINE))
    assert [i["digest"] for i in found["images"]] == [i["digest"] for i in answer["images"]]


def test_one_that_is_given_up_is_known_as_cancelled_and_a_refused_one_as_failed(client):
    gone, refused = (tus.Upload.begin(client, 100, **WHERE) for _ in range(2))
    gone.delete()
    refused.patch(0, b"x" * 100)
    refused.result(400)
    assert known(client, gone)["phase"] == "cancelled"
    assert known(client, refused)["phase"] == "failed"


def test_what_a_session_s_archive_fails_at_while_it_is_read_is_known(client):
    at = len(crafted.F1)  # where the second header begins
    damaged = FINE[:at] + b"x" * 512 + FINE[at + 512 :]
    session = tus.Upload.begin(client, len(damaged), **WHERE)
    session.patch(0, damaged)
    session.result(400)
    found = known(client, session)
    assert (found["phase"], found["failed_in"], found["received"]) == ("failed", "unpacking", len(damaged))


def test_an_upload_of_nothing_is_refused(client):
    session = tus.Upload.begin(client, 0, **WHERE)
    assert session.result(400).json()["errors"][0]["detail"]["code"] == "EMPTY"


def test_of_several_images_one_can_be_chosen(client):
    two = dict((name, data) for name, data, _ in crafted.cases())["two-images"]
    session = tus.Upload.begin(client, len(two), **WHERE, image="team/b:1")
    session.patch(0, two)
    assert [i["tags"] for i in session.result().json()["images"]] == [["v1"]]


# ---- rights


PEOPLE = {"alice": "secret-a", "bob": "secret-b"}
POLICY = [
    {"subjects": ["user:alice"], "repositories": ["team/**"], "actions": ["pull", "push"]},
    {"subjects": ["user:bob"], "repositories": ["team/**"], "actions": ["pull", "push", "overwrite"]},
]


@pytest.fixture
def guarded(new_registry, work):
    path = htpasswd(work / "htpasswd", PEOPLE)
    return new_registry(config={"auth": {"htpasswd": {"file": path}}, "policy": POLICY}).start()


@pytest.fixture
def alice(guarded):
    with Client(guarded.url, auth=("alice", PEOPLE["alice"])) as client:
        yield client


@pytest.fixture
def bob(guarded):
    with Client(guarded.url, auth=("bob", PEOPLE["bob"])) as client:
        yield client


def test_the_right_to_push_is_asked_for_at_the_creation(guarded, alice):
    with Client(guarded.url) as nobody:
        tus.post(nobody, 401, {"Upload-Length": "5"}, **WHERE)
    tus.post(alice, 403, {"Upload-Length": "5"}, repository="other/app", tag="v1")


def test_an_upload_is_its_owners(guarded, alice, bob):
    session = tus.Upload.begin(alice, len(FINE), **WHERE)
    with Client(guarded.url) as nobody:
        session.at(nobody).head(401)
    session.at(bob).head(404)
    session.at(bob).patch(0, FINE, 404)
    session.at(bob).complete(404)
    session.at(bob).delete(404)
    session.patch(0, FINE)
    session.result()


def test_a_tag_is_moved_by_who_may(alice, bob):
    upload(alice, FINE, **WHERE)
    other = large()
    for client, status in ((alice, 403), (bob, 201)):
        session = tus.Upload.begin(client, len(other), **WHERE)
        session.patch(0, other)
        session.result(status)


@pytest.mark.config({"quotas": [{"namespace": "team", "bytes": "4KiB"}]})
def test_what_a_quota_refuses_leaves_nothing(client):
    session = tus.Upload.begin(client, len(FINE), **WHERE)
    session.patch(0, FINE)
    session.result(403)
    digests = ["sha256:" + crafted.sha(x) for x in (crafted.ONE, crafted.TWO, crafted.BOTH)]
    assert not any(client.has_blob("team/app", d) for d in digests)


def test_a_direct_upload_needs_a_bucket(client):
    headers = {"Upload-Length": "1000"}
    answer = client.request("POST", "/api/v1/uploads", 400, headers=headers, params=WHERE | {"direct": "true"})
    assert "no server that clients can send to" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_the_digest_of_the_whole_is_checked_when_it_was_said(client, right):
    digest = "sha256:" + crafted.sha(FINE if right else b"other")
    session = tus.Upload.begin(client, len(FINE), **WHERE, digest=digest)
    session.patch(0, FINE)
    session.result(201 if right else 400)


# ---- interruptions


def test_what_came_before_a_connection_broke_stays(anywhere):
    data = large()
    with Client(anywhere.url) as client:
        session = tus.Upload.begin(client, len(data), **WHERE)
        session.patch(0, data[:100_000])
        with Wire(anywhere.url) as wire:
            headers = tus.VERSION | {"Content-Type": tus.TYPE, "Upload-Offset": 100_000, "Content-Length": 200_000}
            wire.send_request("PATCH", session.path, headers, data[100_000:250_000])
        offset = until(lambda: resumed(session, data))
        assert offset in (100_000, 250_000)
        session.result()


def resumed(session, data):
    """Goes on where the registry says; None while it is still busy with the request that broke."""
    offset = session.offset()
    answer = session.patch(offset, data[offset:], (204, 409, 423))
    return offset if answer.status_code == 204 else None


def test_nothing_that_was_acknowledged_is_lost_by_a_kill(anywhere):
    data = large()
    with Client(anywhere.url) as client:
        session = tus.Upload.begin(client, len(data), **WHERE)
        session.patch(0, data[:150_000])
    anywhere.kill()
    anywhere.start()
    with Client(anywhere.url) as client:
        session = session.at(client)
        assert session.offset() == 150_000
        session.patch(150_000, data[150_000:])
        session.result()


def test_an_archive_that_had_come_is_taken_after_a_kill(anywhere):
    data = large(8_000_000)
    with Client(anywhere.url) as client:
        session = tus.Upload.begin(client, len(data), **WHERE)
        session.patch(0, data)
    anywhere.kill()
    anywhere.start()
    with Client(anywhere.url) as client:
        session.at(client).result()
        assert client.tags("team/app") == ["v1"]
