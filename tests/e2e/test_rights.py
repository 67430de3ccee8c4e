"""Signing in, tokens, rights, limits and the audit trail, as clients meet them.

Passwords are those of an htpasswd file made on the spot; local users have tests of their own.
"""

import base64
import json
import signal
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from accounts import htpasswd
from helpers import Client, digest_of, image
from waiting import until

PEOPLE = {"alice": "wonder-Land9", "bob": "build-It7", "root": "all-Mighty5"}

POLICY = [
    {"subjects": ["anonymous"], "actions": ["pull"], "repositories": ["public/**"]},
    {"subjects": ["user:alice"], "actions": ["pull", "push", "overwrite"], "repositories": ["dev/**"]},
    {"subjects": ["user:alice"], "actions": ["pull", "push"], "repositories": ["prod/**"]},
    {"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["dev/**"]},
    {"subjects": ["user:root"], "actions": ["*"], "repositories": ["**"]},
    {"subjects": ["*"], "effect": "deny", "actions": ["overwrite", "delete"],
     "repositories": ["prod/**"], "tags": ["v*"]},
]


@pytest.fixture
def guarded(new_registry, work):
    """A registry with the people and the policy above."""
    path = htpasswd(work / "htpasswd", PEOPLE)
    return new_registry(config={"auth": {"htpasswd": {"file": path}}, "policy": POLICY}).start()


@pytest.fixture
def sign_in(guarded):
    """A client that signs in with every request: sign_in("alice")."""
    open_clients = []

    def as_(name, password=None):
        client = Client(guarded.url, auth=(name, password or PEOPLE[name]))
        open_clients.append(client)
        return client

    yield as_
    for client in open_clients:
        client.close()


def token(registry, scope, auth=None, **params):
    answer = requests.get(f"{registry.url}/auth/token", auth=auth, timeout=30,
                          params={"service": "registry", "scope": scope, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def status(registry, method, path, **more):
    return requests.request(method, registry.url + path, timeout=30, **more).status_code


def bearer(text):
    return {"Authorization": f"Bearer {text}"}


def test_whoever_has_not_signed_in_is_asked_to(guarded):
    answer = requests.get(f"{guarded.url}/v2/", timeout=30)
    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith(f'Bearer realm="{guarded.url}/auth/token",service="registry"')
    assert answer.json()["errors"][0]["code"] == "UNAUTHORIZED"


def test_the_challenge_names_what_it_would_take(guarded):
    answer = requests.get(f"{guarded.url}/v2/dev/app/tags/list", timeout=30)
    assert 'scope="repository:dev/app:pull"' in answer.headers["WWW-Authenticate"]


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(guarded):
    answers = [requests.get(f"{guarded.url}/v2/", auth=who, timeout=30)
               for who in (("alice", "wrong"), ("nobody", "wrong"))]
    assert [a.status_code for a in answers] == [401, 401]
    assert answers[0].content == answers[1].content


def test_an_authorization_header_that_is_not_understood_is_refused(guarded):
    for value in ("Basic", "Basic !!!", "Basic " + base64.b64encode(b"nocolon").decode(),
                  "Bearer", "Digest a=b", "Bearer a.b.c", "Bearer " + "x" * 8000):
        assert status(guarded, "GET", "/v2/", headers={"Authorization": value}) == 401


def test_a_changed_htpasswd_file_counts_without_a_restart(guarded, sign_in, work):
    sign_in("bob").request("GET", "/v2/", expect=200)
    htpasswd(work / "htpasswd", {**PEOPLE, "bob": "another-Word3"})
    until(lambda: status(guarded, "GET", "/v2/", auth=("bob", "another-Word3")) == 200)
    assert status(guarded, "GET", "/v2/", auth=("bob", PEOPLE["bob"])) == 401


def test_a_token_allows_what_it_was_given_for_and_no_more(guarded, sign_in):
    sign_in("alice").push_image("dev/app", image(), "v1")
    pull = token(guarded, "repository:dev/app:pull", ("alice", PEOPLE["alice"]))["token"]
    assert status(guarded, "GET", "/v2/dev/app/tags/list", headers=bearer(pull)) == 200
    assert status(guarded, "POST", "/v2/dev/app/blobs/uploads/", headers=bearer(pull)) == 401
    assert status(guarded, "GET", "/v2/dev/other/tags/list", headers=bearer(pull)) == 401


def test_a_token_grants_no_more_than_the_policy(guarded):
    answer = token(guarded, "repository:dev/app:pull,push", ("bob", PEOPLE["bob"]))
    claims = json.loads(base64.urlsafe_b64decode(answer["token"].split(".")[1] + "=="))
    assert claims["access"] == [{"type": "repository", "name": "dev/app", "actions": ["pull"]}]


def test_a_request_for_very_many_scopes_is_refused(guarded):
    def ask(n):
        return status(guarded, "GET", "/auth/token", params=[("scope", "repository:a/b:pull")] * n)

    assert ask(64) == 200
    assert ask(65) == 400


def test_a_token_that_was_tampered_with_is_refused(guarded):
    text = token(guarded, "repository:dev/app:pull", ("alice", PEOPLE["alice"]))["token"]
    head, claims, signature = text.split(".")
    other = json.loads(base64.urlsafe_b64decode(claims + "=="))
    other["who"]["name"] = "root"
    forged = base64.urlsafe_b64encode(json.dumps(other).encode()).rstrip(b"=").decode()
    assert status(guarded, "GET", "/v2/", headers=bearer(f"{head}.{forged}.{signature}")) == 401


@pytest.mark.parametrize("header", [
    {"alg": "none", "typ": "JWT"},
    {"alg": "HS256", "typ": "JWT"},
    # A token that brings its own key (CVE-2025-24976).
    {"alg": "ES256", "typ": "JWT", "jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
])
def test_a_token_does_not_choose_how_it_is_checked(guarded, header):
    text = token(guarded, "repository:dev/app:pull", ("alice", PEOPLE["alice"]))["token"]
    _, claims, signature = text.split(".")
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    for end in ("", signature):
        assert status(guarded, "GET", "/v2/", headers=bearer(f"{head}.{claims}.{end}")) == 401


def test_a_refresh_token_gives_tokens_and_only_its_hash_is_kept(guarded):
    answer = token(guarded, "", ("alice", PEOPLE["alice"]), offline_token="true")
    secret = answer["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": secret, "service": "registry",
            "scope": "repository:dev/app:push,pull"}
    again = requests.post(f"{guarded.url}/auth/token", data=form, timeout=30)
    assert again.status_code == 200
    fresh = again.json()["access_token"]
    assert status(guarded, "POST", "/v2/dev/app/blobs/uploads/", headers=bearer(fresh)) == 202
    with sqlite3.connect(guarded.root / "registry.db", timeout=60) as database:
        kept = database.execute("SELECT key || value FROM records").fetchall()
    assert kept and not any(secret in row[0] for row in kept)


def test_the_keys_are_published_without_their_private_half(guarded):
    keys = requests.get(f"{guarded.url}/.well-known/jwks.json", timeout=30).json()["keys"]
    assert keys and all("d" not in key and key["alg"] == "ES256" for key in keys)


def test_anyone_pulls_what_is_public_and_nothing_else(guarded, sign_in):
    for repo in ("public/app", "dev/app"):
        sign_in("root").push_image(repo, image(), "v1")
    assert status(guarded, "GET", "/v2/public/app/manifests/v1") == 200
    assert status(guarded, "GET", "/v2/dev/app/manifests/v1") == 401
    assert status(guarded, "POST", "/v2/public/app/blobs/uploads/") == 401


def test_lists_show_only_what_one_may_see(guarded, sign_in):
    for repo in ("dev/a", "prod/b", "public/c", "secret/d"):
        sign_in("root").push_image(repo, image(seed=repo), "v1")
    names = {who: sign_in(who).request("GET", "/v2/_catalog").json()["repositories"]
             for who in ("root", "alice", "bob")}
    assert names == {"root": ["dev/a", "prod/b", "public/c", "secret/d"],
                     "alice": ["dev/a", "prod/b"], "bob": ["dev/a"]}
    page = sign_in("alice").request("GET", "/v2/_catalog?n=1")
    assert page.json()["repositories"] == ["dev/a"] and "secret" not in page.headers["Link"]


def test_a_token_for_the_catalog_shows_what_its_owner_may_see(guarded, sign_in):
    for repo in ("dev/app", "prod/app", "public/app", "secret/app"):
        sign_in("root").push_image(repo, image(seed=repo), "v1")

    def catalog(auth=None):
        given = token(guarded, "registry:catalog:*", auth)["token"]
        answer = requests.get(f"{guarded.url}/v2/_catalog", headers=bearer(given), timeout=30)
        return answer.json()["repositories"]

    assert catalog(("alice", PEOPLE["alice"])) == ["dev/app", "prod/app"]
    assert catalog(("bob", PEOPLE["bob"])) == ["dev/app"]
    assert catalog() == ["public/app"]


CATALOG = 'scope="registry:catalog:*"'


def test_the_catalog_asks_whoever_could_see_more_by_signing_in(guarded):
    """An empty list would tell a client that there is nothing to sign in for."""
    answer = requests.get(f"{guarded.url}/v2/_catalog", timeout=30)
    assert answer.status_code == 401
    assert CATALOG in answer.headers["WWW-Authenticate"]
    assert "error=" not in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("who", [None, "alice"])
def test_the_catalog_asks_for_another_token_when_one_was_made_for_less(guarded, who):
    auth = (who, PEOPLE[who]) if who else None
    given = token(guarded, "repository:public/app:pull", auth)["token"]
    answer = requests.get(f"{guarded.url}/v2/_catalog", headers=bearer(given), timeout=30)
    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert CATALOG in challenge and 'error="insufficient_scope"' in challenge


def test_the_catalog_is_shown_to_everyone_where_everyone_sees_everything(new_registry, work):
    policy = [{"subjects": ["*"], "actions": ["pull"]},
              {"subjects": ["user:root"], "actions": ["*"]}]
    config = {"auth": {"htpasswd": {"file": htpasswd(work / "htpasswd", PEOPLE)}}, "policy": policy}
    registry = new_registry(config=config).start()
    with Client(registry.url, auth=("root", PEOPLE["root"])) as root:
        root.push_image("app", image(), "v1")
    answer = requests.get(f"{registry.url}/v2/_catalog", timeout=30)
    assert (answer.status_code, answer.json()) == (200, {"repositories": ["app"]})


def test_a_list_of_tags_asks_whoever_could_see_more_by_signing_in(new_registry, work):
    policy = [{"subjects": ["anonymous"], "actions": ["pull"], "repositories": ["app"], "tags": ["v*"]},
              {"subjects": ["anonymous"], "actions": ["pull"], "repositories": ["open"]},
              {"subjects": ["user:root"], "actions": ["*"]}]
    config = {"auth": {"htpasswd": {"file": htpasswd(work / "htpasswd", PEOPLE)}}, "policy": policy}
    registry = new_registry(config=config).start()
    with Client(registry.url, auth=("root", PEOPLE["root"])) as root:
        for repo in ("app", "open"):
            root.push_image(repo, image(), "v1")
            root.push_manifest(repo, "dev", image())
        assert root.tags("app") == ["dev", "v1"]
    assert status(registry, "GET", "/v2/open/tags/list") == 200
    answer = requests.get(f"{registry.url}/v2/app/tags/list", timeout=30)
    assert answer.status_code == 401
    assert 'scope="repository:app:pull"' in answer.headers["WWW-Authenticate"]
    given = bearer(token(registry, "repository:app:pull")["token"])
    answer = requests.get(f"{registry.url}/v2/app/tags/list", headers=given, timeout=30)
    assert answer.json()["tags"] == ["v1"]


def test_the_challenge_of_a_mount_is_for_both_repositories(guarded, sign_in):
    """And a token as it asks for, of which a client may make one parameter, mounts."""
    blob = sign_in("root").push_blob("dev/app", b"layer")
    path = f"{guarded.url}/v2/prod/app/blobs/uploads/?mount={blob}&from=dev/app"
    answer = requests.post(path, timeout=30)
    assert answer.status_code == 401
    scope = "repository:prod/app:pull,push repository:dev/app:pull"
    assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"]

    alice = ("alice", PEOPLE["alice"])
    narrow = token(guarded, "repository:prod/app:pull,push", alice)["token"]
    assert requests.post(path, headers=bearer(narrow), timeout=30).status_code == 202
    both = token(guarded, scope, alice)["token"]
    assert requests.post(path, headers=bearer(both), timeout=30).status_code == 201


@pytest.mark.parametrize("source", ["UPPER", "a//b", 'x" y', "%0d%0aSet-Cookie: a=b"])
def test_what_is_no_repository_is_not_in_the_challenge_of_a_mount(guarded, source):
    path = f"{guarded.url}/v2/prod/app/blobs/uploads/?mount={digest_of(b'x')}&from={source}"
    answer = requests.post(path, timeout=30)
    assert answer.status_code == 401
    assert 'scope="repository:prod/app:pull,push"' in answer.headers["WWW-Authenticate"]
    assert "Set-Cookie" not in answer.headers


def test_a_scope_with_a_class_is_that_of_the_repository(guarded, sign_in):
    sign_in("root").push_image("dev/app", image(), "v1")
    given = token(guarded, "repository(plugin):dev/app:pull", ("bob", PEOPLE["bob"]))["token"]
    assert status(guarded, "GET", "/v2/dev/app/manifests/v1", headers=bearer(given)) == 200


def test_the_challenge_is_spelled_as_every_client_reads_it(guarded):
    """One, Bearer, the realm first, no spaces: see findings/challenge_forms.sh."""
    answer = requests.get(f"{guarded.url}/v2/dev/app/tags/list", timeout=30)
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="{guarded.url}/auth/token",service="registry",'
        'scope="repository:dev/app:pull"'
    )


def test_a_token_for_the_catalog_is_good_for_nothing_else(guarded, sign_in):
    sign_in("root").push_image("dev/app", image(), "v1")
    given = bearer(token(guarded, "registry:catalog:*", ("root", PEOPLE["root"]))["token"])
    for path in ("/v2/dev/app/tags/list", "/api/v1/users", "/api/v1/policy", "/api/v1/tokens"):
        assert status(guarded, "GET", path, headers=given) == 401


def test_what_one_may_see_is_found_however_much_is_hidden_between(sign_in):
    made, hidden = image(), [f"hidden/{n}" for n in range(40)]
    for repo in ("dev/a", *hidden, "prod/z", *(f"z{name}" for name in hidden)):
        sign_in("root").push_image(repo, made, "v1")
    first, second, third = (
        sign_in("alice").request("GET", "/v2/_catalog", params={"n": 1, "last": last})
        for last in ("", "dev/a", "prod/z"))
    assert first.json()["repositories"] == ["dev/a"]
    assert first.links["next"]["url"] == "/v2/_catalog?n=1&last=dev%2Fa"
    assert second.json()["repositories"] == ["prod/z"] and "next" not in second.links
    assert third.json()["repositories"] == [] and "next" not in third.links


@pytest.mark.parametrize("path", ["tags/list", "manifests/v1", "blobs/{digest}",
                                  "referrers/{digest}"])
def test_a_hidden_repository_answers_as_one_that_is_not_there(sign_in, path):
    pushed = image()
    sign_in("root").push_image("secret/app", pushed, "v1")
    path = path.format(digest=pushed.digest)
    hidden, missing = (sign_in("bob").request("GET", f"/v2/{repo}/{path}", expect=(200, 404))
                       for repo in ("secret/app", "secret/not"))
    # Both name what was asked for, and say nothing else.
    answers = [(r.status_code, r.content.replace(repo, b"REPO"))
               for r, repo in ((hidden, b"secret/app"), (missing, b"secret/not"))]
    assert answers[0] == answers[1]


def test_pushing_does_not_include_overwriting(sign_in):
    """CVE-2026-31801: `latest` overwritten with create-only rights."""
    alice = sign_in("alice")
    alice.push_image("prod/app", image(seed=1), "latest")
    alice.push_image("prod/app", image(seed=1), "latest")  # the same is no change
    second = image(seed=2)
    alice.push_image("prod/app", second, "other")
    alice.push_manifest("prod/app", "latest", second, expect=403)


def test_a_push_of_several_tags_asks_for_the_right_to_each(sign_in):
    alice = sign_in("alice")
    alice.push_image("prod/app", image(seed=1), "taken")
    second = image(seed=2)
    alice.push_image("prod/app", second, "free")
    alice.push_manifest("prod/app", f"{second.digest}?tag=new&tag=taken", second, expect=403)
    assert "new" not in alice.tags("prod/app")


def test_a_tag_that_the_policy_makes_immutable_is_nobodys_to_move(sign_in):
    root = sign_in("root")
    root.push_image("prod/app", image(seed=1), "v1")
    second = image(seed=2)
    root.push_image("prod/app", second, "next")
    root.push_manifest("prod/app", "v1", second, expect=403)
    root.delete_manifest("prod/app", "v1", expect=403)


def test_an_immutable_tag_does_not_go_with_its_manifest(sign_in):
    root, pushed = sign_in("root"), image()
    root.push_image("prod/app", pushed, "v1")
    root.push_image("prod/app", pushed, "latest")
    refused = root.delete_manifest("prod/app", pushed.digest, expect=403)
    assert "tag 'v1'" in refused.json()["errors"][0]["message"]
    assert root.tags("prod/app") == ["latest", "v1"]
    root.push_image("prod/app", image(seed=2), "next")
    root.delete_manifest("prod/app", image(seed=2).digest)


def test_an_immutable_tag_that_is_pushed_while_its_manifest_is_deleted_stays(guarded, sign_in):
    """Of each image one pushes such a tag while others delete it by its digest."""
    def push(n):
        with Client(guarded.url, auth=("root", PEOPLE["root"])) as c:
            c.push_image("prod/app", image(seed=n), f"latest-{n}")
            c.push_image("prod/app", image(seed=n), f"v{n}")

    def delete(n):
        with Client(guarded.url, auth=("root", PEOPLE["root"])) as c:
            for _ in range(4):
                c.delete_manifest("prod/app", image(seed=n).digest, expect=(202, 403, 404))

    with ThreadPoolExecutor(6) as pool:
        for task in [pool.submit(f, n) for n in range(30) for f in (push, delete, delete)]:
            task.result()
    root = sign_in("root")
    for n in range(30):
        assert root.pull_image("prod/app", f"v{n}") == image(seed=n)


def test_pushing_does_not_include_deleting(sign_in):
    alice, pushed = sign_in("alice"), image()
    alice.push_image("dev/app", pushed, "v1")
    alice.delete_manifest("dev/app", "v1", expect=403)
    alice.delete_manifest("dev/app", pushed.digest, expect=403)


def test_a_blob_is_not_mounted_from_where_one_may_not_pull(guarded, sign_in):
    """CVE-2024-39897: another repository's blob by mount or HEAD."""
    digest = sign_in("root").push_blob("secret/app", b"not for alice" * 100)
    alice = sign_in("alice")
    for query in (f"mount={digest}&from=secret/app", f"mount={digest}"):
        alice.request("POST", f"/v2/dev/app/blobs/uploads/?{query}", expect=202)
    assert not alice.has_blob("dev/app", digest)
    alice.request("HEAD", f"/v2/secret/app/blobs/{digest}", expect=404)


def test_an_upload_session_is_its_owners(sign_in):
    """CVE-2026-32589: someone else's upload session."""
    place = sign_in("alice").request("POST", "/v2/dev/app/blobs/uploads/", expect=202)
    path = place.headers["Location"]
    sign_in("root").request("GET", path, expect=404)
    sign_in("root").request("PATCH", path, data=b"x", expect=404)
    sign_in("alice").request("GET", path, expect=204)


def test_a_right_taken_away_is_gone_at_once(guarded, sign_in):
    """CVE-2026-35172: a cached manifest outliving the right to it."""
    sign_in("root").push_image("dev/app", image(), "v1")
    assert status(guarded, "GET", "/v2/dev/app/manifests/v1", auth=("bob", PEOPLE["bob"])) == 200
    guarded.config["policy"] = [r for r in POLICY if r["subjects"] != ["user:bob"]]
    guarded.write_config()
    guarded.signal(signal.SIGHUP)
    until(lambda: status(guarded, "GET", "/v2/dev/app/manifests/v1",
                         auth=("bob", PEOPLE["bob"])) == 404)


def test_guessing_passwords_is_locked_out(new_registry, work):
    path = htpasswd(work / "htpasswd", PEOPLE)
    registry = new_registry(
        config={"auth": {"htpasswd": {"file": path}, "lock_after": 3}}).start()
    for _ in range(3):
        assert status(registry, "GET", "/v2/", auth=("alice", "wrong")) == 401
    locked = requests.get(f"{registry.url}/v2/", auth=("alice", PEOPLE["alice"]), timeout=30)
    assert locked.status_code == 429 and int(locked.headers["Retry-After"]) > 0
    assert status(registry, "GET", "/v2/", auth=("bob", PEOPLE["bob"])) == 200


@pytest.mark.parametrize("sign_in_with", ["basic", "bearer", "token"])
def test_failed_sign_ins_of_an_address_are_limited(new_registry, work, sign_in_with):
    """Of any user, so that trying one password on many is no way around the lock of one."""
    path = htpasswd(work / "htpasswd", PEOPLE)
    registry = new_registry(config={
        "auth": {"htpasswd": {"file": path}, "lock_after": 1000},
        "limits": {"rate": {"failures": 3}}}).start()

    def attempt(n):
        url = f"{registry.url}/auth/token" if sign_in_with == "token" else f"{registry.url}/v2/"
        if sign_in_with == "bearer":
            return requests.get(url, headers={"Authorization": f"Bearer wrong{n}"}, timeout=30)
        return requests.get(url, auth=(f"user{n}", "wrong"), timeout=30)

    known = {"url": f"{registry.url}/v2/", "auth": ("bob", PEOPLE["bob"]), "timeout": 30}
    assert requests.get(**known).status_code == 200
    assert [attempt(n).status_code for n in range(3)] == [401] * 3
    refused = attempt(3)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 20
    assert refused.headers["RateLimit-Limit"] == "3"
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert requests.get(**known).status_code == 200, "who was let in before is still"


def test_more_requests_than_allowed_are_told_to_wait(new_registry):
    registry = new_registry(
        config={"limits": {"rate": {"address": 1, "address_burst": 5}}}).start()
    answers = [requests.get(f"{registry.url}/v2/", timeout=30) for _ in range(12)]
    refused = [a for a in answers if a.status_code == 429]
    assert refused and all(int(a.headers["Retry-After"]) >= 1 for a in refused)
    assert all("RateLimit-Remaining" in a.headers for a in answers)


def test_a_namespace_holds_no_more_than_its_quota(new_registry):
    registry = new_registry(
        config={"quotas": [{"namespace": "team", "bytes": "100KiB", "tags": 2}]}).start()
    with Client(registry.url) as client:
        client.push_blob("team/a", b"a" * 60_000)
        upload = client.start_upload("team/b")
        data = b"b" * 60_000
        client.finish(upload, digest_of(data), data, expect=403)
        client.push_blob("other/b", data)  # elsewhere there is room
        small = image(layers=1, layer_size=100)
        client.push_image("team/a", small, "one")
        client.push_image("team/a", small, "two")
        client.push_manifest("team/a", "three", small, expect=403)


def test_who_did_what_is_in_the_audit_trail(guarded, sign_in):
    sign_in("alice").push_image("dev/app", image(), "v1")
    sign_in("bob").request("POST", "/v2/dev/app/blobs/uploads/", expect=403)

    def entries():
        with sqlite3.connect(guarded.root / "registry.db", timeout=60) as database:
            return set(database.execute("SELECT actor, action, target, result FROM audit"))

    until(lambda: ("user:alice", "push", "dev/app:v1", "ok") in entries())
    until(lambda: any(e[0] == "user:bob" and e[3] == "denied" for e in entries()))


def test_no_secret_is_in_the_log(guarded, sign_in):
    """CVE-2025-48374."""
    sign_in("alice").request("GET", "/v2/")
    answer = token(guarded, "repository:dev/app:pull", ("alice", PEOPLE["alice"]),
                   offline_token="true")
    assert status(guarded, "GET", "/v2/", headers=bearer(answer["token"])) == 200
    status(guarded, "GET", "/v2/", auth=("alice", "gUess-1234"))
    until(lambda: '"status":401' in guarded.log)
    for secret in (PEOPLE["alice"], answer["token"], answer["refresh_token"], "gUess-1234",
                   base64.b64encode(f"alice:{PEOPLE['alice']}".encode()).decode()):
        assert secret not in guarded.log


def test_without_a_policy_those_who_signed_in_pull_and_push_and_delete_nothing(new_registry, work):
    path = htpasswd(work / "htpasswd", PEOPLE)
    registry = new_registry(config={
        "auth": {"htpasswd": {"file": path}, "admins": ["user:root"]}}).start()
    with Client(registry.url, auth=("alice", PEOPLE["alice"])) as alice:
        alice.push_image("any/app", image(), "v1")
        alice.delete_manifest("any/app", "v1", expect=403)
    with Client(registry.url, auth=("root", PEOPLE["root"])) as root:
        root.delete_manifest("any/app", "v1")


@pytest.mark.parametrize("content, says", [
    ("alice:plain\n", "line 1: has a hash that is not bcrypt"),
    ("no colon\n", "line 1: is not NAME:HASH"),
    (None, "No such file or directory"),
], ids=["plain text", "garbage", "missing"])
def test_an_htpasswd_file_that_is_no_good_is_refused_at_start(new_registry, work, content, says):
    path = work / "htpasswd"
    if content:
        path.write_text(content)
    registry = new_registry(config={"auth": {"htpasswd": {"file": str(path)}}})
    registry.spawn()
    assert registry.wait() == 1
    assert f"htpasswd file '{path}'" in registry.log
    assert says in registry.log


def test_an_htpasswd_file_that_goes_bad_is_told_in_the_log_and_changes_nothing(guarded, sign_in, work):
    path = work / "htpasswd"
    path.write_text("bob:plain\n")
    until(lambda: "line 1: has a hash that is not bcrypt" in guarded.log)
    sign_in("bob").request("GET", "/v2/", 200)
    path.unlink()
    until(lambda: "No such file or directory" in guarded.log)
    sign_in("bob").request("GET", "/v2/", 200)
    htpasswd(path, {"bob": "another-Word3"})
    until(lambda: status(guarded, "GET", "/v2/", auth=("bob", "another-Word3")) == 200)


def test_the_reference_registrys_configuration_of_htpasswd_means_the_same(new_registry, work):
    path = htpasswd(work / "htpasswd", PEOPLE)
    registry = new_registry(
        config={"auth": {"htpasswd": {"realm": "Somewhere", "path": path}}}).start()
    assert status(registry, "GET", "/v2/", auth=("alice", PEOPLE["alice"])) == 200


def test_without_authentication_only_loopback_is_listened_on(registry_binary, work):
    config = work / "c.yaml"
    config.write_text('http: {listen: [":0"]}\n')
    done = subprocess.run([registry_binary, "config", "check", config], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 1 and "auth" in done.stderr
