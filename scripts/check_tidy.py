#!/usr/bin/python3
"""Runs clang-tidy over src/. What it found nothing in is remembered outside of the checkout, by all that
its verdict depends on, and not looked at again until some of that changes.

    scripts/check_tidy.py [FILE]...

Needs a build in build-test/, for the commands and for what each file includes."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / "build-test"
CLEAN = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cyberdock" / "tidy"
KEEP_DAYS = 30
ANALYZER = TOP / "scripts" / "analyzer.h"
LEFT_OUT = {"src/base/err.c"}  # which defines what analyzer.h makes macros of
TIDY = ["clang-tidy", "--quiet", "--extra-arg=-include", f"--extra-arg={ANALYZER}"]


def output_of(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


@cache
def hash_of(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def sources():
    """Those of src/: path from the top, and its entry of compile_commands.json."""
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = os.path.relpath(BUILD / entry["file"], TOP)
        if path.startswith("src/") and path not in LEFT_OUT:
            yield path, entry


def includes():
    """Of each object: what it was made from, as ninja knows it."""
    found, current = {}, None
    for line in output_of("ninja", "-C", BUILD, "-t", "deps").splitlines():
        if line.startswith("    "):
            current.append((BUILD / line.strip()).resolve())
        elif line.endswith("(VALID)"):
            current = found.setdefault(line.split(":")[0], [])
        else:
            current = []
    return found


def common():
    """What the verdict on every file depends on."""
    return [output_of("clang-tidy", "--version"), hash_of(TOP / ".clang-tidy"), hash_of(ANALYZER)]


def key_of(entry, files, shared):
    words = [*shared, entry["command"].replace(str(TOP), "")]
    words += sorted(f"{os.path.relpath(file, TOP)} {hash_of(file)}" for file in files)
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def without_noise(out):
    """What clang-tidy said, without colours and without its account of its own doings."""
    out = re.sub(r"\x1b\[[0-9;]*m", "", out)
    return re.sub(r"^\d+ warnings? .*generated\.\n", "", out, flags=re.MULTILINE)


def look_at(path):
    """What is wrong with a file; "" for nothing."""
    command = [*TIDY, f"-p={BUILD}", str(TOP / path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    said = without_noise(done.stdout + done.stderr).strip()
    return said or (f"clang-tidy ended with {done.returncode}" if done.returncode else "")


def forget_old():
    for mark in CLEAN.iterdir():
        if mark.stat().st_mtime < time.time() - KEEP_DAYS * 86400:
            mark.unlink(missing_ok=True)


def main():
    CLEAN.mkdir(parents=True, exist_ok=True)
    forget_old()
    known, shared, only = includes(), common(), set(sys.argv[1:])
    todo = []
    for path, entry in sources():
        if entry["output"] not in known:
            sys.exit(f"{path} was not built; build build-test/ first")
        mark = CLEAN / key_of(entry, known[entry["output"]], shared)
        if mark.exists():
            mark.touch()
        elif not only or path in only:
            todo.append((path, mark))

    def one(file):
        path, mark = file
        problem = look_at(path)
        if not problem:
            mark.touch()
        return path, problem

    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        problems = [(path, problem) for path, problem in pool.map(one, todo) if problem]
    for path, problem in problems:
        print(f"{path}:\n{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
