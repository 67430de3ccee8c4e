"""Archives of images for tests: the crafted ones of tests/archives, and those made of an image of helpers.py."""

import io
import json
import sys
import tarfile

from helpers import write_oci_layout
from server import TOP

sys.path.insert(0, str(TOP / "tests" / "archives"))

import crafted  # noqa: E402  (the path is set one line above)
import saved  # noqa: E402  (likewise)

__all__ = ["crafted", "docker_archive", "oci_archive", "saved", "upload"]


def add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def docker_archive(made, tags):
    """The image as `docker save` writes it, its layers as they are."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        digests = [made.document["config"]["digest"], *(x["digest"] for x in made.document["layers"])]
        for digest in digests[1:]:
            add(tar, digest[7:] + ".tar", made.blobs[digest])
        add(tar, digests[0][7:] + ".json", made.blobs[digests[0]])
        item = {"Config": digests[0][7:] + ".json", "RepoTags": tags, "Layers": [d[7:] + ".tar" for d in digests[1:]]}
        add(tar, "manifest.json", json.dumps([item]).encode())
    return out.getvalue()


def oci_archive(work, image, tag="v1"):
    """An image, or an index of some, as an OCI layout in a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(write_oci_layout(work / "layout", image, tag), ".")
    return out.getvalue()


def upload(client, data, expect=201, method="PUT", **params):
    """What /upload-image answers; the body of an error's first entry when it refuses."""
    answer = client.request(method, "/upload-image", (expect,), params=params, data=data).json()
    return answer["errors"][0] if expect >= 400 else answer
