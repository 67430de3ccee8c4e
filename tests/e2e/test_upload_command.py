"""registry upload: an archive of images, pushed by the program itself to a server."""

import gzip
import io
import json
import os
import shutil
import tarfile
import threading

import pytest

from accounts import OTHER, Accounts
from archives import crafted, docker_archive, saved, upload
from client_command import ClientCommand
from cutting_proxy import PHASES, CuttingProxy
from helpers import MIB, Client, image, index, write_oci_layout
from reference_registry import PLAIN, Theirs
from tcp_proxy import CutAfter, TcpProxy, end

IMAGE = image(seed="upload", layers=3, layer_size=MIB)
ARCHIVE = docker_archive(IMAGE, ["app:v1"])

# Of what a server bounds, the command knows nothing.
BOUNDS = ("TOO_LARGE", "UNPACKED_TOO_LARGE", "TOO_MANY_MEMBERS", "JSON_TOO_LARGE", "DECODER_MEMORY")


class Upload(ClientCommand):
    def __init__(self, registry, work, url=None):
        super().__init__(registry, work, "upload")
        self.url = url or registry.url
        self.spool = self.work / "tmp"
        self.spool.mkdir()

    def notes(self):
        return [p.name for p in (self.work / ".cache/cyberdock/uploads").iterdir()]

    def write(self, data, name="app.tar"):
        (self.work / name).write_bytes(data)
        return name

    def json(self, data, *words, status=0, stdin=False, **variables):
        """What is told in JSON, an object a line."""
        file = "-" if stdin else self.write(data)
        done = self.run(file, *words, "--json", "--url", self.url, status=status, text=False,
                        stdin=data if stdin else None, TMPDIR=str(self.spool), **variables)  # fmt: skip
        assert not list(self.spool.iterdir())
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def push(registry, work):
    return Upload(registry, work)


def requests_of(registry):
    """Those that were logged, of the command."""
    registry.stop()
    return [r for r in map(json.loads, registry.log.splitlines()) if r.get("user_agent") == "registry"]


def is_whole(client, repo, tag, of=IMAGE):
    for digest, data in of.blobs.items():
        assert client.get_blob(repo, digest).content == data
    return client.get_manifest(repo, tag).headers["Docker-Content-Digest"]


def oci_archive(made, work, tag="v1"):
    out = io.BytesIO()
    folder = write_oci_layout(work / "layout", made, tag)
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(folder, arcname=".")
    shutil.rmtree(folder)
    return out.getvalue()


# What is pushed


