"""What the push of an image of ten layers, as docker does it, costs at a database behind a network."""

import time

import pytest
from helpers import Client, image
from postgres_proxy import PostgresProxy
from waiting import until

CACHE_OFF = {"cache": {"memory": {"size": 0}}}
QUIET_S = 1

# What goes by time, whether somebody pushes or not: members, accounts, jobs, who left tags behind; and the audit
# trail, whose entries are written together as they come, some times a second.
BY_TIME = (" records", " jobs", "INTO audit", "p.holder = ''", "DISTINCT holder")
ENVELOPE = ("BEGIN", "COMMIT", "SET LOCAL", "SELECT set_config")


def push_as_docker_does(client, repo, made, tag):
    for digest, data in made.blobs.items():
        assert not client.has_blob(repo, digest)
        client.finish(client.patch(client.start_upload(repo), data), digest)
    client.head_manifest(repo, tag, expect=404)
    client.push_manifest(repo, tag, made)


def goes_by_time(trip):
    said = [text for text in trip if not text.startswith(ENVELOPE)]
    return bool(said) and all(any(word in text for word in BY_TIME) for text in said)


def trips_of(line):
    return [trip for trip in line.trips if not goes_by_time(trip)]


def told(trips):
    """For the message of an assertion."""
    return "\n".join(" / ".join(text[:40] for text in trip if not text.startswith(ENVELOPE)) for trip in trips)


def quiet(line):
    """Waits until nothing comes for a while but what goes by time: what the push left to do is done."""
    seen = -1
    while seen != len(trips_of(line)):
        seen = len(trips_of(line))
        time.sleep(QUIET_S)


@pytest.fixture
def line(database):
    with PostgresProxy(database.port) as made:
        yield made


@pytest.mark.parametrize(("told_of", "most"), [(False, 40), (True, 42)], ids=["silent", "told"])
def test_round_trips_to_postgresql(new_registry, database, line, told_of, most):
    section = {**database.section(), "url": line.url(database.url)}
    registry = new_registry(config={"metadata": section, "events": {"pushes": told_of}, **CACHE_OFF}).start()
    with Client(registry.url) as client:
        client.push_image("other", image(seed=9), "v1")  # connections, and what is loaded once
        quiet(line)
        line.trips.clear()
        push_as_docker_does(client, "app", image(layers=10), "v1")
        until(lambda: database.sql("SELECT count(*) FROM projections") == "0")
        quiet(line)
    trips = trips_of(line)
    assert len(trips) <= most, told(trips)


def test_requests_to_dynamodb(table, dynamo_proxy, new_registry):
    table.endpoint = dynamo_proxy.endpoint
    registry = new_registry(config={"metadata": table.section(), **CACHE_OFF}).start()
    with Client(registry.url) as client:
        client.push_image("other", image(seed=9), "v1")
        dynamo_proxy.quiet()
        dynamo_proxy.forget()
        push_as_docker_does(client, "app", image(layers=10), "v1")
        until(lambda: not table.items("P"))
        dynamo_proxy.quiet()
    kinds = "\n".join(f"{n} {kind}" for kind, n in sorted(dynamo_proxy.kinds().items()))
    assert dynamo_proxy.total() <= 48, kinds
