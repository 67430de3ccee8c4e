"""Pushing manifests that are taken (dist-spec "Pushing Manifests", end-7a and end-7b)."""

import pytest

from checks import ABSENT, check_errors
from helpers import (
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Image,
    artifact,
    canonical,
    digest_of,
    image,
    index,
    random_bytes,
)

pytestmark = pytest.mark.sanitize


def push_all_but_manifest(client, repo, made):
    for digest, data in made.blobs.items():
        client.push_blob(repo, data, digest)
    for child in made.children:
        client.push_image(repo, child)


@pytest.fixture
def made(api, repo):
    """An image whose blobs are there, and whose manifest is not."""
    made = image(seed="push")
    push_all_but_manifest(api, repo, made)
    return made


def test_a_push_by_tag_is_there_by_tag_and_by_digest(api, repo, made):
    r = api.push_manifest(repo, "v1", made)
    assert r.headers["Docker-Content-Digest"] == made.digest
    assert api.request("GET", r.headers["Location"]).content == made.manifest
    assert api.get_manifest(repo, "v1").content == made.manifest
    assert api.get_manifest(repo, made.digest).content == made.manifest


def test_a_push_by_digest_makes_no_tag(api, repo, made):
    r = api.push_manifest(repo, made.digest, made)
    assert r.headers["Docker-Content-Digest"] == made.digest
    assert r.headers["Location"].endswith(f"/v2/{repo}/manifests/{made.digest}")
    assert "OCI-Tag" not in r.headers
    assert api.tags(repo) == []
    assert api.get_manifest(repo, made.digest).content == made.manifest


def test_a_push_by_sha512_digest(api, repo, made):
    digest = digest_of(made.manifest, "sha512")
    r = api.push_manifest(repo, digest, made)
    assert r.headers["Docker-Content-Digest"] == digest
    got = api.get_manifest(repo, digest)
    assert got.content == made.manifest
    assert got.headers["Docker-Content-Digest"] == digest


def test_a_tag_may_name_a_sha512_manifest(api, repo, made):
    digest = digest_of(made.manifest, "sha512")
    api.push_manifest(repo, f"{digest}?tag=v1", made)
    r = api.get_manifest(repo, "v1")
    assert r.headers["Docker-Content-Digest"] == digest
    assert r.content == made.manifest


def test_pushing_again_is_the_same(api, repo, made):
    for _ in range(3):
        assert api.push_manifest(repo, "v1", made).headers["Docker-Content-Digest"] == made.digest
    assert api.tags(repo) == ["v1"]


def test_a_tag_moves_and_the_old_manifest_stays(api, repo, made):
    api.push_manifest(repo, "v1", made)
    newer = image(seed="newer")
    api.push_image(repo, newer, "v1")
    assert api.get_manifest(repo, "v1").content == newer.manifest
    assert api.get_manifest(repo, made.digest).content == made.manifest


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_digest_that_is_not_that_of_the_bytes_is_refused(api, repo, made, algorithm):
    wrong = digest_of(b"something else", algorithm)
    check_errors(api.push_manifest(repo, wrong, made, None), 400, "DIGEST_INVALID")
    api.get_manifest(repo, wrong, 404)
    api.get_manifest(repo, made.digest, 404)


# ?tag=


def oci_tags(response):
    """The tags of all OCI-Tag fields (RFC 9110, 5.3: several fields are one list)."""
    return [t.strip() for t in response.headers["OCI-Tag"].split(",")]


def test_tag_parameters_make_tags_and_are_told(api, repo, made):
    r = api.push_manifest(repo, f"{made.digest}?tag=1.2.3&tag=1.2&tag=1&tag=latest", made)
    assert oci_tags(r) == ["1.2.3", "1.2", "1", "latest"]
    assert api.tags(repo) == ["1", "1.2", "1.2.3", "latest"]
    assert api.get_manifest(repo, "latest").content == made.manifest


def test_a_tag_given_twice_is_one_tag(api, repo, made):
    api.push_manifest(repo, f"{made.digest}?tag=a&tag=a&tag=%61", made)
    assert api.tags(repo) == ["a"]


def test_tag_parameters_move_tags(api, repo, made):
    api.push_image(repo, image(seed="before"), "v1")
    api.push_manifest(repo, f"{made.digest}?tag=v1", made)
    assert api.get_manifest(repo, "v1").content == made.manifest


