"""TLS: certificates, versions, ciphers, client certificates, and a new certificate by SIGHUP."""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
from urllib.parse import urlsplit

import pytest
import requests

from archives import docker_archive, upload
from certificates import authority, certificate
from helpers import MIB, Client, Wire, digest_of, image, image_of_layers, random_bytes, tar_layer
from waiting import until

pytestmark = [pytest.mark.sanitize, pytest.mark.concurrent]


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    """Certificates by name: an authority, a server, a client, and those of a stranger."""
    directory = tmp_path_factory.mktemp("certificates")
    made = {"ca": authority(directory, "ca"), "stranger ca": authority(directory, "stranger-ca")}
    made["server"] = certificate(directory, "server", made["ca"])
    made["next"] = certificate(directory, "next", made["ca"])
    made["client"] = certificate(directory, "client", made["ca"])
    made["stranger"] = certificate(directory, "stranger", made["stranger ca"])
    return made


@pytest.fixture
def tls_registry(new_registry, issued, work):
    """Starts a registry with the server's certificate: tls_registry(min_version=...)."""

    def start(http=None, **more):
        # A copy, which a test may put another certificate over.
        for suffix in (".pem", ".key"):
            shutil.copy(issued["server"].with_suffix(suffix), work / f"current{suffix}")
        tls = {"certificate": str(work / "current.pem"), "key": str(work / "current.key"), **more}
        registry = new_registry(config={"http": {"tls": tls, **(http or {})}}, tls=True).spawn()
        until(lambda: '"listening"' in registry.log or not registry.running())
        assert registry.running(), registry.log
        return registry

    return start


@pytest.fixture
def secure(tls_registry, issued):
    """A client that trusts the authority, and checks the registry's certificate by it."""
    registry = tls_registry()
    with Client(registry.url, verify=str(issued["ca"])) as c:
        yield c


def context(issued, certified_by=None, **settings):
    c = ssl.create_default_context(cafile=issued["ca"])
    if certified_by:
        c.load_cert_chain(issued[certified_by], issued[certified_by].with_suffix(".key"))
    for key, value in settings.items():
        setattr(c, key, value)
    return c


def connect(registry, tls):
    plain = socket.create_connection(("127.0.0.1", registry.port), 10)
    try:
        return tls.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
    except Exception:
        plain.close()
        raise


def ask(s, path="/v2/"):
    """The status of a GET over a connection that stays open."""
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(65536)
        assert more, "closed without an answer"
        data += more
    return int(data.split()[1])


def refused(registry, tls):
    """True when the handshake, or what follows it at once, fails (TLS 1.3 tells late)."""
    try:
        with connect(registry, tls) as s:
            ask(s)
    except (ssl.SSLError, ConnectionError, AssertionError):
        return True
    return False


def test_an_image_goes_in_and_comes_out(secure):
    made = image(seed="tls", layers=3, layer_size=300_000)
    secure.push_image("app", made, "v1")
    assert secure.pull_image("app", "v1") == made


def test_large_blobs_ranges_and_streams(secure):
    data = random_bytes(9 * MIB + 7, "tls")
    digest = digest_of(data)
    location = secure.start_upload("app")
    pieces = iter([data[:MIB], data[MIB : 5 * MIB], data[5 * MIB :]])
    r = secure.request("PATCH", location, 202, data=pieces)
    secure.finish(r.headers["Location"], digest)
    assert secure.get_blob("app", digest).content == data
    part = secure.get_blob("app", digest, 206, Range=f"bytes=-{3 * MIB}")
    assert part.content == data[-3 * MIB :]


def test_archives_come_and_go_over_tls(secure):
    made = image_of_layers([tar_layer({"a": random_bytes(3 * MIB)})])
    upload(secure, docker_archive(made, None), repository="app", tag="v1")
    sent = secure.request("GET", "/api/v1/archive/app:v1", params={"format": "docker"}).content
    layers = [x["digest"] for x in secure.pull_image("app", "v1").document["layers"]]
    assert layers == [x["digest"] for x in made.document["layers"]]
    assert upload(secure, sent, repository="app", tag="v2")["newBlobs"] == 0


def test_a_client_that_does_not_trust_the_authority_is_told_by_tls(tls_registry, issued):
    registry = tls_registry()
    with Client(registry.url, verify=str(issued["stranger ca"])) as c:
        with pytest.raises(requests.exceptions.SSLError):
            c.request("GET", "/v2/")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
def test_plain_http_to_a_tls_port_is_told_to_use_tls(tls_registry, method):
    registry = tls_registry()
    with Wire(registry.url) as wire:
        wire.send_request(method, "/v2/")
        answer = b""
        while more := wire.socket.recv(65536):
            answer += more
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"this port speaks TLS: use https://" in answer


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(tls_registry, issued, version):
    registry = tls_registry()
    with connect(registry, context(issued, minimum_version=version, maximum_version=version)) as s:
        assert ask(s) == 200
        assert s.version() == version.name.replace("_", ".")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_refused(tls_registry, issued, version):
    registry = tls_registry()
    old = context(issued, minimum_version=version, maximum_version=version)
    old.set_ciphers("ALL:@SECLEVEL=0")  # so that it is not our own OpenSSL that refuses
    with pytest.raises((ssl.SSLError, ConnectionError)) as failure:
        connect(registry, old)
    assert "PROTOCOL_VERSION" in str(failure.value)


