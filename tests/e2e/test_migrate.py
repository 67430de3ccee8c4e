"""`registry migrate`: the metadata goes to another database, and nobody can tell by what is served."""

import re
import signal
import sqlite3
import subprocess
import time

import pytest
from accounts import OTHER, PASSWORD, Accounts, Caller, environment
from content import snapshot
from helpers import Client, artifact, digest_of, image, index
from waiting import until

ALICE = ("alice", PASSWORD)
RULE = '{subjects: ["user:bob"], actions: [pull, push], repositories: ["dev/**"]}'
OTHER_RULE = {"subjects": ["user:carol"], "actions": ["pull"], "repositories": ["carol/**"]}


TRAIL = 40_000  # entries: some hundred transactions


class Place:
    """A configuration over the store of the registry, with another database."""

    def __init__(self, registry, name, metadata):
        self.registry = registry
        self.metadata = metadata
        self.path = registry.root.parent / f"{name}.yaml"
        registry.config["metadata"] = metadata
        registry.write_config()
        self.path.write_text(registry.config_path.read_text())

    def serve(self):
        self.registry.config["metadata"] = self.metadata
        return self.registry.start()


def start_migration(source, target):
    words = [source.registry.binary, "migrate", "--from", source.path, "--to", target.path]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def migrate(source, target, status=0):
    """What it printed."""
    process = start_migration(source, target)
    out, err = process.communicate(timeout=300)
    assert process.returncode == status, out + err
    return out if status == 0 else err


def rows(printed):
    """{"tags": (3, "0123456789abcdef"), ...}"""
    return {w: (int(n), d) for w, n, d in re.findall(r"^(\w+) +(\d+)  ([0-9a-f]{16})$", printed, re.M)}


@pytest.fixture
def registry(new_registry):
    return new_registry(config={"auth": "local", "policy": [OTHER_RULE]})


@pytest.fixture
def file(registry):
    return Place(registry, "file", {"driver": "sqlite"})


@pytest.fixture
def server(registry, database):
    return Place(registry, "server", database.section())


@pytest.fixture
def in_table(registry, table):
    return Place(registry, "table", table.section())


@pytest.fixture
def other_file(registry):
    path = registry.root.parent / "other.db"
    return Place(registry, "other-file", {"driver": "sqlite", "sqlite": {"path": str(path)}})


def served(registry):
    """All that there is to see over HTTP, by an admin."""
    alice = Caller(registry, "alice")
    with Client(registry.url, auth=ALICE) as client:
        content = snapshot(client)
    audit = [e for e in alice.get("/api/v1/audit", limit=1000)["entries"] if e["action"] not in ("sign-in", "read")]
    return {
        "content": content,
        "users": alice.get("/api/v1/users"),
        "rules": alice.get("/api/v1/policy"),
        "audit": [{k: v for k, v in e.items() if k != "id"} for e in audit],
    }


@pytest.fixture
def filled(registry, file):
    """All kinds of content; returns a token, a cookie, and the place of an upload that has begun."""
    accounts = Accounts(registry)
    accounts.registry.config["metadata"] = file.metadata
    registry.write_config()
    accounts.add("alice", "--admin")
    accounts.add("bob", password=OTHER)
    accounts("policy", "add", RULE)
    token = accounts.token("--user", "bob", "--expires", "never")
    registry.start()
    with Client(registry.url, auth=ALICE) as client:
        app = image(seed="app", layers=3)
        client.push_image("dev/app", app, "v1")
        client.push_image("dev/app", artifact("a/signature", subject=app.descriptor(), annotations={"by": "ä"}))
        client.push_image("multi", index([app, index([image(seed=2)])]), "latest")
        client.push_image("docker", image(seed="docker", docker=True), "v1")
        client.push_image("dev/app", image(seed="later"), "moved")
        client.push_manifest("dev/app", "moved", app)
        client.push_manifest("dev/app", "deleted", app)
        client.delete_manifest("dev/app", "deleted")
        client.mount("mounted", next(iter(app.blobs)), "dev/app")
        upload = client.start_upload("dev/app")
        client.patch(upload, b"half ")
    registry.restart()  # all that was audited is written
    return {"token": token, "upload": upload}


