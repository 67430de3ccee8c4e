"""Bodies that come slowly hold no worker: everybody else goes on."""

import contextlib
import select
import signal

import pytest

from accounts import PASSWORD, alice_and_bob
from helpers import Client, Wire, digest_of, image, random_bytes
from waiting import until

pytestmark = [pytest.mark.sanitize, pytest.mark.concurrent]

FEW_WORKERS = {"http": {"workers": 2}}
MANY = 30
DATA = random_bytes(100_000, "slow")


def begin(stack, registry, method, path, headers, body=b""):
    """A request whose body goes on to come."""
    wire = stack.enter_context(Wire(registry.url))
    wire.send_request(method, path, headers, body)
    return wire


def slow_uploads(stack, registry, client, headers, first):
    paths = [client.start_upload("app").removeprefix(registry.url) for _ in range(MANY)]
    return [begin(stack, registry, "PATCH", path, headers, first) for path in paths], paths


def check_that_others_go_on(client):
    made = image(seed="meanwhile", layers=1)
    client.push_image("other", made, "v1")
    assert client.pull_image("other", "v1") == made
    for digest in made.blobs:
        client.get_blob("other", digest)
    client.request("GET", "/v2/other/tags/list", 200)


@pytest.mark.config(FEW_WORKERS)
def test_slow_uploads(registry, client):
    with contextlib.ExitStack() as stack:
        headers = {"Content-Length": len(DATA)}
        wires, paths = slow_uploads(stack, registry, client, headers, DATA[:10])
        check_that_others_go_on(client)
        for at in range(10, len(DATA), 30_000):
            for wire in wires:
                wire.send(DATA[at : at + 30_000])
            check_that_others_go_on(client)
        for wire, path in zip(wires, paths):
            status, head, _ = wire.read_response()
            assert (status, head["range"]) == (202, f"0-{len(DATA) - 1}")
            client.finish(path, digest_of(DATA))
    assert client.get_blob("app", digest_of(DATA)).content == DATA


@pytest.mark.config(FEW_WORKERS)
def test_slow_uploads_in_chunked_coding(registry, client):
    with contextlib.ExitStack() as stack:
        headers = {"Transfer-Encoding": "chunked"}
        wires, paths = slow_uploads(stack, registry, client, headers, b"")
        pieces = [DATA[:1], DATA[1:50_000], DATA[50_000:50_003], DATA[50_003:]]
        for piece in pieces:
            for wire in wires:
                wire.send(b"%x\r\n" % len(piece))
            check_that_others_go_on(client)
            for wire in wires:
                wire.send(piece + b"\r\n")
        for wire in wires:
            wire.send(b"0\r\n\r\n")
        for wire, path in zip(wires, paths):
            assert wire.read_response()[0] == 202
            client.finish(path, digest_of(DATA))
    assert client.get_blob("app", digest_of(DATA)).content == DATA


@pytest.mark.config(FEW_WORKERS)
@pytest.mark.parametrize("how", ["post", "put"])
def test_slow_uploads_in_one_request(registry, client, how):
    with contextlib.ExitStack() as stack:
        blobs = [random_bytes(50_000, f"blob {i}") for i in range(MANY)]
        wires = []
        for data in blobs:
            path = "/v2/app/blobs/uploads/"
            if how == "put":
                path = client.start_upload("app").removeprefix(registry.url)
            path += f"?digest={digest_of(data)}"
            method, headers = how.upper(), {"Content-Length": len(data)}
            wires.append(begin(stack, registry, method, path, headers, data[:7]))
        check_that_others_go_on(client)
        for wire, data in zip(wires, blobs):
            wire.send(data[7:])
        for wire in wires:
            assert wire.read_response()[0] == 201
        for data in blobs:
            assert client.get_blob("app", digest_of(data)).content == data


