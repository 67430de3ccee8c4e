"""Tables of DynamoDB: one a test, made by the registry and deleted after it."""

import itertools
import secrets

from s3_buckets import make_client

numbers = itertools.count()


class Table:
    """On a server that others use too; server: its description()."""

    def __init__(self, server, endpoint=None):
        self.server = server
        self.endpoint = endpoint or server["endpoint"]
        self.name = f"t{next(numbers)}-{secrets.token_hex(6)}"
        self.client = make_client(server, "dynamodb")

    def section(self, **dynamodb):
        """What stands below `metadata` for a registry that keeps its metadata here."""
        keys = {name: self.server[name] for name in ("access_key", "secret_key")}
        return {
            "driver": "dynamodb",
            "table": self.name,
            "region": self.server["region"],
            "endpoint": self.endpoint,
            "dynamodb": {**keys, **dynamodb},
        }

    def items(self, kind):
        """All of a kind ("k"), as plain values."""
        pages = self.client.get_paginator("scan").paginate(
            TableName=self.name,
            FilterExpression="#k = :k",
            ExpressionAttributeNames={"#k": "k"},
            ExpressionAttributeValues={":k": {"S": kind}},
        )
        found = [item for page in pages for item in page["Items"]]
        return [{n: int(v["N"]) if "N" in v else v.get("S") for n, v in item.items()} for item in found]

    def is_made(self):
        return self.name in self.client.list_tables(Limit=100)["TableNames"]

    def remove(self):
        if self.is_made():
            self.client.delete_table(TableName=self.name)
