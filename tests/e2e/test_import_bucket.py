"""`registry import-distribution` takes over a bucket that a reference registry wrote: Debian's, and
version 3."""

import re
import subprocess

import pytest

from content import command, counts, images
from go_programs import go_program
from helpers import Client, artifact, image, index
from reference_registry import IN_BUCKET, Theirs, listens
from s3_proxy import ACCESS_DENIED, S3Proxy
from server import TOP
from waiting import until

pytestmark = pytest.mark.sanitize

PREFIX = "deep/er"
BASE = f"{PREFIX}/docker/registry/v2"

only_on_minio = pytest.mark.parametrize("bucket", ["minio"], indirect=True)


@pytest.fixture
def theirs(request, bucket, work):
    """Debian's, or the one that the test is parametrized with; its program of Go is built once."""
    name = getattr(request, "param", None)
    place = {"bucket": bucket.name, "prefix": f"/{PREFIX}", **bucket.server}
    registry = Theirs(work, IN_BUCKET, program=name and go_program(name), **place).start()
    yield registry
    registry.stop()


@pytest.fixture
def subject():
    return image(seed="subject", layers=3)


@pytest.fixture
def filled(theirs, subject):
    """What is pushed to theirs; returns all that it serves then."""
    with Client(theirs.url) as client:
        client.push_image("library/app", subject, "v1")
        client.push_image("library/app", artifact("application/vnd.example.sbom", subject=subject.descriptor()))
        client.push_image("multi/arch", index([subject, image(seed=2, architecture="arm64")]), "latest")
        client.push_image("multi", image(seed="above"), "v1")
        client.push_manifest("library/app", "moved", subject)
        client.push_image("library/app", image(seed="moved"), "moved")
        gone = image(seed="gone")
        client.push_image("library/app", gone)
        client.delete_manifest("library/app", gone.digest)
        return images(client)


@pytest.fixture
def ours(new_registry, bucket, work):
    """Its content lies beside theirs."""
    return new_registry(config=in_bucket(bucket, work))


def in_bucket(bucket, work):
    return {"storage": bucket.section(prefix="ours/"), "metadata": {"sqlite": {"path": f"{work}/meta.db"}}}


def address(bucket):
    return f"s3://{bucket.name}/{PREFIX}"


def commands_of_the_page():
    page = (TOP / "docs/distribution.md").read_text()
    lines = re.findall(r"^registry (import-distribution (?:s3:|\S+yml).*)$", page, re.MULTILINE)
    assert len(lines) == 2
    return lines


def data_of(digest):
    algorithm, _, digits = digest.partition(":")
    return f"{BASE}/blobs/{algorithm}/{digits[:2]}/{digits}/data"


def served(registry):
    registry.start()
    with Client(registry.url) as client:
        found = images(client)
    registry.stop()
    return found


@pytest.mark.parametrize("theirs", [None, "distribution"], ids=["debian", "version-3"], indirect=True)
def test_every_tag_of_their_bucket_is_ours(theirs, filled, ours, bucket, subject):
    theirs.stop()
    printed = counts(command(ours, "import-distribution", address(bucket)))
    assert printed["tags"] == (4, 4)
    assert len(filled) == 3
    assert served(ours) == filled
    ours.start()
    with Client(ours.url) as client:
        assert len(client.referrers("library/app", subject.digest)) == 1
        client.get_manifest("library/app", image(seed="gone").digest, expect=404)


@only_on_minio
def test_their_configuration_says_where_a_bucket_is(theirs, filled, new_registry, work):
    """Into a directory, which knows of no server."""
    theirs.stop()
    ours = new_registry(root=work / "ours")
    command(ours, "import-distribution", theirs.config_path)
    assert served(ours) == filled


@only_on_minio
def test_what_comes_later_is_taken_by_a_second_run(theirs, filled, ours, bucket):
    first = counts(command(ours, "import-distribution", address(bucket)))  # theirs runs
    with Client(theirs.url) as client:
        client.push_image("library/app", image(seed="later"), "v2")
        now = images(client)
    second = counts(command(ours, "import-distribution", address(bucket)))
    assert second["tags"] == (first["tags"][0] + 1, 1)
    assert second["manifests"][1] == 1
    assert served(ours) == now


@only_on_minio
def test_theirs_is_left_as_it_is(theirs, filled, ours, bucket):
    theirs.stop()
    before = [key for key in bucket.keys() if key.startswith(BASE)]
    command(ours, "import-distribution", address(bucket))
    assert [key for key in bucket.keys() if key.startswith(BASE)] == before


