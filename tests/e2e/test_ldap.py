"""Users and groups of an LDAP directory, as clients meet them; the directory is slapd."""

import crypt
import re
import socket
import threading
import time

import pytest
import requests
import yaml
from certificates import authority
from processes import free_port
from server import TOP, merged
from slapd import BASE, GROUPS, PASSWORDS, PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd, person
from waiting import until

POLICY = [
    {"subjects": ["authenticated"], "actions": ["pull"], "repositories": ["open/**"]},
    {"subjects": ["group:dev"], "actions": ["pull", "push"], "repositories": ["dev/**"]},
    {"subjects": ["group:admins"], "actions": ["*"], "repositories": ["**"]},
]


@pytest.fixture
def new_slapd(work):
    made = []

    def make(**more):
        made.append(Slapd(work / f"slapd-{len(made)}", **more))
        return made[-1]

    yield make
    for slapd in made:
        slapd.kill()


@pytest.fixture
def slapd(new_slapd):
    server = new_slapd().start()
    server.add_group("dev", "alice")
    server.add_group("admins", "carol")
    return server


@pytest.fixture
def password_file(work):
    path = work / "ldap-password"
    path.write_text(SERVICE_PASSWORD + "\n")
    return path


@pytest.fixture
def serve(new_registry, password_file):
    """Starts a registry that asks slapd: serve(slapd, url=...). No answer is kept, unless told."""

    def start(slapd, cache="0s", auth=None, **ldap):
        ldap = {
            "url": slapd.url,
            "bind_dn": SERVICE,
            "bind_password_file": str(password_file),
            "base_dn": PEOPLE,
            "group_base_dn": GROUPS,
            **ldap,
        }
        auth = merged({"cache": cache, "ldap": ldap}, auth or {})
        return new_registry(config={"auth": auth, "policy": POLICY}).start()

    return start


@pytest.fixture
def registry(serve, slapd):
    return serve(slapd)


def sign_in(registry, name, password=None, timeout=30):
    """The answer to a request with a name and a password, which are right unless told."""
    secret = (password if password is not None else PASSWORDS[name]).encode()
    return requests.get(f"{registry.url}/v2/", auth=(name.encode(), secret), timeout=timeout)


def status(registry, name, password=None):
    return sign_in(registry, name, password).status_code


def may_push(registry, name):
    url = f"{registry.url}/v2/dev/app/blobs/uploads/"
    answer = requests.post(url, auth=(name, PASSWORDS[name]), timeout=30)
    assert answer.status_code in (202, 403, 404), answer.text
    return answer.status_code == 202


