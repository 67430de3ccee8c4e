"""What scripts/bench --policy measures: pulls and pushes under a pull policy that is enforced, beside the same registry
without one; and pushes that are told as events, beside those of which nothing is told."""

import base64
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import seed
from rows import MANIFEST_PATH, OURS, POLICED, UNTOLD, Goal, Row, Running
from seed import Client
from servers import Registry
from tools import wrk

NOTE = "The goal is for the registry without a policy, divided by the one with it."


class PolicedRegistry(Registry):
    """Every image is looked at, and must be signed; and each that is pushed gets its time to be scanned in."""

    name = POLICED

    def more(self):
        rules = [{"repositories": ["**"], "severity": "critical", "unscanned": "block after 24h"}]
        signed = [{"repositories": [seed.REPOSITORY], "cosign": [{"key": self.public_key()}]}]
        return super().more() + f"pull_policy: {json.dumps(rules)}\nsignatures: {json.dumps(signed)}\n"

    def public_key(self):
        public, private = self.path("signer.pub"), self.path("signer.pem")
        if not os.path.exists(public):
            openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private)
            openssl("ec", "-in", private, "-pubout", "-out", public)
        return public


def openssl(*words, text=None):
    done = subprocess.run(["openssl", *words], input=text, capture_output=True, check=True)
    return done.stdout


def seed_signed(server):
    """The image, with a signature of cosign's where one is asked for."""
    seed.seed_image(server)
    if server.name != POLICED:
        return
    image = seed.digest(seed.IMAGE)
    payload = json.dumps({"critical": {
        "identity": {"docker-reference": seed.REPOSITORY},
        "image": {"docker-manifest-digest": image},
        "type": "cosign container image signature",
    }}).encode()  # fmt: skip
    signature = openssl("dgst", "-sha256", "-sign", server.path("signer.pem"), text=payload)
    manifest = json.loads(seed.manifest([payload]))
    manifest["layers"][0]["mediaType"] = "application/vnd.dev.cosign.simplesigning.v1+json"
    manifest["layers"][0]["annotations"] = {
        "dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()
    }
    with Client(server) as client:
        client.push_blob(seed.REPOSITORY, payload, seed.digest(payload))
        client.push_manifest(seed.REPOSITORY, image.replace(":", "-") + ".sig", json.dumps(manifest).encode())


def policed_pulls(bench):
    """manifest GET by tag under a pull policy and rules of signatures"""
    servers = bench.some(OURS, POLICED)
    rows = []
    with Running(servers, seed_signed):
        for connections in (64, 512):
            where = f"manifest GET by tag, {connections} connections, beside an enforced policy and signatures"
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
    with Running(servers, seed_signed):

        def measure(server, run):
            row.add(server.name, count / push_images(server, count, run))

        bench.in_turn(row.title, servers, measure)
    return [row]


class UntoldRegistry(Registry):
    """No push is an event."""

    name = UNTOLD

    def more(self):
        return super().more() + "events: {pushes: false}\n"


def told_pushes(bench):
    """manifest PUT, each an event of the log, beside PUTs without events"""
    servers = bench.some(OURS, UNTOLD)
    count = bench.pick(1000, 200)
    title = "manifest PUT, 4 connections, each push an event"
    row = Row(title, "pushes/s", [Goal(0.95, UNTOLD)])
    with Running(servers, seed.seed_image):

        def measure(server, run):
            begin = time.monotonic()
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda n: push_images(server, count // 4, f"{run}.{n}"), range(4)))
            row.add(server.name, count / (time.monotonic() - begin))

        bench.in_turn(title, servers, measure)
    return [row]


GROUPS = [policed_pulls, policed_pushes, told_pushes]
