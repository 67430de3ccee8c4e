"""A proxy before DynamoDB that counts requests by operation, and answers chosen ones as the service would and its
emulator does not.

    with DynamoProxy(server["endpoint"]) as proxy:
        proxy.fail("TransactWriteItems", CONFLICT, times=2)
        ...                                   # through proxy.endpoint
        assert proxy.counts() == {"GetItem": 3, "TransactWriteItems": 4}
"""

import http.client
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

NAMESPACE = "com.amazonaws.dynamodb.v20120810#"


@dataclass(frozen=True)
class Answer:
    """An error in place of what the server would say, which gets nothing of the request."""

    status: int
    type: str


THROUGHPUT = Answer(400, "ProvisionedThroughputExceededException")
THROTTLING = Answer(400, "ThrottlingException")
EXPIRED = Answer(400, "ExpiredTokenException")
IN_PROGRESS = Answer(400, "TransactionInProgressException")
INTERNAL_ERROR = Answer(500, "InternalServerError")
DENIED = Answer(400, "AccessDeniedException")
CONFLICT = "the transaction is cancelled, for another one is at the same items"
THROTTLED = "the transaction is cancelled, for one of its items is asked for too often"
LOSE_ANSWER = "done, and the connection closed instead of an answer"
RESET = "the connection is closed, before anything was passed on"
HANG = "no answer comes until the proxy ends"


@dataclass
class Failure:
    operation: str  # "": any
    what: object
    times: float
    hits: int = field(default=0)


def cancelled(body, code):
    """Of the first item; of the others nothing is wrong."""
    reasons = [{"Code": "None"} for _ in json.loads(body)["TransactItems"]]
    reasons[0]["Code"] = code
    return {
        "__type": f"{NAMESPACE}TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": reasons,
    }


BACKGROUND = {
    *("records", "audit", "projection", "jobs", "job-waits", "job-runs", "open", "done", "staged", "move"),
    *("condemned", "gone", "deleted"),
}


def kinds_of(names):
    return {name.partition("#")[0] for name in names}


def partitions(body):
    """All that are named in the body of a request."""
    if isinstance(body, list):
        return set().union(*map(partitions, body))
    if not isinstance(body, dict):
        return set()
    found = set().union(*map(partitions, body.values()))
    for name in ("pk", ":h"):
        if isinstance(body.get(name), dict) and "S" in body[name]:
            found.add(body[name]["S"])
    return found


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.upstream = http.client.HTTPConnection(self.server.target, timeout=30)

    def finish(self):
        self.upstream.close()
        super().finish()

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def pass_on(self, body):
        self.upstream.request("POST", self.path, body, dict(self.headers))
        answer = self.upstream.getresponse()
        return answer.status, answer.read()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        what = self.server.proxy.note(operation, body, self.headers)
        if what == HANG:
            self.server.proxy.ended.wait()
        if what in (RESET, HANG):
            self.close_connection = True
        elif isinstance(what, Answer):
            self.answer(what.status, json.dumps({"__type": NAMESPACE + what.type, "message": "so it is"}).encode())
        elif what in (CONFLICT, THROTTLED):
            code = "TransactionConflict" if what == CONFLICT else "ThrottlingError"
            self.answer(400, json.dumps(cancelled(body, code)).encode())
        else:
            try:
                status, text = self.pass_on(body)
            except OSError:
                self.close_connection = True
                return
            if what == LOSE_ANSWER:
                self.close_connection = True
            else:
                self.answer(status, text)


class DynamoProxy:
    def __init__(self, endpoint):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.target = urlsplit(endpoint).netloc
        self.server.proxy = self
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.failures = []
        self.asked = []  # (operation, access key, partitions)

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def note(self, operation, body, headers):
        """What is to become of a request."""
        key = headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        with self.lock:
            self.asked.append((operation, key, partitions(json.loads(body))))
            for failure in self.failures:
                if failure.operation in ("", operation) and failure.hits < failure.times:
                    failure.hits += 1
                    return failure.what
        return None

    def fail(self, operation, what, times=1.0):
        """The next so many requests of the operation ("": of any)."""
        failure = Failure(operation, what, times)
        with self.lock:
            self.failures.append(failure)
        return failure

    def heal(self):
        with self.lock:
            self.failures.clear()

    def forget(self):
        with self.lock:
            self.asked.clear()

    def counts(self):
        """By operation, but for those that go by time: of replicas, accounts, jobs, the audit trail."""
        with self.lock:
            return dict(Counter(operation for operation, _, names in self.asked if kinds_of(names) - BACKGROUND))

    def total(self):
        return sum(self.counts().values())

    def keys(self):
        with self.lock:
            return {key for _, key, _ in self.asked}

    def kinds(self):
        """How often each operation was asked for on what kinds of partitions."""
        with self.lock:
            return Counter(
                (operation, *sorted(kinds_of(names))) for operation, _, names in self.asked
            )

    def quiet(self, seconds=0.3):
        """Waits until nothing of counts() was asked for so long: what came of requests has ended."""
        seen = -1
        while seen != self.total():
            seen = self.total()
            time.sleep(seconds)
