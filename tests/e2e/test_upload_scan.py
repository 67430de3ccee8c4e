"""upload.scan: archives are scanned before their tags move, or after. The scanner is the stand-in of fake_trivy.py."""

import signal

import pytest
import requests
import tus
from accounts import OTHER, PASSWORD, Caller, alice_and_bob
from archives import docker_archive, oci_archive, upload
from below import files_below
from held_archives import BAD, MILD, WHERE, Sent, archive, config_of, held, record, tags, wait_until_scanning
from helpers import Client, index, random_bytes
from scanners import FakeTrivy, says, start, wait_for
from waiting import until

pytestmark = pytest.mark.sanitize


@pytest.fixture
def fake(work):
    return FakeTrivy(work / "fake")


@pytest.fixture
def registry(new_registry, fake):
    return start(new_registry(config=config_of(fake)))


@pytest.fixture
def client(registry):
    with Client(registry.url) as c:
        yield c


# ---- block


def test_an_image_that_may_be_pulled_is_there_when_the_answer_comes(registry, client):
    answer = upload(client, archive(MILD), **WHERE)
    assert answer["scan"] == "passed" and answer["newBlobs"] == 2
    assert tags(client) == ["v1"]
    client.get_manifest("team/app", "v1")
    assert wait_for(client, "team/app", "v1")["vulnerabilities"]["low"] == 1
    assert record(client)["phase"] == "done" and record(client)["images"][0]["tags"] == ["v1"]
    until(lambda: not held(registry))


def test_an_image_that_would_be_blocked_is_refused_with_what_was_found(registry, client):
    error = upload(client, archive(BAD, MILD), expect=422, **WHERE)
    assert error["code"] == "IMAGE_VULNERABLE"
    assert "image blocked due to 1 critical vulnerability: CVE-2024-1234 in openssl 1.1.1k, fixed in 1.1.1l" in error["message"]
    (image,) = error["detail"]["images"]
    assert image["repository"] == "team/app" and image["reason"] == "vulnerable" and image["critical"] == 1
    assert image["vulnerabilities"] == [
        {"cve": "CVE-2024-1234", "severity": "critical", "package": "openssl", "installed_version": "1.1.1k", "fixed_version": "1.1.1l"}
    ]
    row = record(client)
    assert (row["phase"], row["failed_in"], row["error"]["code"]) == ("failed", "scanning", "IMAGE_VULNERABLE")
    assert error["detail"]["upload"] == row["id"]


def test_nothing_of_a_refused_one_remains(registry, client):
    error = upload(client, archive(BAD), expect=422, **WHERE)
    digest = error["detail"]["images"][0]["digest"]
    until(lambda: not held(registry))
    assert tags(client) == []
    client.request("GET", f"/v2/team/app/manifests/{digest}", 404)
    assert client.request("GET", "/v2/_catalog").json()["repositories"] == []


def test_while_it_waits_no_repository_shows_it(registry, client, fake):
    fake.behave("hang")
    sent = Sent(registry, archive(MILD))
    wait_until_scanning(registry, client)
    assert client.request("GET", "/v2/_catalog").json()["repositories"] == []
    assert tags(client) == []
    key = held(registry)[0].relative_to(registry.root).parts
    key = key[key.index("held") + 1]
    client.request("GET", f"/v2/cyberdock.internal/held/{key}/tags/list", 404)
    registry.kill()
    sent.join(60)
    assert sent.answer is None


def test_a_server_that_is_killed_meanwhile_stores_it_when_it_was_scanned(registry, client, fake):
    fake.behave("hang")
    sent = Sent(registry, archive(MILD))
    wait_until_scanning(registry, client)
    registry.kill()
    sent.join(60)
    fake.behave()
    start(registry)
    with Client(registry.url) as again:
        until(lambda: tags(again) == ["v1"], timeout=60)
        until(lambda: record(again)["phase"] == "done")
    until(lambda: not held(registry))


