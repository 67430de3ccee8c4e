"""docs/upload.md: its examples print what it shows, and it lists every code."""

import os
import re
import subprocess

import pytest
from accounts import environment
from archives import docker_archive
from helpers import image
from server import TOP
from test_users_docs import pattern

PAGE = (TOP / "docs" / "upload.md").read_text()
ORIGINALS = re.search(r"^## Originals$.*?(?=^## )", PAGE, re.M | re.S)[0]


def blocks(kind, page):
    return "".join(re.findall(rf"^```{kind}\n(.*?)^```$", page, re.M | re.S))


def follow(registry, work, page):
    (work / "app.tar").write_bytes(docker_archive(image(seed="docs"), ["app:v1"]))
    script = blocks("sh", page).replace("127.0.0.1:5000", registry.address)
    (work / "bin").mkdir()
    (work / "bin" / "registry").symlink_to(registry.binary)
    variables = {**environment(), "PATH": f"{work}/bin:{os.environ['PATH']}", "HOME": str(work), "TMPDIR": str(work)}
    printed = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=work, capture_output=True, text=True,
                             env=variables, timeout=60, check=True).stdout  # fmt: skip
    assert re.fullmatch(pattern(blocks("text", page)), printed), printed


def test_the_examples_of_the_page_do_as_it_says(registry, work):
    follow(registry, work, PAGE.replace(ORIGINALS, ""))


@pytest.mark.config({"upload": {"keep_original": True}})
def test_the_examples_of_originals_do_as_it_says(registry, work):
    follow(registry, work, ORIGINALS)


def test_the_page_has_every_code_with_what_is_expected():
    table = (TOP / "src" / "archive" / "refusal.h").read_text().replace("\\\n", "\n")
    codes = re.findall(r'X\((\w+),\s*"([^"]*)"\)', table)
    assert len(codes) > 20
    assert re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", PAGE, re.M) == codes
