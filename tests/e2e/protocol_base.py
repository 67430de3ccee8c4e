"""GET /v2/, and what every answer of the registry has."""

import re
from email.utils import parsedate_to_datetime

import pytest

from checks import ABSENT, check_errors
from helpers import OCI_MANIFEST, image

pytestmark = pytest.mark.sanitize


@pytest.mark.parametrize("path", ["/v2/", "/v2"])
def test_the_base_says_that_this_is_a_registry(api, path):
    r = api.request("GET", path)
    assert r.headers["Content-Type"].split(";")[0] == "application/json"
    assert r.json() == {}
    assert r.headers["Docker-Distribution-API-Version"] == "registry/2.0"


def test_head_of_the_base_has_the_headers_of_get_and_no_body(api):
    get, head = api.request("GET", "/v2/"), api.request("HEAD", "/v2/")
    assert head.content == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.content))
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.parametrize("path", ["/v1/", "/v2x", "/v3/", "/v2//", "/v2/app", "/v2/app/tags", "/token"])
def test_what_is_not_there_is_404(api, path):
    check_errors(api.request("GET", path, None), 404)


def test_a_token_that_nobody_asked_for_is_ignored(api):
    """docker-export 1.2.0 sends this one to whoever lets everybody in."""
    assert api.request("GET", "/v2/", headers={"Authorization": "Bearer None"}).json() == {}


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("POST", "/v2/", {"GET", "HEAD"}),
        ("DELETE", "/v2/", {"GET", "HEAD"}),
        ("PUT", "/v2/_catalog", {"GET", "HEAD"}),
        ("POST", "/v2/app/tags/list", {"GET", "HEAD"}),
        ("PATCH", "/v2/app/manifests/v1", {"GET", "HEAD", "PUT", "DELETE"}),
        ("PUT", f"/v2/app/blobs/{ABSENT}", {"GET", "HEAD", "DELETE"}),
        ("DELETE", f"/v2/app/referrers/{ABSENT}", {"GET", "HEAD"}),
        ("PUT", "/v2/app/blobs/uploads/", {"POST"}),
    ],
)
def test_a_method_that_a_resource_has_not_is_405_with_what_it_has(api, method, path, allowed):
    r = api.request(method, path, None)
    check_errors(r, 405, "UNSUPPORTED")
    assert {m.strip() for m in r.headers["Allow"].split(",")} - {"OPTIONS"} == allowed


ANSWERS = {
    "base": ("GET", "/v2/", 200),
    "catalog": ("GET", "/v2/_catalog", 200),
    "no such thing": ("GET", "/nothing", 404),
    "no such manifest": ("GET", "/v2/app/manifests/none", 404),
    "bad name": ("GET", "/v2/APP/tags/list", 400),
    "wrong method": ("POST", "/v2/", 405),
    "health": ("GET", "/healthz", 200),
    "session": ("POST", "/v2/app/blobs/uploads/", 202),
}


@pytest.mark.parametrize("method, path, status", ANSWERS.values(), ids=ANSWERS)
def test_every_answer_has_a_date_a_request_id_and_nosniff(api, method, path, status):
    r = api.request(method, path, status)
    assert parsedate_to_datetime(r.headers["Date"]).tzname() == "UTC"
    assert re.fullmatch("[A-Za-z0-9._-]{1,64}", r.headers["X-Request-Id"])
    assert r.headers["X-Content-Type-Options"] == "nosniff"


# Names


GOOD_NAMES = ["a", "0", "a/b", "a/b/c/d/e/f", "a.b", "a_b", "a__b", "a-b", "a---b", "x" * 255]
BAD_NAMES = ["A", "a/B", "-a", "a-", "a..b", "a___b", "a._b", ".a", "a.", "_a", "a b", "ä", "a@b"]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_name_of_the_grammar_is_taken(api, name):
    """dist-spec "Pulling manifests": the expression that <name> matches."""
    pushed = image(seed="names", layers=1, layer_size=10)
    api.push_image(name, pushed, "v1")
    assert api.tags(name) == ["v1"]
    assert api.request("GET", f"/v2/{name}/tags/list").json()["name"] == name


@pytest.mark.parametrize("name", [*BAD_NAMES, "x" * 256])
@pytest.mark.parametrize(
    "method, rest",
    [("GET", "tags/list"), ("PUT", "manifests/v1"), ("POST", "blobs/uploads/")],
    ids=["GET", "PUT", "POST"],
)
def test_a_name_outside_the_grammar_is_refused(api, name, method, rest):
    r = api.request(method, f"/v2/{name}/{rest}", None, headers={"Content-Type": OCI_MANIFEST})
    check_errors(r, 400, "NAME_INVALID")


@pytest.mark.parametrize("name", ["a//b", "/a", "a/"])
def test_an_empty_component_names_nothing(api, name):
    r = api.request("GET", f"/v2/{name}/tags/list", None)
    assert r.status_code in (400, 404)
    check_errors(r, r.status_code)


def test_words_of_the_routes_are_components_of_names_too(api):
    """manifests, blobs, tags and uploads are ordinary components: the last route word counts."""
    for name in ("manifests", "blobs/uploads", "a/tags/list", "x/manifests/y", "a/blobs/b", "v2"):
        pushed = image(seed=name, layers=1, layer_size=10)
        api.push_image(name, pushed, "v1")
        assert api.pull_image(name, "v1") == pushed
        assert api.tags(name) == ["v1"]


BAD_TAGS = ["-a", ".a", "a" * 129, "a b", "ä", "a+b", "a@b"]


@pytest.mark.parametrize("tag", BAD_TAGS)
def test_a_tag_outside_the_grammar_is_refused(api, repo, tag):
    pushed = image(seed="tags", layers=1, layer_size=10)
    api.push_image(repo, pushed)
    check_errors(api.push_manifest(repo, tag, pushed, None), 400)
    assert api.tags(repo) == []


@pytest.mark.parametrize("tag", ["a", "_a", "A.b-C_d", "a" * 128, "0", "latest", "1.0.0-rc.1"])
def test_a_tag_of_the_grammar_is_taken(api, repo, tag):
    pushed = image(seed="tags", layers=1, layer_size=10)
    api.push_image(repo, pushed, tag)
    assert api.tags(repo) == [tag]
    assert api.get_manifest(repo, tag).content == pushed.manifest
