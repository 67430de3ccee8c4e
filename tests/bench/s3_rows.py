"""What scripts/bench --s3 measures: registries whose content is in S3."""

import json
import os
import time
from urllib.parse import urlsplit

import seed
from on_s3 import Sdk
from rows import DISTRIBUTION, FILES, MIB, OURS, SDK, ZOT, Goal, MemoryRows, Row, Running
from seed import Client
from tools import MANIFEST_TYPE, Background, MemoryPeak, Processor, run

ALL = (OURS, ZOT, DISTRIBUTION)
AT_ONCE = 8
PULLS_AT_ONCE = 100
LAYERS = 10
QUIET_S = 2  # so long no request: what goes on behind an answer is done


def large(bench):
    return bench.pick(1024, 128) * MIB


def title_of(size):
    return f"{size // MIB} MiB" if size % (1024 * MIB) else f"{size // MIB // 1024} GiB"


def s3_push(bench):
    """pushes of a layer, and of eight at once"""
    size = large(bench)
    rows = []
    for mode, what, times in (
        ("put", "digest known before (POST, PUT)", 5),
        ("chunked", "as docker pushes (POST, chunked PATCH, PUT)", 4),
    ):
        goals = [Goal(times, DISTRIBUTION), Goal(0.8, SDK)]
        for at_once, each in ((1, size), (AT_ONCE, size // AT_ONCE)):
            many = f"{at_once} × " if at_once > 1 else ""
            row = Row(f"push of {many}{title_of(each)}; {what}", "MB/s", goals)
            processor = Row(f"{row.title}, the server's processor", "s/GB")
            measure = push_once(bench, row, processor, mode, at_once, each)
            bench.in_turn(row.title, [*bench.some(*ALL), Sdk(bench.place)], measure)
            rows += [row, processor]
    return rows


def push_once(bench, row, processor, mode, at_once, size):
    """One push into an empty bucket, after a small one that does not count."""

    def measure(server, _run):
        if server.name == SDK:
            row.add(SDK, server.put(at_once, size))
        else:
            with Running([server]):
                bench.clients.push(server, mode, 1, 1, MIB)
                bench.settle()
                with Processor(server) as spent:
                    row.add(server.name, bench.clients.push(server, mode, at_once, 1, size))
                processor.add(server.name, spent.seconds / (at_once * size) * 1e9)
        bench.settle()

    return measure


def pushed(bench, server, size):
    """The path of a new blob on that server."""
    command = bench.clients.push_command(server, "put", 1, 1, size)
    with Background(command) as background:
        return seed.blob_path(background.result()["digest"])


class Caching:
    """Ours has its disk cache meanwhile."""

    def __init__(self, servers):
        self.ours = [server for server in servers if server.name == OURS]

    def __enter__(self):
        for server in self.ours:
            server.cache = True

    def __exit__(self, *_):
        for server in self.ours:
            server.cache = False


def s3_cold_pull(bench):
    """pulls of a layer that nobody has in memory or cache"""
    size = large(bench)
    plain = Row(f"cold pull of {title_of(size)}", "MB/s", [Goal(1.5, DISTRIBUTION)])
    cached = Row(f"cold pull of {title_of(size)}, into the disk cache", "MB/s")

    def measured_into(row):
        def measure(server, _run):
            with Running([server]):
                path = pushed(bench, server, size)
                bench.settle()
                server.cool()
                row.add(server.name, bench.clients.pull(server, path, 1, 1, size))

        return measure

    servers = bench.some(*ALL)
    bench.in_turn(plain.title, servers, measured_into(plain))
    ours = bench.some(OURS)
    with Caching(ours):
        bench.in_turn(cached.title, ours, measured_into(cached))
    return [plain, cached]


def s3_warm_pull(bench):
    """pulls of a layer that the disk cache has, beside our store of files"""
    size = large(bench)
    servers = bench.some(OURS, FILES)
    speed = Row(f"warm pull of {title_of(size)}", "MB/s", [Goal(0.9, FILES)])
    many = Row(f"the same, {PULLS_AT_ONCE} at once", "MB/s", [Goal(0.9, FILES)])
    first = Row("the same, p99 of the first byte", "ms", [Goal(20, at_most=True, unit="ms")])

    def measure(server, _run):
        with Running([server]):
            path = pushed(bench, server, size)
            bench.clients.pull(server, path, 1, 1, size)
            bench.settle()
            speed.add(server.name, bench.clients.pull(server, path, 1, 2, size))
            command = bench.clients.pull_command(server, path, PULLS_AT_ONCE, 1, size)
            result = json.loads(run(command))
            many.add(server.name, result["bytes"] / result["seconds"] / 1e6)
            first.add(server.name, result["first_byte_p99_ms"])

    with Caching(servers):
        bench.in_turn(speed.title, servers, measure)
    return [speed, many, first]


def s3_many_cold_pulls(bench):
    """a hundred cold pulls of one layer at once"""
    size = bench.pick(256, 32) * MIB
    servers = bench.some(*ALL)
    what = f"{PULLS_AT_ONCE} cold pulls of {title_of(size)} at once"
    speed = Row(what, "MB/s", [Goal(1.5, DISTRIBUTION)])
    fetched = Row(f"{what}, fetched from S3", "layers", [Goal(1.0, at_most=True, unit="layers")])

    def pull(server):
        path = pushed(bench, server, size)
        bench.settle()
        server.cool()
        return lambda: bench.clients.pull(server, path, PULLS_AT_ONCE, 1, size)

    def measure(server, _run):
        with Running([server]):
            speed.add(server.name, pull(server)())

    def count(server, _run):
        with bench.place.counted() as proxy, Running([server]):
            pulls = pull(server)
            proxy.forget()
            pulls()
            fetched.add(server.name, proxy.received_bytes("get") / size)

    with Caching(servers):
        bench.in_turn(speed.title, servers, measure)
        bench.in_turn(fetched.title, servers, count, runs=1)
    return [speed, fetched]


# Requests to S3


def image_layers():
    return [os.urandom(MIB) for _ in range(LAYERS)]


def push_as_docker(client, layers):
    """With a look before each blob; the config is a blob of its own."""
    image = json.loads(seed.manifest(layers))
    config = os.urandom(1000)
    image["config"].update(digest=seed.digest(config), size=len(config))
    for blob in [*layers, config]:
        digest = seed.digest(blob)
        client.request("HEAD", f"/v2/{seed.REPOSITORY}/blobs/{digest}", 404)
        answer, _ = client.request("POST", f"/v2/{seed.REPOSITORY}/blobs/uploads/", 202, b"")
        answer, _ = client.request("PATCH", target_of(answer), 202, blob)
        at = target_of(answer)
        client.request("PUT", f"{at}{'&' if '?' in at else '?'}digest={digest}", 201, b"")
    body = json.dumps(image).encode()
    client.request("HEAD", f"/v2/{seed.REPOSITORY}/manifests/latest", 404)
    client.push_manifest(seed.REPOSITORY, "latest", body)


def target_of(answer):
    at = urlsplit(answer.headers["Location"])
    return f"{at.path}?{at.query}" if at.query else at.path


def get_manifest(client):
    target = f"/v2/{seed.REPOSITORY}/manifests/latest"
    _, body = client.request("GET", target, 200, headers={"Accept": MANIFEST_TYPE})
    return json.loads(body)


def pull_as_docker(client):
    image = get_manifest(client)
    for blob in [image["config"], *image["layers"]]:
        client.request("GET", seed.blob_path(blob["digest"]), 200)


def counted(proxy, action):
    """The requests to S3 by kind, those behind the answers included."""
    proxy.forget()
    action()
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        now = len(proxy.of())
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.05)
    return proxy.counts()


def s3_requests(bench):
    """requests to S3 for an image of ten layers, counted"""
    rows = [
        Row(f"requests to S3: {what}", "requests", [Goal(bound, at_most=True)])
        for what, bound in (
            (f"push of an image of {LAYERS} layers", 36),
            ("cold pull of it", 11),
            ("pull of it that the disk cache has", 0),
            ("manifest again", 0),
        )
    ]
    push, cold, warm, manifest = rows

    def note(row, server, counts):
        row.add(server.name, sum(counts.values()))
        kinds = ", ".join(f"{n} {kind}" for kind, n in counts.most_common())
        row.note += f"{'; ' if row.note else ''}{server.name}: {kinds or 'none'}"

    def measure(server, _run):
        layers = image_layers()
        with bench.place.counted() as proxy, Running([server]):
            counted(proxy, lambda: None)  # what the start asks for is over
            with Client(server) as client:
                note(push, server, counted(proxy, lambda: push_as_docker(client, layers)))
            server.cool()
            counted(proxy, lambda: None)
            with Client(server) as client:
                note(cold, server, counted(proxy, lambda: pull_as_docker(client)))
                note(warm, server, counted(proxy, lambda: pull_as_docker(client)))
                note(manifest, server, counted(proxy, lambda: get_manifest(client)))

    servers = bench.some(*ALL)
    with Caching(servers):
        bench.in_turn("requests to S3", servers, measure, runs=1)
    return rows


def s3_memory(bench):
    """resident memory, idle and with eight large uploads at once"""
    size = large(bench)
    idle = MemoryRows("idle, content in S3", 16)
    busy = MemoryRows(f"peak of {AT_ONCE} uploads of {title_of(size)} at once, into S3", 48)

    def measure(server, _run):
        with Running([server]):
            bench.clients.push(server, "chunked", 1, 1, MIB)
            server.cool()
            time.sleep(0.5)
            idle.now(server)
            bench.settle()
            with MemoryPeak(server) as peak:
                bench.clients.push(server, "chunked", AT_ONCE, 1, size)
            busy.peak(server, peak)
        bench.settle()

    bench.in_turn(busy.resident.title, bench.some(*ALL), measure, runs=1)
    return idle.rows() + busy.rows()


GROUPS = [
    s3_push,
    s3_cold_pull,
    s3_warm_pull,
    s3_many_cold_pulls,
    s3_requests,
    s3_memory,
]