def token(registry, name, **params):
    answer = requests.get(
        f"{registry.url}/auth/token",
        auth=(name, PASSWORDS[name]),
        params={"service": "registry", "scope": "repository:dev/app:pull,push", **params},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def push_with(registry, text):
    url = f"{registry.url}/v2/dev/app/blobs/uploads/"
    return requests.post(url, headers={"Authorization": f"Bearer {text}"}, timeout=30).status_code


# Who comes in


@pytest.mark.sanitize
def test_a_user_of_the_directory_signs_in(registry):
    assert [status(registry, name) for name in PASSWORDS] == [200, 200, 200]


@pytest.mark.sanitize
def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(registry):
    answers = [sign_in(registry, name, "wrong") for name in ("alice", "nobody")]
    assert [a.status_code for a in answers] == [401, 401]
    assert answers[0].content == answers[1].content


def test_an_unknown_user_costs_as_many_questions_as_a_wrong_password(registry, slapd):
    def asked(name):
        before = slapd.count("BIND dn"), slapd.count("SRCH base")
        assert status(registry, name, "wrong") == 401
        return slapd.count("BIND dn") - before[0], slapd.count("SRCH base") - before[1]

    assert asked("bob") != (0, 0)  # leaves a connection that is nobody's
    assert asked("alice") == asked("nobody") == asked("alice")


def test_an_empty_password_lets_nobody_in(registry):
    assert status(registry, "alice", "") == 401
    assert status(registry, "", "") == 401


@pytest.mark.parametrize("name", [
    "*", "*)(uid=*", "alice)(|(uid=*", "a*", "alice\\2a", "alice,ou=people", "alice\x00", "älice",
    "b" * 5000,
])
def test_a_name_is_only_a_name_in_the_filter(registry, name):
    for password in (PASSWORDS["alice"], "wrong"):
        assert status(registry, name, password) == 401


def test_a_name_in_another_case_is_the_same_user(registry):
    assert status(registry, "ALICE", PASSWORDS["alice"]) == 200
    assert "user:alice" in until(lambda: re.search(r".*user:alice.*", registry.log)).group()
    assert "user:ALICE" not in registry.log


def test_a_filter_that_finds_two_entries_lets_neither_in(serve, slapd):
    registry = serve(slapd, user_filter="(|(uid={user})(objectClass=inetOrgPerson))")
    assert status(registry, "alice") == 503
    assert "finds several entries for one user" in registry.log


def test_a_mail_address_can_be_the_name_that_is_typed(serve, slapd):
    registry = serve(slapd, user_filter="(mail={user})")
    answer = requests.get(
        f"{registry.url}/auth/token",
        auth=("alice@example.org", PASSWORDS["alice"]),
        params={"service": "registry", "scope": "repository:dev/app:pull,push"},
        timeout=30,
    )
    assert push_with(registry, answer.json()["token"]) == 202
    assert status(registry, "alice") == 401


def test_a_user_of_the_database_is_asked_for_there_first(serve, slapd, work):
    path = work / "htpasswd"
    path.write_text("alice:" + "$2y$05$" + "a" * 53 + "\n")
    registry = serve(slapd, auth={"htpasswd": {"file": str(path)}})
    assert status(registry, "alice") == 401
    assert status(registry, "bob") == 200


# Groups


@pytest.mark.sanitize
def test_rights_come_with_the_groups(registry):
    assert may_push(registry, "alice")
    assert may_push(registry, "carol")
    assert not may_push(registry, "bob")


@pytest.mark.sanitize
def test_groups_can_be_an_attribute_of_the_user(serve, slapd):
    registry = serve(slapd, group_filter="", memberof_attribute="memberOf")
    assert may_push(registry, "alice")
    assert not may_push(registry, "bob")


def test_an_entry_elsewhere_is_not_a_group(serve, slapd):
    registry = serve(
        slapd, group_filter="", memberof_attribute="memberOf", group_base_dn=f"ou=other,{BASE}"
    )
    assert not may_push(registry, "alice")


def test_groups_can_name_users_instead_of_entries(serve, slapd):
    entry = f"dn: cn=dev,{PEOPLE}\nobjectClass: posixGroup\ncn: dev\ngidNumber: 1\nmemberUid: bob\n"
    slapd.add(entry)
    registry = serve(slapd, group_filter="(memberUid={user})", group_base_dn=PEOPLE)
    assert may_push(registry, "bob")
    assert not may_push(registry, "alice")


def test_who_leaves_a_group_loses_its_rights_when_the_answer_is_old(serve, slapd):
    registry = serve(slapd, cache="1s")
    assert may_push(registry, "alice")
    slapd.remove(f"cn=dev,{GROUPS}")
    until(lambda: not may_push(registry, "alice"))


@pytest.mark.sanitize
def test_a_token_has_the_groups_of_now(registry, slapd):
    """CVE-2025-23208: revoked groups that went on to count."""
    text = token(registry, "alice")["token"]
    assert push_with(registry, text) == 202
    slapd.remove(f"cn=dev,{GROUPS}")
    assert push_with(registry, text) in (401, 403, 404)


@pytest.mark.sanitize
def test_a_token_dies_with_its_user(registry, slapd):
    answer = token(registry, "carol", offline_token="true")
    assert push_with(registry, answer["token"]) == 202
    slapd.remove(person("carol"))
    assert push_with(registry, answer["token"]) == 401
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"],
            "service": "registry", "scope": "repository:dev/app:pull"}
    assert requests.post(f"{registry.url}/auth/token", data=form, timeout=30).status_code == 401


