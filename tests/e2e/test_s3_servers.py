"""The S3 servers of the tests: each starts, checks signatures, stores, and ends leaving nothing."""

import os
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import botocore.config
import botocore.exceptions
import pytest
import requests
import server_keeper
import yaml
from certificates import authority, certificate
from helpers import Client, random_bytes
from s3_buckets import SERVER_NAMES, Bucket, SharedServers, make_client
from s3_servers import KMS_KEY, SERVERS, Minio, NotReady, Radosgw, Versitygw
from server import TOP
from waiting import until

every_server = pytest.mark.parametrize("bucket", SERVER_NAMES, indirect=True)
every_kind = pytest.mark.parametrize("kind", SERVERS.values(), ids=SERVERS)

PART_BYTES = 5 << 20


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def refused(operation, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        operation(**arguments)
    return error.value.response["Error"]["Code"]


# Each server


@every_server
def test_object_reads_back(bucket):
    data = random_bytes(100_000)
    bucket.put("a/b:c", data)
    assert bucket.get("a/b:c") == data
    assert bucket.keys() == ["a/b:c"]


@every_server
def test_wrong_secret_is_refused(bucket):
    stranger = make_client({**bucket.server, "secret_key": "x" * 40})
    code = refused(stranger.put_object, Bucket=bucket.name, Key="k", Body=b"x")
    # radosgw with its token service on asks that one, too, whose answer is the last
    assert code in ("SignatureDoesNotMatch", "AccessDenied")
    assert bucket.keys() == []


@every_server
def test_multipart_upload_becomes_an_object(bucket):
    data = random_bytes(PART_BYTES + 1000)
    made = bucket.client.create_multipart_upload(Bucket=bucket.name, Key="k")
    where = {"Bucket": bucket.name, "Key": "k", "UploadId": made["UploadId"]}
    parts = []
    for number, part in ((1, data[:PART_BYTES]), (2, data[PART_BYTES:])):
        answer = bucket.client.upload_part(PartNumber=number, Body=part, **where)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    bucket.client.complete_multipart_upload(MultipartUpload={"Parts": parts}, **where)
    assert bucket.get("k") == data


@every_server
def test_bucket_is_removed_with_all_that_is_in_it(bucket):
    made = Bucket(bucket.server).create()
    made.put("k", b"x")
    made.client.create_multipart_upload(Bucket=made.name, Key="unfinished")
    made.remove()
    assert refused(made.client.head_bucket, Bucket=made.name) == "404"


def test_object_is_encrypted_with_the_key_that_servers_know(bucket):
    bucket.client.put_object(Bucket=bucket.name, Key="k", Body=b"x",
                             ServerSideEncryption="aws:kms", SSEKMSKeyId=KMS_KEY)
    assert KMS_KEY in bucket.client.head_object(Bucket=bucket.name, Key="k")["SSEKMSKeyId"]


@every_server
def test_bucket_may_be_a_part_of_the_hosts_name(bucket):
    address = bucket.endpoint.removeprefix("http://")
    config = botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    endpoint = f"http://localhost:{address.rpartition(':')[2]}"
    client = make_client(bucket.server, endpoint=endpoint, config=config)
    signed = urlsplit(client.generate_presigned_url("put_object", {"Bucket": bucket.name, "Key": "k"}))
    assert signed.netloc.startswith(f"{bucket.name}.localhost:")
    # not every machine knows names below "localhost"
    url = signed._replace(netloc=address).geturl()
    assert requests.put(url, data=b"x", headers={"Host": signed.netloc}).status_code == 200
    assert bucket.get("k") == b"x"


@every_kind
def test_server_serves_tls(kind, work):
    issuer = authority(work, "authority")
    with kind(work / "server", certificate=certificate(work, "server", issuer)) as server:
        assert server.endpoint.startswith("https://")
        client = make_client(server.description(), verify=str(issuer))
        client.create_bucket(Bucket="bucket")
        with pytest.raises(botocore.exceptions.SSLError):
            make_client(server.description()).list_buckets()


@every_kind
def test_server_ends_and_leaves_nothing(kind, work):
    server = kind(work / "server").start()
    pids = server.pids()
    make_client(server.description()).create_bucket(Bucket="bucket")
    server.remove()
    assert pids and not any(alive(pid) for pid in pids)
    assert list(work.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


def check_keeps_content(server):
    description = server.description()
    client = make_client(description)
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="k", Body=b"x")
    server.stop()
    server.start()
    assert server.description() == description
    assert client.get_object(Bucket="bucket", Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize("kind", [Minio, Versitygw])
def test_server_keeps_content_over_a_restart(kind, work):
    with kind(work / "server") as server:
        check_keeps_content(server)


@pytest.mark.long
def test_ceph_keeps_content_in_a_file_over_a_restart(work):
    with Radosgw(work / "server", objectstore="bluestore") as server:
        check_keeps_content(server)


@every_kind
def test_server_that_cannot_start_says_why(kind, work):
    server = kind(work / "server")
    file = work / "file"
    file.write_text("")
    server.certificate = file  # which is none, and has no key
    with pytest.raises((NotReady, OSError)):
        server.start()
    server.remove()


# Sharing one


def test_workers_share_a_server_that_ends_with_the_last(work):
    first, second = SharedServers(work.name), SharedServers(work.name)
    server = first("versitygw")
    assert second("versitygw") == server
    first.leave()
    make_client(server).list_buckets()
    second.leave()
    until(lambda: server_keeper.connect(f"cyberdock-test-{work.name}-versitygw") is None)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(server["endpoint"].rpartition(":")[2])))


