"""Pushing manifests that are refused: contradictions, nonsense, and what is missing."""

import json

import pytest

from checks import ABSENT, check_errors
from helpers import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Image,
    canonical,
    image,
    index,
)

pytestmark = pytest.mark.sanitize


@pytest.fixture
def made(api, repo):
    """An image that is there but for its manifest."""
    made = image(seed="refuse")
    for digest, data in made.blobs.items():
        api.push_blob(repo, data, digest)
    return made


def put(client, repo, data, content_type=OCI_MANIFEST):
    headers = {"Content-Type": content_type} if content_type else {}
    return client.request("PUT", f"/v2/{repo}/manifests/v1", None, data=data, headers=headers)


def check_invalid(client, repo, data, content_type=OCI_MANIFEST):
    check_errors(put(client, repo, data, content_type), 400, "MANIFEST_INVALID")
    client.get_manifest(repo, "v1", 404)


@pytest.mark.parametrize("content_type", [DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST])
def test_a_media_type_that_contradicts_the_content_type(api, repo, made, content_type):
    check_invalid(api, repo, made.manifest, content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain",
        "application/octet-stream",
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "nonsense",
    ],
)
def test_a_content_type_that_is_no_manifest(api, repo, made, content_type):
    check_errors(put(api, repo, made.manifest, content_type), 400, "MANIFEST_INVALID")
    api.get_manifest(repo, "v1", 404)


def test_a_missing_content_type_is_made_up_for_by_media_type(api, repo, made):
    """dist-spec: clients SHOULD set Content-Type; mediaType says the same."""
    assert put(api, repo, made.manifest, None).status_code == 201
    assert api.get_manifest(repo, "v1").headers["Content-Type"] == OCI_MANIFEST


def test_with_neither_content_type_nor_media_type_the_shape_decides(api, repo, made):
    """Both are only a SHOULD; what there is must be one thing, and is served as that."""
    document = {k: v for k, v in made.document.items() if k != "mediaType"}
    assert put(api, repo, canonical(document), None).status_code == 201
    assert api.get_manifest(repo, "v1").headers["Content-Type"] == OCI_MANIFEST


def test_an_image_with_manifests(api, repo, made):
    """CVE-2021-41190: the same bytes must not be an image to one client and an index to another."""
    check_invalid(api, repo, canonical({**made.document, "manifests": []}))


def test_an_index_with_layers(api, repo, made):
    document = index([]).document
    for extra in ({"layers": []}, {"config": made.document["config"]}):
        check_invalid(api, repo, canonical({**document, **extra}), OCI_INDEX)


def test_an_ambiguous_document_without_media_type(api, repo, made):
    document = {**made.document, "manifests": []}
    del document["mediaType"]
    for content_type in (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST):
        check_invalid(api, repo, canonical(document), content_type)


def test_an_image_said_to_be_an_index(api, repo, made):
    document = {k: v for k, v in made.document.items() if k != "mediaType"}
    check_invalid(api, repo, canonical(document), OCI_INDEX)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"1",
        b'"text"',
        b"{",
        b"not json",
        b'{"schemaVersion":2',
        b"\xff\xfe{}",
        b'{"schemaVersion":2,"mediaType":"\xff"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
    ids=lambda d: repr(d[:16]),
)
def test_what_is_no_json_object_or_no_manifest(api, repo, data):
    check_invalid(api, repo, data)


@pytest.mark.parametrize("place", ["annotations", "unknown"])
@pytest.mark.parametrize("one", ['{"a":%s}', "[%s]"], ids=["objects", "lists"])
def test_json_of_many_levels(api, repo, made, place, one):
    """Parsers and writers recurse; an index under a referrers tag is even written anew."""
    deep = "1"
    for _ in range(2000):
        deep = one % deep
    child = {**made.descriptor(), place: {"x": 0}}
    document = index([]).document
    document["manifests"] = [child]
    text = canonical(document).replace(b'{"x":0}', b'{"x":%s}' % deep.encode())
    api.push_manifest(repo, made.digest, made)
    headers = {"Content-Type": OCI_INDEX}
    tag = made.digest.replace(":", "-")
    r = api.request("PUT", f"/v2/{repo}/manifests/{tag}", None, data=text, headers=headers)
    check_errors(r, 400, "MANIFEST_INVALID")
    assert api.referrers(repo, made.digest) == []


def test_bytes_after_the_document(api, repo, made):
    check_invalid(api, repo, made.manifest + b"{}")
    check_invalid(api, repo, made.manifest + b"\0")


def test_a_key_that_is_there_twice(api, repo, made):
    """Two parsers may take different ones, which is CVE-2021-41190 again."""
    text = made.manifest.replace(b'"layers":', b'"layers":[],"layers":', 1)
    assert json.loads(text) == made.document
    check_invalid(api, repo, text)


@pytest.mark.parametrize("version", [1, 3, "2", None, 2.5, True])
def test_a_wrong_schema_version(api, repo, made, version):
    check_invalid(api, repo, canonical({**made.document, "schemaVersion": version}))


def change(document, path, value):
    """A copy of document with the entry at the dotted path set, or taken out for None."""
    copy = json.loads(json.dumps(document))
    *way, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    at = copy
    for step in way:
        at = at[step]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return copy


