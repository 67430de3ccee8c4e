"""The pull policy: which images do not leave, by which roads, and who gets them all the same. Images are blocked for not
having been scanned, or by results that a test writes as another server would."""

import itertools
import json
import signal
import sqlite3
import time
import uuid
from contextlib import closing

import pytest
import requests
from accounts import OTHER, PASSWORD, alice_and_bob
from archives import crafted, docker_archive, upload
from content import command
from documented import blocks, follow, page
from helpers import Client, artifact, canonical, image, image_of_layers, index, tar_layer
from outbox import all_events
from scanners import FakeTrivy, result, says, start, wait_for
from waiting import until

BLOCK = {"pull_policy": [{"repositories": ["**"], "unscanned": "block"}]}
UNSCANNED = "image blocked because it has not been scanned for vulnerabilities yet; see /v2/{repo}/manifests/{digest}/scan"

pytestmark = pytest.mark.sanitize


def push(registry, made=None, repo="team/app", tag="v1"):
    made = made or image("policy", layers=1)
    with Client(registry.url) as c:
        c.push_image(repo, made, tag)
    return made


def get(registry, path, method="GET", **more):
    return requests.request(method, registry.url + path, timeout=30, **more)


def manifest(registry, reference="v1", repo="team/app", **more):
    return get(registry, f"/v2/{repo}/manifests/{reference}", **more)


def write(registry, *rows):
    """Records, as another server writes them."""
    with closing(sqlite3.connect(registry.root / "registry.db", timeout=30)) as db, db:
        for collection, key, value in rows:
            db.execute(
                "INSERT INTO records (collection, key, value, version) VALUES (?, ?, ?, 1)"
                " ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value, version = version + 1",
                (collection, key, value),
            )


def found(registry, digest, **more):
    """A scan of another server has ended."""
    result = {"status": "completed", "counts": {}, "fixable": {}, "scanned_ms": 1, **more}
    share = digest.partition(":")[2][:2]
    write(registry, ("scan.results", digest, json.dumps(result)), ("scan.changed", share, str(uuid.uuid4())),
          ("scan.changed", "all", str(uuid.uuid4())))


@pytest.mark.config(BLOCK)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_blocked_image_leaves_by_no_name(registry, method):
    made = push(registry)
    for reference in ("v1", made.digest) * 2:
        answer = manifest(registry, reference, method=method)
        assert answer.status_code == 403
        assert "Docker-Content-Digest" not in answer.headers
        if method == "GET":
            (error,) = answer.json()["errors"]
            assert error["code"] == "DENIED"
            assert error["message"] == UNSCANNED.format(repo="team/app", digest=made.digest)


@pytest.mark.config(BLOCK)
def test_what_prints_nothing_of_a_head_is_told_by_its_get(registry):
    made = push(registry)
    agent = {"User-Agent": "containerd/2.1.0"}
    assert manifest(registry, method="HEAD", headers=agent).status_code == 200
    assert manifest(registry, made.digest, headers=agent).status_code == 403


@pytest.mark.config(BLOCK)
def test_an_index_is_sent_and_its_images_are_blocked(registry):
    bad, good = image("bad", layers=1), image("good", layers=1, architecture="arm64")
    push(registry, index([bad, good]))
    found(registry, good.digest)
    assert manifest(registry).status_code == 200
    until(lambda: manifest(registry, good.digest).status_code == 200)
    assert manifest(registry, bad.digest).status_code == 403


@pytest.mark.config({"pull_policy": [{"repositories": ["**"]}]})
def test_findings_that_are_lost_free_no_image(registry):
    made = push(registry)
    assert manifest(registry).status_code == 200
    found(registry, made.digest, counts=[0, 0, 0, 0, 3])
    until(lambda: "due to 3 critical vulnerabilities, whose list can't be read" in manifest(registry).text)


@pytest.mark.config(BLOCK)
def test_what_is_no_image_goes_its_way(registry):
    made = push(registry)
    signature = artifact("application/vnd.example.signature", subject=made.descriptor())
    push(registry, signature, tag="sig")
    assert manifest(registry, "sig").status_code == 200
    assert manifest(registry, signature.digest).status_code == 200
    assert get(registry, f"/v2/team/app/referrers/{made.digest}").status_code == 200


CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
LABELS = {  # media types of a config and a layer: engines unpack the layer of each
    "a config like any bytes": ("application/octet-stream", "application/vnd.oci.image.layer.v1.tar"),
    "a config like any JSON": ("application/json", "application/vnd.oci.image.layer.v1.tar"),
    "a layer of another label": ("application/vnd.oci.image.config.v1+json", "application/x-tar"),
    "a layer called a signature": (
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.dev.cosign.simplesigning.v1+json",
    ),
}


@pytest.mark.config(BLOCK)
@pytest.mark.parametrize("labels", LABELS)
def test_an_image_is_one_by_whatever_labels(registry, labels):
    config_type, layer_type = LABELS[labels]
    layers = [(layer_type, tar_layer({"etc/os-release": b"ID=alpine"}))]
    made = push(registry, artifact("", layers=layers, config=(config_type, CONFIG)))
    assert manifest(registry, made.digest).status_code == 403


@pytest.mark.config(BLOCK)
def test_an_image_that_was_scanned_in_part_is_blocked_as_unscannable(registry):
    made = push(registry)
    found(registry, made.digest, partial=True, note="layer 1 is not in this registry")
    until(lambda: "layer 1 is not in this registry" in manifest(registry, made.digest).text)
    assert manifest(registry, made.digest).status_code == 403


@pytest.mark.config(BLOCK)
def test_an_archive_of_a_blocked_image_is_not_sent(registry):
    bad, good = image("bad", layers=1), image("good", layers=1, architecture="arm64")
    push(registry, index([bad, good]))
    found(registry, good.digest)
    until(lambda: manifest(registry, good.digest).status_code == 200)
    path = "/api/v1/archive/team/app:v1"
    assert get(registry, path, params={"platform": "linux/arm64"}).status_code == 200
    for query in ({"platform": "linux/amd64"}, {"format": "oci"}):
        answer = get(registry, path, params=query)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "DENIED")
        assert bad.digest in answer.json()["errors"][0]["message"]


@pytest.mark.config(BLOCK)
def test_a_file_out_of_a_blocked_image_is_not_sent_but_its_list_is(registry):
    made = push(registry, image_of_layers([tar_layer({"etc/secret": b"bytes"})]))
    path = "/api/v1/images/team/app/v1"
    until(lambda: get(registry, f"{path}/tree").status_code == 200)
    assert get(registry, f"{path}/analysis").status_code == 200
    for reference in ("v1", made.digest):
        for method in ("GET", "HEAD"):
            answer = get(registry, f"/api/v1/images/team/app/{reference}/file", method, params={"path": "etc/secret"})
            assert answer.status_code == 403
    found(registry, made.digest)
    until(lambda: get(registry, f"{path}/file", params={"path": "etc/secret"}).content == b"bytes")


@pytest.mark.config(BLOCK)
def test_layers_of_a_blocked_image_can_be_had_alone(registry):
    """They belong to any number of images."""
    made = push(registry)
    for digest in made.blobs:
        assert get(registry, f"/v2/team/app/blobs/{digest}").status_code == 200
    with Client(registry.url) as c:
        answer = c.request("POST", "/v2/sandbox/blobs/uploads/", 201, params={"mount": list(made.blobs)[0], "from": "team/app"})
        assert answer.headers["Docker-Content-Digest"]


@pytest.mark.config({"upload": {"keep_original": True}, **BLOCK})
def test_the_original_of_a_blocked_image_is_not_sent(registry):
    with Client(registry.url) as c:
        original = upload(c, crafted.GOOD, repository="team/app", tag="v1")["original"]["id"]
    answer = get(registry, f"/api/v1/originals/{original}/archive")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "DENIED")
    digest = get(registry, f"/api/v1/originals/{original}").json()["images"][0]
    found(registry, digest)
    until(lambda: get(registry, f"/api/v1/originals/{original}/archive").status_code == 200)


