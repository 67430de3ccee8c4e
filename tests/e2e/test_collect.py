"""`registry gc`: who loses what, beside pushes, killed in the middle, dry; on a server that runs and on one that is
stopped. docs/collection.md has the table."""

import itertools
import json
import sqlite3
import subprocess
import threading

import pytest

from below import files_below, paths_below
from content import command
from helpers import Client, Unexpected, artifact, digest_of, image, index
from waiting import until

AT_ONCE = ("--older-than", "0s")


@pytest.fixture
def registry(new_registry):
    return new_registry().start()


@pytest.fixture
def client(registry):
    with Client(registry.url) as client:
        yield client


def gc(registry, *words, delete=True, status=0):
    """What it did: (action, kind, digest) of each, and the sums."""
    how = "--delete" if delete else "--dry-run"
    printed = command(registry, "gc", how, "--json", *words, status=status).splitlines()
    lines = [json.loads(line) for line in printed if line.startswith("{")]
    items = {(x["action"], x["kind"], x["digest"]) for x in lines[:-1]}
    return items, lines[-1]


def collect(registry):
    """By the server, when one runs."""
    return gc(registry, *AT_ONCE)[1]


def runs(registry):
    return [json.loads(line) for line in command(registry, "gc", "runs", "--json").splitlines()]


def has(client, repo, digest):
    return client.head_manifest(repo, digest).status_code == 200


def untag(client, repo, tag):
    client.delete_manifest(repo, tag)


def dump(registry):
    with sqlite3.connect(registry.root / "registry.db", timeout=60) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
    db.close()
    return rows


# ---- who loses what


def test_children_of_a_tagged_index_stay(registry, client):
    inner = image(1)
    nested = index([inner])
    outer = index([nested, image(2)])
    client.push_image("app", outer, "v1")
    assert collect(registry)["deleted"] == {"blobs": 0, "manifests": 0, "bytes": 0}
    client.pull_image("app", "v1")


def test_an_index_that_lost_its_tag_stays_with_its_children(registry, client):
    outer = index([image(1)])
    client.push_image("app", outer, "v1")
    untag(client, "app", "v1")
    collect(registry)
    assert client.pull_image("app", outer.digest) == outer


def test_children_go_with_their_index_unless_something_else_has_them(registry, client):
    alone, tagged, shared = image(1), image(2), image(3)
    gone, other = index([alone, tagged, shared]), index([shared, image(4)])
    client.push_image("app", gone, "v1")
    client.push_image("app", other, "v2")
    client.push_image("app", tagged, "mine")
    client.delete_manifest("app", gone.digest)
    sums = collect(registry)["deleted"]
    assert sums["manifests"] == 1
    assert sums["blobs"] == len(alone.blobs)
    assert not has(client, "app", alone.digest)
    client.pull_image("app", "v2")
    client.pull_image("app", "mine")


def test_referrers_of_a_tagged_subject_stay(registry, client):
    subject = image(1)
    signature = artifact("a/signature", subject=subject.descriptor())
    of_it = artifact("a/attestation", subject=signature.descriptor())
    client.push_image("app", subject, "v1")
    for x in signature, of_it:
        client.push_image("app", x, x.digest)
    collect(registry)
    assert has(client, "app", signature.digest)
    assert has(client, "app", of_it.digest)


def test_referrers_go_with_their_subject_and_theirs_with_them(registry, client):
    subject = image(1)
    signature = artifact("a/signature", subject=subject.descriptor())
    of_it = artifact("a/attestation", subject=signature.descriptor())
    client.push_image("app", subject, "v1")
    for x in signature, of_it:
        client.push_image("app", x, x.digest)
    client.delete_manifest("app", subject.digest)
    assert collect(registry)["deleted"]["manifests"] == 2
    assert not has(client, "app", signature.digest)
    assert not has(client, "app", of_it.digest)


