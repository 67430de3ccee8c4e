"""What is measured. A group starts its servers, measures them in turn (A, B, C, A, B, C ...), and
yields rows; a row holds every value of every server."""

import gc
import os
import random
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field

import seed
from engines import ENGINES
from programs import Missing
from seed import Client
from servers import BenchError
from tools import Background, Line, MemoryPeak, Processor, curl, memory_mib, wrk

MIB = 1 << 20
MANIFEST_PATH = f"/v2/{seed.REPOSITORY}/manifests/latest"

OURS, NGINX, YARDSTICK = "registry", "nginx", "yardstick"
ZOT, DISTRIBUTION, DOCKER = "zot", "distribution", "docker-registry"
PEERS = (ZOT, DISTRIBUTION, DOCKER)
FILES, SDK = "registry-files", "sdk"  # beside content in S3: ours with files, boto3 by itself
ANALYZER = "dive"  # beside analyses of images
COSIGN = "cosign"  # beside our verification of signatures
SIGNED = "registry-signed"  # ours, with rules of signatures
NOTIFYING = "registry-notifying"  # ours, with a webhook
POLICED = "registry-policed"  # ours, with a pull policy
SCANNING = "registry-scanning"  # ours, with a scanner
TRIVY = "trivy"  # that scanner, run by hand
UNTOLD = "registry-untold"  # ours, without events of pushes
SQLITE = "registry-sqlite"  # beside several replicas: one, with files and SQLite
TITLES = {
    OURS: "CyberDock",
    ZOT: "zot",
    DISTRIBUTION: "distribution 3",
    DOCKER: "docker-registry",
    NGINX: "nginx",
    YARDSTICK: "yardstick",
    POLICED: "CyberDock with a policy",
    NOTIFYING: "CyberDock with a webhook",
    SCANNING: "CyberDock with scans",
    TRIVY: "Trivy by hand",
    UNTOLD: "CyberDock without events",
    FILES: "CyberDock with files",
    SQLITE: "one with SQLite",
    SDK: "boto3",
    ANALYZER: "dive",
    COSIGN: "cosign verify",
}
GUARDED = "registry-guarded"  # ours, with authentication on


@dataclass
class Goal:
    """registry's median, divided by the median of `against` (None: itself; of several, the best) or
    by its own median in the row `beside`, is at least or at most `bound`."""

    bound: float
    against: str | tuple | None = None
    at_most: bool = False
    unit: str = ""
    beside: "Row | None" = None

    def text(self):
        sign = "≤" if self.at_most else "≥"
        if self.beside:
            return f"{sign} {self.bound:g} × the row above"
        if isinstance(self.against, tuple):
            return f"{sign} {self.bound:.3g} × the best peer"
        if self.against:
            return f"{sign} {self.bound:g} × {self.against}"
        return f"{sign} {self.bound:g} {self.unit}".strip()

    def measured(self, row):
        ours, theirs = row.median(OURS), self.theirs(row)
        return None if ours is None or not theirs else ours / theirs

    def theirs(self, row):
        if self.beside:
            return self.beside.median(OURS)
        if not self.against:
            return 1
        names = self.against if isinstance(self.against, tuple) else (self.against,)
        medians = [row.median(name) for name in names if row.values.get(name)]
        return (min if self.at_most else max)(medians, default=None)

    def met(self, row):
        value = self.measured(row)
        if value is None:
            return None
        return value <= self.bound if self.at_most else value >= self.bound


@dataclass
class Row:
    title: str
    unit: str
    goals: list = field(default_factory=list)
    values: dict = field(default_factory=dict)
    note: str = ""

    def add(self, name, value):
        self.values.setdefault(name, []).append(value)

    def median(self, name):
        return statistics.median(self.values[name]) if self.values.get(name) else None


