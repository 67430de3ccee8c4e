"""docs/upload.md: its examples print what it shows, and it lists every code."""

import re

import pytest
from archives import docker_archive
from documented import follow, page
from helpers import image
from scanners import FakeTrivy, says, start
from server import TOP

PAGE = page("upload.md")
SCANNED = re.search(r"^## Archives that are scanned$.*?(?=^## )", PAGE, re.M | re.S)[0]
ORIGINALS = re.search(r"^## Originals$.*?(?=^## )", PAGE, re.M | re.S)[0]


def follow_with_an_archive(text, registry, work):
    (work / "app.tar").write_bytes(docker_archive(image(seed="docs"), ["app:v1"]))
    (work / "images.tar").write_bytes(docker_archive(image(seed="shop"), ["shop:v1", "quay.io/team/shop:v1"]))
    (work / "nameless.tar").write_bytes(docker_archive(image(seed="nameless"), None))
    follow(text, registry, work)


def test_the_examples_of_the_page_do_as_it_says(registry, work):
    follow_with_an_archive(PAGE.replace(ORIGINALS, "").replace(SCANNED, ""), registry, work)


@pytest.mark.config({"upload": {"keep_original": True}})
def test_the_examples_of_originals_do_as_it_says(registry, work):
    follow_with_an_archive(ORIGINALS, registry, work)


def test_the_examples_of_scanned_archives_do_as_it_says(new_registry, work):
    more = {"upload": {"scan": "block"}, "pull_policy": [{"repositories": ["**"], "severity": "high"}]}
    registry = start(new_registry(config={**FakeTrivy(work / "fake").config(on_push=False), **more}))
    (work / "bad.tar").write_bytes(docker_archive(says([("CVE-1", "critical", "a")]), ["app:v1"]))
    follow_with_an_archive(SCANNED, registry, work)


def test_the_page_has_every_code_with_what_is_expected():
    table = (TOP / "src" / "archive" / "refusal.h").read_text().replace("\\\n", "\n")
    codes = re.findall(r'X\((\w+),\s*"([^"]*)"\)', table)
    assert len(codes) > 20
    assert re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", PAGE, re.M) == codes
