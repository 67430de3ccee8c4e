"""Scanners that hang, crash, flood, lie and fill the disk: the scan has failed with a reason, nothing of it stays, and
the registry goes on."""

import os
import signal

import pytest

from below import files_below, paths_below
from helpers import Client
from scanners import FakeTrivy, says, start, wait_for
from waiting import until

FINDINGS = [("CVE-1", "critical", "a"), ("CVE-2", "low", "b")]


@pytest.fixture
def fake(work):
    return FakeTrivy(work / "fake")


@pytest.fixture
def scanning(request, new_registry, fake):
    timeout = "2s" if "hang" in request.node.name else "30s"  # others get little of a busy machine
    return start(new_registry(config=fake.config(trivy={"timeout": timeout}, max_report_size="64KiB")))


@pytest.fixture
def client(scanning):
    with Client(scanning.url) as c:
        yield c


def failure(client, reference="v1"):
    """Why the last attempt failed."""

    def once():
        answer = client.request("GET", f"/v2/team/app/manifests/{reference}/scan", 200).json()
        return answer["failure"] and answer["failure"]["reason"]

    return until(once, timeout=60)


@pytest.mark.parametrize("mode, text, why", [
    ("hang", "", "took too long"),
    ("crash", "", "was ended by signal 11"),
    ("flood", "", "says more than 65536 bytes"),
    ("fill", "", "wrote more than 8388608 bytes"),
    ("memory", "", "takes more than 268435456 bytes of memory"),
    ("fail", "the moon is full", "the moon is full"),
    ("half", "", "its report is no JSON"),
    ("lie", "", "its report is empty"),
    ("lie", "{}", "has no 'SchemaVersion'"),
    ("lie", '{"SchemaVersion":2,"Results":"none"}', "'Results' is no list"),
    ("lie", '{"SchemaVersion":2,"Results":[{"Vulnerabilities":[{}]}]}', "without an id or a package"),
    ("lie", "[" * 1000, "'the report' is no object"),
], ids=lambda value: value if len(value) < 20 else "text")  # fmt: skip
def test_a_scanner_that_misbehaves_has_failed_and_leaves_nothing(scanning, client, fake, mode, text, why):
    fake.behave(mode, text)
    client.push_image("team/app", says(FINDINGS), "v1")
    assert why in failure(client)
    left = scanning.root / "scan"
    until(lambda: [p.name for p in left.iterdir() if p.is_dir() and (p / "tmp").exists()] == [])
    client.request("GET", "/v2/team/app/manifests/v1", 200)


def test_what_a_scanner_is_given_it_can_not_change(scanning, client, fake):
    """Layers are links to the files of the store."""
    fake.behave("meddle")
    made = says(FINDINGS)
    client.push_image("team/app", made, "v1")
    assert wait_for(client, "team/app", "v1")["status"] == "completed"
    for digest, content in made.blobs.items():
        assert client.request("GET", f"/v2/team/app/blobs/{digest}", 200).content == content
    assert "meddled" not in {p.name for p in paths_below(scanning.root)}
    assert not [p for p in files_below(fake.cache) if p.read_bytes() == b"meddled with"]


def test_one_that_chatters_on_the_side_has_not_failed(client, fake):
    fake.behave("chatter")
    client.push_image("team/app", says(FINDINGS), "v1")
    assert wait_for(client, "team/app", "v1")["status"] == "completed"


def test_a_failed_scan_is_never_one_without_vulnerabilities(client, fake):
    fake.behave("lie", "")
    client.push_image("team/app", says(FINDINGS), "v1")
    failure(client)
    answer = client.request("GET", "/v2/team/app/manifests/v1/scan", 200).json()
    assert answer["status"] != "completed"
    assert answer["vulnerabilities"] is None


def test_it_is_tried_again_when_the_scanner_is_well(client, fake):
    fake.behave("crash")
    client.push_image("team/app", says(FINDINGS), "v1")
    failure(client)
    fake.behave(None)
    client.request("POST", "/v2/team/app/manifests/v1/scan", (200, 202))
    found = wait_for(client, "team/app", "v1", states=("completed",))
    assert (found["vulnerabilities"]["critical"], found["vulnerabilities"]["low"]) == (1, 1)


def test_a_server_that_is_killed_while_it_scans_scans_when_it_is_back(scanning, client, fake):
    fake.behave("hang")
    client.push_image("team/app", says(FINDINGS), "v1")
    until(lambda: fake.calls("image") or None)
    os.kill(scanning.pid, signal.SIGKILL)
    scanning.process.wait()
    fake.behave(None)
    scanning.start()
    client.url = scanning.url
    assert wait_for(client, "team/app", "v1", states=("completed",))["vulnerabilities"]["critical"] == 1
