"""Clients of all replicas at once that read, move, delete, create and swap tags, and keep a history of what
they were told, to be checked for linearizability per tag (linearizability.py)."""

import random
import threading
import time

import requests

from at_work import AtWork
from helpers import Client, canonical, digest_of, image
from linearizability import NEVER, Operation, find_problem

REPO = "history"
BASE = image(seed="history", layers=1, layer_size=100)
REQUEST_TIMEOUT_S = 30

# How often each is done.
KINDS = {"get": 6, "head": 6, "write": 4, "swap": 3, "create": 1, "delete": 2, "drop": 1}


class Wrong(AssertionError):
    """An answer that is wrong by itself, whatever the others were."""


class History:
    """Of several tags; any thread."""

    def __init__(self):
        self.began = time.monotonic()
        self.lock = threading.Lock()
        self.operations = {}  # by tag
        self.wrong = []
        self.refused = 0  # so many were answered 503

    def now(self):
        return time.monotonic() - self.began

    def add(self, tag, operation):
        with self.lock:
            self.operations.setdefault(tag, []).append(operation)

    def count(self, known=True):
        with self.lock:
            return sum(o.known == known for of_tag in self.operations.values() for o in of_tag)

    def check(self):
        assert not self.wrong, "\n".join(self.wrong[:5])
        for tag, operations in sorted(self.operations.items()):
            problem = find_problem(operations)
            assert problem is None, f"{tag}: {problem}"


def manifest_of(name):
    """A manifest of its own for each name, of the same blobs."""
    return canonical({**BASE.document, "annotations": {"name": name}})


def short(digest):
    """What a history shows of it."""
    return digest[:19]


class Actor(threading.Thread):
    """A client of one replica."""

    def __init__(self, history, url, name, tags, seed):
        super().__init__(daemon=True, name=name)
        self.history = history
        self.client = Client(url)
        self.tags = tags
        self.random = random.Random(seed)
        self.seen = {}  # by tag: the value that this one saw last
        self.made = 0
        self.ending = threading.Event()

    def run(self):
        kinds, weights = list(KINDS), list(KINDS.values())
        try:
            while not self.ending.is_set():
                [kind] = self.random.choices(kinds, weights)
                self.act(kind, self.random.choice(self.tags))
        except Exception as error:  # a fault of ours or of theirs: the test must know
            self.history.wrong.append(f"{self.name}: {error!r}")
        finally:
            self.client.close()

    def act(self, kind, tag):
        getattr(self, kind)(tag)

    def new_manifest(self):
        self.made += 1
        body = manifest_of(f"{self.name}/{self.made}")
        return digest_of(body), body

    # The operations

    def get(self, tag):
        self.read("GET", tag)

    def head(self, tag):
        self.read("HEAD", tag)

    def read(self, method, tag):
        called = self.history.now()
        answer = self.ask(method, tag, {200, 404}, headers={"Accept": BASE.media_type})
        if answer is None or answer.status_code == 503:
            self.note("read", tag, called, None)
            return
        value = answer.headers["Docker-Content-Digest"] if answer.status_code == 200 else None
        if method == "GET" and value and digest_of(answer.content) != value:
            raise Wrong(f"{value} is told for {answer.content[:300]!r}")
        self.seen[tag] = value
        self.note("read", tag, called, answer, value=value)

    def write(self, tag):
        digest, body = self.new_manifest()
        called = self.history.now()
        answer = self.put(tag, body, {201})
        self.note("write", tag, called, answer, value=digest)

    def swap(self, tag):
        self.conditional(tag, self.seen.get(tag))

    def create(self, tag):
        self.conditional(tag, None)

    def conditional(self, tag, expected):
        digest, body = self.new_manifest()
        condition = {"If-None-Match": "*"} if expected is None else {"If-Match": f'"{expected}"'}
        called = self.history.now()
        answer = self.put(tag, body, {201, 412}, condition)
        ok = answer is None or answer.status_code != 412
        self.note("swap", tag, called, answer, value=digest, expected=expected, ok=ok)

    def delete(self, tag):
        called = self.history.now()
        answer = self.ask("DELETE", tag, {202, 404})
        ok = answer is None or answer.status_code != 404
        self.note("delete", tag, called, answer, ok=ok)

    def drop(self, tag):
        """Deletes what was there by its digest: it goes from this tag, the only one that ever had it."""
        digest = self.seen.get(tag)
        if digest is None:
            return
        called = self.history.now()
        answer = self.ask("DELETE", digest, {202, 404})
        ok = answer is None or answer.status_code != 404
        self.note("drop", tag, called, answer, value=digest, ok=ok)

    # Asking

    def put(self, tag, body, wanted, headers=()):
        headers = {"Content-Type": BASE.media_type, **dict(headers)}
        return self.ask("PUT", tag, wanted, data=body, headers=headers)

    def ask(self, method, reference, wanted, **more):
        """The answer; None when there was none. One of 503 is returned as it is: nobody knows what it did."""
        path = f"/v2/{REPO}/manifests/{reference}"
        try:
            answer = self.client.request(method, path, None, REQUEST_TIMEOUT_S, **more)
        except requests.RequestException as error:
            self.ending.wait(0.05)
            self.unsent = "NewConnectionError" in repr(error)
            return None
        self.unsent = False
        if answer.status_code == 503:
            self.history.refused += 1
            if int(answer.headers.get("Retry-After", 0)) < 1:
                raise Wrong(f"{method} {path}: 503 without Retry-After")
            self.ending.wait(0.05)
        elif answer.status_code not in wanted:
            raise Wrong(f"{method} {path}: {answer.status_code} {answer.content[:300]!r}")
        return answer

    def note(self, kind, tag, called, answer, **more):
        known = answer is not None and answer.status_code != 503
        if not known and (kind == "read" or self.unsent):
            return
        answered = self.history.now() if known else NEVER
        more = {key: short(value) if isinstance(value, str) else value for key, value in more.items()}
        operation = Operation(kind, called=called, answered=answered, who=self.name, **more)
        self.history.add(tag, operation)

    def end(self):
        self.ending.set()
        self.join(2 * REQUEST_TIMEOUT_S)
        assert not self.is_alive(), f"{self.name} hangs"


class Crowd(AtWork):
    """Clients of each of these URLs, working while the block runs; then one look at each tag through each."""

    def __init__(self, urls, tags, each=3, seed=0):
        self.history = History()
        self.urls = urls
        self.tags = tags
        self.actors = [
            Actor(self.history, url, f"{n}{letter}", tags, f"{seed}/{n}{letter}")
            for n, url in enumerate(urls)
            for letter in "abcdefgh"[:each]
        ]

    def __enter__(self):
        with Client(self.urls[0]) as client:
            for digest, data in BASE.blobs.items():
                client.push_blob(REPO, data, digest)
        return super().__enter__()

    def look(self):
        """When everything is well again: what each tag is, by way of each."""
        for n, url in enumerate(self.urls):
            actor = Actor(self.history, url, f"{n}-in-the-end", self.tags, 0)
            for tag in self.tags:
                actor.head(tag)
                actor.get(tag)
            actor.client.close()
