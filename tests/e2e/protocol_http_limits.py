"""Time and number: slow clients, idle ones, too many of them (RFC 9110, 15.5.9; RFC 6585)."""

import contextlib
import json
import resource
import signal

import pytest

from helpers import MIB, Client, Wire, image, random_bytes
from waiting import until

pytestmark = [pytest.mark.sanitize, pytest.mark.concurrent]

DATA = random_bytes(50_000, "limits")


# Time


@pytest.mark.config({"http": {"head_timeout": "200ms"}})
@pytest.mark.parametrize("sent", [b"G", b"GET /v2/ HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_end_is_408(registry, sent):
    with Wire(registry.url) as wire:
        wire.send(sent)
        status, headers, _ = wire.read_response()
        assert (status, headers["connection"].lower()) == (408, "close")
        assert wire.closed()


@pytest.mark.config({"http": {"head_timeout": "300ms"}})
def test_a_head_that_drips_is_408(registry):
    """The time runs from the first byte, not from the last one."""
    with Wire(registry.url) as wire:
        wire.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: ")
        wire.socket.settimeout(0.02)

        def answered():
            try:
                wire.send(b"b")
                return wire._fill()
            except TimeoutError:
                return False

        until(answered, timeout=10)
        wire.socket.settimeout(10)
        assert wire.read_response()[0] == 408


@pytest.mark.config({"http": {"idle_timeout": "1s"}})  # longer than a busy machine keeps a client from its turn
def test_an_idle_connection_is_closed_without_a_word(registry):
    with Wire(registry.url) as wire:
        assert wire.closed()
    with Wire(registry.url) as wire:
        wire.send_request("GET", "/v2/")
        assert wire.read_response()[0] == 200
        assert wire.closed()


def check_cut_off(registry, client, send):
    """A body that stalls is answered 408 or cut off, and the session is free again."""
    location = client.start_upload("app")
    with Wire(registry.url) as wire:
        path = location.removeprefix(registry.url)
        wire.send_request("PATCH", path, {"Content-Length": 1000}, b"x" * 10)
        send(wire)
        answer = wire.read_response()
        assert answer is None or answer[0] == 408
        assert wire.closed()
    offset = client.upload_offset(location)
    client.patch(location, b"y" * 10, start=offset)


@pytest.mark.config({"http": {"io_timeout": "1s"}})
def test_a_body_that_stalls_is_cut_off(registry, client):
    check_cut_off(registry, client, lambda wire: None)


@pytest.mark.config({"http": {"request_timeout": "1s"}})
def test_a_request_that_takes_too_long_is_cut_off(registry, client):
    check_cut_off(registry, client, lambda wire: None)


def pushed_at_leisure(registry, client, data, http):
    """Its digest, when the server has become one of less patience."""
    digest = client.push_blob("app", data)
    registry.config["http"].update(http)
    registry.restart()
    return digest


def test_a_client_that_does_not_read_is_cut_off(registry, client):
    size = 32 * MIB
    digest = pushed_at_leisure(registry, client, random_bytes(size, "unread"), {"io_timeout": "1s"})
    with Wire(registry.url) as wire:
        wire.send_request("GET", f"/v2/app/blobs/{digest}", {"X-Request-Id": "unread"})
        # Nothing is read; the registry gives up, and says so in its log.
        record = until(lambda: record_of(registry, "unread"))
        assert record["sent_bytes"] < size
        assert record["note"]
    assert client.has_blob("app", digest)


# The drips come at any rate within http.io_timeout.
SLOW = {"min_rate": "1MiB", "io_timeout": "2s"}


@pytest.mark.config({"http": SLOW})
def test_a_body_that_drips_is_cut_off(registry, client):
    """There is progress all the time, but a worker is not to be had for so little of it."""
    location = client.start_upload("app").removeprefix(registry.url)
    with Wire(registry.url) as wire:
        wire.send_request("PATCH", location, {"Content-Length": MIB, "X-Request-Id": "drips"})
        record = until(lambda: drip(wire) or record_of(registry, "drips"))
        assert record["status"] == 408
        assert "http.min_rate" in record["note"]


def drip(wire):
    try:
        wire.send(b"x")
    except OSError:
        pass  # cut off


def test_an_answer_that_is_read_in_drips_is_cut_off(registry, client):
    digest = pushed_at_leisure(registry, client, random_bytes(32 * MIB, "drips"), SLOW)
    with Wire(registry.url) as wire:
        wire.send_request("GET", f"/v2/app/blobs/{digest}", {"X-Request-Id": "drips"})

        def sip():
            wire.socket.recv(1000)
            return record_of(registry, "drips")

        assert "http.min_rate" in until(sip)["note"]


def record_of(registry, request_id):
    """The access record of that request, once it is written."""
    for line in registry.log.splitlines():
        if f'"request_id":"{request_id}"' in line and line.endswith("}"):
            return json.loads(line)
    return None


# Caps


@pytest.mark.config({"http": {"max_connections": 5}})
def test_one_connection_more_than_allowed_is_503(registry):
    check_cap(registry, 5, 503)


@pytest.mark.config({"http": {"max_connections_per_address": 5}})
def test_one_connection_more_of_an_address_is_429(registry):
    check_cap(registry, 5, 429)


def check_cap(registry, cap, status):
    held = []

    # The connections that asked whether the registry is ready may not all be gone yet.
    def take():
        wire = Wire(registry.url)
        wire.send_request("GET", "/v2/")
        if wire.read_response()[0] == 200:
            held.append(wire)
        return len(held) == cap

    until(take)
    for _ in range(3):
        with Wire(registry.url) as wire:
            wire.send_request("GET", "/v2/")
            answer = wire.read_response()
            assert answer[0] == status
            assert answer[1]["connection"].lower() == "close"
            assert answer[1]["x-content-type-options"] == "nosniff"
            assert int(answer[1]["retry-after"]) > 0
            assert json.loads(answer[2])["errors"]
            assert wire.closed()
    # Those that are there go on, and one that leaves makes room.
    held[0].send_request("GET", "/v2/")
    assert held[0].read_response()[0] == 200
    held.pop().socket.close()

    def let_in():
        with Wire(registry.url) as wire:
            wire.send_request("GET", "/v2/")
            return wire.read_response()[0] == 200

    until(let_in)
    for wire in held:
        wire.socket.close()


def test_connections_leave_descriptors_for_work(registry, client):
    """However many come: who is in gets what is there, and the others are told to come again."""
    blob = client.push_blob("app", DATA)
    soft, hard = resource.prlimit(registry.pid, resource.RLIMIT_NOFILE)
    until(lambda: '"message":"file descriptors","limit":' in registry.log)
    resource.prlimit(registry.pid, resource.RLIMIT_NOFILE, (128, hard))
    with contextlib.ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(Wire(registry.url)).send(b"GET /v2/ HT")
        last = stack.enter_context(Wire(registry.url))
        status, headers, body = last.read_response()
        assert (status, headers["retry-after"]) == (503, "1")
        for _ in range(10):
            assert client.get_blob("app", blob).content == DATA
        client.push_image("other", image(seed="meanwhile"), "v1")
    resource.prlimit(registry.pid, resource.RLIMIT_NOFILE, (soft, hard))


def test_a_registry_without_file_descriptors_survives(registry, client):
    """EMFILE at accept: it waits for better times, burns nothing, and serves again."""
    blob = client.push_blob("app", DATA)
    soft, hard = resource.prlimit(registry.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(registry.pid, resource.RLIMIT_NOFILE, (64, hard))
    held = [Wire(registry.url, timeout=30) for _ in range(100)]
    for wire in held:
        wire.send(b"GET /v2/ HT")
    assert registry.running()
    for wire in held:
        wire.socket.close()
    def let_in():
        with Client(registry.url) as fresh:
            answer = fresh.get_blob("app", blob, expect=(200, 503))
            return answer.status_code == 200 and answer.content == DATA

    until(let_in)  # as soon as it knows that the others have gone
    resource.prlimit(registry.pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert client.get_blob("app", blob).content == DATA


# Workers


@pytest.mark.config({"http": {"workers": 1, "queue": 1}})
def test_more_requests_than_can_wait_are_503(registry, client):
    """They all come at once: the one worker takes one, one waits for it, the others can't."""
    blob = client.push_blob("app", DATA)
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(registry.url)) for _ in range(60)]
        for wire in wires:
            wire.send_request("GET", "/v2/")
            assert wire.read_response()[0] == 200
        registry.freeze()
        for wire in wires:
            wire.send_request("GET", f"/v2/app/blobs/{blob}")
        registry.signal(signal.SIGCONT)
        answers = [wire.read_response() for wire in wires]
    assert {status for status, _, _ in answers} == {200, 503}
    assert all(h["retry-after"] for status, h, _ in answers if status == 503)
    assert all(body == DATA for status, _, body in answers if status == 200)
    assert client.get_blob("app", blob).content == DATA


# The end


def test_a_request_that_runs_is_finished_when_the_registry_is_told_to_stop(registry, client):
    location = client.start_upload("app").removeprefix(registry.url)
    client.close()
    with Wire(registry.url) as wire, Wire(registry.url) as idle:
        idle.send_request("GET", "/v2/")
        assert idle.read_response()[0] == 200
        wire.send_request("PATCH", location, {"Content-Length": 5, "Expect": "100-continue"})
        assert wire.read_head()[0] == 100
        registry.signal(signal.SIGTERM)
        assert idle.closed()
        wire.send(b"hello")
        status, headers, _ = wire.read_response()
        assert (status, headers["range"]) == (202, "0-4")
        assert wire.closed()
    assert registry.wait() == 0


@pytest.mark.config({"http": {"drain_timeout": "300ms"}})
def test_a_request_that_does_not_end_is_cut_off_after_the_drain_timeout(registry, client):
    location = client.start_upload("app").removeprefix(registry.url)
    client.close()
    with Wire(registry.url) as wire:
        wire.send_request("PATCH", location, {"Content-Length": 5, "Expect": "100-continue"})
        assert wire.read_head()[0] == 100
        registry.signal(signal.SIGTERM)
        assert registry.wait(timeout=20) == 0