@pytest.mark.config({"upload": {"keep_original": True}, "delete": {"enabled": True}, **BLOCK})
def test_the_original_of_a_blocked_image_is_not_sent_when_that_was_deleted(registry):
    with Client(registry.url) as c:
        original = upload(c, crafted.GOOD, repository="team/app", tag="v1")["original"]["id"]
        digest = get(registry, f"/api/v1/originals/{original}").json()["images"][0]
        c.request("DELETE", f"/v2/team/app/manifests/{digest}", 202)
    answer = get(registry, f"/api/v1/originals/{original}/archive")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "DENIED")
    assert "could not be scanned for vulnerabilities: it was deleted" in answer.json()["errors"][0]["message"]


@pytest.mark.config({"upload": {"keep_original": True}, "pull_policy": [{"repositories": ["team/**"], "unscanned": "block"}]})
def test_the_original_of_an_image_that_is_blocked_in_one_of_its_repositories_is_not_sent(registry):
    with Client(registry.url) as c:
        data = docker_archive(image("policy", layers=1), ["free/app:v1", "team/app:v1"])
        original = upload(c, data)["original"]["id"]
    assert get(registry, f"/api/v1/originals/{original}/archive").status_code == 403
    found(registry, get(registry, f"/api/v1/originals/{original}").json()["images"][0])
    until(lambda: get(registry, f"/api/v1/originals/{original}/archive").status_code == 200)


@pytest.mark.config(BLOCK)
def test_a_result_of_another_server_is_noticed(registry):
    made = push(registry)
    assert manifest(registry).status_code == 403
    found(registry, made.digest)
    until(lambda: manifest(registry).status_code == 200)
    assert manifest(registry, made.digest, method="HEAD").status_code == 200


@pytest.mark.config({"pull_policy": [{"repositories": ["**"], "unscanned": "block", "mode": "warn"}]})
def test_a_warning_comes_with_the_image(registry):
    made = push(registry)
    for _ in range(2):
        answer = manifest(registry)
        assert answer.status_code == 200
        assert answer.headers["Warning"] == f'299 - "{UNSCANNED.format(repo="team/app", digest=made.digest)}"'


@pytest.mark.config({"pull_policy": [{"repositories": ["**"], "unscanned": "block after 2s"}]})
def test_an_unscanned_image_has_its_time(registry):

    def pulled_in_its_time(n=itertools.count()):
        """Unless the machine is so slow that it is over."""
        began = time.monotonic()
        push(registry, image(next(n), layers=1))
        status = manifest(registry).status_code
        return time.monotonic() - began < 2 and status

    assert until(pulled_in_its_time) == 200
    until(lambda: manifest(registry).status_code == 403)


@pytest.mark.config({"pull_policy": [{"repositories": ["**"], "unscanned": "block after 1h"}]})
def test_its_time_counts_from_its_push_and_not_from_its_first_pull(registry):
    made = push(registry)
    with closing(sqlite3.connect(registry.root / "registry.db", timeout=30)) as db, db:  # it was long ago
        done = db.execute("UPDATE records SET value = '1000' WHERE collection = 'scan.awaited' AND key = ?",
                          (f"team/app@{made.digest}",))
        assert done.rowcount == 1
    push(registry)  # again, which gains nothing
    registry.restart()
    assert manifest(registry).status_code == 403


def test_another_policy_needs_no_restart(new_registry):
    registry = new_registry(config={"pull_policy": [{"repositories": ["**"], "unscanned": "block", "mode": "off"}]}).start()
    push(registry)
    assert manifest(registry).status_code == 200
    registry.config["pull_policy"][0]["mode"] = "enforce"
    registry.write_config()
    registry.signal(signal.SIGHUP)
    until(lambda: manifest(registry).status_code == 403)


@pytest.mark.config(BLOCK)
def test_a_block_is_in_the_trail_and_an_event_once(registry):
    made = push(registry)
    for _ in range(3):
        assert manifest(registry).status_code == 403

    def entries():
        lines = command(registry, "audit", "--json").splitlines()
        return [e for e in map(json.loads, lines) if e["action"] == "pull"]

    until(lambda: len(entries()) == 3)
    entry = entries()[0]
    assert (entry["result"], entry["target"]) == ("blocked", "team/app:v1")
    assert json.loads(entry["detail"]) == {"digest": made.digest, "reason": "unscanned"}
    (event,) = all_events(registry, "pull.blocked", 1)
    assert (event["repository"], event["reference"], event["digest"]) == ("team/app", "v1", made.digest)
    assert event["reason"] == "unscanned"


