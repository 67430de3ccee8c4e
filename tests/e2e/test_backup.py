"""`registry backup` beside a server, and `registry restore`: a registry as it was at one moment."""

import json
import sqlite3
import subprocess
import threading

import pytest
from accounts import OTHER, alice_and_bob
from below import paths_below
from content import command, counts, snapshot
from dynamodb_tables import Table
from helpers import Client, image, index
from s3_proxy import LOSE_ANSWER

FILES, BUCKET = "files", "bucket"


@pytest.fixture
def place(work):
    return work / "backups"


def back_up(registry, place, status=0):
    return command(registry, "backup", str(place), status=status)


def restored(new_registry, place, *flags, config=None):
    """Another registry, made from a backup, and started."""
    other = new_registry(config=config or {})
    command(other, "restore", str(place), *flags)
    return other.start()


def names(registry, place):
    return command(registry, "restore", str(place), "--list").split()


def file_of(root, digest):
    """The one file below a root that is a blob or a manifest of that digest."""
    [file] = [p for p in paths_below(root) if p.name.endswith(digest.partition(":")[2])]
    return file


@pytest.mark.sanitize
def test_what_is_restored_is_what_was_saved(registry, client, new_registry, place):
    client.push_image("team/app", image(seed=1, layers=3), "v1")
    client.push_image("multi", index([image(seed=2), image(seed=3)]), "latest")
    before = snapshot(client)
    back_up(registry, place)
    client.push_image("team/app", image(seed=4), "v1")
    client.delete_manifest("multi", "latest")
    other = restored(new_registry, place)
    with Client(other.url) as there:
        assert snapshot(there) == before
        there.push_image("team/app", image(seed=4), "v1")
    assert "all is well" in command(other, "check")


def test_accounts_and_the_audit_trail_are_restored(new_registry, place):
    accounts = alice_and_bob(new_registry)
    with Client(accounts.registry.url, auth=("bob", OTHER)) as bob:
        bob.request("GET", "/v2/")
    back_up(accounts.registry, place)
    other = restored(new_registry, place, config={"auth": "local"})
    with Client(other.url, auth=("bob", OTHER)) as bob:
        bob.request("GET", "/v2/")
    assert "bob" in command(other, "audit")


def test_what_an_earlier_backup_has_is_not_copied_again(registry, client, place):
    client.push_image("app", image(seed=1, layers=3), "v1")
    assert counts(back_up(registry, place))["blobs"] == (4, 4)
    client.push_image("app", image(seed=2, layers=3), "v2")
    printed = counts(back_up(registry, place))
    assert printed["blobs"] == (8, 4)
    assert printed["manifests"] == (2, 1)


def test_a_backup_on_the_same_file_system_takes_no_room_for_blobs(registry, client, place):
    app = image(seed=1, layers=1)
    client.push_image("app", app, "v1")
    back_up(registry, place)
    digest = next(iter(app.blobs))
    assert file_of(place, digest).samefile(file_of(registry.root, digest))


def test_an_earlier_backup_is_restored_by_its_name(registry, client, new_registry, place):
    client.push_image("app", image(seed=1), "v1")
    before = snapshot(client)
    back_up(registry, place)
    client.push_image("app", image(seed=2), "v1")
    back_up(registry, place)
    first, second = names(registry, place)
    assert first < second
    other = restored(new_registry, place, "--at", first)
    with Client(other.url) as there:
        assert snapshot(there) == before
    assert "there is no backup 'other'" in command(registry, "restore", str(place), "--at", "other", status=1)


def test_old_backups_go_with_what_they_alone_had(registry, client, new_registry, place):
    old, kept, shared = image(seed=1), image(seed=2), image(seed=3)
    client.push_image("gone", old, "v1")
    client.push_image("app", shared, "shared")
    back_up(registry, place)
    client.delete_manifest("gone", old.digest)
    for digest in old.blobs:
        client.request("DELETE", f"/v2/gone/blobs/{digest}", 202)
    client.push_image("app", kept, "v1")
    back_up(registry, place)
    before = snapshot(client)
    printed = command(registry, "backup", str(place), "--keep", "2")
    assert "1 old backups removed, with" in printed
    assert len(names(registry, place)) == 2
    assert [p for d in [old.digest, *old.blobs] for p in place.rglob("*" + d.partition(":")[2])] == []
    assert not list(place.rglob("gone/**/v1"))
    for name in names(registry, place):
        with Client(restored(new_registry, place, "--at", name).url) as there:
            assert snapshot(there) == before
    assert "0 old backups removed, with 0 manifests and 0 blobs" in command(
        registry, "backup", str(place), "--keep", "3"
    )


