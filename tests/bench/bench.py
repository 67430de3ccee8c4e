"""scripts/bench: this registry, zot, distribution 3, docker-registry and nginx side by side.

Measures, writes a table with ratios, and never fails for a figure: a missed goal is a word in the
table."""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time

import file_search
import gc_rows
import notify_rows
import policy_rows
import report
import replica_rows
import rows
import s3_rows
import scan_rows
import signature_rows
import upload_rows
from on_s3 import SERVERS, FilesRegistry, Place, S3Distribution, S3Registry, S3Zot
from on_replicas import Places, Replicas, SqliteRegistry
from programs import DISTRIBUTION, ZOT, Missing
from servers import (
    BenchError,
    Distribution,
    DockerRegistry,
    GuardedRegistry,
    Nginx,
    Registry,
    Yardstick,
    Zot,
)
from tools import Clients


def parse_options():
    groups = "\n".join(
        f"  {group.__name__:19} {group.__doc__}" for group in [*rows.GROUPS, *s3_rows.GROUPS, *replica_rows.GROUPS, *gc_rows.GROUPS, *upload_rows.GROUPS, *policy_rows.GROUPS, *scan_rows.GROUPS, *signature_rows.GROUPS, *notify_rows.GROUPS]
    )
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        epilog=f"groups (those of s3_ with --s3 alone, those of replicas_ with --replicas,\nthose of gc_ with --gc, those of archives with --upload, policed_, signature_, notified_ and those of scans with --policy):\n{groups}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="PATTERN", default="", help="groups whose name matches")
    parser.add_argument("--runs", type=int, help="of each measurement (default 5; 3 with --s3, --replicas, --gc or --upload)")
    parser.add_argument("--quick", action="store_true", help="two runs, shorter and smaller")
    parser.add_argument(
        "--full",
        action="store_true",
        help="with the 10 GiB blob, or archive (13 GiB of disk); with --gc, a million (30 GiB)",
    )
    parser.add_argument("--s3", action="store_true", help="registries with content in S3 instead")
    parser.add_argument("--replicas", action="store_true", help="three registries over one database instead")
    parser.add_argument("--gc", action="store_true", help="collectors of what nobody uses instead")
    parser.add_argument("--upload", action="store_true", help="archives of images, uploaded and sent, instead")
    parser.add_argument("--policy", action="store_true", help="pulls and pushes under a pull policy, scans, checks of signatures, and webhooks, instead")
    parser.add_argument("--files", action="store_true", help="searches of the index of files instead")
    parser.add_argument("--s3-server", choices=SERVERS, default="minio", help="default: minio")
    parser.add_argument("--directory", default="/var/tmp", help="where temporary data goes")
    parser.add_argument("--registry", default="build/registry", help="the binary to measure")
    parser.add_argument("--clients", default="build-bench/tests/bench", help=argparse.SUPPRESS)
    parser.add_argument("--output", default="build/bench.md", help="where the table goes")
    options = parser.parse_args()
    usual = 3 if options.s3 or options.replicas or options.gc or options.upload else 5
    options.runs = options.runs or (2 if options.quick else usual)
    return options


def peers(options, clients, directory):
    """What is compared, each as a function that makes it."""
    registry = os.path.abspath(options.registry)
    return {
        rows.OURS: lambda: Registry(directory, there(registry)),
        rows.GUARDED: lambda: GuardedRegistry(directory, there(registry)),
        rows.ZOT: lambda: Zot(directory, ZOT.find()),
        rows.DISTRIBUTION: lambda: Distribution(directory, DISTRIBUTION.find()),
        rows.DOCKER: lambda: DockerRegistry(directory, there("docker-registry")),
        rows.NGINX: lambda: Nginx(directory, there("nginx")),
        rows.YARDSTICK: lambda: Yardstick(directory, clients.yardstick_path),
    }


def peers_on_s3(options, place, directory):
    """The same, with content in S3."""
    registry = os.path.abspath(options.registry)
    return {
        rows.OURS: lambda: S3Registry(directory, there(registry), place),
        rows.FILES: lambda: FilesRegistry(directory, there(registry)),
        rows.ZOT: lambda: S3Zot(directory, ZOT.find(), place),
        rows.DISTRIBUTION: lambda: S3Distribution(directory, DISTRIBUTION.find(), place),
    }


def replicas(options, places, directory):
    """Several over one database, and one with SQLite."""
    registry = there(os.path.abspath(options.registry))
    return {
        rows.OURS: lambda: Replicas(directory, registry, places),
        rows.SQLITE: lambda: SqliteRegistry(directory, registry),
    }


def there(program):
    path = shutil.which(program)
    if not path:
        raise Missing(f"no {program} is installed")
    return path


