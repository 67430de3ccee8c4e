#!/usr/bin/python3
"""Feeds the crafted archives to archive_look, in pieces of several sizes, its plain layers packed or not, and compares what
it finds with what is expected: test_crafted.py LOOK. With --write FOLDER it writes them there instead."""

import subprocess
import sys
import tempfile
from pathlib import Path

from crafted import cases

PIECES = (1, 5, 511, 65536)


def expected(found):
    if isinstance(found, str):
        return [("no", found)]
    lines = []
    for names, digest, layers in found:
        told = layers if isinstance(layers, str) else " ".join(layers) or "-"
        lines += [(name, digest, told) for name in names or ["-"]]
    return sorted(lines, key=str)


def understood(lines):
    found = []
    for line in lines:
        verdict, form, name, manifest, config, layers = line.split("\t")[1:7] if "\tno\t" not in line else (
            ["no", line.split("\t")[2], "", "", "", ""])  # fmt: skip
        if verdict == "no":
            found.append(("no", form))
        else:
            found.append((name, manifest if form == "oci" else None, layers))
    return sorted(found, key=str)


def look(program, piece, options, paths):
    done = subprocess.run([program, "-p", str(piece), *options, *paths], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    lines = {path.name: [] for path in paths}
    for line in done.stdout.splitlines():
        lines[line.split("\t", 1)[0]].append(line)
    return lines


def write_all(folder):
    wanted = {}
    for name, data, found in cases():
        assert name not in wanted, name
        (Path(folder) / name).write_bytes(data)
        wanted[name] = expected(found)
    return wanted


def main():
    if sys.argv[1] == "--write":
        write_all(sys.argv[2])
        return 0
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        wanted = write_all(folder)
        for options in ((), ("-z",)):
            first = None
            for piece in PIECES:
                found = look(sys.argv[1], piece, options, [Path(folder) / name for name in wanted])
                first = first or found
                for name, lines in found.items():
                    if understood(lines) != wanted[name] or (lines != first[name] and "\tno\t" not in lines[0]):
                        failed += 1
                        print(f"{name} in pieces of {piece} {options}: expected {wanted[name]}, found {lines}")
    print(f"{len(wanted)} archives, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
