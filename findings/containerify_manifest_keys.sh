#!/usr/bin/env bash
# containerify 4.1.0 (npm), `--toTar`: a docker archive whose manifest.json has the keys "config", "repoTags"
# and "layers", where everybody else writes "Config", "RepoTags" and "Layers". Programs in Go read JSON keys
# whatever their case, so nobody notices who loads it with docker, podman or skopeo (here: skopeo
# 1.9.3+ds1-1+b10 of Debian 12). An importer in another language that looks for the usual names finds an
# image without a config. The config is called `config.json`, the names are short, as they were given.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

npm install --silent --no-audit --no-fund containerify@4.1.0 >/dev/null
npm ls --depth=0 2>/dev/null | grep -o 'containerify@.*'
for package in skopeo=1.9.3+ds1-1+b10 libgpgme11 libassuan0 libgpg-error0 libdevmapper1.02.1; do
    apt-get download -q "$package" >/dev/null 2>&1
done
for deb in *.deb; do
    dpkg -x "$deb" root
done
export LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu:root/lib/x86_64-linux-gnu

mkdir app
echo '{"name": "app", "version": "1.0.0", "scripts": {"start": "node app.js"}}' >app/package.json
echo 'console.log("hello");' >app/app.js

cat >run.py <<'PY'
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
content = {}


def add(kind, data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    content[digest] = (kind, data)
    return {"mediaType": kind, "size": len(data), "digest": digest}


def archive_of(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            head = tarfile.TarInfo(name)
            head.size = len(data)
            tar.addfile(head, io.BytesIO(data))
    return out.getvalue()


layer = archive_of({"etc/base": b"base\n"})
diff_id = "sha256:" + hashlib.sha256(layer).hexdigest()
config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
manifest = {
    "schemaVersion": 2,
    "mediaType": MANIFEST,
    "config": add("application/vnd.oci.image.config.v1+json", json.dumps(config).encode()),
    "layers": [add("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(layer, mtime=0))],
}
content["1"] = content[add(MANIFEST, json.dumps(manifest).encode())["digest"]]


class Base(BaseHTTPRequestHandler):
    """A registry that has one image."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        kind, data = content.get(self.path.split("/")[-1], ("application/json", b"{}"))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET


server = ThreadingHTTPServer(("127.0.0.1", 0), Base)
threading.Thread(target=server.serve_forever, daemon=True).start()
subprocess.run(
    ["node_modules/.bin/containerify", "--fromRegistry", f"http://127.0.0.1:{server.server_port}/v2/",
     "--fromImage", "base:1", "--toImage", "team/app:1", "--additionalTag", "new", "--folder", "app",
     "--toTar", "written.tar"],
    check=True, stdout=subprocess.DEVNULL,
)
with tarfile.open("written.tar") as tar:
    item = json.load(tar.extractfile("manifest.json"))[0]
print("manifest.json:", {key: value for key, value in item.items() if key != "layers"}, "and", "layers" in item)

skopeo = subprocess.run(["root/usr/bin/skopeo", "inspect", "docker-archive:written.tar"], capture_output=True, text=True)
layers = len(json.loads(skopeo.stdout)["Layers"]) if skopeo.returncode == 0 else skopeo.stderr
print("skopeo sees layers:", layers)
right = (
    sorted(item) == ["config", "layers", "repoTags"]
    and item["config"] == "config.json"
    and item["repoTags"] == ["team/app:1", "team/app:new"]
    and layers == 3
)
sys.exit(0 if right else "this has changed")
PY
python3 run.py
