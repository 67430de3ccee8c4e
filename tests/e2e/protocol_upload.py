"""Pushing blobs in one piece (dist-spec "Pushing a blob monolithically")."""

import re
from urllib.parse import urlsplit

import pytest

from checks import ABSENT, EMPTY_DIGEST, check_errors
from helpers import Unexpected, digest_of, random_bytes

pytestmark = pytest.mark.sanitize

DATA = random_bytes(200_000, "upload")
OCTETS = {"Content-Type": "application/octet-stream"}
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def check_created(response, client, repo, digest, data):
    """201, and the blob is where Location says."""
    assert response.status_code == 201
    assert response.headers["Location"].endswith(f"/v2/{repo}/blobs/{digest}")
    assert response.headers["Docker-Content-Digest"] == digest
    assert client.request("GET", response.headers["Location"]).content == data


def post(client, repo, data=b"", expect=None, **params):
    path = f"/v2/{repo}/blobs/uploads/"
    return client.request("POST", path, expect, params=params, data=data, headers=OCTETS)


def test_post_opens_a_session(api, repo):
    r = post(api, repo, expect=202)
    location = urlsplit(r.headers["Location"])
    assert re.search(f"/v2/{repo}/blobs/uploads/{UUID}$", location.path)
    assert re.fullmatch(UUID, r.headers["Docker-Upload-UUID"])
    assert r.headers["Docker-Upload-UUID"] in location.path
    assert "OCI-Chunk-Min-Length" not in r.headers
    assert r.headers["Content-Length"] == "0"


def test_post_without_the_last_slash_opens_one_too(api, repo):
    r = api.request("POST", f"/v2/{repo}/blobs/uploads", 202)
    assert "Location" in r.headers


def test_every_post_opens_a_session_of_its_own(api, repo):
    assert len({post(api, repo, expect=202).headers["Location"] for _ in range(10)}) == 10


def test_a_session_alone_makes_no_repository(client):
    client.start_upload("app")
    assert client.catalog() == []


@pytest.mark.parametrize("data", [DATA, b"", b"x"], ids=["data", "empty", "byte"])
def test_post_then_put(api, repo, data):
    digest = digest_of(data)
    check_created(api.finish(api.start_upload(repo), digest, data), api, repo, digest, data)


def test_put_in_chunked_encoding(api, repo):
    digest = digest_of(DATA)
    r = api.request(
        "PUT",
        api.start_upload(repo),
        201,
        params={"digest": digest},
        data=iter([DATA[:7], DATA[7:70_000], DATA[70_000:]]),
        headers=OCTETS,
    )
    check_created(r, api, repo, digest, DATA)


@pytest.mark.parametrize("data", [DATA, b"x"], ids=["data", "byte"])
def test_a_single_post(api, repo, data):
    digest = digest_of(data)
    check_created(post(api, repo, data, digest=digest), api, repo, digest, data)


def test_a_single_post_in_chunked_encoding(api, repo):
    digest = digest_of(DATA)
    check_created(
        post(api, repo, iter([DATA[:1000], DATA[1000:]]), digest=digest), api, repo, digest, DATA
    )


def test_a_post_with_a_digest_and_no_body_is_a_session_or_the_empty_blob(api, repo):
    """A client that expects a session sends the digest with no body; bytes follow by PUT."""
    digest = digest_of(DATA)
    r = post(api, repo, digest=digest)
    assert r.status_code in (202, 400)
    if r.status_code == 202:
        check_created(api.finish(r.headers["Location"], digest, DATA), api, repo, digest, DATA)


def test_a_single_post_of_the_empty_blob(api, repo):
    check_created(post(api, repo, digest=EMPTY_DIGEST), api, repo, EMPTY_DIGEST, b"")


def test_a_single_post_with_a_wrong_digest(api, repo):
    check_errors(post(api, repo, DATA, digest=ABSENT), 400, "DIGEST_INVALID")
    assert not api.has_blob(repo, ABSENT)
    assert not api.has_blob(repo, digest_of(DATA))


def test_pushing_a_blob_again_is_no_error(api, repo):
    digest = digest_of(DATA)
    for _ in range(3):
        check_created(api.finish(api.start_upload(repo), digest, DATA), api, repo, digest, DATA)
        check_created(post(api, repo, DATA, digest=digest), api, repo, digest, DATA)


def test_put_with_a_wrong_digest_ends_the_session(api, repo):
    location = api.start_upload(repo)
    check_errors(api.finish(location, ABSENT, DATA, None), 400, "DIGEST_INVALID")
    assert not api.has_blob(repo, ABSENT)
    assert not api.has_blob(repo, digest_of(DATA))
    check_errors(api.request("GET", location, None), 404, "BLOB_UPLOAD_UNKNOWN")


def test_the_session_is_gone_after_put(api, repo):
    location = api.start_upload(repo)
    api.finish(location, digest_of(DATA), DATA)
    for method in ("GET", "PATCH", "DELETE"):
        check_errors(api.request(method, location, None), 404, "BLOB_UPLOAD_UNKNOWN")
    # The same finish again may be one whose answer was lost; any other is of nothing.
    assert api.finish(location, digest_of(DATA), DATA, None).status_code == 201
    check_errors(api.finish(location, digest_of(b"x"), b"x", None), 404, "BLOB_UPLOAD_UNKNOWN")


