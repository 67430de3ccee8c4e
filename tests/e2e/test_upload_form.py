"""/upload-image by a form: what curl and browsers send is taken, in whatever order its fields come."""

import json
import subprocess

import pytest
import requests
from accounts import htpasswd
from archives import crafted, docker_archive
from helpers import Client, Wire, image, image_of_layers, random_bytes, tar_layer
from test_upload_image import PEOPLE, POLICY, contents_below
from waiting import until

FINE = crafted.GOOD
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

FILE = ("file", FINE, "a.tar")
NAMELESS = ("file", docker_archive(image(seed="nameless"), None), "a.tar")
REPOSITORY = ("repository", "team/app")
TAG = ("tag", "v1")


@pytest.fixture
def archive(work):
    path = work / "app.tar"
    path.write_bytes(FINE)
    return path


def curl(registry, *fields, query="", status=201, options=()):
    """The answer to `curl -F FIELD -F FIELD ...`."""
    forms = [word for field in fields for word in ("-F", field)]
    command = ["curl", "-sS", "-w", "\n%{http_code}", *options, *forms, f"{registry.url}/upload-image{query}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    body, _, code = done.stdout.rpartition("\n")
    assert int(code) == status, done.stdout
    return json.loads(body)


def part(name, value, file_name=None):
    """As a browser writes it."""
    file = "" if file_name is None else f'; filename="{file_name}"\r\nContent-Type: application/x-tar'
    value = value if isinstance(value, bytes) else value.encode()
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def has_layers_of(client, made):
    pulled = client.pull_image("team/app", "v1").blobs
    return all(pulled[x["digest"]] == made.blobs[x["digest"]] for x in made.document["layers"])


END = f"--{BOUNDARY}--\r\n".encode()


def form(*parts):
    return b"".join(part(*x) for x in parts) + END


def send(client, data, expect=201, method="POST", headers=HEADERS, **params):
    answer = client.request(method, "/upload-image", (expect,), params=params, data=data, headers=headers).json()
    return answer["errors"][0] if expect >= 400 else answer


def test_fields_may_stand_before_the_file_and_behind_it(registry, client, archive):
    fields = [f"file=@{archive}", "repository=team/app", "tag=v1"]
    first = curl(registry, *fields)
    assert first["newBlobs"] == first["blobs"] == 3
    again = curl(registry, *reversed(fields))
    assert again == first | {"newBlobs": 0, "newBytes": 0, "id": again["id"]}
    client.pull_image("team/app", "v1")


def test_fields_may_stand_in_the_query(registry, client, archive):
    curl(registry, f"file=@{archive}", query="?repository=team/app&tag=v1")
    curl(registry, f"file=@{archive}", "tag=v2", query="?repository=team/app")
    assert client.tags("team/app") == ["v1", "v2"]


def test_one_of_several_images_can_be_chosen(registry, client, work):
    two = work / "two.tar"
    two.write_bytes(dict((name, data) for name, data, _ in crafted.cases())["two-images"])
    answer = curl(registry, f"file=@{two}", "image=team/b:1", "tag=v1", "repository=team/app")
    assert [i["tags"] for i in answer["images"]] == [["v1"]] and answer["blobs"] == 2


@pytest.mark.parametrize("name", ['a"b.tar', "a\\b.tar", "ä ö;.tar", "-"])
def test_the_name_of_the_file_may_be_any(registry, client, archive, name):
    written = name.replace("\\", "\\\\").replace('"', '\\"')
    curl(registry, f'file=@{archive};filename="{written}"', "repository=team/app", "tag=v1")
    send(client, form(("repository", "b"), ("tag", "v1"), ("file", FINE, name.replace('"', "%22"))))


def test_a_file_may_come_from_a_pipe(registry, client, archive):
    fields = "-F file=@- -F repository=team/app -F tag=v1"
    script = f"cat {archive} | curl -sS --fail-with-body {fields} {registry.url}/upload-image"
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], timeout=60, check=True, capture_output=True)
    assert client.tags("team/app") == ["v1"]


def test_a_form_may_come_in_small_chunks_without_a_length(client):
    made = image_of_layers([tar_layer({"a": random_bytes(60_000)})])
    data = form(("file", docker_archive(made, ["a:1"]), "a.tar"), ("tag", "v1"), ("repository", "team/app"))
    send(client, (data[i : i + 700] for i in range(0, len(data), 700)))
    assert has_layers_of(client, made)


def test_what_a_page_left_empty_is_not_there(client):
    data = docker_archive(image(seed="x"), ["a:own"])
    data = form(("image", ""), ("tag", ""), REPOSITORY, ("file", data, "a"))
    assert send(client, data)["images"][0]["tags"] == ["own"]


