"""Runs the OCI distribution conformance suite against the registry, for spec 1.1 and dev."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests" / "e2e"))

import replicas  # noqa: E402  (the path is set one line above)
from go_programs import Missing, go_program  # noqa: E402
from s3_buckets import SharedServers  # noqa: E402
from server import Registry  # noqa: E402

RUN_TIMEOUT_S = 300
VERSIONS = ("1.1", "dev")

CONFIG = {"manifest": {"sparse_indexes": True, "sparse_images": True}}

# Everything that the specification leaves to the registry is on: we support it all.
EVERYTHING = {
    "OCI_API_BLOBS_ATOMIC": "true",
    "OCI_API_BLOBS_DELETE": "true",
    "OCI_API_BLOBS_DIGEST_HEADER": "true",
    "OCI_API_BLOBS_MOUNT_ANONYMOUS": "true",
    "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
    "OCI_API_MANIFESTS_ATOMIC": "true",
    "OCI_API_MANIFESTS_DELETE": "true",
    "OCI_API_MANIFESTS_DIGEST_HEADER": "true",
    "OCI_API_MANIFESTS_TAG_PARAM": "true",
    "OCI_API_TAGS_ATOMIC": "true",
    "OCI_API_TAGS_DELETE": "true",
    "OCI_API_TAGS_LIST": "true",
    "OCI_API_REFERRER": "true",
    "OCI_DATA_SPARSE": "true",
}


def run_all(totals, binary, results):
    """Adds the suite's test cases to totals; reports stay below results/conformance."""
    try:
        program = go_program("conformance")
    except Missing as why:
        totals.add("conformance", str(why))
        return
    for version in VERSIONS:
        reports = results / "conformance" / version
        run_version(totals, program, f"conformance {version}", one_registry(binary), version, reports)
    reports = results / "conformance" / "replicas"
    run_version(totals, program, "conformance, replicas", three_registries(binary), VERSIONS[-1], reports)


@contextmanager
def one_registry(binary):
    """Gives the address."""
    work = tempfile.mkdtemp(prefix="cyberdock-conformance-")
    registry = Registry(binary, work, config=CONFIG)
    try:
        yield registry.start().address
        registry.stop()
    finally:
        registry.kill()
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def three_registries(binary):
    """Over one database and one bucket, behind a proxy that gives each request to the next: its address."""
    work = Path(tempfile.mkdtemp(prefix="cyberdock-conformance-"))
    servers = SharedServers(secrets.token_hex(8))
    made = []

    def new_registry(config):
        made.append(Registry(binary, work / f"registry-{len(made)}", config=config))
        return made[-1]

    try:
        with replicas.maker(new_registry, servers, True) as make:
            yield make(config=CONFIG).address
            for registry in made:
                registry.stop()
    finally:
        for registry in made:
            registry.kill()
        servers.leave()
        shutil.rmtree(work, ignore_errors=True)


def add_cases(totals, name, junit):
    """Adds each test case; returns how many failed. The suite tells the outcome in an attribute of
    its own, not with the <failure> and <skipped> of other JUnit files."""
    cases = list(ElementTree.parse(junit).iter("testcase"))
    before = len(totals.failed)
    for case in cases:
        label = f"{name}: {case.get('name').removeprefix('OCI Conformance Test/')}"
        status = case.get("status")
        why = (case.findtext("system-out") or "").strip()
        if status == "passed":
            totals.add(label)
        elif status in ("skipped", "disabled"):
            totals.skip(label, why or status)
        else:
            totals.add(label, f"{status}: {why}")
    if not cases:
        totals.add(name, "the suite has written no test case")
    return len(totals.failed) - before


def run_version(totals, program, name, registry, version, reports):
    """registry: a context that gives its address."""
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    try:
        with registry as address:
            result = subprocess.run(
                [program],
                env={
                    **os.environ,
                    **EVERYTHING,
                    "OCI_CONFIGURATION": "/dev/null",
                    "OCI_VERSION": version,
                    "OCI_REGISTRY": address,
                    "OCI_TLS": "disabled",
                    "OCI_RESULTS_DIR": str(reports),
                },
                cwd=reports,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=RUN_TIMEOUT_S,
                check=False,
            )
            (reports / "output.txt").write_text(result.stdout)
            failed = add_cases(totals, name, reports / "junit.xml")
            if (result.returncode != 0) != (failed > 0):
                totals.add(f"{name} ended with {result.returncode}", result.stdout)
    except Exception as problem:  # pylint: disable=broad-except
        # Whatever goes wrong here is a failure of this part and must not end the whole run.
        totals.add(name, repr(problem))
