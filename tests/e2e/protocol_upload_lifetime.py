"""Upload sessions over restarts, their end by time, their limits, and mounting."""

import signal

import pytest

from accounts import OTHER, PASSWORD, alice_and_bob
from checks import ABSENT, check_errors
from helpers import Client, Wire, digest_of, random_bytes
from waiting import until

pytestmark = pytest.mark.sanitize

DATA = random_bytes(400_000, "lifetime")
DIGEST = digest_of(DATA)


def uploads_on_disk(registry):
    return sorted(p.name for p in (registry.root / "temp" / "uploads").iterdir())


def resume(client, repo, location):
    """Goes on where the registry says, to the end."""
    offset = client.upload_offset(location)
    location = client.patch(location, DATA[offset:], start=offset)
    client.finish(location, DIGEST)
    assert client.get_blob(repo, DIGEST).content == DATA
    return offset


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_session_goes_on_after_a_restart(registry, client, algorithm):
    """The running hash was in memory, so the bytes are hashed anew."""
    location = client.start_upload("app", **{"digest-algorithm": algorithm})
    location = client.patch(location, DATA[:250_000])
    registry.restart()
    assert client.upload_offset(location) == 250_000
    digest = digest_of(DATA, algorithm)
    client.finish(location, digest, DATA[250_000:])
    assert client.get_blob("app", digest).content == DATA


def test_a_session_goes_on_after_kill(registry, client):
    """What a 202 acknowledged is durable: the offset is never smaller, nor past the bytes."""
    location = client.patch(client.start_upload("app"), DATA[:250_000])
    registry.kill()
    registry.start()
    assert resume(client, "app", location) == 250_000


def test_a_session_killed_in_the_middle_of_a_chunk(registry, client):
    location = client.patch(client.start_upload("app"), DATA[:100_000])
    with Wire(registry.url) as wire:
        path = location.removeprefix(registry.url)
        wire.send_request("PATCH", path, {"Content-Length": 300_000}, DATA[100_000:300_000])
        registry.kill()
    registry.start()
    assert 100_000 <= resume(client, "app", location) <= 300_000


def test_a_cancelled_session_leaves_nothing_on_disk(registry, client):
    location = client.patch(client.start_upload("app"), DATA)
    assert len(uploads_on_disk(registry)) == 1
    client.request("DELETE", location, 204)
    assert uploads_on_disk(registry) == []


def test_a_finished_session_leaves_nothing_in_temp(registry, client):
    client.push_blob("app", DATA)
    location = client.start_upload("app")
    client.finish(location, ABSENT, DATA, 400)
    assert uploads_on_disk(registry) == []


def finish_again(client, location, status):
    """As a client does that had no answer: with the body, or without it when that was sent before."""
    for body in (b"", DATA):
        answer = client.finish(location, DIGEST, body, expect=status)
    return answer


def headers_of(answer):
    """But those of this one answer, or of its connection, which ends before a body that is not read."""
    own = ("Connection", "Date", "X-Request-Id")
    return {k: v for k, v in answer.headers.items() if k not in own}


def test_a_finish_whose_answer_was_lost_is_answered_again_after_kill(registry, client):
    location = client.start_upload("app")
    first = client.finish(location, DIGEST, DATA)
    registry.kill()
    registry.start()
    assert headers_of(finish_again(client, location, 201)) == headers_of(first)
    assert client.get_blob("app", DIGEST).content == DATA
    finish_again(client, location.replace("/app/", "/other/"), 404)


def test_a_finish_is_answered_again_to_its_identity_alone(new_registry):
    everything = {"actions": ["*"], "repositories": ["**"]}
    policy = [{"subjects": ["user:alice", "user:bob"], **everything}]
    registry = alice_and_bob(new_registry, policy=policy).registry
    with Client(registry.url, auth=("alice", PASSWORD)) as alice:
        location = alice.start_upload("app")
        alice.finish(location, DIGEST, DATA)
        registry.kill()
        registry.start()
        with Client(registry.url, auth=("bob", OTHER)) as bob:
            check_errors(finish_again(bob, location, 404), 404, "BLOB_UPLOAD_UNKNOWN")
        finish_again(alice, location, 201)


