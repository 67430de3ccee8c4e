"""kill -9 in each phase of a push to a bucket: what was acknowledged is there, and nothing stays that is
nobody's."""

import time
from threading import Thread

import pytest
import requests

from archives import crafted, docker_archive
from content import command
from helpers import MIB, Client, Wire, artifact, digest_of, image_of_layers, random_bytes, tar_layer
from s3_proxy import ACCESS_DENIED, Rewrite
from waiting import until

PART_BYTES = 5 * MIB
DATA = random_bytes(3 * PART_BYTES + MIB, "kill")  # up to COPY_AT_ONCE of store/s3/upload.c
LARGE = random_bytes(4 * PART_BYTES, "kill")  # more than that: moved after the answer
SMALL = random_bytes(100_000, "kill")


def key_of(data):
    return "blobs/" + digest_of(data).replace(":", "/")


def is_moving(bucket, data):
    below = key_of(data).replace("blobs/", "moves/") + "_"
    return any(key.startswith(below) for key in bucket.keys())


@pytest.fixture
def registry(new_registry, bucket, proxy):
    bucket.endpoint = proxy.endpoint
    return new_registry(config={"storage": bucket.section(part_size=PART_BYTES)}).start()


@pytest.fixture
def in_background():
    """Runs what is not going to be answered, or is not waited for."""
    threads = []

    def run(*call):
        def calls():
            try:
                call[0](*call[1:])
            except (AssertionError, requests.RequestException):
                pass  # the registry is killed meanwhile

        threads.append(Thread(target=calls))
        threads[-1].start()

    yield run
    for thread in threads:
        thread.join()


def again(registry, proxy):
    registry.kill()
    proxy.clear()
    registry.start()
    return Client(registry.url)


def sweep_soon(registry):
    """From the next start on."""
    registry.config["upload"] = {"timeout": "1s"}
    registry.config["maintenance"] = {"interval": "200ms"}


def path_of(client, location):
    return location.removeprefix(client.url)


def is_sent(proxy, number):
    parts = [request for request in proxy.of("part") if f"partNumber={number}&" in request.target]
    return any(request.status == 200 for request in parts)


# Each kills the registry when a push has come so far; returns the session's location, its bytes, and how
# many of them are durable.


def within_a_patch(client, proxy, _):
    location = client.patch(client.start_upload("app"), DATA[: PART_BYTES + 1])
    proxy.forget()
    with Wire(client.url) as wire:
        headers = {"Content-Length": len(DATA)}
        wire.send_request("PATCH", path_of(client, location), headers, DATA[PART_BYTES + 1 :])
        until(lambda: any(request.status == 200 for request in proxy.of("part")))
    return location, DATA, PART_BYTES + 1


def with_a_later_part_there_and_an_earlier_not(client, proxy, _):
    location = client.patch(client.start_upload("app"), DATA[: PART_BYTES + 1])
    held = proxy.hold("part", target="partNumber=2")
    with Wire(client.url) as wire:
        headers = {"Content-Length": len(DATA)}
        wire.send_request("PATCH", path_of(client, location), headers, DATA[PART_BYTES + 1 :])
        held.wait()
        until(lambda: is_sent(proxy, 3))
    return location, DATA, PART_BYTES + 1


def within_a_first_patch(client, proxy, _):
    location = client.start_upload("app")
    with Wire(client.url) as wire:
        headers = {"Content-Length": len(DATA) + 1}
        wire.send_request("PATCH", path_of(client, location), headers, DATA)
        until(lambda: any(request.status == 200 for request in proxy.of("part")))
    return location, DATA, 0


def between_patch_and_finish(client, _, __):
    location = client.patch(client.start_upload("app"), DATA)
    return location, DATA, len(DATA)


def within_the_finish_of_a_small_one(client, proxy, in_background):
    location = client.patch(client.start_upload("app"), SMALL)
    held = proxy.hold("copy", after=True)
    in_background(client.finish, location, digest_of(SMALL))
    held.wait()
    return location, SMALL, len(SMALL)


