"""What scripts/bench --gc measures: collection of content that nobody uses, beside the newest distribution's
`garbage-collect` and zot's collector, of the same content. None of them serves meanwhile but zot, which collects
only while it runs, and ours in gc_beside_clients."""

import http.client
import json
import os
import re
import secrets
import shutil
import subprocess
import threading
import time

import seed
from garbage import MANIFEST_TYPE, DistributionFiles, OurFiles, Shape, ZotFiles, make
from programs import Missing
from rows import DISTRIBUTION, MANIFEST_PATH, OURS, ZOT, Goal, Row, Running
from servers import BenchError, Registry, free_port

SMALL = Shape(20, 1000, 10_000)
MIDDLE = Shape(1000, 10_000, 100_000)
FULL = Shape(1000, 100_000, 1_000_000)
UNTAGGED_AFTER_S = 1
GRACE_S = 5
ZOT_LIMIT_S = 600


def shape_of(options):
    return FULL if options.full else SMALL if options.quick else MIDDLE


class Measured:
    """A command, run to its end: seconds, seconds of processor, and the most memory that it had."""

    def __init__(self, command, environment=None):
        begin = time.monotonic()
        with open(os.devnull, "wb") as nowhere:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=nowhere,
                stderr=subprocess.PIPE,
                env={**os.environ, **(environment or {})},
            )
        self.memory_mib = 0.0
        sampler = threading.Thread(target=self.sample, args=[process.pid])
        sampler.start()
        with process.stderr:
            said = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.monotonic() - begin
        self.processor = usage.ru_utime + usage.ru_stime
        sampler.join()
        if process.returncode:
            raise BenchError(f"{' '.join(command)}: {said[-500:].strip()}")


    def sample(self, pid):
        """ru_maxrss would be that of this process, which forked it; VmHWM is the kernel's own peak, until it ends."""
        try:
            while True:
                with open(f"/proc/{pid}/status") as f:
                    found = re.search(r"^VmHWM:\s+(\d+) kB", f.read(), re.M)
                if not found:
                    return
                self.memory_mib = int(found[1]) / 1024
                time.sleep(0.002)
        except (FileNotFoundError, ProcessLookupError):
            pass


