"""What scripts/bench --policy measures: pulls and pushes under a pull policy that is enforced, beside the same registry
without one."""

import json
import time

import seed
from rows import MANIFEST_PATH, OURS, POLICED, Goal, Row, Running
from seed import Client
from servers import Registry
from tools import wrk

NOTE = "The goal is for the registry without a policy, divided by the one with it."


class PolicedRegistry(Registry):
    """Every image is looked at; and each that is pushed gets its time to be scanned in."""

    name = POLICED

    def more(self):
        rules = [{"repositories": ["**"], "severity": "critical", "unscanned": "block after 24h"}]
        return super().more() + f"pull_policy: {json.dumps(rules)}\n"


def policed_pulls(bench):
    """manifest GET by tag under a pull policy"""
    servers = bench.some(OURS, POLICED)
    rows = []
    with Running(servers, seed.seed_image):
        for connections in (64, 512):
            where = f"manifest GET by tag, {connections} connections, beside an enforced policy"
            rate = Row(where, "requests/s", [Goal(1 / 0.95, POLICED, at_most=True)], note=NOTE)
            p99 = Row(f"{where}, p99", "ms")

            def measure(server, _run):
                per_second, tail_ms = wrk(server, MANIFEST_PATH, connections, bench.pick(4, 1))
                rate.add(server.name, per_second)
                p99.add(server.name, tail_ms)

            bench.in_turn(where, servers, measure)
            rows += [rate, p99]
    return rows


def push_images(server, count, run):
    """Of the config and layers of the image that is there, told apart by an annotation; seconds."""
    with Client(server) as client:
        _, text = client.request("GET", MANIFEST_PATH, 200)
        manifest = json.loads(text)
        begin = time.monotonic()
        for n in range(count):
            manifest["annotations"] = {"bench.number": f"{run}-{n}"}
            body = json.dumps(manifest).encode()
            headers = {"Content-Type": manifest["mediaType"]}
            client.request("PUT", f"/v2/{seed.REPOSITORY}/manifests/v{n}", 201, body, headers)
        return time.monotonic() - begin


def policed_pushes(bench):
    """manifest PUT under a policy that counts from it"""
    servers = bench.some(OURS, POLICED)
    count = bench.pick(1000, 200)
    row = Row("manifest PUT, one after the other, beside 'block after 24h'", "pushes/s",
              [Goal(1 / 0.9, POLICED, at_most=True)], note=NOTE)  # fmt: skip
    with Running(servers, seed.seed_image):

        def measure(server, run):
            row.add(server.name, count / push_images(server, count, run))

        bench.in_turn(row.title, servers, measure)
    return [row]


GROUPS = [policed_pulls, policed_pushes]
