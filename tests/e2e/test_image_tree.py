"""GET /api/v1/images/{name}/{reference}/tree and .../file: the files of an image, folder by folder, and one of them."""

import gzip
import io
import tarfile

import pytest

from accounts import PASSWORD, Accounts
from helpers import Client, artifact, canonical, digest_of, image_of_layers, tar_layer
from waiting import until

pytestmark = pytest.mark.sanitize


def tar(*members):
    """Of (name, type, contents or link)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as archive:
        for name, kind, what in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o4711
            info.mtime = 86400
            info.uid, info.gid = 7, 8
            if kind == tarfile.REGTYPE:
                info.size = len(what)
                archive.addfile(info, io.BytesIO(what))
            else:
                info.linkname = what or ""
                archive.addfile(info)
    return out.getvalue()


FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE

LOWER = tar(
    ("usr", FOLDER, None),
    ("usr/bin", FOLDER, None),
    ("usr/bin/dash", FILE, b"the shell"),
    ("usr/bin/sh", LINK, "dash"),
    ("usr/bin/again", HARD, "usr/bin/dash"),
    ("bin", LINK, "usr/bin"),
    ("opt/old/a", FILE, b"a"),
    ("opt/old/deep/er/b", FILE, b"b"),
    ("srv/x", FILE, b"x"),
    ("loop", LINK, "/loop"),
    ("out", LINK, "../../../../usr"),
)
UPPER = tar(
    ("usr/bin/dash", FILE, b"a newer shell"),
    ("usr/bin/new", FILE, b"new"),
    ("opt/old/.wh..wh..opq", FILE, b""),
    ("opt/old/c", FILE, b"c"),
    (".wh.srv", FILE, b""),
)


def ask(client, repo, reference, what, expect=200, **params):
    """The answer, when there is one."""

    def once():
        r = client.request("GET", f"/api/v1/images/{repo}/{reference}/{what}", None, params=params)
        return None if r.status_code == 202 else r

    answer = until(once, timeout=60)
    assert answer.status_code == expect, answer.text
    return answer


def tree(client, path, **params):
    return ask(client, "team/app", "v1", "tree", path=path, **params).json()


def names(found):
    return [x["name"] for x in found["entries"]]


@pytest.fixture
def pushed(client):
    made = image_of_layers([LOWER, UPPER])
    client.push_image("team/app", made, "v1")
    return made


def test_a_folder_is_listed_as_a_container_sees_it(client, pushed):
    assert names(tree(client, "")) == names(tree(client, "/")) == ["bin", "loop", "opt", "out", "usr"]
    assert names(tree(client, "/usr/bin")) == ["again", "dash", "new", "sh"]


def test_an_entry_says_what_it_is_and_which_layer_has_it(client, pushed):
    again, dash, new, sh = tree(client, "usr/bin/")["entries"]
    assert (dash["kind"], dash["size"], dash["layer"]) == ("file", 13, 1)
    assert (dash["mode"], dash["uid"], dash["gid"]) == ("4711", 7, 8)
    assert dash["modified"].startswith("1970-01-02T00:00:00")
    assert len(dash["sha256"]) == 64
    assert (sh["kind"], sh["link"], sh["layer"]) == ("symlink", "dash", 0)
    assert (again["kind"], again["link"]) == ("hardlink", "usr/bin/dash")
    assert "size" not in sh
    assert new["layer"] == 1


def test_a_folder_without_a_member_is_one(client, pushed):
    assert [x for x in tree(client, "/")["entries"] if x["name"] == "opt"] == [{"name": "opt", "kind": "folder"}]


def test_an_opaque_folder_hides_what_is_below(client, pushed):
    assert names(tree(client, "/opt/old")) == ["c"]


def test_a_deleted_folder_is_not_there(client, pushed):
    answer = ask(client, "team/app", "v1", "tree", 404, path="/srv/x")
    assert "no '/srv' in it" in answer.text


def test_links_are_followed_inside_the_image(client, pushed):
    through = tree(client, "/bin")
    assert through["path"] == "/usr/bin"
    assert names(through) == ["again", "dash", "new", "sh"]
    assert tree(client, "/bin/sh")["path"] == "/usr/bin/dash"
    assert tree(client, "/out/bin/../..")["path"] == "/"
    assert "more than 40 links" in ask(client, "team/app", "v1", "tree", 400, path="/loop").text


def test_a_file_is_described_alone(client, pushed):
    found = tree(client, "/usr/bin/new")
    assert (found["kind"], found["size"], found["path"]) == ("file", 3, "/usr/bin/new")
    assert "entries" not in found


def test_a_layer_is_listed_alone_with_what_it_deletes(client, pushed):
    lower = pushed.document["layers"][0]["digest"]
    assert names(tree(client, "/usr/bin", layer=0)) == names(tree(client, "/usr/bin", layer=lower))
    assert names(tree(client, "/srv", layer=0)) == ["x"]
    top = tree(client, "/", layer=1)
    assert [(x["name"], x["kind"]) for x in top["entries"]] == [
        ("opt", "folder"), ("srv", "whiteout"), ("usr", "folder")]
    assert tree(client, "/opt/old", layer=1)["opaque"] is True
    answer = ask(client, "team/app", "v1", "tree", 404, layer=2)
    assert "a number below 2" in answer.text


def test_pages_go_through_a_folder(client):
    many = [f"f{i:04}" for i in range(250)]
    client.push_image("team/app", image_of_layers([tar_layer({f"big/{x}": b"" for x in many})]), "v1")
    found, url = [], "/api/v1/images/team/app/v1/tree?path=/big&n=100"
    tree(client, "/big")
    while url:
        r = client.request("GET", url, 200)
        found += names(r.json())
        assert len(r.json()["entries"]) <= 100
        url = r.links.get("next", {}).get("url")
    assert found == many


def test_a_name_that_is_no_utf8_can_be_asked_for(client):
    odd = tar(("d/\udcff\udcfe/x", FILE, b"x"))
    client.push_image("team/app", image_of_layers([odd]), "v1")
    (entry,) = tree(client, "/d")["entries"]
    assert entry["name_percent"] == "%FF%FE"
    r = client.request("GET", "/api/v1/images/team/app/v1/tree?path=/d/" + entry["name_percent"], 200)
    assert names(r.json()) == ["x"]


@pytest.mark.config({"analysis": {"memory_bytes": "1MiB"}})
def test_a_folder_of_an_image_with_many_files_needs_no_more_than_it_holds(client):
    """Analysis has too little memory for these; a folder of them has enough."""
    members = {f"a/{i}": b"" for i in range(4000)}
    client.push_image("team/app", image_of_layers([tar_layer(members), tar_layer({"b/c": b""})]), "v1")
    assert names(tree(client, "/b")) == ["c"]
    assert names(tree(client, "/")) == ["a", "b"]


def file(client, path, **params):
    return ask(client, "team/app", "v1", "file", path=path, **params)


def test_a_file_is_what_a_container_sees(client, pushed):
    assert file(client, "/usr/bin/dash").content == b"a newer shell"
    assert file(client, "usr/bin/dash", layer=0).content == b"the shell"
    assert file(client, "/opt/old/c").content == b"c"
    assert file(client, "/opt/old/deep/er/b", layer=0).content == b"b"


def test_links_lead_to_contents(client, pushed):
    """A hard link keeps those of its own layer, whatever its other name has become."""
    assert file(client, "/bin/sh").content == b"a newer shell"
    assert file(client, "/bin/again").content == b"the shell"


def test_a_file_is_sent_so_that_no_browser_runs_it(client, pushed):
    answer = file(client, "/bin/sh")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="dash"'
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["ETag"] == f'"{digest_of(answer.content).removeprefix("sha256:")}"'


def test_a_part_of_a_file_is_sent_and_what_the_client_has_is_not(client, pushed):
    url = "/api/v1/images/team/app/v1/file?path=/bin/sh"
    whole = file(client, "/bin/sh")
    part = client.request("GET", url, 206, headers={"Range": "bytes=2-6"})
    assert part.content == b"newer"
    client.request("GET", url, 304, headers={"If-None-Match": whole.headers["ETag"]})


def test_any_file_of_a_layer_of_any_packing_can_be_had(client):
    files = {f"d/{i}": bytes([i]) * (i * 997) for i in range(40)}
    files["empty"] = b""
    files["x/" + "long" * 60] = b"behind a PAX header"
    layer = tar_layer(files)
    for pack in (gzip.compress, lambda x: x, lambda x: gzip.compress(x[:5000]) + gzip.compress(x[5000:])):
        made, packed = image_of_layers([layer]), pack(layer)
        document = made.document
        document["layers"][0].update(digest=digest_of(packed), size=len(packed))
        made.blobs[digest_of(packed)] = packed
        made.manifest = canonical(document)
        client.push_image("team/app", made, "v1")
        for name in ("d/1", "d/39", "empty", "x/" + "long" * 60):
            assert file(client, name).content == files[name]


def test_what_is_no_file_is_told(client, pushed):
    assert "'/bin' is a folder" in ask(client, "team/app", "v1", "file", 400, path="/bin").text
    assert "ask with 'path'" in ask(client, "team/app", "v1", "file", 400).text
    ask(client, "team/app", "v1", "file", 404, path="/usr/bin/none")
    ask(client, "team/app", "v1", "file", 404, path="/usr/bin/dash/x")


@pytest.mark.config({"analysis": {"file_room": 9}})
def test_a_file_that_is_too_large_is_told(client, pushed):
    assert file(client, "/bin/again").content == b"the shell"
    answer = ask(client, "team/app", "v1", "file", 413, path="/bin/sh")
    assert "13 bytes" in answer.text and "no more than 9" in answer.text


def test_what_is_no_image_has_no_files(client):
    client.push_image("team/app", artifact("application/x-chart", [("application/x-thing", b"1")]), "v1")
    assert "no tar" in ask(client, "team/app", "v1", "tree", 422).text


@pytest.mark.config({
    "auth": "local",
    "policy": [{"subjects": ["user:bob"], "actions": ["pull"], "repositories": ["dev/**"]}],
})
def test_it_takes_the_right_to_pull(registry):
    accounts = Accounts(registry)
    accounts.add("alice", "--admin")
    accounts.add("bob")
    with Client(registry.url, auth=("alice", PASSWORD)) as alice:
        for repo in ("dev/app", "prod/app"):
            alice.push_image(repo, image_of_layers([LOWER]), "v1")
    with Client(registry.url, auth=("bob", PASSWORD)) as bob, Client(registry.url) as nobody:
        ask(bob, "dev/app", "v1", "tree")
        assert ask(bob, "dev/app", "v1", "file", path="/srv/x").content == b"x"
        for what in ("tree", "file?path=/srv/x"):
            bob.request("GET", f"/api/v1/images/prod/app/v1/{what}", 404)
        nobody.request("GET", "/api/v1/images/dev/app/v1/tree", 401)