def test_a_tagged_referrer_of_a_deleted_subject_stays(registry, client):
    subject = image(1)
    client.push_image("app", subject, "v1")
    client.push_image("app", artifact("a/sbom", subject=subject.descriptor()), "sbom")
    client.delete_manifest("app", subject.digest)
    collect(registry)
    client.pull_image("app", "sbom")


def test_a_referrer_pushed_before_its_subject_stays(registry, client):
    early = artifact("a/signature", subject=image(1).descriptor())
    client.push_image("app", early, early.digest)
    collect(registry)
    assert has(client, "app", early.digest)


@pytest.mark.parametrize("ending", ["", ".sig", ".att", ".sbom"])
def test_signatures_by_tag_live_and_die_with_their_image(registry, client, ending):
    subject, signature = image(1), image(2)
    tag = subject.digest.replace(":", "-") + ending
    client.push_image("app", subject, "v1")
    client.push_image("app", signature, tag)
    collect(registry)
    client.pull_image("app", tag)
    client.delete_manifest("app", subject.digest)
    collect(registry)
    assert not has(client, "app", signature.digest)
    assert client.tags("app") == []


def test_a_config_that_artifacts_share_stays_while_one_has_it(registry, client):
    artifacts = [artifact("a/x", layers=[("a/layer", b"%d" % i)]) for i in range(5)]
    for i, x in enumerate(artifacts):
        client.push_image("app", x, f"v{i}")
    for x in artifacts[:4]:
        client.delete_manifest("app", x.digest)
    assert collect(registry)["deleted"]["blobs"] == 4
    client.pull_image("app", "v4")


def test_a_mounted_layer_stays_in_the_other_repository(registry, client):
    x = image(1)
    client.push_image("a", x, "v1")
    for digest in x.blobs:
        client.mount("b", digest, "a")
    client.push_manifest("b", "v1", x)
    client.delete_manifest("a", x.digest)
    assert collect(registry)["deleted"]["blobs"] == len(x.blobs)
    client.pull_image("b", "v1")
    assert not any(client.has_blob("a", digest) for digest in x.blobs)


def test_an_image_without_a_tag_stays(registry, client):
    by_digest, old, new = image(1), image(2), image(3)
    client.push_image("app", by_digest, by_digest.digest)
    client.push_image("app", old, "v1")
    client.push_image("app", new, "v1")
    collect(registry)
    for x in by_digest, old, new:
        client.pull_image("app", x.digest)


def make_old(registry, *images):
    """As if they had been pushed, or left by their tags, an hour before."""
    with sqlite3.connect(registry.root / "registry.db", timeout=30) as db:
        for x in images:
            db.execute(
                "UPDATE ages SET since_ms = since_ms - 3600000 WHERE manifest_id ="
                " (SELECT id FROM manifests WHERE digest = ?)",
                (x.digest,),
            )
    db.close()


def test_a_manifest_without_a_tag_goes_by_its_age(new_registry):
    registry = new_registry(config={"gc": {"untagged": "30m"}}).start()
    with Client(registry.url) as client:
        old, young, again, subject, inner = (image(i) for i in range(5))
        signature, outer = artifact("a/signature", subject=subject.descriptor()), index([inner])
        for i, x in enumerate([old, subject, outer]):
            client.push_image("app", x, f"v{i}")
        for x in young, again, signature:
            client.push_image("app", x)
        untag(client, "app", "v0")
        make_old(registry, old, again, subject, signature, outer, inner)
        client.push_image("app", again)
        assert collect(registry)["deleted"]["manifests"] == 1
        assert not has(client, "app", old.digest)
        untag(client, "app", "v1")
        untag(client, "app", "v2")
        assert collect(registry)["deleted"]["manifests"] == 0
        make_old(registry, subject, outer)
        # The image with its signature, the index with its child.
        assert collect(registry)["deleted"]["manifests"] == 4
        for x in young, again:
            client.pull_image("app", x.digest)


