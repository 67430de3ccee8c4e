"""Where a request's body ends: nothing ambiguous is taken (RFC 9112, 6 and 7).

Every refusal closes the connection, and a second request behind the first is never looked at:
that is how requests are smuggled past a proxy.
"""

import pytest

from checks import check_refused, request_bytes
from helpers import Wire, digest_of

pytestmark = pytest.mark.sanitize


def upload(repo, *lines, body=b"", method="PATCH"):
    """A request to an upload session made for it, with the given header lines."""

    def send(wire):
        wire.send_request("POST", f"/v2/{repo}/blobs/uploads/", {"Content-Length": "0"})
        status, headers, _ = wire.read_response()
        assert status == 202
        path = headers["location"].removeprefix(f"http://{wire.host}")
        return request_bytes(wire, method, path, *lines, body=body)

    return send


# Content-Length and Transfer-Encoding


AMBIGUOUS = {
    "both": ["Content-Length: 5", "Transfer-Encoding: chunked"],
    "both, other order": ["Transfer-Encoding: chunked", "Content-Length: 5"],
    "both, with length 0": ["Content-Length: 0", "Transfer-Encoding: chunked"],
    "two different lengths": ["Content-Length: 5", "Content-Length: 6"],
    "two equal lengths": ["Content-Length: 5", "Content-Length: 5"],
    "a list of lengths": ["Content-Length: 5, 5"],
    "plus": ["Content-Length: +5"],
    "minus": ["Content-Length: -5"],
    "minus zero": ["Content-Length: -0"],
    "blank inside": ["Content-Length: 5 5"],
    "hexadecimal": ["Content-Length: 0x5"],
    "not decimal": ["Content-Length: 5a"],
    "fraction": ["Content-Length: 5.0"],
    "empty": ["Content-Length:"],
    "quoted": ['Content-Length: "5"'],
    "just over 64 bits": [f"Content-Length: {2**64}"],
    "5 modulo 64 bits": [f"Content-Length: {2**64 + 5}"],
    "very long": ["Content-Length: " + "9" * 100],
    "trailing comma": ["Content-Length: 5,"],
    "gzip only": ["Transfer-Encoding: gzip"],
    "chunked not last": ["Transfer-Encoding: chunked, gzip"],
    "chunked twice": ["Transfer-Encoding: chunked, chunked"],
    "chunked in two lines": ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    "identity": ["Transfer-Encoding: identity"],
    "chunked and identity": ["Transfer-Encoding: chunked, identity"],
    "nearly chunked": ["Transfer-Encoding: xchunked"],
    "chunked quoted": ['Transfer-Encoding: "chunked"'],
    "vertical tab": [b"Transfer-Encoding: \x0bchunked"],
    "empty coding": ["Transfer-Encoding:"],
    "only a comma": ["Transfer-Encoding: ,"],
    "chunked with a parameter": ["Transfer-Encoding: chunked;q=1"],
}


@pytest.mark.parametrize("lines", AMBIGUOUS.values(), ids=AMBIGUOUS)
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_length_that_is_not_certain_is_refused(shared, api, repo, lines, method):
    # 501 is for a coding that is well-formed and not known (RFC 9112, 6.1).
    coded = any(b"Transfer-Encoding" in (x if isinstance(x, bytes) else x.encode()) for x in lines)
    status = (400, 501) if coded and len(lines) == 1 else 400
    check_refused(shared, api, repo, upload(repo, *lines, body=b"0\r\n\r\n", method=method), status)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST"])
def test_the_same_holds_for_methods_without_a_body(shared, api, repo, method):
    def send(wire):
        both = ["Content-Length: 5", "Transfer-Encoding: chunked"]
        return request_bytes(wire, method, "/v2/", *both, body=b"0\r\n\r\n")

    if method == "HEAD":
        # The answer to HEAD has no body to read, but a head that is wrong has no method either.
        with Wire(shared.url) as wire:
            wire.send(send(wire))
            assert wire.read_head()[0] == 400
    else:
        check_refused(shared, api, repo, send)


def test_a_coding_in_http_1_0_is_refused(shared, api, repo):
    """RFC 9112, 6.1: the framing of such a message is faulty."""
    lines = b"PUT /v2/ HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    check_refused(shared, api, repo, lines)


def test_an_unknown_coding_before_chunked(shared, api, repo):
    lines = upload(repo, "Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")
    check_refused(shared, api, repo, lines, (400, 501))


@pytest.mark.parametrize(
    "coding", ["chunked", "Chunked", "CHUNKED", "  chunked\t", "chunked,", ", chunked"]
)
def test_chunked_in_any_spelling_that_means_it(shared, api, repo, coding):
    """Case does not matter; empty list elements may be refused, but not misunderstood."""
    with Wire(shared.url) as wire:
        wire.send(upload(repo, f"Transfer-Encoding: {coding}", body=b"3\r\nabc\r\n0\r\n\r\n")(wire))
        status, headers, _ = wire.read_response()
    if "," in coding:
        assert status in (202, 400)
    else:
        assert (status, headers.get("range")) == (202, "0-2")


@pytest.mark.parametrize("length", ["5", "05", "0000000000000000000000005", " 5", "5 \t"])
def test_a_length_that_is_certain(shared, repo, length):
    """RFC 9110, 8.6: 1*DIGIT, and blanks around any value are not part of it."""
    with Wire(shared.url) as wire:
        wire.send(upload(repo, f"Content-Length: {length}", body=b"abcde")(wire))
        status, headers, _ = wire.read_response()
        assert (status, headers["range"]) == (202, "0-4")
        wire.send_request("GET", "/v2/")
        assert wire.read_response()[0] == 200


