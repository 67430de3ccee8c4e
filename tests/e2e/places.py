"""Where a registry may keep what it has: files and SQLite, or a bucket on MinIO, and PostgreSQL or DynamoDB."""

import sqlite3
from contextlib import closing, contextmanager

from dynamodb_tables import Table
from postgres_databases import Database, psql
from s3_buckets import Bucket

NAMES = ("files", "bucket")


@contextmanager
def place(name, s3_servers):
    """The sections of a configuration; of the test's own, and gone after it. name: one of NAMES, or "table"."""
    if name == "files":
        yield {}
        return
    bucket = Bucket(s3_servers("minio")).create()
    database = Table(s3_servers("dynamodb")) if name == "table" else Database(s3_servers("postgresql"))
    try:
        yield {"storage": bucket.section(), "metadata": database.section()}
    finally:
        database.remove()
        bucket.remove()


def sql(registry, text):
    """What the database of a registry answers, as text of the first column of the first row; "" when there is none."""
    url = registry.config.get("metadata", {}).get("url")
    if url:
        return psql(url, text)
    with closing(sqlite3.connect(registry.root / "registry.db", timeout=30)) as db, db:
        row = db.execute(text).fetchone()
    return "" if row is None else str(row[0])
