"""A connection to PostgreSQL that breaks at a COMMIT: whether it was done or not, what the client hears at
its own retry is right, and nothing is done twice."""

import pytest
from commit_proxy import LATE, NOT_SENT, PHASES, CommitProxy
from helpers import digest_of, image, random_bytes
from waiting import until


@pytest.fixture
def proxy(database):
    port = int(database.server["url"].rsplit(":", 1)[1])
    with CommitProxy(port) as between:
        between.server_port = port
        yield between


@pytest.fixture
def registry(new_registry, database, proxy):
    section = {**database.section(), "url": proxy.url(database.url, proxy.server_port)}
    return new_registry(config={"metadata": section}).start()


@pytest.fixture(params=PHASES)
def phase(request):
    return request.param


def twice(proxy, phase, text, ask):
    """Asks with the connection cut, and again: the answer to that."""
    cuts = proxy.cuts
    proxy.cut(phase, text)
    first = ask(None)
    assert proxy.cuts == cuts + 1
    assert first.status_code == 503
    assert int(first.headers["Retry-After"]) >= 1
    return ask(None)


def test_the_end_of_a_blob(client, proxy, phase, database):
    data = random_bytes(20_000)
    location = client.start_upload("app")
    proxy.cut(phase, "INTO blobs")
    client.finish(location, digest_of(data), data)  # the registry itself tries again: that is known to be done once
    assert proxy.cuts == 1
    assert client.get_blob("app", digest_of(data)).content == data
    assert database.sql("SELECT bytes FROM repos") == str(len(data))


def test_a_push_of_a_tag(client, proxy, phase, database):
    old, new = image(seed=1), image(seed=2)
    client.push_image("app", old, "v1")
    client.push_image("app", new)
    before = int(database.sql("SELECT bytes FROM repos"))
    assert client.pull_image("app", "v1") == old
    answer = twice(
        proxy, phase, "INTO tags", lambda expect: client.push_manifest("app", "v1", new, expect)
    )
    assert answer.status_code == 201
    assert client.pull_image("app", "v1") == new
    assert client.tags("app") == ["v1"]
    assert int(database.sql("SELECT bytes FROM repos")) == before
    assert database.sql("SELECT manifests, tags FROM repos") == "2|1"


def test_a_push_of_a_manifest(client, proxy, phase, database):
    made = image()
    for blob, data in made.blobs.items():
        client.push_blob("app", data, blob)
    answer = twice(
        proxy, phase, "INTO manifests", lambda expect: client.push_manifest("app", "v1", made, expect)
    )
    assert answer.status_code == 201
    assert client.pull_image("app", "v1") == made
    assert database.sql("SELECT manifests, tags FROM repos") == "1|1"


def test_a_mount(client, proxy, phase, database):
    data = random_bytes(20_000)
    digest = client.push_blob("one", data)
    answer = twice(
        proxy,
        phase,
        "INTO blobs",
        lambda expect: client.request(
            "POST", "/v2/other/blobs/uploads/", expect, params={"mount": digest, "from": "one"}
        ),
    )
    assert answer.status_code == 201
    assert client.get_blob("other", digest).content == data
    assert database.sql("SELECT bytes FROM repos ORDER BY name") == f"{len(data)}\n{len(data)}"


def gone(phase, answer):
    """To a delete that may have been done before: 404 says that it was."""
    return answer.status_code == 202 if phase == NOT_SENT else answer.status_code == 404


def test_a_delete_of_a_tag(client, proxy, phase, database):
    made = image()
    client.push_image("app", made, "v1")
    client.push_image("app", made, "v2")
    client.pull_image("app", "v1")
    answer = twice(proxy, phase, "FROM tags", lambda expect: client.delete_manifest("app", "v1", expect))
    assert gone(phase, answer)
    client.get_manifest("app", "v1", expect=404)
    assert client.tags("app") == ["v2"]
    assert client.pull_image("app", "v2") == made
    assert database.sql("SELECT manifests, tags FROM repos") == "1|1"


def test_a_delete_of_a_manifest(client, proxy, phase, database):
    made, other = image(seed=1), image(seed=2)
    client.push_image("app", made, "v1")
    client.push_image("app", other, "v2")
    client.pull_image("app", made.digest)
    answer = twice(
        proxy, phase, "DELETE FROM manifests", lambda expect: client.delete_manifest("app", made.digest, expect)
    )
    assert gone(phase, answer)
    client.get_manifest("app", made.digest, expect=404)
    client.get_manifest("app", "v1", expect=404)
    assert client.tags("app") == ["v2"]
    assert database.sql("SELECT manifests, tags FROM repos") == "1|1"


def test_a_delete_of_a_blob(client, proxy, phase, database):
    digest = client.push_blob("app", random_bytes(20_000))
    answer = twice(proxy, phase, "DELETE FROM blobs", lambda expect: client.delete_blob("app", digest, expect))
    assert gone(phase, answer)
    assert not client.has_blob("app", digest)
    assert database.sql("SELECT bytes FROM repos") == "0"


def test_what_is_committed_after_the_registry_gave_up_is_served(client, proxy, database):
    old, new = image(seed=1), image(seed=2)
    client.push_image("app", old, "v1")
    client.push_image("app", new)
    proxy.cut(LATE, "INTO tags")
    client.push_manifest("app", "v1", new, expect=503)
    assert client.pull_image("app", "v1") == old
    proxy.release()
    until(lambda: database.sql("SELECT digest FROM tags JOIN manifests ON id = manifest_id") == new.digest)
    assert client.pull_image("app", "v1") == new
