"""An emulator of Azure Container Registry on the loopback interface: OCI distribution 1.1, throttled as ACR is."""
