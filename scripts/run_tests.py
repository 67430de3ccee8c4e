#!/usr/bin/python3
"""Runs every kind of test and adds up what they say. Called by scripts/test."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import check_models
import conformance

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests" / "e2e"))

from go_programs import Missing, go_program  # noqa: E402  (the path is set one line above)
import dynamodb_servers  # noqa: E402
import postgres_servers  # noqa: E402
import s3_servers  # noqa: E402
from processes import NotReady  # noqa: E402

RESULTS = TOP / "results"
CORES = os.cpu_count() or 2
PYTEST = ["/usr/bin/python3", "-m", "pytest"]


class Totals:
    """What passed, failed and was skipped, with names for the last two. Any thread."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []
        self.lock = threading.Lock()

    def add(self, name, problem=None):
        with self.lock:
            if problem is None:
                self.passed += 1
            else:
                self.failed.append(name)
                print(f"FAIL {name}\n{problem.rstrip()}\n", flush=True)

    def skip(self, name, why):
        with self.lock:
            self.skipped.append((name, " ".join(why.split())))

    def add_junit(self, path, prefix):
        """Counts the test cases of a JUnit file; returns how many there were."""
        cases = list(ElementTree.parse(path).iter("testcase"))
        for case in cases:
            file = case.get("classname", "").rsplit(".", 1)[-1]
            name = f"{prefix}: {file}::{case.get('name')}"
            problems = case.findall("failure") + case.findall("error")
            skipped = case.find("skipped")
            if problems:
                self.add(name, "\n".join(p.text or p.get("message") or "" for p in problems))
            elif skipped is not None:
                self.skip(name, skipped.get("message") or skipped.text or "no reason given")
            else:
                self.add(name)
        return len(cases)


