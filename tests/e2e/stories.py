"""What clients see of a registry wherever its metadata and content are: told once, and tried with each of them."""

from accounts import Caller, alice_and_bob
from helpers import Client, artifact, image, index
from waiting import until


def an_image_is_served_before_and_after_a_restart(registry, client):
    made = image(layers=5)
    client.push_image("app", made, "v1")
    assert client.pull_image("app", "v1") == made
    registry.restart()
    with Client(registry.url) as again:
        assert again.pull_image("app", "v1") == made
        assert again.pull_image("app", made.digest) == made


def tags_catalog_referrers_and_deletes(client):
    both = index([image(seed=1), image(seed=2)])
    for tag in ("b", "a", "A", "a.b", "a_b"):
        client.push_image("one", both, tag)
    client.push_image("other/app", image(seed=1), "v1")
    bill = artifact("application/vnd.example.bill", subject=both.descriptor())
    client.push_image("one", bill)
    assert client.tags("one") == ["A", "a", "a.b", "a_b", "b"]  # bytewise
    assert client.catalog() == ["one", "other/app"]
    assert [r["digest"] for r in client.referrers("one", both.digest)] == [bill.digest]
    client.delete_manifest("one", "a")
    assert client.tags("one") == ["A", "a.b", "a_b", "b"]
    client.delete_manifest("one", both.digest)
    assert client.tags("one") == []
    client.get_manifest("one", "b", expect=404)


def accounts_and_the_audit_trail_are_in_it(new_registry, metadata, audited):
    """audited: how many entries the trail has, by the database's own word."""
    accounts = alice_and_bob(new_registry, metadata=metadata)
    alice = Caller(accounts.registry, "alice")
    alice("GET", "/v2/")
    Caller(accounts.registry, "alice", "wrong")("GET", "/v2/", expect=401)
    assert {u["name"] for u in alice("GET", "/api/v1/users").json()["users"]} == {"alice", "bob"}
    until(lambda: audited() > 0)
    accounts("user", "rm", "bob")
    until(lambda: Caller(accounts.registry, "bob")("GET", "/v2/", expect=None).status_code == 401)
