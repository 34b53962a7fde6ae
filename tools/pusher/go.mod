module ratify-perf/tools/pusher

go 1.26
