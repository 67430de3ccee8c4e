"""`registry check`: each fault, made by hand, is found under its code and no other; a change in progress is none."""

import json
import os
import sqlite3
import subprocess
import threading
import time
import uuid

import pytest

from content import command
from helpers import Client, digest_of, image
from server import TOP

pytestmark = pytest.mark.sanitize

OLD_S = 3 * 3600  # longer than twice upload.timeout


@pytest.fixture
def registry(new_registry):
    return new_registry(config={"check": {"settle": "500ms"}}).start()


def check(registry, *words, status):
    """What `registry check --json` printed: the findings, and the counts."""
    lines = [json.loads(line) for line in command(registry, "check", "--json", *words, status=status).splitlines()]
    return lines[:-1], lines[-1]


def codes(registry, *words, status=1):
    return [f["code"] for f in check(registry, *words, status=status)[0]]


def make_old(path, by_s=OLD_S):
    then = time.time() - by_s
    os.utime(path, (then, then), follow_symlinks=False)


class Store:
    """The files and rows of a registry that is stopped, with one image in it."""

    def __init__(self, registry):
        self.root = registry.root
        self.image = image()
        with Client(registry.url) as client:
            client.push_image("app", self.image, "v1")
        registry.stop()
        self.repo = self.root / "repositories/app"
        self.blob = next(iter(self.image.blobs))

    def sql(self, statement, *values):
        with sqlite3.connect(self.root / "registry.db") as db:
            assert db.execute(statement, values).rowcount > 0
        db.close()


@pytest.fixture
def store(registry):
    return Store(registry)


def blob_missing(s):
    (s.repo / "blobs" / s.blob).unlink()


def blob_size(s):
    with (s.repo / "blobs" / s.blob).open("ab") as file:
        file.write(b"more")


def blob_unknown(s):
    data = b"nobody knows it"
    path = s.repo / "blobs" / digest_of(data)
    path.write_bytes(data)
    make_old(path)


def manifest_missing(s):
    (s.repo / "manifests" / s.image.digest).unlink()


def manifest_differs(s):
    (s.repo / "manifests" / s.image.digest).write_bytes(b"{}")


def manifest_unknown(s):
    data = b'{"schemaVersion": 2}'
    path = s.repo / "manifests" / digest_of(data)
    path.write_bytes(data)
    make_old(path)


def manifest_damaged(s):
    s.sql("UPDATE manifests SET bytes = ?", s.image.manifest.replace(b"schemaVersion", b"SchemaVersion"))


def manifest_edges(s):
    s.sql("DELETE FROM edges WHERE digest = ?", s.blob)


def image_incomplete(s):
    s.sql("DELETE FROM blobs WHERE digest = ?", s.blob)
    (s.repo / "blobs" / s.blob).unlink()


def tag_missing(s):
    (s.repo / "manifests/v1").unlink()


def tag_differs(s):
    (s.repo / "manifests/v1").unlink()
    (s.repo / "manifests/v1").symlink_to(digest_of(b"another"))


def tag_leads_nowhere(s):
    (s.repo / "manifests/v1").unlink()
    (s.repo / "manifests/v1").symlink_to("/etc/passwd")


def tag_unknown(s):
    (s.repo / "manifests/v2").symlink_to(s.image.digest)


def tag_dangling(s):
    s.sql("UPDATE tags SET manifest_id = 12345")


def upload_abandoned(s):
    path = s.root / "temp/uploads" / str(uuid.uuid4())
    path.mkdir()
    (path / "data").write_bytes(b"some")
    make_old(path / "data")
    make_old(path)


def temp_left(s):
    path = s.root / "temp/new/7"
    path.write_bytes(b"some")
    make_old(path)


def permissions_of_a_file(s):
    (s.repo / "blobs" / s.blob).chmod(0o200)


def permissions_of_a_directory(s):
    (s.repo / "blobs").chmod(0o777)


def link_foreign(s):
    (s.repo / "blobs/link").symlink_to("/etc/passwd")


def name_foreign(s):
    (s.repo / "manifests/not a name").write_bytes(b"")


FAULTS = [
    (blob_missing, ["blob-missing", "image-incomplete"]),
    (blob_size, ["blob-size", "image-incomplete"]),
    (blob_unknown, ["blob-unknown"]),
    (manifest_missing, ["manifest-missing"]),
    (manifest_differs, ["manifest-differs"]),
    (manifest_unknown, ["manifest-unknown"]),
    (manifest_damaged, ["manifest-damaged"]),
    (manifest_edges, ["manifest-edges"]),
    (image_incomplete, ["image-incomplete"]),
    (tag_missing, ["tag-missing"]),
    (tag_differs, ["tag-differs"]),
    (tag_leads_nowhere, ["tag-differs"]),
    (tag_unknown, ["tag-unknown"]),
    (tag_dangling, ["tag-dangling"]),
    (upload_abandoned, ["upload-abandoned"]),
    (temp_left, ["temp-left"]),
    (permissions_of_a_file, ["permissions"]),
    (permissions_of_a_directory, ["permissions"]),
    (link_foreign, ["link-foreign"]),
    (name_foreign, ["name-foreign"]),
]


