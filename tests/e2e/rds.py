"""A stand-in for the part of RDS that knows tokens: PostgreSQL asks it, as an LDAP server, whether a password is right,
and it compares with what AWS's own SDK makes for the same user, place, key and time."""

import socketserver
import threading
from datetime import datetime, timedelta  # the real one, also while the SDK is given another
from unittest import mock
from urllib.parse import parse_qsl

import botocore.session

LIFETIME = timedelta(minutes=15)
PREFIX = "cn="  # before the user, for PostgreSQL demands one
BIND = 0x60
OK, INVALID_CREDENTIALS = 0, 49


class Sdk:
    """Makes tokens, as of any time; key: (access key, secret key, session token or None)."""

    lock = threading.Lock()  # of what the time is

    def __init__(self, key, region):
        session = botocore.session.Session()
        session.set_credentials(*key)
        self.region = region
        self.client = session.create_client("rds", region_name=region)

    def token(self, host, port, user, time):
        class Then(datetime):
            @classmethod
            def utcnow(cls):
                return time

        with self.lock, mock.patch("botocore.auth.datetime.datetime", Then):
            return self.client.generate_db_auth_token(host, port, user, Region=self.region)


def parts(token):
    """What it is for, and what it says in whatever order."""
    place, _, query = token.partition("?")
    return place, sorted(parse_qsl(query, keep_blank_values=True))


def element(data):
    """(tag, content, what follows) of a BER element."""
    n, start = data[1], 2
    if n & 0x80:
        start += n & 0x7F
        n = int.from_bytes(data[2:start], "big")
    return data[0], data[start : start + n], data[start + n :]


class Bind(socketserver.StreamRequestHandler):
    def handle(self):
        while message := self._read():
            _, number, rest = element(message)
            operation, content, _ = element(rest)
            if operation != BIND:
                return
            _, _, rest = element(content)  # the version
            _, user, rest = element(rest)
            _, password, _ = element(rest)
            code = OK if self.server.rds.is_right(user.decode().removeprefix(PREFIX), password.decode()) else INVALID_CREDENTIALS
            answer = bytes([0x61, 7, 0x0A, 1, code, 4, 0, 4, 0])
            body = bytes([0x02, len(number)]) + number + answer
            self.wfile.write(bytes([0x30, len(body)]) + body)

    def _read(self):
        """The content of the next message; empty at the end."""
        head = self.rfile.read(2)
        if len(head) < 2:
            return b""
        more = self.rfile.read(head[1] & 0x7F) if head[1] & 0x80 else b""
        return self.rfile.read(int.from_bytes(more, "big") if more else head[1])


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Rds:
    """What it knows: one key, and for which place and region its tokens have to be."""

    def __init__(self, key, region, host, port):
        self.region = region
        self.place = (host, port)
        self.know(key)
        self.passwords = []  # that were shown, and whether they were right
        self.server = Server(("127.0.0.1", 0), Bind)
        self.server.rds = self

    def know(self, key):
        """Of no other from now on."""
        self.sdk = Sdk(key, self.region)

    def is_right(self, user, password):
        right = self._compare(user, password)
        self.passwords.append((password, right))
        return right

    def _compare(self, user, password):
        said = dict(parse_qsl(password.partition("?")[2]))
        try:
            time = datetime.strptime(said.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ")
        except ValueError:
            return False
        if not abs(datetime.utcnow() - time) < LIFETIME:
            return False
        return parts(password) == parts(self.sdk.token(*self.place, user, time))

    def line(self, user):
        """Of pg_hba.conf."""
        port = self.server.server_address[1]
        return f"hostssl all {user} 127.0.0.1/32 ldap ldapserver=127.0.0.1 ldapport={port} ldapprefix={PREFIX}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
