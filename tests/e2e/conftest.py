"""Fixtures: registries that are started for a test and must end well, and the real clients."""

import itertools
import os
import re
import secrets
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
import urllib3

from accounts import OTHER, Caller
from clients import Containerd, Containers, Docker
from dynamodb_proxy import DynamoProxy
from dynamodb_tables import Table
from go_clients import GoClients
from helpers import Client
from postgres_databases import Database
from replicas import maker
from s3_buckets import Bucket, SharedServers
from s3_proxy import S3Proxy
from server import TOP, Registry

REGISTRIES = pytest.StashKey()  # of a test: the registries made for it

# Files that take minutes come first: at the end of a run all but one worker would wait for them.
LONGEST = ("test_replicas_histories", "test_replicas_outage")

urllib3.disable_warnings()  # tests of TLS use certificates made on the spot


def pytest_addoption(parser):
    parser.addoption(
        "--registry",
        default=os.environ.get("REGISTRY_BINARY", str(TOP / "build" / "registry")),
        help="the binary under test (default: build/registry)",
    )
    parser.addoption("--long", action="store_true", help="also the tests that take minutes")


def pytest_configure(config):
    for marker in (
        "config(dict): configuration of the registry fixture, over the defaults",
        "sanitize: also run against the AddressSanitizer build",
        "without_redis: new_replicas makes registries that have none",
        "concurrent: also run against the ThreadSanitizer build",
        "long: runs only with --long",
    ):
        config.addinivalue_line("markers", marker)
    binary = Path(config.getoption("--registry"))
    if not os.access(binary, os.X_OK):
        raise pytest.UsageError(f"{binary} is not there; run scripts/build first")


def pytest_collection_modifyitems(config, items):
    """Long tests are left out, not skipped: a skip means that something is missing."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)
    if config.getoption("--long"):
        return
    long = [i for i in items if i.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [i for i in items if i not in long]


LOG_LINES_SHOWN = 20


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failure comes with the last lines of the registries' logs."""
    report = (yield).get_result()
    if report.failed and report.when == "call":
        used = [r for name, r in item.funcargs.items() if name == "shared"]
        for registry in item.stash.get(REGISTRIES, used):
            lines = [line[:400] for line in registry.log.splitlines()[-LOG_LINES_SHOWN:]]
            report.sections.append((f"log of {registry.work.name}", "\n".join(lines)))


@pytest.fixture(scope="session")
def registry_binary(request):
    return Path(request.config.getoption("--registry")).resolve()


@pytest.fixture
def work():
    """A temporary directory with a short path (unix sockets), gone after the test."""
    # Not by mkdtemp(): podman wants paths that could be image names, without "_" at an end.
    path = Path(tempfile.gettempdir()) / f"cyberdock-e2e-{secrets.token_hex(6)}"
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def afterwards():
    """What goes when the registries have ended: they need it to end well, and at once."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def new_registry(request, registry_binary, work, afterwards):
    """Makes registries, each with a work directory of its own: new_registry(config={...}).

    They are not started yet. After the test those that run are stopped, and each must end well.
    """
    made = request.node.stash[REGISTRIES] = []

    def make(**more):
        made.append(Registry(registry_binary, work / f"registry-{len(made)}", **more))
        return made[-1]

    yield make
    failures = []
    for registry in made:
        try:
            registry.check_sanitizers()
            registry.check_running()
            registry.stop()
        except AssertionError as error:
            failures.append(str(error))
        finally:
            registry.kill()
    assert not failures, "\n".join(failures)


@pytest.fixture
def registry(request, new_registry):
    """A registry that runs, configured by the test's `config` marker."""
    marker = request.node.get_closest_marker("config")
    return new_registry(config=marker.args[0] if marker else None).start()


@pytest.fixture
def client(registry):
    with Client(registry.url) as c:
        yield c


@pytest.fixture(scope="module")
def shared(registry_binary):
    """One registry with the defaults for all tests of a file; each keeps to its own `repo`."""
    work = Path(tempfile.mkdtemp(prefix="cyberdock-e2e-"))
    registry = Registry(registry_binary, work).start()
    yield registry
    try:
        registry.check_sanitizers()
        registry.check_running()
        registry.stop()
    finally:
        registry.kill()
        shutil.rmtree(work, ignore_errors=True)