class Bench:
    """The options, and what the groups share."""

    def __init__(self, options, servers, clients, directory, place=None):
        self.options = options
        self.servers = servers
        self.place = place  # the S3 server, with --s3
        self.clients = clients
        self.directory = directory

    def some(self, *names):
        return [self.servers[name] for name in names if name in self.servers]

    def pick(self, normal, quick):
        return quick if self.options.quick else normal

    def in_turn(self, title, servers, measure, runs=None):
        """measure(server, run) for each server in each run."""
        for run in range(runs or self.options.runs):
            for server in servers:
                print(f"{title}: run {run + 1}, {server.name}", file=sys.stderr, flush=True)
                measure(server, run)

    def settle(self):
        """What earlier measurements left to write is written."""
        os.sync()
        gc.collect()


class Running:
    """Servers, started; stopped and emptied at the end."""

    def __init__(self, servers, prepare=None):
        self.servers = servers
        self.prepare = prepare

    def __enter__(self):
        try:
            for server in self.servers:
                server.start()
                if self.prepare:
                    self.prepare(server)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.fresh()


def manifests(bench):
    """manifest GET by tag"""
    servers = bench.some(OURS, *PEERS, NGINX)
    seconds = bench.pick(4, 1)
    rows = []
    with Running(servers, seed.seed_image):
        for server in servers:
            wrk(server, MANIFEST_PATH, 64, 1)
        for connections in (64, 512):
            where = f"manifest GET by tag, {connections} connections"
            goals = [Goal(30, DOCKER), Goal(1.0, NGINX)]
            rate = Row(where, "requests/s", goals)
            p99 = Row(f"{where}, p99", "ms", [Goal(1.0, NGINX, at_most=True)])

            def measure(server, _run):
                per_second, tail_ms = wrk(server, MANIFEST_PATH, connections, seconds)
                rate.add(server.name, per_second)
                p99.add(server.name, tail_ms)

            bench.in_turn(where, servers, measure)
            rows += [rate, p99]
    return rows


def access_log(bench):
    """manifest GET with the access log on"""
    servers = bench.some(OURS, NGINX)
    where = "manifest GET by tag, 64 connections, access log on"
    rate = Row(where, "requests/s")
    for server in servers:
        server.access_log = True
    try:
        with Running(servers, seed.seed_image):

            def measure(server, _run):
                rate.add(server.name, wrk(server, MANIFEST_PATH, 64, bench.pick(4, 1))[0])

            bench.in_turn(where, servers, measure)
    finally:
        for server in servers:
            server.access_log = False
            for name in ("access.log", "registry.log"):
                if os.path.exists(server.path(name)):
                    os.unlink(server.path(name))
    return [rate]


def signed_in(bench):
    """manifest GET with a password or a token"""
    servers = bench.some(OURS, *PEERS)
    rows = []
    for mode, seconds, what in (
        ("password", bench.pick(20, 10), "with a password (htpasswd, bcrypt of cost 10)"),
        ("token", bench.pick(4, 1), "with a bearer token"),
    ):
        where = f"manifest GET by tag, 64 connections, {what}"
        rate = Row(where, "requests/s", [Goal(10, PEERS)])
        p99 = Row(f"{where}, p99", "ms")

        def measure(server, _run):
            per_second, tail_ms = wrk(server, MANIFEST_PATH, 64, seconds)
            rate.add(server.name, per_second)
            p99.add(server.name, tail_ms)

        for server in servers:
            server.sign_in = mode
        try:
            with Running(servers, seed.seed_image):
                for server in servers:
                    wrk(server, MANIFEST_PATH, 64, 1)
                bench.in_turn(where, servers, measure)
        finally:
            for server in servers:
                server.sign_in = None
        rows += [rate, p99]
    return rows


