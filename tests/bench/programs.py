"""Where the programs come from that no package of Debian has: built once from the Go module proxy,
in the user's cache."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

INSTALL_TIMEOUT_S = 1800


class Missing(Exception):
    """It cannot be had on this machine."""


@dataclass
class GoProgram:
    name: str
    package: str
    version: str
    binary: str  # what `go install` calls it
    named_by: str  # the variable of the environment that names a program to use instead
    environment: dict = field(default_factory=dict)

    def find(self):
        """Its path: of the environment's, else the cached one, else it is built."""
        named = os.environ.get(self.named_by)
        if named:
            return named
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        cache = base / "cyberdock" / f"{self.name}-{self.version}"
        if not (cache / self.binary).exists():
            self.install(cache)
        return str(cache / self.binary)

    def install(self, cache):
        go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
        if go is None:
            raise Missing("needs Go 1.26 or newer, which Debian 12 does not offer")
        cache.mkdir(parents=True, exist_ok=True)
        what = f"go install {self.package}@{self.version}"
        try:
            done = subprocess.run(
                [go, "install", f"{self.package}@{self.version}"],
                env={
                    **os.environ,
                    "GOBIN": str(cache),
                    "GOFLAGS": "-mod=mod",
                    "CGO_ENABLED": "0",
                    **self.environment,
                },
                cwd=cache,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=INSTALL_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise Missing(f"{what} was not done after {INSTALL_TIMEOUT_S} s") from None
        if done.returncode:
            raise Missing(f"{what}: {' '.join(done.stdout.split())[-200:]}")


DIVE = GoProgram(
    name="dive",
    package="github.com/wagoodman/dive",
    version="v0.13.1",
    binary="dive",
    named_by="BENCH_DIVE",
)
DISTRIBUTION = GoProgram(
    name="distribution",
    package="github.com/distribution/distribution/v3/cmd/registry",
    version="v3.1.2",
    binary="registry",
    named_by="BENCH_DISTRIBUTION",
)
# Without build tags it is what its makers call minimal: the registry without extensions.
ZOT = GoProgram(
    name="zot",
    package="zotregistry.dev/zot/v2/cmd/zot",
    version="v2.1.20",
    binary="zot",
    named_by="BENCH_ZOT",
    environment={
        "GOEXPERIMENT": "jsonv2",
        "GOFLAGS": "-mod=mod -ldflags=-X=zotregistry.dev/zot/v2/pkg/buildinfo.Commit=v2.1.20",
    },
)
