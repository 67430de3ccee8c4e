"""Rules of signatures: what is not signed does not leave, and gets no tag, where the configuration says so."""

import json
import signal

import pytest
import requests
import yaml
from accounts import OTHER, PASSWORD, alice_and_bob
from archives import docker_archive, upload
from content import command
from documented import blocks, follow, page
from helpers import OCI_CONFIG, Client, artifact, image, index
from keyless import IDENTITY, ISSUER, Sigstore, push_bundle, signed_statement
from notary import JWS, Authority, Trust, jws
from notary import put as put_notation
from notary import sign as notation_sign
from signatures import Key, sign_by_bundle, sign_simply
from waiting import until

FORMS = {"simple signing": sign_simply, "sigstore bundle": sign_by_bundle}
forms = pytest.mark.parametrize("form", FORMS)

@pytest.fixture
def key(work):
    return Key(work / "ours.pub")


@pytest.fixture
def other(work):
    return Key(work / "other.pub")


def rule(*keys, **more):
    return {"repositories": ["prod/**"], "cosign": [{"key": str(key.path)} for key in keys], **more}


@pytest.fixture
def start(new_registry):
    def start(*rules, **more):
        return new_registry(config={"signatures": list(rules), **more}).start()

    return start


def push(registry, made=None, repo="prod/app", tag="v1"):
    made = made or image("signed", layers=1)
    with Client(registry.url) as c:
        c.push_image(repo, made, tag)
    return made


def sign(registry, made, key, form=sign_by_bundle, repo="prod/app"):
    with Client(registry.url) as c:
        return form(c, repo, made, key)


def get(registry, reference="v1", repo="prod/app", method="GET", **more):
    return requests.request(method, f"{registry.url}/v2/{repo}/manifests/{reference}", timeout=30, **more)


def status(registry, reference="v1", **more):
    return get(registry, reference, **more).status_code


def put(registry, made, reference, repo="prod/app", **more):
    return requests.put(
        f"{registry.url}/v2/{repo}/manifests/{reference}", timeout=30, data=made.manifest,
        headers={"Content-Type": made.media_type}, **more,
    )  # fmt: skip


def trail(registry, action):
    lines = map(json.loads, command(registry, "audit", "--json").splitlines())
    return [entry for entry in lines if entry["action"] == action]


# ---- pulls


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_nobody_signed_leaves_by_no_name(start, key, method):
    registry = start(rule(key))
    made = push(registry)
    for reference in ("v1", made.digest) * 2:
        answer = get(registry, reference, method=method)
        assert answer.status_code == 403
        if method == "GET":
            (error,) = answer.json()["errors"]
            assert error["code"] == "DENIED"
            assert error["message"] == (
                "image is not signed by key ours.pub: there is no signature of it; see "
                f"/api/v1/images/prod/app/{made.digest}/signatures"
            )


@forms
def test_what_is_signed_leaves_as_soon_as_it_is(start, key, form):
    registry = start(rule(key))
    made = push(registry)
    assert status(registry) == 403
    sign(registry, made, key, FORMS[form])
    assert status(registry) == 200
    assert status(registry, made.digest) == 200


def test_other_repositories_are_not_asked(start, key):
    registry = start(rule(key))
    push(registry, repo="dev/app")
    assert status(registry, repo="dev/app") == 200


def test_a_signature_in_another_repository_does_not_count(start, key):
    registry = start(rule(key))
    made = push(registry)
    push(registry, made, repo="prod/other")
    sign(registry, made, key, repo="prod/other")
    assert status(registry, repo="prod/other") == 200
    assert status(registry) == 403


def test_it_is_told_what_is_wrong_with_a_signature(start, key, other):
    registry = start(rule(key))
    made = push(registry)
    sign(registry, made, other)
    assert "not signed by key ours.pub: not by any of the keys, or tampered with" in get(registry).text
    with Client(registry.url) as c:
        sign_by_bundle(c, "prod/app", made, key, digest=image("another").digest)
    assert "by somebody who is trusted, but of another image" in get(registry).text


