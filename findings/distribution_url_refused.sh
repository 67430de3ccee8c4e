#!/usr/bin/env bash
# The reference registry (Debian's docker-registry 2.8.2+ds1-1; 3.1.2 does the same) with the documented setting
# validation.manifests.urls.allow refuses a manifest that names another URL, as it should, but with status 500 and
# the codes UNKNOWN, UNKNOWN and MANIFEST_BLOB_UNKNOWN. Whoever pushes reads "unknown error" about a fault of the
# server, and clients that try again on 5xx (docker, skopeo, crane) do so, although nothing can help but another
# manifest. 400 with MANIFEST_INVALID is what distribution-spec, "Error Codes", has for it.
set -euo pipefail

work=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server"; fi; rm -rf "$work"' EXIT
cd "$work"

apt-get download -q docker-registry=2.8.2+ds1-1 >/dev/null 2>&1
dpkg-deb -x docker-registry_*.deb package
package/usr/bin/docker-registry --version

port=$((20000 + RANDOM % 10000))
cat >config.yml <<YML
version: 0.1
log: {accesslog: {disabled: true}, level: error}
storage: {filesystem: {rootdirectory: $work/images}}
http: {addr: "127.0.0.1:$port"}
validation: {manifests: {urls: {allow: ['^https://good\.example/']}}}
YML
package/usr/bin/docker-registry serve config.yml >/dev/null 2>&1 &
server=$!
base=http://127.0.0.1:$port
curl -sf --retry 50 --retry-connrefused --retry-delay 1 "$base/v2/" >/dev/null

config=sha256:$(printf '{}' | sha256sum | cut -d' ' -f1)
place=$(curl -sfD - -o /dev/null -X POST "$base/v2/app/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //Ip')
curl -sf -X PUT -H 'Content-Type: application/octet-stream' --data-binary '{}' "$place&digest=$config" >/dev/null

# push HOST: an image whose only layer is at that host
push() {
    cat >manifest.json <<JSON
{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
 "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "$config", "size": 2},
 "layers": [{"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar", "size": 3,
             "digest": "sha256:$(printf abc | sha256sum | cut -d' ' -f1)", "urls": ["https://$1/layer"]}]}
JSON
    curl -s -o answer.json -w '%{http_code}' -X PUT --data-binary @manifest.json \
        -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' "$base/v2/app/manifests/$1"
}

good=$(push good.example)
bad=$(push bad.example)
codes=$(grep -o '"code":"[A-Z_]*"' answer.json | cut -d'"' -f4 | paste -sd' ')
echo "a URL that is allowed: $good; one that is not: $bad $codes"
[ "$good" = 201 ] && [ "$bad" = 500 ] && [ "$codes" = "UNKNOWN UNKNOWN MANIFEST_BLOB_UNKNOWN" ]