def test_nothing_is_removed_while_a_backup_that_stays_can_not_be_read(registry, client, place):
    client.push_image("app", image(seed=1), "v1")
    back_up(registry, place)
    back_up(registry, place)
    files = [p for p in place.rglob("*") if p.is_file()]
    newest = max((p for p in files if "cyberdock-backup" in str(p)), key=lambda p: (p.stat().st_size, p.stat().st_mtime))
    newest.write_bytes(b"damaged")
    before = sorted(p for p in place.rglob("*") if p.is_file())
    command(registry, "backup", str(place), "--keep", "2", status=1)
    assert set(before) <= set(p for p in place.rglob("*") if p.is_file())


def test_the_store_of_a_registry_is_no_place_for_backups(registry, new_registry, client):
    other = new_registry().start()
    other.stop()
    assert "backups need a place of their own" in command(registry, "backup", str(other.root), status=1)
    assert "--keep is '0'" in command(registry, "backup", str(other.root), "--keep", "0", status=1)


def mark_of(registry):
    return json.loads((registry.root / "registry.json").read_text())["database"]


def test_the_store_of_another_registry_is_not_restored_to_unless_it_is_handed_over(
    registry, client, new_registry, place
):
    client.push_image("app", image(seed=1), "v1")
    before = snapshot(client)
    back_up(registry, place)
    other = new_registry().start()
    with Client(other.url) as there:
        there.push_image("theirs", image(seed=2), "v1")
    other.stop()
    mark = mark_of(other)
    for file in other.root.glob("registry.db*"):
        file.unlink()
    said = command(other, "restore", str(place), status=1)
    assert f"the store belongs to database {mark}" in said and "--take-over" in said
    assert not (other.root / "repositories/app").exists() and mark_of(other) == mark
    command(other, "restore", str(place), "--take-over")
    assert mark_of(other) == mark_of(registry)
    with Client(other.start().url) as there:
        assert snapshot(there) == before


def test_a_store_belongs_to_the_database_that_was_restored(registry, client, new_registry, place):
    client.push_image("app", image(seed=1), "v1")
    back_up(registry, place)
    other = new_registry()
    command(other, "restore", str(place))
    assert mark_of(other) == mark_of(registry)
    for file in other.root.glob("registry.db*"):
        file.unlink()
    command(other, "restore", str(place))  # to the store that the backup is of, and its database lost


class Pushers:
    """Who push, move and delete images while the block runs."""

    def __init__(self, registry):
        self.registry = registry
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(3)]
        self.pushed = 0

    def work(self, number):
        with Client(self.registry.url) as client:
            n = 0
            while not self.ending.is_set():
                made = image(seed=f"{number}/{n}", layers=2, layer_size=2000)
                client.push_image(f"app{number}", made, f"v{n % 5}")
                if n % 8 == 7:
                    client.delete_manifest(f"app{number}", made.digest)
                    for digest in made.blobs:
                        client.request("DELETE", f"/v2/app{number}/blobs/{digest}", None)
                n += 1
                self.pushed += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join()


def check_beside_pushes(registry, new_registry, place, config):
    with Pushers(registry) as pushers:
        while pushers.pushed < 20:
            assert any(t.is_alive() for t in pushers.threads)
            pushers.ending.wait(0.01)
        back_up(registry, place)
        pushed = pushers.pushed
        back_up(registry, place)
        assert pushers.pushed > pushed
    for number, name in enumerate(names(registry, place)):
        other = restored(new_registry, place, "--at", name, config=config(number))
        with Client(other.url) as there:
            assert len(snapshot(there)) == 3
        other.stop()
        assert "all is well" in command(other, "check")


def test_a_backup_beside_pushes_and_deletions_is_whole(registry, new_registry, place):
    check_beside_pushes(registry, new_registry, place, lambda number: {})


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_bucket_and_a_database_of_a_server_are_saved_to_files(new_registry, bucket, database, place):
    registry = new_registry(config={"metadata": database.section(), "storage": bucket.section()}).start()
    check_beside_pushes(registry, new_registry, place, lambda number: {})


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
def test_a_bucket_is_restored_to_another_one_and_its_server_copies_both_ways(new_registry, bucket, proxy, work):
    def over(prefix):
        made = new_registry(config={"storage": bucket.section(prefix=prefix, endpoint=proxy.endpoint)})
        made.write_config()
        return made

    registry, place, other = over("first/").start(), over("backups/"), over("second/")
    with Client(registry.url) as client:
        app = image(seed=1, layers=3)
        client.push_image("app", app, "v1")
        before = snapshot(client)
    proxy.forget()
    back_up(registry, place.config_path)
    command(other, "restore", str(place.config_path))
    assert copies(proxy, "backups/", app) == copies(proxy, "second/", app) == len(app.blobs)
    with Client(other.start().url) as there:
        assert snapshot(there) == before