@pytest.mark.sanitize
def test_one_of_several_is_enough_or_all_are_asked_for(start, key, other):
    both = {"repositories": ["prod/all"], "require": "all"}
    registry = start({**rule(key, other), "repositories": ["prod/any"]}, {**rule(key, other), **both})
    for repo in ("prod/any", "prod/all"):
        made = push(registry, repo=repo)
        assert status(registry, repo=repo) == 403
        sign(registry, made, key, repo=repo)
    assert status(registry, repo="prod/any") == 200
    push(registry, image("alone", layers=1), repo="prod/any", tag="alone")
    assert "is signed by none of those who may sign: there is no signature" in get(registry, "alone", "prod/any").text
    assert "is not signed by key other.pub: others have signed it" in get(registry, repo="prod/all").text
    sign(registry, made, other, repo="prod/all")
    assert status(registry, repo="prod/all") == 200


def test_signatures_and_what_else_is_beside_an_image_leave(start, key):
    registry = start(rule(key))
    made = push(registry)
    bundle = sign(registry, made, key)
    sign(registry, made, key, sign_simply)
    materials = artifact("application/vnd.cyclonedx+json", layers=[("application/vnd.cyclonedx+json", b"{}")],
                         subject=made.descriptor())  # fmt: skip
    push(registry, materials, tag=None)
    assert status(registry, made.digest.replace(":", "-") + ".sig") == 200
    assert status(registry, bundle.digest) == 200
    assert status(registry, materials.digest) == 200


def test_an_image_does_not_leave_for_having_a_subject(start, key):
    registry = start(rule(key))
    made = push(registry)
    hidden = push(registry, image("hidden", layers=1, subject=made.descriptor()), tag="v2")
    assert status(registry, hidden.digest) == 403


@pytest.mark.parametrize("layer", ["application/vnd.erofs.layer.v1", "application/vnd.oci.image.layer.nydus.blob.v1", "application/x-disk"])
@pytest.mark.parametrize("config", [OCI_CONFIG, "application/vnd.cncf.helm.config.v1+json", "application/vnd.docker.plugin.v1+json"])
def test_what_may_be_an_image_of_other_files_does_not_leave_for_having_a_subject(start, key, layer, config):
    registry = start(rule(key))
    made = push(registry)
    hidden = artifact(None, layers=[(layer, b"files")], config=(config, b"{}"), subject=made.descriptor())
    push(registry, hidden, tag="v2")
    assert status(registry, "v2") == 403


def test_a_chart_has_to_be_signed_too(start, key):
    registry = start(rule(key))
    chart = artifact(None, layers=[("application/vnd.cncf.helm.chart.content.v1.tar+gzip", b"chart")],
                     config=("application/vnd.cncf.helm.config.v1+json", b"{}"))  # fmt: skip
    push(registry, chart)
    assert status(registry) == 403
    sign(registry, chart, key)
    assert status(registry) == 200


@pytest.mark.sanitize
def test_a_signed_index_lets_its_images_pass(start, key):
    registry = start(rule(key))
    children = [image("amd64", layers=1), image("arm64", layers=1, architecture="arm64")]
    many = push(registry, index(children))
    alone = push(registry, image("alone", layers=1), tag="alone")
    assert status(registry) == 403
    assert status(registry, children[0].digest) == 403
    sign(registry, many, key)
    assert status(registry) == 200
    for child in children:
        assert status(registry, child.digest) == 200
    assert status(registry, alone.digest) == 403


def test_the_images_of_an_index_pass_no_more_when_it_is_gone(start, key):
    registry = start(rule(key))
    child = image("amd64", layers=1)
    many = push(registry, index([child]))
    push(registry, child, tag="child")
    sign(registry, many, key)
    assert status(registry) == 200
    with Client(registry.url) as c:
        c.delete_manifest("prod/app", many.digest)
    assert status(registry, child.digest) == 403


@forms
def test_a_signature_that_is_deleted_counts_no_more(start, key, form):
    registry = start(rule(key))
    made = push(registry)
    bundle = sign(registry, made, key, FORMS[form])
    assert status(registry) == 200
    with Client(registry.url) as c:
        c.delete_manifest("prod/app", bundle.digest if bundle else made.digest.replace(":", "-") + ".sig")
    assert status(registry) == 403


