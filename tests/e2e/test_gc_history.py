"""Clients at work while collection runs all the time, without a grace, and registries are killed at random: what was
acknowledged is there, what nothing needs is gone, and a deep check finds nothing."""

import json
import os
import random
import shutil
import subprocess
import threading
import time

import pytest

from below import files_below
from content import command
from gc_crowd import SHARED, Crowd, Wrong
from helpers import Client, repositories_on_disk
from s3_proxy import INTERNAL_ERROR, SLOW_DOWN
from server import AT_ONCE, NotReady
from waiting import until

SHORT, LONG = 4, 120  # disturbances
STEP = 60  # operations between two of them
NOW = ("--older-than", "0s")
GRACES = ["0s", "0s", "200ms"]  # with one, things are revived as well
CONFIG = {**AT_ONCE, "maintenance": {"interval": "1s"}}


@pytest.fixture(params=[SHORT, pytest.param(LONG, marks=pytest.mark.long)])
def rounds(request):
    """GC_HISTORY_SECONDS=3600 makes it go on for so long, whatever it was to be."""
    seconds = float(os.environ.get("GC_HISTORY_SECONDS", 0))
    end = time.monotonic() + seconds

    def each():
        n = 0
        while time.monotonic() < end if seconds else n < request.param:
            yield n
            n += 1

    return each


@pytest.fixture
def seed():
    chosen = os.environ.get("E2E_SEED") or os.urandom(4).hex()
    print(f"E2E_SEED={chosen}")
    return chosen


class Collector(threading.Thread):
    """Runs `registry gc --delete` one after the other."""

    def __init__(self, registry, counts, seed):
        super().__init__(daemon=True)
        self.choose = random.Random(f"{seed}/collector")
        self.registry = registry
        self.config_path = None
        self.counts = counts
        self.ending = threading.Event()
        self.process = None

    def run(self):
        while not self.ending.is_set():
            grace = self.choose.choice(GRACES)
            words = [self.registry.binary, "gc", "--delete", "--older-than", grace]
            words += self.choose.choice([[], ["--repo", SHARED[0]], ["--repo", SHARED[1]]])
            words += ["--config", self.config_path]
            self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.counts.add(f"gc commands that ended with {self.process.wait()}")

    def kill(self):
        if self.process:
            self.process.kill()

    def __enter__(self):
        """With a configuration of its own: that of the registry is written at each of its starts."""
        self.registry.write_config()
        self.config_path = shutil.copy(self.registry.config_path, self.registry.work / "collector.yaml")
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(120)
        assert not self.is_alive(), "a gc command hangs"


def start(registry):
    """A command may have its files for a moment."""

    def started():
        try:
            return registry.start()
        except NotReady as error:
            if "in use" not in str(error) and "another" not in str(error):
                raise
            return None

    until(started, timeout=120)


def go_on(crowd, step):
    wanted = crowd.counts["operations"] + step
    until(lambda: crowd.problem() or crowd.counts["operations"] >= wanted, timeout=300)
    if crowd.problem():
        raise crowd.problem()


def collect(registry):
    """The sums of a run; None when no server has taken it up yet."""
    last = command(registry, "gc", "--delete", "--json", *NOW).splitlines()[-1]
    return json.loads(last) if last.startswith("{") else None


def collect_all(registry):
    """Runs until one finds nothing to do."""
    for _ in range(8):
        sums = until(lambda: collect(registry), timeout=120)
        if not any(sums[what][kind] for what in ("condemned", "deleted") for kind in ("blobs", "manifests")):
            return
    raise Wrong(f"collection finds no end: {sums}")


def count_runs(registry, counts):
    for line in command(registry, "gc", "runs", "--json").splitlines():
        run = json.loads(line)
        counts[f"gc runs {run['state']}"] += 1
        for what in ("revived", "deleted"):
            counts[f"blobs {what}"] += run[what]["blobs"]
            counts[f"manifests {what}"] += run[what]["manifests"]


def finish(crowd, registry, url, on_disk):
    """When it is over: all of it is as the actors know it. on_disk(expected): whether the content is that of
    {repository: {digest}} and nothing else."""
    collect_all(registry)
    with Client(url) as client:

        def is_there(made):
            return client.head_manifest(made.repo, made.digest).status_code == 200

        expected = {}
        for actor in crowd.actors:
            actor.clients = [client]
            actor.check()
            for repo, digests in actor.expected(is_there).items():
                expected.setdefault(repo, set()).update(digests)
    until(lambda: on_disk(expected), timeout=60)
    command(registry, "check", "--deep")
    count_runs(registry, crowd.counts)
    print(json.dumps(crowd.counts, indent=1, sort_keys=True))


# ---- files and SQLite


def kill_it(registry, choose, collector):
    registry.kill()
    if choose.random() < 0.3:  # once more while it recovers
        try:
            registry.spawn()
            time.sleep(choose.uniform(0, 0.05))
        finally:
            registry.kill()
    if choose.random() < 0.4:  # a command finds it stopped, and is killed as well
        time.sleep(choose.uniform(0, 0.3))
        collector.kill()
    start(registry)


