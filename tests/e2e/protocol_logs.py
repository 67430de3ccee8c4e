"""The log: access records, levels, formats, rotation, and nothing secret in it."""

import json
import re
import signal

import pytest

from checks import ABSENT
from helpers import Wire, digest_of, random_bytes
from waiting import until

pytestmark = pytest.mark.sanitize

DATA = random_bytes(70_000, "logs")


def records(text):
    """Every line of the log; each must be a JSON object."""
    return [json.loads(line) for line in text.split("\n") if line]


def record_of(registry, request_id):
    """The access record of a request, once it is written."""

    def find():
        for line in registry.log.split("\n"):
            if f'"{request_id}"' in line:
                return json.loads(line)
        return None

    return until(find)


def ask(registry, method, path, request_id, headers=(), body=b""):
    """A request of that id; returns its status and its access record."""
    with Wire(registry.url) as wire:
        given = {"X-Request-Id": request_id, "User-Agent": "protocol tests", **dict(headers)}
        wire.send_request(method, path, given, body)
        status = wire.read_response(method)[0]
    return status, record_of(registry, request_id)


def test_a_record_tells_all_of_a_request(registry, client):
    digest = client.push_blob("team/app", DATA)
    status, record = ask(registry, "GET", f"/v2/team/app/blobs/{digest}?a=b", "pull-1")
    assert status == 200
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])
    assert record["level"] == "info"
    assert record["message"] == "request"
    assert record["method"] == "GET"
    assert record["path"] == f"/v2/team/app/blobs/{digest}"
    assert record["route"] == "/v2/{name}/blobs/{digest}"
    assert record["status"] == 200
    assert record["sent_bytes"] == len(DATA)
    assert record["received_bytes"] == 0
    assert isinstance(record["duration_us"], int) and record["duration_us"] > 0
    assert record["identity"] == ""
    assert record["client"] == "127.0.0.1"
    assert record["request_id"] == "pull-1"
    assert record["user_agent"] == "protocol tests"


def test_what_was_received_is_counted_without_its_framing(registry):
    path = f"/v2/app/blobs/uploads/?digest={digest_of(DATA)}"
    status, record = ask(registry, "POST", path, "push-1", {"Content-Length": len(DATA)}, DATA)
    assert (status, record["received_bytes"]) == (201, len(DATA))
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(DATA), DATA)
    coded = {"Transfer-Encoding": "chunked"}
    status, record = ask(registry, "POST", path, "push-2", coded, body)
    assert (status, record["received_bytes"]) == (201, len(DATA))


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("HEAD", "/v2/", 200),
        ("GET", "/nothing", 404),
        ("GET", f"/v2/app/blobs/{ABSENT}", 404),
        ("POST", "/v2/", 405),
        ("GET", "/v2/A/tags/list", 400),
        ("FOO", "/v2/", 405),
    ],
)
def test_refused_requests_have_their_record(registry, method, path, status):
    got, record = ask(registry, method, path, "refused-1")
    assert got == record["status"] == status
    assert (record["method"], record["path"]) == (method, path)
    if method == "HEAD":
        assert record["sent_bytes"] == 0


def test_a_head_that_is_malformed_has_a_record_with_the_reason(registry):
    with Wire(registry.url) as wire:
        wire.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n")
        assert wire.read_response()[0] == 400
    registry.stop()
    (record,) = [r for r in records(registry.log) if r.get("status") == 400]
    assert record["note"]
    assert record["client"] == "127.0.0.1"


def test_every_request_has_exactly_one_record(registry, client):
    for n in range(50):
        client.request("GET", "/v2/", headers={"X-Request-Id": f"one-{n}"})
    record_of(registry, "one-49")
    ids = [r["request_id"] for r in records(registry.log) if "request_id" in r]
    assert [i for i in ids if i.startswith("one-")] == [f"one-{n}" for n in range(50)]


AGENTS = [
    b'quote " backslash \\ {"level":"error"}',
    "café 日本".encode(),
    b"not utf-8: \xff\xfe\x80",
    b"\xe2\x80\xa8 line separator \xc2\x85",
    b"tab\there",
    b"x" * 4000,
]


@pytest.mark.parametrize("agent", AGENTS, ids=range(len(AGENTS)))
def test_what_a_client_sends_cannot_break_a_record(registry, agent):
    with Wire(registry.url) as wire:
        wire.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Request-Id: odd-1\r\nUser-Agent: " + agent)
        wire.send(b"\r\n\r\n")
        assert wire.read_response()[0] == 200
    record = record_of(registry, "odd-1")
    assert record["user_agent"][:4] == agent.decode(errors="replace")[:4]
    raw = registry.log_path.read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw)
    raw.decode()  # all of it is UTF-8
    records(registry.log)


