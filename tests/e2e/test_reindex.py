"""`registry reindex`: the database is lost, and comes back from the store."""

import pytest

from content import command, counts, snapshot
from helpers import Client, artifact, image, index, write_oci_layout

pytestmark = pytest.mark.sanitize

SIGNATURE = "application/vnd.example.signature"


@pytest.fixture
def filled(registry, client, containers, work):
    """Images of several clients and kinds in several repositories; returns the first of them."""
    app = image(seed="app", layers=3)
    docker = image(seed="docker", docker=True)
    signature = artifact(SIGNATURE, subject=app.descriptor(), annotations={"by": "somebody"})
    client.push_image("team/app", app, "v1")
    client.push_image("team/app", signature)
    client.push_image("team/app", artifact(SIGNATURE, subject=signature.descriptor()))
    client.push_image("team/app/manifests/blobs", docker, "latest")
    client.push_image("multi", index([app, index([image(seed=2)])]), "latest")
    client.push_image("multi", index([docker], docker=True), "docker")
    write_oci_layout(work / "layout", image(seed="skopeo", layers=2), "v1")
    here = f"docker://{registry.address}"
    containers.skopeo("copy", f"oci:{work}/layout:v1", f"{here}/by/skopeo:v1")
    containers.skopeo("copy", "--format", "v2s2", f"oci:{work}/layout:v1", f"{here}/by/skopeo:docker")
    client.push_manifest("team/app", "moved", app)
    client.push_image("team/app", image(seed="later"), "moved")
    client.push_manifest("team/app", "deleted", app)
    client.delete_manifest("team/app", "deleted")
    return app


def lose_database(registry):
    registry.stop()
    for file in registry.root.glob("registry.db*"):
        file.unlink()


def test_everything_comes_back_from_the_store(registry, client, filled):
    data = b"pushed, and not used by any image yet"
    unused = client.push_blob("team/app", data)
    before = snapshot(client)
    assert len(before) == 4
    lose_database(registry)
    printed = command(registry, "reindex")
    assert counts(printed)["tags"] == (7, 7)
    registry.start()
    assert "no database" not in registry.log
    assert snapshot(client) == before
    assert client.get_blob("team/app", unused).content == data
    client.get_manifest("team/app", "deleted", expect=404)
    client.delete_blob("team/app", next(iter(filled.blobs)), expect=405)


def test_a_second_run_has_nothing_to_do(registry, client, filled):
    before = snapshot(client)
    lose_database(registry)
    first = counts(command(registry, "reindex"))
    second = counts(command(registry, "reindex"))
    assert {what: n for what, (n, _) in first.items()} == {what: n for what, (n, _) in second.items()}
    assert [fresh for _, fresh in second.values()] == [0, 0, 0]
    registry.start()
    assert snapshot(client) == before


def test_what_was_pushed_since_a_backup_of_the_database_comes_back(registry, client):
    client.push_image("app", image(seed="old"), "v1")
    registry.stop()
    kept = (registry.root / "registry.db").read_bytes()
    registry.start()
    client.push_image("app", image(seed="new"), "v2")
    client.push_image("app", image(seed="new"), "v1")
    before = snapshot(client)
    lose_database(registry)
    (registry.root / "registry.db").write_bytes(kept)
    printed = command(registry, "reindex")
    assert counts(printed)["tags"] == (2, 1)
    assert "1 tags left as the database has them; --move-tags" in printed
    assert "1 tags moved" in command(registry, "reindex", "--move-tags")
    registry.start()
    assert snapshot(client) == before


def test_a_damaged_manifest_is_told_and_the_rest_comes_back(registry, client, filled):
    bad = image(seed="bad")
    before = snapshot(client)
    client.push_image("bad", bad, "v1")
    lose_database(registry)
    (registry.root / "repositories/bad/manifests" / bad.digest).write_text("{}")
    printed = command(registry, "reindex", status=1)
    assert f"registry: bad: manifest {bad.digest} is left out: it is damaged" in printed
    assert "registry: bad: tag v1 is left out" in printed
    registry.start()
    assert snapshot(client) == before
    client.push_image("bad", bad, "v1")
    assert client.pull_image("bad", "v1") == bad


def test_it_does_not_run_while_a_server_does(registry, client):
    client.push_image("app", image(), "v1")
    printed = command(registry, "reindex", status=1)
    assert f"another registry (pid {registry.pid}) uses storage root" in printed


def test_the_warning_of_a_missing_database_names_it(registry, client):
    client.push_image("app", image(), "v1")
    lose_database(registry)
    (registry.root / "registry.json").unlink()  # as in a directory of an earlier version
    registry.start()
    assert "`registry reindex` makes one from the store" in registry.log


def test_everything_comes_back_from_a_bucket(new_registry, bucket, work):
    registry = new_registry(
        config={"storage": bucket.section(prefix="registry/"), "metadata": {"sqlite": {"path": f"{work}/meta.db"}}}
    ).start()
    app = image(seed="app", layers=3)
    with Client(registry.url) as client:
        client.push_image("team/app", app, "v1")
        client.push_image("team/app", artifact(SIGNATURE, subject=app.descriptor()))
        client.push_image("multi", index([app, index([image(seed=2)])]), "latest")
        before = snapshot(client)
    registry.stop()
    for file in work.glob("meta.db*"):
        file.unlink()
    printed = command(registry, "reindex")
    assert counts(printed)["tags"] == (2, 2)
    registry.start()
    with Client(registry.url) as client:
        assert snapshot(client) == before
