"""Local users, robot accounts and personal tokens: the command line beside a running server."""

import base64
import hashlib
import json
import os
import pty
import select
import sqlite3
import subprocess
import time

import pytest
import requests
from accounts import OTHER, PASSWORD, Accounts, environment
from helpers import Client, image, tar_layer
from waiting import until

LOCAL = {"auth": {"mode": "local"}}

# How soon a change by another process must be noticed.
NOTICED_S = 5


@pytest.fixture
def accounts(new_registry):
    return Accounts(new_registry(config=LOCAL))


@pytest.fixture
def served(accounts):
    accounts.registry.start()
    return accounts


def status(registry, user=None, secret=None, bearer=None, path="/v2/"):
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return requests.get(
        registry.url + path, auth=(user, secret) if user else None, headers=headers, timeout=30
    ).status_code


def bearer_of(registry, user, secret, scope, offline=False):
    r = requests.get(
        registry.url + "/auth/token",
        params={"scope": scope, "offline_token": "true" if offline else "false"},
        auth=(user, secret),
        timeout=30,
    )
    assert r.status_code == 200, r.text
    return r.json()


def access(token):
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return {a["name"]: a["actions"] for a in claims["access"]}


def test_users_can_be_made_before_the_server_was_ever_started(accounts):
    accounts.add("alice", "--admin")
    accounts.registry.start()
    assert status(accounts.registry, "alice", PASSWORD) == 200
    assert status(accounts.registry, "alice", OTHER) == 401
    assert status(accounts.registry, "nobody", PASSWORD) == 401
    assert status(accounts.registry) == 401


def test_who_forgets_the_configuration_is_told_that_a_new_database_was_made(registry_binary, work):
    """Users of another database than the server's are nobody there."""
    listing = [str(registry_binary), "user", "list"]
    first, again = (
        subprocess.run(listing, cwd=work, env=environment(), capture_output=True, text=True,
                       check=True, timeout=30).stderr
        for _ in range(2)
    )
    assert "there was no database yet; made ./data/registry/registry.db" in first
    assert "there was no database" not in again


@pytest.mark.sanitize
def test_changes_while_the_server_runs_are_noticed(served):
    registry = served.registry
    served.add("root", "--admin")
    served.add("alice")
    assert status(registry, "alice", PASSWORD) == 200
    served("user", "disable", "alice")
    until(lambda: status(registry, "alice", PASSWORD) == 401, NOTICED_S)
    served("user", "enable", "alice")
    until(lambda: status(registry, "alice", PASSWORD) == 200, NOTICED_S)
    served("user", "passwd", "alice", "--password-stdin", password=OTHER)
    until(lambda: status(registry, "alice", PASSWORD) == 401, NOTICED_S)
    assert status(registry, "alice", OTHER) == 200
    served("user", "rm", "alice")
    until(lambda: status(registry, "alice", OTHER) == 401, NOTICED_S)


def test_a_revoked_token_is_refused_with_all_that_was_got_by_it(served):
    registry = served.registry
    token = served.token("--robot", "ci")
    scope = "repository:dev/app:pull"
    answer = bearer_of(registry, "ci", token, scope, offline=True)
    assert status(registry, "ci", token) == 200
    assert status(registry, bearer=token) == 200
    assert status(registry, bearer=answer["token"]) == 200
    served("token", "revoke", token)
    until(lambda: status(registry, bearer=token) == 401, NOTICED_S)
    assert status(registry, "ci", token) == 401
    assert status(registry, bearer=answer["token"]) == 401
    r = requests.post(
        registry.url + "/auth/token",
        data={
            "grant_type": "refresh_token",
            "refresh_token": answer["refresh_token"],
            "scope": scope,
        },
        timeout=30,
    )
    assert r.status_code == 401


def test_a_bearer_token_dies_with_its_user(served):
    registry = served.registry
    served.add("alice")
    token = bearer_of(registry, "alice", PASSWORD, "repository:dev/app:pull")["token"]
    assert status(registry, bearer=token) == 200
    served("user", "disable", "alice")
    until(lambda: status(registry, bearer=token) == 401, NOTICED_S)
    served("user", "enable", "alice")
    until(lambda: status(registry, "alice", PASSWORD) == 200, NOTICED_S)
    assert status(registry, bearer=token) == 401


