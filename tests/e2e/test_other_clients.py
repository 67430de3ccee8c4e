"""Clients in Rust and Python, signed in at the built-in token service: wkg (with oci-client) and
python-dxf. Building wkg takes minutes."""

import os

import pytest

from accounts import PASSWORD, Accounts
from certificates import authority, certificate
from clients import run
from helpers import Client, digest_of, random_bytes
from other_programs import dxf, wkg

pytestmark = pytest.mark.long

RULE = {"subjects": ["user:alice"], "actions": ["pull", "push"], "repositories": ["dev/**"]}
COMPONENT = b"\0asm\x0d\0\1\0"  # the smallest: nothing in it


class Place:
    """A registry where alice may pull and push below dev/, and a home for the clients."""

    def __init__(self, new_registry, work, tls):
        self.authority = authority(work, "authority")
        served = certificate(work, "served", self.authority)
        pair = {"certificate": str(served), "key": str(served.with_suffix(".key"))}
        http = {"tls": pair} if tls else {}
        made = new_registry(config={"auth": "local", "policy": [RULE], "http": http}, tls=tls)
        accounts = Accounts(made)
        accounts.add("alice")
        self.registry = made.start()
        self.host = made.address
        self.work = work
        self.client = Client(made.url, auth=("alice", PASSWORD), verify=False)

    def run(self, program, *args, **environment):
        home = {**os.environ, "HOME": str(self.work), **environment}
        return run([program, *args], env=home, cwd=self.work)


@pytest.fixture
def place(new_registry, work):
    made = Place(new_registry, work, tls=False)
    yield made
    made.client.close()


@pytest.fixture
def safe_place(new_registry, work):
    """With TLS: python-dxf sends no password otherwise."""
    made = Place(new_registry, work, tls=True)
    yield made
    made.client.close()


@pytest.fixture
def run_wkg(place):
    (place.work / "component.wasm").write_bytes(COMPONENT)
    (place.work / "wkg.toml").write_text(
        f"""[namespace_registries]
dev = {{ registry = "{place.host}", metadata = {{ preferredProtocol = "oci", \
oci = {{ registry = "{place.host}" }} }} }}
[registry."{place.host}".oci]
protocol = "http"
auth = {{ username = "alice", password = "{PASSWORD}" }}
"""
    )
    return lambda *args: place.run(wkg(), *args)


def push_component(place, run_wkg, tag):
    name = f"{place.host}/dev/part:{tag}"
    user = ["-u", "alice", "-p", PASSWORD]
    return run_wkg("oci", "push", "--insecure", place.host, *user, name, "component.wasm")


def test_wkg_hears_the_digest_of_what_it_pushed(place, run_wkg):
    output = push_component(place, run_wkg, "1.0.0")
    pushed = place.client.get_manifest("dev/part", "1.0.0")
    assert f"digest: {digest_of(pushed.content)}\n" in output


def test_wkg_finds_the_newest_of_many_versions(place, run_wkg):
    """It asks for the tags once, without pages; the newest is the last of 1,501."""
    push_component(place, run_wkg, "1.0.0")
    manifest = place.client.get_manifest("dev/part", "1.0.0")
    headers = {"Content-Type": manifest.headers["Content-Type"]}
    for tag in [f"1.0.{i}" for i in range(1, 1500)] + ["9.0.0"]:
        path = f"/v2/dev/part/manifests/{tag}"
        place.client.request("PUT", path, 201, data=manifest.content, headers=headers)
    output = run_wkg("get", "--config", "wkg.toml", "--format", "wasm", "dev:part")
    assert "dev:part@9.0.0" in output
    assert (place.work / "dev_part@9.0.0.wasm").read_bytes() == COMPONENT


@pytest.fixture
def run_dxf(safe_place):
    settings = {"DXF_HOST": safe_place.host, "DXF_USERNAME": "alice", "DXF_PASSWORD": PASSWORD,
                "DXF_TLSVERIFY": str(safe_place.authority)}
    return lambda *args: safe_place.run(dxf(), *args, **settings)


def blob_file(place, repo, digest):
    return place.registry.root / "repositories/dev" / repo / "blobs" / digest


def test_dxf_mounts_a_blob_of_another_repository(safe_place, run_dxf):
    """It asks for a token with the scopes of the challenge alone."""
    data = random_bytes(100_000, "dxf")
    (safe_place.work / "data").write_bytes(data)
    digest = digest_of(data)
    assert run_dxf("push-blob", "dev/one", "data").strip() == digest
    assert run_dxf("mount-blob", "dev/two", "dev/one", digest).strip() == digest
    assert blob_file(safe_place, "two", digest).samefile(blob_file(safe_place, "one", digest))


def test_dxf_names_and_reads_a_blob(safe_place, run_dxf):
    (safe_place.work / "data").write_text("fine\n")
    digest = run_dxf("push-blob", "dev/one", "data", "@v1").strip()
    assert run_dxf("get-alias", "dev/one", "v1").strip() == digest
    assert run_dxf("pull-blob", "dev/one", "@v1") == "fine\n"
    assert run_dxf("list-aliases", "dev/one").split() == ["v1"]
    assert run_dxf("list-repos").split() == ["dev/one"]
