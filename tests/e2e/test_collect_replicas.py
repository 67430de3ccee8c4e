"""Two servers over a bucket and PostgreSQL: retention by policy and deleting many, and what both leave collected."""

import json

import places
from content import command
from helpers import Client, image
from places import sql
from waiting import until

CONFIG = {
    "retention": [{"repositories": ["dev/**"], "keep_last": 2}],
    "gc": {"grace": "0s", "linger": "0s", "untagged": "1ms"},
    "maintenance": {"interval": "1s"},
}
ONLY = [image(i, layers=1) for i in range(4)]
OLD = [image(10 + i, layers=1) for i in range(3)]


def fill(one, two):
    for i, x in enumerate(ONLY):
        (one, two)[i % 2].push_image("dev/app", x, f"v{i}")
        two.push_image("ops/app", ONLY[3], f"pr-{i}")
    two.push_image("ops/app", ONLY[3], "kept")
    for x in OLD:
        one.push_image("old/app", x, "v1")


def test_retention_and_deleting_many_free_what_only_they_had(new_registry, s3_servers):
    with places.place("bucket", s3_servers) as sections:
        first, second = (new_registry(config={**sections, **CONFIG}).start() for _ in range(2))
        with Client(first.url) as one, Client(second.url) as two:
            fill(one, two)
            assert "retention: done" in command(first, "retention")
            assert ": done" in command(second, "tag", "rm", "ops/app", "pr-*")
            assert ": done" in command(first, "repo", "rm", "old/app")
            assert (two.tags("dev/app"), one.tags("ops/app")) == (["v2", "v3"], ["kept"])
            command(second, "gc", "--delete", "--older-than", "0s")
            run = json.loads(command(first, "gc", "runs", "--json").splitlines()[-1])
            assert (run["state"], run["deleted"]["manifests"], run["deleted"]["blobs"]) == ("done", 2, 4)
            until(lambda: sql(first, "SELECT count(*) FROM removed WHERE state <> 2") == "0", timeout=60)
            assert sql(first, "SELECT count(*) FROM removed") == str(2 * len(ONLY[:2] + OLD))
            for client in one, two:
                client.pull_image("dev/app", "v3")
                client.pull_image("ops/app", "kept")
        for registry in first, second:
            registry.stop()