def run(command, env=None, timeout=None):
    """Exit code and output (both streams) of a command run at the top of the checkout."""
    command = [str(c) for c in command]
    try:
        result = subprocess.run(
            command,
            cwd=TOP,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        return result.returncode, result.stdout
    except subprocess.TimeoutExpired as e:
        out = (e.stdout or b"").decode(errors="replace")
        return 124, f"{out}\n{command[0]}: not done after {timeout} s"


def at_once(*lanes):
    """Runs what mostly waits (for servers, disks, its own clock) side by side, to its end."""
    with ThreadPoolExecutor(len(lanes)) as pool:
        for lane in [pool.submit(lane) for lane in lanes]:
            lane.result()


def build(totals, name, directory, options, env=None, reconfigure=False):
    """A meson build in its own directory; True when it is there."""
    exists = (TOP / directory / "build.ninja").exists()
    if reconfigure or not exists:
        again = ["--reconfigure"] if exists else []
        code, out = run(["meson", "setup", directory, *again, *options], env)
        if code:
            shutil.rmtree(TOP / directory, ignore_errors=True)
            totals.add(f"{name}: configure", out)
            return False
    code, out = run(["ninja", "-C", directory])
    if code:
        totals.add(f"{name}: build", out)
    return code == 0


# The parts


def lint(totals, args):
    if not build(totals, "lint", "build-test", DEBUGGABLE):  # for compile_commands.json
        return
    sources = [
        str(p.relative_to(TOP))
        for folder in ("src", "tests")
        for p in sorted((TOP / folder).rglob("*.[ch]"))
    ]
    scripts = [
        str(p.relative_to(TOP))
        for folder in ("scripts", ".ci", "findings")
        for p in sorted((TOP / folder).iterdir())
        if p.is_file() and p.read_bytes()[:64].startswith((b"#!/usr/bin/env bash", b"#!/bin/sh"))
    ]
    checks = {
        "include direction": ["/usr/bin/python3", "scripts/check_includes.py"],
        "cleanup": ["/usr/bin/python3", "scripts/check_cleanup.py"],
        "mentions": ["/usr/bin/python3", "scripts/check_mentions.py"],
        "names": ["/usr/bin/python3", "scripts/check_names.py"],
        "headers": ["/usr/bin/python3", "scripts/check_headers.py"],
        "clang-format": ["clang-format", "--dry-run", "-Werror", *sources],
        "clang-tidy": ["/usr/bin/python3", "scripts/check_tidy.py"],
        "shellcheck": ["shellcheck", "-x", *scripts],
    }
    for name, command in checks.items():
        code, out = run(command)
        totals.add(f"lint: {name}", out if code else None)


NO_SERVER = ("--no-suite", "s3", "--no-suite", "postgresql", "--no-suite", "dynamodb")


def meson_tests(totals, name, directory, env=None, prefix=(), slow=1, suites=NO_SERVER):
    """The unit and contract tests of a build, counted test by test (cmocka speaks TAP)."""
    log = TOP / directory / "meson-logs" / f"{name}.json"
    log.unlink(missing_ok=True)
    command = ["meson", "test", "-C", directory, "--no-rebuild", f"--timeout-multiplier={slow}"]
    _, out = run([*prefix, *command, "--logbase", name, *suites], {"CMOCKA_MESSAGE_OUTPUT": "TAP", **(env or {})})
    if not log.exists():
        totals.add(f"{name}: meson test", out)
        return
    for line in log.read_text().splitlines():
        program = json.loads(line)
        label = f"{name}: {program['name'].split(' / ')[-1]}"
        text = f"{program.get('stdout') or ''}\n{program.get('stderr') or ''}"
        failed = False
        for result, title in re.findall(r"^(not ok|ok) \d+ (?:- )?(.*)$", text, re.MULTILINE):
            if "# SKIP" in title:
                totals.skip(f"{label}: {title.replace('# SKIP', '').strip()}", "skipped by the test")
            else:
                failed |= result == "not ok"
                totals.add(f"{label}: {title}", text if result == "not ok" else None)
        # A crash or a sanitizer's report at exit leaves no "not ok" behind.
        if program["result"] not in ("OK", "SKIP") and not failed:
            totals.add(f"{label} ({program['result']})", text)
        elif program["result"] == "SKIP":
            totals.skip(label, "skipped by the test")


def server_tests(totals, label, directory, suite, server, told, **more):
    """The contract tests of a build that need a server, on this one; told: how they find it."""
    try:
        with server:
            suites = ("--suite", suite)
            meson_tests(totals, label, directory, told(server), suites=suites, **more)
    except Missing as why:
        totals.skip(f"{label}: all", str(why))
    except NotReady as error:
        totals.add(f"{label}: start", str(error))


def s3_tests(totals, name, directory, servers, env=None, **more):
    for server_name in servers:
        with tempfile.TemporaryDirectory(prefix="cyberdock-s3-") as work:
            server = s3_servers.SERVERS[server_name](Path(work) / server_name)
            label = f"{name}-{server_name}"

            def told(server):
                return {**(env or {}), **server.environment(f"{name}-contract")}

            server_tests(totals, label, directory, "s3", server, told, **more)


def postgres_tests(totals, name, directory, servers, env=None, suite="postgresql", **more):
    for server_name in servers:
        with tempfile.TemporaryDirectory(prefix="cyberdock-postgresql-") as work:
            server = postgres_servers.SERVERS[server_name](Path(work) / server_name)
            label = f"{name}-{server_name}"

            def told(server):
                return {**(env or {}), **server.environment()}

            server_tests(totals, label, directory, suite, server, told, **more)


def dynamodb_tests(totals, name, directory, env=None, suite="dynamodb", **more):
    with tempfile.TemporaryDirectory(prefix="cyberdock-dynamodb-") as work:
        server = dynamodb_servers.Dynamodb(Path(work) / "dynamodb")

        def told(server):
            return {**(env or {}), **server.environment()}

        server_tests(totals, f"{name}-dynamodb", directory, suite, server, told, **more)


def pytest(totals, name, arguments, args, env=None, prefix=(), workers=CORES, folder="tests/e2e"):
    report = RESULTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    long = ["--long"] if args.long else []
    command = [*PYTEST, folder, "-q", "-n", str(workers), "--dist", "loadfile", f"--junitxml={report}"]
    code, out = run([*prefix, *command, *long, *arguments, *args.pytest], env)
    (RESULTS / f"{name}.txt").write_text(out)
    # 5: no test selected, which a filter on one part may well do.
    counted = totals.add_junit(report, name) if report.exists() else 0
    if code not in (0, 1, 5) or (code == 1 and not counted):
        totals.add(f"{name}: pytest", out[-8000:])


def models(totals, args):
    def report(label, problem, states, seconds):
        totals.add(f"model: {label}", problem)

    check_models.check_all(report, args.long)


def release(totals):
    code, out = run(["scripts/build"])
    # The optimiser sees more than the other builds do, so its warnings count too.
    if code or "warning:" in out:
        totals.add("release build", out)
    return code == 0


LINKED_FAST = "-Dc_link_args=-fuse-ld=gold"  # in half the time: most of a build, when little changed
DEBUGGABLE = ["-Dbuildtype=debugoptimized", "--werror", LINKED_FAST]
SANITIZED = ["-Dbuildtype=debug", "-Doptimization=1", "-Db_lundef=false"]


def unit(totals, args):
    if build(totals, "unit", "build-test", DEBUGGABLE):
        where = (totals, "unit", "build-test")

        def postgres():
            postgres_tests(*where, ["postgresql"], slow=4)
            # Decorators stand on the driver: who is between it and its server they do not see.
            postgres_tests(*where, ["pgbouncer"], suite="postgresql-plain", slow=4)

        at_once(
            lambda: meson_tests(*where, slow=4),
            lambda: s3_tests(*where, s3_servers.SERVERS, slow=4),
            postgres,
            lambda: dynamodb_tests(*where, slow=4),
        )


def sanitized_tests(totals, name, directory, env, dynamodb_suite, **more):
    """One server of a kind, and of what runs over each driver one way: what is ours is the same."""
    where = (totals, name, directory)
    at_once(
        lambda: meson_tests(*where, env, **more),
        lambda: s3_tests(*where, ["minio"], env, **more),
        lambda: postgres_tests(*where, ["postgresql"], env, "postgresql-plain", **more),
        lambda: dynamodb_tests(*where, env, dynamodb_suite, **more),
    )


def asan(totals, args):
    options = [*SANITIZED, LINKED_FAST, "-Db_sanitize=address,undefined"]
    if build(totals, "asan", "build-asan", options):
        environment = {"UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
        sanitized_tests(totals, "asan", "build-asan", environment, "dynamodb-plain", slow=8)
        arguments = ["-m", "sanitize", "-k", "not ceph", "--registry=build-asan/registry"]
        pytest(totals, "asan-e2e", arguments, args, workers=CORES + 1)  # a third of it waits


def tsan(totals, args):
    options = [*SANITIZED, LINKED_FAST, "-Db_sanitize=thread"]
    if build(totals, "tsan", "build-tsan", options):
        # Without address space layout randomisation: recent kernels use more bits of it than gcc
        # 12's ThreadSanitizer can live with. Children inherit this.
        fixed = ["setarch", "-R"]
        environment = {"TSAN_OPTIONS": "halt_on_error=0:second_deadlock_stack=1"}
        how = {"prefix": fixed, "slow": 20}
        sanitized_tests(totals, "tsan", "build-tsan", environment, "dynamodb-threads", **how)
        arguments = ["-m", "concurrent", "--registry=build-tsan/registry"]
        pytest(totals, "tsan-e2e", arguments, args, environment, fixed)


def fuzz(totals, args):
    """Every target for some seconds, from the corpus in the tree; finds go to results/fuzz."""
    options = [*SANITIZED, "-Db_sanitize=address,undefined", "-Dfuzz=true", "-Dtests=false"]
    # Reconfigured each time: meson would not notice a new target file.
    if not build(totals, "fuzz", "build-fuzz", options, {"CC": "ccache clang"}, reconfigure=True):
        return
    seconds = 120 if args.long else args.fuzz_seconds

    def one(source):
        name = source.stem
        found = RESULTS / "fuzz" / name.removeprefix("fuzz_")
        shutil.rmtree(found, ignore_errors=True)
        (found / "corpus").mkdir(parents=True)
        corpus = TOP / "tests" / "fuzz" / "corpus" / name.removeprefix("fuzz_")
        if name == "fuzz_archive":  # its corpus is made, for archives are no text
            crafted = [TOP / "tests/archives/test_crafted.py", "--write", found / "corpus"]
            subprocess.run(crafted, check=True)
        if name == "fuzz_layer":
            made = [TOP / "tests/analysis/images.py", found / "corpus"]
            subprocess.run(made, check=True)
        return name, *run(
            [
                TOP / "build-fuzz" / "tests" / "fuzz" / name,
                f"-max_total_time={seconds}",
                "-timeout=10",
                "-rss_limit_mb=2048",
                f"-artifact_prefix={found}/",
                found / "corpus",
                *([corpus] if corpus.is_dir() else []),
            ],
            timeout=seconds + 120,
        )

    targets = sorted((TOP / "tests" / "fuzz").glob("fuzz_*.c"))
    with ThreadPoolExecutor(CORES) as pool:
        for name, code, out in pool.map(one, targets):
            totals.add(f"fuzz: {name}", out[-6000:] if code else None)


def e2e(totals, args):
    if release(totals):
        pytest(totals, "e2e", [], args, workers=3 * CORES)  # they mostly wait


def scan(totals, args):
    """What the real scanner finds, by our driver."""
    try:
        go_program("trivy")
    except Missing as why:
        totals.skip("scan: all", str(why))
        return
    if build(totals, "scan", "build-test", DEBUGGABLE):
        pytest(totals, "scan", [], args, folder="tests/scan")


def build_scanner():
    """On the first run of a machine: minutes, behind all else that is to be done."""
    command = ["nice", "-n19", sys.executable, TOP / "tests" / "e2e" / "go_programs.py", "trivy"]
    subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def oci_conformance(totals, args):
    if release(totals):
        conformance.run_all(totals, TOP / "build" / "registry", RESULTS)


def vitest(totals, project):
    """The tests of the web page, by their project in web/vitest.config.ts."""
    report = RESULTS / f"ui-{project}.xml"
    report.unlink(missing_ok=True)
    reporters = ["--reporter=junit", f"--outputFile={report}"]
    command = ["npx", "--prefix", "web", "vitest", "run", "--root", "web", "--project", project]
    code, out = run([*command, *reporters], timeout=900)
    counted = totals.add_junit(report, f"ui {project}") if report.exists() else 0
    if code and (code != 1 or not counted):
        totals.add(f"ui {project}: vitest", out[-8000:])


def ui(totals, args):
    """The web page: types, lint, its units, and in a browser against the registry."""
    if not release(totals):
        return
    if not (TOP / "web" / "dist" / "index.html").exists():
        totals.add("ui: build", "there is no web page; scripts/build_ui says why")
        return

    def check(name):
        code, out = run(["npm", "--prefix", "web", "run", "--silent", name])
        totals.add(f"ui: {name}", out if code else None)

    def small():
        check("types")
        check("lint")
        vitest(totals, "units")

    at_once(small, lambda: vitest(totals, "browser"))


PARTS = {
    "lint": lint,
    "model": models,
    "unit": unit,
    "asan": asan,
    "tsan": tsan,
    "fuzz": fuzz,
    "conformance": oci_conformance,
    "e2e": e2e,
    "ui": ui,
    "scan": scan,
}


def share_compiled():
    """What one checkout has compiled, another needs not; and a build with clang as one with gcc."""
    os.environ |= {"CCACHE_BASEDIR": str(TOP), "CCACHE_NOHASHDIR": "1"}


def main():
    parser = argparse.ArgumentParser(prog="scripts/test", description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"parts to run, with commas: {','.join(PARTS)}")
    parser.add_argument("--long", action="store_true", help="also what takes many minutes")
    parser.add_argument("--fuzz-seconds", type=int, default=3, help="for each fuzz target")
    parser.add_argument("pytest", nargs="*", help="after --: arguments for pytest (-k upload)")
    args = parser.parse_args()
    chosen = args.only.split(",") if args.only else list(PARTS)
    unknown = [p for p in chosen if p not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")

    share_compiled()
    if args.long:
        os.environ["CYBERDOCK_TEST_LONG"] = "1"  # to tests in C: tests/common/rounds.h
    RESULTS.mkdir(exist_ok=True)
    if "scan" in chosen:
        build_scanner()
    totals = Totals()
    for part in chosen:
        before, started = (totals.passed, len(totals.failed), len(totals.skipped)), time.monotonic()
        PARTS[part](totals, args)
        after = (totals.passed, len(totals.failed), len(totals.skipped))
        passed, failed, skipped = (b - a for a, b in zip(before, after))
        print(
            f"{part}: {passed} passed, {failed} failed, {skipped} skipped"
            f" ({time.monotonic() - started:.0f} s)",
            flush=True,
        )

    for name in totals.failed:
        print(f"FAILED {name}")
    for name, why in totals.skipped:
        print(f"SKIPPED {name}: {why}")
    (RESULTS / "skipped").write_text("".join(f"{name}\n" for name, _ in totals.skipped))
    print(f"{totals.passed} passed, {len(totals.failed)} failed, {len(totals.skipped)} skipped")
    return 1 if totals.failed else 0


if __name__ == "__main__":
    sys.exit(main())
