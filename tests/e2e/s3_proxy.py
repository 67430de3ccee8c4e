"""A proxy before an S3 server that counts requests by kind and fails chosen ones.

    with S3Proxy(server["endpoint"]) as proxy:
        failed = proxy.fail("part", SLOW_DOWN, nth=2)
        ...                                   # through proxy.endpoint
        assert failed.hits == 1
        assert proxy.counts() == {"create": 1, "part": 4, "complete": 1}

Bytes pass unchanged, the Host header too: so who signs for the proxy's address has a signature that the
server finds right.
"""

import select
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from door import Door

PIECE_BYTES = 1 << 18
MAX_HEAD_BYTES = 1 << 16


# What a request is


OBJECT_KINDS = {  # by method, and what the query or a header has
    ("GET", "uploadId"): "list_parts",
    ("GET", ""): "get",
    ("HEAD", ""): "head",
    ("PUT", "partNumber"): "part",
    ("PUT", ""): "put",
    ("POST", "uploads"): "create",
    ("POST", "uploadId"): "complete",
    ("DELETE", "uploadId"): "abort",
    ("DELETE", ""): "delete",
}
BUCKET_KINDS = {
    ("GET", "uploads"): "list_uploads",
    ("GET", "versions"): "list_versions",
    ("GET", ""): "list",
    ("HEAD", ""): "head_bucket",
    ("PUT", ""): "create_bucket",
    ("POST", "delete"): "bulk_delete",
    ("DELETE", ""): "delete_bucket",
}
# Of a bucket's configuration: "get_lifecycle", "put_policy", "delete_cors", ...
SUBRESOURCES = (
    *("acl", "cors", "encryption", "lifecycle", "location", "object-lock", "policy"),
    *("policyStatus", "publicAccessBlock", "tagging", "versioning"),
)


def kind_of(method, host, target, headers):
    """One word for what the request does. Those of no bucket are "service"."""
    path, _, query = target.partition("?")
    parts = unquote(path).removeprefix("/").split("/", 1)
    if host.rpartition(":")[0].endswith(".localhost"):  # the bucket stands there
        parts.insert(0, "")
    elif not parts[0]:
        return "service"
    names = [field.partition("=")[0] for field in query.split("&")]
    is_object = "".join(parts[1:]) != ""
    if not is_object:
        for name in SUBRESOURCES:
            if name in names:
                return f"{method.lower()}_{name}"
    kinds = OBJECT_KINDS if is_object else BUCKET_KINDS
    found = [kinds[method, name] for name in (*names, "") if (method, name) in kinds]
    kind = found[0] if found else method.lower()
    if "x-amz-copy-source" in headers:
        return {"put": "copy", "part": "part_copy"}.get(kind, kind)
    return kind


class Request:
    """One that came: what it was, and what became of it."""

    def __init__(self, head):
        self.head = head
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ", 2)
        self.headers = headers_of(lines)
        self.kind = kind_of(self.method, self.headers.get("host", ""), self.target, self.headers)
        self.status = None  # of the answer that the client got
        self.sent_bytes = 0  # of the body, to the server
        self.received_bytes = 0  # of the answer's body, to the client

    def __repr__(self):
        return f"{self.kind}: {self.method} {self.target} -> {self.status}"


def headers_of(lines):
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


# What can go wrong


@dataclass(frozen=True)
class Answer:
    """An error in place of what the server would say, which gets nothing of the request."""

    status: int
    code: str
    retry_after_s: int | None = None


INTERNAL_ERROR = Answer(500, "InternalError")
SLOW_DOWN = Answer(503, "SlowDown", retry_after_s=1)
UNAVAILABLE = Answer(503, "ServiceUnavailable")
EXPIRED_TOKEN = Answer(400, "ExpiredToken")  # the status that AWS documents
CLOCK_SKEW = Answer(403, "RequestTimeTooSkewed")
ACCESS_DENIED = Answer(403, "AccessDenied")

TIME_OUT = "nothing is passed on, and no answer comes"
RESET = "reset, before anything was passed on"
RESET_IN_REQUEST = "reset, when half of the body was passed on"
RESET_IN_ANSWER = "reset, when half of the answer's body was passed on"
LOSE_ANSWER = "done, then reset instead of an answer"
CORRUPT_ANSWER = "one bit in the middle of the answer's body is another"


