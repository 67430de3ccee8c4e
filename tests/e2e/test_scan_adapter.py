"""Scans by what speaks the pluggable scanner API: with a token for just that repository; new data; what lies."""

import pytest
from accounts import PASSWORD, Accounts
from archives import docker_archive, upload
from helpers import Client, image
from scanner_adapter import Adapter
from waiting import until


@pytest.fixture
def adapter():
    with Adapter() as made:
        yield made


@pytest.fixture
def client(new_registry, adapter):
    accounts = Accounts(new_registry(config={"auth": "local", "scan": {
        "on_push": True, "rescan_rate": 100000, "adapter": {"url": adapter.url}}}))
    accounts.add("alice", "--admin")
    with Client(accounts.registry.start().url, auth=("alice", PASSWORD)) as made:
        yield made


def scan_of(client, repo, reference="1"):
    return client.request("GET", f"/v2/{repo}/manifests/{reference}/scan", (200, 202, 404)).json()


def test_it_pulls_what_is_pushed_with_a_token_for_that_and_nothing_else(client, adapter):
    client.push_image("other/app", image(seed=9), "1")
    until(lambda: adapter.pulled or None)
    client.push_image("team/app", image(layers=3), "1")
    until(lambda: len(adapter.pulled) == 2)
    done = until(lambda: (s := scan_of(client, "team/app")).get("status") == "completed" and s)
    assert [d["cve"] for d in done["details"]] == ["CVE-2026-0", "CVE-2026-1", "CVE-2026-2"]
    asked, (own, other) = adapter.scans["1"], adapter.pulled["1"]
    assert asked["registry"]["authorization"].startswith("Bearer ")
    assert (own.status_code, other.status_code) in ((200, 401), (200, 403))


def test_what_it_has_scanned_is_not_scanned_again_under_another_name(client, adapter):
    for repo in ("team/app", "other/app"):
        client.push_image(repo, image(layers=3), "1")
        until(lambda repo=repo: scan_of(client, repo).get("status") == "completed")
    answer = client.request("POST", "/v2/team/app/manifests/1/scan", 200)
    assert answer.json()["status"] == "completed"
    client.push_image("third/app", image(seed=5), "1")  # whose turn is after that
    until(lambda: scan_of(client, "third/app").get("status") == "completed")
    assert len(adapter.scans) == 2


def test_a_report_without_findings_says_that_there_are_none(client, adapter):
    adapter.report = b'{"vulnerabilities": []}'
    client.push_image("team/app", image(), "1")
    until(lambda: scan_of(client, "team/app").get("status") in ("completed", "unsupported"))
    assert scan_of(client, "team/app")["vulnerabilities"]["critical"] == 0


def test_a_report_that_is_none_is_no_clean_one(client, adapter):
    adapter.report = b'{"vulnerabilities": "none"}'
    client.push_image("team/app", image(), "1")
    until(lambda: adapter.polls >= 2)
    assert scan_of(client, "team/app").get("status") != "completed"


def test_it_pulls_an_archive_that_waits_for_it(new_registry, adapter):
    accounts = Accounts(new_registry(config={
        "auth": "local", "scan": {"adapter": {"url": adapter.url}}, "upload": {"scan": "block"},
        "pull_policy": [{"repositories": ["**"], "severity": "low"}]}))
    accounts.add("alice", "--admin")
    with Client(accounts.registry.start().url, auth=("alice", PASSWORD)) as alice:
        error = upload(alice, docker_archive(image(layers=1), None), expect=422, repository="team/app", tag="v1")
    assert [v["cve"] for v in error["detail"]["images"][0]["vulnerabilities"]] == ["CVE-2026-0"]
    ((own, _other),) = adapter.pulled.values()
    assert own.status_code == 200
