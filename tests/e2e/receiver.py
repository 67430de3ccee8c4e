"""A receiver of webhooks, which answers as a test wants.

    with Receiver() as hook:
        hook.answer = 503
        ...
        hook.wait(1)
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from processes import free_port
from waiting import until


class Post:
    """One request, as it came."""

    def __init__(self, path, headers, body, at):
        self.path = path
        self.headers = headers
        self.body = body
        self.at = at  # its place among all

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def event(self):
        """Of a structured CloudEvent: its type and its data in one."""
        return {"id": self.json["id"], "event": self.json["type"].removeprefix("cyberdock."), **self.json["data"]}


class Receiver:
    """answer is a status, or a function of a Post that gives one, or None for no answer until `let_go` is set.
    headers and text go with each answer."""

    def __init__(self, answer=200):
        self.answer = answer
        self.headers = {}
        self.text = b""
        self.posts = []  # all that came
        self.taken = []  # those that were answered 2xx
        self.most = 0  # at once
        self.running = 0
        self.let_go = threading.Event()
        self.lock = threading.Lock()
        self.server = None
        self.thread = None
        self.port = free_port()  # none of the kernel's for clients: it is listened on again after stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.let_go.set()
        self.stop()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/in"

    def start(self):
        self.server = Server(("127.0.0.1", self.port), handler(self))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        """Nobody listens at the port from now on."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def hook(self, name="hook", **more):
        """A row of `webhooks` that sends here."""
        return {"name": name, "url": self.url, "allow_private": True, **more}

    def wait(self, count, timeout=60):
        """Once so many have come."""
        until(lambda: len(self.posts) >= count, timeout)
        return self.posts

    def wait_taken(self, count, timeout=60):
        """Once so many different events were taken; the first of each id, in the order in which they came."""
        until(lambda: len({p.headers["webhook-id"] for p in list(self.taken)}) >= count, timeout)
        return list({p.headers["webhook-id"]: p for p in reversed(self.taken)}.values())[::-1]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *_):
        """Who is killed in the middle of a request is no error of ours."""


def handler(receiver):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with receiver.lock:
                post = Post(self.path, self.headers, body, len(receiver.posts))
                receiver.posts.append(post)
                receiver.running += 1
                receiver.most = max(receiver.most, receiver.running)
            status = receiver.answer(post) if callable(receiver.answer) else receiver.answer
            if status is None:
                receiver.let_go.wait(120)
                status = 200
            with receiver.lock:
                receiver.running -= 1  # before the answer: who has it may send the next
                if 200 <= status < 300:
                    receiver.taken.append(post)
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(receiver.text)))
            self.end_headers()
            self.wfile.write(receiver.text)

        def log_message(self, *_):
            pass

    return Handler
