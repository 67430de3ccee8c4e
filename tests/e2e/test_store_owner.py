"""A store belongs to one database: with another one no server starts on it, and there are ways to hand it over."""

import json
import sqlite3
import uuid

import pytest
from content import command, snapshot
from helpers import Client, image
from postgres_databases import Database
from s3_buckets import MARK
from s3_proxy import LOSE_ANSWER
from s3_rights import BUCKET, OBJECTS, PREFIX, limited, policy
from server import NotReady
from waiting import until

on_minio = pytest.mark.parametrize("bucket", ["minio"], indirect=True)

OTHERS = "the store belongs to database"
UNMARKED = "the store could not be marked as this database's"


def over(new_registry, bucket, **s3):
    """One more registry over the bucket, with a database of its own."""
    return new_registry(config={"storage": bucket.section(prefix=PREFIX, **s3)})


def name_in(bucket):
    """Of the database that the bucket says it belongs to."""
    return json.loads(bucket.get(PREFIX + MARK))["database"]


def name_of(registry):
    with sqlite3.connect(registry.root / "registry.db", timeout=60) as database:
        return database.execute("SELECT value FROM records WHERE collection = 'database'").fetchone()[0]


def lose_database(registry):
    registry.stop()
    for file in registry.root.glob("registry.db*"):
        file.unlink()


def refused(registry):
    """Why it does not start."""
    with pytest.raises(NotReady, match=OTHERS) as failure:
        registry.start()
    return str(failure.value)


def push(registry, repo="app"):
    with Client(registry.url) as client:
        client.push_image(repo, image(seed=repo), "v1")
        return snapshot(client)


def served(registry):
    with Client(registry.url) as client:
        return snapshot(client)


# A bucket


@pytest.mark.parametrize("bucket", ["minio", "ceph", "versitygw"], indirect=True)
def test_another_database_is_refused_and_told_whose_the_bucket_is(new_registry, bucket):
    first = over(new_registry, bucket).start()
    before = push(first)
    said = refused(over(new_registry, bucket))
    assert name_of(first) == name_in(bucket) and f"{OTHERS} {name_of(first)} (since 20" in said
    assert "`registry reindex`" in said and "`registry take-over`" in said
    first.restart()
    assert served(first) == before


@on_minio
def test_a_prefix_of_its_own_is_another_store(new_registry, bucket):
    over(new_registry, bucket).start()
    new_registry(config={"storage": bucket.section(prefix="other/")}).start()


@on_minio
def test_a_bucket_of_an_earlier_version_belongs_to_the_first_that_starts(new_registry, bucket):
    first = over(new_registry, bucket).start()
    first.stop()
    bucket.client.delete_object(Bucket=bucket.name, Key=PREFIX + MARK)
    first.start()
    assert name_in(bucket) == name_of(first)


@on_minio
@pytest.mark.parametrize("words", [["sweep"], ["sweep", "--remove"], ["import-distribution"], ["gc", "--dry-run"]])
def test_commands_that_use_both_refuse_as_well(new_registry, bucket, words, work):
    first = over(new_registry, bucket).start()
    push(first)
    keys = bucket.keys()
    second = over(new_registry, bucket)
    operand = [str(work)] if words[0].startswith("import") else []
    assert OTHERS in command(second, *words, *operand, status=1)
    assert bucket.keys() == keys


def test_it_can_be_taken_over(new_registry, bucket):
    first = over(new_registry, bucket).start()
    first.stop()
    second = over(new_registry, bucket)
    printed = command(second, "take-over")
    assert f"the store belonged to database {name_of(first)} " in printed
    assert f"the store belongs to database {name_of(second)} since 20" in printed
    assert '"action":"take-over"' in command(second, "audit", "--json")
    second.start()
    assert f"{OTHERS} {name_of(second)} " in refused(first)
    assert "belonged" not in command(second, "take-over")


def test_after_the_loss_of_the_database_reindex_is_all_that_is_needed(new_registry, bucket):
    registry = over(new_registry, bucket).start()
    before = push(registry)
    lost = name_of(registry)
    lose_database(registry)
    refused(registry)
    assert f"the store belonged to database {lost} " in command(registry, "reindex")
    registry.start()
    assert served(registry) == before


@on_minio
def test_a_database_that_was_migrated_to_has_the_store(new_registry, bucket, s3_servers, registry_binary):
    database = Database(s3_servers("postgresql"))
    registry = over(new_registry, bucket).start()
    before = push(registry)
    registry.stop()
    old = registry.config_path.with_name("old.yaml")
    old.write_text(registry.config_path.read_text())
    registry.config["metadata"] = database.section()
    registry.write_config()
    command(registry, "migrate", "--from", old, "--to", registry.config_path, config=False)
    registry.start()
    assert served(registry) == before
    registry.stop()
    database.remove()