def test_a_blob_without_a_manifest_goes(registry, client):
    digest = client.push_blob("app", b"nobody names it")
    assert collect(registry)["deleted"] == {"blobs": 1, "manifests": 0, "bytes": 15}
    assert not client.has_blob("app", digest)
    assert not [p for p in paths_below(registry.root) if digest[7:] in p.name]


def test_an_open_upload_goes_on(registry, client):
    location = client.patch(client.start_upload("app"), b"half")
    collect(registry)
    client.finish(location, digest_of(b"half"))
    assert client.has_blob("app", digest_of(b"half"))


# ---- condemn, grace, delete


def test_what_is_condemned_stays_for_the_grace(registry, client):
    digest = client.push_blob("app", b"nobody names it")
    items, sums = gc(registry, delete=False)
    assert items == {("condemn", "blob", digest)}
    assert gc(registry)[1]["condemned"]["blobs"] == 1
    assert gc(registry)[1]["condemned"]["blobs"] == 0
    assert client.get_blob("app", digest).content == b"nobody names it"
    assert collect(registry)["deleted"]["blobs"] == 1


def test_a_head_a_push_and_a_mount_revive_a_condemned_blob(registry, client):
    blobs = [b"head", b"push", b"mount", b"manifest"]
    digests = [client.push_blob("app", data) for data in blobs]
    for data in blobs:
        client.push_blob("other", data)
    named = artifact("a/x", layers=[("a/layer", b"manifest")])
    client.push_blob("app", b"{}")
    gc(registry)
    assert client.has_blob("app", digests[0])
    client.push_blob("app", b"push")
    client.mount("app", digests[2], "other")
    client.push_manifest("app", "v1", named)
    items, sums = gc(registry, "--repo", "app", *AT_ONCE, delete=False)
    # They are unused still, and would be condemned anew.
    assert sums["condemned"]["blobs"] == 3
    with sqlite3.connect(registry.root / "registry.db", timeout=60) as db:
        rows = db.execute("SELECT c.digest FROM condemned c JOIN repos r ON r.id = c.repo_id WHERE r.name = 'app'")
        assert rows.fetchall() == []
    db.close()


def test_explain_says_why(registry, client):
    child, unused = image(1), client.push_blob("app", b"nobody names it")
    client.push_image("app", index([child]), "v1")
    assert "tag v1 points to it" in command(registry, "gc", "explain", f"app@{child.digest}")
    said = command(registry, "gc", "explain", next(iter(child.blobs)))
    assert "is kept" in said and "tag v1" in said
    assert "no manifest names it" in command(registry, "gc", "explain", unused)
    collect(registry)
    runs = command(registry, "gc", "runs").split()
    assert f"was deleted by run {runs[0]}" in command(registry, "gc", "explain", unused)
    command(registry, "gc", "explain", digest_of(b"never was"), status=1)


# ---- dry runs


@pytest.mark.parametrize("server", [True, False], ids=["running", "stopped"])
def test_a_dry_run_changes_nothing_and_says_what_the_run_does(registry, client, server):
    subject = image(1)
    gone = index([image(2)])
    signature = artifact("a/signature", subject=subject.descriptor())
    client.push_image("app", subject, "v1")
    client.push_image("app", signature, signature.digest)
    client.push_image("app", gone, "v2")
    client.push_image("app", image(3), "v3")
    client.push_blob("app", b"nobody names it")
    client.delete_manifest("app", subject.digest)
    client.delete_manifest("app", gone.digest)
    registry.stop()
    before = dump(registry)
    dry, sums = gc(registry, *AT_ONCE, delete=False)
    assert dump(registry) == before
    if server:
        registry.start()
        assert collect(registry)["deleted"] == sums["deleted"]
    else:
        assert gc(registry, *AT_ONCE)[0] == dry
    assert gc(registry, *AT_ONCE, delete=False)[0] == set()