@pytest.mark.parametrize("way", ["basic", "bearer", "service"])
def test_a_scope_is_kept_whichever_way_the_token_takes(served, way):
    """Moving `latest` takes `overwrite`: a token that may only create tags must not gain it."""
    registry = served.registry
    token = served.token("--robot", "ci", "--scope", "dev/**:pull,push")

    def client(scope):
        c = Client(registry.url)
        if way == "basic":
            c.session.auth = ("ci", token)
        elif way == "bearer":
            c.session.headers["Authorization"] = f"Bearer {token}"
        else:
            got = bearer_of(registry, "ci", token, scope)["token"]
            c.session.headers["Authorization"] = f"Bearer {got}"
        return c

    with client("repository:dev/app:pull,push") as c:
        c.push_image("dev/app", image(1), "v1")
        c.pull_image("dev/app", "v1")
        c.push_image("dev/app", image(2))  # by digest; its tag is the next thing
        c.push_manifest("dev/app", "v1", image(2), expect=(401, 403))
        c.delete_manifest("dev/app", "v1", expect=(401, 403))
    with client("repository:prod/app:pull,push") as c:
        c.request("POST", "/v2/prod/app/blobs/uploads/", expect=(401, 403))


def test_the_service_gives_a_scoped_token_no_more_than_its_scope(served):
    token = served.token("--robot", "ci", "--scope", "dev/**:pull")
    answer = bearer_of(
        served.registry, "ci", token, "repository:dev/a:pull,push,delete repository:prod/a:pull"
    )
    assert access(answer["token"]) == {"dev/a": ["pull"]}


def test_docker_says_why_a_push_was_refused(served, docker):
    """docker shows the message of an error, and never its detail."""
    registry, name = served.registry, f"{served.registry.address}/dev/again:v1"
    token = served.token("--robot", "ci", "--scope", "dev/**:pull,push")
    docker.import_tar(tar_layer({"hello": b"first"}), name)
    try:
        docker("login", registry.address, "-u", "ci", "-p", token)
        docker("push", name)
        docker.import_tar(tar_layer({"hello": b"second"}), name)
        output = docker("push", name, check=False)
        assert "denied: tag 'v1' exists, and you may not move it" in output
    finally:
        docker("logout", registry.address)
        docker.remove(name)


def test_docker_says_how_long_a_user_is_locked_out(new_registry, docker):
    registry = new_registry(config={"auth": {"mode": "local", "lock_after": 1}}).start()
    for _ in range(2):
        output = docker("login", registry.address, "-u", "alice", "-p", "wrong", check=False)
    assert "too many wrong credentials; try again in" in output


def test_docker_of_a_user_with_a_second_factor_is_told_to_use_a_token(served, docker):
    registry = served.registry
    served.add("alice")
    served("user", "totp", "alice")
    output = docker("login", registry.address, "-u", "alice", "-p", PASSWORD, check=False)
    assert "Login Succeeded" not in output
    assert "personal token" in output
    try:
        docker("login", registry.address, "-u", "alice", "-p", served.token("--user", "alice"))
    finally:
        docker("logout", registry.address)


def test_the_secret_of_a_second_factor_makes_codes_that_apps_make(accounts):
    accounts.add("alice")
    text = accounts("user", "totp", "alice")
    uri = next(w for w in text.split() if w.startswith("otpauth://"))
    secret = uri.split("secret=")[1].split("&")[0]
    code = subprocess.run(
        ["oathtool", "--totp", "--base32", secret], capture_output=True, text=True, check=True
    ).stdout
    assert len(code.strip()) == 6
    assert len([l for l in text.splitlines() if l.startswith("    ") and l.count("-") == 3]) == 10


def test_neither_passwords_nor_tokens_are_in_the_database_or_the_log(served):
    registry = served.registry
    served.add("alice")
    token = served.token("--user", "alice")
    text = served("user", "totp", "alice")
    codes = [l.strip() for l in text.splitlines() if l.startswith("    ") and l.count("-") == 3]
    assert len(codes) == 10
    assert status(registry, "alice", token) == 200
    assert status(registry, "alice", PASSWORD) == 401
    registry.stop()
    with sqlite3.connect(registry.root / "registry.db", timeout=60) as db:
        stored = "\n".join(db.iterdump())
    assert hashlib.sha256(token.encode()).hexdigest() in stored
    for secret in [PASSWORD, token, *codes, *(c.replace("-", "") for c in codes)]:
        assert secret not in stored
        assert secret not in registry.log


