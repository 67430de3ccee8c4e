"""The examples of README.md and docs/ are right: configurations load, commands do what is said.

docs/users.md has a test of its own; scripts/quickstart and the docker lines are in test_quickstart.
"""

import re
import shlex
import shutil
import subprocess
from contextlib import ExitStack

import pytest
import yaml
from certificates import Authority, authority, certificate
from helpers import Client, image, write_oci_layout
from postgres_databases import Database
from redis_servers import Redis
from server import TOP

PAGES = [TOP / "README.md", *(TOP / "docs" / f"{name}.md" for name in ("start", "operate", "check", "backup", "auth", "sessions", "aws", "s3", "postgresql", "dynamodb", "redis", "replicas"))]


def blocks(language):
    """Every block of code of that language, with where it stands."""
    for page in PAGES:
        text = page.read_text()
        for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.M | re.S):
            line = text.count("\n", 0, match.start()) + 1
            yield pytest.param(match.group(1), id=f"{page.name}:{line}")


def commands(program):
    """Lines that call the program, without what only the page says."""
    for param in blocks("sh"):
        for line in param.values[0].splitlines():
            line = re.sub(r"\s+#.*", "", line)
            if re.match(rf"(\w+=\S+ )*(build/)?{program} ", line):
                yield pytest.param(line, id=f"{param.id}: {line}")


@pytest.fixture
def here(work):
    """The files that the examples name, below the work directory."""
    (work / "htpasswd").write_text("alice:$2y$05$" + "a" * 53 + "\n")
    pem = certificate(work, "tls", authority(work, "ca"))
    pem.rename(work / "tls.crt")
    authority(work, "tokens")
    clients = Authority(work, "clients")
    shutil.copy(clients.pem, work / "clients-ca.pem")
    (work / "clients-crl.pem").write_text(clients.revoked())
    (work / "ldap-ca.pem").write_bytes((work / "ca.pem").read_bytes())
    (work / "ldap-password").write_text("secret\n")
    (work / "registry.yaml").write_text(
        f"storage: {{filesystem: {{root: {work}/root}}}}\n"
        f"auth: {{htpasswd: {{file: {work}/htpasswd}}}}\n"
        "policy: [{subjects: ['user:ci'], actions: [push], repositories: ['dev/**']}]\n"
    )
    (work / "new.yaml").write_text(f"storage: {{filesystem: {{root: {work}/new}}}}\n")
    (work / "redis-ca.pem").write_bytes((work / "ca.pem").read_bytes())
    (work / "kubernetes-ca.pem").write_bytes((work / "ca.pem").read_bytes())
    (work / "oidc-secret").write_text("a secret\n")
    for name in ("database-password", "redis-password", "sentinel-password"):
        (work / name).write_text("a secret\n")
    (work / "s3.yaml").write_text("storage: {backend: s3, s3: {bucket: registry, region: r}}\n")
    (work / "s3-access-key").write_text("key\n")
    (work / "s3-secret-key").write_text("a secret\n")
    return work


def run(binary, words, **more):
    return subprocess.run([binary, *words], capture_output=True, text=True, timeout=60, **more)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_configuration_in_the_documents_is_accepted(registry_binary, here, text):
    text = text.replace("/etc/registry/", f"{here}/").replace("/var/lib/registry", f"{here}/root")
    assert isinstance(yaml.safe_load(text), dict)
    path = here / "example.yaml"
    path.write_text(text)
    done = run(registry_binary, ["config", "check", path])
    assert done.returncode == 0, done.stderr


@pytest.fixture
def postgresql(s3_servers, here):
    """A function that makes the database of registry-postgresql.yaml."""
    made = []

    def make():
        made.append(Database(s3_servers("postgresql")))
        config = yaml.safe_load((here / "registry.yaml").read_text())
        (here / "registry-postgresql.yaml").write_text(yaml.safe_dump({**config, "metadata": made[0].section()}))

    yield make
    for database in made:
        database.remove()