BAD_IMAGES = [
    ("schemaVersion", None),
    ("config", None),
    ("config", []),
    ("config", "text"),
    ("config.digest", None),
    ("config.digest", 1),
    ("config.digest", "sha256:short"),
    ("config.digest", "md5:" + "0" * 32),
    ("config.digest", "sha256:" + "../" * 21 + "a"),
    ("config.size", "10"),
    ("config.size", -1),
    ("config.size", 1.5),
    ("config.mediaType", 7),
    ("layers", {}),
    ("layers", "text"),
    ("layers.0", "text"),
    ("layers.0.digest", "SHA256:" + "0" * 64),
    ("layers.0.digest", None),
    ("layers.0.size", -1),
    ("mediaType", 5),
    ("subject", "text"),
    ("subject", {"mediaType": OCI_MANIFEST, "digest": "x", "size": 1}),
    ("annotations", []),
    ("annotations", {"a": 1}),
    ("artifactType", 1),
]


@pytest.mark.parametrize("path, value", BAD_IMAGES, ids=lambda v: str(v)[:30])
def test_an_image_of_the_wrong_shape(api, repo, made, path, value):
    check_invalid(api, repo, canonical(change(made.document, path, value)))


@pytest.mark.parametrize(
    "path, value",
    [
        ("manifests", None),
        ("manifests", {}),
        ("manifests.0", 1),
        ("manifests.0.digest", None),
        ("manifests.0.digest", "sha256:x"),
        ("manifests.0.size", -5),
        ("manifests.0.annotations", {"a": 1}),
        ("manifests.0.annotations", {"a": {"b": "c"}}),
        ("manifests.0.annotations", []),
    ],
)
def test_an_index_of_the_wrong_shape(api, repo, path, value):
    child = image(seed="child")
    api.push_image(repo, child)
    check_invalid(api, repo, canonical(change(index([child]).document, path, value)), OCI_INDEX)


# What is missing


@pytest.mark.parametrize("part", ["config", "layers.0", "layers.1"])
def test_a_missing_blob_is_named(api, repo, made, part):
    broken = change(made.document, part + ".digest", ABSENT)
    entry = check_errors(put(api, repo, canonical(broken)), 404, "MANIFEST_BLOB_UNKNOWN")
    assert ABSENT in json.dumps(entry)
    api.get_manifest(repo, "v1", 404)


def test_a_blob_of_another_repository_is_missing_here(api, repo, made):
    """A digest is no right to what it names: the blob must be mounted or pushed."""
    r = put(api, repo + "/other", made.manifest)
    check_errors(r, 404, "MANIFEST_BLOB_UNKNOWN")


def test_a_missing_child_is_named(api, repo):
    there, missing = image(seed="there"), image(seed="missing")
    api.push_image(repo, there)
    made = index([there, missing])
    entry = check_errors(put(api, repo, made.manifest, OCI_INDEX), 404, "MANIFEST_BLOB_UNKNOWN")
    assert missing.digest in json.dumps(entry)
    api.get_manifest(repo, "v1", 404)


def test_a_child_that_is_only_a_blob_is_missing(api, repo):
    child = image(seed="child as blob")
    api.push_blob(repo, child.manifest)
    made = index([child])
    check_errors(put(api, repo, made.manifest, OCI_INDEX), 404, "MANIFEST_BLOB_UNKNOWN")


@pytest.mark.config({"manifest": {"sparse_indexes": True}})
def test_a_sparse_index_is_taken_when_configured(client):
    there, missing = image(seed="there"), image(seed="missing")
    client.push_image("app", there)
    made = index([there, missing])
    client.push_manifest("app", "sparse", made)
    assert client.get_manifest("app", "sparse").content == made.manifest
    client.get_manifest("app", missing.digest, 404)
    # Blobs of an image are not meant by it.
    check_errors(put(client, "app", missing.manifest), 404, "MANIFEST_BLOB_UNKNOWN")
    # The missing part may come later.
    client.push_image("app", missing)
    assert client.pull_image("app", "sparse") == made


def test_a_size_that_is_not_the_blobs(api, repo, made):
    """The descriptor lies: a client that trusts it fails at pull, so it is told at push."""
    wrong = change(made.document, "layers.0.size", made.document["layers"][0]["size"] + 1)
    assert put(api, repo, canonical(wrong)).status_code in (400, 404)
    api.get_manifest(repo, "v1", 404)


@pytest.mark.config({"limits": {"manifest_references": 5}})
def test_more_descriptors_than_configured(client):
    layer = client.push_blob("app", b"layer")
    config = client.push_blob("app", b"{}")
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": config, "size": 2},
    }
    for n, status in [(4, 201), (5, 400)]:
        document["layers"] = [{"mediaType": OCI_LAYER, "digest": layer, "size": 5}] * n
        assert put(client, "app", canonical(document)).status_code == status


def test_a_failed_push_leaves_the_tag_where_it_was(api, repo, made):
    api.push_manifest(repo, "v1", made)
    broken = change(made.document, "config.digest", ABSENT)
    assert put(api, repo, canonical(broken)).status_code == 404
    assert put(api, repo, b"nonsense").status_code == 400
    assert api.get_manifest(repo, "v1").content == made.manifest


def test_a_manifest_without_a_body(api, repo, made):
    r = api.request("PUT", f"/v2/{repo}/manifests/v1", None, headers={"Content-Type": OCI_MANIFEST})
    check_errors(r, 400, "MANIFEST_INVALID")
    plain = Image(b"", OCI_MANIFEST)
    check_errors(api.push_manifest(repo, plain.digest, plain, None), 400, "MANIFEST_INVALID")
