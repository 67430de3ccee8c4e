#!/usr/bin/env bash
# cosign signs with keys whose signatures it then refuses.
#
# `cosign import-key-pair` takes private keys of several kinds, and `cosign sign` signs with each of them without a
# word. `cosign verify` with the public half that cosign itself wrote accepts what was signed with P-256 (its own
# choice) and with RSA, and refuses what was signed with P-384 and with Ed25519:
#   cosign 2.6.5 and 3.1.3 (Go module proxy), old signatures ("simple signing"), and bundles of 3.1.3
# Those of P-384 are good signatures all the same: OpenSSL verifies them, with SHA-384. Those of Ed25519 are of the
# variant that hashes first (Ed25519ph), which OpenSSL 3.0 does not know, and are checked as if they were of the other.
# So whoever checks signatures of cosign finds keys of these kinds in use whose owners never saw a verification.
set -euo pipefail

work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
export HOME=$work COSIGN_PASSWORD="" GOCACHE=${GOCACHE:-$(go env GOCACHE)} GOMODCACHE=${GOMODCACHE:-$(go env GOMODCACHE)}

GOBIN=$work/two go install github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5
GOBIN=$work/three go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3
GOBIN=$work/bin go install github.com/google/go-containerregistry/cmd/crane@v0.22.1

openssl genrsa -out rsa.pem 2048 2>/dev/null
openssl genpkey -algorithm ed25519 -out ed25519.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.pem

bin/crane registry serve --address 127.0.0.1:5871 >/dev/null 2>&1 &
for _ in $(seq 100); do
    curl -fs http://127.0.0.1:5871/v2/ >/dev/null && break
    sleep 0.1
done
mkdir -p layer
echo hello >layer/file
tar -cf layer.tar -C layer file

# sign COSIGN KEY IMAGE [FLAG...]
sign() {
    "$work/$1/cosign" sign --key "$2.key" --tlog-upload=false -y --allow-http-registry "${@:4}" "$3" >/dev/null 2>&1
}

verify() {
    if "$work/$1/cosign" verify --key "$2.pub" --insecure-ignore-tlog --allow-http-registry "$3" >/dev/null 2>&1; then
        echo accepted
    else
        echo refused
    fi
}

{
    for kind in p256 rsa p384 ed25519; do
        three/cosign import-key-pair --key "$kind.pem" --output-key-prefix "$kind" >/dev/null 2>&1
        for form in two-old three-old three-bundle; do
            image=127.0.0.1:5871/app:$kind-$form
            echo "$kind $form" >layer/file
            tar -cf layer.tar -C layer file
            bin/crane append --insecure -f layer.tar -t "$image" >/dev/null 2>&1
            image=127.0.0.1:5871/app@$(bin/crane digest --insecure "$image")
            case $form in
                two-old) sign two "$kind" "$image" ;;
                three-old) sign three "$kind" "$image" --use-signing-config=false --new-bundle-format=false ;;
                three-bundle) sign three "$kind" "$image" --use-signing-config=false ;;
            esac
            echo "$kind $form: signed, and $(verify "${form%-*}" "$kind" "$image")"
        done
    done
} | tee seen

cat >expected <<'TXT'
p256 two-old: signed, and accepted
p256 three-old: signed, and accepted
p256 three-bundle: signed, and accepted
rsa two-old: signed, and accepted
rsa three-old: signed, and accepted
rsa three-bundle: signed, and accepted
p384 two-old: signed, and refused
p384 three-old: signed, and refused
p384 three-bundle: signed, and refused
ed25519 two-old: signed, and refused
ed25519 three-old: signed, and refused
ed25519 three-bundle: signed, and refused
TXT
diff expected seen
