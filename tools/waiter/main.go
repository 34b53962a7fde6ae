// Waiter is the whole content of the images that a load test runs on real nodes: a container that costs next to nothing.
//
//	waiter        waits until it is told to stop (Deployments)
//	waiter 30s    ends by itself after that time (Jobs)
//
// It ends with 0 at SIGTERM or SIGINT, and with 2 at an argument that it does not understand. It must be built static
// (CGO_ENABLED=0), because the image holds no other file.
package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	var over <-chan time.Time // a nil channel never delivers
	switch len(os.Args) {
	case 1:
	case 2:
		duration, err := time.ParseDuration(os.Args[1])
		if err != nil || duration < 0 {
			refuse(os.Args[1])
		}
		over = time.After(duration)
	default:
		refuse(os.Args[2])
	}
	select {
	case <-stop:
	case <-over:
	}
}

func refuse(argument string) {
	os.Stderr.WriteString("waiter takes one argument at most, a duration such as 30s or 5m; it does not understand " + argument + ".\n")
	os.Exit(2)
}
