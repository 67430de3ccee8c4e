"""Signing in with OpenID Connect at a certified provider, as a browser does it."""

from urllib.parse import parse_qs, urlsplit

import pytest
from browser import Browser
from helpers import tar_layer
from openid import SECRET, Provider, at_provider
from test_sessions import cookie_of
from test_users import PASSWORD, Accounts
from waiting import until

POLICY = [
    {"subjects": ["group:dev"], "actions": ["pull", "push"], "repositories": ["dev/**"]},
    {"subjects": ["group:admins"], "actions": ["*"], "repositories": ["**"]},
]


class Setting:
    """A registry, the provider that it trusts, and the browsers of some people."""

    def __init__(self, new_registry, work):
        self.work = work
        self.provider = Provider(work / "provider")
        (work / "secret").write_text(SECRET + "\n")
        self.registry = new_registry(config={
            "policy": POLICY,
            "auth": {"oidc": {"issuer": self.provider.issuer, "client_id": "registry",
                              "client_secret_file": str(work / "secret")}}})
        self.callback = f"{self.registry.url}/auth/oidc/callback"
        self.browsers = []
        self.provider.set_person("alice", groups=["dev"])

    def start(self, *, client=None, oidc=None, **settings):
        self.registry.config["auth"]["oidc"].update(oidc or {})
        self.provider.add_client("registry", self.callback, **(client or {}))
        self.provider.start(**settings)
        self.registry.start()
        return self

    def browser(self):
        self.browsers.append(Browser(self.registry))
        return self.browsers[-1]

    def done(self):
        for browser in self.browsers:
            browser.session.close()
        self.provider.stop()

    def leave(self, browser, query=""):
        """The browser is sent to the provider; returns where."""
        answer = browser.get(f"/auth/oidc/login{query}")
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def come_back(self, browser, place, login="alice"):
        """It signs in there; returns the address that it is sent back to, not yet visited."""
        return at_provider(browser, place, login, self.callback)

    def sign_in(self, browser, login="alice", query=""):
        """All of it; returns the last answer."""
        return browser.get(self.come_back(browser, self.leave(browser, query), login))


@pytest.fixture
def setting(new_registry, work):
    setting = Setting(new_registry, work)
    yield setting
    setting.done()


@pytest.mark.sanitize
def test_a_person_signs_in_and_has_the_rights_of_her_groups(setting):
    browser = setting.start().browser()
    answer = setting.sign_in(browser, query="?return_to=/repositories?q%3Dx")
    assert answer.status_code == 302 and answer.headers["Location"] == "/repositories?q=x"
    who = browser.who()
    assert (who["subject"], who["provider"]) == ("user:alice", "oidc")
    assert who["groups"] == ["dev"] and who["admin"] is False
    assert browser.request("POST", "/v2/dev/app/blobs/uploads/").status_code == 202
    assert browser.request("POST", "/v2/prod/app/blobs/uploads/").status_code == 403
    browser.sign_out()
    assert browser.who() is None


def test_without_a_place_to_return_to_it_is_the_front_page(setting):
    assert setting.sign_in(setting.start().browser()).headers["Location"] == "/"


def test_below_a_prefix_one_returns_to_a_place_below_it(setting):
    setting.registry.config["http"]["prefix"] = "/registry/"
    setting.callback = f"{setting.registry.url}/registry/auth/oidc/callback"
    browser, login = setting.start().browser(), "/registry/auth/oidc/login"
    for query, place in (("", "/registry/"), ("?return_to=/registry/x", "/registry/x")):
        provider = browser.get(login + query).headers["Location"]
        assert browser.get(setting.come_back(browser, provider)).headers["Location"] == place
    for place in ("/", "/other/", "/registry/auth/oidc/login"):
        assert browser.get(f"{login}?return_to={place}").status_code == 400


def test_the_request_to_the_provider_is_as_the_standard_wants(setting):
    browser = setting.start().browser()
    asked = parse_qs(urlsplit(setting.leave(browser)).query)
    assert asked["response_type"] == ["code"] and asked["client_id"] == ["registry"]
    assert asked["redirect_uri"] == [setting.callback]
    assert "openid" in asked["scope"][0].split()
    assert asked["code_challenge_method"] == ["S256"] and len(asked["code_challenge"][0]) == 43
    assert len(asked["state"][0]) == 64 and len(asked["nonce"][0]) == 64
    again = parse_qs(urlsplit(setting.leave(browser)).query)
    for fresh in ("state", "nonce", "code_challenge"):
        assert again[fresh] != asked[fresh]


