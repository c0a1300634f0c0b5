"""The Protocols of backend and cluster, held against every backend that can be had here, and K3s against a stand-in."""
