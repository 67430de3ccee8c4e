"""The tables of docs/collection.md, of who loses what: each row has a test. Here are those that no other file has."""

import re

import pytest

from content import command
from helpers import Client, artifact, image, index
from server import AT_ONCE, TOP

COLLECT = "tests/e2e/test_collect.py"
HERE = "tests/e2e/test_collect_table.py"
RETENTION = "tests/unit/core/test_retention.c"

ROWS = {
    "children of a tagged index, to any depth": (COLLECT, "test_children_of_a_tagged_index_stay"),
    "an index whose tag was deleted, and its child": (COLLECT, "test_an_index_that_lost_its_tag_stays_with_its_children"),
    "children of an index that was deleted by digest": (
        COLLECT, "test_children_go_with_their_index_unless_something_else_has_them"),
    "another child of it, with a tag of its own": (
        COLLECT, "test_children_go_with_their_index_unless_something_else_has_them"),
    "a referrer of a tagged subject, and a referrer of that": (COLLECT, "test_referrers_of_a_tagged_subject_stay"),
    "a referrer of a deleted subject, and a referrer of that": (
        COLLECT, "test_referrers_go_with_their_subject_and_theirs_with_them"),
    "a referrer with a tag of its own, whose subject was deleted": (
        COLLECT, "test_a_tagged_referrer_of_a_deleted_subject_stays"),
    "a referrer of a subject that lost only its tag": (HERE, "test_a_referrer_stays_with_a_subject_that_lost_its_tag"),
    "a referrer pushed before its subject": (COLLECT, "test_a_referrer_pushed_before_its_subject_stays"),
    "an index without a tag that has a subject, and its child": (
        HERE, "test_an_index_that_refers_to_an_image_lives_and_dies_with_it"),
    "a signature at cosign's tag, whose image was deleted": (
        COLLECT, "test_signatures_by_tag_live_and_die_with_their_image"),
    "a config that 200 artifacts share, while one is left": (
        COLLECT, "test_a_config_that_artifacts_share_stays_while_one_has_it"),
    "a layer that was mounted into another repository": (COLLECT, "test_a_mounted_layer_stays_in_the_other_repository"),
    "an image pushed by digest alone": (COLLECT, "test_an_image_without_a_tag_stays"),
    "the image at which a tag pointed before": (COLLECT, "test_an_image_without_a_tag_stays"),
    "an upload in progress": (COLLECT, "test_an_open_upload_goes_on"),
    "a blob without a manifest": (COLLECT, "test_a_blob_without_a_manifest_goes"),
    "pushes beside a run": (COLLECT, "test_nothing_that_was_pushed_is_lost_to_runs_beside_it"),
    "an image deleted in one repository and tagged in another": (
        HERE, "test_what_goes_from_one_repository_stays_in_the_other"),
    "caches of a server beside a run": (HERE, "test_what_a_server_remembers_agrees_with_the_disk"),
    "a run that was killed": (COLLECT, "test_a_run_that_was_killed_is_finished_by_the_next"),
    "a manifest that can't be read": (COLLECT, "test_a_manifest_that_cannot_be_read_keeps_what_it_names"),
    "a dry run": (COLLECT, "test_a_dry_run_changes_nothing_and_says_what_the_run_does"),
    "signatures by tag of an image that a retention policy keeps": (
        RETENTION, "signatures_by_tag_stay_with_their_image"),
    "a retention policy whose patterns match nothing": (
        RETENTION, "a_policy_that_keeps_tags_that_are_not_there_is_told_and_not_carried_out"),
}  # fmt: skip


def first_columns():
    """Of the tables that begin so."""
    page = (TOP / "docs" / "collection.md").read_text()
    tables = re.findall(r"^\| what(?: may go wrong)? \|.*\n\| --- .*\n((?:\|.*\n)+)", page, re.MULTILINE)
    return {row.split("|")[1].strip() for table in tables for row in table.splitlines()}


def test_each_row_has_a_test():
    assert first_columns() == set(ROWS)
    for path, name in ROWS.values():
        assert f"{name}(" in (TOP / path).read_text()


@pytest.fixture
def registry(new_registry):
    return new_registry(config=AT_ONCE).start()


@pytest.fixture
def client(registry):
    with Client(registry.url) as client:
        yield client


def collect(registry):
    command(registry, "gc", "--delete", "--older-than", "0s")


def has(client, repo, digest):
    return client.head_manifest(repo, digest).status_code == 200


def test_a_referrer_stays_with_a_subject_that_lost_its_tag(registry, client):
    subject = image(1)
    signature = artifact("a/signature", subject=subject.descriptor())
    client.push_image("app", subject, "v1")
    client.push_image("app", signature)
    client.delete_manifest("app", "v1")
    collect(registry)
    for x in subject, signature:
        assert client.pull_image("app", x.digest) == x


def test_an_index_that_refers_to_an_image_lives_and_dies_with_it(registry, client):
    subject, child = image(1), image(2)
    about = index([child], subject=subject.descriptor())
    client.push_image("app", subject, "v1")
    client.push_image("app", about)
    collect(registry)
    assert client.pull_image("app", about.digest) == about
    client.delete_manifest("app", subject.digest)
    collect(registry)
    assert not has(client, "app", about.digest)
    assert not has(client, "app", child.digest)


@pytest.mark.parametrize("gone, stays", [("aa/x", "zz/x"), ("zz/x", "aa/x")], ids=["first", "last"])
def test_what_goes_from_one_repository_stays_in_the_other(registry, client, gone, stays):
    whole = image(1)
    for repo in gone, stays:
        client.push_image(repo, whole, "v1")
    client.delete_manifest(gone, whole.digest)
    collect(registry)
    assert client.pull_image(stays, "v1") == whole
    assert not any(client.has_blob(gone, digest) for digest in whole.blobs)


def check_remembered(registry):
    """Served before from what is remembered, and pushed anew after it went."""
    whole = image(1)
    with Client(registry.url) as client:
        client.push_image("app", whole, "v1")
        for _ in range(3):
            client.pull_image("app", "v1")
        client.delete_manifest("app", whole.digest)
        collect(registry)
        for digest in whole.blobs:
            assert not client.has_blob("app", digest)
            client.get_blob("app", digest, 404)
        client.push_image("app", whole, "v1")
        assert client.pull_image("app", "v1") == whole


def test_what_a_server_remembers_agrees_with_the_disk(registry):
    check_remembered(registry)


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
def test_what_a_server_has_in_its_cache_agrees_with_the_bucket(new_registry, bucket, work):
    cache = {"disk_path": str(work / "cache"), "disk_size_gb": 1}
    storage = {**bucket.section(), "cache": cache}
    check_remembered(new_registry(config={**AT_ONCE, "storage": storage}).start())
