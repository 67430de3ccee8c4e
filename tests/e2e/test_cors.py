"""Pages of other origins, in a real browser: Joxit's docker-registry-ui and the like."""

import base64
import contextlib
import http.client
import json
import re
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from accounts import PASSWORD, Accounts, htpasswd
from helpers import Client, Wire, image

# A page takes its steps and writes down what it could see.
PAGE = """<!DOCTYPE html><title>page</title><pre id="seen">nothing yet</pre><script>
const registry = "%s", authorization = "%s", seen = {};
async function step(name, path, options = {}) {
    if (authorization)
        options.headers = {Authorization: authorization, ...options.headers};
    try {
        const r = await fetch(registry + path, options);
        seen[name] = {status: r.status, digest: r.headers.get("Docker-Content-Digest"),
                      body: r.status === 200 ? await r.json() : null};
    } catch (error) {
        seen[name] = "refused";
    }
    return seen[name];
}
(async () => {
    %s
    document.getElementById("seen").textContent = JSON.stringify(seen);
})();
</script>"""

# As Joxit's docker-registry-ui: lists, inspects and deletes.
USE = """
    const accept = {Accept: "application/vnd.oci.image.manifest.v1+json"};
    await step("catalog", "/v2/_catalog");
    await step("tags", "/v2/app/tags/list");
    const found = await step("manifest", "/v2/app/manifests/v1", {headers: accept});
    await step("delete", "/v2/app/manifests/" + (found.digest || "v1"), {method: "DELETE"});
"""

# As a page where people sign in.
SIGN_IN = """
    const credentials = "include", path = "/v2/app/manifests/v1", session = "/api/v1/session";
    await step("sign in", session, {method: "POST", credentials,
        headers: {"Content-Type": "application/json"},
        body: JSON.stringify({username: "alice", password: "%s"})});
    const who = await step("who", session, {credentials});
    await step("forgotten", path, {method: "DELETE", credentials});
    await step("delete", path, {method: "DELETE", credentials,
        headers: {"X-CSRF-Token": who.body ? who.body.csrf_token : ""}});
""" % PASSWORD


class Pages:
    """A server of a page that takes these steps, of an origin of its own."""

    def __init__(self, registry_url, steps, authorization, host="127.0.0.1"):
        text = (PAGE % (registry_url, authorization, steps)).encode()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://{host}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def browse(url, work):
    """What the page wrote down, in Chromium without a window."""
    shown = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", f"--user-data-dir={work}/profile", "--virtual-time-budget=20000",
         "--dump-dom", url],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout
    return json.loads(re.search(r'<pre id="seen">(.*?)</pre>', shown, re.S).group(1))


@pytest.fixture
def place(new_registry):
    """A registry that lists one origin (or what a test says), and pages of that and another one."""
    made = []

    def start(*origins):
        registry = new_registry()
        pages = [Pages(registry.url, USE, ""), Pages(registry.url, USE, "")]
        made.extend(pages)
        registry.config["http"]["cors"] = {"origins": list(origins) or [pages[0].origin]}
        registry.start()
        with Client(registry.url) as client:
            client.push_image("app", image(seed="cors", layers=1), "v1")
        return registry, pages[0].origin, pages[1].origin

    yield start
    for page in made:
        page.close()


@pytest.fixture
def place_of_alice(new_registry):
    """A registry whose admin is alice, and the origin of a page, which it lists."""
    made = []

    def start(steps, authorization=lambda accounts: "", host="127.0.0.1", **cors):
        accounts = Accounts(new_registry(config={"auth": "local"}))
        accounts.add("alice", "--admin")
        registry = accounts.registry
        page = Pages(registry.url, steps, authorization(accounts), host)
        made.append(page)
        registry.config["http"]["cors"] = {"origins": [page.origin], **cors}
        registry.start()
        with Client(registry.url, auth=("alice", PASSWORD)) as client:
            client.push_image("app", image(seed="cors", layers=1), "v1")
        return page.origin

    yield start
    for page in made:
        page.close()


