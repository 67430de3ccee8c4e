"""All that a registry serves, read over HTTP, to be compared with what it serves later or elsewhere."""

import json
import subprocess


def snapshot(client):
    """By repository: each tag with its whole image, pulled and verified, and what refers to it."""
    return {repo: {tag: whole(client, repo, tag) for tag in client.tags(repo)} for repo in client.catalog()}


def images(client):
    """Every tag with its whole image, pulled and verified. For a registry that knows no
    referrers."""
    return {repo: {tag: client.pull_image(repo, tag) for tag in client.tags(repo)} for repo in client.catalog()}


def whole(client, repo, tag):
    image = client.pull_image(repo, tag)
    rows = sorted(client.referrers(repo, image.digest), key=lambda row: row["digest"])
    return {
        "image": image,
        "media type": client.get_manifest(repo, tag).headers["Content-Type"],
        "referrers": [(json.dumps(row, sort_keys=True), client.pull_image(repo, row["digest"])) for row in rows],
    }


def command(registry, *words, status=0, config=True):
    """A command of the registry's own, with its configuration; what it printed, on both streams."""
    registry.write_config()
    done = subprocess.run(
        [registry.binary, *words, *(["--config", registry.config_path] if config else [])],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def counts(printed):
    """{"tags": (3, 1), ...} of a summary: how many there are, and how many of them are new."""
    rows = [line.split() for line in printed.splitlines()]
    return {r[0]: (int(r[1]), int(r[2])) for r in rows if len(r) == 4 and r[3] == "new"}
