"""crane, regctl, oras, helm and cosign in ordinary use, signed in at the built-in token service."""

import json
import tarfile

import pytest

from accounts import PASSWORD, Accounts
from clients import ClientFailed
from helpers import Client, image, index, random_bytes, write_oci_layout
from waiting import until

pytestmark = pytest.mark.sanitize

REPORT = "application/vnd.example.report"
BILL = "application/vnd.example.bill"


class Place:
    """A registry where alice may do everything below dev/, and the clients."""

    def __init__(self, new_registry, run, work):
        rule = {"subjects": ["user:alice"], "actions": ["pull", "push", "delete"],
                "repositories": ["dev/**"]}
        accounts = Accounts(new_registry(config={"auth": "local", "policy": [rule]}))
        accounts.add("alice")
        self.registry = accounts.registry.start()
        self.host = self.registry.address
        self.run = run
        self.work = work
        self.client = Client(self.registry.url)
        self.client.session.auth = ("alice", PASSWORD)

    def name(self, rest):
        return f"{self.host}/dev/{rest}"

    def layout(self, made):
        write_oci_layout(self.work / "layout", made, "v1")
        return self.work / "layout"

    def push(self, name, *tags, made=None):
        """An image that is there already, under these tags."""
        made = made or image(seed=name)
        for tag in tags:
            self.client.push_image(f"dev/{name}", made, tag)
        return made

    def blob(self, name, digest):
        return self.registry.root / "repositories/dev" / name / "blobs" / digest

    def check_shared(self, made, one, other):
        """A copy that took no space."""
        for digest in made.blobs:
            assert self.blob(one, digest).samefile(self.blob(other, digest))


@pytest.fixture
def place(new_registry, go_clients, work):
    made = Place(new_registry, go_clients, work)
    yield made
    made.client.close()


@pytest.fixture
def crane(place):
    place.run.crane("auth", "login", place.host, "-u", "alice", "-p", PASSWORD)
    return place.run.crane


@pytest.fixture
def regctl(place):
    regctl = place.run.regctl
    regctl("registry", "set", place.host, "--tls=disabled", "--skip-check")
    regctl("registry", "login", place.host, "-u", "alice", "-p", PASSWORD)
    return regctl


@pytest.fixture
def oras(place):
    place.run.oras("login", "-u", "alice", "-p", PASSWORD, place.host)
    return place.run.oras


# crane


def test_crane_pushes_and_pulls(place, crane, work):
    made = image(seed="crane")
    crane("push", place.layout(made), place.name("app:v1"))
    assert place.client.pull_image("dev/app", "v1") == made
    assert crane("digest", place.name("app:v1")).strip() == made.digest

    crane("pull", "--format=oci", place.name("app:v1"), work / "pulled")
    for digest, data in made.blobs.items():
        path = work / "pulled/blobs/sha256" / digest.removeprefix("sha256:")
        assert path.read_bytes() == data
    assert "PASS" in crane("validate", "--remote", place.name("app:v1"))


def test_crane_copies_a_repository_without_a_byte(place, crane):
    made = place.push("app", "v1", "v2")
    crane("copy", "-a", place.name("app"), place.name("copy"))
    assert place.client.tags("dev/copy") == ["v1", "v2"]
    assert place.client.pull_image("dev/copy", "v2") == made
    place.check_shared(made, "app", "copy")


def test_crane_copies_an_index_whole(place, crane):
    children = [image(seed=n, architecture=a) for n, a in enumerate(["amd64", "arm64"])]
    made = place.push("app", "v1", made=index(children))
    crane("copy", place.name("app:v1"), place.name("copy:v1"))
    assert place.client.pull_image("dev/copy", "v1") == made
    one = crane("manifest", "--platform=linux/arm64", place.name("copy:v1"))
    assert one.encode() == children[1].manifest


def test_crane_lists_tags_and_the_repositories_of_its_user(place, crane, work):
    place.push("app", "v1", "v2")
    place.push("tool", "v1")
    assert crane("ls", place.name("app")).split() == ["v1", "v2"]
    assert crane("catalog", place.host).split() == ["dev/app", "dev/tool"]
    with pytest.raises(ClientFailed):
        crane("push", place.layout(image()), f"{place.host}/other/app:v1")


def test_crane_tags_and_deletes_a_tag_and_an_image(place, crane):
    made = place.push("app", "v1")
    crane("tag", place.name("app:v1"), "stable")
    crane("delete", place.name("app:v1"))
    assert place.client.tags("dev/app") == ["stable"]
    crane("delete", place.name(f"app@{made.digest}"))
    place.client.get_manifest("dev/app", made.digest, expect=404)


def test_crane_changes_an_image_in_the_registry(place, crane):
    place.push("app", "v1")
    crane("mutate", place.name("app:v1"), "--label=a=b", "--tag", place.name("app:labelled"))
    config = json.loads(crane("config", place.name("app:labelled")))
    assert config["config"]["Labels"] == {"a": "b"}


