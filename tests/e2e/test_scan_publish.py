"""`/v2/NAME/manifests/REFERENCE/sbom`, `registry sbom`, and what `scan.publish` makes of a scan: artifacts whose subject
is the image. With a stand-in for Trivy."""

import json
import subprocess

import pytest
from content import command
from helpers import Client, artifact, digest_of, image_of_layers, index, tar_layer
from outbox import events
from scanners import FakeTrivy, make_data, says, start, wait_for
from test_collect import collect
from waiting import until

pytestmark = pytest.mark.sanitize
CYCLONEDX = "application/vnd.cyclonedx+json"
SPDX = "application/spdx+json"
SARIF = "application/sarif+json"
PATH = "/v2/team/app/manifests/v1/sbom"
FOUND = [("CVE-2024-1", "high", "openssl")]


@pytest.fixture
def fake(work):
    return FakeTrivy(work / "fake")


@pytest.fixture
def registry(new_registry, fake):
    return start(new_registry(config=fake.config(publish=["cyclonedx", "sarif"])))


@pytest.fixture
def client(registry):
    with Client(registry.url) as c:
        yield c


def listed(client, path=PATH, **more):
    """The answer, when lists have been made."""

    def once():
        answer = client.request("GET", path, None, **more)
        return answer if answer.status_code not in (404, 503) else None

    return until(once, timeout=60)


def published(client, image, repo="team/app", kinds=(CYCLONEDX, SARIF)):
    """{type: descriptor} of all that refers to it, when these do."""

    def once():
        rows = client.referrers(repo, image.digest)
        return {row["artifactType"]: row for row in rows} if {row["artifactType"] for row in rows} == set(kinds) else None

    return until(once, timeout=60)


def jobs_are_done(registry):
    waiting = map(json.loads, command(registry, "jobs", "list", "--json").splitlines())
    return not any(job["kind"].startswith("scan.p") or job["kind"] == "scan" for job in waiting)


def rescan(client, fake, finds_another=False):
    """With new data, by the list of packages."""
    if finds_another:
        new = {"VulnerabilityID": "CVE-2025-1", "PkgName": "zlib", "InstalledVersion": "1", "Severity": "LOW"}
        results = [{"Target": "image", "Packages": [{}], "Vulnerabilities": [new]}]
        fake.behave("lie", json.dumps({"SchemaVersion": 2, "Results": results}))
    before = wait_for(client, "team/app", "v1")["scanned_at"]
    make_data(fake.cache, "2026-11-02T00:00:00Z")
    until(lambda: wait_for(client, "team/app", "v1")["scanned_at"] != before)


# ---- GET


@pytest.mark.parametrize("query, accept, media_type, key", [
    ("", "*/*", CYCLONEDX, "bomFormat"),
    ("", SPDX, SPDX, "spdxVersion"),
    ("?format=spdx", CYCLONEDX, SPDX, "spdxVersion"),
    ("?format=CycloneDX", "*/*", CYCLONEDX, "bomFormat"),
])  # fmt: skip
def test_the_list_of_packages_comes_in_the_format_that_is_asked_for(client, query, accept, media_type, key):
    client.push_image("team/app", says(FOUND), "v1")
    answer = listed(client, PATH + query, headers={"Accept": accept})
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["ETag"] == f'"{digest_of(answer.content)}"'
    assert key in answer.json()


def test_a_list_may_be_had_in_parts_and_is_not_sent_twice(client):
    client.push_image("team/app", says(FOUND), "v1")
    whole = listed(client)
    part = client.request("GET", PATH, 206, headers={"Range": "bytes=5-9"})
    assert part.content == whole.content[5:10]
    client.request("GET", PATH, 304, headers={"If-None-Match": whole.headers["ETag"]})


def test_of_an_index_the_platform_is_named(client):
    images = [says([]), says(FOUND)]
    client.push_image("team/app", index(images), "v1")
    answer = listed(client, PATH + "?platform=linux/arm64")
    assert answer.headers["ETag"] == listed(client, PATH.replace("v1", images[1].digest)).headers["ETag"]
    assert "an index of 2 images" in client.request("GET", PATH, 400).text
    assert "no image for 'plan9/mips'" in client.request("GET", PATH + "?platform=plan9/mips", 404).text


@pytest.mark.parametrize("query, status, why", [
    ("?format=xml", 400, "cyclonedx or spdx"),
    ("", 404, "its scan is 'unsupported'"),
])  # fmt: skip
def test_without_a_list_the_answer_says_why(client, query, status, why):
    client.push_image("team/app", image_of_layers([tar_layer({"hello": b"world"})]), "v1")
    wait_for(client, "team/app", "v1")
    assert why in client.request("GET", PATH + query, status).text


def test_a_format_that_is_not_kept_is_told_with_its_key(new_registry, fake):
    registry = start(new_registry(config=fake.config(spdx=False)))
    with Client(registry.url) as client:
        client.push_image("team/app", says(FOUND), "v1")
        listed(client)
        assert "'scan.spdx'" in client.request("GET", PATH + "?format=spdx", 404).text
        assert not any("spdx" in call for call in fake.calls("convert"))


# ---- registry sbom


