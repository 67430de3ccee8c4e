"""`registry verify` and signatures of the Notary Project: the verdict is that of notation's own library."""

import base64
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from documented import follow, page
from helpers import image
from notary import COSE, JWS, Authority, Trust, envelope, jws, put, rsa_key, sign, statement, verifies
from waiting import until

@pytest.fixture
def acme(work):
    return Authority(work / "acme")


@pytest.fixture
def signed(api, repo):
    made = image("signed", layers=1)
    api.push_image(repo, made, "v1")
    return made


def verify(registry, trust, repo, reference="v1", more=()):
    command = [registry.binary, "verify", *trust.flags, *more, "--json", f"{registry.address}/{repo}:{reference}"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 3), done.stderr
    said = json.loads(done.stdout)
    assert said["verified"] == (done.returncode == 0)
    return said


def verdicts(said):
    return [row["verdict"] for row in said["signatures"]]


@pytest.mark.sanitize
@pytest.mark.parametrize("form, key", [(JWS, None), (COSE, None), (JWS, rsa_key)], ids=["jws", "cose", "rsa"])
def test_what_notation_signs_is_good(shared, api, repo, signed, acme, work, form, key):
    trust = Trust(work / "trust", acme, statement(identities=["x509.subject: C=US, ST=WA, O=acme, CN=release"]))
    sign(shared, repo, signed, acme.signer("release", key=key and key()), form)
    said = verify(shared, trust, repo)
    (row,) = said["signatures"]
    assert (row["form"], row["verdict"], row["identity"]) == ("notation", "good", "CN=release,O=acme,ST=WA,C=US")
    assert verifies(shared, repo, signed, trust)


def test_without_a_signature_it_is_not(shared, api, repo, signed, acme, work):
    trust = Trust(work / "trust", acme)
    assert verify(shared, trust, repo)["signatures"] == []
    assert not verifies(shared, repo, signed, trust)


def test_another_root_or_another_identity_is_not_trusted(shared, api, repo, signed, acme, work):
    sign(shared, repo, signed, acme.signer("release"))
    strange = Trust(work / "strange", Authority(work / "other"))
    other = Trust(work / "named", acme, statement(identities=["x509.subject: C=US, ST=WA, O=acme, CN=security"]))
    for trust, verdict in ((strange, "untrusted_chain"), (other, "other_identity")):
        assert verdicts(verify(shared, trust, repo)) == [verdict]
        assert not verifies(shared, repo, signed, trust)


def test_levels_are_those_of_notation(shared, api, repo, signed, acme, work):
    sign(shared, repo, signed, Authority(work / "other").signer("release"))
    for level, good in (("permissive", False), ("audit", True)):
        trust = Trust(work / level, acme, statement(level=level))
        assert verify(shared, trust, repo)["verified"] == good
        assert verifies(shared, repo, signed, trust) == good


def test_a_policy_can_leave_a_repository_out(shared, api, repo, signed, acme, work):
    scope = f"{shared.address}/{repo}"
    trust = Trust(work / "trust", acme, statement("open", [scope], "skip"), statement())
    said = verify(shared, trust, repo)
    assert said["verified"]
    assert "'open' of the trust policy is of level skip" in said["signatures"][0]["why"]
    assert verifies(shared, repo, signed, trust)
    api.push_image(f"web/{repo}", signed, "v1")
    assert not verify(shared, trust, f"web/{repo}")["verified"]
    assert not verifies(shared, f"web/{repo}", signed, trust)


def test_what_was_tampered_with_does_not_count(shared, api, repo, signed, acme, work):
    trust = Trust(work / "trust", acme)
    sign(shared, repo, signed, acme.signer("release"))
    media_type, data, digest = envelope(api, repo, signed)
    jws = json.loads(data)
    other = json.loads(base64.urlsafe_b64decode(jws["payload"] + "=="))
    other["targetArtifact"]["annotations"] = {"io.example": "more"}
    jws["payload"] = base64.urlsafe_b64encode(json.dumps(other).encode()).rstrip(b"=").decode()
    api.delete_manifest(repo, digest)
    put(api, repo, signed, media_type, json.dumps(jws).encode())
    assert verdicts(verify(shared, trust, repo)) == ["other_key"]
    assert not verifies(shared, repo, signed, trust)


@pytest.mark.parametrize("form", [JWS, COSE])
def test_a_signature_of_another_image_does_not_count(shared, api, repo, signed, acme, work, form):
    trust = Trust(work / "trust", acme)
    other = image("another", layers=1)
    api.push_image(repo, other, "v2")
    sign(shared, repo, other, acme.signer("release"), form)
    put(api, repo, signed, *envelope(api, repo, other)[:2])
    assert verdicts(verify(shared, trust, repo)) == ["other_image"]
    assert not verifies(shared, repo, signed, trust)
    assert verify(shared, trust, repo, reference="v2")["verified"]


