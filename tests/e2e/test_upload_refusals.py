"""What is told of an archive that is refused: which member was wrong, in the answer, the record and the log; and that nothing is left."""

import json

import pytest
import tus
from archives import crafted, docker_archive, upload
from helpers import Client, image_of_layers, tar_layer
from places import place
from s3_buckets import make_client
from test_upload_sessions import WHERE
from waiting import until

FINE = crafted.GOOD


def wrong_layer():
    """A good archive but for its second layer, of which the config says another diff_id; and the layer's name."""
    made = image_of_layers([tar_layer({"a": b"a"}), tar_layer({"b": b"b"})])
    second = made.document["layers"][1]["digest"]
    made.blobs[second] = tar_layer({"b": b"x"})
    return docker_archive(made, None), second[7:] + ".tar"


def refusals(registry):
    return [r for r in map(json.loads, registry.log.splitlines()) if r["message"] == "upload refused"]


def test_the_member_that_was_wrong_is_named_in_the_answer_and_the_record(client):
    data, member = wrong_layer()
    detail = upload(client, data, expect=400, **WHERE)["detail"]
    assert (detail["code"], detail["member"]) == ("DIFF_ID", member)
    error = client.request("GET", f"/api/v1/uploads/{detail['upload']}").json()["error"]
    assert (error["reason"], error["member"], error["wrong"]) == ("DIFF_ID", member, detail["wrong"])


@pytest.mark.parametrize("access", [True, False], ids=["requests logged", "requests not logged"])
def test_the_log_has_each_refusal_with_its_request(new_registry, access):
    registry = new_registry(config={"log": {"access": access}}).start()
    data, member = wrong_layer()
    with Client(registry.url) as client:
        answer = client.request("PUT", "/upload-image", (400,), params=WHERE, data=data, headers={"X-Request-Id": "of-this-test"})
        form = client.request("POST", "/upload-image", (400,), params=WHERE, files={"file": data, "unknown": b"1"})
        session = tus.Upload.begin(client, len(data), **WHERE)
        last = session.patch(0, data)
        session.result(400)
    registry.stop()
    whole, of_form, of_session = refusals(registry)
    assert (whole["request_id"], whole["upload"]) == ("of-this-test", answer.headers["Upload-Id"])
    assert (whole["reason"], whole["member"], whole["repository"]) == ("DIFF_ID", member, "team/app")
    assert (of_form["request_id"], of_form["error"]) == (form.headers["X-Request-Id"], "IMAGE_INVALID")
    assert (of_session["request_id"], of_session["upload"]) == (last.headers["X-Request-Id"], session.path[-36:])
    assert (of_session["reason"], of_session["member"]) == ("DIFF_ID", member)


@pytest.mark.config({"quotas": [{"namespace": "team", "bytes": "4KiB"}]})
def test_the_log_has_refusals_for_other_reasons_than_the_archive(registry, client):
    upload(client, FINE, expect=403, **WHERE)
    registry.stop()
    (found,) = refusals(registry)
    assert (found["error"], found["reason"]) == ("DENIED", "") and found["detail"]


def test_a_member_s_name_cannot_forge_a_record_of_the_log(registry, client):
    name = 'x"}\n{"message":"forged\u2028'
    item = {"Config": name, "RepoTags": None, "Layers": []}
    upload(client, crafted.tar(crafted.file("manifest.json", json.dumps([item]).encode())), expect=400, **WHERE)
    registry.stop()
    assert len(refusals(registry)) == 1
    assert not [line for line in registry.log.splitlines() if line.startswith('{"message":"forged')]


def keys(config, s3_servers):
    """Of all objects of the bucket, and its unfinished uploads."""
    s3 = make_client(s3_servers("minio"), "s3")
    bucket = config["storage"]["s3"]["bucket"]
    objects = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {k for k in objects if "_probe" not in k}, s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])


@pytest.mark.parametrize("way", ["whole", "session"])
def test_in_a_bucket_refused_archives_leave_nothing(way, s3_servers, new_registry):
    data, _ = wrong_layer()
    with place("bucket", s3_servers) as config:
        registry = new_registry(config=config).start()
        with Client(registry.url) as client:
            upload(client, FINE, repository="other/app", tag="v1")
            before = keys(config, s3_servers)
            for bad in (data, FINE[:3000]):
                if way == "whole":
                    upload(client, bad, expect=400, **WHERE)
                else:
                    session = tus.Upload.begin(client, len(bad), **WHERE)
                    session.patch(0, bad)
                    session.result(400)
            until(lambda: keys(config, s3_servers) == before)
            client.request("GET", "/v2/team/app/tags/list", (404,))
        registry.stop()
