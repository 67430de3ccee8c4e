"""What is scanned, and what not: charts, signatures, attestations, encrypted and foreign layers; who may ask; and all that is told
of a finding."""

import json

import pytest
import requests
from accounts import OTHER, PASSWORD, Accounts
from helpers import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Client, Image, artifact, canonical, descriptor, digest_of, index
from scanners import FakeTrivy, make_data, result, says, start, wait_for
from waiting import until

CRITICAL = {"cve": "CVE-2024-1", "severity": "critical", "package": "openssl", "installed": "1", "fixed": "2"}
CHART = "application/vnd.cncf.helm.config.v1+json"
SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


@pytest.fixture
def fake(work):
    return FakeTrivy(work / "fake")


@pytest.fixture
def client(new_registry, fake):
    with Client(start(new_registry(config=fake.config(on_push=False))).url) as c:
        yield c


def ask(client, tag="v1"):
    client.request("POST", f"/v2/team/app/manifests/{tag}/scan", (200, 202))
    return wait_for(client, "team/app", tag)


@pytest.mark.parametrize("made, reason", [
    (lambda: artifact(None, [("application/vnd.cncf.helm.chart.content.v1.tar+gzip", b"c")], (CHART, b"{}")), CHART),
    (lambda: artifact(None, [(SIGNATURE, b"{}")], (OCI_CONFIG, b"{}")), SIGNATURE),
], ids=("chart", "signature"))  # fmt: skip
def test_what_is_no_image_is_not_scanned(client, fake, made, reason):
    client.push_image("team/app", made(), "v1")
    answer = ask(client)
    assert (answer["status"], answer["vulnerabilities"], answer["reason"]) == ("not_applicable", None, reason)
    assert not fake.calls("image")


def test_attestations_of_an_index_are_left_out(client, fake):
    image = says([CRITICAL])
    statement = artifact(None, [("application/vnd.in-toto+json", b"{}")], (OCI_CONFIG, b"{}"))
    both = index([image, statement])
    document = both.document
    document["manifests"][1]["platform"] = {"os": "unknown", "architecture": "unknown"}
    client.push_image("team/app", Image(canonical(document), both.media_type, {}, both.children), "v1")
    answer = ask(client)
    assert [p["digest"] for p in answer["platforms"]] == [image.digest]
    assert len(fake.calls("image")) == 1


def with_layer(image, media_type, data=b"another", there=True, **more):
    """The image, with one more layer."""
    manifest = image.document
    config = json.loads(image.blobs[manifest["config"]["digest"]])
    config["rootfs"]["diff_ids"].append(digest_of(data))
    config = canonical(config)
    manifest["config"] = descriptor(config, OCI_CONFIG)
    manifest["layers"].append(descriptor(data, media_type, **more))
    blobs = {**image.blobs, digest_of(config): config, **({digest_of(data): data} if there else {})}
    return Image(canonical(manifest), OCI_MANIFEST, blobs)


def test_an_image_with_an_encrypted_layer_is_unsupported(client):
    client.push_image("team/app", with_layer(says([CRITICAL]), f"{OCI_LAYER}+encrypted"), "v1")
    answer = ask(client)
    assert (answer["status"], answer["reason"]) == ("unsupported", "layer 1 is encrypted")


def test_of_an_image_with_a_foreign_layer_the_rest_is_scanned(client):
    image = with_layer(says([CRITICAL]), FOREIGN, there=False, urls=["https://example.org/layer"])
    client.push_image("team/app", image, "v1")
    answer = ask(client)
    assert (answer["status"], answer["vulnerabilities"]["critical"], answer["partial"]) == ("completed", 1, True)
    assert answer["note"] == "layer 1 is not in this registry"


def test_all_that_is_known_of_a_finding_is_told_and_since_when_over_rescans(client, fake):
    known = {**CRITICAL, "title": "short", "description": "long", "score": 9.8}
    image = says([known], os=["alpine", "3.9.4"], ended=True)
    client.push_image("team/app", image, "v1")
    answer = ask(client)
    (finding,) = answer["details"]
    assert (finding["title"], finding["description"]) == ("short", "long")
    assert finding["cvss"] == {"score": 9.8, "vector": "CVSS:3.1/x", "source": "nvd"}
    assert finding["layer"] == image.document["layers"][0]["digest"]
    assert answer["os"] == {"family": "alpine", "name": "3.9.4", "ended": True}
    make_data(fake.cache, "2026-11-02T00:00:00Z")
    again = until(lambda: (now := result(client, "team/app", "v1"))["scanned_at"] != answer["scanned_at"] and now)
    assert again["details"][0]["since"] == finding["since"]


def test_who_may_only_pull_may_read_what_was_found_and_not_ask_for_a_scan(new_registry, fake):
    rules = [{"subjects": ["user:bob"], "actions": ["pull"]}]
    accounts = Accounts(new_registry(config={"auth": "local", "policy": rules, **fake.config(on_push=False)}))
    accounts.add("alice", "--admin")
    accounts.add("bob", password=OTHER)
    registry = start(accounts.registry)
    with Client(registry.url, auth=("alice", PASSWORD)) as alice:
        alice.push_image("team/app", says([CRITICAL]), "v1")
        ask(alice)
    url = f"{registry.url}/v2/team/app/manifests/v1/scan"
    assert requests.get(url, auth=("bob", OTHER), timeout=30).json()["vulnerabilities"]["critical"] == 1
    refused = requests.post(url, auth=("bob", OTHER), timeout=30)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "DENIED")
