"""An upload that was interrupted goes on where it stopped."""

from urllib.parse import urlsplit

import pytest

from helpers import Client, Wire, digest_of, image, random_bytes
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


@pytest.mark.config({"limits": {"uploads": 2}})
def test_open_uploads_count_after_a_restart(registry, client):
    locations = [client.patch(client.start_upload("app"), b"some bytes") for _ in range(2)]
    registry.restart()
    with Client(registry.url) as again:
        again.request("POST", "/v2/app/blobs/uploads/", 429)
        again.request("DELETE", urlsplit(locations[0]).path, 204)
        again.request("POST", "/v2/app/blobs/uploads/", 202)


def test_a_body_that_was_cut_and_sent_again_as_a_whole_makes_its_blob(registry, client):
    """jib 4526, containerization 790: no Content-Range, and the whole body once more."""
    data = random_bytes(300_000, "again")
    for method in ("PATCH", "PUT"):
        location = client.start_upload("app")
        path = location.removeprefix(registry.url)
        query = f"?digest={digest_of(data)}" if method == "PUT" else ""
        with Wire(registry.url) as wire:
            wire.send_request(method, path + query, {"Content-Length": len(data)}, data[:100_000])
        until(lambda: client.upload_offset(location) == 100_000)
        if method == "PATCH":
            client.patch(location, data)
            client.finish(location, digest_of(data))
        else:
            client.finish(location, digest_of(data), data)
        assert client.get_blob("app", digest_of(data)).content == data
        until(lambda: "the body was cut and sent again as a whole" in registry.log)
        client.delete_blob("app", digest_of(data))


def test_an_upload_may_end_with_a_digest_of_another_algorithm_than_it_began_with(client):
    data = random_bytes(300_000, "algorithms")
    location = client.patch(client.start_upload("app"), data)
    client.finish(location, digest_of(data, "sha512"))
    assert client.get_blob("app", digest_of(data, "sha512")).content == data


def test_a_finish_whose_answer_was_lost_is_answered_again(client):
    data = random_bytes(1000, "lost answer")
    location = client.start_upload("app")
    client.patch(location, data)
    first = client.finish(location, digest_of(data))
    again = client.finish(location, digest_of(data))
    for name in ("Location", "Docker-Content-Digest"):
        assert again.headers[name] == first.headers[name]
    client.finish(location, digest_of(b"other"), expect=404)
    other = location.replace("/v2/app/", "/v2/other/")
    client.finish(other, digest_of(data), expect=404)


def test_what_is_repeated_because_its_answer_was_lost_is_answered_as_the_first_time(client):
    data, made = random_bytes(1000, "repeated"), image(seed="repeated")
    digest = digest_of(data)
    for _ in range(2):
        client.request("POST", f"/v2/app/blobs/uploads/?digest={digest}", 201, data=data)
    for _ in range(2):
        client.request("POST", f"/v2/other/blobs/uploads/?mount={digest}&from=app", 201)
    client.push_image("app", made, "v1")
    client.push_manifest("app", "v1", made, 201)
    assert client.pull_image("app", "v1") == made
