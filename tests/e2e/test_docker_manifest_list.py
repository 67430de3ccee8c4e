"""docker manifest: a schema 2 manifest list of two images, pulled by the engine."""

import json

from helpers import DOCKER_LIST, Client, image


def test_manifest_list_made_by_docker(registry, docker):
    repo = f"{registry.address}/multi"
    with Client(registry.url) as client:
        for architecture in ("amd64", "arm64"):
            pushed = image(seed=architecture, docker=True, architecture=architecture)
            client.push_image("multi", pushed, architecture)

        members = [f"{repo}:amd64", f"{repo}:arm64"]
        docker("manifest", "create", "--insecure", f"{repo}:latest", *members)
        digest = docker("manifest", "push", "--insecure", "--purge", f"{repo}:latest").split()[-1]

        answer = client.get_manifest("multi", digest)
        assert answer.headers["Content-Type"] == DOCKER_LIST
        platforms = {m["platform"]["architecture"]: m["digest"] for m in answer.json()["manifests"]}
        assert platforms["arm64"] == image(seed="arm64", docker=True, architecture="arm64").digest
        client.pull_image("multi", "latest")

    inspected = json.loads(docker("manifest", "inspect", "--insecure", f"{repo}:latest"))
    assert inspected["mediaType"] == DOCKER_LIST
    docker("pull", f"{repo}:latest")
    config = json.loads(docker("image", "inspect", f"{repo}:latest"))[0]
    assert config["Architecture"] == "amd64"
    docker.remove(f"{repo}:latest")
