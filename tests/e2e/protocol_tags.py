"""GET /v2/<name>/tags/list: order, n, last and Link (dist-spec "Listing Tags")."""

import pytest

from checks import check_errors, next_link, pages
from helpers import image

pytestmark = pytest.mark.sanitize

TAGS = ["10", "2", "A", "Z", "_", "a", "a-b", "a.b", "b", "latest", "v1.0", "v1.10", "v1.9"]


@pytest.fixture
def tagged(api, repo):
    """A repository with all of TAGS, pushed in another order."""
    pushed = image(seed="tags", layers=1, layer_size=10)
    api.push_image(repo, pushed, TAGS[5])
    for tag in reversed(TAGS):
        api.push_manifest(repo, tag, pushed)
    return repo


def listed(api, repo, **params):
    """The answer to a tags/list request and the tags in it."""
    r = api.request("GET", f"/v2/{repo}/tags/list", params=params)
    assert r.headers["Content-Type"].split(";")[0] == "application/json"
    document = r.json()
    assert set(document) == {"name", "tags"}
    assert document["name"] == repo
    return r, document["tags"]


def test_tags_come_in_ascii_order(api, tagged):
    r, tags = listed(api, tagged)
    assert tags == TAGS == sorted(TAGS)
    assert next_link(r) is None


def test_head_has_the_length_of_get_and_no_body(api, tagged):
    get = api.request("GET", f"/v2/{tagged}/tags/list")
    head = api.request("HEAD", f"/v2/{tagged}/tags/list")
    assert head.content == b""
    assert head.headers["Content-Length"] == str(len(get.content))
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


def test_n_0_is_an_empty_list_without_a_link(api, tagged):
    r, tags = listed(api, tagged, n=0)
    assert tags == []
    assert "Link" not in r.headers


def test_n_1_is_one_tag_and_a_link(api, tagged):
    r, tags = listed(api, tagged, n=1)
    assert tags == TAGS[:1]
    assert api.request("GET", next_link(r)).json()["tags"] == TAGS[1:2]


@pytest.mark.parametrize("n", [1, 2, 3, 5, len(TAGS) - 1, len(TAGS), len(TAGS) + 1])
def test_following_the_links_gives_every_tag_once(api, tagged, n):
    got = [page["tags"] for page in pages(api, f"/v2/{tagged}/tags/list?n={n}")]
    assert sum(got, []) == TAGS
    assert all(len(tags) == n for tags in got[:-1])
    assert got[-1], "a link led to an empty page"


def test_n_of_exactly_the_number_of_tags_has_no_link(api, tagged):
    r, tags = listed(api, tagged, n=len(TAGS))
    assert tags == TAGS
    assert "Link" not in r.headers


def test_pages_stay_right_while_tags_come_and_go(api, repo):
    """Between two pages the tag that the Link names goes, and others come before and after it: those
    that were there all the time are listed once each."""
    pushed = image(seed="tags", layers=1, layer_size=10)
    api.push_image(repo, pushed)
    staying = [f"t{n:03}" for n in range(60)]
    for start in range(0, 60, 10):
        query = "&".join("tag=" + tag for tag in staying[start : start + 10])
        api.push_manifest(repo, f"{pushed.digest}?{query}", pushed)

    seen, gone = [], set()
    for page in pages(api, f"/v2/{repo}/tags/list?n=7"):
        seen += page["tags"]
        last = seen[-1]
        api.push_manifest(repo, "a" + last, pushed)  # before all that is still to come
        api.push_manifest(repo, last + "-late", pushed)  # after it, before the next
        if last in staying:
            api.delete_manifest(repo, last)
            gone.add(last)

    assert gone
    assert seen == sorted(set(seen))
    assert set(staying) <= set(seen)
    assert not any(tag.startswith("a") for tag in seen)


def test_a_last_page_that_is_full_has_no_link(api, tagged):
    r, tags = listed(api, tagged, n=3, last=TAGS[-4])
    assert tags == TAGS[-3:]
    assert "Link" not in r.headers


@pytest.mark.parametrize(
    "n",
    [
        10**6,
        2**31,
        2**32,
        2**63 - 1,
        2**63,
        2**64 - 1,
        2**64,
        2**64 + 1,
        10**30,
        "0013",
    ],
)
def test_a_huge_n_is_as_many_as_there_are(api, tagged, n):
    r, tags = listed(api, tagged, n=n)
    assert tags == TAGS
    assert "Link" not in r.headers


