"""GET /v2/_catalog: the names of all repositories, in pages."""

import pytest

from checks import check_errors, next_link, pages
from helpers import Client, image

pytestmark = pytest.mark.sanitize

NAMES = ["0", "a", "a-b", "a.b", "a/b", "a/b/c", "a_b", "app", "b", "team/app", "z"]


@pytest.fixture(scope="module")
def catalog(shared):
    """A client of a registry that has NAMES and nothing else; for tests that only read."""
    with Client(shared.url) as c:
        pushed = image(seed="catalog", layers=1, layer_size=10)
        for name in reversed(NAMES):
            c.push_image(name, pushed, "v1")
        yield c


def listed(client, **params):
    r = client.request("GET", "/v2/_catalog", params=params)
    assert r.headers["Content-Type"].split(";")[0] == "application/json"
    assert set(r.json()) == {"repositories"}
    return r, r.json()["repositories"]


def test_names_come_in_ascii_order(catalog):
    r, names = listed(catalog)
    assert names == NAMES == sorted(NAMES)
    assert "Link" not in r.headers


def test_head_has_the_length_of_get_and_no_body(catalog):
    get, head = catalog.request("GET", "/v2/_catalog"), catalog.request("HEAD", "/v2/_catalog")
    assert head.content == b""
    assert head.headers["Content-Length"] == str(len(get.content))


@pytest.mark.parametrize("n", [1, 2, 5, len(NAMES) - 1, len(NAMES), len(NAMES) + 1])
def test_following_the_links_gives_every_name_once(catalog, n):
    got = [page["repositories"] for page in pages(catalog, f"/v2/_catalog?n={n}")]
    assert sum(got, []) == NAMES
    assert all(len(names) == n for names in got[:-1])
    assert got[-1]


def test_n_0_is_an_empty_list_without_a_link(catalog):
    r, names = listed(catalog, n=0)
    assert names == []
    assert "Link" not in r.headers


@pytest.mark.parametrize("n", [2**63, 2**64, 10**40])
def test_a_huge_n_is_as_many_as_there_are(catalog, n):
    assert listed(catalog, n=n)[1] == NAMES


@pytest.mark.parametrize("n", ["-1", "abc", "", "1.5"])
def test_an_n_that_is_no_number_is_refused(catalog, n):
    check_errors(catalog.request("GET", "/v2/_catalog", None, params={"n": n}), 400)


@pytest.mark.parametrize(
    "last, after",
    [("a", "a-b"), ("a/b", "a/b/c"), ("a/a", "a/b"), ("appx", "b"), ("team/app", "z"), ("", "0")],
)
def test_last_begins_after_that_name(catalog, last, after):
    assert listed(catalog, last=last)[1] == NAMES[NAMES.index(after) :]
    assert listed(catalog, last=last, n=1)[1] == [after]


def test_nothing_follows_the_last_name(catalog):
    r, names = listed(catalog, last="z")
    assert names == []
    assert "Link" not in r.headers


def test_a_link_carries_a_name_with_slashes(catalog):
    r, names = listed(catalog, n=6)
    assert names[-1] == "a/b/c"
    assert catalog.request("GET", next_link(r)).json()["repositories"] == NAMES[6:]


def test_a_new_registry_has_an_empty_catalog(client):
    assert client.catalog() == []


def test_a_repository_appears_with_its_first_content(client):
    client.push_blob("app", b"content")
    client.push_image("other", image(seed="first", layers=1), "v1")
    assert "other" in client.catalog()
    client.request("GET", "/v2/never/tags/list", 404)
    client.request("GET", "/v2/never/manifests/v1", 404)
    assert "never" not in client.catalog()
