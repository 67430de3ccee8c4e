"""Credentials that another program keeps: docker-credential-NAME, as `docker login` leaves them."""

import base64
import json

import pytest

from accounts import OTHER, Accounts
from archives import docker_archive
from client_command import ClientCommand
from helpers import image

IMAGE = image(seed="helpers")

HELPER = """#!/bin/sh
[ "$1" = get ] && [ $# = 1 ] || exit 3
asked=$(cat)
echo "$asked" >> {asked}
[ "$asked" = "{server}" ] || {{ echo "credentials not found in native keychain"; exit 1; }}
echo '{answer}'
"""


class Helpers:
    """A guarded registry, and helpers in a directory of PATH."""

    def __init__(self, registry, work):
        self.registry, self.work = registry, work
        self.asked = work / "asked"
        self.bin = work / "bin"
        self.bin.mkdir()
        self.upload = ClientCommand(registry, work, "upload")
        (self.upload.work / "app.tar").write_bytes(docker_archive(IMAGE, ["app:v1"]))
        self.download = ClientCommand(registry, work, "download")

    def add(self, name, text=None, server=None, answer=None):
        path = self.bin / f"docker-credential-{name}"
        said = json.dumps(answer or {"ServerURL": "", "Username": "bob", "Secret": OTHER})
        path.write_text(text or HELPER.format(asked=self.asked, server=server or self.registry.address, answer=said))
        path.chmod(0o755)

    def variables(self, config):
        return {"PATH": f"{self.bin}:/usr/bin:/bin", "DOCKER_AUTH_CONFIG": json.dumps(config)}

    def push(self, config, status=0):
        return self.upload("app.tar", "team/app:v1", "--url", self.registry.url, status=status, **self.variables(config))


@pytest.fixture
def helpers(new_registry, work):
    accounts = Accounts(new_registry(config={
        "auth": "local", "policy": [{"subjects": ["user:bob"], "actions": ["pull", "push"], "repositories": ["team/*"]}]}))
    accounts.add("bob", password=OTHER)
    accounts.registry.start()
    return Helpers(accounts.registry, work)


def test_the_one_that_is_named_for_the_server(helpers):
    helpers.add("mine")
    helpers.add("other", text="#!/bin/sh\nexit 3\n")
    helpers.push({"credHelpers": {helpers.registry.address: "mine", "elsewhere.example": "other"}, "credsStore": "other"})
    assert helpers.asked.read_text() == helpers.registry.address + "\n"


def test_the_usual_one_and_also_for_downloads(helpers):
    helpers.add("usual")
    config = {"credsStore": "usual", "auths": {helpers.registry.address: {}}}
    helpers.push(config)
    helpers.download("team/app:v1", "-o", "app.tar", "--url", helpers.registry.url, **helpers.variables(config))


def test_one_that_has_nothing_leaves_it_to_the_file(helpers):
    helpers.add("usual", server="elsewhere.example")
    basic = base64.b64encode(f"bob:{OTHER}".encode()).decode()
    helpers.push({"credsStore": "usual", "auths": {helpers.registry.address: {"auth": basic}}})
    assert helpers.asked.read_text() == helpers.registry.address + "\n"


def test_one_that_is_not_there(helpers):
    said = helpers.push({"credHelpers": {helpers.registry.address: "gone"}}, status=1)
    assert "docker-credential-gone is not in PATH" in said
    assert "the server wants a user" in helpers.push({"credsStore": "gone"}, status=1)


def test_one_that_fails_says_why(helpers):
    helpers.add("broken", text="#!/bin/sh\necho the keyring is locked >&2\nexit 1\n")
    assert "docker-credential-broken fails: the keyring is locked" in helpers.push({"credsStore": "broken"}, status=1)
    helpers.add("odd", text="#!/bin/sh\necho hello\n")
    assert "does not answer as a helper does" in helpers.push({"credsStore": "odd"}, status=1)


def test_its_name_is_no_path_and_no_command(helpers):
    (helpers.bin / "docker-credential-x").mkdir()
    for name in ("x/../../bin/docker-credential-mine", "mine; touch made", "$(touch made)"):
        said = helpers.push({"credHelpers": {helpers.registry.address: name}}, status=1)
        assert "is no name of a credential helper" in said
    assert not (helpers.upload.work / "made").exists()
