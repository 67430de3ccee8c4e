"""docs/tags.md: the examples run and print what the page shows."""

import os
import re
import subprocess

import yaml
from helpers import Client, image
from server import TOP
from test_users_docs import pattern

PAGE = (TOP / "docs" / "tags.md").read_text()


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.M | re.S)


def test_the_examples_of_the_page_do_as_it_says(new_registry, work):
    registry = new_registry(config=yaml.safe_load(blocks("yaml")[0])).start()
    with Client(registry.url) as client:
        for seed in ("one", "two"):
            client.push_image("dev/app", image(seed, layers=1), "latest")
    (work / "bin").mkdir()
    (work / "bin" / "registry").symlink_to(registry.binary)
    script = "".join(blocks("sh")).replace("127.0.0.1:5000", registry.address)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
    printed = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=60, check=True,
        env={**environment, "PATH": f"{work}/bin:{os.environ['PATH']}", "REGISTRY_CONFIG": str(registry.config_path)},
    ).stdout
    shown = "".join(blocks("text"))
    assert re.fullmatch(pattern(shown), printed), f"shown:\n{shown}\nprinted:\n{printed}"
