"""`registry gc` over a table of DynamoDB, where what is condemned and who names what is found otherwise (condemned.c and
naming.c of src/meta/dynamodb)."""

import pytest

from helpers import Client, image
from test_collect import (  # noqa: F401  (tests of this file, over its registry)
    collect,
    gc,
    test_children_go_with_their_index_unless_something_else_has_them,
    test_explain_says_why,
    test_referrers_go_with_their_subject_and_theirs_with_them,
    test_what_is_condemned_stays_for_the_grace,
)


@pytest.fixture
def registry(table, new_registry):
    return new_registry(config={"metadata": table.section()}).start()


@pytest.fixture
def client(registry):
    with Client(registry.url) as client:
        yield client


def test_a_dry_run_says_what_the_run_does_and_tells_it_the_same_again(registry, client, table):
    made = image(1)
    client.push_image("app", made, "v1")
    client.push_image("app", image(2), "v2")
    client.delete_manifest("app", made.digest)
    before = kept(table)
    _, planned = gc(registry, "--older-than", "0s", delete=False)
    assert kept(table) == before
    assert planned["deleted"]["blobs"] == len(made.blobs)
    assert collect(registry)["deleted"] == planned["deleted"]
    client.pull_image("app", "v2")
    assert collect(registry)["deleted"] == {"blobs": 0, "manifests": 0, "bytes": 0}


def test_a_head_and_a_push_revive_a_condemned_blob(registry, client, table):
    digests = [client.push_blob("app", data) for data in (b"head", b"push", b"neither")]
    gc(registry)
    assert condemned(table) == set(digests)
    assert client.has_blob("app", digests[0])
    client.push_blob("app", b"push")
    assert condemned(table) == {digests[2]}


def condemned(table):
    return {item["digest"] for item in table.items("B") if "c_since" in item}


def kept(table):
    """Blobs and manifests, with all that is said of them."""
    return [table.items("B"), table.items("M")]
