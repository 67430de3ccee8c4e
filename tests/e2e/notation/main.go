// Signs images and verifies signatures as the notation command does, whose library this is:
//
//	notation sign KEY CHAIN MEDIA-TYPE EXPIRY REFERENCE
//	notation verify FOLDER REFERENCE        (FOLDER/trustpolicy.json, FOLDER/truststore/x509/TYPE/NAME/)
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/dir"
	"github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/signer"
	"github.com/notaryproject/notation-go/verifier"
	"oras.land/oras-go/v2/registry/remote"
)

func open(reference string) (registry.Repository, error) {
	repository, err := remote.NewRepository(reference)
	if err != nil {
		return nil, err
	}
	repository.PlainHTTP = true
	return registry.NewRepository(repository), nil
}

func sign(key, chain, mediaType, expiry, reference string) error {
	repository, err := open(reference)
	if err != nil {
		return err
	}
	duration, err := time.ParseDuration(expiry)
	if err != nil {
		return err
	}
	by, err := signer.NewGenericSignerFromFiles(key, chain)
	if err != nil {
		return err
	}
	_, err = notation.Sign(context.Background(), by, repository, notation.SignOptions{
		SignerSignOptions: notation.SignerSignOptions{SignatureMediaType: mediaType, ExpiryDuration: duration},
		ArtifactReference: reference,
	})
	return err
}

func verify(folder, reference string) error {
	repository, err := open(reference)
	if err != nil {
		return err
	}
	dir.UserConfigDir = folder
	by, err := verifier.NewFromConfig()
	if err != nil {
		return err
	}
	_, _, err = notation.Verify(context.Background(), by, repository, notation.VerifyOptions{
		ArtifactReference: reference, MaxSignatureAttempts: 50,
	})
	return err
}

func main() {
	var err error

	switch {
	case len(os.Args) == 7 && os.Args[1] == "sign":
		err = sign(os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6])
	case len(os.Args) == 4 && os.Args[1] == "verify":
		err = verify(os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("usage: notation sign KEY CHAIN MEDIA-TYPE EXPIRY REFERENCE | notation verify FOLDER REFERENCE")
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
