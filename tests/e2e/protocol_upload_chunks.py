"""Pushing a blob in chunks (dist-spec "Pushing a blob in chunks")."""

import threading

import pytest

from checks import check_errors
from helpers import Client, Wire, digest_of, random_bytes
from waiting import until

pytestmark = [pytest.mark.sanitize, pytest.mark.concurrent]

DATA = random_bytes(300_000, "chunks")
DIGEST = digest_of(DATA)
OCTETS = {"Content-Type": "application/octet-stream"}


def patch(client, location, data, content_range=None, expect=None):
    headers = dict(OCTETS)
    if content_range is not None:
        headers["Content-Range"] = content_range
    return client.request("PATCH", location, expect, data=data, headers=headers)


def check_holds(client, location, size):
    """The status of a session that holds size bytes."""
    r = client.request("GET", location, 204)
    assert r.headers["Range"] in ([f"0-{size - 1}"] if size else ["0-0", "0--1"])
    assert "Location" in r.headers
    assert r.content == b""


def check_finishes(client, repo, location):
    """The session holds all of DATA and becomes the blob."""
    client.finish(location, DIGEST)
    assert client.get_blob(repo, DIGEST).content == DATA


def test_chunks_in_order(api, repo):
    location = api.start_upload(repo)
    for start in range(0, len(DATA), 100_000):
        end = start + 99_999
        r = patch(api, location, DATA[start : end + 1], f"{start}-{end}", 202)
        assert r.headers["Range"] == f"0-{end}"
        location = r.headers["Location"]
    check_finishes(api, repo, location)


def test_chunks_without_content_range_are_appended(api, repo):
    """What docker does: one stream, or several, without saying where they begin."""
    location = api.start_upload(repo)
    for start in range(0, len(DATA), 70_000):
        location = api.patch(location, DATA[start : start + 70_000])
    check_finishes(api, repo, location)


def test_a_stream_in_chunked_encoding(api, repo):
    pieces = iter([DATA[:1], DATA[1:5000], DATA[5000:250_000], DATA[250_000:]])
    r = patch(api, api.start_upload(repo), pieces, None, 202)
    assert r.headers["Range"] == f"0-{len(DATA) - 1}"
    check_finishes(api, repo, r.headers["Location"])


def test_the_last_chunk_in_the_put(api, repo):
    location = api.patch(api.start_upload(repo), DATA[:200_000], start=0)
    r = api.finish(location, DIGEST, DATA[200_000:], **{"Content-Range": "200000-299999"})
    assert r.headers["Docker-Content-Digest"] == DIGEST
    assert api.get_blob(repo, DIGEST).content == DATA


def test_the_last_chunk_in_the_put_without_content_range(api, repo):
    location = api.patch(api.start_upload(repo), DATA[:200_000])
    api.finish(location, DIGEST, DATA[200_000:])
    assert api.get_blob(repo, DIGEST).content == DATA


def test_the_first_location_goes_on_to_work(api, repo):
    """The next one SHOULD be used, so some clients keep the first."""
    location = api.start_upload(repo)
    for start in range(0, len(DATA), 100_000):
        patch(api, location, DATA[start : start + 100_000], f"{start}-{start + 99_999}", 202)
    check_finishes(api, repo, location)


def test_the_status_of_a_session(api, repo):
    location = api.start_upload(repo)
    check_holds(api, location, 0)
    location = api.patch(location, DATA[:1000])
    check_holds(api, location, 1000)
    location = api.patch(location, DATA[1000:5000], start=1000)
    check_holds(api, location, 5000)


def test_an_empty_chunk_changes_nothing(api, repo):
    location = api.patch(api.start_upload(repo), b"")
    location = api.patch(location, DATA[:1000])
    location = api.patch(location, b"")
    check_holds(api, location, 1000)
    location = api.patch(location, DATA[1000:])
    check_finishes(api, repo, location)


# Out of order


@pytest.mark.parametrize(
    "content_range",
    ["2000-2999", "999-1998", "0-999", "1001-2000", "500-1499", f"{2**63}-{2**63 + 999}"],
)
def test_a_chunk_out_of_order_is_416_and_changes_nothing(api, repo, content_range):
    location = api.patch(api.start_upload(repo), DATA[:1000], start=0)
    r = patch(api, location, DATA[1000:2000], content_range)
    assert r.status_code == 416
    assert r.headers["Range"] == "0-999"
    assert "Location" in r.headers
    check_holds(api, location, 1000)
    # The client asks where to go on, and does.
    location = patch(api, location, DATA[1000:], "1000-299999", 202).headers["Location"]
    check_finishes(api, repo, location)


def test_a_first_chunk_that_does_not_begin_at_0_is_416(api, repo):
    location = api.start_upload(repo)
    assert patch(api, location, DATA[:100], "1-100").status_code == 416
    check_holds(api, location, 0)


def test_a_last_chunk_out_of_order_in_the_put_is_416(api, repo):
    location = api.patch(api.start_upload(repo), DATA[:200_000], start=0)
    r = api.finish(location, DIGEST, DATA[200_000:], None, **{"Content-Range": "100-100099"})
    assert r.status_code == 416
    assert not api.has_blob(repo, DIGEST)
    check_holds(api, location, 200_000)
    api.finish(location, DIGEST, DATA[200_000:], **{"Content-Range": "200000-299999"})
    assert api.get_blob(repo, DIGEST).content == DATA


