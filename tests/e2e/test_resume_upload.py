"""An upload that was interrupted goes on where it stopped."""

import pytest

from helpers import Client, Wire, digest_of, random_bytes
from waiting import until

pytestmark = pytest.mark.sanitize


def test_resume_after_the_connection_broke(registry, client):
    data = random_bytes(3_000_000, "resume")
    location = client.start_upload("app")
    location = client.patch(location, data[:1_000_000])

    # The connection breaks in the middle of the second chunk.
    with Wire(registry.url) as wire:
        path = location.removeprefix(registry.url)
        headers = {"Content-Length": 1_000_000, "Content-Type": "application/octet-stream"}
        wire.send_request("PATCH", path, headers, data[1_000_000:1_400_000])

    # What was received of the broken chunk may be kept or not: the registry says where to go on. It
    # may be still busy with the broken request, so a client asks again when it is refused.
    def resumed():
        offset = client.upload_offset(location)
        assert offset in (1_000_000, 1_400_000)
        answer = client.patch(location, data[offset:], start=offset, expect=(202, 409, 416))
        return answer if isinstance(answer, str) else None

    location = until(resumed)
    client.finish(location, digest_of(data))
    assert client.get_blob("app", digest_of(data)).content == data


def test_resume_after_a_restart(registry, client):
    data = random_bytes(2_000_000, "restart")
    location = client.patch(client.start_upload("app"), data[:1_200_000])
    registry.restart()
    assert client.upload_offset(location) == 1_200_000
    location = client.patch(location, data[1_200_000:], start=1_200_000)
    client.finish(location, digest_of(data))
    assert client.get_blob("app", digest_of(data)).content == data


def test_resume_after_kill(registry, client):
    data = random_bytes(2_000_000, "kill")
    location = client.patch(client.start_upload("app"), data[:1_200_000])
    registry.kill()
    registry.start()
    # Either the session is known and says how much it holds, or it is gone: never wrong bytes.
    answer = client.request("GET", location, (204, 404))
    if answer.status_code == 204:
        offset = client.upload_offset(location)
        assert offset <= 1_200_000
        client.finish(client.patch(location, data[offset:], start=offset), digest_of(data))
    else:
        client.push_blob("app", data)
    assert client.get_blob("app", digest_of(data)).content == data


def test_next_chunk_may_follow_the_answer_at_once(registry, client):
    """As docker does it: each request on whatever connection is free."""
    data = random_bytes(200 * 1000, "chunks")
    with Client(registry.url) as second:
        location = client.start_upload("app")
        for n in range(200):
            chunk = data[n * 1000 : (n + 1) * 1000]
            location = (client, second)[n % 2].patch(location, chunk, start=n * 1000)
        second.finish(location, digest_of(data))
    assert client.get_blob("app", digest_of(data)).content == data
