"""SIGTERM drains, SIGHUP re-reads the configuration, SIGUSR1 opens the log file anew."""

import contextlib
import signal
import socket
import ssl
import time

import pytest

from clients import run
from helpers import MIB, Client, Wire, digest_of, image, random_bytes
from waiting import until

pytestmark = pytest.mark.sanitize


def slow_download(registry, repo, digest):
    """A download of which the head has been read, and that cannot go on by itself: a small receive
    buffer holds little of it. Returns the connection and the length to read."""
    wire = Wire(registry.url)
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    wire.send_request("GET", f"/v2/{repo}/blobs/{digest}")
    status, headers = wire.read_head()
    assert status == 200
    return wire, int(headers["content-length"])


def accepts(registry):
    try:
        socket.create_connection(("127.0.0.1", registry.port), 5).close()
        return True
    except OSError:
        return False


def test_sigterm_lets_a_download_finish(registry, client):
    data = random_bytes(16 * MIB, "drain")
    digest = client.push_blob("app", data)
    wire, length = slow_download(registry, "app", digest)
    with wire:
        registry.signal(signal.SIGTERM)
        until(lambda: not accepts(registry))
        assert registry.running()
        assert wire.read_body(length) == data
    assert registry.wait() == 0


def test_sigterm_lets_an_upload_finish(registry, client):
    data = random_bytes(4 * MIB, "drain")
    location = client.start_upload("app").removeprefix(registry.url)
    join = "&" if "?" in location else "?"
    with Wire(registry.url) as wire:
        headers = {"Content-Length": len(data), "Content-Type": "application/octet-stream"}
        path = f"{location}{join}digest={digest_of(data)}"
        wire.send_request("PUT", path, headers, data[:MIB])
        registry.signal(signal.SIGTERM)
        until(lambda: not accepts(registry))
        wire.send(data[MIB:])
        status, _, _ = wire.read_response()
        assert status == 201
    assert registry.wait() == 0
    registry.start()
    assert client.get_blob("app", digest_of(data)).content == data


def test_sigterm_answers_what_was_asked_before(registry, client):
    """Also what the registry had no time to look at yet: on a new connection, or on an idle one."""
    data = random_bytes(MIB, "asked")
    location = client.start_upload("app").removeprefix(registry.url)
    client.close()
    with Wire(registry.url) as idle:
        idle.send_request("GET", "/v2/")
        assert idle.read_response()[0] == 200
        registry.signal(signal.SIGSTOP)
        with Wire(registry.url) as new, Wire(registry.url) as put:
            for wire in (idle, new):
                wire.send_request("GET", "/v2/")
            put.send_request("PUT", f"{location}?digest={digest_of(data)}",
                             {"Content-Length": len(data)}, data)
            registry.signal(signal.SIGTERM)
            registry.signal(signal.SIGCONT)
            for wire in (idle, new):
                assert wire.read_response()[0] == 200
            assert put.read_response()[0] == 201
    assert registry.wait() == 0


def test_sigterm_does_not_wait_for_idle_connections(registry):
    with Wire(registry.url) as idle, Wire(registry.url) as half_a_head:
        idle.send_request("GET", "/v2/")
        assert idle.read_response()[0] == 200
        half_a_head.send("GET /v2/ HTTP/1.1\r\nHost:")
        registry.stop()
        assert idle.closed()


