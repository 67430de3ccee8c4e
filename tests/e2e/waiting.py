"""Waiting for a condition instead of sleeping for luck."""

import time


def until(condition, timeout=60, interval=0.02):
    """Asks until condition() is something; returns that."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value is not None and value is not False:
            return value
        assert time.monotonic() < deadline, f"still not so after {timeout} s: {condition}"
        time.sleep(interval)