@pytest.fixture
def redis(here):
    """A function that starts the one of redis.yaml."""
    with ExitStack() as made:

        def make():
            server = made.enter_context(Redis(here / "redis"))
            config = {"storage": {"backend": "mem", "cache": server.section()}}
            (here / "redis.yaml").write_text(yaml.safe_dump(config))

        yield make


@pytest.mark.parametrize("line", commands("registry"))
def test_a_command_in_the_documents_does_what_it_says(registry_binary, new_registry, here, postgresql, redis, line):
    words = shlex.split(line)
    settings = dict(w.split("=", 1) for w in words if re.match(r"REGISTRY_\w+=", w))
    words = words[len(settings) + 1 :]
    if words[0] == "serve":  # all but the serving itself: the same configuration must load
        words = ["config", "check", *words[1:]]
    if words[0] == "migrate":
        postgresql()
    if "redis.yaml" in words:
        redis()
    if "saved.yaml" in words:  # the same store, and a database in another file
        config = yaml.safe_load((here / "registry.yaml").read_text())
        metadata = {"sqlite": {"path": str(here / "saved.db")}}
        (here / "saved.yaml").write_text(yaml.safe_dump({**config, "metadata": metadata}))
    if words[0] in ("check", "backup", "restore"):  # there must be a store to look at: a start makes one
        run(registry_binary, ["sweep", "saved.yaml" if "saved.yaml" in words else "registry.yaml"], cwd=here)
    if words[0] == "restore":
        run(registry_binary, ["backup", "backups", "--config", "registry.yaml"], cwd=here)
    if words[0] == "health":
        words += ["--url", new_registry().start().url]
    done = run(registry_binary, words, cwd=here, env=settings)
    assert done.returncode == 0, done.stdout + done.stderr


def quoted_troubles():
    """What the table of docs/operate.md quotes of answers and of the log."""
    text = (TOP / "docs" / "operate.md").read_text().partition("## When something is wrong")[2]
    for line in text.partition("\n## ")[0].splitlines():
        if line.startswith("| "):
            yield from re.findall(r'"([^"]+)"', line.split(" | ")[0])


@pytest.mark.parametrize("words", quoted_troubles())
def test_what_the_table_of_troubles_quotes_is_what_the_program_says(words):
    sources = "".join(path.read_text() for path in (TOP / "src").rglob("*.[ch]"))
    sources = re.sub(r'"\s*"', "", sources)  # texts of several lines
    sources = re.sub(r"%[-.*0-9a-z]+", "N", sources)
    assert words in sources


def test_the_skopeo_lines_work_on_a_running_registry(registry, containers, work):
    lines = [p.values[0] for p in commands("skopeo")]
    assert len(lines) == 2
    write_oci_layout(work / "image", image(), "latest")
    for line in lines:
        line = line.replace("localhost:5000", registry.address)
        line = line.replace("oci:./image", f"oci:{work}/image")
        containers.skopeo(*(w for w in shlex.split(line)[1:] if "tls-verify" not in w))
    with Client(registry.url) as client:
        assert client.tags("demo/image") == ["v1"]


def test_what_people_read_speaks_to_everyone(registry_binary):
    words = re.compile(r"\b(he|his|him|himself|she|her|hers|herself)\b", re.IGNORECASE)
    pages = {p: p.read_text() for p in [TOP / "README.md", *(TOP / "docs").glob("*.md")]}
    help_text = subprocess.run([registry_binary, "--help"], capture_output=True, text=True, check=True)
    for command in re.findall(r"^  ([a-z]+(?: [a-z]+)?) ", help_text.stdout, re.MULTILINE):
        shown = subprocess.run(
            [registry_binary, *command.split(), "--help"], capture_output=True, text=True, check=False
        )
        pages[command] = shown.stdout
    assert len(pages) > 20
    for where, text in pages.items():
        assert not words.search(text), f"{where}: {words.search(text)}"
