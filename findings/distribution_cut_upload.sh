#!/usr/bin/env bash
# The reference registry (Debian's docker-registry 2.8.2+ds1-1) keeps what a cut PATCH brought, and yet drops the upload
# when it is asked how far it is: the state in the URL of the upload, of before that PATCH, says another offset than the
# file has. So the one request that distribution-spec has for going on after a broken connection ("Pushing a blob in
# chunks": GET on the upload's URL) ends the upload with 404, and the client sends the blob anew.
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
YML
package/usr/bin/docker-registry serve config.yml >/dev/null 2>&1 &
server=$!
base=http://127.0.0.1:$port
curl -sf --retry 50 --retry-connrefused --retry-delay 1 "$base/v2/" >/dev/null

begin() {
    curl -sfD - -o /dev/null -X POST "$base/v2/app/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //Ip'
}

place=$(begin)
whole=$(curl -s -o /dev/null -w '%{http_code}' "$place")

# A PATCH that says 100,000 bytes, brings 50,000 and breaks off.
path=${place#"$base"}
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'PATCH %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 100000\r\n\r\n' \
    "$path" >&3
head -c 50000 /dev/zero >&3
exec 3>&-
until [ "$(find images -path '*_uploads*' -name data -size +48k | wc -l)" = 1 ]; do sleep 0.1; done
cut=$(curl -s -o answer.json -w '%{http_code}' "$place")
code=$(grep -o '"code":"[A-Z_]*"' answer.json | cut -d'"' -f4)
echo "asked how far it is: $whole before the PATCH; $cut $code after it was cut"
[ "$whole" = 204 ] && [ "$cut" = 404 ] && [ "$code" = BLOB_UPLOAD_INVALID ]
