"""kill -9 while archives wait for a verdict, and between the verdict and the end: what was decided holds, is told once, and
nothing is left. The scanner is the stand-in of fake_trivy.py."""

import pytest
import tus
from archives import upload
from content import command
from held_archives import BAD, MILD, WHERE, Sent, archive, config_of, held, tags, wait_until_scanning
from helpers import Client
from outbox import all_events
from postgres_proxy import COMMIT, DONE, PostgresProxy
from scanners import FakeTrivy, start, wait_for
from waiting import until

TAGGED = ("INTO tags", DONE)
GOOD = {  # what comes behind the verdict, in this order
    "the manifest is there": [("INTO manifests", DONE)],
    "the tag is not": [("INTO tags", COMMIT)],
    "the tag is": [TAGGED],
    "the answer is not": [TAGGED, ("DELETE FROM records", COMMIT)],
    "the answer is": [TAGGED, ("DELETE FROM records", DONE)],
}


@pytest.fixture
def fake(work):
    return FakeTrivy(work / "fake")


@pytest.fixture
def line(postgresql):
    with PostgresProxy(postgresql.port) as between:
        yield between


@pytest.fixture
def on_files(new_registry, fake, postgresql, line):
    """With a database whose line a test may hold."""
    metadata = {**postgresql.section(), "url": line.url(postgresql.url)}
    return start(new_registry(config={**config_of(fake), "metadata": metadata, "replicas": {"lease": "3s"}}))


def kill_at(registry, fake, line, found, where):
    """An archive with that in it has been scanned, and all of where have come, one after the other; its session."""
    fake.behave("wait")
    data = archive(found)
    with Client(registry.url) as client:
        session = tus.Upload.begin(client, len(data), **WHERE)
        session.patch(0, data)
        wait_until_scanning(registry, client)
        stopped = line.hold(*where[0])
        fake.behave()
        for after in where[1:]:
            stopped.wait(60)
            before, stopped = stopped, line.hold(*after)
            before.release()
        stopped.wait(60)
    registry.kill()
    line.clear()
    registry.start()
    return session


def check_end(registry, client, session, status, left):
    answer = session.at(client).result(status).json()
    assert session.at(client).complete(status).json() == answer
    assert tags(client) == left
    until(lambda: not held(registry), timeout=60)
    assert len(all_events(registry, "upload.ended", 1)) == 1


@pytest.mark.parametrize("where", GOOD.values(), ids=GOOD)
def test_what_was_found_good_is_stored(on_files, fake, line, where):
    session = kill_at(on_files, fake, line, MILD, where)
    fake.behave("crash")  # nobody asks it again
    with Client(on_files.url) as client:
        check_end(on_files, client, session, 201, ["v1"])
        client.pull_image("team/app", "v1")
    on_files.stop()
    assert "all is well" in command(on_files, "check")


@pytest.mark.parametrize("where", (COMMIT, DONE))
def test_what_was_found_bad_is_refused(on_files, fake, line, where):
    session = kill_at(on_files, fake, line, BAD, [("DELETE FROM records", where)])
    with Client(on_files.url) as client:
        check_end(on_files, client, session, 422, [])
        assert client.request("GET", "/v2/_catalog").json()["repositories"] == []


@pytest.mark.parametrize("after_s", (0.02, 0.1, 0.3))
def test_a_kill_at_any_time_leaves_nothing_or_a_scanned_image(new_registry, fake, after_s):
    registry = start(new_registry(config=config_of(fake, scan_timeout="15s", timeout="1s")))
    sent = Sent(registry, archive(MILD))
    sent.join(after_s)
    registry.kill()
    sent.join(60)
    start(registry)
    with Client(registry.url) as client:
        until(lambda: not held(registry), timeout=120)  # at the latest once scan_timeout is over
        if tags(client):
            assert wait_for(client, "team/app", "v1")["status"] == "completed"
        assert upload(client, archive(MILD), **WHERE)["scan"] == "passed"
