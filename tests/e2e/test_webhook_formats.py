"""What webhooks send: the reference registry's envelope beside that of the real one, and the receiver of docs/webhooks.md."""

import json
import re
import subprocess
import sys

import requests
from accounts import PASSWORD, Accounts
from documented import blocks, follow, page, program
from helpers import OCI_MANIFEST, Client, image
from processes import DIES_WITH_US, free_port
from receiver import Receiver
from reference_registry import PLAIN, Theirs, listens
from waiting import until

NOTIFIED = PLAIN.replace("storage:\n", "storage:\n  delete: {{enabled: true}}\n") + """
notifications:
  endpoints:
  - name: test
    url: {endpoint}
    timeout: 5s
    threshold: 3
    backoff: 1s
    ignoredmediatypes: [application/octet-stream, {layer}, {config}]
"""


def do_things(url):
    """The same requests to each."""
    made = image(1, layers=1, layer_size=100)
    with Client(url) as client:
        client.push_image("team/app", made, "v1")
        client.request("GET", "/v2/team/app/manifests/v1", headers={"Accept": OCI_MANIFEST})
        client.request("DELETE", f"/v2/team/app/manifests/{made.digest}", (202,))
    return made


def told(hook, actions=("push", "delete")):
    """The first event of each action, once all have come."""

    def found():
        events = [e for p in list(hook.posts) for e in p.json["events"]]
        first = {action: next((e for e in events if e["action"] == action), None) for action in actions}
        return first if all(first.values()) else None

    return until(found, 60)


def shape(event, url):
    """Without what differs from run to run, and the host."""
    text = json.dumps({k: v for k, v in event.items() if k not in ("id", "timestamp", "source")})
    event = json.loads(text.replace(url, "URL"))
    event["target"].pop("references", None)  # not sent unless includereferences is set
    event["request"] = {k: bool(v) for k, v in event["request"].items()}
    return event


def test_the_envelope_is_that_of_the_reference_registry(new_registry, work):
    with Receiver() as mine, Receiver() as hers:
        more = {"endpoint": hers.url, "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
                "config": "application/vnd.oci.image.config.v1+json"}  # fmt: skip
        theirs = Theirs(work, NOTIFIED, **more).start()
        row = mine.hook(format="distribution", events=["push", "pull", "delete"])
        ours = new_registry(config={"webhooks": [row], "events": {"pulls": True}}).start()
        try:
            do_things(theirs.url)
            do_things(ours.url)
            real, own = told(hers), told(mine)
        finally:
            theirs.stop()
    for action in ("push", "delete"):
        assert shape(own[action], ours.url) == shape(real[action], theirs.url), action
        assert own[action]["source"].keys() == real[action]["source"].keys()
    version_2 = hers.posts[0].headers["Content-Type"].replace(".v1+", ".v2+")  # as version 3 of it says
    assert mine.posts[0].headers["Content-Type"] == version_2


def test_endpoints_of_a_file_of_the_reference_registry_are_told(registry_binary, work):
    with Receiver() as hook:
        port = free_port()
        (work / "theirs.yml").write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {work}/data}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: '127.0.0.1:{port}'}}\nnotifications:\n  endpoints:\n"
            f"  - {{name: listener, url: '{hook.url}', headers: {{Authorization: [Bearer x]}}, timeout: 1s}}\n"
        )
        with open(work / "log", "wb") as log:
            process = subprocess.Popen([*DIES_WITH_US, registry_binary, "serve", work / "theirs.yml"], stdout=log, stderr=log)
        try:
            until(lambda: listens(port), 60)
            do_things(f"http://127.0.0.1:{port}")
            assert told(hook)["push"]["target"]["repository"] == "team/app"
        finally:
            process.terminate()
            process.wait(60)
    assert hook.posts[0].headers["Authorization"] == "Bearer x"


def test_the_receiver_of_the_page_takes_what_is_signed_and_nothing_else(new_registry, work):
    text = page("webhooks.md")
    (code,) = blocks(text, "python")
    assert len([line for line in code.splitlines() if line]) <= 12
    port = free_port()
    (work / "receiver.py").write_text(code)
    (work / "secret").write_text("a secret\n")
    receiver = subprocess.Popen([*DIES_WITH_US, sys.executable, work / "receiver.py", str(port), work / "secret"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    row = {"name": "security", "url": f"http://127.0.0.1:{port}/in", "allow_private": True, "secret_file": str(work / "secret")}
    accounts = Accounts(new_registry(config={"auth": "local", "webhooks": [row]}))
    accounts.add("alice", "--admin")
    accounts.registry.start()
    try:
        until(lambda: listens(port), 60)
        program(work, "registry", f'echo "{PASSWORD}" | exec {accounts.registry.binary} "$@" --url {accounts.registry.url}'
                                  " --user alice --password-stdin")  # fmt: skip
        follow(text, accounts.registry, work)
        headers = {"webhook-id": "x", "webhook-timestamp": "0", "webhook-signature": "v1,x"}
        assert requests.post(row["url"], data=b"{}", headers=headers, timeout=10).status_code == 401
    finally:
        receiver.kill()
        receiver.wait()


def test_each_key_of_the_page_is_one(registry_binary, work):
    for number, block in enumerate(blocks(page("webhooks.md"), "yaml")):
        (work / "secret").write_text("x")
        path = work / f"{number}.yaml"
        path.write_text(re.sub(r"/etc/registry/\w+", str(work / "secret"), block))
        done = subprocess.run([registry_binary, "config", "check", path], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
