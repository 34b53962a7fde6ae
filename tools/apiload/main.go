// Apiload measures what an API server takes at most: it creates Deployments in a closed loop as fast as they are answered.
//
//	apiload -kubeconfig admin.json -path /apis/apps/v1/namespaces/bench/deployments -concurrency 32 < bodies.jsonl
//
// The bodies come by standard input, a line of JSON each, and are sent as they are, or made to Kubernetes' protobuf
// before the clock starts (-protobuf). HTTP/1.1 has a connection for each request that is under way; HTTP/2 (-http2) as
// many as net/http opens. The kubeconfig is JSON, with paths of certificate files. Prints JSON, and ends with 1 if
// anything was refused.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	jsonType     = "application/json"
	protobufType = "application/vnd.kubernetes.protobuf"
	mostBody     = 4 << 20
)

// config is what is read of a kubeconfig with one cluster and one user.
type config struct {
	Clusters []struct {
		Cluster struct {
			Server    string `json:"server"`
			Authority string `json:"certificate-authority"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		User struct {
			Certificate string `json:"client-certificate"`
			Key         string `json:"client-key"`
		} `json:"user"`
	} `json:"users"`
}

// loader is one collection of an API server, and what was created in it.
type loader struct {
	client      http.Client
	url         string
	contentType string
	refusals    atomic.Int64
	firstError  sync.Once
	failure     string
}

func main() {
	log.SetFlags(0)
	kubeconfig := flag.String("kubeconfig", "", "file, JSON")
	path := flag.String("path", "", "of the collection that the objects are created in")
	concurrency := flag.Int("concurrency", 32, "requests under way")
	http2 := flag.Bool("http2", false, "speak HTTP/2")
	protobuf := flag.Bool("protobuf", false, "send and ask for protobuf")
	flag.Parse()
	if *kubeconfig == "" || *path == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	l := &loader{contentType: jsonType}
	server, transport := connect(*kubeconfig, *http2)
	transport.MaxIdleConnsPerHost, transport.DisableCompression = *concurrency, true
	l.client.Transport, l.url = transport, server+*path
	bodies := read(os.Stdin)
	if *protobuf {
		l.contentType = protobufType
		for i, body := range bodies {
			bodies[i] = toProtobuf(body)
		}
	}

	waits := make([]float64, len(bodies))
	before, started := cpuSeconds(), time.Now()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range *concurrency {
		workers.Go(func() {
			for i := next.Add(1); i <= int64(len(bodies)); i = next.Add(1) {
				sent := time.Now()
				l.create(bodies[i-1])
				waits[i-1] = time.Since(sent).Seconds()
			}
		})
	}
	workers.Wait()
	seconds := time.Since(started).Seconds()
	slices.Sort(waits)
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"objects":       len(bodies),
		"objects_per_s": float64(len(bodies)) / seconds,
		"seconds":       seconds,
		"cpu_seconds":   cpuSeconds() - before,
		"bytes":         len(slices.Concat(bodies...)),
		"answer_p50":    waits[len(waits)/2],
		"answer_p99":    waits[len(waits)*99/100],
		"errors":        l.refusals.Load(),
		"first_error":   l.failure,
	})
	if l.refusals.Load() > 0 {
		os.Exit(1)
	}
}

// connect reads a kubeconfig: the address of its server, and how to speak to that.
func connect(kubeconfig string, http2 bool) (string, *http.Transport) {
	var read config
	text, err := os.ReadFile(kubeconfig)
	must(err)
	must(json.Unmarshal(text, &read))
	if len(read.Clusters) != 1 || len(read.Users) != 1 {
		log.Fatalf("%s is to have one cluster and one user", kubeconfig)
	}
	authority, err := os.ReadFile(read.Clusters[0].Cluster.Authority)
	must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	certificate, err := tls.LoadX509KeyPair(read.Users[0].User.Certificate, read.Users[0].User.Key)
	must(err)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	return read.Clusters[0].Cluster.Server, &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{certificate}},
		Protocols:       protocols,
	}
}

func read(from io.Reader) (bodies [][]byte) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, mostBody)
	for lines.Scan() {
		bodies = append(bodies, bytes.Clone(lines.Bytes()))
	}
	must(lines.Err())
	if len(bodies) == 0 {
		log.Fatal("standard input has no body")
	}
	return bodies
}

// toProtobuf makes what Kubernetes calls its protobuf: four bytes, and the object in an envelope with its kind.
func toProtobuf(body []byte) []byte {
	var object appsv1.Deployment
	must(json.Unmarshal(body, &object))
	raw, err := object.Marshal()
	must(err)
	envelope := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: object.APIVersion, Kind: object.Kind}, Raw: raw}
	made, err := envelope.Marshal()
	must(err)
	return append([]byte{'k', '8', 's', 0}, made...)
}

func (l *loader) create(body []byte) {
	request, err := http.NewRequest("POST", l.url, bytes.NewReader(body))
	must(err)
	request.Header.Set("Content-Type", l.contentType)
	request.Header.Set("Accept", l.contentType)
	answer, err := l.client.Do(request)
	if err != nil {
		l.refused(err.Error())
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusCreated {
		io.Copy(io.Discard, answer.Body) // or the connection is not kept
		return
	}
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 500))
	l.refused(fmt.Sprintf("%d: %s", answer.StatusCode, said))
}

func (l *loader) refused(why string) {
	l.refusals.Add(1)
	l.firstError.Do(func() { l.failure = why })
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Sec+usage.Stime.Sec) + float64(usage.Utime.Usec+usage.Stime.Usec)/1e6
}
