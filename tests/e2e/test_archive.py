"""GET /api/v1/archive/: an image as a tar archive, byte for byte the same every time."""

import io
import json
import tarfile

import pytest

from accounts import PASSWORD, Accounts
from helpers import OCI_INDEX, Client, artifact, canonical, digest_of, image, image_of_layers, index, tar_layer
from waiting import until

pytestmark = pytest.mark.sanitize


def get(client, what, expect=200, headers=None, **params):
    return client.request("GET", f"/api/v1/archive/{what}", expect, params=params, headers=headers)


def members(data):
    """{name: bytes} of an archive, in its order; each of them as the tools have it that others use."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        infos = tar.getmembers()
        assert all((i.isfile(), i.mtime, i.uid, i.gid, i.mode) == (True, 0, 0, 0, 0o644) for i in infos)
        return {i.name: tar.extractfile(i).read() for i in infos}


def path(digest):
    return "blobs/" + digest.replace(":", "/")


def blobs_of(image):
    """{path: bytes} of all that an image is made of."""
    found = {path(image.digest): image.manifest, **{path(d): data for d, data in image.blobs.items()}}
    for child in image.children:
        found |= blobs_of(child)
    return found


def blobs_in(archive):
    return {name: data for name, data in archive.items() if name.startswith("blobs/")}


@pytest.fixture
def pushed(client):
    made = image(seed="archive", layers=3)
    client.push_image("team/app", made, "v1")
    return made


def test_it_holds_the_image_as_it_is_stored(client, pushed):
    archive = members(get(client, "team/app:v1").content)
    assert list(archive)[:3] == ["oci-layout", "index.json", "manifest.json"]
    assert blobs_in(archive) == blobs_of(pushed)
    layers = [path(l["digest"]) for l in pushed.document["layers"]]
    assert json.loads(archive["manifest.json"]) == [
        {"Config": path(pushed.document["config"]["digest"]), "RepoTags": ["team/app:v1"], "Layers": layers}
    ]
    assert json.loads(archive["index.json"])["manifests"][0]["digest"] == pushed.digest


def test_it_is_the_same_every_time_also_after_a_restart(registry, client, pushed):
    first = get(client, "team/app:v1")
    registry.restart()
    client.url = registry.url
    again = get(client, "team/app:v1")
    assert again.content == first.content
    assert again.headers["ETag"] == first.headers["ETag"]


def test_by_digest_it_has_no_name(client, pushed):
    archive = members(get(client, f"team/app@{pushed.digest}").content)
    assert json.loads(archive["manifest.json"])[0]["RepoTags"] is None
    assert "annotations" not in json.loads(archive["index.json"])["manifests"][0]


def test_head_tells_its_length_and_what_it_is_called(client, pushed):
    whole = get(client, "team/app:v1")
    head = client.request("HEAD", "/api/v1/archive/team/app:v1")
    assert head.headers["Content-Length"] == str(len(whole.content))
    assert head.headers["ETag"] == whole.headers["ETag"]
    assert head.headers["Content-Type"] == "application/x-tar"
    assert head.headers["Content-Disposition"] == 'attachment; filename="team_app_v1.tar"'
    assert head.headers["Accept-Ranges"] == "bytes"


def test_a_range_from_before_and_behind_every_boundary_is_that_part_of_it(client, pushed):
    whole = get(client, "team/app:v1").content
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        edges = {at for i in tar for at in (i.offset, i.offset_data, i.offset_data + i.size)}
    edges |= {len(whole)}
    for at in sorted({e + d for e in edges for d in (-1, 0, 1)}):
        if not 0 <= at < len(whole):
            continue
        part = get(client, "team/app:v1", 206, {"Range": f"bytes={at}-"})
        assert part.content == whole[at:], at
        part = get(client, "team/app:v1", 206, {"Range": f"bytes=100-{at}"} if at >= 100 else {"Range": f"bytes=0-{at}"})
        assert part.content == whole[100 if at >= 100 else 0 : at + 1], at


def test_several_ranges_at_once(client, pushed):
    whole = get(client, "team/app:v1").content
    parts = get(client, "team/app:v1", 206, {"Range": "bytes=0-99,12000-23000"})
    assert whole[:100] in parts.content and whole[12000:23001] in parts.content


def test_a_download_goes_on_only_while_the_image_is_the_same(client, pushed):
    first = get(client, "team/app:v1")
    resume = {"Range": "bytes=5000-", "If-Range": first.headers["ETag"]}
    assert get(client, "team/app:v1", 206, resume).content == first.content[5000:]
    client.push_image("team/app", image(seed="other"), "v1")
    assert get(client, "team/app:v1", 200, resume).headers["ETag"] != first.headers["ETag"]
    assert get(client, "team/app:v1", 416, {"Range": "bytes=99999999-"}).status_code == 416


def test_what_is_had_already_is_not_sent_again(client, pushed):
    get(client, "team/app:v1", 200)
    etag = get(client, "team/app:v1").headers["ETag"]
    assert get(client, "team/app:v1", 304, {"If-None-Match": etag}).content == b""


def test_layers_that_the_other_side_has_are_left_out(client, pushed):
    digests = [l["digest"] for l in pushed.document["layers"]]
    archive = members(get(client, "team/app:v1", have=",".join([digests[2], digests[0], digest_of(b"x")])).content)
    assert set(blobs_of(pushed)) - set(archive) == {path(digests[0]), path(digests[2])}
    left_out = json.loads(archive["index.json"])["annotations"]["io.cyberdock.archive.left-out"]
    assert left_out == f"{digests[0]},{digests[2]}"
    again = members(get(client, "team/app:v1", have=[digests[0], digests[2]]).content)
    assert again == archive


def test_another_name(client, pushed):
    archive = members(get(client, "team/app:v1", name="localhost:5000/app:v2").content)
    assert json.loads(archive["manifest.json"])[0]["RepoTags"] == ["localhost:5000/app:v2"]
    named = json.loads(archive["index.json"])["manifests"][0]["annotations"]
    assert named == {
        "io.containerd.image.name": "localhost:5000/app:v2",
        "org.opencontainers.image.ref.name": "v2",
    }


# Platforms


@pytest.fixture
def platforms(client):
    made = index([image(seed="amd64"), image(seed="arm64", architecture="arm64")])
    client.push_image("multi", made, "v1")
    return made


def test_one_platform_or_all(client, platforms):
    amd64, arm64 = platforms.children
    one = members(get(client, "multi:v1", platform="linux/arm64").content)
    assert blobs_in(one) == blobs_of(arm64)
    whole = members(get(client, "multi:v1", format="oci").content)
    assert blobs_in(whole) == blobs_of(platforms)
    assert "manifest.json" not in whole
    assert json.loads(whole["index.json"])["manifests"][0]["mediaType"] == OCI_INDEX
    one = members(get(client, "multi:v1", format="oci", platform="linux/amd64").content)
    assert blobs_in(one) == blobs_of(amd64)
    assert json.loads(one["index.json"])["manifests"][0]["platform"] == {"os": "linux", "architecture": "amd64"}


def test_platforms_that_are_there_are_told(client, platforms):
    missing = get(client, "multi:v1", 404, platform="linux/s390x").json()["errors"][0]
    assert missing["message"] == "no such resource: no image for linux/s390x; there is: linux/amd64, linux/arm64"
    several = get(client, "multi:v1", 400).json()["errors"][0]
    assert several["message"] == "request is malformed: one platform has to be chosen of these: linux/amd64, linux/arm64"


def test_attestations_are_of_no_platform(client):
    made = image(seed="attested")
    attestation = artifact(None, [("application/vnd.in-toto+json", b"{}")])
    both = index([made, attestation])
    document = both.document
    document["manifests"][1]["platform"] = {"os": "unknown", "architecture": "unknown"}
    both.manifest = canonical(document)
    client.push_image("attested", both, "v1")
    assert blobs_in(members(get(client, "attested:v1").content)) == blobs_of(made)
    assert blobs_in(members(get(client, "attested:v1", format="oci").content)) == blobs_of(both)


def test_referrers_are_not_in_it(client, pushed):
    signature = artifact("application/vnd.example.signature", subject=pushed.descriptor())
    client.push_image("team/app", signature)
    assert path(signature.digest) not in members(get(client, "team/app:v1", format="oci").content)


# And in again


@pytest.mark.parametrize("form", ["docker", "oci"])
def test_what_is_uploaded_again_is_the_same_image(client, pushed, form):
    archive = get(client, "team/app:v1", format=form).content
    client.request("PUT", "/upload-image", 201, params={"repository": "again", "tag": "v1"}, data=archive)
    assert client.pull_image("again", "v1") == pushed


def test_an_index_that_is_uploaded_again_is_the_same_one(client, platforms):
    archive = get(client, "multi:v1", format="oci").content
    client.request("PUT", "/upload-image", 201, params={"repository": "again", "tag": "v1"}, data=archive)
    assert client.pull_image("again", "v1") == platforms


# Refusals


@pytest.mark.parametrize(
    "what, params, status, words",
    [
        ("team/app", {}, 400, "NAME:TAG or NAME@DIGEST"),
        ("team/app:v1", {"format": "zip"}, 400, "'docker' or 'oci'"),
        ("team/app:v1", {"platform": "linux"}, 400, "os/architecture"),
        ("team/app:v1", {"platform": "all"}, 400, "format=oci holds all"),
        ("team/app:v1", {"have": "sha256:abc"}, 400, ""),
        ("team/app:v1", {"name": "APP"}, 400, "a name is"),
        ("team/app:v2", {}, 404, ""),
        ("team/none:v1", {}, 404, ""),
    ],
)
def test_refusals_say_why(client, pushed, what, params, status, words):
    error = get(client, what, status, **params).json()["errors"][0]
    assert words in error["message"]


def test_an_artifact_is_for_the_oci_format(client):
    made = artifact("application/vnd.example.thing", [("text/plain", b"some text")])
    client.push_image("thing", made, "v1")
    assert "format=oci holds it" in get(client, "thing:v1", 405).json()["errors"][0]["message"]
    assert blobs_in(members(get(client, "thing:v1", format="oci").content)) == blobs_of(made)


def test_a_condition_that_does_not_hold_is_refused(client, pushed):
    where, etag = "/api/v1/archive/team/app:v1", get(client, "team/app:v1").headers["ETag"]
    for method in ("GET", "HEAD"):
        client.request(method, where, 412, headers={"If-Match": '"another"'})
    client.request("GET", where, 304, headers={"If-None-Match": etag})
    client.request("GET", where, 200, headers={"If-Match": etag})


@pytest.mark.config({"http": {"body_memory": "1MiB"}})
def test_manifests_that_take_more_memory_than_there_is_are_put_off(client):
    parts = [image_of_layers([tar_layer({"a": b"a"})], annotations={"long": letter * 600_000}) for letter in "ab"]
    client.push_image("large", index(parts), "v1")
    answer = get(client, "large:v1", 503, format="oci", platform="all")
    assert int(answer.headers["Retry-After"]) >= 1
    assert get(client, f"large@{parts[0].digest}", format="oci").content


def test_a_blob_that_is_gone_breaks_no_answer_off(registry, client, pushed):
    digest = pushed.document["layers"][0]["digest"]
    (registry.root / "repositories/team/app/blobs" / digest).unlink()
    short = client.session.get(f"{registry.url}/api/v1/archive/team/app:v1", headers={"Range": "bytes=9000-"}, timeout=60)
    assert short.status_code == 500


# Rights


@pytest.mark.config({
    "auth": "local",
    "policy": [
        {"subjects": ["user:bob"], "actions": ["pull", "push"], "repositories": ["dev/**"]},
        {"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["prod/**"], "tags": ["v*"]},
    ],
})
def test_it_takes_the_right_to_pull(registry):
    accounts = Accounts(registry)
    accounts.add("alice", "--admin")
    accounts.add("bob")
    with Client(registry.url, auth=("alice", PASSWORD)) as alice:
        for repo, tag in (("dev/app", "v1"), ("prod/app", "v1"), ("prod/app", "latest"), ("other/app", "v1")):
            alice.push_image(repo, image(seed="rights"), tag)
    answers = {"dev/app:v1": 200, "prod/app:v1": 200, "prod/app:latest": 404, "other/app:v1": 404, "none:v1": 404}
    with Client(registry.url, auth=("bob", PASSWORD)) as bob, Client(registry.url) as nobody:
        for method in ("GET", "HEAD"):
            for what, status in answers.items():
                bob.request(method, f"/api/v1/archive/{what}", status)
                nobody.request(method, f"/api/v1/archive/{what}", 401)


# Stores


def test_of_a_bucket(new_registry, bucket):
    registry = new_registry(config={"storage": bucket.section()}).start()
    made = image(seed="bucket", layers=3, layer_size=200_000)
    with Client(registry.url) as client:
        client.push_image("team/app", made, "v1")
        whole = get(client, "team/app:v1").content
        assert blobs_in(members(whole)) == blobs_of(made)
        for at in (0, 511, 5000, 201_000, 400_000, len(whole) - 1):
            assert get(client, "team/app:v1", 206, {"Range": f"bytes={at}-"}).content == whole[at:]


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
def test_through_a_cache_on_disk(new_registry, bucket, work):
    storage = {**bucket.section(), "cache": {"disk_path": str(work / "cache"), "disk_size_gb": 1}}
    registry = new_registry(config={"storage": storage}).start()
    made = image(seed="cache", layers=3, layer_size=200_000)
    with Client(registry.url) as client:
        client.push_image("team/app", made, "v1")
        whole = get(client, "team/app:v1").content
        assert blobs_in(members(whole)) == blobs_of(made)
        until(lambda: client.get_blob("team/app", made.document["layers"][2]["digest"]).headers["X-Cache"] == "HIT")
        for at in (0, 511, 5000, 201_000, 400_000, len(whole) - 1):
            assert get(client, "team/app:v1", 206, {"Range": f"bytes={at}-"}).content == whole[at:]


def test_where_blobs_are_verified_when_they_are_read(new_registry):
    registry = new_registry(config={"storage": {"verify_on_read": True}}).start()
    made = image(seed="verified", layers=3, layer_size=200_000)
    with Client(registry.url) as client:
        client.push_image("team/app", made, "v1")
        whole = get(client, "team/app:v1").content
        assert blobs_in(members(whole)) == blobs_of(made)
        assert get(client, "team/app:v1", 206, {"Range": "bytes=300000-"}).content == whole[300_000:]
