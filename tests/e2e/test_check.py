"""`registry check`: each fault, made by hand, is found under its code and no other; a change in progress is none."""

import itertools
import json
import os
import sqlite3
import subprocess
import threading
import time
import uuid

import pytest

from below import paths_below
from content import command
from helpers import Client, Image, digest_of, image
from server import TOP
from waiting import until

pytestmark = pytest.mark.sanitize

LIVE_RUNS = 4  # at least, beside pushes and deletes
OLD_S = 3 * 3600  # longer than twice upload.timeout
OFTEN = {"interval": "100ms"}  # conditions are looked at, and what is in the background is done


@pytest.fixture
def registry(new_registry):
    return new_registry(config={"check": {"settle": "500ms"}}).start()


def check(registry, *words, status):
    """What `registry check --json` printed: the findings, and the counts."""
    lines = [json.loads(line) for line in command(registry, "check", "--json", *words, status=status).splitlines()]
    return lines[:-1], lines[-1]


def codes(registry, *words, status=1):
    """Of the findings, in their order."""
    return [f["code"] for f in check(registry, *words, status=status)[0]]


def make_old(path, by_s=OLD_S):
    then = time.time() - by_s
    os.utime(path, (then, then), follow_symlinks=False)


def stop_settled(registry):
    """When no tag is on its way to the store any more."""

    def nothing_pending():
        with sqlite3.connect(registry.root / "registry.db", timeout=60) as db:
            n = db.execute("SELECT count(*) FROM projections").fetchone()[0]
        db.close()
        return n == 0

    until(nothing_pending)
    registry.stop()


class Store:
    """The files and rows of a registry that is stopped, with one image in it."""

    def __init__(self, registry):
        self.root = registry.root
        self.image = image()
        with Client(registry.url) as client:
            client.push_image("app", self.image, "v1")
        stop_settled(registry)
        self.repo = self.root / "repositories/app"
        self.blob = next(iter(self.image.blobs))

    def sql(self, statement, *values):
        with sqlite3.connect(self.root / "registry.db", timeout=60) as db:
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


def blob_corrupt(s):
    path = s.repo / "blobs" / s.blob
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


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
    s.sql("UPDATE repos SET bytes = bytes - ?", len(s.image.blobs[s.blob]))
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


def usage_drifted(s):
    s.sql("UPDATE repos SET bytes = bytes + 1000, tags = tags + 1")


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
    (usage_drifted, ["usage-drifted"]),
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
    assert counts == {"blobs": 3, "manifests": 1, "tags": 1, "objects": 5, "findings": 0, "repaired": 0}


@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_fault_is_found_under_its_code_alone(registry, store, fault, expected):
    fault(store)
    assert codes(registry) == expected


LASTING = [row for row in FAULTS if row[0] not in (temp_left, upload_abandoned)]  # a start removes these two


@pytest.mark.parametrize(("fault", "expected"), LASTING, ids=[fault.__name__ for fault, _ in LASTING])
def test_a_fault_is_found_beside_a_server(registry, store, fault, expected):
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
        return sorted((str(p), p.lstat().st_mtime_ns) for p in paths_below(store.root) if "registry.db" not in p.name)

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
    assert "--repair: Puts it back from the database." in printed
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
    registry.config["check"]["settle"] = "1m"  # longer than a slow machine needs for a push
    pushes = [Pushes(registry.url, f"app{i}") for i in range(3)]
    for push in pushes:
        push.start()
    try:
        deadline = time.monotonic() + 300
        runs = 0
        while runs < LIVE_RUNS or any(push.rounds <= 10 for push in pushes):
            assert check(registry, status=0)[0] == []
            assert time.monotonic() < deadline
            runs += 1
    finally:
        for push in pushes:
            push.over.set()
        for push in pushes:
            push.join()


def test_a_store_of_another_database_is_not_looked_at(registry, store):
    for file in registry.root.glob("registry.db*"):
        file.unlink()
    assert "belongs to database" in command(registry, "check", status=2)
    assert "belongs to database" in command(registry, "check", "--repair", status=2)
    assert (store.repo / "manifests/v1").is_symlink()


# ---- reading everything


def test_a_changed_byte_is_found_by_reading_everything(registry, store):
    blob_corrupt(store)
    assert codes(registry, status=0) == []
    assert codes(registry, "--deep") == ["blob-corrupt", "image-incomplete"]


