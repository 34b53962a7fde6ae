"""What a stack would do, take and cost, told before anything is touched: `csscgen plan`.

Pure functions over settings. What is published is in limits.yaml, prices.yaml and machines.yaml, with source and date;
what was measured here or is guessed is in model.yaml, and docs/planning.md says how far off it was. Nothing here asks
Azure, a cluster or a registry, and nothing imports pulumi.
"""
