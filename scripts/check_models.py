#!/usr/bin/env python3
"""Checks the models of tests/model with spin: each case of cases.json exhaustively.

    scripts/check_models.py [--long] [--model NAME] [--case WORDS] [--keep DIRECTORY]

A case "holds" in every state that can be reached, or is a mistake, made on purpose, that has to be
"caught". --long adds the larger cases. One line a case: its result, states and seconds.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MODELS = Path(__file__).resolve().parent.parent / "tests" / "model"
COMPILE = ["gcc", "-O1", "-w", "-DSAFETY", "-DNOREDUCE", "-DCOLLAPSE", "-DMEMLIM=2000", "-DVECTORSZ=4096"]
SECONDS = 900  # of a case; a machine that is slow or busy is no reason to fail


class Trouble(Exception):
    """spin or the compiler failed."""


def run(command, where):
    done = subprocess.run(
        command, cwd=where, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.returncode, done.stdout + done.stderr


def defines(text):
    return [f"-D{word}" for word in text.split()]


def cases(long=False, model=None):
    """(model, name, defines, outcome) of each."""
    for name, table in json.loads((MODELS / "cases.json").read_text()).items():
        if model and name != model:
            continue
        for what, text in table["holds"].items():
            yield name, what, text, "holds"
        for what, text in table["mistakes"].items():
            yield name, what, text, "caught"
        if long:
            for what, text in table.get("long", {}).items():
                yield name, what, text, "holds"


def check(model, text, outcome, where):
    """(problem or None, states)."""
    code, out = run(["spin", *defines(text), "-a", str(MODELS / f"{model}.pml")], where)
    if code or "Error" in out:
        raise Trouble(out)
    code, out = run([*COMPILE, "-o", "pan", "pan.c"], where)
    if code:
        raise Trouble(out)
    code, out = run(["./pan", "-E", "-n", "-m1000000", "-w22"], where)
    states = int((re.search(r"^\s*(\d+) states, stored", out, re.MULTILINE) or [0, 0])[1])
    errors = re.search(r"errors: (\d+)", out)
    whole = "Search not completed" not in out and "max search depth too small" not in out
    if not errors or code:
        return f"the search did not end:\n{out}", states
    if outcome == "caught":
        violated = "assertion violated" in out
        return None if violated else f"the mistake was not caught:\n{out}", states
    return None if int(errors[1]) == 0 and whole else out, states


def check_all(report, long=False, model=None, words="", keep=None):
    """Calls report(name, problem or None, states, seconds) for each case."""

    def one(case):
        name, what, text, outcome = case
        before = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="cyberdock-model-") as where:
            try:
                problem, states = check(name, text, outcome, keep or where)
            except (Trouble, subprocess.TimeoutExpired) as error:
                problem, states = str(error), 0
        return f"{name}: {what} ({outcome})", problem, states, time.monotonic() - before

    def wanted(case):
        return all(word in " ".join(case) for word in words.split())

    with ThreadPoolExecutor(1 if keep else os.cpu_count() or 2) as pool:
        for result in pool.map(one, filter(wanted, cases(long, model))):
            report(*result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="also the larger cases")
    parser.add_argument("--model", help="only this one")
    parser.add_argument("--case", default="", help="only cases with these words in their names")
    parser.add_argument("--keep", help="leave spin's files, and its trail, in this directory")
    args = parser.parse_args()
    failed = []

    def report(label, problem, states, seconds):
        print(f"{'FAIL' if problem else 'ok  '} {label}: {states} states, {seconds:.1f} s", flush=True)
        if problem:
            failed.append(label)
            print(problem.rstrip())

    check_all(report, args.long, args.model, args.case, args.keep)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
