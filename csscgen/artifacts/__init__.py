"""Images and their signatures: made here, pushed to the stack's own registries, read back."""
