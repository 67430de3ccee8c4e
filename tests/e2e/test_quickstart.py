"""scripts/quickstart in a fresh copy of the checkout, then docker push and pull."""

import os
import signal
import subprocess

import pytest

from helpers import Client, image, random_bytes, tar_layer
from processes import DIES_WITH_US, free_port
from server import TOP
from waiting import until


@pytest.fixture
def checkout(work):
    """The tracked files as they are now, without any build directory."""
    copy = work / "checkout"
    copy.mkdir()
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    subprocess.run(
        ["tar", "--null", "--ignore-failed-read", "-T-", "-cf", copy / "all.tar"],
        cwd=TOP,
        input=files,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    subprocess.run(["tar", "-xf", "all.tar"], cwd=copy, check=True)
    return copy


def environment_for(address):
    """Ours, without what is for the tests: a REGISTRY_ variable that is no key is an error."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
    return {**kept, "REGISTRY_HTTP_LISTEN": address}


class Quickstart:
    """A run of scripts/quickstart, with what it said."""

    def __init__(self, checkout, address):
        self.output = checkout.parent / f"quickstart-{os.urandom(4).hex()}.txt"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [*DIES_WITH_US, "scripts/quickstart"],
                cwd=checkout,
                env=environment_for(address),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def said(self, words):
        text = self.output.read_text(errors="replace")
        assert self.process.poll() is None or words in text, text
        return words in text

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture
def quickstart(checkout):
    """Runs the script; what still runs after the test is ended."""
    runs = []

    def run(address):
        runs.append(Quickstart(checkout, address))
        return runs[-1]

    yield run
    for r in runs:
        if r.process.poll() is None:
            r.process.kill()
            r.process.wait()


def test_quickstart_serves_docker(checkout, quickstart, docker):
    address = f"127.0.0.1:{free_port()}"
    first = quickstart(address)
    until(lambda: first.said(f"docker push {address}/"), timeout=300)
    assert (checkout / "build" / "registry").stat().st_size < 7 << 19  # README.md says how large

    name = f"{address}/hello"
    docker.import_tar(tar_layer({"hello": random_bytes(10_000)}), name)
    identity = docker.image_id(name)
    docker("push", name)
    docker.remove(name)
    docker("pull", name)
    assert docker.image_id(name) == identity
    docker.remove(name)
    assert (checkout / "data" / "registry" / "repositories" / "hello").is_dir()

    # A second one finds the port taken, says so, and leaves the first alone.
    second = quickstart(address)
    assert second.process.wait(60) == 1
    assert f"listens on {address} already" in second.output.read_text()
    assert first.stop() == 0

    # Run again, it is there at once with what it had.
    third = quickstart(address)
    until(lambda: third.said(f"docker push {address}/"), timeout=60)
    with Client(f"http://{address}") as client:
        assert client.catalog() == ["hello"]
        client.push_image("more", image(), "latest")
    assert third.stop() == 0
