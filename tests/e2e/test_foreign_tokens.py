"""Tokens of a token service that is not the registry's: auth.token as in the reference registry."""

import base64
import json
import shutil
import time

import pytest
from accounts import htpasswd
from archives import docker_archive
from certificates import Authority, authority
from client_command import ClientCommand
from clients import ClientFailed
from helpers import Client, image, tar_layer, write_oci_layout
from token_server import (ISSUER, SERVICE, Key, TokenServer, access, claims, jwks, unsigned,
                          with_secret, x5c)
from waiting import until

pytestmark = pytest.mark.sanitize

PEOPLE = {"alice": "wonder-Land9"}
RIGHTS = {
    "alice": {
        f"dev/{n}": ("pull", "push")
        for n in ("app", "docker", "podman", "skopeo", "crane", "regctl", "oras")
    },
    "": {"public/app": ("pull",)},
}
PULL = access("dev/app", "pull")
PUSH = access("dev/app", "pull", "push")


def put(path, text):
    """The file as a whole: nobody reads half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


class Place:
    """A registry that believes a key of `bundle` (a certificate) or of `jwks`."""

    def __init__(self, new_registry, work):
        self.new_registry, self.work = new_registry, work
        self.root = authority(work, "token-root")
        self.key = Key.of(self.root)
        self.registry = None

    def start(self, realm="http://127.0.0.1:1/token", policy=None, jwks=None, limits=None, **more):
        token = {"realm": realm, "service": SERVICE, "issuer": ISSUER, **more}
        if jwks is None:
            token["rootcertbundle"] = str(self.root)
        else:
            token["jwks"] = str(self.work / "jwks.json")
            self.put_jwks(jwks)
        config = {"auth": {"token": token}, **({"policy": policy} if policy else {}),
                  **({"limits": limits} if limits else {})}
        self.registry = self.new_registry(config=config).start()
        return self

    def put_jwks(self, text):
        put(self.work / "jwks.json", text)

    def answer(self, token=None, path="/v2/dev/app/tags/list", method="GET", **more):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with Client(self.registry.url) as c:
            return c.request(method, path, None, headers=headers, **more)

    def believes(self, token):
        """dev/app is not there: 404 is for who may see that, 401 for who is not believed."""
        answer = self.answer(token)
        assert answer.status_code in (404, 401), answer.text
        if answer.status_code == 401:
            assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        return answer.status_code == 404

    def client(self, *entries, **more):
        c = Client(self.registry.url)
        c.session.headers["Authorization"] = f"Bearer {self.key.token(claims(entries, **more))}"
        return c


@pytest.fixture
def place(new_registry, work):
    return Place(new_registry, work)


# The challenge and what a token gives


def test_who_has_no_token_is_sent_to_the_realm(place):
    answer = place.start().answer()
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="http://127.0.0.1:1/token",service="{SERVICE}",'
        'scope="repository:dev/app:pull"'
    )
    assert place.answer(path="/auth/token").status_code == 404
    assert place.answer(path="/.well-known/jwks.json").status_code == 404


def test_the_access_claim_is_the_right(place):
    made = image(seed="foreign")
    with place.start().client(PUSH) as c:
        c.request("GET", "/v2/")
        c.push_image("dev/app", made, "v1")
        c.push_image("dev/app", image(seed="moved"), "v1")
        c.push_image("dev/app", made, "v1")
        c.request("DELETE", f"/v2/dev/app/manifests/{made.digest}", 401)
    with place.client(PULL) as c:
        assert c.pull_image("dev/app", "v1") == made
    with place.client(access("dev/app", "delete")) as c:
        c.delete_manifest("dev/app", made.digest)


@pytest.mark.parametrize(
    "entries",
    [[], [access("dev/other", "pull")], [access("dev/app", "push")], [access("dev/**", "pull")],
     [access("**", "*")], [access("dev/app", "admin")], [access("dev/app", "pull", type="other")],
     [access("catalog", "*", type="registry")]],
    ids=json.dumps,
)
def test_what_is_not_in_the_access_claim_is_insufficient_scope(place, entries):
    answer = place.start().answer(place.key.token(claims(entries)))
    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert 'scope="repository:dev/app:pull"' in challenge
    assert 'error="insufficient_scope"' in challenge


def test_a_token_of_nobody_gives_what_it_says(place):
    with place.start().client(PUSH) as c:
        c.push_image("dev/app", image(), "v1")
    for nobody in ({"sub": ""}, {"sub": None}):
        with place.client(PULL, **nobody) as c:
            c.request("GET", "/v2/")
            c.pull_image("dev/app", "v1")
            c.request("POST", "/v2/dev/app/blobs/uploads/", 401)


def test_the_catalog_is_for_who_was_given_it(place):
    with place.start().client(PUSH) as c:
        c.push_image("dev/app", image(), "v1")
        c.request("GET", "/v2/_catalog", 401)
    with place.client(access("catalog", "*", type="registry")) as c:
        assert c.catalog() == ["dev/app"]


def test_the_policy_takes_away_and_gives_nothing(place):
    place.start(policy=[
        {"subjects": ["user:alice"], "actions": ["*"], "repositories": ["**"]},
        {"subjects": ["*"], "effect": "deny", "actions": ["overwrite"], "repositories": ["dev/**"],
         "tags": ["v*"]},
    ])
    with place.client(PUSH) as c:
        c.push_image("dev/app", image(), "v1")
        other = image(seed="other")
        c.push_image("dev/app", other, "latest")
        c.push_manifest("dev/app", "v1", other, (401, 403))
        c.request("POST", "/v2/prod/app/blobs/uploads/", 401)


def test_a_mount_needs_the_right_to_pull_from_its_source(place):
    made = image()
    with place.start().client(PUSH) as c:
        c.push_image("dev/app", made, "v1")
    blob = next(iter(made.blobs))
    with place.client(access("dev/copy", "pull", "push")) as c:
        assert not c.mount("dev/copy", blob, "dev/app")
    with place.client(access("dev/copy", "pull", "push"), PULL) as c:
        assert c.mount("dev/copy", blob, "dev/app")


# What is believed


def test_a_key_of_the_bundle_is_known_by_either_id(place):
    place.start()
    for kid in (place.key.libtrust_id(), place.key.thumbprint(), None):
        assert place.believes(place.key.token(claims([PULL]), kid=kid))
    assert not place.believes(place.key.token(claims([PULL]), kid="another"))


def test_a_certificate_that_the_bundle_vouches_for_signs(place, work):
    issuer = Authority(work, "issuer")
    between = Authority(work, "between", issuer)
    place.root = issuer.pem
    place.start()
    leaf = between.issue("/CN=signer")
    key = Key.of(leaf)
    assert place.believes(key.token(claims([PULL]), x5c=x5c(leaf, between.pem)))
    assert place.believes(key.token(claims([PULL]), kid=None, x5c=x5c(leaf, between.pem)))
    assert not place.believes(key.token(claims([PULL]), x5c=x5c(leaf)))
    assert not place.believes(key.token(claims([PULL])))


def test_a_certificate_of_another_authority_does_not_sign(place, work):
    stranger = Authority(work, "stranger")
    leaf = stranger.issue("/CN=token-root")
    key = Key.of(leaf)
    place.start()
    for chain in (x5c(leaf), x5c(leaf, stranger.pem), x5c(leaf, place.root), x5c(stranger.pem),
                  [], ["!"], "text", x5c(place.root)):
        assert not place.believes(key.token(claims([PULL]), x5c=chain))
        assert not place.believes(key.token(claims([PULL]), kid=place.key.kid, x5c=chain))


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_a_key_of_the_jwks_signs(place, kind):
    key = Key(kid="one", kind=kind)
    place.start(jwks=jwks(key))
    assert place.believes(key.token(claims([PULL])))
    assert not place.believes(key.token(claims([PULL]), kid="two"))
    assert not place.believes(Key(kid="one", kind=kind).token(claims([PULL])))


def test_keys_are_rotated_without_a_restart(place):
    old, new = Key(kid="old"), Key(kid="new")
    place.start(jwks=jwks(old))
    assert place.believes(old.token(claims([PULL])))
    assert not place.believes(new.token(claims([PULL])))
    place.put_jwks(jwks(old, new))
    until(lambda: place.believes(new.token(claims([PULL]))))
    token = old.token(claims([PULL]))
    assert place.believes(token)
    place.put_jwks(jwks(new))
    until(lambda: not place.believes(token))  # though the answer was remembered
    assert place.believes(new.token(claims([PULL])))


def test_a_bundle_is_replaced_without_a_restart(place, work):
    place.start()
    assert place.believes(place.key.token(claims([PULL])))
    fresh = authority(work, "fresh")
    shutil.copy(fresh, work / "moved.pem")
    (work / "moved.pem").rename(place.root)
    until(lambda: place.believes(Key.of(fresh).token(claims([PULL]))))
    assert not place.believes(place.key.token(claims([PULL])))


@pytest.mark.parametrize("broken, reason", [
    ("no json", "jwks.json': not JSON: line 1, column 2"),
    ('{"keys":[]}', "jwks.json' has no key for tokens"),
    ('{"keys":[{"kty":"oct","k":"AAAA","kid":"one"}]}', "jwks.json' has no key for tokens"),
    (None, "jwks.json': open"),
], ids=["no JSON", "no keys", "no key for tokens", "no file"])
def test_keys_that_cannot_be_read_leave_the_earlier_ones_in_use(place, work, broken, reason):
    key = Key(kid="one")
    place.start(jwks=jwks(key))
    if broken:
        place.put_jwks(broken)
    else:
        (work / "jwks.json").unlink()
    until(lambda: reason in place.registry.log)
    assert "file not reloaded; its earlier content stays in use" in place.registry.log
    assert place.believes(key.token(claims([PULL])))


def test_a_half_written_bundle_leaves_the_earlier_one_in_use(place):
    place.start()
    whole = place.root.read_bytes()
    place.root.write_bytes(whole + whole[:200])
    until(lambda: "token-root.pem': it is cut off or damaged" in place.registry.log)
    assert place.believes(place.key.token(claims([PULL])))


def test_each_of_several_bad_files_is_told_of_once(new_registry, work):
    users, root = work / "htpasswd", authority(work, "token-root")
    htpasswd(users, PEOPLE)
    registry = new_registry(config={"auth": {
        "htpasswd": {"file": str(users)},
        "token": {"realm": "http://127.0.0.1:1/token", "service": SERVICE, "issuer": ISSUER,
                  "rootcertbundle": str(root)}}}).start()
    put(users, "alice:plain\n")
    put(root, "garbage")
    until(lambda: "line 1: has a hash that is not bcrypt" in registry.log)
    until(lambda: "it holds none in PEM form" in registry.log)
    htpasswd(users, {"alice": "another-Word3"})
    with Client(registry.url) as c:
        until(lambda: c.request("GET", "/v2/_catalog", None, auth=("alice", "another-Word3"))
              .status_code == 200)
    assert registry.log.count("file not reloaded") == 2


@pytest.mark.parametrize(
    "wrong",
    [{"aud": "other.example.org"}, {"aud": None}, {"aud": ["other"]}, {"iss": "other.example.org"},
     {"iss": None}, {"exp": 1}, {"exp": None}, {"exp": "never"}, {"nbf": 4000000000},
     {"sub": "two words"}, {"sub": "x" * 200}],
    ids=lambda w: json.dumps(w)[:30],
)
def test_a_token_with_wrong_claims_is_not_believed(place, wrong):
    assert not place.start().believes(place.key.token(claims([PULL], **wrong)))


def test_clocks_may_differ_a_little(place):
    now = int(time.time())
    assert place.start().believes(place.key.token(claims([PULL], exp=now - 20)))
    assert place.believes(place.key.token(claims([PULL], nbf=now + 30, iat=now + 30)))
    assert not place.believes(place.key.token(claims([PULL], exp=now - 90)))


def test_a_token_that_has_expired_is_no_failed_sign_in(place):
    """Many clients behind one gateway lock nobody out by what they forgot to renew."""
    place.start(limits={"rate": {"failures": 3}})
    old = place.key.token(claims([PULL], exp=int(time.time()) - 90))
    assert [place.believes(old) for _ in range(6)] == [False] * 6
    assert place.believes(place.key.token(claims([PULL])))
    forged = Key().token(claims([PULL]))
    assert [place.answer(forged).status_code for _ in range(4)] == [401, 401, 401, 429]


def test_one_of_several_audiences_is_enough(place):
    assert place.start().believes(place.key.token(claims([PULL], aud=["other", SERVICE])))


def test_a_token_without_a_signature_is_not_believed(place):
    place.start()
    good = place.key.token(claims([PULL]))
    assert not place.believes(unsigned(claims([PULL])))
    assert not place.believes(good.rpartition(".")[0] + ".")
    for algorithm in ("none", "None", "NONE", ""):
        assert not place.believes(place.key.token(claims([PULL]), alg=algorithm))


def test_a_public_key_is_no_secret(place):
    """HS256, keyed by what everybody can read."""
    place.start()
    der = base64.b64decode("".join(place.key.public_pem().decode().splitlines()[1:-1]))
    for secret in (place.key.public_pem(), der, place.root.read_bytes(), b""):
        for kid in (place.key.kid, place.key.thumbprint()):
            assert not place.believes(with_secret(claims([PULL]), secret, kid=kid))


def test_a_key_in_the_token_is_not_looked_at(place):
    """CVE-2025-24976: the token's own jwk, also under the id of a trusted key."""
    place.start()
    own = Key(kid="mine")
    url = "http://127.0.0.1:1/keys"
    for kid in (place.key.kid, place.key.thumbprint(), "mine", None):
        jwk = {**own.jwk(), "kid": kid, "x5c": x5c(place.root)}
        for header in ({"jwk": jwk}, {"jku": url}, {"x5u": url}):
            assert not place.believes(own.token(claims([PULL]), kid=kid, **header))


