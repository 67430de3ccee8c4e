"""What scripts/bench --replicas measures: three registries over PostgreSQL, S3 and Redis, beside one with
files and SQLite."""

import http.client
import itertools
import os
import statistics
import threading
import time

import seed
from rows import MANIFEST_PATH, OURS, SQLITE, Goal, MemoryRows, Row, Running
from seed import Client
from servers import BenchError
from tools import MANIFEST_TYPE, wrk

PUSHERS = 100
PUSHES_A_MINUTE = 1000
LAYER_BYTES = 4096
WARM = 1000
SETTLE_S = 20


def seed_and_warm(server):
    seed.seed_image(server)
    for one in server.each:
        for _ in range(3):
            get_manifest(one)


def get_manifest(server):
    with Client(server) as client:
        client.request("GET", MANIFEST_PATH, 200, headers={"Accept": MANIFEST_TYPE})


def replicas_manifests(bench):
    """manifest GET by tag, each replica for itself, beside SQLite"""
    servers = bench.some(OURS, SQLITE)
    seconds = bench.pick(4, 1)
    rows = [
        Row(f"manifest GET by tag, 64 connections, replica {n + 1}", "requests/s", [Goal(0.9, SQLITE)])
        for n in range(3)
    ]
    with Running(servers, seed_and_warm):

        def measure(server, _run):
            for row, one in zip(rows, itertools.cycle(server.each) if server.name == SQLITE else server.each):
                row.add(server.name, wrk(one, MANIFEST_PATH, 64, seconds)[0])

        bench.in_turn("manifest GET by tag", servers, measure)
    return rows


def replicas_queries(bench):
    """queries for a manifest that is in memory or in Redis, counted"""
    row = Row(f"queries for {WARM} GETs of a manifest that was asked for before", "queries", [Goal(0, at_most=True)])
    [server] = bench.some(OURS)
    with server.place.counted() as line, Running([server], seed_and_warm), Client(server.each[1]) as client:
        deadline = time.monotonic() + SETTLE_S
        while queries_of(line, client, 20) and time.monotonic() < deadline:
            pass  # they have not got to know each other yet
        row.add(OURS, queries_of(line, client, WARM))
    return [row]


def queries_of(line, client, gets):
    before = len(looked_up(line))
    for _ in range(gets):
        client.request("GET", MANIFEST_PATH, 200, headers={"Accept": MANIFEST_TYPE})
    return len(looked_up(line)) - before


def looked_up(line):
    return [text for text in line.statements if "JOIN tags" in text or "JOIN manifests" in text]


def replicas_first_look(bench):
    """the first look-up of a tag after it was moved on another replica"""
    row = Row("first GET of a tag after a move on another replica, p99", "ms", [Goal(5, at_most=True, unit="ms")])
    median = Row("the same, median", "ms")
    beside = Row("a GET of it that follows no move, p99", "ms")
    moved = Row("the move itself, p99", "ms")
    [server] = bench.some(OURS)
    count = bench.pick(1000, 200)

    def measure(_server, _run):
        with Running([server], seed_and_warm):
            looks, others, moves = first_looks(server, count)
        row.add(OURS, percentile(looks, 0.99) * 1e3)
        median.add(OURS, statistics.median(looks) * 1e3)
        beside.add(OURS, percentile(others, 0.99) * 1e3)
        moved.add(OURS, percentile(moves, 0.99) * 1e3)

    bench.in_turn(row.title, [server], measure)
    return [row, median, beside, moved]


def first_looks(server, count):
    """Seconds of each look, of one after it, and of each move. Each manifest is there before the tag moves to it."""
    looks, others, moves = [], [], []
    bodies = [seed.manifest(seed.LAYERS, n=str(n)) for n in range(2)]
    with Client(server.each[0]) as writer, Client(server.each[1]) as reader:

        def look():
            _, body = reader.request("GET", MANIFEST_PATH, 200, headers={"Accept": MANIFEST_TYPE})
            if body != wanted:
                raise BenchError("a replica has answered with what a tag was before")

        for n in range(count):
            wanted = bodies[n % 2]
            moves.append(timed(lambda: writer.push_manifest(seed.REPOSITORY, "latest", wanted)))
            looks.append(timed(look))
            others.append(timed(look))
    return looks, others, moves


def timed(action):
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Pusher(threading.Thread):
    """A client that pushes small images at moments of its own, whatever the last one took."""

    def __init__(self, server, number, seconds):
        super().__init__(daemon=True)
        self.server = server
        self.number = number
        self.every_s = 60 * PUSHERS / PUSHES_A_MINUTE
        self.end = seconds
        self.took = []
        self.error = None

    def run(self):
        begin = time.monotonic()
        at = self.every_s * self.number / PUSHERS
        try:
            with Client(self.server.each[self.number % len(self.server.each)]) as client:
                while at < self.end:
                    time.sleep(max(0.0, begin + at - time.monotonic()))
                    self.push(client)
                    self.took.append(time.monotonic() - begin - at)
                    at += self.every_s
        except (OSError, BenchError, http.client.HTTPException) as error:
            self.error = error

    def push(self, client):
        repository = f"load/{self.number}"
        layers = [os.urandom(LAYER_BYTES), os.urandom(LAYER_BYTES)]
        for layer in layers:
            client.request("HEAD", f"/v2/{repository}/blobs/{seed.digest(layer)}", 404)
            client.push_blob(repository, layer, seed.digest(layer))
        client.push_manifest(repository, "latest", seed.manifest(layers))


def replicas_pushes(bench):
    """1,000 pushes a minute from 100 clients"""
    seconds = bench.pick(60, 20)
    what = f"{PUSHES_A_MINUTE:,} pushes a minute from {PUSHERS} clients"
    p99 = Row(f"{what}, p99 of a push", "ms", [Goal(2, SQLITE, at_most=True)])
    median = Row(f"{what}, median", "ms")

    def measure(server, _run):
        with Running([server]):
            took = pushes(server, seconds)
        p99.add(server.name, percentile(took, 0.99) * 1e3)
        median.add(server.name, statistics.median(took) * 1e3)
        bench.settle()

    bench.in_turn(what, bench.some(OURS, SQLITE), measure)
    return [p99, median]


def pushes(server, seconds):
    pushers = [Pusher(server, n, seconds) for n in range(PUSHERS)]
    for pusher in pushers:
        pusher.start()
    for pusher in pushers:
        pusher.join()
    for pusher in pushers:
        if pusher.error:
            raise BenchError(f"{server.name}: {pusher.error}")
    return [seconds for pusher in pushers for seconds in pusher.took]


def replicas_memory(bench):
    """resident memory of each replica, idle, with all drivers in use"""
    idle = MemoryRows("idle, with PostgreSQL, S3 and Redis", 24)
    [server] = bench.some(OURS)

    def measure(_server, _run):
        with Running([server], seed_and_warm):
            time.sleep(1)
            for replica in server.each:
                idle.now(As(replica, OURS))

    bench.in_turn(idle.resident.title, [server], measure)
    return idle.rows()


class As:
    """A server under another name: what is measured of a replica is ours."""

    def __init__(self, server, name):
        self.pids, self.log_end, self.name = server.pids, server.log_end, name


GROUPS = [
    replicas_manifests,
    replicas_queries,
    replicas_first_look,
    replicas_pushes,
    replicas_memory,
]
