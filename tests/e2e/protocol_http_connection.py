"""Connections: kept alive, pipelined, told to go on, cut off (RFC 9112, 9; RFC 9110, 10.1.1)."""

import socket

import pytest

from checks import ABSENT, field, request_bytes
from helpers import MIB, OCI_MANIFEST, Wire, digest_of, random_bytes

pytestmark = [pytest.mark.sanitize, pytest.mark.concurrent]

DATA = random_bytes(50_000, "connection")


def session_path(registry, client, repo):
    return client.start_upload(repo).removeprefix(registry.url)


# Keep-alive and pipelining


def test_a_connection_is_kept_for_many_requests(shared):
    with Wire(shared.url) as wire:
        for path, status in [("/v2/", 200), ("/none", 404), ("/v2/A/tags/list", 400)] * 20:
            wire.send_request("GET", path)
            assert wire.read_response()[0] == status


@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close", "x , CLOSE"])
def test_close_is_done_and_said(shared, value):
    with Wire(shared.url) as wire:
        wire.send_request("GET", "/v2/", {"Connection": value})
        status, headers, _ = wire.read_response()
        assert (status, headers["connection"].lower()) == (200, "close")
        assert wire.closed()


def test_http_1_0_closes_unless_asked_to_keep(shared):
    """RFC 9112, 9.3: with keep-alive it MAY persist; the answer says so."""
    with Wire(shared.url) as wire:
        wire.send(b"GET /v2/ HTTP/1.0\r\n\r\n")
        assert wire.read_response()[0] == 200
        assert wire.closed()
    with Wire(shared.url) as wire:
        wire.send(b"GET /v2/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        status, headers, _ = wire.read_response()
        assert status == 200
        if headers.get("connection", "").lower() != "keep-alive":
            assert wire.closed()


def test_pipelined_requests_are_answered_in_order(shared, api, repo):
    """Quick answers and those that need a worker, mixed: the order is that of the requests."""
    blob = api.push_blob(repo, DATA)
    paths = [
        ("/v2/", 200),
        (f"/v2/{repo}/blobs/{blob}", 200),
        ("/none", 404),
        (f"/v2/{repo}/blobs/{ABSENT}", 404),
        ("/v2/_catalog?n=x", 400),
        (f"/v2/{repo}/manifests/none", 404),
        ("/healthz", 200),
    ] * 5
    with Wire(shared.url) as wire:
        wire.send(b"".join(request_bytes(wire, "GET", path) for path, _ in paths))
        for path, status in paths:
            got, _, body = wire.read_response()
            assert got == status, path
            if path.endswith(blob):
                assert body == DATA


def test_requests_with_bodies_are_pipelined_too(shared, repo):
    blobs = [random_bytes(n * 1000, f"pipelined {n}") for n in range(1, 6)]
    with Wire(shared.url) as wire:
        for data in blobs:
            path = f"/v2/{repo}/blobs/uploads/?digest={digest_of(data)}"
            wire.send_request("POST", path, {"Content-Length": len(data)}, data)
        for data in blobs:
            status, headers, _ = wire.read_response()
            assert (status, headers["docker-content-digest"]) == (201, digest_of(data))


def test_close_in_a_pipeline_ends_it(shared):
    with Wire(shared.url) as wire:
        wire.send(
            request_bytes(wire, "GET", "/v2/")
            + request_bytes(wire, "GET", "/v2/", "Connection: close")
            + request_bytes(wire, "GET", "/v2/")
        )
        assert wire.read_response()[0] == 200
        assert wire.read_response()[0] == 200
        assert wire.closed()


def test_a_request_that_comes_byte_by_byte(shared):
    with Wire(shared.url) as wire:
        for byte in request_bytes(wire, "GET", "/v2/", "User-Agent: slow"):
            wire.send(bytes([byte]))
        assert wire.read_response()[0] == 200


@pytest.mark.parametrize("path", ["/v2/", "/none", "/v2/_catalog", "/v2/A/tags/list", "/healthz"])
def test_head_never_has_a_body(shared, path):
    with Wire(shared.url) as wire:
        wire.send(request_bytes(wire, "HEAD", path) + request_bytes(wire, "GET", path))
        head = wire.read_response("HEAD")
        get = wire.read_response()
        assert head[0] == get[0]
        assert head[1]["content-length"] == str(len(get[2]))


def test_half_closed_clients_get_their_answer(shared):
    """The client says that it sends no more; that is not the end of the exchange."""
    with Wire(shared.url) as wire:
        wire.send(request_bytes(wire, "GET", "/v2/"))
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.read_response()[0] == 200
        assert wire.closed()


# Expect: 100-continue


def test_100_comes_when_the_body_is_wanted(shared, api, repo):
    path = session_path(shared, api, repo)
    with Wire(shared.url) as wire:
        wire.send_request("PATCH", path, {"Content-Length": 5, "Expect": "100-continue"})
        assert wire.read_head() == (100, {})
        wire.send(b"hello")
        status, headers, _ = wire.read_response()
        assert (status, headers["range"]) == (202, "0-4")
        wire.send_request("GET", "/v2/")
        assert wire.read_response()[0] == 200


@pytest.mark.parametrize("spelled", ["100-Continue", "100-CONTINUE"])
def test_the_expectation_has_no_case(shared, api, repo, spelled):
    path = session_path(shared, api, repo)
    with Wire(shared.url) as wire:
        wire.send_request("PATCH", path, {"Content-Length": 5, "Expect": spelled})
        assert wire.read_head()[0] == 100


def test_100_comes_for_a_chunked_body_too(shared, api, repo):
    path = session_path(shared, api, repo)
    with Wire(shared.url) as wire:
        wire.send_request("PATCH", path, {"Transfer-Encoding": "chunked", "Expect": "100-continue"})
        assert wire.read_head()[0] == 100
        wire.send(b"5\r\nhello\r\n0\r\n\r\n")
        assert wire.read_response()[0] == 202


def test_100_comes_for_a_manifest(shared, api, repo):
    headers = {"Content-Length": 2, "Expect": "100-continue", "Content-Type": OCI_MANIFEST}
    with Wire(shared.url) as wire:
        wire.send_request("PUT", f"/v2/{repo}/manifests/v1", headers)
        assert wire.read_head()[0] == 100
        wire.send(b"{}")
        assert wire.read_response()[0] == 400


UNWANTED = {
    "unknown session": ("PATCH", "blobs/uploads/00000000-0000-4000-8000-000000000000", 10, 404),
    "manifest too large": ("PUT", "manifests/v1", 5 * MIB, 413),
    "blob too large": ("POST", f"blobs/uploads/?digest={ABSENT}", 1 << 40, 413),
    "bad digest": ("POST", "blobs/uploads/?digest=nonsense", 10, 400),
    "no such resource": ("PUT", "nothing", 10, 404),
    "method not allowed": ("PUT", "tags/list", 10, 405),
}


@pytest.mark.parametrize("method, path, length, status", UNWANTED.values(), ids=UNWANTED)
def test_a_body_that_is_not_wanted_gets_the_answer_at_once(
    shared, repo, method, path, length, status
):
    """RFC 9110, 10.1.1: a final status instead of 100, and the client need not send."""
    headers = {"Content-Length": length, "Expect": "100-continue", "Content-Type": OCI_MANIFEST}
    with Wire(shared.url) as wire:
        wire.send_request(method, f"/v2/{repo}/{path}", headers)
        assert wire.read_response()[0] == status


def test_no_100_for_a_request_without_a_body(shared):
    with Wire(shared.url) as wire:
        wire.send_request("GET", "/v2/", {"Expect": "100-continue"})
        assert wire.read_response()[0] == 200


def test_no_100_to_http_1_0(shared, api, repo):
    """RFC 9110, 10.1.1: MUST ignore the expectation of an HTTP/1.0 client."""
    path = session_path(shared, api, repo)
    head = f"PATCH {path} HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with Wire(shared.url) as wire:
        wire.send(head.encode() + b"hello")
        assert wire.read_response()[0] == 202


@pytest.mark.parametrize("value", ["200-ok", "100-continue, x", "nonsense"])
def test_an_unknown_expectation_is_417(shared, api, repo, value):
    path = session_path(shared, api, repo)
    with Wire(shared.url) as wire:
        wire.send_request("PATCH", path, {"Content-Length": 5, "Expect": value})
        assert wire.read_response()[0] == 417


# Answers before the body ends


def test_an_early_413_can_be_read_while_the_client_still_sends(shared, repo):
    """The registry goes on taking bytes for a while, or the reset would eat its answer."""
    with Wire(shared.url) as wire:
        headers = {"Content-Length": 64 * MIB, "Content-Type": OCI_MANIFEST}
        wire.send_request("PUT", f"/v2/{repo}/manifests/v1", headers)
        wire.socket.setblocking(False)
        sent = 0
        try:
            while sent < 2 * MIB:
                sent += wire.socket.send(b"x" * 65_536)
        except (BlockingIOError, ConnectionError):
            pass
        wire.socket.settimeout(30)
        status, answer, _ = wire.read_response()
        assert (status, answer["connection"].lower()) == (413, "close")
        assert wire.closed()


def test_a_well_behaved_client_reads_the_early_answer(api, repo):
    big = b"x" * (5 * MIB)
    headers = {"Content-Type": OCI_MANIFEST}
    r = api.request("PUT", f"/v2/{repo}/manifests/v1", 413, data=big, headers=headers)
    assert r.json()["errors"]


# Request ids, and nothing a client sends becomes a header


@pytest.mark.parametrize("given", ["a", "abc-123_X.y", "0" * 64])
def test_a_valid_request_id_is_echoed(api, given):
    r = api.request("GET", "/v2/", headers={"X-Request-Id": given})
    assert r.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\tb", 'a"b', "<a>", "a,b", "é".encode()])
def test_an_invalid_request_id_is_replaced(api, given):
    r = api.request("GET", "/v2/", headers={"X-Request-Id": given})
    assert r.headers["X-Request-Id"] not in (given, "")
    assert len(r.headers["X-Request-Id"]) <= 64


def test_request_ids_that_are_made_differ(api):
    assert len({api.request("GET", "/v2/").headers["X-Request-Id"] for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/v2/_catalog?n=1&last=a%0d%0aInjected:%20yes"),
        ("GET", "/v2/{repo}/tags/list?n=1&last=%0d%0aInjected:%20yes"),
        ("GET", "/v2/x%0d%0aInjected:%20yes/tags/list"),
        ("GET", "/v2/{repo}/manifests/x%0d%0aInjected:%20yes"),
        ("GET", f"/v2/{{repo}}/referrers/{ABSENT}?artifactType=a%0d%0aInjected:%20yes"),
        ("POST", "/v2/{repo}/blobs/uploads/?digest=%0d%0aInjected:%20yes"),
        ("POST", "/v2/{repo}/blobs/uploads/?mount=x&from=%0d%0aInjected:%20yes"),
        ("PUT", f"/v2/{{repo}}/manifests/{ABSENT}?tag=a%0d%0aInjected:%20yes"),
    ],
)
def test_no_parameter_becomes_a_header(shared, api, repo, method, path):
    for n in range(3):
        api.push_blob(f"{repo}/{n}", b"x")
    with Wire(shared.url) as wire:
        wire.send(
            field([f"{method} {path.format(repo=repo)} HTTP/1.1", "Host: x", "Content-Length: 0"])
            + b"\r\n"
        )
        _, headers, _ = wire.read_response()
        assert "injected" not in headers
        assert not any("\r" in v or "\n" in v for v in headers.values())


def test_the_host_header_does_not_decide_where_clients_are_sent(shared, api, repo):
    """A Location made of what the client said would be its own mistake, but must stay a URL."""
    with Wire(shared.url) as wire:
        wire.send(
            field(
                [
                    f"POST /v2/{repo}/blobs/uploads/ HTTP/1.1",
                    "Host: elsewhere.example",
                    "X-Forwarded-Host: evil.example",
                    "Content-Length: 0",
                ]
            )
            + b"\r\n"
        )
        status, headers, _ = wire.read_response()
        assert status == 202
        assert "evil.example" not in headers["location"]
