"""Pulling parts of blobs (dist-spec "Pulling blobs"; RFC 9110, 14)."""

import random

import pytest

from checks import ABSENT, EMPTY_DIGEST, check_errors, parts_of
from helpers import Client, digest_of, random_bytes

pytestmark = pytest.mark.sanitize

DATA = random_bytes(100_003, "ranges")
SIZE = len(DATA)
BLOB = digest_of(DATA)


@pytest.fixture(scope="module")
def ranges(shared):
    """A client of a registry where the repository "app" holds the blob and the empty blob."""
    with Client(shared.url) as c:
        c.push_blob("app", DATA)
        c.push_blob("app", b"")
        yield c


def get(client, spec, expect=None, digest=BLOB, method="GET", **more):
    headers = {"Range": spec, **more}
    return client.request(method, f"/v2/app/blobs/{digest}", expect, headers=headers)


def check_part(response, first, last):
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert response.headers["Content-Length"] == str(last - first + 1)
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["ETag"] == f'"{BLOB}"'
    assert response.content == DATA[first : last + 1]


def check_whole(response):
    assert response.status_code == 200
    assert "Content-Range" not in response.headers
    assert response.content == DATA


ONE = {
    "first byte": ("bytes=0-0", 0, 0),
    "first bytes": ("bytes=0-99", 0, 99),
    "middle": ("bytes=4000-50000", 4000, 50_000),
    "last byte": (f"bytes={SIZE - 1}-{SIZE - 1}", SIZE - 1, SIZE - 1),
    "open end": ("bytes=90000-", 90_000, SIZE - 1),
    "open end of the last byte": (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
    "all of it": ("bytes=0-", 0, SIZE - 1),
    "suffix": ("bytes=-500", SIZE - 500, SIZE - 1),
    "suffix of one byte": ("bytes=-1", SIZE - 1, SIZE - 1),
    "suffix larger than the blob": (f"bytes=-{SIZE * 2}", 0, SIZE - 1),
    "end past the blob": ("bytes=100000-200000", 100_000, SIZE - 1),
    "end past 64 bits": (f"bytes=5-{10**30}", 5, SIZE - 1),
    "suffix past 64 bits": (f"bytes=-{10**30}", 0, SIZE - 1),
    "unit in capitals": ("Bytes=1-2", 1, 2),
    "leading zeros": ("bytes=0005-0009", 5, 9),
    "one of two satisfiable": (f"bytes=10-19,{SIZE}-", 10, 19),
    "empty elements of the list": ("bytes=,10-19,,", 10, 19),
}


@pytest.mark.parametrize("spec, first, last", ONE.values(), ids=ONE)
def test_one_range(ranges, spec, first, last):
    check_part(get(ranges, spec), first, last)


def test_random_ranges_put_together_give_the_blob(ranges):
    rng = random.Random(7)
    cuts = sorted(rng.sample(range(1, SIZE), 20))
    pieces = [
        get(ranges, f"bytes={first}-{after - 1}", 206).content
        for first, after in zip([0, *cuts], [*cuts, SIZE])
    ]
    assert b"".join(pieces) == DATA


@pytest.mark.parametrize(
    "spec", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0", f"bytes={10**30}-"]
)
def test_an_unsatisfiable_range_is_416_with_the_size(ranges, spec):
    r = get(ranges, spec)
    assert r.status_code == 416
    error = r.json()["errors"][0]
    assert error["code"] == "RANGE_INVALID" and " bytes" in error["message"]
    assert r.headers["Content-Range"] == f"bytes */{SIZE}"
    assert DATA not in r.content
    assert r.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("spec", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_the_empty_blob_has_no_ranges(ranges, spec):
    """RFC 9110, 14.1.2: no range of nothing is satisfiable (a suffix may be taken as all of it)."""
    r = get(ranges, spec, digest=EMPTY_DIGEST)
    assert r.status_code in ((200, 416) if spec == "bytes=-1" else (416,))
    if r.status_code == 416:
        assert r.headers["Content-Range"] == "bytes */0"


GARBAGE = [
    "bytes",
    "bytes=",
    "bytes=,",
    "bytes=-",
    "bytes=a-b",
    "bytes=1",
    "bytes=1-2-3",
    "bytes=--1",
    "bytes=1--2",
    "bytes=+1-2",
    "bytes=1-2;",
    "bytes=0x1-0x5",
    "bytes 1-2",
    "lines=1-2",
    "1-2",
    "=1-2",
    "bytes=1-2,x",
    "bytes=1-2 3-4",
]


@pytest.mark.parametrize("spec", GARBAGE)
def test_what_is_no_range_is_ignored(ranges, spec):
    """RFC 9110, 14.2: MAY ignore, and an unknown unit MUST be ignored."""
    check_whole(get(ranges, spec))


def test_a_range_that_ends_before_it_begins_is_ignored_or_refused(ranges):
    """RFC 9110, 14.2: an invalid one MAY be ignored or answered 416."""
    r = get(ranges, "bytes=5-1")
    assert r.status_code in (200, 416)
    if r.status_code == 416:
        assert r.headers["Content-Range"] == f"bytes */{SIZE}"


def test_range_is_ignored_for_head(ranges):
    """RFC 9110, 14.2: a Range is defined for GET only."""
    r = get(ranges, "bytes=0-9", 200, method="HEAD")
    assert r.headers["Content-Length"] == str(SIZE)
    assert "Content-Range" not in r.headers


def test_a_range_of_a_blob_that_is_not_there_is_404(ranges):
    check_errors(get(ranges, "bytes=0-9", digest=ABSENT), 404, "BLOB_UNKNOWN")


# Several


SEVERAL = {
    "two": ("bytes=0-9,50-99", [(0, 9), (50, 99)]),
    "three with blanks": ("bytes=0-0, 5-6 ,\t-3", [(0, 0), (5, 6), (SIZE - 3, SIZE - 1)]),
    "in the order asked for": ("bytes=5000-5999,0-99", [(5000, 5999), (0, 99)]),
    "large": ("bytes=0-49999,60000-", [(0, 49_999), (60_000, SIZE - 1)]),
    "one unsatisfiable left out": (f"bytes=0-9,{SIZE}-,20-29", [(0, 9), (20, 29)]),
}


@pytest.mark.parametrize("spec, wanted", SEVERAL.values(), ids=SEVERAL)
def test_several_ranges_are_multipart(ranges, spec, wanted):
    r = get(ranges, spec, 206)
    assert "Content-Range" not in r.headers
    assert [(f, l, t) for f, l, t, _ in parts_of(r)] == [(f, l, SIZE) for f, l in wanted]
    assert all(data == DATA[first : last + 1] for first, last, _, data in parts_of(r))


def covered(response):
    """Which bytes of the blob the answer has, whatever its form; checks that they are right."""
    if response.status_code == 200:
        check_whole(response)
        return set(range(SIZE))
    if response.headers["Content-Type"].startswith("multipart/"):
        parts = parts_of(response)
    else:
        first = int(response.headers["Content-Range"].split()[1].split("-")[0])
        parts = [(first, first + len(response.content) - 1, SIZE, response.content)]
    got = set()
    for first, last, _, data in parts:
        assert data == DATA[first : last + 1]
        got.update(range(first, last + 1))
    return got


@pytest.mark.parametrize(
    "spec, first, last",
    [("bytes=0-99,50-149", 0, 149), ("bytes=0-9,10-19", 0, 19), ("bytes=0-9,0-9,0-9", 0, 9)],
)
def test_ranges_that_overlap_or_touch_cover_what_was_asked(ranges, spec, first, last):
    """RFC 9110, 15.3.7.2: they MAY be coalesced."""
    r = get(ranges, spec)
    assert covered(r) >= set(range(first, last + 1))
    assert len(r.content) <= SIZE


@pytest.mark.parametrize(
    "spec",
    [
        "bytes=" + ",".join(["0-"] * 500),
        "bytes=" + ",".join(f"{n}-{SIZE - 1}" for n in range(800)),
        "bytes=" + ",".join(f"{n * 4}-{n * 4}" for n in range(1200)),
    ],
    ids=["the same", "overlapping", "tiny"],
)
def test_many_ranges_do_not_make_a_large_answer(ranges, spec):
    """RFC 9110, 14.2 and 17.15: many small or overlapping ranges are an attack, not a wish."""
    r = get(ranges, spec)
    assert r.status_code in (200, 206, 416)
    assert len(r.content) <= SIZE + 20_000


def test_all_ranges_unsatisfiable_is_416(ranges):
    r = get(ranges, f"bytes={SIZE}-,{SIZE + 10}-{SIZE + 20},-0")
    assert r.status_code == 416
    assert r.headers["Content-Range"] == f"bytes */{SIZE}"


# If-Range


def test_if_range_of_what_the_client_has_is_the_part(ranges):
    check_part(get(ranges, "bytes=100-199", **{"If-Range": f'"{BLOB}"'}), 100, 199)


@pytest.mark.parametrize(
    "condition",
    [f'"{ABSENT}"', f'W/"{BLOB}"', "Sat, 01 Jan 2000 00:00:00 GMT", BLOB, '"', "nonsense"],
)
def test_if_range_of_something_else_is_the_whole(ranges, condition):
    """RFC 9110, 13.1.5: strong comparison, and no match means as if there were no Range."""
    check_whole(get(ranges, "bytes=100-199", **{"If-Range": condition}))


def test_if_range_without_a_match_hides_an_unsatisfiable_range(ranges):
    check_whole(get(ranges, f"bytes={SIZE}-", **{"If-Range": f'"{ABSENT}"'}))


def test_if_range_without_range_is_ignored(ranges):
    check_whole(ranges.request("GET", f"/v2/app/blobs/{BLOB}", headers={"If-Range": f'"{BLOB}"'}))
