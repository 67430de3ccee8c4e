"""docs/operate.md, "Recovery": its commands, as they stand there, after what they are for has happened."""

import os
import re
import shutil
import signal
import subprocess

import pytest

import disks
from content import command, snapshot
from helpers import Client, digest_of, image, random_bytes
from postgres_databases import Database
from processes import free_port
from server import TOP
from waiting import until

PAGE = (TOP / "docs" / "operate.md").read_text().partition("\n## Recovery\n")[2].partition("\n## ")[0]
needs_disk = pytest.mark.skipif(disks.why_not() is not None, reason=str(disks.why_not()))


def blocks(heading):
    """The commands below the heading, one text for each block."""
    part = PAGE.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    assert part, heading
    return re.findall(r"^```shell\n(.*?)^```$", part, re.M | re.S)


class Host:
    """Where the page's paths and names are what a test has made, and its commands run."""

    def __init__(self, work, binary):
        self.work = work
        self.names = {"/backups": f"{work}/backups"}
        self.started = []
        (work / "bin").mkdir()
        (work / "bin" / "registry").symlink_to(binary)

    def of(self, registry):
        """The page speaks of this one."""
        registry.write_config()
        self.names |= {
            "/etc/registry/registry.yaml": str(registry.config_path),
            "/var/lib/registry": str(registry.root),
            "localhost:5000": registry.address,
        }

    def run(self, block, status=0):
        """The output of a block of the page."""
        script = PAGE.partition("```shell\n")[2].partition("```")[0] + block
        for name, ours in sorted(self.names.items(), key=lambda row: -len(row[0])):
            script = script.replace(name, ours)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
        environment["PATH"] = f"{self.work}/bin:{environment['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            capture_output=True, text=True, timeout=300, check=False, env=environment, cwd=self.work,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def host(work, registry_binary):
    return Host(work, registry_binary)


def push(registry, tag, seed=None):
    with Client(registry.url) as client:
        client.push_image("dev/app", image(seed=seed or tag), tag)
        return snapshot(client)


def served(registry):
    with Client(registry.url) as client:
        return snapshot(client)


def back_up(host, registry):
    host.of(registry)
    command(registry, "backup", host.names["/backups"])


def settle(registry):
    """The store has all tags."""
    until(lambda: "all is well" in command(registry, "check"))


@pytest.fixture
def registry(new_registry):
    return new_registry(config={"check": {"settle": "500ms"}}).start()


@pytest.fixture
def saved(host, registry):
    """A registry of which there is a backup; v2 has been pushed since."""
    push(registry, "v1")
    back_up(host, registry)
    push(registry, "v2")
    settle(registry)
    return registry


def test_a_lost_database(host, saved):
    before = served(saved)
    saved.stop()
    with_backup, without = blocks("The database is lost or damaged")
    for block in (with_backup, without):
        assert "all is well" in host.run(block)
        saved.start()
        assert served(saved) == before
        saved.stop()
        shutil.rmtree(f"{saved.root}-lost")


def test_a_lost_disk(host, saved):
    saved.stop()
    shutil.rmtree(saved.root)
    saved.root.mkdir()
    [block] = blocks("The disk is lost")
    assert "all is well" in host.run(block)
    saved.start()
    assert list(served(saved)["dev/app"]) == ["v1"]
    push(saved, "v2")


@pytest.fixture
def database(s3_servers, afterwards):
    """A function that makes a database."""

    def make():
        made = Database(s3_servers("postgresql"))
        afterwards.callback(made.remove)
        return made.section()

    return make


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
def test_a_lost_bucket(host, new_registry, bucket, database):
    def over(prefix):
        return new_registry(config={"storage": bucket.section(prefix=prefix), "metadata": database()})

    lost = over("lost/").start()
    before = push(lost, "v1")
    back_up(host, lost)
    lost.stop()
    bucket.remove()
    new = over("new/")
    new.write_config()
    host.names["/etc/registry/new.yaml"] = str(new.config_path)
    [block] = blocks("The bucket is lost")
    assert "all is well" in host.run(block)
    assert served(new.start()) == before


def test_a_damaged_blob(host, saved):
    repair, again = blocks("A blob is damaged")
    digest = next(iter(image(seed="v1").blobs))
    [file] = saved.root.glob(f"repositories/*/*/blobs/{digest}")
    file.write_bytes(bytes(file.stat().st_size))
    printed = host.run(repair, status=1)
    assert "image-incomplete" in printed and "repaired" in printed
    with Client(saved.url) as client:
        client.request("GET", f"/v2/dev/app/blobs/{digest}", 404)
    push(saved, "v1")
    assert "all is well" in host.run(again)


@needs_disk
def test_a_full_disk(host, work, new_registry):
    disk = disks.Disk(work, 64).mount()
    try:
        config = {"maintenance": {"interval": "100ms"}, "check": {"min_free": "1m"}}
        registry = new_registry(root=disk.path / "registry", config=config).start()
        before = push(registry, "v1")
        large = random_bytes(16_000_000, "old")
        with Client(registry.url) as client:
            client.push_image("old/app", image(seed="old", layers=1, layer_size=20_000_000), "v1")
            filler = disk.fill(leave=5_000_000)
            client.finish(client.start_upload("dev/app"), digest_of(large), large, expect=507)
            registry.config["gc"] = {"grace": "0s"}
            host.of(registry)
            registry.process.send_signal(signal.SIGHUP)
            [block] = blocks("The disk is full")
            host.run(block)
            assert filler.exists()
            until(lambda: shutil.disk_usage(disk.path).free > 18_000_000)
            assert snapshot(client) == before
            client.push_blob("dev/app", large)
        registry.stop()
    finally:
        disk.remove()


def test_something_deleted_by_mistake(host, saved):
    rollback, restore, copy = blocks("Something was deleted by mistake")
    with Client(saved.url) as client:
        before = snapshot(client)
        client.request("DELETE", "/v2/dev/app/manifests/v1", 202)
        host.run(rollback)
        assert snapshot(client) == before
        push(saved, "v2", seed="another")
        back_up(host, saved)
        before = snapshot(client)
        client.delete_manifest("dev/app", image(seed="another").digest)
        host.names |= {
            "/etc/registry/restored.yaml": f"{host.work}/restored.yaml",
            "/var/lib/restored": f"{host.work}/restored",
            "localhost:5001": f"localhost:{free_port()}",
            " &\n": " >serve.log 2>&1 & echo serves as $!\n",
        }
        pid = int(re.search(r"serves as (\d+)", host.run(restore))[1])
        try:
            until(lambda: "listening" in (host.work / "serve.log").read_text())
            host.run(copy)
        finally:
            os.kill(pid, signal.SIGTERM)
        assert snapshot(client) == before
