"""`registry import-distribution` takes over what Debian's docker-registry wrote, and `registry
copy-store` takes content from one store to another."""

import os
import re
import shutil

import pytest

from content import command, counts, images, snapshot
from helpers import Client, artifact, image, index, random_bytes, write_oci_layout
from reference_registry import PLAIN, Theirs
from server import TOP

pytestmark = pytest.mark.sanitize

WITH_DELETE = PLAIN.replace("storage:\n", "storage:\n  delete: {{enabled: true}}\n")


@pytest.fixture
def theirs(work):
    registry = Theirs(work, WITH_DELETE).start()
    yield registry
    registry.stop()


@pytest.fixture
def subject():
    return image(seed="subject", layers=3)


@pytest.fixture
def filled(theirs, subject, containers, work):
    """What is pushed to theirs by skopeo and by hand; returns all that it serves then."""
    with Client(theirs.url) as client:
        client.push_image("library/app", subject, "v1")
        client.push_image("library/app", artifact("application/vnd.example.sbom", subject=subject.descriptor()))
        client.push_image("multi/arch", index([subject, image(seed=2, architecture="arm64")]), "latest")
        client.push_image("multi/arch", index([image(seed=3, docker=True)], docker=True), "docker")
        client.push_image("multi", image(seed="above"), "v1")
        client.push_manifest("library/app", "moved", subject)
        client.push_image("library/app", image(seed="moved"), "moved")
        gone = image(seed="gone")
        client.push_image("library/app", gone)
        client.delete_manifest("library/app", gone.digest)
        write_oci_layout(work / "layout", image(seed="skopeo", layers=2), "v1")
        there = f"docker://127.0.0.1:{theirs.port}/by/skopeo"
        containers.skopeo("copy", f"oci:{work}/layout:v1", f"{there}:v1")
        containers.skopeo("copy", "--format", "v2s2", f"oci:{work}/layout:v1", f"{there}:docker")
        return images(client)


@pytest.fixture
def ours(new_registry, work):
    return new_registry(root=work / "ours")


def root_of(work):
    return work / "theirs"


def data_of(work, digest):
    digits = digest.partition(":")[2]
    return root_of(work) / "docker/registry/v2/blobs/sha256" / digits[:2] / digits / "data"


def served(registry):
    registry.start()
    with Client(registry.url) as client:
        found = images(client)
    registry.stop()
    return found


def test_every_tag_of_theirs_is_ours(theirs, filled, ours, work, subject):
    theirs.stop()
    printed = counts(command(ours, "import-distribution", root_of(work)))
    assert printed["tags"] == (7, 7)
    assert len(filled) == 4
    assert served(ours) == filled
    ours.start()
    with Client(ours.url) as client:
        assert len(client.referrers("library/app", subject.digest)) == 1
        client.get_manifest("library/app", image(seed="gone").digest, expect=404)


def test_blobs_become_links_to_their_files(theirs, filled, ours, work, subject):
    theirs.stop()
    command(ours, "import-distribution", root_of(work))
    for digest in subject.blobs:
        assert data_of(work, digest).samefile(ours.root / "repositories/library/app/blobs" / digest)
        assert data_of(work, digest).samefile(ours.root / "repositories/multi/arch/blobs" / digest)


def test_deleting_here_leaves_theirs(theirs, filled, ours, work, subject):
    theirs.stop()
    command(ours, "import-distribution", root_of(work))
    ours.start()
    with Client(ours.url) as client:
        client.delete_manifest("multi", image(seed="above").digest)
        for digest, data in image(seed="above").blobs.items():
            client.delete_blob("multi", digest)
            assert data_of(work, digest).read_bytes() == data


def test_what_comes_later_is_taken_by_a_second_run(theirs, filled, ours, work):
    first = counts(command(ours, "import-distribution", root_of(work)))  # theirs runs
    with Client(theirs.url) as client:
        client.push_image("library/app", image(seed="later"), "v2")
        now = images(client)
    theirs.stop()
    second = counts(command(ours, "import-distribution", root_of(work)))
    assert second["tags"] == (first["tags"][0] + 1, 1)
    assert second["manifests"][1] == 1
    assert served(ours) == now


def test_a_tag_that_moved_there_is_moved_when_it_is_asked_for(theirs, filled, ours, work):
    command(ours, "import-distribution", root_of(work))
    with Client(theirs.url) as client:
        client.push_image("multi", image(seed="another"), "v1")
        now = images(client)
    theirs.stop()
    assert "1 tags are here already" in command(ours, "import-distribution", root_of(work))
    assert served(ours)["multi"]["v1"] == image(seed="above")
    assert "1 tags moved" in command(ours, "import-distribution", root_of(work), "--move-tags")
    assert served(ours) == now


def test_what_was_changed_here_stays(theirs, filled, ours, work):
    theirs.stop()
    command(ours, "import-distribution", root_of(work))
    ours.start()
    with Client(ours.url) as client:
        client.push_image("multi", image(seed="mine"), "v1")
        client.push_image("mine", image(seed="mine"), "v1")
    ours.kill()
    command(ours, "import-distribution", root_of(work))
    found = served(ours)
    assert found["multi"]["v1"] == found["mine"]["v1"] == image(seed="mine")


