"""Holes that other registries had, in what they read and what they send: none is open here.

docs/security.md lists them all; see test_elsewhere.py.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from checks import request_bytes
from helpers import (
    MIB,
    OCI_INDEX,
    OCI_MANIFEST,
    Client,
    Image,
    Unexpected,
    Wire,
    canonical,
    digest_of,
    image,
    index,
)


def memory_mib(registry):
    for line in Path(f"/proc/{registry.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


# Sizes


@pytest.mark.parametrize("n", [2**31 - 1, 2**31, 2**32, 2**63, 2**64, 10**30])
@pytest.mark.parametrize("path", ["/v2/_catalog", "/v2/app/tags/list"])
def test_a_huge_n_costs_no_memory(new_registry, path, n):
    """CVE-2023-2253: n entries were allocated before anyone looked how many there are."""
    registry = new_registry(config={"auth": {"mode": "local"}, "policy": [
        {"subjects": ["anonymous"], "actions": ["pull", "push"], "repositories": ["**"]}]}).start()
    with Client(registry.url) as client:
        client.push_image("app", image(layers=1, layer_size=10), "v1")
        before = memory_mib(registry)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: requests.get(f"{registry.url}{path}?n={n}",
                                                           timeout=60), range(16)))
        assert {a.status_code for a in answers} <= {200, 400}
        assert memory_mib(registry) - before < 16


def test_a_manifest_without_end_is_cut_off(registry, client):
    """CVE-2017-11468: the whole body was read into memory. Declared or not, it ends at the limit."""
    client.push_blob("app", b"x")
    before = memory_mib(registry)
    head = ["Content-Type: " + OCI_MANIFEST]
    with Wire(registry.url) as wire:
        wire.send(request_bytes(wire, "PUT", "/v2/app/manifests/v1", *head,
                                f"Content-Length: {1 << 40}"))
        assert wire.read_response()[0] == 413
    with Wire(registry.url) as wire:
        wire.send(request_bytes(wire, "PUT", "/v2/app/manifests/v1", *head,
                                "Transfer-Encoding: chunked"))
        sent = 0
        try:
            while sent < 256 * MIB:
                wire.send(b"100000\r\n" + b" " * MIB + b"\r\n")
                sent += MIB
        except OSError:  # hung up on
            pass
        assert sent < 256 * MIB
    assert memory_mib(registry) - before < 32


def test_a_form_without_end_is_cut_off(new_registry):
    """The same at the token service, where nobody has signed in yet."""
    registry = new_registry(config={"auth": {"mode": "local"}}).start()

    def endless():
        yield b"grant_type=password&username="
        for _ in range(64):
            yield b"a" * MIB

    before = memory_mib(registry)
    try:
        answer = requests.post(f"{registry.url}/auth/token", data=endless(), timeout=60)
        assert answer.status_code in (400, 413)
    except requests.ConnectionError:
        pass  # hung up on in the middle
    assert memory_mib(registry) - before < 16


def test_many_sign_ins_at_once_cost_the_memory_of_a_few(new_registry):
    """The hash of a password takes 16 MiB, and who guesses does not wait for one after the other."""
    registry = new_registry(config={"auth": "local"}).start()

    def guess(n):
        return requests.get(f"{registry.url}/v2/", auth=(f"user{n}", "wrong"),
                            timeout=60).status_code

    before = memory_mib(registry)
    with ThreadPoolExecutor(40) as many:
        answers = set(many.map(guess, range(80)))
    assert answers <= {401, 429, 503} and 401 in answers
    assert memory_mib(registry) - before < 16 * os.cpu_count() + 32


# Indexes


@pytest.mark.parametrize("shape", ["deep", "wide", "laughs"])
def test_nested_indexes_cost_no_more_than_their_own_size(registry, client, shape):
    """An index of indexes of ... names exponentially many images; nobody here follows it down."""
    top = image(layers=1, layer_size=10)
    client.push_image("app", top)
    before = memory_mib(registry)
    if shape == "deep":
        for _ in range(300):
            top = Image(index([top]).manifest, OCI_INDEX)
            client.push_manifest("app", top.digest, top)
    elif shape == "wide":
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX,
                    "manifests": [top.descriptor()] * 2000}
        top = Image(canonical(document), OCI_INDEX)
        client.push_manifest("app", top.digest, top, expect=(201, 400, 413))
        document["manifests"] = document["manifests"][:500]
        top = Image(canonical(document), OCI_INDEX)
        client.push_manifest("app", top.digest, top, expect=(201, 400))
    else:
        for n in range(40):  # 10 to the 40th images
            document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "annotations": {"n": str(n)},
                        "manifests": [top.descriptor()] * 10}
            top = Image(canonical(document), OCI_INDEX)
            client.push_manifest("app", top.digest, top)
    client.push_manifest("app", "v1", top)
    assert client.get_manifest("app", "v1").content == top.manifest
    assert client.referrers("app", top.digest) == []
    client.delete_manifest("app", top.digest)
    assert memory_mib(registry) - before < 32


# Where clients are sent


LOCATIONS = [
    ("POST", "/v2/{repo}/blobs/uploads/", 202),
    ("POST", "/v2/{repo}/blobs/uploads/?mount=" + digest_of(b"none") + "&from=//evil.example", None),
    ("GET", "/v2/_catalog?n=1", 200),
    ("GET", "/v2/_catalog?n=1&last=//evil.example", None),
    ("GET", "/v2/_catalog?n=1&next=//evil.example&redirect=//evil.example", 200),
    ("GET", "//evil.example/v2/", 404),
    ("GET", "/\\evil.example", None),
    ("GET", "/v2/{repo}/blobs/uploads?next=https://evil.example", None),
    ("GET", "https://evil.example/v2/_catalog?n=1", None),
    ("GET", "/v2/..//evil.example/", None),
]


@pytest.mark.parametrize("method, path, status", LOCATIONS)
def test_nobody_is_sent_to_another_host(shared, api, repo, method, path, status):
    """Open redirects: what a client says of hosts, whom to trust and where to go leads nowhere."""
    for n in range(2):
        api.push_image(f"{repo}{n}", image(layers=1, layer_size=10), "v1")
    with Wire(shared.url) as wire:
        wire.send(request_bytes(
            wire, method, path.format(repo=repo), "X-Forwarded-Host: evil.example",
            "X-Forwarded-Proto: gopher", "X-Forwarded-Prefix: //evil.example", "Content-Length: 0",
            "X-Original-URL: //evil.example", "X-Rewrite-URL: //evil.example",
            "Forwarded: host=evil.example;proto=gopher", "X-HTTP-Method-Override: DELETE"))
        got, headers, _ = wire.read_response()
    assert status is None or got == status
    assert got not in (301, 302, 303, 307, 308)
    location = headers.get("location", "/")
    assert location.startswith("/v2/") or location.startswith(f"{shared.url}/") or location == "/"
    assert "evil" not in location.split("?")[0]
    link = headers.get("link", "</v2/>")
    assert link.startswith("</v2/") and "//evil" not in link
    assert not any("gopher" in value for value in headers.values())


def test_the_challenge_names_no_host_that_a_proxy_header_says(new_registry):
    """Nor does a client get its password sent elsewhere by the realm of the challenge."""
    registry = new_registry(config={"auth": {"mode": "local"}}).start()
    answer = requests.get(f"{registry.url}/v2/", timeout=60, headers={
        "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example"})
    assert answer.headers["WWW-Authenticate"].startswith(f'Bearer realm="{registry.url}/auth/token"')
    for host in ('a",realm="http://evil.example', "a b", "evil.example/x", "u@evil.example"):
        with Wire(registry.url) as wire:
            wire.send(f"GET /v2/ HTTP/1.1\r\nHost: {host}\r\n\r\n")
            status, headers, _ = wire.read_response()
            assert status == 400 and "www-authenticate" not in headers


def test_no_other_site_may_read_answers(new_registry):
    """A wildcard for origins, with credentials: no page of another site reads anything here."""
    registry = new_registry(config={"auth": {"mode": "local"}}).start()
    for origin in ("https://evil.example", "null", registry.url + ".evil.example"):
        for method, path in (("GET", "/v2/"), ("GET", "/healthz"), ("GET", "/auth/token"),
                             ("OPTIONS", "/v2/"), ("OPTIONS", "*"), ("PUT", "/v2/")):
            with Wire(registry.url) as wire:
                wire.send(request_bytes(wire, method, path, f"Origin: {origin}",
                                        "Access-Control-Request-Method: PUT",
                                        "Access-Control-Request-Headers: authorization"))
                _, headers, _ = wire.read_response()
            assert not [name for name in headers if name.startswith("access-control-")]


# What is in an answer


HTML = b"<!doctype html><script>alert(document.domain)</script>"


@pytest.mark.parametrize("accept", ["text/html", "*/*", "image/svg+xml"])
def test_a_blob_is_no_page(api, repo, accept):
    """Gitea 2026-103667: content that a browser took for HTML, and ran as the registry's."""
    digest = api.push_blob(repo, HTML)
    for path in (f"/v2/{repo}/blobs/{digest}", f"/v2/{repo}/blobs/{digest}?x=.html"):
        answer = api.request("GET", path, headers={"Accept": accept})
        assert answer.content == HTML
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    part = api.get_blob(repo, digest, 206, Range="bytes=0-9")
    assert part.headers["Content-Type"] == "application/octet-stream"
    assert part.headers["X-Content-Type-Options"] == "nosniff"


