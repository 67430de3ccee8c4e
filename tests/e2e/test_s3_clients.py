"""The real clients, with content in a bucket: plainly, with the cache on disk before it, and sent to the
bucket itself for blobs. What is pushed lies there and comes back byte by byte."""

import json
import tarfile

import pytest

from helpers import MIB, Image, digest_of, image_of_layers, random_bytes, tar_layer, write_oci_layout
from waiting import until

LARGE = 17 * MIB  # over one part
SIZES = (LARGE, 300_000, 1000)

MODES = {
    "plain": {},
    "cached": {"cache": {"disk_size_gb": 1}},
    "redirected": {"s3": {"redirect": {"enabled": True, "min_size": 1}}},
}
TOLD = {"cached": "Cache HIT for layer", "redirected": '"status":307'}  # in the log


def matrix():
    """Always on MinIO, where something is between client and bucket; the rest with --long."""
    for server in ("minio", "ceph"):
        for mode in MODES:
            short = server == "minio" and mode != "plain"
            yield pytest.param(server, mode, marks=[] if short else pytest.mark.long)


pytestmark = pytest.mark.parametrize("bucket, mode", list(matrix()), indirect=["bucket"])


@pytest.fixture
def registry(new_registry, bucket, mode, work):
    section = bucket.section(**MODES[mode].get("s3", {}))
    if mode == "cached":
        section["cache"] = {**MODES[mode]["cache"], "disk_path": str(work / "cache")}
    made = new_registry(config={"storage": section}).start()
    yield made
    if mode in TOLD:
        until(lambda: TOLD[mode] in made.log)


@pytest.fixture(scope="module")
def made():
    files = [{f"file-{n}": random_bytes(size, f"s3/{n}")} for n, size in enumerate(SIZES)]
    return image_of_layers([tar_layer(f) for f in files])


class Place:
    """A registry, the bucket behind it, the image, and where clients may write."""

    def __init__(self, registry, client, bucket, work, made):
        self.client = client
        self.bucket = bucket
        self.work = work
        self.made = made
        self.layout = write_oci_layout(work / "layout", made, "v1")
        self.address = registry.address
        self.name = f"{registry.address}/app:v1"

    def check_bucket(self):
        """The manifest, and whole blobs at their keys."""
        answer = self.client.get_manifest("app", "v1")
        found = Image(answer.content, answer.headers["Content-Type"])
        assert self.bucket.get(f"manifests/app/{found.digest}") == found.manifest
        until(lambda: not any(key.startswith("moves/") for key in self.bucket.keys()))
        for blob in (found.document["config"], *found.document["layers"]):
            data = self.bucket.get("blobs/" + blob["digest"].replace(":", "/"))
            assert (digest_of(data), len(data)) == (blob["digest"], blob["size"])
        return found

    def check_pushed(self):
        assert self.check_bucket().manifest == self.made.manifest

    def check_layout(self, path):
        for digest, data in {self.made.digest: self.made.manifest, **self.made.blobs}.items():
            assert (path / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes() == data

    def twice(self, pull):
        """A cache has what was pulled once."""
        for n in range(2):
            pull(self.work / f"pulled-{n}")


@pytest.fixture
def place(registry, client, bucket, work, made):
    return Place(registry, client, bucket, work, made)


# The image as it is


def test_crane(place, go_clients):
    crane = go_clients.crane

    def pull(path):
        crane("pull", "--format=oci", place.name, path)
        place.check_layout(path)

    crane("push", place.layout, place.name)
    place.check_pushed()
    place.twice(pull)
    assert "PASS" in crane("validate", "--remote", place.name)


def test_regctl(place, go_clients):
    regctl = go_clients.regctl

    def pull(path):
        regctl("image", "copy", place.name, f"ocidir://{path}:v1")
        place.check_layout(path)

    regctl("registry", "set", place.address, "--tls=disabled", "--skip-check")
    regctl("image", "copy", f"ocidir://{place.layout}:v1", place.name)
    place.check_pushed()
    place.twice(pull)


def test_oras(place, go_clients):
    def pull(path):
        go_clients("oras", "cp", "--from-plain-http", "--to-oci-layout", place.name, f"{path}:v1")
        place.check_layout(path)

    source = f"{place.layout}:v1"
    go_clients("oras", "cp", "--from-oci-layout", "--to-plain-http", source, place.name)
    place.check_pushed()
    place.twice(pull)


def test_oras_with_files(place, go_clients):
    home = place.work / "home/oras"
    home.mkdir(parents=True)
    data = random_bytes(LARGE, "oras")
    (home / "data").write_bytes(data)

    def pull(path):
        go_clients.oras("pull", place.name, "--output", path)
        assert (path / "data").read_bytes() == data

    go_clients.oras("push", place.name, "--artifact-type", "application/vnd.example.data", "data")
    place.check_bucket()
    place.twice(pull)


def test_skopeo(place, containers):
    def pull(path):
        containers.skopeo("copy", f"docker://{place.name}", f"oci:{path}:v1")
        place.check_layout(path)

    containers.skopeo("copy", f"oci:{place.layout}:v1", f"docker://{place.name}")
    place.check_pushed()
    place.twice(pull)


# By way of a store of the client's own: the layers are packed anew


def layers_of(archive):
    """The digests of the layers in an archive, which has them unpacked."""
    with tarfile.open(archive) as tar:
        [entry] = json.load(tar.extractfile("manifest.json"))
        return [digest_of(tar.extractfile(name).read()) for name in entry["Layers"]]


def diff_ids(made):
    return json.loads(made.blobs[made.document["config"]["digest"]])["rootfs"]["diff_ids"]


def test_podman(place, containers):
    podman = containers.podman

    def pull(path):
        podman("rmi", "--all", "--force")
        podman("pull", place.name)
        podman("save", "--format=docker-archive", "-o", path, place.name)
        assert layers_of(path) == diff_ids(place.made)

    podman("pull", f"oci:{place.layout}:v1")
    podman("push", podman("images", "-q").strip(), place.name)
    place.check_bucket()
    place.twice(pull)


def test_buildah(place, containers):
    buildah = containers.buildah

    def pull(path):
        buildah("rmi", "--all", "--force")
        buildah("pull", place.name)
        buildah("push", place.name, f"docker-archive:{path}")
        assert layers_of(path) == diff_ids(place.made)

    identity = buildah("pull", f"oci:{place.layout}:v1").split()[-1]
    buildah("push", identity, f"docker://{place.name}")
    place.check_bucket()
    place.twice(pull)


def test_docker(place, docker):
    context = place.work / "context"
    context.mkdir()
    lines = ["FROM scratch"]
    for n, size in enumerate(SIZES):
        (context / f"data-{n}").write_bytes(random_bytes(size, f"docker-s3/{n}"))
        lines.append(f"COPY data-{n} /")
    (context / "Dockerfile").write_text("\n".join(lines) + "\n")
    docker.build(context, place.name)
    before = docker.image_id(place.name), docker.layers(place.name)

    def pull(path):
        docker.remove(place.name)
        assert "Pull complete" in docker("pull", place.name)
        assert (docker.image_id(place.name), docker.layers(place.name)) == before
        docker("save", "-o", path, place.name)
        assert set(layers_of(path)) == set(before[1])

    docker("push", place.name)
    place.check_bucket()
    place.twice(pull)
    docker.remove(place.name)
