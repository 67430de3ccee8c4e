"""Images with packages of known vulnerabilities planted in them, the advisories that say so, and what is to be found:
all three made of one table, so that a scanner has to find exactly that. The vulnerabilities are made up.

    planted.py FOLDER    writes advisories.json
"""

import hashlib
import io
import json
import sqlite3
import struct
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

SEVERITIES = ["UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
STATUSES = {"affected": 2, "will_not_fix": 5, "fix_deferred": 6, "end_of_life": 7}


@dataclass
class Planted:
    """A package, and a vulnerability of it. fixed "": there is no fix, but a status."""

    package: str
    installed: str
    cve: str  # "": it has none, and nothing may be found
    severity: str = ""  # "": the database has no detail of it
    fixed: str = ""
    source: str = ""  # package that it is built of, by which the advisory goes
    status: str = "fixed"
    score: float = 0.0


@dataclass
class Kind:
    """Packages of one kind, in images of one kind."""

    platform: str  # as the database calls it
    advisory_source: str
    packages: list
    files: callable = None
    decoys: list = field(default_factory=list)  # (package, version): it has the fix already


# ---- files of images


def alpine(release, packages):
    rows = []
    for p in packages:
        checksum = hashlib.sha1(p.package.encode()).hexdigest()[:26]
        rows.append(f"C:Q1{checksum}=\nP:{p.package}\nV:{p.installed}\nA:x86_64\nS:1\nI:1\nT:t\nL:MIT\n"
                    f"o:{p.source or p.package}\nm:N <n@example.org>\nt:1\nc:{'0' * 40}\n\n")
    return {
        "etc/os-release": f'NAME="Alpine Linux"\nID=alpine\nVERSION_ID={release}\n'.encode(),
        "etc/alpine-release": f"{release}\n".encode(),
        "lib/apk/db/installed": "".join(rows).encode(),
    }


def debian(release, packages):
    rows = []
    for p in packages:
        source = f"Source: {p.source}\n" if p.source else ""
        rows.append(f"Package: {p.package}\nStatus: install ok installed\nPriority: optional\nSection: libs\n"
                    f"Installed-Size: 1\nMaintainer: N <n@example.org>\nArchitecture: amd64\n{source}"
                    f"Version: {p.installed}\nDescription: d\n\n")
    return {
        "etc/os-release": f'NAME="Debian GNU/Linux"\nVERSION_ID="{release}"\nID=debian\n'.encode(),
        "etc/debian_version": f"{release}.5\n".encode(),
        "var/lib/dpkg/status": "".join(rows).encode(),
    }


TAG_TEXT, TAG_INT = 6, 4


def rpm_header(p):
    """The header of an installed package, as the database of RPM has it: an index of tags, and their values."""
    version, release = p.installed.split("-")
    values = [
        (1000, TAG_TEXT, p.package), (1001, TAG_TEXT, version), (1002, TAG_TEXT, release), (1009, TAG_INT, 1),
        (1011, TAG_TEXT, "AlmaLinux"),  # Trivy passes over what is of other vendors
        (1014, TAG_TEXT, "MIT"), (1022, TAG_TEXT, "x86_64"),
        (1044, TAG_TEXT, f"{p.source or p.package}-{version}-{release}.src.rpm"),
    ]
    index, data = b"", b""
    for tag, kind, value in values:
        if kind == TAG_INT:
            data += b"\0" * (-len(data) % 4)
            piece = struct.pack(">I", value)
        else:
            piece = value.encode() + b"\0"
        index += struct.pack(">IIII", tag, kind, len(data), 1)
        data += piece
    return struct.pack(">II", len(values), len(data)) + index + data


def rpm(release, packages):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rpmdb.sqlite"
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        for p in packages:
            database.execute("INSERT INTO Packages (blob) VALUES (?)", (rpm_header(p),))
        database.commit()
        database.close()
        content = path.read_bytes()
    return {
        "etc/os-release": f'NAME="AlmaLinux"\nVERSION_ID="{release}"\nID="almalinux"\nID_LIKE="rhel"\n'.encode(),
        "etc/redhat-release": f"AlmaLinux release {release} (Seafoam Ocelot)\n".encode(),
        "var/lib/rpm/rpmdb.sqlite": content,
    }


def npm(packages):
    return {f"app/node_modules/{p.package}/package.json":
            json.dumps({"name": p.package, "version": p.installed, "license": "MIT"}).encode() for p in packages}


def python(packages):
    return {f"usr/lib/python3/dist-packages/{p.package}-{p.installed}.dist-info/METADATA":
            f"Metadata-Version: 2.1\nName: {p.package}\nVersion: {p.installed}\nLicense: MIT\n\n".encode()
            for p in packages}


def jar(texts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return out.getvalue()


def java(packages):
    files = {}
    for p in packages:
        group, artifact = p.package.split(":")
        files[f"app/{artifact}-{p.installed}.jar"] = jar({
            "META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n",
            f"META-INF/maven/{group}/{artifact}/pom.properties":
                f"groupId={group}\nartifactId={artifact}\nversion={p.installed}\n",
        })
    return files


def varint(n):
    out = b""
    while n >= 128:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def golang(packages):
    """A program of which there is nothing but what Go writes into each: which modules it is made of."""
    modules = "path\tcommand-line-arguments\nmod\texample.org/app\t(devel)\t\n"
    modules += "".join(f"dep\t{p.package}\tv{p.installed}\th1:{'A' * 43}=\n" for p in packages)
    begin, end = bytes.fromhex("3077af0c9274080241e1c107e6d618e6"), bytes.fromhex("f932433186182072008242104116d8f2")
    version, text = b"go1.26.8", begin + modules.encode() + end
    info = b"\xff Go buildinf:\x08\x02" + b"\0" * 16
    info += varint(len(version)) + version + varint(len(text)) + text
    where = 0x400000
    size = 4096 + len(info)
    elf = b"\x7fELF\x02\x01\x01" + b"\0" * 9
    elf += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, where, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    elf += struct.pack("<IIQQQQQQ", 1, 6, 0, where, where, size, size, 4096)
    return {"app/tool": elf.ljust(4096, b"\0") + info}


# ---- the table

KINDS = {
    "alpine": Kind("alpine 3.22", "alpine", [
        Planted("libplain", "1.2.5-r0", "CVE-2099-1001", "CRITICAL", "1.2.5-r1", score=9.8),
        Planted("libhalf-a", "3.3.0-r2", "CVE-2099-1002", "HIGH", "3.3.1-r0", source="half", score=7.5),
        Planted("libhalf-b", "3.3.0-r2", "CVE-2099-1002", "HIGH", "3.3.1-r0", source="half", score=7.5),
        Planted("odd-name+", "0.1-r9", "CVE-2099-1003", "", "0.1-r10"),
    ], lambda ps: alpine("3.22.0", ps), [("libfine", "2.0-r1")]),
    "debian": Kind("debian 13", "debian", [
        Planted("libplain1", "1:1.2.13.dfsg-1", "CVE-2099-2001", "CRITICAL", source="plain", status="will_not_fix", score=9.1),
        Planted("libother3", "3.0.11-1~deb13u2", "CVE-2099-2002", "MEDIUM", "3.0.15-1~deb13u1", source="other", score=5.3),
        Planted("alone", "5.36.0-7", "CVE-2099-2003", "LOW", status="affected", score=3.1),
    ], lambda ps: debian("13", ps), [("tidy", "1.0-1+deb13u1")]),
    "rpm": Kind("alma 9", "alma", [
        Planted("plain-libs", "3.0.7-24.el9", "CVE-2099-3001", "HIGH", "3.0.7-25.el9", score=8.1),
        Planted("other", "1.2.11-40.el9", "CVE-2099-3002", "MEDIUM", "1.2.11-41.el9", score=4.3),
    ], lambda ps: rpm("9.5", ps), [("neat", "2.0-1.el9")]),
    "npm": Kind("npm::GitHub Security Advisory npm", "ghsa", [
        Planted("planted-merge", "4.17.10", "CVE-2099-4001", "CRITICAL", "4.17.21", score=9.8),
        Planted("@scope/planted", "1.2.5", "CVE-2099-4002", "HIGH", "1.2.6", score=7.2),
    ], npm, [("planted-fine", "9.0.0")]),
    "python": Kind("pip::GitHub Security Advisory pip", "ghsa", [
        Planted("plantedlib", "2.30.0", "CVE-2099-5001", "MEDIUM", "2.31.0", score=6.1),
        Planted("PlantedYAML", "5.3.1", "CVE-2099-5002", "CRITICAL", "5.4", score=9.8),
    ], python, [("plantedfine", "3.1.4")]),
    "go": Kind("go::GitHub Security Advisory Go", "ghsa", [
        Planted("example.org/planted/text", "0.3.0", "CVE-2099-6001", "HIGH", "0.3.8", score=7.5),
    ], golang, [("example.org/planted/fine", "1.0.0")]),
    "java": Kind("maven::GitHub Security Advisory Maven", "ghsa", [
        Planted("org.example:planted-core", "2.14.1", "CVE-2099-7001", "CRITICAL", "2.15.0", score=10.0),
    ], java, [("org.example:planted-fine", "3.0.0")]),
}
LANGUAGES = ("npm", "python", "go", "java")


def files(kind):
    """Of an image: what is planted, and what looks like it and has no vulnerability."""
    k = KINDS[kind]
    return k.files([*k.packages, *(Planted(name, version, "") for name, version in k.decoys)])


def expected(*kinds):
    """{(cve, severity, package, installed, fixed, score)}"""
    return {(p.cve, p.severity.lower() or "unknown", p.package, ("v" if kind == "go" else "") + p.installed, p.fixed,
             p.score or None)
            for kind in kinds for p in KINDS[kind].packages}


# ---- the advisories


def vector(score):
    """Any one will do: that it is passed on is what counts."""
    return f"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:{'H' if score > 9 else 'U'}"


def detail(p, source):
    number = SEVERITIES.index(p.severity)
    return {
        "Title": f"hole in {p.package}", "Description": f"A hole in {p.package} was planted.",
        "Severity": p.severity, "VendorSeverity": {"nvd": number},
        "CVSS": {"nvd": {"V3Vector": vector(p.score), "V3Score": p.score}},
        "References": [f"https://example.org/{source}/{p.cve}"],
        "PublishedDate": "2025-01-01T00:00:00Z", "LastModifiedDate": "2025-01-02T00:00:00Z",
    }


def advisory(kind, p):
    if "::" in KINDS[kind].platform:
        return {"PatchedVersions": [p.fixed], "VulnerableVersions": [f"< {p.fixed}"]}
    if not p.fixed:
        return {"Status": STATUSES[p.status]}
    return {"FixedVersion": p.fixed}


def key_of(kind, p):
    if kind in ("alpine", "debian"):
        return p.source or p.package
    return p.package.lower() if kind == "python" else p.package


def decoy_advisories(kind):
    """Fixed in just the version that is there."""
    for name, version in KINDS[kind].decoys:
        p = Planted(name, version, f"CVE-2099-9{hashlib.sha1(name.encode()).hexdigest()[:4]}", "CRITICAL", version, score=9.9)
        yield p


def advisories(kinds=tuple(KINDS), more=()):
    """more: [(kind, Planted)] that the data has beside what is in the table."""
    rows, details, seen = [], {}, set()
    for kind, p in [*((kind, p) for kind in kinds for p in [*KINDS[kind].packages, *decoy_advisories(kind)]), *more]:
        if p.severity:
            details[p.cve] = detail(p, KINDS[kind].advisory_source)
        row = (KINDS[kind].platform, key_of(kind, p), p.cve)
        if row not in seen:
            seen.add(row)
            rows.append({"Platform": row[0], "Package": row[1], "ID": row[2], "Advisory": advisory(kind, p)})
    sources = {KINDS[kind].platform: {"ID": KINDS[kind].advisory_source, "Name": KINDS[kind].platform.split("::")[-1],
                                      "URL": "https://example.org/"} for kind in KINDS}
    return {"Sources": sources, "Advisories": rows, "Vulnerabilities": details}


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "advisories.json").write_text(json.dumps(advisories(), indent=1))


if __name__ == "__main__":
    main()
