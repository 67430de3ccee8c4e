"""The network from the replicas to the database or to the bucket is cut, hangs, or answers errors: what needs
it is answered 503 with Retry-After and nothing else, and it is right again by itself afterwards."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers import Client, digest_of, image, random_bytes
from s3_proxy import INTERNAL_ERROR, SLOW_DOWN, TIME_OUT, Delay
from waiting import until

QUICK = {"metadata": {"postgresql": {"timeout": "2s", "connect_timeout": "2s"}}}

OLD, NEW = image(seed="old"), image(seed="new")
EXTRA = random_bytes(20_000, "extra")


@pytest.fixture
def replicas(new_replicas):
    return holding_images(new_replicas(config=QUICK, s3={"timeout": "2s"}))


def holding_images(made):
    with Client(made[0].url) as client:  # which has them in memory then, and the others have not
        client.push_image("app", OLD, "v1")
        client.push_image("app", NEW)
    return made


def each_line(name, method, *arguments):
    def fail(replicas):
        for replica in replicas:
            getattr(getattr(replica, name), method)(*arguments)

    return fail


DATABASE = {
    "the database is gone": each_line("database", "leave"),
    "the database hangs": each_line("database", "hang"),
    "the database refuses": each_line("database", "refuse"),
}
BUCKET = {
    "the bucket is gone": each_line("bucket", "leave"),
    "the bucket hangs": lambda replicas: [r.bucket.fail("*", TIME_OUT, times=None) for r in replicas],
    "the bucket answers 500": lambda replicas: [r.bucket.fail("*", INTERNAL_ERROR, times=None) for r in replicas],
    "the bucket wants less": lambda replicas: [r.bucket.fail("*", SLOW_DOWN, times=None) for r in replicas],
}

# method, path, status when all is well
READS = {
    "a tag": ("GET", "/v2/app/manifests/v1", 200),
    "a digest": ("GET", f"/v2/app/manifests/{OLD.digest}", 200),
    "a tag that is not there": ("GET", "/v2/app/manifests/v0", 404),
    "whether a blob is there": ("HEAD", f"/v2/app/blobs/{next(iter(OLD.blobs))}", 200),
    "a blob": ("GET", f"/v2/app/blobs/{next(iter(OLD.blobs))}", 200),
    "tags": ("GET", "/v2/app/tags/list", 200),
    "the catalog": ("GET", "/v2/_catalog", 200),
    "referrers": ("GET", f"/v2/app/referrers/{OLD.digest}", 200),
    "an upload": ("POST", "/v2/app/blobs/uploads/", 202),
}


def check_refused(answer):
    assert answer.status_code == 503, f"{answer.request.url}: {answer.status_code} {answer.content[:200]!r}"
    assert int(answer.headers["Retry-After"]) >= 1


def ask(client, what):
    method, path, well = READS[what]
    return client.request(method, path, None), well


def check_all_refused(url, reads):
    """Side by side, each by a client of its own: where something hangs, each takes its time."""

    def one(what):
        with Client(url) as client:
            check_refused(ask(client, what)[0])

    with ThreadPoolExecutor(len(reads)) as pool:
        list(pool.map(one, reads))


def answers_again(replica):
    """A request may have been waiting for a connection since before, and a process may hear only when it writes
    that others took it for gone."""
    with Client(replica.url) as client:
        well = all(answer.status_code == status for answer, status in (ask(client, what) for what in READS))
        return well and client.push_manifest("app", "v1", OLD, expect=None).status_code == 201


def check_all_is_well(replicas):
    replicas.heal()
    for replica in replicas:
        until(lambda replica=replica: answers_again(replica))
    for replica in replicas:
        with Client(replica.url) as client:
            for what in READS:
                answer, well = ask(client, what)
                assert answer.status_code == well, f"{what}: {answer.status_code}"
            assert client.pull_image("app", "v1") == OLD
            client.push_image("app", NEW, "after")
            assert client.pull_image("app", "after") == NEW


@pytest.mark.parametrize("fault", DATABASE)
def test_without_the_database_everything_is_refused_for_now(replicas, fault):
    with Client(replicas[1].url) as client:
        location = client.patch(client.start_upload("app"), EXTRA)
        DATABASE[fault](replicas)
        reads = READS.keys() - {"an upload"}  # which asks nobody before its bytes come
        check_all_refused(client.url, reads)
        check_refused(client.push_manifest("app", "v1", NEW, expect=None))
        check_refused(client.delete_manifest("app", "v1", expect=None))
        check_refused(client.finish(location, digest_of(EXTRA), expect=None))
        client.request("GET", "/readyz", 503)
        client.request("GET", "/healthz", 200)
    check_all_is_well_after_unknown_outcomes(replicas)


def check_all_is_well_after_unknown_outcomes(replicas):
    """The push and the deletion that were answered 503 may have happened, or may still."""
    replicas.heal()
    with Client(replicas[0].url) as client:
        until(lambda: client.push_manifest("app", "v1", OLD, expect=None).status_code == 201)
        assert client.pull_image("app", "v1") == OLD
    check_all_is_well(replicas)


@pytest.mark.parametrize("fault", BUCKET)
def test_without_the_bucket_what_the_database_knows_is_served(replicas, fault):
    with Client(replicas.url) as client:
        BUCKET[fault](replicas)
        for what in READS:
            answer, well = ask(client, what)
            if what == "a blob":
                check_refused(answer)
            else:
                assert answer.status_code == well, what
        assert client.get_manifest("app", "v1").content == OLD.manifest
    check_all_is_well(replicas)


@pytest.mark.parametrize("fault", BUCKET)
def test_without_the_bucket_pushes_are_refused_for_now(replicas, fault):
    other = image(seed="other")
    with Client(replicas.url) as client:
        BUCKET[fault](replicas)
        location = client.start_upload("app")
        check_refused(client.request("PATCH", location, None, data=EXTRA))
        check_refused(client.push_manifest("app", "v2", NEW, expect=None))
        replicas.heal()
        assert client.upload_offset(location) == 0
        client.finish(client.patch(location, EXTRA), digest_of(EXTRA))
        client.push_image("app", other, "v2")
        assert client.pull_image("app", "v2") == other
        assert client.get_blob("app", digest_of(EXTRA)).content == EXTRA
    check_all_is_well(replicas)


def test_a_slow_database_and_a_slow_bucket_make_it_slow_and_nothing_else(new_replicas):
    replicas = holding_images(new_replicas())  # which wait for longer than it may take
    for replica in replicas:
        replica.database.slow(0.05)
        replica.bucket.fail("*", Delay(0.1), times=None)
    made = image(seed="slow")
    with Client(replicas.url) as client:
        client.push_image("app", made, "v3")
        for _ in replicas:
            assert client.pull_image("app", "v3") == made
    check_all_is_well(replicas)


def test_one_that_is_cut_off_is_not_ready_and_the_others_are(replicas):
    replicas[1].cut_off()
    with Client(replicas[1].url) as client:
        client.request("GET", "/readyz", 503)
        check_refused(client.request("GET", "/v2/app/manifests/v1", None))
    for replica in (replicas[0], replicas[2]):
        with Client(replica.url) as client:
            client.request("GET", "/readyz", 200)
            assert client.pull_image("app", "v1") == OLD
    replicas.front.only(0)
    with Client(replicas.url) as client:
        client.push_image("app", NEW, "v1")
    replicas.heal()
    with Client(replicas[1].url) as client:
        assert client.pull_image("app", "v1") == NEW
