"""One append-only history per run: operations, fault windows, observations, ground truth."""