def test_a_token_dies_when_the_filter_admits_its_user_no_more(serve, slapd):
    registry = serve(slapd, user_filter="(&(uid={user})(!(title=retired)))")
    text = token(registry, "alice")["token"]
    assert push_with(registry, text) == 202
    slapd.modify(person("alice"), "add: title\ntitle: retired")
    assert push_with(registry, text) == 401


def test_a_token_dies_with_the_password(registry, slapd):
    text = token(registry, "alice")["token"]
    slapd.modify(person("alice"), "replace: shadowLastChange\nshadowLastChange: 20001")
    assert push_with(registry, text) == 401


# TLS


@pytest.mark.sanitize
@pytest.mark.parametrize("how", ["ldaps", "StartTLS"])
def test_passwords_travel_over_tls(serve, new_slapd, how):
    slapd = new_slapd().start()
    slapd.stop()
    slapd.configure("security ssf=128")  # it refuses what is not encrypted
    slapd.start()
    tls = {"url": slapd.tls_url} if how == "ldaps" else {"start_tls": True}
    registry = serve(slapd, ca_file=str(slapd.authority), **tls)
    assert status(registry, "alice") == 200
    assert status(registry, "alice", "wrong") == 401


@pytest.mark.parametrize("how", ["ldaps", "StartTLS"])
def test_a_directory_with_a_certificate_of_someone_else_is_told_no_password(serve, slapd, work, how):
    tls = {"url": slapd.tls_url} if how == "ldaps" else {"start_tls": True}
    registry = serve(slapd, ca_file=str(authority(work, "other")), **tls)
    before = slapd.count("BIND dn")
    assert status(registry, "alice") == 503
    assert slapd.count("BIND dn") == before


def test_the_systems_authorities_do_not_vouch_for_a_certificate_of_our_own(serve, slapd):
    registry = serve(slapd, url=slapd.tls_url)
    assert status(registry, "alice") == 503


def test_a_certificate_for_another_host_is_refused(serve, slapd):
    registry = serve(slapd, url=slapd.other_tls_url, ca_file=str(slapd.authority))
    assert status(registry, "alice") == 503
    assert "BIND dn" not in slapd.log.partition("127.0.0.2:")[2]


# Trouble


def test_a_directory_that_is_away_is_no_wrong_password(registry, slapd):
    assert status(registry, "alice") == 200
    slapd.stop()
    answer = sign_in(registry, "alice")
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert slapd.url not in answer.text
    assert f"directory '{slapd.url}'" in registry.log
    slapd.start()
    until(lambda: status(registry, "alice") == 200)


def test_a_token_outlasts_a_restart_of_the_directory(registry, slapd):
    text = token(registry, "alice")["token"]
    slapd.stop()
    assert push_with(registry, text) == 503
    slapd.start()
    until(lambda: push_with(registry, text) == 202)


@pytest.mark.sanitize
def test_a_restart_of_the_directory_is_not_noticed(registry, slapd):
    assert status(registry, "alice") == 200
    slapd.stop()
    slapd.start()
    assert status(registry, "alice") == 200


def test_connections_are_used_again(registry, slapd):
    before = slapd.count("ACCEPT")
    for name in [*PASSWORDS, *PASSWORDS]:
        assert status(registry, name) == 200
    assert slapd.count("ACCEPT") - before == 1


