"""Clients that push and delete without pause, and remember what was acknowledged.

Whatever happens to the registry in between, verify() then says whether it kept its word: each tag
is where the last acknowledged request put it, or where the one under way was about to put it, and
the image behind it is complete.
"""

import random
import threading
import time

import requests

from helpers import (
    Client,
    Unexpected,
    check_store_on_disk,
    image_of_layers,
    random_bytes,
    tar_layer,
)
from waiting import until

TAGS = 3
GONE = None


class Pusher(threading.Thread):
    """Owns the tags of one repository. possible[tag] is the set of states it may be found in."""

    def __init__(self, url, repo, seed):
        super().__init__(daemon=True)
        self.url = url
        self.repo = repo
        self.random = random.Random(seed)
        self.possible = {f"v{n}": {GONE} for n in range(TAGS)}
        self.acknowledged = 0
        self.stopping = threading.Event()
        self.problem = None

    def next_image(self, shared):
        size = self.random.choice([100, 5_000, 50_000, 400_000])
        own = tar_layer({"own": random_bytes(size, self.random.random())})
        return image_of_layers([shared, own])

    def run(self):
        shared = tar_layer({"shared": random_bytes(100_000, self.random.randrange(4))})
        try:
            with Client(self.url) as client:
                while not self.stopping.is_set():
                    tag = self.random.choice(list(self.possible))
                    if self.random.random() < 0.15:
                        self.delete(client, tag)
                    else:
                        self.push(client, tag, self.next_image(shared))
        except requests.RequestException:
            pass  # the registry was killed
        except Unexpected as problem:
            # With its disk gone a registry may still answer, with an error of its own.
            if problem.response.status_code < 500:
                self.problem = problem
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = problem

    def push(self, client, tag, image):
        self.possible[tag].add(image.digest)
        client.push_image(self.repo, image, tag)
        self.possible[tag] = {image.digest}
        self.acknowledged += 1

    def delete(self, client, tag):
        self.possible[tag].add(GONE)
        client.delete_manifest(self.repo, tag, expect=(202, 404))
        self.possible[tag] = {GONE}
        self.acknowledged += 1


class Workload:
    def __init__(self, registry, seed, pushers=4):
        self.registry = registry
        self.random = random.Random(seed)
        self.pushers = [Pusher(registry.url, f"load/{n}", f"{seed}/{n}") for n in range(pushers)]
        self.acknowledged = 0

    def run_until(self, disaster):
        """Lets the clients work until disaster(), which may take its time, has happened."""
        old = self.pushers
        self.pushers = [Pusher(p.url, p.repo, self.random.random()) for p in old]
        for pusher, before in zip(self.pushers, old):
            pusher.possible = before.possible
            pusher.start()
        disaster()
        for pusher in self.pushers:
            pusher.stopping.set()
            pusher.join(60)
            assert not pusher.is_alive(), "a client hangs on a registry that is gone"
            if pusher.problem:
                raise pusher.problem
        self.acknowledged += sum(p.acknowledged for p in self.pushers)

    def wait_for_a_random_moment(self, moments):
        """By progress and not by the clock, so that slow machines get as far as fast ones; and then
        a little later, which is the point of such a test and therefore left to chance."""
        enough = moments.randrange(8)
        until(lambda: sum(p.acknowledged for p in self.pushers) >= enough, timeout=60)
        time.sleep(moments.uniform(0.005, 0.1))

    def verify(self):
        """Through the registry and on its disk, which must agree."""
        seen = {}
        with Client(self.registry.url) as client:
            for pusher in self.pushers:
                for tag, possible in pusher.possible.items():
                    found = client.head_manifest(pusher.repo, tag)
                    digest = GONE
                    if found.status_code == 200:
                        digest = client.pull_image(pusher.repo, tag).digest
                        seen[pusher.repo, tag] = digest
                    assert digest in possible, f"{pusher.repo}:{tag} is {digest}, not {possible}"
                    pusher.possible[tag] = {digest}
        assert check_store_on_disk(self.registry.root) == seen
