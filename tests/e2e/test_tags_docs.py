"""docs/tags.md: the examples run and print what the page shows."""

import yaml
from documented import blocks, follow, page
from helpers import Client, image

PAGE = page("tags.md")


def test_the_examples_of_the_page_do_as_it_says(new_registry, work):
    registry = new_registry(config=yaml.safe_load(blocks(PAGE, "yaml")[0])).start()
    with Client(registry.url) as client:
        for seed in ("one", "two"):
            client.push_image("dev/app", image(seed, layers=1), "latest")
    follow(PAGE, registry, work, REGISTRY_CONFIG=str(registry.config_path))
