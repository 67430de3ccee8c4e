"""What crane, regctl, oras and helm show of an error: its message, once. Go's clients print `detail`
behind `message`."""

import pytest

from clients import ClientFailed
from helpers import Client, artifact, digest_of, image, write_oci_layout

READ_ONLY = {"maintenance": {"read_only": True}}
REFUSED = "this registry is read-only for now (maintenance.read_only); pulls go on"


def shown(client, *args, **more):
    with pytest.raises(ClientFailed) as failed:
        client(*args, **more)
    print(failed.value.output)  # for whoever reads of a failure
    return failed.value.output


def layout(work):
    write_oci_layout(work / "layout", image(seed="refused"), "v1")
    return work / "layout"


def crane(clients, registry, work):
    return shown(clients.crane, "push", layout(work), f"{registry.address}/app:v1")


def regctl(clients, registry, work):
    clients.regctl("registry", "set", registry.address, "--tls=disabled", "--skip-check")
    return shown(clients.regctl, "blob", "put", f"{registry.address}/app", input="fine\n")


def oras(clients, registry, work):
    (work / "note").write_text("fine\n")
    name = f"{registry.address}/app:v1"
    return shown(clients.oras, "push", name, "--disable-path-validation", work / "note")


def helm(clients, registry, work):
    clients.helm("create", "shop")
    clients.helm("package", "shop", "--version", "1.0.0")
    where = f"oci://{registry.address}/charts"
    return shown(clients.helm, "push", "--plain-http", "shop-1.0.0.tgz", where)


@pytest.mark.config(READ_ONLY)
@pytest.mark.parametrize(
    "push", [crane, regctl, oras, pytest.param(helm, marks=pytest.mark.long)]
)
def test_a_push_that_is_refused_says_why_once(registry, go_clients, work, push):
    output = push(go_clients, registry, work)
    assert output.count(REFUSED) == 1
    assert output.count("read-only") == 1


def test_crane_says_once_that_an_image_is_not_there(registry, go_clients):
    output = shown(go_clients.crane, "manifest", f"{registry.address}/app:none")
    assert output.count("unknown to registry") == 1
    assert "map[name:app reference:none]" in output  # the detail has no words of its own


def test_oras_says_once_which_blob_of_a_manifest_is_missing(registry, go_clients, work):
    made = artifact("application/vnd.example.lost", layers=[("text/plain", b"lost")])
    lost = digest_of(b"lost")
    with Client(registry.url) as client:
        for digest, data in made.blobs.items():
            if digest != lost:
                client.push_blob("app", data)
    (work / "manifest.json").write_bytes(made.manifest)
    name = f"{registry.address}/app:v1"
    output = shown(go_clients.oras, "manifest", "push", name, work / "manifest.json")
    assert output.count(f"{lost} is not in this repository") == 1
    assert output.count(lost) == 1
