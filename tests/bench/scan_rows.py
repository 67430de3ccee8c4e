"""What scripts/bench --policy measures of scans: how soon a pushed image has its verdict, beside the scanner run by hand; what
scans cost pushes and the server; and how fast a long report is told. All by the real Trivy, with data made for it."""

import contextlib
import hashlib
import io
import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tarfile
import threading
import time
import zlib
from pathlib import Path

import seed
from analysis_rows import FILES, LAYERS
from layer_archive import Layers
from rows import MIB, OURS, SCANNING, TRIVY, Goal, Row, Running
from seed import Client, digest
from servers import BenchError, Registry
from tools import MANIFEST_TYPE, MemoryPeak, memory_mib

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "scan")]

import databases  # noqa: E402  (the path is set one line above)
import planted  # noqa: E402
from go_programs import go_program  # noqa: E402

SCAN = f"/v2/{seed.REPOSITORY}/manifests/v1/scan"
PACKAGES = 400
HOLES = 32  # of each package of the image with the long report
SCANNED = 20  # of the images that are pushed at once, until memory is measured no more
WORDS = "A flaw was found which lets whoever sends such a request write beyond the end of a buffer. " * 26
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"


# ---- data and images


def packages(prefix, n):
    return [planted.Planted(f"{prefix}{i}", "1.0-1", f"CVE-2098-{i}", "HIGH", "1.0-2", score=7.5) for i in range(n)]


def advisories():
    """One in ten packages has a hole; those that are `holey` have many, with long descriptions."""
    rows = [("debian", p) for p in packages("plain", PACKAGES)[::10]]
    for i in range(PACKAGES):
        rows += [("debian", planted.Planted(f"holey{i}", "1.0-1", f"CVE-2097-{i * HOLES + k}", "HIGH", "1.0-2", score=7.5))
                 for k in range(HOLES)]  # fmt: skip
    made = planted.advisories(kinds=(), more=rows)
    for name, detail in made["Vulnerabilities"].items():
        if name.startswith("CVE-2097"):
            detail["Description"] = f"{name}: {WORDS}"
    return made


def layer(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


class Image:
    """Of these layers, packed; what a client pushes, and a layout on the disk for the scanner itself."""

    def __init__(self, layers):
        self.blobs, rows, diff_ids = {}, [], []
        for plain in layers:
            pack = zlib.compressobj(1, zlib.DEFLATED, 31)
            data = pack.compress(plain) + pack.flush()
            diff_ids.append("sha256:" + hashlib.sha256(plain).hexdigest())
            rows.append(self.add(data, LAYER_TYPE + "+gzip"))
        config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        document = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE,
                    "config": self.add(json.dumps(config).encode(), CONFIG_TYPE), "layers": rows}  # fmt: skip
        self.manifest = json.dumps(document).encode()

    def add(self, data, media_type):
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def push_blobs(self, client):
        for name, data in self.blobs.items():
            client.push_blob(seed.REPOSITORY, data, name)

    def write_layout(self, folder):
        where = folder / "blobs" / "sha256"
        where.mkdir(parents=True)
        for name, data in [*self.blobs.items(), (digest(self.manifest), self.manifest)]:
            (where / name[7:]).write_bytes(data)
        row = {"mediaType": MANIFEST_TYPE, "digest": digest(self.manifest), "size": len(self.manifest)}
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [row]}))


def large_image(size):
    """Layers of files as those of images are, and a distribution with its packages."""
    base = layer(planted.debian("13", packages("plain", PACKAGES)))
    made = Layers(LAYERS, FILES, size // LAYERS)
    return Image([base, *(made.layer(n) for n in range(LAYERS))])


# ---- the server


class ScanningRegistry(Registry):
    name = SCANNING

    def __init__(self, base, program):
        super().__init__(base, program)
        self.trivy = go_program("trivy")
        self.data = Path(self.path("data"))
        self.put_data("2026-11-01T00:00:00Z")

    def put_data(self, made):
        databases.trivy(self.data, advisories(), made)

    def more(self):
        scan = {"on_push": True, "data": {"max_age": 0}, "trivy": {"path": str(self.trivy), "cache_dir": str(self.data)}}
        return super().more() + f"scan: {json.dumps(scan)}\n"

    def is_ready(self):
        with Client(self) as client:
            return json.loads(client.request("GET", "/api/v1/scan/data", 200)[1])["state"] == "ok"

    def alone(self):
        """The server without its scanners."""
        return Alone(self)

    def took(self):
        """Seconds of each scan as the last of each image took them."""
        sql = "SELECT value FROM records WHERE collection = 'scan.results'"
        with contextlib.closing(sqlite3.connect(os.path.join(self.content, "registry.db"), timeout=30)) as db:
            return [json.loads(value)["took"] / 1000 for (value,) in db.execute(sql)]


class Alone:
    def __init__(self, server):
        self.server, self.name, self.log_end = server, server.name, server.log_end

    def pids(self):
        return [self.server.process.pid]


def until(condition, what, timeout=600):
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not so after {timeout} s")
        time.sleep(0.005)
    return found


def verdict(client, after=None, path=SCAN):
    """The answer, once there is one that was made after that."""

    def once():
        answer = json.loads(client.request("GET", path + "?n=1", 200)[1])
        if answer["status"] not in ("queued", "running", "not_scanned", "completed"):
            raise BenchError(f"a scan ended with {answer}")
        return answer if answer["status"] == "completed" and answer["scanned_at"] != after else None

    return until(once, "a verdict")


class Started(Running):
    """With data to scan by."""

    def __init__(self, servers):
        super().__init__(servers, lambda server: until(server.is_ready, "data of vulnerabilities"))


# ---- rows


def by_hand(server, folder):
    """Seconds of the scanner on a local layout, with what our server gives it of the processor."""
    words = ["nice", "-n10", server.trivy, "image", "--input", folder, "--cache-dir", server.data, "--cache-backend", "memory",
             "--scanners", "vuln", "--format", "json", "--list-all-pkgs", "--skip-db-update", "--skip-java-db-update",
             "--offline-scan", "--skip-version-check", "--disable-telemetry", "--no-progress", "--quiet"]  # fmt: skip
    begin = time.monotonic()
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True, env={**os.environ, "GOMAXPROCS": "2"})
    return time.monotonic() - begin


