"""Archives that wait for a verdict, with two replicas over one database and one bucket: whoever has scanned, each of them knows
what came of it. The scanner is the stand-in of fake_trivy.py."""

import pytest
import requests
import tus
from held_archives import BAD, MILD, WHERE, Sent, archive, config_of, phases, tags
from helpers import Client
from scanners import FakeTrivy
from server import merged
from test_scan_replicas import ready
from waiting import until


@pytest.fixture
def fake(work):
    return FakeTrivy(work / "fake")


@pytest.fixture
def two(new_replicas, fake):
    # Long enough that a slow machine makes none of them seem gone, whose scan the other would do again.
    made = new_replicas(2, config=merged(config_of(fake), {"replicas": {"lease": "5s"}}))
    for one in made:
        ready(one.url)
    return made


@pytest.fixture
def other(two):
    with Client(two[1].url) as client:
        yield client


def nothing_waits(two):
    return not any("cyberdock.internal/held/" in key for key in two.bucket.keys())


def test_what_one_takes_both_have(two, other, fake):
    for found, status, has in ((MILD, 201, ["v1"]), (BAD, 422, [])):
        sent = Sent(two[0], archive(found), repository=f"team/{status}", tag="v1")
        sent.join(120)
        assert sent.answer.status_code == status, sent.answer.text
        assert tags(other, f"team/{status}") == has
    until(lambda: nothing_waits(two), timeout=60)
    assert len(fake.calls("image")) == 2


def test_pieces_that_went_to_one_are_told_by_the_other_what_came_of_them(two, other):
    data = archive(BAD)
    with Client(two[0].url) as client:
        session = tus.Upload.begin(client, len(data), **WHERE)
        session.patch(0, data)
    assert session.at(other).result(422).json()["errors"][0]["code"] == "IMAGE_VULNERABLE"
    until(lambda: nothing_waits(two), timeout=60)


def test_the_other_stores_what_a_killed_one_had_taken(two, other, fake):
    fake.behave("wait")
    sent = Sent(two[0], archive(MILD))
    until(lambda: phases(other) == ["scanning"], timeout=60)
    two[0].kill()
    sent.join(120)
    assert sent.answer is None
    fake.behave()
    until(lambda: tags(other) == ["v1"], timeout=60)
    until(lambda: phases(other) == ["done"], timeout=60)
    until(lambda: nothing_waits(two), timeout=60)
    assert requests.get(f"{two[1].url}/v2/team/app/manifests/v1", timeout=60).status_code == 200
