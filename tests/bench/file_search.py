"""scripts/bench --files: searches of the index of files, in a registry that is filled without pushes.

10,000 images of 10,000 files (--quick: 500 of 2,000; --full: also images that share nothing, 10 GB of
disk). Each kind of question is asked 400 times, of other files each time, on one connection."""

import hashlib
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import time
from urllib.parse import quote

from servers import BenchError

QUESTIONS = 400
GOAL_MS = 20


def known_files(port):
    """Some files that are there, out of all parts of the index, with how they are found."""
    found = []
    for letters in ("file-", "lib", "index-", "own-", ""):
        for _ in range(60):
            answer = ask(port, f"path={letters}{random.randrange(256):02x}*&n=20")[1]
            found += answer["files"]
    if not found:
        raise BenchError("the index is empty")
    return found


def ask(port, query, connection=None):
    connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/api/v1/files?{query}")
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise BenchError(f"{query}: {response.status} {body[:200]!r}")
    return response, json.loads(body)


def questions(files):
    """By kind, a function that makes one."""

    def pick():
        return random.choice(files)["path"]

    def base():
        return pick().rsplit("/", 1)[-1]

    return {
        "basename": lambda: "path=" + quote(base()),
        "basename that nothing has": lambda: f"path=none-{random.randrange(10**9)}.jar",
        "beginning of a basename": lambda: "path=" + quote(base()[:9]) + "*",
        "end of a basename": lambda: "path=*" + quote(base()[-9:]),
        "beginning and end": lambda: (lambda b: f"path={quote(b[:6])}*{quote(b[-4:])}")(base()),
        "whole path": lambda: "path=/" + quote(pick()),
        "directory": lambda: "path=/" + quote(pick().rsplit("/", 1)[0]) + "/*",
        "SHA-256": lambda: "sha256=" + random.choice(files)["sha256"],
        "SHA-256 that nothing has": lambda: "sha256=" + hashlib.sha256(os.urandom(8)).hexdigest(),
    }


def measure(port, make):
    times, rows = [], 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(QUESTIONS):
        query = make()
        begin = time.perf_counter()
        _, answer = ask(port, query, connection)
        times.append((time.perf_counter() - begin) * 1000)
        rows += len(answer["files"])
    connection.close()
    times.sort()
    return {
        "p50": times[len(times) // 2],
        "p99": times[len(times) * 99 // 100],
        "most": times[-1],
        "rows": rows / QUESTIONS,
    }


class Searched:
    """A registry over a root that files_seed has filled."""

    def __init__(self, binary, root):
        self.port = 20000 + os.getpid() % 10000
        self.log = open(os.path.join(root, "log"), "wb")
        config = {
            "http": {"listen": [f"127.0.0.1:{self.port}"]},
            "storage": {"filesystem": {"root": root}},
            "analysis": {"index": True},
            "log": {"access": False},
        }
        path = os.path.join(root, "config.yaml")
        with open(path, "w") as f:
            json.dump(config, f)
        self.process = subprocess.Popen([binary, "serve", "--config", path], stdout=self.log, stderr=self.log)

    def __enter__(self):
        deadline = time.monotonic() + 60
        while True:
            try:
                ask(self.port, "path=none")
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise BenchError("the registry does not start") from None
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))


def one(options, directory, images, files, how):
    """A table, as Markdown."""
    root = os.path.join(directory, how)
    os.mkdir(root)
    seeder = os.path.join(options.clients, "bench-files_seed")
    done = subprocess.run([seeder, root, str(images), str(files), how], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"files_seed: {done.stderr}")
    made = json.loads(done.stdout)
    lines = [
        f"{images:,} images of {files:,} files, layers {how}: {made['pairs']:,} files of layers in "
        f"{made['segments']} segments, {made['bytes'] / 1e9:.2f} GB ({made['bytes'] / made['pairs']:.0f} bytes each); "
        f"made in {made['ms'] / 1000:.0f} s ({made['pairs'] / made['ms'] * 1000:,.0f} a second), "
        f"at most {made['peak_kib'] / 1024:.0f} MiB of memory",
        "",
        "| question | p50 ms | p99 ms | most ms | files an answer | p99 under 20 ms |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    with Searched(os.path.abspath(options.registry), root) as server:
        known = known_files(server.port)
        before = server.memory_kib()
        for name, make in questions(known).items():
            r = measure(server.port, make)
            lines.append(
                f"| {name} | {r['p50']:.2f} | {r['p99']:.2f} | {r['most']:.2f} | {r['rows']:.1f} | "
                f"{'yes' if r['p99'] < GOAL_MS else 'missed'} |"
            )
        lines += ["", f"Memory of the server: {before / 1024:.0f} MiB before, {server.memory_kib() / 1024:.0f} MiB after"]
    shutil.rmtree(root)
    return lines


def run(options, directory):
    random.seed(1)
    images, files = (500, 2000) if options.quick else (10000, 10000)
    page = ["# Searches for files", "", *one(options, directory, images, files, "shared")]
    if options.full or options.quick:
        page += ["", *one(options, directory, images, files, "own")]
    text = "\n".join(page) + "\n"
    os.makedirs(os.path.dirname(options.output) or ".", exist_ok=True)
    with open(options.output, "w") as f:
        f.write(text)
    sys.stdout.write(text)
