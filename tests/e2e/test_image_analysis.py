"""GET /api/v1/images/{name}/{reference}/analysis and `registry analyze`: what is inside an image."""

import bz2
import gzip
import json
import lzma
import re
import subprocess
import tarfile

import pytest

from accounts import PASSWORD, Accounts
from archives import crafted
from documented import follow, page
from clients import run
from helpers import Client, artifact, canonical, descriptor, digest_of, image, image_of_layers, index, tar_layer
from waiting import until

pytestmark = pytest.mark.sanitize

LOWER = tar_layer({"etc/passwd": b"root", "var/lib/apt/lists/x": b"x" * 5000, "big": b"b" * 20000})
UPPER = tar_layer({"etc/passwd": b"root and more", ".wh.big": b""})


def ask(client, repo, reference, expect=200, **params):
    """The answer, when there is one."""

    def once():
        r = client.request("GET", f"/api/v1/images/{repo}/{reference}/analysis", None, params=params)
        if r.status_code == 202:
            assert r.headers["Retry-After"] == "1"
            return None
        return r

    answer = until(once, timeout=60)
    assert answer.status_code == expect, answer.text
    return answer


def report(client, repo, reference, **params):
    return ask(client, repo, reference, **params).json()


@pytest.fixture
def pushed(client):
    made = image_of_layers([LOWER, UPPER])
    client.push_image("team/app", made, "v1")
    return made


def test_it_tells_what_layers_add_and_lose(client, pushed):
    found = report(client, "team/app", "v1")
    lower, upper = found["layers"]
    assert [x["digest"] for x in found["layers"]] == [x["digest"] for x in pushed.document["layers"]]
    assert lower["command"] == "test"
    assert (lower["files"], lower["added"], lower["wasted_bytes"]) == (3, 3, 20004)
    assert (upper["changed"], upper["deleted"], upper["deleted_bytes"]) == (1, 1, 20000)
    assert found["image"]["wasted_bytes"] == 20004
    assert found["caches"][0]["kind"] == "apt"
    assert found["suggestions"][0]["code"] == "deleted-later"
    assert (found["suggestions"][0]["layer"], found["suggestions"][0]["of_layer"]) == (1, 0)


def test_by_tag_and_by_digest_it_is_the_same(client, pushed):
    by_tag, by_digest = (ask(client, "team/app", x) for x in ("v1", pushed.digest))
    assert by_tag.content == by_digest.content
    assert by_tag.headers["Docker-Content-Digest"] == pushed.digest


def test_it_is_kept_over_a_restart(registry, client, pushed):
    before = ask(client, "team/app", "v1").content
    registry.restart()
    client.url = registry.url
    r = client.request("GET", "/api/v1/images/team/app/v1/analysis", 200)  # at once
    assert r.content == before


def test_a_report_that_is_too_long_for_a_record_is_kept_whole(registry, client):
    """In parts, and no letter is cut."""
    jars = tar_layer({f"app/ü-€-𝄞/löschen{i}-1.{i}.jar": b"" for i in range(4000)})
    client.push_image("team/app", image_of_layers([jars]), "v1")
    found = report(client, "team/app", "v1")["packages"]
    assert found["count"] == 4000
    assert {p["name"] for p in found["list"]} == {f"löschen{i}" for i in range(4000)}
    assert {p["path"] for p in found["list"]} == {f"/app/ü-€-𝄞/löschen{i}-1.{i}.jar" for i in range(4000)}


def test_an_index_needs_a_platform(client):
    made = index([image_of_layers([LOWER]), image_of_layers([LOWER, UPPER], architecture="arm64")])
    client.push_image("team/app", made, "v1")
    answer = ask(client, "team/app", "v1", 400)
    assert "linux/arm64" in answer.text
    assert len(report(client, "team/app", "v1", platform="linux/arm64")["layers"]) == 2
    assert len(report(client, "team/app", "v1", platform="linux/amd64")["layers"]) == 1
    ask(client, "team/app", "v1", 404, platform="linux/s390x")


def test_what_is_no_image_has_none(client):
    client.push_image("team/chart", artifact("application/x-chart", [("application/x-thing", b"1")]), "v1")
    assert "no tar" in ask(client, "team/chart", "v1", 422).text
    ask(client, "team/chart", "v2", 404)


def of_layer(data, media_type="application/vnd.oci.image.layer.v1.tar+gzip"):
    """An image of a layer of these bytes, whatever they are."""
    made = image(layers=1)
    document = made.document
    document["layers"] = [descriptor(data, media_type)]
    made.blobs = {d: b for d, b in made.blobs.items() if d == document["config"]["digest"]}
    made.blobs[digest_of(data)] = data
    made.manifest = canonical(document)
    return made


