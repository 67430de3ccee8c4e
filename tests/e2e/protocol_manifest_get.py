"""Pulling manifests (dist-spec "Pulling manifests", "Checking if content exists")."""

import json

import pytest

from checks import ABSENT, check_errors
from helpers import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    artifact,
    digest_of,
    image,
    index,
)

pytestmark = pytest.mark.sanitize


@pytest.fixture
def pushed(api, repo):
    made = image(seed="get")
    api.push_image(repo, made, "v1")
    return made


@pytest.mark.parametrize("by", ["tag", "digest"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_manifest_has_its_headers(api, repo, pushed, method, by):
    reference = "v1" if by == "tag" else pushed.digest
    r = api.request(method, f"/v2/{repo}/manifests/{reference}")
    assert r.content == (pushed.manifest if method == "GET" else b"")
    assert r.headers["Docker-Content-Digest"] == pushed.digest
    assert r.headers["ETag"] == f'"{pushed.digest}"'
    assert r.headers["Content-Type"] == OCI_MANIFEST
    assert r.headers["Content-Length"] == str(len(pushed.manifest))
    assert r.headers["X-Content-Type-Options"] == "nosniff"


MEDIA_TYPES = {
    OCI_MANIFEST: lambda: image(seed="type"),
    DOCKER_MANIFEST: lambda: image(seed="type", docker=True),
    OCI_INDEX: lambda: index([image(seed="type")]),
    DOCKER_LIST: lambda: index([image(seed="type", docker=True)], docker=True),
}


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_content_type_is_the_one_that_was_pushed(api, repo, media_type):
    made = MEDIA_TYPES[media_type]()
    assert made.media_type == media_type
    api.push_image(repo, made, "v1")
    for reference in ("v1", made.digest):
        r = api.get_manifest(repo, reference)
        assert r.headers["Content-Type"] == media_type
        assert r.content == made.manifest


@pytest.mark.parametrize(
    "accept", ["*/*", DOCKER_MANIFEST, OCI_INDEX, "application/json", "text/html;q=0.1", ""]
)
def test_a_manifest_is_never_converted_for_accept(api, repo, pushed, accept):
    """The bytes are what the digest says, so there is nothing to negotiate."""
    r = api.get_manifest(repo, "v1", accept=accept)
    assert r.content == pushed.manifest
    assert r.headers["Content-Type"] == OCI_MANIFEST


@pytest.mark.parametrize(
    "condition",
    ['"{digest}"', '"other", "{digest}"', 'W/"{digest}"', "*", '"x" ,\t"{digest}" , "y"'],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_if_none_match_of_what_the_client_has_is_304(api, repo, pushed, method, condition):
    condition = condition.format(digest=pushed.digest)
    for reference in ("v1", pushed.digest):
        r = api.request(
            method, f"/v2/{repo}/manifests/{reference}", 304, headers={"If-None-Match": condition}
        )
        assert r.content == b""
        assert r.headers["ETag"] == f'"{pushed.digest}"'


@pytest.mark.parametrize("condition", [f'"{ABSENT}"', '"x", "y"', '""'])
def test_if_none_match_of_something_else_is_the_manifest(api, repo, pushed, condition):
    r = api.request("GET", f"/v2/{repo}/manifests/v1", headers={"If-None-Match": condition})
    assert r.content == pushed.manifest


def test_if_none_match_follows_a_tag_that_moves(api, repo, pushed):
    old = {"If-None-Match": f'"{pushed.digest}"'}
    api.request("GET", f"/v2/{repo}/manifests/v1", 304, headers=old)
    other = image(seed="moved")
    api.push_image(repo, other, "v1")
    r = api.request("GET", f"/v2/{repo}/manifests/v1", 200, headers=old)
    assert r.content == other.manifest
    assert api.get_manifest(repo, pushed.digest).content == pushed.manifest


def test_if_none_match_of_a_manifest_that_is_not_there_is_404(api, repo, pushed):
    r = api.request("GET", f"/v2/{repo}/manifests/none", None, headers={"If-None-Match": "*"})
    check_errors(r, 404, "MANIFEST_UNKNOWN")


def exotic(api, repo):
    """A manifest as no program writes it, but which is valid JSON and a valid image."""
    base = image(seed="exotic", layers=1, layer_size=50)
    for digest, data in base.blobs.items():
        api.push_blob(repo, data, digest)
    document = base.document
    document["annotations"] = {"naïve": "日本語 🐳", "escaped": "\u00e9"}
    document["com.example.unknown"] = {"deep": [1, 2.50, 1e3, None, True, {"a": []}]}
    text = json.dumps(document, ensure_ascii=False, indent="\t", separators=(" , ", " :\r\n "))
    text = text.replace('"escaped"', '"esc\\u0061ped"').replace("2.5", "2.5000")
    return Image(f"\n \t{text}\r\n\n ".encode(), OCI_MANIFEST)


def test_a_manifest_comes_back_byte_for_byte(api, repo):
    """dist-spec "Pushing Manifests": stored in the exact byte representation."""
    made = exotic(api, repo)
    r = api.push_manifest(repo, "v1", made)
    assert r.headers["Docker-Content-Digest"] == made.digest
    for reference in ("v1", made.digest):
        assert api.get_manifest(repo, reference).content == made.manifest
    assert api.request("HEAD", f"/v2/{repo}/manifests/v1").headers["Content-Length"] == str(
        len(made.manifest)
    )


def test_the_same_document_in_other_bytes_is_another_manifest(api, repo, pushed):
    other = Image(pushed.manifest + b"\n", OCI_MANIFEST)
    api.push_manifest(repo, "v2", other)
    assert api.get_manifest(repo, "v1").content == pushed.manifest
    assert api.get_manifest(repo, "v2").content == other.manifest


def test_an_artifact_of_any_type_comes_back(api, repo):
    """Helm charts, WASM modules, signatures: what the type means is the clients' business."""
    for config_type, layer_type in [
        (
            "application/vnd.cncf.helm.config.v1+json",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        ),
        ("application/vnd.wasm.config.v0+json", "application/wasm"),
        ("application/vnd.buildkit.cacheconfig.v0", "application/octet-stream"),
    ]:
        made = artifact(None, [(layer_type, config_type.encode())], (config_type, b"{}"))
        api.push_image(repo, made, "v1")
        assert api.pull_image(repo, "v1") == made


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("reference", ["none", ABSENT, "sha512:" + "0" * 128])
def test_a_manifest_that_is_not_there_is_404(api, repo, pushed, method, reference):
    r = api.request(method, f"/v2/{repo}/manifests/{reference}", 404)
    if method == "GET":
        check_errors(r, 404, "MANIFEST_UNKNOWN")
    else:
        assert r.content == b""


@pytest.mark.parametrize("reference", ["v1", ABSENT])
def test_a_manifest_of_an_unknown_repository_is_404(api, repo, reference):
    r = api.get_manifest(repo, reference, None)
    assert check_errors(r, 404)["code"] in ("NAME_UNKNOWN", "MANIFEST_UNKNOWN")


def test_a_manifest_of_another_repository_is_404(api, repo, pushed):
    api.push_image(repo + "/other", image(seed="other"), "v1")
    check_errors(api.get_manifest(repo + "/other", pushed.digest, None), 404, "MANIFEST_UNKNOWN")


def test_a_blob_is_no_manifest(api, repo):
    """A blob may hold the bytes of a manifest; it was not pushed as one."""
    made = image(seed="blob, not manifest")
    api.push_blob(repo, made.manifest)
    check_errors(api.get_manifest(repo, made.digest, None), 404)
    assert not api.has_blob(repo, digest_of(b"something else"))


BAD_DIGESTS = [
    "sha256:abc",
    "sha256:" + "A" * 64,
    "sha256:" + "g" * 64,
    "sha256:" + "0" * 63,
    "sha256:" + "0" * 65,
    "sha512:" + "0" * 64,
    "md5:" + "0" * 32,
    "sha256:",
    ":" + "0" * 64,
]


@pytest.mark.parametrize("reference", BAD_DIGESTS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_malformed_digest_is_refused(api, repo, method, reference):
    made = image(seed="malformed")
    r = api.request(
        method,
        f"/v2/{repo}/manifests/{reference}",
        None,
        data=made.manifest if method == "PUT" else None,
        headers={"Content-Type": OCI_MANIFEST},
    )
    check_errors(r, 400, "DIGEST_INVALID")
