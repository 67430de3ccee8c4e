"""kill -9 in each phase of what comes after the last byte of an upload that comes piece by piece, or straight to a bucket: whoever asks
is told what came of it, it is told once, and nothing is left. And of archives that go to several repositories, or are kept."""

import threading

import pytest
import requests
import tus
from archives import docker_archive, upload
from content import command
from helpers import Client
from outbox import all_events
from postgres_proxy import COMMIT, DONE, PostgresProxy
from test_upload_image_kill import MADE, layers_of, temporary_files
from test_upload_sessions import WHERE
from waiting import until

DATA = docker_archive(MADE, None)
NAMED = docker_archive(MADE, ["team/app:v1", "other/app:v1"])
REPOSITORIES = ("team/app", "other/app")
CONFIG = {"replicas": {"lease": "1s"}, "maintenance": {"interval": "100ms"}}
PHASES = {
    "the note of the last byte": ("INTO jobs", COMMIT),
    "the note of the last byte, done": ("INTO jobs", DONE),
    "the row of a blob, done": ("INTO blobs", DONE),
    "the row of a manifest, done": ("INTO manifests", DONE),
    "the row of a tag": ("INTO tags", COMMIT),
    "the row of a tag, done": ("INTO tags", DONE),
    "the answer": ("DELETE FROM records", COMMIT),
    "the answer, done": ("DELETE FROM records", DONE),
}
OF_DIRECT = ("the note of the last byte, done", "the row of a tag, done", "the answer, done")


@pytest.fixture
def line(postgresql):
    with PostgresProxy(postgresql.port) as between:
        yield between


@pytest.fixture
def metadata(postgresql, line):
    """A database whose line a test may hold."""
    return {"metadata": {**postgresql.section(), "url": line.url(postgresql.url)}}


@pytest.fixture
def on_files(new_registry, metadata):
    return new_registry(config=CONFIG | metadata).start()


def kill_when_held(registry, held, ask):
    """While it answers what somebody asks for in a thread, or does what was asked for."""

    def run():
        try:
            ask()
        except (requests.RequestException, AssertionError):
            pass  # it was killed

    thread = threading.Thread(target=run)
    thread.start()
    held.wait(60)
    registry.kill()
    thread.join(60)


def send_rest(session):
    """As clients do after a break: from where the registry says."""
    offset = session.offset()
    if offset < len(DATA):
        session.patch(offset, DATA[offset:])


def tags_of(client, repo):
    return client.request("GET", f"/v2/{repo}/tags/list", (200, 404)).json().get("tags") or []


def check_nothing_left(registry):
    """Once what is left of the killed process has run out of its time."""
    registry.stop()
    registry.config["upload"] = {**registry.config.get("upload", {}), "timeout": "1s"}
    registry.write_config()
    registry.start()
    until(lambda: not temporary_files(registry), timeout=60)
    registry.stop()
    assert "all is well" in command(registry, "check")


def check_told(registry, session, ask):
    """What came of it, after the kill; by those that had not heard."""
    with Client(registry.url) as client:
        session = session.at(client)
        ask(session)
        answer = session.result().json()
        assert session.complete(201).json() == answer
        assert answer["images"][0]["tags"] == tags_of(client, "team/app") == ["v1"]
        assert layers_of(client.pull_image("team/app", "v1")) == layers_of(MADE)
        assert client.request("GET", session.path).json()["phase"] == "done"


@pytest.mark.parametrize("phase", PHASES)
def test_of_a_session(on_files, line, phase):
    with Client(on_files.url) as client:
        session = tus.Upload.begin(client, len(DATA), **WHERE)
        session.patch(0, DATA[:300_000])
        held = line.hold(*PHASES[phase])
        kill_when_held(on_files, held, lambda: session.patch(300_000, DATA[300_000:]))
    line.clear()
    on_files.start()
    check_told(on_files, session, send_rest)
    assert [(e["upload"], e["result"]) for e in all_events(on_files, "upload.ended", 1)] == [(session.path[-36:], "done")]
    check_nothing_left(on_files)


@pytest.mark.parametrize("phase", OF_DIRECT)
@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
def test_of_a_direct_one(new_registry, bucket, metadata, line, phase):
    registry = new_registry(config=CONFIG | metadata | {"storage": bucket.section()}).start()
    with Client(registry.url) as client:
        headers = {"Upload-Length": str(len(DATA))}
        told = client.request("POST", "/api/v1/uploads", 201, headers=headers, params=WHERE | {"direct": "true"})
        requests.put(told.json()["parts"][0]["url"], data=DATA, timeout=60).raise_for_status()
        session = tus.Upload(client, told.headers["Location"])
        held = line.hold(*PHASES[phase])
        kill_when_held(registry, held, session.complete)
    line.clear()
    registry.start()
    check_told(registry, session, lambda s: s.complete())
    until(lambda: not any(session.path[-36:] in key for key in bucket.keys()) and not list(bucket.uploads()), timeout=60)
    assert [e["result"] for e in all_events(registry, "upload.ended", 1)] == ["done"]
    registry.stop()


# ---- several repositories


@pytest.mark.parametrize("phase", ["the row of a manifest, done", "the row of a tag, done"])
def test_of_one_that_goes_to_several_repositories(on_files, line, phase):
    held = line.hold(*PHASES[phase])
    kill_when_held(on_files, held, lambda: requests.put(f"{on_files.url}/upload-image", data=NAMED, timeout=60))
    line.clear()
    on_files.start()
    with Client(on_files.url) as client:
        for repo in REPOSITORIES:
            tags = tags_of(client, repo)
            assert tags in ([], ["v1"])
            if tags:
                assert layers_of(client.pull_image(repo, "v1")) == layers_of(MADE)
        upload(client, NAMED)
        for repo in REPOSITORIES:
            assert layers_of(client.pull_image(repo, "v1")) == layers_of(MADE)
    check_nothing_left(on_files)


def test_of_a_session_that_goes_to_several_repositories_all_get_it(on_files, line):
    with Client(on_files.url) as client:
        session = tus.Upload.begin(client, len(NAMED))
        held = line.hold("INTO tags", DONE)
        kill_when_held(on_files, held, lambda: session.patch(0, NAMED))
    line.clear()
    on_files.start()
    with Client(on_files.url) as client:
        answer = session.at(client).result().json()
        assert sorted(i["repository"] for i in answer["images"]) == sorted(REPOSITORIES)
        for repo in REPOSITORIES:
            assert layers_of(client.pull_image(repo, "v1")) == layers_of(MADE)
    check_nothing_left(on_files)


# ---- the original


def test_between_the_original_and_the_tag_there_is_a_whole_original_and_no_tag(new_registry, metadata, line):
    registry = new_registry(config=CONFIG | metadata | {"upload": {"keep_original": True}}).start()
    held = line.hold("INTO tags", COMMIT)
    kill_when_held(registry, held, lambda: requests.put(f"{registry.url}/upload-image", params=WHERE, data=DATA, timeout=60))
    line.clear()
    registry.start()
    with Client(registry.url) as client:
        assert tags_of(client, "team/app") == []
        (kept,) = client.request("GET", "/api/v1/originals").json()["originals"]
        assert client.request("GET", f"/api/v1/originals/{kept['id']}/archive").content
        again = upload(client, DATA, **WHERE)
        listed = {o["id"] for o in client.request("GET", "/api/v1/originals").json()["originals"]}
        assert listed == {kept["id"], again["original"]["id"]}  # of one second in any order
    check_nothing_left(registry)
