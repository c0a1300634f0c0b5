"""Traffic: what we do to the cluster, all the time, while faults act."""