@dataclass(frozen=True)
class Rewrite:
    """The answer has other words in its body, as many bytes."""

    words: bytes
    others: bytes


@dataclass(frozen=True)
class Delay:
    """It is passed on so much later."""

    seconds: float


class Hold:
    """Stops a request before it is passed on, or, after=True, when it is done and before its answer.
    wait() returns when it is there; release() lets it go on."""

    def __init__(self, after=False):
        self.after = after
        self.reached = threading.Event()
        self.released = threading.Event()

    def wait(self, timeout=60):
        assert self.reached.wait(timeout), f"no such request within {timeout} s"

    def release(self):
        self.released.set()

    def stop_here(self):
        self.reached.set()
        self.released.wait()


@dataclass
class Rule:
    """Requests `nth` to `nth` + `times` - 1 of a kind fail (all from nth on when times is None)."""

    kinds: tuple
    how: object
    nth: int = 1
    times: int | None = 1
    target: str = ""  # what must be in it
    seen: int = 0
    hits: int = field(default=0)

    def applies(self, request):
        if "*" not in self.kinds and request.kind not in self.kinds:
            return False
        if self.target not in unquote(request.target):
            return False
        self.seen += 1
        past = self.seen - self.nth
        if past < 0 or (self.times is not None and past >= self.times):
            return False
        self.hits += 1
        return True


# Where messages end


class Body:
    """Finds the end of a message's body in the bytes that come."""

    def __init__(self, headers, absent=False, to_close=False):
        self.left = 0  # of the body, or of the chunk with its line's end
        self.line = None  # of a chunked body: what is there of a line
        self.trailer = False
        self.to_close = False
        if absent:
            return
        if "chunked" in headers.get("transfer-encoding", "").lower():
            self.line = b""
        elif "content-length" in headers:
            self.left = int(headers["content-length"])
        else:
            self.to_close = to_close

    @property
    def done(self):
        return not self.left and self.line is None and not self.to_close

    def take(self, data):
        """How many of these bytes belong to it."""
        if self.to_close:
            return len(data)
        if self.line is None:
            taken = min(self.left, len(data))
            self.left -= taken
            return taken
        return self._take_chunks(data)

    def _take_chunks(self, data):
        at = 0
        while at < len(data) and not self.done:
            if self.left:
                step = min(self.left, len(data) - at)
                self.left -= step
            else:
                end = data.find(b"\n", at)
                step = (end + 1 if end >= 0 else len(data)) - at
                self.line += data[at : at + step]
                if end >= 0:
                    self._end_line()
            at += step
        return at

    def _end_line(self):
        line = self.line.strip()
        if self.trailer:
            self.line = b"" if line else None
            return
        size = int(line.split(b";")[0], 16)
        self.line = b""
        self.trailer = size == 0
        self.left = size + 2 if size else 0


# The proxy


class Closed(Exception):
    """The line to one of the two is gone."""


class End:
    """The line to the client or the server."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def fileno(self):
        return self.socket.fileno()

    def read(self):
        """What is there; waits for it."""
        if self.buffer:
            data, self.buffer = self.buffer, b""
            return data
        try:
            data = self.socket.recv(PIECE_BYTES)
        except OSError:
            data = b""
        if not data:
            raise Closed
        return data

    def unread(self, data):
        self.buffer = data + self.buffer

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            raise Closed from None

    def head(self):
        """A head with the empty line at its end."""
        data = self.read()
        while b"\r\n\r\n" not in data:
            assert len(data) < MAX_HEAD_BYTES
            data += self.read()
        head, _, rest = data.partition(b"\r\n\r\n")
        self.unread(rest)
        return head + b"\r\n\r\n"

    def gone(self):
        """Whether it has hung up. What it has sent stays to be read."""
        poll = select.poll()
        poll.register(self.socket, select.POLLRDHUP)
        return bool(poll.poll(0))

    def cut(self):
        """Ends what another thread waits for on it; that one closes it."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self, reset):
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()


