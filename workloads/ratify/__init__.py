"""The Ratify family: workloads whose pods run signed images, and the metrics that tell how they were admitted."""
