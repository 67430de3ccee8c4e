"""Real S3 servers: MinIO, versitygw and Ceph's radosgw, each on a free port of loopback, with its state
in a directory of its own, and stopped by pid. Versions: go_programs.py, and Debian's.

    with Minio(work / "minio") as server:
        server.client().create_bucket(Bucket="b")

Where several tests share one, server_keeper.py starts it.
"""

import http.client
import os
import secrets
import shutil
import ssl
import subprocess
import time
import uuid
from pathlib import Path

from go_programs import go_program
from processes import DIES_WITH_US, NotReady, free_port, stop

START_TIMEOUT_S = 60
REGION = "us-east-1"
KMS_KEY = "testkey-1"  # the name that each server with SSE-KMS knows
KMS_SECRET = "YmluCmJvb3N0CmJvb3N0LWJ1aWxkCmNlcGguY29uZgo="


def environment(description, bucket):
    keys = ("name", "endpoint", "access_key", "secret_key", "region")
    named = {f"REGISTRY_TEST_S3_{key.upper()}": description[key] for key in keys}
    return {**named, "REGISTRY_TEST_S3_BUCKET": bucket}


class S3Server:
    """One server, of one process or several. Port, keys and content stay the same over restarts.

    certificate: a .pem with its key beside it in .key (certificates.py), for TLS.
    """

    name = ""
    host = "127.0.0.1"  # buckets as a part of the host's name are those of "localhost"

    def __init__(self, work, certificate=None):
        self.work = Path(work)
        self.work.mkdir(parents=True)
        self.certificate = certificate
        self.access_key = "test" + secrets.token_hex(8)
        self.secret_key = secrets.token_hex(20)
        self.port = free_port()
        self.processes = []

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def endpoint(self):
        return f"{'https' if self.certificate else 'http'}://{self.address}"

    @property
    def log(self):
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    @property
    def _log_path(self):
        return self.work / "server.log"

    def environment(self, bucket):
        """As the contract tests of the store (tests/contract) take it."""
        return environment(self.description(), bucket)

    def description(self):
        """What somebody else needs to use it."""
        return {
            "name": self.name,
            "endpoint": self.endpoint,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "region": REGION,
        }

    # Its life

    def start(self):
        """The first time, on another port when somebody else was quicker."""
        for _ in range(3):
            try:
                self._start()
                self._wait_ready()
                return self
            except NotReady:
                self.stop()
                if "address already in use" not in self.log.lower():
                    raise
            self.port = free_port()
        raise NotReady(f"{self.name}: no port is free:\n{self.log[-2000:]}")

    def _start(self):
        raise NotImplementedError

    def stop(self):
        """What it stored stays. The last process started is the first to end."""
        while self.processes:
            stop(self.processes.pop())

    def remove(self):
        """Ends it and forgets what it stored; so nothing has to be put in order before."""
        while self.processes:
            process = self.processes.pop()
            process.kill()
            process.wait()
        shutil.rmtree(self.work)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.remove()

    def spawn(self, command, **environment):
        with open(self._log_path, "ab") as log:
            process = subprocess.Popen(
                [*DIES_WITH_US, *(str(c) for c in command)],
                cwd=self.work,
                env={**os.environ, "HOME": str(self.work), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def _wait_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            self._check_running()
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name}: not ready after {START_TIMEOUT_S} s")
            time.sleep(0.02)
        self._check_running()  # so it was not somebody else who answered

    def _check_running(self):
        for process in self.processes:
            if process.poll() is not None:
                raise NotReady(f"{self.name}: {process.args[3]} ended:\n{self.log[-4000:]}")

    def _answers(self):
        """Whether it answers anything but that it is not there yet."""
        if self.certificate:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(self.address, timeout=5, context=context)
        else:
            connection = http.client.HTTPConnection(self.address, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def pids(self):
        return [p.pid for p in self.processes]


class Minio(S3Server):
    name = "minio"

    def _start(self):
        options = ["server", self.work / "data", "--address", self.address, "--quiet"]
        certificates = self.work / "certificates"
        certificates.mkdir(exist_ok=True)
        if self.certificate:
            shutil.copy(self.certificate, certificates / "public.crt")
            shutil.copy(Path(self.certificate).with_suffix(".key"), certificates / "private.key")
        self.spawn(
            [go_program("minio"), *options, "--certs-dir", certificates],
            MINIO_ROOT_USER=self.access_key,
            MINIO_ROOT_PASSWORD=self.secret_key,
            MINIO_KMS_SECRET_KEY=f"{KMS_KEY}:{KMS_SECRET}",
            MINIO_DOMAIN="localhost",
            MINIO_REGION=REGION,
            MINIO_BROWSER="off",
            MINIO_UPDATE="off",
            MINIO_CALLHOME_ENABLE="off",
        )


class Versitygw(S3Server):
    """Over plain files; with versioning when asked for."""

    name = "versitygw"

    def _start(self):
        data = self.work / "data"
        data.mkdir(exist_ok=True)
        options = ["--port", self.address, "--region", REGION, "--virtual-domain", "localhost"]
        if self.certificate:
            key = Path(self.certificate).with_suffix(".key")
            options += ["--cert", self.certificate, "--key", key]
        self.spawn(
            [go_program("versitygw"), *options, "posix", data],
            ROOT_ACCESS_KEY=self.access_key,
            ROOT_SECRET_KEY=self.secret_key,
        )


CEPH_CONF = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor_port}
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
# with authentication "none" these three are needed, else radosgw waits for ever
ms mon client mode = crc
ms mon service mode = crc
ms mon cluster mode = crc
ms bind ipv6 = false
ms bind port min = 16800
ms bind port max = 16900
admin socket = {work}/run/$name.asok
pid file = {work}/run/$name.pid
log file = {work}/log/$name.log
crash dir = {work}/crash
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 4096
paxos propose interval = 0.02
[mon]
mon data = {work}/mon
mon data avail crit = 1
[osd]
osd data = {work}/osd
{objectstore}
osd class load list = *
osd class default list = *
[client.rgw]
rgw data = {work}/rgw
rgw frontends = {frontend}
rgw dns name = localhost
rgw run sync thread = false
rgw s3 auth use sts = true
rgw sts key = abcdefghijklmnop
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = {kms_key}={kms_secret}
"""

OBJECTSTORES = {  # content in memory, of which it takes 1.4 times as much; or in a file
    "memstore": "osd objectstore = memstore\nmemstore device bytes = 8589934592",
    "bluestore": "osd objectstore = bluestore\nbluestore block size = 21474836480",
}


class Radosgw(S3Server):
    """A Ceph of one monitor and one OSD, with radosgw before it."""

    name = "ceph"

    def __init__(self, work, certificate=None, objectstore="memstore"):
        super().__init__(work, certificate)
        self.objectstore = objectstore
        self.config = self.work / "ceph.conf"
        self.monitor_port = free_port()
        self.fsid = str(uuid.uuid4())
        for name in ("mon", "osd", "run", "log", "rgw", "crash"):
            (self.work / name).mkdir()

    def _start(self):
        for program in ("ceph-mon", "ceph-osd", "radosgw", "ceph"):
            if shutil.which(program) is None:
                raise NotReady(f"{program} is not installed (scripts/deps test)")
        self._write_config()
        new = not (self.work / "mon" / "store.db").exists()
        if new:
            self._make_monitor()
        self.daemon("ceph-mon", "-i", "a")
        if new:
            self._make_osd()
        self.daemon("ceph-osd", "-i", "0")
        if new:
            keys = [f"--access-key={self.access_key}", f"--secret-key={self.secret_key}"]
            self.admin("user", "create", "--uid=test", "--display-name=test", "--caps=roles=*", *keys)
        self.daemon("radosgw", "-n", "client.rgw")

    def _write_config(self):
        where = f"endpoint={self.address} tcp_nodelay=1"
        if self.certificate:
            key = Path(self.certificate).with_suffix(".key")
            where = f"ssl_{where} ssl_certificate={self.certificate} ssl_private_key={key}"
        text = CEPH_CONF.format(
            fsid=self.fsid,
            monitor_port=self.monitor_port,
            work=self.work,
            objectstore=OBJECTSTORES[self.objectstore],
            frontend=f"beast {where}",
            kms_key=KMS_KEY,
            kms_secret=KMS_SECRET,
        )
        self.config.write_text(text)

    def _make_monitor(self):
        monitor = f"[v2:127.0.0.1:{self.monitor_port}]"
        map_path = self.work / "monmap"
        self.tool("monmaptool", "--create", "--fsid", self.fsid, "--addv", "a", monitor, map_path)
        self.tool("ceph-mon", "-c", self.config, "-i", "a", "--mkfs", "--monmap", map_path)

    def _make_osd(self):
        osd = str(uuid.uuid4())
        ceph = ("ceph", "-c", self.config, "--connect-timeout", str(START_TIMEOUT_S))
        self.tool(*ceph, "osd", "new", osd)
        self.tool("ceph-osd", "-c", self.config, "-i", "0", "--osd-uuid", osd, "--mkfs")
        self.tool(*ceph, "osd", "crush", "add", "osd.0", "1.0", "root=default")

    def daemon(self, program, *arguments):
        self.spawn([program, "-c", self.config, "-f", *arguments])

    def admin(self, *arguments):
        """What radosgw-admin says (quotas, users, ...)."""
        return self.tool("radosgw-admin", "-c", self.config, "-n", "client.rgw", *arguments)

    def tool(self, *command):
        command = [str(c) for c in command]
        done = subprocess.run(
            command, cwd=self.work, capture_output=True, text=True, timeout=START_TIMEOUT_S
        )
        if done.returncode:
            raise NotReady(f"{' '.join(command)}: {done.stdout}{done.stderr}\n{self.log[-2000:]}")
        return done.stdout


SERVERS = {kind.name: kind for kind in (Minio, Radosgw, Versitygw)}
