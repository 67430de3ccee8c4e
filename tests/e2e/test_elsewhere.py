"""Holes that other registries had, in who someone is and what they may: none of them is open here.

docs/security.md lists every hole with the tests that keep it closed; those that belong to another
subject stand in its file. The holes in requests and contents are in test_elsewhere_http.py.
"""

import base64
import crypt
import json
import re
import subprocess
from pathlib import Path

import pytest
import requests
from accounts import PASSWORD, Accounts
from helpers import Client, image
from server import TOP
from sts import Sts
from waiting import until

LOCAL = {"auth": {"mode": "local"}}
AUDIENCE = "registry.example.org"


def b64(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def status(registry, path="/v2/", **more):
    return requests.get(registry.url + path, timeout=60, **more).status_code


@pytest.fixture
def accounts(new_registry):
    return Accounts(new_registry(config=LOCAL))


# The table in docs/security.md


def listed():
    rows = re.findall(r"^\|(.*)\|$", (TOP / "docs/security.md").read_text(), re.M)[2:]
    return [[cell.strip() for cell in row.split("|")] for row in rows]


def test_every_test_that_the_page_names_is_there():
    sources = {}  # names of files are not unique
    for path in (TOP / "tests").rglob("*.[pc]*"):
        if path.suffix in (".py", ".c"):
            sources[path.name] = sources.get(path.name, "") + path.read_text()
    for hole, _, _, tests in listed():
        named = re.findall(r"`([\w.]+)::(\w+)`", tests)
        assert named, hole
        for file, name in named:
            assert re.search(rf"\b{name}\(", sources[file]), f"{hole}: {file} has no {name}"


def test_every_hole_of_this_file_is_in_the_page():
    page = (TOP / "docs/security.md").read_text()
    for file in (Path(__file__).name, "test_elsewhere_http.py"):
        for name in re.findall(r"^def (test_\w+)", (TOP / "tests/e2e" / file).read_text(), re.M):
            assert f"{file}::{name}`" in page or "the_page" in name, name


# Tokens


class EcKey:
    """A key of an attacker's, and ES256 with it."""

    def __init__(self, work):
        self.path = work / "attacker.pem"
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path)
        point = self._openssl("ec", "-in", self.path, "-pubout", "-outform", "DER")[-64:]
        self.jwk = {"kty": "EC", "crv": "P-256", "x": b64(point[:32]), "y": b64(point[32:])}

    @staticmethod
    def _openssl(*words, data=None):
        return subprocess.run(["openssl", *words], input=data, capture_output=True,
                              check=True, timeout=60).stdout

    def sign(self, header, claims):
        text = f"{b64({'alg': 'ES256', 'typ': 'JWT', **header})}.{b64(claims)}"
        der = self._openssl("dgst", "-sha256", "-sign", self.path, data=text.encode())
        r_end = 4 + der[3]
        r, s = der[4:r_end], der[r_end + 2:]
        return f"{text}.{b64(b''.join(int.from_bytes(n, 'big').to_bytes(32, 'big') for n in (r, s)))}"


def test_a_key_that_the_token_brings_is_not_believed(accounts, work):
    """CVE-2025-24976: the signature is right by the key in the token's own header."""
    registry = accounts.registry.start()
    accounts.add("alice")
    good = requests.get(f"{registry.url}/auth/token", auth=("alice", PASSWORD), timeout=60,
                        params={"scope": "repository:dev/app:pull"}).json()["token"]
    assert status(registry, headers=bearer(good)) == 200
    claims = json.loads(base64.urlsafe_b64decode(good.split(".")[1] + "=="))
    kid = json.loads(base64.urlsafe_b64decode(good.split(".")[0] + "=="))["kid"]
    key = EcKey(work)
    with Sts() as attacker:
        attacker.answer = lambda h: Sts.send(h, 200, {"keys": [{**key.jwk, "kid": "mine"}]})
        for header in ({"jwk": key.jwk}, {"jwk": key.jwk, "kid": kid}, {"kid": kid},
                       {"jku": attacker.url, "kid": "mine"}, {"x5u": attacker.url},
                       {"kid": "../../../../dev/null"}, {"crit": ["jwk"], "jwk": key.jwk}):
            assert status(registry, headers=bearer(key.sign(header, claims))) == 401
        assert attacker.asked == []


