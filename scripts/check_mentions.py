#!/usr/bin/python3
"""Checks that the files which comments in C mention, and ARCHITECTURE.md, are in the tree."""

import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
MENTION = re.compile(r"(?<![\w./<*])((?:[\w-]+/)*[\w-]+\.(?:c|h|md|py))\b(?!\()")


def files_of(top):
    """Paths from the top, which may be mentioned by their last parts; and those of generated files."""
    tracked = [p for f in ("src", "tests", "docs", "scripts") for p in sorted((top / f).rglob("*.*"))]
    return [str(p.relative_to(top)).removesuffix(".in") for p in [*tracked, *top.glob("*.md"), *top.glob("web/*.md")]]


def texts_of(path):
    """What of a file is prose: pairs of its first line's number and its text."""
    text = path.read_text()
    if path.suffix == ".md":
        yield 1, text
        return
    for comment in COMMENT.finditer(text):
        yield text.count("\n", 0, comment.start()) + 1, comment.group(0)


def problems(top=TOP):
    known = files_of(top)
    ends = {"/".join(Path(f).parts[-n:]) for f in known for n in range(1, len(Path(f).parts) + 1)}
    sources = [p for f in ("src", "tests") for p in sorted((top / f).rglob("*.[ch]"))]
    for path in [*sources, top / "ARCHITECTURE.md"]:
        for first, text in texts_of(path):
            for mention in MENTION.finditer(text):
                if mention.group(1) not in ends:
                    line = first + text.count("\n", 0, mention.start())
                    yield f"{path.relative_to(top)}:{line}: there is no {mention.group(1)}"


def main():
    found = list(problems())
    print("\n".join(found) or "files that comments mention are there")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
