"""What is done in the background, and `registry jobs`."""

import json
import sqlite3
from contextlib import closing

import pytest

from content import command
from helpers import Client, image
from waiting import until

pytestmark = pytest.mark.sanitize


@pytest.fixture
def registry(new_registry):
    return new_registry().start()


def jobs(registry):
    return {(j["kind"], j["key"]): j for j in map(json.loads, command(registry, "jobs", "list", "--json").splitlines())}


def add(registry, key, state, note=""):
    """A job of a kind that the server knows, as another process would have left it."""
    with closing(sqlite3.connect(registry.root / "registry.db", timeout=60)) as db, db:
        db.execute(
            "INSERT INTO jobs (kind, key, state, priority, due_ms, attempts, holder, note)"
            " VALUES ('uploads', ?, ?, 0, 0, 5, 'somebody', ?)",
            (key, state, note),
        )


WAITING, RUNNING, STOPPED = range(3)


REGULAR = {"uploads", "outbox", "strays", "audit", "history", "remove", "journal", "archives", "signed"}


def test_what_is_done_regularly_is_listed_with_its_next_time(registry):
    until(lambda: {kind for kind, _ in jobs(registry)} == REGULAR)
    until(lambda: {j["state"] for j in jobs(registry).values()} == {"waiting"})
    printed = command(registry, "jobs", "list")
    assert "uploads all" in printed
    assert "waiting" in command(registry, "jobs", "show", "uploads", "all")


def test_a_job_that_a_killed_server_was_at_is_run_by_the_next_one(registry):
    registry.kill()
    add(registry, "left", RUNNING)
    assert jobs(registry)["uploads", "left"]["state"] == "running"
    registry.start()
    until(lambda: ("uploads", "left") not in jobs(registry))


def test_a_job_that_is_stopped_stays_until_it_is_tried_again(registry):
    add(registry, "bad", STOPPED, note="it went\nwrong")
    assert "uploads bad: it went\\x0awrong" in command(registry, "jobs", "list")
    add(registry, "other", WAITING)
    until(lambda: ("uploads", "other") not in jobs(registry))
    assert jobs(registry)["uploads", "bad"]["attempts"] == 5
    assert "will be run" in command(registry, "jobs", "retry", "uploads", "bad")
    until(lambda: ("uploads", "bad") not in jobs(registry))


def test_a_job_is_cancelled(registry):
    add(registry, "bad", STOPPED)
    command(registry, "jobs", "cancel", "uploads", "bad")
    assert ("uploads", "bad") not in jobs(registry)
    assert "there is no job uploads bad" in command(registry, "jobs", "cancel", "uploads", "bad", status=1)
    assert "there is no job uploads bad" in command(registry, "jobs", "show", "uploads", "bad", status=1)
    assert "are missing" in command(registry, "jobs", "retry", "uploads", status=2)


def test_a_tag_is_carried_while_other_jobs_are_there(registry):
    add(registry, "x", WAITING)
    with Client(registry.url) as client:
        client.push_image("app", image(), "v1")

    def pending():
        with closing(sqlite3.connect(registry.root / "registry.db", timeout=60)) as db:
            return db.execute("SELECT count(*) FROM projections").fetchone()[0]

    until(lambda: pending() == 0)
