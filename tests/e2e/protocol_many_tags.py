"""A repository with 100,000 tags."""

import pytest

from checks import next_link, pages
from helpers import image

COUNT = 100_000
BATCH = 1000


@pytest.mark.config(
    {
        "limits": {"tags_per_push": BATCH},
        "http": {"max_url_size": "64KiB", "max_head_size": "64KiB"},
        "storage": {"backend": "mem"},  # a hundred thousand links on disk are not the matter here
    }
)
def test_a_hundred_thousand_tags_are_listed_page_by_page(client):
    pushed = image(seed="many", layers=1, layer_size=10)
    client.push_image("app", pushed)
    tags = [f"t{n:06}" for n in range(COUNT)]
    for start in range(0, COUNT, BATCH):
        query = "&".join("tag=" + tag for tag in tags[start : start + BATCH])
        client.push_manifest("app", f"{pushed.digest}?{query}", pushed)

    # Every page of the default size, following the links.
    assert sum((page["tags"] for page in pages(client, "/v2/app/tags/list")), []) == tags

    def listed(query):
        r = client.request("GET", f"/v2/app/tags/list?{query}")
        return r.json()["tags"], next_link(r)

    # Anywhere in the list, by tag and not by number.
    assert listed("n=5&last=t049999")[0] == tags[50_000:50_005]
    assert listed("n=5&last=t049999x")[0] == tags[50_000:50_005]
    assert listed("n=1&last=t099998") == (["t099999"], None)
    assert listed("n=1000&last=t098999") == (tags[99_000:], None)
    assert listed("last=t099999") == ([], None)
    assert listed("n=0") == ([], None)

    # A huge n is one page with a link, never a hundred thousand tags in one answer.
    got, link = listed(f"n={2**64}")
    assert got == tags[:10_000] and link

    # Clients that know nothing of pages ask for no n: they get what most repositories have.
    got, link = listed("")
    assert got == tags[:10_000] and link
