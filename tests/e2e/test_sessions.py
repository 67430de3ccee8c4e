"""Sessions of people in a browser, signed in by name and password, and requests that other sites
make a browser send. Signing in with OpenID Connect is in test_oidc."""

import re
import signal
import sqlite3
import subprocess

import pytest
import requests
from browser import Browser
from certificates import authority, certificate
from helpers import Client, image
from server import TOP
from test_rights import PEOPLE, htpasswd
from test_users import NOTICED_S, OTHER, PASSWORD, Accounts
from documented import pattern
from waiting import until

LOCAL = {"auth": {"mode": "local"}}


@pytest.fixture
def accounts(new_registry):
    accounts = Accounts(new_registry(config=LOCAL))
    accounts.add("root", "--admin")
    accounts.add("alice", "--group", "dev")
    accounts.registry.start()
    return accounts


@pytest.fixture
def registry(accounts):
    return accounts.registry


@pytest.fixture
def browser(registry):
    with Browser(registry) as b:
        yield b


def cookie_of(answer, name="registry-session"):
    """The attributes of the cookie that the answer sets, in small letters."""
    for line in answer.raw.headers.getlist("Set-Cookie"):
        first, *attributes = [part.strip() for part in line.split(";")]
        if first.split("=")[0] == name:
            return {a.lower() for a in attributes}
    raise AssertionError(f"no cookie {name}: {answer.headers}")


@pytest.mark.sanitize
def test_who_signs_in_is_known_until_he_signs_out(browser):
    assert browser.who() is None
    assert browser.sign_in("alice", PASSWORD).status_code == 200
    who = browser.who()
    assert (who["subject"], who["name"], who["provider"]) == ("user:alice", "alice", "local")
    assert who["groups"] == ["dev"] and who["admin"] is False and who["csrf_token"]
    assert browser.get("/v2/").status_code == 200
    kept = browser.session.cookies.copy()
    browser.sign_out()
    assert not browser.session.cookies and browser.who() is None
    browser.session.cookies = kept
    assert browser.who() is None and browser.get("/v2/").status_code == 401


def test_the_session_says_who_is_an_admin(browser):
    browser.sign_in("root", PASSWORD)
    assert browser.who()["admin"] is True


def test_nobody_is_asked_by_the_browser_itself(browser):
    answer = browser.get("/api/v1/session")
    assert answer.status_code == 401 and "Basic" not in answer.headers["WWW-Authenticate"]


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(browser):
    attributes = cookie_of(browser.sign_in("alice", PASSWORD))
    assert {"httponly", "samesite=strict", "path=/"} <= attributes
    assert "secure" not in attributes and not any(a.startswith("domain") for a in attributes)


def test_over_tls_the_cookie_is_bound_to_host_and_tls(new_registry, work):
    pem = certificate(work, "tls", authority(work, "ca"))
    accounts = Accounts(new_registry(tls=True, config={
        **LOCAL, "http": {"tls": {"certificate": str(pem), "key": str(pem.with_suffix(".key"))}}}))
    accounts.add("alice")
    accounts.registry.start()
    with Browser(accounts.registry) as browser:
        answer = browser.sign_in("alice", PASSWORD)
        assert "secure" in cookie_of(answer, "__Host-registry-session")
        assert browser.who()["name"] == "alice"


def test_behind_a_proxy_that_speaks_tls_the_cookie_is_the_same(new_registry):
    accounts = Accounts(new_registry(config={
        **LOCAL, "http": {"trusted_proxies": ["127.0.0.1"]}}))
    accounts.add("alice")
    accounts.registry.start()
    with Browser(accounts.registry) as browser:
        answer = browser.request("POST", "/api/v1/session", headers={"X-Forwarded-Proto": "https"},
                                 json={"username": "alice", "password": PASSWORD})
        assert "secure" in cookie_of(answer, "__Host-registry-session")


