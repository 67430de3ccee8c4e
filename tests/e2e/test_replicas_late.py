"""A registry that lost an upload to another one, and whose requests to the bucket come late: a blob has the bytes of
its digest all the same."""

import signal
import threading
from contextlib import contextmanager

import pytest

from helpers import MIB, Client, Wire, digest_of, random_bytes
from waiting import until

PART = 5 * MIB
FIRST = random_bytes(PART + 1000, "both")  # a part, and what is behind it
RIGHT, WRONG = random_bytes(PART + 1000, "right"), random_bytes(PART + 1000, "wrong")
SMALL = 1000

pytestmark = pytest.mark.without_redis


@pytest.fixture
def replicas(new_replicas):
    return new_replicas(2, config={"replicas": {"lease": "1s"}}, s3={"part_size": PART})


@pytest.fixture
def clients(replicas):
    with Client(replicas[0].url) as loser, Client(replicas[1].url) as winner:
        yield loser, winner


def at(client, location):
    return client.url + location[location.index("/v2/") :]


def key_of(data):
    return "blobs/" + digest_of(data).replace(":", "/")


def check_never_wrong(replicas, *datas):
    """None of these is anywhere under another one's digest."""
    for data in datas:
        if key_of(data) in replicas.bucket.keys():
            assert replicas.bucket.get(key_of(data)) == data


@contextmanager
def late(replica, kind, action, target=""):
    """action's request of that kind comes to the bucket at the end of the block."""
    held = replica.bucket.hold(kind, target=target)
    thread = threading.Thread(target=action)
    thread.start()
    try:
        held.wait()
        yield
    finally:
        held.release()
        thread.join(60)


def patch_on(loser, location, data, start):
    return lambda: loser.patch(at(loser, location), data, start=start, expect=None)


def test_a_late_tail_is_in_no_blob(replicas, clients):
    loser, winner = clients
    data = FIRST[:SMALL] + RIGHT[:SMALL]
    location = loser.patch(loser.start_upload("app"), FIRST[:SMALL], start=0)
    with late(replicas[0], "put", patch_on(loser, location, WRONG[:SMALL], SMALL), "_tail"):
        location = winner.patch(at(winner, location), RIGHT[:SMALL], start=SMALL)
    for client in clients:
        assert client.upload_offset(at(client, location)) == len(data)
    winner.finish(location, digest_of(data))
    assert winner.get_blob("app", digest_of(data)).content == data


def test_a_late_tail_is_in_no_blob_of_who_only_finishes(replicas, clients):
    loser, winner = clients
    location = loser.patch(loser.start_upload("app"), FIRST[:SMALL], start=0)
    with late(replicas[0], "put", patch_on(loser, location, WRONG[:SMALL], SMALL), "_tail"):
        winner.upload_offset(at(winner, location))
        held = replicas[1].bucket.hold(("copy", "get"))
        finish = threading.Thread(
            target=lambda: winner.finish(at(winner, location), digest_of(FIRST[:SMALL]), expect=None)
        )
        finish.start()
        held.wait()
    held.release()
    finish.join(60)
    check_never_wrong(replicas, FIRST[:SMALL])


@pytest.mark.parametrize("finisher", [0, 1], ids=["of who lost it", "of who has it"])
def test_a_late_part_is_in_no_blob(replicas, clients, finisher):
    loser, winner = clients
    data = FIRST + RIGHT
    location = loser.patch(loser.start_upload("app"), FIRST, start=0)
    with late(replicas[0], "part", patch_on(loser, location, WRONG, len(FIRST))):
        location = winner.patch(at(winner, location), RIGHT, start=len(FIRST))
    client = clients[finisher]
    client.finish(at(client, location), digest_of(data), expect=404)
    assert not client.has_blob("app", digest_of(data))
    check_never_wrong(replicas, data, FIRST + WRONG)
    client.push_blob("app", data)
    assert winner.get_blob("app", digest_of(data)).content == data


def test_a_late_end_makes_no_blob_of_what_another_one_sent(replicas, clients):
    loser, winner = clients
    wrong, right = FIRST + WRONG[:SMALL], FIRST + RIGHT[:SMALL]
    location = loser.patch(loser.start_upload("app"), FIRST, start=0)

    def finish():
        loser.finish(at(loser, location), digest_of(wrong), WRONG[:SMALL], expect=None)

    with late(replicas[0], "complete", finish):
        location = winner.patch(at(winner, location), RIGHT[:SMALL], start=len(FIRST))
        winner.finish(location, digest_of(right))
    for client in clients:
        assert client.get_blob("app", digest_of(right)).content == right
        assert not client.has_blob("app", digest_of(wrong))
    check_never_wrong(replicas, right, wrong)


def test_a_registry_that_was_frozen_in_the_middle_of_a_part_spoils_nothing(replicas, clients):
    loser, winner = clients
    data = FIRST + RIGHT
    location = loser.patch(loser.start_upload("app"), FIRST, start=0)
    path = location.removeprefix(loser.url)
    head = {"Content-Length": len(WRONG), "Content-Range": f"{len(FIRST)}-{len(data) - 1}"}
    held = replicas[0].bucket.hold("part")
    with Wire(loser.url) as wire:
        wire.send_request("PATCH", path, head, WRONG[:-1])
        held.wait()
        replicas[0].registry.freeze()
        location = winner.patch(at(winner, location), RIGHT, start=len(FIRST))
        held.release()
        replicas[0].registry.signal(signal.SIGCONT)  # it goes on with the part
        until(lambda: replicas[0].bucket.of("part")[-1].status == 200)
        winner.finish(location, digest_of(data), expect=404)
        winner.push_blob("app", data)
        wire.send(WRONG[-1:])
        wire.read_head()  # 202 when it did not look at its turn again
    for client in clients:
        assert client.get_blob("app", digest_of(data)).content == data
    check_never_wrong(replicas, data, FIRST + WRONG)
