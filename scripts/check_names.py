#!/usr/bin/python3
"""Checks that no two files in src/ have the same name: each says what it is, wherever it is named.
Only a driver of store or meta is named after itself, whatever else is called so."""

import sys
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"
DRIVERS = ("store", "meta")


def problems(source=SOURCE):
    places = defaultdict(list)
    for path in sorted(source.rglob("*.[ch]")):
        here = path.relative_to(source)
        if here.parts[0] not in DRIVERS:
            places[path.name].append(f"src/{here}")
    return [f"one name: {', '.join(p)}" for p in places.values() if len(p) > 1]


def main():
    found = problems()
    print("\n".join(found) or "files have names that tell them apart")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
