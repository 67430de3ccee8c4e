"""A disk that is full, read-only, forbidden or damaged: clear errors, and the rest goes on."""

import os
import shutil

import pytest

import disks
from accounts import OTHER, PASSWORD, Accounts
from archives import docker_archive, upload
from helpers import Client, digest_of, image, image_of_layers, random_bytes, tar_layer
from server import NotReady
from waiting import until

NOBODY = 65534
PUSH_OF_NEW = f"/v2/app/blobs/uploads/?digest={digest_of(b'new')}"
needs_disk = pytest.mark.skipif(disks.why_not() is not None, reason=str(disks.why_not()))
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")


@pytest.fixture
def disk(work):
    made = disks.Disk(work, 64).mount()
    yield made
    made.remove()


@pytest.fixture
def on_disk(disk, new_registry):
    return new_registry(root=disk.path / "registry").start()


def error_of(response):
    """The message of an error answer, which must be JSON as the specification says."""
    assert response.headers["Content-Type"].startswith("application/json")
    return response.json()["errors"][0]["message"]


@needs_disk
def test_full_disk_refuses_pushes_serves_pulls_and_recovers(on_disk, disk):
    before = image(seed="before", layers=2, layer_size=1_000_000)
    large = random_bytes(12_000_000, "large")
    with Client(on_disk.url) as client:
        client.push_image("app", before, "v1")
        filler = disk.fill(leave=6_000_000)

        refused = client.finish(client.start_upload("app"), digest_of(large), large, expect=507)
        assert "full" in error_of(refused)
        assert not client.has_blob("app", digest_of(large))
        assert client.pull_image("app", "v1") == before
        until(lambda: "No space left on device" in on_disk.log)

        filler.unlink()
        client.push_blob("app", large)
        assert client.get_blob("app", digest_of(large)).content == large


@needs_disk
def test_an_archive_that_does_not_fit_is_refused_and_leaves_nothing(on_disk, disk):
    made = image_of_layers([tar_layer({"a": random_bytes(4_000_000, n)}) for n in range(3)])
    data = docker_archive(made, None)
    with Client(on_disk.url) as client:
        filler = disk.fill(leave=6_000_000)
        refused = upload(client, data, expect=507, repository="app", tag="v1")
        assert "full" in refused["message"]
        client.request("GET", "/v2/app/tags/list", 404)
        until(lambda: not list((disk.path / "registry/temp/uploads").iterdir()))

        filler.unlink()
        upload(client, data, repository="app", tag="v1")
        layers = [x["digest"] for x in client.pull_image("app", "v1").document["layers"]]
        assert layers == [x["digest"] for x in made.document["layers"]]


@needs_disk
def test_chunk_that_does_not_fit_leaves_its_session_where_it_was(on_disk, disk):
    data = random_bytes(12_000_000, "chunks")
    with Client(on_disk.url) as client:
        location = client.start_upload("app")
        client.patch(location, data[:1_000_000], start=0)
        filler = disk.fill(leave=3_000_000)
        refused = client.patch(location, data[1_000_000:], start=1_000_000, expect=507)
        assert "full" in error_of(refused)
        assert client.upload_offset(location) == 1_000_000

        filler.unlink()
        client.patch(location, data[1_000_000:], start=1_000_000)
        client.finish(location, digest_of(data))
        assert client.get_blob("app", digest_of(data)).content == data


@needs_disk
def test_without_a_byte_left_every_kind_of_write_is_refused(on_disk, disk):
    made = image(seed="made")
    with Client(on_disk.url) as client:
        client.push_image("app", made, "v1")
        filler = disk.fill()
        blob, data = next(iter(made.blobs.items()))
        for method, path, body in (
            ("PATCH", client.start_upload("app"), b"new"),
            ("POST", PUSH_OF_NEW, b"new"),
            ("POST", f"/v2/other/blobs/uploads/?mount={blob}&from=app", b""),
        ):
            client.request(method, path, 507, data=body)
        assert client.pull_image("app", "v1") == made

        filler.unlink()
        client.request("POST", f"/v2/other/blobs/uploads/?mount={blob}&from=app", 201)
        assert client.get_blob("other", blob).content == data


