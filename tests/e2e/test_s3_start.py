"""What a start over a bucket says: where content lies, and why a server refuses the registry."""

import pytest

from server import NotReady
from waiting import until

WORDS = {  # for a secret key, and an access key, that is another
    "minio": ("SignatureDoesNotMatch", "InvalidAccessKeyId"),
    "ceph": ("AccessDenied", "AccessDenied"),
    "versitygw": ("SignatureDoesNotMatch", "the access key is not known to the server"),
}


def start(new_registry, bucket, **wrong):
    return new_registry(config={"storage": bucket.section(**wrong)}).start()


@pytest.mark.parametrize("bucket", WORDS, indirect=True)
def test_a_wrong_key_is_told_in_the_words_of_the_server(new_registry, bucket):
    secret, access = WORDS[bucket.server["name"]]
    with pytest.raises(NotReady, match=secret):
        start(new_registry, bucket, secret_key="another")
    with pytest.raises(NotReady, match=access):
        start(new_registry, bucket, access_key="nobody")


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
def test_a_wrong_region_is_told_in_the_words_of_the_server(new_registry, bucket):
    with pytest.raises(NotReady, match="storage.s3.region is not that of the bucket"):
        start(new_registry, bucket, region="eu-west-1")


@pytest.mark.parametrize("bucket", ["minio"], indirect=True)
def test_the_log_says_which_bucket(new_registry, bucket):
    registry = start(new_registry, bucket, prefix="registry/")
    until(lambda: f'"storage":"s3://{bucket.name}/registry/"' in registry.log)