def test_what_a_manifest_or_an_error_says_is_no_page(api, repo):
    """No media type of a client's choice comes back, and errors are JSON."""
    made = image(layers=1, layer_size=10, annotations={"x": HTML.decode()})
    api.push_image(repo, made, "v1")
    answer = api.get_manifest(repo, "v1", accept="text/html, */*")
    assert answer.headers["Content-Type"] == OCI_MANIFEST
    evil = Image(json.dumps({**made.document, "mediaType": "text/html"}).encode(), "text/html")
    api.push_manifest(repo, "v2", evil, expect=(400, 415))
    for path in ("/v2/<script>/tags/list", "/<script>alert(1)</script>",
                 f"/v2/{repo}/manifests/<script>", "/v2/_catalog?n=<script>"):
        answer = api.request("GET", path, None)
        assert answer.headers["Content-Type"].split(";")[0] == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


# Names


BREAKS = ["%0d%0aX-Injected:%20yes", "%0aX-Injected:yes", "%0dX-Injected:yes",
          "%e5%98%8a%e5%98%8dX-Injected:yes", "%c4%8d%c4%8aX-Injected:yes", "%00%0d%0aX-Injected:yes"]


@pytest.mark.parametrize("text", BREAKS)
def test_no_header_is_injected(new_registry, text):
    """Through names, tags, digests and parameters, whichever come back in a header."""
    registry = new_registry().start()
    with Client(registry.url) as client:
        made = image(layers=1, layer_size=10)
        client.push_image("app", made, "v1")
        client.push_image("app2", made, "v1")
        paths = [
            ("GET", f"/v2/{text}/tags/list"), ("GET", f"/v2/app/manifests/{text}"),
            ("GET", f"/v2/app/blobs/{text}"), ("GET", f"/v2/app/blobs/sha256:{text}"),
            ("GET", f"/v2/app/tags/list?n=1&last={text}"), ("GET", f"/v2/_catalog?n=1&last={text}"),
            ("GET", f"/v2/app/referrers/{made.digest}?artifactType={text}"),
            ("POST", f"/v2/{text}/blobs/uploads/"), ("POST", f"/v2/app/blobs/uploads/?mount={text}"),
            ("POST", f"/v2/app/blobs/uploads/?digest-algorithm={text}"),
            ("PUT", f"/v2/app/manifests/{made.digest}?tag={text}"),
            ("GET", f"/auth/token?scope={text}&service={text}&account={text}"),
            ("GET", f"/{text}"),
        ]
        for method, path in paths:
            with Wire(registry.url) as wire:
                body = made.manifest if method == "PUT" else b""
                wire.send(request_bytes(wire, method, path, f"Content-Type: {OCI_MANIFEST}",
                                        f"Content-Length: {len(body)}", "X-Request-Id: a b",
                                        body=body))
                _, headers, _ = wire.read_response()
                assert "x-injected" not in headers, (method, path)
        assert client.tags("app") == ["v1"]


