// Pusher measures what a registry takes at most: it pushes images with attachments as fast as the registry answers.
//
//	pusher -registry 127.0.0.1:5000 -repository bench -images 1000 -attachments 5 -concurrency 16
//
// Everything is made before the clock starts, each blob and manifest of its own bytes and of the sizes that are given.
// Nothing is asked for and nothing waited for: an image is its manifest by tag, then for each attachment its blob and
// its manifest by digest, then the list of its referrers where the registry keeps none (no OCI-Subject). A blob is one
// POST where the registry takes it (201), else a POST and a PUT to where it says. As many images are pushed at a time
// as there are connections. Prints JSON, and ends with 1 if anything was refused.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"
	blobType     = "application/octet-stream"
	emptyConfig  = `{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}`
)

// content is bytes to push, and the digest that they are asked for by.
type content struct {
	data   []byte
	digest string
}

type attachment struct{ blob, manifest content }

type image struct {
	tag         string
	manifest    content
	attachments []attachment
}

// pusher is one registry and repository, and what was done to it.
type pusher struct {
	client     http.Client
	base       string
	twoSteps   atomic.Bool // the registry takes no blob in a single POST
	noSubjects atomic.Bool // the registry keeps no lists of referrers
	requests   atomic.Int64
	manifests  atomic.Int64
	refusals   atomic.Int64
	firstError sync.Once
	failure    string
}

func main() {
	registry := flag.String("registry", "", "host:port, which is spoken to in plain HTTP")
	repository := flag.String("repository", "pusher", "where everything goes; it should be new")
	images := flag.Int("images", 1000, "images to push")
	attachments := flag.Int("attachments", 5, "attachments of each image")
	concurrency := flag.Int("concurrency", 16, "connections, and images at a time")
	imageSize := flag.Int("image-size", 550, "bytes of the manifest of an image, at least")
	blobSize := flag.Int("blob-size", 1800, "bytes of the blob of an attachment")
	manifestSize := flag.Int("manifest-size", 880, "bytes of the manifest of an attachment, at least")
	flag.Parse()
	if *registry == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	work := make([]image, *images)
	for i := range work {
		work[i] = newImage(i+1, *attachments, *imageSize, *blobSize, *manifestSize)
	}
	p := &pusher{base: fmt.Sprintf("http://%s/v2/%s", *registry, *repository)}
	p.client.Transport = &http.Transport{MaxIdleConnsPerHost: *concurrency, DisableCompression: true}
	p.pushBlob(content{[]byte("{}"), "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"})
	p.requests.Store(0)

	before, started := cpuSeconds(), time.Now()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range *concurrency {
		workers.Go(func() {
			for i := next.Add(1); i <= int64(len(work)); i = next.Add(1) {
				p.pushImage(&work[i-1])
			}
		})
	}
	workers.Wait()
	seconds := time.Since(started).Seconds()
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"manifests":       p.manifests.Load(),
		"manifests_per_s": float64(p.manifests.Load()) / seconds,
		"requests":        p.requests.Load(),
		"requests_per_s":  float64(p.requests.Load()) / seconds,
		"seconds":         seconds,
		"cpu_seconds":     cpuSeconds() - before,
		"errors":          p.refusals.Load(),
		"first_error":     p.failure,
	})
	if p.refusals.Load() > 0 {
		os.Exit(1)
	}
}

func (p *pusher) pushImage(image *image) {
	p.pushManifest(image.tag, manifestType, image.manifest.data)
	for _, each := range image.attachments {
		p.pushBlob(each.blob)
		if listed := p.pushManifest(each.manifest.digest, manifestType, each.manifest.data); !listed {
			p.noSubjects.Store(true)
		}
	}
	if p.noSubjects.Load() && len(image.attachments) > 0 {
		p.pushManifest(strings.Replace(image.manifest.digest, ":", "-", 1), indexType, image.index())
		p.manifests.Add(-1) // a list is the price of the attachments, not one more of them
	}
}

