"""Docker 29 (moby 2.0.0-beta.24, built first, so with --long) beside Debian's 20.10: with the image store of containerd, as it
comes, where the id of an image is the digest of its manifest, and with its own store, where it is that of the config."""

import json
import subprocess

import pytest

from clients import Docker
from go_programs import go_program
from helpers import image, index

pytestmark = pytest.mark.long

IMAGE = image(seed="docker 29", layers=3)
STORES = {"containerd": [], "own": ["--storage-driver=vfs"]}


class Engine(Docker):
    def __init__(self, work, store):
        features = work / "features.json"
        features.write_text(json.dumps({"features": {"containerd-snapshotter": store == "containerd"}}))
        super().__init__(work, program=go_program("dockerd"), options=[f"--config-file={features}", *STORES[store]])
        self.store = store

    def id_of(self, made):
        """What an image of the registry is called here."""
        return made.digest if self.store == "containerd" else made.document["config"]["digest"]

    def is_kept(self):
        """Whether manifests are kept, and not made anew."""
        return self.store == "containerd"


@pytest.fixture(params=STORES)
def engine(work, request):
    made = Engine(work, request.param).start()
    yield made
    made.stop()


def send(registry, engine, name, query=""):
    """docker save | gzip | curl, as in docs/upload.md."""
    script = 'docker -H "$0" save "$1" | gzip | curl -sS --fail-with-body -T - "$2"'
    where = f"{registry.url}/upload-image?{query}"
    command = ["bash", "-euo", "pipefail", "-c", script, engine.socket, name, where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["images"]


@pytest.fixture
def source(registry, client):
    client.push_image("from/app", IMAGE, "v1")
    return f"{registry.address}/from/app:v1"


def test_what_it_pulls_and_saves_comes_back(registry, client, engine, source):
    engine("pull", source)
    assert engine.image_id(source) == engine.id_of(IMAGE)
    (stored,) = send(registry, engine, source, "repository=to/app&tag=v1")
    assert stored["config"] == IMAGE.document["config"]["digest"]
    assert (stored["digest"] == IMAGE.digest) == engine.is_kept()


def test_an_image_that_it_saved_has_its_id_when_it_is_pulled(registry, engine, source):
    engine("pull", source)
    (stored,) = send(registry, engine, source, "repository=to/app&tag=v1")
    engine.remove(source)
    engine("pull", f"{registry.address}/to/app:v1")
    assert engine.image_id(f"{registry.address}/to/app:v1") == engine.id_of(IMAGE)


def test_its_names_lead_where_they_say(registry, client, engine, source):
    engine("pull", source)
    engine("tag", source, "team/app:v2")
    (stored,) = send(registry, engine, "team/app:v2")
    assert (stored["repository"], stored["tags"]) == ("team/app", ["v2"])


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
def test_it_pulls_layers_as_they_were_packed(new_registry, engine, source, compress):
    engine("pull", source)
    registry = new_registry(config={"upload": {"compress": compress}}).start()
    send(registry, engine, source, "repository=to/app&tag=v1")
    engine.remove(source)
    engine("pull", f"{registry.address}/to/app:v1")
    assert engine.layers(f"{registry.address}/to/app:v1") == diff_ids()


def diff_ids():
    return json.loads(IMAGE.blobs[IMAGE.document["config"]["digest"]])["rootfs"]["diff_ids"]


def test_it_loads_archives_of_the_registry(client, work, engine, source):
    (work / "image.tar").write_bytes(client.request("GET", "/api/v1/archive/from/app:v1").content)
    assert "Loaded image: from/app:v1" in engine("load", "-i", work / "image.tar")
    assert engine.image_id("from/app:v1") == engine.id_of(IMAGE)


def test_of_an_index_of_which_it_has_one_platform_that_one_comes_back(registry, client, engine):
    ours, other = image(seed="a"), image(seed="b", architecture="arm64")
    client.push_image("from/multi", index([ours, other]), "v1")
    name = f"{registry.address}/from/multi:v1"
    engine("pull", name)
    (stored,) = send(registry, engine, name, "repository=to/multi&tag=v1")
    assert stored["platform"] == "linux/amd64" and stored["config"] == ours.document["config"]["digest"]
    assert (stored["digest"] == ours.digest) == engine.is_kept()
