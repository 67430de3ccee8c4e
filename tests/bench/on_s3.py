"""Registries that keep their content in S3, the S3 server itself, and the SDK that puts the same
bytes there (scripts/bench --s3)."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from servers import BenchError, Distribution, Registry, Zot

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

from go_programs import PROGRAMS  # noqa: E402  (the path is set one line above)
from s3_buckets import Bucket  # noqa: E402
from s3_proxy import S3Proxy  # noqa: E402
from s3_servers import SERVERS  # noqa: E402

CACHE_GB = 20


class Place:
    """The S3 server that all of them use; each has a bucket of its own on it."""

    def __init__(self, kind, directory):
        more = {"objectstore": "bluestore"} if kind == "ceph" else {}
        self.server = SERVERS[kind](Path(directory) / kind, **more)
        self.proxy = None

    def start(self):
        self.server.start()
        return self

    def stop(self):
        self.server.remove()

    def text(self):
        """Its name and version."""
        known = PROGRAMS.get(self.server.name)
        if known:
            return f"{self.server.name} {known.version}"
        return subprocess.run(["radosgw", "--version"], capture_output=True, text=True).stdout.strip()

    def bucket(self):
        description = self.server.description()
        return Bucket(description, self.proxy.endpoint if self.proxy else None)

    @contextmanager
    def counted(self):
        """Buckets that are made meanwhile are reached through a proxy, which counts."""
        with S3Proxy(self.server.endpoint) as self.proxy:
            try:
                yield self.proxy
            finally:
                self.proxy = None


class OnS3:
    """What a Server becomes that has its content in a bucket, and only the rest in `content`."""

    def __init__(self, base, program, place):
        super().__init__(base, program)
        self.place = place
        self.bucket = None

    def start(self):
        if self.bucket is None:
            self.bucket = self.place.bucket().create()
        return super().start()

    def fresh(self):
        super().fresh()
        if self.bucket:
            self.bucket.remove()
            self.bucket = None

    def write_json(self, name, document):
        """JSON is YAML, too."""
        with open(self.path(name), "w") as f:
            json.dump(document, f)
        return self.path(name)


class S3Registry(OnS3, Registry):
    """Ours; with `cache` on, with a disk cache, which cool() empties."""

    def __init__(self, base, program, place):
        super().__init__(base, program, place)
        self.cache = False

    @property
    def cache_path(self):
        return os.path.join(self.content, "cache")

    def command(self):
        storage = self.bucket.section()
        if self.cache:
            storage["cache"] = {"disk_path": self.cache_path, "disk_size_gb": CACHE_GB}
        config = {
            "http": {"listen": [self.address]},
            "auth": {"mode": "none"},
            "storage": storage,
            "metadata": {"sqlite": {"path": os.path.join(self.content, "registry.db")}},
            "log": {"level": "error", "access": False},
        }
        return [self.program, "serve", "--config", self.write_json("config.yaml", config)]

    def cool(self):
        """Nothing that was stored is in memory or in the cache any more."""
        self.stop()
        shutil.rmtree(self.cache_path, ignore_errors=True)
        self.start()


class S3Distribution(OnS3, Distribution):
    """At its defaults, without redirects, so that it does the same work."""

    def command(self):
        s3 = self.bucket.section()["s3"]
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "cache": {"blobdescriptor": "inmemory"},
                "delete": {"enabled": True},
                "redirect": {"disable": True},
                "s3": {
                    "bucket": s3["bucket"],
                    "region": s3["region"],
                    "regionendpoint": s3["endpoint"],
                    "forcepathstyle": True,
                    "secure": False,
                    "accesskey": s3["access_key"],
                    "secretkey": s3["secret_key"],
                },
            },
            "http": {"addr": self.address, "secret": "benchmark"},
        }
        return [self.program, "serve", self.write_json("config.yml", config)]

    def cool(self):
        self.stop()
        self.start()


class S3Zot(OnS3, Zot):
    """Without deduplication, which takes another database with S3."""

    def command(self):
        s3 = self.bucket.section()["s3"]
        config = {
            "distSpecVersion": "1.1.1",
            "storage": {
                "rootDirectory": self.content,
                "dedupe": False,
                "gc": False,
                "remoteCache": False,
                "storageDriver": {
                    "name": "s3",
                    "rootdirectory": "/zot",
                    "bucket": s3["bucket"],
                    "region": s3["region"],
                    "regionendpoint": s3["endpoint"],
                    "forcepathstyle": True,
                    "secure": False,
                    "skipverify": False,
                    "accesskey": s3["access_key"],
                    "secretkey": s3["secret_key"],
                },
            },
            "http": {"address": self.host, "port": str(self.port)},
            "log": {"level": "error"},
        }
        return [self.program, "serve", self.write_json("config.json", config)]

    def cool(self):
        self.stop()
        self.start()


class FilesRegistry(Registry):
    """Ours, with files, to stand beside it."""

    name = "registry-files"

    def cool(self):
        self.stop()
        self.start()


class Sdk:
    """boto3, putting objects as parts that are sent in parallel, as it does by itself."""

    name = "sdk"

    def __init__(self, place):
        self.place = place

    def put(self, objects, size):
        """MB/s of so many objects at once."""
        bucket = self.place.bucket().create()
        try:
            return self._put(bucket, objects, size)
        finally:
            bucket.remove()

    def _put(self, bucket, objects, size):
        script = Path(__file__).with_name("sdk_put.py")
        asked = {**bucket.section()["s3"], "objects": objects, "size": size}
        done = subprocess.run(
            ["/usr/bin/python3", "-B", str(script)],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise BenchError(f"sdk_put.py: {done.stderr[-2000:]}")
        return objects * size / json.loads(done.stdout)["seconds"] / 1e6
