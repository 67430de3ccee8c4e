"""A hot standby of PostgreSQL that takes over while clients push."""

import threading

import pytest
from helpers import Client, Unexpected, image
from postgres_servers import Postgres, Standby
from waiting import until

PUSHERS = 4


@pytest.fixture
def primary(work):
    with Postgres(work / "database" / "primary") as server:
        yield server


@pytest.fixture
def standby(work, primary):
    primary.make_database("app")
    with Standby(work / "database" / "standby", primary) as server:
        yield server


class Pusher(threading.Thread):
    """Pushes image after image until it is told to end; one that is answered 503, again."""

    def __init__(self, url, number):
        super().__init__(daemon=True)
        self.url, self.number = url, number
        self.done = []  # (tag, digest) that were acknowledged
        self.refused = 0
        self.wrong = None
        self.ending = threading.Event()
        self.start()

    def run(self):
        with Client(self.url) as client:
            while not self.ending.is_set() and not self.wrong:
                tag = f"{self.number}-{len(self.done)}"
                made = image(seed=tag, layers=1, layer_size=1000)
                try:
                    client.push_image("app", made, tag)
                    self.done.append((tag, made.digest))
                except Unexpected as answer:
                    self._take(answer)
                except Exception as error:
                    self.wrong = repr(error)

    def _take(self, answer):
        self.refused += 1
        if answer.response.status_code != 503 or int(answer.response.headers["Retry-After"]) < 1:
            self.wrong = str(answer)
        self.ending.wait(0.1)

    def end(self):
        self.ending.set()
        self.join(120)
        assert not self.is_alive()


def more(pushers):
    """Waits until each has pushed another two."""
    before = [len(p.done) for p in pushers]
    until(
        lambda: any(p.wrong for p in pushers)
        or all(len(p.done) >= n + 2 for p, n in zip(pushers, before)),
        timeout=120,
    )


def test_what_was_acknowledged_is_there_after_a_standby_took_over(new_registry, primary, standby):
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in (primary, standby))
    url = f"postgresql://registry:{primary.password}@{hosts}/app"
    registry = new_registry(config={"metadata": {"driver": "postgresql", "url": url}}).start()
    pushers = [Pusher(registry.url, n) for n in range(PUSHERS)]
    try:
        more(pushers)
        primary.kill()
        until(lambda: any(p.refused or p.wrong for p in pushers))
        standby.promote()
        more(pushers)
    finally:
        for pusher in pushers:
            pusher.end()
    assert [p.wrong for p in pushers if p.wrong] == []
    done = dict(pair for p in pushers for pair in p.done)
    kept = standby.sql(
        "SELECT tags.name || ' ' || digest FROM tags JOIN manifests ON manifests.id = manifest_id", "app"
    )
    kept = dict(line.split() for line in kept.splitlines())
    assert {tag: kept.get(tag) for tag in done} == done
    with Client(registry.url) as client:
        client.request("GET", "/readyz")
        for tag, digest in done.items():
            assert client.get_manifest("app", tag).headers["Docker-Content-Digest"] == digest
