#!/usr/bin/python3
"""Checks that includes in src/ point one way: a folder may use only what the table gives it, and so
may, in folders that have an inner order, their rooms or files. And nowhere do files (a .c and its
.h) go in a circle."""

import re
import sys
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"


def order(*lines):
    """A table of parts from the bottom up: each may include what stands in the lines before its
    own, and nothing else of its line."""
    table, below = {}, set()
    for line in lines:
        table |= {part: set(below) for part in line.split()}
        below |= set(line.split())
    return table


FOLDERS = {
    "base": set(),
    "archive": {"base"},
    "analysis": {"archive", "base"},
    "conf": {"base"},
    "net": {"base", "conf"},
    "store": {"net", "base"},
    "meta": {"net", "base"},
    "http": {"base", "conf"},
    "replicas": {"net", "meta", "base", "conf"},
    "jobs": {"replicas", "meta", "base"},
    "cache": {"store", "meta", "replicas", "net", "base"},
    "core": {"analysis", "archive", "jobs", "store", "meta", "cache", "replicas", "base", "conf"},
    "backup": {"core", "store", "meta", "base", "conf"},
    "gc": {"core", "jobs", "store", "meta", "replicas", "base", "conf"},
    "files": {"analysis", "core", "jobs", "store", "meta", "replicas", "base", "conf"},
    "signing": {"base"},
    "trust": {"signing", "core", "store", "meta", "base", "conf"},
    "scan": {
        "core",
        "analysis",
        "jobs",
        "store",
        "meta",
        "replicas",
        "net",
        "base",
        "conf",
    },
    "notify": {"core", "jobs", "meta", "net", "base", "conf"},
    "check": {"core", "jobs", "store", "meta", "replicas", "base", "conf"},
    "auth": {"net", "meta", "replicas", "conf", "base"},
    "api": {
        "http",
        "gc",
        "files",
        "scan",
        "notify",
        "trust",
        "signing",
        "core",
        "analysis",
        "archive",
        "auth",
        "base",
        "conf",
    },
}
FOLDERS["cli"] = set(FOLDERS)
FOLDERS["."] = set(FOLDERS)  # main.c wires everything

# Of a folder: what its parts may include of each other. A part is a room (an inner folder), or a .c
# and its .h beside each other, by their name without the ending. Each part is in the table.
PARTS = {
    "analysis": order(
        "go_modules layer_files path_tree",
        "kept_list",
        "efficiency facts image_tree",
        "file_json image_diff image_folder image_packages layer_reader findings",
        "diff_json suggestions",
        "report",
        "archive_analysis",
    ),
    "archive": order(
        "gunzip image_name out_check out_layout out_name refusal sink verdict",
        "out_reader",
        "tar unpack",
        "member pack",
        "arrival description judge",
        "docker_layout oci_layout",
        "archive",
    ),
    "auth": {
        "core": set(),
        "policy": {"core"},
        "people": {"core"},
        "tokens": {"core", "policy", "people"},
        "providers": {"core", "people", "tokens"},
        "browser": {"core", "people", "tokens"},
    },
    "conf": order(
        "conf cidr event_names expression listen origin redis_url url rows_auth rows_notify rows_scan rows_storage",
        "table",
        "table_items table_notify",
        "value",
        "items",
        "field",
        "source",
        "yaml_file",
        "environment check_key",
        "distribution",
        "check_auth check_files check_policy check_providers check_scan check_storage check_texts",
        "check_notify check_pull_policy check_signatures",
        "check",
        "load print",
        "convert",
    ),
    "http": order(
        "http address tls_error conn",
        "chunk etag form parse query range listener verifier",
        "core tls",
        "connection",
        "exchange",
        "inbox transfer",
        "request response finish content endless",
        "sender",
        "worker",
        "serving",
        "accept",
        "iothread",
        "server",
    ),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def place_of(path):
    """The folder of a path below src/, and the part of it."""
    if len(path.parts) == 1:
        return ".", path.stem
    return path.parts[0], path.stem if len(path.parts) == 2 else path.parts[1]


def wrong(what, name, table, target):
    """In words, when name may not include target; None when it may."""
    if name not in table:
        return f"no {what} '{name}' in the tables of scripts/check_includes.py"
    if target == name or target in table[name]:
        return None
    allowed = ", ".join(sorted(table[name])) or "nothing"
    return f"{name} may include {allowed}, but not {target}"


def problems_of(source, path, folders, parts):
    here = path.relative_to(source)
    folder, part = place_of(here)
    for included in [str(here), *INCLUDE.findall(path.read_text())]:
        to_folder, to_part = place_of(Path(included) if "/" in included else here.parent / included)
        problem = wrong("folder", folder, folders, to_folder)
        if not problem and folder == to_folder and folder in parts:
            problem = wrong("part", part, parts[folder], to_part)
        if problem:
            yield f"src/{here}: {problem}"


def absent(source, parts):
    """Parts of the table that nothing in the tree is called any more."""
    for folder, table in parts.items():
        there = {place_of(p.relative_to(source))[1] for p in (source / folder).rglob("*.[ch]")}
        for part in sorted(table.keys() - there):
            yield f"src/{folder}: nothing is called '{part}', as scripts/check_includes.py says"


def arrows(source):
    """Of each file, without its ending, those that it includes."""
    found = defaultdict(set)
    for path in sorted(source.rglob("*.[ch]")):
        here = path.relative_to(source)
        for included in INCLUDE.findall(path.read_text()):
            target = Path(included) if "/" in included else here.parent / included
            found[str(here.with_suffix(""))].add(str(target.with_suffix("")))
    return found


def circles(source):
    """One circle of each knot of files: walks down the arrows, and tells where it comes back to."""
    graph, done = arrows(source), set()

    def walk(name, way):
        if name in way:
            yield "src/" + " -> ".join([*way[way.index(name) :], name])
        elif name not in done:
            for target in sorted(graph.get(name, set()) - {name}):
                yield from walk(target, [*way, name])
            done.add(name)

    for name in sorted(graph):
        yield from walk(name, [])


def problems(source=SOURCE, folders=FOLDERS, parts=PARTS):
    paths = sorted(source.rglob("*.[ch]"))
    of_files = [p for path in paths for p in problems_of(source, path, folders, parts)]
    in_circles = [f"in a circle: {c}" for c in circles(source)]
    return [*of_files, *absent(source, parts), *in_circles]


def main():
    found = problems()
    print("\n".join(found) or "includes point the right way")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