def test_a_manifest_of_other_bytes_is_found_by_reading_everything(registry, store):
    other = store.image.manifest.replace(b"schemaVersion", b"SchemaVersion")
    (store.repo / "manifests" / store.image.digest).write_bytes(other)
    assert codes(registry, status=0) == []
    assert codes(registry, "--deep") == ["manifest-differs"]


def test_what_is_whole_is_whole_when_it_is_read(registry, store):
    assert codes(registry, "--deep", status=0) == []


def test_reading_is_no_faster_than_it_may_be(registry, store):
    size = sum(len(data) for data in store.image.blobs.values())
    registry.config["check"]["rate"] = size // 2
    since = time.monotonic()
    assert codes(registry, "--deep", status=0) == []
    assert time.monotonic() - since > 1.5


def last_of_all(digests, size):
    """So many bytes whose digest sorts behind these."""
    made = (f"{i} ".encode().ljust(size, b"x") for i in itertools.count())
    return next(data for data in made if digest_of(data) > max(digests))


def test_a_check_that_was_killed_goes_on_where_it_was(registry):
    small = {digest_of(data): data for data in (f"blob {i}".encode() for i in range(70))}  # more than a page
    large = last_of_all(small, 200_000)
    with Client(registry.url) as client:
        for data in (*small.values(), large):
            client.push_blob("app", data)
    registry.stop()
    registry.config["check"]["rate"] = 50000  # 1 s, and 4 s
    registry.write_config()
    words = [registry.binary, "check", "--deep", "--config", registry.config_path]
    check_process = subprocess.Popen(words, stdout=subprocess.DEVNULL)

    def place():
        with sqlite3.connect(registry.root / "registry.db", timeout=60) as db:
            rows = db.execute("SELECT value FROM records WHERE collection = 'check' AND key = 'deep'").fetchall()
        db.close()
        return rows or None

    try:
        until(place)
    finally:
        check_process.kill()
        check_process.wait()
    registry.config["check"]["rate"] = 0
    path = registry.root / "repositories/app/blobs" / min(small)
    path.write_bytes(path.read_bytes().upper())
    assert codes(registry, "--deep", "--continue", status=0) == []  # this one was read before
    assert not place()
    assert codes(registry, "--deep") == ["blob-corrupt"]


# ---- what /readyz and /healthz say


def ready(registry, status=200):
    with Client(registry.url) as client:
        return client.request("GET", "/readyz", status).json()


def health(registry):
    with Client(registry.url) as client:
        return client.request("GET", "/healthz", 200).json()


GOOD = {"status": "ready", "structure": "ok", "symlinks": "ok", "disk_space": "ok", "resources": "ok"}


def test_readyz_says_what_the_last_check_found_of_links(registry, store):
    registry.config["maintenance"] = OFTEN
    registry.start()
    assert ready(registry) == {**GOOD, "symlinks": "unknown"}
    tag_missing(store)
    check(registry, status=1)
    until(lambda: ready(registry) == {**GOOD, "symlinks": "broken"})
    check(registry, "--repair", status=0)
    until(lambda: ready(registry) == GOOD)


def test_readyz_says_that_there_is_little_room(registry, store):
    registry.config["check"]["min_free"] = "1000g"
    registry.start()
    assert ready(registry)["disk_space"] == "low"


def test_healthz_says_what_was_seen_last_without_a_look_at_readyz(registry, store):
    registry.config["check"]["min_free"] = "1000g"
    registry.start()
    until(lambda: health(registry) == {**GOOD, "status": "ok", "symlinks": "unknown", "disk_space": "low"})


def test_a_registry_whose_directories_are_gone_lives_and_is_not_ready(registry, store):
    registry.config["maintenance"] = OFTEN
    registry.start()
    elsewhere = store.root / "elsewhere"
    (store.root / "repositories").rename(elsewhere)
    ready(registry, 503)
    until(lambda: health(registry)["structure"] == "damaged")
    elsewhere.rename(store.root / "repositories")
    ready(registry, 200)
    until(lambda: health(registry)["structure"] == "ok")


# ---- the scrub


