#!/usr/bin/env bash
# The reference registry (Debian's docker-registry 2.8.2+ds1-1) loses the body of an upload whose Content-Type is
# application/x-www-form-urlencoded, which is what curl says of --data-binary when nobody tells it otherwise: the
# state of the upload is looked up among the form's values, and for that the body is read as a form. The same bytes
# under application/octet-stream, or under no type at all, are taken; distribution-spec, "Pushing a blob in chunks",
# makes nothing depend on the type. Whoever tries the protocol by hand is told that the digest is wrong.
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

printf 'some bytes' >blob
digest=sha256:$(sha256sum <blob | cut -d' ' -f1)

# put HEADER: one upload, finished with the bytes and that header
put() {
    local place
    place=$(curl -sfD - -o /dev/null -X POST "$base/v2/app/blobs/uploads/" | tr -d '\r' |
        sed -n 's/^Location: //Ip')
    curl -s -o answer.json -w '%{http_code}' -X PUT -H "$1" --data-binary @blob "$place&digest=$digest"
}

form=$(put 'Content-Type: application/x-www-form-urlencoded')
code=$(grep -o '"code":"[A-Z_]*"' answer.json | cut -d'"' -f4)
octets=$(put 'Content-Type: application/octet-stream')
none=$(put 'Content-Type:')
echo "as a form: $form $code; as octets: $octets; without a type: $none"
[ "$form" = 400 ] && [ "$code" = DIGEST_INVALID ] && [ "$octets" = 201 ] && [ "$none" = 201 ]
