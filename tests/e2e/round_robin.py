"""A plain HTTP proxy before several replicas: each request, also of one connection, goes to the next of them.

    with RoundRobin([replica.address for replica in replicas]) as front:
        ...                                   # through front.url
        front.only(1)                         # all to the second from now on
        front.in_turn()

Who cannot be connected to is passed over, as any proxy does; a connection that breaks later is broken to
the client, too. Nothing is tried twice, and no health is checked.
"""

import itertools
import socket
import threading
from collections import Counter

from s3_proxy import Body, Closed, End, Exchange, Request


class RoundRobin:
    def __init__(self, addresses):
        self.targets = [(host, int(port)) for host, _, port in (a.rpartition(":") for a in addresses)]
        self.numbers = itertools.count()
        self.chosen = None
        self.lock = threading.Lock()
        self.served = Counter()  # requests by replica
        self.connections = set()
        self.threads = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.url = f"http://{self.address}"
        self._run(self._welcome)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        with self.lock:
            open_ones = list(self.connections)
        for connection in open_ones:
            connection.cut()
        for thread in self.threads:
            thread.join()
        self.listener.close()

    def only(self, number):
        self.chosen = number

    def in_turn(self):
        self.chosen = None

    def connect(self):
        """(replica, a new connection to it) for the next request; None when none takes it."""
        with self.lock:
            first = next(self.numbers) if self.chosen is None else self.chosen
        for n in range(len(self.targets)):
            number = (first + n) % len(self.targets)
            try:
                made = socket.create_connection(self.targets[number])
            except OSError:
                continue
            with self.lock:
                self.served[number] += 1
            return End(made)
        return None

    def _run(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self.threads = [t for t in self.threads if t.is_alive()] + [thread]
        thread.start()

    def _welcome(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            connection = Connection(self, client)
            with self.lock:
                self.connections.add(connection)
            self._run(connection.run)

    def forget(self, connection):
        with self.lock:
            self.connections.discard(connection)


UNAVAILABLE = b"HTTP/1.1 503 no replica\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"


class Connection:
    """Of a client; to the replicas a new one for each request."""

    def __init__(self, front, client):
        self.front = front
        self.client = End(client)
        self.server = None

    def run(self):
        broken = False
        try:
            while not broken:
                broken = not self._serve(Request(self.client.head()))
        except Closed:
            pass
        finally:
            self.front.forget(self)
            for end in (self.client, self.server):
                if end:
                    end.close(broken)

    def _serve(self, request):
        """False when the connection is to be reset."""
        self.server = self.front.connect()
        if self.server is None:
            self.client.send(UNAVAILABLE)
            raise Closed
        try:
            return Exchange(self, request, None, Body(request.headers)).run()
        finally:
            self.server.close(False)
            self.server = None

    def cut(self):
        for end in (self.client, self.server):
            if end:
                end.cut()