def test_the_cookies_are_out_of_reach(setting):
    browser = setting.start().browser()
    left = browser.get("/auth/oidc/login")
    assert {"httponly", "samesite=lax", "path=/"} <= cookie_of(left, "registry-sign-in")
    state = parse_qs(urlsplit(left.headers["Location"]).query)["state"][0]
    assert state not in browser.session.cookies["registry-sign-in"]
    back = browser.get(setting.come_back(browser, left.headers["Location"]))
    assert {"httponly", "samesite=strict", "path=/"} <= cookie_of(back)
    assert "registry-sign-in" not in browser.session.cookies


@pytest.mark.parametrize("client, settings", [
    ({"token_endpoint_auth_method": "client_secret_basic", "id_token_signed_response_alg": "RS256"}, {}),
    ({}, {"claims_in_userinfo_only": True}),
], ids=["signed-with-rsa", "claims-in-userinfo"])
def test_providers_differ(setting, client, settings):
    browser = setting.start(client=client, **settings).browser()
    setting.sign_in(browser)
    assert browser.who()["groups"] == ["dev"]


def test_a_public_client_has_no_secret(setting):
    browser = setting.start(client={"client_secret": None, "token_endpoint_auth_method": "none"},
                            oidc={"client_secret_file": ""}).browser()
    setting.sign_in(browser)
    assert browser.who()["name"] == "alice"


def test_a_wrong_client_secret_is_told_and_logged_and_nobody_gets_in(setting):
    browser = setting.start().browser()
    (setting.work / "secret").write_text("another secret\n")
    assert setting.sign_in(browser).status_code == 503
    assert browser.who() is None
    until(lambda: "invalid_client" in setting.registry.log)


def test_another_state_than_that_of_the_browser_is_refused(setting):
    browser = setting.start().browser()
    back = setting.come_back(browser, setting.leave(browser))
    state = parse_qs(urlsplit(back).query)["state"][0]
    answer = browser.get(back.replace(state, "0" * 64))
    assert answer.status_code == 400 and "start again" in answer.text
    assert browser.who() is None


def test_a_sign_in_that_another_browser_began_is_refused(setting):
    """Login CSRF: somebody makes a victim's browser end their own sign-in."""
    setting.start()
    attacker, victim = setting.browser(), setting.browser()
    back = setting.come_back(attacker, setting.leave(attacker))
    assert victim.get(back).status_code == 400  # has begun nothing
    setting.leave(victim)
    assert victim.get(back).status_code == 400  # has begun another one
    assert victim.who() is None


def test_an_answer_is_good_for_once(setting):
    browser = setting.start().browser()
    place = setting.leave(browser)
    begun = browser.session.cookies["registry-sign-in"]
    back = setting.come_back(browser, place)
    assert browser.get(back).status_code == 302
    assert browser.who()["name"] == "alice"
    browser.sign_out()
    assert browser.get(back).status_code == 400  # the browser has forgotten what it began
    browser.session.cookies.set("registry-sign-in", begun)
    again = browser.get(back)  # and the provider takes no code twice
    assert again.status_code == 400 and "used before" in again.text
    assert browser.who() is None


def test_wrong_codes_of_an_address_are_limited(setting):
    """Each of them would be asked of the provider, and what one browser began is good for many."""
    setting.registry.config["limits"] = {"rate": {"failures": 3}}
    browser = setting.start().browser()
    place = setting.leave(browser)
    begun = browser.session.cookies["registry-sign-in"]
    given = parse_qs(urlsplit(setting.come_back(browser, place)).query)

    def attempt(code):
        browser.session.cookies.clear()
        browser.session.cookies.set("registry-sign-in", begun)
        return browser.get(f"{setting.callback}?code={code}&state={given['state'][0]}"
                           f"&iss={given['iss'][0]}")

    assert [attempt(f"guess{n}").status_code for n in range(3)] == [400] * 3
    limited = attempt(given["code"][0])
    assert limited.status_code == 429 and 1 <= int(limited.headers["Retry-After"]) <= 20
    assert browser.who() is None
    assert browser.sign_in("nobody", "wrong").status_code == 401  # passwords are for themselves


def test_a_code_of_another_sign_in_is_refused(setting):
    """PKCE: a code that was stolen is of no use without what the browser keeps."""
    setting.start()
    victim, thief = setting.browser(), setting.browser()
    stolen = parse_qs(urlsplit(setting.come_back(victim, setting.leave(victim))).query)["code"][0]
    own = parse_qs(urlsplit(setting.come_back(thief, setting.leave(thief))).query)
    answer = thief.get(f"{setting.callback}?code={stolen}&state={own['state'][0]}&iss={own['iss'][0]}")
    assert answer.status_code == 400 and thief.who() is None