UP = ["..", "%2e%2e", "%2E%2e", "%252e%252e", "..%2f", "..%252f", "..\\", "..%5c", "%c0%ae%c0%ae",
      "%e0%80%ae%e0%80%ae", "..%c0%af", "..%00", "..;", "....//", "%uff0e%uff0e", "．．"]


@pytest.mark.parametrize("up", UP)
def test_no_path_leads_out_of_the_store(new_registry, up):
    """In every encoding, wherever a name becomes a path; nothing is read or written outside."""
    registry = new_registry().start()
    secret = registry.root.parent / "secret"
    secret.write_text("root:outside")
    up = "".join(c if c < "\x80" else "".join(f"%{b:02x}" for b in c.encode()) for c in up)
    with Client(registry.url) as client:
        client.push_image("app", image(layers=1, layer_size=10), "v1")
    before = {p for p in registry.root.parent.iterdir()}
    steps = f"{up}/{up}/{up}/"
    for method, path in [
        ("GET", f"/v2/{steps}secret/tags/list"), ("GET", f"/v2/app/blobs/{steps}secret"),
        ("GET", f"/v2/app/blobs/sha256:{steps}secret"), ("GET", f"/v2/app/manifests/{steps}secret"),
        ("GET", f"/{steps}{steps}secret"), ("GET", f"/v2/app/{steps}{steps}secret"),
        ("PUT", f"/v2/{steps}new/manifests/v1"), ("PUT", f"/v2/app/manifests/{steps}new"),
        ("POST", f"/v2/{steps}new/blobs/uploads/"), ("GET", f"/v2/app/blobs/uploads/{steps}secret"),
        ("PATCH", f"/v2/app/blobs/uploads/{steps}new"), ("DELETE", f"/v2/app/manifests/{steps}app"),
        ("POST", f"/v2/app/blobs/uploads/?mount={digest_of(b'x')}&from={steps}secret"),
    ]:
        with Wire(registry.url) as wire:
            wire.send(request_bytes(wire, method, path, "Content-Length: 0",
                                    f"Content-Type: {OCI_MANIFEST}"))
            status, _, body = wire.read_response()
            assert status in (400, 404, 405, 202 if "mount=" in path else 404), (method, path)
            assert b"outside" not in body
    assert {p for p in registry.root.parent.iterdir()} == before
    assert secret.read_text() == "root:outside"