def test_replicas_that_start_at_once_all_serve(new_registry, bucket, s3_servers):
    database = Database(s3_servers("postgresql"))
    config = {"storage": bucket.section(prefix=PREFIX), "metadata": database.section()}
    replicas = [new_registry(config=config) for _ in range(3)]
    for replica in replicas:
        replica.spawn()
    for replica in replicas:
        replica.wait_ready()
    assert name_in(bucket) == database.sql("SELECT value FROM records WHERE collection = 'database'")
    for replica in replicas:
        replica.stop()
    database.remove()


def test_of_databases_that_start_at_once_one_gets_the_bucket(new_registry, bucket):
    registries = [over(new_registry, bucket) for _ in range(3)]
    for registry in registries:
        registry.spawn()
    ready = []
    for registry in registries:
        try:
            registry.wait_ready()
            ready.append(registry)
        except NotReady as failure:
            assert OTHERS in str(failure)
    assert [name_of(registry) for registry in ready] == [name_in(bucket)]


def test_the_mark_is_there_when_the_answer_to_it_was_lost(new_registry, bucket, proxy):
    lost = proxy.fail("put", LOSE_ANSWER, target=MARK)
    registry = over(new_registry, bucket, endpoint=proxy.endpoint).start()
    assert lost.hits == 1 and name_in(bucket) == name_of(registry)
    assert UNMARKED not in registry.log


@on_minio
def test_a_start_costs_one_request(new_registry, bucket, proxy):
    registry = over(new_registry, bucket, endpoint=proxy.endpoint).start()
    proxy.forget()
    registry.restart()
    assert len([r for r in proxy.of("get", "put") if MARK in r.target]) == 1


@on_minio
def test_who_may_only_read_the_bucket_serves_it_and_says_that_it_is_not_marked(new_registry, bucket):
    key = limited(bucket, policy(bucket, {*BUCKET, "s3:GetObject"}))
    registry = over(new_registry, bucket, **key).start()
    until(lambda: UNMARKED in registry.log)
    assert "AccessDenied" in registry.log
    assert MARK not in "".join(bucket.all_keys())


@on_minio
def test_who_may_not_read_the_mark_does_not_start(new_registry, bucket):
    key = limited(bucket, policy(bucket, {*BUCKET, *OBJECTS} - {"s3:GetObject"}))
    with pytest.raises(NotReady, match="which database the store belongs to: .*registry.json.*AccessDenied"):
        over(new_registry, bucket, **key).start()


@on_minio
def test_a_mark_that_says_nothing_is_told_and_written_anew(new_registry, bucket):
    bucket.put(PREFIX + MARK, b"{}")
    registry = over(new_registry, bucket)
    with pytest.raises(NotReady, match="does not say which database it belongs to: `registry take-over`"):
        registry.start()
    command(registry, "take-over")
    registry.start()
    assert name_in(bucket) == name_of(registry)


# registry config check --online


def check(registry, status):
    return command(registry, "config", "check", "--online", status=status)


@on_minio
def test_the_check_says_whose_the_bucket_is_and_changes_nothing(new_registry, bucket):
    first, second = over(new_registry, bucket), over(new_registry, bucket)
    assert MARK not in check(first, 0)
    assert bucket.all_keys() == []
    first.start()
    assert "registry.json                   ok " in check(first, 0)
    said = check(second, 1)
    assert f"{OTHERS} {name_of(first)} " in said and "the configured one is a new one" in said
    assert not (second.root / "registry.db").exists()


def test_the_check_says_whose_a_directory_is(registry, new_registry, work):
    first = registry
    second = new_registry(config={"metadata": {"sqlite": {"path": f"{work}/second.db"}}}, root=first.root)
    assert "registry.json                   ok " in check(first, 0)
    assert f"{OTHERS} {name_of(first)} " in check(second, 1)


# A directory


def test_a_directory_is_not_served_with_another_database(registry):
    before = push(registry)
    lost = name_of(registry)
    lose_database(registry)
    assert f"{OTHERS} {lost} " in refused(registry)
    for words in (["sweep", "--remove"], ["gc", "--delete"]):
        assert OTHERS in command(registry, *words, status=1)
    command(registry, "reindex")
    registry.start()
    assert served(registry) == before


def test_a_directory_can_be_taken_over(registry):
    push(registry)
    lose_database(registry)
    command(registry, "take-over")
    registry.start()
    mark = json.loads((registry.root / MARK).read_text())
    assert mark["database"] == name_of(registry) and uuid.UUID(mark["database"])
    assert served(registry) == {}
