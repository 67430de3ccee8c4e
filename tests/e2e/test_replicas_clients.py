"""The real clients, with three replicas behind haproxy as deploy/ configures it, and one of them killed in the
middle."""

import threading

import pytest

from haproxy import Haproxy
from helpers import Client, image, random_bytes, write_oci_layout
from postgres_proxy import COMMIT
from waiting import until


@pytest.fixture
def front(replicas, work):
    with Haproxy(work / "haproxy", [r.registry.address for r in replicas]) as proxy:
        yield proxy


@pytest.fixture
def made(repo):
    return image(seed=repo, layers=3, layer_size=200_000)


@pytest.fixture
def layout(work, made):
    return write_oci_layout(work / "layout", made, "v1")


class Docker:
    name = "docker"

    def __init__(self, request, work):
        self.docker = request.getfixturevalue("docker")
        self.context = work / "context"
        self.context.mkdir()

    def prepare(self, name, _layout):
        lines = ["FROM scratch"]
        for n in range(3):
            (self.context / f"data-{n}").write_bytes(random_bytes(200_000, f"{name}/{n}"))
            lines.append(f"COPY data-{n} /")
        (self.context / "Dockerfile").write_text("\n".join(lines) + "\n")
        self.docker.build(self.context, name)

    def push(self, name, check=True):
        return self.docker("push", name, check=check)

    def pull(self, name, check=True):
        before = self.docker.layers(name)
        self.docker.remove(name)
        self.docker("pull", name, check=check)
        assert self.docker.layers(name) == before


class Podman:
    name = "podman"

    def __init__(self, request, _work):
        self.podman = request.getfixturevalue("containers").podman

    def prepare(self, name, layout):
        self.podman("pull", f"oci:{layout}:v1")
        self.podman("tag", self.podman("images", "-q").strip(), name)

    def push(self, name, check=True):
        return self.podman("push", name, check=check)

    def pull(self, name, check=True):
        self.podman("rmi", "--all", "--force")
        return self.podman("pull", name, check=check)


class Skopeo:
    name = "skopeo"

    def __init__(self, request, work):
        self.skopeo = request.getfixturevalue("containers").skopeo
        self.work = work

    def prepare(self, _name, layout):
        self.layout = layout

    def push(self, name, check=True):
        return self.skopeo("copy", "--retry-times=3", f"oci:{self.layout}:v1", f"docker://{name}", check=check)

    def pull(self, name, check=True):
        return self.skopeo("copy", "--retry-times=3", f"docker://{name}", f"oci:{self.work}/pulled:v1", check=check)


class Oras:
    name = "oras"

    def __init__(self, request, work):
        self.oras = request.getfixturevalue("go_clients")
        self.work = work

    def prepare(self, _name, layout):
        self.layout = layout

    def push(self, name, check=True):
        return self.oras("oras", "cp", "--from-oci-layout", "--to-plain-http", f"{self.layout}:v1", name, check=check)

    def pull(self, name, check=True):
        to = f"{self.work}/pulled:v1"
        return self.oras("oras", "cp", "--from-plain-http", "--to-oci-layout", name, to, check=check)


@pytest.fixture(params=[Docker, Podman, Skopeo, Oras], ids=lambda kind: kind.name)
def client(request, work):
    return request.param(request, work)


def check_everywhere(replicas, repo):
    """The same whole image on each."""
    found = []
    for replica in replicas:
        with Client(replica.url) as one:
            found.append(one.pull_image(repo, "v1"))
    assert all(f == found[0] for f in found)


def test_it_pushes_and_pulls(replicas, front, client, repo, layout):
    name = f"{front.address}/{repo}:v1"
    client.prepare(name, layout)
    client.push(name)
    client.pull(name)
    check_everywhere(replicas, repo)


@pytest.mark.parametrize("what", ["INTO blobs", "INTO tags"])
def test_it_ends_well_when_a_replica_dies(replicas, front, client, repo, layout, what):
    """At its own retry, or at the next try of who typed the command."""
    name = f"{front.address}/{repo}:v1"
    client.prepare(name, layout)
    held = [r.database.hold(what, COMMIT) for r in replicas]
    thread = threading.Thread(target=client.push, args=(name, False))
    thread.start()
    victim = until(lambda: next((n for n, h in enumerate(held) if h.reached.is_set()), None))
    replicas[victim].kill()
    for replica in replicas:
        replica.heal_lines()
    thread.join(120)
    client.push(name)
    client.pull(name)
    replicas.heal()
    check_everywhere(replicas, repo)