# The clients


@pytest.fixture
def served(place):
    server = TokenServer(place.key, PEOPLE, RIGHTS)
    place.start(realm=server.realm)
    place.server = server
    yield place
    server.stop()


def test_skopeo_signs_in_at_the_token_service(served, containers, work):
    write_oci_layout(work / "layout", image(seed="skopeo"))
    name = f"docker://{served.registry.address}/dev/skopeo:v1"
    credentials = f"alice:{PEOPLE['alice']}"
    containers.skopeo("copy", "--dest-creds", credentials, f"oci:{work / 'layout'}:latest", name)
    containers.skopeo("copy", "--src-creds", credentials, name, f"oci:{work / 'copy'}:latest")
    with pytest.raises(ClientFailed):
        containers.skopeo("inspect", name)
    with pytest.raises(ClientFailed):
        containers.skopeo("inspect", "--creds", "alice:wrong", name)
    assert all(asked["service"] == [SERVICE] for asked in served.server.asked)


def test_registry_upload_signs_in_at_the_token_service(served, work):
    upload = ClientCommand(served.registry, work, "upload")
    (upload.work / "app.tar").write_bytes(docker_archive(image(seed="upload"), ["app:v1"]))
    basic = base64.b64encode(f"alice:{PEOPLE['alice']}".encode()).decode()
    credentials = json.dumps({"auths": {served.registry.address: {"auth": basic}}})
    upload("app.tar", "dev/app:v1", "--url", served.registry.url, DOCKER_AUTH_CONFIG=credentials)
    assert served.server.asked[-1] == {"service": [SERVICE], "scope": ["repository:dev/app:pull,push"]}
    wrong = credentials.replace(basic, base64.b64encode(b"alice:wrong").decode())
    said = upload("app.tar", "dev/app:v2", "--url", served.registry.url, status=1, DOCKER_AUTH_CONFIG=wrong)
    assert "wrong user or password" in said
    assert "wants a user" in upload("app.tar", "dev/app:v2", "--url", served.registry.url, status=1)


