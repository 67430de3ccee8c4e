"""A real PostgreSQL, and pgbouncer before one, on free ports of loopback, with their state in a directory
of its own, run by a user without rights, and stopped by pid. They are Debian's.

    with Postgres(work / "postgresql") as server:
        server.make_database("registry")
        server.url("registry")

Where several tests share one, server_keeper.py starts it.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

from processes import NotReady, ServerProcess, free_port
from waiting import until

START_TIMEOUT_S = 60
USER = "registry"
UNPRIVILEGED = "nobody"  # both programs refuse to be run by root


def program(name):
    """One of the newest PostgreSQL that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: float(p.parts[4]))
    if not found:
        raise NotReady(f"{name} is not installed: scripts/deps test")
    return found[-1]


def environment(description):
    """As the contract tests of meta (tests/contract/meta/database.h) take it."""
    return {
        "REGISTRY_TEST_POSTGRESQL_URL": description["url"],
        "REGISTRY_TEST_POSTGRESQL_SERVER": description["server"],
    }


class Server(ServerProcess):
    """One process of that user's. Port and password stay the same over restarts."""

    name = ""
    death = "INT"  # the signal of an end that waits for no client

    def __init__(self, work):
        super().__init__(work)
        if os.getuid() == 0:
            os.chmod(self.work.parent, 0o711)  # what is below is opened by the other user
            user = pwd.getpwnam(UNPRIVILEGED)
            os.chown(self.work, user.pw_uid, user.pw_gid)

    @staticmethod
    def _as_user():
        if os.getuid() != 0:
            return {}
        user = pwd.getpwnam(UNPRIVILEGED)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def url(self, database=None, user=USER, password=None):
        at = f"{user}:{password or self.password}@127.0.0.1:{self.port}"
        return f"postgresql://{at}" + (f"/{database}" if database else "")

    def description(self):
        """What somebody else needs to use it."""
        return {
            "name": self.name,
            "url": self.url(),
            "database": self.url("registry"),
            "server": self.direct.url(),
        }

    def environment(self):
        return environment(self.description())

    def make_database(self, name):
        self.direct.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        return self.url(name)

    def sql(self, text, database="postgres"):
        """What psql prints, without titles."""
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url(database), "-c", text],
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    # Its life

    def start(self):
        for _ in range(3):
            try:
                self._start()
                self._wait_ready()
                return self
            except NotReady:
                self.stop()
                if "already in use" not in self.log:
                    raise
            self.port = free_port()
        raise NotReady(f"{self.name}: no port is free:\n{self.log[-2000:]}")

    def _start(self):
        raise NotImplementedError

    def spawn(self, command):
        environment = {**os.environ, "HOME": str(self.work), "LC_ALL": "C.UTF-8"}
        super().spawn(command, self.death, env=environment, **self._as_user())

    def _wait_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            if self.process.poll() is not None:
                raise NotReady(f"{self.name} ended:\n{self.log[-4000:]}")
            try:
                self.sql("SELECT 1")
                return
            except RuntimeError as error:
                if time.monotonic() > deadline:
                    raise NotReady(f"{self.name}: {error}\n{self.log[-2000:]}") from error
            time.sleep(0.05)

    def stop(self):
        self.end(signal.SIGINT)

    def remove(self):
        """Ends it and forgets what it stored."""
        self.end(signal.SIGQUIT)
        shutil.rmtree(self.work)


