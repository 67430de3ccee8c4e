"""Artifacts of any type are kept as they are: charts, modules, signatures, bills of materials."""

import pytest

from helpers import OCI_EMPTY, artifact, image, random_bytes

pytestmark = pytest.mark.sanitize

SUBJECT = image(seed="subject")


def of_subject(*arguments, **more):
    return artifact(*arguments, subject=SUBJECT.descriptor(), **more)


ARTIFACTS = {
    "helm chart": artifact(
        None,
        layers=[("application/vnd.cncf.helm.chart.content.v1.tar+gzip", random_bytes(5000, 1))],
        config=("application/vnd.cncf.helm.config.v1+json", b'{"name":"app","version":"1.0.0"}'),
    ),
    "oras file": artifact(
        "application/vnd.example.report",
        layers=[("text/plain", b"hello\n"), ("application/json", b"{}")],
        annotations={"org.opencontainers.image.created": "2024-01-01T00:00:00Z"},
    ),
    "wasm module": artifact(
        None,
        layers=[("application/wasm", b"\0asm" + random_bytes(3000, 2))],
        config=("application/vnd.wasm.config.v0+json", b'{"architecture":"wasm","os":"wasip1"}'),
    ),
    "cosign signature": of_subject(
        "application/vnd.dev.cosign.artifact.sig.v1+json",
        layers=[("application/vnd.dev.cosign.simplesigning.v1+json", b'{"critical":{}}')],
        annotations={"dev.cosignproject.cosign/signature": "MEUCIQ=="},
    ),
    "spdx sbom": of_subject(
        "application/spdx+json", layers=[("application/spdx+json", b'{"spdxVersion":"SPDX-2.3"}')]
    ),
    "cyclonedx sbom": of_subject(
        "application/vnd.cyclonedx+json",
        layers=[("application/vnd.cyclonedx+json", b'{"bomFormat":"CycloneDX"}')],
    ),
    "in-toto attestation": of_subject(
        "application/vnd.in-toto+json", layers=[("application/vnd.in-toto+json", b'{"_type":""}')]
    ),
    "build cache": artifact(
        None,
        layers=[("application/vnd.oci.image.layer.v1.tar+zstd", random_bytes(4000, 3))],
        config=("application/vnd.buildkit.cacheconfig.v0", b'{"layers":[]}'),
    ),
    "empty": artifact("application/vnd.example.empty"),
}


@pytest.mark.parametrize("kind", ARTIFACTS)
def test_artifact_comes_back_as_it_was_pushed(client, kind):
    made = ARTIFACTS[kind]
    client.push_image("artifacts", made, "latest")
    assert client.pull_image("artifacts", "latest") == made


def test_what_refers_to_an_image_is_found(client):
    client.push_image("app", SUBJECT, "v1")
    made = {k: a for k, a in ARTIFACTS.items() if "subject" in a.document}
    for a in made.values():
        client.push_image("app", a)
    found = {r["digest"]: r["artifactType"] for r in client.referrers("app", SUBJECT.digest)}
    assert found == {a.digest: a.document["artifactType"] for a in made.values()}

    sboms = client.referrers("app", SUBJECT.digest, artifactType="application/spdx+json")
    assert [r["digest"] for r in sboms] == [made["spdx sbom"].digest]
    signature = client.referrers(
        "app", SUBJECT.digest, artifactType="application/vnd.dev.cosign.artifact.sig.v1+json"
    )
    assert signature[0]["annotations"] == made["cosign signature"].document["annotations"]


def test_empty_blob_may_be_shared_by_all(client):
    for n in range(3):
        client.push_image(f"app-{n}", ARTIFACTS["empty"], "latest")
        assert client.pull_image(f"app-{n}", "latest").document["config"]["mediaType"] == OCI_EMPTY
