"""`registry config check --online`: each right that is missing is named, and nothing stays in the bucket."""

import json
import os
import re
import subprocess

import pytest
import yaml

from go_programs import go_program
from s3_buckets import Bucket
from s3_rights import BUCKET, OBJECTS, PREFIX, limited, policy
from s3_servers import KMS_KEY, Radosgw
from server import TOP

USEFUL = ["s3:GetBucketVersioning"]  # and done without
CONFIGURED = {  # what asks for a right besides
    "s3:PutEncryptionConfiguration": {"sse": "s3"},
    "s3:PutBucketVersioning": {"versioning": True},
    "s3:GetLifecycleConfiguration": {"lifecycle": {"expire_uploads_days": 7}},
    "s3:PutLifecycleConfiguration": {"lifecycle": {"expire_uploads_days": 7}},
}

on_minio = pytest.mark.parametrize("bucket", ["minio"], indirect=True)
everywhere = pytest.mark.parametrize("bucket", ["minio", "ceph", "versitygw"], indirect=True)


@pytest.fixture
def check(registry_binary, work):
    """What the command says of a bucket: the process, with the states of the rights in `states`."""

    def run(bucket, root=None, cache=None, **more):
        storage = bucket.section(prefix=PREFIX, **more)
        storage["filesystem"] = {"root": str(root or work / "root")}
        if cache:
            storage["cache"] = {"disk_path": str(cache)}
        path = work / "registry.yaml"
        path.write_text(yaml.safe_dump({"storage": storage}))
        command = [registry_binary, "config", "check", "--online", path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        done.states = dict(re.findall(r"^(\S+) +(ok|refused|not supported|not tried) ", done.stdout, re.M))
        done.secrets = [storage["s3"][key] for key in ("secret_key", "session_token") if key in storage["s3"]]
        assert not any(secret in done.stdout + done.stderr for secret in done.secrets)
        return done

    return run


def is_empty(bucket):
    return bucket.keys() == [] and bucket.uploads() == []


def versions(bucket):
    return list(bucket._pages("list_object_versions", "Versions"))


def failing(done):
    return {name for name, state in done.states.items() if state != "ok" and "s3:" in name} - {*USEFUL}


@everywhere
def test_a_key_that_may_do_all_has_every_right(check, bucket):
    done = check(bucket)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(BUCKET + OBJECTS + USEFUL) == {name for name in done.states if "s3:" in name}
    assert set(done.states.values()) == {"ok"}
    assert done.stdout.splitlines()[-1].startswith("OK: ")
    assert is_empty(bucket)


@on_minio
@pytest.mark.parametrize("right", BUCKET + OBJECTS)
def test_a_right_that_is_missing_is_named(check, bucket, right):
    key = limited(bucket, policy(bucket, {*BUCKET, *OBJECTS} - {right}))
    done = check(bucket, **key)
    assert done.returncode == 1
    assert failing(done) == {right} and done.states[right] == "refused"
    below = f"/{PREFIX}*" if right in OBJECTS else ""
    assert f"AccessDenied); needs {right} on arn:aws:s3:::{bucket.name}{below}\n" in done.stdout
    assert "1 right is not proven" in done.stderr
    assert is_empty(bucket)


@on_minio
@pytest.mark.parametrize("right", USEFUL)
def test_a_right_that_is_useful_is_named_and_not_demanded(check, bucket, right):
    done = check(bucket, **limited(bucket, policy(bucket, {*BUCKET, *OBJECTS})))
    assert done.returncode == 0 and done.states[right] == "refused"
    assert f"needs {right} on arn:aws:s3:::{bucket.name}; done without: " in done.stdout


@pytest.mark.parametrize("bucket", ["minio", "ceph"], indirect=True)
def test_a_storage_class_is_tried(check, bucket):
    done = check(bucket, storage_class="STANDARD")
    assert done.returncode == 0 and "put in storage.s3.storage_class\n" in done.stdout
    done = check(bucket, storage_class="NO_SUCH_CLASS")
    assert done.returncode == 1
    assert "leave storage.s3.storage_class out, or say one that the server has" in done.stdout
    assert is_empty(bucket)


@on_minio
@pytest.mark.parametrize("right", CONFIGURED)
def test_a_right_that_the_configuration_asks_for_is_named(check, bucket, right):
    settings = CONFIGURED[right]
    rights = {*BUCKET, *OBJECTS, *USEFUL, *CONFIGURED}
    done = check(bucket, **settings, **limited(bucket, policy(bucket, rights)))
    assert done.returncode == 0 and done.states[right] == "ok"
    done = check(bucket, **settings, **limited(bucket, policy(bucket, rights - {right})))
    assert done.returncode == 1 and done.states[right] == "refused"
    assert f"needs {right} on arn:aws:s3:::{bucket.name}\n" in done.stdout
    assert "refused" not in done.stdout.replace("(refused", "").split(right)[0]
    assert is_empty(bucket)


@on_minio
def test_what_is_made_for_it_is_gone_before_versions_are_kept(check, bucket):
    assert check(bucket, versioning=True).returncode == 0
    assert versions(bucket) == []


@on_minio
def test_what_could_not_be_removed_again_is_not_made(check, bucket):
    rights = {*BUCKET, *OBJECTS} - {"s3:DeleteObject", "s3:AbortMultipartUpload"}
    done = check(bucket, **limited(bucket, policy(bucket, rights)))
    assert done.states["s3:PutObject"] == "not tried"
    assert is_empty(bucket)


@on_minio
def test_without_the_right_to_make_it_a_missing_bucket_ends_the_check(check, bucket):
    missing = Bucket(bucket.server)
    done = check(missing, **limited(missing, policy(missing, {*BUCKET, *OBJECTS})))
    assert done.returncode == 1 and done.states["s3:CreateBucket"] == "refused"
    assert "there is no bucket; no other right was tried" in done.stderr


@everywhere
def test_a_bucket_that_is_missing_is_made(check, bucket):
    missing = Bucket(bucket.server)
    try:
        done = check(missing)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.states["s3:CreateBucket"] == "ok"
        block = "ok" if bucket.server["name"] == "ceph" else "not supported"
        assert done.states["s3:PutBucketPublicAccessBlock"] == block
        assert is_empty(missing)
    finally:
        missing.remove()


@pytest.mark.parametrize("bucket", ["ceph"], indirect=True)
def test_on_radosgw_versions_and_rules_are_proven(check, bucket):
    lifecycle = {"expire_uploads_days": 7, "expire_versions_days": 7}
    done = check(bucket, versioning=True, lifecycle=lifecycle)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(CONFIGURED) - set(done.states) == {"s3:PutEncryptionConfiguration"}


@pytest.mark.parametrize("bucket", ["ceph"], indirect=True)
def test_a_server_that_cannot_copy_what_it_encrypts_is_told(check, bucket):
    done = check(bucket, sse="kms", kms_key_id=KMS_KEY)
    assert done.returncode == 1 and done.states["s3:GetObject"] == "not supported"
    assert re.search("s3:GetObject .*_copy': refused .status 501, NotImplemented", done.stdout)
    assert done.states["s3:PutEncryptionConfiguration"] == "not supported"
    assert is_empty(bucket)


@on_minio
def test_with_a_key_of_its_own_the_rights_to_use_it_are_named(check, bucket):
    settings = {"sse": "kms", "kms_key_id": KMS_KEY}
    assert check(bucket, **settings).returncode == 0
    rights = {*BUCKET, *OBJECTS} - {"s3:PutObject"}
    done = check(bucket, **settings, **limited(bucket, policy(bucket, rights)))
    assert f"needs s3:PutObject on arn:aws:s3:::{bucket.name}/{PREFIX}*, and kms:GenerateDataKey of the key" in done.stdout


@pytest.mark.parametrize("bucket", ["ceph", "versitygw"], indirect=True)
def test_a_server_that_ignores_what_encryption_it_is_asked_for_is_told(check, bucket):
    done = check(bucket, sse="s3")
    assert done.returncode == 1
    assert done.states["s3:PutEncryptionConfiguration"] == "not supported"
    assert "does not encrypt what it stores; leave storage.s3.sse out" in done.stdout


@pytest.mark.parametrize("bucket", ["versitygw"], indirect=True)
@pytest.mark.parametrize("settings, right", [
    ({"versioning": True}, "s3:PutBucketVersioning"),
    ({"lifecycle": {"expire_uploads_days": 7}}, "s3:PutLifecycleConfiguration"),
])
def test_what_a_server_cannot_is_told_with_the_key_that_asks_for_it(check, bucket, settings, right):
    done = check(bucket, **settings)
    assert done.returncode == 1 and done.states[right] == "not supported"
    assert f"leave storage.s3.{next(iter(settings))} out" in done.stdout


@on_minio
@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
def test_a_wrong_key_is_told_once(check, bucket, wrong):
    done = check(bucket, **{wrong: "x" * 20})
    assert done.returncode == 1
    assert not any("s3:" in name for name in done.states)
    assert wrong.replace("_", " ") in done.stderr and bucket.name in done.stderr


@on_minio
def test_a_server_that_is_away_is_told(check, bucket):
    bucket.endpoint = "http://127.0.0.1:1"
    done = check(bucket, timeout="1s")
    assert done.returncode == 1 and "127.0.0.1" in done.stderr


@on_minio
def test_a_directory_that_cannot_be_written_to_is_named(check, bucket, work):
    (work / "file").touch()
    done = check(bucket, cache=work / "file" / "cache")
    assert done.returncode == 1
    assert done.states[str(work / "file" / "cache")] == "refused"
    assert done.states[str(work / "root")] == "ok" and not (work / "root").exists()


# docs/s3.md


def block(after):
    text = (TOP / "docs" / "s3.md").read_text()
    return re.search(r"```\w*\n(.*?)```", text[text.index(after):], re.S)[1]


@on_minio
def test_the_policy_of_the_page_in_docs_is_enough(check, bucket):
    document = block("What the registry needs of AWS").replace("my-registry", bucket.name)
    done = check(bucket, **limited(bucket, json.loads(document)))
    assert done.returncode == 0, done.stdout + done.stderr


@on_minio
def test_the_page_in_docs_shows_what_is_printed(check, bucket, work):
    key = limited(bucket, policy(bucket, {*BUCKET, *OBJECTS, *USEFUL} - {"s3:AbortMultipartUpload"}))
    printed = check(bucket, **key).stdout
    printed = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "7f1c", printed.replace(bucket.name, "my-registry"))
    printed = re.sub(rf"{work}/root *", f"{'/var/lib/registry':32}", printed)
    assert printed == block("prints a line for each")


