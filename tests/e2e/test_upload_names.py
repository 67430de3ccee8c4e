"""Archives that are uploaded without a repository: their images go where their own names lead."""

import io
import json
import tarfile

import pytest
import requests
import tus
from accounts import htpasswd
from archives import add, crafted, docker_archive, upload
from helpers import Client, Wire, image, write_oci_layout
from places import place
from test_upload_form import HEADERS, form
from test_upload_image import PEOPLE, contents_below
from waiting import until


def docker_archive_of(images):
    """Of several images, each with its names, as `docker save A B` writes it."""
    out, items = io.BytesIO(), []
    with tarfile.open(fileobj=out, mode="w") as tar:
        for made, names in images:
            config, layers = made.document["config"]["digest"], [x["digest"] for x in made.document["layers"]]
            for digest in (config, *layers):
                if digest[7:] not in tar.getnames():
                    add(tar, digest[7:], made.blobs[digest])
            items.append({"Config": config[7:], "RepoTags": names, "Layers": [d[7:] for d in layers]})
        add(tar, "manifest.json", json.dumps(items).encode())
    return out.getvalue()


def oci_archive(work, made, annotations):
    write_oci_layout(work / "layout", made)
    index = json.loads((work / "layout" / "index.json").read_text())
    index["manifests"][0]["annotations"] = annotations
    (work / "layout" / "index.json").write_text(json.dumps(index))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(work / "layout", arcname=".")
    return out.getvalue()


NAMES = [
    ("app:v1", "app"),
    ("team/app:v1", "team/app"),
    ("docker.io/library/app:v1", "app"),
    ("index.docker.io/team/app:v1", "team/app"),
    ("localhost/app:v1", "app"),
    ("registry.example:5000/team/app:v1", "team/app"),
    ("library/app:v1", "library/app"),
]


@pytest.mark.parametrize("name, repository", NAMES)
def test_a_host_in_front_and_docker_s_library_are_left_out(client, name, repository):
    answer = upload(client, docker_archive(image(seed="names"), [name]))
    assert (answer["repository"], answer["images"][0]["repository"]) == (repository, repository)
    client.get_manifest(repository, "v1")


def test_the_answer_says_where_the_one_image_is(client):
    answer = client.request("PUT", "/upload-image", (201,), data=docker_archive(image(seed="one"), ["team/app:v1"]))
    digest = answer.json()["images"][0]["digest"]
    assert answer.headers["Location"] == f"/v2/team/app/manifests/{digest}"
    assert answer.headers["Docker-Content-Digest"] == digest


def test_images_go_to_the_repositories_of_their_names(client):
    one, two = image(seed="one"), image(seed="two")
    data = docker_archive_of([(one, ["team/one:1", "team/one:latest"]), (two, ["docker.io/library/two:2", "team/one:two"])])
    answer = upload(client, data)
    assert "repository" not in answer
    where = sorted((i["repository"], *i["tags"]) for i in answer["images"])
    assert where == [("team/one", "1", "latest"), ("team/one", "two"), ("two", "2")]
    assert client.tags("team/one") == ["1", "latest", "two"] and client.tags("two") == ["2"]
    assert client.pull_image("two", "2").blobs.keys() >= {x["digest"] for x in two.document["layers"]}


def test_what_two_repositories_share_is_stored_once_and_new_once(registry, client):
    made = image(seed="shared")
    answer = upload(client, docker_archive_of([(made, ["a/one:1", "b/two:1"])]))
    assert answer["blobs"] == answer["newBlobs"] == 1 + len(made.document["layers"])
    for repo in ("a/one", "b/two"):
        pulled = client.pull_image(repo, "1").blobs
        assert all(pulled[x["digest"]] == made.blobs[x["digest"]] for x in made.document["layers"])
    again = upload(client, docker_archive_of([(made, ["a/one:1", "b/two:1"])]))
    assert again["newBlobs"] == again["newBytes"] == 0