REFUSED = {
    "unknown": ("FIELD", "no such field", form(FILE, REPOSITORY, TAG, ("tags", "v2"))),
    "two-files": ("FIELD", "twice", form(REPOSITORY, TAG, FILE, FILE)),
    "two-tags": ("FIELD", "twice", form(REPOSITORY, TAG, TAG, FILE)),
    "no-file": ("FIELD", "no file", form(REPOSITORY, TAG)),
    "nothing": ("FIELD", "no file", END),
    "tag-is-a-file": ("FIELD", "is a file", form(REPOSITORY, ("tag", "v1", "tag.txt"), FILE)),
    "long": ("FIELD", "too long", form(REPOSITORY, TAG, FILE, ("image", 600 * "x"))),
    "nul": ("FIELD", "no text", form(REPOSITORY, TAG, FILE, ("image", "a\0b"))),
    "cut": ("FORM", "breaks off", form(REPOSITORY, TAG, FILE)[:-8]),
    "trailing": ("FORM", "behind the last boundary", form(REPOSITORY, TAG, FILE) + b"x"),
    "other-boundary": ("FORM", "boundary", form(REPOSITORY, TAG, FILE).replace(BOUNDARY.encode(), b"other")),
    "not-an-archive": ("EMPTY", "", form(REPOSITORY, TAG, ("file", "", ""))),
    "archive-cut": ("CUT", "", form(REPOSITORY, TAG, ("file", FINE[:3000], "a"))),
}


@pytest.mark.parametrize("case", REFUSED)
def test_forms_that_are_wrong_are_refused_and_leave_nothing(registry, client, case):
    code, wrong, data = REFUSED[case]
    before = contents_below(registry.root)
    error = send(client, data, expect=400)
    assert error["detail"]["code"] == code and wrong in error["detail"]["wrong"] and error["detail"]["expected"]
    assert code != "FIELD" or all(name in error["message"] for name in ("file", "repository", "tag", "image"))
    client.request("GET", "/v2/team/app/tags/list", (404,))
    until(lambda: contents_below(registry.root) <= before)


@pytest.mark.parametrize("fields", [(FILE, TAG), (FILE, TAG, ("repository", ""))])
def test_without_any_repository_nothing_is_stored(registry, client, fields):
    fields = (NAMELESS, *fields[1:])
    before = contents_below(registry.root)
    error = send(client, form(*fields), expect=400)  # nor does the archive name one
    assert error["detail"]["code"] == "NO_REPOSITORY" and "repository=" in error["message"]
    until(lambda: contents_below(registry.root) <= before)


@pytest.mark.parametrize("field, code", [(("repository", "Team"), "NAME_INVALID"), (("tag", "a b"), "MANIFEST_INVALID")])
def test_names_that_are_none_are_refused(client, field, code):
    fields = dict([REPOSITORY, TAG, field])
    assert send(client, form(FILE, *fields.items()), expect=400)["code"] == code


def test_a_field_stands_in_the_form_or_in_the_query_and_not_in_both(client):
    error = send(client, form(REPOSITORY, TAG, FILE), expect=400, repository="team/app")
    assert "in the query as well" in error["message"]


def test_a_form_comes_by_post_with_a_boundary(client):
    send(client, form(REPOSITORY, TAG, FILE), expect=415, method="PUT", repository="team/app")
    send(client, form(FILE), expect=415, repository="team/app", headers={"Content-Type": "multipart/mixed; boundary=a"})
    send(client, form(FILE), expect=400, headers={"Content-Type": "multipart/form-data"})
    send(client, form(FILE), expect=400, headers={"Content-Type": "multipart/form-data; boundary=" + 71 * "a"})


@pytest.mark.config({"upload": {"max_bytes": "1MiB"}})
def test_what_is_too_large_is_refused_by_its_length_and_what_says_none_by_its_bytes(client):
    much = form(REPOSITORY, TAG, ("file", random_bytes(3 * 1024 * 1024), "a"))
    send(client, much, expect=413)
    made = docker_archive(image_of_layers([tar_layer({"a": random_bytes(2 * 1024 * 1024)})]), ["a:1"])
    data = form(REPOSITORY, TAG, ("file", made, "a"))
    with Wire(client.url) as wire:
        wire.send_request("POST", "/upload-image", HEADERS | {"Transfer-Encoding": "chunked"})
        wire.send(b"%x\r\n" % len(data))
        wire.send(data[: 1024 * 1024 + 100_000])
        assert wire.read_response()[0] == 413