def test_the_oldest_version_is_configured(tls_registry, issued):
    registry = tls_registry(min_version="1.3")
    assert refused(registry, context(issued, maximum_version=ssl.TLSVersion.TLSv1_2))
    assert not refused(registry, context(issued))


def test_the_ciphers_are_configured(tls_registry, issued):
    registry = tls_registry(ciphers="ECDHE-ECDSA-AES256-GCM-SHA384")
    for offered, wanted in [("ECDHE-ECDSA-AES128-GCM-SHA256", True), ("ECDHE+AES256", False)]:
        old = context(issued, maximum_version=ssl.TLSVersion.TLSv1_2)
        old.set_ciphers(offered)
        assert refused(registry, old) is wanted


def test_the_ciphersuites_are_configured(tls_registry, issued):
    registry = tls_registry(ciphersuites="TLS_CHACHA20_POLY1305_SHA256", min_version="1.3")
    with connect(registry, context(issued)) as s:
        assert s.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"


def test_a_closed_connection_says_so_in_tls(tls_registry, issued):
    """RFC 8446, 6.1: without close_notify the end could be an attacker's."""
    registry = tls_registry()
    with connect(registry, context(issued)) as s:
        s.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while more := s.recv(65536):  # SSLEOFError when it is cut off
            data += more
        assert data.endswith(b"{}")


def test_requests_are_pipelined(tls_registry, issued):
    """What TLS holds back in its own buffer is not forgotten."""
    registry = tls_registry()
    with connect(registry, context(issued)) as s:
        s.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        data = b""
        while data.count(b"HTTP/1.1 200 ") < 50:
            data += s.recv(65536)


