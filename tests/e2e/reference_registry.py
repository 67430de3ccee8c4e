"""The real reference registry: Debian's docker-registry, or version 3."""

import shutil
import socket
import subprocess
import time

from processes import DIES_WITH_US, free_port
from server import START_TIMEOUT_S

IN_BUCKET = """version: 0.1
log: {{level: warn}}
storage:
  s3:
    bucket: {bucket}
    rootdirectory: {prefix}
    region: {region}
    regionendpoint: {endpoint}
    forcepathstyle: true
    accesskey: {access_key}
    secretkey: {secret_key}
  delete: {{enabled: true}}
  redirect: {{disable: true}}
http:
  addr: 127.0.0.1:{port}
"""

PLAIN = """version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {root}}}
http:
  addr: 127.0.0.1:{port}
"""


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Theirs:
    """The real reference registry, on a file of its own port and directory. program: Debian's, when none
    is named; more: what the text has to be told."""

    def __init__(self, work, text, env=None, program=None, **more):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = work / "theirs.log"
        self.config_path = config = work / "theirs.yml"
        self.debug = free_port()
        config.write_text(
            text.format(
                port=self.port, debug=self.debug, root=work / "theirs", users=work / "users", work=work, **more
            )
        )
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*DIES_WITH_US, program or shutil.which("docker-registry"), "serve", str(config)],
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "none", **(env or {})},
            )

    def start(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log_path.read_text()
            if listens(self.port):
                return self
            time.sleep(0.01)
        raise AssertionError(self.log_path.read_text())

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
