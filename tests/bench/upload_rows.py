"""What scripts/bench --upload measures: an archive of `docker save` that becomes an image, beside skopeo that copies it to
other registries, and beside pushes of its layers as blobs; what of memory that takes; and archives that are sent."""

import os
import shutil
import subprocess
import threading
import time
from urllib.parse import urljoin

from analysis_rows import image_analysis
from rows import MIB, OURS, PEERS, Goal, Row, Running
from saved_archive import Archive, small, text, write_file
from seed import Client
from servers import BenchError
from tools import MemoryPeak, Processor, curl, memory_mib, run

LAYERS = 10
UPLOADS_AT_ONCE = 8
BLOBS = "/v2/bench/blobs/"


def upload_url(server, repository="bench"):
    return server.url(f"/upload-image?repository={repository}&tag=v1")


def curl_seconds(*arguments, status):
    """Of one transfer, which has to end with that status."""
    form = "%{http_code} %{time_total}\\n"
    told = run(["curl", "-sS", "-o", os.devnull, "-w", form, *arguments]).split()
    if told[0] != status:
        raise BenchError(f"curl {' '.join(arguments)} got {told[0]}")
    return float(told[1])


def upload(server, path):
    return curl_seconds("-T", path, upload_url(server), status="201")


def skopeo(server, path):
    """Seconds from the command to its end."""
    options = ["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
    begin = time.monotonic()
    run(["skopeo", *options, f"docker-archive:{path}", f"docker://{server.address}/bench:v1"])
    return time.monotonic() - begin


def put_blobs(server, archive, directory):
    """Each layer by one PUT, with its digest, one after the other."""
    seconds = 0
    with Client(server) as client:
        for n, digest in enumerate(archive.digests):
            response, _ = client.request("POST", BLOBS + "uploads/", 202, b"")
            target = urljoin(server.url("/"), response.headers["Location"])
            target += ("&" if "?" in target else "?") + f"digest={digest}"
            seconds += curl_seconds("-T", os.path.join(directory, f"layer{n}"), target, status="201")
    return seconds


class Saved:
    """The archive on the disk, with its layers beside it."""

    def __init__(self, bench, size, fill=None):
        self.directory = os.path.join(bench.directory, "saved")
        os.mkdir(self.directory)
        self.archive = Archive(LAYERS, size // LAYERS, fill) if fill else Archive(LAYERS, size // LAYERS)
        self.path = write_file(self.archive, os.path.join(self.directory, "app.tar"), self.directory)
        self.bytes = os.path.getsize(self.path)
        self.title = f"an archive of {size // MIB} MiB in {LAYERS} layers"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory)


def saved(bench):
    return Saved(bench, bench.pick(1024, 128) * MIB)


def warm_up(server):
    """A first upload is answered by a process that is awake."""
    with Client(server) as client:
        client.request("PUT", "/upload-image?repository=warm&tag=v1", 201, body=small())


def upload_speed(bench):
    """an archive, stored durably, beside its layers as blobs and skopeo to the peers"""
    with saved(bench) as made:
        blobs = Row(f"the layers of {made.title} by PUT of blobs, durable", "MB/s")
        row = Row(
            f"{made.title}, durable; peers by skopeo",
            "MB/s",
            [Goal(3, PEERS), Goal(0.8, beside=blobs)],
            note="skopeo packs layers before it sends them, which takes most of its time.",
        )
        blobs_cost = Row(f"{blobs.title}, the server's processor", "s/GB")
        cost = Row(f"{row.title}, the server's processor", "s/GB")

        def measure(server, _run):
            ours = server.name == OURS
            for into, into_cost, seconds_of in (
                (blobs, blobs_cost, lambda: put_blobs(server, made.archive, made.directory)),
                (row, cost, lambda: (upload if ours else skopeo)(server, made.path)),
            ):
                with Running([server], warm_up if ours else None):
                    bench.settle()
                    with Processor(server) as processor:
                        into.add(server.name, made.bytes / seconds_of() / 1e6)
                    into_cost.add(server.name, processor.seconds / made.bytes * 1e9)

        bench.in_turn(row.title, bench.some(OURS, *PEERS), measure)
    return [blobs, row, blobs_cost, cost]


PACKINGS = {
    "gzip": ["gzip", "-1"],
    "zstd": ["zstd", "-q", "-T0"],
    "xz": ["xz", "-1", "-T0"],
}


def upload_packed(bench):
    """the same archive, plain and packed, in bytes of what it unpacks to"""
    with Saved(bench, bench.pick(256, 64) * MIB, text) as made:
        rows = {"plain": Row(f"{made.title}, of text, plain", "MB/s")}
        paths = {"plain": made.path}
        for name, command in PACKINGS.items():
            rows[name] = Row(f"the same, {name}", "MB/s")
            paths[name] = f"{made.path}.{name}"
            with open(made.path, "rb") as source, open(paths[name], "wb") as target:
                subprocess.run([*command, "-c"], stdin=source, stdout=target, check=True)

        def measure(server, _run):
            for name, row in rows.items():
                with Running([server], warm_up):
                    bench.settle()
                    row.add(server.name, made.bytes / upload(server, paths[name]) / 1e6)

        bench.in_turn(made.title, bench.some(OURS), measure)
    return list(rows.values())


def memory_over_idle(server, row, uploads):
    """What it takes more than before, at most, while the uploads run side by side."""
    before = memory_mib(server, "VmRSS")
    failures = []

    def one(start):
        try:
            start()
        except BenchError as error:
            failures.append(error)

    with MemoryPeak(server) as peak:
        threads = [threading.Thread(target=one, args=[start]) for start in uploads]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    row.add(server.name, peak.resident - before)


def upload_memory(bench):
    """what archives take of memory, several at once"""
    with saved(bench) as made:
        row = Row(
            f"resident memory over idle, {UPLOADS_AT_ONCE} times {made.title} at once",
            "MiB",
            [Goal(64, at_most=True, unit="MiB")],
        )

        def measure(server, _run):
            with Running([server], warm_up):
                bench.settle()
                ways = [
                    lambda n=n: curl_seconds("-T", made.path, upload_url(server, f"bench{n}"), status="201")
                    for n in range(UPLOADS_AT_ONCE)
                ]
                memory_over_idle(server, row, ways)

        bench.in_turn(row.title, bench.some(OURS), measure)
    return [row]


def stream(server, archive):
    """The archive is made while it is sent."""
    command = ["curl", "-sS", "--fail", "-o", os.devnull, "-T", "-", upload_url(server)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        with process.stdin:
            archive.write(process.stdin)
    if process.returncode:
        raise BenchError(f"{' '.join(command)} ended with {process.returncode}")


def upload_huge(bench):
    """an archive of 10 GiB (only with --full)"""
    if not bench.options.full:
        return []
    sizes = (1 << 30, 10 << 30)
    rows = [Row(f"resident memory over idle, an archive of {size >> 30} GiB", "MiB") for size in sizes]
    rows[1].goals = [Goal(1.2, at_most=True, beside=rows[0])]

    def measure(server, _run):
        for size, row in zip(sizes, rows):
            with Running([server], warm_up):
                bench.settle()
                memory_over_idle(server, row, [lambda: stream(server, Archive(LAYERS, size // LAYERS))])

    bench.in_turn("archives of 1 and 10 GiB", bench.some(OURS), measure, runs=1)
    return rows


def archive_download(bench):
    """an image as an archive, beside its layers as blobs"""
    with saved(bench) as made:
        blobs = Row(f"GET of the layers of {made.title}, as blobs", "MB/s")
        row = Row("the same as an archive", "MB/s", [Goal(0.9, beside=blobs)])
        with Running(bench.some(OURS)):
            for server in bench.some(OURS):
                upload(server, made.path)

            def measure(server, _run):
                size = made.archive.layer_bytes
                seconds = sum(size / curl(server, BLOBS + digest, 1, size) for digest in made.archive.digests)
                blobs.add(server.name, LAYERS * size / seconds)
                seconds = curl_seconds(server.url("/api/v1/archive/bench:v1?format=docker"), status="200")
                row.add(server.name, LAYERS * size / seconds / 1e6)

            bench.in_turn(row.title, bench.some(OURS), measure)
    return [blobs, row]


GROUPS = [upload_speed, upload_packed, upload_memory, upload_huge, archive_download, image_analysis]