class Postgres(Server):
    """certificate: a .pem with its key beside it in .key (certificates.py), for TLS."""

    name = "postgresql"
    more = {}  # settings, over those of _start()

    def __init__(self, work, certificate=None):
        super().__init__(work)
        self.certificate = certificate
        self.password = secrets.token_hex(16)

    @property
    def direct(self):
        return self

    @property
    def data(self):
        return self.work / "data"

    def tool(self, name, *arguments):
        done = subprocess.run(
            [str(program(name)), *(str(a) for a in arguments)],
            cwd=self.work,
            env={**os.environ, "HOME": str(self.work), "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            **self._as_user(),
        )
        if done.returncode:
            raise NotReady(f"{name}: {done.stdout}{done.stderr}")

    def _make(self):
        password = self.work / "password"
        password.write_text(self.password + "\n")
        own = self._as_user()
        if own:
            os.chown(password, own["user"], own["group"])
        options = ("-U", USER, "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "-N")
        self.tool("initdb", "-D", self.data, *options)
        if self.certificate:
            for source in (Path(self.certificate), Path(self.certificate).with_suffix(".key")):
                copy = self.data / ("server" + {".pem": ".crt"}.get(source.suffix, source.suffix))
                shutil.copy(source, copy)
                copy.chmod(0o600)
                if own:
                    os.chown(copy, own["user"], own["group"])

    def start(self):
        fresh = not self.data.exists()
        super().start()
        if fresh:
            self.make_database(USER)
        return self

    def _start(self):
        if not self.data.exists():
            self._make()
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
            "fsync": "off",  # no test takes its power away
            "ssl": "on" if self.certificate else "off",
            "shared_buffers": "16MB",
            **self.more,
        }
        options = [w for key, value in settings.items() for w in ("-c", f"{key}={value}")]
        self.spawn([program("postgres"), "-D", self.data, *options])

    def sign_in_by(self, *lines):
        """What pg_hba.conf says before anything else, from now on."""
        file = self.data / "pg_hba.conf"
        file.write_text("".join(f"{line}\n" for line in lines) + file.read_text())
        wrong = self.sql("SELECT error FROM pg_hba_file_rules WHERE error IS NOT NULL")
        assert not wrong, wrong
        loaded = self.sql("SELECT pg_conf_load_time()")
        self.sql("SELECT pg_reload_conf()")
        until(lambda: self.sql("SELECT pg_conf_load_time()") != loaded)

    def kill(self):
        """Without a word to its clients' transactions; the next start goes through its log."""
        self.end(signal.SIGQUIT)


class Standby(Postgres):
    """Follows another, which then answers a COMMIT when both have it, until it is promoted."""

    name = "standby"

    def __init__(self, work, primary):
        super().__init__(work)
        self.primary = primary
        self.password = primary.password

    def _make(self):
        self.tool("pg_basebackup", "-d", self.primary.url(), "-D", self.data, "-R", "-N", "-c", "fast")

    def start(self):
        Server.start(self)
        self.primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.sql("SELECT pg_reload_conf()")
        self._wait_synchronous()
        return self

    def _wait_synchronous(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.primary.sql("SELECT sync_state FROM pg_stat_replication") != "sync":
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name} does not follow:\n{self.log[-2000:]}")
            time.sleep(0.05)

    def promote(self):
        """Until it takes writes."""
        self.sql("SELECT pg_promote()")


PGBOUNCER = """
[databases]
* = host=127.0.0.1 port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {work}/users
pool_mode = transaction
max_client_conn = 500
default_pool_size = 10
server_reset_query_always = 0
"""


class Pgbouncer(Server):
    """In transaction mode, before a PostgreSQL of its own."""

    name = "pgbouncer"

    def __init__(self, work):
        super().__init__(work)
        self.direct = Postgres(self.work / "postgresql")
        self.password = self.direct.password

    def _start(self):
        if self.direct.process is None:
            self.direct.start()
        config = PGBOUNCER.format(
            port=self.direct.port,
            user=USER,
            password=self.password,
            own_port=self.port,
            work=self.work,
        )
        for name, text in (("config", config), ("users", f'"{USER}" "{self.password}"\n')):
            path = self.work / name
            path.touch(mode=0o600)
            path.write_text(text)
            if own := self._as_user():
                os.chown(path, own["user"], own["group"])
        self.spawn(["/usr/sbin/pgbouncer", self.work / "config"])

    def stop(self):
        super().stop()
        self.direct.stop()

    def remove(self):
        self.end(signal.SIGTERM)
        if self.direct.work.exists():
            self.direct.remove()
        shutil.rmtree(self.work)

    def pids(self):
        return [*super().pids(), *self.direct.pids()]


SERVERS = {kind.name: kind for kind in (Postgres, Pgbouncer)}
