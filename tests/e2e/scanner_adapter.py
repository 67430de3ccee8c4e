"""A stand-in for an adapter of the pluggable scanner API: it pulls what it is told to with the token that it gets, and
finds one vulnerability for each layer."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
REPORT = "application/vnd.security.vulnerability.report; version=1.1"
UPDATED = "harbor.scanner-adapter/vulnerability-database-updated-at"


class Adapter:
    def __init__(self):
        self.scans = {}  # what was asked, by id
        self.pulled = {}  # the manifest that came of it, and the answers to what else was tried
        self.updated = "2026-11-01T00:00:00Z"
        self.report = None  # what is answered instead of a report
        self.polls = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            adapter = self

            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", content_type="application/json", **headers):
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path == "/api/v1/metadata":
                    self.answer(200, json.dumps(self.adapter.metadata()).encode())
                elif self.adapter.polls % 2 == 0:
                    self.adapter.polls += 1
                    self.answer(302, Refresh_After="0")
                else:
                    self.adapter.polls += 1
                    self.answer(200, self.adapter.report_of(self.path.split("/")[4]), REPORT)

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                name = str(len(self.adapter.scans))
                self.adapter.scans[name] = asked
                self.adapter.pull(name, asked)
                self.answer(202, json.dumps({"id": name}).encode())

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def metadata(self):
        return {"scanner": {"name": "Stand-in", "vendor": "tests", "version": "1.0"},
                "capabilities": [{"consumes_mime_types": [MANIFEST], "produces_mime_types": [REPORT]}],
                "properties": {UPDATED: self.updated}}

    def pull(self, name, asked):
        where, what = asked["registry"], asked["artifact"]
        headers = {"Accept": MANIFEST}
        if "authorization" in where:
            headers["Authorization"] = where["authorization"]

        def get(repository, reference):
            return requests.get(f"{where['url']}/v2/{repository}/manifests/{reference}", headers=headers, timeout=30)

        self.pulled[name] = (get(what["repository"], what["digest"]), get("other/app", "1"))

    def report_of(self, name):
        if self.report is not None:
            return self.report
        answer = self.pulled[name][0]
        layers = answer.json()["layers"] if answer.status_code == 200 else []
        return json.dumps({"vulnerabilities": [
            {"id": f"CVE-2026-{i}", "package": f"p{i}", "version": "1", "fix_version": "2", "severity": "Critical"}
            for i, _ in enumerate(layers)]}).encode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
