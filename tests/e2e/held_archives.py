"""Archives that wait for a verdict (`upload.scan: block`), and registries that let them. The scanner is the stand-in
of fake_trivy.py; an image says itself what is to be found in it."""

import threading

import requests
from archives import docker_archive
from below import files_below
from scanners import says
from waiting import until

BAD = {"cve": "CVE-2024-1234", "severity": "critical", "package": "openssl", "installed": "1.1.1k", "fixed": "1.1.1l"}
MILD = {"cve": "CVE-2024-2", "severity": "low", "package": "zlib", "installed": "1.2"}
RULES = [{"repositories": ["free/**"], "mode": "off"}, {"repositories": ["**"], "severity": "high"}]
WHERE = {"repository": "team/app", "tag": "v1"}


def archive(*found, tags=None):
    return docker_archive(says(list(found)), tags)


def config_of(fake, mode="block", **more):
    config = fake.config(on_push=False)
    return {**config, "pull_policy": RULES, "upload": {"scan": mode, **more}, "maintenance": {"interval": "200ms"}}


def held(registry):
    """Files of archives that wait."""
    return [p for p in files_below(registry.root) if "/cyberdock.internal/held/" in str(p)]


def tags(client, repo="team/app"):
    return client.request("GET", f"/v2/{repo}/tags/list", (200, 404)).json().get("tags", [])


def record(client):
    (row,) = client.request("GET", "/api/v1/uploads").json()["uploads"]
    return row


class Sent(threading.Thread):
    """An upload by a client that waits for its answer."""

    def __init__(self, registry, data, auth=None, **params):
        super().__init__()
        self.url, self.data, self.auth, self.params, self.answer = registry.url, data, auth, params or WHERE, None
        self.start()

    def run(self):
        try:
            self.answer = requests.put(f"{self.url}/upload-image", params=self.params, data=self.data, timeout=120, auth=self.auth)
        except requests.RequestException:
            pass

    def error(self, status):
        """What it was refused with."""
        self.join(120)
        assert self.answer.status_code == status, self.answer.text
        return self.answer.json()["errors"][0]


def phases(client):
    return [r["phase"] for r in client.request("GET", "/api/v1/uploads").json()["uploads"]]


def wait_until_scanning(registry, client):
    until(lambda: phases(client) == ["scanning"], timeout=60)
    assert held(registry)
