"""The index of files of two registries over one database and one bucket, and over DynamoDB."""

import pytest
from helpers import Client, image_of_layers
from test_find_file import APP, BASE, INDEXED, OTHER, found, indexed
from waiting import until


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_what_one_takes_the_other_finds(new_registry, database, bucket):
    config = {"metadata": database.section(), "storage": bucket.section(), **INDEXED}
    first, second = (new_registry(config=config).start() for _ in range(2))
    with Client(first.url) as one, Client(second.url) as other:
        one.push_image("team/app", image_of_layers([BASE, APP]), "v1")
        other.push_image("team/tool", image_of_layers([BASE, OTHER]), "v2")
        indexed(one)
        for client in (one, other):
            assert sorted(found(client, path="*.jar", n=1)) == [
                ("team/app", "v1", "opt/app/lib/log4j-core-2.14.jar"),
                ("team/app", "v1", "opt/app/lib/other.jar"),
                ("team/tool", "v2", "srv/log4j-core-2.17.jar"),
            ]
        one.delete_manifest("team/app", image_of_layers([BASE, APP]).digest)
        assert found(other, path="env") == [("team/tool", "v2", "usr/bin/env")]


def test_it_is_found_with_metadata_in_dynamodb(new_registry, table):
    registry = new_registry(config={"metadata": table.section(), **INDEXED}).start()
    with Client(registry.url) as client:
        client.push_image("team/app", image_of_layers([BASE, APP]), "v1")
        until(lambda: found(client, path="env") or None, timeout=60)
        assert found(client, path="/opt/app/**", n=1) == [
            ("team/app", "v1", "opt/app/lib/log4j-core-2.14.jar"),
            ("team/app", "v1", "opt/app/lib/other.jar"),
        ]
