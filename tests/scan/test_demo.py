"""The demonstration of scans as operators are given it: the real docker, curl, and the real Trivy."""

import json
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import databases
import planted
from accounts import htpasswd
from archives import docker_archive
from clients import ClientFailed, Docker
from go_programs import go_program
from helpers import image_of_layers, tar_layer
from scanners import OVER, start
from server import Registry
from waiting import until

KINDS = ("alpine", "npm")
ADVISED = [p for kind in KINDS for p in planted.KINDS[kind].packages]
PUSH = "docker push {address}/myproject/app:v1"
STATUS = "curl -u admin:secret http://{address}/v2/myproject/app/manifests/v1/scan"
SUMMARY = "curl -u admin:secret http://{address}/v2/myproject/app/scan/summary"
PULL = "docker pull {address}/myproject/vulnerable:v1"


@pytest.fixture
def docker():
    work = Path(tempfile.mkdtemp(prefix="cyberdock-docker-"))  # the paths of its sockets have to be short
    engine = Docker(work).start()
    yield engine
    engine.stop()
    shutil.rmtree(work, ignore_errors=True)


@pytest.fixture
def server(request, data, work):
    people = htpasswd(work / "htpasswd", {"admin": "secret"})
    config = {
        "auth": {"htpasswd": {"file": people}, "order": ["htpasswd", "token"]},
        "scan": {"on_push": True, "data": {"max_age": 0},
                 "trivy": {"path": str(go_program("trivy")), "cache_dir": str(work / "data")}},
        "pull_policy": [{"repositories": ["**"], "severity": "critical"}],
    }  # fmt: skip
    databases.trivy(work / "data", planted.advisories())
    registry = start(Registry(request.config.getoption("--registry"), work / "registry", config=config))
    yield registry
    registry.stop()


def say(docker, server, line):
    """What a line of it prints."""
    words = shlex.split(line.format(address=server.address))
    if words[0] == "docker":
        return docker(*words[1:])
    return json.loads(subprocess.run([*words, "-sS"], capture_output=True, text=True, timeout=60, check=True).stdout)


def load(docker, server, work):
    """An image with what is planted, under both names."""
    image = image_of_layers([tar_layer(planted.files(kind)) for kind in KINDS])
    archive = work / "image.tar"
    archive.write_bytes(docker_archive(image, [f"{server.address}/myproject/{name}:v1" for name in ("app", "vulnerable")]))
    docker("load", "-i", archive)
    docker("login", server.address, "-u", "admin", "-p", "secret")
    docker("push", f"{server.address}/myproject/vulnerable:v1")


def count(severity):
    return sum((p.severity or "UNKNOWN") == severity.upper() for p in ADVISED)


def test_what_docker_pushes_is_scanned_counted_and_kept_from_being_pulled(docker, server, work):
    load(docker, server, work)
    assert "digest: sha256:" in say(docker, server, PUSH)

    answer = until(lambda: (a := say(docker, server, STATUS))["status"] in OVER and a, timeout=60)
    assert answer["status"] == "completed" and answer["scanned_at"]
    for severity in ("critical", "high", "medium", "low"):
        assert answer["vulnerabilities"][severity] == count(severity)
    shown = {(d["cve"], d["severity"], d["package"], d["installed_version"], d["fixed_version"]) for d in answer["details"]}
    assert shown == {(p.cve, p.severity.lower() or "unknown", p.package, p.installed, p.fixed) for p in ADVISED}
    assert all(d["description"] for d in answer["details"] if d["severity"] != "unknown")

    summary = say(docker, server, SUMMARY)
    assert (summary["latest_tag"], summary["last_scanned"]) == ("v1", answer["scanned_at"])
    assert (summary["total_vulnerabilities"], summary["critical_count"]) == (len(ADVISED), count("critical"))

    with pytest.raises(ClientFailed, match="image blocked due to 2 critical vulnerabilities"):
        say(docker, server, PULL)
    docker("image", "rm", "-f", *(f"{server.address}/myproject/{name}:v1" for name in ("app", "vulnerable")))
