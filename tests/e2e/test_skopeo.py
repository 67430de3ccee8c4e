"""skopeo: copies between tags and repositories, looks, lists and deletes."""

import json

import pytest

from clients import ClientFailed
from helpers import image, index, write_oci_layout

pytestmark = pytest.mark.sanitize


@pytest.fixture
def pushed(client):
    made = image(seed="skopeo", layers=3)
    client.push_image("source/app", made, "v1")
    return made


def test_copy_to_another_tag(registry, client, containers, pushed):
    source = f"docker://{registry.address}/source/app"
    containers.skopeo("copy", f"{source}:v1", f"{source}:stable")
    assert sorted(client.tags("source/app")) == ["stable", "v1"]
    assert client.pull_image("source/app", "stable") == pushed


def test_copy_to_another_repository_costs_no_disk(registry, client, containers, pushed):
    here = f"docker://{registry.address}"
    containers.skopeo("copy", f"{here}/source/app:v1", f"{here}/copy/of/app:v1")
    assert client.pull_image("copy/of/app", "v1") == pushed
    for digest in pushed.blobs:
        first = registry.root / "repositories/source/app/blobs" / digest
        second = registry.root / "repositories/copy/of/app/blobs" / digest
        assert first.samefile(second)


def test_inspect(registry, containers, pushed):
    seen = json.loads(containers.skopeo("inspect", f"docker://{registry.address}/source/app:v1"))
    assert seen["Digest"] == pushed.digest
    assert seen["RepoTags"] == ["v1"]
    assert seen["Layers"] == [l["digest"] for l in pushed.document["layers"]]


def test_list_tags(registry, client, containers, pushed):
    for tag in ("v3", "v2"):
        client.push_manifest("source/app", tag, pushed)
    seen = json.loads(containers.skopeo("list-tags", f"docker://{registry.address}/source/app"))
    assert seen["Tags"] == ["v1", "v2", "v3"]


def test_delete(registry, client, containers, pushed):
    name = f"docker://{registry.address}/source/app:v1"
    containers.skopeo("delete", name)
    client.get_manifest("source/app", "v1", expect=404)
    client.get_manifest("source/app", pushed.digest, expect=404)
    with pytest.raises(ClientFailed):
        containers.skopeo("inspect", name)


def test_multi_arch_index_is_copied_whole_and_pulled_by_digest(registry, client, containers, work):
    pushed = index([image(seed=n, architecture=a) for n, a in enumerate(["amd64", "arm64"])])
    write_oci_layout(work / "layout", pushed)
    name = f"docker://{registry.address}/multi"
    containers.skopeo("copy", "--all", f"oci:{work / 'layout'}:latest", f"{name}:latest")
    assert client.pull_image("multi", pushed.digest) == pushed

    containers.skopeo("copy", "--all", f"{name}@{pushed.digest}", f"oci:{work / 'pulled'}:latest")
    for child in pushed.children:
        path = work / "pulled" / "blobs" / "sha256" / child.digest.removeprefix("sha256:")
        assert path.read_bytes() == child.manifest