def test_all_is_the_same_on_a_server_and_in_a_file_again(registry, file, server, other_file, filled):
    there_and_back(registry, file, server, other_file, filled)


def test_all_is_the_same_in_a_table_and_in_a_file_again(registry, file, in_table, other_file, filled):
    there_and_back(registry, file, in_table, other_file, filled)


def there_and_back(registry, file, server, other_file, filled):
    before = served(registry)
    registry.stop()
    there = rows(migrate(file, server))
    assert there["uploads"][0] >= 1 and all(there[k][0] for k in ("tags", "referrers", "links", "records", "audit"))
    server.serve()
    assert served(registry) == before
    registry.stop()
    migrate(server, other_file)
    other_file.serve()
    assert served(registry) == before
    assert Caller(registry, "bob", filled["token"])("GET", "/v2/dev/app/tags/list").json()["tags"] == ["moved", "v1"]
    Caller(registry, "bob", OTHER)("GET", "/v2/docker/tags/list", expect=404)
    with Client(registry.url, auth=ALICE) as client:
        client.finish(filled["upload"], digest_of(b"half done"), b"done")
        client.push_image("dev/app", image(seed="new"), "v1")
        assert client.tags("dev/app") == ["moved", "v1"]


def test_nothing_is_lost_on_the_way_there_and_back(registry, file, server, other_file, filled):
    registry.stop()
    there = rows(migrate(file, server))
    back = rows(migrate(server, other_file))
    assert len(there) == 13
    assert there == back


def long_trail(registry, n):
    now_ms = int(time.time() * 1000)
    with sqlite3.connect(registry.root / "registry.db", timeout=60) as db:
        db.executemany(
            "INSERT INTO audit (time_ms, actor, action, target, address, result, detail, repository)"
            " VALUES (?, 'user:a', 'push', ?, '192.0.2.1', 'ok', '', 'app')",
            ((now_ms - i, f"app:{i}") for i in range(n)),
        )


def moved(database):
    """Entries of the audit trail, the last that is moved."""
    if database.sql("SELECT to_regclass('audit') IS NULL") == "t":
        return 0
    return int(database.sql("SELECT count(*) FROM audit"))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("when", [1, 10_000])
def test_a_migration_that_is_killed_goes_on(registry, file, server, database, other_file, filled, when):
    registry.stop()
    long_trail(registry, TRAIL)
    expected = rows(migrate(file, other_file))
    process = start_migration(file, server)
    until(lambda: moved(database) >= when, timeout=60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert moved(database) < TRAIL
    registry.config["metadata"] = server.metadata
    registry.spawn()
    assert registry.wait() != 0
    assert "registry migrate" in registry.log
    printed = migrate(file, server)
    assert "went on where an earlier run was stopped" in printed
    assert rows(printed) == expected
    server.serve()
    assert len(Caller(registry, "alice").get("/api/v1/audit", repository="app")["entries"]) > 0


def test_a_migration_to_a_table_that_is_killed_goes_on(registry, file, in_table, table, other_file, filled):
    registry.stop()
    long_trail(registry, 3000)
    expected = rows(migrate(file, other_file))
    process = start_migration(file, in_table)
    until(lambda: table.is_made() and len(table.items("A")) > 0, timeout=60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(table.items("A")) < 3000
    printed = migrate(file, in_table)
    assert "went on where an earlier run was stopped" in printed
    assert rows(printed) == expected


def test_a_database_that_was_used_is_refused(registry, file, server, filled):
    registry.stop()
    registry.config["metadata"] = server.metadata
    Accounts(registry).add("carol")
    assert "not empty" in migrate(file, server, status=1)


def test_a_database_is_refused_as_its_own_target(registry, file, filled):
    registry.stop()
    assert "the same database" in migrate(file, file, status=1)


def test_a_store_that_is_served_is_refused(registry, file, server, filled):
    assert "another registry" in migrate(file, server, status=1)
    registry.stop()
    migrate(file, server)


def test_both_ends_must_be_named(registry, file):
    done = subprocess.run([registry.binary, "migrate", "--from", file.path], capture_output=True, text=True)
    assert done.returncode == 2
    assert "--from and --to are needed" in done.stderr
