#!/usr/bin/env bash
# oras 0.2.43 (PyPI): Registry.delete_tag(name, tag) does not delete the tag. It looks the tag up with HEAD and
# then deletes the manifest by its digest, which takes every other tag of the same image with it; the
# specification (distribution-spec, "Deleting Tags") has DELETE …/manifests/<tag> for what the name promises.
# Whoever removes an old tag that way also loses `latest` when both name one image. A registry can only keep
# what it was told to protect; it can't know that a digest was meant as a tag.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install oras==0.2.43
venv/bin/pip --disable-pip-version-check list 2>/dev/null | grep '^oras '

cat >delete_tag.py <<'PY'
import hashlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import oras.provider

TYPE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST = b'{"schemaVersion": 2, "mediaType": "%s", "layers": []}' % TYPE.encode()
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()


class Stub(BaseHTTPRequestHandler):
    """A registry with one image under two tags."""

    protocol_version = "HTTP/1.1"
    tags, requests = {"old": DIGEST, "latest": DIGEST}, []

    def log_message(self, *_):
        pass

    def answer(self, status):
        reference = self.path.rsplit("/", 1)[1]
        Stub.requests.append(f"{self.command} {self.path.replace(DIGEST, '<digest>')}")
        if self.command == "DELETE":
            gone = [t for t, d in Stub.tags.items() if reference in (t, d)]
            for tag in gone:
                del Stub.tags[tag]
        self.send_response(status)
        self.send_header("Docker-Content-Digest", DIGEST)
        self.send_header("Content-Type", TYPE)
        self.send_header("Content-Length", "0" if self.command == "DELETE" else str(len(MANIFEST)))
        self.end_headers()

    def do_HEAD(self):
        self.answer(200)

    def do_DELETE(self):
        self.answer(202)


server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
threading.Thread(target=server.serve_forever, daemon=True).start()
host = f"127.0.0.1:{server.server_port}"
deleted = oras.provider.Registry(hostname=host, insecure=True).delete_tag(f"{host}/app:old", "old")
print(f"delete_tag(…, 'old') said {deleted} and sent {Stub.requests}")
print(f"tags that are left: {sorted(Stub.tags)}")
expected = ["HEAD /v2/app/manifests/old", "DELETE /v2/app/manifests/<digest>"]
sys.exit(0 if Stub.requests == expected and not Stub.tags else 1)
PY
venv/bin/python delete_tag.py