@pytest.fixture
def issuer(new_registry):
    """(registry, its issuer's server): discovery at the server says what `answers` holds."""
    with Sts() as server:
        server.answers = {}

        def answer(handler):
            code, document, headers = server.answers.get(handler.path, (404, {}, {}))
            Sts.send(handler, code, document, **headers)

        server.answer = answer
        registry = new_registry(config={"auth": {"external": [
            {"name": "ci", "issuer": server.url, "audience": [AUDIENCE]}]}}).start()
        yield registry, server


def external_token(key, server):
    return key.sign({"kid": "1"}, {"iss": server.url, "aud": AUDIENCE, "sub": "build",
                                   "exp": 4102444800, "iat": 1})


def test_what_goes_out_carries_no_credentials(issuer, work):
    """CVE-2026-33540: upstream credentials to an attacker's realm. Keys are public, and asked for
    without the token, a cookie or a password, also where the issuer's document points elsewhere."""
    registry, server = issuer
    key = EcKey(work)
    with Sts() as other:
        other.answer = lambda h: Sts.send(h, 200, {"keys": [{**key.jwk, "kid": "1"}]})
        server.answers["/.well-known/openid-configuration"] = (
            200, {"issuer": server.url, "jwks_uri": f"{other.url}/keys"}, {})
        token = external_token(key, server)
        status(registry, headers=bearer(token))
        for path, headers in server.asked + other.asked:
            assert not {"authorization", "cookie"} & {name.lower() for name in headers}
            assert token not in path + str(headers)


def test_a_redirect_of_an_issuer_is_not_followed(issuer, work):
    """CVE-2026-33540 again: nobody is sent on to where only the registry can reach."""
    registry, server = issuer
    with Sts() as inside:
        server.answers["/.well-known/openid-configuration"] = (
            302, {}, {"Location": f"{inside.url}/.well-known/openid-configuration"})
        assert status(registry, headers=bearer(external_token(EcKey(work), server))) == 503
        assert server.asked and inside.asked == []


# Groups and rights


def test_who_leaves_a_group_loses_its_rights_at_once(new_registry):
    """CVE-2025-23208: the groups of the first sign-in held for as long as the process."""
    registry = new_registry(config={**LOCAL, "policy": [
        {"subjects": ["group:dev"], "actions": ["pull", "push"], "repositories": ["dev/**"]}]})
    accounts = Accounts(registry)
    registry.start()
    accounts.add("alice", "--group", "dev")
    with Client(registry.url, auth=("alice", PASSWORD)) as client:
        client.push_image("dev/app", image(), "v1")
    path = "/v2/dev/app/manifests/v1"
    token = requests.get(f"{registry.url}/auth/token", auth=("alice", PASSWORD), timeout=60,
                         params={"scope": "repository:dev/app:pull"}).json()["token"]
    assert status(registry, path, headers=bearer(token)) == 200
    accounts("user", "set", "alice", "--group", "")
    until(lambda: status(registry, path, auth=("alice", PASSWORD)) == 404)
    until(lambda: status(registry, path, headers=bearer(token)) in (401, 404))


# Telling users apart


def test_the_time_does_not_tell_which_users_there_are(new_registry, work):
    """What a wrong password costs, as processor time, which a busy machine does not blur: as much
    for a user of the file, one of the database and one of neither."""
    times, attempts = {}, 10
    people = [f"file{n}" for n in range(attempts)]
    word = crypt.crypt("right", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << 4))
    (work / "htpasswd").write_text("".join(f"{name}:{word}\n" for name in people))
    registry = new_registry(config={"auth": {"mode": "on", "lock_after": 1000,
                                             "htpasswd": {"file": str(work / "htpasswd")}}})
    accounts = Accounts(registry)
    registry.start()
    for n in range(attempts):
        accounts.add(f"base{n}")
    for kind in ("file", "base", "none"):
        assert status(registry, auth=(f"{kind}0", "warm up")) == 401
        before = registry.cpu_ms()
        for n in range(attempts):
            assert status(registry, auth=(f"{kind}{n}", "wrong")) == 401
        times[kind] = registry.cpu_ms() - before
    assert max(times.values()) < 1.5 * min(times.values()), times


