"""The request line and the header fields, to the letter (RFC 9112, 2 to 5)."""

import json

import pytest

from checks import check_refused, field
from helpers import Wire, image

pytestmark = pytest.mark.sanitize


def lines(*text):
    """A head of exactly these lines."""
    return field(text) + b"\r\n"


def answer_to(registry, data):
    """The answer to these bytes, and whether the connection stays open for another request."""
    with Wire(registry.url) as wire:
        wire.send(data)
        answer = wire.read_response()
        if answer[1].get("connection", "").lower() == "close":
            assert wire.closed()
            return answer[0], False
        wire.send_request("GET", "/v2/")
        assert wire.read_response()[0] == 200
        return answer[0], True


# Bytes that do not belong


BAD_BYTES = {
    "bare LF everywhere": b"GET /v2/ HTTP/1.1\nHost: x\n\n",
    "bare LF after the request line": b"GET /v2/ HTTP/1.1\nHost: x\r\n\r\n",
    "bare LF after a field": b"GET /v2/ HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "bare LF at the end": b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\n",
    "bare CR in a value": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    "bare CR in the request line": b"GET /v2/\rx HTTP/1.1\r\nHost: x\r\n\r\n",
    "CR CR LF": b"GET /v2/ HTTP/1.1\r\r\nHost: x\r\n\r\n",
    "folded field": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "folded with a tab": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n",
    "blank before the first field": b"GET /v2/ HTTP/1.1\r\n Host: x\r\n\r\n",
    "blank before the colon": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
    "tab before the colon": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA\t: b\r\n\r\n",
    "blank before Host's colon": b"GET /v2/ HTTP/1.1\r\nHost : x\r\n\r\n",
    "no colon": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
    "no name": b"GET /v2/ HTTP/1.1\r\nHost: x\r\n: value\r\n\r\n",
    "NUL in a value": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "NUL in a name": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA\0B: c\r\n\r\n",
    "NUL in the path": b"GET /v2/\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "control byte in a value": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\x01c\r\n\r\n",
    "escape in a value": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: \x1b[31m\r\n\r\n",
    "DEL in a value": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\x7fc\r\n\r\n",
    "control byte in a name": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA\x01: b\r\n\r\n",
    "slash in a name": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA/B: c\r\n\r\n",
    "brackets in a name": b"GET /v2/ HTTP/1.1\r\nHost: x\r\n(A): c\r\n\r\n",
    "high byte in a name": b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\xe4: c\r\n\r\n",
    "high byte in the path": b"GET /v2/\xe4 HTTP/1.1\r\nHost: x\r\n\r\n",
    "control byte in the path": b"GET /v2/\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    "DEL in the path": b"GET /v2/\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
    "control byte in the query": b"GET /v2/?a=\x02 HTTP/1.1\r\nHost: x\r\n\r\n",
    "control byte in the method": b"G\x01T /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("data", BAD_BYTES.values(), ids=BAD_BYTES)
def test_bytes_that_do_not_belong_are_refused(shared, api, repo, data):
    check_refused(shared, api, repo, data)


BAD_LINES = {
    "no version": "GET /v2/",
    "no target": "GET HTTP/1.1",
    "nothing but a method": "GET",
    "two blanks": "GET  /v2/ HTTP/1.1",
    "blank at the end": "GET /v2/ HTTP/1.1 ",
    "tab": "GET\t/v2/ HTTP/1.1",
    "blank before": " GET /v2/ HTTP/1.1",
    "blank in the target": "GET /v2/ x HTTP/1.1",
    "fragment": "GET /v2/#x HTTP/1.1",
    "no slash": "GET v2/ HTTP/1.1",
    "asterisk for GET": "GET * HTTP/1.1",
    "another protocol": "GET /v2/ HTP/1.1",
    "lower-case protocol": "GET /v2/ http/1.1",
    "no minor version": "GET /v2/ HTTP/1",
    "long minor version": "GET /v2/ HTTP/1.10",
    "long major version": "GET /v2/ HTTP/11.1",
    "version of letters": "GET /v2/ HTTP/a.b",
    "no dot": "GET /v2/ HTTP/1,1",
    "method with a colon": "GE:T /v2/ HTTP/1.1",
    "brackets in the method": "G(E)T /v2/ HTTP/1.1",
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_request_line_is_refused(shared, api, repo, line):
    check_refused(shared, api, repo, lines(line, "Host: x"))


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/0.0", "HTTP/9.9"])
def test_another_major_version_is_505(shared, api, repo, version):
    """RFC 9110, 15.6.6."""
    check_refused(shared, api, repo, lines(f"GET /v2/ {version}", "Host: x"), (505, 400))


def test_the_preface_of_http_2_is_refused(shared, api, repo):
    check_refused(shared, api, repo, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505))


def test_a_tls_hello_to_a_plain_port_is_refused(shared):
    with Wire(shared.url) as wire:
        wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200 + b"\r\n\r\n")
        answer = wire.read_response()
        assert answer is None or answer[0] == 400
        assert wire.closed()


def test_a_higher_minor_version_is_understood(shared):
    """RFC 9110, 2.5: as the highest version of that major number that is known."""
    assert answer_to(shared, lines("GET /v2/ HTTP/1.2", "Host: x"))[0] == 200


def test_empty_lines_before_a_request_are_skipped(shared):
    """RFC 9112, 2.2: SHOULD ignore at least one."""
    assert answer_to(shared, b"\r\n" + lines("GET /v2/ HTTP/1.1", "Host: x")) == (200, True)


def test_bytes_above_ascii_are_data_in_a_value(shared):
    """RFC 9110, 5.5: obs-text is opaque."""
    data = lines("GET /v2/ HTTP/1.1", "Host: x", b"User-Agent: caf\xc3\xa9 \xff")
    assert answer_to(shared, data) == (200, True)


def test_blanks_around_a_value_and_empty_values(shared):
    data = lines(
        "GET /v2/ HTTP/1.1", "Host:x", "A: \t b \t ", "B:", "C:\t", "X-Y_z!#$%&'*+.^`|~9: v"
    )
    assert answer_to(shared, data) == (200, True)


@pytest.mark.parametrize("line", ["get /v2/ HTTP/1.1", "Get /v2/ HTTP/1.1", "FOO /v2/ HTTP/1.1"])
def test_an_unknown_method_is_refused_but_not_malformed(shared, line):
    """RFC 9110, 9.1: methods are case-sensitive; unknown is 501, known and not allowed is 405."""
    status, _ = answer_to(shared, lines(line, "Host: x"))
    assert status in (405, 501)


def test_trace_and_connect_are_refused(shared):
    for line in ("TRACE /v2/ HTTP/1.1", "CONNECT example.com:443 HTTP/1.1"):
        with Wire(shared.url) as wire:
            wire.send(lines(line, "Host: x", "Secret: value"))
            status, _, body = wire.read_response()
            assert status in (400, 405, 501)
            assert b"Secret" not in body


def test_options_of_the_server(shared):
    """RFC 9110, 9.3.7: "*" is the server as a whole; it need not be implemented."""
    status, _ = answer_to(shared, lines("OPTIONS * HTTP/1.1", "Host: x"))
    assert status in (200, 204, 404, 405, 501)


# Host and the target


def test_host_is_required(shared, api, repo):
    """RFC 9112, 3.2."""
    check_refused(shared, api, repo, lines("GET /v2/ HTTP/1.1"))
    check_refused(shared, api, repo, lines("GET /v2/ HTTP/1.1", "Hosts: x"))


@pytest.mark.parametrize("second", ["Host: x", "Host: y", "host: x", "HOST:"])
def test_two_hosts_are_refused(shared, api, repo, second):
    check_refused(shared, api, repo, lines("GET /v2/ HTTP/1.1", "Host: x", second))


@pytest.mark.parametrize("host", ["a b", "a/b", "user@x", "x:port", "x:1:2", "[::1", "a\\b", "<x>"])
def test_a_malformed_host_is_refused(shared, api, repo, host):
    check_refused(shared, api, repo, lines("GET /v2/ HTTP/1.1", f"Host: {host}"))


@pytest.mark.parametrize(
    "host", ["example.com", "example.com:5000", "127.0.0.1:1", "[::1]:5000", "a-b_c"]
)
def test_a_host_is_taken(shared, host):
    assert answer_to(shared, lines("GET /v2/ HTTP/1.1", f"Host: {host}")) == (200, True)


def test_http_1_0_needs_no_host_and_closes(shared):
    assert answer_to(shared, lines("GET /v2/ HTTP/1.0")) == (200, False)


@pytest.mark.parametrize(
    "target", ["http://example.com/v2/", "HTTP://x:5000/v2/", "https://x/v2/?a=b"]
)
def test_the_absolute_form_is_taken(shared, target):
    """RFC 9112, 3.2.2: a server MUST accept it."""
    assert answer_to(shared, lines(f"GET {target} HTTP/1.1", "Host: x")) == (200, True)


def test_the_absolute_form_reaches_the_same_resource(shared, api, repo):
    made = image(seed="absolute", layers=1)
    api.push_image(repo, made, "v1")
    with Wire(shared.url) as wire:
        target = f"http://elsewhere/v2/{repo}/tags/list?n=1"
        wire.send(lines(f"GET {target} HTTP/1.1", "Host: x"))
        assert json.loads(wire.read_response()[2])["tags"] == ["v1"]


@pytest.mark.parametrize("target", ["http:///v2/", "ftp://x/v2/", "http:/v2/", "//x/v2/", "x:y"])
def test_a_malformed_absolute_form(shared, target):
    status, _ = answer_to(shared, lines(f"GET {target} HTTP/1.1", "Host: x"))
    assert status in (400, 404)


# Percent-escapes and paths


@pytest.mark.parametrize(
    "target",
    [
        "/v2/%zz/tags/list",
        "/v2/a%/tags/list",
        "/v2/a%4/tags/list",
        "/v2/a%00b/tags/list",
        "/v2/a/manifests/v1%0d%0aX:y",
        "/v2/a%0Ab/tags/list",
        "/v2/_catalog?n=%",
        "/v2/_catalog?n=%0",
        "/v2/_catalog?last=%00",
    ],
)
def test_a_bad_escape_is_refused(shared, target):
    status, _ = answer_to(shared, lines(f"GET {target} HTTP/1.1", "Host: x"))
    assert status == 400


@pytest.mark.parametrize("reference", ["%00", "v1%00", "%zz", "v1%0a"])
def test_a_reference_that_no_tag_can_be_is_not_there(shared, api, repo, reference):
    """It names nothing, so 404 is as right for a pull as 400; it must not name v1."""
    api.push_image(repo, image(seed="reference", layers=1), "v1")
    target = f"/v2/{repo}/manifests/{reference}"
    status, _ = answer_to(shared, lines(f"GET {target} HTTP/1.1", "Host: x"))
    assert status in (400, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/{repo}%2Fchild/tags/list",
        "/v2/{repo}%2fchild/manifests/v1",
        "/v2/x/../{repo}/child/tags/list",
        "/v2/./{repo}/child/tags/list",
        "/v2/x/%2e%2e/{repo}/child/tags/list",
        "/v2/x/%2E./{repo}/child/tags/list",
        "/v2//{repo}/child/tags/list",
        "/../v2/{repo}/child/tags/list",
        "//v2/{repo}/child/tags/list",
        "/v2/{repo}/child/manifests/../tags/list",
        "/v2/{repo}/child/manifests%2Fv1",
        "/v2/{repo}/child/manifests/..%2fv1",
        "/%76%32%2f{repo}/child/tags/list",
    ],
)
def test_a_path_means_one_thing_only(shared, api, repo, path):
    """Dot segments, empty ones and escaped slashes reach nothing: proxies may see others."""
    api.push_image(repo + "/child", image(seed="path", layers=1), "v1")
    target = path.format(repo=repo)
    status, _ = answer_to(shared, lines(f"GET {target} HTTP/1.1", "Host: x"))
    assert status in (400, 404)


