// Makes what sigstore makes of statements and payloads, by authorities and a log of its own that live for one run, and
// verifies bundles as sigstore-go does.
//
//	sigstore make FOLDER IDENTITY ISSUER < requests    one JSON object a line: {"form": ..., "text": BASE64}; a bundle a line
//	sigstore verify ROOT BUNDLE IDENTITY ISSUER HEX    with status 1 and why, when it does not hold
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/encoding/protojson"
)

type request struct {
	Form string `json:"form"`
	Text []byte `json:"text"`
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func writePEM(path, kind string, all ...[]byte) {
	var text []byte
	for _, der := range all {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	check(os.WriteFile(path, text, 0o644))
}

// The roots, in each form that people pin them in.
func writeRoots(vs *ca.VirtualSigstore, folder string) {
	logs := vs.RekorLogs()
	for id, log := range logs {
		log.ID, _ = hex.DecodeString(id)
		der, err := x509.MarshalPKIXPublicKey(log.PublicKey)
		check(err)
		writePEM(filepath.Join(folder, "log.pub"), "PUBLIC KEY", der)
	}
	fulcio := vs.FulcioCertificateAuthorities()[0].(*root.FulcioCertificateAuthority)
	writePEM(filepath.Join(folder, "roots.pem"), "CERTIFICATE", fulcio.Root.Raw, fulcio.Intermediates[0].Raw)
	tsa := vs.TimestampingAuthorities()[0].(*root.SigstoreTimestampingAuthority)
	stamps := [][]byte{tsa.Root.Raw, tsa.Leaf.Raw}
	for _, c := range tsa.Intermediates {
		stamps = append(stamps, c.Raw)
	}
	writePEM(filepath.Join(folder, "stamps.pem"), "CERTIFICATE", stamps...)
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01, vs.FulcioCertificateAuthorities(), nil,
		vs.TimestampingAuthorities(), logs)
	check(err)
	text, err := trusted.MarshalJSON()
	check(err)
	check(os.WriteFile(filepath.Join(folder, "trusted_root.json"), text, 0o644))
}

// The entry has lost on its way what kind it is of, and the promise of the log.
func complete(vs *ca.VirtualSigstore, e *tlog.Entry, promised bool) *protorekor.TransparencyLogEntry {
	entry := e.TransparencyLogEntry()
	if entry.KindVersion == nil {
		var body struct{ Kind, APIVersion string }
		check(json.Unmarshal(entry.CanonicalizedBody, &body))
		entry.KindVersion = &protorekor.KindVersion{Kind: body.Kind, Version: body.APIVersion}
	}
	if promised {
		set, err := vs.RekorSignPayload(tlog.RekorPayload{
			Body: e.Body(), IntegratedTime: entry.IntegratedTime, LogIndex: entry.LogIndex,
			LogID: hex.EncodeToString(entry.LogId.KeyId),
		})
		check(err)
		entry.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: set}
	}
	return entry
}

func makeEntity(vs *ca.VirtualSigstore, identity, issuer string, r request) (*ca.TestEntity, error) {
	at := time.Now().Add(time.Minute)
	switch r.Form {
	case "entry", "stamp":
		return vs.AttestAtTime(identity, issuer, r.Text, at, true)
	case "late":
		return vs.AttestAtTime(identity, issuer, r.Text, at.Add(30*time.Minute), true)
	case "tiles":
		return vs.AttestAtTimeHashedRekordV2(identity, issuer, r.Text, at)
	case "message":
		return vs.SignAtTime(identity, issuer, r.Text, at)
	}
	return nil, fmt.Errorf("no form %q", r.Form)
}

func makeBundle(vs *ca.VirtualSigstore, identity, issuer string, r request) []byte {
	entity, err := makeEntity(vs, identity, issuer, r)
	check(err)
	content, _ := entity.VerificationContent()
	entries, _ := entity.TlogEntries()
	stamps, _ := entity.Timestamps()
	signed, _ := entity.SignatureContent()
	material := &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_Certificate{
			Certificate: &protocommon.X509Certificate{RawBytes: content.Certificate().Raw},
		},
	}
	if r.Form == "stamp" || r.Form == "tiles" {
		material.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: stamps[0]}},
		}
	}
	if r.Form != "stamp" {
		material.TlogEntries = []*protorekor.TransparencyLogEntry{complete(vs, entries[0], r.Form != "tiles")}
	}
	made := &protobundle.Bundle{MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json", VerificationMaterial: material}
	if envelope := signed.EnvelopeContent(); envelope != nil {
		raw := envelope.RawEnvelope()
		payload, err := raw.DecodeB64Payload()
		check(err)
		made.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: payload, PayloadType: raw.PayloadType, Signatures: []*protodsse.Signature{{Sig: signed.Signature()}},
		}}
	} else {
		made.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			Signature: signed.Signature(),
		}}
	}
	text, err := protojson.Marshal(made)
	check(err)
	return text
}

func makeAll(folder, identity, issuer string) {
	vs, err := ca.NewVirtualSigstoreWithExistingRekorEntry()
	check(err)
	writeRoots(vs, folder)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		check(json.Unmarshal(lines.Bytes(), &r))
		fmt.Println(string(makeBundle(vs, identity, issuer, r)))
	}
}

func verifyOne(rootPath, path, identity, issuer, digest string) {
	trusted, err := root.NewTrustedRootFromPath(rootPath)
	check(err)
	b, err := bundle.LoadJSONFromPath(path)
	check(err)
	verifier, err := verify.NewVerifier(trusted, verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	check(err)
	who, err := verify.NewShortCertificateIdentity(issuer, "", identity, "")
	check(err)
	bytes, err := hex.DecodeString(digest)
	check(err)
	_, err = verifier.Verify(b, verify.NewPolicy(verify.WithArtifactDigest("sha256", bytes), verify.WithCertificateIdentity(who)))
	check(err)
}

func main() {
	switch {
	case len(os.Args) == 5 && os.Args[1] == "make":
		makeAll(os.Args[2], os.Args[3], os.Args[4])
	case len(os.Args) == 7 && os.Args[1] == "verify":
		verifyOne(os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6])
	default:
		check(fmt.Errorf("usage: sigstore make FOLDER IDENTITY ISSUER | sigstore verify ROOT BUNDLE IDENTITY ISSUER HEX"))
	}
}
