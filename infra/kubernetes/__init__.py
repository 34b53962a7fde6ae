"""What is declared inside a cluster, on any platform: access, admission policy and the workloads."""