def test_what_is_whole_gives_no_finding(registry, store):
    found, counts = check(registry, status=0)
    assert found == []
    assert counts == {"blobs": 3, "manifests": 1, "tags": 1, "objects": 5, "findings": 0}


@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_fault_is_found_under_its_code_alone(registry, store, fault, expected):
    fault(store)
    assert codes(registry) == expected


@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_fault_is_found_beside_a_server(registry, store, fault, expected):
    if fault in (temp_left, upload_abandoned):
        pytest.skip("a start removes it")
    registry.start()
    fault(store)
    assert codes(registry) == expected


def test_a_finding_says_where_it_is(registry, store):
    blob_missing(store)
    missing, incomplete = check(registry, status=1)[0]
    assert missing == {
        "code": "blob-missing",
        "repository": "app",
        "digest": store.blob,
        "tag": "",
        "path": "",
        "detail": "",
    }
    assert incomplete["digest"] == store.image.digest
    assert incomplete["detail"] == f"lacks {store.blob}"


def test_a_check_changes_nothing(registry, store):
    for fault in (tag_missing, temp_left, name_foreign):
        fault(store)

    def all_files():
        return sorted((str(p), p.lstat().st_mtime_ns) for p in store.root.rglob("*") if "registry.db" not in p.name)

    before = all_files()
    command(registry, "check", status=1)
    assert all_files() == before


def test_the_page_of_the_documents_has_every_finding(registry_binary):
    printed = subprocess.run([registry_binary, "findings"], capture_output=True, text=True, check=True).stdout
    assert printed.count("\n") > 10
    assert (TOP / "docs/check.md").read_text().endswith("\n" + printed)


def test_words_say_what_a_finding_means(registry, store):
    tag_missing(store)
    printed = command(registry, "check", status=1)
    assert printed.startswith("tag-missing       app:v1\n")
    assert "The store lacks a tag that the database has." in printed
    assert printed.endswith("4 objects in the store: 1 finding\n")


def test_only_one_repository_is_looked_at(registry, store):
    tag_missing(store)
    assert codes(registry, "--repo", "other", status=0) == []
    assert codes(registry, "--repo", "app") == ["tag-missing"]


def test_what_is_young_may_be_on_its_way(registry, store):
    data = b"a push that has not ended"
    (store.repo / "blobs" / digest_of(data)).write_bytes(data)
    (store.repo / "manifests" / digest_of(data)).write_bytes(data)
    (store.root / "temp/new/8").write_bytes(data)
    assert codes(registry, status=0) == []


def test_little_room_is_told(registry, store):
    registry.config["check"]["min_free"] = "1000g"
    assert codes(registry) == ["space-low"]


def test_what_cannot_be_looked_at_is_status_2(registry, store):
    (store.root / "repositories").rename(store.root / "elsewhere")
    command(registry, "check", status=2)
    command(registry, "check", "--repo", "NO", status=2)


class Pushes(threading.Thread):
    """Pushes, moves tags and deletes, until it is told to stop."""

    def __init__(self, url, name):
        super().__init__()
        self.url, self.name, self.over, self.rounds = url, name, threading.Event(), 0

    def run(self):
        with Client(self.url) as client:
            while not self.over.is_set():
                pushed = image(seed=f"{self.name}/{self.rounds}")
                client.push_image(self.name, pushed, "v1")
                client.push_image(self.name, pushed, f"v{self.rounds % 3}")
                if self.rounds % 2:
                    client.delete_manifest(self.name, pushed.digest)
                    for digest in pushed.blobs:
                        client.delete_blob(self.name, digest)
                self.rounds += 1


def test_a_live_store_under_pushes_and_deletes_gives_no_finding(registry):
    pushes = [Pushes(registry.url, f"app{i}") for i in range(3)]
    for push in pushes:
        push.start()
    try:
        until = time.monotonic() + 10
        runs = 0
        while time.monotonic() < until:
            assert check(registry, status=0)[0] == []
            runs += 1
    finally:
        for push in pushes:
            push.over.set()
        for push in pushes:
            push.join()
    assert runs > 3
    assert all(push.rounds > 10 for push in pushes)

