#!/usr/bin/python3
"""Checks that includes in src/ point one way: a folder may use only what the table gives it."""

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"

MAY_INCLUDE = {
    "base": set(),
    "conf": {"base"},
    "store": {"base", "conf"},
    "meta": {"base", "conf"},
    "net": {"base", "conf"},
    "http": {"base", "conf"},
    "cache": {"store", "meta", "base"},
    "core": {"store", "meta", "cache", "base", "conf"},
    "auth": {"net", "meta", "conf", "base"},
    "api": {"http", "core", "auth", "base", "conf"},
}
MAY_INCLUDE["cli"] = set(MAY_INCLUDE)
MAY_INCLUDE["."] = {*MAY_INCLUDE}  # main.c wires everything

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def problems_of(path):
    folder = path.relative_to(SOURCE).parts[0] if path.parent != SOURCE else "."
    if folder not in MAY_INCLUDE:
        yield f"{path}: no folder '{folder}' in the table of scripts/check_includes.py"
        return
    for included in INCLUDE.findall(path.read_text()):
        target = included.split("/")[0] if "/" in included else folder
        if target != folder and target not in MAY_INCLUDE[folder]:
            allowed = ", ".join(sorted(MAY_INCLUDE[folder])) or "nothing"
            yield f"{path}: {folder} may include {allowed}, but not '{included}'"


def main():
    problems = [p for path in sorted(SOURCE.rglob("*.[ch]")) for p in problems_of(path)]
    print("\n".join(problems) or "includes point the right way")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
