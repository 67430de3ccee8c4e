"""Servers that tests start: on which ports, how they end. Needs nothing that Python has not."""

import os
import random
import shutil
import signal
import socket
import subprocess
from collections import deque
from pathlib import Path

# Even when the tests themselves are killed, no server is left behind. The pid stays the same.
DIES_WITH_US = ["setpriv", "--pdeathsig", "TERM"]

STOP_TIMEOUT_S = 60

claims = deque(maxlen=200)  # of ports, lately: who was given one may not listen on it yet


class NotReady(Exception):
    """The server ended, or did not answer, before it was ready; or it is not installed."""


def free_port():
    """A port nobody listens on, from below the range the kernel takes client ports from.

    Parallel pytest workers choose from ranges of their own. Those of several runs on a machine race for one port,
    so it is claimed by a name in the kernel, which only one can have, and which goes with its process.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 6
    while True:
        port = 20000 + 2000 * worker + random.SystemRandom().randrange(2000)
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                claim.bind(f"\0cyberdock-port-{port}")
                s.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        claims.append(claim)
        return port


def wait_or_kill(process, timeout=STOP_TIMEOUT_S):
    """SIGKILL for who does not end by the signal that they had."""
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop(process, timeout=STOP_TIMEOUT_S):
    """SIGTERM, and SIGKILL to who does not listen."""
    process.send_signal(signal.SIGTERM)
    wait_or_kill(process, timeout)


class ServerProcess:
    """A server that is one process, with a directory and a port of its own. remove() ends it and forgets both."""

    def __init__(self, work):
        self.work = Path(work)
        self.work.mkdir(parents=True)
        self.port = free_port()
        self.process = None

    @property
    def log(self):
        path = self.work / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def spawn(self, command, death="KILL", **more):
        """death: the signal that it gets when we die; more: of subprocess.Popen()."""
        with open(self.work / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", death, *(str(word) for word in command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **{"cwd": self.work, **more},
            )

    def end(self, number):
        """By that signal, also while it is paused."""
        if self.process is None:
            return
        self.process.send_signal(number)
        self.process.send_signal(signal.SIGCONT)
        wait_or_kill(self.process)
        self.process = None

    def stop(self):
        self.end(signal.SIGTERM)

    def kill(self):
        self.end(signal.SIGKILL)

    def remove(self):
        self.kill()
        shutil.rmtree(self.work)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.remove()

    def pids(self):
        return [self.process.pid] if self.process else []