def test_who_has_the_right_pulls_all_the_same_and_admins_do_not(new_registry):
    rules = [{"subjects": ["user:bob"], "actions": ["pull", "bypass"]}, {"subjects": ["*"], "actions": ["pull", "push"]}]
    registry = alice_and_bob(new_registry, policy=rules, **BLOCK).registry
    alice, bob = ("alice", PASSWORD), ("bob", OTHER)
    with Client(registry.url, auth=alice) as c:
        c.push_image("team/app", image("policy", layers=1), "v1")
    assert manifest(registry, auth=alice).status_code == 403
    assert manifest(registry).status_code == 403
    assert manifest(registry, auth=bob).status_code == 200
    asked = get(registry, "/auth/token", auth=bob, params={"scope": "repository:team/app:pull"})  # as docker does
    token = asked.json()["token"]
    assert manifest(registry, headers={"Authorization": f"Bearer {token}"}).status_code == 200

    def results():
        lines = map(json.loads, command(registry, "audit", "--json").splitlines())
        return {(e["actor"], e["result"]) for e in lines if e["action"] == "pull"}

    until(lambda: {("user:bob", "bypassed"), ("user:alice", "blocked")} <= results())


@pytest.mark.config(BLOCK)
def test_docker_prints_why(registry, docker):
    made = push(registry)
    output = docker("pull", f"{registry.address}/team/app:v1", check=False)
    assert UNSCANNED.format(repo="team/app", digest=made.digest) in output


@pytest.mark.config(BLOCK)
@pytest.mark.parametrize("client", ["podman", "skopeo"])
def test_podman_and_skopeo_print_why(registry, containers, client, work):
    made = push(registry)
    name = f"docker://{registry.address}/team/app:v1"
    if client == "podman":
        result = containers.podman("pull", name, check=False)
    else:
        result = containers.skopeo("copy", name, f"dir:{work / 'copy'}", check=False)
    assert UNSCANNED.format(repo="team/app", digest=made.digest) in result


@pytest.mark.config(BLOCK)
def test_crane_and_oras_print_why(registry, go_clients, work):
    made = push(registry)
    name = f"{registry.address}/team/app:v1"
    for output in (go_clients.crane("pull", name, work / "out.tar", check=False),
                   go_clients.oras("pull", "--plain-http", name, check=False)):
        print(output)
        assert UNSCANNED.format(repo="team/app", digest=made.digest) in output


def test_a_simulation_says_what_would_be_blocked(new_registry, work):
    registry = new_registry(config={"pull_policy": [{"repositories": ["**"], "mode": "warn"}]}).start()
    push(registry)
    push(registry, repo="other/app")
    for repo in ("team/app", "other/app"):
        assert manifest(registry, repo=repo).status_code == 200
    registry.stop()  # writes what was noted of pulls
    (work / "rules").write_text('[{"repositories": ["team/**"], "unscanned": "block"}]')
    lines = command(registry, "policy", "simulate", "--rules", str(work / "rules"), "--json").splitlines()
    (row,) = map(json.loads, lines)
    assert (row["repository"], row["reference"], row["blocked"], row["reason"]) == ("team/app", "v1", True, "unscanned")
    assert "of 2 pulls in 7 days, 0 would have been blocked" in command(registry, "policy", "simulate")


BAD = {"cve": "CVE-2024-1234", "package": "openssl", "installed": "1.1.1k", "fixed": "1.1.1l", "severity": "critical"}