def test_a_long_path_cannot_push_the_rest_out_of_its_record(registry):
    """Records are bounded, and what a client chose is cut before what the registry says of it."""
    path = "/v2/" + "a" * 7000
    status, record = ask(registry, "GET", path, "long-1")
    assert record["status"] == status
    for key in ("method", "route", "client", "duration_us", "identity", "note"):
        assert key in record
    assert path.startswith(record["path"])
    assert record["user_agent"] == "protocol tests"


@pytest.mark.config({"log": {"format": "text"}})
def test_the_text_format_is_one_line_a_record(registry):
    with Wire(registry.url) as wire:
        wire.send(
            b"GET /v2/app%0Ainjected/tags/list HTTP/1.1\r\nHost: x\r\nX-Request-Id: text-1\r\n"
            b'User-Agent: a\tb "quoted" \xff level=error\r\n\r\n'
        )
        assert wire.read_response()[0] == 400
    registry.stop()
    (line,) = [l for l in registry.log.splitlines() if "text-1" in l]
    for part in ("GET", "400", "127.0.0.1", " INFO "):
        assert part in line
    raw = registry.log_path.read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw)
    raw.decode()
    assert all(re.match(r"\d{4}-\d\d-\d\dT", l) for l in registry.log.splitlines())


SECRETS = {
    "Authorization": "Bearer secret-token-value",
    "Proxy-Authorization": "Basic c2VjcmV0LXRva2VuLXZhbHVl",
    "Cookie": "session=secret-token-value",
}


@pytest.mark.config({"log": {"level": "debug"}})
def test_credentials_are_not_logged(registry, client):
    for path in ("/v2/", "/nothing", "/v2/A/tags/list", f"/v2/app/blobs/{ABSENT}"):
        client.request("GET", path, None, headers=SECRETS)
    client.request("POST", "/v2/app/blobs/uploads/", 202, headers=SECRETS)
    with Wire(registry.url) as wire:
        wire.send(b"GET /v2/ HTTP/1.1\r\nAuthorization: Bearer secret-token-value\x01\r\n\r\n")
        wire.read_response()
    ask(registry, "GET", "/v2/", "after-1")
    assert "secret-token-value" not in registry.log
    assert "c2VjcmV0LXRva2VuLXZhbHVl" not in registry.log


@pytest.mark.config({"log": {"access": False}})
def test_access_records_can_be_turned_off(registry, client):
    client.push_blob("app", b"x")
    registry.stop()
    assert "listening" in registry.log
    assert not [r for r in records(registry.log) if r["message"] == "request"]


@pytest.mark.config({"log": {"level": "warning"}})
def test_the_level_changes_by_sighup(registry, client):
    client.request("GET", "/v2/", headers={"X-Request-Id": "before-1"})
    registry.config["log"]["level"] = "info"
    registry.write_config()
    registry.signal(signal.SIGHUP)
    until(lambda: "configuration reloaded" in registry.log)
    ask(registry, "GET", "/v2/", "after-1")
    assert "before-1" not in registry.log


def test_the_log_is_rotated_by_sigusr1(new_registry, work):
    path, rotated = work / "log", work / "log.1"
    registry = new_registry(config={"log": {"file": str(path)}}).start()

    def logged(where, request_id):
        with Wire(registry.url) as wire:
            wire.send_request("GET", "/v2/", {"X-Request-Id": request_id})
            assert wire.read_response()[0] == 200
        until(lambda: request_id in where.read_text())

    logged(path, "first-1")
    path.rename(rotated)
    logged(rotated, "second-1")  # nobody told it yet
    registry.signal(signal.SIGUSR1)
    until(path.exists)
    logged(path, "third-1")
    assert "third-1" not in rotated.read_text()
    for file in (path, rotated):
        records(file.read_text())
    assert "request" not in registry.log  # all of it is in the file


def test_the_log_file_is_added_to(new_registry, work):
    path = work / "log"
    path.write_text('{"message":"from before"}\n')
    registry = new_registry(config={"log": {"file": str(path)}}).start()
    registry.restart()
    registry.stop()
    messages = [r["message"] for r in records(path.read_text())]
    assert messages[0] == "from before"
    assert messages.count("listening") == 2
    assert messages.count("stopping") == 2