@pytest.mark.config({"http": {"head_timeout": "10m", "drain_timeout": "10m"}})
def test_sigterm_does_not_wait_for_heads_that_begin_as_it_comes(registry):
    """More of them than an I/O thread looks at in one go: some are seen after the signal."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(registry.url)) for _ in range(1200)]
        registry.freeze()
        for wire in wires:
            wire.send("GET /v2/ HTTP/1.1\r\nHost:")
        registry.signal(signal.SIGTERM)
        registry.signal(signal.SIGCONT)
        registry.stop()


@pytest.mark.config({"http": {"drain_timeout": "1s"}})
def test_drain_has_an_end(registry, client):
    digest = client.push_blob("app", random_bytes(16 * MIB, "drain"))
    wire, _ = slow_download(registry, "app", digest)
    with wire:
        started = time.monotonic()
        registry.stop()
        assert time.monotonic() - started < 20


def reload(registry, **config):
    """Rewrites the configuration file and sends SIGHUP."""
    for section, values in config.items():
        registry.config.setdefault(section, {}).update(values)
    registry.write_config()
    registry.signal(signal.SIGHUP)


def test_sighup_turns_verification_on(registry, client):
    digest = client.push_blob("app", random_bytes(1000, "verify"))
    path = registry.root / "repositories" / "app" / "blobs" / digest
    path.chmod(0o600)
    path.write_bytes(bytes(1000))
    assert client.get_blob("app", digest).content == bytes(1000)
    reload(registry, storage={"verify_on_read": True})

    def noticed():
        try:
            client.get_blob("app", digest, expect=(200, 500))
        except OSError:
            pass  # cut off before its end
        return f"stored content of {digest} has the digest" in registry.log

    until(noticed)


def test_sighup_takes_a_new_limit(registry, client):
    made = image(seed="limit", annotations={"note": 2000 * "x"})
    client.push_image("app", made, "v1")
    reload(registry, limits={"manifest_size": 1024})
    until(lambda: client.push_manifest("app", "v2", made, expect=(201, 413)).status_code == 413)
    reload(registry, limits={"manifest_size": 1_000_000})
    until(lambda: client.push_manifest("app", "v2", made, expect=(201, 413)).status_code == 201)


@pytest.mark.config({"log": {"level": "error"}})
def test_sighup_takes_a_new_log_level(registry, client):
    client.request("GET", "/v2/before/tags/list", expect=404)
    # A record may follow its answer, but not the next answer on the same connection.
    client.request("GET", "/v2/")
    reload(registry, log={"level": "info"})

    def logged():
        client.request("GET", "/v2/after/tags/list", expect=404)
        return "/v2/after/tags/list" in registry.log

    until(logged)
    assert "/v2/before/tags/list" not in registry.log


def test_sighup_with_a_wrong_file_changes_nothing(registry, client):
    reload(registry, limits={"manifest_size": "a lot"})
    until(lambda: "manifest_size" in registry.log)
    client.push_image("app", image(), "v1")
    registry.config["limits"]["manifest_size"] = 1_000_000
    registry.restart()


def make_certificate(directory, name):
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", directory / "key.pem", "-out", directory / "cert.pem"]
    run(["openssl", "req", "-x509", "-days", "2", *key, *files, *subject])
    return (directory / "cert.pem").read_text()


def test_sighup_takes_a_new_certificate(new_registry, work):
    first = make_certificate(work, "first")
    tls = {"certificate": str(work / "cert.pem"), "key": str(work / "key.pem")}
    registry = new_registry(config={"http": {"tls": tls}}, tls=True).start()
    address = ("127.0.0.1", registry.port)
    assert ssl.get_server_certificate(address).strip() == first.strip()
    with Client(registry.url, verify=False) as client:
        client.push_image("app", image(), "v1")

        second = make_certificate(work, "second")
        reload(registry)
        until(lambda: ssl.get_server_certificate(address).strip() == second.strip())
        # A connection made before goes on.
        client.pull_image("app", "v1")

        # A broken one is refused, and the registry keeps the one it has.
        (work / "cert.pem").write_text("nonsense")
        reload(registry)
        until(lambda: "cert.pem" in registry.log)
        assert ssl.get_server_certificate(address).strip() == second.strip()


def test_sigusr1_opens_the_log_anew(new_registry, work):
    file = work / "log" / "registry.log"
    file.parent.mkdir()
    registry = new_registry(config={"log": {"file": str(file)}}).start()
    with Client(registry.url) as client:
        client.request("GET", "/v2/one/tags/list", expect=404)
        until(lambda: "/v2/one/" in file.read_text())
        file.rename(work / "log" / "old.log")
        registry.signal(signal.SIGUSR1)
        until(file.exists)
        client.request("GET", "/v2/two/tags/list", expect=404)
        until(lambda: "/v2/two/" in file.read_text())
        assert "/v2/two/" not in (work / "log" / "old.log").read_text()
