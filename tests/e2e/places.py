"""Where a registry may keep what it has: files and SQLite, or a bucket on MinIO and PostgreSQL."""

from contextlib import contextmanager

from postgres_databases import Database
from s3_buckets import Bucket

NAMES = ("files", "bucket")


@contextmanager
def place(name, s3_servers):
    """The sections of a configuration; of the test's own, and gone after it."""
    if name == "files":
        yield {}
        return
    bucket, database = Bucket(s3_servers("minio")).create(), Database(s3_servers("postgresql"))
    try:
        yield {"storage": bucket.section(), "metadata": database.section()}
    finally:
        database.remove()
        bucket.remove()
