"""What scripts/bench --upload measures of the analysis of an image, beside dive."""

import os
import re
import subprocess
import threading
import time
from pathlib import Path

from layer_archive import Layers
from programs import DIVE, Missing
from rows import MIB, OURS, Goal, Row, Running
from seed import Client
from servers import BenchError
from tools import Processor

LAYERS = 10
FILES = 2100


class HighWater:
    """VmHWM of a process, looked at until it is gone: ru_maxrss has that of who started it as well."""

    def __init__(self, pid):
        self.path, self.mib = f"/proc/{pid}/status", 0
        self.thread = threading.Thread(target=self.look)

    def look(self):
        try:
            while found := re.search(r"^VmHWM:\s*(\d+)", Path(self.path).read_text(), re.M):
                self.mib = int(found[1]) / 1024
                time.sleep(0.01)
        except OSError:
            pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join()


class Tool:
    def __init__(self, name, *command):
        self.name, self.command = name, command

    def analyze(self, path):
        """Seconds, those of processors, and the most memory in MiB."""
        begin = time.monotonic()
        process = subprocess.Popen([*self.command, path], stdout=subprocess.DEVNULL, env={**os.environ, "CI": "true"})
        with HighWater(process.pid) as memory:
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise BenchError(f"{self.name} ended with {process.returncode} on {path}")
        return seconds, used.ru_utime + used.ru_stime, memory.mib


def tools(bench):
    made = [Tool(OURS, os.path.abspath(bench.options.registry), "analyze", "--json")]
    try:
        made.append(Tool(DIVE.name, DIVE.find(), "--source", "docker-archive", "--json", os.devnull))
    except Missing as why:
        print(f"without dive: {why}")
    return made


def rows_of(title):
    fast, small = Goal(1 / 3, DIVE.name, at_most=True), Goal(0.25, DIVE.name, at_most=True)
    return [Row(title, "s", [fast]), Row(f"{title}, processors", "s"), Row(f"{title}, memory", "MiB", [small])]


def is_there(client):
    """The report; who asks waits for it a while."""
    client.connection.request("GET", "/api/v1/images/bench/v1/analysis", headers=client.credentials)
    response = client.connection.getresponse()
    text = response.read()
    if response.status not in (200, 202):
        raise BenchError(f"analysis: {response.status} {text[:500]!r}")
    return response.status == 200


def on_server(bench, title, path):
    """Asked for once it is pushed: the layers are read then."""
    rows = [Row(f"{title}, on a server", "s"), Row(f"{title}, on a server, processors", "s")]

    def measure(server, _run):
        with Running([server]), Client(server) as client:
            with open(path, "rb") as archive:
                client.request("PUT", "/upload-image?repository=bench&tag=v1", 201, body=archive)
            begin = time.monotonic()
            with Processor(server) as processor:
                while not is_there(client):
                    pass
            rows[0].add(server.name, time.monotonic() - begin)
            rows[1].add(server.name, processor.seconds)

    bench.in_turn(rows[0].title, bench.some(OURS), measure)
    return rows


def image_analysis(bench):
    """what is inside an image, beside dive"""
    size = bench.pick(1024, 128) * MIB
    paths = [os.path.join(bench.directory, name) for name in ("plain.tar", "gzip.tar")]
    Layers(LAYERS, bench.pick(FILES, FILES // 8), size // LAYERS).write(*paths)
    rows = []
    for form, path in zip(("plain", "gzip"), paths):
        title = f"analysis of an archive of {size // MIB} MiB, {LAYERS} layers, {form}"
        ours = rows_of(title)

        def measure(tool, _run):
            for row, value in zip(ours, tool.analyze(path)):
                row.add(tool.name, value)

        bench.in_turn(title, tools(bench), measure)
        rows += ours + on_server(bench, title, path)
        os.unlink(path)
    return rows
