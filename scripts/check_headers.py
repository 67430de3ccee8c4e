#!/usr/bin/python3
"""Checks that a header has one file: what it declares is defined in the .c of its name. SHARED has
the headers that several files make together, and why they do."""

import re
import sys
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"

SHARED = {
    # What a folder shows to others.
    "conf/conf.h", "core/upload.h", "http/http.h", "meta/meta.h", "store/store.h", "cli/cli.h",
    # The functions that a table names.
    "api/handlers.h", "cli/commands.h", "conf/table.h", "conf/distribution/take.h",
    "net/aws_source.h",
    # A struct that the files of one part, and no others, see into.
    "http/exchange.h", "meta/dynamodb/dynamodb.h", "meta/postgres.h", "meta/sql.h", "meta/sqlite.h",
    "store/fs.h", "store/s3/s3.h",
}

FUNCTION = r"^(?!static|typedef|extern)[A-Za-z_][^;{}=#(]*?\b(\w+)\("


def plain(text):
    """Without comments, preprocessor lines and attributes."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S).replace("\\\n", " ")
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    return re.sub(r"\bERR_CHECKED\s+|\b_Noreturn\s+", "", text)


def defined(source):
    """In which file each function is."""
    return {
        match[1]: path
        for path in source.rglob("*.c")
        for match in re.finditer(FUNCTION + r"[^;{}]*\)\s*\n\{", plain(path.read_text()), re.M)
    }


def declared(text):
    text = plain(text)
    while (inner := re.sub(r"\{[^{}]*\}", "", text)) != text:
        text = inner
    for statement in text.split(";"):
        if match := re.match(FUNCTION, statement.strip(), re.S):
            yield match[1]


def problems(source=SOURCE, shared=SHARED):
    places = defined(source)
    makers = defaultdict(set)
    for header in source.rglob("*.h"):
        for name in declared(header.read_text()):
            if name in places:
                makers[header].add(places[name])
    for header, files in sorted(makers.items()):
        name = str(header.relative_to(source))
        others = sorted(str(f.relative_to(source)) for f in files - {header.with_suffix(".c")})
        if others and name not in shared:
            yield f"src/{name} declares what is in {', '.join(others)}"
        if not others and name in shared:
            yield f"src/{name} is that of one file: scripts/check_headers.py need not name it"
    for name in sorted(shared):
        if not (source / name).exists():
            yield f"src/{name} is not there, as scripts/check_headers.py says"


def main():
    found = list(problems())
    print("\n".join(found) or "headers are of one file each, but for those that are named")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