@pytest.mark.parametrize("content_range", ["0-98", "0-100", "0-0"])
def test_a_content_range_of_another_length_than_the_body(api, repo, content_range):
    location = api.start_upload(repo)
    r = patch(api, location, DATA[:100], content_range)
    assert r.status_code in (400, 416)
    check_holds(api, location, 0)


def test_a_content_range_of_another_length_than_a_chunked_body(api, repo):
    """The length is known only at the end; the session must not keep a wrong chunk as right."""
    for content_range in ("0-98", "0-100"):
        location = api.start_upload(repo)
        r = patch(api, location, iter([DATA[:50], DATA[50:100]]), content_range)
        assert r.status_code in (400, 416)


@pytest.mark.parametrize(
    "content_range",
    ["", "-", "0-", "-99", "99-0", "a-b", "0-99x", "+0-99", "0 - 99", "0-99/x", "0-99,100-199"],
)
def test_a_malformed_content_range(api, repo, content_range):
    """dist-spec: it MUST match ^[0-9]+-[0-9]+$; RFC 9110 allows "bytes" before and "/100" behind."""
    location = api.start_upload(repo)
    r = patch(api, location, DATA[:100], content_range)
    assert r.status_code in (400, 416)
    check_holds(api, location, 0)


@pytest.mark.parametrize("content_range", ["bytes 0-99/100", "0-99/100", "bytes 0-99/*", "bytes 0-99"])
def test_a_content_range_as_http_libraries_write_it(api, repo, content_range):
    location = api.start_upload(repo)
    assert patch(api, location, DATA[:100], content_range).status_code == 202
    check_holds(api, location, 100)


def test_a_content_range_that_contradicts_its_total_names_both(api, repo):
    location = api.start_upload(repo)
    r = patch(api, location, DATA[:100], "bytes 0-99/50")
    assert r.status_code == 400
    assert "byte 99 of a content of 50 bytes" in r.json()["errors"][0]["message"]
    check_holds(api, location, 0)


def test_a_content_range_past_64_bits(api, repo):
    location = api.start_upload(repo)
    assert patch(api, location, b"xy", f"{2**64}-{2**64 + 1}").status_code in (400, 416)
    check_holds(api, location, 0)


# At the same time


def test_two_requests_for_one_session(shared, api, repo):
    """One has it; the other is told 409 and does no harm."""
    location = api.start_upload(repo)
    path = location.removeprefix(shared.url)
    with Wire(shared.url) as wire:
        headers = {"Content-Length": len(DATA), "Expect": "100-continue"}
        wire.send_request("PATCH", path, headers)
        assert wire.read_head()[0] == 100  # it has the session, and waits for the bytes
        wire.send(DATA[:150_000])
        for method in ("PATCH", "PUT"):
            r = api.request(method, location, None, params={"digest": DIGEST}, data=DATA[:10])
            check_errors(r, 409, "BLOB_UPLOAD_INVALID")
        wire.send(DATA[150_000:])
        status, headers, _ = wire.read_response()
        assert (status, headers["range"]) == (202, f"0-{len(DATA) - 1}")
    check_finishes(api, repo, location)


def test_many_sessions_at_once(shared, api, repo):
    """Sessions of one repository do not mix up their bytes."""
    blobs = [random_bytes(100_000, f"at once {n}") for n in range(8)]
    failures = []

    def push(data):
        with Client(shared.url) as c:
            try:
                location = c.start_upload(repo)
                for start in range(0, len(data), 10_000):
                    location = c.patch(location, data[start : start + 10_000], start)
                c.finish(location, digest_of(data))
            except Exception as e:
                failures.append(e)

    threads = [threading.Thread(target=push, args=[data]) for data in blobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    for data in blobs:
        assert api.get_blob(repo, digest_of(data)).content == data


# Interrupted


@pytest.mark.parametrize("encoding", ["length", "chunked"])
def test_an_interrupted_chunk_can_be_resumed_where_the_registry_says(shared, api, repo, encoding):
    location = api.patch(api.start_upload(repo), DATA[:100_000])
    path = location.removeprefix(shared.url)
    with Wire(shared.url) as wire:
        if encoding == "length":
            wire.send_request("PATCH", path, {"Content-Length": 200_000}, DATA[100_000:180_000])
        else:
            piece = b"%x\r\n%s\r\n" % (80_000, DATA[100_000:180_000])
            wire.send_request("PATCH", path, {"Transfer-Encoding": "chunked"}, piece)

    # The session is free again when the registry has noticed; then it tells what it kept.
    def status():
        r = api.request("GET", location, (204, 409))
        kept = int(r.headers["Range"].split("-")[1]) + 1 if r.status_code == 204 else 0
        return kept if kept >= 180_000 else None

    kept = until(status)
    assert kept == 180_000
    location = patch(api, location, DATA[kept:], f"{kept}-299999", 202).headers["Location"]
    check_finishes(api, repo, location)


def test_an_interrupted_put_makes_no_blob(shared, api, repo):
    location = api.start_upload(repo)
    path = location.removeprefix(shared.url)
    with Wire(shared.url) as wire:
        wire.send_request(
            "PUT", f"{path}?digest={DIGEST}", {"Content-Length": len(DATA)}, DATA[:-1]
        )
    until(lambda: api.request("GET", location, None).status_code in (204, 404))
    assert not api.has_blob(repo, DIGEST)
    # Pushed anew, it is whole.
    api.push_blob(repo, DATA)
    assert api.get_blob(repo, DIGEST).content == DATA
