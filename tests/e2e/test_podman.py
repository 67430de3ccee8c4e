"""podman: an image is pushed, removed, pulled, and is the same."""

import json

from helpers import image, write_oci_layout


def test_image_survives_the_round_trip(registry, client, containers, work):
    made = image(seed="podman", layers=3)
    write_oci_layout(work / "layout", made)
    containers.podman("pull", f"oci:{work / 'layout'}:latest")
    identity = containers.podman("images", "-q", "--no-trunc").strip().removeprefix("sha256:")
    name = f"{registry.address}/podman/app:v1"

    containers.podman("push", identity, name)
    assert client.tags("podman/app") == ["v1"]
    client.pull_image("podman/app", "v1")

    containers.podman("rmi", "--force", identity)
    containers.podman("pull", name)
    inspected = json.loads(containers.podman("inspect", name))[0]
    assert inspected["Id"] == identity
    assert inspected["RootFS"]["Layers"] == [
        d for d in json.loads(made.blobs[made.document["config"]["digest"]])["rootfs"]["diff_ids"]
    ]
