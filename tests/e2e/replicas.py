"""Several `registry serve` over one database, one bucket and one Redis, behind a proxy that gives each request to the
next of them. Each has lines of its own to these, which a test can cut, slow down, or hold.

    replicas = new_replicas()
    with Client(replicas.url) as client:      # through the proxy
        ...
    replicas[1].kill()
"""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import requests
from postgres_databases import Database
from postgres_proxy import STATEMENT, PostgresProxy
from round_robin import RoundRobin
from s3_buckets import Bucket
from s3_proxy import S3Proxy
from server import merged
from tcp_proxy import TcpProxy
from waiting import until

COUNT = 3


class Replica:
    """A registry, and its lines to the database, to the bucket, and to Redis (or None)."""

    def __init__(self, registry, database, bucket, redis):
        self.registry = registry
        self.database = database
        self.bucket = bucket
        self.redis = redis

    @property
    def url(self):
        return self.registry.url

    def cut_off(self):
        """From the database, the bucket, and Redis."""
        for line in self.lines():
            line.leave()

    def lines(self):
        return [line for line in (self.database, self.bucket, self.redis) if line]

    def heal_lines(self):
        for line in self.lines():
            line.clear()
            if not line.thread.is_alive():
                line.come_back()

    def answers_without(self, statement, ask):
        """Does ask() get its 200 while no such statement comes through to the database?"""
        held = self.database.hold(statement, STATEMENT)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(ask)
            try:
                until(lambda: answer.done() or held.reached.is_set(), timeout=60)
                return answer.done() and answer.result().status_code == 200
            finally:
                held.release()
                self.database.clear()

    def let_go(self):
        """It goes on when it was paused, and its lines are whole."""
        if self.registry.running():
            self.registry.signal(signal.SIGCONT)
        self.heal_lines()

    def kill(self):
        self.registry.kill()

    def start(self):
        self.registry.start()


class Replicas(list):
    """Of Replica; front is the proxy before them, and database and bucket what they share."""

    def __init__(self, made, front, database, bucket):
        super().__init__(made)
        self.front = front
        self.database = database
        self.bucket = bucket

    @property
    def url(self):
        return self.front.url

    @property
    def address(self):
        return self.front.address

    def members(self):
        """How many the database knows of."""
        rows = "SELECT count(*) FROM records WHERE collection = 'replicas' AND key <> 'epoch'"
        return int(self.database.sql(rows))

    def heal(self):
        """All lines are as they should be, who was paused goes on, and who was killed is started; returns when
        all are ready."""
        for replica in self:
            replica.let_go()
            if not replica.registry.running():
                replica.start()
        for replica in self:
            until(lambda: ready(replica.registry), timeout=60)


def ready(registry):
    try:
        return requests.get(registry.url + "/readyz", timeout=5).status_code == 200
    except requests.RequestException:
        return False


class Maker:
    """Makes them; new_registry(config=...) makes one registry. leave() takes their lines away in the end."""

    def __init__(self, new_registry, database, bucket, redis):
        self.new_registry = new_registry
        self.database = database
        self.bucket = bucket
        self.redis = redis
        self.lines = ExitStack()
        self.made = []

    def __call__(self, count=COUNT, config=None, s3=None):
        """config: laid over that of each; s3: over `storage.s3`."""
        made = [self._replica(config or {}, s3 or {}) for _ in range(count)]
        self.made += made
        for replica in made:
            replica.start()
        front = self.lines.enter_context(RoundRobin([r.registry.address for r in made]))
        return Replicas(made, front, self.database, self.bucket)

    def _replica(self, config, s3):
        database = self.lines.enter_context(PostgresProxy(self.database.port))
        bucket = self.lines.enter_context(S3Proxy(self.bucket.endpoint))
        own = {
            "metadata": {**self.database.section(), "url": database.url(self.database.url)},
            "storage": self.bucket.section(endpoint=bucket.endpoint, **s3),
        }
        redis = self._line_to_redis(own["storage"]) if self.redis else None
        return Replica(self.new_registry(config=merged(own, config)), database, bucket, redis)

    def _line_to_redis(self, storage):
        line = self.lines.enter_context(TcpProxy(self.redis["port"]))
        section = self.redis["section"]
        url = section["redis_url"].replace(f":{self.redis['port']}", f":{line.port}")
        storage["cache"] = {**section, "redis_url": url, "redis_prefix": f"cyberdock:{self.database.name}:"}
        return line

    def let_go(self):
        """Who is paused goes on, and lines are whole: whatever a test left, they can end well."""
        for replica in self.made:
            replica.let_go()

    def leave(self):
        self.lines.close()


@contextmanager
def maker(new_registry, servers, redis):
    """A Maker over a database and a bucket of its own, and a Redis or none. Who uses it ends the registries."""
    database = Database(servers("postgresql"))
    bucket = Bucket(servers("minio")).create()
    made = Maker(new_registry, database, bucket, servers("redis") if redis else None)
    try:
        yield made
    finally:
        made.leave()
        bucket.remove()
        database.remove()