def test_a_body_that_no_method_wants_is_not_a_request(shared, api, repo):
    """A GET may have a body; it is skipped or the connection closed, never read as a request."""
    hidden = f"POST /v2/{repo}/blobs/uploads/?digest={digest_of(b'')} HTTP/1.1\r\nHost: x\r\n\r\n"
    with Wire(shared.url) as wire:
        wire.send_request("GET", "/v2/", {"Content-Length": len(hidden)}, hidden.encode())
        assert wire.read_response()[0] == 200
        wire.send_request("GET", "/v2/")
        try:
            answer = wire.read_response()
        except ConnectionError:
            answer = None
        assert answer is None or answer[0] == 200
    assert not api.has_blob(repo, digest_of(b""))


# Chunks


BAD_CHUNKS = {
    "size past 64 bits": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "size of 64 bits": b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "very long size": b"0" * 3000 + b"3\r\nabc\r\n0\r\n\r\n",
    "negative size": b"-3\r\nabc\r\n0\r\n\r\n",
    "signed size": b"+3\r\nabc\r\n0\r\n\r\n",
    "0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "no size": b"\r\nabc\r\n0\r\n\r\n",
    "no size but an extension": b";a=b\r\nabc\r\n0\r\n\r\n",
    "not hexadecimal": b"g\r\nabc\r\n0\r\n\r\n",
    "blank before the size": b" 3\r\nabc\r\n0\r\n\r\n",
    "blank after the size": b"3 \r\nabc\r\n0\r\n\r\n",
    "bare LF after the size": b"3\nabc\r\n0\r\n\r\n",
    "bare CR after the size": b"3\rabc\r\n0\r\n\r\n",
    "bare LF after the data": b"3\r\nabc\n0\r\n\r\n",
    "more data than the size": b"3\r\nabcd\r\n0\r\n\r\n",
    "no line end after the data": b"3\r\nabc0\r\n\r\n",
    "bare LF in an extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "control byte in an extension": b"3;a=\x01\r\nabc\r\n0\r\n\r\n",
    "NUL in the size": b"3\0\r\nabc\r\n0\r\n\r\n",
    "bare LF after the last chunk": b"3\r\nabc\r\n0\n\r\n",
    "bare LF in the trailer": b"3\r\nabc\r\n0\r\nA: b\n\r\n",
    "folded trailer": b"3\r\nabc\r\n0\r\nA: b\r\n c\r\n\r\n",
    "trailer without a colon": b"3\r\nabc\r\n0\r\nnonsense\r\n\r\n",
    "control byte in the trailer": b"3\r\nabc\r\n0\r\nA: \x01\r\n\r\n",
    "huge extension": b"3;" + b"a" * 100_000 + b"\r\nabc\r\n0\r\n\r\n",
    "huge trailer": b"3\r\nabc\r\n0\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n",
    "many trailers": b"3\r\nabc\r\n0\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
}


@pytest.mark.parametrize("body", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_bad_chunks_are_refused(shared, api, repo, body):
    lines = upload(repo, "Transfer-Encoding: chunked", body=body)
    check_refused(shared, api, repo, lines, (400, 431))


GOOD_CHUNKS = {
    "one": b"3\r\nabc\r\n0\r\n\r\n",
    "several": b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n",
    "leading zeros": b"0003\r\nabc\r\n0000\r\n\r\n",
    "extension": b"3;name=value\r\nabc\r\n0\r\n\r\n",
    "extension without a value": b"3;name\r\nabc\r\n0;last\r\n\r\n",
    "extension in quotes": b'3;name="a;b\\"c"\r\nabc\r\n0\r\n\r\n',
    "several extensions": b"3;a=b;c=d\r\nabc\r\n0\r\n\r\n",
    "trailer": b"3\r\nabc\r\n0\r\nDigest: x\r\nContent-Length: 99\r\n\r\n",
}


@pytest.mark.parametrize("body", GOOD_CHUNKS.values(), ids=GOOD_CHUNKS)
def test_good_chunks_are_taken_and_the_connection_goes_on(shared, repo, body):
    with Wire(shared.url) as wire:
        wire.send(upload(repo, "Transfer-Encoding: chunked", body=body)(wire))
        status, headers, _ = wire.read_response()
        assert (status, headers["range"]) == (202, "0-2")
        wire.send_request("GET", "/v2/")
        assert wire.read_response()[0] == 200


def test_chunks_that_come_byte_by_byte(shared, repo):
    body = b"00003;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: yes\r\n\r\n"
    with Wire(shared.url) as wire:
        wire.send(upload(repo, "Transfer-Encoding: chunked")(wire))
        for n in range(len(body)):
            wire.send(body[n : n + 1])
        status, headers, _ = wire.read_response()
        assert (status, headers["range"]) == (202, "0-4")


def test_a_pipelined_request_follows_the_last_chunk_at_once(shared, repo):
    with Wire(shared.url) as wire:
        body = b"3\r\nabc\r\n0\r\n\r\n"
        wire.send(
            upload(repo, "Transfer-Encoding: chunked", body=body)(wire)
            + request_bytes(wire, "GET", "/v2/nothing/here")
        )
        assert wire.read_response()[0] == 202
        assert wire.read_response()[0] == 404
