"""kill -9 of one of three replicas in each phase of a push and of a pull. The client's own retry ends well on
the others, and what was pushed is whole on each, the killed one started again among them."""

import signal
import threading
from dataclasses import dataclass

import pytest
import requests
import urllib3

from half_sent import HalfSent
from helpers import MIB, Client, Unexpected, digest_of, image, image_of_layers, random_bytes, tar_layer
from postgres_proxy import BARE_COMMIT, COMMIT, DONE, STATEMENT
from waiting import until

TRIES = 5
VICTIM = 0
LARGE = 2 * 8 * MIB + 100_000  # of more than one part
PULLED = 32 * MIB  # of more than sockets take


class Retrying(Client):
    """As docker does: what broke is begun anew, a blob with its POST."""

    def again(self, action):
        for left in reversed(range(TRIES)):
            try:
                return action()
            except (requests.RequestException, Unexpected):
                if not left:
                    raise

    def push_blob(self, repo, data, digest=None):
        digest = digest or digest_of(data)
        self.again(lambda: self.has_blob(repo, digest) or self._push_blob(repo, data, digest))
        return digest

    def _push_blob(self, repo, data, digest):
        location = self.patch(self.start_upload(repo), data)
        self.finish(location, digest)

    def push_manifest(self, repo, reference, image, expect=201):
        return self.again(lambda: super(Retrying, self).push_manifest(repo, reference, image, expect))

    def has_blob(self, repo, digest):
        return self.again(lambda: super(Retrying, self).has_blob(repo, digest))

    def get_manifest(self, repo, reference, **more):
        return self.again(lambda: super(Retrying, self).get_manifest(repo, reference, **more))

    def get_blob(self, repo, digest, **more):
        return self.again(lambda: super(Retrying, self).get_blob(repo, digest, **more))


@dataclass
class OfDatabase:
    text: str
    where: str
    large: bool = False

    def hold(self, replica):
        return replica.database.hold(self.text, self.where)


@dataclass
class OfBucket:
    kind: str
    target: str = ""
    after: bool = False
    large: bool = False

    def hold(self, replica):
        return replica.bucket.hold(self.kind, self.after, target=self.target)


class Killing:
    """Kills the victim in that phase, of what happens in the block beside it. All requests are its own until
    then."""

    def __init__(self, replicas, phase):
        self.replicas = replicas
        self.victim = replicas[VICTIM]
        self.held = phase.hold(self.victim)

    def during(self, action):
        self.replicas.front.only(VICTIM)
        results = []
        thread = threading.Thread(target=lambda: results.append(outcome_of(action)), daemon=True)
        thread.start()
        try:
            self.held.wait()
            self.victim.kill()
        finally:
            self.replicas.front.in_turn()
            self.victim.heal_lines()
        thread.join(120)
        if not self.victim.registry.running():
            self.victim.start()
        [result] = results
        if isinstance(result, Exception):
            raise result
        return result


def outcome_of(action):
    try:
        return action()
    except Exception as error:  # for the thread that waits for it
        return error


def new_image(seed, large):
    """Of bytes that the bucket does not have yet."""
    if not large:
        return image(seed=seed, layers=2)
    return image_of_layers([tar_layer({"data": random_bytes(LARGE, seed)})])


