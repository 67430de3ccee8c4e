"""Each request to the bucket of a run of the collector, of the removal of content, and of repair fails once, in each
way: what is kept is whole, what goes has gone, and a check finds nothing."""

import itertools
import sqlite3

import pytest

import s3_proxy
from content import command
from helpers import Client, artifact, image, index
from s3_buckets import Bucket
from s3_proxy import S3Proxy
from server import AT_ONCE, Registry, merged
from test_check import codes
from waiting import until

FAULTS = {
    "500": s3_proxy.INTERNAL_ERROR,
    "answer lost": s3_proxy.LOSE_ANSWER,
    "reset in the request": s3_proxy.RESET_IN_REQUEST,
    "time-out": s3_proxy.TIME_OUT,
}
SLOW = {"reset in the request", "time-out"}
STEP = 7

CONFIG = merged(AT_ONCE, {"maintenance": {"interval": "1s"}, "check": {"settle": "100ms"}})

repos = (f"app{n}" for n in itertools.count())


@pytest.fixture(params=[pytest.param(f, marks=[pytest.mark.long] if f in SLOW else []) for f in FAULTS])
def how(request):
    return FAULTS[request.param]


@pytest.fixture(params=[STEP, pytest.param(1, marks=pytest.mark.long)])
def numbers(request):
    """Of the requests that fail: some of them, or each."""
    return itertools.count(1, request.param)


@pytest.fixture(scope="module")
def bucket(s3_servers):
    made = Bucket(s3_servers("minio")).create()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def proxy(bucket):
    with S3Proxy(bucket.endpoint) as made:
        yield made


@pytest.fixture(scope="module")
def registry(bucket, proxy, registry_binary, tmp_path_factory):
    bucket.endpoint = proxy.endpoint
    config = {**CONFIG, "storage": bucket.section(timeout="4s")}
    made = Registry(registry_binary, tmp_path_factory.mktemp("registry"), config=config).start()
    yield made
    made.check_sanitizers()
    made.stop()


@pytest.fixture
def client(registry):
    with Client(registry.url) as made:
        yield made


def key_of(digest):
    return "blobs/" + digest.replace(":", "/")


def manifest_key(bucket, digest):
    [key] = [k for k in bucket.keys() if k.startswith("manifests/") and k.endswith(digest.rpartition(":")[2])]
    return key


def rows(registry, statement):
    with sqlite3.connect(registry.root / "registry.db", timeout=30) as db:
        found = [row[0] for row in db.execute(statement)]
    db.close()
    return found


def collect(registry, repo):
    command(registry, "gc", "--delete", "--older-than", "0s", "--repo", repo)


def fill(client, repo):
    """What stays, and the digests of what goes."""
    kept, lost, child = image(f"{repo} kept"), image(f"{repo} lost"), image(f"{repo} child")
    whole, signature = index([child]), artifact("a/signature", subject=lost.descriptor(), layers=[("a/b", repo.encode())])
    for tag, pushed in ("v1", kept), ("v2", lost), ("v3", whole):
        client.push_image(repo, pushed, tag)
    client.push_image(repo, signature)
    for pushed in lost, whole:
        client.delete_manifest(repo, pushed.digest)
    gone = {*lost.blobs, *child.blobs, *signature.blobs} - set(kept.blobs)
    return kept, gone | {lost.digest, child.digest, signature.digest, whole.digest}


def is_gone(registry, bucket, digests):
    """But for deletions whose end nobody knows: these are ended when nothing of them can come any more."""
    begun = rows(registry, "SELECT digest FROM removed WHERE state = 1")
    there = {key.rpartition("/")[2] for key in bucket.keys()}
    return not there & {d.rpartition(":")[2] for d in digests - set(begun)}


def check_clean(registry):
    until(lambda: rows(registry, "SELECT count(*) FROM projections") == [0], timeout=60)
    assert codes(registry, status=0) == []


def test_each_request_of_a_run_and_of_a_removal(registry, bucket, proxy, client, how, numbers):
    for n in numbers:
        repo = next(repos)
        kept, gone = fill(client, repo)
        rule = proxy.fail("*", how, nth=n)
        collect(registry, repo)
        until(lambda: is_gone(registry, bucket, gone), timeout=60)
        failed = rule.hits > 0
        proxy.clear()
        assert client.pull_image(repo, "v1") == kept
        if not failed:
            break
    assert n > 4
    check_clean(registry)


def test_a_run_without_a_bucket_is_ended_by_the_next(registry, bucket, proxy, client):
    repo = next(repos)
    kept, gone = fill(client, repo)
    proxy.fail("*", s3_proxy.INTERNAL_ERROR, times=None)
    command(registry, "gc", "--delete", "--older-than", "0s", "--repo", repo, status=1)
    proxy.clear()
    collect(registry, repo)
    until(lambda: is_gone(registry, bucket, gone), timeout=60)
    assert client.pull_image(repo, "v1") == kept
    check_clean(registry)


def damage(bucket, repo, kept):
    """A manifest that is missing, a tag that is, and one that nobody made."""
    [tag] = [key for key in bucket.keys() if key.startswith(f"tags/{repo}/")]
    bucket.put(tag + "-unknown", bucket.get(tag))
    for key in tag, manifest_key(bucket, kept.digest):
        bucket.client.delete_object(Bucket=bucket.name, Key=key)


def test_each_request_of_a_repair(registry, bucket, proxy, client, how, numbers):
    for n in numbers:
        repo = next(repos)
        kept = image(repo, layers=1)
        client.push_image(repo, kept, "v1")
        until(lambda: rows(registry, "SELECT count(*) FROM projections") == [0], timeout=60)
        damage(bucket, repo, kept)
        rule = proxy.fail("*", how, nth=n)
        words = ["check", "--repair", "--repo", repo]
        try:
            command(registry, *words)
        except AssertionError:
            pass  # it says that it could not look at all, or not repair
        failed = rule.hits > 0
        proxy.clear()
        command(registry, *words)
        assert codes(registry, "--repo", repo, status=0) == []
        assert client.pull_image(repo, "v1") == kept
        if not failed:
            break
    assert n > 4
    check_clean(registry)
