"""One address in front of several processes: what a Kubernetes Service is to its pods."""
