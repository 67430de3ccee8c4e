"""`registry verify` of signatures by certificates: of whom, since when, and below which root."""

import copy
import json
import subprocess

import pytest

from certificates import authority, code_signer
from clients import ClientFailed
from helpers import image
from keyless import IDENTITY, ISSUER, Sigstore, push_bundle, push_simply, signed_statement
from signatures import simple_payload

SIGNED = image("signed", layers=1)
OTHER = image("another", layers=1)
BUILDER = "https://builders.example/ci@v1"
SLSA = "https://slsa.dev/provenance/v1"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What everybody signs here, and the roots it was signed below."""
    sigstore = Sigstore(tmp_path_factory.mktemp("sigstore"))
    forms = ["entry", "late", "tiles", "stamp"]
    requests = [(form, signed_statement(SIGNED)) for form in forms]
    requests.append(("entry", signed_statement(OTHER)))
    requests.append(("message", simple_payload("team/app", SIGNED.digest)))
    provenance = {"runDetails": {"builder": {"id": BUILDER}}}
    requests.append(("entry", signed_statement(SIGNED, SLSA, **provenance)))
    sigstore.bundles = dict(zip([*forms, "other", "message", "provenance"], sigstore.make(*requests), strict=True))
    return sigstore


@pytest.fixture
def pushed(client):
    client.push_image("team/app", SIGNED, "v1")
    return client


def trusting(made, identity=IDENTITY, issuer=ISSUER, **more):
    """The flags of a command that trusts whom it is to trust."""
    flags = {"certificate-identity": identity, "certificate-oidc-issuer": issuer,
             "certificate-roots": made.trusted_root, **{k.replace("_", "-"): v for k, v in more.items()}}  # fmt: skip
    return [word for flag, value in flags.items() if value for word in ["--" + flag, *([value] if value is not True else [])]]


def verify(registry, *words, repo="team/app", digest=SIGNED.digest):
    command = [registry.binary, "verify", "--json", *map(str, words), f"{registry.address}/{repo}@{digest}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return json.loads(done.stdout)


def verdicts(registry, *words, **more):
    said = verify(registry, *words, **more)
    return [row["verdict"] for row in said.get("signatures", said.get("attestations"))]


def changed(bundle, change):
    new = copy.deepcopy(bundle)
    change(new)
    return new


def without(*path):
    def change(bundle):
        for key in path[:-1]:
            bundle = bundle[key]
        del bundle[path[-1]]

    return change


def other_signature(bundle):
    signature = bundle["dsseEnvelope"]["signatures"][0]
    signature["sig"] = signature["sig"][:20] + ("A" if signature["sig"][20] != "A" else "B") + signature["sig"][21:]


def other_time(bundle):
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    entry["integratedTime"] = str(int(entry["integratedTime"]) + 1)


def other_proof(bundle):
    proof = bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]
    proof["hashes"] = ["A" * 43 + "="]


def entry_of(other):
    def change(bundle):
        bundle["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"]

    return change


def test_the_verdict_is_the_one_of_sigstore(registry, client, made):
    entry = made.bundles["entry"]
    cases = {
        "good": (entry, {}, "good"),
        "tiles": (made.bundles["tiles"], {}, "good"),
        "late": (made.bundles["late"], {}, "expired"),
        "digest": (made.bundles["other"], {}, "other_image"),
        "tampered": (changed(entry, other_signature), {}, "other_key"),
        "time": (changed(entry, other_time), {}, "no_time"),
        "proof": (changed(entry, other_proof), {}, "no_time"),
        "stripped": (changed(entry, without("verificationMaterial", "tlogEntries")), {}, "no_time"),
        "replaced": (changed(entry, entry_of(made.bundles["other"])), {}, "no_time"),
        "identity": (entry, {"identity": "ci@example.com"}, "other_identity"),
        "issuer": (entry, {"issuer": "https://issuer.example.com"}, "other_identity"),
    }
    for name, (bundle, who, verdict) in cases.items():
        repo = "case/" + name
        client.push_image(repo, SIGNED, "v1")
        push_bundle(client, repo, SIGNED, bundle)
        assert verdicts(registry, *trusting(made, **who), repo=repo) == [verdict], name
        assert (made.says(bundle, SIGNED, **who) == "") == (verdict == "good"), name


def test_a_certificate_below_another_root_does_not_count(registry, pushed, made, work):
    elsewhere = Sigstore(work)
    (bundle,) = elsewhere.make(("entry", signed_statement(SIGNED)))
    push_bundle(pushed, "team/app", SIGNED, bundle)
    assert verdicts(registry, *trusting(made)) == ["untrusted_chain"]
    assert made.says(bundle, SIGNED) != ""
    assert verdicts(registry, *trusting(elsewhere)) == ["good"]


def test_it_counts_wherever_the_image_was_copied(registry, pushed, made):
    pushed.push_image("prod/app", SIGNED)
    push_bundle(pushed, "prod/app", SIGNED, made.bundles["entry"])
    assert verdicts(registry, *trusting(made), repo="prod/app") == ["good"]


def test_roots_can_be_pinned_one_by_one(registry, pushed, made, work):
    push_bundle(pushed, "team/app", SIGNED, made.bundles["entry"])
    roots = {"certificate_roots": made.roots}
    assert verdicts(registry, *trusting(made, **roots, log_key=made.log)) == ["good"]
    Sigstore(work).make()
    assert verdicts(registry, *trusting(made, **roots, log_key=work / "log.pub")) == ["no_time"]


def test_a_timestamp_counts_where_no_log_is_needed(registry, pushed, made):
    push_bundle(pushed, "team/app", SIGNED, made.bundles["stamp"])
    assert verdicts(registry, *trusting(made)) == ["no_time"]
    assert verdicts(registry, *trusting(made, no_log=True)) == ["good"]
    one_by_one = {"certificate_roots": made.roots, "no_log": True, "timestamp_roots": made.stamps}
    assert verdicts(registry, *trusting(made, **one_by_one)) == ["good"]


def test_what_cosign_2_stores_is_good_too(registry, pushed, made):
    push_simply(pushed, "team/app", SIGNED, made.bundles["message"])
    said = verify(registry, *trusting(made))
    (row,) = said["signatures"]
    assert (said["verified"], row["form"], row["verdict"]) == (True, "simple signing", "good")
    assert (row["identity"], row["issuer"], row["key"]) == (IDENTITY, ISSUER, None)


def test_a_pattern_is_of_the_whole_name(registry, pushed, made):
    push_bundle(pushed, "team/app", SIGNED, made.bundles["entry"])
    for pattern, verdict in {"ci@.*": "good", "ci@": "other_identity", "example": "other_identity"}.items():
        words = trusting(made, identity=None, certificate_identity_regexp=pattern)
        assert verdicts(registry, *words) == [verdict], pattern


def test_a_rule_without_an_issuer_takes_no_certificate_that_names_one(registry, pushed, made):
    push_bundle(pushed, "team/app", SIGNED, made.bundles["entry"])
    assert verdicts(registry, *trusting(made, issuer=None)) == ["other_identity"]


def test_an_attestation_is_demanded_with_its_builder(registry, pushed, made):
    push_bundle(pushed, "team/app", SIGNED, made.bundles["provenance"])
    assert verify(registry, *trusting(made)) == {
        "digest": SIGNED.digest, "verified": False, "signatures": [], "more": False,
    }  # fmt: skip
    said = verify(registry, *trusting(made, attestation="slsaprovenance1", builder="https://builders.example/*@v*"))
    (row,) = said["attestations"]
    assert (said["verified"], row["verdict"]) == (True, "good")
    assert (row["predicate_type"], row["builder"]) == (SLSA, BUILDER)
    for other in ({"builder": "https://builders.example/ci@v2"}, {"attestation": "spdx"}):
        assert not verify(registry, *trusting(made, **{"attestation": SLSA, **other}))["verified"]


REFUSED = [
    ([], "--key, --certificate-identity or --notation-policy says whose signatures count"),
    (["--certificate-identity", "a@b"], "--certificate-identity: the roots of certificates are to be pinned"),
    (["--certificate-identity", "a@b", "--certificate-roots", "/dev/null"], "/dev/null: it has no certificate"),
    (["--certificate-identity", "a@b", "--certificate-roots", "ROOTS"], "pin its key, or say that no log is needed"),
    (["--certificate-identity-regexp", "(", "--certificate-roots", "ROOTS"], "'(' is no regular expression"),
    (["--no-log", "--key", "/dev/null"], "--key /dev/null: it is no public key"),
    (["--certificate-roots", "ROOTS"], "--certificate-roots goes with --certificate-identity"),
    (["--certificate-identity", "a@b", "--no-log", "--certificate-roots", "ROOTS", "--attestation", "sbom"],
     "'sbom' is no predicate type"),
]  # fmt: skip


def test_what_can_not_be_asked_is_told(registry, made):
    for words, why in REFUSED:
        words = [str(made.roots) if word == "ROOTS" else word for word in words]
        command = [registry.binary, "verify", *words, f"{registry.address}/team/app:v1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert why in done.stderr


def cosign_says(go_clients, where, *words):
    """Whether cosign verifies it."""
    command = ["verify", "--insecure-ignore-sct", "--allow-http-registry", *map(str, words), where]
    try:
        go_clients.cosign(*command)
    except ClientFailed:
        return False
    return True


@pytest.mark.long
def test_cosign_comes_to_the_same_verdict(registry, pushed, made, go_clients):
    where = f"{registry.address}/team/app@{SIGNED.digest}"
    push_bundle(pushed, "team/app", SIGNED, made.bundles["entry"])
    for identity, verdict in {IDENTITY: True, "ci@example.com": False}.items():
        who = ["--certificate-identity", identity, "--certificate-oidc-issuer", ISSUER]
        assert cosign_says(go_clients, where, *who, "--trusted-root", made.trusted_root) == verdict
        assert verify(registry, *trusting(made, identity=identity))["verified"] == verdict


@pytest.mark.long
@pytest.mark.parametrize("form", ["--new-bundle-format=false", "--new-bundle-format=true"])
def test_certificates_of_ones_own_authority_count_as_for_cosign(registry, pushed, go_clients, work, form):
    where = f"{registry.address}/team/app@{SIGNED.digest}"
    roots = authority(work, "ca")
    signer = code_signer(work, "signer", roots, "email:team@example.org")
    go_clients.cosign("import-key-pair", "--key", signer.with_suffix(".key"), "--output-key-prefix", work / "team")
    go_clients.cosign(
        "sign", "--key", work / "team.key", "--certificate", signer, "--certificate-chain", roots,
        "--use-signing-config=false", "--tlog-upload=false", "-y", "--allow-http-registry", form, where,
    )  # fmt: skip
    for identity, verdict in {"team@example.org": True, "ci@example.org": False}.items():
        ours = ["--certificate-identity", identity, "--certificate-roots", roots, "--no-log"]
        assert verify(registry, *ours)["verified"] == verdict
        theirs = ["--certificate-identity", identity, "--certificate-oidc-issuer-regexp", ".*", "--ca-roots", roots]
        # cosign 3.1.3 writes a chain into its bundle, which version 0.3 does not allow, and does not find the bundle again.
        if form == "--new-bundle-format=false":
            assert cosign_says(go_clients, where, *theirs, "--insecure-ignore-tlog", form) == verdict
