"""Small archives of images, fine, odd and hostile, each with what is to be found in it.

cases() gives (name, bytes, expectation). An expectation is the code of a refusal, or a list of
images: (names, digest of the manifest or None for one that is made, layers)."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import struct
import subprocess
import tarfile
import zlib

OCI = "application/vnd.oci.image."
MANIFEST, INDEX, CONFIG = (OCI + k for k in ("manifest.v1+json", "index.v1+json", "config.v1+json"))
LAYER = OCI + "layer.v1.tar"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


def sha(data):
    return hashlib.sha256(data).hexdigest()


def js(value):
    return json.dumps(value, separators=(",", ":")).encode()


# --- tar, written by hand: half of what is to be read no library would write


def pad(data):
    return data + bytes(-len(data) % 512)


def summed(head):
    head = bytearray(head)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def head(name, size, kind=b"0", link="", magic=b"ustar\x0000", size_field=None, prefix=b""):
    parts = [
        name.encode()[:100].ljust(100, b"\0"),
        b"0000644\0" + b"0000000\0" * 2,
        size_field or b"%011o\0" % size,
        b"00000000000\0" + b" " * 8 + kind,
        link.encode().ljust(100, b"\0"),
        magic.ljust(8, b"\0"),
        bytes(80),
        prefix.ljust(155, b"\0"),
        bytes(12),
    ]
    return summed(b"".join(parts))


def file(name, data=b"", **kwargs):
    return head(name, len(data), **kwargs) + pad(data)


def folder(name):
    return head(name, 0, b"5")


def symlink(name, to):
    return head(name, 0, b"2", to)


def hard_link(name, to):
    return head(name, 0, b"1", to)


def pax(records, kind=b"x"):
    data = b""
    for key, value in records:
        record = b" %s=%s\n" % (key, value)
        n = len(record) + len(str(len(record) + 2))
        data += str(n).encode() + record
    return file("pax", data, kind=kind)


END = bytes(1024)


def tar(*members, end=END):
    return b"".join(members) + end


# --- packing


def packed(data):
    return gzip.compress(data, mtime=0)


def zstd(data, *options):
    return subprocess.run(["zstd", "-qc", *options], input=data, stdout=subprocess.PIPE, check=True).stdout


def zstd_long(data):
    """It needs 128 MiB to be unpacked."""
    return zstd(data, "--long=27")


# --- one small image

ONE = tar(file("one.txt", b"1\n" * 40))
TWO = tar(file("two.txt", b"2\n" * 80))
OTHER = tar(file("other.txt", b"nobody expects this\n"))


def config(*layers, architecture="amd64", **more):
    return js(
        {
            "architecture": architecture,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(layer) for layer in layers]},
            "history": [{"created_by": "test"} for _ in layers],
            **more,
        }
    )


BOTH = config(ONE, TWO)
TAG = "team/app:1"


def item(config_name="config.json", layers=("one.tar", "two.tar"), tags=(TAG,), **more):
    return {"Config": config_name, "RepoTags": tags, "Layers": layers, **more}


def manifest_json(*items):
    return file("manifest.json", js(items or [item()]))


F1, F2, FC = file("one.tar", ONE), file("two.tar", TWO), file("config.json", BOTH)
FM = manifest_json()
GOOD = tar(F1, F2, FC, FM)
LAYERS = [sha(ONE)[:12], sha(TWO)[:12]]
IMAGE = [([TAG], None, LAYERS)]


def fine(*members, layers=LAYERS, end=END):
    return tar(*members, end=end), [([TAG], None, layers)]


def one_layer(*members, name="a/layer.tar", twice=False):
    layers = [name, "x/layer.tar"] if twice else [name]
    return fine(
        *members,
        file("config.json", config(*[ONE] * len(layers))),
        manifest_json(item(layers=layers)),
        layers=[LAYERS[0]] * len(layers),
    )


def refused_layer(code, *members, name="a/layer.tar"):
    return one_layer(*members, name=name)[0], code


def tagged(*tags):
    return tar(F1, F2, FC, manifest_json(item(tags=list(tags))))


def docker_fine():
    long = "x" * 120 + ".tar"
    yield "last", fine(F1, F2, FC, FM)
    yield "first", fine(FM, FC, F1, F2)
    yield "middle", fine(F2, FM, F1, FC)
    yield "dot-slash", fine(
        folder("./"), *(file("./" + n, d) for n, d in (("one.tar", ONE), ("two.tar", TWO))), FC,
        file("./manifest.json", js([item(layers=["./one.tar", "two.tar"])]))
    )  # fmt: skip
    yield "gzip-layer", fine(file("one.tar", packed(ONE)), F2, FC, FM)
    yield "gzip-members-layer", fine(file("one.tar", packed(ONE[:700]) + packed(ONE[700:])), F2, FC, FM)
    yield "zstd-layer", fine(file("one.tar", zstd(ONE)), F2, FC, FM)
    yield "zstd-layer-long", (fine(file("one.tar", zstd_long(ONE)), F2, FC, FM)[0], "DECODER_MEMORY")
    yield "zstd-stranger-long", fine(file("x", zstd_long(ONE)), F1, F2, FC, FM)
    yield "lying-names", fine(
        file("0" * 64 + ".json", BOTH), file("1" * 64 + ".tar", ONE), F2,
        manifest_json(item("0" * 64 + ".json", ["1" * 64 + ".tar", "two.tar"]))
    )  # fmt: skip
    yield "symlink-back", one_layer(file("x/layer.tar", ONE), symlink("a/layer.tar", "../x/layer.tar"))
    yield "symlink-forward", one_layer(symlink("a/layer.tar", "../x/layer.tar"), file("x/layer.tar", ONE))
    yield "symlink-chain", one_layer(
        symlink("a/layer.tar", "../b/layer.tar"), symlink("b/layer.tar", "../c"), file("c", ONE)
    )
    yield "hard-link-back", one_layer(
        file("x/layer.tar", ONE), hard_link("a/layer.tar", "x/layer.tar"), twice=True
    )
    yield "hard-link-forward", one_layer(
        hard_link("a/layer.tar", "x/layer.tar"), file("x/layer.tar", ONE), twice=True
    )
    yield "symlink-manifest", fine(F1, F2, FC, file("m.json", js([item()])), symlink("manifest.json", "m.json"))
    yield "layer-listed-twice", one_layer(file("x/layer.tar", ONE), name="x/layer.tar", twice=True)
    yield "twice-the-same", fine(F1, F1, F2, FC, FM)
    yield "pax-name", fine(pax([(b"path", b"one.tar"), (b"x", b"\1\n\2")]), file("short", ONE), F2, FC, FM)
    yield "pax-size", fine(pax([(b"size", b"%d" % len(ONE))]), head("one.tar", 0) + pad(ONE), F2, FC, FM)
    yield "pax-global", fine(pax([(b"comment", b"hello")], b"g"), F1, F2, FC, FM)
    yield "gnu-long-name", fine(
        file("././@LongLink", long.encode() + b"\0", kind=b"L", magic=b"ustar  \0"),
        file("x" * 100, ONE, magic=b"ustar  \0"), F2, FC,
        manifest_json(item(layers=[long, "two.tar"]))
    )  # fmt: skip
    yield "ustar-prefix", fine(
        file("one.tar", ONE, prefix=b"p" * 90), F2, FC, manifest_json(item(layers=["p" * 90 + "/one.tar", "two.tar"]))
    )
    base256 = b"\x80" + len(ONE).to_bytes(11, "big")
    yield "base256-size", fine(head("one.tar", 0, size_field=base256) + pad(ONE), F2, FC, FM)
    yield "version7", fine(file("one.tar", ONE, kind=b"\0", magic=b""), F2, FC, FM)
    yield "contiguous", fine(file("one.tar", ONE, kind=b"7"), F2, FC, FM)
    yield "no-end", fine(F1, F2, FC, FM, end=b"")
    yield "half-an-end", fine(F1, F2, FC, FM, end=bytes(512))
    yield "record-padded", fine(F1, F2, FC, FM, end=bytes(9216))
    yield "behind-the-end", fine(F1, F2, FC, FM, end=END + b"whatever" * 99)
    yield "strangers", fine(
        file("README", b"hello\n"), symlink("gone", "nowhere"), head("pipe", 0, b"6"), head("disk", 0, b"4"),
        file("/absolute", b"x"), file("../above", b"x"), file("broken.gz", packed(ONE)[:-9]), F1, F2, FC, FM
    )  # fmt: skip
    other_case = {"config": "config.json", "repoTags": [TAG], "layers": ["one.tar", "two.tar"]}
    yield "keys-in-another-case", fine(F1, F2, FC, manifest_json(other_case))  # of containerify 4.1.0
    yield "root-member", fine(folder("/"), F1, F2, FC, FM)  # of docker-export 1.2.0
    yield "unknown-keys", fine(F1, F2, FC, manifest_json(item(LayerSources={}, Parent="x")))
    nothing = file("config.json", config())
    yield "no-layers", fine(nothing, manifest_json(item(layers=[])), layers=[])
    yield "null-layers", fine(nothing, manifest_json(item(layers=None)), layers=[])
    indented = json.dumps(json.loads(BOTH), indent=2).encode() + b"\n"  # as Nix writes it
    yield "config-indented", fine(F1, F2, file("config.json", indented), FM)
    padded = ONE + bytes(9216)
    yield "layer-record-padded", fine(
        file("one.tar", padded), F2, file("config.json", config(padded, TWO)), FM, layers=[sha(padded)[:12], LAYERS[1]]
    )
    text = b"hello\n"  # no tool looks into layers when it loads them
    yield "layer-no-tar", fine(
        file("one.tar", text), F2, file("config.json", config(text, TWO)), FM, layers=[sha(text)[:12], LAYERS[1]]
    )


def nix():
    """As the dockerTools of Nix write it, with Python's tarfile in one stream: JSON with an indent, layers in folders of their
    own digests, names in layers that are absolute, and a customisation layer whose names are not."""

    def stream(*members):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w|") as archive:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.type, info.size = (tarfile.DIRTYPE, 0) if data is None else (tarfile.REGTYPE, len(data))
                archive.addfile(info, io.BytesIO(data or b""))
        return out.getvalue()

    store = "/nix/store/" + "0" * 32 + "-hello-2.12"
    program = (store + "/bin/hello", b"#!/bin/sh\n")
    layers = [
        stream(("/nix", None), ("/nix/store", None), (store, None), (store + "/bin", None), program),
        stream(("bin/hello", b"x"), ("etc/" + "long/" * 30 + "name", b"y")),
    ]
    described = json.dumps(json.loads(config(*layers)), indent=4).encode()
    names = [sha(layer) + "/layer.tar" for layer in layers]
    found = [([TAG], None, [sha(layer)[:12] for layer in layers])]
    manifest = json.dumps([item(sha(described) + ".json", names)], indent=4).encode()
    archive = stream(*zip(names, layers), (sha(described) + ".json", described), ("manifest.json", manifest))
    yield "nix", (archive, found)
    yield "nix-gzip", (packed(archive), found)


def docker_names():
    for name, tags in (("null", None), ("empty", [])):
        yield "tags-" + name, (tar(F1, F2, FC, manifest_json(item(tags=tags))), [([], None, LAYERS)])
    yield "tags-absent", (
        tar(F1, F2, FC, file("manifest.json", js([{"Config": "config.json", "Layers": ["one.tar", "two.tar"]}]))),
        [([], None, LAYERS)],
    )
    for name in ("app:1", "localhost/app:1", "registry.example:5000/team/app:1"):
        yield "tag-" + name.replace("/", "_"), (tagged(name), [([name], None, LAYERS)])
    yield "tags-two", (tagged(TAG, "team/b:2"), [([TAG, "team/b:2"], None, LAYERS)])
    for name in ("Team/App:1", "team/app", "team/app@sha256:" + "1" * 64, "<none>:<none>", ":1", "a:", "/a:1"):
        yield "bad-tag-" + name.replace("/", "_"), (tagged(name), "NAME")
    second = file("second.json", config(ONE, variant="second"))
    both = manifest_json(item(), item("second.json", ["one.tar"], ["team/b:1"]))
    yield "two-images", (tar(F1, F2, FC, second, both), [([TAG], None, LAYERS), (["team/b:1"], None, LAYERS[:1])])
    yield "two-images-one-tag", (
        tar(F1, F2, FC, second, manifest_json(item(), item("second.json", ["one.tar"]))),
        [([TAG], None, LAYERS), ([TAG], None, LAYERS[:1])],
    )
    yield "two-images-no-tags", (
        tar(F1, F2, FC, second, manifest_json(item(tags=None), item("second.json", ["one.tar"], None))),
        [([], None, LAYERS), ([], None, LAYERS[:1])],
    )
    same = manifest_json(item(), item(tags=["team/b:1"]))
    yield "two-items-one-image", (tar(F1, F2, FC, same), [([TAG, "team/b:1"], None, LAYERS)])


def sparse():
    start = bytearray(head("one.tar", 512, b"S", magic=b"ustar  \0"))
    start[386:410] = b"%011o\0%011o\0" % (0, 512)
    start[483:495] = b"%011o\0" % len(ONE)
    yield "sparse-gnu", (tar(summed(start) + ONE[:512], F2, FC, FM), "SPARSE")
    start[482] = 1
    yield "sparse-gnu-long-map", (tar(summed(start) + bytes(512) + ONE[:512], F2, FC, FM), "SPARSE")
    records = [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"one.tar")]
    yield "sparse-pax", (tar(pax(records), file("other", pad(b"1\n0\n512\n") + ONE[:512]), F2, FC, FM), "SPARSE")
    yield "sparse-stranger", (tar(summed(start) + bytes(512) + ONE[:512], file("1.tar", ONE), F2, FC,
                                  manifest_json(item(layers=["1.tar", "two.tar"]))), IMAGE)  # fmt: skip


def tar_refused():
    yield "empty", (b"", "EMPTY")
    yield "text", (b"hello, world\n", "TAR_HEADER")
    yield "long-text", (b"hello, world\n" * 99, "TAR_HEADER")
    yield "cut-in-layer", (GOOD[:700], "CUT")
    yield "cut-in-padding", (tar(FM, FC, F1, file("two.tar", TWO[:-300]), end=b"")[:-100], "CUT")
    yield "cut-in-header", (GOOD[: len(F1) + 200], "CUT")
    yield "cut-behind-pax", (tar(F1, F2, FC, FM, pax([(b"path", b"x")]), end=b""), "CUT")
    yield "checksum", (tar(F1, F2[:148] + b"000000\0 " + F2[156:], FC, FM), "TAR_HEADER")
    yield "negative-size", (tar(head("one.tar", 0, size_field=b"\xff" * 12), F2, FC, FM), "TAR_HEADER")
    yield "size-no-number", (tar(head("one.tar", 0, size_field=b"00000009999\0"), F2, FC, FM), "TAR_HEADER")
    huge = b"\x80\0\0\0\x7f" + b"\xff" * 7
    yield "size-8-eib", (tar(F1, F2, FC, FM, head("huge", 0, size_field=huge), end=b""), "UNPACKED_TOO_LARGE")
    yield "size-16-eib", (tar(F1, head("huge", 0, size_field=b"\x80" + b"\xff" * 11)), "TAR_HEADER")
    yield "pax-negative-size", (tar(pax([(b"size", b"-1")]), F1, F2, FC, FM), "TAR_HEADER")
    yield "pax-no-record", (tar(file("pax", b"99 path=x\n", kind=b"x"), F1, F2, FC, FM), "TAR_HEADER")
    yield "pax-global-path", (tar(pax([(b"path", b"x")], b"g"), F1, F2, FC, FM), "TAR_HEADER")
    yield "pax-nul", (tar(pax([(b"path", b"one.tar\0x")]), F1, F2, FC, FM), "TAR_HEADER")
    yield "pax-huge", (tar(head("pax", 1 << 20, b"x") + bytes(1 << 19)), "TAR_HEADER")
    yield "name-huge", (tar(pax([(b"path", b"x" * 5000)]), F1, F2, FC, FM), "TAR_HEADER")
    yield "link-with-contents", (tar(head("a", 512, b"1", "one.tar") + bytes(512), F1, F2, FC, FM), "TAR_HEADER")
    yield "more-behind-a-zero-block", (tar(F1, F2, bytes(512), FC, FM), "TAR_HEADER")
    yield "continued", (tar(head("one.tar", 0, b"M"), F1, F2, FC, FM), "TAR_HEADER")
    yield "many-members", (tar(*[folder("a")] * 101), "TOO_MANY_MEMBERS")
    yield "zeros", (END, "NOT_AN_IMAGE")
    yield "no-manifest", (tar(F1, F2, FC), "NOT_AN_IMAGE")
    yield "in-a-folder", (tar(folder("image/"), file("image/manifest.json", js([item()]))), "NOT_AN_IMAGE")
    yield "before-docker-1.10", (tar(file("a/json", b"{}"), file("repositories", b"{}")), "OLD_FORMAT")


def docker_refused():
    def described(code, data):
        return tar(F1, F2, FC, file("manifest.json", data)), code

    yield "manifest-empty-list", described("NO_IMAGE", b"[]")
    yield "manifest-object", described("SCHEMA", js(item()))
    yield "manifest-no-json", described("NOT_JSON", b'{"Config"')
    yield "manifest-key-twice", described("NOT_JSON", b'[{"Config":"a","Config":"config.json"}]')
    yield "manifest-key-twice-in-two-cases", described("SCHEMA", js([item(layers=["one.tar"], layerS=["two.tar"])]))
    yield "manifest-deep", described("NOT_JSON", b"[" * 999 + b"]" * 999)
    yield "manifest-text", described("JSON_TOO_LARGE", b"x" * (70 << 10))
    yield "manifest-large", described("JSON_TOO_LARGE", js([item(more="x" * (70 << 10))]))
    yield "manifest-no-config", described("SCHEMA", js([{"Layers": []}]))
    yield "manifest-tags-text", described("SCHEMA", js([item(tags=TAG)]))
    yield "manifest-layers-numbers", described("SCHEMA", js([item(layers=[1])]))
    yield "manifest-layers-many", described("TOO_DEEP", js([item(layers=["one.tar"] * 1001)]))
    yield "layer-missing", (tar(F1, FC, FM), "MISSING")
    yield "config-missing", (tar(F1, F2, FM), "MISSING")
    for name, data, code in (
        ("no-json", b"hello", "NOT_JSON"),
        ("list", b"[]", "SCHEMA"),
        ("too-few-diff-ids", config(ONE, history=[]), "DIFF_ID_COUNT"),
        ("too-many-diff-ids", config(ONE, TWO, ONE, history=[]), "DIFF_ID_COUNT"),
        ("no-rootfs", config(ONE, TWO, rootfs=None), "SCHEMA"),
        ("short-history", config(ONE, TWO, history=[{}]), "HISTORY"),
        ("os", config(ONE, TWO, os="<os>"), "PLATFORM"),
        ("architecture", config(ONE, TWO, architecture=7), "PLATFORM"),
        ("wrong-diff-id", config(ONE, OTHER), "DIFF_ID"),
        ("wrong-order", config(TWO, ONE), "DIFF_ID"),
    ):
        yield "config-" + name, (tar(F1, F2, file("config.json", data), FM), code)
    empty = config(ONE, TWO, history=[{}, {"empty_layer": True}, {}])
    yield "history-with-empty-layers", (tar(F1, F2, file("config.json", empty), FM), IMAGE)
    yield "layer-cut-gzip", (tar(file("one.tar", packed(ONE)[:-9]), F2, FC, FM), "CUT")
    yield "layer-wrong-crc", (tar(file("one.tar", packed(ONE)[:-8] + bytes(8)), F2, FC, FM), "PACKED_WRONG")
    # As skopeo 1.9.3 packs it as zstd:chunked: findings/skopeo_zstd_chunked_padding.sh.
    padded = file("config.json", config(ONE + bytes(9216), TWO))
    yield "layer-padding-cut", (tar(file("one.tar", zstd(ONE)), F2, padded, FM), "DIFF_ID")
    yield "layer-trailing", (tar(file("one.tar", packed(ONE) + b"x"), F2, FC, FM), "PACKED_TRAILING")
    yield "layer-bad-first", (tar(file("one.tar", OTHER), F1, F2, FC, FM), "TWICE")
    yield "layer-bad-last", (tar(F1, F2, FC, FM, file("one.tar", OTHER)), "TWICE")
    yield "file-and-link", (tar(F1, F2, FC, FM, symlink("one.tar", "two.tar")), "TWICE")
    last = manifest_json(item(tags=["team/app:2"]))
    yield "manifest-twice", (tar(F1, F2, FC, FM, last), "TWICE")
    yield "layer-absolute", refused_layer("OUTSIDE", file("/one.tar", ONE), name="/one.tar")
    yield "layer-above", refused_layer("OUTSIDE", file("../one.tar", ONE), name="../one.tar")
    yield "member-absolute", refused_layer("MISSING", file("/a/layer.tar", ONE))
    yield "layer-roundabout", refused_layer("MISSING", file("b/../a/layer.tar", ONE))
    yield "layer-folder", refused_layer("NOT_A_FILE", folder("a/layer.tar/"))
    yield "layer-device", refused_layer("NOT_A_FILE", head("a/layer.tar", 0, b"3"))
    yield "link-circle", refused_layer(
        "LINKS", symlink("a/layer.tar", "../b/layer.tar"), symlink("b/layer.tar", "../a/layer.tar")
    )
    yield "link-outside", refused_layer("OUTSIDE", symlink("a/layer.tar", "../../etc/hostname"))
    yield "link-absolute", refused_layer("OUTSIDE", symlink("a/layer.tar", "/etc/hostname"))
    yield "link-nowhere", refused_layer("MISSING", symlink("a/layer.tar", "nowhere"))
    yield "link-folder", refused_layer("MISSING", symlink("a", "b"), file("b/layer.tar", ONE))
    fan = [symlink("%d" % i, "%d" % (i + 1)) for i in range(9) for _ in (0, 1)]
    yield "link-fan", refused_layer("LINKS", *fan, file("9", ONE), name="0")


def wrapped():
    half = len(GOOD) // 2
    yield "w-gzip", (packed(GOOD), IMAGE)
    yield "w-zstd", (zstd(GOOD), IMAGE)
    yield "w-xz", (lzma.compress(GOOD), IMAGE)
    yield "w-bzip2", (bz2.compress(GOOD), IMAGE)
    yield "w-gzip-members", (packed(GOOD[:half]) + packed(GOOD[half:]) + packed(b""), IMAGE)
    yield "w-gzip-name", (b"\x1f\x8b\x08\x18" + bytes(5) + b"\xffimage.tar\0comment\0" + packed(GOOD)[10:], IMAGE)
    yield "w-zstd-frames", (zstd(GOOD[:half]) + zstd(GOOD[half:]), IMAGE)
    yield "w-zstd-skippable", (b"\x50\x2a\x4d\x18\4\0\0\0skip" + zstd(GOOD), IMAGE)
    yield "w-xz-streams", (lzma.compress(GOOD[:half]) + lzma.compress(GOOD[half:]), IMAGE)
    yield "w-bzip2-streams", (bz2.compress(GOOD[:half]) + bz2.compress(GOOD[half:]), IMAGE)
    for name, pack in (("gzip", packed), ("zstd", zstd), ("xz", lzma.compress), ("bzip2", bz2.compress)):
        yield "w-cut-" + name, (pack(GOOD)[:-5], "CUT")
        damaged = bytearray(pack(GOOD))
        damaged[-12 if name == "gzip" else len(damaged) // 2] ^= 0x55  # of gzip: behind what tar reads
        yield "w-damaged-" + name, (bytes(damaged), "PACKED_WRONG")
    crc = struct.pack("<I", zlib.crc32(GOOD) ^ 1)
    yield "w-gzip-crc", (packed(GOOD)[:-8] + crc + packed(GOOD)[-4:], "PACKED_WRONG")
    yield "w-gzip-trailing", (packed(GOOD) + b"garbage", "PACKED_TRAILING")
    yield "w-gzip-zeros", (packed(GOOD) + bytes(512), "PACKED_TRAILING")
    yield "w-bzip2-trailing", (bz2.compress(GOOD) + b"garbage", "PACKED_TRAILING")
    yield "w-zstd-long", (zstd_long(GOOD), "DECODER_MEMORY")
    yield "w-xz-9", (lzma.compress(GOOD, preset=9), "DECODER_MEMORY")
    yield "w-zstd-trailing", (zstd(GOOD) + b"garbage", "PACKED_WRONG")
    yield "w-xz-trailing", (lzma.compress(GOOD) + b"garbage" * 3, "PACKED_WRONG")
    yield "w-gzip-twice", (packed(packed(GOOD)), "TAR_HEADER")
    yield "bomb", (packed(file("zeros", bytes(9 << 20))), "UNPACKED_TOO_LARGE")
    yield "bomb-in-a-layer", (tar(file("zeros.gz", packed(bytes(9 << 20)))), "UNPACKED_TOO_LARGE")
    yield "large", (tar(file("large", bytes(2 << 20))), "TOO_LARGE")


# --- OCI layouts


def blob(data, algorithm="sha256"):
    return pax([(b"path", b"blobs/%s/%s" % (algorithm.encode(), hashlib.new(algorithm, data).hexdigest().encode()))]) + file("blob", data)


def desc(media_type, data, **more):
    return {"mediaType": media_type, "digest": "sha256:" + sha(data), "size": len(data), **more}


def named(name, key="org.opencontainers.image.ref.name"):
    return {"annotations": {key: name}}


def manifest(cfg, *layers, kind=LAYER, media_type=MANIFEST, config_type=CONFIG, **more):
    return js(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": desc(config_type, cfg),
            "layers": [desc(kind, layer) for layer in layers],
            **more,
        }
    )


def index(*descriptors, **more):
    return js({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(descriptors), **more})


def layout(index_json, *blobs, version=LAYOUT):
    return tar(*map(blob, blobs), file("index.json", index_json), file("oci-layout", version))


G1, G2 = packed(ONE), packed(TWO)
ARM = config(ONE, TWO, architecture="arm64")
M_AMD, M_ARM = manifest(BOTH, G1, G2, kind=LAYER + "+gzip"), manifest(ARM, G1, G2, kind=LAYER + "+gzip")
BLOBS = (G1, G2, BOTH, M_AMD)


def short(data):
    return "sha256:" + sha(data)[:12]


def oci(found, *descriptors, blobs=BLOBS):
    return layout(index(*descriptors), *blobs), found


def oci_fine():
    top = desc(MANIFEST, M_AMD, **named("1"))
    image = [(["1"], short(M_AMD), LAYERS)]
    yield "o-last", oci(image, top)
    yield "o-first", (tar(file("oci-layout", LAYOUT), file("index.json", index(top)), *map(blob, BLOBS)), image)
    yield "o-no-names", oci([([], short(M_AMD), LAYERS)], desc(MANIFEST, M_AMD))
    full = "registry.example:5000/team/app:1"
    yield "o-full-name", oci([([full], short(M_AMD), LAYERS)], desc(MANIFEST, M_AMD, **named(full)))
    both = {"annotations": {"io.containerd.image.name": full, "org.opencontainers.image.ref.name": "1"}}
    yield "o-containerd-name", oci([([full], short(M_AMD), LAYERS)], desc(MANIFEST, M_AMD, **both))
    yield "o-no-name", oci([([], short(M_AMD), LAYERS)], desc(MANIFEST, M_AMD, **named("no / name!")))
    yield "o-two-names", oci([(["1", "2"], short(M_AMD), LAYERS)], top, desc(MANIFEST, M_AMD, **named("2")))
    yield "o-two-images", oci(
        image + [(["2"], short(M_ARM), LAYERS)], top, desc(MANIFEST, M_ARM, **named("2")), blobs=(*BLOBS, ARM, M_ARM)
    )
    many = index(desc(MANIFEST, M_AMD), desc(MANIFEST, M_ARM))
    whole = [(["1"], short(many), "index of 2")]
    yield "o-nested-index", oci(whole, desc(INDEX, many, **named("1")), blobs=(*BLOBS, ARM, M_ARM, many))
    yield "o-platforms-without-index", oci(
        [([], short(M_AMD), LAYERS), ([], short(M_ARM), LAYERS)],
        *(
            desc(MANIFEST, made, platform={"architecture": architecture, "os": "linux"})
            for made, architecture in ((M_AMD, "amd64"), (M_ARM, "arm64"))
        ),
        blobs=(*BLOBS, ARM, M_ARM),
    )
    yield "o-partial-index", oci(whole, desc(INDEX, many, **named("1")), blobs=(*BLOBS, many))
    listed = whole + [([], short(M_AMD), LAYERS), ([], short(M_ARM), LAYERS)]
    children = [desc(MANIFEST, M_AMD), desc(MANIFEST, M_ARM)]
    yield "o-children-listed", oci(
        listed, desc(INDEX, many, **named("1")), *children, blobs=(*BLOBS, ARM, M_ARM, many)
    )
    z1, z2 = zstd(ONE), zstd(TWO)
    m_zstd = manifest(BOTH, z1, z2, kind=LAYER + "+zstd")
    yield "o-zstd", oci([(["1"], short(m_zstd), LAYERS)], desc(MANIFEST, m_zstd, **named("1")), blobs=(z1, z2, BOTH, m_zstd))
    statement = js({"_type": "https://in-toto.io/Statement/v0.1"})
    unknown = config(statement, architecture="unknown", history=[])
    m_att = manifest(unknown, statement, kind="application/vnd.in-toto+json")
    ix = index(desc(MANIFEST, M_AMD), desc(MANIFEST, m_att, platform={"architecture": "unknown", "os": "unknown"}))
    yield "o-attestation", oci(
        [(["1"], short(ix), "index of 2")], desc(INDEX, ix, **named("1")), blobs=(*BLOBS, statement, unknown, m_att, ix)
    )
    empty = "application/vnd.oci.empty.v1+json"
    m_art = manifest(b"{}", b"hello\n", kind="text/plain", config_type=empty, artifactType="application/x-test")
    yield "o-artifact", oci(
        [(["1"], short(m_art), "artifact")], desc(MANIFEST, m_art, **named("1")), blobs=(b"{}", b"hello\n", m_art)
    )
    m_ref = manifest(b"{}", b"hello\n", kind="text/plain", config_type=empty, subject=desc(MANIFEST, M_AMD))
    yield "o-referrer", oci(
        image + [([], short(m_ref), "artifact")], top, desc(MANIFEST, m_ref), blobs=(*BLOBS, b"{}", b"hello\n", m_ref)
    )
    foreign = {"urls": ["https://layers.example/"]}
    kinds = [desc(LAYER + "+gzip", G1), desc(OCI + "layer.nondistributable.v1.tar+gzip", G2, **foreign)]
    m_for = manifest(BOTH) .replace(b'"layers":[]', b'"layers":' + js(kinds))
    yield "o-foreign-layer", oci([(["1"], short(m_for), LAYERS)], desc(MANIFEST, m_for, **named("1")), blobs=(G1, BOTH, m_for))
    m_null = manifest(config()).replace(b'"layers":[]', b'"layers":null')
    yield "o-null-layers", oci([(["1"], short(m_null), [])], desc(MANIFEST, m_null, **named("1")), blobs=(config(), m_null))
    docker = "application/vnd.docker."
    m_docker = manifest(BOTH, G1, G2, kind=docker + "image.rootfs.diff.tar.gzip",
                        media_type=docker + "distribution.manifest.v2+json", config_type=docker + "container.image.v1+json")  # fmt: skip
    yield "o-docker-types", oci(
        [(["1"], short(m_docker), LAYERS)],
        desc(docker + "distribution.manifest.v2+json", m_docker, **named("1")), blobs=(G1, G2, BOTH, m_docker)
    )  # fmt: skip
    long = "sha512:" + hashlib.sha512(M_AMD).hexdigest()
    d512 = {"mediaType": MANIFEST, "digest": long, "size": len(M_AMD), **named("1")}
    yield "o-sha512", (
        tar(*map(blob, BLOBS[:3]), blob(M_AMD, "sha512"), file("index.json", index(d512)), file("oci-layout", LAYOUT)),
        [(["1"], long[:19], LAYERS)],
    )
    g512 = {"mediaType": LAYER + "+gzip", "digest": "sha512:" + hashlib.sha512(G1).hexdigest(), "size": len(G1)}
    p512 = {"mediaType": LAYER, "digest": "sha512:" + hashlib.sha512(TWO).hexdigest(), "size": len(TWO)}
    m512 = manifest(BOTH).replace(b'"layers":[]', b'"layers":' + js([g512, p512]))
    yield "o-sha512-layers", (
        tar(blob(G1, "sha512"), blob(TWO, "sha512"), blob(BOTH), blob(m512),
            file("index.json", index(desc(MANIFEST, m512, **named("1")))), file("oci-layout", LAYOUT)),
        [(["1"], short(m512), LAYERS)],
    )  # fmt: skip
    yield "o-symlink-blob", (
        tar(file("data", G1), pax([(b"path", b"blobs/sha256/" + sha(G1).encode())]) + symlink("x", "../../data"),
            *map(blob, BLOBS[1:]), file("index.json", index(top)), file("oci-layout", LAYOUT)), image
    )  # fmt: skip
    yield "o-stranger", oci(image, top, blobs=(*BLOBS, b"nobody names me\n"))
    wrong = pax([(b"path", b"blobs/sha256/" + b"1" * 64)]) + file("blob", b"x\n")
    yield "o-stranger-misnamed", (wrong + layout(index(top), *BLOBS), image)


def oci_refused():
    top = desc(MANIFEST, M_AMD, **named("1"))

    def other(code, *descriptors, blobs=BLOBS, version=LAYOUT, **more):
        return layout(index(*(descriptors or [top]), **more), *blobs, version=version), code

    yield "o-no-layout-file", (tar(*map(blob, BLOBS), file("index.json", index(top))), "NOT_AN_IMAGE")
    yield "o-version-2", other("LAYOUT_VERSION", version=b'{"imageLayoutVersion":"2.0.0"}')
    yield "o-empty-index", (layout(index(), *BLOBS), "NO_IMAGE")
    yield "o-schema-version", other("SCHEMA", schemaVersion=1)
    yield "o-index-type", other("SCHEMA", mediaType=MANIFEST)
    yield "o-layer-missing", other("MISSING", blobs=BLOBS[1:])
    yield "o-config-missing", other("MISSING", blobs=(G1, G2, M_AMD))
    yield "o-manifest-missing", other("MISSING", blobs=BLOBS[:3])
    lone = index(desc(MANIFEST, M_ARM))
    yield "o-index-of-nothing", other("MISSING", desc(INDEX, lone), blobs=(*BLOBS, lone))
    wrong = pax([(b"path", b"blobs/sha256/" + sha(G1).encode())]) + file("blob", G2)
    yield "o-wrong-blob", (wrong + layout(index(top), *BLOBS[1:]), "DIGEST")
    yield "o-wrong-size", other("SIZE", {**top, "size": len(M_AMD) + 1})
    yield "o-no-size", other("SCHEMA", {"mediaType": MANIFEST, "digest": top["digest"]})
    yield "o-no-digest", other("SCHEMA", {**top, "digest": "sha256:123"})
    yield "o-no-media-type", other("SCHEMA", {"digest": top["digest"], "size": top["size"]})
    yield "o-annotations", other("SCHEMA", {**top, "annotations": {"a": 1}})
    yield "o-index-that-is-none", other("SCHEMA", desc(INDEX, M_AMD))
    wrong_ids = config(ONE, OTHER)
    m_wrong = manifest(wrong_ids, G1, G2)
    yield "o-diff-id", other("DIFF_ID", desc(MANIFEST, m_wrong), blobs=(G1, G2, wrong_ids, m_wrong))
    deep, chain = M_AMD, []
    for i in range(9):
        deep = index(desc(INDEX if i else MANIFEST, deep), annotations={"n": str(i)})
        chain.append(deep)
    yield "o-deep", other("TOO_DEEP", desc(INDEX, deep), blobs=(*BLOBS, *chain))


def hybrid():
    plain = manifest(BOTH, ONE, TWO)
    blobs = (ONE, TWO, BOTH, ARM, plain)

    def both(cfg, layers, *more):
        names = ["blobs/sha256/" + sha(layer) for layer in layers]
        described = manifest_json(item("blobs/sha256/" + sha(cfg), names), *more)
        return described + layout(index(desc(MANIFEST, plain, **named(TAG))), *blobs)

    yield "hybrid", (both(BOTH, [ONE, TWO]), [([TAG], short(plain), LAYERS)])
    yield "hybrid-other-config", (both(ARM, [ONE, TWO]), "LAYOUTS_DISAGREE")
    yield "hybrid-other-layers", (both(BOTH, [TWO, ONE]), "LAYOUTS_DISAGREE")


def cases():
    for part in (docker_fine, nix, docker_names, sparse, tar_refused, docker_refused, wrapped, oci_fine, oci_refused, hybrid):
        for name, (data, found) in part():
            yield name, data, found
