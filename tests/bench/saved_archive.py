"""Archives as `docker save` writes them, made as they are read: layers of bytes that nobody can compress (or a little, of
text), each with a file in it."""

import base64
import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass, field

PIECE = 3 << 18  # a multiple of 3, for base64
TAG = "bench/app:v1"


def noise(n):
    return os.urandom(n)


def text(n):
    """Three quarters of it are news."""
    return base64.b64encode(os.urandom(n))[:n]


def header(name, size):
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)  # sizes of more than 8 GiB in base 256


def padding(size):
    return bytes(-size % tarfile.BLOCKSIZE)


@dataclass
class Archive:
    """So many layers with a file of so many bytes each. After write(), `digests` has those of the layers."""

    layers: int
    file_bytes: int
    fill: callable = noise
    digests: list = field(default_factory=list)

    @property
    def layer_bytes(self):
        return tarfile.BLOCKSIZE + self.file_bytes + len(padding(self.file_bytes)) + 2 * tarfile.BLOCKSIZE

    def layer(self):
        """Its bytes, in pieces."""
        yield header("file", self.file_bytes)
        for at in range(0, self.file_bytes, PIECE):
            yield self.fill(min(PIECE, self.file_bytes - at))
        yield padding(self.file_bytes) + bytes(2 * tarfile.BLOCKSIZE)

    def write_layer(self, n, out, beside):
        digest = hashlib.sha256()
        out.write(header(f"{n}/layer.tar", self.layer_bytes))
        for piece in self.layer():
            digest.update(piece)
            out.write(piece)
            beside.write(piece)
        out.write(padding(self.layer_bytes))
        self.digests.append("sha256:" + digest.hexdigest())

    def write(self, out, directory=None):
        """To a file or pipe; into the directory each layer as a file as well."""
        self.digests = []
        for n in range(self.layers):
            with open(os.path.join(directory, f"layer{n}") if directory else os.devnull, "wb") as beside:
                self.write_layer(n, out, beside)
        config = {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": self.digests},
            "history": [{"created_by": "bench"}] * self.layers,
        }
        paths = [f"{n}/layer.tar" for n in range(self.layers)]
        items = [{"Config": "config.json", "RepoTags": [TAG], "Layers": paths}]
        for name, value in (("config.json", config), ("manifest.json", items)):
            data = json.dumps(value).encode()
            out.write(header(name, len(data)) + data + padding(len(data)))
        out.write(bytes(2 * tarfile.BLOCKSIZE))


def write_file(archive, path, directory=None):
    with open(path, "wb") as out:
        archive.write(out, directory)
    return path


def small(layers=1, file_bytes=1000):
    """To warm up with."""
    out = io.BytesIO()
    Archive(layers, file_bytes).write(out)
    return out.getvalue()
