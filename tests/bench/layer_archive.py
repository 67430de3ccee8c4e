"""An archive with layers of many files of this machine's programs, libraries and texts, which pack as those of images do."""

import hashlib
import io
import json
import os
import random
import tarfile
import zlib

from saved_archive import TAG, header, padding

FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/share/doc", "/usr/lib/python3", "/usr/bin")
MATERIAL_BYTES = 100 << 20
FILE_MOST = 3 << 20
LARGE_BYTES = 20 << 20


def material():
    """What files are cut out of."""
    found = bytearray()
    for top in FOLDERS:
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path) and len(found) < MATERIAL_BYTES:
                    with open(path, "rb") as file:
                        found += file.read(400_000)
    return bytes(found) * (1 + LARGE_BYTES // max(1, len(found)))


class Layers:
    """The same for one seed: each layer of n files, sizes as they are in images, filled up to size by large ones."""

    def __init__(self, layers, files, size):
        self.layers, self.files, self.size = layers, files, size
        self.dice = random.Random(5)
        self.material = material()

    def add_file(self, out, name, size):
        at = self.dice.randrange(len(self.material) - size)
        out.write(header(name, size) + self.material[at : at + size] + padding(size))

    def layer(self, n):
        out = io.BytesIO()
        for i in range(self.files):
            folder = f"usr/{self.dice.choice((0, n))}/{i % 40}"  # a half replaces what the first has
            self.add_file(out, f"{folder}/{i}", min(int(self.dice.lognormvariate(9.2, 1.6)), FILE_MOST))
        while (left := self.size - out.tell()) > 0:
            self.add_file(out, f"large/{n}/{left}", min(left, LARGE_BYTES))
        return out.getvalue() + bytes(2 * tarfile.BLOCKSIZE)

    def write(self, plain_path, gzip_path):
        """As docker saves it, and with layers by gzip."""
        diff_ids, names = [], {plain_path: [], gzip_path: []}
        with open(plain_path, "wb") as plain, open(gzip_path, "wb") as packed:
            for n in range(self.layers):
                layer = self.layer(n)
                diff_ids.append("sha256:" + hashlib.sha256(layer).hexdigest())
                pack = zlib.compressobj(6, zlib.DEFLATED, 31)
                for out, name, data in ((plain, f"{n}.tar", layer), (packed, f"{n}.tar.gz", pack.compress(layer) + pack.flush())):
                    out.write(header(name, len(data)) + data + padding(len(data)))
                    names[out.name].append(name)
            for out in (plain, packed):
                self.end(out, diff_ids, names[out.name])

    def end(self, out, diff_ids, names):
        history = [{"created_by": "bench"}] * self.layers
        config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history}
        items = [{"Config": "config.json", "RepoTags": [TAG], "Layers": names}]
        for name, value in (("config.json", config), ("manifest.json", items)):
            data = json.dumps(value).encode()
            out.write(header(name, len(data)) + data + padding(len(data)))
        out.write(bytes(2 * tarfile.BLOCKSIZE))
