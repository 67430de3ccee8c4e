"""Histories of tags that clients of three replicas move, delete, create and swap at once are linearizable."""

import pytest

from histories import Crowd
from waiting import until

TAGS = ["one", "two", "three"]
SHORT, LONG = 1500, 20_000  # operations


@pytest.fixture(params=[SHORT, pytest.param(LONG, marks=pytest.mark.long)])
def size(request):
    return request.param


def test_nothing_goes_wrong(new_replicas, size):
    replicas = new_replicas()
    with Crowd([r.url for r in replicas], TAGS) as crowd:
        until(lambda: crowd.history.wrong or crowd.history.count() >= size, timeout=600)
    crowd.look()
    crowd.history.check()
    assert crowd.history.count(known=False) == 0