def one_member(name="a", size=0):
    """Its header alone."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf()


def bomb():
    """A file of 300 MiB of zeros."""
    head = one_member(size=300 << 20)
    return gzip.compress(head) + 10 * gzip.compress(bytes(30 << 20))


HOSTILE = {
    "cut": (gzip.compress(LOWER)[:-20], "end"),
    "not-a-tar": (b"these bytes are nothing", "no tar archive"),
    "outside": (one_member(name="../../etc/passwd"), "leads out"),
    "bomb": (bomb(), "times its size"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_layer_is_told_and_harms_nothing(client, name):
    data, words = HOSTILE[name]
    client.push_image("team/app", of_layer(data), "v1")
    answer = ask(client, "team/app", "v1", 422)
    assert words in answer.text and "layer 0" in answer.text
    client.push_image("team/good", image_of_layers([LOWER]), "v1")
    report(client, "team/good", "v1")


@pytest.mark.config({"manifest": {"sparse_images": True}})
def test_an_image_is_analysed_when_its_missing_layer_has_come(client):
    made = image_of_layers([LOWER, UPPER])
    missing = made.document["layers"][1]["digest"]
    data = made.blobs.pop(missing)
    client.push_image("team/app", made, "v1")
    assert "layer 1" in ask(client, "team/app", "v1", 422).text
    client.push_blob("team/app", data)
    url = "/api/v1/images/team/app/v1/analysis"
    assert until(lambda: client.request("GET", url, (200, 202, 422)).status_code == 200)


@pytest.mark.config({"analysis": {"memory_bytes": "1MiB"}})
def test_too_many_files_are_said_to_be_that_until_the_bound_is_raised(registry, client):
    many = tar_layer({f"f{i}": b"" for i in range(20000)})
    client.push_image("team/app", image_of_layers([many]), "v1")
    assert "too many files" in ask(client, "team/app", "v1", 422).text
    registry.config["analysis"]["memory_bytes"] = "64MiB"
    registry.restart()
    client.url = registry.url
    assert report(client, "team/app", "v1")["image"]["files"] == 20000


@pytest.mark.config({"analysis": {"on_push": True}})
def test_after_a_push_it_is_made_by_itself(registry, client, pushed):
    def done():
        words = [str(registry.binary), "jobs", "list", "--config", str(registry.config_path)]
        listed = subprocess.run(words, capture_output=True, text=True, timeout=60)
        return listed.returncode == 0 and pushed.digest not in listed.stdout

    until(done, timeout=60)
    r = client.request("GET", "/api/v1/images/team/app/v1/analysis", 200)
    assert len(r.json()["layers"]) == 2


@pytest.mark.config({
    "auth": "local",
    "policy": [{"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["dev/**"]}],
})
def test_it_takes_the_right_to_pull(registry):
    accounts = Accounts(registry)
    accounts.add("alice", "--admin")
    accounts.add("bob")
    with Client(registry.url, auth=("alice", PASSWORD)) as alice:
        for repo in ("dev/app", "prod/app"):
            alice.push_image(repo, image_of_layers([LOWER]), "v1")
        report(alice, "prod/app", "v1")
    with Client(registry.url, auth=("bob", PASSWORD)) as bob, Client(registry.url) as nobody:
        report(bob, "dev/app", "v1")
        bob.request("GET", "/api/v1/images/prod/app/v1/analysis", 404)
        nobody.request("GET", "/api/v1/images/dev/app/v1/analysis", 401)


def analyze(registry, *words, status=0):
    command = [str(registry.binary), "analyze", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


def test_the_command_says_the_same_of_an_archive_and_of_the_server(registry, client, pushed, work):
    path = work / "app.tar"
    path.write_bytes(client.request("GET", "/api/v1/archive/team/app:v1").content)
    of_archive = json.loads(analyze(registry, path, "--json"))
    of_server = json.loads(analyze(registry, "team/app:v1", "--json", "--url", registry.url))
    assert of_archive == of_server == report(client, "team/app", "v1")


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_an_archive_may_be_packed(registry, client, pushed, work, pack):
    path = work / "app.tar.packed"
    path.write_bytes(pack(client.request("GET", "/api/v1/archive/team/app:v1").content))
    assert json.loads(analyze(registry, path, "--json")) == report(client, "team/app", "v1")


def test_an_image_of_an_archive_that_has_no_names_is_chosen_by_its_digest(registry, work):
    path = work / "two.tar"
    path.write_bytes(next(data for name, data, _ in crafted.cases() if name == "two-images-no-tags"))
    digests = re.findall("sha256:[0-9a-f]{64}", analyze(registry, path, status=1))
    layers = [len(json.loads(analyze(registry, path, "--json", "--image", d))["layers"]) for d in digests]
    assert layers == [2, 1]


def test_the_command_tells_people(registry, client, pushed):
    text = analyze(registry, "team/app:v1", "--url", registry.url)
    assert "wasted      20.0 kB" in text
    assert "layer 1 deletes 20.0 kB that layer 0 brought" in text
    assert "404" in analyze(registry, "team/app:none", "--url", registry.url, status=1)


def test_two_images_are_compared(registry, client, work):
    more = tar_layer({"app/b-2.0.jar": b"22", "app/a-1.1.jar": b"3", "app/.wh.a-1.0.jar": b""})
    base = tar_layer({"app/a-1.0.jar": b"1", "etc/x": b"x" * 999})
    client.push_image("team/app", image_of_layers([base]), "v1")
    client.push_image("team/app", image_of_layers([base, more]), "v2")
    path = work / "v2.tar"
    path.write_bytes(client.request("GET", "/api/v1/archive/team/app:v2").content)
    words = [str(registry.binary), "diff", "team/app:v1", str(path), "--url", registry.url]
    text, found = run(words), json.loads(run([*words, "--json"]))
    assert found["image"]["files"] == [2, 3]
    assert found["image"]["wasted_bytes"] == [0, 1]
    assert found["layers"] == {"common": 1}
    assert found["packages"]["removed"] == [{"kind": "java", "name": "a", "version": "1.0"}]
    assert [p["name"] for p in found["packages"]["added"]] == ["a", "b"]
    assert "files       2 -> 3\n" in text
    assert "- java a 1.0\n+ java a 1.1\n+ java b 2.0\n" in text


def test_the_examples_of_the_page_do_as_it_says(registry, client, pushed, work):
    follow(page("analysis.md"), registry, work)