class Collector:
    """One with content of its own below base."""

    def __init__(self, program, base):
        self.program = program
        self.base = os.path.join(base, self.name)
        self.content = os.path.join(self.base, "content")
        os.makedirs(self.content)

    def path(self, name):
        return os.path.join(self.base, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def stop(self):
        """For run_groups()."""


class Ours(Collector):
    name = OURS
    layout = OurFiles

    def prepare(self):
        self.config = self.write(
            "config.yaml",
            f"storage: {{filesystem: {{root: {self.content}}}}}\n"
            f"gc: {{grace: 0s, untagged: {UNTAGGED_AFTER_S}s}}\n"
            "auth: {mode: none}\nlog: {level: error}\n",
        )
        Measured([self.program, "reindex", "--config", self.config])
        time.sleep(UNTAGGED_AFTER_S)

    def dry_run(self):
        return Measured([self.program, "gc", "--dry-run", "--config", self.config])

    def delete(self):
        return Measured([self.program, "gc", "--delete", "--config", self.config])


class TheirDistribution(Collector):
    name = DISTRIBUTION
    layout = DistributionFiles
    environment = {"OTEL_TRACES_EXPORTER": "none"}

    def prepare(self):
        self.config = self.write(
            "config.yml",
            "version: 0.1\nlog: {level: error}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.content}}}, delete: {{enabled: true}}}}\n"
            "http: {addr: 127.0.0.1:0}\n",
        )

    def collect(self, *more):
        command = [self.program, "garbage-collect", "--delete-untagged", "--quiet", *more, self.config]
        return Measured(command, self.environment)

    def dry_run(self):
        return self.collect("--dry-run")

    def delete(self):
        return self.collect()


class TheirZot(Collector):
    """It collects one repository after the other, as its log says, with pauses in between that do not count."""

    name = ZOT
    layout = ZotFiles

    def prepare(self):
        settings = {
            "distSpecVersion": "1.1.1",
            "storage": {"rootDirectory": self.content, "gc": True, "gcDelay": "1s", "gcInterval": "24h"},
            "http": {"address": "127.0.0.1", "port": str(free_port())},
            "log": {"level": "info", "output": self.path("log")},
        }
        self.config = self.write("config.json", json.dumps(settings))

    def delete(self, repositories):
        """Seconds for each repository that it came to in time."""
        process = subprocess.Popen(
            [self.program, "serve", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + ZOT_LIMIT_S
            while len(self.took()) < repositories and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.2)
        finally:
            process.terminate()
            process.wait()
        return self.took()

    def took(self):
        began, took = {}, []
        for line in self.log_lines():
            found = re.match(r"(executing gc of orphaned blobs|gc successfully completed) for (.*)", line["message"])
            if not found:
                continue
            at = stamp(line["time"])
            if found[1].startswith("executing"):
                began[found[2]] = at
            elif found[2] in began:
                took.append(at - began.pop(found[2]))
        return took

    def log_lines(self):
        if not os.path.exists(self.path("log")):
            return
        with open(self.path("log"), errors="replace") as log:
            for text in log:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue  # not written to its end yet
                if "message" in line and "time" in line:
                    yield line


def stamp(text):
    """Seconds of a time of zot's log, of the day."""
    hours, minutes, seconds = re.search(r"T(\d+):(\d+):([\d.]+)", text).groups()
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def find_all(options, programs, directory):
    """Those that can be had, and what to say of the others."""
    makers = {
        OURS: lambda: Ours(os.path.abspath(options.registry), directory),
        DISTRIBUTION: lambda: TheirDistribution(programs[DISTRIBUTION].find(), directory),
        ZOT: lambda: TheirZot(programs[ZOT].find(), directory),
    }
    found, failures = {}, []
    for name, maker in makers.items():
        try:
            found[name] = maker()
        except Missing as missing:
            failures.append(f"{name} was left out: {missing}")
    return found, failures


def fill(bench, shape, names):
    """With the same content, in the layout of each."""
    collectors = bench.some(*names)
    for one in collectors:
        shutil.rmtree(one.base)
        os.makedirs(one.content)
    make(shape, [one.layout(one.content) for one in collectors])
    for one in collectors:
        one.prepare()
    bench.settle()
    return collectors


def gc_dry_run(bench):
    """what would go, of much content"""
    shape = shape_of(bench.options)
    goals = [Goal(1 / 20, DISTRIBUTION, at_most=True)] + ([Goal(5, at_most=True, unit="s")] if bench.options.full else [])
    row = Row(f"dry run, {shape.text()}", "s", goals)
    processor = Row("the same, processor", "s")
    memory = Row("the same, most memory", "MiB", [Goal(48, at_most=True, unit="MiB")])
    collectors = fill(bench, shape, [OURS, DISTRIBUTION])

    def measure(one, _run):
        measured = one.dry_run()
        row.add(one.name, measured.seconds)
        processor.add(one.name, measured.processor)
        memory.add(one.name, measured.memory_mib)

    bench.in_turn(row.title, collectors, measure)
    return [row, processor, memory]


def gc_one_repository(bench):
    """a repository of many manifests, untagged ones removed: does the time of each stay?"""
    few = Shape(1, 1000, 10_000)
    many = Shape(1, 10_000, 100_000)
    below = Row("dry run, 1,000 manifests in one repository, each", "us")
    row = Row("dry run, 10,000 manifests in one repository, each", "us", [Goal(1.5, at_most=True, beside=below)])
    for into, shape in ((below, few), (row, many)):
        [ours] = fill(bench, shape, [OURS])
        bench.in_turn(
            into.title, [ours], lambda one, _run: into.add(OURS, one.dry_run().seconds / shape.manifests * 1e6)
        )
    return [below, row]


def gc_delete(bench):
    """half of it deleted: manifests without a tag and what only they name"""
    shape = shape_of(bench.options)
    objects = (shape.manifests + shape.blobs) // 2
    row = Row(f"deletion of half of it, {shape.text()}", "objects/s", [Goal(5, DISTRIBUTION)])
    memory = Row("the same, most memory", "MiB", [Goal(48, at_most=True, unit="MiB")])
    for one in fill(bench, shape, [OURS, DISTRIBUTION]):
        print(f"{row.title}: {one.name}", flush=True)
        bench.settle()
        measured = one.delete()
        row.add(one.name, objects / measured.seconds)
        memory.add(one.name, measured.memory_mib)
    return [row, memory]


def gc_beside_zot(bench):
    """a few repositories deleted from, beside zot"""
    shape = Shape(2, bench.pick(2000, 200), bench.pick(20_000, 2000))
    objects = (shape.manifests + shape.blobs) // 2
    row = Row(f"deletion of half of it, {shape.text()}", "objects/s", [Goal(1, (DISTRIBUTION, ZOT))])
    for one in fill(bench, shape, [OURS, DISTRIBUTION, ZOT]):
        print(f"{row.title}: {one.name}", flush=True)
        bench.settle()
        if one.name == ZOT:
            took = one.delete(shape.repositories)
            if len(took) < shape.repositories:
                raise BenchError(f"zot had collected {len(took)} repositories after {ZOT_LIMIT_S} s")
            row.add(one.name, objects / sum(took))
        else:
            row.add(one.name, objects / one.delete().seconds)
    return [row]


class Serving(Registry):
    """Ours, with the content that is collected."""

    def __init__(self, ours, program):
        super().__init__(ours.base, program)
        self.content = ours.content

    def more(self):
        return f"auth: {{mode: none}}\ngc: {{grace: {GRACE_S}s, untagged: {UNTAGGED_AFTER_S}s}}\n"

    def delete(self):
        """Manifests first, and what only they name when its grace is over: a push takes less. When it did so."""
        command = [self.program, "gc", "--delete", "--config", self.path("config.yaml")]
        first = timed(lambda: Measured(command))
        time.sleep(GRACE_S)
        return [first, timed(lambda: Measured(command))]


def timed(action):
    """From when to when."""
    begin = time.monotonic()
    action()
    return begin, time.monotonic()


class AtWork(threading.Thread):
    """A client that does the same again and again until it is told to stop, and from when to when each was."""

    def __init__(self, server, action):
        super().__init__(daemon=True)
        self.server = server
        self.action = action
        self.ends = threading.Event()
        self.took = []
        self.error = None

    def run(self):
        try:
            with seed.Client(self.server) as client:
                while not self.ends.wait(0.005):
                    self.took.append(timed(lambda: self.action(client)))
        except (OSError, BenchError, http.client.HTTPException) as error:
            self.error = error


def get_manifest(client):
    client.request("GET", MANIFEST_PATH, 200, headers={"Accept": MANIFEST_TYPE})


def push_image(client):
    layers = [os.urandom(4096), os.urandom(4096)]
    for layer in layers:
        client.push_blob("pushed", layer, seed.digest(layer))
    client.push_manifest("pushed", f"t{secrets.token_hex(8)}", seed.manifest(layers))


def at_work(server, during):
    """The 99th percentiles in ms of GETs and of pushes by four clients in the times that `during` returns. None may
    be refused."""
    clients = [AtWork(server, action) for action in (get_manifest, get_manifest, push_image, push_image)]
    for client in clients:
        client.start()
    spans = during()
    for client in clients:
        client.ends.set()
    for client in clients:
        client.join()
        if client.error:
            raise client.error
    return [tail_ms(clients[:2], spans), tail_ms(clients[2:], spans)]


def tail_ms(clients, spans):
    every = [times for client in clients for times in client.took]
    took = sorted(end - begin for begin, end in every if any(a < end and begin < b for a, b in spans))
    return took[min(len(took) - 1, len(took) * 99 // 100)] * 1e3


def gc_beside_clients(bench):
    """pulls and pushes, without a run and while one deletes half of it"""
    shape = shape_of(bench.options)
    gets = Row("manifest GET, two clients, p99", "ms")
    gets_beside = Row("the same while a run deletes", "ms", [Goal(1.2, at_most=True, beside=gets)])
    pushes = Row("push of a small image, two clients, p99", "ms")
    pushes_beside = Row("the same while a run deletes", "ms", [Goal(1.5, at_most=True, beside=pushes)])
    for _ in range(bench.options.runs):
        [ours] = fill(bench, shape, [OURS])
        server = Serving(ours, ours.program)
        with Running([server], seed.seed_image):
            alone = at_work(server, lambda: [timed(lambda: time.sleep(bench.pick(10, 5)))])
            beside = at_work(server, server.delete)
        for row, ms in zip((gets, pushes, gets_beside, pushes_beside), alone + beside):
            row.add(OURS, ms)
    return [gets, gets_beside, pushes, pushes_beside]


GROUPS = [gc_dry_run, gc_one_repository, gc_delete, gc_beside_zot, gc_beside_clients]
