"""Debian's haproxy before replicas, with the configuration that deploy/ has for it, on ports of loopback."""

import re
import socket
import subprocess
import time
from pathlib import Path

from processes import DIES_WITH_US, free_port, stop
from server import TOP

PROGRAM = "/usr/sbin/haproxy"
CONFIG = TOP / "deploy" / "haproxy.cfg"
START_TIMEOUT_S = 30


def rendered(addresses, port):
    """deploy/haproxy.cfg with these replicas in place of those of compose, and without its name server."""
    text = CONFIG.read_text()
    text, bound = re.subn(r"bind :5000", f"bind 127.0.0.1:{port}", text)
    server = r"(server registry-(\d)) registry-\d:5000"
    text, found = re.subn(server, lambda m: f"{m[1]} {addresses[int(m[2]) - 1]}", text)
    assert (bound, found) == (1, len(addresses))
    return re.sub(r" resolvers compose\b.*", "", re.sub(r"(?m)^resolvers compose\n(?: .*\n)+", "", text))


class Haproxy:
    def __init__(self, work, addresses):
        self.work = Path(work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        self.config = self.work / "haproxy.cfg"
        self.config.write_text(rendered(addresses, self.port))
        self.process = None

    @property
    def log(self):
        return (self.work / "haproxy.log").read_text(errors="replace")

    def __enter__(self):
        with open(self.work / "haproxy.log", "wb") as log:
            self.process = subprocess.Popen(
                [*DIES_WITH_US, PROGRAM, "-db", "-f", self.config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._listens():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)
        return self

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def __exit__(self, *_):
        stop(self.process)
