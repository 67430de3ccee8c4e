#!/usr/bin/python3 -I
"""A stand-in for Trivy: it takes the same command line, and finds in an image what a file planted.json in one of
its layers says that it would find. How it misbehaves stands in trivy.json beside the path it is called by; what it
was asked it tells the socket calls beside it, a line a call: files it may write nowhere else than in its own directory.

    {"mode": "hang" | "wait" (until it is another one) | "crash" | "flood" | "chatter" | "lie" | "half" | "fill" | "files" | "memory" | "fail" | "meddle" |
              "warn",
     "text": what it says when it lies, fails or warns}
"""

import gzip
import io
import json
import os
import signal
import socket
import sys
import tarfile
import time
from pathlib import Path

HERE = Path(sys.argv[0]).parent
TIME = "2026-11-01T00:00:00Z"


def value_of(flag, default=None):
    return sys.argv[sys.argv.index(flag) + 1] if flag in sys.argv else default


def fail(text):
    print(f"2026-11-30T00:00:00Z\tFATAL\tFatal error\t{text}\n\n", file=sys.stderr)
    sys.exit(1)


def layers(layout):
    def blob(digest):
        return (layout / "blobs" / digest.replace(":", "/")).read_bytes()

    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]))
    for layer in manifest["layers"]:
        yield layer["digest"], blob(layer["digest"])


def planted(layout):
    """[(digest of its layer, what it says)]"""
    for digest, data in layers(layout):
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                if member.name.lstrip("./") == "planted.json":
                    yield digest, json.load(tar.extractfile(member))


def vulnerability(digest, row):
    known = {
        "VulnerabilityID": row["cve"],
        "PkgName": row["package"],
        "PkgIdentifier": {"PURL": f"pkg:fake/{row['package']}@{row.get('installed', '1')}"},
        "InstalledVersion": row.get("installed", "1"),
        "Severity": row["severity"].upper(),
        "Title": row.get("title", ""),
        "Description": row.get("description", ""),
        "Layer": {"Digest": digest, "DiffID": digest},
    }
    if row.get("fixed"):
        known |= {"FixedVersion": row["fixed"], "Status": "fixed"}
    if "score" in row:
        known |= {"SeveritySource": "nvd", "CVSS": {"nvd": {"V3Score": row["score"], "V3Vector": "CVSS:3.1/x"}}}
    return known


def report(found):
    """found: [(digest, {"os": [family, name], "packages": n, "vulnerabilities": [row]})]"""
    metadata, results = {}, []
    for digest, truth in found:
        if "os" in truth:
            metadata["OS"] = {**dict(zip(("Family", "Name"), truth["os"])), "EOSL": truth.get("ended", False)}
        rows = truth.get("vulnerabilities", [])
        results.append({
            "Target": "image", "Class": "os-pkgs", "Type": "fake",
            "Packages": [{"ID": str(i)} for i in range(truth.get("packages", len(rows)))],
            "Vulnerabilities": [vulnerability(digest, row) for row in rows],
        })
    whole = {"SchemaVersion": 2, "Trivy": {"Version": "0.74.0-fake"}, "Metadata": metadata}
    return {**whole, "Results": results} if results else whole


def meddle():
    """Writes to all that it can reach by what it was given, as far as it is let."""
    given = [Path.cwd(), *Path.cwd().parents[:2], Path("cache/db").resolve()]
    for path in [file for folder in given for file in folder.rglob("*")]:
        try:
            if path.is_file() and path.name != "report.json":
                path.write_bytes(b"meddled with")
        except OSError:
            pass
    for folder in given[1:]:
        try:
            (folder / "meddled").write_bytes(b"x")
        except OSError:
            pass


def misbehave(mode, text):
    while mode == "wait":
        time.sleep(0.02)
        mode = settings().get("mode")
    if mode == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(3600)
    elif mode == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif mode == "flood":
        while True:
            sys.stdout.write("x" * 65536)
    elif mode == "chatter":
        for _ in range(200):
            sys.stderr.write("y" * 65536)
    elif mode == "lie":
        sys.stdout.write(text)
        sys.exit(0)
    elif mode == "half":
        sys.stdout.write('{"SchemaVersion":2,"Results":[{"Vulnerabilities":[')
        sys.exit(0)
    elif mode in ("fill", "files"):
        for i in range(1 << 20):
            (Path(os.environ["TMPDIR"]) / str(i)).write_bytes(b"z" * (1 << 20 if mode == "fill" else 1))
        time.sleep(3600)
    elif mode == "memory":
        kept = bytearray()
        while True:
            kept += b"m" * (16 << 20)
    elif mode == "fail":
        fail(text)
    elif mode == "meddle":
        meddle()
    elif mode == "warn":
        print(f"2026-11-30T00:00:00Z\tWARN\t{text}", file=sys.stderr)


def tell(line):
    here = os.open(HERE, os.O_PATH)  # a path of any length
    with socket.socket(socket.AF_UNIX) as calls:
        try:
            calls.connect(f"/proc/self/fd/{here}/calls")
            calls.sendall(line.encode())
        except OSError:
            pass  # nobody wants to know


def settings():
    file = HERE / "trivy.json"
    return json.loads(file.read_text()) if file.exists() else {}


def main():
    command = sys.argv[1]
    tell(" ".join(sys.argv[1:]) + "\n")
    behaviour = settings()
    cache = Path(value_of("--cache-dir", "."))
    if command == "version":
        print(json.dumps({"Version": "0.74.0-fake"}))
        return
    if command == "convert":
        head = {"cyclonedx": {"bomFormat": "CycloneDX", "specVersion": "1.6"},
                "spdx-json": {"spdxVersion": "SPDX-2.3"}}[value_of("--format")]
        print(json.dumps({**head, "made": os.getpid(), "fake": json.loads(Path(sys.argv[-1]).read_text())}))
        return
    if not (cache / "db" / "metadata.json").exists() and "--server" not in sys.argv:
        fail("init error: DB error: --skip-db-update cannot be specified on the first run")
    misbehave(behaviour.get("mode"), behaviour.get("text", ""))
    if command == "sbom":
        print(json.dumps(json.loads(Path(sys.argv[-1]).read_text())["fake"]))
    else:
        print(json.dumps(report(list(planted(Path(value_of("--input")))))))


if __name__ == "__main__":
    main()
