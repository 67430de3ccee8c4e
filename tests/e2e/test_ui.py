"""The web page as it comes out of the program: addresses, headers, caches."""

import gzip
import re

import pytest
import requests

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
YEAR = "public, max-age=31536000, immutable"


def page(registry, path="/"):
    return requests.get(registry.url + path, headers=BROWSER, timeout=10)


def script_of(registry, html, base="/"):
    return f"{registry.url}{base}" + re.search(r'src="\./(ui/assets/[^"]+\.js)"', html)[1]


def test_a_browser_gets_the_page_at_each_address(registry):
    pages = [page(registry, p) for p in ("/", "/ui/users", "/ui/images/a/b:1.0?tab=layers")]
    assert [p.status_code for p in pages] == [200, 200, 200]
    assert len({p.text for p in pages}) == 1
    assert '<base href="/">' in pages[0].text
    assert pages[0].headers["Cache-Control"] == "no-cache"
    policy = pages[0].headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert pages[0].headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_sets_no_cookie_and_names_no_other_server(registry):
    answer = page(registry)
    assert "Set-Cookie" not in answer.headers
    assert "//" not in answer.text.replace("<!-- -->", "")


def test_who_is_no_browser_gets_text(registry):
    for path in ("/", "/ui/users"):
        answer = requests.get(registry.url + path, timeout=10)
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert "docker login" in answer.text


def test_files_stay_in_caches_for_good(registry):
    script = script_of(registry, page(registry).text)
    answer = requests.get(script, headers={"Accept-Encoding": "gzip"}, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == YEAR
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"
    again = {"Accept-Encoding": "gzip", "If-None-Match": answer.headers["ETag"]}
    assert requests.get(script, headers=again, timeout=10).status_code == 304


def test_a_file_is_the_same_however_it_is_packed(registry):
    script = script_of(registry, page(registry).text)

    def raw(encoding):
        with requests.get(script, headers={"Accept-Encoding": encoding}, stream=True, timeout=10) as r:
            assert r.headers.get("Content-Encoding", "identity") == encoding
            return r.raw.read(decode_content=False)

    plain = raw("identity")
    assert gzip.decompress(raw("gzip")) == plain
    assert len(raw("br")) < len(raw("gzip")) < len(plain)


def test_head_tells_what_get_would_send(registry):
    script = script_of(registry, page(registry).text)
    for url, headers in ((registry.url + "/ui/x", BROWSER), (script, {"Accept-Encoding": "br"})):
        head, get = (requests.request(m, url, headers=headers, timeout=10, stream=True) for m in ("HEAD", "GET"))
        with get:
            assert head.status_code == 200
            assert head.headers["Content-Length"] == get.headers["Content-Length"]
            assert head.headers.get("ETag") == get.headers.get("ETag")


def answers(registry):
    try:
        return page(registry, "/registry/").status_code == 200
    except requests.ConnectionError:
        return False


def test_below_a_prefix_the_page_finds_its_files(new_registry):
    registry = new_registry(config={"http": {"prefix": "/registry/"}})
    registry.healthy = lambda: answers(registry)
    registry.start()
    html = page(registry, "/registry/ui/users").text
    assert '<base href="/registry/">' in html
    assert requests.get(script_of(registry, html, "/registry/"), timeout=10).status_code == 200


@pytest.mark.config({"ui": {"enabled": False}})
def test_switched_off_there_is_no_page(registry):
    assert page(registry, "/ui/users").status_code == 404
    root = page(registry)
    assert root.status_code == 200
    assert "<script" not in root.text
    assert "docker login" in root.text