def signature_tag(made):
    return made.digest.replace(":", "-") + ".sig"


def rolled_back(registry, made, tag):
    assert requests.post(f"{registry.url}/api/v1/repositories/prod/app/tags/{tag}/rollback", timeout=30).ok


def deleted_and_pushed_again(registry, made, tag):
    assert requests.delete(f"{registry.url}/api/v1/repositories/prod/app", timeout=30).ok
    push(registry, made)


def deleted_by_pattern(registry, made, tag):
    body = {"pattern": "sha256-*", "dry_run": False}
    answer = requests.post(f"{registry.url}/api/v1/repositories/prod/app/delete-tags", timeout=30, json=body)
    assert answer.json()["tags"] == 1


def moved_by_a_push_of_a_digest(registry, made, tag):
    other = image("other", layers=1)
    push(registry, other, tag="other")
    assert put(registry, other, f"{other.digest}?tag={tag}").status_code == 201


@pytest.mark.parametrize("lose", [rolled_back, deleted_and_pushed_again, deleted_by_pattern, moved_by_a_push_of_a_digest])
def test_a_signature_that_is_lost_on_any_road_counts_no_more(start, key, other, lose):
    registry = start(rule(key))
    made = push(registry)
    sign(registry, made, other, sign_simply)
    sign(registry, made, key, sign_simply)
    assert status(registry) == 200
    lose(registry, made, signature_tag(made))
    assert status(registry) == 403


def test_a_rule_that_warns_sends_the_image_with_a_warning(start, key):
    registry = start(rule(key, mode="warn"))
    made = push(registry)
    answer = get(registry)
    assert answer.status_code == 200
    assert answer.headers["Warning"].startswith('299 - "image is not signed by key ours.pub: there is no signature')
    sign(registry, made, key)
    assert "Warning" not in get(registry).headers


def test_attestations_are_asked_for_by_what_they_state(start, key):
    slsa = "https://slsa.dev/provenance/v1"
    registry = start(rule(key, attestations=[{"predicate_type": slsa}]))
    made = push(registry)
    sign(registry, made, key)
    assert f"has no good attestation {slsa}" in get(registry).text
    with Client(registry.url) as c:
        sign_by_bundle(c, "prod/app", made, key, predicate=slsa)
    assert status(registry) == 200


def test_an_archive_of_what_nobody_signed_does_not_leave(start, key):
    registry = start(rule(key))
    made = push(registry)
    archive = f"{registry.url}/api/v1/archive/prod/app:v1"
    assert requests.get(archive, timeout=30).status_code == 403
    sign(registry, made, key)
    assert requests.get(archive, timeout=30).status_code == 200


def test_the_right_to_bypass_gets_it_all_the_same(new_registry, key):
    registry = alice_and_bob(
        new_registry,
        signatures=[rule(key, at=["pull", "push"])],
        policy=[
            {"subjects": ["user:alice"], "actions": ["pull", "push", "bypass"]},
            {"subjects": ["user:bob"], "actions": ["pull", "push"]},
        ],
    ).registry
    alice, bob = ("alice", PASSWORD), ("bob", OTHER)
    made = image("signed", layers=1)
    with Client(registry.url, auth=alice) as c:
        c.push_image("prod/app", made, "v1")
    assert status(registry, auth=alice) == 200
    assert status(registry, auth=bob) == 403
    assert put(registry, made, "v2", auth=bob).status_code == 403

    def bypassed():
        lines = map(json.loads, command(registry, "audit", "--json").splitlines())
        return [e for e in lines if (e["action"], e["result"]) == ("push", "bypassed")]

    (entry,) = until(bypassed)
    assert (entry["actor"], entry["target"]) == ("user:alice", "prod/app:v1")
    assert json.loads(entry["detail"]) == {"digest": made.digest, "reason": "unsigned"}


