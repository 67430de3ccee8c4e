"""Conditional pushes (RFC 9110, 13.1; dist-spec "Referrers Tag Schema": conditional HTTP push)."""

import json

import pytest

from checks import ABSENT, check_errors
from helpers import OCI_INDEX, Image, canonical, image

pytestmark = pytest.mark.sanitize


def conditional(client, repo, reference, made, expect, **headers):
    names = {"if_match": "If-Match", "if_none_match": "If-None-Match"}
    return client.request(
        "PUT",
        f"/v2/{repo}/manifests/{reference}",
        expect,
        data=made.manifest,
        headers={"Content-Type": made.media_type, **{names[k]: v for k, v in headers.items()}},
    )


@pytest.fixture
def two(api, repo):
    """Two images whose blobs are there; the first has the tag v1."""
    first, second = image(seed="first"), image(seed="second")
    api.push_image(repo, first, "v1")
    for digest, data in second.blobs.items():
        api.push_blob(repo, data, digest)
    return first, second


def test_if_match_moves_a_tag_that_is_still_the_same(api, repo, two):
    first, second = two
    conditional(api, repo, "v1", second, 201, if_match=f'"{first.digest}"')
    assert api.get_manifest(repo, "v1").content == second.manifest


@pytest.mark.parametrize("etag", [f'"{ABSENT}"', '"x", "y"'])
def test_if_match_does_not_move_a_tag_that_changed(api, repo, two, etag):
    first, second = two
    check_errors(conditional(api, repo, "v1", second, None, if_match=etag), 412)
    assert api.get_manifest(repo, "v1").content == first.manifest


def test_if_match_does_not_make_a_tag(api, repo, two):
    _, second = two
    conditional(api, repo, "new", second, 412, if_match="*")
    conditional(api, repo, "new", second, 412, if_match=f'"{second.digest}"')
    assert api.tags(repo) == ["v1"]


def test_if_match_any_moves_a_tag_that_is_there(api, repo, two):
    conditional(api, repo, "v1", two[1], 201, if_match="*")


def test_if_none_match_any_makes_a_new_tag_only(api, repo, two):
    first, second = two
    check_errors(conditional(api, repo, "v1", second, None, if_none_match="*"), 412)
    assert api.get_manifest(repo, "v1").content == first.manifest
    conditional(api, repo, "new", second, 201, if_none_match="*")
    assert api.get_manifest(repo, "new").content == second.manifest


@pytest.mark.parametrize("etags", ['"{absent}", "{first}"', '"x" , "{first}","{absent}"'])
def test_if_match_takes_a_list(api, repo, two, etags):
    first, second = two
    etags = etags.format(absent=ABSENT, first=first.digest)
    conditional(api, repo, "v1", second, 201, if_match=etags)
    assert api.get_manifest(repo, "v1").content == second.manifest


def test_a_weak_etag_is_no_match_for_a_push(api, repo, two):
    """RFC 9110, 13.1.1: If-Match compares strongly."""
    first, second = two
    etag = f'W/"{first.digest}"'
    check_errors(conditional(api, repo, "v1", second, None, if_match=etag), 412)
    assert api.get_manifest(repo, "v1").content == first.manifest


@pytest.mark.parametrize("etags", ['"{first}"', 'W/"{first}"', '"{absent}", W/"{first}"'])
def test_if_none_match_does_not_move_a_tag_that_points_to_one_of_the_list(api, repo, two, etags):
    """RFC 9110, 13.1.2: If-None-Match compares weakly."""
    first, second = two
    etags = etags.format(absent=ABSENT, first=first.digest)
    check_errors(conditional(api, repo, "v1", second, None, if_none_match=etags), 412)
    assert api.get_manifest(repo, "v1").content == first.manifest


def test_if_none_match_moves_a_tag_that_points_elsewhere(api, repo, two):
    _, second = two
    etags = f'"{ABSENT}", "{second.digest}"'
    conditional(api, repo, "v1", second, 201, if_none_match=etags)
    conditional(api, repo, "new", second, 201, if_none_match=etags)
    conditional(api, repo, "v1", second, 412, if_none_match=etags)


def test_both_conditions_must_hold(api, repo, two):
    first, second = two
    seen = f'"{first.digest}"'
    conditional(api, repo, "v1", second, 412, if_match=seen, if_none_match=seen)
    conditional(api, repo, "v1", second, 412, if_match="*", if_none_match="*")
    conditional(api, repo, "v1", second, 201, if_match=seen, if_none_match=f'"{ABSENT}"')


@pytest.mark.parametrize("header", ["if_match", "if_none_match"])
@pytest.mark.parametrize("etag", ["{first}", '"{first}', '"x" "{first}"', 'w/"{first}"'])
def test_a_condition_that_is_not_understood_refuses_the_push(api, repo, two, header, etag):
    first, second = two
    etag = etag.format(first=first.digest)
    check_errors(conditional(api, repo, "v1", second, None, **{header: etag}), 412)
    assert api.get_manifest(repo, "v1").content == first.manifest


def test_without_a_tag_the_conditions_are_about_the_manifest(api, repo, two):
    first, second = two
    conditional(api, repo, first.digest, first, 412, if_none_match="*")
    conditional(api, repo, first.digest, first, 201, if_match=f'"{first.digest}"')
    conditional(api, repo, second.digest, second, 412, if_match="*")
    conditional(api, repo, second.digest, second, 201, if_none_match="*")


def test_if_match_of_a_get_is_answered_412_when_the_tag_moved(api, repo, two):
    first, second = two
    api.request("GET", f"/v2/{repo}/manifests/v1", headers={"If-Match": f'"{first.digest}"'})
    conditional(api, repo, "v1", second, 201)
    for method in "GET", "HEAD":
        headers = {"If-Match": f'"x", "{first.digest}"'}
        api.request(method, f"/v2/{repo}/manifests/v1", 412, headers=headers)


def test_the_etag_of_a_get_serves_as_condition_of_a_push(api, repo, two):
    etag = api.get_manifest(repo, "v1").headers["ETag"]
    conditional(api, repo, "v1", two[1], 201, if_match=etag)
    conditional(api, repo, "v1", two[1], 412, if_match=etag)


def test_a_referrers_tag_is_kept_up_to_date_by_many_clients(api, repo, two):
    """The lost update that conditions exist for: both read, both write, one is told."""
    tag = "sha256-" + "0" * 64
    lists = []
    for n in range(3):
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
        document["annotations"] = {"n": json.dumps(n)}
        lists.append(Image(canonical(document), OCI_INDEX))
    conditional(api, repo, tag, lists[0], 201, if_none_match="*")
    seen = api.get_manifest(repo, tag).headers["ETag"]
    conditional(api, repo, tag, lists[1], 201, if_match=seen)
    conditional(api, repo, tag, lists[2], 412, if_match=seen)
    assert api.get_manifest(repo, tag).content == lists[1].manifest
