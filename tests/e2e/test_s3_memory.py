"""What a registry over a bucket takes of memory: next to nothing while it waits, and while many large
uploads come at once no more than for small ones."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

import pytest

from helpers import MIB, Client, random_bytes
from test_idle_memory import resident_bytes
from waiting import until

AT_ONCE = 8
IDLE_BYTES = 16 * MIB
BUSY_BYTES = 48 * MIB


@pytest.fixture
def registry(new_registry, bucket):
    return new_registry(config={"storage": bucket.section()}).start()


def pieces(seed, mib, sha):
    """Of a blob that is one of its own, hashed as they are sent."""
    first, rest = random_bytes(MIB, seed), random_bytes(MIB)
    for n in range(mib):
        piece = rest if n else first
        sha.update(piece)
        yield piece


def push_as_docker(url, seed, mib):
    sha = hashlib.sha256()
    with Client(url) as client:
        location = client.start_upload("app")
        body = pieces(seed, mib, sha)
        answer = client.request("PATCH", location, 202, timeout=1200, data=body)
        client.finish(urljoin(url, answer.headers["Location"]), f"sha256:{sha.hexdigest()}")


def peak_bytes(registry, mib):
    """The most that was resident while so large uploads came at once."""
    with open(f"/proc/{registry.pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")  # the peak is from now on: proc(5)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seeds = [f"{mib}/{n}" for n in range(AT_ONCE)]
        list(pool.map(lambda seed: push_as_docker(registry.url, seed, mib), seeds))
    with open(f"/proc/{registry.pid}/status", encoding="ascii") as f:
        fields = dict(line.split(":", 1) for line in f)
    return int(fields["VmHWM"].split()[0]) * 1024


def shown(name, size_bytes):
    print(f"{name}: {size_bytes / MIB:.1f} MiB")
    return size_bytes


def test_an_idle_registry_takes_less_than_16_mib(registry, client):
    client.get_blob("app", client.push_blob("app", random_bytes(MIB)))
    until(lambda: resident_bytes(registry) < IDLE_BYTES, timeout=60)
    shown("idle", resident_bytes(registry))


def test_eight_uploads_at_once_take_no_more_when_they_are_larger(registry):
    small = shown("eight of 32 MiB", peak_bytes(registry, 32))
    large = shown("eight of 100 MiB", peak_bytes(registry, 100))
    assert large < BUSY_BYTES
    assert large < small + 8 * MIB


@pytest.mark.long
def test_eight_uploads_of_a_gibibyte_at_once_take_less_than_48_mib(registry):
    begun = time.monotonic()
    peak = shown("eight of 1 GiB", peak_bytes(registry, 1024))
    print(f"{AT_ONCE * 1024 / (time.monotonic() - begun):.0f} MiB/s")
    assert peak < BUSY_BYTES
    until(lambda: resident_bytes(registry) < IDLE_BYTES, timeout=60)
    shown("idle after them", resident_bytes(registry))