def test_what_is_not_scanned_in_time_is_refused_and_nothing_remains(new_registry, fake):
    fake.behave("hang")
    registry = start(new_registry(config=config_of(fake, scan_timeout="1s")))
    with Client(registry.url) as client:
        error = upload(client, archive(MILD), expect=503, **WHERE)
        assert "was not scanned within upload.scan_timeout" in error["message"]
        until(lambda: not held(registry))
        assert tags(client) == [] and record(client)["phase"] == "failed"


def test_a_client_that_goes_away_cancels_nothing(registry, client, fake):
    fake.behave("hang")
    with pytest.raises(requests.RequestException):
        requests.put(f"{registry.url}/upload-image", params=WHERE, data=archive(MILD), timeout=2)
    wait_until_scanning(registry, client)
    registry.kill()
    fake.behave()
    start(registry)
    with Client(registry.url) as again:
        until(lambda: tags(again) == ["v1"], timeout=60)


def test_what_was_scanned_before_does_not_wait(registry, client, fake):
    upload(client, archive(MILD), **WHERE)
    fake.behave("hang")
    assert upload(client, archive(MILD), repository="other/app", tag="v1")["scan"] == "passed"


def test_a_repository_whose_rule_blocks_nothing_waits_for_nothing(registry, client, fake):
    fake.behave("hang")
    assert upload(client, archive(BAD), repository="free/app", tag="v1")["scan"] == "queued"
    assert tags(client, "free/app") == ["v1"]


def test_one_blocked_image_keeps_all_of_its_archive_out(registry, client):
    data = docker_archive(says([BAD]), ["free/app:v1", "team/app:v1"])
    error = upload(client, data, expect=422)
    assert [i["repository"] for i in error["detail"]["images"]] == ["team/app"]
    assert tags(client) == [] and tags(client, "free/app") == []


def test_pieces_are_told_that_they_are_scanned_and_then_what_came_of_it(registry, client):
    for found, expect in ((MILD, 201), (BAD, 422)):
        data = archive(found)
        session = tus.Upload.begin(client, len(data), **WHERE)
        session.patch(0, data)
        answer = session.result(expect).json()
        assert answer["scan"] == "passed" if expect == 201 else answer["errors"][0]["code"] == "IMAGE_VULNERABLE"
    until(lambda: not held(registry))


def test_one_that_waits_can_be_given_up(registry, client, fake):
    fake.behave("hang")
    data = archive(MILD)
    session = tus.Upload.begin(client, len(data), **WHERE)
    session.patch(0, data)
    wait_until_scanning(registry, client)
    assert session.complete(202).json()["state"] == "scanning"
    session.delete()
    until(lambda: not held(registry))
    assert record(client)["phase"] == "cancelled" and tags(client) == []


def test_an_original_is_listed_with_its_image_and_gone_when_that_is_refused(new_registry, fake):
    registry = start(new_registry(config=config_of(fake, keep_original=True)))
    with Client(registry.url) as client:
        answer = upload(client, archive(MILD), **WHERE)
        upload(client, archive(BAD), expect=422, repository="team/app", tag="v2")
        kept = client.request("GET", "/api/v1/originals").json()["originals"]
        assert [o["id"] for o in kept] == [answer["original"]["id"]]
        assert len(files_below(registry.root / "images")) == 1


def test_the_trail_has_one_entry_of_each(new_registry, fake):
    accounts = alice_and_bob(new_registry, **config_of(fake))
    registry, alice = accounts.registry, Caller(accounts.registry, "alice")
    for found, tag, status in ((MILD, "v1", 201), (BAD, "v2", 422)):
        answer = requests.put(
            f"{registry.url}/upload-image",
            params={"repository": "team/app", "tag": tag},
            data=archive(found),
            auth=("alice", PASSWORD),
            timeout=60,
        )
        assert answer.status_code == status
    until(lambda: len(alice.get("/api/v1/audit", action="upload image")["entries"]) == 2)
    rows = alice.get("/api/v1/audit", action="upload image")["entries"]
    assert sorted((r["result"], r["target"]) for r in rows) == [("IMAGE_VULNERABLE", "team/app:v2"), ("ok", "team/app:v1")]