def test_damaged_content_is_told_and_left_out(theirs, filled, ours, work, subject):
    theirs.stop()
    blob = next(iter(image(seed="above").blobs))
    data_of(work, blob).write_bytes(b"x" * data_of(work, blob).stat().st_size)
    data_of(work, subject.digest).write_bytes(b"{}")
    printed = command(ours, "import-distribution", root_of(work), status=1)
    assert f"multi: blob {blob} is left out: it is damaged" in printed
    assert f"library/app: manifest {subject.digest} is left out: it is damaged" in printed
    assert "library/app: tag v1 is left out" in printed
    ours.start()
    with Client(ours.url) as client:
        assert client.tags("library/app") == ["moved"]
        assert not client.has_blob("multi", blob)
        client.push_image("multi", image(seed="above"), "v1")
        assert client.pull_image("multi", "v1") == image(seed="above")


def test_links_in_the_tree_lead_nowhere(theirs, filled, ours, work, subject):
    theirs.stop()
    secret = work / "secret"
    secret.mkdir()
    base = root_of(work) / "docker/registry/v2"
    shutil.copytree(base / "repositories/multi", secret / "outside")
    (base / "repositories/outside").symlink_to(secret / "outside")
    blob = next(iter(image(seed="above").blobs))
    shutil.move(data_of(work, blob), secret / "data")
    data_of(work, blob).symlink_to(secret / "data")
    tag = base / "repositories/library/app/_manifests/tags/moved/current/link"
    tag.unlink()
    os.mkfifo(tag)
    printed = command(ours, "import-distribution", root_of(work), status=1)
    assert "names 1 that are missing" in printed
    ours.start()
    with Client(ours.url) as client:
        assert "outside" not in client.catalog()
        assert not client.has_blob("multi", blob)
        assert client.tags("library/app") == ["v1"]


def test_the_command_of_the_page_does_what_it_says(theirs, filled, ours, work):
    theirs.stop()
    page = (TOP / "docs/distribution.md").read_text()
    line = re.search(r"^registry (import-distribution .*)$", page, re.MULTILINE).group(1)
    words = line.replace("/var/lib/docker-registry", str(root_of(work))).replace("registry.yaml", str(ours.config_path))
    command(ours, *words.split(), config=False)
    assert served(ours) == filled


def test_another_directory_is_refused(ours, work):
    printed = command(ours, "import-distribution", work, status=1)
    assert f"'{work}' is not the data directory of a reference registry" in printed


def test_a_store_is_copied_to_another_and_served_from_there(registry, client, new_registry, work):
    app = image(seed="app", layers=3)
    client.push_image("team/app", app, "v1")
    client.push_image("team/app", artifact("application/vnd.example.sbom", subject=app.descriptor()))
    client.push_image("multi", index([app, image(seed=2)]), "latest")
    before = snapshot(client)
    registry.stop()
    there = new_registry(root=work / "there")
    there.root.mkdir()
    first = command(there, "copy-store", "--from", registry.config_path, "--to", there.root, config=False)
    again = command(there, "copy-store", "--from", registry.root, "--to", there.config_path, config=False)
    assert counts(first)["tags"] == (2, 2)
    assert [fresh for _, fresh in counts(again).values()] == [0, 0, 0]
    shutil.rmtree(registry.root)
    command(there, "reindex")
    there.start()
    with Client(there.url) as other:
        assert snapshot(other) == before
    registry.root.mkdir()


def test_a_store_is_copied_to_a_bucket_and_back(registry, client, new_registry, bucket, work):
    app = image(seed="app", layers=3)
    client.push_image("team/app", app, "v1")
    client.push_image("team/app", artifact("application/vnd.example.sbom", subject=app.descriptor()))
    client.push_image("multi", index([app, image(seed=2)]), "latest")
    client.push_blob("team/app", random_bytes(20_000_000))
    before = snapshot(client)
    registry.stop()
    there = new_registry(
        config={"storage": bucket.section(), "metadata": {"sqlite": {"path": f"{work}/meta.db"}}}
    )
    there.write_config()
    to_bucket = ["copy-store", "--from", registry.root, "--to", there.config_path]
    assert counts(command(registry, *to_bucket, config=False))["tags"] == (2, 2)
    assert [fresh for _, fresh in counts(command(registry, *to_bucket, config=False)).values()] == [0, 0, 0]
    command(there, "reindex")
    there.start()
    with Client(there.url) as other:
        assert snapshot(other) == before
    there.stop()
    back = new_registry(root=work / "back")
    back.write_config()
    command(there, "copy-store", "--from", there.config_path, "--to", back.config_path, config=False)
    command(back, "reindex")
    back.start()
    with Client(back.url) as other:
        assert snapshot(other) == before


def test_theirs_are_taken_over_into_a_bucket(theirs, filled, new_registry, bucket, work):
    theirs.stop()
    ours = new_registry(config={"storage": bucket.section(), "metadata": {"sqlite": {"path": f"{work}/meta.db"}}})
    command(ours, "import-distribution", root_of(work))
    assert served(ours) == filled


def test_a_store_is_not_copied_while_a_server_uses_it(registry, work):
    printed = command(registry, "copy-store", "--from", registry.root, "--to", work / "there", status=1, config=False)
    assert f"another registry (pid {registry.pid}) uses storage root" in printed


def test_both_stores_must_be_named(registry):
    assert "--from and --to are needed" in command(registry, "copy-store", status=2, config=False)
