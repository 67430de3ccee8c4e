"""/api/v1/uploads: what is known of archives that come or came."""

import pytest
import requests
from accounts import htpasswd
from archives import crafted, docker_archive, upload
from helpers import Client, Wire, image_of_layers, random_bytes, tar_layer
from waiting import until

FINE = crafted.GOOD
PEOPLE = {"alice": "wonder-Land9", "bob": "build-It7", "root": "keeps-All3"}
POLICY = [
    {"subjects": ["user:alice", "user:bob"], "actions": ["pull", "push"], "repositories": ["dev/**"]},
]
LAYER = 300_000


@pytest.fixture
def guarded(new_registry, work):
    auth = {"htpasswd": {"file": htpasswd(work / "htpasswd", PEOPLE)}, "admins": ["user:root"]}
    return new_registry(config={"auth": auth, "policy": POLICY}).start()


def by(registry, name):
    return Client(registry.url, auth=(name, PEOPLE[name]))


def uploads(client, **params):
    return client.request("GET", "/api/v1/uploads", (200,), params=params).json()["uploads"]


def record(client, id, expect=200):
    return client.request("GET", f"/api/v1/uploads/{id}", (expect,)).json()


def large_archive():
    layer = tar_layer({"file": random_bytes(LAYER, "uploads")})
    return docker_archive(image_of_layers([layer]), ["app:v1"])


def begin(wire, data, query="repository=team/app&tag=v1", n=None):
    """Half of it, or n bytes."""
    n = n or len(data) // 2
    wire.send_request("PUT", f"/upload-image?{query}", {"Content-Length": len(data)}, data[:n])
    return n


def test_an_upload_is_named_in_its_answer_and_can_be_looked_up(client):
    answer = client.request("PUT", "/upload-image", (201,), params={"repository": "team/app", "tag": "v1"}, data=FINE)
    id = answer.headers["Upload-Id"]
    assert answer.json()["id"] == id
    found = record(client, id)
    assert found["phase"] == "done" and found["error"] is None and found["way"] == "body"
    assert found["received"] == found["expected"] == len(FINE)
    assert found["repository"] == "team/app" and found["tag"] == "v1" and found["format"] == answer.json()["format"]
    assert found["images"] == [
        {"repository": "team/app", "digest": answer.json()["images"][0]["digest"], "tags": ["v1"]}
    ]
    assert found["address"] == "127.0.0.1"
    assert found["request_id"] == answer.headers["X-Request-Id"]
    assert found["started"] <= found["ended"]


def test_a_refused_upload_says_why_for_good(client):
    answer = client.request("PUT", "/upload-image", (400,), params={"repository": "team/app", "tag": "v1"}, data=FINE[:3000])
    detail = answer.json()["errors"][0]["detail"]
    assert detail["upload"] == answer.headers["Upload-Id"]
    found = record(client, detail["upload"])
    assert found["phase"] == "failed" and found["failed_in"] == "verifying" and found["images"] is None
    error = found["error"]
    assert error["code"] == "IMAGE_INVALID" and error["reason"] == "CUT"
    assert error["expected"] == detail["expected"] and error["wrong"] == detail["wrong"]


def test_one_that_comes_says_how_far_it_is_and_of_which_layer(registry, client):
    data = large_archive()
    with Wire(registry.url) as wire:
        n = begin(wire, data)
        found = until(lambda: next((x for x in uploads(client, result="running") if x["received"] == n), None))
        assert found["phase"] == "receiving" and found["expected"] == len(data)
        layers = record(client, found["id"])["layers"]
        assert any(0 < x["received"] < x["size"] and x["size"] > LAYER for x in layers), layers
        rest = memoryview(data)[n:]

        def moving():
            """A rate is of some time, so it needs bytes that come meanwhile."""
            nonlocal rest
            wire.send(rest[:100])
            rest = rest[100:]
            return record(client, found["id"])["remaining"]

        assert until(moving) > 0
        wire.send(rest)
        assert wire.read_response()[0] == 201
    done = record(client, found["id"])
    assert done["phase"] == "done" and done["rate"] is None and done["remaining"] is None
    assert all(x["received"] == x["size"] and x["digest"] for x in done["layers"])


def test_one_that_its_client_breaks_off_is_cancelled(registry, client):
    with Wire(registry.url) as wire:
        begin(wire, large_archive())
        found = until(lambda: next(iter(uploads(client, result="running")), None))
    until(lambda: record(client, found["id"])["phase"] == "cancelled")


def test_one_that_a_killed_server_received_is_lost(registry, client):
    with Wire(registry.url) as wire:
        begin(wire, large_archive())
        found = until(lambda: next(iter(uploads(client, result="running")), None))
        registry.kill()
    registry.start()
    again = record(Client(registry.url), found["id"])
    assert again["phase"] == "lost" and again["failed_in"] == "receiving"
    assert [x["id"] for x in uploads(Client(registry.url), result="lost")] == [found["id"]]


def test_the_list_goes_from_the_newest_on_by_pages_and_filters(client):
    ids = [upload(client, FINE, repository=f"team/app{n}", tag="v1")["id"] for n in range(5)]
    upload(client, FINE[:3000], expect=400, repository="team/bad", tag="v1")
    assert [x["id"] for x in uploads(client, result="done")] == ids[::-1]
    assert [x["id"] for x in uploads(client, repository="team/app3")] == [ids[3]]
    assert [x["repository"] for x in uploads(client, result="failed")] == ["team/bad"]
    pages, path = [], "/api/v1/uploads?n=2&result=done"
    while path:
        answer = client.request("GET", path, (200,))
        pages.append([x["id"] for x in answer.json()["uploads"]])
        path = answer.links["next"]["url"] if "next" in answer.links else None
    assert [id for page in pages for id in page] == ids[::-1]
    assert max(len(page) for page in pages) == 2


def test_people_see_their_own_uploads_and_admins_all(guarded):
    with by(guarded, "alice") as alice, by(guarded, "bob") as bob, by(guarded, "root") as root:
        hers = upload(alice, FINE, repository="dev/app", tag="v1")["id"]
        his = upload(bob, FINE, repository="dev/app", tag="v2")["id"]
        assert [x["id"] for x in uploads(alice)] == [hers]
        assert [x["id"] for x in uploads(bob)] == [his]
        assert uploads(alice, user="user:bob") == []
        assert [x["id"] for x in uploads(root)] == [his, hers]
        assert [x["id"] for x in uploads(root, user="user:alice")] == [hers]
        assert record(alice, hers)["user"] == "user:alice"
        record(bob, hers, expect=404)
        record(root, hers)


def test_who_has_not_signed_in_is_asked_to_whatever_they_ask_for(guarded):
    for path in ("uploads", "uploads/none", "uploads?last=none", "uploads/01234567-89ab-7def-8123-456789abcdef"):
        assert requests.get(f"{guarded.url}/api/v1/{path}", timeout=60).status_code == 401


def test_what_may_not_be_pushed_to_is_not_recorded(guarded):
    with by(guarded, "alice") as alice, by(guarded, "root") as root:
        upload(alice, FINE, expect=403, repository="other/app", tag="v1")
        assert uploads(root) == []


@pytest.mark.config({"upload": {"history": "1ms"}})
def test_what_is_older_than_the_history_is_kept_is_forgotten(registry, client):
    id = upload(client, FINE, repository="team/app", tag="v1")["id"]
    registry.restart()
    with Client(registry.url) as again:
        until(lambda: again.request("GET", f"/api/v1/uploads/{id}", (200, 404)).status_code == 404)