@pytest.mark.parametrize("stdin", [False, True], ids=["file", "stdin"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_it_is_the_image_that_the_server_makes_of_the_archive(client, push, pack, stdin):
    served = upload(client, ARCHIVE, repository="served", tag="v1")
    *blobs, told = push.json(pack(ARCHIVE), "pushed/app:v1", stdin=stdin)
    assert told["images"] == [i | {"repository": "pushed/app"} for i in served["images"]]
    assert is_whole(client, "pushed/app", "v1") == served["images"][0]["digest"]
    assert {b["blob"] for b in blobs} == set(IMAGE.blobs)


def test_crafted_archives_become_the_same_images_or_are_refused_in_the_same_words(client, push):
    of_bounds = [c for c in crafted.cases() if c[2] in BOUNDS]
    for i, (name, data, found) in enumerate(c for c in crafted.cases() if c not in of_bounds):
        if i % (8 if isinstance(found, str) else 2):  # the rest is for tests of the archive's code
            continue
        wanted = {"repository": f"served/n{i}", "tag": "given"}
        answer = client.request("PUT", "/upload-image", (201, 400), params=wanted, data=data)
        if answer.status_code == 201:
            served = [i | {"repository": "pushed"} for i in answer.json()["images"]]
            assert push.json(data, "pushed:given", "--dry-run")[-1]["images"] == served, name
            continue
        error = push.json(data, "pushed:given", status=1)[-1]["error"]
        assert error.pop("message").split("; expected: ")[1] == error["expected"]
        assert error.items() <= answer.json()["errors"][0]["detail"].items(), name
    client.request("GET", "/v2/pushed/tags/list", (404,))


def test_without_a_name_images_go_where_their_own_names_lead(client, push):
    data = docker_archive(IMAGE, ["docker.io/library/app:v1", "team/app:v2", "team/app:v3"])
    *blobs, told = push.json(data)
    assert sorted((i["repository"], *i["tags"]) for i in told["images"]) == [("app", "v1"), ("team/app", "v2", "v3")]
    assert is_whole(client, "app", "v1") == is_whole(client, "team/app", "v3")
    assert sorted(b["result"] for b in blobs) == ["mounted"] * len(IMAGE.blobs) + ["sent"] * len(IMAGE.blobs)
    push.write(docker_archive(IMAGE, []))
    assert "repository=" in push("app.tar", "--url", push.url, status=1)


def test_an_index_and_all_that_it_names(client, push, work):
    both = index([image(seed="a"), image(seed="b", architecture="arm64")])
    push.json(oci_archive(both, work), "multi:v1")
    assert client.get_manifest("multi", "v1").content == both.manifest
    for child in both.children:
        assert is_whole(client, "multi", child.digest, child) == child.digest


def test_a_directory_is_pushed_as_its_archive_is(client, push, work):
    both = index([image(seed="a", layer_size=MIB), image(seed="b", architecture="arm64")])
    write_oci_layout(push.work / "layout", both, "v1")
    (push.work / "layout/blobs/sha256/.tmp-1").write_text("passed over")
    told = json.loads(push("layout", "folder", "--json", "--url", push.url).splitlines()[-1])
    other = push.json(oci_archive(both, work), "archive")[-1]
    assert [i["digest"] for i in told["images"]] == [i["digest"] for i in other["images"]]
    assert client.get_manifest("folder", "v1").content == both.manifest
    is_whole(client, "folder", both.children[0].digest, both.children[0])
    (push.work / "layout/index.json").unlink()
    assert "it has no index.json" in push("layout", "folder", "--url", push.url, status=1)


def test_one_platform_of_an_index(client, push, work):
    both = index([image(seed="a"), image(seed="b", architecture="arm64")])
    archive = oci_archive(both, work)
    push.json(archive, "one:v1", "--platform", "linux/arm64")
    assert client.get_manifest("one", "v1").content == both.children[1].manifest
    client.request("GET", f"/v2/one/manifests/{both.children[0].digest}", (404,))
    error = push.json(archive, "one:v2", "--platform", "linux/s390x", status=1)[-1]["error"]
    assert error["wrong"].startswith("no image is for that platform")


def test_what_tools_wrote_is_pushed_as_the_server_takes_it(client, push):
    for name, archive in saved.archives().items():
        if not name.endswith("-one.tar"):  # one of each
            continue
        pushed = push.json(archive.data, "pushed:v1")[-1]
        taken = upload(client, archive.data, repository="taken", tag="v1")
        assert [i["digest"] for i in pushed["images"]] == [i["digest"] for i in taken["images"]], name
        client.get_manifest("pushed", pushed["images"][0]["digest"])


def test_a_digest_of_sha512_stays(client, push):
    data, found = next((data, found) for name, data, found in crafted.cases() if name == "o-sha512")
    push.json(data, "long:v1")
    assert client.get_manifest("long", "v1").headers["Docker-Content-Digest"].startswith("sha512:")


def test_tags_are_those_of_the_archive_unless_others_are_given(client, push):
    archive = docker_archive(IMAGE, ["app:one", "elsewhere/app:two"])
    push.json(archive, "own")
    push.json(archive, "given:a", "--tag", "b", "--tag", "c")
    assert client.tags("own") == ["one", "two"]
    assert client.tags("given") == ["a", "b", "c"]


def test_one_of_several_images(client, push):
    two = next(data for name, data, _ in crafted.cases() if name == "two-images")
    assert push.json(two, "some:v1", status=1)[-1]["error"]["code"] == "CHOICE"
    push.json(two, "some:v1", "--image", "team/b:1")
    assert client.tags("some") == ["v1"]


# What is not sent


def test_a_bad_archive_is_refused_before_anything_is_sent(registry, push):
    assert "expected: the whole archive" in push(push.write(ARCHIVE[:-20_000]), "app:v1", "--url", registry.url, status=1)
    assert [r["path"] for r in requests_of(registry)] == ["/v2/"]


def test_what_the_server_has_is_not_sent_again(registry, client, push):
    push.json(ARCHIVE, "app:v1")
    *blobs, told = push.json(ARCHIVE, "app:v2")
    assert {b["result"] for b in blobs} == {"there"} and told["newBlobs"] == 0
    *blobs, told = push.json(ARCHIVE, "other:v1")
    assert {b["result"] for b in blobs} == {"mounted"} and told["newBytes"] == 0
    assert is_whole(client, "other", "v1") == client.get_manifest("app", "v2").headers["Docker-Content-Digest"]


def test_another_run_sends_only_what_is_missing(client, push):
    first = next(iter(IMAGE.blobs))
    client.push_blob("app", IMAGE.blobs[first])
    *blobs, told = push.json(ARCHIVE, "app:v1")
    assert {b["blob"] for b in blobs if b["result"] == "there"} == {first}
    assert told["newBlobs"] == len(IMAGE.blobs) - 1


def test_a_dry_run_says_what_would_be_sent_and_changes_nothing(registry, client, push):
    said = push(push.write(ARCHIVE), "app:v1", "--dry-run", "--url", registry.url)
    assert f"{len(IMAGE.blobs)} of {len(IMAGE.blobs)} blobs would be sent" in said
    client.request("GET", "/v2/app/tags/list", (404,))


# Lines that break


def test_a_blob_goes_on_where_a_connection_cut_it(registry, client, push):
    """Each connection brings half of a layer: from its beginning it would never come."""
    made = image(seed="cut", layers=1, layer_size=3 * MIB)
    with CutAfter(registry.port, MIB // 2, up=True) as proxy:
        push.url = f"http://127.0.0.1:{proxy.port}"
        push.json(docker_archive(made, ["a:b"]), "app:v1")
    is_whole(client, "app", "v1", made)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("request_", ["POST", "PATCH", "PUT"])
def test_a_connection_that_is_cut_in_any_request(registry, client, push, request_, phase):
    made = image(seed="cut", layers=1, layer_size=2 * MIB)
    with CuttingProxy("127.0.0.1", registry.port) as proxy:
        push.url = f"http://{proxy.address}"
        proxy.cut(request_, phase)
        push.json(docker_archive(made, ["a:b"]), "app:v1", "--jobs", "1")
        assert proxy.cuts == 1 or (request_, phase) == ("POST", "within the body")
    is_whole(client, "app", "v1", made)


class Stuck(TcpProxy):
    """Lets so many bytes through, then nothing until clear()."""

    def __init__(self, port, after):
        self.left, self.stuck = after, threading.Event()
        super().__init__(port)

    def _carry(self, source, sink, up):
        try:
            while data := source.recv(65536):
                self.left -= len(data) if up else 0
                if self.left < 0 and not self.stuck.is_set():
                    self.hang()
                    self.stuck.set()
                self.flowing.wait()
                sink.sendall(data)
        except OSError:
            pass
        end((source, sink))


def test_another_run_goes_on_in_the_middle_of_a_blob(registry, client, push):
    made = image(seed="killed", layers=1, layer_size=8 * MIB)
    words = [push.write(docker_archive(made, ["a:b"])), "app:v1", "--jobs", "1"]
    with Stuck(registry.port, after=6 * MIB) as proxy:
        words += ["--url", f"http://127.0.0.1:{proxy.port}"]
        with push.start(*words) as first:
            assert proxy.stuck.wait(60)
            first.kill()
        proxy.clear()
        assert len(push.notes()) == 1
        push(*words)
    is_whole(client, "app", "v1", made)
    assert push.notes() == []
    parts = [r["received_bytes"] for r in requests_of(registry) if r["method"] in ("PATCH", "PUT")]
    assert sum(parts) < 12 * MIB


def test_nobody_there_and_who_is_no_registry(push):
    push.write(ARCHIVE)
    words = ["app.tar", "app:v1", "--url", "http://127.0.0.1:1"]
    assert "http://127.0.0.1:1" in push(*words, status=1)
    assert "http://127.0.0.1:1" in json.loads(push.run(*words, "--json", status=1).stdout)["error"]["message"]
    assert "a file (or -) is needed" in push(status=2)
    assert "no OCI image layout" in push(".", "app:v1", status=1)
    assert "no.tar" in push("no.tar", "app:v1", status=1)


def test_a_bar_on_a_terminal_and_none_elsewhere(push):
    terminal, end_ = os.openpty()
    with push.start(push.write(ARCHIVE), "app:v1", "--url", push.url, stderr=end_) as running:
        os.close(end_)
        assert running.wait(60) == 0
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert "MB/s" in shown and shown.endswith("\r\033[K")
    assert "MB/s" not in push("app.tar", "again:v1", "--url", push.url)


# Other servers


def test_the_reference_registry_takes_it(registry, work):
    theirs = Theirs(work, PLAIN).start()
    try:
        push = Upload(registry, work, theirs.url)
        told = push.json(ARCHIVE, "team/app:v1")[-1]
        assert push.json(ARCHIVE, "team/app:v2")[-1]["newBlobs"] == 0
        with Client(theirs.url) as client:
            assert is_whole(client, "team/app", "v1") == told["images"][0]["digest"]
    finally:
        theirs.stop()


# Who pushes


@pytest.fixture
def guarded(new_registry, work):
    accounts = Accounts(new_registry(config={
        "auth": "local", "policy": [{"subjects": ["user:bob"], "actions": ["pull", "push"], "repositories": ["team/*"]}]}))
    accounts.add("bob", password=OTHER)
    accounts.registry.start()
    push = Upload(accounts.registry, work)
    push.write(ARCHIVE)
    return push


def test_a_user_with_a_password_and_nobody_else(guarded):
    words = ["app.tar", "team/app:v1", "--url", guarded.url]
    assert "the server wants a user" in guarded(*words, status=1)
    both = guarded("-", *words[1:], "--user", "bob", "--password-stdin", status=1)
    assert "can't be the archive and the password" in both
    guarded(*words, "--user", "bob", "--password-stdin", stdin=OTHER + "\n")
    assert "this user may not" in guarded("app.tar", "other:v1", *words[2:], "--user", "bob", "--password-stdin",
                            stdin=OTHER + "\n", status=1)  # fmt: skip


def test_no_repository_gets_a_tag_when_one_of_them_may_not_be_pushed_to(guarded):
    guarded.write(docker_archive(IMAGE, ["team/first:v1", "other/app:v1", "team/last:v1"]))
    words = ["app.tar", "--url", guarded.url, "--user", "bob", "--password-stdin"]
    assert "this user may not" in guarded(*words, stdin=OTHER + "\n", status=1)
    with Client(guarded.url, auth=("bob", OTHER)) as bob:
        for name in ("team/first", "team/last"):
            assert not bob.request("GET", f"/v2/{name}/tags/list", (200, 404)).json().get("tags")


@pytest.mark.config({"quotas": [{"namespace": "small", "bytes": "4KiB"}]})
def test_no_repository_gets_a_tag_when_one_of_them_has_no_room(client, push):
    push.write(docker_archive(IMAGE, ["large/app:v1", "small/app:v1"]))
    push("app.tar", "--url", push.url, status=1)
    for name in ("large/app", "small/app"):
        assert not client.request("GET", f"/v2/{name}/tags/list", (200, 404)).json().get("tags")