def test_who_signs_may_look_when_they_may_push(new_registry, key):
    registry = alice_and_bob(
        new_registry,
        signatures=[rule(key)],
        policy=[
            {"subjects": ["user:alice"], "actions": ["pull", "push"]},
            {"subjects": ["user:bob"], "actions": ["pull"]},
        ],
    ).registry
    alice, bob = ("alice", PASSWORD), ("bob", OTHER)
    agent = {"User-Agent": "cosign/v3.1.3 (linux; amd64)"}
    made = image("signed", layers=1)
    with Client(registry.url, auth=alice) as c:
        c.push_image("prod/app", made, "v1")
    assert status(registry, made.digest, auth=alice) == 403
    assert status(registry, made.digest, auth=alice, headers=agent) == 200
    assert status(registry, made.digest, auth=bob, headers=agent) == 403
    for who, wanted in ((alice, 200), (bob, 403)):  # cosign asks for no more than it does next
        scope = {"scope": "repository:prod/app:pull"}
        token = requests.get(f"{registry.url}/auth/token", timeout=30, auth=who, params=scope).json()["token"]
        bearer = {**agent, "Authorization": f"Bearer {token}"}
        assert status(registry, made.digest, headers=bearer) == wanted
    until(lambda: {"user:alice", "user:bob"} <= {entry["actor"] for entry in trail(registry, "pull")})
    details = [json.loads(e["detail"]) for e in trail(registry, "pull") if e["result"] == "bypassed"]
    assert details == [{"digest": made.digest, "reason": "unsigned", "to_sign": True}] * 2


def test_nobody_looks_as_a_signer_where_anybody_may_push(start, new_registry, key):
    open_to_all = alice_and_bob(
        new_registry, signatures=[rule(key)], policy=[{"subjects": ["anonymous"], "actions": ["pull", "push"]}]
    ).registry
    for registry in (start(rule(key)), open_to_all):
        made = push(registry)
        for agent in ("cosign/v3.1.3 (linux; amd64)", "notation/1.3.2", "notation-go/1.3.2"):
            for method in ("GET", "HEAD"):
                assert status(registry, made.digest, method=method, headers={"User-Agent": agent}) == 403


@pytest.mark.sanitize
def test_the_api_says_who_signed_and_what_is_missing(start, key, other):
    registry = start(rule(key))
    made = push(registry)
    url = f"{registry.url}/api/v1/images/prod/app/v1/signatures"
    (before,) = requests.get(url, timeout=30).json()["rules"]
    assert (before["verified"], before["state"], before["signatures"]) == (False, "unsigned", [])
    assert before["reason"] == "is not signed by key ours.pub: there is no signature of it"
    sign(registry, made, key)
    said = requests.get(url, timeout=30).json()
    (after,) = said["rules"]
    (row,) = after["signatures"]
    assert said["digest"] == made.digest
    assert (after["verified"], after["state"], after["at"], after["mode"]) == (True, "signed", ["pull"], "enforce")
    assert (row["verdict"], row["form"], len(row["key"])) == ("good", "sigstore bundle", 64)
    assert requests.get(url.replace("v1/signatures", "v2/signatures"), timeout=30).status_code == 404


# ---- pushes


@pytest.mark.sanitize
def test_a_tag_moves_to_what_is_signed_only(start, key):
    registry = start(rule(key, at=["push"]))
    made = image("signed", layers=1)
    push(registry, made, tag=None)
    refused = put(registry, made, "v1")
    assert refused.status_code == 403
    (error,) = refused.json()["errors"]
    assert error["code"] == "DENIED"
    assert error["message"].startswith("the image is not signed by key ours.pub: there is no signature of it; push it by")
    assert requests.put(f"{registry.url}/v2/prod/app/manifests/{made.digest}?tag=v1", timeout=30, data=made.manifest,
                        headers={"Content-Type": made.media_type}).status_code == 403  # fmt: skip
    sign(registry, made, key)
    assert put(registry, made, "v1").status_code == 201
    assert status(registry) == 200


def test_a_tag_does_not_go_back_to_what_is_not_signed(start, key):
    registry = start()
    first, second = image("first", layers=1), image("second", layers=1)
    push(registry, first)
    push(registry, second)
    registry.config["signatures"] = [rule(key, at=["push"])]
    registry.write_config()
    registry.signal(signal.SIGHUP)
    back = f"{registry.url}/api/v1/repositories/prod/app/tags/v1/rollback"
    until(lambda: put(registry, second, "v1").status_code == 403)
    assert requests.post(back, timeout=30).status_code == 403
    sign(registry, first, key)
    assert requests.post(back, timeout=30).status_code == 200


