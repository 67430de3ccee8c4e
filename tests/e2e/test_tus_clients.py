"""Clients that others have written for tus send archives: tus-js-client 4.3.1 and tuspy 1.1.0."""

import json
import subprocess

import pytest
import tus
from documented import blocks, page
from helpers import Client
from other_programs import tus_js, tuspy
from test_upload_sessions import WHERE, large
from waiting import until

DATA = large(1_000_000, "clients")


@pytest.fixture
def file(work):
    path = work / "app.tar"
    path.write_bytes(DATA)
    return path


def run(*words, status=0, cwd=None):
    result = subprocess.run(
        [str(w) for w in words], capture_output=True, text=True, timeout=60, check=False, cwd=cwd
    )
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout.strip()


def send_js(registry, file, **more):
    """The session that it was sent to."""
    wanted = {"endpoint": registry.url + "/api/v1/uploads", "file": str(file), "metadata": WHERE, "retryDelays": []}
    return run("node", tus_js() / "upload.js", json.dumps(wanted | more))


JS = {
    "whole": {},
    "chunks": {"chunkSize": 300_000},
    "with the creation": {"uploadDataDuringCreation": True, "chunkSize": 300_000},
    "without PATCH": {"overridePatchMethod": True, "chunkSize": 300_000},
}


@pytest.mark.parametrize("options", JS.values(), ids=JS)
def test_tus_js_client_sends_an_archive(registry, client, file, options):
    tus.Upload(client, send_js(registry, file, **options)).result()
    assert client.tags("team/app") == ["v1"]


def test_tus_js_client_goes_on_after_a_kill_of_the_registry(registry, file, work):
    kept = {"previous": str(work / "urls.json"), "chunkSize": 300_000}
    first = send_js(registry, file, stopAfter=300_000, **kept)
    registry.kill()
    registry.start()
    with Client(registry.url) as client:
        assert tus.Upload(client, first).offset() >= 300_000
        assert send_js(registry, file, **kept) == first
        tus.Upload(client, first).result()


def test_the_example_of_the_page_sends_an_archive(registry, client, file):
    script = f'const tus = require("tus-js-client"); const file = require("fs").readFileSync("{file}");'
    script += "".join(blocks(page("upload.md"), "js")).replace('"/api', f'"{registry.url}/api')
    assert run("node", "-e", script, cwd=tus_js()) == "it has come"
    until(lambda: client.request("HEAD", "/v2/team/app/manifests/v1", None).status_code == 200)


TUSPY = """
import sys
from tusclient.client import TusClient

url, path, repository, checksum, stop = sys.argv[1:]
metadata = {"repository": repository, "tag": "v1"}
sender = TusClient(url).uploader(path, chunk_size=300_000, metadata=metadata, upload_checksum=checksum == "yes")
sender.upload(stop_at=int(stop) or None)
again = TusClient(url).uploader(path, chunk_size=300_000, url=sender.url)
assert again.offset == sender.offset
again.upload()
print(again.url)
"""


@pytest.mark.parametrize("checksum", ["yes", "no"])
@pytest.mark.parametrize("stop", [0, 600_000], ids=["at once", "and goes on"])
def test_tuspy_sends_an_archive(registry, client, file, checksum, stop):
    url = run(tuspy(), "-c", TUSPY, registry.url + "/api/v1/uploads", file, "team/app", checksum, stop)
    tus.Upload(client, url).result()
    assert client.tags("team/app") == ["v1"]