def test_the_scrub_finds_what_is_damaged_and_puts_it_into_quarantine(registry, store):
    blob_corrupt(store)
    registry.config["check"]["scrub_rate"] = "100m"
    registry.config["maintenance"] = OFTEN
    registry.start()
    until(lambda: (store.root / "quarantine" / store.blob).exists())
    with Client(registry.url) as client:
        until(lambda: client.request("HEAD", f"/v2/app/blobs/{store.blob}", (200, 404)).status_code == 404)
        assert f"app@{store.blob}" in until(lambda: said_of_damage(registry))
        client.push_image("app", store.image, "v1")
        assert client.pull_image("app", "v1") == store.image


def said_of_damage(registry):
    return next((line for line in registry.log.splitlines() if "a blob is damaged, and in quarantine" in line), None)


def test_no_scrub_reads_where_none_was_asked_for(registry, store):
    registry.start()
    assert "scrub" not in command(registry, "jobs", "list")


# ---- repair

MENDED = [
    blob_missing,
    blob_size,
    manifest_missing,
    manifest_differs,
    tag_missing,
    tag_differs,
    tag_leads_nowhere,
    tag_unknown,
    manifest_damaged,
    manifest_edges,
    usage_drifted,
    upload_abandoned,
    permissions_of_a_file,
    permissions_of_a_directory,
]
BROKEN = (blob_missing, blob_size)  # the image is, until it is pushed again


def expected_after(fault):
    return ["image-incomplete"] if fault in BROKEN else []


def repaired(registry, *words, status):
    found, counts = check(registry, "--repair", *words, status=status)
    return [f["code"] for f in found if f["repaired"]], counts


@pytest.mark.parametrize("fault", MENDED)
def test_repair_mends_it(registry, store, fault):
    fault(store)
    expected = dict(FAULTS)[fault]
    status = 1 if fault in BROKEN else 0
    assert repaired(registry, status=status)[0] == expected[:1]
    assert codes(registry, status=status) == expected_after(fault)


@pytest.mark.parametrize("fault", [f for f in MENDED if f is not upload_abandoned])
def test_repair_beside_a_server_is_the_servers(registry, store, fault):
    registry.start()
    fault(store)
    expected = dict(FAULTS)[fault]
    status = 1 if fault in BROKEN else 0
    assert repaired(registry, status=status)[0] == expected[:1]
    assert codes(registry, status=status) == expected_after(fault)


@pytest.mark.parametrize("fault", [blob_unknown, manifest_unknown, tag_dangling, link_foreign, name_foreign])
def test_repair_leaves_alone_what_it_cannot_know(registry, store, fault):
    fault(store)
    assert repaired(registry, status=1)[0] == []
    assert codes(registry) == dict(FAULTS)[fault]


@pytest.mark.parametrize("fault", [blob_missing, blob_size, blob_corrupt])
def test_a_blob_that_is_no_good_is_404_and_a_push_heals_it(registry, store, fault):
    registry.start()
    fault(store)
    check(registry, "--repair", "--deep", status=1)
    with Client(registry.url) as client:
        client.request("GET", f"/v2/app/blobs/{store.blob}", 404)
        client.request("HEAD", f"/v2/app/blobs/{store.blob}", 404)
        client.push_manifest("app", "v2", image_with(store), expect=404)
        client.push_image("app", store.image, "v1")
        assert client.pull_image("app", "v1") == store.image
    assert codes(registry, "--deep", status=0) == []


def image_with(store):
    """Another image with the same blobs."""
    document = {**store.image.document, "annotations": {"another": "one"}}
    return Image(json.dumps(document).encode(), store.image.media_type)


def pull(registry, repo, reference):
    with Client(registry.url) as client:
        return client.pull_image(repo, reference)


def test_a_manifest_that_is_damaged_comes_back_from_another_repository(registry, store):
    registry.start()
    with Client(registry.url) as client:
        client.push_image("other", store.image, "v1")
    stop_settled(registry)
    store.sql("UPDATE manifests SET bytes = ? WHERE repo_id = (SELECT id FROM repos WHERE name = 'app')", b"{}")
    (store.repo / "manifests" / store.image.digest).write_bytes(b"[]")
    assert repaired(registry, status=0)[0] == ["manifest-damaged"]
    assert repaired(registry, status=0)[0] == ["manifest-differs"]
    registry.start()
    assert pull(registry, "app", "v1") == store.image


def test_a_manifest_of_which_nobody_has_a_good_copy_is_told_and_a_push_heals_it(registry, store):
    manifest_damaged(store)
    (store.repo / "manifests" / store.image.digest).write_bytes(b"[]")
    assert repaired(registry, status=1)[0] == []
    registry.start()
    with Client(registry.url) as client:
        client.request("GET", "/v2/app/manifests/v1", 500)
        client.push_image("app", store.image, "v1")
    assert pull(registry, "app", "v1") == store.image
    assert codes(registry, "--deep", status=0) == []


