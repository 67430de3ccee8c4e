"""Programs in Go that the tests run: clients, S3 servers, and the conformance suite. Each is built once, of a
pinned version, and kept in a cache outside the tree."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

INSTALL_TIMEOUT_S = 900


@dataclass
class Program:
    package: str
    version: str
    binary: str = ""  # what `go install` calls it, when that is not its name
    module: str = ""  # what is required for it, where `go install PACKAGE@VERSION` would ask the proxy for versions in vain
    flags: str = "-s -w"  # of the linker
    environment: dict = field(default_factory=dict)
    jobs: int = 0  # packages built at once; 0: as Go likes
    timeout_s: int = INSTALL_TIMEOUT_S


PROGRAMS = {
    "conformance": Program(
        "github.com/opencontainers/distribution-spec/conformance",
        "v0.0.0-20260831232431-97274622c111",
    ),
    "crane": Program("github.com/google/go-containerregistry/cmd/crane", "v0.22.1"),
    "regctl": Program("github.com/regclient/regclient/cmd/regctl", "v0.11.7"),
    "oras": Program("oras.land/oras/cmd/oras", "v1.3.6"),
    "helm": Program("helm.sh/helm/v3/cmd/helm", "v3.22.0"),
    "cosign": Program("github.com/sigstore/cosign/v3/cmd/cosign", "v3.1.3"),
    "distribution": Program("github.com/distribution/distribution/v3/cmd/registry", "v3.1.2", "registry"),
    "minio": Program("github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c"),
    "mc": Program("github.com/minio/mc", "v0.0.0-20250313080218-cf909e1063a9"),
    "versitygw": Program("github.com/versity/versitygw/cmd/versitygw", "v1.8.0"),
    # 250 MB and some nine minutes of two cores: the first run of a machine starts it early, beside other steps.
    "trivy": Program(
        "github.com/aquasecurity/trivy/cmd/trivy",
        "v0.74.0",
        flags="-s -w -X github.com/aquasecurity/trivy/pkg/version/app.ver=0.74.0",
        environment={"GOEXPERIMENT": "jsonv2"},
        jobs=2,
        timeout_s=2700,
    ),
    "containerd2": Program("github.com/containerd/containerd/v2/cmd/containerd", "v2.4.2", "containerd"),
    "ctr2": Program("github.com/containerd/containerd/v2/cmd/ctr", "v2.4.2", "ctr"),
    # Docker 29, which is released from these sources; its version calls itself "library-import" here.
    "dockerd": Program("github.com/moby/moby/v2/cmd/dockerd", "v2.0.0-beta.24"),
    "ko": Program("github.com/google/ko", "v0.19.1"),
    "kaniko": Program(
        "github.com/GoogleContainerTools/kaniko/cmd/executor",
        "v1.24.0",
        "executor",
        module="github.com/GoogleContainerTools/kaniko",
    ),
    "grype": Program("github.com/anchore/grype/cmd/grype", "v0.121.2", jobs=2, timeout_s=1800),
}


class Missing(Exception):
    """A program cannot be had on this machine."""


def cached(name, version, install, binary=None):
    """The path of the program: REGISTRY_NAME (REGISTRY_CRANE, ...), else the cached one of that
    version, else install(folder) puts it there, whole or not at all."""
    named = os.environ.get(f"REGISTRY_{name.upper()}")
    if named:
        return Path(named)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = base / "cyberdock" / f"{name}-{version}"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel tests: one builds, the others wait for it
        if not (cache / (binary or name)).exists():
            install(cache)
    return cache / (binary or name)


def go_program(name):
    program = PROGRAMS[name]
    return cached(name, program.version, lambda cache: _install(program, cache), program.binary)


def built(source):
    """The program of that folder of the tree, which is called as the folder, built once."""
    state = hashlib.sha256()
    for path in sorted(source.iterdir()):
        state.update(path.read_bytes())

    def build(cache):
        with tempfile.TemporaryDirectory() as copy:  # what Go finds out about modules is not for the tree
            shutil.copytree(source, copy, dirs_exist_ok=True)
            run_installer(
                [_go(), "build", "-mod=mod", "-p=2", "-o", cache / source.name, "."],
                f"go build {source.name}",
                cwd=copy,
            )

    return cached(source.name, state.hexdigest()[:16], build)


def run_installer(command, what, timeout_s=INSTALL_TIMEOUT_S, **more):
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
            **more,
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"{what} not done after {timeout_s} s") from None
    if result.returncode != 0:
        raise Missing(f"{what}: {result.stdout.strip()[-300:]}")


def _go():
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise Missing("needs Go 1.21 or newer, which Debian 12 does not offer")
    return go


def _install(program, cache):
    """`go install` puts a program in its place whole or not at all."""
    go = _go()
    what = f"{program.package}@{program.version}"
    if program.module:
        (cache / "go.mod").write_text(f"module build\n\ngo 1.24\n\nrequire {program.module} {program.version}\n")
        what = program.package
    # A Go that is older than the program wants fetches a newer one.
    environment = {"GOBIN": str(cache), "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0",
                   "GOTOOLCHAIN": "auto"}
    run_installer(
        [go, "install", *([f"-p={program.jobs}"] if program.jobs else []), f"-ldflags={program.flags}", what],
        f"go install {what}",
        program.timeout_s,
        env={**os.environ, **environment, **program.environment},
        cwd=cache,
    )


if __name__ == "__main__":  # `go_programs.py NAME...` has them built, so that no test waits for it
    for named in sys.argv[1:]:
        print(go_program(named))
