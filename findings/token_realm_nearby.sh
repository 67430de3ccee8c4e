#!/usr/bin/env bash
# A registry may name any address as the realm where tokens are had (distribution, "Token Authentication"). Lest it
# sends them into a network that it can't reach itself, two clients refuse some realms, by different rules:
#   crane v0.22.1 (github.com/google/go-containerregistry)   a private or loopback IP address, written as such, unless
#       host and port are the registry's. A name is asked, wherever it leads.
#   oras v1.3.6 (oras.land/oras)                             a loopback or link-local address, also behind a name, unless
#       the host is the registry's, whatever the port.
# regctl v0.11.7 (github.com/regclient/regclient) asks all of them. So a token service of one's own network needs a
# name, and for a trial on one machine registry and token service need the same name (not address).
set -euo pipefail

work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
cd "$work"
export HOME=$work GOBIN=$work/bin GOPATH=$work/go GOCACHE=$work/cache CGO_ENABLED=0 GOFLAGS=-mod=mod

go install github.com/google/go-containerregistry/cmd/crane@v0.22.1 2>/dev/null
go install oras.land/oras/cmd/oras@v1.3.6 2>/dev/null
go install github.com/regclient/regclient/cmd/regctl@v0.11.7 2>/dev/null
for program in crane oras regctl; do
    go version -m "bin/$program" | sed -n "s/^\tmod\t\(\S*\)\t\(\S*\).*/$program: \1 \2/p"
done

cat >realm.py <<'PY'
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stub(BaseHTTPRequestHandler):
    """A registry that wants a token from the realm, or the token service."""

    protocol_version = "HTTP/1.1"
    realm, asked = "", False

    def log_message(self, *_):
        pass

    def answer(self, status, value, **headers):
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/token"):
            Stub.asked = True
            self.answer(200, {"token": "T"})
        elif self.headers.get("Authorization") == "Bearer T":
            self.answer(200, {"name": "a/b", "tags": ["v1"]})
        else:
            scope = 'service="stub",scope="repository:a/b:pull"'
            self.answer(401, {"errors": []}, WWW_Authenticate=f'Bearer realm="{Stub.realm}",{scope}')

    def do_POST(self):
        self.answer(404, {})


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client that is through with an answer resets the connection."""


def commands(host):
    return {
        "crane": ["crane", "ls", "--insecure", f"{host}/a/b"],
        "oras": ["oras", "repo", "tags", "--plain-http", f"{host}/a/b"],
        "regctl": ["regctl", "--host", f"reg={host},tls=disabled", "tag", "ls", f"{host}/a/b"],
    }


servers = [Server(("127.0.0.1", 0), Stub) for _ in range(2)]
for server in servers:
    threading.Thread(target=server.serve_forever, daemon=True).start()
registry, tokens = (server.server_port for server in servers)
ALL = {"crane", "oras", "regctl"}
EXPECTED = {
    ("127.0.0.1", f"127.0.0.1:{registry}"): ALL,
    ("127.0.0.1", f"127.0.0.1:{tokens}"): {"oras", "regctl"},
    ("127.0.0.1", f"localhost:{tokens}"): {"crane", "regctl"},
    ("localhost", f"localhost:{tokens}"): ALL,
}
changed = 0
for (host, realm), expected in EXPECTED.items():
    Stub.realm = f"http://{realm}/token"
    there = realm.replace(str(registry), "REGISTRY").replace(str(tokens), "TOKENS")
    for client, command in commands(f"{host}:{registry}").items():
        Stub.asked = False
        command[0] = f"bin/{command[0]}"
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        same = Stub.asked == (client in expected) == (done.returncode == 0)
        changed += not same
        result = "asks" if Stub.asked else "refuses"
        print(f"registry {host}:REGISTRY, realm {there:18} {client:7} {result}{'' if same else '   CHANGED'}")
sys.exit(1 if changed else 0)
PY
python3 realm.py