def test_what_a_manifest_names_is_not_collected_after_a_repair(registry, store):
    manifest_edges(store)
    check(registry, "--repair", status=0)
    command(registry, "gc", "--delete", "--older-than", "0s")
    registry.start()
    assert pull(registry, "app", "v1") == store.image


def test_a_tag_that_leads_nowhere_goes_back_only_when_that_is_asked_for(registry, store):
    registry.start()
    newer = image(seed="newer")
    with Client(registry.url) as client:
        for _ in range(2):  # the second time is no move of the tag
            client.push_image("app", newer, "v1")
    stop_settled(registry)
    store.sql("DELETE FROM manifests WHERE digest = ?", newer.digest)
    store.sql("UPDATE repos SET manifests = manifests - 1")
    assert codes(registry) == ["tag-dangling"]
    assert repaired(registry, status=1)[0] == []
    assert repaired(registry, "--move-tags", status=0)[0] == ["tag-dangling"]
    registry.start()
    assert pull(registry, "app", "v1") == store.image


@pytest.mark.parametrize("fault", [blob_size, blob_corrupt])
def test_what_is_no_good_is_kept_aside_for_people(registry, store, fault):
    fault(store)
    bad = (store.repo / "blobs" / store.blob).read_bytes()
    check(registry, "--repair", "--deep", status=1)
    assert (store.root / "quarantine" / store.blob).read_bytes() == bad
    assert not (store.repo / "blobs" / store.blob).exists()


def test_a_damaged_file_of_two_repositories_goes_from_both(registry):
    with Client(registry.url) as client:
        client.push_image("app", image(), "v1")
        client.push_image("other", image(), "v1")
        registry.stop()
        store = Store.__new__(Store)
        store.repo, store.blob = registry.root / "repositories/app", next(iter(image().blobs))
        blob_corrupt(store)
        found = check(registry, "--repair", "--deep", status=1)[0]
        assert [f["repository"] for f in found if f["repaired"]] == ["app", "other"]
        assert not list(registry.root.glob(f"repositories/*/blobs/{store.blob}"))
        registry.start()
        for repo in ("app", "other"):
            client.push_image(repo, image(), "v1")
            client.pull_image(repo, "v1")


def test_a_blob_that_another_repository_has_is_linked_again(registry):
    with Client(registry.url) as client:
        client.push_image("app", image(), "v1")
        client.push_image("other", image(), "v1")
        registry.stop()
        blob = next(iter(image().blobs))
        (registry.root / "repositories/other/blobs" / blob).unlink()
        assert repaired(registry, status=0)[0] == ["blob-missing"]
        registry.start()
        assert client.pull_image("other", "v1") == image()


def test_a_repair_is_in_the_audit_trail(registry, store):
    tag_missing(store)
    repaired(registry, status=0)
    entry = json.loads(command(registry, "audit", "--json", "--action", "check").splitlines()[0])
    assert json.loads(entry["detail"]) == {"findings": 1, "repaired": 1}


@pytest.mark.parametrize("turns", [(0, 2, 5), pytest.param(range(6), marks=pytest.mark.long)], ids=len)
def test_a_repair_that_is_killed_is_ended_by_the_next(registry, turns):
    repos = [f"app{i}" for i in range(30)]
    with Client(registry.url) as client:
        for repo in repos:
            client.push_image(repo, image(), "v1")
    stop_settled(registry)
    blob = next(iter(image().blobs))
    for turn in turns:
        for repo in repos:
            for path in (registry.root / "repositories" / repo / "manifests").iterdir():
                path.unlink()
        (registry.root / "repositories" / repos[turn] / "blobs" / blob).unlink(missing_ok=True)
        words = [registry.binary, "check", "--repair", "--config", registry.config_path]
        process = subprocess.Popen(words, stdout=subprocess.PIPE)
        for _ in range(turn * 10 + 1):  # a line a repair, but for what the pipe keeps
            process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        check(registry, "--repair", status=0)
        assert codes(registry, "--deep", status=0) == []
    registry.start()
    with Client(registry.url) as client:
        for repo in repos:
            assert client.pull_image(repo, "v1") == image()
