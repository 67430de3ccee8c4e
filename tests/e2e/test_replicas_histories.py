"""Histories of tags that clients of three replicas move, delete, create and swap at once are linearizable,
whatever happens to the replicas, to the database and to the bucket meanwhile."""

import random

import pytest

from histories import Crowd
from s3_proxy import INTERNAL_ERROR, TIME_OUT
from tcp_proxy import REDIS_ERROR
from waiting import until

TAGS = ["one", "two", "three"]
SHORT, LONG = 1, 30  # rounds of faults
STEP = 60  # operations with an answer, between two things that happen

QUICK = {"metadata": {"postgresql": {"timeout": "2s", "connect_timeout": "2s"}}}


@pytest.fixture(params=[SHORT, pytest.param(LONG, marks=pytest.mark.long)])
def rounds(request):
    return request.param


def go_on(crowd, step=STEP):
    wanted = crowd.history.count() + step
    until(lambda: crowd.history.wrong or crowd.history.count() >= wanted, timeout=120)


# What happens to one of them


def killed(replica):
    replica.kill()


def paused(replica):
    replica.registry.freeze()


def cut_off(replica):
    replica.cut_off()


def without_database(replica):
    replica.database.leave()


def refused_by_the_database(replica):
    replica.database.refuse()


def with_a_database_that_hangs(replica):
    replica.database.hang()


def with_a_slow_database(replica):
    replica.database.slow(0.1)


def losing_commits(replica):
    replica.database.lose_commits()


def with_a_bucket_that_answers_500(replica):
    replica.bucket.fail("*", INTERNAL_ERROR, times=None)


def with_a_bucket_that_hangs(replica):
    replica.bucket.fail("*", TIME_OUT, times=None)


def without_redis(replica):
    replica.redis.leave()


def with_a_redis_that_breaks(replica):
    replica.redis.cut()


def with_a_redis_that_hangs(replica):
    replica.redis.hang()


def with_a_slow_redis(replica):
    replica.redis.slow(0.2)


def with_a_redis_that_answers_errors(replica):
    replica.redis.always(REDIS_ERROR)


FAULTS = [
    killed,
    paused,
    cut_off,
    without_database,
    refused_by_the_database,
    with_a_database_that_hangs,
    with_a_slow_database,
    losing_commits,
    with_a_bucket_that_answers_500,
    with_a_bucket_that_hangs,
]
OF_REDIS = [
    without_redis,
    with_a_redis_that_breaks,
    with_a_redis_that_hangs,
    with_a_slow_redis,
    with_a_redis_that_answers_errors,
]
FAULTS += OF_REDIS
SERVED = [*OF_REDIS, with_a_slow_database]  # with these in all of them, clients are answered


def check_well(new_replicas, rounds):
    # So long nobody stands still on a machine that is busy, and is taken for gone.
    replicas = new_replicas(config={"replicas": {"lease": "10s"}})
    with Crowd([r.url for r in replicas], TAGS) as crowd:
        go_on(crowd, 1000 * rounds)
    crowd.look()
    crowd.history.check()
    assert crowd.history.count(known=False) == 0


def test_nothing_goes_wrong(new_replicas, rounds):
    check_well(new_replicas, rounds)


@pytest.mark.without_redis
def test_nothing_goes_wrong_without_redis(new_replicas, rounds):
    check_well(new_replicas, rounds)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_one_replica(new_replicas, rounds, fault):
    replicas = new_replicas(config=QUICK, s3={"timeout": "1s"})
    choose = random.Random(fault.__name__)
    with Crowd([r.url for r in replicas], TAGS) as crowd:
        for _ in range(rounds):
            replica = choose.choice(replicas)
            go_on(crowd)
            fault(replica)
            go_on(crowd)
            replicas.heal()
            go_on(crowd)
    crowd.look()
    crowd.history.check()


