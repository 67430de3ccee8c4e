"""What the protocol tests look at in an answer: errors, links, ranges, and bytes on the wire."""

import re
from urllib.parse import urljoin

from helpers import Wire, digest_of

# dist-spec "Error Codes".
ERROR_CODES = {
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "RANGE_INVALID",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
}

EMPTY_DIGEST = digest_of(b"")
ABSENT = "sha256:" + "ab" * 32  # well formed, and nothing has it


def check_errors(response, status, code=None):
    """The answer is an error in the specification's JSON; returns its first entry."""
    assert response.status_code == status, (response.status_code, response.content[:500])
    assert response.headers["Content-Type"].split(";")[0] == "application/json"
    document = response.json()
    assert set(document) == {"errors"}
    assert document["errors"]
    for entry in document["errors"]:
        assert set(entry) <= {"code", "message", "detail"}
        assert entry["code"] in ERROR_CODES
    first = document["errors"][0]
    assert code is None or first["code"] == code, first
    return first


def next_link(response):
    """The URL of the next page (RFC 8288, relation "next"), or None on the last one."""
    link = response.headers.get("Link")
    if link is None:
        return None
    found = re.fullmatch(r'<([^<>"\s]+)>;\s*rel="?next"?', link)
    assert found, link
    return urljoin(response.url, found[1])


def pages(client, path):
    """Every page of a list, following the links; each as the decoded body."""
    while path:
        response = client.request("GET", path)
        yield response.json()
        path = next_link(response)


def parts_of(response):
    """[(first, last, total, bytes)] of a multipart/byteranges answer (RFC 9110, 14.6)."""
    found = re.fullmatch(
        r'multipart/byteranges; ?boundary="?([^";]+)"?', response.headers["Content-Type"]
    )
    assert found, response.headers["Content-Type"]
    boundary = b"--" + found[1].encode()
    body = response.content
    assert len(body) == int(response.headers["Content-Length"])
    start = body.index(boundary)
    assert body[:start] in (b"", b"\r\n")
    pieces = body[start:].split(boundary)
    assert pieces[0] == b"" and pieces[-1] in (b"--", b"--\r\n")
    parts = []
    for piece in pieces[1:-1]:
        assert piece.startswith(b"\r\n") and piece.endswith(b"\r\n")
        head, data = piece[2:-2].split(b"\r\n\r\n", 1)
        fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n"))
        assert fields["content-type"] == "application/octet-stream"
        first, last, total = re.fullmatch(
            r"bytes (\d+)-(\d+)/(\d+)", fields["content-range"]
        ).groups()
        parts.append((int(first), int(last), int(total), data))
    return parts


def field(text):
    """'Name: value' of header lines, as one block of bytes with line ends."""
    return b"".join((line if isinstance(line, bytes) else line.encode()) + b"\r\n" for line in text)


def request_bytes(wire, method, path, *lines, body=b""):
    """A request as bytes, with a Host line and then the given lines as they are."""
    return field([f"{method} {path} HTTP/1.1", f"Host: {wire.host}", *lines]) + b"\r\n" + body


def check_refused(registry, client, repo, send, status=400):
    """The bytes are refused, the connection is closed, and nothing after them is looked at.

    send is the request, or a function that makes it from the Wire. Behind it goes a second request
    that would leave a blob in the repository: it must neither be answered nor carried out. Returns
    the headers and the body of the refusal.
    """
    statuses = (status,) if isinstance(status, int) else status
    with Wire(registry.url) as wire:
        first = send(wire) if callable(send) else send
        path = f"/v2/{repo}/blobs/uploads/?digest={EMPTY_DIGEST}"
        wire.send(first + request_bytes(wire, "POST", path, "Content-Length: 0"))
        answer = wire.read_response()
        assert answer is not None, "closed without an answer"
        assert answer[0] in statuses, answer
        assert answer[1].get("connection", "").lower() == "close", answer
        assert wire.closed(), f"something follows the refusal: {wire.buffer[:300]!r}"
    client.request("HEAD", f"/v2/{repo}/blobs/{EMPTY_DIGEST}", 404)
    return answer[1:]
