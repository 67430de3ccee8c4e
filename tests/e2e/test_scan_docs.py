"""docs/scan.md: its examples print what it shows."""

from documented import follow, page
from helpers import Client
from scanners import FakeTrivy, says, start, wait_for
from waiting import until


def test_the_examples_of_the_page_print_what_it_shows(new_registry, work):
    registry = start(new_registry(config=FakeTrivy(work / "fake").config()))
    with Client(registry.url) as client:
        client.push_image("team/app", says([("CVE-1", "critical", "a"), ("CVE-2", "low", "b")]), "v1")
        wait_for(client, "team/app", "v1")
        until(lambda: client.request("GET", "/v2/team/app/manifests/v1/sbom", (200, 503)).status_code == 200)
    follow(page("scan.md"), registry, work)
