#!/usr/bin/env bash
# containerify 4.1.0 (npm), `--doCrossMount`: asks a registry to mount the layers of the base image, and names
# the source with its tag, `from=base:1`, where the specification has a repository (OCI distribution-spec,
# "Mounting a blob from another repository"). A registry that takes what it can't mount for a push, 202, gets
# the layers anew, so nothing is ever mounted and nobody notices; one that answers 400 to the name ends the push.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

npm install --silent --no-audit --no-fund containerify@4.1.0 >/dev/null
npm ls --depth=0 2>/dev/null | grep -o 'containerify@.*'
mkdir app
echo '{"name": "app", "version": "1.0.0", "scripts": {"start": "node app.js"}}' >app/package.json
echo 'console.log("hello");' >app/app.js

cat >run.py <<'PY'
import gzip
import hashlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
content = {}


def add(kind, data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    content[digest] = (kind, data)
    return {"mediaType": kind, "size": len(data), "digest": digest}


layer = bytes(10240)  # an archive of nothing
rootfs = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}
config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}
manifest = {
    "schemaVersion": 2,
    "mediaType": MANIFEST,
    "config": add("application/vnd.oci.image.config.v1+json", json.dumps(config).encode()),
    "layers": [add("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(layer, mtime=0))],
}
content["1"] = content[add(MANIFEST, json.dumps(manifest).encode())["digest"]]


class Registry(BaseHTTPRequestHandler):
    """Has one image, and takes every push but what is mounted, which it answers as it is told."""

    protocol_version = "HTTP/1.1"
    answer_mount, sources, puts = 202, [], []

    def log_message(self, *_):
        pass

    def answer(self, status, kind="text/plain", data=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(data), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def do_GET(self):
        found = content.get(self.path.split("/")[-1]) if "/base/" in self.path else None
        if self.path == "/v2/":
            self.answer(200, "application/json", b"{}")
        elif found:
            self.answer(200, *found)
        else:
            self.answer(404)

    do_HEAD = do_GET

    def do_POST(self):
        self.body()
        source = parse_qs(urlsplit(self.path).query).get("from")
        status = 202
        if source:
            Registry.sources.append(source[0])
            status = Registry.answer_mount
        self.answer(status, **{"Location": f"http://{self.headers['Host']}/v2/team/app/blobs/uploads/1"})

    def do_PUT(self):
        self.body()
        Registry.puts.append(urlsplit(self.path).path)
        self.answer(201)

    def do_PATCH(self):
        self.body()
        self.answer(202, Location=f"http://{self.headers['Host']}/v2/team/app/blobs/uploads/1")


def push(status):
    """Did it end well, what sources did it name, and did it push the manifest?"""
    Registry.answer_mount, Registry.sources, Registry.puts = status, [], []
    url = f"http://127.0.0.1:{server.server_port}/v2/"
    done = subprocess.run(
        ["node_modules/.bin/containerify", "--allowNoPushAuth", "--fromRegistry", url, "--fromImage", "base:1",
         "--toRegistry", url, "--toImage", "team/app:1", "--doCrossMount", "--folder", "app"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    pushed = "/v2/team/app/manifests/1" in Registry.puts
    print(f"a mount answered with {status}: exit {done.returncode}, sources {Registry.sources}, manifest pushed: {pushed}")
    return done.returncode == 0, Registry.sources, pushed


server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
threading.Thread(target=server.serve_forever, daemon=True).start()
right = push(202) == (True, ["base:1"], True) and push(400) == (False, ["base:1"], False)
sys.exit(0 if right else "this has changed")
PY
python3 run.py