def test_a_page_of_a_listed_origin_lists_inspects_and_deletes(place, work):
    registry, listed, _ = place()
    seen = browse(listed, work)
    assert seen["catalog"]["body"] == {"repositories": ["app"]}
    assert seen["tags"]["body"]["tags"] == ["v1"]
    assert seen["manifest"]["digest"] == image(seed="cors", layers=1).digest
    assert seen["delete"]["status"] == 202
    with Client(registry.url) as client:
        client.get_manifest("app", "v1", expect=404)


def test_a_page_of_another_origin_reads_nothing_and_changes_nothing(place, work):
    registry, _, other = place()
    assert set(browse(other, work).values()) == {"refused"}
    with Client(registry.url) as client:
        client.get_manifest("app", "v1", expect=200)


def test_with_a_star_every_page_reads_and_none_changes(place, work):
    registry, _, other = place("*")
    seen = browse(other, work)
    assert seen["tags"]["body"]["tags"] == ["v1"]
    assert seen["delete"] == "refused"
    with Client(registry.url) as client:
        client.get_manifest("app", "v1", expect=200)


def basic(_):
    return "Basic " + base64.b64encode(f"alice:{PASSWORD}".encode()).decode()


def bearer(accounts):
    return "Bearer " + accounts.token("--user", "alice")


@pytest.mark.parametrize("authorization", [basic, bearer])
def test_a_page_of_a_listed_origin_speaks_for_who_its_own_header_names(
    place_of_alice, work, authorization
):
    seen = browse(place_of_alice(USE, authorization), work)
    assert seen["catalog"]["body"] == {"repositories": ["app"]}
    assert seen["tags"]["body"]["tags"] == ["v1"]
    assert seen["manifest"]["digest"] == image(seed="cors", layers=1).digest
    assert seen["delete"]["status"] == 202


def test_without_a_header_such_a_page_is_told_to_sign_in(place_of_alice, work):
    seen = browse(place_of_alice(USE, credentials=True), work)
    assert {step["status"] for step in seen.values()} == {401}


def test_with_credentials_a_page_of_the_same_site_has_the_session(place_of_alice, work):
    """Another port is another origin of the same site; SameSite=Strict is about sites."""
    seen = browse(place_of_alice(SIGN_IN, credentials=True), work)
    assert seen["sign in"]["status"] == 200
    assert (seen["who"]["status"], seen["who"]["body"]["name"]) == (200, "alice")
    assert seen["forgotten"]["status"] == 403
    assert seen["delete"]["status"] == 202


def test_with_credentials_a_page_of_another_site_has_no_session(place_of_alice, work):
    seen = browse(place_of_alice(SIGN_IN, host="localhost", credentials=True), work)
    assert seen["sign in"]["status"] == 200
    assert seen["who"]["status"] == 401
    assert seen["delete"]["status"] == 401


def test_without_credentials_no_page_has_the_session(place_of_alice, work):
    seen = browse(place_of_alice(SIGN_IN), work)
    assert set(seen.values()) == {"refused"}


ORIGIN = "https://ui.example.com"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "DELETE"}


@pytest.mark.config({"http": {"cors": {"origins": [ORIGIN]}}, "auth": {"mode": "none"}})
def test_a_preflight_is_answered_for_listed_origins_only(registry, client):
    answer = client.request("OPTIONS", "/v2/app/manifests/v1", 204, headers=PREFLIGHT)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    other = {**PREFLIGHT, "Origin": "https://ui.example.com.evil.example"}
    answer = client.request("OPTIONS", "/v2/app/manifests/v1", 405, headers=other)
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert answer.headers["Vary"] == "Origin"


