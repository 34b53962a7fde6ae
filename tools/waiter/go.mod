module ratify-perf/tools/waiter

go 1.26
