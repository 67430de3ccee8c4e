"""Each kind of request to S3 fails once, in each way: the client gets the right answer, nothing that
was acknowledged is lost, and afterwards all is as before."""

import itertools
import uuid

import pytest

import s3_proxy
from helpers import MIB, Client, digest_of, random_bytes
from s3_buckets import Bucket
from s3_proxy import S3Proxy
from server import AT_ONCE, Registry
from waiting import until

PART_BYTES = 5 * MIB

# The server gets nothing of the request, so that it makes no difference which one it is.
UNSEEN = {
    "500": s3_proxy.INTERNAL_ERROR,
    "503 SlowDown": s3_proxy.SLOW_DOWN,
    "time-out": s3_proxy.TIME_OUT,
    "credentials expired": s3_proxy.EXPIRED_TOKEN,
    "clocks differ": s3_proxy.CLOCK_SKEW,
}
# It may be half done, or done.
SEEN = {
    "reset in the request": s3_proxy.RESET_IN_REQUEST,
    "reset in the answer": s3_proxy.RESET_IN_ANSWER,
    "answer lost": s3_proxy.LOSE_ANSWER,
}


@pytest.fixture(scope="module")
def bucket(request, s3_servers):
    made = Bucket(s3_servers(request.param)).create()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def proxy(bucket):
    with S3Proxy(bucket.endpoint) as made:
        yield made


@pytest.fixture(scope="module")
def shared(bucket, proxy, registry_binary, tmp_path_factory):
    """A registry that gives up a request which gets no answer after two seconds."""
    bucket.endpoint = proxy.endpoint
    section = bucket.section(part_size=PART_BYTES, timeout="4s")
    work = tmp_path_factory.mktemp("registry")
    registry = Registry(registry_binary, work, config={"storage": section, **AT_ONCE}).start()
    yield registry
    registry.check_sanitizers()
    registry.stop()


class Scene:
    """What a test does, in a repository of its own, with bytes of its own."""

    numbers = itertools.count()

    def __init__(self, registry, bucket, proxy, repo):
        self.registry = registry
        self.bucket = bucket
        self.proxy = proxy
        self.repo = repo
        self.client = Client(registry.url)
        self.rule = None

    def bytes(self, size):
        return random_bytes(size, next(self.numbers))

    def pushed(self, size=10_000):
        data = self.bytes(size)
        self.client.push_blob(self.repo, data)
        return data

    def patched(self, data):
        return self.client.patch(self.client.start_upload(self.repo), data)

    def check_served(self, data):
        assert self.client.get_blob(self.repo, digest_of(data)).content == data

    def restart(self):
        self.client.close()
        self.registry.restart()
        self.client = Client(self.registry.url)

    def has_keys(self, begin):
        return any(key.startswith(begin) for key in self.bucket.keys())

    def has_key(self, key):
        return key in self.bucket.keys()

    def has_upload(self, key):
        return any(key == found for found, _ in self.bucket.uploads())


def id_of(location):
    return location.partition("?")[0].rpartition("/")[2]


def key_of(data):
    return "blobs/" + digest_of(data).replace(":", "/")


def put(scene, fail):
    fail()
    scene.check_served(scene.pushed())


def get(scene, fail):
    data = scene.pushed()
    fail()
    scene.check_served(data)


def head(scene, fail):
    digest = digest_of(scene.pushed())
    fail()
    assert scene.client.mount(scene.repo + "/other", digest, scene.repo)


def large_push(scene, fail):
    fail()
    scene.check_served(scene.pushed(PART_BYTES + 1))


def copy(scene, fail):
    data = scene.bytes(10_000)
    location = scene.patched(data)
    fail()
    scene.client.finish(location, digest_of(data))
    scene.check_served(data)


def delete(scene, fail):
    data = scene.pushed()
    rule = fail()
    scene.client.delete_blob(scene.repo, digest_of(data))
    until(lambda: rule.hits == 1)  # what has no certain answer is not asked again for a while
    assert not scene.client.has_blob(scene.repo, digest_of(data))


def bulk_delete(scene, fail):
    data = scene.bytes(10_000)
    location = scene.patched(data)
    tail = f"uploads/{id_of(location)}_tail"
    assert scene.has_keys(tail)
    fail()
    scene.client.finish(location, digest_of(data))
    until(lambda: not scene.has_keys(tail))


def abort(scene, fail):
    location = scene.patched(scene.bytes(PART_BYTES + 1))
    key = f"uploads/{id_of(location)}"
    assert scene.has_upload(key)
    fail()
    scene.client.request("DELETE", location, 204)
    assert not scene.has_upload(key)


def list_parts(scene, fail):
    data = scene.bytes(PART_BYTES + 2)
    location = scene.patched(data[:-1])
    scene.restart()
    fail()
    location = scene.client.patch(location, data[-1:], start=len(data) - 1)
    scene.client.finish(location, digest_of(data))
    scene.check_served(data)


def list_uploads(scene, fail):
    rule = fail()
    scene.restart()  # which begins with a sweep
    until(lambda: rule.hits > 0 and scene.proxy.of("list_uploads")[-1].status == 200)


def list_objects(scene, fail):
    data = scene.bytes(10_000)
    name = str(uuid.uuid4())
    pointer = key_of(data).replace("blobs/", "moves/") + f"_{name}"
    scene.bucket.put(f"uploads/{name}", data)
    scene.bucket.put(pointer, b"")
    fail()
    scene.restart()  # which looks for blobs that are not at their keys yet
    until(lambda: scene.has_key(key_of(data)) and not scene.has_key(pointer))
    assert scene.bucket.get(key_of(data)) == data


# A copy of parts is of blobs over 5 GiB; tests/unit/store/s3/test_client.c lets that fail.
KINDS = {
    "put": put,
    "get": get,
    "head": head,
    "create": large_push,
    "part": large_push,
    "complete": large_push,
    "copy": copy,
    "delete": delete,
    "bulk_delete": bulk_delete,
    "abort": abort,
    "list_parts": list_parts,
    "list_uploads": list_uploads,
    "list": list_objects,
}


@pytest.fixture
def scene(shared, bucket, proxy, repo):
    made = Scene(shared, bucket, proxy, repo)
    yield made
    made.client.close()
    proxy.clear()


# Of these it makes no difference to the server whether they were done.
LOOKING = {"get", "head", "list_parts", "list_uploads", "list"}


def cases():
    for kind in KINDS:
        for fault, how in UNSEEN.items():
            yield "minio", kind, fault, how
        for fault, how in SEEN.items():
            for server in ["minio"] if kind in LOOKING else ["minio", "ceph", "versitygw"]:
                yield server, kind, fault, how


def takes_seconds(kind, fault):
    """And is left to the long run, but for some of each."""
    if kind == "bulk_delete":  # which waits for others
        return fault not in ("500", "answer lost")
    return fault == "time-out" and kind not in ("put", "get", "complete", "copy")


def parameters():
    for server, kind, fault, how in cases():
        marks = [pytest.mark.long] if takes_seconds(kind, fault) else []
        yield pytest.param(server, kind, how, id=f"{kind}, {fault}, {server}", marks=marks)


@pytest.mark.parametrize("bucket, kind, how", parameters(), indirect=["bucket"], scope="module")
def test_a_request_that_fails_once(scene, proxy, kind, how):
    failing = []

    def fail():
        failing.append(proxy.fail(kind, how))
        return failing[0]

    KINDS[kind](scene, fail)
    assert [rule.hits for rule in failing] == [1]
    scene.check_served(scene.pushed())
