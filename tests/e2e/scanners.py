"""Registries that scan: with a stand-in for Trivy (fake_trivy.py) that says what an image says of itself, and data that
is right in form and empty."""

import json
import os
import socket
import struct
from pathlib import Path

from helpers import image_of_layers, tar_layer
from waiting import until

FAKE = Path(__file__).resolve().parent / "fake_trivy.py"
PAGE = 4096
OVER = ("completed", "failed", "unsupported", "not_applicable")


def _empty_bolt():
    """A database of bbolt with nothing in it: two pages about it, a list of free pages, an empty leaf."""

    def page(number, flags, body=b"", count=0):
        return (struct.pack("<QHHI", number, flags, count, 0) + body).ljust(PAGE, b"\0")

    def meta(number):
        body = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, PAGE, 0, 3, 0, 2, 4, number)
        state = 0xCBF29CE484222325
        for byte in body:
            state = (state ^ byte) * 0x100000001B3 & (1 << 64) - 1
        return page(number, 4, body + struct.pack("<Q", state))

    return meta(0) + meta(1) + page(2, 0x10) + page(3, 2)


def make_data(folder, updated="2026-11-01T00:00:00Z"):
    """As if somebody had put it there."""
    database = folder / "db"
    database.mkdir(parents=True, exist_ok=True)
    (database / "trivy.db").write_bytes(_empty_bolt())
    (database / "metadata.json").write_text(json.dumps({"Version": 2, "UpdatedAt": updated, "NextUpdate": updated}))


class FakeTrivy:
    """One in a directory of its own, with its data."""

    def __init__(self, work):
        self.work = Path(work)
        self.work.mkdir()
        self.program = self.work / "trivy"
        self.program.symlink_to(FAKE)
        self.cache = self.work / "data"
        taken = self.cache / "generations" / "1-00000000"
        make_data(taken)  # as a registry of before has left it: to be taken, it would have to rest for a second
        (self.cache / "current").symlink_to(taken.relative_to(self.cache))
        self.asked = []
        self.listener = socket.socket(socket.AF_UNIX)
        here = os.open(self.work, os.O_PATH)
        self.listener.bind(f"/proc/self/fd/{here}/calls")
        os.close(here)
        self.listener.listen(4096)
        self.listener.setblocking(False)

    def behave(self, mode=None, text=""):
        new = self.work / "new"
        new.write_text(json.dumps({"mode": mode, "text": text}))
        os.replace(new, self.work / "trivy.json")

    def calls(self, *commands):
        """What it was asked, of these commands."""
        try:
            while True:
                call, _ = self.listener.accept()
                with call, call.makefile() as line:
                    self.asked.append(line.read().strip())
        except BlockingIOError:
            return [line for line in self.asked if line.split()[0] in commands]

    def config(self, **more):
        """Of a registry that scans with it."""
        trivy = {"path": str(self.program), "cache_dir": str(self.cache), "file_size": "8MiB", "memory_size": "256MiB"}
        more = {"data": {"max_age": 0}, **more}
        return {"scan": {"on_push": True, "trivy": {**trivy, **more.pop("trivy", {})}, **more}}


def start(registry):
    """Starts it, and waits until it has taken the data that lies there."""
    registry.start()
    until((Path(registry.config["scan"]["trivy"]["cache_dir"]) / "current").exists)
    return registry


def says(vulnerabilities, **more):
    """An image that says what is to be found in it: rows of (cve, severity, package) or whole ones."""
    rows = [v if isinstance(v, dict) else dict(zip(("cve", "severity", "package"), v)) for v in vulnerabilities]
    truth = {"os": ["fake", "1"], "packages": max(len(rows), 1), "vulnerabilities": rows, **more}
    return image_of_layers([tar_layer({"planted.json": json.dumps(truth).encode()})])


def result(client, repo, reference, **params):
    return client.request("GET", f"/v2/{repo}/manifests/{reference}/scan", 200, params=params).json()


def wait_for(client, repo, reference, *, states=OVER, timeout=60):
    """The result, when it is one of those."""

    def once():
        found = result(client, repo, reference)
        return found if found["status"] in states else None

    return until(once, timeout=timeout)
