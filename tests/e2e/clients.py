"""The real clients: docker with an engine of its own, containerd, podman, buildah and skopeo.

Each keeps its state in a temporary directory, so that nothing of the machine's is used or changed.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from processes import DIES_WITH_US
from waiting import until

CLIENT_TIMEOUT_S = 300


class ClientFailed(AssertionError):
    def __init__(self, command, result):
        self.output = result.stdout
        super().__init__(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}")


def run(command, check=True, timeout=CLIENT_TIMEOUT_S, **more):
    """Runs a command to its end; returns what it wrote (both streams in one)."""
    command = [str(c) for c in command]
    result = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        **more,
    )
    if check and result.returncode != 0:
        raise ClientFailed(command, result)
    return result.stdout


class Docker:
    """A Docker engine and its command line. Registries on 127.0.0.1 need no TLS.

    etc is what it finds as /etc/docker (certs.d); nobody else sees it there. Another engine than Debian's, of which the
    command line is taken all the same, is a program, with options.
    """

    def __init__(self, work, etc=None, program="dockerd", options=()):
        self.work = Path(work)
        self.etc = etc
        self.program = [program, *options]
        self.socket = f"unix://{self.work}/docker.sock"
        self.log_path = self.work / "dockerd.log"
        self.process = None

    def start(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [
                    *DIES_WITH_US,
                    *self._with_etc(),
                    *self.program,
                    f"--data-root={self.work}/data",
                    f"--exec-root={self.work}/exec",
                    f"--pidfile={self.work}/dockerd.pid",
                    f"--host={self.socket}",
                    "--iptables=false",
                    "--ip-forward=false",
                    "--bridge=none",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "DOCKER_MIN_API_VERSION": "1.41"},  # of Debian's command line
            )
        deadline = time.monotonic() + 60
        while subprocess.run(
            ["docker", "-H", self.socket, "version"], capture_output=True, check=False
        ).returncode:
            text = self.log_path.read_text(errors="replace")[-4000:]
            assert self.process.poll() is None, f"dockerd ended:\n{text}"
            assert time.monotonic() < deadline, f"dockerd is not ready after 60 s:\n{text}"
            time.sleep(0.1)
        return self

    def _with_etc(self):
        if not self.etc:
            return []
        os.makedirs("/etc/docker", exist_ok=True)
        mount = 'mount --bind "$0" /etc/docker && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", mount, str(self.etc)]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __call__(self, *args, **more):
        # A home of its own: ~/.docker must neither be read nor written.
        environment = {**os.environ, "HOME": str(self.work), "DOCKER_CLI_EXPERIMENTAL": "enabled"}
        return run(["docker", "-H", self.socket, *args], env=environment, **more)

    def import_tar(self, tar, name):
        """An image of one layer from a tar archive's bytes or path."""
        path = tar
        if isinstance(tar, bytes):
            path = self.work / "import.tar"
            path.write_bytes(tar)
        return self("import", "--change", 'CMD ["/hello"]', path, name).strip()

    def build(self, directory, name):
        """An image from the Dockerfile in directory, layer by layer."""
        environment_free = ["--network=none", "--force-rm"]
        return self("build", *environment_free, "-t", name, directory)

    def remove(self, *names):
        return self("image", "rm", "-f", *names)

    def layers(self, name):
        """The digests of the uncompressed layers, lowest first."""
        return json.loads(self("image", "inspect", name))[0]["RootFS"]["Layers"]

    def image_id(self, name):
        return json.loads(self("image", "inspect", name))[0]["Id"]


