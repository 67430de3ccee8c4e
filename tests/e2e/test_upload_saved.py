"""Archives as docker (20.10 and 29), podman, ctr, buildkit and others really write them are taken, with their digests."""

import pytest
from archives import crafted, saved, upload
from helpers import Client

ALL = saved.archives()
TAKEN = [a for a in ALL.values() if a.verdict != "no"]


def place_of(name):
    """Where an image of that name goes, and its tag, if it has both."""
    name = name.partition("@")[0]
    first, slash, rest = name.partition("/")
    has_host = "." in first or ":" in first or first == "localhost"
    repository, _, tag = (rest if has_host else name).partition(":")
    return (repository, tag) if slash and tag else None


def stored(answer):
    return {(i["repository"], tag): i for i in answer["images"] for tag in i["tags"]}


def test_each_goes_where_its_names_lead_or_says_that_there_are_none(client):
    for archive in TAKEN:
        wanted = {place_of(name): digest for name, digest in archive.images if name and place_of(name)}
        if not wanted:
            error = upload(client, archive.data, expect=400)
            assert error["detail"]["code"] in ("NO_REPOSITORY", "NO_TAG"), archive.name
            continue
        found = stored(upload(client, archive.data))
        assert found.keys() == wanted.keys(), archive.name
        for (repository, tag), digest in wanted.items():
            there = client.get_manifest(repository, tag).headers["Docker-Content-Digest"]
            image = found[repository, tag]
            assert there == image["digest"]
            assert digest is None or image.get("insteadOf", there).startswith(digest), archive.name


def test_each_is_taken_into_the_repository_that_is_asked_for(client):
    for archive in TAKEN:
        several = len({digest or name for name, digest in archive.images}) > 1
        named = {"image": archive.images[0][0]} if several and archive.images[0][0] else {}
        for image in upload(client, archive.data, repository="team/app", tag="v1", **named)["images"]:
            client.get_manifest("team/app", image["digest"])


@pytest.mark.parametrize("name", [a.name for a in ALL.values() if a.verdict == "no"])
def test_what_is_no_image_is_refused(client, name):
    assert upload(client, ALL[name].data, expect=400)["detail"]["code"] in ("NOT_AN_IMAGE", "CUT")


def test_of_an_index_that_docker_saved_one_platform_can_be_chosen(client):
    both, arm = ALL["docker29c-multi-both.tar"], ALL["docker29c-multi-arm.tar"]
    (chosen,) = upload(client, both.data, platform="linux/arm64")["images"]
    assert chosen["platform"] == "linux/arm64" and chosen["digest"].startswith(arm.images[0][1])
    assert client.get_manifest("team/one", "1").headers["Docker-Content-Digest"] == chosen["digest"]
    upload(client, both.data, expect=400, platform="linux/s390x")


def test_layers_of_zstd_are_called_so_whatever_their_names_in_the_archive_say(client):
    upload(client, ALL["bazel-zstd.tar"].data, repository="team/app", tag="v1")
    layers = client.get_manifest("team/app", "v1").json()["layers"]
    assert {layer["mediaType"] for layer in layers} == {crafted.LAYER + "+zstd"}


@pytest.mark.parametrize("name", ["docker20-one.tar", "docker29c-one.tar", "docker29g-one.tar", "regctl-one.tar"])
def test_an_archive_that_its_tool_or_gzip_packed_is_the_same_image(client, name):
    plain = upload(client, ALL[name].data, repository="team/app", tag="plain")
    packed = upload(client, ALL[name + ".gz"].data, repository="team/app", tag="packed")
    assert packed["images"][0]["digest"] == plain["images"][0]["digest"] and packed["newBlobs"] == 0


def test_what_nix_writes_is_found_below_its_store(client):
    nix = next(data for name, data, _ in crafted.cases() if name == "nix")
    upload(client, nix, repository="team/app", tag="v1")
    found = client.request("GET", "/api/v1/images/team/app/v1/tree", params={"path": "/nix/store"}).json()
    assert [entry["name"] for entry in found["entries"]] == ["0" * 32 + "-hello-2.12"]


def test_attestations_come_with_their_index(client):
    (image,) = upload(client, ALL["buildkit-oci-attest.tar"].data)["images"]
    index = client.get_manifest("kit/one", image["digest"]).json()
    kinds = [d.get("annotations", {}).get("vnd.docker.reference.type") for d in index["manifests"]]
    assert "attestation-manifest" in kinds
    for child in index["manifests"]:
        client.get_manifest("kit/one", child["digest"])


@pytest.fixture
def whole_indexes(new_registry):
    registry = new_registry(config={"manifest": {"sparse_indexes": True}}).start()
    with Client(registry.url) as client:
        yield client


def test_a_partial_index_stays_where_indexes_may_be_sparse(whole_indexes):
    archive = ALL["ctr2-multi-partial.tar"]
    (image,) = upload(whole_indexes, archive.data)["images"]
    assert image["digest"].startswith(archive.images[0][1]) and image["missing"] == 1
