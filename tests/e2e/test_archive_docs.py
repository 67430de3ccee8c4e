"""docs/archive.md: the examples run and print what the page shows."""

import os
import re

from clients import run
from helpers import Client, image
from server import TOP
from test_users_docs import pattern

PAGE = (TOP / "docs" / "archive.md").read_text()


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.M | re.S)


def test_the_examples_of_the_page_do_as_it_says(registry, work, docker):
    with Client(registry.url) as client:
        client.push_image("team/app", image(seed="page", layers=1), "v1")
    (work / "bin").mkdir()
    (work / "bin" / "registry").symlink_to(registry.binary)
    (work / "bin" / "docker").write_text(f'#!/bin/sh\nexec /usr/bin/docker -H {docker.socket} "$@"\n')
    (work / "bin" / "docker").chmod(0o755)
    script = "".join(blocks("sh")).replace("127.0.0.1:5000", registry.address)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
    environment |= {"PATH": f"{work}/bin:{os.environ['PATH']}", "HOME": str(work)}
    printed = run(["bash", "-euo", "pipefail", "-c", script], env=environment, cwd=work)
    shown = "".join(blocks("text"))
    assert re.fullmatch(pattern(shown), printed), f"shown:\n{shown}\nprinted:\n{printed}"
    docker.remove("team/app:v1")
