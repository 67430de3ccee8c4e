"""docker, podman and skopeo log in, push and pull through each kind of identity, each at its real
counterpart. The table of docs/auth.md names these tests, and those of client certificates, with
which nobody logs in."""

import re
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests
from clients import ClientFailed
from helpers import Client, image, tar_layer, write_oci_layout
from server import TOP
from slapd import GROUPS, PASSWORDS, PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd
from sts import Sts
from test_aws import ACCOUNT, AUDIENCE, CI, ROLES
from test_aws import token as aws_token
from test_external_tokens import Setting as ExternalIssuer
from test_foreign_tokens import PEOPLE as THEIR_PEOPLE
from test_foreign_tokens import RIGHTS as THEIR_RIGHTS
from test_foreign_tokens import Place as ForeignService
from test_oidc import Setting as OpenID
from test_rights import htpasswd as htpasswd_file
from test_users import PASSWORD, Accounts
from token_server import TokenServer

PASSWORDS_ONLY = {"token": {"enabled": False}}


def challenge(registry):
    return requests.get(f"{registry.url}/v2/", timeout=30).headers["WWW-Authenticate"].split()[0]


# The identities: each yields a registry, and the name and secret of someone who may push to dev/**.


@contextmanager
def htpasswd(new_registry, work):
    path = htpasswd_file(work / "htpasswd", {"alice": PASSWORD})
    registry = new_registry(config={"auth": {"htpasswd": {"file": path}, **PASSWORDS_ONLY}}).start()
    assert challenge(registry) == "Basic"
    yield registry, "alice", PASSWORD


@contextmanager
def local(new_registry, work):
    accounts = Accounts(new_registry(config={"auth": {"mode": "on", **PASSWORDS_ONLY}}))
    accounts.add("alice")
    registry = accounts.registry.start()
    assert challenge(registry) == "Basic"
    yield registry, "alice", PASSWORD


@contextmanager
def token_service(new_registry, work):
    accounts = Accounts(new_registry(config={"auth": "local"}))
    accounts.add("alice")
    registry = accounts.registry.start()
    assert challenge(registry) == "Bearer"
    yield registry, "alice", PASSWORD


@contextmanager
def personal_token(new_registry, work):
    accounts = Accounts(new_registry(config={"auth": "local"}))
    accounts.add("alice")
    accounts("user", "totp", "alice")  # so that her password is not enough
    yield accounts.registry.start(), "alice", accounts.token("--user", "alice")


@contextmanager
def robot(new_registry, work):
    accounts = Accounts(new_registry(config={"auth": "local"}))
    secret = accounts.token("--robot", "ci", "--scope", "dev/**:pull,push")
    yield accounts.registry.start(), "ci", secret


@contextmanager
def foreign(new_registry, work):
    place = ForeignService(new_registry, work)
    server = TokenServer(place.key, THEIR_PEOPLE, THEIR_RIGHTS)
    try:
        yield place.start(realm=server.realm).registry, "alice", THEIR_PEOPLE["alice"]
        assert server.asked
    finally:
        server.stop()


@contextmanager
def external(new_registry, work):
    setting = ExternalIssuer(new_registry, work)
    try:
        yield setting.start().registry, "ci", setting.token()
    finally:
        setting.provider.stop()


@contextmanager
def oidc(new_registry, work):
    setting = OpenID(new_registry, work)
    try:
        browser = setting.start().browser()
        setting.sign_in(browser)
        browser.who()
        made = browser.request("POST", "/api/v1/tokens", json={"description": "laptop"})
        yield setting.registry, "alice", made.json()["token"]
    finally:
        setting.done()


@contextmanager
def ldap(new_registry, work):
    slapd = Slapd(work / "slapd")
    try:
        slapd.start().add_group("dev", "alice")
        (work / "secret").write_text(SERVICE_PASSWORD)
        config = {
            "auth": {"ldap": {"url": slapd.url, "bind_dn": SERVICE, "base_dn": PEOPLE,
                              "bind_password_file": str(work / "secret"), "group_base_dn": GROUPS}},
            "policy": [{"subjects": ["group:dev"], "actions": ["pull", "push"],
                        "repositories": ["dev/**"]}]}
        yield new_registry(config=config).start(), "alice", PASSWORDS["alice"]
    finally:
        slapd.kill()


@contextmanager
def aws(new_registry, work):
    with Sts(CI) as sts:
        config = {
            "auth": {"aws": {"audience": AUDIENCE, "accounts": [ACCOUNT], "roles": ROLES,
                             "sts_endpoints": [sts.url]}},
            "policy": [{"subjects": ["group:ci"], "actions": ["pull", "push"],
                        "repositories": ["dev/**"]}]}
        yield new_registry(config=config).start(), "AWS", aws_token(CI, sts)


