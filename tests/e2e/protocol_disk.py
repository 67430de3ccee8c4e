"""The layout on disk, exactly as ARCHITECTURE.md draws it ("On disk")."""

import os
import stat

import pytest

from below import files_below, paths_below
from helpers import canonical, digest_of, image, index, random_bytes
from server import AT_ONCE
from waiting import until

pytestmark = pytest.mark.sanitize


def tree(root):
    """Everything below repositories/: {path: "dir", "file" or "-> target"}."""
    top = root / "repositories"
    found = {}
    for path in sorted(paths_below(top)):
        mode = path.lstat().st_mode
        kind = "dir" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"
        if stat.S_ISLNK(mode):
            kind = "-> " + os.readlink(path)
        found[str(path.relative_to(top))] = kind
    return found


def test_a_push_lies_where_the_document_says(registry, client):
    made = image(seed="disk", layers=1)
    client.push_image("team/app", made, "v1")
    config, layer = made.blobs
    assert tree(registry.root) == {
        "team": "dir",
        "team/app": "dir",
        "team/app/blobs": "dir",
        f"team/app/blobs/{config}": "file",
        f"team/app/blobs/{layer}": "file",
        "team/app/manifests": "dir",
        f"team/app/manifests/{made.digest}": "file",
        "team/app/manifests/v1": f"-> {made.digest}",
    }
    manifests = registry.root / "repositories" / "team" / "app" / "manifests"
    assert (manifests / made.digest).read_bytes() == made.manifest
    assert (manifests / "v1").read_bytes() == made.manifest
    blobs = registry.root / "repositories" / "team" / "app" / "blobs"
    assert {p.name: p.read_bytes() for p in blobs.iterdir()} == made.blobs


def test_an_upload_lies_in_its_own_directory(registry, client):
    data = random_bytes(5000)
    r = client.request("POST", "/v2/app/blobs/uploads/", 202)
    client.patch(r.headers["Location"], data)
    uploads = registry.root / "temp" / "uploads"
    assert [p.name for p in uploads.iterdir()] == [r.headers["Docker-Upload-UUID"]]
    assert (uploads / r.headers["Docker-Upload-UUID"] / "data").read_bytes() == data
    assert tree(registry.root) == {}


def test_the_database_lies_in_the_root(registry, client):
    assert (registry.root / "registry.db").is_file()


@pytest.mark.config(AT_ONCE)
def test_a_blob_of_two_repositories_is_one_inode(registry, client):
    data = random_bytes(100_000)
    digest = client.push_blob("first", data)
    client.push_blob("second", data)
    assert client.mount("third", digest, "first")
    top = registry.root / "repositories"
    files = [(top / name / "blobs" / digest).stat() for name in ("first", "second", "third")]
    assert len({f.st_ino for f in files}) == 1
    assert files[0].st_nlink == 3
    client.delete_blob("first", digest)
    until(lambda: (top / "second" / "blobs" / digest).stat().st_nlink == 2)
    assert client.get_blob("second", digest).content == data


@pytest.mark.parametrize(
    "name, on_disk",
    [
        ("manifests", "%manifests"),
        ("blobs", "%blobs"),
        ("a/manifests", "a/%manifests"),
        ("a/blobs/b", "a/%blobs/b"),
        ("manifests/blobs", "%manifests/%blobs"),
        ("a/manifests1", "a/manifests1"),
    ],
)
def test_reserved_words_of_a_name_get_a_percent_sign(registry, client, name, on_disk):
    made = image(seed="reserved", layers=1)
    client.push_image(name, made, "v1")
    directory = registry.root / "repositories" / on_disk
    assert (directory / "manifests" / "v1").readlink().name == made.digest
    assert sorted(p.name for p in (directory / "blobs").iterdir()) == sorted(made.blobs)
    assert client.pull_image(name, "v1") == made
    assert client.catalog() == [name]


def test_a_repository_and_those_below_it_do_not_mix(registry, client):
    names = ["a", "a/manifests", "a/blobs", "a/b"]
    for name in names:
        client.push_image(name, image(seed=name, layers=1), "v1")
    assert client.catalog() == sorted(names)
    for name in names:
        assert client.pull_image(name, "v1") == image(seed=name, layers=1)
        assert client.tags(name) == ["v1"]


def test_a_tag_that_moves_is_another_link(registry, client):
    old, new = image(seed="old"), image(seed="new")
    client.push_image("app", old, "v1")
    client.push_image("app", new, "v1")
    manifests = registry.root / "repositories" / "app" / "manifests"
    assert os.readlink(manifests / "v1") == new.digest
    assert (manifests / old.digest).read_bytes() == old.manifest


@pytest.mark.config(AT_ONCE)
def test_a_deletion_takes_the_files(registry, client):
    made = image(seed="gone", layers=1)
    client.push_image("app", made, "v1")
    manifests = registry.root / "repositories" / "app" / "manifests"
    client.delete_manifest("app", "v1")
    assert [p.name for p in manifests.iterdir()] == [made.digest]
    client.delete_manifest("app", made.digest)
    assert list(manifests.iterdir()) == []
    for digest in made.blobs:
        client.delete_blob("app", digest)
    until(lambda: not files_below(registry.root / "repositories"))


def test_the_bytes_of_a_deleted_blob_stay_for_the_grace(registry, client):
    digest = client.push_blob("app", b"back in an hour")
    client.delete_blob("app", digest)
    client.get_blob("app", digest, expect=404)
    assert (registry.root / "repositories" / "app" / "blobs" / digest).read_bytes() == b"back in an hour"


def test_an_index_and_sha512_content_lie_beside_the_rest(registry, client):
    child = image(seed="child", layers=1)
    made = index([child])
    client.push_image("app", made, "multi")
    data = canonical({"some": "content"})
    sha512 = client.push_blob("app", data, digest_of(data, "sha512"))
    app = registry.root / "repositories" / "app"
    assert sorted(p.name for p in (app / "manifests").iterdir()) == sorted(
        ["multi", made.digest, child.digest]
    )
    assert (app / "blobs" / sha512).read_bytes() == data


def test_refused_content_leaves_nothing(registry, client):
    client.finish(client.start_upload("app"), digest_of(b"x"), b"y", 400)
    client.push_manifest("app", "v1", image(seed="no blobs"), 404)
    assert not files_below(registry.root / "repositories")
    assert list((registry.root / "temp" / "uploads").iterdir()) == []
