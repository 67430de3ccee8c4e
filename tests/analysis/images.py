#!/usr/bin/python3
"""Images as archives, made the same every time: what layers may do to each other, in ways that are
usual and in ways that are not, and many by chance from a seed.

    images.py FOLDER    writes layers, for the fuzz target that reads them
"""

import gzip
import hashlib
import io
import json
import random
import sys
import tarfile
from pathlib import Path


def member(name, content=b"", kind=tarfile.REGTYPE, link="", mode=None):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = link
    info.mode = mode if mode is not None else (0o755 if kind == tarfile.DIRTYPE else 0o644)
    info.size = len(content)
    return info, content


def file(name, size=100, fill="x", **more):
    return member(name, (fill.encode() * size)[:size], **more)


def folder(name, **more):
    return member(name, kind=tarfile.DIRTYPE, **more)


def symlink(name, to):
    return member(name, kind=tarfile.SYMTYPE, link=to)


def hardlink(name, to):
    return member(name, kind=tarfile.LNKTYPE, link=to)


def gone(name):
    head, _, tail = name.rpartition("/")
    return member(f"{head}/.wh.{tail}" if head else f".wh.{tail}")


def opaque(name):
    return member(f"{name}/.wh..wh..opq")


def layer(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content) if content else None)
    return out.getvalue()


def archive(layers, packed=False):
    """As `docker save` writes it."""
    tars = [layer(x) for x in layers]
    blobs = [gzip.compress(t, mtime=0) if packed else t for t in tars]
    names = ["blobs/sha256/" + hashlib.sha256(b).hexdigest() for b in blobs]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {
            "type": "layers",
            "diff_ids": ["sha256:" + hashlib.sha256(t).hexdigest() for t in tars],
        },
        "history": [{"created_by": f"/bin/sh -c step {i}"} for i in range(len(tars))],
    }
    text = json.dumps(config).encode()
    config_name = "blobs/sha256/" + hashlib.sha256(text).hexdigest()
    manifest = [{"Config": config_name, "RepoTags": ["made/one:1"], "Layers": names}]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in {
            **dict(zip(names, blobs)),
            config_name: text,
            "manifest.json": json.dumps(manifest).encode(),
        }.items():
            tar.addfile(member(name, content)[0], io.BytesIO(content))
    return out.getvalue()


BASE = [
    folder("bin"),
    file("bin/sh", 5000, "s"),
    folder("etc"),
    file("etc/passwd", 300, "p"),
    folder("var"),
    folder("var/lib"),
    file("var/lib/big", 90000, "b"),
    file("var/lib/other", 700, "o"),
    symlink("var/run", "../run"),
    hardlink("bin/bash", "bin/sh"),
]

MADE = {
    "one-layer": [BASE],
    "nothing": [[]],
    "replaced": [BASE, [folder("etc"), file("etc/passwd", 400, "q")]],
    "replaced-twice": [BASE, [file("etc/passwd", 400, "q")], [file("etc/passwd", 10, "r")]],
    "deleted": [BASE, [folder("var"), gone("var/lib/big")]],
    "deleted-folder": [BASE, [gone("var/lib")]],
    "deleted-folder-without-member": [[file("a/b/c", 50), file("a/b/d", 60)], [gone("a/b")]],
    "folder-loses-its-member": [BASE, [file("var/lib/new", 5)], [gone("var/lib")]],
    "deleted-and-made-again": [BASE, [gone("var/lib"), folder("var/lib"), file("var/lib/big", 7)]],
    "deleted-then-back": [BASE, [gone("var/lib")], [folder("var/lib"), file("var/lib/big", 90000)]],
    "deletes-what-is-not-there": [
        BASE,
        [file("a", 10), gone("nothing"), file("etc/passwd", 20), file("z", 30)],
        [file("a", 11), file("z", 31)],
    ],
    "first-layer-deletes": [[file("a", 10), gone("a"), file("b", 20)], [file("b", 30)]],
    "first-layer-deletes-nothing": [[file("a", 10), gone("n"), file("z", 20)], [file("z", 30)]],
    "opaque": [BASE, [folder("var/lib"), opaque("var/lib"), file("var/lib/big", 8)]],
    "opaque-without-member": [BASE, [opaque("var/lib")], [opaque("var/lib")]],
    "names-before-the-dot": [
        [file("d/+a", 10), file("d/-b", 20), file("d/.c", 30)],
        [gone("d/+a"), file("d/+a", 11), gone("d/-b"), file("d/-b", 21), gone("d/.c")],
        [gone("d"), file("d/+a", 12)],
    ],
    "mode-changed": [BASE, [file("var/lib/big", 90000, "b", mode=0o600)]],
    "twice-in-one-layer": [BASE, [file("a", 10), file("a", 20), folder("a")], [file("a", 5)]],
    "file-over-folder": [BASE, [file("var/lib", 12)], [gone("var/lib")]],
    "folder-over-file": [BASE, [folder("bin/sh"), file("bin/sh/x", 4)], [gone("bin/sh")]],
    "links": [BASE, [symlink("etc/passwd", "x"), hardlink("a", "bin/sh"), gone("bin/sh")]],
    "odd-paths": [[file("./a//b", 9), file("/c", 8), folder("./")], [file("a/b", 7), file("c", 6)]],
    "same-layer-twice": [BASE, [file("a", 9)], BASE],
    "empty-files": [[file("a", 0), file("b", 0)], [file("a", 0), gone("b")]],
}


def by_chance(seed):
    """Some paths, and layers that do anything to them."""
    r = random.Random(seed)
    names = ["a", "b", "-c", ".d", "e+", "lib", "z"]
    paths = ["/".join(r.choice(names) for _ in range(r.randint(1, 4))) for _ in range(12)]
    makers = [
        lambda p: file(p, r.randint(0, 5000)),
        lambda p: file(p, r.randint(0, 5000)),
        folder,
        gone,
        gone,
        opaque,
        lambda p: symlink(p, "x"),
    ]
    layers = []
    for _ in range(r.randint(2, 6)):
        layers.append([r.choice(makers)(r.choice(paths)) for _ in range(r.randint(0, 14))])
    return layers


def all_images():
    """Name and archive of each."""
    for name, layers in MADE.items():
        yield name, archive(layers)
    yield "packed", archive(MADE["deleted-and-made-again"], packed=True)
    for seed in range(150):
        yield f"by-chance-{seed}", archive(by_chance(seed))


def write_layers(place):
    """Each begins with the byte that says how it is cut."""
    for name, layers in MADE.items():
        for i, members in enumerate(layers):
            short = [(info, content[:50]) for info, content in members]
            for info, content in short:
                info.size = len(content)
            (place / f"{name}-{i}").write_bytes(b"\x40" + layer(short))


if __name__ == "__main__":
    write_layers(Path(sys.argv[1]))
