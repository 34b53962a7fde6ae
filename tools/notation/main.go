// Notation verifies every signature of an image as the Notary Project's own library does, for the tests of what is seeded.
//
//	notation FOLDER REFERENCE
//
// FOLDER is laid out as notation's configuration folder: trustpolicy.json and truststore/x509/ca/NAME/*.pem. REFERENCE is
// of a registry without TLS. It prints the image's digest and for each signature its digest, the envelope's media type and
// the error, null if it is good, as JSON; and ends with 1 if one is not good or there is none, with 2 if it could not look.
// (notation.Verify of the library ends with the first good one, and there is no notation CLI as a Go module.)
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/notaryproject/notation-core-go/signature/cose"
	_ "github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/dir"
	"github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
)

type signature struct {
	Digest    string  `json:"digest"`
	MediaType string  `json:"mediaType"`
	Error     *string `json:"error"`
}

type report struct {
	Image      string      `json:"image"`
	Signatures []signature `json:"signatures"`
}

func main() {
	if len(os.Args) != 3 {
		stop(fmt.Errorf("it takes two arguments, FOLDER and REFERENCE"))
	}
	found, err := verify(context.Background(), os.Args[1], os.Args[2])
	if err != nil {
		stop(err)
	}
	good := len(found.Signatures) > 0
	for _, each := range found.Signatures {
		good = good && each.Error == nil
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		stop(err)
	}
	if !good {
		os.Exit(1)
	}
}

func verify(ctx context.Context, folder, reference string) (*report, error) {
	judge, err := newVerifier(folder)
	if err != nil {
		return nil, err
	}
	target, err := remote.NewRepository(reference)
	if err != nil {
		return nil, err
	}
	target.PlainHTTP = true
	repository := registry.NewRepository(target)
	image, err := repository.Resolve(ctx, target.Reference.Reference)
	if err != nil {
		return nil, err
	}
	pinned := target.Reference
	pinned.Reference = image.Digest.String()
	found := &report{Image: image.Digest.String(), Signatures: []signature{}}
	err = repository.ListSignatures(ctx, image, func(manifests []ocispec.Descriptor) error {
		for _, manifest := range manifests {
			found.Signatures = append(found.Signatures, one(ctx, judge, repository, image, manifest, pinned.String()))
		}
		return nil
	})
	return found, err
}

// one is the verdict on one signature of the image.
func one(ctx context.Context, judge notation.Verifier, repository registry.Repository, image, manifest ocispec.Descriptor, reference string) signature {
	envelope, descriptor, err := repository.FetchSignatureBlob(ctx, manifest)
	if err == nil {
		options := notation.VerifierVerifyOptions{ArtifactReference: reference, SignatureMediaType: descriptor.MediaType}
		_, err = judge.Verify(ctx, image, envelope, options)
	}
	verdict := signature{Digest: manifest.Digest.String(), MediaType: descriptor.MediaType}
	if err != nil {
		text := err.Error()
		verdict.Error = &text
	}
	return verdict
}

func newVerifier(folder string) (notation.Verifier, error) {
	text, err := os.ReadFile(filepath.Join(folder, "trustpolicy.json"))
	if err != nil {
		return nil, err
	}
	var policy trustpolicy.Document
	if err := json.Unmarshal(text, &policy); err != nil {
		return nil, err
	}
	return verifier.New(&policy, truststore.NewX509TrustStore(dir.NewSysFS(folder)), nil)
}

func stop(err error) {
	fmt.Fprintf(os.Stderr, "notation: %v\n", err)
	os.Exit(2)
}
