"""Fixtures of the tests of scanners: python3 -m pytest tests/scan --look build-test/tests/scan/scan_look."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import databases  # noqa: E402  (the path is set one line above)
import planted  # noqa: E402
from go_programs import go_program  # noqa: E402
from helpers import write_oci_layout  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also what takes many minutes")
    parser.addoption("--look", default=str(HERE.parents[1] / "build-test" / "tests" / "scan" / "scan_look"))
    parser.addoption("--registry", default=str(HERE.parents[1] / "build-test" / "registry"))


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only with --long")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        items[:] = [item for item in items if not item.get_closest_marker("long")]


class Found:
    """What was printed of one scan."""

    def __init__(self, text):
        facts, *rows = [line.split("\t") for line in text.splitlines()]
        self.scanner, self.version, self.family, self.release, ended, packages, self.note = facts
        self.ended, self.packages = ended == "1", int(packages)
        self.rows = rows

    @property
    def findings(self):
        """As planted.expected() has them."""
        return {(cve, severity, package, installed, fixed, float(score) if float(score) >= 0 else None)
                for cve, severity, package, installed, fixed, score, *_ in self.rows}


class Scanner:
    def __init__(self, look, data, work):
        self.look, self.data, self.work = look, data, work
        self.scans = 0

    def run(self, *arguments):
        self.scans += 1
        private = self.work / f"scan-{self.scans}"
        private.mkdir()
        return subprocess.run([self.look, go_program("trivy"), self.data, private, *arguments], capture_output=True,
                              text=True, timeout=120, check=False)

    def scan(self, image, sbom=None):
        """Of an image, whose list of packages is left in that file; of None, of such a list."""
        if image is None:
            done = self.run("-", sbom)
        else:
            layout = write_oci_layout(self.work / f"layout-{self.scans}", image)
            done = self.run(layout, *([sbom] if sbom else []))
        assert done.returncode == 0, done.stdout + done.stderr
        return Found(done.stdout)

    def fail(self, image):
        """Why it could not be scanned."""
        done = self.run(write_oci_layout(self.work / f"layout-{self.scans}", image))
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """All that is planted, as Trivy reads it."""
    folder = tmp_path_factory.mktemp("data")
    databases.trivy(folder, planted.advisories())
    databases.trivy_java(folder)
    return folder


@pytest.fixture
def work(tmp_path):
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.fixture
def scanner(request, data, work):
    return Scanner(request.config.getoption("--look"), data, work)
