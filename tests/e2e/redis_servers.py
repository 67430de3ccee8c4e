"""Real Redis servers, and Sentinels that watch over two, on free ports of loopback, with their state in a
directory of their own, and stopped by pid. They are Debian's.

    with Redis(work / "redis") as server:
        server.url()              # redis://registry:PASSWORD@127.0.0.1:PORT
        server.cli("DBSIZE")

Everybody has to sign in: the registry as a user who may do what it needs and nothing else (RIGHTS), the
tests themselves as the default user. Where several tests share one, server_keeper.py starts it.
"""

import os
import secrets
import signal
import subprocess
import time

from certificates import authority, certificate
from processes import NotReady, ServerProcess

START_TIMEOUT_S = 60
USER = "registry"
MASTER = "registry-redis"  # what Sentinels call the server

# docs/redis.md says the same.
RIGHTS = (
    "resetkeys ~cyberdock:* resetchannels &cyberdock:* -@all "
    "+ping +info +select +eval +evalsha +get +getrange +set +del +pexpire +pttl +incrby +time +publish +subscribe"
)


def environment(description):
    """As a registry takes what it needs of it."""
    return {f"REGISTRY_STORAGE_CACHE_{key.upper()}": value for key, value in description["section"].items()}


class Redis(ServerProcess):
    """One server. Port and password stay the same over restarts; what it held does not.

    tls: it speaks TLS alone, with a certificate of an authority made for it (`ca`).
    settings: of redis.conf, as {"maxmemory": "2mb"}.
    """

    name = "redis"
    tls = False

    def __init__(self, work, settings=None, rights=RIGHTS):
        super().__init__(work)
        self.password = secrets.token_hex(16)
        self.own_password = secrets.token_hex(16)  # of the default user
        self.settings = settings or {}
        self.rights = rights
        self.ca = None
        if self.tls:
            self.ca = authority(self.work, "authority")
            certificate(self.work, "server", self.ca)

    def url(self, user=USER, password=None):
        scheme = "rediss" if self.tls else "redis"
        return f"{scheme}://{user}:{password or self.password}@127.0.0.1:{self.port}"

    def section(self, **more):
        """What stands below storage.cache for a registry that uses it."""
        return {"type": "redis", "redis_url": self.url(), **self._authorities(), **more}

    def _authorities(self):
        return {"redis_ca_file": str(self.ca)} if self.tls else {}

    def description(self):
        """What somebody else needs to use it."""
        return {"name": self.name, "section": self.section(), "port": self.port, "admin": self.own_password}

    def cli(self, *words):
        """What redis-cli prints, as the default user."""
        done = self._cli(*words)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout.strip()

    def _cli(self, *words):
        over = ["--tls", "--cacert", str(self.ca)] if self.tls else []
        return subprocess.run(
            ["redis-cli", "-e", "-p", str(self.port), *over, *(str(w) for w in words)],
            env={**os.environ, "REDISCLI_AUTH": self.own_password},
            capture_output=True,
            text=True,
            timeout=30,
        )

    # Its life

    def lines(self):
        """Of its configuration."""
        yield "port 0" if self.tls else f"port {self.port}"
        if self.tls:
            yield f"tls-port {self.port}"
            yield f"tls-cert-file {self.work}/server.pem"
            yield f"tls-key-file {self.work}/server.key"
            yield f"tls-ca-cert-file {self.ca}"
            yield "tls-auth-clients no"
        yield "bind 127.0.0.1"
        yield f"dir {self.work}"
        yield 'save ""'
        yield f"requirepass {self.own_password}"
        yield f"user {USER} on >{self.password} {self.rights}"
        for key, value in self.settings.items():
            yield f"{key} {value}"

    program = "redis-server"

    def start(self):
        path = self.work / "redis.conf"
        path.write_text("".join(f"{line}\n" for line in self.lines()))
        self.spawn([self.program, path])
        self._wait_ready()
        return self

    def _wait_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._cli("PING").stdout.strip() != "PONG":
            if self.process.poll() is not None:
                raise NotReady(f"{self.name} ended; is it installed (scripts/deps test)?\n{self.log[-2000:]}")
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name} does not answer:\n{self.log[-2000:]}")
            time.sleep(0.02)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class RedisTls(Redis):
    name = "redis-tls"
    tls = True


class Replica(Redis):
    """Follows another, whose passwords it has."""

    name = "redis-replica"

    def __init__(self, work, master):
        super().__init__(work)
        self.password, self.own_password = master.password, master.own_password
        self.master = master

    def lines(self):
        yield from super().lines()
        yield f"masterauth {self.own_password}"
        yield f"replicaof 127.0.0.1 {self.master.port}"


class Sentinel(Redis):
    """One Sentinel, with a password of its own, that watches over a server and its replica. It alone
    decides."""

    name = "redis-sentinel"
    program = "redis-sentinel"

    def __init__(self, work):
        super().__init__(work)
        self.master = Redis(self.work / "master")
        self.replica = Replica(self.work / "replica", self.master)
        self.master.settings["masterauth"] = self.master.own_password  # it may become a replica
        self.master.settings["repl-diskless-sync-delay"] = 0  # there is no second one to wait for
        self.password_file = self.work / "password"
        self.password_file.write_text(self.own_password + "\n")

    def section(self, **more):
        at = f"{USER}:{self.master.password}@127.0.0.1:{self.port}"
        return {
            "type": "redis",
            "redis_url": f"redis+sentinel://{at}/{MASTER}",
            "redis_sentinel_password_file": str(self.password_file),
            **more,
        }

    def lines(self):
        yield f"port {self.port}"
        yield "bind 127.0.0.1"
        yield f"dir {self.work}"
        yield f"requirepass {self.own_password}"
        yield f"sentinel monitor {MASTER} 127.0.0.1 {self.master.port} 1"
        yield f"sentinel auth-pass {MASTER} {self.master.own_password}"
        yield f"sentinel down-after-milliseconds {MASTER} 500"
        yield f"sentinel failover-timeout {MASTER} 2000"

    def start(self):
        self.master.start()
        self.replica.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while "master_link_status:up" not in self.replica.cli("INFO", "replication"):
            if time.monotonic() > deadline:
                raise NotReady("the replica does not follow")
            time.sleep(0.02)
        super().start()
        while "slaves=1" not in self.cli("INFO", "sentinel"):
            if time.monotonic() > deadline:
                raise NotReady("the Sentinel does not see the replica")
            time.sleep(0.02)
        return self

    def stop(self):
        super().stop()
        self.replica.stop()
        self.master.stop()

    def remove(self):
        self.replica.kill()
        self.master.kill()
        super().remove()

    def pids(self):
        return [*super().pids(), *self.master.pids(), *self.replica.pids()]


SERVERS = {kind.name: kind for kind in (Redis, RedisTls, Sentinel)}