@pytest.fixture
def with_small_reserve(disk, new_registry):
    config = {"storage": {"reserve": "2MiB"}, "gc": {"grace": "0s"}, "maintenance": {"interval": "1s"}}
    return new_registry(root=disk.path / "registry", config=config).start()


@needs_disk
def test_without_a_byte_left_deleting_frees_space_for_pushes(with_small_reserve, disk):
    old = image(seed="old", layers=1, layer_size=8_000_000)
    new = image(seed="new", layers=1, layer_size=3_000_000)
    with Client(with_small_reserve.url) as client:
        client.push_image("app", old, "v1")
        disk.fill()
        client.request("POST", PUSH_OF_NEW, 507, data=b"new")

        client.delete_manifest("app", "v1")
        client.get_manifest("app", "v1", expect=404)
        client.request("GET", "/readyz", 507)
        assert "full" in error_of(client.request("POST", PUSH_OF_NEW, 507, data=b"new"))
        client.delete_manifest("app", old.digest)
        for digest in old.blobs:
            client.delete_blob("app", digest)

        until(lambda: client.request("GET", "/readyz", None).status_code == 200)
        client.push_image("app", new, "v2")
        assert client.pull_image("app", "v2") == new
        client.request("GET", "/readyz", 200)


@needs_disk
def test_without_a_byte_left_a_tag_moves(with_small_reserve, disk):
    old, new = image(seed="old"), image(seed="new")
    with Client(with_small_reserve.url) as client:
        client.push_image("app", old, "v1")
        client.push_image("app", new, "v2")
        disk.fill()
        client.push_manifest("app", "v1", new, 201)
        assert client.pull_image("app", "v1") == new
        tags = with_small_reserve.root / "repositories" / "app" / "manifests"
        until(lambda: os.readlink(tags / "v1") == new.digest)
        with_small_reserve.restart()
        assert client.pull_image("app", "v1") == new


@needs_disk
def test_without_a_byte_left_many_deletions_work(with_small_reserve, disk):
    """More than the reserve could hold if nothing of it came free again."""
    made = image(seed="made")
    with Client(with_small_reserve.url) as client:
        client.push_image("app", made, "v1")
        for i in range(600):
            client.push_manifest("app", f"tag{i}", made)
        disk.fill()
        for i in range(600):
            client.delete_manifest("app", f"tag{i}")
        assert client.tags("app") == ["v1"]


@needs_disk
def test_no_byte_left(on_disk, disk):
    """Not even the database can grow."""
    before = image(seed="before")
    after = image(seed="after")
    with Client(on_disk.url) as client:
        client.push_image("app", before, "v1")
        for digest, data in after.blobs.items():
            client.push_blob("app", data, digest)
        filler = disk.fill()

        client.push_manifest("app", "v2", after, expect=507)
        assert client.pull_image("app", "v1") == before
        client.get_manifest("app", "v2", expect=404)
        assert client.tags("app") == ["v1"]

        filler.unlink()
        client.push_image("app", after, "v2")
        assert client.pull_image("app", "v2") == after
        on_disk.restart()
        assert client.tags("app") == ["v1", "v2"]