# regctl


def test_regctl_pushes_and_pulls(place, regctl, work):
    made = image(seed="regctl")
    regctl("image", "copy", f"ocidir://{place.layout(made)}:v1", place.name("app:v1"))
    assert place.client.pull_image("dev/app", "v1") == made

    regctl("image", "export", place.name("app:v1"), work / "app.tar")
    with tarfile.open(work / "app.tar") as tar:
        for digest, data in made.blobs.items():
            member = f"blobs/sha256/{digest.removeprefix('sha256:')}"
            assert tar.extractfile(member).read() == data


def test_regctl_pushes_in_chunks(place, regctl):
    made = image(seed="chunks", layers=1, layer_size=1_000_000)
    regctl("registry", "set", place.host, "--blob-chunk=300000", "--blob-max=300000")
    regctl("image", "copy", f"ocidir://{place.layout(made)}:v1", place.name("app:v1"))
    assert place.client.pull_image("dev/app", "v1") == made
    until(lambda: place.registry.log.count('"method":"PATCH"') >= 4)


def test_regctl_copies_an_image_with_what_refers_to_it_without_a_byte(place, regctl):
    made = place.push("app", "v1")
    (place.work / "note").write_text("fine\n")
    attach = ["--artifact-type", REPORT, "--file", place.work / "note"]
    regctl("artifact", "put", *attach, "--subject", place.name("app:v1"))
    regctl("image", "copy", "--referrers", place.name("app:v1"), place.name("copy:v1"))
    place.check_shared(made, "app", "copy")
    found = place.client.referrers("dev/copy", made.digest)
    assert [r["artifactType"] for r in found] == [REPORT]
    assert regctl("artifact", "get", "--subject", place.name("copy:v1")) == "fine\n"


def test_regctl_finds_artifacts_of_a_type(place, regctl):
    place.push("app", "v1")
    (place.work / "note").write_text("fine\n")
    for kind in (REPORT, BILL):
        attach = ["--artifact-type", kind, "--file", place.work / "note"]
        regctl("artifact", "put", *attach, "--subject", place.name("app:v1"))
    form = ["--format", "{{range .Descriptors}}{{println .ArtifactType}}{{end}}"]
    assert set(regctl("artifact", "list", *form, place.name("app:v1")).split()) == {REPORT, BILL}
    only = ["--filter-artifact-type", BILL]
    assert regctl("artifact", "list", *only, *form, place.name("app:v1")).split() == [BILL]


def test_regctl_lists_tags_and_the_repositories_of_its_user(place, regctl):
    place.push("app", "v1", "v2")
    place.push("tool", "v1")
    assert regctl("tag", "ls", place.name("app")).split() == ["v1", "v2"]
    assert regctl("repo", "ls", place.host).split() == ["dev/app", "dev/tool"]


def test_regctl_deletes_a_tag_and_an_image(place, regctl):
    made = place.push("app", "v1", "v2")
    regctl("tag", "rm", place.name("app:v1"))
    assert place.client.tags("dev/app") == ["v2"]
    regctl("manifest", "delete", place.name(f"app@{made.digest}"))
    place.client.get_manifest("dev/app", made.digest, expect=404)


def test_regctl_puts_copies_and_deletes_a_blob(place, regctl):
    digest = regctl("blob", "put", place.name("app"), input="fine\n").strip()
    regctl("blob", "copy", place.name("app"), place.name("copy"), digest)
    regctl("blob", "delete", place.name("app"), digest)
    assert regctl("blob", "get", place.name("copy"), digest) == "fine\n"
    with pytest.raises(ClientFailed, match="BLOB_UNKNOWN"):
        regctl("blob", "get", place.name("app"), digest)


# oras


@pytest.fixture
def files(place):
    """In the home of oras, which takes names below where it runs."""
    home = place.work / "home/oras"
    (home / "folder").mkdir(parents=True)
    (home / "note").write_text("fine\n")
    (home / "folder/data").write_bytes(random_bytes(300_000, "oras"))
    return home


def test_oras_pushes_and_pulls_files(place, oras, files):
    oras("push", place.name("art:v1"), "--artifact-type", REPORT, "note:text/plain", "folder")
    oras("pull", place.name("art:v1"), "--output", files / "pulled")
    for name in ("note", "folder/data"):
        assert (files / "pulled" / name).read_bytes() == (files / name).read_bytes()


def test_oras_attaches_and_discovers(place, oras, files):
    made = place.push("app", "v1")
    oras("attach", place.name("app:v1"), "--artifact-type", REPORT, "note:text/plain")
    oras("attach", place.name("app:v1"), "--artifact-type", BILL, "--annotation", "k=v")
    seen = json.loads(oras("discover", "--format=json", place.name("app:v1")))
    assert seen["digest"] == made.digest
    assert {r["artifactType"] for r in seen["referrers"]} == {REPORT, BILL}
    only = ["--artifact-type", BILL]
    seen = json.loads(oras("discover", "--format=json", *only, place.name("app:v1")))
    assert [r["annotations"]["k"] for r in seen["referrers"]] == ["v"]