def test_what_a_scanner_finds_blocks_until_somebody_answers_for_it(new_registry, work):
    rule = {"repositories": ["**"], "unscanned": "block"}
    registry = start(new_registry(config={"pull_policy": [rule], **FakeTrivy(work / "fake").config()}))
    fine = push(registry, says([]), repo="team/fine")
    bad = push(registry, says([BAD, {**BAD, "package": "libssl"}]))
    until(lambda: manifest(registry, repo="team/fine").status_code == 200)
    until(lambda: "CVE-" in manifest(registry).text)
    assert manifest(registry).json()["errors"][0]["message"] == (
        "image blocked due to 2 critical vulnerabilities: the worst is CVE-2024-1234 in libssl 1.1.1k, fixed in 1.1.1l; "
        f"see /v2/team/app/manifests/{bad.digest}/scan"
    )
    rule["allow"] = [{"cve": "CVE-2024-1234", "reason": "not reachable", "expires": "2999-12-31"}]
    registry.write_config()
    registry.signal(signal.SIGHUP)
    until(lambda: manifest(registry).status_code == 200)
    assert manifest(registry, fine.digest, repo="team/fine").status_code == 200


FUTURE, PAST = "2999-12-31", "2026-01-01"
OPEN = {"cve": "CVE-2024-9", "severity": "critical", "package": "zlib", "installed": "1"}
HIGH = {**OPEN, "severity": "high"}


def allowed(**more):
    return {"allow": [{"cve": BAD["cve"], "reason": "not reachable", "expires": FUTURE, **more}]}


RULES = {
    # what it says beside the repository; what is found in the image; is it blocked?
    "severity": ({"severity": "high"}, HIGH, True),
    "less-severe": ({}, HIGH, False),
    "fixable": ({"fixable": True}, BAD, True),
    "without-fix": ({"fixable": True}, OPEN, False),
    "grace": ({"grace": "14d"}, BAD, False),
    "old-data": ({"data_max_age": "1h", "unscanned": "block"}, HIGH, True),
    "young-data": ({"data_max_age": "3650d", "unscanned": "block"}, HIGH, False),
    "allowed": (allowed(), BAD, False),
    "another-package": (allowed(package="zlib*"), BAD, True),
    "that-package": (allowed(package="openss*"), BAD, False),
    "another-repository": (allowed(repositories=["other/**"]), BAD, True),
    "over": (allowed(expires=PAST), BAD, True),
}


def test_each_rule_decides_by_what_was_found(new_registry, work):
    rules = [{"repositories": [f"team/{name}"], **rule} for name, (rule, _, _) in RULES.items()]
    registry = start(new_registry(config={"pull_policy": rules, **FakeTrivy(work / "fake").config()}))
    for name, (_, row, _) in RULES.items():
        push(registry, says([row]), repo=f"team/{name}")
    with Client(registry.url) as client:
        for name in RULES:
            assert wait_for(client, f"team/{name}", "v1")["status"] == "completed"
    found = {name: manifest(registry, repo=f"team/{name}").status_code == 403 for name in RULES}
    assert found == {name: blocked for name, (_, _, blocked) in RULES.items()}


def test_while_no_scanner_answers_a_verdict_stays(new_registry, work):
    fake = FakeTrivy(work / "fake")
    registry = start(new_registry(config={"pull_policy": [{"repositories": ["**"], "unscanned": "block"}], **fake.config()}))
    push(registry, says([]), repo="team/fine")
    push(registry, says([BAD]))
    until(lambda: manifest(registry, repo="team/fine").status_code == 200 and "CVE-" in manifest(registry).text)
    fake.program.unlink()
    registry.restart()
    with Client(registry.url) as client:
        for repo in ("team/fine", "team/app"):
            client.request("POST", f"/v2/{repo}/manifests/v1/scan?force=true", 202)
            until(lambda repo=repo: result(client, repo, "v1")["failure"])
    assert manifest(registry, repo="team/fine").status_code == 200
    assert "CVE-" in manifest(registry).text


@pytest.mark.parametrize("why", ["unexpected EOF", "something else"])
def test_a_scan_that_fails_frees_no_image(new_registry, work, why):
    fake = FakeTrivy(work / "fake")
    registry = start(new_registry(config={"pull_policy": [{"repositories": ["**"]}], **fake.config()}))
    push(registry, says([BAD]))
    until(lambda: "CVE-" in manifest(registry).text)
    fake.behave("fail", why)
    with Client(registry.url) as client:
        client.request("POST", "/v2/team/app/manifests/v1/scan?force=true", 202)
        answer = until(lambda: (found := result(client, "team/app", "v1"))["failure"] and found)
    assert (answer["status"], answer["vulnerabilities"]["critical"]) == ("completed", 1)
    assert why in answer["failure"]["reason"]
    assert "CVE-" in manifest(registry).json()["errors"][0]["message"]


