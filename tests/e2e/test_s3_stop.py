"""SIGTERM ends the registry in time, whatever the S3 server does."""

import signal
import time
from threading import Thread

import pytest
import requests

from helpers import MIB, Client, Wire, digest_of, image, random_bytes
from waiting import until

DRAIN_S = 1
ONE_SERVER = pytest.mark.parametrize("bucket", ["minio"], indirect=True)


@pytest.fixture
def registry(new_registry, bucket, proxy):
    bucket.endpoint = proxy.endpoint
    config = {"storage": bucket.section(), "http": {"drain_timeout": f"{DRAIN_S}s"}}
    return new_registry(config=config).start()


def push_that_is_left_alone(url):
    try:
        with Client(url) as client:
            client.push_image("app", image(), "v1")
    except (AssertionError, requests.RequestException):
        pass  # what is asked here is how the server ends


def read_to_its_end(wire):
    try:
        while wire.socket.recv(1 << 20):
            pass
    except OSError:
        pass  # cut off


def ends_in_time(registry):
    """Well below the time that requests to S3 are tried again for (storage.s3.timeout, a minute)."""
    begun = time.monotonic()
    registry.signal(signal.SIGTERM)
    assert registry.wait() == 0
    return time.monotonic() - begun < DRAIN_S + 15


@ONE_SERVER
def test_while_a_request_to_the_server_hangs(registry, proxy):
    held = proxy.hold("put")
    push = Thread(target=push_that_is_left_alone, args=[registry.url])
    push.start()
    held.wait()
    assert ends_in_time(registry)
    held.release()
    push.join()


@ONE_SERVER
@pytest.mark.parametrize("size", [1000, 20 * MIB], ids=["before its first byte", "in its middle"])
def test_while_a_download_waits_for_the_server(registry, client, bucket, proxy, size):
    digest = client.push_blob("app", random_bytes(size))
    held = proxy.hold("get", nth=1 if size < MIB else 2, target="/blobs/")
    with Wire(registry.url) as wire:
        wire.send_request("GET", f"/v2/app/blobs/{digest}", {})
        reading = Thread(target=read_to_its_end, args=[wire])
        reading.start()
        held.wait()
        assert ends_in_time(registry)
        reading.join()
    held.release()


def finish_that_is_left_alone(url, data):
    try:
        with Client(url) as client:
            location = client.patch(client.start_upload("app"), data)
            client.finish(location, digest_of(data, "sha512"))
    except (AssertionError, requests.RequestException):
        pass


@ONE_SERVER
def test_while_an_upload_is_read_back(registry, proxy):
    held = proxy.hold("get", target="/uploads/")
    push = Thread(target=finish_that_is_left_alone, args=[registry.url, random_bytes(40 * MIB)])
    push.start()
    held.wait()
    assert ends_in_time(registry)
    held.release()
    push.join()


@ONE_SERVER
def test_while_requests_are_tried_again(registry, proxy):
    push = Thread(target=push_that_is_left_alone, args=[registry.url])
    proxy.leave()
    push.start()
    until(lambda: '"route":"/v2/{name}/blobs/uploads/"' in registry.log)
    assert ends_in_time(registry)
    push.join()


@ONE_SERVER
def test_when_the_server_went_after_a_push(registry, client, proxy):
    client.push_image("app", image(), "v1")
    proxy.leave()
    assert ends_in_time(registry)
