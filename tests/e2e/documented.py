"""Pages of docs/: their examples, run as a reader would, must print what the page shows."""

import os
import re
import subprocess

from accounts import environment
from server import TOP


def page(name):
    return (TOP / "docs" / name).read_text()


def blocks(text, kind):
    """The blocks of a page that are marked so: sh is run, text is what is printed."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.M | re.S)


def pattern(text):
    """The shown text as an expression; … stands for anything, on a line of its own for lines."""
    lines = []
    for line in text.splitlines():
        if line == "…":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(r".*".join(re.escape(p) for p in line.split("…")) + r" *\n")
    return "".join(lines)


def program(work, name, text):
    """A script of that name, which the examples find before any other."""
    (work / "bin").mkdir(exist_ok=True)
    (work / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
    (work / "bin" / name).chmod(0o755)


def follow(text, registry, work, **variables):
    """The examples of a page print what it shows. `registry` is the one that is tested."""
    (work / "bin").mkdir(exist_ok=True)
    if not (work / "bin" / "registry").exists():
        (work / "bin" / "registry").symlink_to(registry.binary)
    found = {"PATH": f"{work}/bin:{os.environ['PATH']}", "HOME": str(work), "TMPDIR": str(work)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(blocks(text, "sh")).replace("127.0.0.1:5000", registry.address)],
        capture_output=True, text=True, timeout=120, check=False, cwd=work, env={**environment(), **found, **variables},
    )  # fmt: skip
    shown = "".join(blocks(text, "text"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(pattern(shown), done.stdout), f"shown:\n{shown}\nprinted:\n{done.stdout}"
