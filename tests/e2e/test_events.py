"""/api/v1/events: what happens is told in the order in which it became true."""

import json
import signal
from contextlib import contextmanager

import pytest
import requests
from accounts import OTHER, PASSWORD, alice_and_bob
from content import command
from documented import follow, page
from helpers import Client, artifact, image
from places import NAMES, place
from postgres_databases import Database
from waiting import until

ALICE, BOB = ("alice", PASSWORD), ("bob", OTHER)


def ask(registry, auth=None, headers=None, **query):
    return requests.get(f"{registry.url}/api/v1/events", params=query, stream=True, timeout=60, auth=auth, headers=headers)


def frames(answer):
    """Each as its id, its name and what it says."""
    frame = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        key, _, value = line.partition(": ")
        if line == "" and "data" in frame:
            yield int(frame["id"]), frame["event"], json.loads(frame["data"])
        frame = {} if line == "" else {**frame, key: value}


def told(registry, count, auth=None, **query):
    """All that is in the log, once there are so many."""

    def look():
        with ask(registry, auth, after=0, follow="false", **query) as answer:
            assert answer.status_code == 200, answer.text
            found = list(frames(answer))
        return len(found) >= count and found

    return until(look, timeout=60)


@contextmanager
def following(registry, auth=None, headers=None, **query):
    """Its frames; from when the stream is open."""
    with ask(registry, auth, headers, **query) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "text/event-stream"
        yield frames(answer)


def names(events):
    return [name for _, name, _ in events]


def test_a_push_is_told_with_who_and_what(registry, client):
    made = image("events", layers=1)
    client.push_image("team/app", made, "v1")
    ((seq, name, event),) = told(registry, 1)
    assert (seq, name) == (1, "manifest.pushed")
    assert {k: event[k] for k in ("event", "repository", "digest", "size", "media_type", "tags")} == {
        "event": "manifest.pushed",
        "repository": "team/app",
        "digest": made.digest,
        "size": len(made.manifest),
        "media_type": made.media_type,
        "tags": ["v1"],
    }
    assert (event["actor"], event["address"], event["method"]) == ("anonymous", "127.0.0.1", "PUT")
    assert event["host"] in registry.url and event["request_id"] and "python-requests" in event["user_agent"]
    assert len(event["id"]) == 36 and event["time"].endswith("Z")


@pytest.mark.parametrize("where", NAMES)
def test_each_database_tells_of_pushes_moves_and_deletions_in_their_order(where, s3_servers, new_registry):
    with place(where, s3_servers) as config:
        registry = new_registry(config=config).start()
        one, two = image("one", layers=1), image("two", layers=1)
        with Client(registry.url) as c:
            c.push_image("team/app", one, "v1")
            c.push_image("team/app", two, "v1")
            c.request("DELETE", "/v2/team/app/manifests/v1", expect=202)
            c.request("DELETE", f"/v2/team/app/manifests/{two.digest}", expect=202)
        events = told(registry, 5)
        registry.stop()
    assert names(events) == ["manifest.pushed", "manifest.pushed", "tag.moved", "tag.deleted", "manifest.deleted"]
    assert [seq for seq, _, _ in events] == [1, 2, 3, 4, 5]
    moved, untagged, gone = (event for _, _, event in events[2:])
    assert (moved["tag"], moved["previous"], moved["digest"]) == ("v1", one.digest, two.digest)
    assert (untagged["tag"], gone["digest"]) == ("v1", two.digest)


def test_what_an_artifact_is_about_is_told(registry, client):
    subject = image("subject", layers=1)
    client.push_image("team/app", subject, "v1")
    client.push_image("team/app", made := artifact("application/x-note", subject=subject.descriptor()))
    event = told(registry, 2)[1][2]
    assert (event["digest"], event["subject"], event["artifact_type"]) == (made.digest, subject.digest, "application/x-note")
    assert "tags" not in event


def test_a_repository_that_is_deleted_is_told_behind_its_manifests(registry, client):
    client.push_image("team/app", image("gone", layers=1), "v1")
    client.request("DELETE", "/api/v1/repositories/team/app", expect=200)
    assert names(told(registry, 3)) == ["manifest.pushed", "manifest.deleted", "repository.deleted"]


