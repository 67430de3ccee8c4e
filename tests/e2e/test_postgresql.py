"""Metadata in a PostgreSQL database: what clients do, with the database killed, frozen, and shared."""

import base64
import os
import signal
import subprocess
import time

import pytest
import stories
from accounts import Accounts, Caller, alice_and_bob
from certificates import authority, certificate
from helpers import Client, image
from postgres_servers import Postgres
from waiting import until

CACHE_OFF = {"cache": {"memory": {"size": 0}}}


@pytest.fixture
def registry(new_registry, database):
    return new_registry(config={"metadata": database.section()}).start()


@pytest.fixture
def own_server(work):
    """A PostgreSQL that the test may end."""
    with Postgres(work / "database" / "postgresql") as server:
        yield server


def section(url, **postgresql):
    return {"driver": "postgresql", "url": url, "postgresql": postgresql}


def test_an_image_is_served_before_and_after_a_restart(registry, client):
    stories.an_image_is_served_before_and_after_a_restart(registry, client)


def test_tags_catalog_referrers_and_deletes(client):
    stories.tags_catalog_referrers_and_deletes(client)


def test_accounts_and_the_audit_trail_are_in_it(new_registry, database):
    stories.accounts_and_the_audit_trail_are_in_it(
        new_registry, database.section(), lambda: int(database.sql("SELECT count(*) FROM audit"))
    )


def test_a_sign_in_by_a_name_that_is_no_text_does_not_stop_the_audit_trail(new_registry, database):
    accounts = alice_and_bob(new_registry, metadata=database.section())
    for name in (b"\xff\xfe", b"a\x00b", b"carol"):
        sent = base64.b64encode(name + b":x").decode()
        headers = {"Authorization": f"Basic {sent}"}
        answer = Caller(accounts.registry)("GET", "/v2/", expect=None, headers=headers)
        assert answer.status_code in (400, 401)
    entries = "SELECT count(*) FROM audit WHERE actor IN ('user:carol', 'user:\ufffd\ufffd')"
    until(lambda: database.sql(entries) == "2")
    assert "can't be written" not in accounts.registry.log


def test_replicas_that_start_at_once_make_one_schema(new_registry, database):
    replicas = [new_registry(config={"metadata": database.section()}) for _ in range(5)]
    for replica in replicas:
        replica.spawn()
    for replica in replicas:
        replica.wait_ready()
    versions = database.sql("SELECT version FROM schema_version ORDER BY version").split()
    assert versions == [str(i + 1) for i in range(len(versions))]


def bring_to_the_next_version(database):
    """What a newer program does: it adds. Returns the number of the version."""
    version = int(database.sql("SELECT max(version) FROM schema_version")) + 1
    tables = ("repos", "blobs", "manifests", "edges", "tags", "projections", "referrers", "uploads")
    added = [f"ALTER TABLE {table} ADD COLUMN newer BIGINT NOT NULL DEFAULT 7;" for table in tables]
    added.append("CREATE TABLE newer (id BIGINT PRIMARY KEY);")
    database.sql(" ".join(added) + f"INSERT INTO schema_version (version) VALUES ({version})")
    return version


def test_a_replica_goes_on_when_a_newer_one_has_brought_the_schema_on(registry, client, database):
    first, second = image(seed=1), image(seed=2)
    client.push_image("app", first, "v1")
    bring_to_the_next_version(database)
    client.push_image("app", second, "v2")
    client.push_image("app", second, "v1")
    assert client.pull_image("app", "v1") == client.pull_image("app", "v2") == second
    client.delete_manifest("app", first.digest)
    client.get_manifest("app", first.digest, expect=404)
    client.request("GET", "/readyz")


def test_a_program_older_than_the_schema_says_so_and_ends(registry, client, new_registry, database):
    client.push_image("app", image(), "v1")
    version = bring_to_the_next_version(database)
    older = new_registry(config={"metadata": database.section()})
    older.spawn()
    assert older.wait() != 0
    assert f"has version {version}, and this program knows only up to {version - 1}" in older.log
    assert client.tags("app") == ["v1"]


def refused_for_now(client, method, path):
    answer = client.request(method, path, expect=(503,), timeout=30)
    assert int(answer.headers["Retry-After"]) >= 1
    return answer


def test_a_database_that_is_killed_means_503_until_it_is_back(new_registry, own_server):
    config = {"metadata": section(own_server.make_database("app")), **CACHE_OFF}
    registry = new_registry(config=config).start()
    made = image()
    with Client(registry.url) as client:
        client.push_image("app", made, "v1")
        upload = client.start_upload("app")
        own_server.kill()
        refused_for_now(client, "GET", "/v2/app/manifests/v1")
        refused_for_now(client, "GET", "/v2/app/tags/list")
        refused_for_now(client, "PATCH", upload)
        client.request("GET", "/readyz", expect=(503,))
        own_server.start()
        until(lambda: client.request("GET", "/readyz", expect=(200, 503)).status_code == 200)
        assert client.pull_image("app", "v1") == made
        client.push_image("app", image(seed=3), "v2")
    assert own_server.password not in registry.log


