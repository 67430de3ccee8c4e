"""`/v2/NAME/manifests/REFERENCE/scan`, `/v2/NAME/scan/summary` and `registry scan`, with a stand-in for Trivy."""

import os
import pty
import re
import shutil
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from helpers import Client, image_of_layers, index, tar_layer
from outbox import events
from scanners import FakeTrivy, make_data, result, says, start, wait_for
from test_collect_schedule import make_due
from waiting import until

pytestmark = pytest.mark.sanitize
FIXED = {"cve": "CVE-2024-1234", "severity": "critical", "package": "openssl", "installed": "1.1.1k", "fixed": "1.1.1l"}
OPEN = {"cve": "CVE-2024-2", "severity": "low", "package": "zlib", "installed": "1.2"}
UNRATED = {"cve": "CVE-2024-3", "severity": "unknown", "package": "abc", "installed": "3"}
PATH = "/v2/team/app/manifests/v1/scan"


@pytest.fixture
def fake(work):
    return FakeTrivy(work / "fake")


@pytest.fixture
def scanning(new_registry, fake):
    return start(new_registry(config=fake.config(on_push=False)))


@pytest.fixture
def client(scanning):
    with Client(scanning.url) as c:
        yield c


def scanned(client, image, tag="v1"):
    client.push_image("team/app", image, tag)
    client.request("POST", f"/v2/team/app/manifests/{tag}/scan", 202)
    return wait_for(client, "team/app", tag)


