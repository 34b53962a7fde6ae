"""What a stack declares in Azure: registries, Key Vault, identities, AKS."""