def test_server_ends_when_its_user_is_killed():
    name = f"cyberdock-test-killed-{os.getpid()}"
    program = (
        "import server_keeper, sys\n"
        f"connection, _ = server_keeper.kept('{name}', 'versitygw')\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
    )
    user = subprocess.Popen(
        [sys.executable, "-B", "-c", program],
        cwd=TOP / "tests" / "e2e",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with user:
        assert user.stdout.readline() == b"\n"
        user.send_signal(signal.SIGKILL)
    until(lambda: server_keeper.connect(name) is None)


def test_who_waits_for_a_server_is_told_that_it_cannot_start(monkeypatch):
    monkeypatch.setenv("REGISTRY_MINIO", "/bin/false")
    with pytest.raises(server_keeper.KeeperError, match="minio: /bin/false ended"):
        server_keeper.kept(f"cyberdock-test-false-{os.getpid()}", "minio")


# scripts/services


@pytest.fixture
def services(monkeypatch, work):
    """scripts/services NAME...; what it says. Its servers are this test's own."""
    monkeypatch.setenv("CYBERDOCK_SERVICES", work.name)

    def run(*arguments):
        done = subprocess.run([TOP / "scripts" / "services", *arguments],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    run("stop")


def test_services_stay_until_they_are_stopped(services):
    started = services("start", "versitygw")
    assert services("start", "versitygw") == started == services("status", "versitygw")
    client = make_client(yaml.safe_load(started)["storage"]["s3"])
    client.create_bucket(Bucket="bucket")
    services("stop")
    assert services("status", "versitygw") == "versitygw: does not run\n"
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        client.list_buckets()


def test_a_registry_takes_what_services_print(services, new_registry):
    registry = new_registry(config=yaml.safe_load(services("start", "versitygw"))).start()
    with Client(registry.url) as client:
        digest = client.push_blob("app", b"some bytes")
        assert client.get_blob("app", digest).content == b"some bytes"
    registry.stop()


def test_services_tell_their_variables(services):
    services("start", "versitygw")
    lines = services("env", "versitygw").splitlines()
    names = [line.removeprefix("export ").partition("=")[0] for line in lines]
    assert names == [f"REGISTRY_TEST_S3_{name}"
                     for name in ("NAME", "ENDPOINT", "ACCESS_KEY", "SECRET_KEY", "REGION", "BUCKET")]
