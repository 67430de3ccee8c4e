"""Collection over HTTP: runs that are asked for, what they found and did, and the way back."""

import places
import pytest
from accounts import OTHER, PASSWORD, Caller, alice_and_bob
from helpers import Client, image, index
from waiting import until

RUNS = "/api/v1/gc/runs"


@pytest.fixture(params=places.NAMES)
def accounts(request, new_registry, s3_servers):
    with places.place(request.param, s3_servers) as sections:
        accounts = alice_and_bob(new_registry, **sections, gc={"undo": "1h"})
        yield accounts
        accounts.registry.stop()


@pytest.fixture
def client(accounts):
    with Client(accounts.registry.url, auth=("alice", PASSWORD)) as made:
        yield made


def ended(alice, run, **query):
    """The run, when it is over."""
    words = "&".join(f"{key}={value}" for key, value in query.items())
    return until(lambda: (got := alice.get(f"{RUNS}/{run}?{words}"))["ended"] and got, timeout=60)


def ask(alice, dry_run, **more):
    answer = alice("POST", "/api/v1/gc", {"dry_run": dry_run, **more}, expect=202)
    assert answer.headers["Location"].endswith(f"{RUNS}/{answer.json()['id']}")
    return ended(alice, answer.json()["id"])


def items(run):
    return {(x["action"] if "action" in x else "delete", x["kind"], x["digest"]) for x in run["entries"]}


def test_a_run_is_looked_at_done_and_undone(accounts, alice, client):
    child = image(1)
    client.push_image("app", index([child]), "v1")
    client.delete_manifest("app", index([child]).digest)
    wanted = {("delete", "manifest", child.digest), *(("delete", "blob", digest) for digest in child.blobs)}
    looked = ask(alice, True, repository="app", older_than="0s")
    assert (looked["state"], looked["dry_run"], looked["by"]) == ("done", True, "user:alice")
    assert {x for x in items(looked) if x[0] == "delete"} == wanted
    client.get_manifest("app", child.digest)
    done = ask(alice, False, older_than="0s")
    assert items(done) == wanted and done["deleted"]["blobs"] == len(child.blobs)
    assert not any("bytes" in x for x in done["entries"])
    client.get_manifest("app", child.digest, expect=404)
    undo = alice("POST", f"{RUNS}/{done['id']}/undo", expect=202).json()["id"]
    assert ended(alice, undo)["back"]["manifests"] == 1
    client.pull_image("app", child.digest)
    assert [run["id"] for run in alice.get(RUNS)["runs"]] == [looked["id"], done["id"], undo]


def test_lists_have_pages(accounts, alice, client):
    digests = sorted(client.push_blob("app", b"%d" % i) for i in range(3))
    run = ask(alice, False, older_than="0s")["id"]
    seen, path = [], f"{RUNS}/{run}?n=2"
    while path:
        answer = alice("GET", path)
        seen += [x["digest"] for x in answer.json()["entries"]]
        path = answer.links.get("next", {}).get("url")
    assert sorted(seen) == digests
    ask(alice, True)
    first = alice("GET", f"{RUNS}?n=1")
    assert len(first.json()["runs"]) == 1
    assert len(alice("GET", first.links["next"]["url"]).json()["runs"]) == 1


def test_one_run_goes_at_a_time(new_registry):
    accounts = alice_and_bob(new_registry, gc={"rate": 1})
    alice = Caller(accounts.registry, "alice")
    with Client(accounts.registry.url, auth=("alice", PASSWORD)) as client:
        for i in range(3):
            client.push_blob("app", b"%d" % i)
        first = alice("POST", "/api/v1/gc", {"dry_run": False, "older_than": "0s"}, expect=202).json()["id"]
        told = alice("POST", "/api/v1/gc", {"dry_run": True}, expect=409)
        assert f"run {first} is going on" in told.text
        ended(alice, first)
        until(lambda: alice("POST", "/api/v1/gc", {"dry_run": True}, expect=None).status_code == 202, timeout=60)


def test_only_admins_may_and_mistakes_are_told(new_registry):
    accounts = alice_and_bob(new_registry)
    alice, bob = Caller(accounts.registry, "alice"), Caller(accounts.registry, "bob", OTHER)
    bob("POST", "/api/v1/gc", {"dry_run": True}, expect=403)
    bob("GET", RUNS, expect=403)
    for body in {}, {"dry_run": True, "older_than": "soon"}, {"dry_run": True, "repository": "A"}:
        alice("POST", "/api/v1/gc", body, expect=400)
    for path in f"{RUNS}/none", f"{RUNS}/-":
        alice("GET", path, expect=404)
        alice("POST", path + "/undo", expect=404)
    looked = ask(alice, True)["id"]
    assert "is none that deletes" in alice("POST", f"{RUNS}/{looked}/undo", expect=400).text
    assert "what the Link" in alice("GET", f"{RUNS}/{looked}?last=x", expect=400).text
