"""Archives as programs really wrote them, of small images: saved.tar.xz, with what is in each in its expected.tsv.

docker20: Debian's docker 20.10.24. docker29c and docker29g: moby 2.0.0-beta.24 (the line of Docker 29) with the image
store of containerd, and with its own (the form since Docker 25); `multi-arm` is of `docker save --platform`.
ctr16, ctr2: containerd 1.6.20 and 2.4.2. buildkit 0.34.2 (`attest`: with provenance), podman 4.3.1, buildah 1.28.2,
skopeo 1.9.3, crane 0.22.1, regctl 0.11.7, oras 1.3.6, umoci 0.4.7, jib-core 0.27.3, containerregistry of Python 0.2.5,
kaniko 1.24.0, ko 0.19.1 (over a compiler whose programs are a few bytes long). bazel: of rules_oci 2.3.2, by its own
script and bsdtar, without Bazel (layers of zstd are called .tar.gz). In .gz: `docker save | gzip`, `regctl --compress`.
"""

import csv
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Saved:
    name: str  # "docker29c-one.tar"
    verdict: str  # "ok", "no", "partial": of an index one platform is there
    data: bytes
    images: list  # (name or None, start of the manifest's digest or None)


def _known(text):
    return None if text == "-" else text


def archives():
    """All of them, by name."""
    with tarfile.open(Path(__file__).with_name("saved.tar.xz")) as tar:
        files = {m.name.removeprefix("./"): tar.extractfile(m).read() for m in tar if m.isfile()}
    found = {}
    for name, verdict, _, image, digest, *_ in csv.reader(io.StringIO(files["expected.tsv"].decode()), delimiter="\t"):
        one = found.setdefault(name, Saved(name, verdict, files[name], []))
        one.images.append((_known(image), _known(digest)))
    return found