@only_on_minio
def test_what_is_missing_or_damaged_is_told_and_the_rest_is_taken(theirs, filled, ours, bucket, subject):
    theirs.stop()
    blob = next(iter(image(seed="above").blobs))
    other = next(iter(image(seed="moved").blobs))
    bucket.client.delete_object(Bucket=bucket.name, Key=data_of(blob))
    bucket.put(data_of(other), b"x" * len(image(seed="moved").blobs[other]))
    bucket.client.delete_object(Bucket=bucket.name, Key=data_of(subject.digest))
    printed = command(ours, "import-distribution", address(bucket), status=1)
    assert f"multi: manifest {image(seed='above').digest} names 1 that are missing" in printed
    assert f"library/app: blob {other} is left out: it is damaged" in printed
    assert f"library/app: manifest {subject.digest} is left out" in printed
    assert "library/app: tag v1 is left out" in printed
    ours.start()
    with Client(ours.url) as client:
        assert client.tags("library/app") == ["moved"]
        assert not client.has_blob("multi", blob)
        client.push_image("multi", image(seed="above"), "v1")
        assert client.pull_image("multi", "v1") == image(seed="above")


@pytest.fixture
def proxy(bucket, ours):
    """Between the server and ours alone."""
    with S3Proxy(bucket.endpoint) as made:
        ours.config["storage"]["s3"]["endpoint"] = made.endpoint
        yield made


@only_on_minio
@pytest.mark.parametrize("nth", [1, 14])
def test_an_import_that_was_killed_goes_on(theirs, filled, ours, bucket, proxy, nth):
    theirs.stop()
    hold = proxy.hold(("put", "copy"), nth=nth, target="/ours/")
    ours.write_config()
    words = [ours.binary, "import-distribution", address(bucket), "--config", ours.config_path]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    hold.wait()
    process.kill()
    process.wait()
    hold.release()
    command(ours, "import-distribution", address(bucket))
    assert served(ours) == filled


def of_blobs(requests):
    return [request.kind for request in requests if "/ours/blobs/" in request.target]


def test_blobs_are_copied_within_the_server(theirs, filled, ours, bucket, proxy):
    theirs.stop()
    blobs = counts(command(ours, "import-distribution", address(bucket), "--no-verify"))["blobs"]
    there = [key for key in bucket.keys() if key.startswith("ours/blobs/")]
    assert of_blobs(proxy.of("put", "part", "copy")) == ["copy"] * len(there)
    assert len(there) < blobs[0] # some are in several repositories
    got = {request.target for request in proxy.of("get")}
    assert not any(data_of(key.replace("ours/blobs/sha256/", "sha256:")) in target for key in there for target in got)
    assert served(ours) == filled


@only_on_minio
def test_what_the_server_refuses_to_copy_is_read_and_sent(theirs, filled, ours, bucket, proxy):
    theirs.stop()
    refused = proxy.fail("copy", ACCESS_DENIED, times=None)
    command(ours, "import-distribution", address(bucket))
    assert refused.hits > 0
    proxy.clear()
    assert served(ours) == filled


@only_on_minio
@pytest.mark.parametrize("line", commands_of_the_page())
def test_the_commands_of_the_page_do_what_they_say(theirs, filled, ours, bucket, line):
    theirs.stop()
    line = line.replace("s3://old-registry/its/rootdirectory", address(bucket))
    line = line.replace("/etc/docker/registry/config.yml", str(theirs.config_path))
    command(ours, *line.replace("registry.yaml", str(ours.config_path)).split(), config=False)
    assert served(ours) == filled


@only_on_minio
def test_their_configuration_is_ours_too(theirs, filled, registry_binary, bucket, work):
    theirs.stop()
    root = {"REGISTRY_STORAGE_FILESYSTEM_ROOT": str(work / "ours"), "PATH": "/usr/bin:/bin"}
    words = [registry_binary, "import-distribution", theirs.config_path, "--config", theirs.config_path]
    subprocess.run(words, check=True, env=root, capture_output=True)
    with Client(theirs.url) as client:
        process = subprocess.Popen([registry_binary, "serve", theirs.config_path], env=root)
        until(lambda: listens(theirs.port))
        assert images(client) == filled
        process.terminate()
        assert process.wait(30) == 0


@only_on_minio
def test_a_bucket_without_theirs_is_refused(ours, bucket):
    printed = command(ours, "import-distribution", f"s3://{bucket.name}/{PREFIX}", status=1)
    assert f"there is nothing below '{BASE}/'" in printed


@only_on_minio
def test_an_address_of_a_bucket_needs_a_server(new_registry, bucket):
    printed = command(new_registry(), "import-distribution", address(bucket), status=1)
    assert "storage.s3, which is not in use here; give the configuration file of the other registry" in printed