@pytest.mark.config({"quotas": [{"namespace": "team", "bytes": "4KiB"}]})
@pytest.mark.parametrize("fields", [(REPOSITORY, TAG, FILE), (FILE, TAG, REPOSITORY)])
def test_quotas_count_wherever_the_repository_stands(registry, client, fields):
    before = contents_below(registry.root)
    send(client, form(*fields), expect=403)
    digests = ["sha256:" + crafted.sha(x) for x in (crafted.ONE, crafted.TWO, crafted.BOTH)]
    assert not any(client.has_blob("team/app", digest) for digest in digests)
    send(client, form(FILE, TAG, ("repository", "other/app")))
    assert contents_below(registry.root) > before


def test_a_form_that_breaks_off_leaves_nothing(registry):
    made = docker_archive(image_of_layers([tar_layer({"a": random_bytes(400_000)})]), ["a:1"])
    data = form(("file", made, "a.tar"), REPOSITORY)
    before = contents_below(registry.root)
    with Wire(registry.url) as wire:
        wire.send_request("POST", "/upload-image", HEADERS | {"Content-Length": len(data)}, data[:200_000])
        until(lambda: contents_below(registry.root) != before)
    until(lambda: contents_below(registry.root) <= before)


@pytest.fixture
def guarded(new_registry, work):
    path = htpasswd(work / "htpasswd", PEOPLE)
    return new_registry(config={"auth": {"htpasswd": {"file": path}}, "policy": POLICY}).start()


def begin(wire, name, data, length=1_000_000_000, query="", **more):
    """A form of which only `data` comes."""
    auth = requests.Request("POST", "http://x/", auth=name and (name, PEOPLE[name])).prepare().headers
    headers = HEADERS | {"Content-Length": length} | more
    if name:
        headers["Authorization"] = auth["Authorization"]
    wire.send_request("POST", "/upload-image" + query, headers, data)


@pytest.mark.parametrize("name, status", [(None, 401), ("bob", 403)])
def test_who_may_push_nowhere_is_refused_before_the_form_comes(guarded, name, status):
    with Wire(guarded.url) as wire:
        begin(wire, name, b"", Expect="100-continue")
        assert wire.read_response()[0] == status


@pytest.mark.parametrize("place", ["query", "field"])
def test_a_repository_that_is_known_is_asked_for_before_all_of_the_file_comes(guarded, place):
    data = b"" if place == "query" else part("repository", "prod/app") + part("file", random_bytes(100_000), "a")
    before = contents_below(guarded.root)
    with Wire(guarded.url) as wire:
        begin(wire, "alice", data, query="?repository=prod/app" if place == "query" else "")
        status, _, body = wire.read_response()
    assert status == 403 and b"may not push to prod/app" in body
    assert contents_below(guarded.root) == before


@pytest.mark.parametrize("fields", [(FILE, ("repository", "prod/app"), TAG), (FILE, TAG, ("repository", "prod/app"))])
def test_a_repository_that_comes_last_is_asked_for_before_anything_is_linked(guarded, fields):
    before = contents_below(guarded.root)
    with Client(guarded.url, auth=("alice", PEOPLE["alice"])) as alice:
        assert "may not push" in send(alice, form(*fields), expect=403)["message"]
        until(lambda: contents_below(guarded.root) == before)
        send(alice, form(FILE, TAG, ("repository", "dev/app")))


def test_a_tag_of_a_form_that_may_not_be_moved_is_not(guarded):
    with Client(guarded.url, auth=("alice", PEOPLE["alice"])) as alice:
        send(alice, form(FILE, TAG, ("repository", "dev/app")))
        other = image(seed="other")
        data = form(("file", docker_archive(other, None), "a"), TAG, ("repository", "dev/app"))
        error = send(alice, data, expect=403)
        assert "may not move" in error["message"]
        assert not any(alice.has_blob("dev/app", digest) for digest in other.blobs)


def test_slow_clients_send_forms_piece_by_piece(registry, client):
    made = image_of_layers([tar_layer({"a": random_bytes(100_000)})])
    data = form(TAG, ("file", docker_archive(made, None), "a.tar"), REPOSITORY)
    edges = (100, 300, 90_000, len(data) - 130, len(data) - 60, len(data))
    with Wire(registry.url) as wire:
        wire.send_request("POST", "/upload-image", HEADERS | {"Content-Length": len(data)})
        for start, end in zip((0, *edges), edges, strict=False):
            wire.send(data[start:end])
            client.request("GET", "/v2/")  # others are served meanwhile
        assert wire.read_response()[0] == 201
    assert has_layers_of(client, made)
