"""A process that keeps a server, of S3, PostgreSQL, DynamoDB or Redis, for others: for as long as one of them is connected
to it, or, with --stay, until it gets a SIGTERM. Then the server ends, and its content with it.

    server_keeper.py SOCKET NAME [--stay]

SOCKET is the name of an abstract socket, which exists as long as its process and only once; so several
who want the same server at once all start a keeper, and all but one of these end at once. Who connects
gets a line of JSON when the server is ready: its description() (s3_servers.py, postgres_servers.py, ...), or
{"error": ...}.
"""

import argparse
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import dynamodb_servers
import postgres_servers
import redis_servers
import s3_servers
from go_programs import Missing
from processes import NotReady

SERVERS = {
    **s3_servers.SERVERS,
    **postgres_servers.SERVERS,
    **dynamodb_servers.SERVERS,
    **redis_servers.SERVERS,
}

FIRST_CLIENT_S = 60  # who started it, and was ended meanwhile, does not come
MAX_LINE_BYTES = 65536


class KeeperError(Exception):
    """The server could not be started."""


# On the side of the user


def connect(name):
    """The socket, or None when no keeper has it."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(f"\0{name}")
        return connection
    except ConnectionRefusedError:
        connection.close()
        return None


def description_from(connection):
    """None when the keeper was about to end."""
    data = b""
    try:
        while not data.endswith(b"\n") and len(data) < MAX_LINE_BYTES:
            more = connection.recv(4096)
            if not more:
                return None
            data += more
    except ConnectionResetError:
        return None
    described = json.loads(data)
    if "error" in described:
        raise KeeperError(described["error"])
    return described


def spawn(socket_name, server, *more):
    return subprocess.Popen(
        [sys.executable, "-B", __file__, socket_name, server, *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kept(socket_name, server, *more):
    """(connection, description) of a server that is started when it does not run."""
    while True:
        connection, keeper = connect(socket_name), None
        while connection is None:
            if keeper is None or keeper.poll() is not None:
                keeper = spawn(socket_name, server, *more)
            try:
                keeper.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
            connection = connect(socket_name)
        described = description_from(connection)
        if described:
            return connection, described
        connection.close()


def end(connection):
    """Ends a keeper that stays; returns when it has."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    os.kill(struct.unpack("3i", credentials)[0], signal.SIGTERM)
    while description_from(connection):
        pass


# The keeper


class Keeper:
    def __init__(self, listener, server, stay):
        self.listener = listener
        self.server = server
        self.stay = stay
        self.clients = set()
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)
        self.line = (json.dumps(server.description()) + "\n").encode()

    def wait(self):
        """Returns when nobody needs the server any more."""
        while True:
            ready = self.selector.select(None if self.clients or self.stay else FIRST_CLIENT_S)
            if not ready:
                return
            for key, _ in ready:
                if key.fileobj is self.listener:
                    self._welcome()
                elif not self._still_there(key.fileobj):
                    self._leave(key.fileobj)
                    if not self.clients and not self.stay:
                        return

    def _welcome(self):
        client, _ = self.listener.accept()
        self.clients.add(client)
        self.selector.register(client, selectors.EVENT_READ)
        try:
            client.sendall(self.line)
        except OSError:
            pass  # gone again, as will be read

    @staticmethod
    def _still_there(client):
        try:
            return bool(client.recv(1))
        except OSError:
            return False

    def _leave(self, client):
        self.selector.unregister(client)
        self.clients.discard(client)
        client.close()


def refuse(listener, error):
    """Tells it to who waits, or comes first."""
    line = (json.dumps({"error": str(error)[-4000:]}) + "\n").encode()
    listener.settimeout(FIRST_CLIENT_S)
    while True:
        try:
            client, _ = listener.accept()
        except (BlockingIOError, socket.timeout):
            return
        with client:
            try:
                client.sendall(line)
            except OSError:
                pass
        listener.setblocking(False)


def keep(options, listener, directory):
    server = SERVERS[options.server](Path(directory) / options.server)
    try:
        server.start()
        Keeper(listener, server, options.stay).wait()
    except (NotReady, Missing, subprocess.SubprocessError) as error:
        refuse(listener, error)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        server.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("socket")
    parser.add_argument("server", choices=SERVERS)
    parser.add_argument("--stay", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(f"\0{options.socket}")
        except OSError:
            return  # another keeper was quicker
        listener.listen(64)
        with tempfile.TemporaryDirectory(prefix="cyberdock-server-") as directory:
            keep(options, listener, directory)


if __name__ == "__main__":
    main()
