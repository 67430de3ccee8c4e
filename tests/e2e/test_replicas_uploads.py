"""Upload sessions that go from one registry to another and back: two over one PostgreSQL and one MinIO."""

import itertools
import signal
import time

import pytest

from helpers import MIB, Client, Wire, digest_of, random_bytes
from waiting import until

DATA = random_bytes(300_000, "turns")
PART = 5 * MIB
LARGE = random_bytes(3 * PART + 100_000, "turns")


@pytest.fixture
def registries(new_registry, postgresql, bucket):
    config = {
        "metadata": postgresql.section(),
        "storage": bucket.section(part_size=PART),
        "replicas": {"lease": "1s"},
    }
    made = [new_registry(config=config).start() for _ in range(2)]
    yield made
    for registry in made:
        registry.kill()


@pytest.fixture
def clients(registries):
    made = [Client(registry.url) for registry in registries]
    yield made
    for client in made:
        client.__exit__(None, None, None)


def at(client, location):
    """The session's URL, at that registry."""
    return client.url + location[location.index("/v2/") :]


def halves(data):
    return data[: len(data) // 2], data[len(data) // 2 :]


pytestmark = pytest.mark.parametrize("bucket", ["minio"], indirect=True)


def test_each_request_of_a_push_may_come_to_another_registry(clients):
    for n, order in enumerate(itertools.product((0, 1), repeat=4)):
        data = random_bytes(300_000, f"order {n}")
        post, first, second, put = (clients[i] for i in order)
        one, two = halves(data)
        location = post.start_upload("app")
        location = first.patch(at(first, location), one, start=0)
        assert put.upload_offset(at(put, location)) == len(one)
        location = second.patch(at(second, location), two, start=len(one))
        put.finish(at(put, location), digest_of(data))
        for client in clients:
            assert client.get_blob("app", digest_of(data)).content == data


def test_a_last_chunk_and_a_streamed_body_may_come_elsewhere(clients):
    a, b = clients
    one, two = halves(LARGE)
    location = a.patch(a.start_upload("app"), iter([one[:1000], one[1000:]]))
    b.finish(at(b, location), digest_of(LARGE), two)
    assert a.get_blob("app", digest_of(LARGE)).content == LARGE


def test_parts_of_both_become_one_blob(clients):
    a, b = clients
    one, two = halves(LARGE)
    location = a.patch(a.start_upload("app"), one, start=0)
    location = b.patch(at(b, location), two, start=len(one))
    a.finish(at(a, location), digest_of(LARGE))
    assert b.get_blob("app", digest_of(LARGE)).content == LARGE


def test_a_session_whose_registry_was_killed_goes_on_with_the_other(registries, clients):
    a, b = clients
    one, two = halves(LARGE)
    location = a.patch(a.start_upload("app"), one, start=0)
    registries[0].kill()
    offset = b.upload_offset(at(b, location))
    assert offset == len(one)
    location = b.patch(at(b, location), two, start=offset)
    b.finish(location, digest_of(LARGE))
    assert b.get_blob("app", digest_of(LARGE)).content == LARGE


def test_a_registry_that_was_stopped_spoils_nothing_when_it_goes_on(registries, clients, postgresql):
    a, b = clients
    location = a.patch(a.start_upload("app"), DATA[:100_000], start=0)
    path = location.removeprefix(a.url)
    with Wire(a.url) as wire:
        wire.send_request("PATCH", path, {"Content-Length": 200_000}, b"x" * 100_000)
        until(lambda: postgresql.sql("SELECT turn FROM uploads") == "2")
        registries[0].process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(1.5)  # longer than a look at its turn may be old
            location = b.patch(at(b, location), DATA[100_000:200_000], start=100_000)
        finally:
            registries[0].process.send_signal(signal.SIGCONT)
        wire.send(b"x" * 100_000)
        status, headers = wire.read_head()
        assert (status, headers["range"]) == (416, "0-199999")
    location = b.patch(location, DATA[200_000:], start=200_000)
    b.finish(location, digest_of(DATA))
    assert a.get_blob("app", digest_of(DATA)).content == DATA


def test_a_session_that_was_cancelled_is_gone_everywhere(clients):
    a, b = clients
    location = a.patch(a.start_upload("app"), DATA)
    b.request("DELETE", at(b, location), 204)
    for client in clients:
        client.request("GET", at(client, location), 404)
        client.finish(at(client, location), digest_of(DATA), expect=404)


def test_a_finish_is_answered_again_by_another_registry(clients):
    a, b = clients
    location = a.patch(a.start_upload("app"), DATA)
    a.finish(location, digest_of(DATA))
    b.finish(at(b, location), digest_of(DATA))


@pytest.mark.parametrize("change", ["repository", "digit"])
def test_a_url_that_was_not_given_is_no_session(clients, change):
    a, b = clients
    location = at(b, a.start_upload("app"))
    if change == "repository":
        location = location.replace("/app/", "/other/")
    else:
        location = location[:-1] + ("0" if location[-1] != "0" else "1")
    for answer in (b.request("GET", location, 404), b.request("PATCH", location, 404, data=DATA)):
        assert answer.json()["errors"][0]["code"] == "BLOB_UPLOAD_UNKNOWN"
