"""upload.compress: plain layers of docker archives are packed on their way, always to the same bytes."""

import gzip
import subprocess

import pytest
from archives import crafted, upload
from helpers import Client, random_bytes, tar_layer

LAYER = "application/vnd.oci.image.layer.v1.tar"


def layer(seed, size=200_000):
    """A tar of which about a half can be packed away."""
    return tar_layer({"noise": random_bytes(size // 2, seed), "zeros": bytes(size // 2)})


def plain_archive(*layers, tag="a:v1", gzipped=()):
    """As `docker save` of version 20.10 writes it; those of gzipped are packed already."""
    config = crafted.config(*layers)
    members = [crafted.file(f"{i}/layer.tar", gzip.compress(x, mtime=0) if i in gzipped else x)
               for i, x in enumerate(layers)]  # fmt: skip
    listed = crafted.item(layers=[f"{i}/layer.tar" for i in range(len(layers))], tags=[tag])
    return crafted.tar(*members, crafted.file("config.json", config), crafted.manifest_json(listed)), config


def unpack(kind, data):
    if kind == "gzip":
        return gzip.decompress(data)
    return subprocess.run(["zstd", "-qdc"], input=data, stdout=subprocess.PIPE, check=True).stdout


def pulled(client, repo, reference="v1"):
    """The manifest, and its layers as they are stored."""
    document = client.get_manifest(repo, reference).json()
    return document, [client.get_blob(repo, x["digest"]).content for x in document["layers"]]


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_plain_layers_are_packed_and_the_config_stays(kind, new_registry):
    layers = [layer("one"), layer("two", 4_000)]
    data, config = plain_archive(*layers)
    registry = new_registry(config={"upload": {"compress": kind}}).start()
    with Client(registry.url) as client:
        answer = upload(client, data, repository="team/app")
        document, stored = pulled(client, "team/app")
        assert [x["mediaType"] for x in document["layers"]] == [f"{LAYER}+{kind}"] * 2
        assert [x["size"] for x in document["layers"]] == [len(x) for x in stored]
        assert [unpack(kind, x) for x in stored] == layers
        assert sum(map(len, stored)) < sum(map(len, layers)) * 0.7
        assert answer["newBytes"] == sum(map(len, stored)) + len(config)
        assert client.get_blob("team/app", document["config"]["digest"]).content == config


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_layer_is_one_blob_however_it_comes(kind, new_registry):
    shared = layer("shared")
    data, _ = plain_archive(shared)
    other, _ = plain_archive(layer("other"), shared, tag="b:v2")
    pieces = (data[i : i + 777] for i in range(0, len(data), 777))
    registry = new_registry(config={"upload": {"compress": kind}}).start()
    with Client(registry.url) as client:
        first = upload(client, data, repository="team/app")
        again = upload(client, pieces, repository="team/app")
        assert again == first | {"id": again["id"], "newBlobs": 0, "newBytes": 0}
        assert upload(client, crafted.packed(data), repository="team/app")["images"] == first["images"]
        assert upload(client, other, repository="team/app")["newBlobs"] == 2  # the config and its other layer
        assert pulled(client, "team/app", "v2")[0]["layers"][1] == pulled(client, "team/app")[0]["layers"][0]


@pytest.mark.config({"upload": {"compress": "gzip"}})
def test_a_layer_that_comes_packed_stays_so_beside_others(client):
    layers = [layer("one"), layer("two")]
    data, _ = plain_archive(*layers, gzipped=(0,))
    upload(client, data, repository="team/app")
    document, stored = pulled(client, "team/app")
    assert stored[0] == gzip.compress(layers[0], mtime=0)
    assert [x["mediaType"] for x in document["layers"]] == [f"{LAYER}+gzip"] * 2


@pytest.mark.config({"upload": {"compress": "gzip"}})
def test_what_is_wrong_with_a_layer_is_still_found(client):
    good = layer("one")
    data, _ = plain_archive(good)
    at = data.index(good) + 1000
    bad = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    assert upload(client, bad, expect=400, repository="team/app")["detail"]["code"] == "DIFF_ID"
    client.request("GET", "/v2/team/app/tags/list", (404,))


@pytest.mark.config({"upload": {"compress": "zstd"}})
def test_an_oci_layout_keeps_its_manifest_and_layers(client):
    one = layer("one")
    config = crafted.config(one)
    manifest = crafted.manifest(config, one)
    blobs = [x for x in (one, config, manifest)]
    listed = crafted.index(crafted.desc(crafted.MANIFEST, manifest, **crafted.named("v1")))
    upload(client, crafted.layout(listed, *blobs), repository="team/app")
    assert client.get_manifest("team/app", "v1").content == manifest
    assert pulled(client, "team/app")[1] == [one]


@pytest.mark.config({"upload": {"compress": "gzip", "compress_level": 1}})
def test_the_level_changes_what_is_stored_and_not_what_it_unpacks_to(client, new_registry):
    one = layer("one")
    data, _ = plain_archive(one)
    usual = new_registry(config={"upload": {"compress": "gzip"}}).start()
    with Client(usual.url) as other:
        for each in (client, other):
            upload(each, data, repository="team/app")
        quick, hard = (pulled(each, "team/app")[1][0] for each in (client, other))
    assert quick != hard and gzip.decompress(quick) == gzip.decompress(hard) == one


@pytest.mark.config({"upload": {"compress": "gzip"}})
def test_docker_pulls_what_was_packed_with_the_id_it_was_saved_with(registry, docker, work):
    (work / "a").write_bytes(random_bytes(100_000) + bytes(100_000))
    (work / "Dockerfile").write_text("FROM scratch\nCOPY a /\nENV x=y\nCOPY Dockerfile /\n")
    docker.build(work, "saved")
    identity = docker.image_id("saved")
    docker("save", "-o", str(work / "saved.tar"), "saved")
    docker.remove("saved")
    with Client(registry.url) as client:
        upload(client, (work / "saved.tar").read_bytes(), repository="team/app", tag="v1")
        types = {x["mediaType"] for x in pulled(client, "team/app")[0]["layers"]}
    assert types == {f"{LAYER}+gzip"}
    name = f"{registry.address}/team/app:v1"
    docker("pull", name)
    assert docker.image_id(name) == identity
    docker.remove(name)
