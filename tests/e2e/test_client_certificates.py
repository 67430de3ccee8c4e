"""Client certificates as identities: who they name, what spoils them, and what goes before them."""

import datetime
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest
import requests
from certificates import Authority, authority, certificate
from clients import ClientFailed, Docker
from helpers import Client, image, tar_layer, write_oci_layout
from server import TOP
from test_rights import htpasswd
from waiting import until

pytestmark = pytest.mark.sanitize

PASSWORD = "build-It7"

POLICY = [
    {"subjects": ["anonymous"], "actions": ["pull"], "repositories": ["public/**"]},
    {"subjects": ["user:alice"], "actions": ["pull", "push"], "repositories": ["dev/**", "public/**"]},
    {"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["dev/**"]},
    {"subjects": ["group:builders"], "actions": ["pull", "push"], "repositories": ["built/**"]},
    {"subjects": ["group:Platform Team"], "actions": ["pull"], "repositories": ["team/**"]},
    {"subjects": ["user:spiffe://example.org/ci"], "actions": ["push"], "repositories": ["spiffe/**"]},
]


class Place:
    """A registry that takes certificates, and the authorities around it."""

    def __init__(self, new_registry, work):
        self.work = work
        self.ca = Authority(work, "clients")
        self.server_ca = authority(work, "ca")
        self.server = certificate(work, "server", self.server_ca, "IP:127.0.0.1,IP:0.0.0.0")
        self.client_ca = work / "client-ca.pem"
        self.crl = work / "revoked.pem"
        shutil.copy(self.ca.pem, self.client_ca)
        self.crl.write_text(self.ca.revoked())
        self.new_registry = new_registry
        self.registry = None

    def start(self, tls=None, limits=None, cors=None, **certificate_keys):
        users = htpasswd(self.work / "htpasswd", {"bob": PASSWORD})
        config = {
            "http": {
                "tls": {
                    "certificate": str(self.server),
                    "key": str(self.server.with_suffix(".key")),
                    "client_ca": str(self.client_ca),
                    "client_crl": str(self.crl),
                    **(tls or {}),
                },
                "cors": cors or {},
            },
            "auth": {
                "htpasswd": {"file": users},
                "certificate": {"enabled": True, **certificate_keys},
            },
            "policy": POLICY,
            "limits": limits or {},
        }
        self.registry = self.new_registry(config=config, tls=True).spawn()
        until(lambda: '"listening"' in self.registry.log or not self.registry.running())
        assert self.registry.running(), self.registry.log
        return self

    def replace(self, path, text):
        """As an administrator should: readers see the old file or the new one."""
        fresh = path.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(path)

    def revoke(self, pem):
        self.ca.revoke(pem)
        self.replace(self.crl, self.ca.revoked())

    def client(self, pem=None, **more):
        cert = (str(pem), str(pem.with_suffix(".key"))) if pem else None
        return Client(self.registry.url, verify=str(self.server_ca), cert=cert, **more)

    def status(self, pem=None, path="/v2/", method="GET", **more):
        with self.client(pem) as c:
            return c.request(method, path, None, **more).status_code

    def refused(self, pem):
        """The handshake, or what follows it at once, fails (TLS 1.3 tells late)."""
        try:
            self.status(pem)
        except requests.exceptions.ConnectionError:
            return True
        return False

    def context(self, pem=None):
        c = ssl.create_default_context(cafile=self.server_ca)
        if pem:
            c.load_cert_chain(pem, pem.with_suffix(".key"))
        return c

    def connect(self, context, session=None):
        plain = socket.create_connection(("127.0.0.1", self.registry.port), 10)
        return context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)


@pytest.fixture
def place(new_registry, work):
    return Place(new_registry, work)


def ask(s, path="/v2/"):
    """The head of the answer to a GET over a connection that stays open; None: it is closed."""
    try:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            more = s.recv(65536)
            if not more:
                return None
            data += more
    except OSError:
        return None
    return data.decode()


def last_answer(s):
    """The first one that is not 200."""
    while (answer := ask(s)) and answer.startswith("HTTP/1.1 200 "):
        time.sleep(0.05)
    return answer


# Who it is


@pytest.mark.parametrize("credentials, status", [(False, 403), (True, 202)])
def test_a_page_of_a_listed_origin_uses_a_certificate_with_credentials_only(
    place, credentials, status
):
    page = {"Origin": "https://ui.example.org", "Sec-Fetch-Site": "cross-site"}
    cors = {"origins": [page["Origin"]], "credentials": credentials}
    alice = place.start(cors=cors).ca.issue("/CN=alice")
    uploads = "/v2/dev/app/blobs/uploads/"
    assert place.status(alice, uploads, "POST", headers=page) == status
    assert place.status(alice, uploads, "POST") == 202


def test_a_certificate_is_a_sign_in(place):
    alice = place.start().ca.issue("/CN=alice")
    made = image(seed="certificate")
    with place.client(alice) as c:
        c.request("GET", "/v2/")
        c.push_image("dev/app", made, "v1")
        assert c.pull_image("dev/app", "v1") == made
        c.request("POST", "/v2/other/blobs/uploads/", 403)
    until(lambda: '"identity":"user:alice"' in place.registry.log)


def test_curl_shows_a_certificate(place):
    alice = place.start().ca.issue("/CN=alice")
    command = ["curl", "-sS", "-o", "-", "-w", "%{http_code}", "--cacert", place.server_ca]
    for more, wanted in ((["--cert", alice, "--key", alice.with_suffix(".key")], "{}200"), ([], "401")):
        done = subprocess.run(
            [*command, *more, f"{place.registry.url}/v2/"], capture_output=True, text=True, timeout=60
        )
        assert done.stdout.endswith(wanted), done.stdout + done.stderr


def test_who_has_no_certificate_is_asked_to_sign_in_or_anonymous(place):
    alice = place.start().ca.issue("/CN=alice")
    with place.client(alice) as c:
        c.push_image("public/app", image(), "v1")
    with place.client() as c:
        assert "WWW-Authenticate" in c.request("GET", "/v2/", 401).headers
        c.request("GET", "/v2/dev/app/tags/list", 401)
        assert c.tags("public/app") == ["v1"]


def test_the_authorization_header_goes_before_the_certificate(place):
    alice = place.start().ca.issue("/CN=alice")
    with place.client(alice) as c:
        c.push_image("dev/app", image(), "v1")
    with place.client(alice, auth=("bob", PASSWORD)) as c:
        assert c.tags("dev/app") == ["v1"]
        c.request("POST", "/v2/dev/app/blobs/uploads/", 403)
    assert place.status(alice, auth=("bob", "wrong")) == 401


def test_the_token_service_does_not_take_a_certificate(place):
    """Its tokens would hold when the certificate is revoked."""
    alice = place.start().ca.issue("/CN=alice")
    with place.client(alice) as c:
        token = c.request("GET", "/auth/token?scope=repository:dev/app:push").json()["token"]
        head = {"Authorization": f"Bearer {token}"}
        c.request("POST", "/v2/dev/app/blobs/uploads/", 401, headers=head)


def test_a_web_page_of_another_site_cannot_use_a_certificate(place):
    alice = place.start().ca.issue("/CN=alice")
    with place.client(alice) as c:
        path = "/v2/dev/app/blobs/uploads/"
        c.request("POST", path, 403, headers={"Sec-Fetch-Site": "cross-site"})
        c.request("POST", path, 403, headers={"Sec-Fetch-Site": "same-site"})
        c.request("POST", path, 202, headers={"Sec-Fetch-Site": "same-origin"})


@pytest.mark.parametrize(
    "subject",
    ["/CN=two words", "/CN=-rf", "/CN=user:alice", "/CN=..", "/CN=\u0430lice", "/CN=a\\/b",
     "/CN=alice/CN=root", "/O=nameless", "/CN=line\nbreak"],
)
def test_a_common_name_that_is_no_user_name_is_nobody(place, subject):
    odd = place.start().ca.issue(subject)
    assert place.status(odd) == 401
    assert place.status(odd, auth=("bob", PASSWORD)) == 200


def test_a_certificate_is_no_guess(place):
    odd = place.start(limits={"rate": {"failures": 2}}).ca.issue("/O=nameless")
    assert [place.status(odd) for _ in range(4)] == [401] * 4
    wrong = {"Authorization": "Bearer x.y.z"}
    assert [place.status(headers=wrong) for _ in range(4)] == [401, 401, 429, 429]


@pytest.mark.parametrize(
    "username, san, expected",
    [
        ("san_email", "email:alice", 202),
        ("san_email", "DNS:other,email:alice", 202),
        ("san_email", "email:alice,email:bob", 401),
        ("san_email", "DNS:alice", 401),
        ("san_email", None, 401),
        ("san_dns", "DNS:alice,IP:10.0.0.1", 202),
        ("san_dns", "DNS:*.example.org", 401),
    ],
)
def test_an_alternative_name_names_the_user(place, username, san, expected):
    pem = place.start(username=username).ca.issue("/CN=root", san)
    assert place.status(pem, "/v2/dev/app/blobs/uploads/", "POST") == expected


def test_a_uri_names_a_workload(place):
    pem = place.start(username="san_uri").ca.issue("/O=x", "URI:spiffe://example.org/ci")
    assert place.status(pem, "/v2/spiffe/app/blobs/uploads/", "POST") == 202
    other = place.ca.issue("/O=x", "URI:spiffe://example.org/other")
    assert place.status(other, "/v2/spiffe/app/blobs/uploads/", "POST") == 403


def test_organizational_units_are_groups(place):
    place.start(groups_from="subject_ou")
    pem = place.ca.issue("/OU=builders/OU=Platform Team/O=elsewhere/CN=carol")
    assert place.status(pem, "/v2/built/app/blobs/uploads/", "POST") == 202
    assert place.status(pem, "/v2/team/app/blobs/uploads/", "POST") == 403
    with place.client(pem) as c:
        c.push_image("built/app", image(), "v1")
        c.pull_image("built/app", "v1")
    outside = place.ca.issue("/O=builders/CN=carol")
    assert place.status(outside, "/v2/built/app/blobs/uploads/", "POST") == 403


def test_organizations_are_groups(place):
    place.start(groups_from="subject_o")
    for subject, wanted in (("/O=builders/CN=carol", 202), ("/OU=builders/CN=carol", 403)):
        pem = place.ca.issue(subject)
        assert place.status(pem, "/v2/built/app/blobs/uploads/", "POST") == wanted


# What spoils it


def test_a_certificate_of_another_authority_gets_no_connection(place):
    stranger = Authority(place.work, "stranger").issue("/CN=alice")
    assert place.start().refused(stranger)
    until(lambda: "client certificate: " in place.registry.log)


def test_a_certificate_that_is_not_for_clients_gets_no_connection(place):
    assert place.start().refused(place.ca.issue("/CN=alice", usage="serverAuth"))


def test_an_expired_certificate_gets_no_connection(place):
    past = datetime.datetime.utcnow() - datetime.timedelta(hours=1)
    assert place.start().refused(place.ca.issue("/CN=alice", until=past))


def before_it_expires(place, seconds):
    """A certificate that expires so soon, and a connection that was served with it; None: all that took longer."""
    soon = datetime.datetime.utcnow() + datetime.timedelta(seconds=seconds)
    alice = place.ca.issue("/CN=alice", until=soon)
    s = answer = None
    try:
        s = place.connect(place.context(alice))
        answer = ask(s)
    except OSError as error:
        answer = str(error)
    if datetime.datetime.utcnow() >= soon.replace(microsecond=0):
        if s:
            s.close()
        return None
    assert answer.startswith("HTTP/1.1 200 "), answer
    return alice, s


def test_an_open_connection_ends_with_its_certificate(place):
    place.start()
    alice, s = before_it_expires(place, 3) or before_it_expires(place, 30)
    with s:
        answer = last_answer(s)
        assert answer.startswith("HTTP/1.1 403 ")
        assert "connection: close" in answer.lower()
        assert ask(s) is None
    assert place.refused(alice)


def test_a_revoked_certificate_gets_no_connection(place):
    alice, bob = (place.start().ca.issue(f"/CN={name}") for name in ("alice", "bob"))
    assert (place.status(alice), place.status(bob)) == (200, 200)
    place.revoke(alice)
    until(lambda: place.refused(alice))
    assert place.status(bob) == 200


def test_an_open_connection_loses_a_revoked_certificate(place):
    alice = place.start().ca.issue("/CN=alice")
    bob = place.ca.issue("/CN=bob")
    with place.connect(place.context(alice)) as s, place.connect(place.context(bob)) as other:
        assert ask(s).startswith("HTTP/1.1 200 ")
        place.revoke(alice)
        assert last_answer(s).startswith("HTTP/1.1 403 ")
        assert ask(s) is None
        assert ask(other).startswith("HTTP/1.1 200 ")


def test_sighup_reads_the_list_at_once(place):
    alice = place.start().ca.issue("/CN=alice")
    with place.connect(place.context(alice)) as s:
        assert ask(s).startswith("HTTP/1.1 200 ")
        place.revoke(alice)
        place.registry.signal(signal.SIGHUP)
        until(lambda: "configuration reloaded" in place.registry.log)
        assert ask(s).startswith("HTTP/1.1 403 ")


def test_an_open_connection_loses_an_authority_that_is_trusted_no_more(place):
    alice = place.start(tls={"client_crl": ""}).ca.issue("/CN=alice")
    with place.connect(place.context(alice)) as s:
        assert ask(s).startswith("HTTP/1.1 200 ")
        place.replace(place.client_ca, Authority(place.work, "next").pem.read_text())
        place.registry.signal(signal.SIGHUP)
        until(lambda: "configuration reloaded" in place.registry.log)
        assert ask(s).startswith("HTTP/1.1 403 ")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_is_resumed_without_a_look_at_the_certificate(place, version):
    context = place.context(place.start().ca.issue("/CN=alice"))
    context.minimum_version = context.maximum_version = version
    with place.connect(context) as s:
        assert ask(s).startswith("HTTP/1.1 200 ")
        session = s.session
    with place.connect(context, session) as s:
        assert ask(s).startswith("HTTP/1.1 200 ")
        assert not s.session_reused


def test_a_list_out_of_date_says_nothing_of_a_certificate(place):
    place.start()
    alice = place.ca.issue("/CN=alice")
    with place.connect(place.context(alice)) as s:
        assert ask(s).startswith("HTTP/1.1 200 ")
        place.replace(place.crl, place.ca.revoked("-crlsec", "1"))
        until(lambda: place.refused(alice))
        assert not (ask(s) or "HTTP/1.1 403 ").startswith("HTTP/1.1 200 ")
    assert place.status() == 401  # nobody else is concerned


@pytest.mark.parametrize("broken, reason", [
    (lambda whole: "no list", "it holds none in PEM form"),
    (lambda whole: whole + whole[: len(whole) // 2], "it is cut off or damaged"),
], ids=["no list", "cut off"])
def test_a_list_that_cannot_be_read_leaves_the_earlier_one_in_use(place, broken, reason):
    alice, bob = (place.start().ca.issue(f"/CN={name}") for name in ("alice", "bob"))
    place.revoke(alice)
    until(lambda: place.refused(alice))
    place.replace(place.crl, broken(place.ca.revoked()))
    until(lambda: place.status(bob) == 200 and reason in place.registry.log)
    assert place.registry.log.count("file not reloaded; its earlier content stays in use") == 1
    assert place.refused(alice)


def test_the_chain_of_an_intermediate_authority_is_verified_again(place):
    between = Authority(place.work, "between", place.ca)
    place.crl.write_text(place.ca.revoked() + between.revoked())
    place.start()
    alice = between.issue("/CN=alice")
    alice.write_text(alice.read_text() + between.pem.read_text())
    with place.connect(place.context(alice)) as s:
        assert ask(s).startswith("HTTP/1.1 200 ")
        place.registry.signal(signal.SIGHUP)
        until(lambda: "configuration reloaded" in place.registry.log)
        assert ask(s).startswith("HTTP/1.1 200 ")


def test_a_required_certificate_is_a_sign_in_too(place):
    place.start(tls={"client_auth": "required"})
    assert place.refused(None)
    assert place.status(place.ca.issue("/CN=alice")) == 200


# The clients


def certs_dir(directory, place, pem):
    """What docker, podman and skopeo call a certs.d directory."""
    directory.mkdir(parents=True)
    shutil.copy(place.server_ca, directory / "ca.crt")
    shutil.copy(pem, directory / "client.cert")
    shutil.copy(pem.with_suffix(".key"), directory / "client.key")
    return directory


def test_the_curl_line_of_the_page_works(place):
    alice = place.start().ca.issue("/CN=alice")
    page = (TOP / "docs" / "auth.md").read_text()
    line = re.search(r"^curl --cacert .*$", page, re.M).group()
    done = subprocess.run(
        ["bash", "-c", line.replace("https://registry.example.org", place.registry.url)],
        cwd=certs_dir(place.work / "certs", place, alice),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "{}", done.stderr


def test_skopeo_pushes_and_pulls_by_certificate_alone(place, containers, work):
    alice = place.start().ca.issue("/CN=alice")
    certs = certs_dir(work / "certs", place, alice)
    write_oci_layout(work / "layout", image(seed="skopeo"))
    name = f"docker://{place.registry.address}/dev/skopeo:v1"
    containers.skopeo_tls("copy", "--dest-cert-dir", certs, f"oci:{work / 'layout'}:latest", name)
    containers.skopeo_tls("copy", "--src-cert-dir", certs, name, f"oci:{work / 'copy'}:latest")
    place.revoke(alice)
    until(lambda: place.refused(alice))
    with pytest.raises(ClientFailed):
        containers.skopeo_tls("inspect", "--cert-dir", certs, name)


def test_podman_pushes_and_pulls_by_certificate_alone(place, containers, work):
    alice = place.start().ca.issue("/CN=alice")
    certs = certs_dir(work / "certs", place, alice)
    write_oci_layout(work / "layout", image(seed="podman"))
    containers.podman("pull", f"oci:{work / 'layout'}:latest")
    identity = containers.podman("images", "-q", "--no-trunc").strip().removeprefix("sha256:")
    name = f"{place.registry.address}/dev/podman:v1"
    containers.podman_tls("push", "--cert-dir", certs, identity, name)
    containers.podman("rmi", "--force", identity)
    containers.podman_tls("pull", "--cert-dir", certs, name)
    assert identity in containers.podman("images", "-q", "--no-trunc")


def test_docker_pushes_and_pulls_by_certificate_alone(place, work):
    alice = place.start().ca.issue("/CN=alice")
    # The engine looks at no certificate for 127.0.0.0/8; 0.0.0.0 is this machine too.
    address = place.registry.address.replace("127.0.0.1", "0.0.0.0")
    certs_dir(work / "etc" / "certs.d" / address, place, alice)
    (work / "docker").mkdir()
    engine = Docker(work / "docker", etc=work / "etc").start()
    try:
        name = f"{address}/dev/docker:v1"
        identity = engine.import_tar(tar_layer({"hello": b"hello"}), name)
        engine("push", name)
        engine.remove(name)
        engine("pull", name)
        assert engine.image_id(name) == identity
        place.revoke(alice)
        until(lambda: place.refused(alice))
        with pytest.raises(ClientFailed):
            engine("push", name)
    finally:
        engine.stop()