@pytest.mark.parametrize("fault", FAULTS[2:], ids=lambda f: f.__name__)
def test_all_replicas(new_replicas, rounds, fault):
    replicas = new_replicas(config=QUICK, s3={"timeout": "1s"})
    with Crowd([r.url for r in replicas], TAGS) as crowd:
        for _ in range(rounds):
            go_on(crowd)
            for replica in replicas:
                fault(replica)
            if fault in SERVED:
                go_on(crowd)
            else:
                until(lambda: crowd.history.wrong or crowd.history.refused >= len(crowd.actors), timeout=60)
            replicas.heal()
            go_on(crowd)
    crowd.look()
    crowd.history.check()


def test_one_is_left_and_others_come_back(new_replicas, rounds):
    """Who is alone may answer from memory, and must not any more when another one is there."""
    replicas = new_replicas(config=QUICK)
    choose = random.Random("left")
    with Crowd([r.url for r in replicas], TAGS) as crowd:
        for _ in range(rounds):
            left = choose.choice(replicas)
            for replica in replicas:
                if replica is not left:
                    replica.kill()
            until(lambda: replicas.members() == 1)
            go_on(crowd)
            replicas.heal()
            go_on(crowd)
    crowd.look()
    crowd.history.check()


@pytest.mark.parametrize("count", [2, 3])
def test_one_is_taken_for_gone_while_it_is_paused(new_replicas, rounds, count):
    check_paused(new_replicas, rounds, count)


@pytest.mark.without_redis
def test_one_is_taken_for_gone_while_it_is_paused_without_redis(new_replicas, rounds):
    check_paused(new_replicas, rounds, 2)


def check_paused(new_replicas, rounds, count):
    replicas = new_replicas(count, config=QUICK)
    choose = random.Random("paused")
    with Crowd([r.url for r in replicas], TAGS) as crowd:
        for _ in range(rounds):
            replica = choose.choice(replicas)
            go_on(crowd)
            paused(replica)
            until(lambda: replicas.members() == count - 1)
            go_on(crowd)
            replicas.heal()
            until(lambda: replicas.members() == count)
            go_on(crowd)
    crowd.look()
    crowd.history.check()


@pytest.mark.parametrize("fault", [cut_off, without_database, with_a_database_that_hangs], ids=lambda f: f.__name__)
def test_one_is_taken_for_gone_while_its_line_is_cut(new_replicas, rounds, fault):
    replicas = new_replicas(2, config=QUICK, s3={"timeout": "1s"})
    with Crowd([r.url for r in replicas], TAGS) as crowd:
        for n in range(rounds):
            replica = replicas[n % 2]
            go_on(crowd)
            fault(replica)
            until(lambda: replicas.members() == 1)
            go_on(crowd)
            replicas.heal()
            until(lambda: replicas.members() == 2)
            go_on(crowd)
    crowd.look()
    crowd.history.check()


@pytest.mark.long
def test_everything_at_once(new_replicas):
    replicas = new_replicas(config=QUICK, s3={"timeout": "1s"})
    choose = random.Random("everything")
    with Crowd([r.url for r in replicas], TAGS) as crowd:
        for _ in range(100):
            replica = choose.choice(replicas)
            choose.choice(FAULTS)(replica)
            go_on(crowd)
            if choose.random() < 0.6:
                replicas.heal()
                go_on(crowd, 10)
        replicas.heal()
    crowd.look()
    crowd.history.check()


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
def test_one_is_killed_over_a_table_of_dynamodb(table, bucket, new_registry):
    config = {"metadata": table.section(), "storage": bucket.section(), "replicas": {"lease": "3s"}}
    replicas = [new_registry(config=config).start() for _ in range(3)]
    with Crowd([r.url for r in replicas], TAGS) as crowd:
        go_on(crowd, 20)
        replicas[0].kill()
        go_on(crowd, 20)
        replicas[0].start()
        go_on(crowd, 20)
    crowd.look()
    crowd.history.check()
