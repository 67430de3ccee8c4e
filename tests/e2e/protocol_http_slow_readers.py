"""Long answers whose client reads slowly hold no worker, and little memory: everybody else goes on."""

import contextlib
import select
import socket

import pytest

from helpers import image
from waiting import until

pytestmark = [pytest.mark.sanitize, pytest.mark.concurrent]

LONG_NAMES = [f"{'t' * 100}{n:06}" for n in range(6000)]
LIST_BYTES = sum(len(name) + 3 for name in LONG_NAMES)
CONFIG = {
    "http": {"workers": 2, "max_url_size": "32KiB", "max_head_size": "32KiB"},
    "limits": {"tags_per_push": 100},
    "storage": {"backend": "mem"},
}
LIST = "/v2/app/tags/list"
LIST_ROUTE = '"route":"/v2/{name}/tags/list"'


@pytest.fixture
def long_list(client):
    """A list of tags that no socket takes at once."""
    made = image(seed="long", layers=1)
    client.push_image("app", made)
    for at in range(0, len(LONG_NAMES), 100):
        query = "&".join(f"tag={name}" for name in LONG_NAMES[at : at + 100])
        client.push_manifest("app", f"{made.digest}?{query}", made)
    return made


class SlowReader:
    """Asks, and does not read: neither its kernel nor the server's takes much for it."""

    def __init__(self, registry, *paths):
        host, port = registry.address.split(":")
        self.socket = socket.socket()
        self.socket.settimeout(60)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.connect((host, int(port)))
        for path in paths:
            self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def answering(self):
        return bool(select.select([self.socket], [], [], 0)[0])

    def read_answer(self):
        """Status and body of the answer, in the end."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.socket.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self.socket.recv(65536)
        return int(head.split()[1]), body


def slow_readers(stack, registry, count, *paths):
    readers = []
    for _ in range(count):
        reader = stack.enter_context(SlowReader(registry, *paths))
        until(reader.answering)
        readers.append(reader)
    return readers


def check_that_others_go_on(client, made):
    for digest in made.blobs:
        client.get_blob("app", digest)
    client.push_image("other", image(seed="meanwhile", layers=1), "v1")
    assert len(client.tags("app")) == len(LONG_NAMES)


@pytest.mark.config(CONFIG)
def test_slow_readers_of_a_long_list(registry, client, long_list):
    with contextlib.ExitStack() as stack:
        readers = slow_readers(stack, registry, 8, LIST)
        check_that_others_go_on(client, long_list)
        whole = client.request("GET", LIST).content
        for reader in readers:
            assert reader.read_answer() == (200, whole)
    lines = [line for line in registry.log.splitlines() if LIST_ROUTE in line]
    assert all(f'"sent_bytes":{len(whole)}' in line for line in lines)


def refusal(stack, registry, client, readers):
    """Once those who read slowly hold all that there is. What the kernel has taken of an answer is held by nobody
    any more, so more and more of them come."""

    def once():
        answer = client.request("GET", LIST, (200, 503))
        if answer.status_code == 503:
            return answer
        readers.append(stack.enter_context(SlowReader(registry, LIST)))

    return until(once, interval=0.1)


@pytest.mark.config({**CONFIG, "http": {**CONFIG["http"], "body_memory": "2MiB"}})
def test_slow_readers_share_a_bound_of_memory(registry, client, long_list):
    room = (2 << 20) // LIST_BYTES
    with contextlib.ExitStack() as stack:
        readers = slow_readers(stack, registry, room, LIST)
        refused = refusal(stack, registry, client, readers)
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["errors"]
        until(lambda: "too many long answers are being sent (http.body_memory)" in registry.log)
        client.request("GET", f"{LIST}?n=100")
        assert readers[0].read_answer()[0] == 200
    # Those who gave up have given back what they held.
    until(lambda: client.request("GET", LIST, None).status_code == 200)