def test_wrong_passwords_and_unknown_users_get_the_same_answer(new_registry):
    accounts = Accounts(new_registry(config={"auth": {"mode": "on", "lock_after": 1}}))
    accounts.add("alice")
    accounts.registry.start()
    with Browser(accounts.registry) as browser:
        for status in (401, 429):
            known, unknown = (browser.sign_in(name, "wrong") for name in ("alice", "nobody"))
            assert known.status_code == unknown.status_code == status
            assert re.sub(r"\d+ s", "", known.text) == re.sub(r"\d+ s", "", unknown.text)
            assert set(known.headers) == set(unknown.headers)
        assert not browser.session.cookies


def test_a_sign_in_that_is_no_json_is_refused(browser):
    form = {"username": "alice", "password": PASSWORD}
    assert browser.request("POST", "/api/v1/session", data=form).status_code == 415
    for body in ("", "[]", "{", '{"username":"alice"}', '{"username":1,"password":"x"}',
                 '{"username":"alice","username":"root","password":"x"}'):
        answer = browser.request("POST", "/api/v1/session", data=body,
                                 headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, body[:40]
    answer = browser.request("POST", "/api/v1/session", data="x" * 50_000,
                             headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_guessing_passwords_is_locked_out_here_and_for_clients_alike(new_registry):
    accounts = Accounts(new_registry(config={"auth": {"mode": "on", "lock_after": 3}}))
    accounts.add("alice")
    accounts.registry.start()
    with Browser(accounts.registry) as browser:
        for _ in range(3):
            assert browser.sign_in("alice", "wrong").status_code == 401
        locked = browser.sign_in("alice", PASSWORD)
        assert locked.status_code == 429 and int(locked.headers["Retry-After"]) > 0
    basic = requests.get(f"{accounts.registry.url}/v2/", auth=("alice", PASSWORD), timeout=30)
    assert basic.status_code == 429


class Factor:
    """The second factor of a user: the app, and the recovery codes."""

    def __init__(self, accounts, name):
        text = accounts("user", "totp", name)
        self.secret = re.search(r"secret=(\w+)", text).group(1)
        self.recovery = re.findall(r"^    (\w{4}-\w{4}-\w{4}-\w{4})$", text, re.M)

    def code(self):
        return subprocess.run(["oathtool", "--totp", "--base32", self.secret], text=True,
                              capture_output=True, check=True).stdout.strip()


def test_with_a_second_factor_the_password_alone_is_not_enough(accounts, browser):
    factor = Factor(accounts, "alice")
    asked = browser.sign_in("alice", PASSWORD)
    assert asked.status_code == 401
    assert asked.json()["errors"][0]["code"] == "TOTP_REQUIRED" and not browser.session.cookies
    # before the password is right, nobody learns that there is a second factor
    assert browser.sign_in("alice", "wrong").json()["errors"][0]["code"] == "UNAUTHORIZED"
    code = factor.code()
    assert browser.sign_in("alice", PASSWORD, totp=code).status_code == 200
    assert browser.who()["name"] == "alice"
    assert browser.sign_in("alice", PASSWORD, totp=code).status_code == 401  # once only


def test_a_recovery_code_signs_in_once(accounts, browser):
    factor = Factor(accounts, "alice")
    assert browser.sign_in("alice", PASSWORD, totp=factor.recovery[3]).status_code == 200
    assert browser.sign_in("alice", PASSWORD, totp=factor.recovery[3]).status_code == 401
    assert browser.sign_in("alice", PASSWORD, totp=factor.recovery[4]).status_code == 200


def test_guessing_codes_is_locked_out(new_registry):
    accounts = Accounts(new_registry(config={"auth": {"mode": "on", "lock_after": 3}}))
    accounts.add("alice")
    accounts.registry.start()
    factor = Factor(accounts, "alice")
    with Browser(accounts.registry) as browser:
        for _ in range(3):
            assert browser.sign_in("alice", PASSWORD, totp="abcdef").status_code == 401
        assert browser.sign_in("alice", PASSWORD, totp=factor.recovery[0]).status_code == 429


@pytest.mark.parametrize("what", ["password", "code", "old password"])
def test_failed_sign_ins_of_an_address_are_limited(new_registry, what):
    """Of any user, as for other clients."""
    accounts = Accounts(new_registry(config={
        "auth": {"mode": "on", "lock_after": 1000}, "limits": {"rate": {"failures": 3}}}))
    accounts.add("alice")
    accounts.registry.start()
    if what == "code":
        Factor(accounts, "alice")

    def attempt(n):
        if what == "password":
            return browser.sign_in(f"user{n}", "wrong")
        if what == "code":
            return browser.sign_in("alice", PASSWORD, totp=f"abc{n}")
        return browser.request("PUT", "/api/v1/users/alice/password",
                               json={"old": f"wrong{n}", "new": OTHER})

    with Browser(accounts.registry) as browser:
        if what == "old password":
            browser.sign_in("alice", PASSWORD)
        refused = 403 if what == "old password" else 401
        assert [attempt(n).status_code for n in range(3)] == [refused] * 3
        limited = attempt(3)
        assert limited.status_code == 429
        assert 1 <= int(limited.headers["Retry-After"]) <= 20
        assert limited.headers["RateLimit-Limit"] == "3"
        assert limited.headers["RateLimit-Remaining"] == "0"


def test_who_has_a_whole_network_guesses_no_more_than_others(new_registry):
    """One IPv6 client has 2^64 addresses."""
    accounts = Accounts(new_registry(config={
        "http": {"trusted_proxies": ["127.0.0.1"]}, "auth": {"mode": "on", "lock_after": 3},
        "limits": {"rate": {"failures": 5}}}))
    accounts.add("alice")
    accounts.registry.start()

    def guess(name, address):
        return browser.request("POST", "/api/v1/session", headers={"X-Forwarded-For": address},
                               json={"username": name, "password": "wrong"}).status_code

    with Browser(accounts.registry) as browser:
        assert [guess("alice", f"2001:db8:1:2::{n}") for n in range(4)] == [401] * 3 + [429]
        assert [guess(f"user{n}", f"2001:db8:1:2:{n}::") for n in range(3)] == [401] * 2 + [429]
        assert guess("alice", "2001:db8:1:3::1") == 401  # somebody else


def test_the_session_of_a_disabled_user_ends_at_once(accounts, browser):
    browser.sign_in("alice", PASSWORD)
    accounts("user", "disable", "alice")
    assert browser.get("/v2/").status_code == 401  # with the next request, not a second later


@pytest.mark.parametrize("words", [["user", "rm", "alice"],
                                   ["user", "passwd", "alice", "--password-stdin"]])
def test_a_session_does_not_outlive_what_it_was_given_for(accounts, browser, words):
    browser.sign_in("alice", PASSWORD)
    accounts(*words, password=OTHER if "passwd" in words else None)
    assert browser.who() is None


def test_a_session_does_not_outlive_the_password_in_a_file(new_registry, work):
    path = htpasswd(work / "htpasswd", PEOPLE)
    registry = new_registry(config={"auth": {"htpasswd": {"file": path}}}).start()
    with Browser(registry) as alice, Browser(registry) as bob:
        for browser, name in ((alice, "alice"), (bob, "bob")):
            assert browser.sign_in(name, PEOPLE[name]).status_code == 200
        htpasswd(work / "new", {"alice": OTHER})
        with open(work / "new", "a", encoding="ascii") as new, open(path, encoding="ascii") as old:
            new.writelines(line for line in old if not line.startswith("alice:"))
        (work / "new").rename(path)
        until(lambda: alice.who() is None)
        assert bob.who()["name"] == "bob"


def test_a_session_does_not_outlive_the_token_that_began_it(accounts, browser):
    token = accounts.token("--user", "alice", "--scope", "dev/**:pull")
    assert browser.sign_in("alice", token).status_code == 200
    assert browser.get("/v2/").status_code == 200
    # and may no more than it
    assert browser.request("POST", "/v2/dev/app/blobs/uploads/").status_code in (401, 403)
    assert browser.request("POST", "/api/v1/tokens", json={}).status_code in (401, 403)
    accounts("token", "revoke", re.search(r"^\S+", accounts("token", "list").splitlines()[-1])[0])
    assert browser.who() is None


def test_signing_in_again_ends_the_session_that_the_browser_had(registry, browser):
    """Session fixation: what somebody put into the browser is worth nothing afterwards."""
    browser.sign_in("root", PASSWORD)
    before = browser.session.cookies["registry-session"]
    browser.sign_in("alice", PASSWORD)
    assert browser.session.cookies["registry-session"] != before
    old = requests.get(f"{registry.url}/v2/", cookies={"registry-session": before}, timeout=30)
    assert old.status_code == 401


def test_a_token_and_the_password_change_no_password_where_there_is_a_second_factor(accounts, browser):
    factor = Factor(accounts, "alice")
    change = {"method": "PUT", "path": "/api/v1/users/alice/password",
              "json": {"old": PASSWORD, "new": OTHER}}
    assert browser.sign_in("alice", accounts.token("--user", "alice")).status_code == 200
    refused = browser.request(**change)
    assert refused.status_code == 403 and "second factor" in refused.text
    assert browser.sign_in("alice", PASSWORD, totp=factor.recovery[0]).status_code == 200
    wrong = browser.request(**{**change, "json": {"old": OTHER, "new": OTHER}})
    assert wrong.status_code == 403 and "old password" in wrong.text
    assert browser.request(**change).status_code == 204


def test_groups_of_a_session_are_those_of_now(accounts, browser):
    browser.sign_in("alice", PASSWORD)
    accounts("user", "set", "alice", "--group", "qa")
    assert browser.who()["groups"] == ["qa"]


def test_a_session_survives_a_restart(registry, browser):
    browser.sign_in("alice", PASSWORD)
    registry.restart()
    assert browser.who()["name"] == "alice"


@pytest.mark.parametrize("key", ["lifetime", "idle"])
def test_a_session_ends_when_its_time_is_over(new_registry, key):
    accounts = Accounts(new_registry(config={"auth": {"mode": "on", "session": {key: "1s"}}}))
    accounts.add("alice")
    accounts.registry.start()
    with Browser(accounts.registry) as browser:
        cookies = None

        def over():
            browser.session.cookies.update(cookies)  # though a browser forgets it by itself
            return browser.who() is None

        assert browser.sign_in("alice", PASSWORD).status_code == 200
        cookies = dict(browser.session.cookies)
        until(over, NOTICED_S, interval=1.5)  # asking more often would be use


def test_sessions_that_have_ended_are_removed(registry, browser):
    def ask(statement):
        with sqlite3.connect(registry.root / "registry.db", timeout=60) as database:
            return database.execute(statement).fetchone()

    def left():
        return ask("SELECT count(*) FROM records WHERE collection IN "
                   "('sessions', 'session-owners')")[0]

    browser.sign_in("alice", PASSWORD)
    assert left() == 2
    registry.stop()
    ask("UPDATE records SET value = json_set(value, '$.until_ms', 1) WHERE collection = 'sessions'")
    registry.start()  # then it looks, and from time to time
    until(lambda: left() == 0)


def test_the_oldest_session_ends_when_a_user_has_too_many(new_registry):
    accounts = Accounts(new_registry(config={**LOCAL, "limits": {"sessions_per_user": 2}}))
    accounts.add("alice")
    accounts.registry.start()
    with (Browser(accounts.registry) as first, Browser(accounts.registry) as second,
          Browser(accounts.registry) as third):
        for browser in (first, second, third):
            assert browser.sign_in("alice", PASSWORD).status_code == 200
        assert first.who() is None
        assert second.who() and third.who()
        assert second.sign_in("alice", PASSWORD).status_code == 200  # in place of its own
        assert second.who() and third.who()


def test_a_session_that_is_used_does_not_end(new_registry):
    accounts = Accounts(new_registry(config={"auth": {"mode": "on", "session": {"idle": "3s"}}}))
    accounts.add("alice")
    accounts.registry.start()
    with Browser(accounts.registry) as browser:
        browser.sign_in("alice", PASSWORD)
        signed_in = browser.who()["expires_at"]
        used = iter(range(100))
        until(lambda: browser.who()["expires_at"] == signed_in and next(used) > 15, interval=0.25)


def test_what_a_session_may_is_what_its_user_may(registry, browser):
    with Client(registry.url, auth=("alice", PASSWORD)) as client:
        client.push_image("dev/app", image(), "v1")
    browser.sign_in("alice", PASSWORD)
    assert browser.get("/v2/dev/app/tags/list").json()["tags"] == ["v1"]
    assert browser.request("DELETE", "/v2/dev/app/manifests/v1").status_code == 403
    assert browser.request("POST", "/v2/dev/app/blobs/uploads/").status_code == 202


def test_no_cache_keeps_what_was_for_a_session(registry, browser):
    with Client(registry.url, auth=("alice", PASSWORD)) as client:
        client.push_image("dev/app", image(), "v1")
    browser.sign_in("alice", PASSWORD)
    for path in ("/v2/_catalog", "/v2/dev/app/tags/list", "/v2/dev/app/manifests/v1",
                 "/v2/dev/app/manifests/none"):
        answer = browser.get(path)
        assert answer.headers["Cache-Control"] == "private, no-cache", path


def test_a_session_gets_no_tokens_of_the_token_service(registry, browser):
    browser.sign_in("alice", PASSWORD)
    with_it = browser.get("/auth/token?service=registry&scope=repository:dev/app:push")
    without = requests.get(with_it.request.url, timeout=30)
    assert with_it.status_code == without.status_code
    assert "alice" not in with_it.text


# Requests that another site makes the browser send


@pytest.mark.parametrize("method, path", [("POST", "/v2/dev/app/blobs/uploads/"),
                                          ("DELETE", "/api/v1/session")])
def test_a_change_needs_the_token_of_the_session(registry, browser, method, path):
    browser.sign_in("alice", PASSWORD)
    with Browser(registry) as other:
        other.sign_in("alice", PASSWORD)
        for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "0" * 64},
                        {"X-CSRF-Token": other.csrf}):
            answer = browser.request(method, path, headers=headers, csrf=False)
            assert answer.status_code == 403 and "X-CSRF-Token" in answer.text
    assert browser.request(method, path).status_code in (202, 204)


