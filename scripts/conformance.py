"""Runs the OCI distribution conformance suite against the registry, for spec 1.1 and dev."""

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests" / "e2e"))

from go_programs import Missing, go_program  # noqa: E402  (the path is set one line above)
from server import Registry  # noqa: E402

RUN_TIMEOUT_S = 300
VERSIONS = ("1.1", "dev")

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
        run_version(totals, program, binary, version, results / "conformance" / version)


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


def run_version(totals, program, binary, version, reports):
    name = f"conformance {version}"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    work = tempfile.mkdtemp(prefix="cyberdock-conformance-")
    registry = Registry(binary, work, config={"manifest": {"sparse_indexes": True, "sparse_images": True}})
    try:
        registry.start()
        result = subprocess.run(
            [program],
            env={
                **os.environ,
                **EVERYTHING,
                "OCI_CONFIGURATION": "/dev/null",
                "OCI_VERSION": version,
                "OCI_REGISTRY": registry.address,
                "OCI_TLS": "disabled",
                "OCI_RESULTS_DIR": str(reports),
            },
            cwd=work,
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
        registry.stop()
    except Exception as problem:  # pylint: disable=broad-except
        # Whatever goes wrong here is a failure of this part and must not end the whole run.
        totals.add(name, f"{problem!r}\n{registry.log[-3000:]}")
    finally:
        registry.kill()
        shutil.rmtree(work, ignore_errors=True)