class Containerd:
    """containerd, with ctr and ctr-remote (of the stargz snapshotter) to ask it. It unpacks with its native snapshotter,
    which needs nothing of the file system below it. Another version than Debian's is named by its programs."""

    def __init__(self, work, containerd="containerd", ctr="ctr"):
        self.work = Path(work)
        self.containerd, self.ctr = containerd, ctr
        self.socket = self.work / "containerd.sock"
        self.root = self.work / "containerd"
        self.process = None

    def start(self):
        config = self.work / "containerd.toml"
        config.write_text(
            f'version = 2\nroot = "{self.root}"\nstate = "{self.work}/containerd-state"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{self.socket}"\n'
            # What containerd 2 itself pulls and imports; it does so unless it is told not to.
            '[[plugins."io.containerd.transfer.v1.local".unpack_config]]\n'
            'platform = "linux/amd64"\nsnapshotter = "native"\n'
        )
        with open(self.work / "containerd.log", "wb") as log:
            self.process = subprocess.Popen([*DIES_WITH_US, self.containerd, "-c", config], stdout=log, stderr=log)
        until(self.socket.exists)
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def __call__(self, *args, program=None, **more):
        return run([program or self.ctr, "-a", self.socket, *args], **more)

    def pull(self, name):
        self("images", "pull", "--plain-http", "--snapshotter", "native", name)

    def load(self, path):
        self("images", "import", "--snapshotter", "native", path)

    def files(self):
        """{path: contents} of all that was unpacked, of whatever image."""
        snapshots = self.root / "io.containerd.snapshotter.v1.native" / "snapshots"
        return {str(p.relative_to(s)): p.read_bytes() for s in snapshots.iterdir() for p in s.rglob("*") if p.is_file()}


class Containers:
    """podman, buildah and skopeo over one private store."""

    def __init__(self, work):
        self.work = Path(work)
        self.root = self.work / "storage"
        self.runroot = self.work / "run"
        config = self.work / "home" / ".config" / "containers"
        config.mkdir(parents=True)
        (config / "policy.json").write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
        (config / "registries.conf").write_text("unqualified-search-registries = []\n")
        self.policy = config / "policy.json"
        self.environment = {
            **os.environ,
            "HOME": str(self.work / "home"),
            "XDG_CONFIG_HOME": str(self.work / "home" / ".config"),
            "XDG_RUNTIME_DIR": str(self.work),
            "CONTAINERS_REGISTRIES_CONF": str(config / "registries.conf"),
            "TMPDIR": str(self.work),
            "BUILDAH_ISOLATION": "chroot",
        }
        self.store = ["--root", self.root, "--runroot", self.runroot, "--storage-driver", "vfs"]
        # Its own directory for what is running: the usual one is of the machine.
        self.podman_options = [*self.store, "--cgroup-manager=cgroupfs", "--tmpdir", self.work / "libpod"]

    def _run(self, *command, **more):
        return run(command, env=self.environment, cwd=self.work, **more)

    def podman(self, command, *args, **more):
        insecure = ["--tls-verify=false"] if command in ("pull", "push") else []
        return self._run("podman", *self.podman_options, command, *insecure, *args, **more)

    def podman_tls(self, *args, **more):
        """podman over TLS that it verifies."""
        return self._run("podman", *self.podman_options, *args, **more)

    def buildah(self, command, *args, **more):
        insecure = ["--tls-verify=false"] if command in ("pull", "push", "from") else []
        return self._run("buildah", *self.store, command, *insecure, *args, **more)

    def skopeo(self, command, *args, **more):
        insecure = {
            "copy": ["--src-tls-verify=false", "--dest-tls-verify=false"],
            "sync": ["--src-tls-verify=false", "--dest-tls-verify=false"],
        }.get(command, ["--tls-verify=false"])
        return self._run("skopeo", "--policy", self.policy, command, *insecure, *args, **more)

    def skopeo_tls(self, *args, **more):
        """skopeo over TLS that it verifies."""
        return self._run("skopeo", "--policy", self.policy, *args, **more)

    def remove(self):
        # vfs layers may hold directories without write permission.
        self.podman("system", "reset", "--force", check=False)
        shutil.rmtree(self.work, ignore_errors=True)