def verdict_of_a_push(bench):
    """from the end of a push to a verdict, and again with new data"""
    size = bench.pick(500, 100)
    title = f"from the end of a push to its verdict, {size} MiB, {PACKAGES} packages"
    first = Row(title, "s", [Goal(1.15, TRIVY, at_most=True)], note="The goal is beside the scanner run by hand on a local copy.")
    scan = Row("the scan of it", "s")
    again = Row("the scan of it with new data, by its list of packages", "s", [Goal(0.1, at_most=True, beside=scan)])
    image, folder = large_image(size * MIB), Path(bench.directory) / "layout"
    image.write_layout(folder)
    (server,) = bench.some(SCANNING)

    def measure(who, run):
        if who is not server:
            first.add(TRIVY, by_hand(server, folder))
            return
        server.put_data(f"2026-11-01T00:00:{2 * run:02}Z")
        with Started([server]), Client(server) as client:
            image.push_blobs(client)
            client.push_manifest(seed.REPOSITORY, "v1", image.manifest)
            begin = time.monotonic()
            made = verdict(client)["scanned_at"]
            first.add(OURS, time.monotonic() - begin)
            scan.add(OURS, server.took()[0])
            until(lambda: client.connection.request("GET", SCAN.replace("/scan", "/sbom")) or
                  (lambda r: r.read() is not None and r.status == 200)(client.connection.getresponse()), "lists of packages")
            server.put_data(f"2026-11-01T00:00:{2 * run + 1:02}Z")
            verdict(client, after=made)
            again.add(OURS, server.took()[0])

    bench.in_turn(title, [server, type("ByHand", (), {"name": TRIVY})], measure)
    return [first, scan, again]


def push_many(server, images, at_once=10):
    """Seconds."""
    left = list(enumerate(images))

    def work():
        with Client(server) as client:
            while left:
                n, image = left.pop()
                image.push_blobs(client)
                client.push_manifest(seed.REPOSITORY, f"v{n}", image.manifest)

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - begin


def pushes_beside_scans(bench):
    """images pushed at once, scanned and not"""
    count = bench.pick(100, 30)
    title = f"{count} images pushed at once, scanned meanwhile"
    rate = Row(title, "images/s", [Goal(1 / 0.9, SCANNING, at_most=True)], note="The goal is for the registry without scans, divided by the one with them.")
    memory = Row(f"the server's memory over idle, {title}", "MiB", [Goal(24, at_most=True, unit="MiB")])
    images = [Image([layer(planted.debian("13", packages(f"of{n}-", 40))), layer({"data": os.urandom(200_000)})]) for n in range(count)]
    scanning, plain = bench.some(SCANNING, OURS)

    def measure(server, _run):
        with Started([server]) if server is scanning else Running([server]):
            alone = Alone(server)
            time.sleep(1)
            idle = memory_mib(alone, "VmRSS")
            with MemoryPeak(alone) as peak:
                rate.add(server.name, count / push_many(server, images))
                if server is scanning:
                    until(lambda: len(server.took()) >= SCANNED, "some scans", 1200)
            if server is scanning:
                memory.add(OURS, peak.resident - idle)

    bench.in_turn(title, [scanning, plain], measure)
    return [rate, memory]


def long_reports(bench):
    """a report of 12,800 findings, taken in and told page by page"""
    title = f"a report of {PACKAGES * HOLES} findings"
    memory = Row(f"{title}, the server's memory over idle while it is taken in", "MiB", [Goal(32, at_most=True, unit="MiB")])
    tail = Row(f"{title}, a page of 100 over HTTP, p99", "ms", [Goal(20, at_most=True, unit="ms")])
    middle = Row(f"{title}, a page of 100 over HTTP, median", "ms")
    image = Image([layer(planted.debian("13", packages("holey", PACKAGES)))])
    (server,) = bench.some(SCANNING)

    def pages(client):
        path = SCAN + "?n=100"
        while path:
            begin = time.monotonic()
            response, _ = client.request("GET", path, 200)
            yield (time.monotonic() - begin) * 1000
            found = re.match(r"<([^>]*)>", response.headers.get("Link", ""))
            path = found and re.sub(r"^https?://[^/]*", "", found[1])

    def measure(_server, _run):
        with Started([server]), Client(server) as client:
            image.push_blobs(client)
            alone = Alone(server)
            time.sleep(1)
            idle = memory_mib(alone, "VmRSS")
            with MemoryPeak(alone) as peak:
                client.push_manifest(seed.REPOSITORY, "v1", image.manifest)
                answer = verdict(client)
            if sum(answer["vulnerabilities"].values()) != PACKAGES * HOLES:
                raise BenchError(f"found {answer['vulnerabilities']}")
            memory.add(OURS, peak.resident - idle)
            times = sorted(t for _ in range(3) for t in pages(client))
            tail.add(OURS, times[int(len(times) * 0.99)])
            middle.add(OURS, statistics.median(times))

    bench.in_turn(title, [server], measure)
    return [memory, tail, middle]


GROUPS = [verdict_of_a_push, pushes_beside_scans, long_reports]
