"""Container images made, read and renamed without a registry and without a container engine."""
