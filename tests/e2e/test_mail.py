"""Mail of events, taken by a real SMTP server (aiosmtpd)."""

import email
import email.policy
import ssl

import pytest
from accounts import PASSWORD, Accounts
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from archives import crafted
from certificates import authority, certificate
from helpers import Client
from processes import free_port
from waiting import until


class Letters:
    """What came, as (recipients, message). refuse: what is answered to a message in its stead."""

    def __init__(self):
        self.taken = []
        self.refuse = None

    async def handle_DATA(self, _server, _session, envelope):
        if self.refuse:
            return self.refuse
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.taken.append((envelope.rcpt_tos, message))
        return "250 taken"


@pytest.fixture
def letters():
    return Letters()


@pytest.fixture
def server(letters):
    controller = Controller(letters, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop(no_assert=True)


def section(server, *rules, **more):
    mail = {"server": f"smtp://127.0.0.1:{server.port}", "from": "registry@example.org", "starttls": "never"}
    return {"mail": {**mail, "rules": list(rules), **more}}


def upload(client, auth=None):
    return client.request("PUT", "/upload-image?repository=team/app&tag=v1", (200, 201), data=crafted.GOOD, auth=auth)


def test_addresses_of_a_rule_get_a_mail(new_registry, server, letters):
    rule = {"name": "ops", "to": ["ops@example.org", "b@example.org"], "events": ["upload"], "repositories": ["team/**"]}
    registry = new_registry(config=section(server, rule)).start()
    with Client(registry.url) as client:
        upload(client)
    until(lambda: letters.taken or None, 60)
    to, message = letters.taken[0]
    assert to == ["ops@example.org", "b@example.org"]
    assert (message["From"], message["Auto-Submitted"]) == ("registry@example.org", "auto-generated")
    assert message["Subject"].startswith("Upload ended: team/app:v1")
    assert "event: upload.ended\n" in message.get_content()


def test_who_uploaded_gets_a_mail_where_their_name_is_an_address(new_registry, server, letters):
    rule = {"name": "uploaders", "uploader": True, "events": ["upload.finished"]}
    rules = [{"subjects": ["authenticated"], "actions": ["push", "overwrite", "pull"]}]
    accounts = Accounts(new_registry(config={"auth": "local", "policy": rules, **section(server, rule)}))
    accounts.add("bob")
    accounts.add("carol@example.org")
    accounts.registry.start()
    with Client(accounts.registry.url) as client:
        upload(client, ("bob", PASSWORD))
        upload(client, ("carol@example.org", PASSWORD))
    until(lambda: letters.taken or None, 60)
    assert [to for to, _ in letters.taken] == [["carol@example.org"]]


def test_mail_waits_for_its_server(new_registry, server, letters):
    letters.refuse = "451 not now"
    registry = new_registry(config=section(server, {"name": "ops", "to": ["ops@example.org"]})).start()
    with Client(registry.url) as client:
        upload(client)
    until(lambda: "events can't be delivered; they wait" in registry.log, 60)
    letters.refuse = None
    until(lambda: letters.taken or None, 60)


def test_mail_that_is_refused_becomes_a_dead_letter(new_registry, server, letters):
    letters.refuse = "554 no such mail here"
    rule = {"name": "ops", "to": ["ops@example.org"], "events": ["upload"]}
    registry = new_registry(config=section(server, rule)).start()
    with Client(registry.url) as client:
        upload(client)
    until(lambda: "events became dead letters" in registry.log, 60)


def test_it_signs_in_over_an_encrypted_line(new_registry, letters, work):
    ours = authority(work, "authority")
    mine = certificate(work, "server", ours)
    seen = []

    def check(_server, _session, _envelope, _mechanism, data):
        seen.append((data.login, data.password))
        return AuthResult(success=True)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(mine, mine.with_suffix(".key"))
    controller = Controller(letters, hostname="127.0.0.1", port=free_port(), authenticator=check, tls_context=context,
                            require_starttls=True, auth_required=True)  # fmt: skip
    controller.start()
    try:
        (work / "password").write_text("geheim\n")
        more = {"starttls": "required", "username": "registry", "password_file": str(work / "password"),
                "ca_file": str(ours)}  # fmt: skip
        registry = new_registry(config=section(controller, {"name": "ops", "to": ["a@b.example"]}, **more)).start()
        with Client(registry.url) as client:
            upload(client)
        until(lambda: letters.taken or None, 60)
    finally:
        controller.stop(no_assert=True)
    assert seen[0] == (b"registry", b"geheim")