@pytest.fixture
def guarded_on_disk(disk, new_registry):
    """A registry with an admin, alice, and a user who may push nothing, bob."""
    policy = [{"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["app"]}]
    config = {"auth": "local", "policy": policy, "storage": {"reserve": 0}}
    accounts = Accounts(new_registry(root=disk.path / "registry", config=config))
    accounts.add("alice", "--admin")
    accounts.add("bob", password=OTHER)
    return accounts.registry.start()


@needs_disk
def test_full_disk_and_refused_requests_stop_nobody(guarded_on_disk, disk):
    """Each refusal is one for the audit trail, and there are more than it has room for."""
    made = image(seed="made")
    with Client(guarded_on_disk.url, auth=("alice", PASSWORD)) as alice:
        alice.push_image("app", made, "v1")
        filler = disk.fill()
        with Client(guarded_on_disk.url, auth=("bob", OTHER)) as bob:
            for _ in range(2500):
                bob.request("POST", "/v2/app/blobs/uploads/", 403)
            bob.request("GET", "/healthz", 200)
        assert alice.pull_image("app", "v1") == made

        filler.unlink()
        lost = until(
            lambda: next(iter(alice.request("GET", "/api/v1/audit?result=lost", 200).json()["entries"]), None)
        )
        assert lost["actor"] == "registry" and lost["action"] == "audit"
        assert '"entries":' in lost["detail"]


@needs_disk
def test_full_disk_does_not_hold_up_the_end(guarded_on_disk, disk):
    with Client(guarded_on_disk.url, auth=("bob", OTHER)) as bob:
        disk.fill()

        def refused():
            """Some entries find room where the log of the database has been."""
            for _ in range(50):
                bob.request("POST", "/v2/app/blobs/uploads/", 403)
            return "the audit trail can't be written" in guarded_on_disk.log

        until(refused)
    guarded_on_disk.stop()


@needs_disk
def test_read_only_disk_does_not_hold_up_the_end(guarded_on_disk, disk):
    with Client(guarded_on_disk.url, auth=("bob", OTHER)) as bob:
        disk.make_read_only()
        bob.request("POST", "/v2/app/blobs/uploads/", 403)
    until(lambda: "the audit trail can't be written" in guarded_on_disk.log)
    guarded_on_disk.stop()


@needs_disk
def test_full_disk_does_not_stop_the_start(on_disk, disk):
    before = image(seed="before")
    with Client(on_disk.url) as client:
        client.push_image("app", before, "v1")
        on_disk.kill()
        filler = disk.fill()
        on_disk.start()
        assert client.pull_image("app", "v1") == before
        filler.unlink()
        client.push_image("app", image(seed="after"), "v2")


@needs_disk
def test_disk_that_becomes_read_only(on_disk, disk):
    before = image(seed="before")
    with Client(on_disk.url) as client:
        client.push_image("app", before, "v1")
        disk.make_read_only()

        for method, path, body in (("POST", PUSH_OF_NEW, b"new"), ("DELETE", "/v2/app/manifests/v1", b"")):
            refused = client.request(method, path, expect=503, data=body)
            assert "read-only" in error_of(refused)
        client.request("GET", "/readyz", 503)
        assert client.pull_image("app", "v1") == before
        assert client.tags("app") == ["v1"]

        # The administrator repairs the disk and starts again.
        on_disk.kill()
        disk.unmount()
        disk.mount()
        on_disk.start()
        assert client.pull_image("app", "v1") == before
        client.push_image("app", image(seed="after"), "v2")


def test_root_that_was_removed_is_not_ready(registry, client):
    client.push_image("app", image(seed="made"), "v1")
    client.request("GET", "/readyz", 200)
    shutil.rmtree(registry.root)
    client.request("GET", "/readyz", 503)
    client.request("GET", "/healthz", 200)


def test_empty_database_beside_a_used_store_is_told(registry, client):
    client.push_image("app", image(seed="made"), "v1")
    registry.stop()
    (registry.root / "registry.db").write_bytes(b"")
    with pytest.raises(NotReady, match="there is no database, but the store holds repositories"):
        registry.start()


@needs_root
def test_missing_permission_on_one_repository(new_registry):
    registry = new_registry(user=NOBODY)
    registry.copy_binary_for_others(registry.work)
    shutil.chown(registry.work, NOBODY)
    registry.start()
    before = image(seed="before")
    with Client(registry.url) as client:
        client.push_image("locked", before, "v1")
        blobs = registry.root / "repositories" / "locked" / "blobs"
        blobs.chmod(0o500)
        data = random_bytes(1000, "new")
        refused = client.finish(client.start_upload("locked"), digest_of(data), data, expect=503)
        assert "permission" in error_of(refused)
        assert str(registry.root) not in refused.text
        until(lambda: "Permission denied" in registry.log)

        assert client.pull_image("locked", "v1") == before
        client.push_image("open", image(seed="other"), "v1")
        blobs.chmod(0o700)
        client.push_blob("locked", data)


@needs_root
def test_root_without_permission_is_said_at_start(new_registry, work):
    from server import NotReady

    registry = new_registry(user=NOBODY)
    registry.copy_binary_for_others(work)
    registry.root.mkdir(mode=0o700)
    with pytest.raises(NotReady):
        registry.start()
    assert str(registry.root) in registry.log
    assert "Permission denied" in registry.log


def flip_a_byte(path, at):
    mode = path.stat().st_mode
    path.chmod(0o600)
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 1]))
    path.chmod(mode)


