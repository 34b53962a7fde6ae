"""The entry point that Pulumi runs: wiring only."""

from infra.program import main

main()
