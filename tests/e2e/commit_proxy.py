"""A TCP proxy before a PostgreSQL server that breaks a connection once, at the COMMIT of a transaction.

It understands as much of the protocol as that takes ("Frontend/Backend Protocol", message formats): a
message is a byte for its type and a length; the first that a client sends has no type. No TLS.
"""

import socket
import struct
import threading

# Where it breaks. With the second and third the server has committed.
NOT_SENT = "COMMIT does not reach the server"
NO_ANSWER = "the answer to COMMIT is lost"
HALF_AN_ANSWER = "the answer to COMMIT breaks off"
LATE = "the connection breaks, and COMMIT reaches the server when release() is called"
PHASES = (NOT_SENT, NO_ANSWER, HALF_AN_ANSWER)

COMMITTED = b"C\0\0\0\x0bCOMMIT\0"
WAIT_S = 60


class Messages:
    """Takes bytes as they come and gives whole messages; the first without a type if untyped."""

    def __init__(self, untyped):
        self.untyped = untyped
        self.data = b""

    def add(self, data):
        self.data += data
        while True:
            begin = 0 if self.untyped else 1
            if len(self.data) < begin + 4:
                return
            end = begin + struct.unpack_from("!I", self.data, begin)[0]
            if len(self.data) < end:
                return
            message, self.data = self.data[:end], self.data[end:]
            self.untyped = False
            yield message


class Line:
    """One client's connection, and ours to the server."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.texts = b""  # of the statements since the last BEGIN
        self.phase = None  # in which it is to break
        for one in (client, server):  # a message is sent alone, and many are small
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def end(self):
        for one in (self.client, self.server):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class CommitProxy:
    """cut(phase, text) breaks the next transaction that has a statement with that text in it."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.wanted = None
        self.cuts = 0
        self.lines = []
        self.threads = []
        self.may_commit = threading.Event()
        self.has_committed = threading.Event()
        self._run(self._accept)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.may_commit.set()
        for line in self.lines:
            line.end()
        for thread in self.threads:
            thread.join(WAIT_S)
        self.listener.close()

    def url(self, url, port):
        """The URL of the server at that port, by way of this."""
        return url.replace(f":{port}", f":{self.port}") + "?sslmode=disable"

    def cut(self, phase, text):
        self.wanted = (phase, text.encode())

    def release(self):
        """Lets the COMMIT through that LATE holds, and waits until it was done."""
        self.may_commit.set()
        assert self.has_committed.wait(WAIT_S)

    def _run(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                line = Line(client, socket.create_connection(self.target))
            except OSError:
                return
            self.lines.append(line)
            for way in (self._up, self._down):
                self._run(self._carry, way, line)

    def _carry(self, way, line):
        try:
            way(line)
        except OSError:
            pass
        line.end()

    def _up(self, line):
        messages = Messages(untyped=True)
        held = b""
        while data := line.client.recv(65536):
            for message in messages.add(data):
                if message[:1] == b"P":
                    self._look(line, message[5:])
                if line.phase == NOT_SENT:
                    return
                if line.phase != LATE:
                    line.server.sendall(message)
                    continue
                held += message
                if message[:1] == b"S":  # Sync, the last of them
                    return self._commit_late(line, held)

    def _look(self, line, statement):
        """At the text of a Parse."""
        if b"\0BEGIN" in statement:
            line.texts = b""
        line.texts += statement
        if b"\0COMMIT\0" not in statement:
            return
        with self.lock:
            if self.wanted and self.wanted[1] in line.texts:
                line.phase, self.wanted = self.wanted[0], None
                self.cuts += 1

    def _commit_late(self, line, held):
        """COMMIT and what is behind it."""
        line.client.shutdown(socket.SHUT_RDWR)
        assert self.may_commit.wait(WAIT_S)
        line.server.sendall(held)
        self.has_committed.wait(WAIT_S)

    def _down(self, line):
        messages = Messages(untyped=False)
        while data := line.server.recv(65536):
            for message in messages.add(data):
                if line.phase and message == COMMITTED:
                    self.has_committed.set()
                    if line.phase == HALF_AN_ANSWER:
                        line.client.sendall(message)
                    return
                if line.phase != LATE:
                    line.client.sendall(message)