@pytest.mark.parametrize("path", ["/v2/..%2f..%2f..%2fetc/passwd", "/v2/../../../../etc/passwd"])
def test_nothing_outside_the_root_is_reached(shared, path):
    with Wire(shared.url) as wire:
        wire.send(lines(f"GET {path} HTTP/1.1", "Host: x"))
        status, _, body = wire.read_response()
        assert status in (400, 404)
        assert b"root:" not in body


def test_escapes_of_ordinary_letters_are_those_letters(shared, api, repo):
    """RFC 3986, 6.2.2.2."""
    api.push_image(repo, image(seed="escapes", layers=1), "v1")
    with Wire(shared.url) as wire:
        escaped = "/".join("".join(f"%{ord(c):02X}" for c in part) for part in repo.split("/"))
        wire.send(lines(f"GET /v2/{escaped}/tags/list HTTP/1.1", "Host: x"))
        status, _, body = wire.read_response()
        assert (status, json.loads(body)["tags"]) == (200, ["v1"])


# Sizes


def test_a_very_long_url_is_414(shared, api, repo):
    data = lines(f"GET /v2/{'a' * 9000} HTTP/1.1", "Host: x")
    check_refused(shared, api, repo, data, 414)


def test_a_url_without_end_is_414_or_431(shared):
    """No more is read than is allowed, although no line end ever comes."""
    with Wire(shared.url) as wire:
        wire.send(b"GET /" + b"a" * 40_000)
        status, headers, _ = wire.read_response()
        assert status in (414, 431)
        assert headers["connection"].lower() == "close"