@pytest.mark.sanitize
@pytest.mark.concurrent
def test_there_are_no_more_connections_than_allowed(serve, slapd):
    registry = serve(slapd, connections=2)
    before = slapd.count("ACCEPT")
    results = []
    threads = [threading.Thread(target=lambda: results.append(status(registry, "alice")))
               for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [200] * 16
    assert slapd.count("ACCEPT") - before <= 2


@pytest.mark.sanitize
def test_another_server_is_asked_when_the_first_is_away(serve, slapd):
    registry = serve(slapd, url=[f"ldap://127.0.0.1:{free_port()}", slapd.url])
    assert status(registry, "alice") == 200


def test_a_silent_directory_is_not_waited_for_for_long(serve, slapd):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldap://127.0.0.1:{silent.getsockname()[1]}"
        registry = serve(slapd, url=url, timeout="300ms")
        start = time.monotonic()
        assert status(registry, "alice") == 503
        assert time.monotonic() - start < 10
    assert "Timed out" in registry.log


@pytest.mark.parametrize("how", ["ldaps", "StartTLS"])
def test_a_directory_that_is_silent_about_tls_is_not_waited_for_for_long(serve, slapd, how):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        tls = {"url": f"ldaps://{address}"} if how == "ldaps" else {
            "url": f"ldap://{address}", "start_tls": True}
        registry = serve(slapd, timeout="300ms", ca_file=str(slapd.authority), **tls)
        start = time.monotonic()
        assert status(registry, "alice") == 503
        assert time.monotonic() - start < 10


@pytest.mark.sanitize
def test_a_directory_that_falls_silent_in_the_handshake_is_not_waited_for_for_long(serve, slapd):
    agreed = bytes.fromhex("300c02010178070a010004000400")  # to StartTLS: success

    def answer_once(listener):
        with listener.accept()[0] as s:
            s.recv(4096)
            s.sendall(agreed)
            while s.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldap://127.0.0.1:{silent.getsockname()[1]}"
        registry = serve(slapd, url=url, timeout="300ms", start_tls=True)
        answering = threading.Thread(target=answer_once, args=(silent,))
        answering.start()
        start = time.monotonic()
        assert status(registry, "alice") == 503
        assert time.monotonic() - start < 10
        answering.join()


def test_others_come_in_while_the_directory_is_away(serve, slapd, work):
    path = work / "htpasswd"
    path.write_text(f"dave:{crypt.crypt('dave-Word1', crypt.METHOD_SHA512)}\n")
    registry = serve(slapd, url=f"ldap://127.0.0.1:{free_port()}",
                     auth={"htpasswd": {"file": str(path)}})
    assert status(registry, "dave", "dave-Word1") == 200
    assert status(registry, "alice") == 503


def test_a_refused_service_password_is_in_the_log_and_the_password_is_not(
    serve, slapd, password_file
):
    password_file.write_text("not-The-Secret7\n")
    registry = serve(slapd)
    assert status(registry, "alice") == 503
    record = until(lambda: re.search(".*auth.ldap.bind_dn.*", registry.log)).group()
    assert "Invalid credentials" in record
    assert "not-The-Secret7" not in registry.log
    assert PASSWORDS["alice"] not in registry.log
    # and the account is not locked by trying again and again
    tries = slapd.count(f'BIND dn="{SERVICE}"')
    assert [status(registry, name) for name in ("alice", "bob", "carol")] == [503] * 3
    assert slapd.count(f'BIND dn="{SERVICE}"') == tries


def test_the_service_password_can_come_from_the_environment(new_registry, slapd):
    ldap = {"url": slapd.url, "bind_dn": SERVICE, "base_dn": PEOPLE}
    registry = new_registry(
        config={"auth": {"ldap": ldap}},
        env={"REGISTRY_AUTH_LDAP_BIND_PASSWORD": SERVICE_PASSWORD},
    ).start()
    assert status(registry, "alice") == 200


# Clients


# The documents


def test_the_example_of_the_documents_works(new_registry, slapd, password_file):
    page = (TOP / "docs" / "auth.md").read_text()
    text = next(b for b in re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S) if "ldap:" in b)
    text = text.replace("/etc/registry/ldap-password", str(password_file))
    text = text.replace("/etc/registry/ldap-ca.pem", str(slapd.authority))
    text = text.replace("ldaps://ldap.example.org", slapd.tls_url)
    registry = new_registry(config=yaml.safe_load(text)).start()
    assert may_push(registry, "alice")
    assert not may_push(registry, "bob")
