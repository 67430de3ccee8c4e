"""What scripts/bench --policy measures of signatures: how long it takes to tell whether an image is signed, beside
cosign."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import seed
from rows import COSIGN, OURS, SIGNED, Goal, Row, Running
from seed import Client
from servers import BenchError, Registry

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

from certificates import authority, code_signer  # noqa: E402  (the path is set one line above)
from go_programs import go_program  # noqa: E402

WHO = "team@example.org"
PLAIN = ["--use-signing-config=false", "--tlog-upload=false", "-y", "--allow-http-registry", "--new-bundle-format=false"]


class SignedRegistry(Registry):
    """Images are to be signed by a key and by a certificate; those that are not are told."""

    name = SIGNED

    def __init__(self, base, program):
        super().__init__(base, program)
        self.cosign = go_program("cosign")
        self.roots = authority(self.dir, "ca")
        self.signer = code_signer(self.dir, "signer", self.roots, f"email:{WHO}")
        self.run(self.cosign, "generate-key-pair")
        self.run(self.cosign, "import-key-pair", "--key", self.signer.with_suffix(".key"), "--output-key-prefix", "team")

    def more(self):
        signers = [{"key": self.path("cosign.pub")},
                   {"identity": WHO, "roots": str(self.roots), "transparency_log": "ignore"}]  # fmt: skip
        rules = [{"repositories": ["**"], "mode": "warn", "require": "all", "cosign": signers}]
        return super().more() + f"signatures: {json.dumps(rules)}\n"

    @property
    def image(self):
        return f"{self.address}/{seed.REPOSITORY}@{seed.digest(seed.IMAGE)}"

    def run(self, *command):
        environment = {**os.environ, "HOME": self.dir, "COSIGN_PASSWORD": ""}
        done = subprocess.run(command, cwd=self.dir, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")

    def seed(self):
        seed.seed_image(self)
        by_certificate = ["--certificate", self.signer, "--certificate-chain", self.roots]
        self.run(self.cosign, "sign", "--key", "cosign.key", *PLAIN, self.image)
        self.run(self.cosign, "sign", "--key", "team.key", *by_certificate, *PLAIN, self.image)

    def commands(self, by):
        """Of each program, by "key" or "certificate"."""
        theirs = [self.cosign, "verify", "--allow-http-registry", "--insecure-ignore-tlog", "--new-bundle-format=false"]
        ours = [os.path.abspath(self.program), "verify"]
        if by == "key":
            return {OURS: [*ours, "--key", "cosign.pub", self.image], COSIGN: [*theirs, "--key", "cosign.pub", self.image]}
        who = ["--certificate-identity", WHO]
        pinned = ["--certificate-oidc-issuer-regexp", ".*", "--insecure-ignore-sct", "--ca-roots", self.roots]
        return {
            OURS: [*ours, *who, "--certificate-roots", self.roots, "--no-log", self.image],
            COSIGN: [*theirs, *who, *pinned, self.image],
        }

    def judge(self, client):
        """By the server: nothing of it is kept from one answer to the next."""
        path = f"/api/v1/images/{seed.REPOSITORY}/{seed.digest(seed.IMAGE)}/signatures"
        _, text = client.request("GET", path, 200)
        rule = json.loads(text)["rules"][0]
        if not rule["verified"] or len(rule["signatures"]) != 2:
            raise BenchError(f"the image is not signed as it should be: {text[:500]!r}")


class Program:
    def __init__(self, name):
        self.name = name


def processors_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def as_process(bench, server, by, count):
    rows = [Row(f"a signature by {by}, verified by a process", "ms"),
            Row(f"a signature by {by}, verified by a process, processors", "ms")]  # fmt: skip
    commands = server.commands(by)

    def measure(program, _run):
        begin, used = time.monotonic(), processors_s()
        for _ in range(count):
            server.run(*commands[program.name])
        rows[0].add(program.name, (time.monotonic() - begin) / count * 1000)
        rows[1].add(program.name, (processors_s() - used) / count * 1000)

    bench.in_turn(rows[0].title, [Program(OURS), Program(COSIGN)], measure)
    return rows


def on_server(bench, server, theirs, count):
    """Both signatures at once, beside a process for each of them."""
    row = Row("both of them, verified by the server", "ms", [Goal(1 / 20, COSIGN, at_most=True)])
    for pair in zip(*(each.values[COSIGN] for each in theirs)):
        row.add(COSIGN, sum(pair))

    def measure(_server, _run):
        with Client(server) as client:
            begin = time.monotonic()
            for _ in range(count):
                server.judge(client)
            row.add(OURS, (time.monotonic() - begin) / count * 1000)

    bench.in_turn(row.title, [server], measure)
    return row


def signature_checks(bench):
    """signatures verified, beside cosign"""
    server = SignedRegistry(bench.directory, bench.servers[OURS].program)
    count = bench.pick(20, 5)
    with Running([server], SignedRegistry.seed):
        key, certificate = (as_process(bench, server, by, count) for by in ("key", "certificate"))
        return [*key, *certificate, on_server(bench, server, [key[0], certificate[0]], count * 20)]


GROUPS = [signature_checks]