@pytest.fixture
def mc(bucket, work):
    """Runs a line of the page; answers are what it asks for, a line each."""
    environment = {**os.environ, "MC_CONFIG_DIR": str(work / "mc")}

    def run(line, *answers):
        done = subprocess.run(
            [go_program("mc"), *line.split()],
            input="".join(f"{answer}\n" for answer in answers),
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    yield run
    run("admin user rm mine my-access-key")
    run("admin policy rm mine registry")


@on_minio
def test_the_user_of_minio_of_the_page_in_docs_may_do_what_is_needed(check, bucket, mc, work):
    made = Bucket(bucket.server)
    document = block("What the registry needs of AWS").replace("my-registry", made.name)
    (work / "policy.json").write_text(document)
    lines = [line.partition("#")[0] for line in block("On MinIO, with that policy").splitlines()]
    lines = [line.removeprefix("mc ").replace("mine/my-registry", f"mine/{made.name}") for line in lines]
    asked = {"alias": [bucket.server["access_key"], bucket.server["secret_key"]], "admin user": ["my-secret-key"]}
    try:
        for line in lines:
            answers = next((asked[what] for what in asked if line.startswith(what)), [])
            mc(line.replace("https://s3.example.org:9000", bucket.server["endpoint"]), *answers)
        done = check(made, access_key="my-access-key", secret_key="my-secret-key")
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        made.remove()


@pytest.fixture(scope="module")
def ceph(tmp_path_factory):
    """One whose users can be made."""
    with Radosgw(tmp_path_factory.mktemp("ceph") / "server") as server:
        yield server


@pytest.fixture
def ceph_user(ceph):
    """The keys of a user that is made as the page says."""
    line = re.search(r"^radosgw-admin (.*)$", (TOP / "docs" / "s3.md").read_text(), re.M)[1]
    made = json.loads(ceph.admin(*line.split()))["keys"][0]
    yield {"access_key": made["access_key"], "secret_key": made["secret_key"]}
    ceph.admin("user", "rm", "--uid=registry", "--purge-data")


def test_the_user_of_ceph_of_the_page_in_docs_may_make_the_bucket(check, ceph, ceph_user):
    bucket = Bucket({**ceph.description(), **ceph_user})
    done = check(bucket)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_bucket_of_another_user_of_ceph_is_opened_by_the_policy_of_the_page(check, ceph, ceph_user):
    bucket = Bucket(ceph.description()).create()
    assert check(bucket, **ceph_user).returncode == 1
    document = json.loads(block("What the registry needs of AWS").replace("my-registry", bucket.name))
    principal = json.loads(re.search(r'`"Principal": (\{.*?\})`', (TOP / "docs" / "s3.md").read_text(), re.S)[1])
    for statement in document["Statement"]:
        statement["Principal"] = principal
    document["Statement"][0]["Action"].append("s3:DeleteObject")
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(document))
    done = check(bucket, **ceph_user)
    assert done.returncode == 0, done.stdout + done.stderr
    bucket.remove()
