"""The data of vulnerabilities: put into a directory, or pulled by the real Trivy from this registry; its age."""

import json
import subprocess
import time

import pytest
from accounts import OTHER, Accounts, Caller, environment
from documented import follow, page, program
from go_programs import go_program
from helpers import Client, image_of_layers, tar_layer
from vulnerability_data import archive, as_artifact, planted, put
from waiting import until

DAY_S = 24 * 3600


def days_ago(n):
    return time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() - n * DAY_S))


def state_of(client):
    return client.request("GET", "/api/v1/scan/data").json()


def updated(client, day):
    """Data of that day is in use."""
    return until(lambda: (state_of(client).get("updated_at") or "").startswith(day[:10]))


def health(client):
    return client.request("GET", "/healthz").json()["scan_data"]


@pytest.fixture
def folder(work):
    return work / "trivy"


@pytest.fixture
def offline(new_registry, folder):
    """A registry whose data somebody puts into a directory."""
    return new_registry(config={"scan": {"trivy": {"cache_dir": str(folder)}}})


def data_command(registry, *words):
    return subprocess.run([registry.binary, "scan", "data", *words, "--config", registry.config_path],
                          capture_output=True, text=True, timeout=60, env=environment())


def test_what_is_put_into_the_directory_is_taken_and_what_replaces_it(offline, folder):
    with Client(offline.start().url) as client:
        assert until(lambda: health(client) == "none" or None)
        put(folder, days_ago(2))
        updated(client, days_ago(2))
        put(folder, days_ago(1))
        updated(client, days_ago(1))
        state = state_of(client)
        assert (state["state"], state["source"], state["java_source"]) == ("ok", "cache_dir", None)
        assert DAY_S <= state["age_seconds"] <= 2 * DAY_S + 60
        assert health(client) == "ok"


def test_data_that_is_too_old_is_told_everywhere(offline, folder):
    put(folder, "2026-01-01T00:00:00Z")
    with Client(offline.start().url) as client:
        updated(client, "2026-01-01")
        assert state_of(client)["state"] == health(client) == "old"
        until(lambda: "older than scan.data.max_age" in offline.log)
    told = data_command(offline)
    assert told.returncode == 3 and "older than scan.data.max_age" in told.stdout


def test_half_a_database_is_refused_and_the_one_before_stays(offline, folder):
    put(folder, days_ago(2))
    with Client(offline.start().url) as client:
        updated(client, days_ago(2))
        put(folder, days_ago(1))
        file = folder / "db" / "trivy.db"
        file.write_bytes(file.read_bytes()[:8192])
        until(lambda: state_of(client)["failed_at"])
        assert state_of(client)["updated_at"].startswith(days_ago(2)[:10])
        assert "not whole" in offline.log


def test_the_command_takes_it_without_a_server(offline, folder):
    offline.write_config()
    assert data_command(offline).returncode == 3
    put(folder, days_ago(1))
    told = data_command(offline, "--update", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["updated_at"].startswith(days_ago(1)[:10])


def test_a_server_that_scans_nothing_says_so(new_registry):
    with Client(new_registry().start().url) as client:
        client.request("GET", "/api/v1/scan/data", 404)
        assert "scan_data" not in client.request("GET", "/healthz").json()


def from_itself(registry, **more):
    """That registry serves the data that it scans with."""
    registry.config["scan"] = {"trivy": {"path": str(go_program("trivy")), "nice": 0,
                                         "db_repository": f"{registry.address}/mirror/trivy-db"}, **more}
    return registry


def test_trivy_pulls_the_data_that_this_registry_serves_when_its_tag_moves(new_registry, work):
    registry = from_itself(new_registry())
    put(work / "made", days_ago(2))
    with Client(registry.start().url) as client:
        client.push_image("mirror/trivy-db", as_artifact(work / "made"), "2")
        updated(client, days_ago(2))
        put(work / "made", days_ago(1))
        newer = as_artifact(work / "made")
        client.push_image("mirror/trivy-db", newer, "2")
        updated(client, days_ago(1))
        assert state_of(client)["source"] == f"{registry.address}/mirror/trivy-db@{newer.digest}"
        assert (registry.root / "scan" / "trivy" / "current" / "db" / "trivy.db").exists()


def test_it_is_pulled_with_the_credentials_for_it_and_only_admins_may_ask(new_registry, work):
    registry = from_itself(new_registry(config={"auth": "local"}))
    password = work / "password"
    password.write_text(OTHER + "\n")
    registry.config["scan"]["data"] = {"username": "bob", "password_file": str(password)}
    registry.config["policy"] = [{"subjects": ["user:bob"], "repositories": ["mirror/**"], "actions": ["pull"]}]
    accounts = Accounts(registry)
    accounts.add("alice", "--admin")
    accounts.add("bob", password=OTHER)
    put(work / "made", days_ago(1))
    with Client(registry.start().url, auth=("alice", "Tr0ub4dor&3xyz")) as client:
        client.push_image("mirror/trivy-db", as_artifact(work / "made"), "2")
        updated(client, days_ago(1))
        client.request("POST", "/api/v1/scan/data", 202)
    Caller(registry, "bob", OTHER)("POST", "/api/v1/scan/data", expect=403)
    assert OTHER not in registry.log


def test_new_data_finds_new_vulnerabilities_in_what_was_scanned(new_registry, folder):
    registry = new_registry(config={"scan": {
        "on_push": True, "rescan_rate": 100000,
        "trivy": {"path": str(go_program("trivy")), "nice": 0, "cache_dir": str(folder)}}})
    put(folder, days_ago(2), kinds=("npm",))
    with Client(registry.start().url) as client:
        updated(client, days_ago(2))
        client.push_image("app", image_of_layers([tar_layer(planted.files("alpine"))]), "1")

        def found():
            answer = client.request("GET", "/v2/app/manifests/1/scan", (200, 202, 404)).json()
            return len(answer["details"]) if answer.get("status") == "completed" else None

        assert until(found) is not None
        until(lambda: found() == 0)
        put(folder, days_ago(1))
        until(lambda: found() == len(planted.expected("alpine")))
        until(lambda: (state_of(client)["rescan"] or {}).get("asked"))


def test_the_page_does_what_it_says(new_registry, work):
    registry = from_itself(new_registry())
    put(work / "made", days_ago(1))
    (work / "db.tar.gz").write_bytes(archive(work / "made"))
    registry.start()
    program(work, "registry", f'exec {registry.binary} "$@" --config {registry.config_path}')
    program(work, "oras", f'exec {go_program("oras")} "$@"')
    follow(page("vulnerability-data.md"), registry, work)
