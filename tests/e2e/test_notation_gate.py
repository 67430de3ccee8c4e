"""Rules of the server that demand a signature of notation."""

import pytest

from helpers import Client, image
from notary import Authority, Trust, envelope, put, sign, statement
from waiting import until


@pytest.fixture
def acme(work):
    return Authority(work / "acme")


@pytest.fixture
def gate(new_registry, work, acme):
    """prod/ wants a signature of notation: the policy names the repository under the name that people call the host by."""
    scopes = ["registry.example.org/prod/app"]
    identity = "x509.subject: C=US, ST=WA, O=acme, CN=release"
    trust = Trust(work / "trust", acme, statement(scopes=scopes, identities=[identity]))
    rule = {"repositories": ["prod/**"], "at": ["pull"], "mode": "enforce", "require": "any",
            "notation": {"trust_policy": str(trust.policy), "certificates": str(trust.stores)}}  # fmt: skip
    return new_registry(config={"signatures": [rule]}).start()


def sign_elsewhere(gate, client, repo, made, signer):
    """notation looks at an image that it signs, which nobody may here before it is signed."""
    client.push_image(f"dev/{signer.name}", made, "v1")
    sign(gate, f"dev/{signer.name}", made, signer)
    put(client, repo, made, *envelope(client, f"dev/{signer.name}", made)[:2])


def status(client, repo):
    return client.get_manifest(repo, "v1", expect=(200, 403)).status_code


def test_an_image_is_pulled_when_it_is_signed_by_whom_the_policy_names(gate, acme):
    made = image("gated", layers=1)
    with Client(gate.url) as client:
        client.push_image("prod/app", made, "v1")
        assert status(client, "prod/app") == 403
        sign_elsewhere(gate, client, "prod/app", made, acme.signer("security"))
        assert status(client, "prod/app") == 403
        sign_elsewhere(gate, client, "prod/app", made, acme.signer("release"))
        until(lambda: status(client, "prod/app") == 200, timeout=60)


def test_a_repository_that_no_statement_names_is_closed(gate, acme):
    made = image("gated", layers=1)
    with Client(gate.url) as client:
        client.push_image("prod/web", made, "v1")
        sign_elsewhere(gate, client, "prod/web", made, acme.signer("release"))
        assert status(client, "prod/web") == 403
