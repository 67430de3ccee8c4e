"""Databases of vulnerabilities in the formats that scanners read, made of the advisories of planted.py."""

import contextlib
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from go_programs import built  # noqa: E402  (the path is set one line above)


def maker(name):
    return built(HERE / name)


def trivy(folder, advisories, made="2026-11-01T00:00:00Z"):
    """folder/db, as `trivy --cache-dir folder` has it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "advisories.json"
    text.write_text(json.dumps(advisories))
    shutil.rmtree(folder / "db", ignore_errors=True)
    subprocess.run([maker("trivydb"), text, folder / "db", made], check=True)
    text.unlink()


def grype(folder, advisories):
    """folder, as GRYPE_DB_CACHE_DIR names it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "advisories.json"
    text.write_text(json.dumps(advisories))
    subprocess.run([maker("grypedb"), text, folder], check=True)


JAVA_TABLES = """
CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);
CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT,
    FOREIGN KEY (artifact_id) REFERENCES artifacts(id));
CREATE UNIQUE INDEX artifacts_idx ON artifacts(artifact_id, group_id);
CREATE INDEX indices_artifact_idx ON indices(artifact_id);
CREATE UNIQUE INDEX indices_sha1_idx ON indices(sha1);
"""


def trivy_java(folder, archives=(), made="2026-11-01T00:00:00Z"):
    """folder/java-db: an index that knows these by what they are: (group, artifact, version, their bytes)."""
    java = folder / "java-db"
    java.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(java / "trivy-java.db")) as database:
        database.executescript(JAVA_TABLES)
        for i, (group, artifact, version, data) in enumerate(archives):
            database.execute("INSERT INTO artifacts VALUES (?, ?, ?)", (i, group, artifact))
            row = (i, version, hashlib.sha1(data).digest(), "jar")
            database.execute("INSERT INTO indices VALUES (?, ?, ?, ?)", row)
        database.commit()
    facts = {"Version": 1, "NextUpdate": made, "UpdatedAt": made, "DownloadedAt": made}
    (java / "metadata.json").write_text(json.dumps(facts))


if __name__ == "__main__":  # `databases.py FOLDER`: that of all that is planted
    import planted

    trivy(Path(sys.argv[1]), planted.advisories())
    trivy_java(Path(sys.argv[1]))
