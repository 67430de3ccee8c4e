#!/usr/bin/env bash
# docker-export 1.2.0 (PyPI) writes an image of a registry into a docker archive. It asks for a token always,
# also of a registry that answers `GET /v2/` with 200 and no challenge: then at https://HOST/token, of the
# registry itself, whatever the status. Where the answer is no JSON it ends ("Extra data", for the "404 page
# not found" of distribution and all that is built with Go's usual router); where it is JSON without a token
# it goes on, with the header "Authorization: Bearer None". So a registry that lets everybody in works with
# it only if it answers unknown paths with JSON, and takes no offence at a bearer token that it never asked for.
# The archive that it writes has the root itself as its first member, a folder named "/". Layers have to be
# gzip, whatever their media type says.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install docker-export==1.2.0
venv/bin/pip --disable-pip-version-check freeze | grep docker-export
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost 2>/dev/null
export REQUESTS_CA_BUNDLE=$work/cert.pem

cat >run.py <<'PY'
import gzip
import hashlib
import io
import json
import ssl
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
content = {}


def add(kind, data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    content[digest] = (kind, data)
    return {"mediaType": kind, "size": len(data), "digest": digest}


def layer_of(name, data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        head = tarfile.TarInfo(name)
        head.size = len(data)
        tar.addfile(head, io.BytesIO(data))
    return out.getvalue()


layer = layer_of("etc/base", b"base\n")
config = {
    "architecture": "amd64", "os": "linux", "config": {}, "created": "2024-01-01T00:00:00Z",
    "history": [{"created": "2024-01-01T00:00:00Z"}],
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
}
manifest = {
    "schemaVersion": 2,
    "mediaType": MANIFEST,
    "config": add("application/vnd.docker.container.image.v1+json", json.dumps(config).encode()),
    "layers": [add("application/vnd.docker.image.rootfs.diff.tar.gzip", gzip.compress(layer, mtime=0))],
}
content["1"] = content[add(MANIFEST, json.dumps(manifest).encode())["digest"]]


class Open(BaseHTTPRequestHandler):
    """A registry that lets everybody in; `unknown` is what it answers where there is nothing."""

    unknown, seen = b"", []

    def log_message(self, *_):
        pass

    def do_GET(self):
        Open.seen.append((self.path.partition("?")[0], self.headers.get("Authorization")))
        kind, data = content.get(self.path.split("/")[-1], (None, Open.unknown))
        status = 404
        if self.path == "/v2/" or kind:
            status, kind, data = 200, kind or "application/json", data if kind else b"{}"
        self.send_response(status)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET


def export(unknown):
    """Its last line, the paths with their tokens, and the members of what it wrote."""
    Open.unknown, Open.seen = unknown, []
    command = ["venv/bin/docker-export", "--registry", f"localhost:{server.server_port}", "base:1", "out.tar"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        with tarfile.open("out.tar") as tar:
            members = tar.getnames()
    except FileNotFoundError:
        members = []
    return done.stdout.strip().splitlines()[-1], Open.seen, members


server = ThreadingHTTPServer(("127.0.0.1", 0), Open)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()

said, seen, members = export(b"404 page not found\n")
print("unknown paths as text:", said, seen)
as_text = said.startswith("ERROR: Extra data") and ("/token", None) in seen and members == []
said, seen, members = export(b'{"errors": []}')
print("unknown paths as JSON:", said, seen, members[:2])
bearers = {token for path, token in seen if "/blobs/" in path}
as_json = bearers == {"Bearer None"} and members[:1] in (["/"], [""])
sys.exit(0 if as_text and as_json else "this has changed")
PY
python3 run.py
