"""Archives that are uploaded while collection runs without a grace, again and again: what was answered 201 is whole."""

import threading

import pytest
from archives import docker_archive
from at_work import AtWork
from content import command
from helpers import image_of_layers, random_bytes, tar_layer

LAYERS = [tar_layer({"a": random_bytes(50_000, n)}) for n in range(4)]
ROUNDS = 12
TRIES = 50


class Collector(threading.Thread):
    """Begins one run after the other."""

    def __init__(self, registry):
        super().__init__(daemon=True)
        self.registry = registry
        self.ending = threading.Event()
        self.runs = 0
        self.wrong = None

    def run(self):
        try:
            while not self.ending.is_set():
                command(self.registry, "gc", "--delete")
                self.runs += 1
        except AssertionError as error:
            self.wrong = error

    def end(self):
        self.join(60)
        assert self.wrong is None and self.runs > 0, self.wrong


class Collecting(AtWork):
    def __init__(self, registry):
        self.actors = [Collector(registry)]


def upload_surely(client, made):
    """What was deleted while it came is asked for again."""
    for _ in range(TRIES):
        wanted = {"repository": "team/app", "tag": "v1"}
        data = docker_archive(made, None)
        answer = client.request("PUT", "/upload-image", (201, 503), params=wanted, data=data)
        if answer.status_code == 201:
            return
        assert int(answer.headers["Retry-After"]) >= 0
    raise AssertionError("it was never taken")


@pytest.mark.config({"gc": {"grace": "0s", "untagged": "1ms"}, "maintenance": {"interval": "100ms"}})
def test_an_image_that_was_taken_is_whole_while_collection_runs_without_a_grace(registry, client):
    with Collecting(registry):
        for n in range(ROUNDS):
            made = image_of_layers([LAYERS[n % 4], LAYERS[(n + 1) % 4]])
            upload_surely(client, made)
            digests = [x["digest"] for x in client.pull_image("team/app", "v1").document["layers"]]
            assert digests == [x["digest"] for x in made.document["layers"]]
            client.delete_manifest("team/app", "v1")
