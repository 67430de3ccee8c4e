"""What lies below a directory of a registry that runs: pathlib's rglob() fails when a directory goes while it looks."""

import os
from pathlib import Path


def paths_below(top):
    """Every file, link and directory, parents before their children."""
    for directory, folders, files in os.walk(top):
        yield from (Path(directory, name) for name in sorted(folders + files))


def files_below(top):
    return [path for path in paths_below(top) if path.is_file()]
