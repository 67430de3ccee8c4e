"""Another scanner over the same images and advisories: so what was planted is no peculiarity of Trivy. Only with --long,
for Grype and the maker of its database are minutes of work when they are built first."""

import json
import os
import subprocess

import pytest

import databases
import planted
from go_programs import go_program
from helpers import image_of_layers, tar_layer, write_oci_layout
from planted import KINDS

pytestmark = pytest.mark.long

# Grype's reader takes no notice of a database of RPM that has no more than what Trivy reads of it.
CHECKED = [kind for kind in KINDS if kind != "rpm"]


@pytest.fixture(scope="module")
def grype_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grype")
    databases.grype(folder, planted.advisories())
    return folder


def grype(data, layout):
    environment = {"PATH": os.environ["PATH"], "HOME": str(layout), "GRYPE_DB_CACHE_DIR": str(data),
                   "GRYPE_DB_AUTO_UPDATE": "false", "GRYPE_CHECK_FOR_APP_UPDATE": "false"}
    done = subprocess.run([go_program("grype"), "-q", "-o", "json", f"oci-dir:{layout}"], env=environment,
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {(m["vulnerability"]["id"], m["artifact"]["version"]) for m in json.loads(done.stdout)["matches"]}


@pytest.mark.parametrize("kind", CHECKED)
def test_another_scanner_finds_the_same(grype_data, scanner, work, kind):
    image = image_of_layers([tar_layer(planted.files(kind))])
    ours = {(row[0], row[3]) for row in scanner.scan(image).rows}
    assert grype(grype_data, write_oci_layout(work / "layout", image)) == ours
