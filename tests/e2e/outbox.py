"""What the event log and the outbox of a registry hold, whichever database they are in."""

import json
import sqlite3
from contextlib import closing

from postgres_databases import psql
from s3_buckets import make_client
from waiting import until

UUID_TEXT = 36
COLLECTIONS = ("events", "outbox")  # what is not in the log yet is newer
SQL = f"SELECT value FROM records WHERE collection IN {COLLECTIONS} ORDER BY collection, key"


def events(registry, name, server=None):
    """Those of that name, oldest first. server: the description of the one of DynamoDB, when it is there."""
    section = registry.config.get("metadata", {})
    read = {"dynamodb": of_table, "postgresql": of_postgresql}.get(section.get("driver"), of_files)
    return [event for event in map(json.loads, read(registry, section, server)) if event["event"] == name]


def all_events(registry, name, count, server=None):
    """The same once there are so many: the end of an upload is written beside its answer."""
    return until(lambda: len(found := events(registry, name, server)) >= count and found)


def of_table(_registry, section, server):
    """The outbox first, so that what moves meanwhile is in both."""
    client = make_client(server, "dynamodb")
    waiting, log = (
        {
            item["sk"]["S"][-UUID_TEXT:] if collection == "outbox" else item["sk"]["S"]: item["value"]["S"]
            for page in client.get_paginator("query").paginate(
                TableName=section["table"],
                ConsistentRead=True,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"records#{collection}"}},
            )
            for item in page["Items"]
        }
        for collection in reversed(COLLECTIONS)
    )
    moved = {json.loads(value)["id"] for value in log.values()}
    return [*log.values(), *(value for uuid, value in waiting.items() if uuid not in moved)]


def of_postgresql(_registry, section, _server):
    return psql(section["url"], SQL).splitlines()


def of_files(registry, _section, _server):
    with closing(sqlite3.connect(registry.root / "registry.db", timeout=30)) as db:
        return [value for (value,) in db.execute(SQL)]