def let_sessions_end(registry):
    """Soon, from now on: what came before had all the time that it wanted."""
    registry.config["upload"] = {"timeout": "1s"}
    registry.write_config()
    registry.signal(signal.SIGHUP)


@pytest.mark.config({"maintenance": {"interval": "100ms"}})
def test_a_finish_is_answered_again_as_long_as_a_session_lives(registry, client):
    location = client.start_upload("app")
    client.finish(location, DIGEST, DATA)
    finish_again(client, location, 201)
    let_sessions_end(registry)
    until(lambda: client.finish(location, DIGEST, expect=None).status_code == 404)
    assert client.has_blob("app", DIGEST)


@pytest.mark.config({"maintenance": {"interval": "100ms"}})
def test_an_abandoned_session_is_removed_after_its_timeout(registry, client):
    location = client.patch(client.start_upload("app"), DATA)
    let_sessions_end(registry)
    until(lambda: client.request("GET", location, None).status_code == 404)
    check_errors(client.request("GET", location, None), 404, "BLOB_UPLOAD_UNKNOWN")
    until(lambda: uploads_on_disk(registry) == [])


@pytest.mark.config({"maintenance": {"interval": "100ms"}})
def test_an_abandoned_session_is_removed_after_a_restart_too(registry, client):
    client.patch(client.start_upload("app"), DATA)
    registry.kill()
    registry.config["upload"] = {"timeout": "1s"}
    registry.start()
    until(lambda: uploads_on_disk(registry) == [])


# Limits


SMALL = {"limits": {"blob_size": 1000}}


@pytest.mark.config(SMALL)
def test_a_blob_as_large_as_allowed(client):
    data = random_bytes(1000)
    client.push_blob("app", data)
    location = client.patch(client.start_upload("app"), data[:999])
    client.finish(location, digest_of(data), data[999:])


@pytest.mark.config(SMALL)
@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST"])
def test_a_length_past_the_limit_is_413_before_the_body(registry, client, method):
    """Nothing of the body is sent here, and the answer comes all the same."""
    path = client.start_upload("app").removeprefix(registry.url)
    if method == "POST":
        path = "/v2/app/blobs/uploads/"
    query = "" if method == "PATCH" else f"?digest={DIGEST}"
    with Wire(registry.url) as wire:
        wire.send_request(method, path + query, {"Content-Length": 1001})
        status, headers, _ = wire.read_response()
    assert status == 413
    assert headers["connection"].lower() == "close"


@pytest.mark.config(SMALL)
def test_a_stream_past_the_limit_is_413(client):
    location = client.start_upload("app")
    r = client.request("PATCH", location, None, data=iter([b"x" * 600, b"x" * 600]))
    check_errors(r, 413, "SIZE_INVALID")


@pytest.mark.config(SMALL)
def test_chunks_that_together_pass_the_limit_are_413(client):
    location = client.patch(client.start_upload("app"), b"x" * 600)
    check_errors(client.patch(location, b"x" * 600, expect=413), 413, "SIZE_INVALID")
    check_errors(client.finish(location, DIGEST, b"x" * 401, None), 413, "SIZE_INVALID")


@pytest.mark.config({"limits": {"uploads": 3}})
def test_one_more_session_than_allowed_is_429(client):
    path = "/v2/app/blobs/uploads/"
    client.start_upload("app")  # costs nothing as long as it has no bytes
    locations = [client.patch(client.start_upload("app"), b"some bytes") for _ in range(3)]
    r = client.request("POST", path, None)
    check_errors(r, 429, "TOOMANYREQUESTS")
    assert int(r.headers["Retry-After"]) >= 1
    # A session that ends makes room.
    client.request("DELETE", locations[0], 204)
    client.finish(client.start_upload("app"), DIGEST, DATA)
    client.patch(client.start_upload("app"), b"some bytes")
    client.request("POST", path, 429)


