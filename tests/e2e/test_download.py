"""registry download: an image as a file, fetched by the program itself from a server."""

import base64
import json

import pytest

from accounts import OTHER, Accounts
from client_command import ClientCommand
from helpers import MIB, Client, image, index
from tcp_proxy import CutAfter

IMAGE = image(seed="download", layers=3, layer_size=MIB)


class Download(ClientCommand):
    def __init__(self, registry, work):
        super().__init__(registry, work, "download")

    def content(self, name="app.tar"):
        return (self.work / name).read_bytes()

    def part(self, etag):
        return self.work / f".app.tar.{etag.split(':')[1][:16]}.part"


@pytest.fixture
def download(registry, work):
    return Download(registry, work)


@pytest.fixture
def archive(client):
    """What the server sends."""
    client.push_image("team/app", IMAGE, "v1")
    return client.request("GET", "/api/v1/archive/team/app:v1")


def test_it_is_what_the_server_sends(registry, download, archive):
    said = download("team/app:v1", "-o", "app.tar", "--url", registry.url)
    assert said == f"app.tar: {len(archive.content)} bytes, all digests are right\n"
    assert download.content() == archive.content
    assert download.files() == ["app.tar"]


def test_the_host_may_stand_before_the_name(registry, download, archive):
    download(f"{registry.address}/team/app:v1", "-o", "app.tar")
    assert download.content() == archive.content


def test_flags_are_parameters(registry, client, download):
    client.push_image("multi", index([image(seed="a"), image(seed="b", architecture="arm64")]), "v1")
    (download.work / "have").write_text("\n".join(l["digest"] for l in image(seed="b").document["layers"]))
    flags = {"platform": "linux/arm64", "format": "oci", "name": "b:v2"}
    words = [w for name, value in flags.items() for w in (f"--{name}", value)]
    download("multi:v1", "-o", "app.tar", "--url", registry.url, "--have", "have", *words)
    have = (download.work / "have").read_text().split()
    assert download.content() == client.request("GET", "/api/v1/archive/multi:v1", params={**flags, "have": have}).content


def test_a_cut_connection_is_gone_on_with(registry, download, archive):
    with CutAfter(registry.port, MIB, up=False) as proxy:
        download("team/app:v1", "-o", "app.tar", "--url", f"http://127.0.0.1:{proxy.port}")
    assert download.content() == archive.content
    registry.stop()
    requests = [r for r in map(json.loads, registry.log.splitlines()) if r.get("route", "").startswith("/api/v1/archive")]
    assert len(requests) > 3


def test_another_run_goes_on_where_the_last_one_ended(registry, download, archive):
    download.part(archive.headers["ETag"]).write_bytes(archive.content[:2_000_001])
    download("team/app:v1", "-o", "app.tar", "--url", registry.url)
    assert download.content() == archive.content
    assert download.files() == ["app.tar"]
    registry.stop()
    requests = [r for r in map(json.loads, registry.log.splitlines()) if r.get("route", "").startswith("/api/v1/archive")]
    assert requests[-1]["sent_bytes"] == len(archive.content) - 2_000_001


def test_bytes_that_are_not_right_get_no_name(registry, download, archive):
    wrong = bytearray(archive.content[:2_000_001])
    wrong[1_000_000] ^= 1
    download.part(archive.headers["ETag"]).write_bytes(wrong)
    assert "came as sha256:" in download("team/app:v1", "-o", "app.tar", "--url", registry.url, status=1)
    assert download.files() == []


def test_what_a_server_says_is_told(registry, download, archive):
    said = download("team/app:v1", "-o", "app.tar", "--url", registry.url, "--platform", "linux/s390x", status=1)
    assert "no image for linux/s390x; there is: linux/amd64" in said
    assert download.files() == []
    assert "an image and -o FILE" in download("team/app:v1", status=2)


def test_nobody_there(download):
    assert "registry: http://127.0.0.1:1" in download("app:v1", "-o", "app.tar", "--url", "http://127.0.0.1:1", status=1)


# Credentials


@pytest.fixture
def guarded(new_registry, work):
    accounts = Accounts(new_registry(config={
        "auth": "local", "policy": [{"subjects": ["user:bob"], "actions": ["pull", "push"], "repositories": ["**"]}]}))
    accounts.add("bob", password=OTHER)
    accounts.registry.start()
    with Client(accounts.registry.url, auth=("bob", OTHER)) as client:
        client.push_image("team/app", IMAGE, "v1")
    return Download(accounts.registry, work)


def test_without_credentials_it_is_refused(guarded):
    url = guarded.registry.url
    assert "the server wants a user" in guarded("team/app:v1", "-o", "app.tar", "--url", url, status=1)


def test_a_user_and_a_password(guarded):
    words = ["team/app:v1", "-o", "app.tar", "--url", guarded.registry.url, "--user", "bob", "--password-stdin"]
    guarded(*words, stdin=OTHER + "\n")
    assert guarded.files() == ["app.tar"]


def test_what_docker_login_left(guarded):
    basic = base64.b64encode(f"bob:{OTHER}".encode()).decode()
    config = json.dumps({"auths": {guarded.registry.address: {"auth": basic}}})
    words = ["team/app:v1", "--url", guarded.registry.url]
    guarded(*words, "-o", "1.tar", DOCKER_AUTH_CONFIG=config)
    (guarded.work / ".docker").mkdir()
    (guarded.work / ".docker/config.json").write_text(config)
    guarded(*words, "-o", "2.tar")
    (guarded.work / ".docker").rename(guarded.work / "elsewhere")
    guarded(*words, "-o", "3.tar", DOCKER_CONFIG=str(guarded.work / "elsewhere"))
    assert guarded.content("1.tar") == guarded.content("2.tar") == guarded.content("3.tar")


def test_a_password_goes_to_no_other_machine_in_the_clear(download):
    words = ["app:v1", "-o", "app.tar", "--url", "http://registry.example", "--user", "bob", "--password-stdin"]
    assert "over https alone" in download(*words, stdin="secret\n", status=1)