def test_the_last_admin_stays(accounts):
    accounts.add("root", "--admin")
    for words in (["rm", "root"], ["disable", "root"], ["set", "root", "--no-admin"]):
        assert "last admin" in accounts("user", *words, status=1)
    accounts("user", "rm", "root", "--force")


def test_mistakes_are_told_and_end_with_1_or_2(accounts):
    accounts.add("alice")
    assert "already" in accounts(
        "user", "add", "alice", "--password-stdin", password=PASSWORD, status=1
    )
    assert "no user 'bob'" in accounts("user", "rm", "bob", status=1)
    assert "no user 'bob'" in accounts("token", "create", "--user", "bob", status=1)
    assert "shorter" in accounts("user", "add", "bob", "--password-stdin", password="x", status=1)
    assert "no password" in accounts("user", "add", "bob", "--password-stdin", status=1)
    assert "no terminal" in no_terminal(accounts, "user", "add", "bob")
    assert "no scope" in accounts("token", "create", "--robot", "ci", "--scope", "dev", status=1)
    assert "no action" in accounts("token", "create", "--robot", "ci", "--scope", "d:x", status=1)
    assert "duration" in accounts("token", "create", "--robot", "ci", "--expires", "1", status=2)
    assert "no token" in accounts("token", "revoke", "cafecafecafe", status=1)
    assert "--user" in accounts("token", "create", status=2)
    assert "missing" in accounts("user", "rm", status=2)
    assert accounts("user", "list").count("\n") == 2


def no_terminal(accounts, *words):
    """A process of its own session has no /dev/tty."""
    result = subprocess.run(
        [str(accounts.registry.binary), *words, "--config", str(accounts.registry.config_path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
        env=environment(),
    )
    assert result.returncode == 1
    return result.stderr


class Terminal:
    """A command with a terminal of its own."""

    def __init__(self, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, environment())
        self.output = ""

    def until(self, words):
        deadline = time.monotonic() + 30
        while words not in self.output:
            assert time.monotonic() < deadline, self.output
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self.fd, 4096).decode()
                except OSError:  # the other end is closed
                    break
        assert words in self.output
        self.output = self.output.split(words, 1)[1]

    def type(self, text):
        os.write(self.fd, text.encode() + b"\n")

    def end(self):
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code


def test_a_password_is_asked_for_twice_without_echo(accounts):
    command = [str(accounts.registry.binary), "user", "add", "alice"]
    command += ["--config", str(accounts.registry.config_path)]
    t = Terminal(command)
    t.until("Password: ")
    t.type(PASSWORD)
    t.until("again: ")
    t.type(OTHER)
    t.until("not the same")
    assert t.end() == 1

    t = Terminal(command)
    t.until("Password: ")
    t.type(PASSWORD)
    t.until("again: ")
    t.type(PASSWORD)
    shown = t.output
    t.until("user alice added")
    assert PASSWORD not in shown + t.output
    assert t.end() == 0
    accounts.registry.start()
    assert status(accounts.registry, "alice", PASSWORD) == 200


def test_use_of_a_token_is_recorded(served):
    token = served.token("--robot", "ci", "--description", "build server")
    assert "never  " in served("token", "list")
    assert status(served.registry, bearer=token) == 200
    row = served("token", "list", "--robot", "ci").splitlines()[1]
    assert "never" not in row.split("build server")[0].split("  ")[-2]
    assert time.strftime("%Y-%m-%d", time.gmtime()) in row


def test_what_the_commands_change_is_in_the_audit_trail(accounts):
    accounts.add("alice")
    accounts("user", "set", "alice", "--group", "dev")
    accounts("user", "rm", "bob", status=1)
    token = accounts.token("--user", "alice")
    accounts("token", "revoke", token)
    with sqlite3.connect(accounts.registry.root / "registry.db", timeout=60) as db:
        rows = db.execute("SELECT actor, action, target, result FROM audit ORDER BY id").fetchall()
    assert {r[0].split(":")[0] for r in rows} == {"shell"}
    assert [r[1:] for r in rows] == [
        ("user add", "user:alice", "ok"),
        ("user set", "user:alice", "ok"),
        ("token create", "user:alice", "ok"),
        ("token revoke", f"token:{token[4:16]}", "ok"),
    ]
