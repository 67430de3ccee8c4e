"""/api/v1/uploads/{id}/events: an upload of an archive is followed while it comes."""

import json
import signal

import pytest
import requests
from archives import crafted, upload
from helpers import Client, Wire
from postgres_databases import Database
from test_uploads import begin, by, guarded, large_archive, uploads  # noqa: F401
from waiting import until

FINE = crafted.GOOD
two = pytest.mark.parametrize("bucket", ["minio"], indirect=True)


def follow(registry, id, **more):
    return requests.get(f"{registry.url}/api/v1/uploads/{id}/events", stream=True, timeout=60, **more)


def events(answer):
    """Each as its name and what it says."""
    name = None
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        if line.startswith("event: "):
            name = line[len("event: ") :]
        elif line.startswith("data: "):
            yield name, json.loads(line[len("data: ") :])


def running(client):
    return until(lambda: next(iter(uploads(client, result="running")), None), timeout=60)


def watch_to_the_end(registry, client, watched):
    """Of an upload to the one, followed at the other."""
    data = large_archive()
    with Wire(registry.url) as wire:
        n = begin(wire, data)
        with follow(watched, running(client)["id"]) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            said = events(answer)
            assert next(said)[0] == "progress"
            wire.send(data[n:-1])
            assert any(row["received"] == len(data) - 1 for _, row in said)
            wire.send(data[-1:])
            assert wire.read_response()[0] == 201
            rest = list(said)
    assert [name for name, _ in rest][-1:] == ["end"]
    assert rest[-1][1]["phase"] == "done" and rest[-1][1]["images"]


def test_an_upload_is_followed_to_its_end(registry, client):
    watch_to_the_end(registry, client, registry)


def test_one_that_has_ended_is_told_at_once(registry, client):
    id = upload(client, FINE, repository="team/app", tag="v1")["id"]
    with follow(registry, id) as answer:
        assert [(name, row["id"]) for name, row in events(answer)] == [("end", id)]


def test_a_client_of_http_1_0_gets_the_events_without_chunks(registry, client):
    id = upload(client, FINE, repository="team/app", tag="v1")["id"]
    with Wire(registry.url) as wire:
        wire.send(f"GET /api/v1/uploads/{id}/events HTTP/1.0\r\n\r\n")
        _, headers = wire.read_head()
        assert "transfer-encoding" not in headers and headers["connection"] == "close"
        while wire._fill():
            pass
        assert wire.buffer.startswith(b"event: end\ndata: {") and wire.buffer.endswith(b"}\n\n")


@pytest.mark.config({"http": {"workers": 4}})
def test_who_follows_holds_no_thread(registry, client):
    with Wire(registry.url) as wire:
        begin(wire, large_archive())
        id = running(client)["id"]
        streams = [follow(registry, id) for _ in range(20)]
        said = [events(s) for s in streams]
        assert all(next(x)[0] == "progress" for x in said)
        assert uploads(client)[0]["id"] == id
        wire.socket.close()
        assert all(list(x)[-1][0] == "end" for x in said)
        for s in streams:
            s.close()


def test_streams_do_not_hold_up_a_stop(registry, client):
    with Wire(registry.url) as wire:
        begin(wire, large_archive())
        with follow(registry, running(client)["id"]) as answer:
            said = events(answer)
            assert next(said)[0] == "progress"
            registry.signal(signal.SIGTERM)
            list(said)  # its end comes before that of the upload
            wire.socket.close()
            assert registry.wait() == 0


@pytest.mark.config({"upload": {"watchers": 1}})
def test_streams_are_bounded(registry, client):
    with Wire(registry.url) as wire:
        begin(wire, large_archive())
        id = running(client)["id"]
        with follow(registry, id) as one:
            said = events(one)
            assert next(said)[0] == "progress"
            assert follow(registry, id).status_code == 429
        until(lambda: follow(registry, id).status_code == 200, timeout=60)


def test_nobody_follows_what_is_not_theirs(guarded):  # noqa: F811
    with by(guarded, "alice") as alice:
        id = upload(alice, FINE, repository="dev/app", tag="v1")["id"]
        with follow(guarded, id, auth=alice.session.auth) as answer:
            assert [name for name, _ in events(answer)] == ["end"]
    with by(guarded, "bob") as bob:
        assert follow(guarded, id, auth=bob.session.auth).status_code == 404
    assert follow(guarded, id).status_code == 401


@pytest.fixture
def pair(new_registry, s3_servers, bucket):
    """Each of which the other takes for there however slow the machine is, and for gone in the time of a test."""
    made = Database(s3_servers("postgresql"))
    config = {"metadata": made.section(), "storage": bucket.section(), "replicas": {"lease": "5s"}}
    both = [new_registry(config=config).start() for _ in range(2)]
    yield both
    for registry in both:
        registry.kill()
    made.remove()


@two
def test_an_upload_is_followed_at_another_registry(pair):
    one, other = pair
    with Client(other.url) as client:
        watch_to_the_end(one, client, other)


@two
def test_one_whose_server_is_killed_ends_as_lost_elsewhere(pair):
    one, other = pair
    with Client(other.url) as client, Wire(one.url) as wire:
        begin(wire, large_archive())
        with follow(other, running(client)["id"]) as answer:
            said = events(answer)
            assert next(said)[0] == "progress"
            one.kill()
            name, row = list(said)[-1]
    assert name == "end" and row["phase"] == "lost" and row["failed_in"] == "receiving"
