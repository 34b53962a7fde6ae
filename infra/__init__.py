"""What a stack declares, and the embedded engine that makes it where there is no Pulumi CLI. Never imports csscgen."""
