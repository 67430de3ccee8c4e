"""Where S3 servers differ from each other and from what is documented, and where it is tested that the
registry is right on each of them.

what differs                                    tested in
a key that is another one's path                here
an object written again while it is read        here
a PUT, or a part, that is cut half-way          here
Expect and chunked bodies                       here
completing again, an answer that was lost       test_s3_faults.py; tests/contract/s3/test_multipart.c
completing what is gone (500 from radosgw)      tests/contract/s3/test_multipart.c
completing with fewer parts than were sent      test_s3_kill.py: parts of a PATCH that was cut by a
                                                kill are sent again under their numbers
aborting again                                  tests/contract/s3/test_multipart.c
unfinished uploads by a prefix                  tests/contract/s3/test_multipart.c
the parts of an upload that is gone             tests/contract/s3/test_multipart.c
If-None-Match                                   tests/contract/s3/test_objects.c
DeleteObjects without a checksum                tests/contract/s3/test_objects.c
creating one's bucket again                     tests/contract/s3/test_bucket.c
lifecycle rules that are dropped                test_s3_kill.py: parts of nobody go after a day
a presigned GET that is used for HEAD           test_s3_redirect.py
small, empty and repeated parts; odd keys       tests/contract/s3/test_multipart.c, test_objects.c

If-Match, conditions of copies and of completions, and ranges past an object's end are not asked for.
"""

from threading import Thread

import pytest

from helpers import MIB, Client, Wire, digest_of, image, random_bytes
from s3_proxy import RESET_IN_REQUEST
from waiting import until

PART_BYTES = 5 * MIB
LARGE = random_bytes(40 * MIB, "read")  # much more than sockets hold
DIGEST = digest_of(LARGE)
KEY = "blobs/" + DIGEST.replace(":", "/")

EVERY_SERVER = pytest.mark.parametrize("bucket", ["minio", "ceph", "versitygw"], indirect=True)


@pytest.fixture
def registry(new_registry, bucket, proxy):
    bucket.endpoint = proxy.endpoint
    return new_registry(config={"storage": bucket.section(part_size=PART_BYTES)}).start()


@pytest.fixture
def impatient(new_registry, bucket, proxy):
    """A client of a registry that gives up soon."""
    bucket.endpoint = proxy.endpoint
    section = bucket.section(part_size=PART_BYTES, timeout="3s")
    registry = new_registry(config={"storage": section}).start()
    with Client(registry.url) as made:
        yield made


@EVERY_SERVER
def test_no_key_is_the_path_of_another(client, bucket):
    """MinIO takes both and lists one, versitygw refuses the second."""
    made = image()
    for repo in ("a", "a/b", "a/b/c"):
        for tag in ("b", "c", "latest"):
            client.push_image(repo, made, tag)
    until(lambda: len([key for key in bucket.keys() if key.startswith("tags/")]) == 9)
    keys = bucket.keys()
    assert not [key for key in keys for other in keys if other.startswith(key + "/")]


@pytest.mark.parametrize("size", [1000, PART_BYTES + 1])
@pytest.mark.parametrize("how", ["PATCH, then PUT", "PUT"])
def test_a_blob_that_is_pushed_again_is_not_written_again(client, proxy, how, size):
    """MinIO cuts off who reads an object that is written again, even with the same bytes."""
    data = LARGE[:size]
    digest = client.push_blob("app", data)
    proxy.forget()
    location = client.start_upload("app")
    if how == "PUT":
        client.finish(location, digest, data)
    else:
        client.finish(client.patch(location, data), digest)
    assert not proxy.of("copy", "complete")
    assert not [put for put in proxy.of("put") if digest.split(":")[1] in put.target]
    assert client.get_blob("app", digest).content == data


class SlowReader:
    """Who has begun to pull the blob, and reads no more than its beginning until asked for the rest."""

    def __init__(self, registry):
        self.wire = Wire(registry.url)
        self.wire.send_request("GET", f"/v2/app/blobs/{DIGEST}")
        self.status, _ = self.wire.read_head()
        self.begin = self.wire.read_body(MIB)

    def rest(self):
        with self.wire:
            return self.begin + self.wire.read_body(len(LARGE) - MIB)


@EVERY_SERVER
def test_who_reads_is_not_cut_off_when_another_finishes_the_same_blob(registry, client, bucket, proxy):
    """MinIO cuts off who reads an object that is written again, even with the same bytes."""
    locations = [client.patch(client.start_upload("app"), LARGE) for _ in range(2)]
    client.finish(locations[0], DIGEST)
    until(lambda: bucket.keys().count(KEY) == 1)
    reader = SlowReader(registry)
    proxy.forget()
    client.finish(locations[1], DIGEST)
    client.push_blob("other", LARGE)
    assert not [r for r in proxy.of("put", "copy", "complete") if KEY in r.target]
    assert reader.status == 200 and reader.rest() == LARGE


@EVERY_SERVER
def test_who_reads_is_not_cut_off_when_the_blob_moves_to_its_key(registry, client, bucket, proxy):
    """The move deletes the object that is read: MinIO waits with that, or cuts off who reads."""
    location = client.patch(client.start_upload("app"), LARGE)
    moving = proxy.hold("copy")
    client.finish(location, DIGEST)
    moving.wait()
    reader = SlowReader(registry)
    moving.release()
    until(lambda: KEY in bucket.keys())
    assert reader.status == 200 and reader.rest() == LARGE
    until(lambda: bucket.keys() == [KEY])


def refused(client, data):
    client.finish(client.start_upload("app"), digest_of(data), data, expect=503)


@EVERY_SERVER
def test_a_put_that_is_cut_leaves_nothing(impatient, bucket, proxy):
    """versitygw keeps what came of one whose content is not signed."""
    proxy.fail("put", RESET_IN_REQUEST, times=None)
    refused(impatient, random_bytes(MIB, "cut"))
    assert len(proxy.of("put")) > 1
    assert bucket.keys() == []


@EVERY_SERVER
def test_a_part_that_is_cut_is_no_part(impatient, bucket, proxy):
    """versitygw lists it with all of its bytes, if its content is not signed."""
    proxy.fail("part", RESET_IN_REQUEST, times=None)
    ending = proxy.hold("abort")
    push = Thread(target=refused, args=[impatient, random_bytes(PART_BYTES + 1, "cut")])
    push.start()
    ending.wait()
    [(key, upload_id)] = bucket.uploads()
    listed = bucket.client.list_parts(Bucket=bucket.name, Key=key, UploadId=upload_id)
    ending.release()
    push.join()
    assert listed.get("Parts", []) == []


@EVERY_SERVER
def test_every_body_has_its_length_and_its_hash_and_waits_for_nobody(client, proxy):
    """Servers refuse chunked bodies, and one asks for a body before it has looked at the signature."""
    location = client.patch(client.start_upload("app"), LARGE[: PART_BYTES + 1])
    client.finish(location, digest_of(LARGE[: PART_BYTES + 1]))
    client.push_image("app", image(), "v1")
    sent = [request for request in proxy.of() if request.sent_bytes]
    assert {request.kind for request in sent} >= {"put", "part", "complete"}
    for request in sent:
        assert int(request.headers["content-length"]) == request.sent_bytes
        assert len(request.headers["x-amz-content-sha256"]) == 64
        assert not {"expect", "transfer-encoding"} & set(request.headers)
