"""Clients in Rust, Python and JavaScript, each built once, of a pinned version, in the cache of go_programs.py."""

import hashlib
import shutil
import sys
from pathlib import Path

from go_programs import Missing, cached, run_installer


def wkg():
    """The package tool of WebAssembly, with the client library oci-client."""
    version = "0.16.1"

    def install(cache):
        cargo = shutil.which("cargo") or shutil.which("cargo", path=Path.home() / ".cargo/bin")
        if cargo is None:
            raise Missing("needs cargo, of a Rust newer than that of Debian 12")
        what = ["wkg", "--version", version, "--locked"]
        run_installer([cargo, "install", *what, "--root", cache], "cargo install wkg")
        (cache / "bin/wkg").rename(cache / "wkg")

    return cached("wkg", version, install)


def dxf():
    """python-dxf, in an environment of its own."""
    version = "12.1.1"

    def install(cache):
        venv = cache / "venv"
        run_installer([sys.executable, "-m", "venv", "--clear", venv], "venv")
        what = f"python-dxf=={version}"
        run_installer([venv / "bin/pip", "install", "--quiet", what], f"pip install {what}")
        (cache / "dxf").symlink_to("venv/bin/dxf")

    return cached("dxf", version, install)


def tuspy():
    """A Python that has tuspy, the client of tus."""
    version = "1.1.0"

    def install(cache):
        venv = cache / "venv"
        run_installer([sys.executable, "-m", "venv", "--clear", venv], "venv")
        what = f"tuspy=={version}"
        run_installer([venv / "bin/pip", "install", "--quiet", what], f"pip install {what}")
        (cache / "installed").touch()

    return cached("tuspy", version, install, "installed").parent / "venv/bin/python"


TUS_JS = Path(__file__).resolve().parent / "tus_js"


def tus_js():
    """The folder of upload.js, beside tus-js-client."""
    files = ("package.json", "package-lock.json", "upload.js")
    version = hashlib.sha256(b"".join((TUS_JS / file).read_bytes() for file in files)).hexdigest()[:16]

    def install(cache):
        for file in files:
            shutil.copy(TUS_JS / file, cache)
        run_installer(["npm", "ci", "--no-audit", "--no-fund"], "npm ci", cwd=cache)
        (cache / "installed").touch()

    return cached("tus-js", version, install, "installed").parent
