"""Webhooks: what happens is told, in order for each repository, at least once, and to nobody who may not be asked."""

import base64
import hashlib
import hmac
import json
import subprocess
import time

import pytest
from accounts import PASSWORD, Accounts, environment
from helpers import Client, image
from receiver import Receiver
from waiting import until

PUSHED = "manifest.pushed"
SECRET = b"0123456789abcdef01234567"


@pytest.fixture
def hook():
    with Receiver() as receiver:
        yield receiver


def start(new_registry, *rows, **config):
    return new_registry(config={"webhooks": list(rows), **config}).start()


def push(registry, repository, count=1, first=0):
    """Manifests that are different, each with a tag of its number."""
    with Client(registry.url) as client:
        for i in range(first, first + count):
            client.push_image(repository, image(i, layers=1, layer_size=100), f"v{i}")


def tags(posts, repository):
    """Of the pushes of a repository, in the order in which they came."""
    return [p.event["tags"][0] for p in posts
            if p.event["event"] == PUSHED and p.event["repository"] == repository]  # fmt: skip


def webhook(registry, *words, status=0, password=PASSWORD):
    """`registry webhook ...` of alice, the admin."""
    done = subprocess.run(
        [registry.binary, "webhook", *words, "--url", registry.url, "--user", "alice", "--password-stdin"],
        input=password + "\n", capture_output=True, text=True, timeout=60, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def state(registry, name="hook"):
    listed = json.loads(webhook(registry, "list", "--json"))["webhooks"]
    return next(w for w in listed if w["name"] == name)


@pytest.fixture
def managed(new_registry):
    """Starts a registry with these webhooks that alice is the admin of, whose clients are anonymous."""

    def make(*rows, **config):
        rules = [{"subjects": ["anonymous"], "actions": ["pull", "push", "overwrite"]}]
        accounts = Accounts(new_registry(config={"auth": "local", "policy": rules, "webhooks": list(rows), **config}))
        accounts.add("alice", "--admin")
        return accounts.registry.start()

    return make


def test_pushes_are_told_in_order_and_signed(new_registry, hook, work):
    (work / "secret").write_text("whsec_" + base64.b64encode(SECRET).decode() + "\n")
    row = hook.hook(secret_file=str(work / "secret"), events=["push"], repositories=["prod/**"],
                    headers=[{"name": "X-Team", "value": "blue"}])  # fmt: skip
    registry = start(new_registry, row)
    push(registry, "dev/app")
    push(registry, "prod/app", 5)
    posts = hook.wait_taken(5)
    assert tags(posts, "prod/app") == [f"v{i}" for i in range(5)]
    assert not tags(posts, "dev/app")
    for post in posts:
        signed = b".".join([post.headers["webhook-id"].encode(), post.headers["webhook-timestamp"].encode(), post.body])
        want = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
        assert post.headers["webhook-signature"] == f"v1,{want}"
        assert post.headers["Content-Type"].startswith("application/cloudevents+json")
        assert (post.headers["X-Team"], post.json["id"]) == ("blue", post.headers["webhook-id"])


def test_what_happened_while_the_receiver_was_down_is_told_when_it_is_back(managed, hook):
    registry = managed(hook.hook(events=["push"]))
    hook.stop()
    push(registry, "team/app", 3)
    until(lambda: state(registry)["state"] == "failing", 60)
    hook.start()
    assert tags(hook.wait_taken(3), "team/app") == ["v0", "v1", "v2"]
    until(lambda: state(registry)["state"] == "ok", 60)


def test_an_event_that_is_refused_becomes_a_dead_letter_and_the_rest_go_on(managed, hook):
    hook.answer = lambda post: 422 if "v1" in post.event["tags"] else 200
    registry = managed(hook.hook(events=["push"]))
    push(registry, "team/app", 3)
    assert tags(hook.wait_taken(2), "team/app") == ["v0", "v2"]
    until(lambda: state(registry)["dead"] == 1, 60)
    (letter,) = map(json.loads, webhook(registry, "deliveries", "hook", "--json").splitlines())
    assert (letter["status"], letter["event"]["tags"]) == (422, ["v1"])
    assert "not delivered, status 422" in webhook(registry, "redeliver", "hook", status=3)
    hook.answer = 204
    assert "delivered, status 204" in webhook(registry, "redeliver", "hook", str(letter["seq"]))
    assert webhook(registry, "deliveries", "hook") == ""


def test_what_can_t_be_told_for_too_long_becomes_a_dead_letter(managed, hook):
    hook.answer = 503
    registry = managed(hook.hook(events=["push"], retry_for="1s"))
    push(registry, "team/app", 2)
    until(lambda: state(registry)["dead"] == 2, 60)
    hook.answer = 200
    push(registry, "team/app", 1, first=2)
    assert tags(hook.wait_taken(1), "team/app") == ["v2"]


def test_no_more_dead_letters_are_kept_than_is_said(managed, hook):
    hook.answer = 400
    registry = managed(hook.hook(events=["push"], dead_letters=2))
    push(registry, "team/app", 4)
    until(lambda: state(registry)["dead"] == 4, 60)
    letters = [json.loads(line) for line in webhook(registry, "deliveries", "hook", "--json").splitlines()]
    assert [letter["event"]["tags"][0] for letter in letters] == ["v2", "v3"]


def test_a_redirect_is_not_followed(managed, hook):
    with Receiver() as other:
        hook.answer = 307
        hook.headers = {"Location": other.url}
        registry = managed(hook.hook(events=["push"]))
        push(registry, "team/app")
        until(lambda: state(registry)["state"] == "failing", 60)
        assert "redirects are not followed" in state(registry)["why"]
        assert other.posts == []


def test_a_receiver_that_hangs_holds_nothing_up(managed, hook):
    with Receiver(answer=None) as stuck:
        registry = managed(stuck.hook("stuck", timeout="300ms"), hook.hook(events=["push"]))
        push(registry, "team/app", 2)
        assert tags(hook.wait_taken(2), "team/app") == ["v0", "v1"]
        until(lambda: state(registry, "stuck")["state"] == "failing", 60)
        assert state(registry, "stuck")["status"] == 0


def test_receivers_that_hang_are_tried_again_one_at_a_time(new_registry, hook):
    times = []
    hook.answer = lambda _: times.append(time.monotonic()) or time.sleep(0.8) or 200
    registry = start(new_registry, hook.hook("a", timeout="500ms"), hook.hook("b", timeout="500ms"))
    push(registry, "team/app")
    until(lambda: len(times) >= 4, 60)
    assert times[3] - times[2] > 0.3


def test_megabytes_of_an_answer_are_not_read(managed, hook):
    hook.text = bytes(8 << 20)
    registry = managed(hook.hook(events=["push"]))
    push(registry, "team/app", 2)
    hook.wait_taken(2)
    until(lambda: state(registry)["delivered"] == 2, 60)


def test_an_answer_that_repeats_the_request_is_not_shown(managed, hook):
    hook.answer, hook.text = 500, b"{'Authorization': 'Basic Z2VoZWltOmdlaGVpbQ=='}"
    headers = [{"name": "Authorization", "value": "Basic Z2VoZWltOmdlaGVpbQ=="}]
    registry = managed(hook.hook(events=["push"], headers=headers))
    push(registry, "team/app")
    until(lambda: state(registry)["state"] == "failing", 60)
    assert "the answer is 500" in state(registry)["why"]
    assert "Z2VoZW" not in state(registry)["why"] + registry.log


def test_a_private_address_is_not_asked_unless_that_is_allowed(managed, hook):
    registry = managed(hook.hook(allow_private=False), {**hook.hook("named"), "allow_private": False,
                                 "url": hook.url.replace("127.0.0.1", "localhost")})  # fmt: skip
    push(registry, "team/app")
    for name in ("hook", "named"):
        until(lambda name=name: state(registry, name)["state"] == "failing", 60)
        assert "not public" in state(registry, name)["why"]
    assert hook.posts == []


def test_a_receiver_may_say_when_it_wants_to_be_asked_again(managed, hook):
    hook.answer, hook.headers = 429, {"Retry-After": "3000"}
    registry = managed(hook.hook(events=["push"]))
    push(registry, "team/app")
    until(lambda: state(registry)["state"] == "failing", 60)
    found = state(registry)
    assert found["next_try"] > found["failing_since"][:11] and found["failures"] == 1
    assert len(hook.posts) == 1


def test_events_of_several_repositories_go_at_once_and_each_in_order(new_registry, hook):
    registry = start(new_registry, hook.hook(events=["push"], concurrency=4))
    hook.stop()
    for i in range(3):
        for repository in ("a", "b", "c"):
            push(registry, repository, 1, first=i)
    hook.start()
    posts = hook.wait_taken(9)
    for repository in ("a", "b", "c"):
        assert tags(posts, repository) == [f"v{i}" for i in range(3)]


def test_what_a_killed_server_had_not_told_is_told_when_it_starts_again(new_registry, hook):
    hook.answer = None
    registry = start(new_registry, hook.hook(events=["push"]))
    push(registry, "team/app", 3)
    hook.wait(1)
    registry.kill()
    hook.answer = 200
    hook.let_go.set()
    registry.start()
    assert tags(hook.wait_taken(3), "team/app") == ["v0", "v1", "v2"]


def test_two_replicas_tell_each_event_in_order(new_replicas, hook):
    made = new_replicas(2, config={"webhooks": [hook.hook(events=["push"])]})
    for i in range(6):
        push(made[i % 2].registry, "team/app", 1, first=i)
    assert tags(hook.wait_taken(6), "team/app") == [f"v{i}" for i in range(6)]
    assert hook.most == 1


def test_another_replica_goes_on_when_the_one_that_tells_is_killed(new_replicas, hook):
    hook.answer = None
    made = new_replicas(2, config={"webhooks": [hook.hook(events=["push"])], "replicas": {"lease": "1s"}})
    made[1].kill()
    push(made[0].registry, "team/app", 3)
    hook.wait(1)
    made[1].start()
    made[0].kill()
    hook.answer = 200
    hook.let_go.set()
    assert tags(hook.wait_taken(3), "team/app") == ["v0", "v1", "v2"]
    made[0].start()


def test_a_test_is_sent_at_once(managed, hook):
    registry = managed(hook.hook(), hook.hook("harbor", format="harbor"))
    assert "delivered, status 200" in webhook(registry, "test", "hook")
    assert hook.posts[0].json["type"] == "cyberdock.webhook.test"
    webhook(registry, "test", "harbor")
    assert hook.posts[1].json["type"] == "PUSH_ARTIFACT"


def test_a_webhook_of_another_name_is_not_found(managed, hook):
    registry = managed(hook.hook())
    webhook(registry, "test", "other", status=1)


def test_who_is_no_admin_sees_no_webhooks(managed, hook):
    registry = managed(hook.hook())
    with Client(registry.url) as client:
        client.request("GET", "/api/v1/webhooks", 401)