def make_servers(made):
    """Those that can be had and start, and what to say of the others."""
    servers, failures = {}, []
    for name, make in made.items():
        try:
            server = make()
            server.start()
            server.fresh()
            servers[name] = server
        except (Missing, BenchError) as error:
            failures.append(f"{name} was left out: {error}")
            print(failures[-1], file=sys.stderr, flush=True)
    return servers, failures


def measure(options, directory):
    clients = Clients(os.path.abspath(options.clients))
    if options.gc:
        programs = {rows.DISTRIBUTION: DISTRIBUTION, rows.ZOT: ZOT}
        collectors, failures = gc_rows.find_all(options, programs, directory)
        bench = rows.Bench(options, collectors, clients, directory)
        return run_groups(bench, gc_rows.GROUPS, failures), collectors, failures
    if options.replicas:
        return measure_at(Places(options.s3_server, directory), options, clients, directory)
    if options.policy:
        return measure_policy(options, clients, directory)
    if not options.s3:
        made = peers(options, clients, directory)
        if options.upload:
            made = {name: made[name] for name in (rows.OURS, *rows.PEERS)}
        servers, failures = make_servers(made)
        bench = rows.Bench(options, servers, clients, directory)
        return run_groups(bench, (upload_rows if options.upload else rows).GROUPS, failures), servers, failures
    return measure_at(Place(options.s3_server, directory), options, clients, directory)


def measure_policy(options, clients, directory):
    """Ours alone, with a pull policy and without, with events and without."""
    registry = there(os.path.abspath(options.registry))
    made = {
        rows.OURS: lambda: Registry(directory, registry),
        rows.POLICED: lambda: policy_rows.PolicedRegistry(directory, registry),
        rows.SCANNING: lambda: scan_rows.ScanningRegistry(directory, registry),
        rows.NOTIFYING: lambda: notify_rows.NotifyingRegistry(directory, registry),
        rows.UNTOLD: lambda: policy_rows.UntoldRegistry(directory, registry),
    }
    servers, failures = make_servers(made)
    bench = rows.Bench(options, servers, clients, directory)
    return run_groups(bench, [*policy_rows.GROUPS, *scan_rows.GROUPS, *signature_rows.GROUPS, *notify_rows.GROUPS], failures), servers, failures


def measure_at(place, options, clients, directory):
    """With the servers there that ours need."""
    make, groups = (replicas, replica_rows) if options.replicas else (peers_on_s3, s3_rows)
    place.start()
    try:
        servers, failures = make_servers(make(options, place, directory))
        bench = rows.Bench(options, servers, clients, directory, place)
        return run_groups(bench, groups.GROUPS, failures), servers, failures
    finally:
        place.stop()


def run_groups(bench, groups, failures):
    """The rows. What could not be measured is added to failures."""
    measured = []
    try:
        for group in groups:
            if not re.search(bench.options.only, group.__name__):
                continue
            try:
                measured += group(bench)
            except (BenchError, OSError) as error:
                failures.append(f"{group.__name__} was not measured: {error}")
                print(failures[-1], file=sys.stderr, flush=True)
    finally:
        for server in bench.servers.values():
            server.stop()
    return measured


def busy_seconds():
    """CPU time of the machine that was not idle, and of this process and its ended children."""
    with open("/proc/stat") as f:
        user, nice, system, _idle, _wait, irq, softirq = map(int, f.readline().split()[1:8])
    ours = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return (
        (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK"),
        sum(usage.ru_utime + usage.ru_stime for usage in ours),
    )


class Strangers:
    """The share of the machine's CPU time that other processes took meanwhile: when it is more
    than a few percent, measure again."""

    def __enter__(self):
        self.begin = time.monotonic()
        self.busy, self.ours = busy_seconds()
        return self

    def __exit__(self, *_):
        busy, ours = busy_seconds()
        spent = (busy - self.busy) - (ours - self.ours)
        self.share = max(0.0, spent / (time.monotonic() - self.begin) / os.cpu_count())


def write_results(options, measured, servers, failures, strangers):
    page = report.page(measured, options, servers, failures, strangers)
    os.makedirs(os.path.dirname(options.output) or ".", exist_ok=True)
    with open(options.output, "w") as f:
        f.write(page)
    with open(os.path.splitext(options.output)[0] + ".json", "w") as f:
        json.dump({row.title: row.values for row in measured}, f, indent=1)
    print(page)


def on_signal(number, _frame):
    sys.exit(128 + number)


def main():
    options = parse_options()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="registry-bench-", dir=options.directory) as directory:
        if options.files:
            return file_search.run(options, directory)
        with Strangers() as strangers:
            measured, servers, failures = measure(options, directory)
    write_results(options, measured, servers, failures, strangers)


if __name__ == "__main__":
    main()