def test_a_tag_that_is_asked_for_stands_in_for_those_of_the_names(client):
    upload(client, docker_archive(image(seed="tag"), ["team/app:v1", "other/app:v2"]), tag="given")
    assert client.tags("team/app") == client.tags("other/app") == ["given"]


def test_an_image_that_is_chosen_by_a_name_goes_where_this_name_leads(client):
    data = docker_archive_of([(image(seed="one"), ["team/one:1", "team/other:1"]), (image(seed="two"), ["two:2"])])
    answer = upload(client, data, image="team/other:1")
    assert [(i["repository"], i["tags"]) for i in answer["images"]] == [("team/other", ["1"])]
    client.request("GET", "/v2/team/one/tags/list", (404,))


@pytest.mark.parametrize("annotations, where", [
    ({"io.containerd.image.name": "docker.io/library/app:v1", "org.opencontainers.image.ref.name": "v1"}, ("app", ["v1"])),
    ({"org.opencontainers.image.ref.name": "ghcr.io/team/app:v2"}, ("team/app", ["v2"])),
])  # fmt: skip
def test_layouts_are_named_by_their_annotations(client, work, annotations, where):
    answer = upload(client, oci_archive(work, image(seed="oci"), annotations))
    assert [(i["repository"], i["tags"]) for i in answer["images"]] == [where]


def test_a_name_without_a_tag_needs_one(client, work):
    data = oci_archive(work, image(seed="oci"), {"org.opencontainers.image.ref.name": "docker.io/team/app"})
    assert upload(client, data, expect=400)["detail"]["code"] == "NO_TAG"
    upload(client, data, tag="v1")
    assert client.tags("team/app") == ["v1"]


@pytest.mark.parametrize("annotations", [{}, {"org.opencontainers.image.ref.name": "v1"}], ids=["none", "a-tag-alone"])
def test_an_archive_that_names_no_repository_is_refused_and_says_what_is_missing(client, work, annotations):
    error = upload(client, oci_archive(work, image(seed="oci"), annotations), expect=400, tag="v1")
    assert error["detail"]["code"] == "NO_REPOSITORY" and "repository=" in error["message"]


@pytest.mark.config({"upload": {"max_repositories": 2}})
def test_more_repositories_than_may_be_are_refused(client):
    made = image(seed="many")
    names = ["a/one:1", "b/two:1", "c/three:1"]
    error = upload(client, docker_archive(made, names), expect=413)
    assert error["detail"]["code"] == "TOO_MANY_REPOSITORIES"
    upload(client, docker_archive(made, names[:2]))


@pytest.mark.parametrize("name", ["x.example/cyberdock.internal/files:v1"])
def test_what_the_registry_keeps_for_itself_gets_no_image(client, name):
    client.request("PUT", "/upload-image", (404,), data=docker_archive(image(seed="own"), [name]))


def test_a_form_without_a_repository_is_taken_and_one_with_the_registry_s_own_is_not(client):
    data = docker_archive(image(seed="form"), ["team/app:v1"])
    client.request("POST", "/upload-image", (201,), data=form(("file", data, "a.tar")), headers=HEADERS)
    assert client.tags("team/app") == ["v1"]
    own = form(("repository", "cyberdock.internal/files"), ("file", data, "a.tar"))
    client.request("POST", "/upload-image", (404,), data=own, headers=HEADERS)


def test_the_record_names_each_image_with_its_repository(client):
    made = image(seed="record")
    answer = upload(client, docker_archive(made, ["a/one:1", "b/two:2"]))
    record = client.request("GET", f"/api/v1/uploads/{answer['id']}", (200,)).json()
    assert record["repository"] is None
    assert sorted((i["repository"], i["tags"]) for i in record["images"]) == [("a/one", ["1"]), ("b/two", ["2"])]
    for repository in ("a/one", "b/two"):
        listed = client.request("GET", "/api/v1/uploads", (200,), params={"repository": repository}).json()
        assert [u["id"] for u in listed["uploads"]] == [answer["id"]]


