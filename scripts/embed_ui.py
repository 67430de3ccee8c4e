#!/usr/bin/env python3
"""Puts what web/ has built into a C file: scripts/embed_ui.py WEB OUT_DIR DEPFILE.

WEB/dist holds index.html and ui/assets/, each file of it also packed (.br, .gz). OUT_DIR gets
ui_files.bin, all that is packed, one behind the other, and ui_files.c, the table of it
(src/api/ui.h). Without WEB/dist the table is empty.
"""

import hashlib
import json
import sys
from pathlib import Path

BASE = '<base href="/'

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}

C = """/* Made by scripts/embed_ui.py of what stands in web/dist. */
#include "api/ui.h"

__asm__(".pushsection .rodata\\n"
        "ui_data:\\n"
        ".incbin " {bin} "\\n"
        ".popsection\\n");
extern const char ui_data[] __attribute__((visibility("hidden")));

#define AT(offset, bytes) {{ui_data + (offset), (bytes)}}

static const struct ui_file items[] = {{
{rows}
}};

const struct ui_files ui_embedded = {{
    .head = {{{head}, {head_n}}},
    .tail = {{{tail}, {tail_n}}},
    .items = items,
    .n = sizeof(items) / sizeof(items[0]),
}};
"""

EMPTY = """/* Made by scripts/embed_ui.py: web/dist is not there. */
#include "api/ui.h"

const struct ui_files ui_embedded = {0};
"""


def c_text(text):
    """A literal of C: JSON escapes the same way what these files hold."""
    text.encode("ascii")
    return json.dumps(text)


def page_parts(dist):
    """index.html in front of where http.prefix goes, and behind it."""
    page = (dist / "index.html").read_text()
    head, found, tail = page.partition(BASE)
    if not found or BASE in tail:
        sys.exit(f"embed_ui.py: index.html must hold {BASE}\"> once")
    return head + BASE[:-1], "/" + tail


def packed(path, suffix):
    return Path(f"{path}{suffix}").read_bytes()


def embed(dist, assets, out):
    data, rows = b"", []
    for path in assets:
        plain = path.read_bytes()
        br, gz = packed(path, ".br"), packed(path, ".gz")
        etag = hashlib.sha256(plain).hexdigest()[:16]
        at = len(data)
        rows.append(
            f'    {{"{path.name}", "{TYPES[path.suffix]}", "\\"{etag}\\"",\n'
            f"     AT({at}, {len(br)}), AT({at + len(br)}, {len(gz)}), {len(plain)}}},"
        )
        data += br + gz
    head, tail = page_parts(dist)
    binary = out / "ui_files.bin"
    binary.write_bytes(data)
    return C.format(
        bin=c_text(c_text(str(binary.resolve()))),
        rows="\n".join(rows),
        head=c_text(head),
        head_n=len(head),
        tail=c_text(tail),
        tail_n=len(tail),
    )


def main():
    web, out, depfile = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    dist = web / "dist"
    assets = sorted(p for p in (dist / "ui" / "assets").glob("*") if p.suffix in TYPES)
    if (dist / "index.html").exists():
        text = embed(dist, assets, out)
    else:
        (out / "ui_files.bin").write_bytes(b"")
        text = EMPTY
    (out / "ui_files.c").write_text(text)
    # A folder changes with what is added to it and taken away.
    seen = [web, *(p for p in (dist, dist / "index.html", *assets) if p.exists())]
    seen.append(Path(__file__).resolve())
    depfile.write_text(f"ui_files.c: {' '.join(str(p) for p in seen)}\n")


if __name__ == "__main__":
    main()
