#!/usr/bin/env bash
# Which spellings of one and the same WWW-Authenticate challenge little-used clients understand.
#
# RFC 9110 (11.6.1) gives the parameters of a challenge no order, makes scheme names case-insensitive,
# allows white space behind commas, and lets a server send several challenges in any order. So all of
# these mean the same. Three real clients pull one manifest from a stub, once for each form:
#   crpy 0.4.0 (PyPI)                              wants "Bearer realm=" at the very beginning, in that
#       case; with a space behind the commas it silently loses service and scope, and asks for a token
#       without them; of two challenges it sees the first only.
#   @snyk/docker-registry-v2-client 4.0.5 (npm)    wants realm first and "Bearer" in that case.
#   skopeo 1.9.3+ds1-1+b10 (Debian 12)             obeys the first challenge only: Basic before Bearer and it
#       never asks for a token.
# And for two scopes in one challenge crpy and snyk send one `scope` parameter with a space in it, skopeo
# ignores the challenge's and sends its own.
# So a registry has one form that everybody reads: `Bearer realm="…",service="…",scope="…"`, realm first,
# no spaces, one challenge; and a token service has to split `scope` at spaces.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install crpy==0.4.0
npm install --silent --no-audit --no-fund @snyk/docker-registry-v2-client@4.0.5 >/dev/null
for package in skopeo=1.9.3+ds1-1+b10 libgpgme11 libassuan0 libgpg-error0 libdevmapper1.02.1; do
    apt-get download -q "$package" >/dev/null 2>&1
done
for deb in *.deb; do
    dpkg -x "$deb" root
done

cat >crpy_client.py <<'PY'
import asyncio
import sys

from crpy.registry import RegistryInfo


async def main():
    registry = RegistryInfo.from_url(f"http://{sys.argv[1]}/a/b:t", insecure=True)
    await registry.get_manifest()


asyncio.run(main())
PY
cat >snyk_client.js <<'JS'
const { getManifest } = require("@snyk/docker-registry-v2-client");

getManifest(process.argv[2], "a/b", "t", "u", "p", { protocol: "http", ssrfProtectionDryRun: true })
    .catch(() => process.exit(1));
JS
cat >skopeo_client.sh <<'SH'
export LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu:root/lib/x86_64-linux-gnu
exec root/usr/bin/skopeo inspect --raw --tls-verify=false --creds u:p "docker://$1/a/b:t"
SH

cat >forms.py <<'PY'
import json
import subprocess
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = {
    "mediaType": "application/vnd.docker.container.image.v1+json",
    "size": 2,
    "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
}
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": TYPE, "config": CONFIG, "layers": []})
ONE = "repository:a/b:pull"
TWO = f"{ONE} repository:c/d:pull"


def forms(url):
    realm, service, scope = f'realm="{url}"', 'service="reg"', f'scope="{ONE}"'
    bearer, basic = f"Bearer {realm},{service},{scope}", 'Basic realm="reg"'
    return {
        "realm first": [bearer],
        "space behind comma": [f"Bearer {realm}, {service}, {scope}"],
        "service first": [f"Bearer {service},{realm},{scope}"],
        "lower case": [f"bearer {realm},{service},{scope}"],
        "two scopes": [f'Bearer {realm},{service},scope="{TWO}"'],
        "Basic before": [basic, bearer],
        "Basic behind": [bearer, basic],
    }


class Stub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    challenges, asked = [], []

    def log_message(self, *_):
        pass

    def answer(self, status, kind, text, headers=()):
        body = text.encode()
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", len(body)), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/token":
            Stub.asked.append(urllib.parse.parse_qs(query).get("scope", ["none"]))
            self.answer(200, "application/json", '{"token": "T", "access_token": "T"}')
        elif self.headers.get("Authorization") != "Bearer T":
            headers = [("WWW-Authenticate", c) for c in Stub.challenges]
            self.answer(401, "application/json", '{"errors": []}', headers)
        elif "/manifests/" in path:
            self.answer(200, TYPE, MANIFEST)
        else:
            self.answer(200, "application/json", "{}")


CLIENTS = {
    "crpy": ["venv/bin/python", "crpy_client.py"],
    "snyk": ["node", "snyk_client.js"],
    "skopeo": ["bash", "skopeo_client.sh"],
}
READ = (True, [[ONE]])
FAILS = (False, [])
EXPECTED = {
    "realm first": (READ, READ, READ),
    "space behind comma": ((True, [["none"]]), READ, READ),
    "service first": (FAILS, FAILS, READ),
    "lower case": (FAILS, FAILS, READ),
    "two scopes": ((True, [[TWO]]), (True, [[TWO]]), READ),
    "Basic before": (FAILS, READ, FAILS),
    "Basic behind": (READ, READ, READ),
}

server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
threading.Thread(target=server.serve_forever, daemon=True).start()
host = f"127.0.0.1:{server.server_port}"
changed = 0
for form, Stub.challenges in forms(f"http://{host}/token").items():
    for (client, command), expected in zip(CLIENTS.items(), EXPECTED[form]):
        Stub.asked = []
        done = subprocess.run([*command, host], capture_output=True, timeout=60, check=False)
        seen = (done.returncode == 0, Stub.asked)
        changed += seen != expected
        mark = "" if seen == expected else f"   CHANGED, was {expected}"
        result = "pulled" if seen[0] else "refused"
        print(f"{form:20} {client:8} {result:8} scopes asked for: {Stub.asked}{mark}")
sys.exit(1 if changed else 0)
PY
venv/bin/pip --disable-pip-version-check list 2>/dev/null | grep '^crpy '
npm ls --depth=0 2>/dev/null | grep -o '@snyk/.*'
dpkg-deb --field skopeo_*.deb Package Version
python3 forms.py
