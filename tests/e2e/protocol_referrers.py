"""GET /v2/<name>/referrers/<digest> (dist-spec "Listing Referrers")."""

import pytest

from checks import ABSENT, check_errors, next_link, pages
from helpers import OCI_INDEX, OCI_MANIFEST, Image, artifact, canonical, digest_of, image, index

pytestmark = pytest.mark.sanitize

SBOM = "application/vnd.example.sbom.v1+json"
SIGNATURE = "application/vnd.example.signature.v1"


@pytest.fixture
def base(api, repo):
    made = image(seed="base")
    api.push_image(repo, made, "v1")
    return made


def refer(client, repo, subject, artifact_type=SIGNATURE, n=0, **more):
    """Pushes an artifact that refers to subject; returns it."""
    made = artifact(
        artifact_type, [("text/plain", f"{n}".encode())], subject=subject.descriptor(), **more
    )
    client.push_image(repo, made)
    return made


def test_a_manifest_without_referrers_has_an_empty_list(api, repo, base):
    r = api.request("GET", f"/v2/{repo}/referrers/{base.digest}")
    assert r.headers["Content-Type"] == OCI_INDEX
    assert r.json() == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    assert "OCI-Filters-Applied" not in r.headers
    assert "Link" not in r.headers


@pytest.mark.parametrize("digest", [ABSENT, "sha512:" + "cd" * 64])
def test_an_unknown_subject_has_an_empty_list(api, repo, base, digest):
    assert api.referrers(repo, digest) == []


def test_an_unknown_repository_is_an_empty_list_and_never_404(api, repo):
    """dist-spec: MUST NOT return a 404 to referrers requests, or clients think it is missing."""
    assert api.referrers(repo, ABSENT) == []


@pytest.mark.parametrize(
    "digest", ["sha256:abc", "sha256", "v1", "md5:" + "0" * 32, "sha256:" + "A" * 64]
)
def test_a_malformed_digest_is_refused(api, repo, base, digest):
    r = api.request("GET", f"/v2/{repo}/referrers/{digest}", None)
    check_errors(r, 400, "DIGEST_INVALID")


def test_a_referrer_is_told_with_type_and_annotations(api, repo, base):
    notes = {"org.opencontainers.image.created": "2024-01-01T00:00:00Z", "naïve": "日本"}
    made = refer(api, repo, base, SBOM, annotations=notes)
    assert api.referrers(repo, base.digest) == [
        {
            "mediaType": OCI_MANIFEST,
            "digest": made.digest,
            "size": len(made.manifest),
            "artifactType": SBOM,
            "annotations": notes,
        }
    ]


def test_without_artifact_type_it_is_the_configs_media_type(api, repo, base):
    config = ("application/vnd.example.config.v1+json", b'{"a":1}')
    made = refer(api, repo, base, None, config=config)
    listed = api.referrers(repo, base.digest)
    assert [(d["digest"], d["artifactType"]) for d in listed] == [(made.digest, config[0])]


def test_an_empty_artifact_type_is_as_none(api, repo, base):
    made = refer(api, repo, base, None)
    empty = Image(canonical({**made.document, "artifactType": ""}), OCI_MANIFEST)
    api.push_manifest(repo, empty.digest, empty)
    types = {d["digest"]: d["artifactType"] for d in api.referrers(repo, base.digest)}
    assert types[empty.digest] == types[made.digest] == made.document["config"]["mediaType"]


def test_an_index_without_artifact_type_has_none(api, repo, base):
    made = index([base], subject=base.descriptor(), annotations={"a": "b"})
    api.push_image(repo, made)
    assert api.referrers(repo, base.digest) == [
        {
            "mediaType": OCI_INDEX,
            "digest": made.digest,
            "size": len(made.manifest),
            "annotations": {"a": "b"},
        }
    ]


def test_an_index_with_artifact_type_has_it(api, repo, base):
    api.push_image(repo, index([base], subject=base.descriptor(), artifactType=SBOM))
    assert [d["artifactType"] for d in api.referrers(repo, base.digest)] == [SBOM]


def test_a_filter_is_applied_and_told(api, repo, base):
    sbom, signature = refer(api, repo, base, SBOM), refer(api, repo, base, SIGNATURE)
    for artifact_type, wanted in [(SBOM, [sbom]), (SIGNATURE, [signature]), ("x/y", [])]:
        r = api.request(
            "GET", f"/v2/{repo}/referrers/{base.digest}", params={"artifactType": artifact_type}
        )
        assert r.headers["OCI-Filters-Applied"] == "artifactType"
        assert r.headers["Content-Type"] == OCI_INDEX
        assert [d["digest"] for d in r.json()["manifests"]] == [m.digest for m in wanted]
    assert len(api.referrers(repo, base.digest)) == 2


def test_a_filter_finds_the_type_that_came_from_the_config(api, repo, base):
    config = ("application/vnd.example.config.v1+json", b"{}")
    made = refer(api, repo, base, None, config=config)
    listed = api.referrers(repo, base.digest, artifactType=config[0])
    assert [d["digest"] for d in listed] == [made.digest]


def test_an_unencoded_plus_in_a_filter(api, repo, base):
    """Clients are seen to send + as it is, although a query means a blank by it."""
    made = refer(api, repo, base, SBOM)
    for spelled in (SBOM.replace("+", "%2B"), SBOM):
        r = api.request("GET", f"/v2/{repo}/referrers/{base.digest}?artifactType={spelled}")
        assert [d["digest"] for d in r.json()["manifests"]] == [made.digest]