def test_a_preflight_needs_no_sign_in_and_a_refusal_is_readable(new_registry, work):
    people = {"htpasswd": {"file": htpasswd(work / "htpasswd", {"alice": "wonder-Land9"})}}
    registry = new_registry(config={"http": {"cors": {"origins": [ORIGIN]}}, "auth": people}).start()
    with Client(registry.url) as client:
        client.request("OPTIONS", "/v2/_catalog", 204, headers=PREFLIGHT)
        answer = client.request("GET", "/v2/_catalog", 401, headers={"Origin": ORIGIN})
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.config({"http": {"cors": {"origins": [ORIGIN]}}, "auth": {"mode": "none"}})
def test_a_cookie_does_not_count_without_credentials(registry, client):
    for headers, status in (
        ({"Origin": ORIGIN}, 404),
        ({"Origin": ORIGIN, "Cookie": "session=x"}, 403),
        ({"Origin": "https://other.example.com"}, 403),
    ):
        client.request("DELETE", "/v2/app/manifests/v1", status, headers=headers)


@pytest.mark.config({"http": {"cors": {"origins": [ORIGIN]}}, "auth": {"mode": "none"}})
def test_a_request_of_two_origins_is_refused(registry):
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=30)
    connection.putrequest("DELETE", "/v2/app/manifests/v1")
    connection.putheader("Origin", ORIGIN)
    connection.putheader("Origin", "https://other.example.com")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, b"more than one Origin" in answer.read()) == (400, True)
    connection.close()


@pytest.mark.config({"http": {"cors": {"origins": [ORIGIN]}, "max_headers": 16}})
@pytest.mark.parametrize(
    "mistake, status",
    [("A: b\r\n" * 20, 431), ("A: %s\r\n" % ("b" * 70_000), 431), (" no name\r\n", 400)],
)
def test_a_page_can_read_what_was_wrong_with_its_head(registry, mistake, status):
    for origin, told in ((f"Origin: {ORIGIN}\r\n", ORIGIN), ("", None)):
        with Wire(registry.url) as wire:
            wire.send(f"GET /v2/ HTTP/1.1\r\nHost: {wire.host}\r\n{origin}{mistake}\r\n")
            answer = wire.read_response()
            assert answer[0] == status
            assert answer[1].get("access-control-allow-origin") == told


@pytest.mark.config({"http": {"cors": {"origins": [ORIGIN]}, "workers": 1, "queue": 1}})
def test_a_page_can_read_that_it_should_come_again(registry, client):
    blob = client.push_blob("app", b"something")
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(registry.url)) for _ in range(60)]
        for wire in wires:
            wire.send_request("GET", "/v2/")
            assert wire.read_response()[0] == 200
        registry.freeze()
        for wire in wires:
            wire.send_request("GET", f"/v2/app/blobs/{blob}", {"Origin": ORIGIN})
        registry.signal(signal.SIGCONT)
        answers = [wire.read_response() for wire in wires]
    assert {status for status, _, _ in answers} == {200, 503}
    assert {h["access-control-allow-origin"] for _, h, _ in answers} == {ORIGIN}


def test_without_a_list_nothing_is_told(client):
    answer = client.request("GET", "/v2/", 200, headers={"Origin": ORIGIN})
    assert "Vary" not in answer.headers
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    "cors, told",
    [
        ({"origins": ["*"], "credentials": True}, "'*' is not allowed with http.cors.credentials"),
        ({"origins": ["https://ui.example.com/"]}, "is no origin"),
        ({"origins": ["ui.example.com"]}, "is no origin"),
        ({"origins": ["https://:::"]}, "is no origin"),
        ({"origins": ["HTTPS://ui.example.com"]}, "write 'https://ui.example.com'"),
        ({"origins": ["https://ui.example.com:443"]}, "write 'https://ui.example.com'"),
    ],
)
def test_what_is_no_origin_is_told(new_registry, cors, told):
    registry = new_registry(config={"http": {"cors": cors}}).spawn()
    assert registry.wait() == 1
    assert told in registry.log and "http.cors.origins" in registry.log
