"""The real Trivy behind a server: what was planted is in the result of what was pushed."""

import subprocess

import pytest
import requests

import databases
import planted
from go_programs import go_program
from helpers import Client, image_of_layers, index, tar_layer
from planted import KINDS, Planted
from processes import free_port
from scanners import result, start, wait_for
from server import Registry
from waiting import until


@pytest.fixture
def server(request, data, work):
    """With data of its own, which a test may replace."""
    cache = work / "data"
    databases.trivy(cache, planted.advisories())
    databases.trivy_java(cache)
    trivy = {"path": str(go_program("trivy")), "cache_dir": str(cache)}
    config = {"scan": {"on_push": True, "trivy": trivy, "data": {"max_age": 0}}}
    registry = Registry(request.config.getoption("--registry"), work / "registry", config=config)
    start(registry)
    yield registry
    registry.stop()


@pytest.fixture
def client(server):
    with Client(server.url) as c:
        yield c


def image_of(*kinds, **more):
    return image_of_layers([tar_layer(planted.files(kind)) for kind in kinds], **more)


def found(answer):
    """As planted.expected() has it."""
    return {(d["cve"], d["severity"], d["package"], d["installed_version"], d["fixed_version"] or "",
             d["cvss"] and d["cvss"]["score"]) for d in answer["details"]}  # fmt: skip


def test_what_was_pushed_is_scanned_and_all_is_found(client):
    kinds = ("debian", "npm", "python", "go", "java")
    client.push_image("team/app", image_of(*kinds), "v1")
    answer = wait_for(client, "team/app", "v1")
    assert answer["status"] == "completed", answer
    assert found(answer) == planted.expected(*kinds)
    rows = [p for kind in kinds for p in KINDS[kind].packages]
    assert answer["vulnerabilities"]["critical"] == sum(p.severity == "CRITICAL" for p in rows)
    assert answer["os"]["family"] == "debian"


def test_each_platform_of_an_index_has_its_own_result(client):
    amd64, arm64 = image_of("alpine"), image_of("debian", architecture="arm64")
    client.push_image("team/app", index([amd64, arm64]), "v1")
    wait_for(client, "team/app", "v1")
    for platform, kind in (("linux/amd64", "alpine"), ("linux/arm64", "debian")):
        assert found(result(client, "team/app", "v1", platform=platform)) == planted.expected(kind)


def test_new_data_finds_more_in_what_was_scanned(client, work):
    client.push_image("team/app", image_of("alpine"), "v1")
    assert found(wait_for(client, "team/app", "v1")) == planted.expected("alpine")
    learned = Planted("libfine", "2.0-r1", "CVE-2099-8001", "CRITICAL", "2.0-r2", score=9.9)
    databases.trivy(work / "data", planted.advisories(more=[("alpine", learned)]), "2026-11-02T00:00:00Z")
    until(lambda: any(d["cve"] == "CVE-2099-8001" for d in result(client, "team/app", "v1")["details"]), timeout=30)


LOCK = b'{"name":"app","lockfileVersion":3,"packages":{"node_modules/planted-merge":{"version":"4.17.10"}}}'
BLIND = {
    "scratch": [{"hello": b"hi"}],
    "no layers": [],
    "lock files": [{"app/package-lock.json": LOCK, "app/requirements.txt": b"plantedlib==2.30.0\n"}],
    "another system": [{"Windows/System32/config/SOFTWARE": b"regf", "Windows/System32/kernel32.dll": b"MZ"}],
    "fedora": [{**planted.files("rpm"), "etc/os-release": b"ID=fedora\nVERSION_ID=41\n",
                "etc/redhat-release": b"Fedora release 41 (Forty One)\n"}],
    "no records": [{"etc/os-release": b"ID=alpine\nVERSION_ID=3.22.0\n", "etc/alpine-release": b"3.22.0\n"}],
}  # fmt: skip


@pytest.mark.parametrize("layers", BLIND.values(), ids=BLIND)
def test_an_image_of_nothing_that_is_known_is_not_said_to_be_clean(client, layers):
    client.push_image("team/app", image_of_layers([tar_layer(files) for files in layers]), "v1")
    answer = wait_for(client, "team/app", "v1")
    assert (answer["status"], answer["vulnerabilities"]) == ("unsupported", None)
    assert answer["reason"]


# ---- data of a `trivy server`


@pytest.fixture
def trivy_server(data, work):
    """Its address. It has all that is planted, and a token."""
    cache, port = work / "server", free_port()
    databases.trivy(cache, planted.advisories())
    words = ["server", "--listen", f"127.0.0.1:{port}", "--cache-dir", cache, "--skip-db-update", "--token", "secret"]
    with open(work / "server.log", "wb") as log:
        process = subprocess.Popen([go_program("trivy"), *words], stdout=log, stderr=log)

    def answers():
        try:
            return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
        except requests.ConnectionError:
            assert process.poll() is None, (work / "server.log").read_text()
            return False

    try:
        until(answers)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def behind(request, trivy_server, work):
    """A client of a registry that asks it."""
    token = work / "token"
    token.write_text("secret\n")
    trivy = {"path": str(go_program("trivy")), "server": trivy_server, "server_token_file": str(token)}
    config = {"scan": {"on_push": True, "trivy": trivy, "data": {"max_age": 0}}}
    registry = Registry(request.config.getoption("--registry"), work / "registry", config=config).start()
    with Client(registry.url) as client:
        yield client
    registry.stop()


def test_a_trivy_server_has_the_data_and_the_registry_the_image(behind):
    behind.push_image("team/app", image_of("alpine", "npm"), "v1")
    answer = wait_for(behind, "team/app", "v1")
    assert (answer["status"], answer["partial"]) == ("completed", False), answer
    assert found(answer) == planted.expected("alpine", "npm")
    again = behind.request("POST", "/v2/team/app/manifests/v1/scan", 200)  # with the same data: there is nothing to do
    assert again.json()["status"] == "completed"
    state = behind.request("GET", "/api/v1/scan/data", 200).json()
    assert (state["state"], state["updated_at"]) == ("ok", "2026-11-01T00:00:00.000Z")


def test_a_release_that_is_not_known_is_told_though_a_server_has_the_data(behind):
    files = planted.debian("99", planted.KINDS["debian"].packages)
    for name in ("app", "other"):  # the second time it is remembered
        image = image_of_layers([tar_layer({**files, "etc/name": name.encode()})])
        behind.push_image(f"team/{name}", image, "v1")
        answer = wait_for(behind, f"team/{name}", "v1")
        assert answer["partial"] and "the scanner does not know the release debian 99" in answer["note"], answer
