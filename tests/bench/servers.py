"""The servers that are compared: each starts on a free port of 127.0.0.1 (or its `host`) with its
state below a directory of its own, and is stopped by pid."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import credentials


class BenchError(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server process. `content` is where its data lives; `fresh()` empties it."""

    name = ""
    host = "127.0.0.1"
    environment = {}  # what it wants set
    can_push = True
    repositories = ("bench", "many")  # that a token is good for

    def __init__(self, base, program):
        self.program = program
        self.sign_in = None  # or "password", "token"
        self.credentials = {}  # header lines that every request needs
        self.dir = os.path.join(base, self.name)
        self.content = os.path.join(self.dir, "content")
        self.port = 0
        self.process = None
        os.makedirs(self.content)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def url(self, path):
        return f"http://{self.address}{path}"

    def path(self, name):
        return os.path.join(self.dir, name)

    def command(self):
        """Writes what configuration it needs and returns the command line."""
        raise NotImplementedError

    def start(self):
        """Starts it; returns the seconds from exec to the first answer of /v2/."""
        self.port = free_port()
        if self.sign_in:
            credentials.write_htpasswd(self.path("htpasswd"))
            self.issuer = credentials.Issuer(self.path("issuer.pem"))
        command = self.command()
        with open(self.path("log"), "ab") as log:
            begin = time.monotonic()
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
            )
        while time.monotonic() - begin < 60:
            if self.process.poll() is not None:
                break
            if self.answers():
                seconds = time.monotonic() - begin
                self.authorize()
                return seconds
            time.sleep(0.0005)
        status = self.process.poll()
        self.stop()
        raise BenchError(f"{self.name} did not start (status {status}): {self.log_end()}")

    def log_end(self):
        with open(self.path("log"), errors="replace") as log:
            return log.read()[-2000:].strip()

    def answers(self):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status in (200, 401)
        except OSError:
            return False
        finally:
            connection.close()

    def authorize(self):
        self.credentials = {}
        if self.sign_in == "password":
            self.credentials["Authorization"] = credentials.basic()
        elif self.sign_in == "token":
            self.credentials["Authorization"] = f"Bearer {self.token()}"

    def token(self):
        return self.issuer.token(*self.repositories)

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def fresh(self):
        """Stops it and forgets all it stored."""
        self.stop()
        shutil.rmtree(self.content)
        os.makedirs(self.content)

    def pids(self):
        """The process and its children."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [pid] + [int(child) for child in f.read().split()]


class Registry(Server):
    name = "registry"

    def __init__(self, base, program):
        super().__init__(base, program)
        self.access_log = False
        self.fsync = True

    def command(self):
        config = self.path("config.yaml")
        with open(config, "w") as f:
            f.write(
                f"""http:
  listen: ["{self.address}"]
storage:
  filesystem:
    root: {self.content}
    fsync: {str(self.fsync).lower()}
log:
  level: {"info" if self.access_log else "error"}
  access: {str(self.access_log).lower()}
  file: {self.path("registry.log")}
{self.more()}"""
            )
        return [self.program, "serve", "--config", config]

    def more(self):
        """Further lines of the configuration."""
        if not self.sign_in:
            return "auth: {mode: none}\n"
        return f"auth:\n  htpasswd: {{file: {self.path('htpasswd')}}}\n  token: {{lifetime: 1h}}\n"

    def token(self):
        """One of its own token service."""
        scopes = "&".join(f"scope=repository:{name}:pull,push" for name in self.repositories)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            headers = {"Authorization": credentials.basic()}
            connection.request("GET", f"/auth/token?{scopes}", headers=headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise BenchError(f"no token: {answer.status} {text[:300]!r}")
        return json.loads(text)["token"]


class GuardedRegistry(Registry):
    """The same, to stand beside it with authentication on."""

    name = "registry-guarded"

    def __init__(self, base, program):
        super().__init__(base, program)
        self.sign_in = "token"


class DockerRegistry(Server):
    name = "docker-registry"
    layout = "docker"

    def command(self):
        config = self.path("config.yml")
        with open(config, "w") as f:
            f.write(
                f"""version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: {self.content}
  delete:
    enabled: true
http:
  addr: {self.address}
  secret: benchmark
{self.more()}"""
            )
        return [self.program, "serve", config]

    def more(self):
        if self.sign_in == "password":
            return f"auth:\n  htpasswd: {{realm: bench, path: {self.path('htpasswd')}}}\n"
        if self.sign_in == "token":
            return f"""auth:
  token:
    realm: {credentials.REALM}
    service: {credentials.SERVICE}
    issuer: {credentials.ISSUER}
    rootcertbundle: {self.issuer.path}
"""
        return ""


class Distribution(DockerRegistry):
    """Version 3 of the same."""

    name = "distribution"
    environment = {"OTEL_TRACES_EXPORTER": "none"}  # else it looks for a collector


class Zot(Server):
    """With `commit`, which makes it sync what it stores; without the collector of garbage."""

    name = "zot"
    layout = "oci"

    def command(self):
        config = self.path("config.json")
        http_part = {"address": self.host, "port": str(self.port)}
        if self.sign_in == "password":
            http_part["auth"] = {"htpasswd": {"path": self.path("htpasswd")}}
        elif self.sign_in == "token":
            bearer = {
                "realm": credentials.REALM,
                "service": credentials.SERVICE,
                "cert": self.issuer.path,
            }
            http_part["auth"] = {"bearer": bearer}
        with open(config, "w") as f:
            json.dump(
                {
                    "distSpecVersion": "1.1.1",
                    "storage": {"rootDirectory": self.content, "commit": True, "gc": False},
                    "http": http_part,
                    "log": {"level": "error"},
                },
                f,
            )
        return [self.program, "serve", config]


class Nginx(Server):
    """Static files with the headers a registry answers with. open_file_cache is on: without it
    nginx opens the file again for every request and is slower."""

    name = "nginx"
    can_push = False

    def __init__(self, base, program):
        super().__init__(base, program)
        self.access_log = False
        self.manifest_digest = ""

    def command(self):
        config = self.path("nginx.conf")
        access_log = self.path("access.log") if self.access_log else "off"
        temp = "\n".join(
            f"  {kind}_temp_path {self.path('temp')};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        with open(config, "w") as f:
            f.write(
                f"""{"user root;" if os.geteuid() == 0 else ""}
daemon off;
worker_processes auto;
pid {self.path("pid")};
error_log {self.path("error.log")} error;
events {{ worker_connections 20000; }}
http {{
  access_log {access_log};
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  open_file_cache max=1000 inactive=1h;
  default_type application/octet-stream;
  types {{ }}
{temp}
  server {{
    listen {self.address} backlog=4096;
    root {self.content};
    add_header X-Content-Type-Options nosniff;
    location = /v2/ {{ return 200 "{{}}"; }}
    location ~ /manifests/ {{
      default_type application/vnd.oci.image.manifest.v1+json;
      add_header Docker-Content-Digest {self.manifest_digest or "none"};
      add_header Docker-Distribution-Api-Version registry/2.0;
      add_header X-Content-Type-Options nosniff;
    }}
  }}
}}
"""
            )
        return [self.program, "-p", self.dir, "-e", self.path("error.log"), "-c", config]


class Yardstick(Server):
    """The bare receive, hash and write loop of yardstick.c."""

    name = "yardstick"

    def __init__(self, base, program):
        super().__init__(base, program)
        self.fsync = True

    def start(self):
        command = [self.program] + (["-f"] if self.fsync else []) + [self.content]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self.process.stdout.readline())

    def stop(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
        super().stop()