@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
])
def test_a_change_by_a_page_of_another_site_is_refused(registry, browser, headers):
    assert browser.request("POST", "/api/v1/session", headers=headers, json={
        "username": "alice", "password": PASSWORD}).status_code == 403  # signing in as well
    browser.sign_in("alice", PASSWORD)
    upload = "/v2/dev/app/blobs/uploads/"
    assert browser.request("POST", upload, headers=headers).status_code == 403
    # nor with a password that the browser remembers
    assert requests.post(registry.url + upload, headers=headers, auth=("alice", PASSWORD),
                         timeout=30).status_code == 403


def test_a_change_by_a_page_of_ours_is_not(registry, browser):
    browser.sign_in("alice", PASSWORD)
    headers = {"Origin": registry.url, "Sec-Fetch-Site": "same-origin"}
    answer = browser.request("POST", "/v2/dev/app/blobs/uploads/", headers=headers)
    assert answer.status_code == 202


def test_clients_that_are_no_browsers_need_no_token(registry):
    answer = requests.post(f"{registry.url}/v2/dev/app/blobs/uploads/", auth=("alice", PASSWORD),
                           timeout=30)
    assert answer.status_code == 202


def test_a_page_of_another_site_changes_nothing_where_nobody_signs_in(new_registry):
    """A server on loopback is in reach of every page that the machine's browser shows."""
    open_to_all = new_registry().start()
    path = f"{open_to_all.url}/v2/dev/app/blobs/uploads/"
    headers = {"Origin": "https://evil.example"}
    assert requests.post(path, headers=headers, timeout=30).status_code == 403
    assert requests.post(path, timeout=30).status_code == 202


