"""An image goes round: from the registry into an archive by a tool, and back by /upload-image; it is the same image.

With crane 0.22.1, regctl 0.11.7, oras 1.3.6, and of Debian 12 skopeo 1.9.3, podman 4.3.1, buildah 1.28.2, containerd 1.6.20.
With --long also ko 0.19.1 and kaniko 1.24.0, which are built first."""

import os
import shutil
import subprocess

import pytest
from archives import upload
from clients import run
from go_programs import go_program
from helpers import image, index

IMAGE = image(seed="round", layers=3)


def crane(source, path, go_clients, **_):
    go_clients.crane("pull", source, path)


def crane_legacy(source, path, go_clients, **_):
    go_clients.crane("pull", "--format=legacy", source, path)


def regctl(source, path, go_clients, **_):
    go_clients.regctl("registry", "set", "--tls", "disabled", source.partition("/")[0])
    go_clients.regctl("image", "export", source, path)


def oras(source, path, go_clients, **_):
    go_clients.oras("backup", "--output", path, source)


def skopeo(form):
    def save(source, path, containers, **_):
        containers.skopeo("copy", f"docker://{source}", f"{form}:{path}")

    return save


def podman(form):
    def save(source, path, containers, **_):
        containers.podman("pull", source)
        containers.podman("save", "--format", form, "-o", path, source)

    return save


def buildah(form):
    def save(source, path, containers, **_):
        containers.buildah("pull", source)
        containers.buildah("push", source, f"{form}:{path}:{source}" if form == "docker-archive" else f"{form}:{path}")

    return save


def ctr(source, path, containerd, **_):
    containerd.pull(source)
    containerd("images", "export", path, source)


GO, DEBIAN, CONTAINERD = ["go_clients"], ["containers"], ["containerd"]
# How, what it needs, and whether the manifest comes back as it was, not the config alone.
PRODUCERS = {
    "crane": (crane, GO, False),
    "crane legacy": (crane_legacy, GO, False),
    "regctl": (regctl, GO, True),
    "oras": (oras, GO, True),
    "skopeo docker": (skopeo("docker-archive"), DEBIAN, False),
    "skopeo oci": (skopeo("oci-archive"), DEBIAN, True),
    "podman docker": (podman("docker-archive"), DEBIAN, False),
    "podman oci": (podman("oci-archive"), DEBIAN, False),
    "buildah docker": (buildah("docker-archive"), DEBIAN, False),
    "buildah oci": (buildah("oci-archive"), DEBIAN, False),
    "ctr": (ctr, CONTAINERD, True),
}


@pytest.mark.parametrize("name", PRODUCERS)
def test_an_image_comes_back_as_it_was(registry, client, work, request, name):
    save, needs, whole = PRODUCERS[name]
    client.push_image("from/app", IMAGE, "v1")
    path = work / "image.tar"
    save(f"{registry.address}/from/app:v1", path, **{need: request.getfixturevalue(need) for need in needs})
    (stored,) = upload(client, path.read_bytes(), repository="to/app", tag="v1")["images"]
    assert stored["config"] == IMAGE.document["config"]["digest"]
    assert not whole or client.pull_image("to/app", "v1") == IMAGE


def test_all_platforms_come_back_by_regctl(registry, client, work, go_clients):
    both = index([image(seed="a"), image(seed="b", architecture="arm64")])
    client.push_image("from/app", both, "v1")
    path = work / "image.tar"
    regctl(f"{registry.address}/from/app:v1", path, go_clients)
    upload(client, path.read_bytes(), repository="to/app", tag="v1")
    assert client.pull_image("to/app", "v1") == both


# ---- builders


def program_of_ko(work):
    """A module, and a compiler whose programs are a few bytes long."""
    compiler = work / "go"
    compiler.write_text(
        '#!/bin/sh\n[ "$1" = build ] || exec "$REAL_GO" "$@"\n'
        'while [ "$1" != -o ]; do shift; done\nprintf "a program" >"$2" && chmod 755 "$2"\n'
    )
    compiler.chmod(0o755)
    module = work / "app"
    module.mkdir()
    (module / "go.mod").write_text("module registry.example/team/app\n\ngo 1.22\n")
    (module / "main.go").write_text("package main\n\nfunc main() {}\n")
    return module, compiler


@pytest.mark.long
def test_what_ko_builds(registry, client, work):
    client.push_image("base", IMAGE, "v1")
    module, compiler = program_of_ko(work)
    environment = {
        **os.environ,
        "HOME": str(work),
        "KO_DOCKER_REPO": "registry.example/team/app",
        "KO_DEFAULTBASEIMAGE": f"{registry.address}/base:v1",
        "KO_GO_PATH": str(compiler),
        "REAL_GO": shutil.which("go") or "/usr/local/go/bin/go",
    }
    options = ["--push=false", "--insecure-registry", "--bare", "--sbom=none", "--tags=1,2", "--tarball", work / "ko.tar"]
    run([go_program("ko"), "build", *options, "."], env=environment, cwd=module)
    (stored,) = upload(client, (work / "ko.tar").read_bytes())["images"]
    assert stored["repository"] == "team/app" and sorted(stored["tags"]) == ["1", "2"]
    layers = client.get_manifest("team/app", "2").json()["layers"]
    assert [l["digest"] for l in layers[:3]] == [l["digest"] for l in IMAGE.document["layers"]]
    found = client.request("GET", "/api/v1/images/team/app/2/tree", params={"path": "/ko-app"}).json()
    assert [entry["name"] for entry in found["entries"]] == ["app"]


def kaniko(work, *options):
    """It builds in a root of its own, for it takes all files around it for those of the image."""
    root = work / "root"
    for folder in ("kaniko", "workspace", "proc", "etc", "out"):
        (root / folder).mkdir(parents=True)
    shutil.copy(go_program("kaniko"), root / "kaniko/executor")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "workspace/a").write_text("hello\n")
    (root / "workspace/Dockerfile").write_text("FROM scratch\nCOPY a /dir/a\nENV x=y\nCOPY Dockerfile /\n")
    inside = ["/kaniko/executor", "--force", "--context=dir:///workspace", *options]
    script = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    subprocess.run(["unshare", "--mount", "--pid", "--fork", "sh", "-c", script, root, *inside], check=True, timeout=60)
    return root / "out"


@pytest.mark.long
def test_what_kaniko_builds(registry, client, work):
    pushed = f"{registry.address}/pushed/app:v1"
    out = kaniko(work, f"--destination={pushed}", "--insecure", "--tar-path=/out/image.tar")
    (stored,) = upload(client, (out / "image.tar").read_bytes(), repository="team/app")["images"]
    assert stored["tags"] == ["v1"]
    assert stored["config"] == client.get_manifest("pushed/app", "v1").json()["config"]["digest"]
