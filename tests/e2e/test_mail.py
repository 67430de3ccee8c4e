"""Mail of events, taken by a real SMTP server (aiosmtpd)."""

import email
import email.policy
import socket
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
        self.sender = "250 OK"  # what is answered to it
        self.recipients = {}  # the same, to some of them

    async def handle_MAIL(self, _server, _session, envelope, address, options):
        if self.sender.startswith("250"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.sender

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        answer = self.recipients.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

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


def test_an_address_that_is_refused_for_now_is_told_later_and_the_others_once(new_registry, server, letters):
    letters.recipients = {"a@example.org": "450 later"}
    rule = {"name": "ops", "to": ["a@example.org", "b@example.org"], "events": ["upload"]}
    registry = new_registry(config=section(server, rule)).start()
    with Client(registry.url) as client:
        upload(client)
    until(lambda: "events can't be delivered; they wait" in registry.log, 60)
    assert "a@example.org: " in registry.log
    letters.recipients = {}
    until(lambda: len(letters.taken) == 2, 60)
    assert [to for to, _ in letters.taken] == [["b@example.org"], ["a@example.org"]]


def test_an_address_that_is_refused_for_good_keeps_no_other_from_its_mail(new_registry, server, letters):
    letters.recipients = {"a@example.org": "550 nobody"}
    rule = {"name": "ops", "to": ["a@example.org", "b@example.org"], "events": ["upload"]}
    registry = new_registry(config=section(server, rule)).start()
    with Client(registry.url) as client:
        upload(client)
    until(lambda: "events became dead letters" in registry.log, 60)
    assert [to for to, _ in letters.taken] == [["b@example.org"]]


def test_mail_waits_for_a_server_that_refuses_who_sends(new_registry, server, letters):
    letters.sender = "550 not from you"
    registry = new_registry(config=section(server, {"name": "ops", "to": ["ops@example.org"]})).start()
    with Client(registry.url) as client:
        upload(client)
    until(lambda: "events can't be delivered; they wait" in registry.log, 60)
    letters.sender = "250 OK"
    until(lambda: letters.taken or None, 60)
    assert "events became dead letters" not in registry.log


def test_a_stop_does_not_wait_for_a_server_of_mail_that_hangs(new_registry):
    with socket.create_server(("127.0.0.1", free_port())) as silent:
        mail = {"server": "smtp://127.0.0.1:%d" % silent.getsockname()[1], "from": "registry@example.org",
                "starttls": "never", "timeout": "5m", "rules": [{"name": "ops", "to": ["ops@example.org"]}]}  # fmt: skip
        registry = new_registry(config={"mail": mail}).start()
        with Client(registry.url) as client:
            upload(client)
        silent.settimeout(60)
        with silent.accept()[0]:
            registry.stop()
        assert "events can't be delivered" not in registry.log


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