def test_a_form_is_answered_as_a_put_is(registry, client):
    def send(found):
        return requests.post(f"{registry.url}/upload-image", data=WHERE, files={"file": ("a.tar", archive(found))}, timeout=60)

    assert send(BAD).json()["errors"][0]["code"] == "IMAGE_VULNERABLE"
    until(lambda: not held(registry))
    assert tags(client) == []
    assert send(MILD).json()["scan"] == "passed"
    assert tags(client) == ["v1"]


def test_one_bad_platform_keeps_the_index_out(registry, client, work):
    bad = says([BAD], architecture="arm64")
    error = upload(client, oci_archive(work, index([says([MILD]), bad])), expect=422, **WHERE)
    assert [(i["digest"], i["critical"]) for i in error["detail"]["images"]] == [(bad.digest, 1)]
    until(lambda: not held(registry))
    assert tags(client) == [] and client.request("GET", "/v2/_catalog").json()["repositories"] == []


def test_an_index_of_good_platforms_is_there_with_all_of_them(registry, client, work):
    made = index([says([MILD]), says([], architecture="arm64")])
    upload(client, oci_archive(work, made), **WHERE)
    assert client.pull_image("team/app", "v1").digest == made.digest


# ---- what changes while it waits


def test_what_fills_the_quota_meanwhile_keeps_it_out(new_registry, fake):
    config = {**config_of(fake), "quotas": [{"namespace": "team", "bytes": "40KiB"}]}
    registry = start(new_registry(config=config))
    fake.behave("wait")
    with Client(registry.url) as client:
        sent = Sent(registry, archive(MILD))
        wait_until_scanning(registry, client)
        client.push_blob("team/other", random_bytes(40_900, "quota"))
        fake.behave()
        assert "team" in sent.error(403)["message"]
        until(lambda: not held(registry))
        assert tags(client) == []


def reload(registry, policy):
    registry.config["policy"] = policy
    registry.write_config()
    before = registry.log.count("reload")
    registry.signal(signal.SIGHUP)
    until(lambda: registry.log.count("reload") > before)


def test_who_may_not_push_any_more_when_it_was_scanned_is_refused(new_registry, fake):
    rule = {"subjects": ["user:bob"], "repositories": ["team/**"], "actions": ["push", "pull"]}
    accounts = alice_and_bob(new_registry, policy=[rule], **config_of(fake))
    registry, alice = accounts.registry, Caller(accounts.registry, "alice")
    fake.behave("wait")
    sent = Sent(registry, archive(MILD), auth=("bob", OTHER))
    until(lambda: [r["phase"] for r in alice.get("/api/v1/uploads")["uploads"]] == ["scanning"], timeout=60)
    reload(registry, policy=[{**rule, "repositories": ["elsewhere/**"]}])
    fake.behave()
    assert sent.error(403)["code"] == "DENIED"
    until(lambda: not held(registry))
    assert alice.get("/v2/_catalog")["repositories"] == []


# ---- warn


def test_a_warning_comes_after_the_image(new_registry, fake):
    registry = start(new_registry(config=config_of(fake, "warn")))
    with Client(registry.url) as client:
        assert upload(client, archive(BAD), **WHERE)["scan"] == "queued"
        assert tags(client) == ["v1"]
        assert wait_for(client, "team/app", "v1")["vulnerabilities"]["critical"] == 1


def test_blocking_needs_rules(new_registry, fake):
    registry = new_registry(config={**fake.config(on_push=False), "upload": {"scan": "block"}})
    registry.spawn()
    assert registry.wait() != 0
    assert "'block' needs rules in pull_policy" in registry.log