class Connection:
    """A client's connection and its own one to the server."""

    def __init__(self, proxy, client):
        self.proxy = proxy
        self.client = End(client)
        self.server = None

    def run(self):
        reset = False
        try:
            while not reset:
                self._wait_for_request()
                request = Request(self.client.head())
                reset = not self._serve(request, self.proxy.note(request))
        except Closed:
            pass
        finally:
            self.proxy.forget_connection(self)
            for end in self._ends():
                end.close(reset)

    def cut(self):
        for end in self._ends():
            end.cut()

    def _ends(self):
        return [end for end in (self.client, self.server) if end]

    def _wait_for_request(self):
        if not self.client.buffer:
            if self.server in select.select(self._ends(), [], [])[0]:
                raise Closed

    def _serve(self, request, how):
        """False when the connections are to be reset."""
        body = Body(request.headers)
        if isinstance(how, Answer):
            return self._answer(request, how, body)
        if how is TIME_OUT:
            while True:
                self.client.read()
        if how is RESET:
            return False
        if isinstance(how, Delay):
            time.sleep(how.seconds)
        if isinstance(how, Hold) and not how.after:
            how.stop_here()
            if self.client.gone():
                raise Closed
        if self.server is None:
            try:
                self.server = End(socket.create_connection(self.proxy.target))
            except OSError:
                return False
        return Exchange(self, request, how, body).run()

    def _answer(self, request, answer, body):
        """The body is read before, unless the client waits to be asked for it."""
        waits = "expect" in request.headers
        while not waits and not body.done:
            data = self.client.read()
            self.client.unread(data[body.take(data) :])
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{answer.code}</Code><Message>by a test</Message></Error>"
        ).encode()
        lines = [f"HTTP/1.1 {answer.status} by a test", "Content-Type: application/xml"]
        if answer.retry_after_s is not None:
            lines.append(f"Retry-After: {answer.retry_after_s}")
        if waits:
            lines.append("Connection: close")
        lines += [f"Content-Length: {len(text)}", "", ""]
        request.status = answer.status
        self.client.send("\r\n".join(lines).encode() + (text if request.method != "HEAD" else b""))
        if waits:
            raise Closed
        return True


class Exchange:
    """One request on its way to the server, and its answer on the way back; both at once, because
    a server may answer before it has read all."""

    def __init__(self, connection, request, how, body):
        self.client = connection.client
        self.server = connection.server
        self.request = request
        self.how = how
        self.up = body
        self.down = None  # the answer's body, when its head was there
        self.up_limit = body.left // 2 if how is RESET_IN_REQUEST else None
        self.down_limit = None
        self.flip_at = None

    def run(self):
        """False when the connections are to be reset."""
        self.server.send(self.request.head)
        if self.up_limit == 0:
            return False
        while not (self.up.done and self.down and self.down.done):
            if not self._step():
                return False
        if self.how is LOSE_ANSWER:
            return False
        if "close" in self.answer_headers.get("connection", "").lower():
            raise Closed
        return True

    def _step(self):
        waiting = [self.server] if not (self.down and self.down.done) else []
        waiting.append(self.client)
        ready = [e for e in waiting if e.buffer] or select.select(waiting, [], [])[0]
        if self.client in ready and not self._up():
            return False
        return self.server not in ready or self._down()

    def _up(self):
        data = self.client.read()  # the end of it, too: who does not wait any more wants no answer
        taken = self.up.take(data)
        assert taken, "a client that does not wait for answers"
        self.client.unread(data[taken:])
        data = data[:taken]
        if self.up_limit is not None:
            data = data[: self.up_limit - self.request.sent_bytes]
        self.server.send(data)
        self.request.sent_bytes += len(data)
        return self.up_limit is None or self.request.sent_bytes < self.up_limit

    def _down(self):
        if self.down is None:
            return self._head()
        data = self.server.read()  # its end is that of the client's connection, too
        taken = self.down.take(data)
        self.server.unread(data[taken:])
        return self._pass_down(data[:taken])

    def _head(self):
        head = self.server.head()
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ", 2)[1])
        if status < 200:
            self.client.send(head)
            return True
        if isinstance(self.how, Hold) and self.how.after:
            self.how.stop_here()
        self.answer_headers = headers_of(lines)
        empty = self.request.method == "HEAD" or status in (204, 304)
        self.down = Body(self.answer_headers, absent=empty, to_close=True)
        if self.how is RESET_IN_ANSWER:
            self.down_limit = self.down.left // 2
        if self.how is CORRUPT_ANSWER:
            self.flip_at = self.down.left // 2
        if self.how is not LOSE_ANSWER:
            self.request.status = status
            self.client.send(head)
        return self.down_limit != 0

    def _pass_down(self, data):
        """False when it was enough."""
        if self.how is LOSE_ANSWER:
            return True
        before = self.request.received_bytes
        if self.flip_at is not None and before <= self.flip_at < before + len(data):
            changed = bytearray(data)
            changed[self.flip_at - before] ^= 1
            data = bytes(changed)
        if isinstance(self.how, Rewrite):
            data = data.replace(self.how.words, self.how.others)
        if self.down_limit is not None:
            data = data[: self.down_limit - before]
        self.request.received_bytes += len(data)  # before the client knows
        self.client.send(data)
        return self.down_limit is None or self.request.received_bytes < self.down_limit


