"""Pushing and deleting at the same time: a push that was acknowledged is whole, or was deleted."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers import Client, Unexpected, check_store_on_disk, image

pytestmark = [pytest.mark.sanitize, pytest.mark.concurrent]

ROUNDS = 40


def test_manifest_pushed_while_it_is_deleted(registry, client):
    made = image(seed="contended", layers=1, layer_size=2000)
    client.push_image("app", made, "keep")

    def push():
        with Client(registry.url) as c:
            for n in range(ROUNDS):
                c.push_image("app", made, f"v{n % 4}")

    def delete():
        with Client(registry.url) as c:
            for _ in range(ROUNDS):
                c.delete_manifest("app", made.digest, expect=(202, 404))

    with ThreadPoolExecutor(4) as pool:
        for task in [pool.submit(f) for f in (push, push, delete, delete)]:
            task.result()
    for tag in client.tags("app", expect=(200, 404)) or []:
        assert client.pull_image("app", tag) == made
    check_store_on_disk(registry.root)


def test_tag_deletes_do_not_harm_pushes_of_other_tags(registry, client):
    stop = threading.Event()

    def churn():
        made = image(seed="churn", layers=1, layer_size=2000)
        with Client(registry.url) as c:
            while not stop.is_set():
                c.push_image("app", made, "churn")
                c.delete_manifest("app", "churn", expect=(202, 404))

    def push(n):
        made = image(seed=n, layers=2, layer_size=2000)
        with Client(registry.url) as c:
            c.push_image("app", made, f"v{n}")
        return made

    with ThreadPoolExecutor(6) as pool:
        churning = [pool.submit(churn) for _ in range(2)]
        try:
            images = list(pool.map(push, range(ROUNDS)))
        finally:
            stop.set()
        for task in churning:
            task.result()
    for n, made in enumerate(images):
        assert client.pull_image("app", f"v{n}") == made
    check_store_on_disk(registry.root)


def test_blob_deleted_while_an_image_with_it_is_pushed(registry, client):
    """Whoever wins: no tag may be left whose blob is gone."""
    made = image(seed="blob race", layers=1, layer_size=2000)
    layer = made.document["layers"][0]["digest"]

    def push():
        with Client(registry.url) as c:
            for n in range(ROUNDS):
                try:
                    c.push_image("app", made, f"v{n}")
                except Unexpected as refused:
                    # The blob went between its push and the manifest's.
                    assert refused.response.status_code in (400, 404)

    def delete():
        with Client(registry.url) as c:
            for _ in range(ROUNDS):
                c.delete_blob("app", layer, expect=(202, 404, 405))

    with ThreadPoolExecutor(2) as pool:
        for task in [pool.submit(push), pool.submit(delete)]:
            task.result()
    for tag in client.tags("app", expect=(200, 404)) or []:
        assert client.pull_image("app", tag) == made
    check_store_on_disk(registry.root)