GO_ON = [
    within_a_patch,
    with_a_later_part_there_and_an_earlier_not,
    within_a_first_patch,
    between_patch_and_finish,
    within_the_finish_of_a_small_one,
]


@pytest.mark.parametrize("phase", GO_ON, ids=lambda phase: phase.__name__)
def test_a_session_goes_on_where_its_bytes_are_durable(
    registry, client, bucket, proxy, in_background, phase
):
    location, data, durable = phase(client, proxy, in_background)
    with again(registry, proxy) as client:
        there = client.upload_offset(location)
        assert there >= durable  # a part that came before the kill may count too
        if there < len(data):
            location = client.patch(location, data[there:], start=there)
        client.finish(location, digest_of(data))
        assert client.get_blob("app", digest_of(data)).content == data
    sweep_soon(registry)
    registry.restart()
    until(lambda: bucket.keys() == [key_of(data)] and bucket.uploads() == [])
    with Client(registry.url) as client:
        assert client.get_blob("app", digest_of(data)).content == data


def within_the_completion(client, proxy, in_background):
    location = client.patch(client.start_upload("app"), DATA)
    held = proxy.hold("complete", after=True)
    in_background(client.finish, location, digest_of(DATA))
    held.wait()
    return DATA


def between_completion_and_copy(client, proxy, in_background):
    location = client.patch(client.start_upload("app"), DATA)
    held = proxy.hold("copy")
    in_background(client.finish, location, digest_of(DATA))
    held.wait()
    return DATA


def before_the_pointer(client, proxy, in_background):
    location = client.patch(client.start_upload("app"), LARGE)
    held = proxy.hold("put", target="/moves/")
    in_background(client.finish, location, digest_of(LARGE))
    held.wait()
    return LARGE


GIVEN_UP = [
    within_a_first_patch,
    within_the_finish_of_a_small_one,
    within_the_completion,
    between_completion_and_copy,
    before_the_pointer,
]


@pytest.mark.parametrize("phase", GIVEN_UP, ids=lambda phase: phase.__name__)
def test_what_a_killed_push_left_is_swept(registry, client, bucket, proxy, in_background, phase):
    phase(client, proxy, in_background)
    sweep_soon(registry)
    with again(registry, proxy) as client:
        # A blob that came to its key costs space, until the next push of the same takes it over.
        until(lambda: not set(bucket.keys()) - {key_of(SMALL), key_of(DATA)})
        until(lambda: bucket.uploads() == [])
        for data in (SMALL, DATA):
            assert not client.has_blob("app", digest_of(data))
            client.push_blob("app", data)
            assert client.get_blob("app", digest_of(data)).content == data


def tell_that_parts_are_old(proxy):
    today, earlier = time.time(), time.time() - 2 * 86400
    dates = [time.strftime("%Y-%m-%d", time.gmtime(at)).encode() for at in (today, earlier)]
    proxy.fail("list_uploads", Rewrite(*dates), times=None)


def test_parts_of_an_original_that_never_was_whole_go_after_a_day(registry, client, bucket, proxy):
    registry.stop()
    registry.config["upload"] = {"keep_original": True}
    registry.start()
    data = crafted.packed(docker_archive(image_of_layers([tar_layer({"a": DATA})]), ["a:1"]))
    with Wire(registry.url) as wire:
        wire.send_request("PUT", "/upload-image?repository=app", {"Content-Length": len(data) + 1}, data)
        until(lambda: any(key.startswith("images/") for key, _ in bucket.uploads()))
        registry.kill()
    tell_that_parts_are_old(proxy)
    registry.start()
    until(lambda: not any(key.startswith("images/") for key, _ in bucket.uploads()))
    assert not any(key.startswith("images/") for key in bucket.keys())


