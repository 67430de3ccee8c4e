"""`/v2/NAME/manifests/REFERENCE/scan` as SARIF and as CycloneDX VEX: they say what the registry's own answer says."""

import re
import urllib.parse

import pytest
from helpers import Client, image_of_layers, tar_layer
from scanners import FakeTrivy, says, start, wait_for

pytestmark = pytest.mark.sanitize
PATH = "/v2/team/app/manifests/v1/scan"
SARIF = "application/sarif+json"
CYCLONEDX = "application/vnd.cyclonedx+json"
LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "unknown": "note"}
ODD = {"cve": 'CVE-"1"', "severity": "high", "package": "a\x1b b</x>", "installed": '1"', "fixed": "2, 3"}
OPEN = {"cve": "CVE-2024-2", "severity": "low", "package": "zlib", "installed": "1.2"}


@pytest.fixture
def client(new_registry, work):
    registry = start(new_registry(config=FakeTrivy(work / "fake").config()))
    with Client(registry.url) as c:
        yield c


def scanned(client, image):
    client.push_image("team/app", image, "v1")
    return wait_for(client, "team/app", "v1")


def report(client, media_type, query=""):
    answer = client.request("GET", PATH + query, 200, headers={"Accept": media_type})
    assert answer.headers["Content-Type"] == media_type
    assert "Accept" in answer.headers["Vary"]
    return answer.json()


def details(client):
    return client.request("GET", PATH + "?n=1000", 200).json()["details"]


def many():
    rows = [(f"CVE-{i // 3:04}", ("critical", "medium", "low")[i % 3], f"p{i % 40}") for i in range(600)]
    return says(rows)


def test_sarif_has_a_result_for_each_finding_and_its_rule(client):
    scanned(client, many())
    run = report(client, SARIF)["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    told = [(r["ruleId"], r["properties"]["severity"], r["properties"]["package"], r["level"]) for r in run["results"]]
    assert told == [(d["cve"], d["severity"], d["package"], LEVELS[d["severity"]]) for d in details(client)]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    assert run["tool"]["driver"]["name"] == "trivy"


def test_a_place_in_sarif_is_a_reference_of_a_url(client):
    scanned(client, says([{**ODD, "path": "/app/a b#?.json"}, OPEN]))
    places = [r["locations"][0]["physicalLocation"] for r in report(client, SARIF)["runs"][0]["results"]]
    for place in places:
        assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", place["artifactLocation"]["uri"])
        assert place["region"]["startLine"] == 1
    own = [d["path"] for d in details(client)]
    expected = [(path or "team/app").lstrip("/") for path in own]
    assert [urllib.parse.unquote(p["artifactLocation"]["uri"]) for p in places] == expected


def test_cyclonedx_has_a_vulnerability_for_each_finding_that_affects_a_component(client):
    scanned(client, many())
    bom = report(client, CYCLONEDX)
    refs = [c["bom-ref"] for c in bom["components"]]
    names = {c["bom-ref"]: c["name"] for c in bom["components"]}
    assert len(refs) == len(set(refs)) == 40
    told = [(v["id"], v["ratings"][0]["severity"], names[v["affects"][0]["ref"]]) for v in bom["vulnerabilities"]]
    assert told == [(d["cve"], d["severity"], d["package"]) for d in details(client)]
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bom["serialNumber"])
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.5")


@pytest.mark.parametrize("query, cves", [("?severity=low", ["CVE-2024-2"]), ("?fixable=true", ['CVE-"1"'])])
def test_a_report_has_the_findings_that_are_chosen(client, query, cves):
    scanned(client, says([ODD, OPEN]))
    assert [r["ruleId"] for r in report(client, SARIF, query)["runs"][0]["results"]] == cves
    bom = report(client, CYCLONEDX, query)
    assert [v["id"] for v in bom["vulnerabilities"]] == cves
    assert len(bom["components"]) == 1


@pytest.mark.parametrize("media_type, results", [
    (SARIF, lambda r: r["runs"][0]["results"]),
    (CYCLONEDX, lambda r: r["vulnerabilities"]),
])  # fmt: skip
def test_an_image_in_which_nothing_was_found_has_an_empty_report(client, media_type, results):
    assert scanned(client, says([]))["status"] == "completed"
    assert results(report(client, media_type)) == []


@pytest.mark.parametrize("media_type", [SARIF, CYCLONEDX])
def test_what_could_not_be_scanned_has_no_report(client, media_type):
    assert scanned(client, image_of_layers([tar_layer({"hello": b"world"})]))["status"] == "unsupported"
    answer = client.request("GET", PATH, 404, headers={"Accept": media_type})
    assert "its scan is 'unsupported'" in answer.text


@pytest.mark.parametrize("accept, got", [
    (f"text/plain, {SARIF};q=0.5", SARIF),
    (f"application/json, {SARIF}", "application/json"),
    ("*/*", "application/json"),
    ("text/plain", "application/json"),
])  # fmt: skip
def test_the_format_is_the_first_known_one_that_is_asked_for(client, accept, got):
    scanned(client, says([OPEN]))
    assert client.request("GET", PATH, 200, headers={"Accept": accept}).headers["Content-Type"].startswith(got)
