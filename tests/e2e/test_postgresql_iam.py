"""A PostgreSQL that takes tokens of RDS for passwords: real TLS, and each token compared with that of AWS's own SDK."""

import tempfile
from pathlib import Path

import pytest
import requests
from certificates import authority, certificate
from helpers import Client, image
from postgres_servers import Postgres
from rds import Rds
from server import NotReady
from waiting import until

REGION = "eu-central-1"
KEY = ("AKIAFIRST", "secret/of+the-first", None)
OTHER = ("ASIAOTHER", "secret/of+the-other", "IQoJb3JpZ2luX2Vj/+=" + "x/Y+" * 250)


@pytest.fixture(scope="module")
def server():
    with tempfile.TemporaryDirectory(prefix="cyberdock-rds-") as name:
        work = Path(name)
        work.chmod(0o755)  # the server is another user's
        pem = certificate(work, "server", authority(work, "ca"))
        with Postgres(work / "database" / "postgresql", certificate=pem) as made:
            made.ca = work / "ca.pem"
            yield made


class Place:
    """A database whose owner signs in by tokens, and who looks at these."""

    def __init__(self, server, work, rds):
        self.server = server
        self.rds = rds
        self.file = work / "aws-credentials"
        self.url = f"postgresql://app@localhost:{server.port}/app?sslmode=verify-full&sslrootcert={server.ca}"
        self.show(KEY)

    def show(self, key):
        """What the registry finds as its key from now on."""
        access, secret, token = key
        more = f"aws_session_token = {token}\n" if token else ""
        self.file.write_text(f"[default]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n{more}")

    def config(self, url=None, **more):
        section = {"driver": "postgresql", "url": url or self.url, "region": REGION, **more}
        return {"metadata": {**section, "postgresql": {"iam": True, "connect_timeout": "30s"}}}

    def env(self):
        return {"AWS_SHARED_CREDENTIALS_FILE": str(self.file), "AWS_EC2_METADATA_DISABLED": "true"}

    def drop_connections(self):
        self.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")


@pytest.fixture
def place(server, work):
    server.sql("CREATE ROLE app LOGIN")
    server.sql("CREATE DATABASE app OWNER app TEMPLATE template0 ENCODING 'UTF8'")
    with Rds(KEY, REGION, "localhost", server.port) as rds:
        server.sign_in_by(rds.line("app"), "host all app 127.0.0.1/32 reject")
        yield Place(server, work, rds)
    server.sql("DROP DATABASE app WITH (FORCE)")
    server.sql("DROP ROLE app")


@pytest.mark.parametrize("key", [KEY, OTHER], ids=["of a user", "of a role"])
def test_each_connection_brings_the_token_of_the_sdk(new_registry, place, key):
    place.rds.know(key)
    place.show(key)
    registry = new_registry(config=place.config(), env=place.env()).start()
    made = image(layers=2)
    with Client(registry.url) as client:
        client.push_image("app", made, "v1")
        assert client.pull_image("app", "v1") == made
    assert place.rds.passwords and all(right for _, right in place.rds.passwords)


def test_a_refused_key_ends_the_start_and_is_in_no_log(new_registry, place):
    place.rds.know(OTHER)
    registry = new_registry(config=place.config(), env=place.env())
    with pytest.raises(NotReady, match="authentication failed"):
        registry.start()
    assert "X-Amz-Signature" not in registry.log and KEY[1] not in registry.log
    assert place.rds.passwords and not any(right for _, right in place.rds.passwords)


def test_a_key_that_was_replaced_is_found_anew(new_registry, place):
    registry = new_registry(config=place.config(), env=place.env()).start()
    with Client(registry.url) as client:
        client.push_image("app", image(), "v1")
    place.rds.know(OTHER)
    place.show(OTHER)
    place.drop_connections()
    until(lambda: requests.get(f"{registry.url}/v2/app/tags/list").status_code == 200)
    assert place.rds.passwords[-1][1] and not all(right for _, right in place.rds.passwords)


@pytest.mark.parametrize("was, now, words", [
    ("sslmode=verify-full", "sslmode=prefer", "sslmode=verify-full"),
    ("?sslmode=verify-full&", "?", "sslmode=verify-full"),
    ("app@", "", "a user"),
    ("app@", "app:secret@", "no password"),
    ("@localhost", "@localhost,db2", "one host by its name"),
    ("localhost", "", "one host by its name"),
])
def test_a_url_that_a_token_can_not_be_made_for_or_is_not_safe_with_is_refused(new_registry, place, was, now, words):
    registry = new_registry(config=place.config(url=place.url.replace(was, now)), env=place.env())
    with pytest.raises(NotReady, match=f"metadata.postgresql.iam needs [^,]*{words}"):
        registry.start()
    assert "secret" not in registry.log and not place.rds.passwords
