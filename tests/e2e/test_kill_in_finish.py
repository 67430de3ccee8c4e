"""kill -9 just when an upload's bytes have become the blob's file, and nothing refers to it yet."""

import contextlib
import sqlite3

import pytest

from helpers import Client, Wire, digest_of, random_bytes
from waiting import until

pytestmark = pytest.mark.sanitize

DATA = random_bytes(300_000, "finish")
DIGEST = digest_of(DATA)


def blob_file(registry, repo="app"):
    return registry.root / "repositories" / repo / "blobs" / DIGEST


def database(registry):
    return contextlib.closing(sqlite3.connect(registry.root / "registry.db", timeout=60))


@contextlib.contextmanager
def transactions_held(registry):
    """Nobody else writes to the database meanwhile: they wait for the lock, 5 s at most."""
    with database(registry) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()


def uploads(registry):
    return list((registry.root / "temp/uploads").iterdir())


def kill_in_finish(registry, method, path, body=b""):
    """The file is there; its row, and the answer, are not."""
    with Wire(registry.url) as wire:
        head = (method, path, {"Content-Length": len(body)})
        if body:
            wire.send_request(*head, body[:-1])
        until(lambda: len(uploads(registry)) > 0)  # made with the first bytes
        with transactions_held(registry):
            if body:
                wire.send(body[-1:])
            else:
                wire.send_request(*head)
            until(lambda: became_a_blob(registry), interval=0.001)
            registry.kill()


def became_a_blob(registry):
    return blob_file(registry).exists() and not any((u / "data").exists() for u in uploads(registry))


def upload_path(client):
    return client.start_upload("app").removeprefix(client.url)


def patched_upload_path(client):
    return client.patch(client.start_upload("app"), DATA).removeprefix(client.url)


FINISHES = {
    "a PUT after PATCH": ("PUT", patched_upload_path, b""),
    "a PUT with the bytes": ("PUT", upload_path, DATA),
    "a POST with the bytes": ("POST", lambda _: "/v2/app/blobs/uploads/", DATA),
}


@pytest.mark.parametrize("how", FINISHES)
def test_the_start_removes_what_nothing_refers_to(registry, client, how):
    method, path_of, body = FINISHES[how]
    path = path_of(client)
    kill_in_finish(registry, method, f"{path}?digest={DIGEST}", body)
    assert blob_file(registry).read_bytes() == DATA
    registry.start()
    until(lambda: not blob_file(registry).exists())
    until(lambda: not uploads(registry))
    assert not client.has_blob("app", DIGEST)
    client.push_blob("app", DATA)
    assert client.get_blob("app", DIGEST).content == DATA


def test_another_repository_that_has_the_blob_keeps_it(registry, client):
    client.push_blob("other", DATA)
    path = patched_upload_path(client)
    kill_in_finish(registry, "PUT", f"{path}?digest={DIGEST}")
    assert blob_file(registry).samefile(blob_file(registry, "other"))
    registry.start()
    until(lambda: not blob_file(registry).exists())
    assert client.get_blob("other", DIGEST).content == DATA


def test_a_client_that_pushes_again_at_once_keeps_its_blob(registry, client):
    """The sweep of the start and the new push meet: whoever comes first, the blob is whole."""
    path = patched_upload_path(client)
    kill_in_finish(registry, "PUT", f"{path}?digest={DIGEST}")
    registry.start()
    client.push_blob("app", DATA)
    until(lambda: not uploads(registry))
    assert client.get_blob("app", DIGEST).content == DATA
    registry.restart()
    with Client(registry.url) as again:
        assert again.get_blob("app", DIGEST).content == DATA