@pytest.mark.config({"upload": {"min_chunk": "64KiB"}})
def test_a_smallest_chunk_is_told_when_configured(client):
    r = client.request("POST", "/v2/app/blobs/uploads/", 202)
    assert r.headers["OCI-Chunk-Min-Length"] == "65536"
    # It is only a SHOULD, and the last one may have any length.
    location = client.patch(r.headers["Location"], DATA[:70_000], start=0)
    client.finish(client.patch(location, DATA[70_000:], start=70_000), DIGEST)


# Mounting (dist-spec "Mounting a blob from another repository")


def mount(client, repo, expect=None, **params):
    return client.request("POST", f"/v2/{repo}/blobs/uploads/", expect, params=params)


def check_mounted(response, client, repo):
    assert response.status_code == 201
    assert response.headers["Docker-Content-Digest"] == DIGEST
    assert response.headers["Location"].endswith(f"/v2/{repo}/blobs/{DIGEST}")
    assert client.request("GET", response.headers["Location"]).content == DATA


def check_session(response, client, repo):
    """202: nothing was mounted, and the client pushes the blob instead."""
    assert response.status_code == 202
    assert not client.has_blob(repo, DIGEST)
    client.finish(response.headers["Location"], DIGEST, DATA)
    assert client.get_blob(repo, DIGEST).content == DATA


def test_a_blob_is_mounted_from_another_repository(api, repo):
    api.push_blob(repo, DATA)
    to = repo + "/target"
    check_mounted(mount(api, to, mount=DIGEST, **{"from": repo}), api, to)


def test_a_mounted_blob_serves_for_a_manifest_and_outlives_its_source(api, repo):
    api.push_blob(repo, DATA)
    to = repo + "/target"
    mount(api, to, 201, mount=DIGEST, **{"from": repo})
    api.delete_blob(repo, DIGEST)
    assert api.get_blob(to, DIGEST).content == DATA


def test_a_blob_is_mounted_without_saying_from_where(api, repo):
    """dist-spec: from MAY be optional, and the blob mounted if it can be found."""
    api.push_blob(repo, DATA)
    to = repo + "/target"
    check_mounted(mount(api, to, mount=DIGEST), api, to)


def test_a_blob_that_is_there_already_is_mounted(api, repo):
    api.push_blob(repo, DATA)
    check_mounted(mount(api, repo, mount=DIGEST, **{"from": repo}), api, repo)


def test_an_unknown_blob_falls_back_to_a_session(client):
    client.push_blob("source", b"something else")
    check_session(mount(client, "app", mount=DIGEST, **{"from": "source"}), client, "app")


def test_an_unknown_blob_without_from_falls_back_to_a_session(client):
    check_session(mount(client, "app", mount=DIGEST), client, "app")


def test_an_unknown_source_falls_back_to_a_session(client):
    check_session(mount(client, "app", mount=DIGEST, **{"from": "never/was"}), client, "app")


@pytest.mark.parametrize("digest", ["", "nonsense", "sha256:abc", "md5:" + "0" * 32])
def test_mounting_a_malformed_digest_is_refused(api, repo, digest):
    check_errors(mount(api, repo, mount=digest, **{"from": repo}), 400, "DIGEST_INVALID")


@pytest.mark.parametrize("source", ["Not/A/Name", "", "source:v1", f"source@{DIGEST}"])
def test_what_is_no_name_falls_back_to_a_session(client, source):
    """containerify 4.1.0 names its source with a tag, and ends when that is refused."""
    client.push_blob("source", DATA)
    check_session(mount(client, "app", mount=DIGEST, **{"from": source}), client, "app")

