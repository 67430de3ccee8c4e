"""Databases on real PostgreSQL servers: one a test, made before and dropped after it."""

import itertools
import os
import subprocess

numbers = itertools.count()


def psql(url, text):
    """What it prints, without titles."""
    done = subprocess.run(
        ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url, "-c", text],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Database:
    """On a server that others use too; server: its description()."""

    def __init__(self, server):
        self.server = server
        self.name = f"t{next(numbers)}_{os.getpid()}"
        self.url = f"{server['url']}/{self.name}"
        psql(f"{server['server']}/postgres", f"CREATE DATABASE {self.name} TEMPLATE template0 ENCODING 'UTF8'")

    @property
    def port(self):
        return int(self.server["url"].rsplit(":", 1)[1])

    def section(self, **more):
        """What stands below `metadata` for a registry that keeps its metadata here."""
        return {"driver": "postgresql", "url": self.url, **more}

    def sql(self, text):
        return psql(f"{self.server['server']}/{self.name}", text)

    def remove(self):
        psql(f"{self.server['server']}/postgres", f"DROP DATABASE {self.name} WITH (FORCE)")
