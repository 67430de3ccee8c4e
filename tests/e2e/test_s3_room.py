"""How much of uploads to a bucket lies here at once, and how much is on its way: bounds that hold."""

import os
from pathlib import Path
from threading import Thread

import pytest
import requests

import disks
from helpers import MIB, Client, digest_of, random_bytes
from s3_proxy import Hold
from waiting import until

needs_disk = pytest.mark.skipif(disks.why_not() is not None, reason=str(disks.why_not()))
ONE_SERVER = pytest.mark.parametrize("bucket", ["minio"], indirect=True)

PART = 5 * MIB
AT_ONCE = 2


def start(new_registry, bucket, proxy, root=None, **s3):
    bucket.endpoint = proxy.endpoint
    section = bucket.section(part_size=PART, **s3)
    return new_registry(root=root, config={"storage": section}).start()


def temporary_bytes(registry):
    """Of the files without a name that the process has."""
    total = 0
    for link in Path(f"/proc/{registry.pid}/fd").iterdir():
        try:
            if "/temp/#" in os.readlink(link):
                total += link.stat().st_size
        except FileNotFoundError:
            pass
    return total


def put(registry, data):
    """The answer to a push of it as a whole, by a client of its own."""
    with Client(registry.url) as client:
        location = client.start_upload("app")
        url = location + ("&" if "?" in location else "?") + f"digest={digest_of(data)}"
        return requests.put(url, data=data, timeout=120)


class Push(Thread):
    def __init__(self, registry, data):
        super().__init__()
        self.registry, self.data = registry, data
        self.start()

    def run(self):
        self.answer = put(self.registry, self.data)


@ONE_SERVER
def test_as_many_parts_are_on_their_way_as_allowed_and_no_more(new_registry, bucket, proxy):
    registry = start(new_registry, bucket, proxy, concurrency=AT_ONCE)
    holds = [Hold() for _ in range(6)]
    for n, hold in enumerate(holds):
        proxy.fail("part", hold, times=None, target=f"partNumber={n + 1}&")  # also when it is tried again
    push = Push(registry, random_bytes((len(holds) + AT_ONCE) * PART))
    for released, hold in enumerate(holds):
        arrived = released + AT_ONCE
        # The next part is whole, and more of the body has come: it could be sent.
        collected = (AT_ONCE + 1) * PART
        until(lambda: parts(proxy) >= arrived and temporary_bytes(registry) == collected, timeout=120)
        assert parts(proxy) == arrived
        hold.release()
    push.join()
    assert push.answer.status_code == 201


def parts(proxy):
    """That have been on their way, however often."""
    return len({request.target for request in proxy.of("part")})


# storage.s3.temp_size


@ONE_SERVER
def test_uploads_have_no_more_room_than_they_may_have_and_end_all_the_same(new_registry, bucket, proxy):
    """Far less than two parts of each of them, and the one that is collected, would take."""
    registry = start(new_registry, bucket, proxy, temp_size=4 * PART)
    most = 0
    pushes = [Push(registry, random_bytes(4 * PART, n)) for n in range(6)]
    while any(push.is_alive() for push in pushes):
        most = max(most, temporary_bytes(registry))
    assert [push.answer.status_code for push in pushes] == [201] * 6
    assert PART < most <= 4 * PART


@ONE_SERVER
def test_who_finds_no_room_waits_until_there_is_some(new_registry, bucket, proxy):
    registry = start(new_registry, bucket, proxy, temp_size=PART)
    held = proxy.hold("part")
    first = Push(registry, random_bytes(2 * PART, "first"))
    held.wait()
    second = Push(registry, random_bytes(1000, "second"))
    until(lambda: registry.log.count('"route":"/v2/{name}/blobs/uploads/"') == 2)
    assert temporary_bytes(registry) == PART
    held.release()
    first.join()
    second.join()
    assert first.answer.status_code == second.answer.status_code == 201


