"""Servers that tests start: on which ports, how they end. Needs nothing that Python has not."""

import os
import random
import signal
import socket
import subprocess

# Even when the tests themselves are killed, no server is left behind. The pid stays the same.
DIES_WITH_US = ["setpriv", "--pdeathsig", "TERM"]

STOP_TIMEOUT_S = 60


def free_port():
    """A port nobody listens on, from below the range the kernel takes client ports from.

    Parallel pytest workers choose from ranges of their own, so they cannot race for one port.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 6
    while True:
        port = 20000 + 2000 * worker + random.SystemRandom().randrange(2000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def stop(process, timeout=STOP_TIMEOUT_S):
    """SIGTERM, and SIGKILL to who does not listen."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