def scan(registry, *words):
    return subprocess.run(
        [registry.binary, "scan", *words, "--url", registry.url], capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def terminal(words):
    """Standard error is one, of which read() gives what comes next; the command is ended at the end."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    try:
        yield lambda: os.read(ours, 4096)
    finally:
        child.kill()
        child.wait()
        os.close(ours)


def test_a_push_is_scanned_where_the_configuration_says_so(new_registry, fake):
    registry = start(new_registry(config=fake.config(on_push=True)))
    with Client(registry.url) as client:
        client.push_image("team/app", says([FIXED]), "v1")
        assert wait_for(client, "team/app", "v1")["vulnerabilities"]["critical"] == 1


def test_what_was_pushed_before_there_was_data_is_scanned_when_it_comes(new_registry, fake):
    shutil.rmtree(fake.cache)
    registry = new_registry(config=fake.config()).start()
    with Client(registry.url) as client:
        client.push_image("team/app", says([FIXED]), "v1")
        until(lambda: put_off(registry))
        make_data(fake.cache)
        assert wait_for(client, "team/app", "v1")["status"] == "completed"


def put_off(registry):
    """What has failed would be tried again in an hour. Returns how many jobs these are."""
    with closing(sqlite3.connect(registry.root / "registry.db", timeout=60)) as db, db:
        return db.execute("UPDATE jobs SET due_ms = due_ms + 3600000 WHERE attempts > 0 AND state = 0").rowcount


def test_what_nobody_asked_to_scan_has_not_been_scanned(client):
    client.push_image("team/app", says([FIXED]), "v1")
    answer = result(client, "team/app", "v1")
    assert answer["vulnerabilities"] is None
    assert answer["status"] not in ("completed", "queued", "running")


def test_at_the_times_of_the_schedule_what_nobody_asked_for_is_scanned(new_registry, fake):
    registry = start(new_registry(config=fake.config(on_push=False, schedule="0 0 1 1 *")))
    with Client(registry.url) as client:
        client.push_image("team/app", says([FIXED]), "v1")
        client.push_image("other", says([OPEN]), "v1")
        make_due(registry, "scan.schedule")
        for repo in ("team/app", "other"):
            assert wait_for(client, repo, "v1")["status"] == "completed"


def test_a_scan_that_is_asked_for_says_where_its_result_will_be(client):
    client.push_image("team/app", says([FIXED]), "v1")
    answer = client.request("POST", PATH, 202)
    assert answer.json()["status"] in ("queued", "running")
    assert wait_for(client, "team/app", "v1")["status"] == "completed"
    assert client.request("GET", answer.headers["Location"], 200).json()["status"] == "completed"


def test_a_result_has_what_the_scanner_said(client):
    answer = scanned(client, says([OPEN, FIXED, UNRATED]))
    assert answer["vulnerabilities"] == {"critical": 1, "high": 0, "medium": 0, "low": 1, "unknown": 1}
    assert answer["fixable"] == {"critical": 1, "high": 0, "medium": 0, "low": 0, "unknown": 0}
    assert [d["cve"] for d in answer["details"]] == ["CVE-2024-1234", "CVE-2024-2", "CVE-2024-3"]
    first = answer["details"][0]
    told = (first["severity"], first["package"], first["installed_version"], first["fixed_version"])
    assert told == ("critical", "openssl", "1.1.1k", "1.1.1l")
    assert answer["details"][1]["fixed_version"] is None
    assert answer["scanned_at"] and first["since"]


def test_a_digest_that_was_scanned_with_the_same_data_is_not_scanned_again(client, fake):
    image = says([FIXED])
    scanned(client, image)
    client.push_image("other", image, "v2")
    answer = client.request("POST", "/v2/other/manifests/v2/scan", 200)
    assert answer.json()["status"] == "completed"
    assert len(fake.calls("image", "sbom")) == 1


def test_it_is_when_somebody_insists(client, fake):
    scanned(client, says([FIXED]))
    before = len(fake.calls("image", "sbom"))
    client.request("POST", PATH + "?force=true", 202)
    until(lambda: len(fake.calls("image", "sbom")) > before)


def test_pages_show_each_finding_once_in_order(client):
    rows = [(f"CVE-{i:04}", ("critical", "high", "low")[i % 3], f"p{i}") for i in range(250)]
    scanned(client, says(rows))
    answer, seen = client.request("GET", PATH + "?n=60", 200), []
    while True:
        seen += [(d["severity"], d["cve"]) for d in answer.json()["details"]]
        if "next" not in answer.links:
            break
        answer = client.request("GET", answer.links["next"]["url"], 200)
    rank = {"critical": 0, "high": 1, "low": 2}
    assert seen == sorted(((s, c) for c, s, _ in rows), key=lambda row: (rank[row[0]], row[1]))


@pytest.mark.parametrize("query, cves", [
    ("severity=critical", ["CVE-2024-1234"]),
    ("severity=low,unknown", ["CVE-2024-2", "CVE-2024-3"]),
    ("fixable=true", ["CVE-2024-1234"]),
    ("fixable=false&severity=low", ["CVE-2024-2"]),
])  # fmt: skip
def test_findings_are_chosen_by_severity_and_fix(client, query, cves):
    scanned(client, says([OPEN, FIXED, UNRATED]))
    assert [d["cve"] for d in client.request("GET", f"{PATH}?{query}", 200).json()["details"]] == cves


@pytest.mark.parametrize("query, word", [
    ("severity=terrible", "'severity' is critical"),
    ("fixable=perhaps", "'fixable' is true or false"),
    ("last=x", "'last' is from"),
])  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused_with_what_is_allowed(client, query, word):
    scanned(client, says([FIXED]))
    assert word in client.request("GET", f"{PATH}?{query}", 400).text


def test_an_index_shows_the_worst_of_its_images_and_each(client):
    images = [says([OPEN]), says([FIXED])]
    client.push_image("team/app", index(images), "v1")
    client.request("POST", PATH, 202)
    answer = wait_for(client, "team/app", "v1")
    assert answer["image"] == images[1].digest
    assert {p["digest"]: p["vulnerabilities"]["critical"] for p in answer["platforms"]} == {
        images[0].digest: 0,
        images[1].digest: 1,
    }


def test_an_image_without_packages_is_not_said_to_be_clean(client):
    answer = scanned(client, image_of_layers([tar_layer({"hello": b"world"})]))
    assert answer["status"] == "unsupported"
    assert answer["vulnerabilities"] is None and answer["reason"]


def test_a_distribution_whose_packages_nobody_knows_is_not_said_to_be_clean(client):
    answer = scanned(client, says([], os=["fedora", "41"], packages=0))
    assert (answer["status"], answer["vulnerabilities"]) == ("unsupported", None)
    assert answer["reason"] == "the scanner found no packages that it knows of fedora 41"


def test_who_insists_has_the_layers_read(client, fake):
    scanned(client, says([FIXED]))
    client.request("POST", PATH + "?force=true", 202)
    until(lambda: len(fake.calls("image")) == 2)
    assert not fake.calls("sbom")


def test_each_end_of_a_scan_is_an_event(scanning, client, fake):
    scanned(client, says([FIXED]))
    fake.behave("fail", "gzip: invalid header")
    client.request("POST", PATH + "?force=true", 202)
    whole, failed = until(lambda: len(ended := events(scanning, "scan.completed")) == 2 and ended)
    assert (whole["status"], whole["vulnerabilities"]["critical"]) == ("completed", 1)
    assert (failed["status"], failed["vulnerabilities"]) == ("unsupported", None)
    assert "gzip: invalid header" in failed["reason"]
    assert {e["repository"] for e in (whole, failed)} == {"team/app"}


def test_the_tag_that_was_pushed_last_may_come_after_all_that_are_listed(client):
    first, last = says([OPEN]), says([OPEN, FIXED])
    client.push_image("team/app", first)

    def tag(n):
        with Client(client.url) as own:
            for i in range(n, 1000, 8):
                own.push_manifest("team/app", f"a{i:04}", first)

    with ThreadPoolExecutor(8) as pool:  # whose commits share what they wait for
        list(pool.map(tag, range(8)))
    scanned(client, last, "z")
    answer = client.request("GET", "/v2/team/app/scan/summary", 200).json()
    assert (answer["latest_tag"], answer["critical_count"], answer["more_tags"]) == ("z", 1, True)
    assert len(answer["tags"]) == 1000


def test_the_summary_of_a_repository_is_of_the_tag_that_was_pushed_last(client):
    scanned(client, says([OPEN]), "v0")
    scanned(client, says([OPEN, FIXED]), "v1")
    answer = client.request("GET", "/v2/team/app/scan/summary", 200).json()
    assert (answer["latest_tag"], answer["total_vulnerabilities"], answer["critical_count"]) == ("v1", 2, 1)
    assert answer["last_scanned"]
    assert {t["tag"]: t["vulnerabilities"]["critical"] for t in answer["tags"]} == {"v0": 0, "v1": 1}


def test_an_image_that_is_not_there_has_no_scan(client):
    client.push_image("team/app", says([OPEN]), "v1")
    assert "MANIFEST_UNKNOWN" in client.request("GET", "/v2/team/app/manifests/none/scan", 404).text
    assert "MANIFEST_UNKNOWN" in client.request("POST", "/v2/team/app/manifests/none/scan", 404).text
    assert "NAME_UNKNOWN" in client.request("GET", "/v2/none/scan/summary", 404).text


def test_a_registry_without_a_scanner_says_so(registry):
    with Client(registry.url) as client:
        client.push_image("team/app", says([OPEN]), "v1")
        assert "scans nothing" in client.request("POST", PATH, 405).text


# ---- registry scan


def test_the_command_waits_for_the_result_and_shows_it(scanning, client):
    client.push_image("team/app", says([OPEN, FIXED]), "v1")
    done = scan(scanning, "team/app:v1", "--wait")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "completed: 1 critical, 0 high, 0 medium, 1 low, 0 unknown"
    assert done.stdout.splitlines()[1].split() == ["critical", "CVE-2024-1234", "openssl", "1.1.1k", "1.1.1l"]
    assert done.stdout.splitlines()[2].split() == ["low", "CVE-2024-2", "zlib", "1.2", "no", "fix"]


@pytest.mark.parametrize("least, status", [("critical", 0), ("high", 0), ("low", 3), ("unknown", 3)])
def test_its_exit_status_is_for_pipelines(scanning, client, least, status):
    client.push_image("team/app", says([OPEN]), "v1")
    assert scan(scanning, "team/app:v1", "--wait", "--fail-on", least).returncode == status


def test_who_wants_a_verdict_waits_for_it(scanning, client):
    client.push_image("team/app", says([FIXED]), "v1")
    assert scan(scanning, "team/app:v1", "--fail-on", "critical").returncode == 3


def test_without_data_it_says_so_and_ends_in_time(new_registry, fake):
    shutil.rmtree(fake.cache)
    registry = new_registry(config=fake.config(on_push=False)).start()
    with Client(registry.url) as client:
        client.push_image("team/app", says([FIXED]), "v1")
    done = scan(registry, "team/app:v1", "--wait", "--timeout", "2s")
    assert done.returncode == 1
    told, ended = done.stderr.splitlines()
    assert told.startswith("not scanned yet: ") and "data" in told
    assert ended == "registry: it has not been scanned within --timeout: " + told.removeprefix("not scanned yet: ")


def test_a_scan_that_fails_after_one_that_went_well_does_not_pass_a_pipeline(scanning, client, fake):
    scanned(client, says([OPEN]))
    fake.behave("fail", "gzip: invalid header")
    done = scan(scanning, "team/app:v1", "--wait", "--force", "--fail-on", "critical")
    assert done.returncode == 1
    assert "that is of before; the last scan failed: the image can't be read: gzip: invalid header" in done.stdout


def test_on_a_terminal_it_shows_what_it_waits_for(scanning, client, fake):
    fake.behave("hang")
    client.push_image("team/app", says([FIXED]), "v1")
    words = [scanning.binary, "scan", "team/app:v1", "--wait", "--url", scanning.url]
    with terminal(words) as read:
        shown = b""
        while not re.search(rb"running, \d+ s", shown):
            shown += read()
    assert shown.startswith(b"\r\x1b[K")


def test_what_could_not_be_scanned_does_not_pass_a_pipeline(scanning, client):
    client.push_image("team/app", image_of_layers([tar_layer({"hello": b"world"})]), "v1")
    done = scan(scanning, "team/app:v1", "--wait", "--fail-on", "critical")
    assert done.returncode == 1
    assert done.stdout.startswith("unsupported: ")


def test_texts_of_an_image_do_not_reach_the_terminal(scanning, client):
    client.push_image("team/app", says([{**FIXED, "package": "a\x1b[2Jb"}]), "v1")
    done = scan(scanning, "team/app:v1", "--wait")
    assert "\x1b" not in done.stdout
    assert "\\x1b" in done.stdout.lower()


@pytest.mark.parametrize("words, why", [
    (["team/app:v1", "--fail-on", "bad"], "--fail-on is critical"),
    (["NO:v1"], "is no image"),
    (["team/app:none"], "manifest unknown"),
])  # fmt: skip
def test_a_command_line_that_is_wrong_says_why(scanning, client, words, why):
    client.push_image("team/app", says([OPEN]), "v1")
    done = scan(scanning, *words)
    assert done.returncode == 1
    assert why in done.stderr