MALFORMED = [
    "",
    "sha256",
    "sha256:abc",
    "sha256:" + "A" * 64,
    "md5:" + "0" * 32,
    "sha999:" + "0" * 64,
]


@pytest.mark.parametrize("digest", MALFORMED)
def test_put_with_a_malformed_digest(api, repo, digest):
    """dist-spec "Pushing blobs": 400 for an invalid digest or an unsupported algorithm."""
    check_errors(api.finish(api.start_upload(repo), digest, DATA, None), 400, "DIGEST_INVALID")


@pytest.mark.parametrize("digest", MALFORMED)
def test_a_single_post_with_a_malformed_digest(api, repo, digest):
    check_errors(post(api, repo, DATA, digest=digest), 400, "DIGEST_INVALID")


def test_put_without_a_digest(api, repo):
    r = api.request("PUT", api.start_upload(repo), None, data=DATA, headers=OCTETS)
    check_errors(r, 400, "DIGEST_INVALID")


def test_put_with_two_digests_is_never_the_wrong_one(api, repo):
    """Which one was meant cannot be known; at most the right one may come of it."""
    location = f"{api.start_upload(repo)}?digest={ABSENT}&digest={digest_of(DATA)}"
    r = api.request("PUT", location, None, data=DATA, headers=OCTETS)
    assert r.status_code in (201, 400)
    assert not api.has_blob(repo, ABSENT)


def test_a_session_with_a_malformed_digest_can_still_be_finished(api, repo):
    """Nothing was compared, so nothing was found wrong with the bytes."""
    location = api.patch(api.start_upload(repo), DATA)
    api.finish(location, "nonsense", expect=400)
    api.finish(location, digest_of(DATA))
    assert api.get_blob(repo, digest_of(DATA)).content == DATA


# Algorithms


def test_a_session_for_sha512(api, repo):
    digest = digest_of(DATA, "sha512")
    location = api.start_upload(repo, **{"digest-algorithm": "sha512"})
    location = api.patch(location, DATA[:100_000])
    r = api.finish(location, digest, DATA[100_000:])
    check_created(r, api, repo, digest, DATA)


def test_a_sha512_digest_for_a_session_that_did_not_announce_it(api, repo):
    """digest-algorithm is only a SHOULD for the client."""
    digest = digest_of(DATA, "sha512")
    location = api.patch(api.start_upload(repo), DATA[:100_000])
    check_created(api.finish(location, digest, DATA[100_000:]), api, repo, digest, DATA)


def test_a_sha256_digest_for_a_session_announced_as_sha512(api, repo):
    location = api.patch(api.start_upload(repo, **{"digest-algorithm": "sha512"}), DATA)
    digest = digest_of(DATA)
    check_created(api.finish(location, digest), api, repo, digest, DATA)


def test_a_wrong_sha512_digest(api, repo):
    wrong = digest_of(b"something else", "sha512")
    check_errors(api.finish(api.start_upload(repo), wrong, DATA, None), 400, "DIGEST_INVALID")


@pytest.mark.parametrize("algorithm", ["md5", "sha384", "SHA256", "sha512:"])
def test_an_algorithm_that_is_not_supported(api, repo, algorithm):
    r = post(api, repo, **{"digest-algorithm": algorithm})
    check_errors(r, 400, "DIGEST_INVALID")


# What no session is


UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("uuid", [UNKNOWN, "nonsense", "..", "%2e%2e", UNKNOWN.upper() + "x"])
def test_an_unknown_session_is_404(api, repo, method, uuid):
    api.push_blob(repo, b"x")
    path = f"{api.url}/v2/{repo}/blobs/uploads/{uuid}"
    data = DATA if method in ("PATCH", "PUT") else b""
    r = api.request(method, path, None, params={"digest": digest_of(DATA)}, data=data)
    if uuid == UNKNOWN:
        check_errors(r, 404, "BLOB_UPLOAD_UNKNOWN")
    else:
        # Not a session's name at all: no such resource or an invalid one, but nothing else.
        assert r.status_code in (400, 404, 405)


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
def test_a_session_belongs_to_its_repository(api, repo, method):
    location = api.patch(api.start_upload(repo), DATA)
    elsewhere = location.replace(f"/v2/{repo}/", f"/v2/{repo}/other/")
    assert elsewhere != location
    params = {"digest": digest_of(DATA)} if method == "PUT" else {}
    r = api.request(method, elsewhere, None, params=params)
    check_errors(r, 404, "BLOB_UPLOAD_UNKNOWN")
    # It is still there where it belongs.
    assert api.upload_offset(location) == len(DATA)
    api.finish(location, digest_of(DATA))


def test_cancelling_a_session(api, repo):
    location = api.patch(api.start_upload(repo), DATA)
    api.request("DELETE", location, 204)
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        params = {"digest": digest_of(DATA)}
        check_errors(api.request(method, location, None, params=params), 404, "BLOB_UPLOAD_UNKNOWN")
    assert not api.has_blob(repo, digest_of(DATA))


def test_a_session_in_a_repository_of_a_bad_name(api):
    with pytest.raises(Unexpected) as refused:
        api.start_upload("Bad_Name")
    check_errors(refused.value.response, 400, "NAME_INVALID")