def test_as_many_tags_as_configured_are_taken_and_one_more_is_414(api, repo, made):
    """dist-spec: SHOULD support at least 10; MAY return 414 if too many are included."""
    tags = [f"t{n:02}" for n in range(16)]  # limits.tags_per_push is 16 by default
    query = "&".join("tag=" + t for t in tags)
    check_errors(api.push_manifest(repo, f"{made.digest}?{query}&tag=more", made, None), 414)
    api.get_manifest(repo, made.digest, 404)
    assert oci_tags(api.push_manifest(repo, f"{made.digest}?{query}", made)) == tags
    assert api.tags(repo) == tags


LARGE_URLS = {"max_url_size": "64KiB", "max_head_size": "64KiB"}


@pytest.mark.config({"limits": {"tags_per_push": 1000}, "http": LARGE_URLS})
def test_more_tags_than_an_answer_can_name_are_414(client):
    """Each accepted tag is named in a header, so their number is bounded by its size too."""
    made = image(seed="names of tags", layers=1)
    push_all_but_manifest(client, "app", made)
    for count, status in [(200, 414), (90, 201)]:
        tags = [f"{n:0128}" for n in range(count)]
        query = "&".join("tag=" + t for t in tags)
        r = client.push_manifest("app", f"{made.digest}?{query}", made, status)
    assert oci_tags(r) == client.tags("app") == tags


@pytest.mark.parametrize(
    "bad", ["", "-a", "a/b", "a%0Ab", "a%00", "%", "%zz", "x" * 129, "sha256:a"]
)
def test_one_bad_tag_refuses_the_whole_push(api, repo, made, bad):
    check_errors(api.push_manifest(repo, f"{made.digest}?tag=good&tag={bad}", made, None), 400)
    api.get_manifest(repo, "good", 404)
    api.get_manifest(repo, made.digest, 404)


# Size


def padded(made, size):
    """The same image in exactly size bytes, by blanks, which JSON allows anywhere."""
    return Image(made.manifest + b" " * (size - len(made.manifest)), made.media_type)


LIMIT = 4 << 20


def test_4_mib_is_taken(api, repo, made):
    big = padded(made, LIMIT)
    api.push_manifest(repo, "big", big)
    assert api.get_manifest(repo, "big").content == big.manifest


def test_more_than_4_mib_is_413(api, repo, made):
    big = padded(made, LIMIT + 1)
    check_errors(api.push_manifest(repo, "big", big, None), 413)
    api.get_manifest(repo, "big", 404)


def chunks(data, size=100_000):
    """As an iterator, which requests sends with Transfer-Encoding: chunked."""
    yield from (data[n : n + size] for n in range(0, len(data), size))


def test_4_mib_in_chunked_encoding_is_taken(api, repo, made):
    big = padded(made, LIMIT)
    headers = {"Content-Type": OCI_MANIFEST}
    path = f"/v2/{repo}/manifests/big"
    api.request("PUT", path, 201, data=chunks(big.manifest), headers=headers)
    assert api.get_manifest(repo, "big").content == big.manifest


@pytest.mark.config({"limits": {"manifest_size": "8KiB"}})
def test_the_limit_is_configured_and_holds_for_chunked_encoding(client):
    made = image(seed="small limit")
    push_all_but_manifest(client, "app", made)
    client.push_manifest("app", "v1", padded(made, 8192))
    check_errors(client.push_manifest("app", "v2", padded(made, 8193), None), 413)
    headers = {"Content-Type": OCI_MANIFEST}
    big = padded(made, 8193).manifest
    check_errors(
        client.request("PUT", "/v2/app/manifests/v2", None, data=chunks(big), headers=headers), 413
    )
    assert client.tags("app") == ["v1"]


# Kinds of manifests


def test_content_type_parameters_are_ignored(api, repo, made):
    """dist-spec: the registry SHOULD ignore parameters, and SHOULD NOT send any."""
    headers = {"Content-Type": f"{OCI_MANIFEST}; charset=utf-8"}
    api.request("PUT", f"/v2/{repo}/manifests/v1", 201, data=made.manifest, headers=headers)
    assert api.get_manifest(repo, "v1").headers["Content-Type"] == OCI_MANIFEST


def test_a_manifest_without_media_type_is_of_its_content_type(api, repo):
    """mediaType is only a SHOULD; image-spec 1.0 had none."""
    made = image(seed="no media type")
    push_all_but_manifest(api, repo, made)
    document = {k: v for k, v in made.document.items() if k != "mediaType"}
    plain = Image(canonical(document), OCI_MANIFEST)
    api.push_manifest(repo, "v1", plain)
    assert api.get_manifest(repo, "v1").headers["Content-Type"] == OCI_MANIFEST


