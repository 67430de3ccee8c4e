"""The power is cut at random moments: all that was acknowledged is there afterwards.

The registry's files are on an ext4 file system that is shut down under it without writing back
anything: not the page cache, not the journal. Mounted again it is as after a power cut.
"""

import os
import random

import pytest

import disks
from workload import Workload

pytestmark = pytest.mark.skipif(disks.why_not() is not None, reason=str(disks.why_not()))

# Data and metadata reach the disk in any order: a file that was renamed into place without fsync
# would be there with its size and without its bytes.
OPTIONS = ("data=writeback",)


@pytest.fixture
def disk(work):
    made = disks.Disk(work, 512, OPTIONS).mount()
    yield made
    made.remove()


@pytest.fixture
def on_disk(disk, new_registry):
    """A registry whose root is on that disk. Its log is not."""
    registry = new_registry(root=disk.path / "registry").start()
    yield registry
    registry.kill()


def test_simulation_loses_what_was_not_synced(disk):
    """Without this the test below would prove nothing."""
    (disk.path / "not-synced").write_bytes(bytes(100_000))
    with open(disk.path / "synced", "wb") as f:
        f.write(bytes(100_000))
        f.flush()
        os.fsync(f.fileno())
    (disk.path / "synced").rename(disk.path / "renamed")
    disk.cut_power()
    disk.unmount()
    disk.mount()
    assert not (disk.path / "renamed").exists()
    assert (disk.path / "synced").stat().st_size == 100_000


def power_cuts(registry, disk, rounds):
    seed = os.environ.get("E2E_SEED") or os.urandom(4).hex()
    print(f"E2E_SEED={seed}")
    moments = random.Random(seed)
    load = Workload(registry, seed)

    def cut_soon():
        load.wait_for_a_random_moment(moments)
        # The processor stops first: after a power cut nobody acknowledges anything either.
        registry.freeze()
        disk.cut_power()
        registry.kill()

    for _ in range(rounds):
        load.run_until(cut_soon)
        disk.unmount()
        disk.mount()
        registry.start()
        load.verify()
    assert load.acknowledged > rounds / 2, "the clients hardly got to do anything"


def test_acknowledged_pushes_survive_fifteen_power_cuts(on_disk, disk):
    power_cuts(on_disk, disk, 15)


@pytest.mark.long
def test_acknowledged_pushes_survive_two_hundred_power_cuts(on_disk, disk):
    power_cuts(on_disk, disk, 200)