def test_a_put_with_its_digest_begins_anew_and_its_parts_go_after_a_day(
    registry, client, bucket, proxy
):
    path = path_of(client, client.start_upload("app")) + f"?digest={digest_of(DATA)}"
    with Wire(registry.url) as wire:
        wire.send_request("PUT", path, {"Content-Length": len(DATA)}, DATA[:-1])
        until(lambda: any(request.status == 200 for request in proxy.of("part")))
        registry.kill()
    assert [key for key, _ in bucket.uploads()] == [key_of(DATA)]
    tell_that_parts_are_old(proxy)
    registry.start()
    until(lambda: bucket.uploads() == [])
    with Client(registry.url) as client:
        client.push_blob("app", DATA)
        assert client.get_blob("app", digest_of(DATA)).content == DATA


@pytest.mark.parametrize("after", [False, True], ids=["before the copy", "after the copy"])
def test_a_blob_on_its_way_to_its_key_is_served_and_gets_there(
    registry, client, bucket, proxy, after
):
    location = client.patch(client.start_upload("app"), LARGE[:-1])
    location = client.patch(location, LARGE[-1:], start=len(LARGE) - 1)
    until(lambda: sum("_tail" in key for key in bucket.keys()) == 1)  # the last one
    held = proxy.hold("copy", after=after)
    client.finish(location, digest_of(LARGE))
    held.wait()
    assert is_moving(bucket, LARGE)
    with again(registry, proxy) as client:
        assert client.get_blob("app", digest_of(LARGE)).content == LARGE
        until(lambda: bucket.keys() == [key_of(LARGE)])  # no sweep helps: they come after an hour
        assert client.get_blob("app", digest_of(LARGE)).content == LARGE


@pytest.mark.parametrize("refused", [min, max], ids=["the first listed", "the last listed"])
def test_a_move_that_is_refused_for_good_is_told_and_holds_up_nothing(
    registry, client, proxy, bucket, refused
):
    blobs = [LARGE, LARGE + b"another"]
    held = proxy.hold("copy")
    uploads = {}
    for data in blobs:
        location = client.patch(client.start_upload("app"), data)
        client.finish(location, digest_of(data))
        uploads[data] = "uploads/" + location.partition("?")[0].rpartition("/")[2]
    held.wait()
    registry.kill()
    proxy.clear()
    bad = refused(blobs, key=digest_of)
    good = next(data for data in blobs if data != bad)
    rule = proxy.fail("copy", ACCESS_DENIED, times=None, target=key_of(bad))
    registry.start()
    until(lambda: key_of(good) in bucket.keys())
    until(lambda: not any(key.startswith(uploads[good]) for key in bucket.keys()))
    assert uploads[bad] in bucket.keys() and is_moving(bucket, bad)
    until(lambda: rule.hits >= 1)
    told = [line for line in registry.log.splitlines() if "can't be moved to its key" in line]
    assert len(told) == 1
    assert digest_of(bad) in told[0] and "AccessDenied" in told[0]
    with Client(registry.url) as client:
        for data in blobs:
            assert client.get_blob("app", digest_of(data)).content == data


def test_the_loss_of_the_database_before_a_blob_is_at_its_key_loses_nothing(
    registry, client, proxy, bucket
):
    pushed = artifact("application/vnd.example", layers=[("application/octet-stream", LARGE)])
    held = proxy.hold("copy", target=key_of(LARGE))
    client.finish(client.patch(client.start_upload("app"), LARGE), digest_of(LARGE))
    client.push_image("app", pushed, "v1")
    held.wait()
    registry.kill()
    for file in registry.root.glob("registry.db*"):
        file.unlink()
    assert is_moving(bucket, LARGE) and key_of(LARGE) not in bucket.keys()
    proxy.fail("copy", ACCESS_DENIED, times=None, target=key_of(LARGE))  # it stays where it is
    command(registry, "reindex")
    registry.start()
    with Client(registry.url) as client:
        assert client.get_manifest("app", "v1").content == pushed.manifest
        for digest, data in pushed.blobs.items():
            assert client.get_blob("app", digest).content == data
        proxy.clear()
        registry.restart()
    with Client(registry.url) as client:
        until(lambda: not is_moving(bucket, LARGE))
        assert client.get_blob("app", digest_of(LARGE)).content == LARGE