def test_a_name_that_is_pointed_at_loopback_makes_no_page_one_of_ours(new_registry):
    """DNS rebinding: then the page has the origin that its requests go to."""
    open_to_all = new_registry().start()
    path = f"{open_to_all.url}/v2/dev/app/blobs/uploads/"
    port = open_to_all.url.rpartition(":")[2]

    def of_page_at(name):
        headers = {"Host": f"{name}:{port}", "Origin": f"http://{name}:{port}"}
        return requests.post(path, headers=headers, timeout=30).status_code

    assert of_page_at("evil.example") == of_page_at("localhost.evil.example") == 403
    assert of_page_at("localhost") == of_page_at("127.0.0.1") == of_page_at("[::1]") == 202


def test_two_cookies_of_that_name_are_nobodys(registry, browser):
    browser.sign_in("alice", PASSWORD)
    value = browser.session.cookies["registry-session"]
    both = {"Cookie": f"registry-session={value}; registry-session={value[:-1]}x"}
    assert requests.get(f"{registry.url}/v2/", headers=both, timeout=30).status_code == 401


def test_neither_cookies_nor_their_tokens_are_logged(registry, browser):
    browser.sign_in("alice", PASSWORD)
    browser.request("POST", "/v2/dev/app/blobs/uploads/")
    secrets = [*browser.session.cookies.values(), browser.csrf, PASSWORD]
    browser.sign_out()
    registry.signal(signal.SIGTERM)
    assert registry.wait() == 0
    assert not any(s in registry.log for s in secrets)


