"""Scans of two servers over one database, one bucket and one Redis, with a stand-in for Trivy: whoever scans, all know."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from helpers import Client
from scanners import FakeTrivy, says, wait_for
from server import merged
from waiting import until

BAD = [("CVE-2024-1234", "critical", "openssl")]
BLOCKS = {"pull_policy": [{"repositories": ["**"], "severity": "critical", "unscanned": "allow"}]}


@pytest.fixture
def fake(work):
    return FakeTrivy(work / "fake")


def ready(url):
    """It has data to scan with."""
    until(lambda: requests.get(f"{url}/api/v1/scan/data", timeout=10).json()["state"] == "ok")


@pytest.fixture
def two(new_replicas, fake):
    # Long enough that a slow machine makes none of them seem gone, whose scan the other would do again.
    config = merged(fake.config(), {**BLOCKS, "replicas": {"lease": "5s"}})
    made = new_replicas(2, config=config)
    for one in made:
        ready(one.url)
    return made


def status(replica, reference="v1"):
    return requests.get(f"{replica.url}/v2/team/app/manifests/{reference}", timeout=30).status_code


def push(replica, findings):
    made = says(findings)
    with Client(replica.url) as client:
        client.push_image("team/app", made, "v1")
    return made


def children(pid):
    """Of the process, and of its threads."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with suppress(FileNotFoundError, ProcessLookupError):  # one that has ended since
            found += Path(f"/proc/{pid}/task/{task}/children").read_text().split()
    return [int(child) for child in found]


def test_what_one_takes_is_scanned_once_from_the_bucket_and_blocked_by_both(two, fake):
    made = push(two[0], BAD)
    for replica in two:
        with Client(replica.url) as client:
            assert wait_for(client, "team/app", "v1")["vulnerabilities"]["critical"] == 1
    for reference in ("v1", made.digest):
        until(lambda: [status(replica, reference) for replica in two] == [403, 403])
    assert len(fake.calls("image")) == 1


def test_a_verdict_in_memory_ends_on_all_when_a_scan_of_one_finds_more(two, fake):
    fake.behave("crash")
    push(two[0], BAD)
    until(lambda: fake.calls("image") or None)
    for replica in two:
        until(lambda: status(replica) == 200)
    fake.behave(None)
    with Client(two[1].url) as client:
        client.request("POST", "/v2/team/app/manifests/v1/scan", (200, 202))
        wait_for(client, "team/app", "v1", states=("completed",))
    until(lambda: [status(replica) for replica in two] == [403, 403])


def test_who_is_killed_while_it_scans_leaves_no_child_and_the_other_takes_over(two, fake):
    fake.behave("hang")
    push(two[0], BAD)
    until(lambda: fake.calls("image") or None)
    (scanner,) = [child for one in two for child in children(one.registry.pid)]
    fake.behave(None)
    (dead,) = [one for one in two if scanner in children(one.registry.pid)]
    (other,) = [one for one in two if one is not dead]
    dead.kill()
    until(lambda: not Path(f"/proc/{scanner}").exists())
    with Client(other.url) as client:
        assert wait_for(client, "team/app", "v1", states=("completed",))["vulnerabilities"]["critical"] == 1
    until(lambda: status(other) == 403)
    dead.start()
    until(lambda: [p for p in (dead.registry.root / "scan").iterdir() if (p / "tmp").exists()] == [])
    until(lambda: status(dead) == 403)


def test_results_are_kept_and_counted_with_metadata_in_dynamodb(new_registry, table, fake):
    config = merged(fake.config(), {"metadata": table.section(), **BLOCKS})
    registry = new_registry(config=config).start()
    ready(registry.url)
    made = says(BAD)
    with Client(registry.url) as client:
        client.push_image("team/app", made, "v1")
        assert wait_for(client, "team/app", "v1")["vulnerabilities"]["critical"] == 1
    until(lambda: requests.get(f"{registry.url}/v2/team/app/manifests/v1", timeout=30).status_code == 403)