def test_connections_that_a_restart_of_the_database_ended_are_not_used(new_registry, own_server):
    config = {"metadata": section(own_server.make_database("app")), **CACHE_OFF}
    registry = new_registry(config=config).start()
    made = image()
    with Client(registry.url) as client:
        client.push_image("app", made, "v1")
        upload = client.start_upload("app")
        own_server.kill()
        own_server.start()
        until(lambda: client.request("GET", "/readyz", expect=(200, 503)).status_code == 200)
        assert client.pull_image("app", "v1") == made
        client.push_image("app", image(seed=3), "v2")


def children(pid):
    return [int(p) for p in subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]


def test_a_database_that_hangs_means_503_in_time(new_registry, own_server):
    config = {"metadata": section(own_server.make_database("app")), **CACHE_OFF}
    registry = new_registry(config=config).start()
    with Client(registry.url) as client:
        client.push_image("app", image(), "v1")
        registry.config["metadata"]["postgresql"] = {"timeout": "2s", "connect_timeout": "2s"}
        registry.restart()
        os.kill(own_server.process.pid, signal.SIGSTOP)  # from now on it has no more children
        frozen = [own_server.process.pid, *children(own_server.process.pid)]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            refused_for_now(client, "GET", "/v2/app/manifests/v1")
            assert time.monotonic() - started < 10
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        until(lambda: client.request("GET", "/v2/app/manifests/v1", expect=(200, 503)).status_code == 200)


def test_a_server_that_is_away_at_the_start_is_told_without_the_password(new_registry, own_server):
    url = own_server.make_database("app")
    registry = new_registry(config={"metadata": section(url)})
    own_server.stop()
    registry.spawn()
    assert registry.wait() != 0
    assert f"127.0.0.1:{own_server.port}" in registry.log
    assert own_server.password not in registry.log
    own_server.start()


def test_a_wrong_password_is_told_without_it(new_registry, own_server, work):
    own_server.make_database("app")
    registry = new_registry(config={"metadata": section(own_server.url("app", password="not-Right7"))})
    registry.spawn()
    assert registry.wait() != 0
    assert "password authentication failed" in registry.log
    assert "not-Right7" not in registry.log
    shown = Accounts(registry)("config", "print")
    assert "not-Right7" not in shown


def test_the_password_may_stand_in_a_file(new_registry, own_server, work):
    own_server.make_database("app")
    (work / "password").write_text(own_server.password + "\n")
    url = f"postgresql://registry@127.0.0.1:{own_server.port}/app"
    config = {"metadata": {**section(url), "password_file": str(work / "password")}}
    registry = new_registry(config=config).start()
    with Client(registry.url) as client:
        client.push_image("app", image(), "v1")


def test_tls_is_as_the_url_says(new_registry, work):
    pem = certificate(work, "server", authority(work, "ca"))
    with Postgres(work / "database" / "postgresql", certificate=pem) as server:
        url = server.make_database("app").replace("127.0.0.1", "localhost")
        url += f"?sslmode=verify-full&sslrootcert={work}/ca.pem"
        registry = new_registry(config={"metadata": section(url)}).start()
        with Client(registry.url) as client:
            client.push_image("app", image(), "v1")
        used = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        assert int(server.sql(used + " WHERE ssl AND application_name = 'registry'", "app")) > 0
        other = authority(work, "other")
        wrong = new_registry(config={"metadata": section(url.replace("/ca.pem", "/other.pem"))})
        assert other
        wrong.spawn()
        assert wrong.wait() != 0
        assert "certificate verify failed" in wrong.log


def test_of_several_hosts_the_one_that_takes_writes_is_used(new_registry, own_server, work):
    own_server.make_database("app")
    with Postgres(work / "database" / "other") as standby:
        standby.make_database("app")
        standby.sql(f"ALTER ROLE registry PASSWORD '{own_server.password}'")
        standby.password = own_server.password
        standby.sql("ALTER DATABASE app SET default_transaction_read_only = on")
        at = ",".join(f"127.0.0.1:{port}" for port in (1, standby.port, own_server.port))
        url = f"postgresql://registry:{own_server.password}@{at}/app"
        registry = new_registry(config={"metadata": section(url)}).start()
        with Client(registry.url) as client:
            client.push_image("app", image(), "v1")
        assert own_server.sql("SELECT name FROM repos", "app") == "app"


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
@pytest.mark.parametrize("database", ["postgresql", "pgbouncer"], indirect=True)
def test_two_registries_share_a_database_and_a_bucket(new_registry, database, bucket):
    config = {"metadata": database.section(), "storage": bucket.section(), **CACHE_OFF}
    first, second = (new_registry(config=config).start() for _ in range(2))
    with Client(first.url) as one, Client(second.url) as other:
        for seed in range(5):
            made = image(seed=seed)
            one.push_image("app", made, "latest")
            assert other.pull_image("app", "latest") == made
            one, other = other, one
        assert one.tags("app") == other.tags("app") == ["latest"]
        one.delete_manifest("app", "latest")
        other.get_manifest("app", "latest", expect=404)