@ONE_SERVER
def test_who_waits_for_room_in_vain_is_told_to_come_again_and_loses_nothing(new_registry, bucket, proxy):
    registry = start(new_registry, bucket, proxy, temp_size=PART)
    data = random_bytes(3 * MIB)
    with Client(registry.url) as client:
        location = client.patch(client.start_upload("app"), data[:MIB])
        held = proxy.hold("part")
        other = Push(registry, random_bytes(2 * PART, "other"))
        held.wait()
        answer = requests.patch(location, data=data[MIB:], timeout=60)
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
        assert client.upload_offset(location) == MIB
        held.release()
        other.join()
        assert other.answer.status_code == 201  # what it waited for was its own
        location = client.patch(location, data[MIB:], start=MIB)
        client.finish(location, digest_of(data))
        assert client.get_blob("app", digest_of(data)).content == data


@ONE_SERVER
def test_an_upload_that_nobody_is_at_keeps_no_room_from_others(new_registry, bucket, proxy):
    registry = start(new_registry, bucket, proxy, temp_size=PART)
    data, other = random_bytes(3 * MIB, "data"), random_bytes(4 * MIB, "other")
    with Client(registry.url) as client:
        location = client.patch(client.start_upload("app"), data[:MIB])
        assert temporary_bytes(registry) == MIB
        assert put(registry, other).status_code == 201
        client.finish(client.patch(location, data[MIB:], start=MIB), digest_of(data))
        assert client.get_blob("app", digest_of(data)).content == data


# The disk


@pytest.fixture
def disk(work):
    made = disks.Disk(work, 64).mount()
    yield made
    made.remove()


@needs_disk
@ONE_SERVER
def test_a_small_disk_takes_many_uploads_at_once(new_registry, bucket, proxy, disk):
    """24 uploads of 12 MiB, in parts of 16 MiB, on a disk of 64 MiB of which some is the database's."""
    bucket.endpoint = proxy.endpoint
    registry = new_registry(root=disk.path / "registry", config={"storage": bucket.section()}).start()
    pushes = [Push(registry, random_bytes(12 * MIB, n)) for n in range(24)]
    least = min(free_bytes(disk) for _ in iter(lambda: any(p.is_alive() for p in pushes), False))
    assert [push.answer.status_code for push in pushes] == [201] * 24
    assert least > size_bytes(disk) // 20  # a tenth is left, but for what others write
    with Client(registry.url) as client:
        for push in pushes:
            assert client.get_blob("app", digest_of(push.data)).content == push.data


def free_bytes(disk):
    status = os.statvfs(disk.path)
    return status.f_bavail * status.f_frsize


def size_bytes(disk):
    status = os.statvfs(disk.path)
    return status.f_blocks * status.f_frsize


@needs_disk
@ONE_SERVER
def test_a_disk_that_others_have_filled_takes_no_upload_and_is_not_ready(new_registry, bucket, proxy, disk):
    bucket.endpoint = proxy.endpoint
    registry = new_registry(root=disk.path / "registry", config={"storage": bucket.section()}).start()
    data, before = random_bytes(12 * MIB, "data"), random_bytes(1000, "before")
    with Client(registry.url) as client:
        client.push_blob("app", before)
        location = client.patch(client.start_upload("app"), data[:MIB])
        filler = disk.fill(leave=6 * MIB)
        client.request("GET", "/readyz", 507)
        answer = requests.patch(location, data=data[MIB:], timeout=60)
        assert answer.status_code == 507
        assert "no room" in answer.json()["errors"][0]["message"]
        assert client.upload_offset(location) == MIB
        assert client.get_blob("app", digest_of(before)).content == before
        client.delete_blob("app", digest_of(before))

        filler.unlink()
        client.request("GET", "/readyz", 200)
        client.finish(client.patch(location, data[MIB:], start=MIB), digest_of(data))
        assert client.get_blob("app", digest_of(data)).content == data