@pytest.mark.config({"upload": {"keep_original": True}})
def test_an_original_is_found_by_each_repository(client):
    answer = upload(client, docker_archive(image(seed="kept"), ["a/one:1", "b/two:2"]))
    for repository in ("a/one", "b/two"):
        kept = client.request("GET", "/api/v1/originals", (200,), params={"repository": repository}).json()["originals"]
        assert [o["id"] for o in kept] == [answer["original"]["id"]]
        assert kept[0]["repositories"] == ["a/one", "b/two"]


def test_of_an_index_one_platform_can_be_chosen(client, work):
    indexes = dict((name, data) for name, data, _ in crafted.cases())
    data = indexes["o-partial-index"]
    answer = upload(client, data, repository="team/app", tag="v1", platform="linux/amd64")
    assert answer["images"][0]["platform"] == "linux/amd64"
    error = upload(client, data, expect=400, repository="team/app", tag="v1", platform="linux/riscv64")
    assert error["detail"]["code"] == "CHOICE" and "platform" in error["message"]


def test_what_is_no_platform_is_refused(client):
    upload(client, crafted.GOOD, expect=400, repository="team/app", tag="v1", platform="linux")
    parts = (("repository", "team/app"), ("tag", "v1"), ("platform", "linux"), ("file", crafted.GOOD, "a.tar"))
    client.request("POST", "/upload-image", (400,), data=form(*parts), headers=HEADERS)


# ---- piece by piece


def test_a_session_without_a_repository_goes_where_the_names_lead(client):
    data = docker_archive(image(seed="session"), ["a/one:1", "b/two:2"])
    session = tus.Upload.begin(client, len(data))
    session.patch(0, data[:1000])
    assert session.offset() == 1000
    session.patch(1000, data[1000:])
    answer = session.result().json()
    assert sorted((i["repository"], i["tags"]) for i in answer["images"]) == [("a/one", ["1"]), ("b/two", ["2"])]
    assert client.tags("a/one") == ["1"] and client.tags("b/two") == ["2"]


def test_a_session_without_a_repository_can_be_given_up_and_leaves_nothing(registry, client):
    before = contents_below(registry.root)
    session = tus.Upload.begin(client, 100_000)
    session.patch(0, b"x" * 50_000)
    session.request("DELETE", 204)
    until(lambda: contents_below(registry.root) == before)


@pytest.mark.parametrize("where", ["bucket", "table"])
def test_it_is_so_in_a_bucket_and_with_every_database(where, new_registry, s3_servers):
    data = docker_archive(image(seed="anywhere"), ["a/one:1", "b/two:2"])
    with place(where, s3_servers) as config:
        registry = new_registry(config=config).start()
        with Client(registry.url) as client:
            session = tus.Upload.begin(client, len(data))
            for at in (0, 3000):
                session.patch(at, data[at : at + 3000] if at == 0 else data[at:])
            answer = session.result().json()
            assert sorted((i["repository"], i["tags"]) for i in answer["images"]) == [("a/one", ["1"]), ("b/two", ["2"])]
            assert client.pull_image("b/two", "2").blobs
            assert upload(client, data)["newBlobs"] == 0
            records = client.request("GET", "/api/v1/uploads", (200,), params={"repository": "b/two"}).json()["uploads"]
            assert [(r["way"], r["phase"]) for r in records] == [("body", "done"), ("session", "done")]
            assert records[1]["id"] == answer["id"] and records[1]["received"] == len(data)
        registry.stop()


# ---- rights


