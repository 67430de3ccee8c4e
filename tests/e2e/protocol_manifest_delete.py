"""Deleting tags, manifests and blobs (dist-spec "Content Management")."""

import pytest

from checks import ABSENT, check_errors
from helpers import artifact, digest_of, image, index

pytestmark = pytest.mark.sanitize


@pytest.fixture
def pushed(api, repo):
    made = image(seed="delete")
    api.push_image(repo, made, "v1")
    return made


def test_deleting_a_tag_keeps_the_manifest(api, repo, pushed):
    api.push_manifest(repo, "v2", pushed)
    api.delete_manifest(repo, "v1")
    check_errors(api.get_manifest(repo, "v1", None), 404, "MANIFEST_UNKNOWN")
    assert api.tags(repo) == ["v2"]
    assert api.pull_image(repo, "v2") == pushed
    api.delete_manifest(repo, "v2")
    assert api.pull_image(repo, pushed.digest) == pushed


def test_deleting_a_manifest_deletes_its_tags(api, repo, pushed):
    api.push_manifest(repo, "v2", pushed)
    other = image(seed="stays")
    api.push_image(repo, other, "v3")
    api.delete_manifest(repo, pushed.digest)
    for reference in ("v1", "v2", pushed.digest):
        check_errors(api.get_manifest(repo, reference, None), 404, "MANIFEST_UNKNOWN")
        api.head_manifest(repo, reference, 404)
    assert api.tags(repo) == ["v3"]
    assert api.pull_image(repo, "v3") == other


def test_a_deletion_is_seen_by_a_conditional_get(api, repo, pushed):
    condition = {"If-None-Match": f'"{pushed.digest}"'}
    api.request("GET", f"/v2/{repo}/manifests/v1", 304, headers=condition)
    api.delete_manifest(repo, pushed.digest)
    api.request("GET", f"/v2/{repo}/manifests/v1", 404, headers=condition)
    api.request("GET", f"/v2/{repo}/manifests/{pushed.digest}", 404, headers=condition)


def test_a_manifest_can_be_pushed_again_after_its_deletion(api, repo, pushed):
    api.delete_manifest(repo, pushed.digest)
    api.push_image(repo, pushed, "v1")
    assert api.pull_image(repo, "v1") == pushed


@pytest.mark.parametrize("reference", ["none", ABSENT])
def test_deleting_what_is_not_there_is_404(api, repo, pushed, reference):
    check_errors(api.delete_manifest(repo, reference, None), 404, "MANIFEST_UNKNOWN")
    api.get_manifest(repo, "v1")


def test_deleting_twice_is_404(api, repo, pushed):
    api.delete_manifest(repo, "v1")
    api.delete_manifest(repo, "v1", 404)
    api.delete_manifest(repo, pushed.digest)
    api.delete_manifest(repo, pushed.digest, 404)


@pytest.mark.parametrize("reference", ["v1", ABSENT])
def test_deleting_in_an_unknown_repository_is_404(api, repo, reference):
    check_errors(api.delete_manifest(repo, reference, None), 404)


def test_a_deletion_in_one_repository_leaves_the_others(api, repo, pushed):
    other = repo + "/other"
    api.push_image(other, pushed, "v1")
    api.delete_manifest(repo, pushed.digest)
    assert api.pull_image(other, "v1") == pushed


def test_a_child_of_an_index_is_not_deleted(api, repo):
    """An index that names a missing image is what the push refused; deletion does the same."""
    child = image(seed="child")
    made = index([child])
    api.push_image(repo, made, "v1")
    check_errors(api.delete_manifest(repo, child.digest, None), 405, "DENIED")
    assert api.pull_image(repo, "v1") == made
    api.delete_manifest(repo, made.digest)
    api.delete_manifest(repo, child.digest)


def test_a_subject_is_deleted_although_it_has_referrers(api, repo, pushed):
    """A subject may be missing, so referrers do not hold it."""
    signature = artifact("application/vnd.example.s", subject=pushed.descriptor())
    api.push_image(repo, signature)
    api.delete_manifest(repo, pushed.digest)
    assert api.pull_image(repo, signature.digest) == signature


@pytest.mark.config({"delete": {"enabled": False}})
def test_nothing_is_deleted_when_deletion_is_off(client):
    made = image(seed="kept")
    client.push_image("app", made, "v1")
    blob = client.push_blob("app", b"unused")
    for reference in ("v1", made.digest, "none", ABSENT):
        check_errors(client.delete_manifest("app", reference, None), 405, "UNSUPPORTED")
    check_errors(client.delete_blob("app", blob, None), 405, "UNSUPPORTED")
    assert client.pull_image("app", "v1") == made
    assert client.has_blob("app", blob)


# Blobs


def test_a_blob_that_nothing_names_is_deleted(api, repo):
    blob = api.push_blob(repo, b"unused")
    api.delete_blob(repo, blob)
    check_errors(api.get_blob(repo, blob, None), 404, "BLOB_UNKNOWN")
    check_errors(api.delete_blob(repo, blob, None), 404, "BLOB_UNKNOWN")


def test_a_blob_that_a_manifest_names_is_not_deleted(api, repo, pushed):
    for digest in pushed.blobs:
        check_errors(api.delete_blob(repo, digest, None), 405, "DENIED")
    assert api.pull_image(repo, "v1") == pushed


def test_a_blob_is_deleted_after_the_manifests_that_name_it(api, repo, pushed):
    api.delete_manifest(repo, "v1")
    digest = next(iter(pushed.blobs))
    check_errors(api.delete_blob(repo, digest, None), 405, "DENIED")
    api.delete_manifest(repo, pushed.digest)
    api.delete_blob(repo, digest)
    assert not api.has_blob(repo, digest)


def test_a_blob_deleted_here_stays_elsewhere(api, repo):
    other = repo + "/other"
    blob = api.push_blob(repo, b"in two repositories")
    api.push_blob(other, b"in two repositories")
    api.delete_blob(repo, blob)
    assert not api.has_blob(repo, blob)
    assert api.get_blob(other, blob).content == b"in two repositories"


def test_a_deleted_blob_can_be_pushed_again(api, repo):
    blob = api.push_blob(repo, b"again")
    api.delete_blob(repo, blob)
    api.push_blob(repo, b"again")
    assert api.get_blob(repo, blob).content == b"again"


@pytest.mark.parametrize("digest", ["sha256:abc", "sha512:" + "0" * 64, "md5:" + "0" * 32, "x:y"])
def test_a_malformed_digest_is_refused(api, repo, digest):
    check_errors(api.delete_blob(repo, digest, None), 400, "DIGEST_INVALID")


def test_deleting_a_blob_that_is_not_there_is_404(api, repo, pushed):
    check_errors(api.delete_blob(repo, digest_of(b"never pushed"), None), 404, "BLOB_UNKNOWN")