def test_podman_signs_in_at_the_token_service(served, containers, work):
    write_oci_layout(work / "layout", image(seed="podman"))
    containers.podman("pull", f"oci:{work / 'layout'}:latest")
    identity = containers.podman("images", "-q", "--no-trunc").strip().removeprefix("sha256:")
    name = f"{served.registry.address}/dev/podman:v1"
    containers.podman("login", "--tls-verify=false", "-u", "alice", "-p", PEOPLE["alice"],
                      served.registry.address)
    containers.podman("push", identity, name)
    containers.podman("rmi", "--force", identity)
    containers.podman("pull", name)
    with pytest.raises(ClientFailed):
        containers.podman("push", identity, f"{served.registry.address}/prod/podman:v1")


def test_docker_signs_in_at_the_token_service(served, docker):
    name = f"{served.registry.address}/dev/docker:v1"
    identity = docker.import_tar(tar_layer({"hello": b"hello"}), name)
    with pytest.raises(ClientFailed):
        docker("push", name)
    with pytest.raises(ClientFailed):
        docker("login", "-u", "alice", "-p", "wrong", served.registry.address)
    docker("login", "-u", "alice", "-p", PEOPLE["alice"], served.registry.address)
    try:
        docker("push", name)
        docker.remove(name)
        docker("pull", name)
        assert docker.image_id(name) == identity
    finally:
        docker("logout", served.registry.address)
        docker.remove(name)


def test_whoever_the_token_service_lets_pull_needs_no_password(served, containers):
    with served.client(access("public/app", "push", "pull")) as c:
        c.push_image("public/app", image(), "v1")
    containers.skopeo("inspect", f"docker://{served.registry.address}/public/app:v1")