def test_a_push_that_is_warned_of_says_so(start, key):
    registry = start(rule(key, at=["push"], mode="warn"))
    made = image("signed", layers=1)
    push(registry, made, tag=None)
    answer = put(registry, made, "v1")
    assert answer.status_code == 201
    assert "image is not signed by key ours.pub" in answer.headers["Warning"]


def test_an_archive_that_nobody_signed_gets_no_tag(start, key):
    registry = start(rule(key, at=["push"]))
    made = image("signed", layers=1)
    with Client(registry.url) as c:
        refused = upload(c, docker_archive(made, ["app:v1"]), expect=403, repository="prod/app", tag="v1")
        assert refused["message"].startswith("the image is not signed by key ours.pub")
        assert requests.get(f"{registry.url}/v2/prod/app/tags/list", timeout=30).json().get("tags") in (None, [])


# ---- certificates, and notation


def test_a_signer_may_be_the_identity_of_a_certificate(start, work):
    sigstore = Sigstore(work)
    made = image("signed", layers=1)
    (bundle,) = sigstore.make(("entry", signed_statement(made)))
    known = {"issuer": ISSUER, "roots": str(sigstore.trusted_root)}
    registry = start(
        {"repositories": ["prod/app"], "cosign": [{"identity": IDENTITY, **known}]},
        {"repositories": ["prod/other"], "cosign": [{"identity": "else@example.org", **known}]},
    )
    for repo in ("prod/app", "prod/other"):
        push(registry, made, repo=repo)
        with Client(registry.url) as c:
            push_bundle(c, repo, made, bundle)
    assert status(registry) == 200
    refused = get(registry, repo="prod/other")
    assert refused.status_code == 403
    assert "is not signed by else@example.org: its certificate is of somebody who is not trusted" in refused.text


def test_a_signer_may_be_of_notation(start, work):
    acme = Authority(work / "acme")
    trust = Trust(work / "trust", acme)
    files = {"trust_policy": str(trust.policy), "certificates": str(trust.stores)}
    registry = start({"repositories": ["prod/**"], "at": ["push"], "notation": files})
    made = image("signed", layers=1)
    push(registry, made, tag=None)
    assert put(registry, made, "v1").status_code == 403
    notation_sign(registry, "prod/app", made, acme.signer("release"))
    assert put(registry, made, "v1").status_code == 201


def test_an_image_that_is_not_there_yet_is_judged_by_a_signature_of_notation_that_is(start, work):
    acme, stranger = Authority(work / "acme"), Authority(work / "stranger", "stranger")
    trust = Trust(work / "trust", acme)
    files = {"trust_policy": str(trust.policy), "certificates": str(trust.stores)}
    registry = start({"repositories": ["prod/**"], "at": ["push"], "notation": files})
    ours, theirs = image("ours", layers=1), image("theirs", layers=1)
    with Client(registry.url) as c:
        for made, signer in ((ours, acme.signer("release")), (theirs, stranger.signer("release"))):
            put_notation(c, "prod/app", made, JWS, jws(signer, made))
            for blob in made.blobs.values():
                c.push_blob("prod/app", blob)
    assert put(registry, theirs, "v1").status_code == 403
    assert put(registry, ours, "v1").status_code == 201


# ---- rules


@pytest.mark.sanitize
def test_a_reload_that_can_not_be_read_leaves_the_rules_as_they_are(start, key, work):
    registry = start(rule(key))
    push(registry)
    bad = work / "bad.pub"
    bad.write_text("no key\n")
    registry.config["signatures"] = [{"repositories": ["**"], "mode": "warn", "cosign": [{"key": str(bad)}]}]
    registry.write_config()
    registry.signal(signal.SIGHUP)
    until(lambda: "signatures[0].cosign[0].key: " in registry.log)
    assert status(registry) == 403
    registry.config["signatures"] = []
    registry.write_config()
    registry.signal(signal.SIGHUP)
    until(lambda: status(registry) == 200)