def test_files_and_sqlite(new_registry, rounds, seed):
    choose = random.Random(seed)
    registry = new_registry(config=CONFIG).start()

    def on_disk(expected):
        found = {}
        for name, directory in repositories_on_disk(registry.root).items():
            found[name] = {path.name for path in files_below(directory / "blobs")}
        return {repo: digests for repo, digests in found.items() if digests} == expected

    with Crowd([registry.url], seed) as crowd, Collector(registry, crowd.counts, seed) as collector:
        for _ in rounds():
            go_on(crowd, choose.randrange(STEP))
            time.sleep(choose.uniform(0, 0.1))
            kill_it(registry, choose, collector)
            crowd.counts.add("kills")
        go_on(crowd, STEP)
    finish(crowd, registry, registry.url, on_disk)


# ---- a bucket, PostgreSQL and Redis, with replicas


def killed(replica, choose):
    replica.kill()


def frozen(replica, choose):
    """For a moment, or until it is taken for gone."""
    replica.registry.freeze()
    time.sleep(choose.choice([0, 0.3, 3]))


def losing_commits(replica, choose):
    replica.database.lose_commits()


def with_a_bucket_in_trouble(replica, choose):
    replica.bucket.fail("*", choose.choice([INTERNAL_ERROR, SLOW_DOWN]), times=choose.randrange(1, 20))


def cut_off(replica, choose):
    replica.cut_off()


DISTURBANCES = [killed, killed, frozen, frozen, losing_commits, with_a_bucket_in_trouble, cut_off]


def test_bucket_and_postgresql_with_replicas(new_replicas, rounds, seed):
    choose = random.Random(seed)
    quick = {"metadata": {"postgresql": {"timeout": "5s"}}}
    replicas = new_replicas(choose.choice([2, 3]), config={**CONFIG, **quick}, s3={"timeout": "5s"})
    apart = new_replicas.new_registry(config=replicas[0].registry.config)  # for commands: never started
    apart.config["metadata"] = {**apart.config["metadata"], **replicas.database.section()}

    def on_disk(expected):
        wanted = {digest for digests in expected.values() for digest in digests}
        keys = [key.removeprefix("blobs/") for key in replicas.bucket.keys() if key.startswith("blobs/")]
        return {key.replace("/", ":") for key in keys} - begun(replicas.database) == wanted - begun(replicas.database)

    with Crowd([r.url for r in replicas], seed, late=True, timeout_s=5) as crowd:
        with Collector(apart, crowd.counts, seed):
            for _ in rounds():
                go_on(crowd, choose.randrange(STEP))
                time.sleep(choose.uniform(0, 0.1))
                disturbance = choose.choice(DISTURBANCES)
                disturbance(choose.choice(replicas), choose)
                crowd.counts.add(f"replicas {disturbance.__name__}")
                time.sleep(choose.uniform(0, 0.5))
                replicas.heal()
            go_on(crowd, STEP)
    finish(crowd, apart, replicas[0].url, on_disk)


def begun(database):
    """Deletions that nobody knows the end of: their content goes when nothing of them can come any more."""
    return set(database.sql("SELECT digest FROM removed WHERE state = 1").split())


# ---- a bucket and a table of DynamoDB, with replicas


DYNAMODB_SHORT, DYNAMODB_STEP = 1, 10  # the emulator takes its time
REMOVED, GONE = "X", 1  # the kind of items, and a state of theirs: content whose deletion has begun


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
@pytest.mark.parametrize("rounds", [DYNAMODB_SHORT, pytest.param(LONG, marks=pytest.mark.long)], indirect=True)
def test_bucket_and_dynamodb_with_replicas(table, bucket, new_registry, rounds, seed):
    choose = random.Random(seed)
    config = {**CONFIG, "metadata": table.section(), "storage": bucket.section(), "replicas": {"lease": "3s"}}
    replicas = [new_registry(config=config).start() for _ in range(2)]
    apart = new_registry(config=config)  # for commands: never started

    def begun_there():
        return {item["digest"] for item in table.items(REMOVED) if item["state"] == GONE}

    def on_disk(expected):
        wanted = {digest for digests in expected.values() for digest in digests}
        keys = [key.removeprefix("blobs/") for key in bucket.keys() if key.startswith("blobs/")]
        begun = begun_there()
        return {key.replace("/", ":") for key in keys} - begun == wanted - begun

    with Crowd([r.url for r in replicas], seed, late=True, timeout_s=10) as crowd:
        with Collector(apart, crowd.counts, seed):
            for _ in rounds():
                go_on(crowd, choose.randrange(DYNAMODB_STEP))
                replica = choose.choice(replicas)
                replica.kill()
                time.sleep(choose.choice([0, 0.3, 4]))  # within its lease, or behind it
                replica.start()
                crowd.counts.add("kills")
            go_on(crowd, DYNAMODB_STEP)
    finish(crowd, apart, replicas[0].url, on_disk)