def test_a_text_with_a_nul_frees_no_image(new_registry, work):
    fake = FakeTrivy(work / "fake")
    registry = start(new_registry(config={"pull_policy": [{"repositories": ["**"]}], **fake.config()}))
    push(registry, says([BAD, {"cve": "CVE-2", "severity": "critical", "package": "b", "title": "a\0b"}]))
    until(lambda: "due to 2 critical vulnerabilities: the worst is CVE-2" in manifest(registry).text)


def test_a_release_that_the_scanner_does_not_know_is_not_clean(new_registry, work):
    fake = FakeTrivy(work / "fake")
    registry = start(new_registry(config={"pull_policy": [{"repositories": ["**"], "unscanned": "block"}], **fake.config()}))
    fake.behave("warn", "This OS version is not on the EOL list")
    push(registry, says([]))
    until(lambda: "does not know the release fake 1" in manifest(registry).text)
    with Client(registry.url) as client:
        answer = result(client, "team/app", "v1")
    assert (answer["status"], answer["partial"]) == ("completed", True)
    assert answer["note"] == "the scanner does not know the release fake 1"


def test_an_attached_document_lets_an_image_pass_unless_the_rule_reads_none(new_registry, work):
    registry = start(new_registry(config={"pull_policy": [{"repositories": ["**"]}], **FakeTrivy(work / "fake").config()}))
    bad = push(registry, says([BAD]))
    until(lambda: manifest(registry).status_code == 403)
    statement = {"vulnerability": {"name": BAD["cve"]}, "status": "not_affected", "impact_statement": "not reachable"}
    document = canonical({"@context": "https://openvex.dev/ns/v0.2.0", "statements": [statement]})
    kind = "application/vnd.openvex+json"
    push(registry, artifact(kind, layers=[(kind, document)], subject=bad.descriptor()), tag="vex")
    until(lambda: manifest(registry).status_code == 200)
    registry.config["pull_policy"][0]["vex"] = False
    registry.write_config()
    registry.signal(signal.SIGHUP)
    until(lambda: manifest(registry).status_code == 403)


def test_admins_see_the_rules_and_simulate_others(new_registry):
    registry = alice_and_bob(new_registry, pull_policy=[{"repositories": ["**"], "mode": "warn"}]).registry
    alice, bob = ("alice", PASSWORD), ("bob", OTHER)
    (rule,) = get(registry, "/api/v1/pull-policy", auth=alice).json()["pull_policy"]
    assert (rule["mode"], rule["severity"], rule["fixable"], rule["allow"]) == ("warn", "critical", False, [])

    def simulate(status=200, auth=alice, **body):
        answer = get(registry, "/api/v1/pull-policy/simulate", method="POST", auth=auth, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    assert simulate()["blocked"] == 0
    assert simulate(days=1, pull_policy=[{"repositories": ["**"], "unscanned": "block"}])["days"] == 1
    simulate(status=403, auth=bob)
    for wrong in ({"days": 0}, {"days": "7"}, {"day": 7}, {"pull_policy": {}}, {"pull_policy": [{"repositories": []}]}):
        simulate(status=400, **wrong)
    (error,) = simulate(status=400, pull_policy=[{"repositories": ["**"], "severity": "severe"}])["errors"]
    assert "pull_policy[0].severity: 'severe' is not known here" in error["message"]


def test_the_examples_of_the_page_do_as_it_says(new_registry, work):
    shown = [b for b in blocks(page("policy.md"), "yaml") if "mode: warn" in b]
    registry = new_registry(config={"pull_policy": [{"repositories": ["**"], "mode": "warn"}]}).start()
    assert "mode: warn" in shown[0]
    push(registry)
    assert manifest(registry).status_code == 200
    registry.stop()
    (work / "registry.yaml").symlink_to(registry.config_path)
    follow(page("policy.md"), registry, work)