@pytest.mark.sanitize
@pytest.mark.config({"storage": {"verify_on_read": True}})
@pytest.mark.parametrize("size", [1_000, 3_000_000])
@pytest.mark.parametrize("place", ["first", "last"])
def test_damaged_blob_is_never_served_as_good(registry, client, size, place):
    good, bad = random_bytes(size, "good"), random_bytes(size, "bad")
    for data in (good, bad):
        client.push_blob("app", data)
    path = registry.root / "repositories" / "app" / "blobs" / digest_of(bad)
    flip_a_byte(path, 0 if place == "first" else size - 1)

    try:
        served = client.get_blob("app", digest_of(bad), expect=(200, 500))
        assert served.status_code == 500 or len(served.content) < size
    except OSError:
        pass  # cut off before its end
    until(lambda: digest_of(bad) in registry.log)
    assert client.get_blob("app", digest_of(good)).content == good


@pytest.mark.sanitize
@pytest.mark.config({"storage": {"verify_on_read": True}})
def test_damaged_blob_is_mended_by_a_push(registry, client):
    """What the client sends is kept, not the damaged file that bears the same digest."""
    data = random_bytes(300_000)
    digest = client.push_blob("app", data)
    flip_a_byte(registry.root / "repositories" / "app" / "blobs" / digest, 299_999)
    client.push_blob("other", data)
    assert client.get_blob("other", digest).content == data
    client.push_blob("app", data)
    assert client.get_blob("app", digest).content == data


def never_wrong(client, made):
    """The manifest as it was pushed, or an error: no other bytes."""
    for reference in ("v1", made.digest):
        answer = client.get_manifest("app", reference, expect=(200, 404, 500))
        if answer.status_code == 200:
            assert answer.content == made.manifest


@pytest.mark.sanitize
@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("trouble", ["damaged", "emptied", "removed"])
def test_manifest_file_in_trouble(registry, client, trouble, restart):
    made, other = image(seed="made"), image(seed="other")
    client.push_image("app", made, "v1")
    client.push_image("app", other, "v2")
    path = registry.root / "repositories" / "app" / "manifests" / made.digest
    if trouble == "damaged":
        flip_a_byte(path, 20)
    elif trouble == "emptied":
        path.chmod(0o600)
        path.write_bytes(b"")
    else:
        path.unlink()
    if restart:
        registry.restart()
    never_wrong(client, made)
    assert client.pull_image("app", "v2") == other
    # Pushing it again mends it.
    client.push_image("app", made, "v1")
    assert client.pull_image("app", "v1") == made


def test_missing_blob_file(registry, client):
    made, other = image(seed="made"), image(seed="other")
    client.push_image("app", made, "v1")
    client.push_image("app", other, "v2")
    layer = made.document["layers"][0]["digest"]
    (registry.root / "repositories" / "app" / "blobs" / layer).unlink()
    client.get_blob("app", layer, expect=(404, 500))
    assert client.pull_image("app", "v2") == other
    # A client that pushes again asks first whether the layer is there: it must hear the truth.
    client.push_image("app", made, "v1")
    assert client.pull_image("app", "v1") == made
