"""The real Trivy, run as the registry runs it over layouts that the registry writes: it finds what was planted, and
nothing else."""

import gzip
import json
import subprocess

import pytest

import databases
import planted
from helpers import canonical, descriptor, digest_of, image_of_layers, tar_layer, OCI_CONFIG, OCI_MANIFEST, Image
from planted import KINDS, LANGUAGES, Planted


def image_of(*kinds, **more):
    return image_of_layers([tar_layer(planted.files(kind)) for kind in kinds], **more)


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_planted_is_found_and_nothing_else(scanner, kind):
    found = scanner.scan(image_of(kind))
    assert found.findings == planted.expected(kind)
    assert found.packages >= len(KINDS[kind].packages) + len(KINDS[kind].decoys)


def test_packages_of_all_kinds_are_found_together_each_with_its_layer(scanner):
    kinds = ("alpine", *LANGUAGES)
    image = image_of(*kinds)
    found = scanner.scan(image)
    assert found.findings == planted.expected(*kinds)
    layers = {kind: layer["digest"] for kind, layer in zip(kinds, image.document["layers"])}
    of = {p.cve: layers[kind] for kind in kinds for p in KINDS[kind].packages}
    assert {row[0]: row[-1] for row in found.rows} == of


def test_facts_are_told(scanner):
    found = scanner.scan(image_of("debian"))
    assert (found.scanner, found.version) == ("trivy", "0.74.0")
    assert (found.family, found.release, found.note) == ("debian", "13.5", "")
    assert {row[6] for row in found.rows} == {"will_not_fix", "fixed", "affected"}


def test_where_packages_of_languages_are_is_told(scanner):
    found = scanner.scan(image_of(*LANGUAGES))
    assert {row[7] for row in found.rows} == {
        "app/node_modules/planted-merge/package.json", "app/node_modules/@scope/planted/package.json",
        "usr/lib/python3/dist-packages/plantedlib-2.30.0.dist-info/METADATA",
        "usr/lib/python3/dist-packages/PlantedYAML-5.3.1.dist-info/METADATA",
        "app/tool", "app/planted-core-2.14.1.jar"}


def test_without_a_java_index_the_result_says_so_and_keeps_no_list(scanner, work):
    scanner.data = work / "data"
    databases.trivy(scanner.data, planted.advisories())
    found = scanner.scan(image_of("java"), work / "list.json")
    assert "there is no Java index" in found.note
    assert found.findings == planted.expected("java")
    assert not (work / "list.json").exists()
    assert scanner.scan(image_of("npm")).note == ""


def test_an_archive_that_does_not_say_what_it_is_is_found_by_the_index(scanner, work):
    silent = planted.jar({"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n"})
    scanner.data = work / "data"
    databases.trivy(scanner.data, planted.advisories())
    databases.trivy_java(scanner.data, [("org.example", "planted-core", "2.14.1", silent)])
    found = scanner.scan(image_of_layers([tar_layer({"app/mystery.jar": silent})]))
    assert (found.findings, found.note) == (planted.expected("java"), "")


def packed(tars, pack, media_type):
    """As image_of_layers(), with layers that are packed otherwise."""
    layers = [pack(t) for t in tars]
    config = canonical({"architecture": "amd64", "os": "linux",
                        "rootfs": {"type": "layers", "diff_ids": [digest_of(t) for t in tars]}})
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(config, OCI_CONFIG),
                "layers": [descriptor(layer, media_type) for layer in layers]}
    return Image(canonical(manifest), OCI_MANIFEST, {digest_of(b): b for b in (config, *layers)})


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


LAYER = "application/vnd.oci.image.layer.v1.tar"


@pytest.mark.parametrize("pack, media_type", [
    (bytes, LAYER), (zstd, f"{LAYER}+zstd"), (gzip.compress, f"{LAYER}+gzip"),
    # What a pusher says is not believed.
    (gzip.compress, LAYER), (bytes, f"{LAYER}+gzip"), (zstd, f"{LAYER}+gzip"), (gzip.compress, "application/octet-stream"),
], ids=("plain", "zstd", "gzip", "said-plain", "plain-said-gzip", "zstd-said-gzip", "said-octets"))  # fmt: skip
def test_layers_may_be_packed_in_any_way(scanner, pack, media_type):
    found = scanner.scan(packed([tar_layer(planted.files("alpine"))], pack, media_type))
    assert found.findings == planted.expected("alpine")


def test_a_config_that_lies_about_its_layers_hides_nothing(scanner):
    """A cache by diff_id would take this layer for another."""
    image = image_of("alpine")
    lie = canonical({"architecture": "amd64", "os": "linux",
                     "rootfs": {"type": "layers", "diff_ids": [f"sha256:{'0' * 64}"]}})
    manifest = {**image.document, "config": descriptor(lie, OCI_CONFIG)}
    liar = Image(canonical(manifest), OCI_MANIFEST, {**image.blobs, digest_of(lie): lie})
    assert scanner.scan(liar).findings == planted.expected("alpine")


def test_what_an_upper_layer_replaced_is_not_found(scanner):
    fixed = KINDS["alpine"].files([Planted("libfine", "2.0-r1", "")])
    found = scanner.scan(image_of_layers([tar_layer(planted.files("alpine")), tar_layer(fixed)]))
    assert (found.findings, found.packages) == (set(), 1)


def test_what_an_upper_layer_deleted_is_not_found(scanner):
    gone = {f"app/node_modules/.wh.{p.package}": b"" for p in KINDS["npm"].packages if "/" not in p.package}
    found = scanner.scan(image_of_layers([tar_layer(planted.files("npm")), tar_layer(gone)]))
    assert {row[0] for row in found.rows} == {"CVE-2099-4002"}