def test_the_words_of_a_run(registry, client):
    client.push_blob("app", b"x" * 2_300)
    assert "Would delete 1 unreferenced blob (2.3 kB)\n" in command(registry, "gc", "--dry-run", *AT_ONCE)
    assert "Deleted 1 blob, reclaimed 2.3 kB\n" in command(registry, "gc", "--delete", *AT_ONCE)
    command(registry, "gc", status=2)
    command(registry, "gc", "--delete", "--older-than", "soon", status=1)


# ---- trouble


def test_a_manifest_that_cannot_be_read_keeps_what_it_names(registry, client):
    child, other = image(1), image(2)
    outer = index([child])
    client.push_image("app", outer, "v1")
    client.push_image("app", other, "v2")
    client.push_blob("app", b"nobody names it")
    client.delete_manifest("app", outer.digest)
    registry.stop()
    with sqlite3.connect(registry.root / "registry.db", timeout=60) as db:
        db.execute("UPDATE manifests SET bytes = x'' WHERE digest = ?", (child.digest,))
    db.close()
    items, sums = gc(registry, *AT_ONCE, status=1)
    assert ("keep", "manifest", child.digest) in items
    assert sums["problems"] == 1
    assert sums["deleted"]["blobs"] == 1
    registry.start()
    assert all(client.has_blob("app", digest) for digest in child.blobs)


def test_a_run_that_was_killed_is_finished_by_the_next(registry, client):
    for i in range(300):
        client.push_blob("app", b"%d" % i)
    registry.stop()
    registry.write_config()
    run = subprocess.Popen(
        [registry.binary, "gc", "--delete", *AT_ONCE, "--config", registry.config_path],
        env={"REGISTRY_GC_RATE": "10"},  # so it takes half a minute
        stdout=subprocess.PIPE,
    )
    run.stdout.readline()
    run.kill()
    run.wait()
    run.stdout.close()
    assert [run["state"] for run in runs(registry)] == ["lost"]
    assert gc(registry, *AT_ONCE)[1]["deleted"]["blobs"] > 0
    assert [run["state"] for run in runs(registry)] == ["lost", "done"]
    assert "without a word" in runs(registry)[0]["error"]
    blobs = registry.root / "repositories/app/blobs/sha256"
    assert [p for p in files_below(registry.root) if "/sha256/" in str(p)] == [], blobs
    assert command(registry, "check")


def test_a_repository_that_stays_empty_goes_and_comes_back_with_a_push(new_registry):
    registry = new_registry(config={"gc": {"empty_repositories": "1ms"}}).start()
    with Client(registry.url) as client:
        client.push_blob("gone/soon", b"nobody names it")
        client.push_image("app", image(), "v1")
    registry.stop()
    assert gc(registry, *AT_ONCE)[1]["empty_repositories"] == 0
    assert "delete   repository  gone/soon" in command(registry, "gc", "--dry-run")
    assert "Deleted 1 empty repository" in command(registry, "gc", "--delete")
    assert "gone/soon" not in str(dump(registry)["repos"])
    registry.start()
    with Client(registry.url) as client:
        client.push_image("gone/soon", image(2), "v1")
        assert client.pull_image("gone/soon", "v1") == image(2)
        assert client.pull_image("app", "v1") == image()


def push_all(url, stop, done):
    with Client(url) as client:
        i = 0
        while not stop.is_set():
            x = image(1000 + i, layers=2, layer_size=100)
            try:
                client.push_image("app", x, f"t{i}")
            except Unexpected as e:
                # Without a grace what was pushed a moment ago may be gone: the client is told so.
                assert e.response.status_code in (400, 404), e
            else:
                done.append((f"t{i}", x))
            i += 1


def test_nothing_that_was_pushed_is_lost_to_runs_beside_it(registry):
    stop, done = threading.Event(), []
    pusher = threading.Thread(target=push_all, args=(registry.url, stop, done))
    pusher.start()
    looks = itertools.count()
    until(lambda: collect(registry) and next(looks) >= 5 and bool(done))
    stop.set()
    pusher.join()
    assert done
    with Client(registry.url) as client:
        for tag, x in done:
            assert client.pull_image("app", tag) == x