def sbom(registry, *words):
    return subprocess.run([registry.binary, "sbom", *words, "--url", registry.url], capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip


def test_the_command_prints_the_list_or_writes_it_to_a_file(registry, client, work):
    client.push_image("team/app", says(FOUND), "v1")
    whole = listed(client)
    assert sbom(registry, "team/app:v1").stdout == whole.text
    done = sbom(registry, "team/app:v1", "--format", "spdx", "-o", str(work / "list.json"))
    assert (done.returncode, done.stdout) == (0, "")
    assert "spdxVersion" in json.loads((work / "list.json").read_text())


def test_the_command_says_what_is_wrong_and_leaves_no_file(registry, client, work):
    done = sbom(registry, "team/app:v1", "-o", str(work / "list.json"))
    assert done.returncode == 1
    assert "the server answers 404" in done.stderr
    assert not (work / "list.json").exists()


# ---- scan.publish


def test_nothing_is_published_unless_the_configuration_says_so(new_registry, fake):
    registry = start(new_registry(config=fake.config()))
    with Client(registry.url) as client:
        image = says(FOUND)
        client.push_image("team/app", image, "v1")
        listed(client)
        until(lambda: jobs_are_done(registry))
        assert client.referrers("team/app", image.digest) == []


def test_what_is_known_of_an_image_refers_to_it(registry, client, fake):
    image = says(FOUND)
    client.push_image("team/app", image, "v1")
    rows = published(client, image)
    content = {}
    for media_type, row in rows.items():
        manifest = client.get_manifest("team/app", row["digest"]).json()
        assert manifest["subject"] == image.descriptor()
        assert [layer["mediaType"] for layer in manifest["layers"]] == [media_type]
        content[media_type] = client.get_blob("team/app", manifest["layers"][0]["digest"]).content
    assert content[CYCLONEDX] == listed(client).content
    assert [r["ruleId"] for r in json.loads(content[SARIF])["runs"][0]["results"]] == ["CVE-2024-1"]
    assert client.tags("team/app") == ["v1"]
    told = events(registry, "scan.published")
    assert {(e["repository"], e["digest"], e["artifact"]) for e in told} == {
        ("team/app", image.digest, row["digest"]) for row in rows.values()}
    assert len(fake.calls("image", "sbom")) == 1


def test_another_scan_replaces_the_report_and_leaves_the_list(registry, client, fake):
    image = says(FOUND)
    client.push_image("team/app", image, "v1")
    before = published(client, image)
    rescan(client, fake, finds_another=True)
    until(lambda: published(client, image)[SARIF]["digest"] != before[SARIF]["digest"])
    until(lambda: jobs_are_done(registry))
    rows = client.referrers("team/app", image.digest)
    assert len(rows) == 2
    assert before[CYCLONEDX] in rows


def test_a_scan_that_finds_the_same_publishes_nothing_anew(registry, client, fake):
    image = says(FOUND)
    client.push_image("team/app", image, "v1")
    before = published(client, image)
    rescan(client, fake)
    until(lambda: jobs_are_done(registry))
    assert published(client, image) == before
    assert len(events(registry, "scan.published")) == 2


def test_what_others_have_attached_or_tagged_stays(registry, client, fake):
    image = says(FOUND)
    client.push_image("team/app", image, "v1")
    before = published(client, image)
    theirs = artifact(SARIF, [(SARIF, b"{}")], subject=image.descriptor())
    client.push_image("team/app", theirs)
    report = client.get_manifest("team/app", before[SARIF]["digest"])
    client.request("PUT", "/v2/team/app/manifests/kept", 201, data=report.content,
                   headers={"Content-Type": report.headers["Content-Type"]})
    rescan(client, fake, finds_another=True)
    until(lambda: len(client.referrers("team/app", image.digest)) == 4)
    until(lambda: jobs_are_done(registry))
    digests = {row["digest"] for row in client.referrers("team/app", image.digest)}
    assert {theirs.digest, before[SARIF]["digest"], before[CYCLONEDX]["digest"]} < digests


def test_each_repository_that_has_the_image_gets_it(client, fake):
    image = says(FOUND)
    for repo in ("team/app", "other/app"):
        client.push_image(repo, image, "v1")
        published(client, image, repo)
    assert len(fake.calls("image", "sbom")) == 1


def test_what_is_published_goes_with_its_image(registry, client):
    image = says(FOUND)
    client.push_image("team/app", image, "v1")
    rows = published(client, image)
    until(lambda: jobs_are_done(registry))
    client.delete_manifest("team/app", image.digest)
    collect(registry)
    for row in rows.values():
        client.request("GET", f"/v2/team/app/manifests/{row['digest']}", 404)


def test_a_quota_holds_for_it_too(new_registry, fake):
    image = says(FOUND)
    room = sum(map(len, image.blobs.values())) + len(image.manifest) + 50
    config = fake.config(publish=["cyclonedx"])
    registry = start(new_registry(config={**config, "quotas": [{"namespace": "team", "bytes": room}]}))
    with Client(registry.url) as client:
        client.push_image("team/app", image, "v1")
        until(lambda: "publish what is known of team/app" in registry.log)
        assert client.referrers("team/app", image.digest) == []
        assert wait_for(client, "team/app", "v1")["status"] == "completed"


def test_an_image_that_is_blocked_shows_what_is_in_it(new_registry, fake):
    rules = [{"repositories": ["**"], "severity": "high", "unscanned": "block", "mode": "enforce"}]
    config = {**fake.config(publish=["cyclonedx"]), "pull_policy": rules}
    registry = start(new_registry(config=config))
    with Client(registry.url) as client:
        image = says(FOUND)
        client.push_image("team/app", image, "v1")
        row = published(client, image, kinds=(CYCLONEDX,))[CYCLONEDX]
        client.request("GET", "/v2/team/app/manifests/v1", 403)
        client.get_manifest("team/app", row["digest"])


def test_a_format_that_is_not_there_is_refused(new_registry, fake):
    registry = new_registry(config=fake.config(publish=["xml"]))
    with pytest.raises(Exception, match="scan.publish.*cyclonedx"):
        registry.start()
