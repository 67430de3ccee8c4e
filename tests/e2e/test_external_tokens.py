"""Tokens of other issuers: what a CI system gives its jobs is shown as it is, or as a password.

They are those of a certified provider; the claims are as GitLab, GitHub and Kubernetes make them.
"""

import base64
import json

import pytest
import requests
from helpers import Client, image
from openid import Provider
from test_rights import bearer, htpasswd, status, token
from waiting import until

AUDIENCE = "urn:registry"
POLICY = [
    {"subjects": ["user:gitlab:dev/app"], "actions": ["pull", "push", "overwrite"],
     "repositories": ["dev/**"]},
    {"subjects": ["group:k8s:puller"], "actions": ["pull"], "repositories": ["dev/**"]},
]


class Setting:
    """A provider with three machines, and a registry that believes it."""

    def __init__(self, new_registry, work, **external):
        self.provider = Provider(work / "provider")
        self.provider.add_machine("gitlab", project_path="dev/app", ref_protected="true")
        self.provider.add_machine("fork", project_path="dev/app", ref_protected="false")
        self.provider.add_machine("kubernetes", project_path="pod", ref_protected="true",
                                  groups=["puller", "with blank", 7])
        self.registry = new_registry(config={"policy": POLICY, "auth": {
            "htpasswd": {"file": htpasswd(work / "htpasswd", {"alice": "wonder-Land9"})},
            "external": [{
                "name": "ci", "issuer": self.provider.issuer, "audience": [AUDIENCE, "other"],
                "algorithms": ["ES256"], "username_claim": "project_path",
                "username_prefix": "gitlab:", "groups_claim": "groups", "groups_prefix": "k8s:",
                "required_claims": ["ref_protected=true"], **external}]}})

    def start(self, **settings):
        self.provider.start(**settings)
        self.registry.start()
        return self

    def token(self, machine="gitlab", **more):
        return self.provider.token(machine, **more)

    def status(self, token):
        return status(self.registry, "GET", "/v2/", headers=bearer(token))


@pytest.fixture
def setting(new_registry, work):
    setting = Setting(new_registry, work)
    yield setting
    setting.provider.stop()


def parts(token):
    return [json.loads(base64.urlsafe_b64decode(p + "=" * (-len(p) % 4)))
            for p in token.split(".")[:2]]


def joined(*documents, signature=""):
    encoded = [base64.urlsafe_b64encode(json.dumps(d).encode()).rstrip(b"=").decode()
               for d in documents]
    return ".".join([*encoded, signature])


@pytest.mark.sanitize
def test_a_job_pushes_with_its_token(setting):
    setting.start()
    with Client(setting.registry.url, headers=bearer(setting.token())) as job:
        job.push_image("dev/app", image(), "v1")
        job.request("POST", "/v2/prod/app/blobs/uploads/", expect=403)
        assert job.request("GET", "/api/v1/session").json()["subject"] == "user:gitlab:dev/app"


def test_groups_of_the_token_are_those_of_policies(setting):
    setting.start()
    with Client(setting.registry.url, headers=bearer(setting.token())) as job:
        job.push_image("dev/app", image(), "v1")
    with Client(setting.registry.url, headers=bearer(setting.token("kubernetes"))) as pod:
        assert pod.tags("dev/app") == ["v1"]
        pod.request("POST", "/v2/dev/app/blobs/uploads/", expect=403)
        assert pod.request("GET", "/api/v1/session").json()["groups"] == ["k8s:puller"]


def test_the_token_service_gives_no_more_than_the_token_allows(setting):
    setting.start()
    answer = token(setting.registry, "repository:dev/app:pull,push repository:prod/app:pull",
                   ("ci", setting.token()))
    access = parts(answer["token"])[1]["access"]
    assert [a["name"] for a in access] == ["dev/app"]


def test_another_audience_is_refused(setting):
    setting.start()
    assert setting.status(setting.token()) == 200
    assert setting.status(setting.token(audience="another")) == 401


def test_a_claim_that_is_required_is_required(setting):
    setting.start()
    assert setting.status(setting.token("fork")) == 401


@pytest.mark.parametrize("offset_s", [-7200, 7200], ids=["expired", "of-the-future"])
def test_a_token_of_another_time_is_refused(setting, offset_s):
    setting.start(clock_offset_s=offset_s)
    assert setting.status(setting.token()) == 401


def test_a_token_does_not_choose_how_it_is_checked(setting):
    setting.start()
    good = setting.token()
    assert setting.status(good) == 200
    header, claims = parts(good)
    signature = good.split(".")[2]
    own = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}
    for forged in (
        joined({**header, "alg": "none"}, claims),
        joined({"alg": "none"}, claims),
        joined({**header, "alg": "HS256"}, claims, signature=signature),
        joined({**header, "alg": "RS256"}, claims, signature=signature),
        joined({**header, "jwk": own}, claims, signature=signature),
        joined({**header, "jku": setting.provider.issuer + "/jwks"}, claims, signature=signature),
        joined(header, {**claims, "project_path": "root"}, signature=signature),
        joined({**header, "kid": "../../etc/passwd"}, claims, signature=signature),
    ):
        assert setting.status(forged) == 401


def test_an_issuer_that_nobody_configured_is_not_asked(setting, work):
    setting.start()
    other = Provider(work / "other")
    other.add_machine("gitlab", project_path="dev/app", ref_protected="true")
    other.start()
    try:
        assert setting.status(other.token("gitlab")) == 401
    finally:
        other.stop()


def test_another_key_of_the_issuer_is_found_at_once(setting):
    """The key is rotated while its tokens are in use."""
    setting.start()
    before = setting.token()
    assert setting.status(before) == 200
    keys = setting.provider.new_keys()
    setting.provider.restart(jwks={"keys": keys + setting.provider.settings["jwks"]["keys"]})
    after = setting.token()
    assert parts(after)[0]["kid"] != parts(before)[0]["kid"]
    assert setting.status(after) == 200
    assert setting.status(setting.token("kubernetes")) == 200
    assert setting.status(before) == 200  # published still


def test_tokens_go_on_while_the_issuer_is_away(setting):
    setting.start()
    first, second = setting.token(), setting.token("kubernetes")
    assert setting.status(first) == 200
    setting.provider.stop()
    assert setting.status(second) == 200  # was never shown before: checked with the keys at hand


def test_without_any_keys_the_registry_says_that_it_can_not_tell(setting):
    setting.start()
    early = setting.token()
    setting.provider.stop()
    answer = requests.get(f"{setting.registry.url}/v2/", headers=bearer(early), timeout=30)
    assert answer.status_code == 503
    setting.provider.start()
    until(lambda: setting.status(early) == 200)


def test_who_has_a_password_is_not_kept_out_by_it(setting):
    setting.start()
    setting.provider.stop()
    alice = ("alice", "wonder-Land9")
    assert status(setting.registry, "GET", "/v2/", auth=alice) == 200


def test_tokens_are_not_logged(setting):
    setting.start()
    secret = setting.token()
    setting.status(secret)
    status(setting.registry, "GET", "/v2/", auth=("ci", secret))
    setting.registry.stop()
    assert secret not in setting.registry.log and secret.split(".")[2] not in setting.registry.log