def test_a_rollback_is_a_move(registry, client):
    one, two = image("one", layers=1), image("two", layers=1)
    client.push_image("team/app", one, "v1")
    client.push_image("team/app", two, "v1")
    client.request("POST", "/api/v1/repositories/team/app/tags/v1/rollback", expect=200)
    event = told(registry, 4)[3][2]
    assert (event["event"], event["digest"], event["previous"]) == ("tag.moved", one.digest, two.digest)


def test_who_follows_hears_at_once_and_comes_back_where_it_was(registry, client):
    with following(registry) as stream:
        client.push_image("team/app", image("a", layers=1), "a")
        seq, name, event = next(stream)
        assert (name, event["tags"]) == ("manifest.pushed", ["a"])
    client.push_image("team/app", image("b", layers=1), "b")
    with following(registry, headers={"Last-Event-ID": str(seq)}) as stream:
        assert next(stream)[2]["tags"] == ["b"]
        client.push_image("team/app", image("c", layers=1), "c")
        assert next(stream)[2]["tags"] == ["c"]


def test_repositories_and_names_are_asked_for_by_pattern(registry, client):
    for repository in ("prod/app", "dev/app"):
        client.push_image(repository, image(repository, layers=1), "v1")
        client.request("DELETE", f"/v2/{repository}/manifests/v1", expect=202)
    told(registry, 4)
    assert {e["repository"] for _, _, e in told(registry, 2, repository="prod/**")} == {"prod/app"}
    assert names(told(registry, 2, event="tag.*")) == ["tag.deleted", "tag.deleted"]
    assert names(told(registry, 1, event="scan.*,tag.deleted", repository="dev/*")) == ["tag.deleted"]
    assert ask(registry, event="tag deleted").status_code == 400
    assert ask(registry, repository="UPPER CASE").status_code == 400
    assert ask(registry, after="soon").status_code == 400
    assert ask(registry, headers={"Last-Event-ID": "-1"}).status_code == 400
    assert ask(registry, follow="maybe").status_code == 400


def test_one_hears_of_repositories_that_one_may_pull(new_registry):
    rules = [{"subjects": ["user:bob"], "repositories": ["team/**"], "actions": ["pull", "push"]}]
    registry = alice_and_bob(new_registry, policy=rules).registry
    with Client(registry.url, auth=ALICE) as c:
        c.push_image("team/app", image("t", layers=1), "v1")
        c.push_image("secret/app", image("s", layers=1), "v1")
    assert [e["repository"] for _, _, e in told(registry, 2, auth=ALICE)] == ["team/app", "secret/app"]
    assert [e["repository"] for _, _, e in told(registry, 1, auth=BOB)] == ["team/app"]
    assert ask(registry).status_code == 401


def test_who_did_it_and_from_where_is_told_to_admins_and_themselves(new_registry):
    rules = [{"subjects": ["user:bob"], "actions": ["pull", "push"]}]
    registry = alice_and_bob(new_registry, policy=rules).registry
    for auth, tag in ((ALICE, "a"), (BOB, "b")):
        with Client(registry.url, auth=auth) as c:
            c.push_image("team/app", image(tag, layers=1), tag)
    known = {"actor", "address", "request_id", "host", "user_agent"}
    for auth, knows in ((ALICE, [True, True]), (BOB, [False, True])):
        events = [event for _, _, event in told(registry, 2, auth=auth)]
        assert [event["tags"] for event in events] == [["a"], ["b"]]
        assert [event.keys() & known for event in events] == [known if knows_it else set() for knows_it in knows]


@pytest.mark.config({"events": {"pulls": True}})
def test_pulls_are_told_where_somebody_asks(registry, client):
    made = image("pulled", layers=1)
    client.push_image("team/app", made, "v1")
    assert ask(registry, after=0, follow="false", event="manifest.pulled").status_code == 200
    client.get_manifest("team/app", "v1")
    client.get_manifest("team/app", made.digest)
    by_tag, by_digest = (e for _, _, e in told(registry, 2, event="manifest.pulled"))
    assert (by_tag["tag"], by_tag["digest"], by_tag["size"]) == ("v1", made.digest, len(made.manifest))
    assert "tag" not in by_digest and by_digest["method"] == "GET"


