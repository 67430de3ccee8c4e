"""Metadata in a table of DynamoDB: what clients do, with answers that the service gives and its emulator does not."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import stories
from dynamodb_proxy import (CONFLICT, DENIED, EXPIRED, HANG, IN_PROGRESS, INTERNAL_ERROR, LOSE_ANSWER, RESET, THROTTLED,
                            THROTTLING, THROUGHPUT)
from helpers import Client, artifact, image
from server import TOP
from waiting import until

CACHE_OFF = {"cache": {"memory": {"size": 0}}}


@pytest.fixture
def quick(request, table, dynamo_proxy):
    """A section `metadata` through the proxy, with a short time-out, which a test may say."""
    table.endpoint = dynamo_proxy.endpoint
    return table.section(timeout=getattr(request, "param", "6s"))


@pytest.fixture
def registry(quick, new_registry):  # in this order: it is stopped before its table goes
    return new_registry(config={"metadata": quick, **CACHE_OFF}).start()


def test_an_image_is_served_before_and_after_a_restart(registry, client):
    stories.an_image_is_served_before_and_after_a_restart(registry, client)


def test_tags_catalog_referrers_and_deletes(client):
    stories.tags_catalog_referrers_and_deletes(client)


def test_accounts_and_the_audit_trail_are_in_it(table, new_registry):
    stories.accounts_and_the_audit_trail_are_in_it(
        new_registry, table.section(), lambda: len(table.items("A"))
    )


def test_registries_that_start_at_once_make_one_table(table, new_registry):
    several = [new_registry(config={"metadata": table.section()}) for _ in range(4)]
    for registry in several:
        registry.spawn()
    for registry in several:
        registry.wait_ready()
    described = table.client.describe_table(TableName=table.name)["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    ttl = table.client.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "ttl")


def test_a_table_of_something_else_is_refused(table, new_registry):
    table.client.create_table(
        TableName=table.name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
    )
    registry = new_registry(config={"metadata": table.section()})
    registry.spawn()
    assert registry.wait() != 0
    assert "is not one of a registry" in registry.log


# docs/dynamodb.md

PAGE = (TOP / "docs" / "dynamodb.md").read_text()


def cost_table():
    """What each row has a client ask for, with what it has as the requests."""
    lines = [line for line in PAGE.partition("## What it costs")[2].partition("\n## ")[0].splitlines() if line[:1] == "|"]
    return {cells[1]: cells[2] for cells in (re.split(r" *\| *", line) for line in lines[2:-1])}


def as_counts(requests):
    found = [re.fullmatch(r"(?:(\d+) )?(\w+)", part).groups() for part in requests.split(", ")]
    return {operation: int(number or 1) for number, operation in found}


ASKED = {
    "a blob": lambda client, made: client.get_blob("app", next(iter(made.blobs))),
    "whether a blob is there": lambda client, made: client.has_blob("app", next(iter(made.blobs))),
    "a manifest by its tag": lambda client, _: client.get_manifest("app", "v1"),
    "a manifest by its digest": lambda client, made: client.get_manifest("app", made.digest),
    "up to 1,000 tags": lambda client, _: client.request("GET", "/v2/app/tags/list?n=1000"),
    "up to 1,000 referrers": lambda client, made: client.referrers("app", made.digest),
    "up to 1,000 repositories": lambda client, _: client.request("GET", "/v2/_catalog?n=1000"),
}


def test_the_table_of_requests_on_the_page_is_right(client, dynamo_proxy):
    made = image()
    client.push_image("app", made, "v1")
    client.push_image("app", artifact("a/signature", subject=made.descriptor()))
    rows = cost_table()
    assert rows.keys() == ASKED.keys()
    for what, requests in rows.items():
        dynamo_proxy.quiet()
        dynamo_proxy.forget()
        ASKED[what](client, made)
        assert dynamo_proxy.counts() == as_counts(requests), what


def test_the_policy_on_the_page_allows_what_is_asked(client, dynamo_proxy):
    [policy] = re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)
    allowed = {action.partition(":")[2] for action in json.loads(policy)["Statement"][0]["Action"]}
    made = image()
    client.push_image("app", made, "v1")
    client.delete_manifest("app", made.digest)
    client.catalog()
    transaction = {"TransactWriteItems"}  # which is allowed by what it does
    assert set(dynamo_proxy.counts()) - transaction <= allowed
    assert {"PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"} <= allowed


@pytest.mark.parametrize("many", [2500, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_list_of_many_tags_takes_no_scan(registry, client, table, dynamo_proxy, many):
    client.push_image("app", image(), "v1")
    put_tags(table, [f"t{n:06}" for n in range(many)])
    dynamo_proxy.quiet()
    dynamo_proxy.forget()
    listed, page = [], [""]
    while page:
        page = client.request("GET", f"/v2/app/tags/list?last={page[-1]}").json()["tags"]
        listed += page
    assert listed == sorted([*(f"t{n:06}" for n in range(many)), "v1"])
    counts = dynamo_proxy.counts()
    assert counts.keys() <= {"Query", "GetItem"}
    assert counts["Query"] <= 2 + 1.2 * many / 1000, counts


def put_tags(table, names):
    """As items, beside the registry, which would take minutes."""
    [tag] = table.client.query(
        TableName=table.name,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "tags#app"}},
    )["Items"]

    def put(some):
        requests = [{"PutRequest": {"Item": {**tag, "sk": {"S": name}}}} for name in some]
        while requests:
            answer = table.client.batch_write_item(RequestItems={table.name: requests})
            requests = answer["UnprocessedItems"].get(table.name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, [names[i : i + 25] for i in range(0, len(names), 25)]))


# What answers mean


@pytest.mark.parametrize("what", [THROUGHPUT, THROTTLING, INTERNAL_ERROR, RESET], ids=str)
def test_what_passes_is_tried_again(client, dynamo_proxy, what):
    made = image()
    for operation in ("TransactWriteItems", "GetItem", "BatchGetItem"):
        dynamo_proxy.fail(operation, what, times=2)
    client.push_image("app", made, "v1")
    assert client.pull_image("app", "v1") == made
    assert all(failure.hits == 2 for failure in dynamo_proxy.failures)


@pytest.mark.parametrize("what", [CONFLICT, THROTTLED, IN_PROGRESS], ids=str)
def test_a_transaction_that_met_another_is_tried_again(client, dynamo_proxy, what):
    made = image()
    failure = dynamo_proxy.fail("TransactWriteItems", what, times=3)
    client.push_image("app", made, "v1")
    assert failure.hits == 3
    assert client.pull_image("app", "v1") == made


def test_a_commit_whose_answer_is_lost_counts_once(client, dynamo_proxy, table):
    made = image(layers=2)
    failure = dynamo_proxy.fail("TransactWriteItems", LOSE_ANSWER, times=1)
    client.push_image("app", made, "v1")
    dynamo_proxy.fail("TransactWriteItems", LOSE_ANSWER, times=1)
    client.push_manifest("app", "v2", made)
    assert failure.hits == 1
    [repo] = table.items("R")
    assert repo["bytes"] == sum(len(data) for data in made.blobs.values())
    assert (repo["manifests"], repo["tags"], repo["version"]) == (1, 2, 2)
    client.delete_manifest("app", made.digest)
    for digest in made.blobs:
        client.request("DELETE", f"/v2/app/blobs/{digest}", expect=(202,))


def refused_for_now(registry, path):
    with Client(registry.url) as client:
        answer = client.request("GET", path, expect=(503,), timeout=60)
    assert path == "/readyz" or int(answer.headers["Retry-After"]) >= 1


def refused_for_now_at_once(registry, *paths):
    """Beside each other, for each waits until the time-out of the database."""
    with ThreadPoolExecutor(len(paths)) as pool:
        list(pool.map(refused_for_now, [registry] * len(paths), paths))


@pytest.mark.parametrize("quick", ["3s"], indirect=True)  # each request waits until then
@pytest.mark.parametrize("what", [THROUGHPUT, INTERNAL_ERROR, RESET, HANG, DENIED], ids=str)
def test_while_it_is_away_answers_are_503_and_then_all_is_well(registry, client, dynamo_proxy, what):
    made = image()
    client.push_image("app", made, "v1")
    dynamo_proxy.fail("", what, times=float("inf"))
    refused_for_now_at_once(registry, "/v2/app/manifests/v1", "/v2/app/tags/list", "/readyz")
    dynamo_proxy.heal()
    until(lambda: client.request("GET", "/readyz", expect=(200, 503), timeout=30).status_code == 200)
    assert client.pull_image("app", "v1") == made
    client.push_image("app", image(seed=3), "v2")


def test_a_key_that_expired_is_replaced_by_the_one_in_its_file(table, dynamo_proxy, new_registry, work):
    table.endpoint = dynamo_proxy.endpoint
    (work / "access").write_text("FIRST\n")
    (work / "secret").write_text("any\n")
    metadata = table.section(access_key_file=str(work / "access"), secret_key_file=str(work / "secret"))
    del metadata["dynamodb"]["access_key"], metadata["dynamodb"]["secret_key"]
    registry = new_registry(config={"metadata": metadata, **CACHE_OFF}).start()
    with Client(registry.url) as client:
        client.push_image("app", image(), "v1")
        (work / "access").write_text("SECOND\n")
        dynamo_proxy.forget()
        failure = dynamo_proxy.fail("GetItem", EXPIRED)
        client.get_manifest("app", "v1")
        assert failure.hits == 1
        assert dynamo_proxy.keys() == {"FIRST", "SECOND"}
        dynamo_proxy.forget()
        client.get_manifest("app", "v1")
        assert dynamo_proxy.keys() == {"SECOND"}
    assert "any" not in [line for line in registry.log.splitlines() if "secret" in line]


# docker, with all of it in AWS's protocols


def test_docker_pushes_and_pulls_over_it_and_a_bucket(table, bucket, new_registry, docker, work):
    context = work / "context"
    context.mkdir()
    (context / "data").write_bytes(b"x" * 300_000)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY data /\nENV answer=42\n")
    docker.build(context, "built")
    registry = new_registry(config={"metadata": table.section(), "storage": bucket.section()}).start()
    name = f"{registry.address}/team/app:1.0"
    try:
        docker("tag", "built", name)
        before = docker.image_id(name), docker.layers(name)
        docker("push", name)
        docker.remove(name, "built")
        docker("pull", name)
        assert (docker.image_id(name), docker.layers(name)) == before
    finally:
        docker.remove(name)
