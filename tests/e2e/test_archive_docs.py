"""docs/archive.md: the examples run and print what the page shows."""

from documented import follow, page, program
from helpers import Client, image


def test_the_examples_of_the_page_do_as_it_says(registry, work, docker):
    with Client(registry.url) as client:
        client.push_image("team/app", image(seed="page", layers=1), "v1")
    program(work, "docker", f'exec /usr/bin/docker -H {docker.socket} "$@"')
    follow(page("archive.md"), registry, work)
    docker.remove("team/app:v1")