PUSH = {
    "the session's row": OfDatabase("INTO uploads", COMMIT),
    "the session's row, done": OfDatabase("INTO uploads", DONE),
    "a part": OfBucket("part", large=True),
    "a part, done": OfBucket("part", after=True, large=True),
    "the tail": OfBucket("put", "_tail"),
    "the tail, done": OfBucket("put", "_tail", after=True),
    "the copy to the key": OfBucket("copy", "blobs/"),
    "the copy to the key, done": OfBucket("copy", "blobs/", after=True),
    "completing the parts": OfBucket("complete", large=True),
    "completing the parts, done": OfBucket("complete", after=True, large=True),
    "the pointer of a move": OfBucket("put", "moves/", large=True),
    "the pointer of a move, done": OfBucket("put", "moves/", after=True, large=True),
    "a move": OfBucket("copy", "blobs/", large=True),
    "the row of the blob": OfDatabase("INTO blobs", COMMIT),
    "the row of the blob, done": OfDatabase("INTO blobs", DONE),
    "the manifest's object": OfBucket("put", "manifests/"),
    "the manifest's object, done": OfBucket("put", "manifests/", after=True),
    "the row of the tag": OfDatabase("INTO tags", COMMIT),
    "the row of the tag, done": OfDatabase("INTO tags", DONE),
    "the tag's object": OfBucket("put", "tags/"),
    "the tag's object, done": OfBucket("put", "tags/", after=True),
}


def test_every_phase_of_a_push_has_its_test():
    kinds = {(p.text if isinstance(p, OfDatabase) else p.kind) for p in PUSH.values()}
    assert kinds == {"INTO uploads", "INTO blobs", "INTO tags", "part", "put", "copy", "complete"}


@pytest.mark.parametrize("phase", PUSH)
def test_a_push(replicas, repo, phase):
    phase = PUSH[phase]
    made = new_image(repo, phase.large)
    with Retrying(replicas.url) as client:
        Killing(replicas, phase).during(lambda: client.push_image(repo, made, "v1"))
    for replica in replicas:
        with Client(replica.url) as client:
            assert client.pull_image(repo, "v1") == made
            assert client.tags(repo) == ["v1"]


PULL = {
    "the look-up of the tag": OfDatabase("m.bytes, t.version FROM", STATEMENT),
    "the look-up of a blob": OfDatabase("b.size_bytes FROM repos", STATEMENT),
    "the object of a blob": OfBucket("get", "blobs/"),
    "the object of a blob, done": OfBucket("get", "blobs/", after=True),
}


@pytest.mark.parametrize("phase", PULL)
def test_a_pull(replicas, repo, phase):
    made = image(seed="pull", layers=2)
    with Retrying(replicas.url) as client:
        client.push_image(repo, made, "v1")
        for replica in replicas:
            replica.redis.leave()  # so that the database is asked, when they have noticed
        victim = replicas[VICTIM]
        asked = f"{victim.url}/v2/{repo}/manifests/v1"
        until(lambda: not victim.answers_without("m.bytes, t.version FROM", lambda: requests.get(asked, timeout=60)))
        assert Killing(replicas, PULL[phase]).during(lambda: client.pull_image(repo, "v1")) == made
    replicas.heal()


def read_until_it_breaks(answer):
    got = b""
    try:
        while piece := answer.raw.read(MIB):
            got += piece
    except (urllib3.exceptions.HTTPError, OSError):
        pass
    return got


def test_a_pull_in_the_middle_of_a_blob(replicas, repo):
    data = random_bytes(PULLED, "pulled")
    with Client(replicas.url) as client:
        digest = client.push_blob(repo, data)
        replicas.front.only(VICTIM)
        answer = client.session.get(f"{client.url}/v2/{repo}/blobs/{digest}", stream=True)
        got = answer.raw.read(MIB)
        replicas[VICTIM].kill()
        replicas.front.in_turn()
        got += read_until_it_breaks(answer)
        replicas[VICTIM].start()
        assert MIB <= len(got) < PULLED
        rest = client.get_blob(repo, digest, 206, Range=f"bytes={len(got)}-").content
        assert got + rest == data