@pytest.mark.parametrize("n", ["-1", "-0", "abc", "1x", "0x10", "1.5", "", "1e3", " 1", "1 ", "+1"])
def test_an_n_that_is_no_number_is_refused(api, tagged, n):
    check_errors(api.request("GET", f"/v2/{tagged}/tags/list", None, params={"n": n}), 400)


def test_last_begins_after_that_tag(api, tagged):
    assert listed(api, tagged, last="a")[1] == TAGS[TAGS.index("a") + 1 :]
    assert listed(api, tagged, last="a", n=2)[1] == ["a-b", "a.b"]


def test_last_need_not_exist(api, tagged):
    assert listed(api, tagged, last="a-a")[1] == TAGS[TAGS.index("a-b") :]
    assert listed(api, tagged, last="0")[1] == TAGS
    assert listed(api, tagged, last="a-a", n=1)[1] == ["a-b"]


def test_last_is_compared_by_bytes_not_as_a_number(api, tagged):
    assert listed(api, tagged, last="v1.10")[1] == ["v1.9"]
    assert listed(api, tagged, last="10")[1] == TAGS[1:]


@pytest.mark.parametrize("last", [TAGS[-1], "zzz"])
def test_nothing_follows_the_last_tag(api, tagged, last):
    r, tags = listed(api, tagged, last=last)
    assert tags == []
    assert "Link" not in r.headers


def test_an_empty_last_is_the_beginning(api, tagged):
    assert listed(api, tagged, last="")[1] == TAGS


def test_unknown_parameters_are_ignored(api, tagged):
    assert listed(api, tagged, page=3, N=1)[1] == TAGS


def test_a_repository_without_tags_has_an_empty_list(api, repo):
    api.push_image(repo, image(seed="untagged", layers=1, layer_size=10))
    r, tags = listed(api, repo)
    assert tags == []
    assert "Link" not in r.headers


def test_deleting_the_last_tag_leaves_an_empty_list(api, repo):
    api.push_image(repo, image(seed="one", layers=1, layer_size=10), "only")
    api.delete_manifest(repo, "only")
    assert listed(api, repo)[1] == []


def test_a_tag_that_moves_is_listed_once(api, repo):
    api.push_image(repo, image(seed="before", layers=1, layer_size=10), "v1")
    api.push_image(repo, image(seed="after", layers=1, layer_size=10), "v1")
    assert listed(api, repo)[1] == ["v1"]


def test_an_unknown_repository_is_404(api, repo):
    check_errors(api.request("GET", f"/v2/{repo}/tags/list", None), 404, "NAME_UNKNOWN")
    assert api.request("HEAD", f"/v2/{repo}/tags/list", 404).content == b""


def test_a_parent_of_a_repository_is_no_repository(api, repo):
    api.push_image(repo + "/child", image(seed="child", layers=1, layer_size=10), "v1")
    check_errors(api.request("GET", f"/v2/{repo}/tags/list", None), 404, "NAME_UNKNOWN")


def test_tags_of_other_repositories_are_not_listed(api, repo):
    pushed = image(seed="neighbours", layers=1, layer_size=10)
    for name, tag in [(repo, "a"), (repo + "-x", "b"), (repo + "/x", "c")]:
        api.push_image(name, pushed, tag)
    assert listed(api, repo)[1] == ["a"]


@pytest.mark.config({"limits": {"page": 3}})
def test_no_page_is_larger_than_the_configured_limit(client):
    pushed = image(seed="page", layers=1, layer_size=10)
    client.push_image("app", pushed, TAGS[0])
    for tag in TAGS:
        client.push_manifest("app", tag, pushed)
    for query in ("", "?n=1000", "?n=3", f"?n={2**64}"):
        got = [page["tags"] for page in pages(client, f"/v2/app/tags/list{query}")]
        assert [len(tags) for tags in got] == [3, 3, 3, 3, 1]
        assert sum(got, []) == TAGS
    # A link keeps what the client asked for.
    r, tags = listed(client, "app", n=2)
    assert len(tags) == len(client.request("GET", next_link(r)).json()["tags"]) == 2
