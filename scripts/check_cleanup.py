#!/usr/bin/python3
"""Checks that each AUTO() variable has a value from the start: a return before it got one would
free what happened to stand there."""

import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
UNSET = re.compile(r"\bAUTO\(\w+\)[^=;]*;|\bAUTO\(\w+\)[^;{]*,\s*\w+\s*;")


def problems_of(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if UNSET.search(line):
            yield f"{path.relative_to(TOP)}:{number}: has no value: {line.strip()}"


def main():
    paths = [p for folder in ("src", "tests") for p in sorted((TOP / folder).rglob("*.[ch]"))]
    problems = [p for path in paths for p in problems_of(path)]
    print("\n".join(problems) or "all AUTO() variables have a value from the start")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