def test_a_tag_is_carried_to_the_bucket_by_another_when_who_moved_it_died(replicas, repo):
    """Nobody asks again: the client has its answer, and the store has the tag when the killed one is back."""
    victim, made = replicas[VICTIM], image(seed="carried")
    with Client(victim.url) as client:
        client.push_image(repo, made)
        held = victim.bucket.hold("put", target="tags/")
        thread = threading.Thread(target=lambda: outcome_of(lambda: client.push_manifest(repo, "v1", made)))
        thread.start()
        held.wait()
        victim.kill()
        victim.heal_lines()
        thread.join(60)
    with Client(replicas[1].url) as client:
        assert client.tags(repo) == ["v1"]
    victim.start()
    key = f"tags/{repo}/_tags/v1"
    until(lambda: key in replicas.bucket.keys() and replicas.bucket.get(key).decode() == made.digest)


TIMEOUT_S = 6
YOUNG = f"state_change > clock_timestamp() - interval '{TIMEOUT_S / 2} s'"
TIMEOUT = {"metadata": {"postgresql": {"timeout": f"{TIMEOUT_S}s"}}}
WAITING = """SELECT count(*) FROM pg_stat_activity a WHERE wait_event = 'ClientRead' AND backend_xid IS NOT NULL
             AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND relation = 'repos'::regclass) AND state = """


@pytest.fixture
def two(new_replicas):
    """One that is to be paused, and one that waits longer for what the first has locked than it takes to be free."""
    [paused], others = new_replicas(1, config=TIMEOUT), new_replicas(1)
    return paused, others[0], others.database


class Paused:
    """Stops while it does that, where that is held: then its connection is in that state, with locks."""

    def __init__(self, replica, database, action, held, state):
        self.replica = replica
        self.held = held
        self.thread = threading.Thread(target=lambda: outcome_of(action))
        self.thread.start()
        held.wait()
        replica.registry.freeze()
        until(lambda: database.sql(f"{WAITING} '{state}'") == "1")

    def go_on(self):
        self.replica.registry.signal(signal.SIGCONT)
        self.held.release()
        self.thread.join(60)


def test_one_that_is_paused_with_a_repository_locked_holds_up_the_others_for_a_moment_only(two):
    """Between two statements: a deletion looks at what it deletes."""
    one, another, database = two
    old, new = image(seed="old"), image(seed="new")
    with Client(one.url) as client, Client(another.url) as other:
        other.push_image("app", old, "v1")
        other.push_image("app", new)
        held = one.database.hold("DELETE FROM manifests", COMMIT)
        paused = Paused(one, database, lambda: client.delete_manifest("app", new.digest), held, "idle in transaction")
        other.push_manifest("app", "v2", new)
        assert other.get_manifest("app", "v1").content == old.manifest
        paused.go_on()
        assert other.tags("app") == ["v1", "v2"]


def test_one_that_is_paused_while_it_sends_what_locks_a_repository_holds_up_the_others_for_a_moment_only(two):
    """In the middle of a round trip: the server waits for the rest of it as long as it may take."""
    one, another, database = two
    old, new = image(seed="old"), image(seed="new")
    with Client(one.url) as client, Client(another.url) as other:
        other.push_image("app", old, "v1")
        other.push_image("app", new)
        held = one.database.hold("INTO tags", BARE_COMMIT)
        paused = Paused(one, database, lambda: client.push_manifest("app", "v1", new), held, "active")
        other.push_manifest("app", "v2", new)
        assert other.get_manifest("app", "v1").content == old.manifest
        paused.go_on()
        assert other.tags("app") == ["v1", "v2"]


def test_a_push_waits_for_a_moment_only_for_one_that_nobody_knows_and_that_stopped_while_it_sent(new_replicas):
    """Its row is gone already, or it had none."""
    replicas = new_replicas(1, config=TIMEOUT)
    with Client(replicas.url) as client:
        client.push_image("app", image(seed="old"), "v1")
        with HalfSent(replicas.database.url, "SELECT FROM repos WHERE name = 'app' FOR UPDATE"):
            until(lambda: replicas.database.sql(f"{WAITING} 'active' AND {YOUNG}") == "0")  # or it is ended already
            client.push_image("app", image(seed="new"), "v2")
        assert client.tags("app") == ["v1", "v2"]