@pytest.mark.config({"quotas": [{"namespace": "team", "tags": 1}]})
def test_a_quota_that_refuses_is_told_once(registry, client):
    made = image("quota", layers=1)
    client.push_image("team/app", made, "v1")
    for tag in ("v2", "v3"):
        client.push_manifest("team/app", tag, made, expect=None)
    client.push_image("other/app", made, "v1")
    events = told(registry, 3)
    assert sorted(names(events)) == ["manifest.pushed", "manifest.pushed", "quota.refused"]
    (refused,) = (e for _, name, e in events if name == "quota.refused")
    assert refused["repository"] == "team/app" and "1 tags" in refused["reason"]


def test_a_collection_is_told_when_it_has_ended(registry, client):
    client.push_image("team/app", image("gc", layers=1), "v1")
    command(registry, "gc", "--dry-run")
    command(registry, "gc", "--delete")
    ((_, _, event),) = told(registry, 1, event="gc.ended")
    assert event["run"]["state"] == "done" and event["run"]["deleted"]["blobs"] == 0


def test_the_command_prints_them(registry, client):
    client.push_image("team/app", image("one", layers=1), "v1")
    client.push_image("team/app", image("two", layers=1), "v1")
    told(registry, 3)
    lines = command(registry, "events", "--event", "tag.*").splitlines()
    assert lines[0].split() == ["NUMBER", "TIME", "EVENT", "ACTOR", "TARGET"]
    assert [lines[1].split()[n] for n in (0, 2, 3, 4)] == ["3", "tag.moved", "anonymous", "team/app:v1"]
    rows = [json.loads(line) for line in command(registry, "events", "--json", "--after", "1").splitlines()]
    assert [(row["seq"], row["event"]) for row in rows] == [(2, "manifest.pushed"), (3, "tag.moved")]


def test_the_page_prints_what_it_says(registry, client, tmp_path):
    client.push_image("team/app", image("one", layers=1), "v1")
    client.push_image("team/app", image("two", layers=1), "v1")
    told(registry, 3)
    follow(page("events.md"), registry, tmp_path)


@pytest.mark.config({"events": {"pushes": False}})
def test_nothing_is_told_where_nobody_wants_it(registry, client):
    client.push_image("team/app", image("quiet", layers=1), "v1")
    client.request("DELETE", "/v2/team/app/manifests/v1", expect=202)
    with ask(registry, after=0, follow="false") as answer:
        assert list(frames(answer)) == []


def test_streams_do_not_hold_up_a_stop(registry, client):
    with following(registry, after=0) as stream:
        client.push_image("team/app", image("stop", layers=1), "v1")
        next(stream)
        registry.signal(signal.SIGTERM)
        assert list(stream) == []
        assert registry.wait() == 0


@pytest.mark.config({"events": {"streams": 1}})
def test_streams_are_bounded(registry):
    with following(registry):
        assert ask(registry).status_code == 429


def test_an_event_survives_a_kill_and_keeps_its_id(registry, client):
    for n in range(8):
        client.push_image("team/app", image(f"kill {n}", layers=1), f"v{n}")
    registry.kill()
    registry.start()
    events = told(registry, 8)
    assert [e["tags"] for _, _, e in events] == [[f"v{n}"] for n in range(8)]
    assert len({e["id"] for _, _, e in events}) == 8
    assert told(registry, 8) == events


@pytest.fixture
def pair(new_registry, s3_servers, bucket):
    made = Database(s3_servers("postgresql"))
    config = {"metadata": made.section(), "storage": bucket.section()}
    both = [new_registry(config=config).start() for _ in range(2)]
    yield both
    for registry in both:
        registry.kill()
    made.remove()


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
def test_two_registries_tell_all_that_happens_at_either_in_one_order(pair):
    images = [image(f"pair {n}", layers=1) for n in range(2)]
    with following(pair[1], event="tag.moved") as stream, Client(pair[0].url) as one, Client(pair[1].url) as other:
        for made in images:
            one.push_image("team/app", made)
        put = {"headers": {"Content-Type": images[0].media_type}, "expect": 201}
        for n in range(20):
            (one, other)[n // 2 % 2].request("PUT", "/v2/team/app/manifests/v1", data=images[n % 2].manifest, **put)
        moves = [next(stream) for _ in range(19)]
    assert [(e["previous"], e["digest"]) for _, _, e in moves] == [
        (images[n % 2].digest, images[(n + 1) % 2].digest) for n in range(19)
    ]
    assert told(pair[0], 41) == told(pair[1], 41)