def test_an_image_of_nothing_that_is_known_has_no_packages(scanner):
    """So it is told from one without vulnerabilities."""
    found = scanner.scan(image_of_layers([tar_layer({"hello": b"hi"})]))
    assert (found.family, found.packages, found.findings) == ("", 0, set())


FEDORA = b'NAME="Fedora Linux"\nVERSION_ID=41\nID=fedora\n'


@pytest.mark.parametrize("image, family", [
    (lambda: image_of_layers([tar_layer(planted.alpine("3.99.0", KINDS["alpine"].packages))]), "alpine 3.99.0"),
    (lambda: image_of_layers([tar_layer(planted.debian("14", KINDS["debian"].packages))]), "debian 14.5"),
    (lambda: image_of_layers([tar_layer(planted.rpm("99.1", KINDS["rpm"].packages))]), "alma 99.1"),
], ids=("alpine", "debian", "rpm"))  # fmt: skip
def test_a_release_that_the_data_does_not_know_is_told(scanner, work, image, family):
    found = scanner.scan(image(), work / "list.json")
    assert (found.findings, found.note) == (set(), f"the scanner does not know the release {family}")
    assert found.packages > 0
    assert not (work / "list.json").exists()


def test_a_distribution_that_it_does_not_know_is_told(scanner):
    fedora = planted.files("rpm") | {"etc/fedora-release": b"Fedora release 41 (Forty One)\n"}
    fedora.pop("etc/redhat-release")
    found = scanner.scan(image_of_layers([tar_layer({**fedora, "etc/os-release": FEDORA}), tar_layer(planted.files("npm"))]))
    assert found.note == "no packages of fedora 41 were found that the scanner knows"
    assert found.findings == planted.expected("npm")


def test_packages_whose_records_were_deleted_are_missed(scanner):
    files = planted.files("alpine")
    files.pop("lib/apk/db/installed")
    found = scanner.scan(image_of_layers([tar_layer(files), tar_layer(planted.files("npm"))]))
    assert found.note == "no packages of alpine 3.22.0 were found that the scanner knows"


def test_a_release_that_ended_is_told(scanner):
    ended = scanner.scan(image_of_layers([tar_layer(planted.alpine("3.9.4", KINDS["alpine"].packages))]))
    assert ended.ended and ended.release == "3.9.4"


@pytest.mark.parametrize("layer", [b"this is no gzip" * 10, gzip.compress(tar_layer(planted.files("alpine")))[:-300]],
                         ids=("none", "cut"))  # fmt: skip
def test_a_layer_that_can_not_be_unpacked_is_told(scanner, layer):
    why = scanner.fail(packed([layer], bytes, f"{LAYER}+gzip"))
    assert why.startswith("NOT_ANALYZABLE: the image can't be read: "), why


@pytest.mark.parametrize("kinds", [("alpine", *LANGUAGES), ("debian",), ("rpm",)])
def test_a_rescan_of_the_list_of_packages_finds_the_same(scanner, work, kinds):
    sbom = work / "list.json"
    first = scanner.scan(image_of(*kinds), sbom)
    assert json.loads(sbom.read_text())["bomFormat"] == "CycloneDX"
    again = scanner.scan(None, sbom)
    assert again.findings == first.findings == planted.expected(*kinds)
    assert (again.family, again.release, again.packages) == (first.family, first.release, first.packages)


def test_lists_of_packages_name_image_and_packages_and_no_vulnerabilities(scanner, work):
    image = image_of("debian", "npm")
    scanner.scan(image, work / "list.json")
    cyclonedx = json.loads((work / "list.json").read_text())
    spdx = json.loads((work / "list.json.spdx").read_text())
    name = cyclonedx["metadata"]["component"]["name"]
    assert name == spdx["name"] and name.startswith("sha256-")
    assert not cyclonedx.get("vulnerabilities")
    assert "CVE-" not in (work / "list.json").read_text() + (work / "list.json.spdx").read_text()
    expected = {p.package for kind in ("debian", "npm") for p in KINDS[kind].packages}
    assert expected <= {c["name"] for c in cyclonedx["components"]} or expected <= {
        f"{c.get('group', '')}/{c['name']}".lstrip("/") for c in cyclonedx["components"]}
    assert expected <= {p["name"] for p in spdx["packages"]}


def test_new_data_finds_what_was_there_before_by_the_list_too(scanner, work):
    sbom = work / "list.json"
    assert scanner.scan(image_of("alpine", "npm"), sbom).findings == planted.expected("alpine", "npm")
    learned = [("alpine", Planted("libfine", "2.0-r1", "CVE-2099-8001", "CRITICAL", "2.0-r2", score=9.9)),
               ("npm", Planted("planted-fine", "9.0.0", "CVE-2099-8002", "LOW", "9.0.1", score=2.0))]  # fmt: skip
    scanner.data = work / "newer"
    databases.trivy(scanner.data, planted.advisories(more=learned), "2026-11-02T00:00:00Z")
    for found in (scanner.scan(image_of("alpine", "npm")), scanner.scan(None, sbom)):
        assert {row[0] for row in found.rows} - {p[0] for p in planted.expected("alpine", "npm")} == {
            "CVE-2099-8001", "CVE-2099-8002"}


def test_names_of_packages_may_be_hostile(scanner):
    name, version = "a\"<script>\u0007'; DROP", "1.0\n../../x"
    files = {"app/node_modules/evil/package.json": json.dumps({"name": name, "version": version}).encode()}
    assert scanner.scan(image_of_layers([tar_layer(files)])).findings == set()