@pytest.mark.config(FEW_WORKERS)
def test_slow_manifests(registry, client):
    made = image(seed="slow", layers=1)
    for digest, data in made.blobs.items():
        client.push_blob("app", data, digest)
    with contextlib.ExitStack() as stack:
        headers = {"Content-Type": made.media_type, "Content-Length": len(made.manifest)}
        wires = [
            begin(stack, registry, "PUT", f"/v2/app/manifests/v{i}", headers, made.manifest[:5])
            for i in range(MANY)
        ]
        check_that_others_go_on(client)
        for wire in wires:
            wire.send(made.manifest[5:])
        for wire in wires:
            assert wire.read_response()[0] == 201
    assert len(client.tags("app")) == MANY
    assert client.pull_image("app", "v7") == made


def test_slow_forms_of_the_token_service(new_registry):
    accounts = alice_and_bob(new_registry, **FEW_WORKERS)
    registry, form = accounts.registry, "grant_type=password&username=alice&password=" + PASSWORD
    with contextlib.ExitStack() as stack:
        form = form.replace("&3", "%263") + "&service=registry"
        headers = {"Content-Length": len(form)}
        wires = [
            begin(stack, registry, "POST", "/auth/token", headers, form[:20].encode())
            for _ in range(8)
        ]
        with Client(registry.url, auth=("alice", PASSWORD)) as client:
            check_that_others_go_on(client)
        for wire in wires:
            wire.send(form[20:])
        answers = [wire.read_response() for wire in wires]
    assert [status for status, _, _ in answers] == [200] * len(wires)
    assert all(b'"access_token"' in body for _, _, body in answers)


@pytest.mark.config({"http": {"workers": 2, "body_memory": "1MiB"}})
def test_many_large_manifests_at_once_are_told_to_come_again(registry, client):
    """A body of the usual size is always taken."""
    large = b'{"schemaVersion": 2, "padding": "' + b"x" * 500_000 + b'"}'
    with contextlib.ExitStack() as stack:
        headers = {
            "Content-Type": "application/vnd.oci.image.manifest.v1+json",
            "Content-Length": len(large),
        }
        wires = [
            begin(stack, registry, "PUT", f"/v2/app/manifests/v{i}", headers, large[:-1])
            for i in range(10)
        ]
        answered = set()
        while len(answered) < 8:  # two have room
            answered |= set(select.select([wire.socket for wire in wires], [], [], 30)[0])
        for wire in wires:
            if wire.socket in answered:
                status, head, body = wire.read_response()
                assert (status, head["retry-after"]) == (503, "1")
                assert b"http.body_memory" in body
        check_that_others_go_on(client)
    # Those who gave up have given back what they held.
    kind = {"Content-Type": headers["Content-Type"]}
    put = ("PUT", "/v2/app/manifests/v1", (400, 503))
    until(lambda: client.request(*put, data=large, headers=kind).status_code == 400)


@pytest.mark.config(FEW_WORKERS)
def test_an_upload_that_is_cut_while_it_is_waited_for_is_gone_on_from(registry, client):
    path = client.start_upload("app").removeprefix(registry.url)
    with Wire(registry.url) as wire:
        wire.send_request("PATCH", path, {"Content-Length": len(DATA)}, DATA[:20_000])
        check_that_others_go_on(client)
    until(lambda: client.upload_offset(path) == 20_000)
    client.patch(path, DATA[20_000:], start=20_000)
    client.finish(path, digest_of(DATA))
    assert client.get_blob("app", digest_of(DATA)).content == DATA


@pytest.mark.config({"http": {"workers": 2, "drain_timeout": "300ms"}})
def test_uploads_that_are_waited_for_end_with_the_server(registry, client):
    path = client.start_upload("app").removeprefix(registry.url)
    with Wire(registry.url) as wire:
        wire.send_request("PATCH", path, {"Content-Length": len(DATA)}, DATA[:20_000])
        check_that_others_go_on(client)
        until(lambda: [p.stat().st_size for p in registry.root.glob("temp/uploads/*/data")] == [20_000])
        client.close()
        registry.signal(signal.SIGTERM)
        assert registry.wait(timeout=20) == 0
    registry.start()
    with Client(registry.url) as again:
        assert again.upload_offset(path) == 20_000