def test_oras_copies_an_image_with_what_refers_to_it_without_a_byte(place, oras, files):
    made = place.push("app", "v1")
    oras("attach", place.name("app:v1"), "--artifact-type", REPORT, "note:text/plain")
    place.run.oras_copy("-r", place.name("app:v1"), place.name("copy:v1,stable"))
    assert place.client.tags("dev/copy") == ["stable", "v1"]
    place.check_shared(made, "app", "copy")
    found = place.client.referrers("dev/copy", made.digest)
    assert [r["artifactType"] for r in found] == [REPORT]


def test_oras_backs_up_and_restores(place, oras, files):
    made = place.push("app", "v1")
    oras("attach", place.name("app:v1"), "--artifact-type", REPORT, "note:text/plain")
    oras("backup", "--include-referrers", place.name("app:v1"), "--output", files / "backup")
    oras("restore", "--input", files / "backup", place.name("again:v1"))
    assert place.client.pull_image("dev/again", "v1") == made
    found = place.client.referrers("dev/again", made.digest)
    assert [r["artifactType"] for r in found] == [REPORT]


def test_oras_lists_tags_and_the_repositories_of_its_user(place, oras):
    place.push("app", "v1", "v2")
    place.push("tool", "v1")
    assert oras("repo", "tags", place.name("app")).split() == ["v1", "v2"]
    assert oras("repo", "ls", place.host).split() == ["dev/app", "dev/tool"]
    assert oras("repo", "ls", f"{place.host}/dev/").split() == ["app", "tool"]


def test_oras_deletes_an_image_and_a_blob(place, oras, files):
    made = place.push("app", "v1")
    oras("manifest", "delete", "--force", place.name("app:v1"))
    place.client.get_manifest("dev/app", made.digest, expect=404)
    for digest in made.blobs:
        oras("blob", "delete", "--force", place.name(f"app@{digest}"))
        assert not place.client.has_blob("dev/app", digest)


# helm and cosign, which take minutes to build


@pytest.mark.long
def test_helm_pushes_and_pulls_a_chart(place):
    helm, home = place.run.helm, place.work / "home/helm"
    helm("registry", "login", "--plain-http", "-u", "alice", "-p", PASSWORD, place.host)
    helm("create", "shop")
    for version in ("1.0.0", "1.1.0+build.5"):
        helm("package", "shop", "--version", version)
        helm("push", "--plain-http", f"shop-{version}.tgz", f"oci://{place.name('charts')}")
    assert place.client.tags("dev/charts/shop") == ["1.0.0", "1.1.0_build.5"]

    chart = f"oci://{place.name('charts/shop')}"
    packed = (home / "shop-1.0.0.tgz").read_bytes()
    (home / "shop-1.0.0.tgz").unlink()
    helm("pull", "--plain-http", chart, "--version", "1.0.0")
    assert (home / "shop-1.0.0.tgz").read_bytes() == packed
    assert "version: 1.1.0+build.5" in helm("show", "chart", "--plain-http", chart)  # the newest



@pytest.fixture
def cosign(place):
    """cosign with a key pair and docker's file of credentials, which is the one it reads."""
    cosign = place.run.cosign
    login = place.work / "home/cosign/.docker"
    login.mkdir(parents=True)
    (login / "config.json").write_text(
        json.dumps({"auths": {place.host: {"username": "alice", "password": PASSWORD}}})
    )
    cosign("generate-key-pair")
    return cosign


# All that is to be known is in the registry: no service is asked.
SIGN = ["sign", "--yes", "--key=cosign.key", "--allow-http-registry",
        "--use-signing-config=false", "--tlog-upload=false"]
VERIFY = ["verify", "--key=cosign.pub", "--allow-http-registry", "--insecure-ignore-tlog"]


@pytest.mark.long
def test_cosign_signs_and_verifies(place, cosign):
    made = place.push("app", "v1")
    signed = place.name(f"app@{made.digest}")
    with pytest.raises(ClientFailed):
        cosign(*VERIFY, signed)
    cosign(*SIGN, signed)
    assert made.digest in cosign(*VERIFY, signed)
    assert len(place.client.referrers("dev/app", made.digest)) == 1
    assert place.client.tags("dev/app") == ["v1"]


@pytest.mark.long
def test_cosign_signs_with_a_tag_as_older_versions_do(place, cosign):
    made = place.push("app", "v1")
    signed = place.name(f"app@{made.digest}")
    cosign(*SIGN, "--new-bundle-format=false", signed)
    assert made.digest in cosign(*VERIFY, "--new-bundle-format=false", signed)
    tag = made.digest.replace(":", "-") + ".sig"
    assert place.client.tags("dev/app") == [tag, "v1"]