def test_a_file_that_is_no_key_is_told_before_the_start(new_registry, work):
    bad = work / "bad.pub"
    bad.write_text("no key\n")
    registry = new_registry(config={"signatures": [{"repositories": ["**"], "cosign": [{"key": str(bad)}]}]})
    assert "signatures[0].cosign[0].key: " in command(registry, "config", "check", status=1)


def test_all_of_signers_that_are_one_are_refused_before_the_start(new_registry, key, work):
    trust, copy = Trust(work / "trust", Authority(work / "acme")), work / "copy.pub"
    copy.write_bytes(key.path.read_bytes())
    roots = trust.stores / "x509" / "ca" / "acme" / "root.pem"
    certified = {"issuer": ISSUER, "roots": str(roots), "transparency_log": "ignore"}
    ours, same = {"key": str(key.path)}, {"key": str(copy)}
    one, any_one = {**certified, "identity": IDENTITY}, {**certified, "identity_regexp": ".*"}

    def check(*signers, require="all", status=0):
        rules = {"repositories": ["**"], "require": require, "cosign": [dict(signer) for signer in signers]}
        return command(new_registry(config={"signatures": [rules]}), "config", "check", status=status)

    for signers, place in (
        ((ours, same), "cosign[1].key"),
        ((any_one, ours, one), "cosign[2].identity"),
        ((any_one, any_one), "cosign[1].identity_regexp"),
    ):
        assert f"signatures[0].{place}: whoever signs so is cosign[0] already" in check(*signers, status=1)
        check(*signers, require="any")
    check(one, ours, any_one)  # somebody else may be the last


def test_an_attestation_that_is_none_is_told_before_the_start(new_registry, key):
    demands = [{"predicate_type": "spdx"}, {"predicate_type": "provenance"}]
    registry = new_registry(config={"signatures": [rule(key, attestations=demands)]})
    told = command(registry, "config", "check", status=1)
    assert "signatures[0].attestations[1].predicate_type: 'provenance' is no predicate type" in told


def test_the_examples_of_the_page_print_what_it_shows(start, work):
    for name in ("release.pub", "security.pub"):
        Key(work / name)
    text = page("signature-rules.md")
    rules = yaml.safe_load(blocks(text, "yaml")[0])["signatures"]
    for row in (signer for found in rules for signer in found["cosign"]):
        row["key"] = str(work / row["key"])
    registry = start(*rules)
    made = push(registry)
    push(registry, made, repo="staging/app")
    with Client(registry.url) as c:
        for blob in made.blobs.values():
            c.push_blob("release/app", blob)
    follow(text, registry, work)


# ---- real signers


@pytest.mark.long
@pytest.mark.parametrize("bundle", ["true", "false"])
def test_cosign_signs_what_is_asked_for(new_registry, go_clients, bundle):
    go_clients.cosign("generate-key-pair")
    public = go_clients.work / "cosign" / "cosign.pub"
    rules = [{"repositories": ["prod/**"], "at": ["pull", "push"], "cosign": [{"key": str(public)}]}]
    registry = alice_and_bob(new_registry, signatures=rules).registry
    alice = ("alice", PASSWORD)
    made = image("signed", layers=1)
    with Client(registry.url, auth=alice) as c:
        c.push_image("prod/app", made)
    where = f"{registry.address}/prod/app@{made.digest}"
    assert status(registry, made.digest, auth=alice) == 403
    assert put(registry, made, "v1", auth=alice).status_code == 403
    login = go_clients.work / "cosign" / ".docker"
    login.mkdir(parents=True)
    (login / "config.json").write_text(json.dumps({"auths": {registry.address: {"username": "alice", "password": PASSWORD}}}))
    plain = ["--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "-y", "--allow-http-registry"]
    go_clients.cosign("sign", *plain, f"--new-bundle-format={bundle}", where)
    assert status(registry, made.digest, auth=alice) == 200
    assert put(registry, made, "v1", auth=alice).status_code == 201
    assert status(registry, auth=alice) == 200
