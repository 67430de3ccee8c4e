"""The clients that people have: docker, containerd and skopeo, each with a state of its own below a
directory, gone when they are stopped."""

import os
import shutil
import signal
import subprocess
import time

from programs import Missing
from servers import BenchError
from tools import run


def need(*programs):
    """What this machine lacks is said, and the client left out."""
    if os.geteuid() != 0:
        raise Missing("needs root")
    for program in programs:
        if not shutil.which(program):
            raise Missing(f"no {program} is installed")


class Daemon:
    """A process that answers a command once it is ready."""

    def __init__(self, directory, command, ready):
        self.log_path = os.path.join(directory, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while subprocess.run(ready, capture_output=True, check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                with open(self.log_path, errors="replace") as log:
                    raise BenchError(f"{command[0]} is not ready: {log.read()[-1000:]}")
            time.sleep(0.1)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Docker:
    title = "docker pull"

    def __init__(self, directory):
        need("docker", "dockerd")
        self.dir = directory

    def start(self):
        socket = f"unix://{self.dir}/docker.sock"
        places = [f"--data-root={self.dir}/data", f"--exec-root={self.dir}/exec"]
        places += [f"--pidfile={self.dir}/pid", f"--host={socket}"]
        network = ["--iptables=false", "--ip-forward=false", "--bridge=none"]
        self.docker = ["docker", "-H", socket]
        self.daemon = Daemon(self.dir, ["dockerd", *places, *network], [*self.docker, "version"])

    def pull(self, image):
        run([*self.docker, "pull", "--quiet", image])

    def remove(self, image):
        run([*self.docker, "image", "rm", "--force", image])

    def stop(self):
        self.daemon.stop()


class Containerd:
    title = "containerd (ctr image pull)"

    def __init__(self, directory):
        need("containerd", "ctr")
        self.dir = directory

    def start(self):
        config = os.path.join(self.dir, "config.toml")
        with open(config, "w") as f:
            f.write(
                f"""version = 2
root = "{self.dir}/root"
state = "{self.dir}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{self.dir}/sock"
"""
            )
        self.ctr = ["ctr", "--address", f"{self.dir}/sock"]
        command = ["containerd", "--config", config]
        self.daemon = Daemon(self.dir, command, [*self.ctr, "version"])

    def pull(self, image):
        run([*self.ctr, "image", "pull", "--plain-http", image])

    def remove(self, image):
        run([*self.ctr, "image", "rm", "--sync", image])

    def stop(self):
        self.daemon.stop()


class Skopeo:
    title = "skopeo copy to a directory"

    def __init__(self, directory):
        need("skopeo")
        self.dir = directory
        self.target = os.path.join(directory, "image")

    def start(self):
        pass

    def pull(self, image):
        options = ["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false"]
        run(["skopeo", *options, f"docker://{image}", f"dir:{self.target}"])

    def remove(self, _image):
        shutil.rmtree(self.target)

    def stop(self):
        pass


ENGINES = (Docker, Containerd, Skopeo)
