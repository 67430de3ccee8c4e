"""Buckets on real S3 servers: one a test, made before and emptied and removed after it."""

import itertools
import secrets

import botocore.config
import botocore.exceptions
import botocore.session
import server_keeper
import s3_servers
from waiting import until

MARK = "registry.json"
SERVER_NAMES = tuple(s3_servers.SERVERS)


def make_client(description, service="s3", endpoint=None, **more):
    """A client of the SDK, with the keys of a server; more: what it is to have instead."""
    settings = {
        "endpoint_url": endpoint or description["endpoint"],
        "region_name": description["region"],
        "aws_access_key_id": description["access_key"],
        "aws_secret_access_key": description["secret_key"],
        "config": botocore.config.Config(
            s3={"addressing_style": "path"}, retries={"max_attempts": 0}, read_timeout=120
        ),
        **more,
    }
    return botocore.session.Session().create_client(service, **settings)


class SharedServers:
    """The servers of a test run. Each is started by the first worker that asks for it, and ends when the
    last one has gone."""

    def __init__(self, run):
        self.run = run
        self.kept = {}

    def __call__(self, name):
        """Its description()."""
        if name not in self.kept:
            self.kept[name] = server_keeper.kept(f"cyberdock-test-{self.run}-{name}", name)
        return self.kept[name][1]

    def leave(self):
        for connection, _ in self.kept.values():
            connection.close()
        self.kept.clear()


numbers = itertools.count()


class Bucket:
    """A bucket of its own on a server that others use too."""

    def __init__(self, server, endpoint=None):
        self.server = server
        self.endpoint = endpoint or server["endpoint"]
        self.name = f"t{next(numbers)}-{secrets.token_hex(6)}"
        self.client = make_client(server)

    def create(self):
        self.client.create_bucket(Bucket=self.name)
        return self

    def section(self, **more):
        """What stands below `storage` for a registry that keeps its content here."""
        s3 = {
            "bucket": self.name,
            "region": self.server["region"],
            "endpoint": self.endpoint,
            "path_style": True,
            "access_key": self.server["access_key"],
            "secret_key": self.server["secret_key"],
        }
        return {"backend": "s3", "s3": {**s3, **more}}

    def environment(self):
        """As the contract tests of the store take it."""
        return s3_servers.environment({**self.server, "endpoint": self.endpoint}, self.name)

    # Content

    def _pages(self, operation, field):
        try:
            for page in self.client.get_paginator(operation).paginate(Bucket=self.name):
                yield from page.get(field, [])
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in ("NoSuchBucket", "NotImplemented"):
                raise

    def all_keys(self):
        return sorted(entry["Key"] for entry in self._pages("list_objects_v2", "Contents"))

    def keys(self):
        """Of content, and what becomes content: without the mark that says whose the bucket is."""
        return [key for key in self.all_keys() if key.rpartition("/")[2] != MARK]

    def get(self, key):
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def put(self, key, data):
        return self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def uploads(self):
        """(key, id) of the multipart uploads that were begun and are not done."""
        listed = self._pages("list_multipart_uploads", "Uploads")
        return sorted((entry["Key"], entry["UploadId"]) for entry in listed)

    def remove(self):
        """With all that is in it; quietly, when a test has removed it. A request of a registry that was killed may
        still be carried out."""
        until(self._is_removed)

    def _is_removed(self):
        self._empty()
        try:
            self.client.delete_bucket(Bucket=self.name)
        except self.client.exceptions.NoSuchBucket:
            pass
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "BucketNotEmpty":
                raise
            return False
        return True

    def _empty(self):
        for key, upload_id in self.uploads():
            self.client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload_id)
        for field in ("Versions", "DeleteMarkers"):
            for entry in list(self._pages("list_object_versions", field)):
                version = {"VersionId": entry["VersionId"]}
                self.client.delete_object(Bucket=self.name, Key=entry["Key"], **version)
        for key in self.all_keys():
            self.client.delete_object(Bucket=self.name, Key=key)