def test_a_handshake_that_does_not_come_is_cut_off(new_registry, issued):
    tls = {"certificate": str(issued["server"]), "key": str(issued["server"].with_suffix(".key"))}
    config = {"http": {"tls": tls, "head_timeout": "300ms"}}
    registry = new_registry(config=config, tls=True).start()
    for sent in (b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        with Wire(registry.url) as wire:
            wire.send(sent)
            while not wire.closed():  # an alert may come first
                wire.buffer = b""


class Records:
    """TLS over a socket that sends no more than it is told to: records, to be cut anywhere."""

    def __init__(self, registry, tls):
        self.wire = Wire(registry.url)
        self.received, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = tls.wrap_bio(self.received, self.to_send, server_hostname="localhost")

    def does(self, step, *args):
        """A step of TLS, with what it sends and waits for."""
        while True:
            try:
                return step(*args)
            except ssl.SSLWantReadError:
                self.wire.send(self.to_send.read())
                self.received.write(self.wire.socket.recv(65536))
            finally:
                self.wire.send(self.to_send.read())

    def record(self, data):
        self.tls.write(data)
        return self.to_send.read()


def test_a_record_that_drips_is_cut_off(tls_registry, issued):
    """Until a record is whole no byte of it can be read: that must not hold a worker for days."""
    registry = tls_registry(http={"min_rate": "1MiB", "io_timeout": "2s"})
    client = Records(registry, context(issued))
    with client.wire:
        client.does(client.tls.do_handshake)
        head = b"POST /v2/app/blobs/uploads/?digest=sha256:" + b"0" * 64
        head += b" HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n"
        client.does(client.tls.write, head)
        record = client.record(b"x" * 10000)
        done = iter(range(len(record) - 1))

        def drip():
            try:
                client.wire.send(record[(at := next(done)) : at + 1])
            except OSError:
                pass  # cut off
            return "http.min_rate" in registry.log

        until(drip)


# Client certificates


def test_a_client_certificate_is_optional_by_default(tls_registry, issued):
    registry = tls_registry(client_ca=str(issued["ca"]))
    assert not refused(registry, context(issued))
    assert not refused(registry, context(issued, "client"))
    assert refused(registry, context(issued, "stranger"))


def test_a_client_certificate_is_required_when_configured(tls_registry, issued):
    registry = tls_registry(client_ca=str(issued["ca"]), client_auth="required")
    assert refused(registry, context(issued))
    assert refused(registry, context(issued, "stranger"))
    assert not refused(registry, context(issued, "client"))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert refused(registry, context(issued, maximum_version=version))
        assert not refused(registry, context(issued, "client", maximum_version=version))


# Reload


def subject(s):
    return dict(pair[0] for pair in s.getpeercert()["subject"])["commonName"]


def install(issued, name, work):
    shutil.copy(issued[name], work / "current.pem")
    shutil.copy(issued[name].with_suffix(".key"), work / "current.key")


def test_sighup_takes_a_new_certificate_while_connections_go_on(tls_registry, issued, work):
    registry = tls_registry()
    with connect(registry, context(issued)) as old:
        assert (ask(old), subject(old)) == (200, "server")
        install(issued, "next", work)
        registry.signal(signal.SIGHUP)

        def renewed():
            with connect(registry, context(issued)) as s:
                return ask(s) == 200 and subject(s) == "next"

        until(renewed)
        for _ in range(3):
            assert ask(old) == 200


def test_a_transfer_goes_on_over_a_reload(tls_registry, issued, work):
    registry = tls_registry()
    data = random_bytes(400_000, "reload")
    with Client(registry.url, verify=str(issued["ca"])) as client:
        path = client.start_upload("app").removeprefix(registry.url)
        with connect(registry, context(issued)) as s:
            head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
            s.sendall(head.encode() + data[:200_000])
            install(issued, "next", work)
            registry.signal(signal.SIGHUP)
            until(lambda: "configuration reloaded" in registry.log)
            s.sendall(data[200_000:])
            assert s.recv(65536).startswith(b"HTTP/1.1 202 ")
        client.finish(registry.url + path, digest_of(data))


def key_in_files(work, *command):
    """Makes a key anew by openssl COMMAND."""
    subprocess.run(["openssl", *command, "-out", work / "current.key"], check=True)


BROKEN = {
    "garbage": (
        lambda work, issued: (work / "current.pem").write_text("no certificate"),
        "current.pem': it holds none in PEM form",
    ),
    "missing": (
        lambda work, issued: (work / "current.pem").unlink(),
        "current.pem': No such file or directory",
    ),
    "half written": (
        lambda work, issued: os.truncate(work / "current.pem", 200),
        "current.pem': it is cut off or damaged",
    ),
    "key of another": (
        lambda work, issued: shutil.copy(issued["next"].with_suffix(".key"), work / "current.key"),
        "current.key': it does not belong to the certificate",
    ),
    "key of another kind": (
        lambda work, issued: key_in_files(work, "genpkey", "-algorithm", "ed25519"),
        "current.key': it does not belong to the certificate",
    ),
    "no key": (
        lambda work, issued: shutil.copy(work / "current.pem", work / "current.key"),
        "current.key': it holds none in PEM form",
    ),
    "key with a passphrase": (
        lambda work, issued: key_in_files(
            work, *"genpkey -algorithm ed25519 -aes128 -pass pass:secret".split()
        ),
        "current.key': it is encrypted; write it without a passphrase",
    ),
    "key with a passphrase, as it was written once": (
        lambda work, issued: key_in_files(
            work, *"ec -aes128 -passout pass:secret -in".split(), issued["server"].with_suffix(".key")
        ),
        "current.key': it is encrypted; write it without a passphrase",
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_certificate_is_not_taken(tls_registry, issued, work, broken):
    registry = tls_registry()
    breaks, reason = BROKEN[broken]
    breaks(work, issued)
    registry.signal(signal.SIGHUP)
    until(lambda: '"level":"error"' in registry.log)
    assert reason in registry.log
    with connect(registry, context(issued)) as s:
        assert (ask(s), subject(s)) == (200, "server")


def test_sighup_takes_another_client_authority(tls_registry, issued, work):
    shutil.copy(issued["ca"], work / "clients.pem")
    registry = tls_registry(client_ca=str(work / "clients.pem"), client_auth="required")
    assert refused(registry, context(issued, "stranger"))
    shutil.copy(issued["stranger ca"], work / "clients.pem")
    registry.signal(signal.SIGHUP)
    until(lambda: not refused(registry, context(issued, "stranger")))
    assert refused(registry, context(issued, "client"))


def test_slow_uploads_hold_no_worker(tls_registry, issued):
    """A record may lie in OpenSSL's buffer, where no event of the socket tells of it."""
    registry = tls_registry(http={"workers": 2})
    data = random_bytes(100_000, "slow")
    with Client(registry.url, verify=str(issued["ca"])) as client, contextlib.ExitStack() as stack:
        paths = [urlsplit(client.start_upload("app")).path for _ in range(20)]
        wires = [stack.enter_context(connect(registry, context(issued))) for _ in paths]
        for wire, path in zip(wires, paths):
            head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
            wire.sendall(head.encode() + data[:10])
        for at in range(10, len(data), 30_000):
            made = image(seed="meanwhile", layers=1)
            client.push_image("other", made, "v1")
            assert client.pull_image("other", "v1") == made
            for wire in wires:
                wire.sendall(data[at : at + 30_000])
        for wire, path in zip(wires, paths):
            assert wire.recv(65536).startswith(b"HTTP/1.1 202 ")
            client.finish(path, digest_of(data))
        assert client.get_blob("app", digest_of(data)).content == data
