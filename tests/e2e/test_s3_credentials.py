"""Keys for a bucket from real token services; and a server that is known by its certificate."""

import json
import re
import ssl
import subprocess
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from certificates import Authority, authority, certificate
from s3_buckets import Bucket, make_client
from s3_servers import Minio

ROLE = "arn:aws:iam:::role/registry"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"AWS": ["arn:aws:iam:::user/test"]}}],
}
ALL_OF_IT = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}],
}


@pytest.fixture
def check(registry_binary, work):
    """`registry config check --online`, without a key in the configuration."""

    def run(bucket, environment=None, **more):
        section = bucket.section(timeout="2s", **more)
        if environment is not None:
            del section["s3"]["access_key"], section["s3"]["secret_key"]
        path = work / "registry.yaml"
        path.write_text(yaml.safe_dump({"storage": {**section, "filesystem": {"root": str(work)}}}))
        return subprocess.run([registry_binary, "config", "check", "--online", path],
                              env=environment or {}, capture_output=True, text=True, timeout=60)

    return run


def profile(work, server, **settings):
    """The environment of a profile that assumes the role with the server's key."""
    lines = {"role_arn": ROLE, "source_profile": "own", **settings}
    (work / "config").write_text("[profile registry]\n" + "".join(f"{k} = {v}\n" for k, v in lines.items()))
    (work / "credentials").write_text(
        f"[own]\naws_access_key_id = {server['access_key']}\naws_secret_access_key = {server['secret_key']}\n"
    )
    return {"AWS_PROFILE": "registry", "AWS_CONFIG_FILE": str(work / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(work / "credentials")}


def compact(document):
    """radosgw 16.2 takes a "+" of a form as it is, and not for a blank."""
    return json.dumps(document, separators=(",", ":"))


@pytest.fixture
def role(bucket):
    """A role that may do all. MinIO knows no roles, and takes any name of one."""
    if bucket.server["name"] == "ceph":
        iam = make_client(bucket.server, "iam")
        name = {"RoleName": bucket.name}
        iam.create_role(AssumeRolePolicyDocument=compact(TRUST), **name)
        iam.put_role_policy(PolicyName="all", PolicyDocument=compact(ALL_OF_IT), **name)
        yield f"arn:aws:iam:::role/{bucket.name}"
        iam.delete_role_policy(PolicyName="all", **name)
        iam.delete_role(**name)
    else:
        yield ROLE


@pytest.mark.parametrize("where", ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL", "endpoint_url"])
def test_a_role_of_the_servers_own_token_service(check, bucket, role, work, where):
    named = {where: bucket.server["endpoint"]}
    in_profile = named if where == "endpoint_url" else {}
    environment = {**profile(work, bucket.server, role_arn=role, **in_profile), **named}
    done = check(bucket, environment)
    refused = re.findall(r"^(s3:\w+) +refused", done.stdout, re.M)
    if bucket.server["name"] == "ceph":  # which lets a role copy, but not a part
        assert refused == ["s3:GetObject"], done.stdout + done.stderr
        assert re.search("PUT of '.*_parts': refused .status 403, AccessDenied", done.stdout)
    else:
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
def test_what_the_token_service_refuses_is_told(check, bucket, work):
    environment = profile(work, {**bucket.server, "secret_key": "x" * 40})
    done = check(bucket, {**environment, "AWS_ENDPOINT_URL_STS": bucket.server["endpoint"]})
    assert done.returncode == 1
    assert re.search("the token service answers 403 [A-Z][A-Za-z]+: The request signature", done.stderr)


# Certificates


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """(a bucket on a server with a certificate, the authority that it is of)"""
    work = tmp_path_factory.mktemp("tls")
    issuer = authority(work, "authority")
    with Minio(work / "server", certificate=certificate(work, "server", issuer)) as server:
        bucket = Bucket(server.description())
        make_client(server.description(), verify=str(issuer)).create_bucket(Bucket=bucket.name)
        yield bucket, issuer


def test_a_server_is_known_by_the_authority_that_is_configured(check, tls):
    bucket, issuer = tls
    done = check(bucket, ca_file=str(issuer))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_token_service_is_known_by_that_authority_too(check, tls, work):
    bucket, issuer = tls
    environment = {**profile(work, bucket.server), "AWS_ENDPOINT_URL_STS": bucket.server["endpoint"]}
    done = check(bucket, environment, ca_file=str(issuer))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("who", ["no authority", "another authority"])
def test_an_unknown_authority_is_refused(check, tls, work, who):
    bucket, _ = tls
    done = check(bucket, **({} if who == "no authority" else {"ca_file": str(authority(work, "other"))}))
    assert done.returncode == 1
    assert f"{bucket.endpoint}: SSL certificate problem: unable to get local issuer" in done.stderr


class TlsServer:
    """Answers nothing that matters: nobody gets so far."""

    def __init__(self, pem):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        self.server.handle_error = lambda *_: None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, pem.with_suffix(".key"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.endpoint = f"https://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def issued(work, **more):
    issuer = Authority(work, "issuer")
    return issuer.pem, issuer.issue("/CN=server", usage="serverAuth", **more)


WRONG = {
    "expired": ({"san": "IP:127.0.0.1", "until": datetime(2021, 1, 1, tzinfo=timezone.utc)},
                "SSL certificate problem: certificate has expired"),
    "of another host": ({"san": "IP:127.0.0.2,DNS:example.org"},
                        "no alternative certificate subject name matches target host name '127.0.0.1'"),
}


@pytest.mark.parametrize("more, why", WRONG.values(), ids=WRONG)
def test_a_wrong_certificate_is_refused_with_its_host_and_what_is_wrong(check, tls, work, more, why):
    issuer, pem = issued(work, **more)
    with TlsServer(pem) as server:
        bucket = Bucket(tls[0].server, endpoint=server.endpoint)
        done = check(bucket, ca_file=str(issuer))
    assert done.returncode == 1
    assert f"{server.endpoint}: " in done.stderr and why in done.stderr
