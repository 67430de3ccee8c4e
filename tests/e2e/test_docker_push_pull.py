"""docker: an image of several layers is pushed, removed, pulled, and is the same."""

import json

import pytest

from helpers import Client, random_bytes

pytestmark = pytest.mark.sanitize


@pytest.fixture
def built(docker, work):
    """An image of four layers, built by the engine from a Dockerfile; removed afterwards."""
    context = work / "context"
    context.mkdir()
    for n in range(3):
        (context / f"data-{n}").write_bytes(random_bytes(300_000, f"docker/{n}"))
    (context / "Dockerfile").write_text(
        "FROM scratch\nCOPY data-0 /\nCOPY data-1 /\nCOPY data-2 /\nENV answer=42\n"
    )
    docker.build(context, "built")
    yield "built"
    docker.remove("built")


def test_image_survives_the_round_trip(registry, docker, built):
    name = f"{registry.address}/team/app:1.0"
    docker("tag", built, name)
    before = docker.image_id(name), docker.layers(name)
    pushed = docker("push", name)
    assert pushed.count("Pushed") == 3

    docker.remove(name, built)
    assert "Pull complete" in docker("pull", name)
    assert (docker.image_id(name), docker.layers(name)) == before

    with Client(registry.url) as client:
        assert client.tags("team/app") == ["1.0"]
        # The digest that docker prints is the one under which the registry serves the manifest.
        digest = pushed.split("digest: ")[1].split()[0]
        assert client.pull_image("team/app", "1.0").digest == digest
    docker("tag", name, built)
    docker.remove(name)


def test_pull_by_digest(registry, docker, built):
    name = f"{registry.address}/app"
    docker("tag", built, name)
    digest = docker("push", name).split("digest: ")[1].split()[0]
    docker.remove(name)
    assert digest in docker("pull", f"{name}@{digest}")
    docker.remove(f"{name}@{digest}")


def test_second_push_sends_nothing(registry, docker, built):
    names = [f"{registry.address}/app:{n}" for n in (1, 2)]
    for name in names:
        docker("tag", built, name)
    docker("push", names[0])
    again = docker("push", names[1])
    assert again.count("Layer already exists") == 3
    assert "Pushed" not in again
    docker.remove(*names)

    registry.stop()  # which writes the rest of its log
    records = [json.loads(line) for line in registry.log.splitlines()]
    uploads = [r for r in records if r.get("method") == "PUT" and "/uploads/" in r["path"]]
    assert len(uploads) == 4  # of the first push: three layers and the configuration


def test_push_to_a_second_repository_mounts_the_layers(registry, docker, built):
    first, second = f"{registry.address}/one", f"{registry.address}/two"
    docker("tag", built, first)
    docker("push", first)
    docker("tag", built, second)
    assert docker("push", second).count("Mounted from one") == 3
    docker.remove(first, second)
