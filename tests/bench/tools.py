"""Running the load generators, and reading /proc."""

import ctypes
import json
import os
import re
import subprocess
import threading
import time

from servers import BenchError

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3, "h": 3600e3}
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise BenchError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def header_options(headers):
    return [option for line in headers.items() for option in ("-H", ": ".join(line))]


def wrk(server, path, connections, seconds, threads=None):
    """Requests per second and the 99th percentile in ms, of as many requests as it answers."""
    threads = threads or min(os.cpu_count(), connections)
    text = run(
        ["wrk", "--latency", f"-t{threads}", f"-c{connections}", f"-d{seconds}s"]
        + ["--timeout", "20s", *header_options({"Accept": MANIFEST_TYPE, **server.credentials})]
        + [server.url(path)]
    )
    if "Non-2xx" in text or "Socket errors" in text:
        raise BenchError(f"{server.name}: {text}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s|m|h)\b", text)
    if not rate or not p99:
        raise BenchError(f"wrk printed no result: {text}")
    return float(rate[1]), float(p99[1]) * UNITS[p99[2]]


class Clients:
    """The C clients of this directory, built by meson."""

    def __init__(self, directory):
        self.pull_path = os.path.join(directory, "bench-pull")
        self.push_path = os.path.join(directory, "bench-push")
        self.delay_path = os.path.join(directory, "bench-delay")
        self.trickle_path = os.path.join(directory, "bench-trickle")
        self.yardstick_path = os.path.join(directory, "bench-yardstick")

    def pull_command(self, server, path, connections, requests, size, *more):
        threads = min(2, os.cpu_count(), connections)
        options = [f"-c{connections}", f"-n{requests}", f"-t{threads}"]
        options += [f"-s{size}"] if size is not None else []
        options += header_options(server.credentials)
        return [self.pull_path, *options, *more, server.address, path]

    def pull(self, server, path, connections, requests, size):
        """Aggregate MB/s."""
        result = json.loads(run(self.pull_command(server, path, connections, requests, size)))
        return result["bytes"] / result["seconds"] / 1e6

    def push_command(self, server, mode, connections, pushes, size, *more):
        options = [f"-c{connections}", f"-n{pushes}", f"-s{size}", f"-m{mode}"]
        return [self.push_path, *options, *more, server.address, "bench"]

    def trickle_command(self, server, uploads, rate):
        return [self.trickle_path, f"-c{uploads}", f"-s{rate}", server.address, "bench"]

    def push(self, server, mode, connections, pushes, size):
        """Aggregate MB/s."""
        result = json.loads(run(self.push_command(server, mode, connections, pushes, size)))
        return result["bytes"] / result["seconds"] / 1e6


def curl(server, path, requests, size):
    """MB/s of curl getting the path so many times, one after the other, on one connection."""
    output = [server.url(path), "-o", "/dev/null"] * requests
    form = ["-w", "%{http_code} %{size_download} %{time_total}\\n"]
    text = run(["curl", "-sS", *header_options(server.credentials), *form, *output])
    answers = [line.split() for line in text.splitlines()]
    if len(answers) != requests or any(a[:2] != ["200", str(size)] for a in answers):
        raise BenchError(f"{server.name}: curl got {text[:300]!r}")
    return size * requests / sum(float(a[2]) for a in answers) / 1e6


class Processor:
    """Seconds of processor that the server's processes take while the block runs."""

    def __init__(self, server):
        self.server = server

    def now(self):
        # clock_getcpuclockid(3), which Python lacks: it is exact, unlike the ticks in /proc.
        return {pid: time.clock_gettime(~pid << 3 | 2) for pid in self.server.pids()}

    def __enter__(self):
        self.before = self.now()
        return self

    def __exit__(self, *_):
        self.seconds = sum(at - self.before.get(pid, 0.0) for pid, at in self.now().items())


class Line:
    """A line with a delay (delay.c), between the servers' network namespace and the clients'."""

    address = "10.77.0.1"  # of the servers' end

    def __init__(self, program, delay_ms):
        self.command = [program, str(delay_ms)]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        words = self.process.stdout.readline().split()
        if len(words) != 3:
            self.__exit__()
            raise BenchError(f"no line: {self.said}")
        self.ends = [f"/proc/{words[0]}/fd/{fd}" for fd in words[1:]]
        return self

    def __exit__(self, *_):
        _, self.said = self.process.communicate()

    def at_server(self):
        return Namespace(self.ends[0])

    def at_client(self):
        return Namespace(self.ends[1])


class Namespace:
    """What this thread opens and starts meanwhile is in that network namespace."""

    CLONE_NEWNET = 0x40000000

    def __init__(self, path):
        self.path = path

    @staticmethod
    def enter(path):
        with open(path) as f:
            if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), Namespace.CLONE_NEWNET):
                raise BenchError(f"setns: {os.strerror(ctypes.get_errno())}")

    def __enter__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.enter(self.path)

    def __exit__(self, *_):
        self.enter(f"/proc/self/fd/{self.before}")
        os.close(self.before)


class Background:
    """A client that runs beside another one; result() waits for its line of JSON."""

    def __init__(self, command):
        self.command = command

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self

    def line(self):
        """Its first line, while it goes on running."""
        text = self.process.stdout.readline()
        if not text:
            raise BenchError(f"{' '.join(self.command)}: {self.process.stderr.read().strip()}")
        return json.loads(text)

    def result(self):
        """Its last line; what reads its input sees the end of it now."""
        out, errors = self.process.communicate()
        if self.process.returncode:
            raise BenchError(f"{' '.join(self.command)}: {errors.strip()}")
        return json.loads(out)

    def __exit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()


def memory_mib(server, field):
    """A field of /proc/PID/status, summed over the server's processes, in MiB."""
    total = 0
    for pid in server.pids():
        with open(f"/proc/{pid}/status") as f:
            found = re.search(rf"^{field}:\s+(\d+) kB", f.read(), re.M)
        if not found:  # it has ended
            raise BenchError(f"{server.name} ended: {server.log_end()}")
        total += int(found[1])
    return total / 1024


class MemoryPeak:
    """VmHWM (exact: the kernel keeps it) and RssAnon (sampled) while the block runs."""

    def __init__(self, server):
        self.server = server
        self.anonymous = 0.0
        self.done = threading.Event()

    def __enter__(self):
        for pid in self.server.pids():
            with open(f"/proc/{pid}/clear_refs", "w") as f:
                f.write("5")  # VmHWM starts again from here; proc(5)
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()
        return self

    def sample(self):
        try:
            while not self.done.wait(0.02):
                self.anonymous = max(self.anonymous, memory_mib(self.server, "RssAnon"))
        except BenchError:
            pass  # __exit__ says it

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        self.resident = memory_mib(self.server, "VmHWM")