def test_in_another_repository_the_policy_decides(shared, api, repo, signed, acme, work):
    everywhere = Trust(work / "everywhere", acme)
    here = Trust(work / "here", acme, statement(scopes=[f"{shared.address}/{repo}"]))
    sign(shared, repo, signed, acme.signer("release"))
    api.push_image(f"prod/{repo}", signed, "v1")
    put(api, f"prod/{repo}", signed, *envelope(api, repo, signed)[:2])
    assert verify(shared, here, repo)["verified"]
    for trust, good in ((everywhere, True), (here, False)):
        assert verify(shared, trust, f"prod/{repo}")["verified"] == good
        assert verifies(shared, f"prod/{repo}", signed, trust) == good


@pytest.mark.parametrize("attribute, ours, theirs", [
    ("io.example.note", "unknown", True),  # against their specification: what is critical has to be understood
    ("io.cncf.notary.verificationPlugin", "unknown", False),
    (None, "good", True),
])  # fmt: skip
def test_critical_attributes_have_to_be_understood(shared, api, repo, signed, acme, work, attribute, ours, theirs):
    trust = Trust(work / "trust", acme)
    put(api, repo, signed, JWS, jws(acme.signer("release"), signed, **({attribute: "this"} if attribute else {})))
    assert verdicts(verify(shared, trust, repo)) == [ours]
    assert verifies(shared, repo, signed, trust) == theirs


def test_a_signature_that_is_too_old_does_not_count(shared, api, repo, signed, acme, work):
    trust = Trust(work / "trust", acme)
    lenient = Trust(work / "lenient", acme, statement(override={"expiry": "log"}))
    sign(shared, repo, signed, acme.signer("release"), expiry="1s")
    until(lambda: verdicts(verify(shared, trust, repo)) == ["expired"], timeout=60)
    assert not verifies(shared, repo, signed, trust)
    assert verify(shared, lenient, repo)["verified"]
    assert verifies(shared, repo, signed, lenient)


@pytest.fixture
def lists():
    """Where lists of revoked certificates are fetched from by notation: [bytes], its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.list)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_certificate_that_was_revoked_does_not_count(shared, api, repo, signed, acme, work, lists):
    trust = Trust(work / "trust", acme)
    signer = acme.signer("release", lists=f"http://127.0.0.1:{lists.server_port}/acme.crl")
    crl = work / "acme.crl"
    sign(shared, repo, signed, signer)
    for revoked, verdict in (([], "good"), ([signer], "revoked")):
        lists.list = acme.list_of(*revoked)
        crl.write_bytes(lists.list)
        assert verdicts(verify(shared, trust, repo, more=["--crl", crl])) == [verdict]
        assert verifies(shared, repo, signed, trust) == (verdict == "good")
    lists.list = b""  # nobody knows
    assert verdicts(verify(shared, trust, repo)) == ["revocation_unknown"]
    assert not verifies(shared, repo, signed, trust)


@pytest.mark.parametrize("words, why", [
    (["--notation-policy", "POLICY"], "--notation-policy and --notation-certificates go together"),
    (["--notation-policy", "/dev/null", "--notation-certificates", "STORES"], "/dev/null: it is no JSON object"),
    (["--notation-policy", "POLICY", "--notation-certificates", "/dev/null"], "/dev/null: it has no certificate"),
    (["--notation-policy", "POLICY", "--notation-certificates", "STORES", "--crl", "/dev/null"],
     "/dev/null: it has no list of revoked certificates"),
    (["--crl", "POLICY"], "--crl goes with --notation-policy"),
], ids=lambda value: "" if isinstance(value, list) else value)  # fmt: skip
def test_what_can_not_be_asked_is_told(shared, acme, work, words, why):
    trust = Trust(work / "trust", acme)
    told = {"POLICY": trust.policy, "STORES": trust.stores}
    command = [shared.binary, "verify", *[str(told.get(word, word)) for word in words], f"{shared.address}/team/app"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stdout
    assert why in done.stderr


def test_the_examples_of_the_page_print_what_it_shows(shared, api, acme, work):
    made = image("signed", layers=1)
    api.push_image("team/app", made, "v1")
    Trust(work / "notation", acme, statement(identities=["x509.subject: C=US, ST=WA, O=acme, CN=release"]))
    sign(shared, "team/app", made, acme.signer("release"))
    follow(page("notation.md"), shared, work)
