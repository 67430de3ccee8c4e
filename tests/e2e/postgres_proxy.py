"""A TCP proxy before a PostgreSQL server, for one client of it: it holds chosen statements, and can be gone,
hang, be slow, or refuse who connects.

    with PostgresProxy(port) as line:
        held = line.hold("INTO blobs", COMMIT)
        ...                                   # through line.url(url)
        held.wait()                           # it is there
        held.release()

Where it holds: a STATEMENT with that text before it reaches the server; the COMMIT of a transaction that has
such a statement, before it reaches the server; or the answer to that COMMIT, which is DONE then. What is in the
same round trip before it has not reached the server either, however the client's bytes came; with BARE_COMMIT it has,
as when a client stops while it sends. When the client is gone meanwhile, nothing more of it is passed on. It
understands as much of the protocol as commit_proxy.py does.
"""

import struct
import threading
import time

from commit_proxy import COMMITTED, WAIT_S, Messages
from s3_proxy import End, Hold
from tcp_proxy import TcpProxy, end

STATEMENT = "a statement"
COMMIT = "COMMIT"
BARE_COMMIT = "COMMIT without what came before it"
DONE = "the answer to COMMIT"

OF_A_TRIP = b"PBDEC"  # the types of messages that a Sync follows

TOO_MANY = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0"


class Rule:
    def __init__(self, text, where):
        self.text = text.encode()
        self.where = where
        self.hold = Hold()


class Line:
    """One connection of the client, and ours to the server."""

    def __init__(self, pair):
        self.pair = self.client, self.server = pair
        self.texts = b""  # of the statements since the last BEGIN
        self.trip = []  # of those since the last Sync
        self.committing = None  # the rule whose transaction's COMMIT is on its way


class PostgresProxy(TcpProxy):
    def __init__(self, port):
        self.rules = []  # that wait for their statement
        self.holds = []  # all that were asked for
        self.statements = []  # the text of each that came
        self.trips = []  # for each round trip, the texts of its statements
        self.threads = []
        self.refusing = False
        self.losing = False
        super().__init__(port)

    def __exit__(self, *_):
        self.leave()
        self.door.close()
        self.clear()
        for thread in self.threads:
            thread.join(WAIT_S)

    def url(self, url):
        """The URL of the server, by way of this."""
        return url.replace(f":{self.target[1]}", f":{self.port}") + "?sslmode=disable"

    # What is asked of it

    def hold(self, text, where):
        """Stops the next such statement; see Hold."""
        rule = Rule(text, where)
        with self.lock:
            self.rules.append(rule)
            self.holds.append(rule.hold)
        return rule.hold

    def refuse(self):
        """Who has a connection loses it, and who wants one is answered that there are too many."""
        self.refusing = True
        self.cut()

    def lose_commits(self):
        """From now on a transaction is done, and the connection breaks instead of its answer."""
        self.losing = True

    def clear(self):
        """As if nothing had been; what is held goes on. Not after leave()."""
        with self.lock:
            holds, self.holds, self.rules = self.holds, [], []
        for hold in holds:
            hold.release()
        self.refusing = self.losing = False
        super().clear()

    # Its threads

    def _run(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self.threads = [t for t in self.threads if t.is_alive()] + [thread]
        thread.start()

    def _welcome(self, client):
        if self.refusing:
            self._run(self._turn_away, client)
        else:
            super()._welcome(client)
            if self.refusing:  # meanwhile
                self.cut()

    def _begin(self, pair):
        line = Line(pair)
        for way in (self._up, self._down):
            self._run(self._carry_messages, way, line)

    @staticmethod
    def _turn_away(client):
        with client:
            client.recv(4096)  # what it wants
            client.sendall(b"E" + struct.pack("!I", len(TOO_MANY) + 4) + TOO_MANY)

    @staticmethod
    def _carry_messages(way, line):
        try:
            way(line)
        except OSError:
            pass
        end(line.pair)

    def _wanted(self, where, text):
        with self.lock:
            found = [r for r in self.rules if r.where == where and r.text in text]
            if found:
                self.rules.remove(found[0])
        return found[0] if found else None

    def _up(self, line):
        messages = Messages(untyped=True)
        out = b""
        while data := line.client.recv(65536):
            self.flowing.wait()
            if self.delay_s:
                time.sleep(self.delay_s)
            for message in messages.add(data):
                if message[:1] == b"S":
                    self.trips.append(line.trip)
                    line.trip = []
                rule = self._look(line, message[5:]) if message[:1] == b"P" else None
                if rule and rule.where == BARE_COMMIT:
                    line.server.sendall(out)
                    out = b""
                if rule and not self._stop(line, rule):
                    return
                out += message
                if message[:1] not in OF_A_TRIP:
                    line.server.sendall(out)
                    out = b""

    def _look(self, line, statement):
        """At the text of a Parse; the rule that holds it here, or None."""
        text = statement.split(b"\0")[1].decode()
        self.statements.append(text)
        line.trip.append(text)
        if b"\0BEGIN" in statement:
            line.texts = b""
        line.texts += statement
        if b"\0COMMIT\0" in statement:
            line.committing = self._wanted(DONE, line.texts)
            return self._wanted(COMMIT, line.texts) or self._wanted(BARE_COMMIT, line.texts)
        return self._wanted(STATEMENT, statement)

    @staticmethod
    def _stop(line, rule):
        """False when the client is gone meanwhile."""
        rule.hold.stop_here()
        return not End(line.client).gone()

    def _down(self, line):
        messages = Messages(untyped=False)
        while data := line.server.recv(65536):
            self.flowing.wait()
            out = b""
            for message in messages.add(data):
                if self.losing and message == COMMITTED:
                    return
                if line.committing and message == COMMITTED:
                    rule, line.committing = line.committing, None
                    line.client.sendall(out)
                    out = b""
                    if not self._stop(line, rule):
                        return
                out += message
            line.client.sendall(out)
