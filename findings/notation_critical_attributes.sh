#!/usr/bin/env bash
# notation accepts signatures with critical attributes that it does not understand.
#
# The Notary Project's specification ("Signature Specification", "Extended attributes", and "Signed Attributes"): what a
# signature marks as critical must be understood and processed by a verifier, and an unknown critical attribute must
# make the verification fail. notation-go 1.3.2 (Go module proxy), the library of the command, looks at attributes of
# others only where the signature asks for one of its plugins: without one, a signature that says by a critical
# attribute, for instance, in which environment alone it counts is verified everywhere, at level strict.
set -euo pipefail

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
export HOME=$work GOCACHE=${GOCACHE:-$(go env GOCACHE)} GOMODCACHE=${GOMODCACHE:-$(go env GOMODCACHE)}

cat >go.mod <<'MOD'
module finding

go 1.24

require (
	github.com/notaryproject/notation-core-go v1.3.0
	github.com/notaryproject/notation-go v1.3.2
)
MOD

cat >main.go <<'GO'
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"time"

	"github.com/notaryproject/notation-core-go/signature"
	_ "github.com/notaryproject/notation-core-go/signature/cose"
	_ "github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

type store struct{ all []*x509.Certificate }

func (s store) GetCertificates(context.Context, truststore.Type, string) ([]*x509.Certificate, error) {
	return s.all, nil
}

func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}

func main() {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	ask := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		Subject:  pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"a"}},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	certificate := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, ask, ask, key.Public(), key))))
	target := ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Size: 2,
		Digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
	}
	policy := &trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{{
		Name: "all", RegistryScopes: []string{"*"}, TrustStores: []string{"ca:a"}, TrustedIdentities: []string{"*"},
		SignatureVerification: trustpolicy.SignatureVerification{VerificationLevel: "strict"},
	}}}
	verify := must(verifier.New(policy, store{[]*x509.Certificate{certificate}}, nil))
	as := true

	for _, form := range []string{"application/jose+json", "application/cose"} {
		signed := must(must(signature.NewEnvelope(form)).Sign(&signature.SignRequest{
			Payload: signature.Payload{
				ContentType: "application/vnd.cncf.notary.payload.v1+json",
				Content:     must(json.Marshal(map[string]any{"targetArtifact": target})),
			},
			Signer:      must(signature.NewLocalSigner([]*x509.Certificate{certificate}, key)),
			SigningTime: time.Now(), SigningScheme: signature.SigningSchemeX509,
			ExtendedSignedAttributes: []signature.Attribute{
				{Key: "com.example.onlyFor", Critical: true, Value: "tests"},
			},
		}))
		_, err := verify.Verify(context.Background(), target, signed, notation.VerifierVerifyOptions{
			ArtifactReference:  "registry.example/app@" + target.Digest.String(),
			SignatureMediaType: form,
		})
		fmt.Printf("%-22s with a critical attribute com.example.onlyFor: ", form)
		if err == nil {
			fmt.Println("verified")
		} else {
			fmt.Println(err)
			as = false
		}
	}
	if !as {
		os.Exit(1)
	}
}
GO

go mod tidy >/dev/null 2>&1
go list -m github.com/notaryproject/notation-go
go run .
