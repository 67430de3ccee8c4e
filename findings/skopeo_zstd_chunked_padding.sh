#!/usr/bin/env bash
# skopeo 1.9.3 (Debian 12; podman and buildah of that release have the same library) that packs layers as zstd:chunked ends
# each with two blocks of zeros, however many its tar had. GNU tar and Python's tarfile write more, up to 10 KiB, and then the
# layer is no longer what the config's diff_id says: skopeo does so without a word, and the image is refused by whoever
# unpacks it. skopeo 1.18.0 (Debian 13) keeps what was there.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get download -q skopeo=1.9.3+ds1-1+b10 >/dev/null 2>&1
dpkg-deb -x skopeo_*.deb package
package/usr/bin/skopeo --version

# blob FILE: its descriptor, and itself in the layout
mkdir -p in/blobs/sha256
blob() {
    local digest
    digest=$(sha256sum <"$1" | cut -d' ' -f1)
    cp "$1" "in/blobs/sha256/$digest"
    printf '"digest": "sha256:%s", "size": %d' "$digest" "$(stat -c %s "$1")"
}
# An image of one file, whose tar is filled up to 10 KiB.
echo hello >file
tar -cf layer.tar file
diff_id=sha256:$(sha256sum <layer.tar | cut -d' ' -f1)
cat >config.json <<JSON
{"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ["$diff_id"]}, "config": {},
 "history": [{"created_by": "test"}]}
JSON
oci=application/vnd.oci.image
cat >manifest.json <<JSON
{"schemaVersion": 2, "mediaType": "$oci.manifest.v1+json", "config": {"mediaType": "$oci.config.v1+json", $(blob config.json)},
 "layers": [{"mediaType": "$oci.layer.v1.tar", $(blob layer.tar)}]}
JSON
cat >in/index.json <<JSON
{"schemaVersion": 2, "manifests": [{"mediaType": "$oci.manifest.v1+json", $(blob manifest.json)}]}
JSON
echo '{"imageLayoutVersion": "1.0.0"}' >in/oci-layout

# unpacked FORMAT: the size and digest of the layer after it was packed so
unpacked() {
    package/usr/bin/skopeo --insecure-policy copy -q --dest-compress-format="$1" oci:in oci:out
    local manifest layer
    manifest=$(grep -o '"digest":"sha256:[0-9a-f]*' out/index.json | cut -d: -f3)
    layer=$(grep -o '"layers".*' "out/blobs/sha256/$manifest" | grep -o '"digest":"sha256:[0-9a-f]*' | cut -d: -f3)
    zstd -qdc "out/blobs/sha256/$layer" >"unpacked.tar"
    rm -r out
    echo "$(stat -c %s unpacked.tar) sha256:$(sha256sum <unpacked.tar | cut -d' ' -f1)"
}
zstd=$(unpacked zstd)
chunked=$(unpacked zstd:chunked)
echo "the layer: $(stat -c %s layer.tar) $diff_id"
echo "after zstd: $zstd"
echo "after zstd:chunked: $chunked"
[ "$zstd" = "10240 $diff_id" ] && [ "${chunked%% *}" = 2048 ]