# Secrets


def test_secrets_are_nowhere_in_the_log_the_audit_trail_or_an_answer(new_registry, work):
    """CVE-2025-48374, at the most talkative level and wherever a client may put a secret."""
    audit = work / "audit.jsonl"
    registry = new_registry(config={**LOCAL, "log": {"level": "debug"},
                                    "audit": {"file": str(audit)}})
    accounts = Accounts(registry)
    registry.start()
    accounts.add("alice")
    url = f"{registry.url}/auth/token"
    got = requests.get(url, auth=("alice", PASSWORD), params={"offline_token": "true"},
                       timeout=60).json()
    wrong = "gUessed-1234-secret"
    answers = [
        requests.post(url, data=data, timeout=60) for data in (
            {"grant_type": "password", "username": "alice", "password": PASSWORD},
            {"grant_type": "password", "username": "alice", "password": wrong},
            {"grant_type": "refresh_token", "refresh_token": wrong},
            {"grant_type": wrong},
        )]
    answers += [
        requests.get(url, params={"password": wrong, "refresh_token": wrong, "scope": wrong},
                     timeout=60),
        requests.get(f"{registry.url}/v2/?access_token={wrong}&token={wrong}", timeout=60),
        requests.get(f"{registry.url}/v2/", headers=bearer(wrong), timeout=60),
        requests.get(f"{registry.url}/v2/", headers=bearer(got["token"]), timeout=60),
        requests.get(f"{registry.url}/v2/", headers={"Authorization": wrong}, timeout=60),
        requests.get(f"{registry.url}/v2/", headers={"Cookie": f"session={wrong}"}, timeout=60),
        requests.get(f"{registry.url}/v2/", auth=("alice", wrong), timeout=60),
    ]
    until(lambda: audit.exists() and audit.read_text().count("sign-in") >= 4)
    registry.stop()
    for secret in (PASSWORD, wrong, got["refresh_token"], got["token"],
                   base64.b64encode(f"alice:{PASSWORD}".encode()).decode(),
                   base64.b64encode(f"alice:{wrong}".encode()).decode()):
        assert secret not in registry.log
        assert secret not in audit.read_text()
        for answer in answers:
            assert secret not in str(answer.headers)
            # a token that was asked for is the answer; nothing else comes back
            assert answer.status_code == 200 or secret not in answer.text


def test_no_key_or_password_is_shipped(new_registry, registry_binary):
    """A new server knows nobody, and its key is its own."""
    keys = []
    for _ in range(2):
        registry = new_registry(config=LOCAL).start()
        keys.append(requests.get(f"{registry.url}/.well-known/jwks.json", timeout=60).json())
        for who in (("admin", "admin"), ("admin", "Harbor12345"), ("root", ""), ("", "admin"),
                    ("registry", "registry"), ("admin", "password"), ("anonymous", "anonymous")):
            assert status(registry, auth=who) == 401
        assert Accounts(registry)("user", "list").count("\n") == 1
        assert Accounts(registry)("token", "list").count("\n") == 1
    x = [key["x"] for document in keys for key in document["keys"]]
    assert len(set(x)) == len(x) >= 2
    binary = registry_binary.read_bytes()
    assert not re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{20}", binary)


def test_a_pattern_of_the_policy_does_not_backtrack(new_registry):
    """Names and patterns that take other matchers an exponential time (ReDoS)."""
    pattern = "*a" * 120 + "**x"
    registry = new_registry(config={"auth": {"mode": "local"}, "policy": [
        {"subjects": ["anonymous"], "actions": ["pull"], "repositories": [pattern, "pub"]}
        for _ in range(20)]}).start()
    before = registry.cpu_ms()
    for name in ("a" * 255, "a/" * 120 + "a", "a-a.a_a" * 30 + "/b"):
        assert status(registry, f"/v2/{name}/tags/list") == 401
    assert registry.cpu_ms() - before < 2000
