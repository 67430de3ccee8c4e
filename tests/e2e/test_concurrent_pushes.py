"""Sixty-four clients push at once, with layers in common."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers import Client, check_store_on_disk, image_of_layers, random_bytes, tar_layer

pytestmark = [pytest.mark.sanitize, pytest.mark.concurrent]

CLIENTS = 64


def test_64_pushes_that_share_layers(registry, client):
    shared = [tar_layer({f"shared-{n}": random_bytes(400_000, n)}) for n in range(3)]

    def push(n):
        own = tar_layer({f"own-{n}": random_bytes(20_000, f"own {n}")})
        made = image_of_layers([*shared, own])
        # Sixteen repositories, so that some share it and others share blobs only.
        with Client(registry.url) as c:
            c.push_image(f"team/app-{n % 16}", made, f"v{n}")
        return made

    with ThreadPoolExecutor(CLIENTS) as pool:
        images = list(pool.map(push, range(CLIENTS)))

    for n, made in enumerate(images):
        assert client.pull_image(f"team/app-{n % 16}", f"v{n}") == made
    assert len(check_store_on_disk(registry.root)) == CLIENTS

    # A shared layer is one file, whoever pushed it and however many did so at the same time.
    for layer in images[0].document["layers"][:3]:
        repositories = registry.root / "repositories" / "team"
        inodes = {p.stat().st_ino for p in repositories.glob(f"*/blobs/{layer['digest']}")}
        assert len(inodes) == 1


def test_64_pushes_of_one_tag_leave_one_whole_image(registry, client):
    def push(n):
        made = image_of_layers([tar_layer({"f": random_bytes(5_000, f"tag {n}")})])
        with Client(registry.url) as c:
            c.push_image("one", made, "latest")
        return made

    with ThreadPoolExecutor(CLIENTS) as pool:
        images = list(pool.map(push, range(CLIENTS)))
    assert client.pull_image("one", "latest") in images
    assert client.tags("one") == ["latest"]
    assert len(check_store_on_disk(registry.root)) == 1
