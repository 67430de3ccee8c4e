"""Several registries over one PostgreSQL, one bucket and one Redis, to be measured as one server
(scripts/bench --replicas), and one with files and SQLite beside them."""

import sys
import time
from contextlib import contextmanager
from pathlib import Path

from on_s3 import Place, S3Registry
from servers import Registry

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

from postgres_proxy import PostgresProxy  # noqa: E402  (the path is set one line above)
from postgres_servers import Postgres  # noqa: E402
from redis_servers import Redis  # noqa: E402

COUNT = 3


class DurablePostgres(Postgres):
    """As it is used: a COMMIT is on the disk."""

    more = {"fsync": "on", "shared_buffers": "64MB"}


class Places:
    """What they share."""

    def __init__(self, s3_server, directory):
        base = Path(directory)
        base.chmod(0o711)  # PostgreSQL is run by another user
        self.bucket_place = Place(s3_server, directory)
        self.postgres = DurablePostgres(base / "database" / "postgresql")
        self.redis = Redis(base / "redis")
        self.numbers = iter(range(1000))
        self.line = None  # before the database, while statements are counted

    def start(self):
        for one in (self.bucket_place, self.postgres, self.redis):
            one.start()
        self.version = self.postgres.sql("SHOW server_version").split()[0]
        return self

    def stop(self):
        self.bucket_place.stop()
        for one in (self.postgres, self.redis):
            one.remove()

    def text(self):
        return f"{self.bucket_place.text()}; metadata in PostgreSQL {self.version}, with fsync"

    def new_database(self):
        return self.postgres.make_database(f"bench{next(self.numbers)}")

    @contextmanager
    def counted(self):
        """Registries that start meanwhile reach the database by way of a proxy, which keeps statements."""
        with PostgresProxy(self.postgres.port) as self.line:
            try:
                yield self.line
            finally:
                self.line = None


class Replica(S3Registry):
    """One of them."""

    def __init__(self, base, program, places, number):
        self.name = f"registry-{number + 1}"
        super().__init__(base, program, places.bucket_place)
        self.places = places
        self.database = None

    def command(self):
        url = self.places.line.url(self.database) if self.places.line else self.database
        config = {
            "http": {"listen": [self.address]},
            "auth": {"mode": "none"},
            "storage": {
                **self.bucket.section(),
                "filesystem": {"root": self.content},
                "cache": self.places.redis.section(),
            },
            "metadata": {"driver": "postgresql", "url": url, "postgresql": {"connections": 20}},
            "log": {"level": "error", "access": False},
        }
        return [self.program, "serve", "--config", self.write_json("config.yaml", config)]


class Replicas:
    """All of them, as a server. Who wants one of them takes `each`."""

    name = "registry"
    can_push = True
    credentials = {}

    def __init__(self, base, program, places):
        self.program = program
        self.place = places
        self.each = [Replica(base, program, places, n) for n in range(COUNT)]

    @property
    def host(self):
        return self.each[0].host

    @property
    def port(self):
        return self.each[0].port

    @property
    def address(self):
        return self.each[0].address

    def start(self):
        database = self.place.new_database()
        bucket = self.place.bucket_place.bucket().create()
        begin = time.monotonic()
        for replica in self.each:
            replica.database, replica.bucket = database, bucket
            replica.start()
        return time.monotonic() - begin

    def stop(self):
        for replica in self.each:
            replica.stop()

    def fresh(self):
        self.stop()
        bucket = self.each[0].bucket
        for replica in self.each:
            replica.bucket = None
            replica.fresh()
        if bucket:
            bucket.remove()

    def pids(self):
        return [pid for replica in self.each for pid in replica.pids()]


class SqliteRegistry(Registry):
    """One, with files and SQLite."""

    name = "registry-sqlite"

    def __init__(self, base, program):
        super().__init__(base, program)
        self.each = [self]