# What a page for signing in asks


def methods(registry):
    answer = requests.get(f"{registry.url}/api/v1/session/methods", timeout=30)
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    return answer.json()


def test_a_page_learns_of_passwords_and_codes_without_signing_in(registry, browser):
    told = {"authentication": True, "password": True, "second_factor": True, "oidc": None}
    assert methods(registry) == told
    # a session that has ended is in nobody's way
    assert browser.get("/api/v1/session/methods", headers={
        "Cookie": "registry-session=0.0"}).json() == told


def test_a_page_learns_that_there_are_no_codes(new_registry, work):
    path = htpasswd(work / "htpasswd", PEOPLE)
    registry = new_registry(config={"auth": {"htpasswd": {"file": path}, "order": ["htpasswd", "token"]}})
    assert methods(registry.start()) == {"authentication": True, "password": True,
                                         "second_factor": False, "oidc": None}


def test_a_page_learns_that_nobody_signs_in(new_registry):
    assert methods(new_registry().start()) == {"authentication": False, "password": False,
                                               "second_factor": False, "oidc": None}


def test_the_examples_of_the_page_do_as_it_says(registry, accounts, work):
    accounts.add("bob", password="Another&Llama77")
    page = (TOP / "docs" / "sessions.md").read_text()
    commands, shown = (re.findall(rf"^```{kind}\n(.*?)^```$", page, re.M | re.S)
                       for kind in ("sh", "text"))
    script = "\n".join(commands).replace("127.0.0.1:5000", registry.address)
    printed = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=work, text=True,
                             capture_output=True, timeout=60, check=True).stdout
    assert re.fullmatch(pattern("".join(shown)), printed), printed
