"""crane, regctl and oras sign in, push and pull through each kind of identity. All in one test, for
some of the identities are slow to set up."""

import pytest
from clients import ClientFailed
from helpers import image, write_oci_layout
from test_clients_sign_in import IDENTITIES


@pytest.fixture(params=IDENTITIES, ids=lambda identity: identity.__name__.replace("_", "-"))
def account(request, new_registry, work):
    with request.param(new_registry, work) as (registry, user, secret):
        # By name, as the token service elsewhere: crane asks no other private address for tokens,
        # oras none of this machine that has another name.
        yield f"localhost:{registry.port}", user, secret


@pytest.fixture
def layout(work):
    return write_oci_layout(work / "layout", image(seed="go"), "v1")


def refused_until_signed_in(push, sign_in):
    with pytest.raises(ClientFailed):
        push()
    sign_in()
    push()


def use_crane(crane, layout, address, user, secret):
    name = f"{address}/dev/crane:v1"
    refused_until_signed_in(
        lambda: crane("push", layout, name),
        lambda: crane("auth", "login", address, "-u", user, "--password-stdin", input=secret))
    crane("pull", "--format=oci", name, "pulled")
    assert crane("ls", f"{address}/dev/crane").split() == ["v1"]


def use_regctl(regctl, layout, address, user, secret):
    name = f"{address}/dev/regctl:v1"
    regctl("registry", "set", address, "--tls=disabled", "--skip-check")
    refused_until_signed_in(
        lambda: regctl("image", "copy", f"ocidir://{layout}:v1", name),
        lambda: regctl("registry", "login", address, "-u", user, "--pass-stdin", input=secret))
    regctl("image", "copy", name, "ocidir://pulled:v1")
    assert regctl("tag", "ls", f"{address}/dev/regctl").split() == ["v1"]


def use_oras(oras, copy, layout, address, user, secret):
    name = f"{address}/dev/oras:v1"
    refused_until_signed_in(
        lambda: copy("--from-oci-layout", f"{layout}:v1", name),
        lambda: oras("login", "-u", user, "--password-stdin", address, input=secret))
    copy("--to-oci-layout", name, "pulled:v1")
    assert oras("repo", "tags", f"{address}/dev/oras").split() == ["v1"]


def test_crane_regctl_and_oras(account, go_clients, layout):
    use_crane(go_clients.crane, layout, *account)
    use_regctl(go_clients.regctl, layout, *account)
    use_oras(go_clients.oras, go_clients.oras_copy, layout, *account)