class S3Proxy:
    def __init__(self, endpoint):
        parts = urlsplit(endpoint)
        assert parts.scheme == "http"
        self.target = (parts.hostname, parts.port)
        self.lock = threading.Lock()
        self.requests = []  # all that came
        self.rules = []
        self.connections = set()
        self.threads = []
        self.door = Door(backlog=512)
        self.port = self.door.port
        self._start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()
        self.door.close()
        self.clear()
        for thread in self.threads:
            thread.join()

    # What is asked of it

    def fail(self, kinds, how, nth=1, times=1, target=""):
        """From now on: the nth request of a kind (or of some; "*": of any) whose target has these
        words in it, and times - 1 more (None: all). Returns the rule; its `hits` tell."""
        kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        rule = Rule(kinds, how, nth, times, target)
        with self.lock:
            self.rules.append(rule)
        return rule

    def hold(self, kinds, after=False, nth=1, target=""):
        """Stops that request; see Hold."""
        hold = Hold(after)
        self.fail(kinds, hold, nth, 1, target)
        return hold

    def clear(self):
        """Nothing fails any more; what is held goes on."""
        with self.lock:
            rules, self.rules = self.rules, []
        for rule in rules:
            if isinstance(rule.how, Hold):
                rule.how.release()

    def forget(self):
        """Counts from nothing."""
        with self.lock:
            self.requests = []

    def of(self, *kinds):
        """The requests of these kinds (of all, when none is named)."""
        with self.lock:
            return [r for r in self.requests if not kinds or r.kind in kinds]

    def counts(self):
        return Counter(request.kind for request in self.of())

    def of_pulls(self):
        """The kinds of all requests but those that go by time: of the thread that compares tags with
        the database some time after a push, and of those that look for what is left over."""
        return [r.kind for r in self.of() if "/_tags/" not in r.target and not r.kind.startswith("list")]

    def received_bytes(self, *kinds):
        return sum(request.received_bytes for request in self.of(*kinds))

    def leave(self):
        """Nobody can connect, and who has is cut off."""
        if self.thread.is_alive():
            self.door.shut()
            self.thread.join()
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            connection.cut()

    def come_back(self):
        """On the same port, after leave()."""
        self.door.open()
        self._start()

    def _start(self):
        self.thread = threading.Thread(target=self._welcome, daemon=True)
        self.thread.start()

    # Its threads

    def _welcome(self):
        while True:
            try:
                client = self.door.accept()
            except OSError:
                return
            connection = Connection(self, client)
            with self.lock:
                self.connections.add(connection)
            thread = threading.Thread(target=connection.run, daemon=True)
            self.threads = [t for t in self.threads if t.is_alive()] + [thread]
            thread.start()

    def note(self, request):
        """Counts it; returns how it is to fail, or None."""
        with self.lock:
            self.requests.append(request)
            hit = [rule for rule in self.rules if rule.applies(request)]
        return hit[0].how if hit else None

    def forget_connection(self, connection):
        with self.lock:
            self.connections.discard(connection)
