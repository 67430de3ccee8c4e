"""kill -9 at random moments, while clients push and delete, again and again."""

import os
import random
import time

import pytest

from workload import Workload


def kill_rounds(registry, rounds):
    seed = os.environ.get("E2E_SEED") or os.urandom(4).hex()
    print(f"E2E_SEED={seed}")
    moments = random.Random(seed)
    load = Workload(registry, seed)

    def kill_soon():
        load.wait_for_a_random_moment(moments)
        registry.kill()

    for n in range(rounds):
        load.run_until(kill_soon)
        if n % 3 == 2:
            # Once more while it recovers.
            registry.spawn()
            time.sleep(moments.uniform(0, 0.05))
            registry.kill()
        registry.start()
        load.verify()
    assert load.acknowledged > rounds / 2, "the clients hardly got to do anything"


@pytest.mark.sanitize
def test_killed_a_few_times(registry):
    kill_rounds(registry, 5)


def test_killed_thirty_times(registry):
    kill_rounds(registry, 30)


@pytest.mark.long
def test_killed_three_hundred_times(registry):
    kill_rounds(registry, 300)