IDENTITIES = [htpasswd, local, token_service, personal_token, robot, foreign, external, oidc, ldap,
              aws]


@pytest.fixture(params=IDENTITIES, ids=lambda identity: identity.__name__.replace("_", "-"))
def account(request, new_registry, work):
    with request.param(new_registry, work) as (registry, user, secret):
        yield registry.address, user, secret


# The clients


def test_docker(account, docker):
    address, user, secret = account
    name = f"{address}/dev/docker:v1"
    identity = docker.import_tar(tar_layer({"hello": b"hello"}), name)
    try:
        with pytest.raises(ClientFailed):
            docker("push", name)
        assert "Login Succeeded" in docker("login", address, "-u", user, "--password-stdin",
                                           input=secret)
        docker("push", name)
        docker.remove(name)
        docker("pull", name)
        assert docker.image_id(name) == identity
    finally:
        docker("logout", address)
        docker.remove(name)


def test_podman(account, containers, work):
    address, user, secret = account
    name = f"{address}/dev/podman:v1"
    write_oci_layout(work / "layout", image(seed="podman"))
    containers.podman("pull", f"oci:{work / 'layout'}:latest")
    identity = containers.podman("images", "-q", "--no-trunc").strip().removeprefix("sha256:")
    with pytest.raises(ClientFailed):
        containers.podman("push", identity, name)
    containers.podman("login", "--tls-verify=false", "-u", user, "--password-stdin", address,
                      input=secret)
    containers.podman("push", identity, name)
    containers.podman("rmi", "--force", identity)
    containers.podman("pull", name)
    assert identity in containers.podman("images", "-q", "--no-trunc")


def test_skopeo(account, containers, work):
    address, user, secret = account
    name = f"docker://{address}/dev/skopeo:v1"
    write_oci_layout(work / "layout", image(seed="skopeo"))
    push = ["copy", f"oci:{work / 'layout'}:latest", name]
    with pytest.raises(ClientFailed):
        containers.skopeo(*push)
    containers.skopeo("login", "-u", user, "--password-stdin", address, input=secret)
    containers.skopeo(*push)
    containers.skopeo("copy", name, f"oci:{work / 'copy'}:latest")


# The table


def table():
    """Of docs/auth.md: {identity: [the test of docker, of podman, of skopeo]}."""
    page = (TOP / "docs" / "auth.md").read_text()
    rows = re.search(r"^\| identity \| docker \| podman \| skopeo \|\n\|[ -|]+\|\n((?:\|.*\n)+)", page,
                     re.M)[1]
    cells = [[c.strip() for c in row.strip("|").split("|")] for row in rows.splitlines()]
    return {identity: [re.fullmatch(r"`(\S+)`", cell)[1] for cell in tests]
            for identity, *tests in cells}


def test_the_table_of_the_page_names_tests_that_there_are(registry_binary):
    named = [test for tests in table().values() for test in tests]
    files = {test.split("::")[0] for test in named}
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *files,
         f"--registry={registry_binary}"],
        cwd=TOP / "tests" / "e2e", capture_output=True, text=True, timeout=60, check=True).stdout
    there = {line.rsplit("/", 1)[-1] for line in listed.splitlines() if "::" in line}
    assert set(named) <= there
    ours = {test for test in there if re.match(r"test_clients_sign_in\.py::test_\w+\[", test)}
    assert ours <= set(named), "the table leaves none out"
    for docker, podman, skopeo in table().values():
        assert "docker" in docker and "podman" in podman and "skopeo" in skopeo


def test_podman_searches_what_its_user_may_see(new_registry, containers):
    """Where something is open to everyone it signs in only when it is asked to."""
    accounts = Accounts(new_registry(config={"auth": "local", "policy": [
        {"subjects": ["anonymous"], "actions": ["pull"], "repositories": ["open/**"]},
        {"subjects": ["user:alice"], "actions": ["*"], "repositories": ["**"]},
    ]}))
    accounts.add("alice")
    registry = accounts.registry.start()
    with Client(registry.url, auth=("alice", PASSWORD)) as client:
        for repo in ("dev/app", "open/app"):
            client.push_image(repo, image(seed=repo, layers=1), "v1")
    login = ("login", "--tls-verify=false", "-u", "alice", "--password-stdin", registry.address)
    containers.podman(*login, input=PASSWORD)
    found = containers.podman("search", "--tls-verify=false", f"{registry.address}/")
    assert f"{registry.address}/dev/app" in found and f"{registry.address}/open/app" in found
