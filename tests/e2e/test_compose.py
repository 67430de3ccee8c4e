"""What deploy/ has: its files are right, and what compose.yaml starts works when it is started as processes."""

import re
import subprocess
from urllib.parse import urlsplit

import pytest
import yaml

from accounts import Caller
from haproxy import PROGRAM, Haproxy, rendered
from helpers import Client, image, write_oci_layout
from server import TOP

DEPLOY = TOP / "deploy"
SECRETS = {"POSTGRES_PASSWORD": "p" * 24, "S3_ACCESS_KEY": "registry", "S3_SECRET_KEY": "s" * 24}
PASSWORD = "a good Password-7"


@pytest.fixture
def compose(work):
    """compose.yaml as the tool of Docker reads it."""
    env = work / "env"
    env.write_text("".join(f"{name}={value}\n" for name, value in SECRETS.items()))
    done = subprocess.run(
        ["docker-compose", "--env-file", env, "-f", DEPLOY / "compose.yaml", "config"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)["services"]


def of_registry(compose):
    return [service for name, service in compose.items() if name.startswith("registry-")]


def configuration():
    return yaml.safe_load((DEPLOY / "registry.yaml").read_text())


def test_compose_starts_three_registries_that_are_alike(compose):
    registries = of_registry(compose)
    assert len(registries) == 3
    assert registries[0] == registries[1] == registries[2]
    assert set(compose) == {"registry-1", "registry-2", "registry-3", "proxy", "postgresql", "redis", "s3"}


def test_without_its_secrets_compose_starts_nothing(work):
    (work / "env").touch()
    done = subprocess.run(
        ["docker-compose", "--env-file", work / "env", "-f", DEPLOY / "compose.yaml", "config"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert any(name in done.stderr for name in SECRETS)


def test_what_compose_mounts_is_there(compose):
    volumes = [volume for service in compose.values() for volume in service.get("volumes", [])]
    mounted = [volume.split(":")[0] for volume in volumes if volume.startswith("/") and ":" in volume]
    assert len(mounted) == 4
    for path in mounted:
        assert (DEPLOY / path.rpartition("/")[2]).is_file()


def test_the_names_in_the_configurations_are_services_of_compose(compose):
    config = configuration()
    environment = of_registry(compose)[0]["environment"]
    urls = [config["storage"]["s3"]["endpoint"], config["storage"]["cache"]["redis_url"]]
    urls += [config["metadata"]["url"], environment["REGISTRY_METADATA_URL"]]
    hosts = {urlsplit(url).hostname for url in urls}
    hosts |= set(re.findall(r"server \S+ (\S+):5000", (DEPLOY / "haproxy.cfg").read_text()))
    assert hosts == set(compose) - {"proxy"}


def test_a_registry_has_the_time_to_finish_what_it_works_on(compose):
    drain_s = int(configuration()["http"]["drain_timeout"].removesuffix("s"))
    assert all(int(s["stop_grace_period"].removesuffix("s")) > drain_s for s in of_registry(compose))


def test_the_database_has_connections_for_one_registry_more(compose):
    command = " ".join(compose["postgresql"]["command"])
    most = int(re.search(r"max_connections=(\d+)", command)[1])
    assert most >= (len(of_registry(compose)) + 1) * configuration()["metadata"]["postgresql"]["connections"]


def test_the_registries_take_the_configuration(registry_binary, compose, work):
    environment = of_registry(compose)[0]["environment"]
    done = subprocess.run(
        [registry_binary, "config", "check", DEPLOY / "registry.yaml"],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert done.returncode == 0, done.stderr


def test_haproxy_takes_its_configuration(work):
    for text in ((DEPLOY / "haproxy.cfg").read_text(), rendered(["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"], 3)):
        path = work / "haproxy.cfg"
        path.write_text(text)
        done = subprocess.run([PROGRAM, "-c", "-f", path], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


# The image


def needed_libraries(binary):
    """What it is linked with, and what it loads when it is first needed."""
    linked = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"=> (\S+)", linked)
    sources = "".join(p.read_text() for folder in ("net", "meta") for p in (TOP / "src" / folder).rglob("*.c"))
    lists = re.findall(r"names\[\] = \{(.*?)\}", sources, re.S)
    loaded = [names for text in lists if (names := re.findall(r'"(lib[\w.-]+\.so[.\d]*)"', text))]
    assert len(loaded) >= 4
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    for names in loaded:
        paths = [m for name in names for m in re.findall(rf"{re.escape(name)} .*=> (\S+)", cache)]
        assert paths, f"none of {names} is installed"
        found.append(paths[0])
    return found


def package_of(path):
    for spelling in (path, path.removeprefix("/usr"), "/usr" + path):
        done = subprocess.run(["dpkg", "-S", spelling], capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    raise AssertionError(f"{path} is of no package")


def test_the_image_installs_the_packages_of_all_libraries(registry_binary):
    if "asan" in str(registry_binary) or "tsan" in str(registry_binary):
        pytest.skip("a build with sanitizers has libraries of its own")
    text = (DEPLOY / "Dockerfile").read_text().rpartition("FROM ")[2]
    installed = set(re.search(r"--no-install-recommends (.*?)&&", text.replace("\\\n", " "), re.S)[1].split())
    needed = {package_of(path) for path in needed_libraries(registry_binary)}
    by_others = {"libc6", "libcrack2"}  # of every image; of libpwquality1
    assert needed - by_others <= installed


def test_the_image_is_built_from_what_the_build_needs():
    text = (DEPLOY / "Dockerfile").read_text()
    copied = [w for line in re.findall(r"(?m)^COPY (?!--)(.*)$", text) for w in line.split()[:-1]]
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    allowed = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert sorted(copied) == sorted(allowed)
    assert all((TOP / path).exists() for path in copied)


# All of it, as processes


@pytest.fixture
def started(new_replicas, compose):
    """The registries with deploy/registry.yaml, but for where the others are."""
    own = configuration()
    for section in (own["http"].pop("listen"), own["storage"].pop("filesystem"), own["metadata"].pop("url")):
        assert section
    own["http"]["trusted_proxies"] = ["127.0.0.0/8"]
    del own["storage"]["s3"]["endpoint"], own["storage"]["s3"]["bucket"]
    own["storage"].pop("cache")  # no Redis is there
    return new_replicas(config=own)


def test_all_of_it_works_together(started, registry_binary, work, containers):
    registry = started[0].registry
    subprocess.run(
        [registry_binary, "user", "add", "admin", "--admin", "--password-stdin", "--config", registry.config_path],
        input=PASSWORD,
        text=True,
        check=True,
        timeout=60,
    )
    layout = write_oci_layout(work / "layout", image(), "v1")
    with Haproxy(work / "haproxy", [r.registry.address for r in started]) as front:
        name = f"docker://{front.address}/demo/app:v1"
        containers.skopeo("copy", f"--dest-creds=admin:{PASSWORD}", f"oci:{layout}:v1", name)
        containers.skopeo("copy", f"--src-creds=admin:{PASSWORD}", name, f"oci:{work}/pulled:v1")
        with Client(front.url) as anybody:
            for _ in started:
                anybody.request("GET", "/v2/", 401)
    for replica in started:
        caller = Caller(replica.registry, "admin", PASSWORD)
        assert caller("GET", "/v2/demo/app/tags/list").json()["tags"] == ["v1"]


def test_haproxy_leaves_out_who_is_not_ready(started, work):
    with Haproxy(work / "haproxy", [r.registry.address for r in started]) as front, Client(front.url) as client:
        started[0].database.refuse()
        started[1].kill()
        for _ in range(200):  # until both have been found out
            answers = [client.request("GET", "/v2/", None).status_code for _ in range(6)]
            if answers == [401] * 6:
                break
        assert answers == [401] * 6
    started[1].start()
    started[0].database.clear()