POLICY = [
    {"subjects": ["user:alice"], "actions": ["pull", "push"], "repositories": ["dev/**", "app"]},
    {"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["**"]},
]
QUOTA = [{"namespace": "small", "bytes": "1KiB"}]


@pytest.fixture
def guarded(new_registry, work):
    path = htpasswd(work / "htpasswd", {**PEOPLE, "root": "root-Of-1t"})
    auth = {"htpasswd": {"file": path}, "admins": ["user:root"]}
    return new_registry(config={"auth": auth, "policy": POLICY, "quotas": QUOTA}).start()


@pytest.fixture
def alice(guarded):
    with Client(guarded.url, auth=("alice", PEOPLE["alice"])) as client:
        yield client


def assert_refused_unread(client, status):
    """No byte of the body is sent before the answer."""
    auth = requests.Request("PUT", "http://x/", auth=client.session.auth).prepare().headers
    line = f"Authorization: {auth['Authorization']}\r\n" if "Authorization" in auth else ""
    with Wire(client.url) as wire:
        wire.send(b"PUT /upload-image HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n"
                  b"Expect: 100-continue\r\n" + line.encode() + b"\r\n")  # fmt: skip
        assert wire.read_response()[0] == status


def test_who_may_push_nowhere_is_refused_before_the_body_is_read(guarded):
    with Client(guarded.url, auth=("bob", PEOPLE["bob"])) as bob:
        assert_refused_unread(bob, 403)
    with Client(guarded.url) as nobody:
        assert_refused_unread(nobody, 401)


def nothing_came(registry, *repositories):
    with Client(registry.url, auth=("root", "root-Of-1t")) as root:
        for repository in repositories:
            root.request("GET", f"/v2/{repository}/tags/list", (404,))
    return True


def test_one_repository_without_the_right_and_none_gets_anything(guarded, alice):
    before = contents_below(guarded.root)
    error = upload(alice, docker_archive(image(seed="x"), ["dev/app:1", "secret/app:1"]), expect=403)
    assert "secret/app" in error["message"]
    assert nothing_came(guarded, "dev/app", "secret/app")
    until(lambda: contents_below(guarded.root) == before)


def test_a_tag_that_may_not_be_moved_keeps_all_of_the_archive_out(guarded, alice):
    upload(alice, docker_archive(image(seed="first"), ["dev/b:1"]))
    error = upload(alice, docker_archive(image(seed="second"), ["dev/a:1", "dev/b:1"]), expect=403)
    assert "may not move" in error["message"]
    assert nothing_came(guarded, "dev/a")


def test_a_session_s_job_asks_for_the_rights_of_each_repository(guarded, alice):
    data = docker_archive(image(seed="y"), ["dev/app:1", "secret/app:1"])
    session = tus.Upload.begin(alice, len(data))
    session.patch(0, data)
    assert "secret/app" in session.result(403).json()["errors"][0]["message"]
    assert nothing_came(guarded, "dev/app", "secret/app")


def test_the_trail_has_an_entry_for_each_repository(guarded, alice):
    upload(alice, docker_archive(image(seed="z"), ["dev/one:1", "docker.io/library/app:1"]))
    data = docker_archive(image(seed="z"), ["dev/two:1", "dev/three:1"])
    session = tus.Upload.begin(alice, len(data))
    session.patch(0, data)
    session.result()
    upload(alice, docker_archive(image(seed="z"), ["secret/app:1"]), expect=403)

    def entries():
        with Client(guarded.url, auth=("root", "root-Of-1t")) as root:
            listed = root.request("GET", "/api/v1/audit", (200,), params={"action": "upload image"}).json()
        return sorted((e["target"], e["result"]) for e in listed["entries"])

    wanted = [(t, "ok") for t in ("app", "dev/one", "dev/three", "dev/two")] + [("secret/app", "DENIED")]
    until(lambda: entries() == sorted(wanted))


@pytest.mark.config({"quotas": QUOTA})
def test_a_quota_of_one_repository_keeps_all_of_the_archive_out(registry, client):
    before = contents_below(registry.root)
    upload(client, docker_archive(image(seed="big"), ["big/app:1", "small/app:1"]), expect=403)
    for repository in ("big/app", "small/app"):
        client.request("GET", f"/v2/{repository}/tags/list", (404,))
    until(lambda: contents_below(registry.root) == before)