// pushManifest says whether the registry lists it as a referrer.
func (p *pusher) pushManifest(reference, mediaType string, data []byte) bool {
	status, header := p.send("PUT", p.base+"/manifests/"+reference, mediaType, data)
	if status != http.StatusCreated {
		p.refused("PUT of a manifest", status)
		return true
	}
	p.manifests.Add(1)
	return header.Get("OCI-Subject") != ""
}

func (p *pusher) pushBlob(blob content) {
	uploads, status := p.base+"/blobs/uploads/", 0
	var header http.Header
	if p.twoSteps.Load() {
		status, header = p.send("POST", uploads, blobType, nil)
	} else if status, header = p.send("POST", uploads+"?digest="+blob.digest, blobType, blob.data); status == http.StatusCreated {
		return
	}
	if status != http.StatusAccepted {
		p.refused("POST of a blob", status)
		return
	}
	p.twoSteps.Store(true)
	location := header.Get("Location")
	if strings.HasPrefix(location, "/") {
		location = p.base[:strings.Index(p.base, "/v2/")] + location
	}
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	if status, _ = p.send("PUT", location+separator+"digest="+blob.digest, blobType, blob.data); status != http.StatusCreated {
		p.refused("PUT of a blob", status)
	}
}

// send returns the answer's status, 0 if there was none, and its header fields.
func (p *pusher) send(method, url, mediaType string, data []byte) (int, http.Header) {
	p.requests.Add(1)
	request, err := http.NewRequest(method, url, bytes.NewReader(data))
	if err != nil {
		return 0, nil
	}
	request.Header.Set("Content-Type", mediaType)
	answer, err := p.client.Do(request)
	if err != nil {
		return 0, nil
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body) // or the connection is not kept
	return answer.StatusCode, answer.Header
}

func (p *pusher) refused(what string, status int) {
	p.refusals.Add(1)
	p.firstError.Do(func() { p.failure = fmt.Sprintf("%s: %d", what, status) })
}

func newImage(number, attachments, imageSize, blobSize, manifestSize int) image {
	made := image{tag: fmt.Sprint(number), manifest: padded(imageSize, func(padding string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s],"annotations":{"number":"%d %s"}}`,
			manifestType, emptyConfig, emptyConfig, number, padding)
	})}
	for range attachments {
		blob := newContent([]byte(noise(blobSize)))
		made.attachments = append(made.attachments, attachment{blob, padded(manifestSize, func(padding string) string {
			return fmt.Sprintf(`{"schemaVersion":2,"mediaType":"%s","artifactType":"application/vnd.cncf.notary.signature","config":%s,`+
				`"layers":[{"mediaType":"application/jose+json","digest":"%s","size":%d}],`+
				`"subject":{"mediaType":"%s","digest":"%s","size":%d},"annotations":{"padding":"%s"}}`,
				manifestType, emptyConfig, blob.digest, len(blob.data), manifestType, made.manifest.digest,
				len(made.manifest.data), padding)
		})})
	}
	return made
}

// index is the list of an image's referrers, in the referrers tag schema.
func (i *image) index() []byte {
	entries := make([]string, len(i.attachments))
	for n, each := range i.attachments {
		entries[n] = fmt.Sprintf(`{"mediaType":"%s","digest":"%s","size":%d,"artifactType":"application/vnd.cncf.notary.signature"}`,
			manifestType, each.manifest.digest, len(each.manifest.data))
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"%s","manifests":[%s]}`, indexType, strings.Join(entries, ","))
}

func padded(size int, document func(padding string) string) content {
	return newContent([]byte(document(noise(size - len(document(""))))))
}

func newContent(data []byte) content {
	return content{data, fmt.Sprintf("sha256:%x", sha256.Sum256(data))}
}

// noise is text that is not the same twice.
func noise(size int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	text := make([]byte, max(0, size))
	for i := range text {
		text[i] = letters[rand.IntN(len(letters))]
	}
	return string(text)
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Sec+usage.Stime.Sec) + float64(usage.Utime.Usec+usage.Stime.Usec)/1e6
}