def copies(proxy, prefix, of):
    """How many blobs of the image the server was asked to copy below the prefix. None was uploaded."""
    blobs = {f"{prefix}blobs/{d.replace(':', '/')}" for d in of.blobs}
    asked = [r for r in proxy.requests if r.kind in ("put", "copy", "part") and any(b in r.target for b in blobs)]
    assert {r.kind for r in asked} == {"copy"}
    return len(asked)


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
def test_a_bucket_keeps_backups(registry, client, new_registry, bucket, proxy, work):
    place = new_registry(config={"storage": bucket.section(prefix="backups/", endpoint=proxy.endpoint)})
    place.write_config()
    client.push_image("app", image(seed=1, layers=3), "v1")
    before = snapshot(client)
    proxy.fail("put", LOSE_ANSWER)
    back_up(registry, place.config_path)
    assert "1 old backups removed, with 1 manifests" in command(
        registry, "backup", str(place.config_path), "--keep", "1"
    )
    other = restored(new_registry, place.config_path)
    with Client(other.url) as there:
        assert snapshot(there) == before


def test_what_the_store_has_lost_is_told_and_all_else_is_saved(registry, client, new_registry, place):
    broken, whole = image(seed=1, layers=1), image(seed=2, layers=1)
    client.push_image("app", broken, "broken")
    client.push_image("app", whole, "whole")
    lost = next(iter(broken.blobs))
    file_of(registry.root, lost).unlink()
    printed = back_up(registry, place, status=1)
    assert f"app: blob {lost} could not be saved" in printed
    other = new_registry()
    assert f"blob {lost} is not in the backup" in command(other, "restore", str(place), status=1)
    other.start()
    with Client(other.url) as there:
        assert there.pull_image("app", "whole") == whole
        there.push_image("app", broken, "broken")
        assert there.pull_image("app", "broken") == broken


def test_a_manifest_that_the_store_has_lost_is_saved_from_the_database(registry, client, new_registry, place):
    app = image(seed=1)
    client.push_image("app", app, "v1")
    before = snapshot(client)
    file_of(registry.root, app.digest).unlink()
    back_up(registry, place)
    with Client(restored(new_registry, place).url) as there:
        assert snapshot(there) == before


def test_damaged_metadata_is_not_restored(registry, client, new_registry, place):
    client.push_image("app", image(seed=1), "v1")
    back_up(registry, place)
    files = [p for p in place.rglob("*") if p.is_file() and "cyberdock-backup" in str(p)]
    largest = max(files, key=lambda p: p.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    assert "is damaged" in command(new_registry(), "restore", str(place), status=1)


def test_nothing_is_restored_over_what_there_is(registry, client, place):
    client.push_image("app", image(seed=1), "v1")
    back_up(registry, place)
    registry.stop()
    assert "is not empty" in command(registry, "restore", str(place), status=1)


def test_a_restore_that_was_killed_goes_on_and_no_server_starts_before(registry, client, new_registry, place):
    for seed in range(20):
        client.push_image("app", image(seed=seed, layers=3), f"v{seed}")
    before = snapshot(client)
    back_up(registry, place)
    other = new_registry()
    other.write_config()
    words = [other.binary, "restore", str(place), "--config", other.config_path]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not any(other.root.glob("repositories/*")):
            assert process.poll() is None
        process.kill()
    with sqlite3.connect(other.root / "registry.db", timeout=60) as database:
        [(half,)] = database.execute("SELECT count(*) FROM records WHERE collection = 'migration' AND key = 'place'")
    assert half == 1
    assert "registry restore" in command(other, "serve", status=1)
    command(other, "restore", str(place))
    with Client(other.start().url) as there:
        assert snapshot(there) == before


def test_a_repository_of_the_name_that_backups_use_is_told(registry, client, place):
    client.push_image("cyberdock-backup", image(seed=1), "v1")
    assert "give that one another name" in back_up(registry, place, status=1)


def test_a_table_of_dynamodb_is_not_saved_as_of_one_moment(table, new_registry, place):
    registry = new_registry(config={"metadata": table.section()}).start()
    assert "has backups of its own" in back_up(registry, place, status=1)


@pytest.fixture
def another_table(table):
    made = Table(table.server)
    yield made
    made.remove()


def test_a_table_that_nobody_writes_to_is_saved_by_way_of_a_file(table, another_table, new_registry, place, work):
    registry = new_registry(config={"metadata": table.section()}).start()
    with Client(registry.url) as client:
        client.push_image("team/app", image(seed=1), "v1")
        before = snapshot(client)
    registry.stop()
    file = new_registry(
        config={
            "metadata": {"sqlite": {"path": str(work / "saved.db")}},
            "storage": {"filesystem": {"root": str(registry.root)}},
        }
    )
    file.write_config()
    command(registry, "migrate", "--from", registry.config_path, "--to", file.config_path, config=False)
    back_up(file, place)
    other = restored(new_registry, place, config={"metadata": another_table.section()})
    with Client(other.url) as there:
        assert snapshot(there) == before


def test_without_a_place_the_command_says_what_is_needed(registry):
    assert "where backups are is needed" in command(registry, "backup", status=2)
    assert "where backups are is needed" in command(registry, "restore", status=2)
