#!/usr/bin/env bash
# python-dxf 12.1.1 (PyPI): get_alias() and get_manifest() of an OCI image whose manifest has no `mediaType` end
# with KeyError. The field is optional there (image-spec, "Image Manifest Property Descriptions": SHOULD), and the
# Content-Type of the answer says what it is; dxf looks into the JSON only. The same happens with an index one of whose entries has no `platform` (optional as well). A registry
# can't help it: it must hand out the very bytes that were pushed, so it may not add what is missing.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install python-dxf==12.1.1
venv/bin/pip --disable-pip-version-check list 2>/dev/null | grep '^python-dxf '

cat >media_type.py <<'PY'
import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dxf import DXF

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = {"digest": "sha256:" + hashlib.sha256(b"{}").hexdigest(), "size": 2}
IMAGE = {
    "schemaVersion": 2,
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **EMPTY},
    "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **EMPTY}],
}
ENTRY = {"mediaType": MANIFEST, **EMPTY}
CONTENT = {
    "with": (MANIFEST, {**IMAGE, "mediaType": MANIFEST}),
    "without": (MANIFEST, IMAGE),
    "index": (INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [ENTRY]}),
}


class Stub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        kind, value = CONTENT[self.path.rsplit("/", 1)[1]]
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(body).hexdigest())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def outcome(call, tag):
    try:
        call(tag)
        return "read"
    except KeyError as error:
        return f"KeyError {error}"


server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
threading.Thread(target=server.serve_forever, daemon=True).start()
image = DXF(f"127.0.0.1:{server.server_port}", "app", insecure=True)
seen = {tag: outcome(image.get_alias, tag) for tag in CONTENT}
for tag, what in seen.items():
    print(f"{tag:8} {what}")
sys.exit(0 if list(seen.values()) == ["read", "KeyError 'mediaType'", "KeyError 'platform'"] else 1)
PY
venv/bin/python media_type.py
