"""What servers on one database share in a Redis: manifests, wrong sign-ins, requests; and that a Redis in trouble
makes nothing wrong."""

import socket
import threading
import time

import pytest
import requests
from accounts import htpasswd
from helpers import ANY_MANIFEST, Client, image
from redis_servers import MASTER, Redis, Sentinel
from waiting import until

LOOK_UP = "JOIN tags t ON t.repo_id"  # of a tag, in the database
REPO, TAG = "team/app", "latest"
IMAGES = [image(seed=n, layers=1, layer_size=100) for n in range(3)]
NO_MEMORY = {"cache": {"memory": {"size": 0}}}


@pytest.fixture
def redis(work):
    with Redis(work / "redis") as server:
        yield server


def over(new_replicas, section, count=2, **more):
    """Replicas without a memory of manifests, so that what they keep is in Redis."""
    replicas = new_replicas(count, config={**NO_MEMORY, "storage": {"cache": section}, **more})
    with Client(replicas[0].url) as c:
        for one in IMAGES:
            c.push_image(REPO, one, TAG)
            c.push_manifest(REPO, f"not-{TAG}", one)
    return replicas


def url(replica, tag=TAG):
    return f"{replica.url}/v2/{REPO}/manifests/{tag}"


def get(replica):
    return requests.get(url(replica), headers={"Accept": ANY_MANIFEST}, timeout=60)


def costs_no_look_up(replica):
    return replica.answers_without(LOOK_UP, lambda: get(replica))


def move(replica, one):
    with Client(replica.url) as c:
        c.push_manifest(REPO, TAG, one)


def moves_are_seen(replicas, times=4):
    for n in range(times):
        one = IMAGES[n % 3]
        move(replicas[n % len(replicas)], one)
        assert {get(r).headers["Docker-Content-Digest"] for r in replicas} == {one.digest}


def kept_in_redis(replicas, redis):
    """Returns when a manifest that the first has read costs the last nothing."""
    redis.cli("FLUSHALL")  # and with it what blocks a tag that was just moved
    until(lambda: get(replicas[0]) and costs_no_look_up(replicas[-1]))


def test_a_manifest_that_one_has_read_costs_the_others_no_look_up(new_replicas, redis):
    replicas = over(new_replicas, redis.section())
    kept_in_redis(replicas, redis)
    move(replicas[1], IMAGES[0])
    assert get(replicas[0]).content == IMAGES[0].manifest
    until(lambda: get(replicas[0]) and costs_no_look_up(replicas[1]))


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru", "allkeys-random"])
def test_a_redis_that_is_full_changes_no_answer(new_replicas, redis, policy):
    replicas = over(new_replicas, redis.section())
    kept_in_redis(replicas, redis)
    redis.cli("CONFIG", "SET", "maxmemory-policy", policy)
    redis.cli("CONFIG", "SET", "maxmemory", "1")
    moves_are_seen(replicas)
    redis.cli("CONFIG", "SET", "maxmemory", "0")
    moves_are_seen(replicas)
    kept_in_redis(replicas, redis)


def saved(redis, how):
    redis.cli("BGSAVE")
    until(lambda: f"rdb_last_bgsave_status:{how}" in redis.cli("INFO", "persistence"))


def test_a_redis_that_can_not_save_changes_no_answer(new_replicas, redis):
    """It refuses all writes then, also what would remove an entry."""
    replicas = over(new_replicas, redis.section())
    kept_in_redis(replicas, redis)
    (redis.work / "dump.rdb").mkdir()  # in the place of the file
    redis.cli("CONFIG", "SET", "save", "3600 1")
    saved(redis, "err")
    with pytest.raises(RuntimeError, match="MISCONF"):
        redis.cli("SET", "cyberdock:x", "1")
    moves_are_seen(replicas)
    (redis.work / "dump.rdb").rmdir()
    saved(redis, "ok")
    moves_are_seen(replicas)
    kept_in_redis(replicas, redis)


def test_a_redis_that_comes_back_with_what_it_had_earlier_is_not_believed(new_replicas, redis):
    replicas = over(new_replicas, redis.section())
    kept_in_redis(replicas, redis)
    before = get(replicas[0]).content
    redis.cli("SAVE")
    move(replicas[1], IMAGES[0] if before != IMAGES[0].manifest else IMAGES[1])
    now = get(replicas[0]).content
    assert now != before
    redis.kill()
    redis.start()
    assert int(redis.cli("DBSIZE")) > 0
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        assert [get(r).content for r in replicas] == [now] * len(replicas)
    moves_are_seen(replicas)


def test_a_fail_over_by_sentinels_changes_no_answer(new_replicas, work):
    with Sentinel(work / "sentinel") as sentinel:
        replicas = over(new_replicas, sentinel.section())
        kept_in_redis(replicas, sentinel.master)
        before = sentinel.master.port
        sentinel.master.kill()
        moves_are_seen(replicas)
        until(lambda: str(before) not in sentinel.cli("SENTINEL", "get-master-addr-by-name", MASTER))
        moves_are_seen(replicas)
        kept_in_redis(replicas, sentinel.replica)


class SlowLine:
    """Before a Redis: what it answers comes so many seconds later."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.seconds = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                return
            for pair in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source, target, answers):
        try:
            while data := source.recv(65536):
                if answers:
                    time.sleep(self.seconds)
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def test_a_redis_that_is_slow_holds_up_nobody_for_long(new_replicas, redis):
    line = SlowLine(redis.port)
    section = redis.section(redis_url=redis.url().replace(str(redis.port), str(line.port)))
    replicas = over(new_replicas, section)
    kept_in_redis(replicas, redis)
    line.seconds = 0.4  # more than storage.cache.redis_timeout
    began = time.monotonic()
    for _ in range(20):
        assert get(replicas[0]).status_code == 200
    assert time.monotonic() - began < 10
    moves_are_seen(replicas)
    line.seconds = 0
    kept_in_redis(replicas, redis)
    line.listener.close()


def test_wrong_passwords_are_counted_together(new_replicas, redis, work):
    people = {"file": htpasswd(work / "htpasswd", {"alice": "right"})}
    replicas = over_with(new_replicas, redis, auth={"htpasswd": people, "lock_after": 3})
    for n in range(3):
        assert base(replicas[n % 2], ("alice", "wrong")) == 401
    assert [base(r, ("alice", "right")) for r in replicas] == [429, 429]
    redis.kill()
    assert [base(r, ("alice", "wrong")) for r in replicas].count(401) >= 1  # each counts for itself then


def test_requests_are_counted_together(new_replicas, redis):
    limits = {"rate": {"address": 1, "address_burst": 40}}
    replicas = over_with(new_replicas, redis, auth="none", limits=limits)
    began = time.monotonic()
    answers = []
    for _ in range(20):
        answers += [base(r) for r in replicas]
        time.sleep(0.03)  # more than one of the intervals in which they tell each other
    let_through = answers.count(200)
    until(lambda: [base(r) for r in replicas] == [429, 429])
    assert let_through <= 40 + (time.monotonic() - began) + 10


def over_with(new_replicas, redis, **config):
    """What is slow on a busy machine is not taken for a Redis that is down, without which each counts for itself."""
    return new_replicas(2, config={"storage": {"cache": redis.section(redis_timeout="5s")}, **config})


def base(replica, auth=None):
    return requests.get(replica.url + "/v2/", auth=auth, timeout=60).status_code