def test_a_token_with_another_nonce_is_refused(setting):
    browser = setting.start(nonce="of-another-sign-in").browser()
    answer = setting.sign_in(browser)
    assert answer.status_code == 403 and "not of this sign-in" in answer.text
    assert browser.who() is None


@pytest.mark.parametrize("issuer", ["https://evil.example", None])
def test_an_answer_of_another_provider_is_refused(setting, issuer):
    """Mix-up: this provider names itself in its answers (RFC 9207)."""
    browser = setting.start().browser()
    given = parse_qs(urlsplit(setting.come_back(browser, setting.leave(browser))).query)
    back = f"{setting.callback}?code={given['code'][0]}&state={given['state'][0]}"
    answer = browser.get(back + (f"&iss={issuer}" if issuer else ""))
    assert answer.status_code == 403 and browser.who() is None


def test_a_cookie_of_our_own_making_is_none(setting):
    browser = setting.start().browser()
    back = setting.come_back(browser, setting.leave(browser))
    good = browser.session.cookies["registry-sign-in"]
    for bad in ("", "0", good[:-2], "0" * len(good), good[:-1] + ("0" if good[-1] != "0" else "1")):
        browser.session.cookies.set("registry-sign-in", bad)
        assert browser.get(back).status_code == 400
        browser.session.cookies.clear()
    assert browser.who() is None


@pytest.mark.parametrize("place", [
    "https://evil.example/", "//evil.example/", "/%5Cevil.example", "%5C%5Cevil.example", "evil",
    "/%09/evil.example", "/%0d%0aSet-Cookie:x=y", "javascript:alert(1)", "", "/auth/oidc/login",
    "/" + "x" * 600, "/.//evil.example", "/a/..//evil.example", "/%252e%252E//evil.example", "///",
    "/./auth/oidc/login", "/%00", "/%E2%80%A8/evil.example",
])
def test_nobody_is_sent_elsewhere(setting, place):
    browser = setting.start().browser()
    answer = browser.get(f"/auth/oidc/login?return_to={place}")
    assert answer.status_code == 400 and "Location" not in answer.headers
    assert not browser.session.cookies


def test_what_the_provider_refuses_is_told_and_not_as_markup(setting):
    browser = setting.start().browser()
    state = parse_qs(urlsplit(setting.leave(browser)).query)["state"][0]
    answer = browser.get(f"{setting.callback}?error=access_denied&state={state}")
    assert answer.status_code == 403 and "refused: access_denied" in answer.text
    state = parse_qs(urlsplit(setting.leave(browser)).query)["state"][0]
    answer = browser.get(f"{setting.callback}?error=%3Cscript%3E&state={state}"
                         "&error_description=%3Cscript%3E")
    assert answer.status_code == 403 and "script" not in answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_provider_that_is_away_is_told_and_comes_back(setting):
    browser = setting.start().browser()
    setting.provider.stop()
    answer = browser.get("/auth/oidc/login")
    assert answer.status_code == 503 and "can't be reached" in answer.text
    assert setting.provider.issuer not in answer.text
    setting.provider.start()
    until(lambda: browser.get("/auth/oidc/login").status_code == 302)
    assert setting.sign_in(browser).status_code == 302


def test_groups_are_those_of_the_last_sign_in_in_every_session(setting):
    """CVE-2025-23208: a group that was taken away."""
    setting.start()
    first, second = setting.browser(), setting.browser()
    setting.sign_in(first)
    setting.provider.set_person("alice", groups=["qa"])
    setting.sign_in(second)
    assert first.who()["groups"] == second.who()["groups"] == ["qa"]
    assert first.request("POST", "/v2/dev/app/blobs/uploads/").status_code == 403


def test_a_name_that_another_person_has_now_ends_the_sessions_of_the_former(setting):
    setting.start()
    former, now = setting.browser(), setting.browser()
    setting.sign_in(former)
    setting.provider.set_person("alice2", preferred_username="alice", groups=["admins"])
    setting.sign_in(now, "alice2")
    assert now.who()["groups"] == ["admins"]
    assert former.who() is None


def test_nobody_takes_the_name_of_a_local_user(setting):
    accounts = Accounts(setting.registry)
    accounts.add("root", "--admin")
    setting.provider.set_person("root", groups=["dev"])
    browser = setting.start().browser()
    answer = setting.sign_in(browser, "root")
    assert answer.status_code == 403 and "a user of that name" in answer.text
    assert browser.who() is None
    assert browser.sign_in("root", PASSWORD).status_code == 200  # with the password still


def test_what_a_person_has_ends_when_a_user_of_that_name_is_made(setting):
    accounts = Accounts(setting.registry)
    browser = setting.start().browser()
    setting.sign_in(browser)
    assert browser.who()["name"] == "alice"
    accounts.add("alice")
    assert browser.who() is None