def test_an_index_of_indexes(api, repo):
    inner = index([image(seed="n1"), image(seed="n2")])
    outer = index([inner, image(seed="n3")])
    api.push_image(repo, outer, "v1")
    assert api.pull_image(repo, "v1") == outer


def test_an_index_of_nothing(api, repo):
    empty = Image(
        canonical({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}), OCI_INDEX
    )
    api.push_manifest(repo, "v1", empty)
    assert api.get_manifest(repo, "v1").content == empty.manifest


def test_an_artifact_without_layers(api, repo):
    """dist-spec: the list of blobs MAY be empty."""
    made = artifact("application/vnd.example.thing")
    document = {**made.document, "layers": []}
    api.push_blob(repo, b"{}")
    api.push_manifest(repo, "v1", Image(canonical(document), OCI_MANIFEST))


def test_the_data_field_comes_back(api, repo):
    """image-spec "Descriptors": data embeds the content; the blob is there all the same."""
    made = artifact("application/vnd.example.data")
    document = made.document
    document["config"]["data"] = "e30="
    document["layers"][0]["data"] = "e30="
    api.push_blob(repo, b"{}")
    embedded = Image(canonical(document), OCI_MANIFEST)
    api.push_manifest(repo, "v1", embedded)
    assert api.get_manifest(repo, "v1").content == embedded.manifest


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    ],
)
def test_a_layer_that_is_not_distributed_need_not_be_there(api, repo, media_type):
    made = image(seed="foreign", layers=1)
    push_all_but_manifest(api, repo, made)
    document = made.document
    document["layers"].insert(
        0,
        {
            "mediaType": media_type,
            "digest": ABSENT,
            "size": 1234,
            "urls": ["https://example.com/layer"],
        },
    )
    foreign = Image(canonical(document), OCI_MANIFEST)
    api.push_manifest(repo, "v1", foreign)
    assert api.get_manifest(repo, "v1").content == foreign.manifest


def test_a_blob_may_be_named_twice(api, repo):
    made = image(seed="twice", layers=1)
    push_all_but_manifest(api, repo, made)
    document = made.document
    document["layers"] *= 2
    api.push_manifest(repo, "v1", Image(canonical(document), OCI_MANIFEST))


def test_sha512_descriptors(api, repo):
    layer, config = random_bytes(500, "sha512 layer"), b'{"architecture":"amd64","os":"linux"}'
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
    for key, data, media_type in [("config", config, OCI_CONFIG), ("layers", layer, OCI_LAYER)]:
        digest = api.push_blob(repo, data, digest_of(data, "sha512"))
        descriptor = {"mediaType": media_type, "digest": digest, "size": len(data)}
        document[key] = [descriptor] if key == "layers" else descriptor
    made = Image(canonical(document), OCI_MANIFEST)
    api.push_manifest(repo, "v1", made)
    assert api.pull_image(repo, "v1").manifest == made.manifest


# subject


def test_a_subject_is_acknowledged(api, repo):
    base = image(seed="subject")
    api.push_image(repo, base, "v1")
    signature = artifact("application/vnd.example.signature", subject=base.descriptor())
    api.push_blob(repo, b"{}")
    r = api.push_manifest(repo, signature.digest, signature)
    assert r.headers["OCI-Subject"] == base.digest


def test_a_subject_may_be_missing(api, repo):
    """dist-spec "Push": MUST initially accept, so that they can come in either order."""
    missing = {"mediaType": OCI_MANIFEST, "digest": ABSENT, "size": 77}
    signature = artifact("application/vnd.example.signature", subject=missing)
    api.push_blob(repo, b"{}")
    r = api.push_manifest(repo, "sig", signature)
    assert r.headers["OCI-Subject"] == ABSENT


def test_an_index_may_have_a_subject(api, repo):
    base = image(seed="index subject")
    api.push_image(repo, base)
    made = index([base], subject=base.descriptor(), artifactType="application/vnd.example.bundle")
    r = api.push_manifest(repo, "bundle", made)
    assert r.headers["OCI-Subject"] == base.digest


def test_without_a_subject_there_is_no_oci_subject(api, repo, made):
    assert "OCI-Subject" not in api.push_manifest(repo, "v1", made).headers


def test_an_empty_config_descriptor_is_an_ordinary_blob(api, repo):
    made = artifact("application/vnd.example.a")
    assert made.document["config"]["mediaType"] == OCI_EMPTY
    check_errors(api.push_manifest(repo, "v1", made, None), 404, "MANIFEST_BLOB_UNKNOWN")
    api.push_blob(repo, b"{}")
    api.push_manifest(repo, "v1", made)