@pytest.fixture
def api(shared):
    """A client of the shared registry."""
    with Client(shared.url) as c:
        yield c


@pytest.fixture
def alice(accounts):
    """The admin of accounts.alice_and_bob(), as a caller of the API."""
    return Caller(accounts.registry, "alice")


@pytest.fixture
def bob(accounts):
    """The user of accounts.alice_and_bob()."""
    return Caller(accounts.registry, "bob", OTHER)


repo_numbers = itertools.count()


@pytest.fixture
def repo(request):
    """The name of a repository that no other test uses."""
    words = re.findall("[a-z0-9]+", request.node.originalname.removeprefix("test_"))
    return f"t{next(repo_numbers)}/{'-'.join(words)[:80].rstrip('-')}"


@pytest.fixture(scope="session")
def docker():
    """A Docker engine of this session's own."""
    work = Path(tempfile.mkdtemp(prefix="cyberdock-docker-"))
    engine = Docker(work).start()
    yield engine
    engine.stop()
    shutil.rmtree(work, ignore_errors=True)


@pytest.fixture
def containerd(work):
    """A containerd of the test's own."""
    made = Containerd(work).start()
    yield made
    made.stop()


@pytest.fixture
def containers():
    """podman, buildah and skopeo with a private store."""
    tools = Containers(tempfile.mkdtemp(prefix="cyberdock-containers-"))
    yield tools
    tools.remove()


@pytest.fixture
def go_clients(work):
    """crane, regctl, oras, helm and cosign with homes of their own."""
    return GoClients(work / "home")


@pytest.fixture(scope="session")
def s3_servers():
    """The S3 servers that all tests of a run share: s3_servers("minio") starts one and describes it."""
    servers = SharedServers(os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex(8))
    yield servers
    servers.leave()


@pytest.fixture(params=["minio", "ceph"])
def bucket(request, s3_servers, afterwards):
    """A bucket of the test's own, on each of these servers. A test that wants others says it by
    parametrize("bucket", ["minio", "ceph", "versitygw"], indirect=True)."""
    made = Bucket(s3_servers(request.param)).create()
    afterwards.callback(made.remove)
    return made


@pytest.fixture
def proxy(bucket):
    """Before the server of the bucket; whoever is to go through it takes its endpoint."""
    with S3Proxy(bucket.endpoint) as made:
        yield made


@pytest.fixture(params=["postgresql", "pgbouncer"])
def database(request, s3_servers, afterwards):
    """A PostgreSQL database of the test's own, reached directly and through a pooler."""
    made = Database(s3_servers(request.param))
    afterwards.callback(made.remove)
    return made


@pytest.fixture
def postgresql(s3_servers, afterwards):
    """A PostgreSQL database of the test's own, reached directly."""
    made = Database(s3_servers("postgresql"))
    afterwards.callback(made.remove)
    return made


@pytest.fixture
def table(s3_servers, afterwards):
    """A table of DynamoDB of the test's own, which the registry makes."""
    made = Table(s3_servers("dynamodb"))
    afterwards.callback(made.remove)
    return made


@pytest.fixture
def dynamo_proxy(table):
    """Before the server of the table; whoever is to go through it takes its endpoint."""
    with DynamoProxy(table.server["endpoint"]) as made:
        yield made


@pytest.fixture
def new_replicas(request, new_registry, s3_servers):
    """Makes registries over one database and one bucket: new_replicas(), new_replicas(config={...})."""
    redis = not request.node.get_closest_marker("without_redis")
    with maker(new_registry, s3_servers, redis) as make:
        yield make
        make.let_go()
        for registry in request.node.stash[REGISTRIES]:
            if registry.running():
                registry.stop()


@pytest.fixture(scope="module")
def replicas(registry_binary, s3_servers):
    """Three of them for all tests of a file; each test leaves them running, with their lines whole."""
    work = Path(tempfile.mkdtemp(prefix="cyberdock-e2e-"))
    made = []

    def new_registry(**more):
        made.append(Registry(registry_binary, work / f"registry-{len(made)}", **more))
        return made[-1]

    try:
        with maker(new_registry, s3_servers, True) as make:
            yield make()
            for registry in made:
                registry.check_sanitizers()
                registry.check_running()
                registry.stop()
    finally:
        for registry in made:
            registry.kill()
        shutil.rmtree(work, ignore_errors=True)
