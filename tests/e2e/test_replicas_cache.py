"""What replicas keep of manifests in memory: a tag that was moved or deleted on one is so on all the moment the
request is answered, whatever happens to Redis, through which they tell each other, or to one of them."""

import signal
import threading

import pytest
import requests

from content import command
from helpers import ANY_MANIFEST, Client, image
from histories import Crowd
from postgres_proxy import STATEMENT
from redis_servers import Redis
from waiting import until

UNKNOWN = "sha256:" + 64 * "0"
LOOK_UP = "JOIN tags t ON t.repo_id"  # of a tag, in the database
REPO, TAG = "team/app", "latest"
IMAGES = [image(seed=n, layers=1, layer_size=100) for n in range(2)]


@pytest.fixture
def redis(work):
    with Redis(work / "redis") as server:
        yield server


@pytest.fixture
def replicas(new_replicas, redis):
    quick = {"postgresql": {"timeout": "4s", "connect_timeout": "4s"}}
    return seeded(new_replicas(config={"storage": {"cache": redis.section()}, "metadata": quick}))


def seeded(replicas):
    with Client(replicas[0].url) as c:
        for one in IMAGES:
            c.push_image(REPO, one, TAG)
    return replicas


def get(replica, **more):
    url = f"{replica.url}/v2/{REPO}/manifests/{TAG}"
    return requests.get(url, headers={"Accept": ANY_MANIFEST}, timeout=60, **more)


def from_memory(replica):
    """Is it answered without a look-up? The first may fill the memory."""
    get(replica)
    return replica.answers_without(LOOK_UP, lambda: get(replica))


def move(replica, one):
    with Client(replica.url) as c:
        c.push_manifest(REPO, TAG, one)


def all_see(replicas, one):
    assert [get(r).headers["Docker-Content-Digest"] for r in replicas] == [one.digest] * len(replicas)


def moves_are_seen(replicas, times=1):
    for n in range(times * len(replicas)):
        one = IMAGES[n % 2]
        move(replicas[n % len(replicas)], one)
        all_see(replicas, one)


def all_keep(replicas):
    for replica in replicas:
        until(lambda: from_memory(replica))


def test_a_tag_that_is_moved_on_one_is_seen_on_all_at_once(replicas):
    all_keep(replicas)
    moves_are_seen(replicas, times=30)
    all_keep(replicas)


def test_a_manifest_that_is_deleted_on_one_is_gone_on_all_at_once(replicas):
    all_keep(replicas)
    with Client(replicas[1].url) as c:
        c.delete_manifest(REPO, IMAGES[1].digest)
    assert [get(r).status_code for r in replicas] == [404] * len(replicas)


def test_without_redis_several_ask_the_database_and_one_alone_does_not(new_replicas):
    replicas = seeded(new_replicas(config={"storage": {"cache": {"type": "none"}}}))
    moves_are_seen(replicas, times=3)
    assert not any(from_memory(r) for r in replicas)
    for replica in replicas[1:]:
        replica.registry.stop()
    until(lambda: from_memory(replicas[0]))


def test_one_that_was_killed_holds_up_a_push_for_no_longer_than_its_lease(replicas):
    all_keep(replicas)
    replicas[2].kill()
    move(replicas[0], IMAGES[0])
    all_see(replicas[:2], IMAGES[0])
    all_keep(replicas[:2])


def test_one_that_stands_still_gives_no_old_answer_when_it_goes_on(replicas):
    all_keep(replicas)
    replicas[2].registry.freeze()
    move(replicas[0], IMAGES[0])
    replicas[2].registry.signal(signal.SIGCONT)
    all_see(replicas, IMAGES[0])
    all_keep(replicas)


@pytest.mark.parametrize("end", [Redis.kill, Redis.pause], ids=["killed", "paused"])
def test_without_redis_for_a_while_moves_are_slower_and_seen_by_all(replicas, redis, end):
    all_keep(replicas)
    end(redis)
    moves_are_seen(replicas, times=3)
    if redis.process is None:
        redis.start()
    else:
        redis.resume()
    moves_are_seen(replicas, times=3)
    all_keep(replicas)
    moves_are_seen(replicas, times=3)


def test_what_reindex_moves_is_seen_by_the_servers_at_once(replicas):
    all_keep(replicas)
    key = until(lambda: next((k for k in replicas.bucket.keys() if k.endswith(f"{REPO}/_tags/{TAG}")), None))

    def moved():
        """Unless a server has carried the tag there after us."""
        replicas.bucket.put(key, IMAGES[0].digest)
        return "1 tags moved" in command(replicas[1].registry, "reindex", "--move-tags")

    until(moved)
    all_see(replicas, IMAGES[0])


def test_a_server_says_that_it_is_there_while_requests_have_all_connections(new_replicas):
    (replica,) = replicas = seeded(new_replicas(1, config={"metadata": {"postgresql": {"connections": 1}}}))
    held = replica.database.hold("JOIN blobs b", STATEMENT)
    head = threading.Thread(target=requests.head, args=(f"{replica.url}/v2/{REPO}/blobs/{UNKNOWN}",))
    head.start()
    held.wait()

    def renewed():
        return int(replicas.database.sql("SELECT version FROM records WHERE collection = 'replicas' AND key <> 'epoch'"))

    was = renewed()
    until(lambda: renewed() > was + 1, timeout=20)  # less than the database may take
    held.release()
    head.join()


def paused(server):
    server.pause()
    yield
    server.resume()


def killed(server):
    server.kill()
    yield
    server.start()


def emptied(server):
    server.cli("FLUSHALL")
    yield


def cut_off(server):
    """Whoever has a connection loses it."""
    server.cli("CLIENT", "KILL", "TYPE", "pubsub")
    server.cli("CLIENT", "KILL", "TYPE", "normal")
    yield


@pytest.mark.parametrize("trouble", [paused, killed, emptied, cut_off], ids=lambda f: f.__name__)
def test_histories_of_tags_are_linearizable_whatever_happens_to_redis(replicas, redis, trouble):
    with Crowd([r.url for r in replicas], ["one", "two", "three"]) as crowd:
        for _ in range(3):
            go_on(crowd)
            for _ in trouble(redis):
                go_on(crowd)
    crowd.look()
    crowd.history.check()


def test_histories_of_tags_are_linearizable_whatever_happens_to_a_server(replicas):
    with Crowd([r.url for r in replicas], ["one", "two", "three"]) as crowd:
        for replica in replicas:
            go_on(crowd)
            replica.registry.freeze()
            go_on(crowd)
            replica.registry.signal(signal.SIGCONT)
            go_on(crowd)
            replica.kill()
            go_on(crowd)
            replica.start()
    crowd.look()
    crowd.history.check()


def go_on(crowd, step=100):
    wanted = crowd.history.count() + step
    until(lambda: crowd.history.wrong or crowd.history.count() >= wanted, timeout=120)