def bearer(bench):
    """pulls without and with a bearer token"""
    servers = bench.some(OURS, GUARDED)
    blob = BigBlob(bench)
    seconds = bench.pick(4, 1)

    def rate(server):
        return wrk(server, MANIFEST_PATH, 64, seconds)[0]

    def speed(server):
        return bench.clients.pull(server, blob.url, 8, 4, blob.size)

    def prepare(server):
        seed.seed_image(server)
        blob.seed(server)

    rows = []
    with Running(servers, prepare):
        for what, unit, measure in (
            ("manifest GET by tag, 64 connections", "requests/s", rate),
            (f"{blob.title} blob GET, 8 at once", "MB/s", speed),
        ):
            without = Row(f"{what}, authentication off", unit)
            token = Row(f"{what}, with a bearer token", unit, [Goal(0.9, beside=without)])
            row_of = {OURS: without, GUARDED: token}
            for server in servers:
                measure(server)
            bench.in_turn(what, servers, lambda s, _: row_of[s.name].add(OURS, measure(s)))
            rows += [without, token]
    os.unlink(blob.path)
    return rows


class BigBlob:
    """256 MiB in a file."""

    def __init__(self, bench):
        self.path = os.path.join(bench.directory, "blob")
        self.size = bench.pick(256, 64) * MIB
        body = random.Random(1).randbytes(MIB) * (self.size // MIB)
        self.digest = seed.digest(body)
        self.url = seed.blob_path(self.digest)
        self.title = f"{self.size // MIB} MiB"
        seed.write_file(self.path, body)

    def seed(self, server):
        seed.seed_blob(server, self.path, self.digest)


def blobs(bench):
    """blob GET"""
    servers = bench.some(OURS, *PEERS, NGINX)
    blob = BigBlob(bench)
    rows = []

    def through(get, title, goals, processor_goals):
        row = Row(title, "MB/s", goals)
        processor = Row(f"{title}, the server's processor", "s/GB", processor_goals)

        def measure(server, _run):
            with Processor(server) as spent:
                speed, n_bytes = get(server)
            row.add(server.name, speed)
            processor.add(server.name, spent.seconds / n_bytes * 1e9)

        bench.in_turn(title, servers, measure)
        rows.extend([row, processor])

    def by_curl(server):
        return curl(server, blob.url, 8, blob.size), 8 * blob.size

    def by_pull(connections, requests):
        def get(server):
            speed = bench.clients.pull(server, blob.url, connections, requests, blob.size)
            return speed, connections * requests * blob.size

        return get

    with Running(servers, blob.seed):
        for server in servers:
            bench.clients.pull(server, blob.url, 1, 2, blob.size)
        title = f"{blob.title} blob GET"
        through(by_curl, f"{title}, curl", [Goal(1.1, PEERS)], [Goal(1 / 3, PEERS, at_most=True)])
        for connections, requests, bound in ((1, 16, 1.0), (8, 4, 1.0), (100, 1, 1.2)):
            get = by_pull(connections, requests)
            through(get, f"{title}, {connections} at once", [Goal(bound, NGINX)], [])
    os.unlink(blob.path)
    return rows


def engines(bench):
    """images through docker, containerd and skopeo"""
    servers = bench.some(OURS, *PEERS)
    size = bench.pick(256, 64) * MIB
    images = {
        f"one layer of {size // MIB} MiB": seed.LayeredImage(bench.directory, "one", 1, size),
        f"8 layers of {size // MIB // 8} MiB": seed.LayeredImage(bench.directory, "eight", 8, size // 8),
    }
    rows = []

    def prepare(server):
        for image in images.values():
            image.seed(server)

    with Running(servers, prepare), StartedEngines(bench) as started:
        for engine in started:
            for what, image in images.items():
                rows += engine_pulls(bench, engine, servers, f"{engine.title}, {what}", image)
    for image in images.values():
        image.remove()
    return rows


class StartedEngines:
    """Those that this machine has; what is missing is said."""

    def __init__(self, bench):
        self.bench = bench

    def __enter__(self):
        self.started = []
        for kind in ENGINES:
            directory = os.path.join(self.bench.directory, kind.__name__.lower())
            os.makedirs(directory)
            try:
                engine = kind(directory)
                engine.start()
                self.started.append(engine)
            except (Missing, BenchError) as error:
                print(f"{kind.title} was left out: {error}", file=sys.stderr, flush=True)
        return self.started

    def __exit__(self, *_):
        for engine in self.started:
            engine.stop()


def engine_pulls(bench, engine, servers, title, image):
    row = Row(title, "s", [Goal(1.0, PEERS, at_most=True)])
    processor = Row(f"{title}, the server's processor", "s/GB")

    def measure(server, run):
        name = f"{server.address}/{seed.REPOSITORY}:{image.tag}"
        bench.settle()
        with Processor(server) as spent:
            begin = time.monotonic()
            engine.pull(name)
            seconds = time.monotonic() - begin
        engine.remove(name)
        if run > 0:  # the first one warms up
            row.add(server.name, seconds)
            processor.add(server.name, spent.seconds / image.size * 1e9)

    bench.in_turn(title, servers, measure, runs=bench.options.runs + 1)
    return [row, processor]


DELAY_MS = 10  # each way


def line(bench):
    """pulls and pushes over a line with a delay"""
    blob = BigBlob(bench)
    rows = []
    with Line(bench.clients.delay_path, DELAY_MS) as far:
        servers = bench.some(OURS, *PEERS, NGINX)
        for server in servers:
            server.host = Line.address
        try:
            with far.at_server(), Running(servers, blob.seed):
                for at_once in (1, 8):
                    rows += [line_pulls(bench, far, servers, blob, at_once)]
                servers = bench.some(OURS, *PEERS)
                for at_once in (1, 8):
                    rows += [line_pushes(bench, far, servers, at_once)]
        finally:
            for server in bench.some(OURS, *PEERS, NGINX):
                server.host = "127.0.0.1"
    os.unlink(blob.path)
    return rows


def line_pulls(bench, far, servers, blob, at_once):
    row = Row(f"{blob.title} blob GET, {at_once} at once, 20 ms away", "MB/s", [Goal(1.0, PEERS)])

    def measure(server, _run):
        with far.at_client():
            speed = bench.clients.pull(server, blob.url, at_once, 1, blob.size)
        row.add(server.name, speed)

    bench.in_turn(row.title, servers, measure)
    return row


def line_pushes(bench, far, servers, at_once):
    size = bench.pick(128, 32) * MIB
    what = f"{size // MIB} MiB push, {PUSH_MODES['patch']}, {at_once} at once, 20 ms away"
    row = Row(what, "MB/s", [Goal(1.0, PEERS)])

    def measure(server, _run):
        with far.at_client():
            row.add(server.name, bench.clients.push(server, "patch", at_once, 1, size))
        bench.settle()

    bench.in_turn(row.title, servers, measure)
    return row


PUSH_MODES = {
    "patch": "POST, PATCH, PUT",
    "chunked": "POST, chunked PATCH, PUT as the docker engine does",
    "put": "POST, PUT",
}


def pushes(bench):
    """one push at a time"""
    servers = bench.some(OURS, *PEERS, YARDSTICK)
    size = bench.pick(256, 64) * MIB
    rows = []
    goals = [Goal(2.3, DOCKER), Goal(1.0, YARDSTICK)]
    for mode, what in PUSH_MODES.items():
        row = Row(f"{size // MIB} MiB push, durable; {what}", "MB/s", goals)
        processor = Row(f"{row.title}, the server's processor", "s/GB")
        measure = push_once(bench, row, processor, mode, size)
        bench.in_turn(row.title, servers, measure)
        rows += [row, processor]
    servers = bench.some(OURS, YARDSTICK)
    for server in servers:
        server.fsync = False
    row = Row(f"{size // MIB} MiB push, fsync off; {PUSH_MODES['patch']}", "MB/s")
    bench.in_turn(row.title, servers, push_once(bench, row, None, "patch", size))
    for server in servers:
        server.fsync = True
    return rows + [row]


def push_once(bench, row, processor, mode, size):
    """One push into an empty server, after one that does not count."""

    def measure(server, _run):
        of_server = "raw" if server.name == YARDSTICK else mode
        with Running([server]):
            bench.clients.push(server, of_server, 1, 1, size)
            bench.settle()
            with Processor(server) as spent:
                row.add(server.name, bench.clients.push(server, of_server, 1, 1, size))
            if processor:
                processor.add(server.name, spent.seconds / size * 1e9)
        bench.settle()

    return measure


def tail(bench):
    """manifest GET beside pushes"""
    servers = bench.some(OURS, *PEERS)
    size = bench.pick(256, 64) * MIB
    seconds = bench.pick(6, 2)
    what = f"while four {size // MIB} MiB pushes run"
    p99 = Row(f"manifest GET p99 {what}", "ms", [Goal(10, at_most=True, unit="ms")])
    rate = Row(f"manifest GETs {what}, 8 connections", "requests/s")
    speed = Row("those four pushes together", "MB/s")

    def measure(server, _run):
        with Running([server], seed.seed_image):
            bench.settle()
            push = bench.clients.push_command(server, "patch", 4, 1000, size, f"-T{seconds + 2}")
            with Background(push) as background:
                time.sleep(1.5)  # it fills and hashes its data first
                per_second, tail_ms = wrk(server, MANIFEST_PATH, 8, seconds, threads=1)
                result = background.result()
        bench.settle()
        rate.add(server.name, per_second)
        p99.add(server.name, tail_ms)
        speed.add(server.name, result["bytes"] / result["seconds"] / 1e6)

    bench.in_turn(p99.title, servers, measure)
    return [p99, rate, speed]


SMALL_BLOB = random.Random(4).randbytes(4096)
SLOW_RATE = 2048  # bytes a second


def slow_uploads(bench):
    """small pulls and pushes beside thousands of slow uploads"""
    servers = bench.some(OURS, *PEERS)
    count = bench.pick(5000, 500)
    beside = f"beside {count:,} uploads at 2 KiB/s"
    pulls = [Row("blob of 4 KiB, p99 of GETs, 4 connections", "ms")]
    pulls += [Row(f"the same, {beside}", "ms", [Goal(2, at_most=True, beside=pulls[0])])]
    pushes = [Row("push of 1 MiB, p99, one after the other", "ms")]
    pushes += [Row(f"the same, {beside}", "ms", [Goal(2, at_most=True, beside=pushes[0])])]
    memory = Row(f"resident memory over idle, {beside}", "MiB", [Goal(64, at_most=True, unit="MiB")])
    processor = Row(f"processors taken by those {count:,} alone", "cores")

    def both(server, n):
        path = seed.blob_path(seed.digest(SMALL_BLOB))
        pulls[n].add(server.name, wrk(server, path, 4, bench.pick(8, 2), threads=1)[1])
        pushes[n].add(server.name, push_tail(server, bench.pick(200, 50)))

    def prepare(server):
        with Client(server) as client:
            client.push_blob(seed.REPOSITORY, SMALL_BLOB, seed.digest(SMALL_BLOB))

    def measure(server, _run):
        with Running([server], prepare):
            push_tail(server, 20)
            bench.settle()
            idle = memory_mib(server, "VmRSS")
            both(server, 0)
            with Background(bench.clients.trickle_command(server, count, SLOW_RATE)) as background:
                background.line()
                time.sleep(8)  # until the first have sent as much as one waits for
                with Processor(server) as spent:
                    time.sleep(8)
                processor.add(server.name, spent.seconds / 8)
                with MemoryPeak(server) as peak:
                    both(server, 1)
                rate = background.result()["bytes_per_second"]
                if rate < 0.9 * SLOW_RATE:
                    raise BenchError(f"{server.name}: {rate} bytes a second and upload")
            memory.add(server.name, peak.resident - idle)
        bench.settle()

    bench.in_turn(f"small pulls and pushes {beside}", servers, measure)
    return [*pulls, *pushes, memory, processor]


def push_tail(server, count):
    """The 99th percentile, in ms, of so many pushes of 1 MiB, each of new content."""
    bodies = random.Random(time.monotonic_ns())
    times = []
    with Client(server) as client:
        for _ in range(count):
            body = bodies.randbytes(MIB)
            digest = seed.digest(body)
            begin = time.monotonic()
            client.push_blob("pushed", body, digest)
            times.append((time.monotonic() - begin) * 1000)
    return statistics.quantiles(times, n=100)[98]


class MemoryRows:
    """Resident memory, and what of it is the process's own, of one situation."""

    def __init__(self, what, bound=None):
        goals = [Goal(bound, at_most=True, unit="MiB")] if bound else []
        self.resident = Row(f"resident memory, {what}", "MiB", goals)
        self.anonymous = Row(f"of it anonymous, {what}", "MiB")

    def now(self, server):
        self.resident.add(server.name, memory_mib(server, "VmRSS"))
        self.anonymous.add(server.name, memory_mib(server, "RssAnon"))

    def peak(self, server, peak):
        self.resident.add(server.name, peak.resident)
        self.anonymous.add(server.name, peak.anonymous)

    def rows(self):
        return [self.resident, self.anonymous]


def memory_idle(bench):
    """resident memory, idle"""
    idle = MemoryRows("idle", 10)
    count = bench.pick(10000, 1000)
    connected = MemoryRows(f"{count} idle connections", 32)

    def measure(server, _run):
        with Running([server], seed.seed_image):
            server.stop()
            server.start()
            time.sleep(0.5)
            idle.now(server)
            command = bench.clients.pull_command(server, "/v2/", count, 1, None, "-k")
            with Background(command) as background:
                background.line()  # each has had its answer
                time.sleep(0.5)
                connected.now(server)

    bench.in_turn(idle.resident.title, bench.some(OURS, *PEERS, NGINX), measure)
    return idle.rows() + connected.rows()


def memory_pull(bench):
    """resident memory, pulls"""
    blob = BigBlob(bench)
    rows = MemoryRows(f"peak of 100 pulls of {blob.title} at once", 32)

    def measure(server, _run):
        with Running([server], blob.seed):
            server.stop()
            server.start()
            with MemoryPeak(server) as peak:
                bench.clients.pull(server, blob.url, 100, 1, blob.size)
            rows.peak(server, peak)

    bench.in_turn(rows.resident.title, bench.some(OURS, *PEERS, NGINX), measure)
    os.unlink(blob.path)
    return rows.rows()


def memory_push(bench):
    """resident memory, uploads"""
    size = bench.pick(32, 8) * MIB
    rows = []
    for count, size in ((100, size), (1000, MIB)):
        what = f"peak of {count:,} uploads of {size // MIB} MiB at once"
        rows += memory_of_uploads(bench, MemoryRows(what, 64), count, size)
    return rows


def memory_of_uploads(bench, rows, count, size):
    def measure(server, _run):
        with Running([server]):
            bench.settle()
            with MemoryPeak(server) as peak:
                bench.clients.push(server, "patch", count, 1, size)
            rows.peak(server, peak)
        bench.settle()

    bench.in_turn(rows.resident.title, bench.some(OURS, *PEERS), measure)
    return rows.rows()


def huge(bench):
    """a blob of 10 GiB (only with --full)"""
    if not bench.options.full:
        return []
    size = 10 << 30
    free = os.statvfs(bench.directory)
    if free.f_bavail * free.f_frsize < 1.3 * size:
        raise BenchError(f"needs 13 GiB of free space in {bench.directory}")
    rows = [MemoryRows("peak of one 10 GiB push"), MemoryRows("peak of one 10 GiB pull")]
    speeds = [
        Row("10 GiB push, durable", "MB/s", note="One run; so are the rows of its memory."),
        Row("10 GiB pull", "MB/s"),
    ]

    def measure(server, _run):
        with Running([server]):
            bench.settle()
            command = bench.clients.push_command(server, "patch", 1, 1, size)
            with MemoryPeak(server) as peak, Background(command) as background:
                result = background.result()
            rows[0].peak(server, peak)
            speeds[0].add(server.name, size / result["busy_seconds"] / 1e6)
            bench.settle()
            with MemoryPeak(server) as peak:
                path = seed.blob_path(result["digest"])
                speeds[1].add(server.name, bench.clients.pull(server, path, 1, 1, size))
            rows[1].peak(server, peak)
        bench.settle()

    bench.in_turn("10 GiB blob", bench.some(OURS, *PEERS), measure, runs=1)
    return speeds + rows[0].rows() + rows[1].rows()


def store(bench):
    """a store of 100,000 manifests: listing, start-up, the database made anew"""
    count = bench.pick(100_000, 5_000)
    listing = Row(
        f"tags list, one page of 1,000 out of {count:,}",
        "ms",
        [Goal(5, at_most=True, unit="ms")],
        note="docker-registry 2.8 knows no pages: it answers with all tags.",
    )
    start = Row(
        f"start-up on a store of {count:,} manifests",
        "ms",
        [Goal(50, at_most=True, unit="ms")],
        note="From exec to the first 200 of /v2/. The peers' tags are of one manifest.",
    )
    anew = Row(
        f"registry reindex of {count:,} manifests, without a database",
        "s",
        [Goal(60, at_most=True, unit="s")],
    )
    servers = bench.some(OURS, *PEERS)
    for server in servers:
        server.fsync = False

    def measure(server, _run):
        listing.add(server.name, list_page(server, count))
        server.stop()
        start.add(server.name, server.start() * 1000)

    def fill(server):
        print(f"seeding {count:,} tags: {server.name}", file=sys.stderr, flush=True)
        if server.name == OURS:
            seed.seed_tags_by_api(server, count)
        else:
            seed.seed_tags_in_layout(server, count)

    with Running(servers, fill):
        for server in servers:
            server.stop()
            server.fsync = True
            server.start()
        bench.settle()
        bench.in_turn(listing.title, servers, measure)
        for server in bench.some(OURS):
            server.stop()
            bench.in_turn(anew.title, [server], lambda ours, _: anew.add(ours.name, reindex(ours, count)))
    return [listing, start, anew]


def reindex(server, count):
    """Seconds that it takes to make the database anew from the files."""
    for name in ("registry.db", "registry.db-wal", "registry.db-shm"):
        if os.path.exists(os.path.join(server.content, name)):
            os.unlink(os.path.join(server.content, name))
    begin = time.monotonic()
    command = [server.program, "reindex", server.path("config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begin
    told = re.search(r"^manifests +(\d+)", done.stdout, re.M)
    if done.returncode or not told or int(told[1]) != count:
        raise BenchError(f"reindex: {done.stdout}{done.stderr}")
    return seconds


def list_page(server, count):
    """Median milliseconds of some pages that begin anywhere."""
    times = []
    numbers = random.Random(0)
    with Client(server) as client:
        for _ in range(50 if server.name == OURS else 3):
            last = seed.tag_name(numbers.randrange(count - 1001))
            path = f"/v2/{seed.TAGS_REPOSITORY}/tags/list?n=1000&last={last}"
            begin = time.monotonic()
            _, body = client.request("GET", path, 200)
            times.append((time.monotonic() - begin) * 1000)
            if server.name == OURS and body.count(b'"v') != 1000:
                raise BenchError(f"{path}: {body[:200]!r}")
    return statistics.median(times)


def binary(bench):
    """size of the stripped binary"""
    row = Row("stripped binary", "MiB", [Goal(2, at_most=True, unit="MiB")])
    for server in bench.some(OURS, *PEERS, NGINX):
        stripped = os.path.join(bench.directory, "stripped")
        subprocess.run(["strip", "-o", stripped, server.program], check=True)
        row.add(server.name, os.path.getsize(stripped) / MIB)
        os.unlink(stripped)
    return [row]


GROUPS = [
    manifests,
    access_log,
    signed_in,
    blobs,
    engines,
    bearer,
    line,
    pushes,
    tail,
    slow_uploads,
    memory_idle,
    memory_pull,
    memory_push,
    huge,
    store,
    binary,
]
