#!/usr/bin/env bash
# oras 0.2.43 (PyPI) cannot push with auth_backend="token" where the token service gives just what is asked
# for. push() first looks whether the blob is there (HEAD), is challenged for "pull", and keeps that token. To the
# POST that begins the upload the registry answers 401 with a challenge for "pull,push" (distribution,
# "Token Authentication": the client asks for a token of that scope), and oras-py repeats the POST with the
# token it has: once there is a token, only a 403 makes it ask for another (Registry.do_request). A registry
# can't answer 403 instead: other clients ask for a wider token on 401 alone. auth_backend="basic" pushes, at a
# registry that takes passwords directly.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install oras==0.2.43
venv/bin/pip --disable-pip-version-check list 2>/dev/null | grep '^oras '

cat >token_scope.py <<'PY'
import json
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import oras.client


class Stub(BaseHTTPRequestHandler):
    """A registry and its token service; a token is the scope that was asked for."""

    protocol_version = "HTTP/1.1"
    refusal, seen = 401, []

    def log_message(self, *_):
        pass

    def answer(self, status, text="", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())

    def challenge(self, status, actions):
        realm = f"http://{self.headers['Host']}/token"
        scope = f"repository:dev/app:{actions}"
        text = f'Bearer realm="{realm}",service="stub",scope="{scope}"'
        self.answer(status, '{"errors":[]}', WWW_Authenticate=text)

    def handle_any(self):
        path, _, query = self.path.partition("?")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path == "/token":
            scope = urllib.parse.parse_qs(query)["scope"][0]
            Stub.seen.append(f"token {scope.rpartition(':')[2]}")
            return self.answer(200, json.dumps({"token": scope}))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        actions = "pull" if self.command in ("GET", "HEAD") else "pull,push"
        Stub.seen.append(f"{self.command} {token.rpartition(':')[2] or '-'}")
        if not token:
            return self.challenge(401, actions)
        if actions not in token:
            return self.challenge(Stub.refusal, actions)
        if self.command == "HEAD":
            return self.answer(404)
        if self.command == "POST":
            return self.answer(202, Location="/v2/dev/app/blobs/uploads/1")
        return self.answer(201)

    do_GET = do_HEAD = do_POST = do_PUT = handle_any


def push(host):
    Stub.seen = []
    client = oras.client.OrasClient(hostname=host, insecure=True, auth_backend="token")
    client.auth.set_basic_auth("alice", "secret")
    with open("note", "w") as file:
        file.write("fine\n")
    try:
        client.push(target=f"{host}/dev/app:v1", files=["note"])
        return "pushed"
    except ValueError:
        return "gave up"


server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
threading.Thread(target=server.serve_forever, daemon=True).start()
BEGIN = ["HEAD -", "token pull", "HEAD pull", "POST pull", "POST pull"]
AGAIN = ["token pull,push", "POST pull,push"]
EXPECTED = {401: ("gave up", BEGIN), 403: ("pushed", BEGIN + AGAIN)}
changed = 0
for Stub.refusal, (result, begin) in EXPECTED.items():
    outcome = push(f"127.0.0.1:{server.server_port}")
    same = outcome == result and Stub.seen[: len(begin)] == begin
    changed += not same
    print(f"{Stub.refusal} to a token of less: {outcome}{'' if same else '   CHANGED'}")
    print("   ", ", ".join(Stub.seen[: len(begin)]))
sys.exit(1 if changed else 0)
PY
venv/bin/python token_scope.py