def test_a_referrer_may_come_before_its_subject(api, repo):
    later = image(seed="later")
    made = refer(api, repo, later)
    assert [d["digest"] for d in api.referrers(repo, later.digest)] == [made.digest]
    api.push_image(repo, later, "v1")
    assert [d["digest"] for d in api.referrers(repo, later.digest)] == [made.digest]


def test_a_referrer_may_have_referrers(api, repo, base):
    signature = refer(api, repo, base)
    counter = refer(api, repo, signature)
    assert [d["digest"] for d in api.referrers(repo, base.digest)] == [signature.digest]
    assert [d["digest"] for d in api.referrers(repo, signature.digest)] == [counter.digest]


def test_a_referrer_pushed_twice_is_listed_once(api, repo, base):
    made = refer(api, repo, base)
    api.push_manifest(repo, "tagged", made)
    assert [d["digest"] for d in api.referrers(repo, base.digest)] == [made.digest]


def test_a_deleted_referrer_is_not_listed(api, repo, base):
    gone, stays = refer(api, repo, base, n=1), refer(api, repo, base, n=2)
    api.delete_manifest(repo, gone.digest)
    assert [d["digest"] for d in api.referrers(repo, base.digest)] == [stays.digest]


def test_referrers_outlive_their_subject(api, repo, base):
    made = refer(api, repo, base)
    api.delete_manifest(repo, base.digest)
    assert [d["digest"] for d in api.referrers(repo, base.digest)] == [made.digest]


def test_referrers_of_other_repositories_are_not_listed(api, repo, base):
    other = repo + "/other"
    refer(api, other, base)
    assert api.referrers(repo, base.digest) == []
    assert len(api.referrers(other, base.digest)) == 1


def test_a_sha512_subject(api, repo, base):
    subject = {**base.descriptor(), "digest": digest_of(base.manifest, "sha512")}
    made = artifact(SIGNATURE, subject=subject)
    api.push_image(repo, made)
    assert [d["digest"] for d in api.referrers(repo, subject["digest"])] == [made.digest]
    assert api.referrers(repo, base.digest) == []


@pytest.mark.config({"limits": {"page": 4}})
def test_a_long_list_comes_in_pages(client):
    """dist-spec: a Link MUST be included when the list cannot be returned in one manifest."""
    base = image(seed="base")
    client.push_image("app", base, "v1")
    wanted = {refer(client, "app", base, SIGNATURE, n).digest for n in range(10)}
    refer(client, "app", base, SBOM, 99)
    for query, count in [("", 11), (f"?artifactType={SIGNATURE}", 10)]:
        got = list(pages(client, f"/v2/app/referrers/{base.digest}{query}"))
        assert all(p["schemaVersion"] == 2 and p["mediaType"] == OCI_INDEX for p in got)
        assert [len(p["manifests"]) for p in got] == [4, 4, count - 8]
        digests = [d["digest"] for p in got for d in p["manifests"]]
        assert len(digests) == len(set(digests)) == count
        assert wanted <= set(digests)
    # The filter is still applied, and said to be, on the pages that follow.
    r = client.request("GET", f"/v2/app/referrers/{base.digest}?artifactType={SIGNATURE}")
    r = client.request("GET", next_link(r))
    assert r.headers["OCI-Filters-Applied"] == "artifactType"


# The referrers tag schema, as clients of registries without the API used it


def schema_tag(digest):
    return digest.replace(":", "-")


def push_schema_tag(client, repo, subject, descriptors):
    made = Image(
        canonical({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}), OCI_INDEX
    )
    client.push_manifest(repo, schema_tag(subject.digest), made)


def test_an_index_of_the_tag_schema_is_honoured(api, repo, base):
    """dist-spec "Enabling the Referrers API" 1: what such an index lists MUST be included."""
    made = refer(api, repo, base, SBOM)
    push_schema_tag(api, repo, base, [made.descriptor(artifactType=SBOM)])
    assert [d["digest"] for d in api.referrers(repo, base.digest)] == [made.digest]
    assert [d["digest"] for d in api.referrers(repo, base.digest, artifactType=SBOM)] == [
        made.digest
    ]
    assert api.referrers(repo, base.digest, artifactType=SIGNATURE) == []


def test_the_tag_schema_and_the_api_are_merged_without_doubles(api, repo, base):
    first, second = refer(api, repo, base, n=1), refer(api, repo, base, n=2)
    push_schema_tag(api, repo, base, [first.descriptor(artifactType=SIGNATURE)])
    digests = [d["digest"] for d in api.referrers(repo, base.digest)]
    assert sorted(digests) == sorted([first.digest, second.digest])


def test_the_tag_schema_cannot_claim_what_refers_to_something_else(api, repo, base):
    """Only manifests of this subject are listed, whatever the index says."""
    other = image(seed="stranger")
    api.push_image(repo, other)
    made = refer(api, repo, other)
    push_schema_tag(api, repo, base, [made.descriptor(artifactType=SIGNATURE)])
    assert api.referrers(repo, base.digest) == []


@pytest.mark.config({"manifest": {"sparse_indexes": True}})
def test_the_tag_schema_cannot_claim_what_is_not_there(client):
    base = image(seed="base")
    client.push_image("app", base, "v1")
    absent = artifact(SIGNATURE, subject=base.descriptor())
    push_schema_tag(client, "app", base, [absent.descriptor(artifactType=SIGNATURE)])
    assert client.referrers("app", base.digest) == []