@pytest.mark.parametrize(
    "fields",
    [["A: " + "b" * 17_000], ["A" * 17_000 + ": b"], [f"A{n}: {'b' * 1000}" for n in range(20)]],
    ids=["value", "name", "several"],
)
def test_a_large_head_is_431(shared, api, repo, fields):
    check_refused(shared, api, repo, lines("GET /v2/ HTTP/1.1", "Host: x", *fields), 431)


def test_many_fields_are_431(shared, api, repo):
    fields = [f"A{n}: b" for n in range(120)]
    check_refused(shared, api, repo, lines("GET /v2/ HTTP/1.1", "Host: x", *fields), 431)


def test_as_many_fields_as_allowed(shared):
    fields = [f"A{n}: b" for n in range(99)]
    assert answer_to(shared, lines("GET /v2/ HTTP/1.1", "Host: x", *fields)) == (200, True)


def test_a_head_nearly_as_large_as_allowed(shared):
    data = lines("GET /v2/ HTTP/1.1", "Host: x", "A: " + "b" * 16_000)
    assert answer_to(shared, data) == (200, True)


@pytest.mark.config({"http": {"max_url_size": 600, "max_head_size": "2KiB", "max_headers": 10}})
def test_the_sizes_are_configured(registry, client):
    many = [f"A{n}: b" for n in range(10)]
    for data, status in [
        (lines(f"GET /v2/{'a' * 600} HTTP/1.1", "Host: x"), 414),
        (lines("GET /v2/ HTTP/1.1", "Host: x", "A: " + "b" * 2100), 431),
        (lines("GET /v2/ HTTP/1.1", "Host: x", *many), 431),
    ]:
        check_refused(registry, client, "app", data, status)


def test_a_refusal_tells_in_json(shared, api, repo):
    headers, body = check_refused(shared, api, repo, lines("GET /v2/ HTTP/1.1"))
    assert headers["content-type"].split(";")[0] == "application/json"
    assert json.loads(body)["errors"][0]["code"]
    assert "date" in headers