def test_without_the_provider_its_people_have_neither_sessions_nor_tokens(setting):
    browser = setting.start().browser()
    setting.sign_in(browser)
    browser.who()
    made = browser.request("POST", "/api/v1/tokens", json={"description": "laptop"})
    assert made.status_code == 201, made.text
    secret = made.json()["token"]
    assert browser.get("/v2/", auth=("alice", secret)).status_code == 200
    setting.registry.stop()
    del setting.registry.config["auth"]["oidc"]
    setting.registry.config["auth"]["mode"] = "local"
    setting.registry.start()
    assert browser.get("/v2/", auth=("alice", secret)).status_code == 401
    assert browser.who() is None


def test_what_is_no_name_is_refused(setting):
    setting.provider.set_person("odd", preferred_username="no name <x>")
    browser = setting.start().browser()
    answer = setting.sign_in(browser, "odd")
    assert answer.status_code == 403 and "preferred_username" in answer.text


def test_a_person_makes_a_token_for_docker(setting, docker, containers):
    browser = setting.start().browser()
    setting.sign_in(browser)
    browser.who()
    made = browser.request("POST", "/api/v1/tokens", json={"description": "laptop"})
    assert made.status_code == 201, made.text
    secret, address = made.json()["token"], setting.registry.address
    try:
        assert "Login Succeeded" in docker("login", address, "-u", "alice", "--password-stdin",
                                           input=secret)
        docker.import_tar(tar_layer({"hello": b"from alice"}), f"{address}/dev/app:v1")
        assert "digest: sha256:" in docker("push", f"{address}/dev/app:v1")
        docker.remove(f"{address}/dev/app:v1")
        docker("pull", f"{address}/dev/app:v1")
        docker.remove(f"{address}/dev/app:v1")
    finally:
        docker("logout", address)
    containers.podman("login", "--tls-verify=false", address, "-u", "alice", "-p", secret)
    containers.podman("pull", f"{address}/dev/app:v1")
    containers.skopeo("inspect", "--creds", f"alice:{secret}", f"docker://{address}/dev/app:v1")
    # its rights are those of the groups of the latest sign-in
    setting.provider.set_person("alice", groups=["qa"])
    setting.sign_in(setting.browser())
    until(lambda: browser.get("/v2/dev/app/tags/list", auth=("alice", secret)).status_code == 404)
    # and another person of that name does not get it
    setting.provider.set_person("alice2", preferred_username="alice", groups=["dev"])
    setting.sign_in(setting.browser(), "alice2")
    until(lambda: browser.get("/v2/", auth=("alice", secret)).status_code == 401)


def test_an_address_is_a_name_once_it_is_verified(setting):
    setting.provider.set_person("alice", email="alice@example.org", email_verified=True)
    setting.provider.set_person("mallory", email="root@example.org", email_verified=False)
    setting.start(oidc={"username_claim": "email"})
    alice, mallory = setting.browser(), setting.browser()
    setting.sign_in(alice)
    assert alice.who()["name"] == "alice@example.org"
    assert setting.sign_in(mallory, "mallory").status_code == 403


def test_an_answer_of_a_provider_in_another_time_is_refused(setting):
    browser = setting.start(clock_offset_s=7200).browser()
    answer = setting.sign_in(browser)
    assert answer.status_code == 403 and "in the future" in answer.text


@pytest.mark.parametrize("title", ["", 'The "Example" people'])
def test_a_page_learns_where_people_sign_in(setting, title):
    browser = setting.start(oidc={"title": title}).browser()
    told = browser.get("/api/v1/session/methods").json()
    shown = title or setting.provider.issuer.removeprefix("http://")
    assert told["oidc"] == {"title": shown, "start": "/auth/oidc/login"}
    assert browser.get(told["oidc"]["start"]).status_code == 302


def test_where_no_provider_is_configured_there_is_no_sign_in(new_registry):
    registry = new_registry(config={"auth": {"mode": "local"}}).start()
    with Browser(registry) as browser:
        for path in ("/auth/oidc/login", "/auth/oidc/callback?code=x&state=y"):
            assert browser.get(path).status_code == 404


def test_no_secret_of_a_sign_in_is_logged(setting):
    browser = setting.start().browser()
    back = setting.come_back(browser, setting.leave(browser))
    begun = browser.session.cookies["registry-sign-in"]
    browser.get(back)
    given = parse_qs(urlsplit(back).query)
    secrets = [given["code"][0], given["state"][0], begun, SECRET,
               browser.session.cookies["registry-session"]]
    setting.registry.stop()
    assert not any(s in setting.registry.log for s in secrets)
