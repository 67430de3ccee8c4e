"""Upload sessions of archives that go from one registry to another: over one PostgreSQL and one MinIO."""

import pytest
import tus
from helpers import Client
from places import place
from test_upload_sessions import WHERE, large
from waiting import until


@pytest.fixture
def registries(new_registry, s3_servers):
    with place("bucket", s3_servers) as config:
        made = [new_registry(config=config | {"replicas": {"lease": "1s"}}).start() for _ in range(2)]
        yield made
        for registry in made:
            registry.kill()


def test_each_request_may_come_to_another_registry(registries):
    data = large()
    with Client(registries[0].url) as one, Client(registries[1].url) as two:
        session = tus.Upload.begin(one, len(data), **WHERE)
        session.at(two).patch(0, data[:100_000])
        assert session.offset() == 100_000
        session.patch(100_000, data[100_000:200_000])
        session.at(two).patch(200_000, data[200_000:])
        assert session.result().json() == session.at(two).result().json()
        assert two.tags("team/app") == ["v1"]


def test_another_registry_goes_on_with_what_a_killed_one_had(registries):
    data = large()
    with Client(registries[0].url) as one, Client(registries[1].url) as two:
        session = tus.Upload.begin(one, len(data), **WHERE)
        session.patch(0, data[:100_000])
        registries[0].kill()
        session = session.at(two)
        assert session.offset() == 100_000
        session.patch(100_000, data[100_000:])
        session.result()


def test_another_registry_takes_the_archive_that_a_killed_one_had_received(registries):
    data = large(8_000_000)
    with Client(registries[0].url) as one:
        session = tus.Upload.begin(one, len(data), **WHERE)
        session.patch(0, data)
    registries[0].kill()
    with Client(registries[1].url) as two:
        session.at(two).result()
        until(lambda: two.tags("team/app") == ["v1"])
