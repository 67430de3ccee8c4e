"""Pulling blobs whole (dist-spec "Pulling blobs", end-2)."""

import pytest

from checks import ABSENT, EMPTY_DIGEST, check_errors
from helpers import MIB, digest_of, random_bytes

pytestmark = pytest.mark.sanitize

DATA = random_bytes(300_000, "blob")


@pytest.fixture
def blob(api, repo):
    return api.push_blob(repo, DATA)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_blob_has_its_headers(api, repo, blob, method):
    r = api.request(method, f"/v2/{repo}/blobs/{blob}")
    assert r.content == (DATA if method == "GET" else b"")
    assert r.headers["Content-Length"] == str(len(DATA))
    assert r.headers["Docker-Content-Digest"] == blob
    assert r.headers["ETag"] == f'"{blob}"'
    assert r.headers["Content-Type"] == "application/octet-stream"
    assert r.headers["Accept-Ranges"] == "bytes"
    assert r.headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Range" not in r.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_empty_blob(api, repo, method):
    api.push_blob(repo, b"")
    r = api.request(method, f"/v2/{repo}/blobs/{EMPTY_DIGEST}")
    assert r.content == b""
    assert r.headers["Content-Length"] == "0"
    assert r.headers["Docker-Content-Digest"] == EMPTY_DIGEST


@pytest.mark.parametrize("size", [1, 2, 4095, 4096, 65_535, 65_536, 65_537, 3 * MIB + 1])
def test_blobs_around_the_sizes_of_buffers(api, repo, size):
    data = random_bytes(size, "sizes")
    assert api.get_blob(repo, api.push_blob(repo, data)).content == data


def test_a_sha512_blob(api, repo):
    digest = api.push_blob(repo, DATA, digest_of(DATA, "sha512"))
    r = api.get_blob(repo, digest)
    assert r.content == DATA
    assert r.headers["Docker-Content-Digest"] == digest
    # The same bytes under another algorithm are another blob.
    api.get_blob(repo, digest_of(DATA), 404)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "digest",
    [
        "sha256:abc",
        "sha256:" + "A" * 64,
        "sha256:" + "z" * 64,
        "sha256:" + "0" * 63,
        "sha512:" + "0" * 64,
        "md5:" + "0" * 32,
        "sha1:" + "0" * 40,
        "sha256",
        "latest",
        "sha256%3a" + "A" * 64,
    ],
)
def test_a_malformed_digest_is_refused(api, repo, blob, method, digest):
    r = api.request(method, f"/v2/{repo}/blobs/{digest}", 400)
    if method == "GET":
        check_errors(r, 400, "DIGEST_INVALID")
    else:
        assert r.content == b""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_blob_that_is_not_there_is_404(api, repo, blob, method):
    r = api.request(method, f"/v2/{repo}/blobs/{ABSENT}", 404)
    if method == "GET":
        check_errors(r, 404, "BLOB_UNKNOWN")
    else:
        assert r.content == b""


def test_a_blob_of_an_unknown_repository_is_404(api, repo):
    r = api.get_blob(repo, ABSENT, None)
    assert check_errors(r, 404)["code"] in ("BLOB_UNKNOWN", "NAME_UNKNOWN")


def test_a_blob_of_another_repository_is_404(api, repo, blob):
    """What a digest names is not for everybody who knows the digest."""
    api.push_blob(repo + "/other", b"so that it exists")
    check_errors(api.get_blob(repo + "/other", blob, None), 404, "BLOB_UNKNOWN")


def test_an_escaped_colon_is_a_colon(api, repo, blob):
    """RFC 3986, 6.2.2.2: ":" and "%3A" are equivalent in a path where ":" delimits nothing."""
    assert api.get_blob(repo, blob.replace(":", "%3A")).content == DATA


# Conditions


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("condition", ['"{blob}"', 'W/"{blob}"', '"x", "{blob}"', "*"])
def test_if_none_match_of_what_the_client_has_is_304(api, repo, blob, method, condition):
    headers = {"If-None-Match": condition.format(blob=blob)}
    r = api.request(method, f"/v2/{repo}/blobs/{blob}", 304, headers=headers)
    assert r.content == b""
    assert r.headers["ETag"] == f'"{blob}"'


def test_if_none_match_of_something_else_is_the_blob(api, repo, blob):
    headers = {"If-None-Match": f'"{ABSENT}"'}
    assert api.get_blob(repo, blob, **headers).content == DATA


def test_if_none_match_comes_before_range(api, repo, blob):
    """RFC 9110, 13.2.2: the order in which conditions are looked at."""
    headers = {"If-None-Match": f'"{blob}"', "Range": "bytes=0-9"}
    assert api.get_blob(repo, blob, 304, **headers).content == b""


def test_if_none_match_of_a_blob_that_is_not_there_is_404(api, repo, blob):
    api.get_blob(repo, ABSENT, 404, **{"If-None-Match": "*"})


def test_many_blobs_over_one_connection(api, repo):
    """Bodies of different sizes one after the other, none running into the next."""
    blobs = {}
    for n in range(20):
        data = random_bytes(n * 7001, f"kept alive {n}")
        blobs[api.push_blob(repo, data)] = data
    for digest, data in blobs.items():
        assert api.request("HEAD", f"/v2/{repo}/blobs/{digest}").content == b""
        assert api.get_blob(repo, digest).content == data
