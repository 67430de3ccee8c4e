"""`registry verify`: whether an image of a registry is signed, and by whom."""

import json
import subprocess

import pytest

from documented import follow, page
from helpers import Client, image, index
from keyless import Sigstore, push_bundle, signed_statement
from signatures import Key, sign_by_bundle, sign_simply

FORMS = {"simple signing": sign_simply, "sigstore bundle": sign_by_bundle}
forms = pytest.mark.parametrize("form", FORMS)

pytestmark = pytest.mark.sanitize


@pytest.fixture
def key(work):
    return Key(work / "ours.pub")


@pytest.fixture
def other(work):
    return Key(work / "other.pub")


@pytest.fixture
def signed(client):
    made = image("signed", layers=1)
    client.push_image("team/app", made, "v1")
    return made


def verify(registry, *words, reference="team/app:v1"):
    command = [registry.binary, "verify", *map(str, words), f"{registry.address}/{reference}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@forms
def test_an_image_that_was_signed_is_verified_by_tag_and_digest(registry, client, signed, key, form):
    FORMS[form](client, "team/app", signed, key)
    for reference in ("team/app:v1", f"team/app@{signed.digest}"):
        done = verify(registry, "--key", key.path, reference=reference)
        assert done.returncode == 0, done.stderr
        assert f"{form}: good, key {key.path}\n" in done.stdout
        assert done.stdout.endswith(f"/{reference} {signed.digest}: verified\n")


def test_an_image_that_was_not_is_not(registry, signed, key):
    done = verify(registry, "--key", key.path)
    assert done.returncode == 3
    assert done.stdout == f"{registry.address}/team/app:v1 {signed.digest}: not signed\n"


@forms
def test_a_signature_by_another_key_does_not_count(registry, client, signed, key, other, form):
    FORMS[form](client, "team/app", signed, other)
    done = verify(registry, "--key", key.path)
    assert done.returncode == 3
    assert f"{form}: not by any of the keys, or tampered with\n" in done.stdout


@forms
def test_a_signature_of_another_image_does_not_count(registry, client, signed, key, form):
    FORMS[form](client, "team/app", signed, key, digest=image("another").digest)
    done = verify(registry, "--key", key.path)
    assert done.returncode == 3
    assert f"{form}: by somebody who is trusted, but of another image, key {key.path}\n" in done.stdout


@forms
def test_it_counts_wherever_the_image_was_copied(registry, client, signed, key, form):
    client.push_image("prod/app", signed, "v1")
    FORMS[form](client, "prod/app", signed, key)
    assert verify(registry, "--key", key.path, reference="prod/app:v1").returncode == 0
    assert verify(registry, "--key", key.path).returncode == 3


def test_a_signature_of_an_index_is_not_one_of_its_images(registry, client, key):
    child = image("child", layers=1)
    many = index([child])
    client.push_image("team/app", many, "v1")
    sign_by_bundle(client, "team/app", many, key)
    assert verify(registry, "--key", key.path).returncode == 0
    assert verify(registry, "--key", key.path, reference=f"team/app@{child.digest}").returncode == 3


def test_an_attestation_is_no_signature(registry, client, signed, key):
    sign_by_bundle(client, "team/app", signed, key, predicate="https://slsa.dev/provenance/v1")
    done = verify(registry, "--key", key.path)
    assert (done.returncode, done.stdout.rpartition(": ")[2]) == (3, "not signed\n")


def test_one_of_several_keys_is_enough_and_all_can_be_asked_for(registry, client, signed, key, other):
    keys = ["--key", other.path, "--key", key.path]
    sign_by_bundle(client, "team/app", signed, key)
    assert verify(registry, *keys).returncode == 0
    done = verify(registry, *keys, "--all")
    assert done.returncode == 3
    assert f"not signed by key {other.path}\n" in done.stdout
    sign_simply(client, "team/app", signed, other)
    assert verify(registry, *keys, "--all").returncode == 0


def test_programs_read_json(registry, client, signed, key):
    bundle = sign_by_bundle(client, "team/app", signed, key)
    done = verify(registry, "--key", key.path, "--json")
    said = json.loads(done.stdout)
    (row,) = said["signatures"]
    assert (said["digest"], said["verified"], said["more"]) == (signed.digest, True, False)
    assert (row["manifest"], row["form"], row["verdict"]) == (bundle.digest, "sigstore bundle", "good")
    assert len(row["key"]) == 64


def test_a_registry_that_does_not_answer_is_no_verdict(registry, signed, key):
    registry.stop()
    done = verify(registry, "--key", key.path)
    assert done.returncode == 1
    assert done.stdout == ""


@pytest.mark.parametrize("words, reference, status, why", [
    ([], "team/app:v1", 2, "--key, --certificate-identity or --notation-policy says whose signatures count"),
    (["--key", "/dev/null"], "team/app:v1", 2, "--key /dev/null: it is no public key"),
    (["--key", "KEY"], "team/app:none", 1, "the registry has no image"),
    (["--key", "KEY"], "team/app@sha256:12", 1, "digest"),
    (["--key", "KEY"], "team/APP:v1", 2, "is no image; write NAME:TAG or NAME@DIGEST"),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_what_can_not_be_asked_is_told(registry, signed, key, words, reference, status, why):
    done = verify(registry, *[str(key.path) if word == "KEY" else word for word in words], reference=reference)
    assert (done.returncode, done.stdout) == (status, "")
    assert why in done.stderr


def test_the_examples_of_the_page_print_what_it_shows(registry, client, signed, work):
    release = Key(work / "release.pub")
    built_by = {"runDetails": {"builder": {"id": "https://builders.example.org/ci"}}}
    sign_by_bundle(client, "team/app", signed, release)
    sign_by_bundle(client, "team/app", signed, release, predicate="https://slsa.dev/provenance/v1", **built_by)
    Key(work / "security.pub")
    tool = image("tool", layers=1)
    client.push_image("team/tool", tool, "v1")
    (bundle,) = Sigstore(work).make(("entry", signed_statement(tool)))
    push_bundle(client, "team/tool", tool, bundle)
    follow(page("signatures.md"), registry, work)


@pytest.mark.long
def test_cosign_signs_and_the_verdict_is_the_same(registry, client, signed, go_clients, work):
    where = f"{registry.address}/team/app@{signed.digest}"
    old = image("old", layers=1)
    client.push_image("team/app", old, "v2")
    go_clients.cosign("generate-key-pair")
    public = go_clients.work / "cosign" / "cosign.pub"
    plain = ["--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "-y", "--allow-http-registry"]
    go_clients.cosign("sign", *plain, where)
    go_clients.cosign("sign", *plain, "--new-bundle-format=false", where.replace(signed.digest, old.digest))
    for made in (signed, old):
        reference = f"team/app@{made.digest}"
        go_clients.cosign(
            "verify", "--key", "cosign.pub", "--insecure-ignore-tlog", "--allow-http-registry",
            f"{registry.address}/{reference}",
        )  # fmt: skip
        assert verify(registry, "--key", public, reference=reference).returncode == 0
    assert verify(registry, "--key", Key(work / "ours.pub").path).returncode == 3


@pytest.mark.long
@pytest.mark.parametrize("form", ["--new-bundle-format=false", "--new-bundle-format=true"])
def test_cosign_attests_and_the_verdict_is_the_same(registry, client, signed, go_clients, work, form):
    where = f"{registry.address}/team/app@{signed.digest}"
    (work / "predicate.json").write_text(json.dumps({
        "buildDefinition": {"buildType": "https://builders.example.org/type", "externalParameters": {}},
        "runDetails": {"builder": {"id": "https://builders.example.org/ci"}},
    }))  # fmt: skip
    go_clients.cosign("generate-key-pair")
    public = go_clients.work / "cosign" / "cosign.pub"
    what = ["--type", "slsaprovenance1", form, "--allow-http-registry"]
    go_clients.cosign(
        "attest", "--key", "cosign.key", "--predicate", work / "predicate.json", *what,
        "--use-signing-config=false", "--tlog-upload=false", "-y", where,
    )  # fmt: skip
    go_clients.cosign("verify-attestation", "--key", "cosign.pub", *what, "--insecure-ignore-tlog", where)
    for builder, status in {"https://builders.example.org/*": 0, "https://builders.example.com/*": 3}.items():
        demanded = ["--attestation", "slsaprovenance1", "--builder", builder]
        assert verify(registry, "--key", public, *demanded).returncode == status
