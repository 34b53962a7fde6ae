// Regpusher pushes images with attachments by regclient, a well-known Go client, used as its documentation has it:
// BlobPut and ManifestPut, which look after retries and the lists of referrers. It is a peer in benchmarks.
//
//	regpusher -registry 127.0.0.1:5000 -repository peer -images 100 -attachments 5 -concurrency 16
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/regclient/regclient"
	"github.com/regclient/regclient/config"
	"github.com/regclient/regclient/types/descriptor"
	"github.com/regclient/regclient/types/manifest"
	"github.com/regclient/regclient/types/mediatype"
	v1 "github.com/regclient/regclient/types/oci/v1"
	"github.com/regclient/regclient/types/ref"
)

func main() {
	registry := flag.String("registry", "", "host:port, which is spoken to in plain HTTP")
	repository := flag.String("repository", "regpusher", "where everything goes")
	images := flag.Int("images", 100, "images to push")
	attachments := flag.Int("attachments", 5, "attachments of each image")
	concurrency := flag.Int("concurrency", 16, "requests, and images at a time")
	flag.Parse()
	host := config.Host{Name: *registry, TLS: config.TLSDisabled, ReqConcurrent: int64(*concurrency)}
	client, ctx := regclient.New(regclient.WithConfigHost(host)), context.Background()
	target := fmt.Sprintf("%s/%s", *registry, *repository)
	empty := descriptor.Descriptor{MediaType: mediatype.OCI1Empty, Digest: digest.FromString("{}"), Size: 2}
	push := func(reference, artifactType string, blob []byte, subject *descriptor.Descriptor) descriptor.Descriptor {
		repo := try(ref.New(target))
		layer := descriptor.Descriptor{MediaType: "application/jose+json", Digest: digest.FromBytes(blob), Size: int64(len(blob))}
		try(client.BlobPut(ctx, repo, layer, bytes.NewReader(blob)))
		made := try(manifest.New(manifest.WithOrig(v1.Manifest{Versioned: v1.ManifestSchemaVersion, MediaType: mediatype.OCI1Manifest,
			ArtifactType: artifactType, Config: empty, Layers: []descriptor.Descriptor{layer}, Subject: subject})))
		if reference == "" {
			reference = "@" + made.GetDescriptor().Digest.String()
		}
		try(0, client.ManifestPut(ctx, try(ref.New(target+reference)), made))
		return made.GetDescriptor()
	}
	try(client.BlobPut(ctx, try(ref.New(target)), empty, bytes.NewReader([]byte("{}"))))
	started, next := time.Now(), atomic.Int64{}
	var workers sync.WaitGroup
	for range *concurrency {
		workers.Go(func() {
			for i := next.Add(1); i <= int64(*images); i = next.Add(1) {
				image := push(fmt.Sprintf(":%d", i), "", fmt.Appendf(nil, "layer of image %d", i), nil)
				for range *attachments {
					blob := make([]byte, 1800)
					rand.Read(blob)
					push("", "application/vnd.cncf.notary.signature", blob, &image)
				}
			}
		})
	}
	workers.Wait()
	seconds, pushed := time.Since(started).Seconds(), *images*(1+*attachments)
	json.NewEncoder(os.Stdout).Encode(map[string]any{"manifests": pushed, "manifests_per_s": float64(pushed) / seconds, "seconds": seconds})
}

func try[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}
