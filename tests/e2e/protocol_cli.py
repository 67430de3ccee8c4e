"""The command line and the configuration, through the binary."""

import os
import re
import signal
import socket
import sqlite3
import subprocess

import pytest
import requests
import yaml

from certificates import authority, certificate
from helpers import Client, image
from processes import free_port
from waiting import until

pytestmark = pytest.mark.sanitize


@pytest.fixture
def run(registry_binary, work):
    """Runs `registry ARGS` in an empty directory; returns the finished process."""

    def run(*args, env=None, code=0):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
        done = subprocess.run(
            [registry_binary, *args],
            cwd=work,
            env={**environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    return run


@pytest.fixture
def config(work):
    """Writes a configuration file; returns its path."""

    def write(text):
        path = work / "config.yaml"
        path.write_text(text)
        return str(path)

    return write


# Help and version


COMMANDS = ["serve", "config", "config check", "config print", "health", "version"]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(run, command):
    done = run(*command.split(), "--help")
    assert "Usage: registry" in done.stdout
    assert command in done.stdout
    assert done.stderr == ""


def test_the_overview_names_every_command(run):
    text = run("--help").stdout
    for command in COMMANDS:
        assert re.search(rf"^  {command}\b", text, re.MULTILINE) or command == "config"


def test_version_tells_the_version(run):
    assert re.match(r"registry \d+\.\d+\.\d+", run("version").stdout)


@pytest.mark.parametrize(
    "args, near",
    [(["sreve"], "serve"), (["config", "chekc"], "check"), (["serve", "--confg", "x"], "--config")],
)
def test_a_mistyped_word_gets_a_suggestion(run, args, near):
    done = run(*args, code=2)
    assert near in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("args", [[], ["config"], ["version", "x"], ["health", "a", "b"]])
def test_a_wrong_use_is_told(run, args):
    assert run(*args, code=2).stderr


# Mistakes in the file


MISTAKES = {
    "unknown key": ("http:\n  max_conections: 5\n", 2, ["http.max_conections", "max_connections"]),
    "unknown section": ("\n\nhtp:\n  workers: 5\n", 3, ["htp"]),
    "not a number": ("http:\n  workers: many\n", 2, ["http.workers", "many", "1 to 4096"]),
    "too small": ("http:\n  workers: 0\n", 2, ["http.workers", "1 to 4096"]),
    "too large": ("http:\n  workers: 5000\n", 2, ["http.workers", "1 to 4096"]),
    "past 64 bits": ("http:\n  workers: 18446744073709551617\n", 2, ["http.workers"]),
    "negative": ("limits:\n  page: -1\n", 2, ["limits.page"]),
    "no size": ("limits:\n  blob_size: huge\n", 2, ["limits.blob_size", "huge"]),
    "no unit of size": ("limits:\n  blob_size: 10XB\n", 2, ["limits.blob_size", "10XB"]),
    "no duration": ("upload:\n  timeout: soon\n", 2, ["upload.timeout", "soon"]),
    "too short": ("upload:\n  timeout: 1ms\n", 2, ["upload.timeout", "1s"]),
    "no truth value": ("delete:\n  enabled: perhaps\n", 2, ["delete.enabled", "perhaps"]),
    "none of the words": ("log:\n  level: loud\n", 2, ["log.level", "debug", "warning", "error"]),
    "a list for a word": ("log:\n  level: [info]\n", 2, ["log.level"]),
    "a section for a number": ("http:\n  workers:\n    x: 1\n", 3, ["http.workers"]),
    "a number for a section": ("http: 5\n", 1, ["http"]),
    "twice": ("limits:\n  page: 1\n  page: 2\n", 3, ["limits.page"]),
    "no address": ("http:\n  listen: [nowhere]\n", 2, ["http.listen", "nowhere"]),
    "open to everybody": ("http:\n  listen: ['0.0.0.0:5000']\n", 2, ["http.listen", "auth"]),
    "certificate without key": ("http:\n  tls:\n    certificate: x\n", 3, ["key"]),
    "no mapping": ("- a\n- b\n", 1, []),
    "not YAML": ("http:\n  listen: [\n", None, []),
    "tab": ("http:\n\tworkers: 5\n", 2, []),
}


@pytest.mark.parametrize("text, line, words", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_file_line_key_and_what_is_allowed(run, config, text, line, words):
    path = config(text)
    for command in (["config", "check", path], ["serve", path], ["config", "print", path]):
        done = run(*command, code=1)
        place = f"{path}:{line}:" if line else path
        assert place in done.stderr, done.stderr
        assert all(word in done.stderr for word in words), done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert done.stdout == ""


def test_a_file_that_is_not_there_is_told(run, work):
    assert "/none.yaml" in run("config", "check", f"{work}/none.yaml", code=1).stderr
    assert "/none.yaml" in run("serve", "--config", f"{work}/none.yaml", code=1).stderr


def test_a_good_file_is_ok(run, config):
    path = config("http:\n  workers: 7\nlimits: {page: 10}\n# a comment\n")
    assert run("config", "check", path).stdout.startswith("OK")
    assert run("config", "check", "--config", path).stdout.startswith("OK")
    assert run("config", "check").stdout.startswith("OK")
    assert run("config", "check", config("")).stdout.startswith("OK")


# The environment


def printed(run, *args, env=None):
    return yaml.safe_load(run("config", "print", *args, env=env).stdout)


def test_a_variable_comes_before_the_file_and_the_file_before_the_default(run, config):
    path = config("http:\n  workers: 7\nlimits:\n  page: 10\n")
    shown = printed(run, path, env={"REGISTRY_HTTP_WORKERS": "9"})
    assert shown["http"]["workers"] == 9
    assert shown["limits"]["page"] == 10
    assert shown["limits"]["tags_per_push"] == 16


def test_variables_of_every_type(run):
    env = {
        "REGISTRY_HTTP_LISTEN": "127.0.0.1:1,[::1]:2",
        "REGISTRY_STORAGE_FILESYSTEM_ROOT": "/some where/else",
        "REGISTRY_DELETE_ENABLED": "false",
        "REGISTRY_LIMITS_BLOB_SIZE": "5GiB",
        "REGISTRY_UPLOAD_TIMEOUT": "90s",
        "REGISTRY_LOG_LEVEL": "debug",
    }
    shown = printed(run, env=env)
    assert shown["http"]["listen"] == ["127.0.0.1:1", "[::1]:2"]
    assert shown["storage"]["filesystem"]["root"] == "/some where/else"
    assert shown["delete"]["enabled"] is False
    assert shown["limits"]["blob_size"] == "5GiB"
    assert shown["upload"]["timeout"] == "90s"
    assert shown["log"]["level"] == "debug"


@pytest.mark.parametrize(
    "name, value, word",
    [
        ("REGISTRY_HTTP_WORKER", "5", "REGISTRY_HTTP_WORKERS"),
        ("REGISTRY_HTTP_WORKERS", "0", "1 to 4096"),
        ("REGISTRY_DELETE_ENABLED", "maybe", "true"),
        ("REGISTRY_HTTP_LISTEN", "0.0.0.0:5000", "auth"),
    ],
)
def test_a_mistake_in_a_variable_is_told(run, name, value, word):
    done = run("config", "check", env={name: value}, code=1)
    assert name in done.stderr and word in done.stderr


def test_the_file_can_be_named_by_a_variable(run, config):
    path = config("limits:\n  page: 77\n")
    assert printed(run, env={"REGISTRY_CONFIG": path})["limits"]["page"] == 77


# config print


def test_what_is_printed_is_a_configuration_of_the_same_meaning(run, config):
    path = config("limits:\n  page: 77\nlog:\n  file: 'a \"b\" #c'\nupload:\n  timeout: 90s\n")
    first = run("config", "print", path).stdout
    second = run("config", "print", config(first)).stdout
    assert first == second
    assert run("config", "check", config(first)).stdout.startswith("OK")


def test_every_key_is_printed_with_its_value(run):
    shown = printed(run)
    assert shown["http"]["listen"] == ["127.0.0.1:5000"]
    assert shown["storage"]["filesystem"]["root"] == "./data/registry"
    assert shown["limits"]["manifest_size"] == "4MiB"
    assert shown["limits"]["blob_size"] == "10GiB"
    assert shown["upload"]["timeout"] == "1h"


# serve and health


def test_serve_takes_a_bare_path_or_a_flag(new_registry):
    for args in (["{}"], ["--config", "{}"], ["--config={}"]):
        registry = new_registry()
        registry.write_config()
        command = [arg.format(registry.config_path) for arg in args]
        process = subprocess.Popen(
            [registry.binary, "serve", *command],
            cwd=registry.work,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
        try:
            until(lambda: registry.healthy() or process.poll() is not None)
            assert registry.healthy()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


def test_serve_without_a_configuration(registry_binary, work):
    """Only the port is given, since tests run side by side."""
    port = free_port()
    with open(work / "log", "wb") as log:
        process = subprocess.Popen(
            [registry_binary, "serve"],
            cwd=work,
            env={**os.environ, "REGISTRY_HTTP_LISTEN": f"127.0.0.1:{port}"},
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        until(lambda: b'"listening"' in (work / "log").read_bytes())
        with Client(f"http://127.0.0.1:{port}") as client:
            client.push_image("app", image(seed="default", layers=1), "v1")
        assert (work / "data/registry/repositories/app/manifests/v1").is_symlink()
        assert (work / "data/registry/registry.db").is_file()
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_a_port_that_is_taken_is_told(registry, run):
    other = {"REGISTRY_HTTP_LISTEN": registry.address}
    done = run("serve", env=other, code=1)
    assert registry.address in done.stderr
    assert "use" in done.stderr


def test_an_address_of_another_machine_is_told(new_registry):
    registry = new_registry(config={"auth": "none", "http": {"listen": ["192.0.2.1:5000"]}}).spawn()
    assert registry.wait() == 1
    assert "'192.0.2.1:5000': this machine has no such address" in registry.log


def test_a_file_where_the_socket_should_be_is_told_and_kept(new_registry, work):
    (work / "socket").write_text("precious")
    registry = new_registry(config={"http": {"listen": [f"unix:{work}/socket"]}}).spawn()
    assert registry.wait() == 1
    assert "there is a file of that name that is no socket" in registry.log
    assert (work / "socket").read_text() == "precious"


def test_a_file_that_is_no_database_is_told_and_kept(new_registry, work):
    garbage = b"no database " * 1000
    (work / "other.db").write_bytes(garbage)
    registry = new_registry(config={"metadata": {"sqlite": {"path": str(work / "other.db")}}})
    registry.spawn()
    assert registry.wait() == 1
    assert "other.db': open: file is not a database" in registry.log
    assert (work / "other.db").read_bytes() == garbage


def test_a_database_of_another_program_is_told_and_kept(new_registry, work):
    path = work / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    before = path.read_bytes()
    registry = new_registry(config={"metadata": {"sqlite": {"path": str(path)}}}).spawn()
    assert registry.wait() == 1
    assert f"'{path}' is a database of another program" in registry.log
    assert path.read_bytes() == before


def test_a_root_that_another_process_serves_is_refused(registry, new_registry, client):
    second = new_registry(root=registry.root).spawn()
    assert second.wait() == 1
    assert str(registry.root) in second.log
    client.push_image("app", image(seed="still", layers=1), "v1")


def test_a_certificate_that_does_not_fit_its_key_is_told(new_registry, work):
    ca = authority(work, "ca")
    first, second = certificate(work, "first", ca), certificate(work, "second", ca)
    tls = {"certificate": str(first), "key": str(second.with_suffix(".key"))}
    registry = new_registry(config={"http": {"tls": tls}}).spawn()
    assert registry.wait() == 1
    assert "second.key" in registry.log or "first.pem" in registry.log


def test_several_addresses_are_listened_on(new_registry, work):
    port = free_port()
    listen = [f"127.0.0.1:{port}", f"[::1]:{port}", f"unix:{work}/socket", "127.0.0.1:0"]
    registry = new_registry(config={"http": {"listen": listen}})
    registry.port = port
    registry.start()
    records = until(
        lambda: [l for l in registry.log.splitlines() if '"listening"' in l][3:] or None
    )
    chosen = int(re.search(r'"port":(\d+)', records[0])[1])
    for url in (f"http://127.0.0.1:{port}", f"http://[::1]:{port}", f"http://127.0.0.1:{chosen}"):
        assert requests.get(url + "/v2/", timeout=10).status_code == 200
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f"{work}/socket")
        s.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert s.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_health_says_whether_a_server_is_well(registry, run):
    run("health", "--config", str(registry.config_path))
    run("health", "--url", registry.url)
    registry.stop()
    assert "unhealthy" in run("health", "--url", registry.url, code=1).stderr
    run("health", "--config", str(registry.config_path), code=1)


def test_health_of_a_server_with_tls(new_registry, run, work):
    crt = certificate(work, "server", authority(work, "ca"))
    tls = {"certificate": str(crt), "key": str(crt.with_suffix(".key"))}
    registry = new_registry(config={"http": {"tls": tls}}, tls=True).start()
    run("health", "--config", str(registry.config_path))
    run("health", "--url", registry.url)


# SIGHUP


def reload(registry, **sections):
    """Writes the configuration with the given sections changed, and has it read again."""
    for section, values in sections.items():
        registry.config.setdefault(section, {}).update(values)
    registry.write_config()
    before = registry.log.count("reload")
    registry.signal(signal.SIGHUP)
    until(lambda: registry.log.count("reload") > before)


def test_limits_change_by_sighup(registry, client):
    client.push_blob("app", b"x" * 2000)
    reload(registry, limits={"blob_size": 1000}, delete={"enabled": False})
    client.finish(client.start_upload("app"), "sha256:" + "0" * 64, b"x" * 2000, 413)
    assert client.delete_manifest("app", "v1", None).status_code == 405


def test_a_key_that_needs_a_restart_is_named(registry, client):
    reload(registry, http={"workers": 3})
    until(lambda: "need a restart" in registry.log and "http.workers" in registry.log)
    client.request("GET", "/v2/")


def test_a_broken_configuration_is_refused_and_the_old_one_kept(registry, client):
    registry.config_path.write_text("limits:\n  page: nonsense\n")
    registry.signal(signal.SIGHUP)
    until(lambda: "reload refused" in registry.log)
    assert "limits.page" in registry.log
    client.push_image("app", image(seed="kept", layers=1), "v1")
