"""Images made by hand, and a small client that speaks the distribution protocol.

Everything made here is deterministic: the same seed gives the same bytes and the same digests.
Images are real ones (layers are tar archives and the configuration names them), so that docker and
podman can pull them as well.
"""

import gzip
import hashlib
import io
import json
import random
import socket
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from below import paths_below

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
ANY_MANIFEST = ", ".join([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])

MIB = 1 << 20


def digest_of(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def random_bytes(size, seed=0):
    return random.Random(f"{seed}/{size}").randbytes(size)


def canonical(document):
    return json.dumps(document, separators=(",", ":")).encode()


# Images


@dataclass
class Image:
    """A manifest as the bytes to push, and what has to be there before it.

    blobs are contents by digest; children are the images that an index names.
    """

    manifest: bytes
    media_type: str
    blobs: dict = field(default_factory=dict)
    children: list = field(default_factory=list)

    @property
    def digest(self):
        return digest_of(self.manifest)

    @property
    def document(self):
        return json.loads(self.manifest)

    def descriptor(self, **more):
        return descriptor(self.manifest, self.media_type, **more)


def descriptor(data, media_type, **more):
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


def tar_layer(files):
    """A tar archive with the given {path: bytes}; the same input gives the same bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o755
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def image_of_layers(tars, docker=False, architecture="amd64", annotations=None, subject=None):
    """An image whose layers are the given tar archives."""
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(t) for t in tars]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "test"} for _ in tars],
    }
    layers = [gzip.compress(t, compresslevel=1, mtime=0) for t in tars]
    config_bytes = canonical(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
        "config": descriptor(config_bytes, DOCKER_CONFIG if docker else OCI_CONFIG),
        "layers": [descriptor(l, DOCKER_LAYER if docker else OCI_LAYER) for l in layers],
    }
    if annotations:
        manifest["annotations"] = annotations
    if subject:
        manifest["subject"] = subject
    blobs = {digest_of(b): b for b in [config_bytes, *layers]}
    return Image(canonical(manifest), manifest["mediaType"], blobs)


def image(seed=0, layers=2, layer_size=10_000, **more):
    """An image of random layers; layer n of a seed is the same whatever the number of layers."""
    tars = [
        tar_layer({f"file-{n}": random_bytes(layer_size, f"{seed}/{n}")}) for n in range(layers)
    ]
    return image_of_layers(tars, **more)


def artifact(artifact_type, layers=(), config=None, subject=None, annotations=None):
    """An artifact: layers are (media type, bytes) pairs, config one such pair or the empty one."""
    config_type, config_bytes = config or (OCI_EMPTY, b"{}")
    layers = list(layers) or [(OCI_EMPTY, b"{}")]
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
    if artifact_type:
        manifest["artifactType"] = artifact_type
    manifest["config"] = descriptor(config_bytes, config_type)
    manifest["layers"] = [descriptor(data, media_type) for media_type, data in layers]
    if subject:
        manifest["subject"] = subject
    if annotations:
        manifest["annotations"] = annotations
    blobs = {digest_of(config_bytes): config_bytes}
    blobs.update({digest_of(data): data for _, data in layers})
    return Image(canonical(manifest), OCI_MANIFEST, blobs)


def index(images, docker=False, **more):
    """An index (or Docker manifest list) of images, one for each of some architectures."""
    architectures = ["amd64", "arm64", "s390x", "ppc64le", "riscv64", "386"]
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST if docker else OCI_INDEX,
        "manifests": [
            i.descriptor(platform={"os": "linux", "architecture": architectures[n]})
            for n, i in enumerate(images)
        ],
        **more,
    }
    return Image(canonical(document), document["mediaType"], {}, list(images))


def write_oci_layout(directory, image, tag="latest"):
    """image as an OCI image layout, which skopeo and podman read as oci:DIRECTORY:TAG."""
    directory = Path(directory)
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def add(i):
        for digest, data in {i.digest: i.manifest, **i.blobs}.items():
            (blobs / digest.removeprefix("sha256:")).write_bytes(data)
        for child in i.children:
            add(child)

    add(image)
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    named = image.descriptor(annotations={"org.opencontainers.image.ref.name": tag})
    (directory / "index.json").write_bytes(canonical({"schemaVersion": 2, "manifests": [named]}))
    return directory


# The client


class Unexpected(AssertionError):
    """An answer other than the one the protocol calls for."""

    def __init__(self, response, wanted):
        request = response.request
        self.response = response
        super().__init__(
            f"{request.method} {request.url}: {response.status_code}, wanted {wanted}; "
            f"{response.headers}; {response.content[:1000]!r}"
        )


class Client:
    """The protocol, one method a request. Each checks the status and returns what is of use.

    A method that takes expect wants one of those statuses and, when they are not the successful
    ones, just returns the response, so that a test can look at it.
    """

    def __init__(self, url, **session):
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=4))
        for key, value in session.items():
            setattr(self.session, key, value)

    def close(self):
        self.session.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def request(self, method, path, expect=(200,), timeout=60, **more):
        """expect: the statuses wanted, one or several; None takes any."""
        url = urljoin(self.url, path)
        response = self.session.request(method, url, timeout=timeout, allow_redirects=False, **more)
        wanted = (expect,) if isinstance(expect, int) else expect
        if wanted is not None and response.status_code not in wanted:
            raise Unexpected(response, wanted)
        return response

    # Blobs

    def start_upload(self, repo, expect=202, **params):
        """Opens a session; returns its URL."""
        r = self.request("POST", f"/v2/{repo}/blobs/uploads/", expect, params=params)
        return urljoin(self.url, r.headers["Location"])

    def patch(self, location, data, start=None, expect=202):
        """Sends a chunk; returns the URL for the next one."""
        headers = {"Content-Type": "application/octet-stream"}
        if start is not None:
            headers["Content-Range"] = f"{start}-{start + len(data) - 1}"
        r = self.request("PATCH", location, expect, data=data, headers=headers)
        return urljoin(self.url, r.headers["Location"]) if r.status_code == 202 else r

    def upload_offset(self, location):
        """How many bytes the session holds."""
        r = self.request("GET", location, 204)
        first, last = r.headers["Range"].split("-")
        assert first == "0"
        # dist-spec "Pushing a blob in chunks": an empty session is told as 0-0 too, so one byte
        # and none cannot be told apart; registries answer 0--1 or 0-0 for none.
        return 0 if last in ("0", "") else int(last) + 1

    def finish(self, location, digest, data=b"", expect=201, **headers):
        return self.request(
            "PUT",
            location,
            expect,
            params={"digest": digest},
            data=data,
            headers={"Content-Type": "application/octet-stream", **headers},
        )

    def push_blob(self, repo, data, digest=None):
        digest = digest or digest_of(data)
        self.finish(self.start_upload(repo), digest, data)
        return digest

    def mount(self, repo, digest, source):
        """True when mounted, False when the registry opened a session instead."""
        r = self.request(
            "POST",
            f"/v2/{repo}/blobs/uploads/",
            (201, 202),
            params={"mount": digest, "from": source},
        )
        return r.status_code == 201

    def has_blob(self, repo, digest):
        return self.request("HEAD", f"/v2/{repo}/blobs/{digest}", (200, 404)).status_code == 200

    def get_blob(self, repo, digest, expect=200, **headers):
        return self.request("GET", f"/v2/{repo}/blobs/{digest}", expect, headers=headers)

    def delete_blob(self, repo, digest, expect=202):
        return self.request("DELETE", f"/v2/{repo}/blobs/{digest}", expect)

    # Manifests and tags

    def push_manifest(self, repo, reference, image, expect=201):
        return self.request(
            "PUT",
            f"/v2/{repo}/manifests/{reference}",
            expect,
            data=image.manifest,
            headers={"Content-Type": image.media_type},
        )

    def get_manifest(self, repo, reference, expect=200, accept=ANY_MANIFEST):
        return self.request(
            "GET", f"/v2/{repo}/manifests/{reference}", expect, headers={"Accept": accept}
        )

    def head_manifest(self, repo, reference, expect=(200, 404)):
        return self.request(
            "HEAD", f"/v2/{repo}/manifests/{reference}", expect, headers={"Accept": ANY_MANIFEST}
        )

    def delete_manifest(self, repo, reference, expect=202):
        return self.request("DELETE", f"/v2/{repo}/manifests/{reference}", expect)

    def tags(self, repo, expect=200, **params):
        return self.request("GET", f"/v2/{repo}/tags/list", expect, params=params).json()["tags"]

    def catalog(self, **params):
        return self.request("GET", "/v2/_catalog", params=params).json()["repositories"]

    def referrers(self, repo, digest, **params):
        r = self.request("GET", f"/v2/{repo}/referrers/{digest}", params=params)
        assert r.headers["Content-Type"] == OCI_INDEX
        return r.json()["manifests"]

    # Whole images

    def push_image(self, repo, image, tag=None):
        """What a client does: blobs that are missing, then children, then the manifest."""
        for digest, data in image.blobs.items():
            if not self.has_blob(repo, digest):
                self.push_blob(repo, data, digest)
        for child in image.children:
            self.push_image(repo, child)
        r = self.push_manifest(repo, tag or image.digest, image)
        assert r.headers["Docker-Content-Digest"] == image.digest
        return image.digest

    def pull_image(self, repo, reference):
        """Fetches an image with everything it names and checks every digest on the way."""
        r = self.get_manifest(repo, reference)
        digest = digest_of(r.content)
        assert r.headers["Docker-Content-Digest"] == digest
        if ":" in reference:
            assert reference == digest
        pulled = Image(r.content, r.headers["Content-Type"])
        document = pulled.document
        for child in document.get("manifests", []):
            pulled.children.append(self.pull_image(repo, child["digest"]))
        for d in [document["config"], *document["layers"]] if "layers" in document else []:
            data = self.get_blob(repo, d["digest"]).content
            assert len(data) == d["size"]
            assert digest_of(data, d["digest"].split(":")[0]) == d["digest"]
            pulled.blobs[d["digest"]] = data
        return pulled


# Bytes on the wire


class Wire:
    """A socket, for what no well-behaved client sends. Usable in a with statement."""

    def __init__(self, url, timeout=30):
        parts = urlsplit(url)
        self.host = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def send_request(self, method, path, headers=(), body=b""):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{k}: {v}" for k, v in dict(headers).items()]
        return self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def _fill(self):
        more = self.socket.recv(65536)
        self.buffer += more
        return bool(more)

    def read_head(self):
        """Status and headers (names in lower case) of the next response; None at the end."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._fill():
                assert not self.buffer, f"connection closed inside a head: {self.buffer[:200]!r}"
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        return int(first.split(" ")[1]), headers

    def read_body(self, length):
        while len(self.buffer) < length:
            assert self._fill(), f"connection closed after {len(self.buffer)} of {length} bytes"
        body = bytes(self.buffer[:length])
        del self.buffer[:length]
        return body

    def read_response(self, method="GET"):
        """Status, headers and body of a response that has a Content-Length; None at the end."""
        head = self.read_head()
        if head is None:
            return None
        status, headers = head
        empty = method == "HEAD" or status in (204, 304) or status < 200
        return status, headers, b"" if empty else self.read_body(int(headers["content-length"]))

    def closed(self):
        """True when the server has closed the connection and sent nothing more."""
        try:
            return not self.buffer and not self._fill()
        except ConnectionResetError:
            return True


# What is on the disk


def hash_file(path, algorithm="sha256"):
    with open(path, "rb") as f:
        return f"{algorithm}:{hashlib.file_digest(f, algorithm).hexdigest()}"


def repositories_on_disk(root):
    """{repository name: its directory}, by the layout on disk."""
    top = Path(root) / "repositories"
    found = {}
    for path in sorted(paths_below(top)):
        if path.name == "manifests" and path.is_dir() and not path.is_symlink():
            parts = [p.removeprefix("%") for p in path.parent.relative_to(top).parts]
            found["/".join(parts)] = path.parent
    return found


def tags_on_disk(directory):
    """{tag: digest} of one repository's directory."""
    return {
        link.name: link.readlink().name
        for link in sorted((directory / "manifests").iterdir())
        if link.is_symlink()
    }


def check_manifest_on_disk(directory, digest, hashed):
    """The manifest's bytes match its name, and so does everything it refers to.

    hashed remembers files already found good (hard links share an inode).
    """
    path = directory / "manifests" / digest
    assert hash_file(path, digest.split(":")[0]) == digest, f"{path} is damaged"
    document = json.loads(path.read_bytes())
    for child in document.get("manifests", []):
        check_manifest_on_disk(directory, child["digest"], hashed)
    for d in [document["config"], *document["layers"]] if "layers" in document else []:
        blob = directory / "blobs" / d["digest"]
        stat = blob.stat()
        assert stat.st_size == d["size"], f"{blob} has {stat.st_size} bytes, not {d['size']}"
        if stat.st_ino not in hashed:
            assert hash_file(blob, d["digest"].split(":")[0]) == d["digest"], f"{blob} is damaged"
            hashed.add(stat.st_ino)


def check_store_on_disk(root):
    """Every tag of every repository leads to a complete image; returns {(repository, tag): digest}."""
    found, hashed = {}, set()
    for name, directory in repositories_on_disk(root).items():
        for tag, digest in tags_on_disk(directory).items():
            check_manifest_on_disk(directory, digest, hashed)
            found[name, tag] = digest
    return found
