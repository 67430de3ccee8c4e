#!/usr/bin/python3
"""Are the numbers of an analysis those of dive (https://github.com/wagoodman/dive)? Of images that
are made the same every time, so that what dive says of them is recorded, in dive.json; to record it
anew, or to compare with dive itself:

    go install github.com/wagoodman/dive@v0.13.1
    tests/analysis/test_dive.py build/registry --record --dive ~/go/bin/dive
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import images

RECORDED = Path(__file__).parent / "dive.json"


def analysis_of(registry, archive):
    command = [registry, "analyze", "--json", archive]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def ours(report):
    x = report["efficiency"]
    return {
        "score": x["score"],
        "size": x["size_bytes"],
        "inefficient": x["inefficient_bytes"],
        "paths": sorted([p["path"], p["count"], p["size_bytes"]] for p in x["paths"]),
        "layers": [[x["command"], x["size_bytes"]] for x in report["layers"]],
    }


def of_dive(dive, archive):
    """What dive prints of an archive."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out.json"
        command = [dive, "--source", "docker-archive", "--json", str(out), archive]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "CI": "true"})
        if not out.exists():
            sys.exit(f"dive says nothing of {archive}: {done.stdout}{done.stderr}")
        x = json.loads(out.read_text())
    image = x["image"]
    return {
        "score": image["efficiencyScore"],
        "size": image["sizeBytes"],
        "inefficient": image["inefficientBytes"],
        "paths": sorted([p["file"], p["count"], p["sizeBytes"]] for p in image["fileReference"] or []),
        "layers": [[x["command"], x["sizeBytes"]] for x in x["layer"]],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("registry")
    parser.add_argument("--dive", help="compare with this program, not with what is recorded")
    parser.add_argument("--record", action="store_true", help="write what it says to dive.json")
    args = parser.parse_args()
    recorded = {} if args.dive else json.loads(RECORDED.read_text())
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        for name, archive in images.all_images():
            path = Path(place) / "image.tar"
            path.write_bytes(archive)
            if args.dive:
                recorded[name] = of_dive(args.dive, str(path))
            found = ours(analysis_of(args.registry, str(path)))
            if found != recorded[name]:
                failed += 1
                print(f"{name}:\n  dive {recorded[name]}\n  ours {found}")
    if args.record:
        lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in recorded.items())
        RECORDED.write_text("{\n" + lines + "\n}\n")
    print(f"{len(recorded)} images, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
